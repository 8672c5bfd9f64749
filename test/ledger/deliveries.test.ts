import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Incident, type Outgoing, openIncident, withBatch } from '../../src/core/incident.ts';
import type { Reason } from '../../src/core/notice.ts';
import { withRunning } from '../../src/core/rounds.ts';
import { withTelling } from '../../src/core/telling.ts';
import { answerItself, command } from '../../src/ledger/answers.ts';
import type { Claim } from '../../src/ledger/claim.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { type AttemptEnd, beginAttempt, recordAttempt } from '../../src/ledger/deliveries.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { renewEpoch } from '../../src/ledger/migrate.ts';
import { closeIncident, loadIncident } from '../../src/ledger/state.ts';
import { buryDelivery, skipDelivery } from '../../src/ledger/unsent.ts';
import { claimAll, event, one, opened, openTestLedger, routing } from '../support/ledger.ts';
import { HOUR, MINUTE } from '../support/policies.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const ana = { by: 'ana', key: 'k1' };

/** The workflow's state after its first batch, with a notice for `chat` on its way. */
function sending({ opening, batch }: Claim, reason: Reason = 'group_now'): { out: Outgoing; snapshot: Incident } {
  const folded = withBatch(openIncident(opening.id, opening.policy, opening.epoch, opening.opened_at), batch);
  return notice(folded, reason);
}

function notice(state: Incident, reason: Reason): { out: Outgoing; snapshot: Incident } {
  const snapshot = withRunning(withTelling(state, { reason, targets: ['chat'] }, Date.now()), ['chat']);
  const out = snapshot.targets.chat?.current;
  if (!out) throw new Error('nothing to send');
  return { out, snapshot };
}

const begin = ({ batch }: Claim, { out, snapshot }: { out: Outgoing; snapshot: Incident }) =>
  beginAttempt(ledger, { incident: batch.incident, target: 'chat', channel: 'stdout', out, snapshot });

async function begun(claim: Claim, sent = sending(claim)) {
  const answer = await begin(claim, sent);
  if (answer.outcome !== 'go') throw new Error(`it did not begin: ${answer.outcome}`);
  const end = (more: Partial<AttemptEnd> = {}): Promise<void> =>
    recordAttempt(ledger, {
      incident: claim.batch.incident,
      target: 'chat',
      delivery: sent.out.key,
      attempt: answer.attempt,
      status: 'delivered',
      counted: true,
      ...more,
    });
  return { ...answer, ...sent, end };
}

const deliveryRow = (key: string) =>
  one<{
    status: string;
    round: number;
    attempts: number;
    round_attempts: number;
    detail: string | null;
    superseded_by: string | null;
    next_at: Date | null;
  }>(
    ledger,
    'select status, round, attempts, round_attempts, detail, superseded_by, next_at from deliveries where key = $1',
    [key],
  );
const due = async (incident: string): Promise<number | undefined> =>
  (
    await one<{ due_at: Date | null }>(ledger, 'select due_at from incidents where id = $1', [incident])
  ).due_at?.getTime();

describe('the beginning of an attempt', () => {
  it('is one commit: the delivery, the attempt and the snapshot', async () => {
    const claim = await opened(ledger);
    const { outcome, attempts, of_round, doubt, out, snapshot } = await begun(claim);
    expect({ outcome, attempts, of_round, doubt }).toEqual({ outcome: 'go', attempts: 1, of_round: 1 });
    expect(await deliveryRow(out.key)).toMatchObject({ status: 'sending', attempts: 1 });
    const stored = await one<{ snapshot: Incident; seen: number }>(
      ledger,
      'select snapshot, snapshot_seen as seen from incidents',
    );
    expect(stored).toEqual({ snapshot, seen: 1 });
  });

  it('of a page decided before an answer is refused and recorded as overtaken by it', async () => {
    const claim = await opened(ledger);
    const sent = sending(claim);
    await command(ledger, claim.batch.incident, { kind: 'ack' }, ana);
    expect(await begin(claim, sent)).toEqual({ outcome: 'stale' });
    expect(await deliveryRow(sent.out.key)).toMatchObject({
      status: 'superseded',
      attempts: 0,
      detail: 'answered before it was sent',
    });
    expect(await ledger.query('select 1 from attempts')).toEqual([]);
  });

  it('of a page that was answered after an attempt whose end nobody recorded says that it may have arrived; the attempt is lost', async () => {
    const claim = await opened(ledger);
    const sent = sending(claim);
    expect(await begin(claim, sent)).toMatchObject({ outcome: 'go' });
    await command(ledger, claim.batch.incident, { kind: 'ack' }, ana);
    expect(await begin(claim, sent)).toEqual({ outcome: 'stale', unsure: true });
    expect(await one(ledger, 'select outcome, ended_at is not null as ended from attempts')).toEqual({
      outcome: 'lost',
      ended: true,
    });
    expect(await begin(claim, sent), 'again').toEqual({ outcome: 'superseded', unsure: true });
  });

  it('of a page that was answered after an attempt that was refused is simply overtaken', async () => {
    const claim = await opened(ledger);
    const { out, snapshot, end } = await begun(claim);
    await end({ status: 'retrying', reason: 'server' });
    await command(ledger, claim.batch.incident, { kind: 'ack' }, ana);
    expect(await begin(claim, { out, snapshot })).toEqual({ outcome: 'stale' });
  });

  it('of a page decided before an unack is refused too: the revision counts, not the status', async () => {
    const claim = await opened(ledger);
    const sent = sending(claim);
    await command(ledger, claim.batch.incident, { kind: 'ack' }, ana);
    await command(ledger, claim.batch.incident, { kind: 'unack' }, ana);
    expect(await begin(claim, sent)).toEqual({ outcome: 'stale' });
  });

  it('of a notice that only informs goes although somebody has answered since', async () => {
    const claim = await opened(ledger);
    await command(ledger, claim.batch.incident, { kind: 'ack' }, ana);
    await command(ledger, claim.batch.incident, { kind: 'unack' }, ana);
    expect(await begin(claim, sending(claim, 'acknowledged'))).toMatchObject({ outcome: 'go' });
  });

  it('in a closed incident is closed', async () => {
    const claim = await opened(ledger);
    await closeIncident(ledger, claim.batch.incident, 1, 'resolved');
    expect(await begin(claim, sending(claim))).toEqual({ outcome: 'closed' });
  });

  it('of what was delivered already says so, and makes no attempt', async () => {
    const claim = await opened(ledger);
    const sent = await begun(claim);
    await sent.end();
    expect(await begin(claim, sent)).toEqual({ outcome: 'delivered' });
    expect(await deliveryRow(sent.out.key)).toMatchObject({ attempts: 1 });
  });

  it('after one whose end nobody recorded says that it was lost', async () => {
    const claim = await opened(ledger);
    const sent = await begun(claim);
    expect(await begin(claim, sent)).toMatchObject({ outcome: 'go', attempts: 2, of_round: 2, doubt: 'lost' });
    expect(await ledger.query('select outcome from attempts order by id')).toEqual([
      { outcome: 'lost' },
      { outcome: null },
    ]);
  });

  it('in a new round counts its attempts anew', async () => {
    const claim = await opened(ledger);
    const sent = await begun(claim);
    await sent.end({ status: 'retrying', round: 1, next_at: Date.now() + MINUTE });
    expect(await begin(claim, { ...sent, out: { ...sent.out, round: 2 } })).toMatchObject({
      outcome: 'go',
      attempts: 2,
      of_round: 1,
    });
  });

  it('never writes an older snapshot over a newer one', async () => {
    const claim = await opened(ledger);
    const newer = sending(claim);
    await begin(claim, { ...newer, snapshot: { ...newer.snapshot, revision: 50 } });
    await begin(claim, { ...newer, snapshot: { ...newer.snapshot, revision: 49 } });
    await begin(claim, { ...newer, snapshot: { ...newer.snapshot, seen: 0, revision: 99 } });
    expect(
      await one(
        ledger,
        `select snapshot_seen as seen, snapshot_revision::int as revision, (snapshot->>'revision')::int as inside from incidents`,
      ),
    ).toEqual({ seen: 1, revision: 50, inside: 50 });
  });

  it('records the notices it overtook: one that waited for its next round, and one that never began', async () => {
    const claim = await opened(ledger);
    const waiting = await begun(claim);
    await waiting.end({ status: 'retrying', round: 1, next_at: Date.now() + MINUTE });
    const newer = sending(claim, 'resolved');
    const never = `${claim.batch.incident}/repeat_interval/a0-b1-1/chat`;
    await begin(claim, { ...newer, out: { ...newer.out, overtook: [waiting.out.key, never] } });
    for (const key of [waiting.out.key, never])
      expect(await deliveryRow(key)).toMatchObject({ status: 'superseded', superseded_by: newer.out.key });
    expect(await one(ledger, 'select reason, target from deliveries where key = $1', [never])).toEqual({
      reason: 'repeat_interval',
      target: 'chat',
    });
  });

  it('records as overtaken also a notice whose round was lost, so that nothing is on its way for ever', async () => {
    const claim = await opened(ledger);
    const lost = await begun(claim);
    const newer = sending(claim, 'resolved');
    await begin(claim, { ...newer, out: { ...newer.out, overtook: [lost.out.key] } });
    expect(await deliveryRow(lost.out.key)).toMatchObject({ status: 'superseded' });
    expect(await ledger.query('select outcome from attempts order by id')).toEqual([
      { outcome: 'lost' },
      { outcome: null },
    ]);
  });

  it('does not call overtaken what was delivered', async () => {
    const claim = await opened(ledger);
    const told = await begun(claim);
    await told.end();
    const newer = sending(claim, 'resolved');
    await begin(claim, { ...newer, out: { ...newer.out, overtook: [told.out.key] } });
    expect(await deliveryRow(told.out.key)).toMatchObject({ status: 'delivered', superseded_by: null });
  });
});

describe('the end of an attempt', () => {
  it('is recorded once: a second record changes nothing', async () => {
    const sent = await begun(await opened(ledger));
    await sent.end({ ref: { ts: '1' } });
    await sent.end({ status: 'dead', reason: 'server' });
    expect(await deliveryRow(sent.out.key)).toMatchObject({ status: 'delivered' });
    expect(await one(ledger, 'select outcome from attempts')).toEqual({ outcome: 'delivered' });
  });

  it('by a 429 with Retry-After is not counted, however often it is recorded', async () => {
    const sent = await begun(await opened(ledger));
    await sent.end({ status: 'retrying', reason: 'rate_limited', counted: false });
    await sent.end({ status: 'retrying', reason: 'rate_limited', counted: false });
    expect(await deliveryRow(sent.out.key)).toMatchObject({ attempts: 1, round_attempts: 0 });
  });

  it('keeps the first message a target took as the root of its thread', async () => {
    const claim = await opened(ledger);
    const first = await begun(claim);
    await first.end({ ref: { ts: '1' } });
    const second = await begun(claim, sending(claim, 'acknowledged'));
    expect(second.root).toEqual({ ts: '1' });
    await second.end({ ref: { ts: '2' } });
    expect((await begun(claim, sending(claim, 'resolved'))).root).toEqual({ ts: '1' });
  });

  it('of a page is known to what follows, the newest ten of them, without the root and without what only informs', async () => {
    const claim = await opened(ledger);
    const tell = async (reason: Reason, ref?: string) => {
      const sent = sending(claim, reason);
      sent.out.key = `${sent.out.key}/${ref ?? crypto.randomUUID()}`;
      const one = await begun(claim, sent);
      await one.end(ref === undefined ? { status: 'dead' } : { ref: { ts: ref } });
      return one;
    };
    expect(await tell('group_now', 'first')).not.toHaveProperty('root');
    expect(await tell('severity_rose', 'page 1')).not.toHaveProperty('pages');
    for (let n = 2; n < 12; n++) await tell('repeat_interval', `page ${n}`);
    await tell('working', 'news');
    await tell('escalated');
    const { root, pages } = await tell('resolved', 'the end');
    expect(root).toEqual({ ts: 'first' });
    expect(pages).toEqual(Array.from({ length: 10 }, (_, n) => ({ ts: `page ${11 - n}` })));
  });

  it('says when the incident is next due, once nothing else of it is on its way', async () => {
    const claim = await opened(ledger);
    const { incident } = claim.batch;
    const first = await begun(claim);
    const other = await begun(claim, sending(claim, 'acknowledged'));
    const at = Math.floor(Date.now() / 1_000) * 1_000 + HOUR;
    await first.end({ due: at });
    expect(await due(incident)).not.toBe(at);
    await other.end({ due: at });
    expect(await due(incident)).toBe(at);
  });

  it('that leaves a further round makes the incident due for that round', async () => {
    const claim = await opened(ledger);
    const sent = await begun(claim);
    const next_at = Math.floor(Date.now() / 1_000) * 1_000 + MINUTE;
    await sent.end({ status: 'retrying', round: 1, next_at, due: next_at + 4 * HOUR });
    expect(await due(claim.batch.incident)).toBe(next_at);
  });

  it('does not put off the further round of another target', async () => {
    const claim = await opened(ledger);
    const failed = await begun(claim);
    const other = await begun(claim, sending(claim, 'acknowledged'));
    const next_at = Math.floor(Date.now() / 1_000) * 1_000 + MINUTE;
    await failed.end({ status: 'retrying', round: 1, next_at });
    await other.end({ due: next_at + 4 * HOUR });
    expect(await due(claim.batch.incident)).toBe(next_at);
  });

  it('leaves the incident to the repeats of another target that go on within their round', async () => {
    const claim = await opened(ledger);
    const repeats = await begun(claim);
    const other = await begun(claim, sending(claim, 'acknowledged'));
    await repeats.end({ status: 'retrying' });
    await other.end({ due: Date.now() + 4 * HOUR });
    expect(await due(claim.batch.incident)).toBeLessThan(Date.now() + 10 * MINUTE);
  });

  it('that leaves a further round of an incident without another deadline makes it due for that round', async () => {
    const claim = await opened(ledger);
    const sent = await begun(claim, sending(claim, 'resolved'));
    const next_at = Math.floor(Date.now() / 1_000) * 1_000 + MINUTE;
    await sent.end({ status: 'retrying', round: 1, next_at });
    expect(await due(claim.batch.incident)).toBe(next_at);
  });

  it('of a notice older than the last batch makes the incident due now: its workflow may not know that batch', async () => {
    const claim = await opened(ledger, routing(), { service: 'till' });
    const sent = await begun(claim);
    await createDoor(ledger, { routing: routing() }).accept([event({ service: 'till', severity: 'critical' })]);
    await claimAll(ledger);
    await sent.end({ due: Date.now() + 4 * HOUR });
    expect(await due(claim.batch.incident)).toBeLessThanOrEqual(Date.now());
  });

  it('makes the incident due now while another target has a notice that has not begun', async () => {
    const claim = await opened(ledger);
    const { snapshot } = sending(claim);
    const both = withTelling(snapshot, { reason: 'group_now', targets: ['mail'] }, Date.now());
    const sent = await begun(claim, { ...sending(claim), snapshot: both });
    await sent.end({ due: Date.now() + 4 * HOUR });
    expect(await due(claim.batch.incident)).toBeLessThanOrEqual(Date.now());
  });

  it('that leaves nothing but the closing makes the incident due now, so that a lost workflow is missed', async () => {
    const claim = await opened(ledger);
    const sent = await begun(claim, sending(claim, 'resolved'));
    await sent.end();
    expect(await due(claim.batch.incident)).toBeLessThanOrEqual(Date.now());
  });
});

describe('a notice that is not sent', () => {
  it('is recorded as skipped with the reason, once', async () => {
    const claim = await opened(ledger);
    const { out } = sending(claim);
    const given = { incident: claim.batch.incident, target: 'chat', channel: 'stdout', out };
    await skipDelivery(ledger, given, 'switched off');
    await skipDelivery(ledger, given, 'another reason');
    expect(await deliveryRow(out.key)).toMatchObject({ status: 'skipped', detail: 'switched off' });
  });

  it('is recorded as dead when it can never be sent', async () => {
    const claim = await opened(ledger);
    const { out } = sending(claim);
    const begin = { incident: claim.batch.incident, target: 'gone', channel: '', out };
    expect(await buryDelivery(ledger, begin, 'config', 'no integration named gone')).toEqual({ outcome: 'dead' });
    expect(await deliveryRow(out.key)).toMatchObject({ status: 'dead', detail: 'no integration named gone' });
  });

  it('that was delivered is not recorded as dead', async () => {
    const claim = await opened(ledger);
    const { out } = sending(claim);
    const begin = { incident: claim.batch.incident, target: 'chat', channel: 'chat', out };
    await skipDelivery(ledger, begin, 'switched off');
    expect(await buryDelivery(ledger, begin, 'timeout', 'tried for long enough')).toEqual({ outcome: 'skipped' });
    expect(await deliveryRow(out.key)).toMatchObject({ status: 'skipped', detail: 'switched off' });
  });
});

describe('the load of an incident', () => {
  const known = (
    { batch }: Claim,
    more: Partial<{ epoch: string; seen: number; answer_rev: number; due: number }> = {},
  ) => ({ epoch: batch.epoch, seen: batch.number, answer_rev: batch.answer_rev, ...more });

  it('answers current to a workflow that knows as much, and notes when it is due', async () => {
    const claim = await opened(ledger);
    const at = Math.floor(Date.now() / 1_000) * 1_000 + HOUR;
    expect(await loadIncident(ledger, claim.batch.incident, known(claim, { due: at }), Date.now())).toEqual({
      outcome: 'current',
    });
    expect(await due(claim.batch.incident)).toBe(at);
  });

  it('leaves a due time although the workflow names none', async () => {
    const claim = await opened(ledger);
    await loadIncident(ledger, claim.batch.incident, known(claim), Date.now());
    expect(await due(claim.batch.incident)).toBeDefined();
  });

  it('builds it from the first batch on where there is no snapshot', async () => {
    const claim = await opened(ledger, routing(), { service: 'till' });
    await createDoor(ledger, { routing: routing() }).accept([event({ service: 'till', severity: 'critical' })]);
    await claimAll(ledger);
    const loaded = await loadIncident(ledger, claim.batch.incident, known(claim, { seen: 0 }), Date.now());
    expect(loaded).toMatchObject({
      outcome: 'loaded',
      incident: { seen: 2, worst: 'critical', alerts: 2, targets: {} },
    });
  });

  it('continues from the snapshot, with each delivery as the ledger knows it', async () => {
    const claim = await opened(ledger);
    const sent = await begun(claim);
    await sent.end();
    const loaded = await loadIncident(ledger, claim.batch.incident, known(claim, { seen: 0 }), Date.now());
    expect(loaded).toMatchObject({
      outcome: 'loaded',
      incident: { seen: 1, told: { alerts: 1 }, targets: { chat: { told: { reason: 'group_now' } } } },
    });
  });

  it('brings an answer that no batch has carried yet', async () => {
    const claim = await opened(ledger);
    await command(ledger, claim.batch.incident, { kind: 'snooze', for_ms: HOUR }, ana);
    const loaded = await loadIncident(ledger, claim.batch.incident, known(claim), Date.now());
    expect(loaded).toMatchObject({
      outcome: 'loaded',
      incident: { status: 'snoozed', answer_rev: 1, snoozed_until: expect.any(Number) },
    });
  });

  it('brings an answer the workflow gave itself before it was lost', async () => {
    const claim = await opened(ledger);
    await ledger.query(`update alerts set last_at = last_at - interval '2 days' where incident = $1`, [
      claim.batch.incident,
    ]);
    await answerItself(ledger, claim.batch.incident, 0, 'resolved', 'quiet');
    expect(await loadIncident(ledger, claim.batch.incident, known(claim), Date.now())).toMatchObject({
      outcome: 'loaded',
      incident: { status: 'resolved', answer: 'resolved', answer_rev: 1 },
    });
  });

  it('is wanted after the ledger was restored: the epoch is another', async () => {
    const claim = await opened(ledger);
    const epoch = await renewEpoch(ledger);
    expect(await loadIncident(ledger, claim.batch.incident, known(claim), Date.now())).toMatchObject({
      outcome: 'loaded',
      incident: { epoch },
    });
  });

  it('of a closed incident, or of none, is closed', async () => {
    const claim = await opened(ledger);
    await closeIncident(ledger, claim.batch.incident, 1, 'resolved');
    expect(await loadIncident(ledger, claim.batch.incident, known(claim), Date.now())).toEqual({ outcome: 'closed' });
    expect(await loadIncident(ledger, 'INC-0', known(claim), Date.now())).toEqual({ outcome: 'closed' });
  });
});

describe('the closing of an incident', () => {
  it('is refused while a row of its key waits, and while a batch is not folded', async () => {
    const claim = await opened(ledger, routing(), { service: 'till' });
    const { incident } = claim.batch;
    await createDoor(ledger, { routing: routing() }).accept([event({ service: 'till' })]);
    expect(await closeIncident(ledger, incident, 1, 'resolved')).toBe('more');
    await claimAll(ledger);
    expect(await closeIncident(ledger, incident, 1, 'resolved')).toBe('more');
    expect(await closeIncident(ledger, incident, 2, 'resolved')).toBe('closed');
  });

  it('can be asked for twice, and the next firing opens another occurrence', async () => {
    const claim = await opened(ledger, routing(), { service: 'till' });
    expect(await closeIncident(ledger, claim.batch.incident, 1, 'resolved')).toBe('closed');
    expect(await closeIncident(ledger, claim.batch.incident, 1, 'resolved')).toBe('closed');
    const next = await opened(ledger, routing(), { service: 'till' });
    expect(next.batch.incident).not.toBe(claim.batch.incident);
    expect(next.batch).toMatchObject({ number: 1, alerts: 1 });
    expect(await due(claim.batch.incident)).toBeUndefined();
  });
});
