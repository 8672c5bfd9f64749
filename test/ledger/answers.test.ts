import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openIncident } from '../../src/core/incident.ts';
import { withRunning } from '../../src/core/rounds.ts';
import { withTelling } from '../../src/core/telling.ts';
import { answerAlert, fingerprintOf, firingAlert, listFiring } from '../../src/ledger/alerts.ts';
import { answerItself, type Command, command } from '../../src/ledger/answers.ts';
import { listAudit } from '../../src/ledger/audit.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { beginAttempt } from '../../src/ledger/deliveries.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { factsOf } from '../../src/ledger/facts.ts';
import { runProcedure } from '../../src/ledger/procedure.ts';
import { closeIncident } from '../../src/ledger/state.ts';
import { claimAll, event, one, opened, openTestLedger, route, routing } from '../support/ledger.ts';
import { HOUR, MINUTE } from '../support/policies.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const ana = { by: 'ana', key: 'k1', request_id: 'r1' };
const ben = { by: 'ben', key: 'k2' };
const levels = routing([], { fallback: route({ policy: { levels: [{ notify: ['phone'], wait_ms: MINUTE }] } }) });
const rows = (incident: string) =>
  ledger.query<{ kind: string; by: string; batch: number | null }>(
    'select kind, by, batch from inbox where incident = $1 order by seq',
    [incident],
  );
const standing = (incident: string) =>
  one<{ status: string; answer_rev: number; snoozed_until: Date | null }>(
    ledger,
    'select status, answer_rev, snoozed_until from incidents where id = $1',
    [incident],
  );

describe('a command', () => {
  it('acknowledges: the row in the inbox, the audit row and the answer are one', async () => {
    const { batch } = await opened(ledger);
    const done = await command(ledger, batch.incident, { kind: 'ack' }, ana);
    expect(done).toMatchObject({
      outcome: 'done',
      by: 'ana',
      begun: [],
      incident: { status: 'acknowledged', answered_by: 'ana' },
    });
    expect(await rows(batch.incident)).toMatchObject([{ kind: 'fired' }, { kind: 'ack', by: 'ana', batch: null }]);
    expect((await listAudit(ledger, { limit: 10, object: batch.incident })).audit).toMatchObject([
      { actor: 'ana', action: 'incident.ack', request_id: 'r1', detail: { answer_rev: 1, key: 'k1' } },
    ]);
  });

  it('that cannot write its audit row changes nothing', async () => {
    const { batch } = await opened(ledger);
    const withoutAudit: Ledger = {
      ...ledger,
      call: (name, args) =>
        ledger.transaction((tx) => {
          const query: typeof tx.query = (sql, params) =>
            sql.startsWith('insert into audit') ? Promise.reject(new Error('no room')) : tx.query(sql, params);
          return runProcedure({ ...tx, query }, name, args);
        }),
    };
    await expect(command(withoutAudit, batch.incident, { kind: 'ack' }, ana)).rejects.toThrow('no room');
    expect(await standing(batch.incident)).toMatchObject({ status: 'open', answer_rev: 0 });
    expect(await rows(batch.incident)).toHaveLength(1);
  });

  it('that comes second is told who was first, and changes nothing', async () => {
    const { batch } = await opened(ledger);
    const both = await Promise.all([
      command(ledger, batch.incident, { kind: 'ack' }, ana),
      command(ledger, batch.incident, { kind: 'ack' }, ben),
    ]);
    // On PostgreSQL they come over two connections, and either may be first.
    const anaWasFirst = both[0].outcome === 'done';
    const [first, second] = anaWasFirst ? both : both.toReversed();
    const by = anaWasFirst ? 'ana' : 'ben';
    expect(first).toMatchObject({ outcome: 'done', by });
    expect(second).toMatchObject({ outcome: 'already', by });
    expect(await standing(batch.incident)).toMatchObject({ answer_rev: 1 });
    expect(await rows(batch.incident)).toHaveLength(2);
  });

  it('to a closed incident says that it is closed', async () => {
    const { batch } = await opened(ledger);
    expect(await closeIncident(ledger, batch.incident, 1, 'resolved')).toBe('closed');
    for (const kind of ['ack', 'unack', 'resolve'] as const) {
      expect(await command(ledger, batch.incident, { kind }, ana)).toMatchObject({
        outcome: 'closed',
        incident: { status: 'resolved' },
      });
    }
  });

  it('to an incident that never was is unknown', async () => {
    expect(await command(ledger, 'INC-0', { kind: 'ack' }, ana)).toEqual({ outcome: 'unknown' });
  });

  it('names the pages that had begun when the answer was accepted', async () => {
    const { opening, batch } = await opened(ledger);
    const state = withTelling(
      openIncident(opening.id, opening.policy, opening.epoch, opening.opened_at),
      { reason: 'group_now', targets: ['chat'] },
      opening.opened_at,
    );
    const out = state.targets.chat?.current;
    if (!out) throw new Error('nothing to send');
    await beginAttempt(ledger, {
      incident: batch.incident,
      target: 'chat',
      channel: 'stdout',
      out,
      snapshot: withRunning(state, ['chat']),
    });
    expect(await command(ledger, batch.incident, { kind: 'ack' }, ana)).toMatchObject({
      begun: [{ delivery: out.key, target: 'chat', reason: 'group_now' }],
    });
  });

  it('snoozes until a time, and takes the snooze back', async () => {
    const { batch } = await opened(ledger);
    await command(ledger, batch.incident, { kind: 'snooze', for_ms: 90_000 }, ana);
    const left = await one<{ ms: number }>(
      ledger,
      'select (extract(epoch from snoozed_until - answered_at) * 1000)::int as ms from incidents where id = $1',
      [batch.incident],
    );
    expect(left.ms).toBe(90_000);
    await command(ledger, batch.incident, { kind: 'unack' }, ana);
    expect(await standing(batch.incident)).toMatchObject({ status: 'open', snoozed_until: null, answer_rev: 2 });
  });

  it('comments and works on it without answering it', async () => {
    const { batch } = await opened(ledger);
    expect(await command(ledger, batch.incident, { kind: 'comment', text: 'looking' }, ana)).toMatchObject({
      outcome: 'done',
      incident: { status: 'open' },
    });
    expect(await command(ledger, batch.incident, { kind: 'state', state: 'triaged' }, ana)).toMatchObject({
      outcome: 'done',
      incident: { working_state: 'triaged' },
    });
    expect(await command(ledger, batch.incident, { kind: 'state', state: 'triaged' }, ana)).toMatchObject({
      outcome: 'already',
    });
    expect(await standing(batch.incident)).toMatchObject({ answer_rev: 0 });
    const told = {
      incident: batch.incident,
      reason: 'group_wait',
      through: 1,
      delivery: { key: 'k', attempt: 1 },
    } as const;
    expect((await factsOf(ledger, told)).incident.working_state).toBe('triaged');
  });

  it.each([
    [{ kind: 'unack' as const }, /no acknowledgement to take back/],
    [{ kind: 'snooze' as const, for_ms: 1 }, /nothing left to snooze/],
    [{ kind: 'escalate' as const }, /nothing to escalate/],
  ])('that makes no sense for a resolved incident is refused with a reason: $kind', async (given, why) => {
    const { batch } = await opened(ledger, levels);
    await command(ledger, batch.incident, { kind: 'resolve' }, ana);
    expect(await command(ledger, batch.incident, given, ana)).toMatchObject({
      outcome: 'refused',
      why: expect.stringMatching(why),
    });
  });

  it('refuses a level that is not there, and any level where there is no policy', async () => {
    const { batch } = await opened(ledger, levels);
    expect(await command(ledger, batch.incident, { kind: 'escalate', level: 2 }, ana)).toMatchObject({
      outcome: 'refused',
      why: expect.stringContaining('levels 1 to 1'),
    });
    const without = await opened(ledger);
    expect(await command(ledger, without.batch.incident, { kind: 'escalate' }, ana)).toMatchObject({
      outcome: 'refused',
    });
  });

  it('wakes the relay only when something has changed', async () => {
    const { batch } = await opened(ledger);
    let wakes = 0;
    const stop = ledger.onWake(() => void wakes++);
    await command(ledger, batch.incident, { kind: 'ack' }, ana);
    await command(ledger, batch.incident, { kind: 'ack' }, ben);
    stop();
    expect(wakes).toBe(1);
  });
});

describe('an answer of the workflow itself', () => {
  const silentFor = (incident: string, time: string) =>
    ledger.query('update alerts set last_at = last_at - $2::interval where incident = $1', [incident, time]);

  it('is accepted when nothing was answered in between, and is in the timeline and the audit', async () => {
    const { batch } = await opened(ledger);
    await command(ledger, batch.incident, { kind: 'ack' }, ana);
    expect(await answerItself(ledger, batch.incident, 1, 'ack_timed_out', 'nothing happened')).toEqual({
      outcome: 'done',
      answer_rev: 2,
      status: 'open',
    });
    expect((await rows(batch.incident)).at(-1)).toMatchObject({ kind: 'ack_timed_out', by: 'tocsin', batch: 0 });
    expect((await listAudit(ledger, { limit: 1 })).audit).toMatchObject([
      { actor: 'tocsin', action: 'incident.ack_timed_out' },
    ]);
  });

  it('asked for again, because its result was lost, gives the same revision and no second row', async () => {
    const { batch } = await opened(ledger);
    await silentFor(batch.incident, '2 days');
    const once = await answerItself(ledger, batch.incident, 0, 'resolved', 'quiet');
    expect(await answerItself(ledger, batch.incident, 0, 'resolved', 'quiet')).toEqual(once);
    expect((await rows(batch.incident)).filter(({ kind }) => kind === 'resolve')).toHaveLength(1);
  });

  it('is stale when somebody has answered meanwhile', async () => {
    const { batch } = await opened(ledger);
    await command(ledger, batch.incident, { kind: 'ack' }, ana);
    expect(await answerItself(ledger, batch.incident, 0, 'resolved', 'quiet')).toEqual({ outcome: 'stale' });
    expect(await standing(batch.incident)).toMatchObject({ status: 'acknowledged', answer_rev: 1 });
  });

  it('is closed when the incident is', async () => {
    const { batch } = await opened(ledger);
    await closeIncident(ledger, batch.incident, 1, 'resolved');
    expect(await answerItself(ledger, batch.incident, 0, 'resolved', 'quiet')).toEqual({ outcome: 'closed' });
  });

  it('does not call an incident quiet whose alert is still reported, although nothing new was said', async () => {
    const short = routing([], { fallback: route({ policy: { quiet_ms: HOUR } }) });
    const { batch } = await opened(ledger, short, { dedup_key: 'still-there' });
    const quiet = () => answerItself(ledger, batch.incident, 0, 'resolved', 'quiet');
    expect(await quiet()).toMatchObject({ outcome: 'heard', last_at: expect.any(Number) });
    await silentFor(batch.incident, '61 minutes');
    expect(await quiet()).toMatchObject({ outcome: 'done', status: 'resolved' });
  });

  it('brings no batch: nothing waits in the inbox after it', async () => {
    const { batch } = await opened(ledger);
    await silentFor(batch.incident, '2 days');
    await answerItself(ledger, batch.incident, 0, 'resolved', 'quiet');
    expect((await claimAll(ledger)).filter((claimed) => claimed.batch.incident === batch.incident)).toEqual([]);
    expect(await closeIncident(ledger, batch.incident, 1, 'quiet')).toBe('closed');
  });

  it('made while a firing waits in the inbox loses to that firing, which opens it again', async () => {
    const { batch } = await opened(ledger, routing(), { service: 'late-bird' });
    await createDoor(ledger, { routing: routing() }).accept([event({ service: 'late-bird' })]);
    await silentFor(batch.incident, '2 days');
    await answerItself(ledger, batch.incident, 0, 'resolved', 'quiet');
    const [next] = await claimAll(ledger);
    expect(next?.batch).toMatchObject({ number: 2, status: 'open', answer: 'fired_again', answer_rev: 2 });
  });
});

describe('an answer to an alert by the name its sender gave it', () => {
  const named = (more: object = {}) => event({ dedup_key: 'disk', ...more });
  const answer = (given: Command, prefix?: string) =>
    answerAlert(ledger, fingerprintOf('shop', 'disk'), given, ana, prefix);

  it('is an answer to its incident', async () => {
    const { batch } = await opened(ledger, levels, named());
    expect(await answer({ kind: 'ack' })).toMatchObject([
      { outcome: 'done', incident: { id: batch.incident, status: 'acknowledged', answered_by: 'ana' } },
    ]);
    expect(await answer({ kind: 'ack' })).toMatchObject([{ outcome: 'already', by: 'ana' }]);
    expect(await rows(batch.incident)).toMatchObject([{ kind: 'fired' }, { kind: 'ack', by: 'ana', batch: null }]);
  });

  it('given before any relay has claimed the alert opens its incident: the first batch has the answer in it', async () => {
    await createDoor(ledger, { routing: levels }).accept([named()]);
    const [done, ...more] = await answer({ kind: 'ack' }, 'OPS');
    expect([done, more]).toMatchObject([
      { outcome: 'done', incident: { id: expect.stringMatching(/^OPS-\d+$/), status: 'acknowledged' } },
      [],
    ]);
    const incident = done?.outcome === 'done' ? done.incident.id : '';
    const [claimed, ...others] = await claimAll(ledger);
    expect(others).toEqual([]);
    expect(claimed).toMatchObject({
      opening: { id: incident },
      batch: {
        incident,
        number: 1,
        status: 'acknowledged',
        answer_rev: 1,
        answer: 'acknowledged',
        firing: 1,
        alerts: 1,
      },
    });
    expect(claimed?.batch.rows.map(({ kind }) => kind)).toEqual(['fired', 'ack']);
    expect(await rows(incident)).toMatchObject([
      { kind: 'fired', batch: 1 },
      { kind: 'ack', batch: 1 },
    ]);
    expect(await claimAll(ledger)).toEqual([]);
    expect(await one(ledger, 'select incident from alerts')).toEqual({ incident });
  });

  it('given early is followed by what comes later: another alert joins, and the end closes the same incident', async () => {
    const door = createDoor(ledger, { routing: levels });
    await door.accept([named()]);
    await answer({ kind: 'comment', text: 'on my way' });
    await door.accept([named({ id: 'end', status: 'resolved' })]);
    const [claimed, ...others] = await claimAll(ledger);
    expect([claimed?.batch, others]).toMatchObject([{ number: 1, status: 'resolved', firing: 0 }, []]);
    expect(await closeIncident(ledger, claimed?.batch.incident ?? '', 1, 'resolved')).toBe('closed');
  });

  it('reaches every incident that the alert fires in', async () => {
    const twice = routing([route({ name: 'copy', continue: true }), route({ name: 'own' })]);
    await createDoor(ledger, { routing: twice }).accept([named()]);
    expect(await answer({ kind: 'ack' })).toMatchObject([{ outcome: 'done' }, { outcome: 'done' }]);
    expect(await claimAll(ledger)).toMatchObject([
      { batch: { status: 'acknowledged' } },
      { batch: { status: 'acknowledged' } },
    ]);
  });

  it('changes nothing where nothing fires under this name', async () => {
    expect(await answer({ kind: 'ack' })).toEqual([]);
    const { batch } = await opened(ledger, levels, named());
    await createDoor(ledger, { routing: levels }).accept([named({ id: 'over', status: 'resolved' })]);
    expect(await answer({ kind: 'ack' })).toEqual([]);
    expect(await standing(batch.incident)).toMatchObject({ status: 'open', answer_rev: 0 });
    expect((await listAudit(ledger, { limit: 10, object: batch.incident })).audit).toEqual([]);
  });

  it('can be found by that name, or by its number, while it fires', async () => {
    const twice = routing([route({ name: 'copy', continue: true }), route({ name: 'own' })]);
    await createDoor(ledger, { routing: twice }).accept([named(), event({ dedup_key: 'other', source: 'mail' })]);
    const fingerprint = fingerprintOf('shop', 'disk');
    const found = await firingAlert(ledger, 'shop', { fingerprint });
    expect(found).toMatchObject({ fingerprint, count: 1, incident: null, status: null, event: { dedup_key: 'disk' } });
    expect(await firingAlert(ledger, 'shop', { number: found?.number ?? 0 })).toEqual(found);
    expect(await firingAlert(ledger, 'mail', { fingerprint })).toBeUndefined();
    expect(await listFiring(ledger, 'shop', { offset: 0, limit: 10 })).toEqual([found]);
    expect(await listFiring(ledger, 'shop', { offset: 1, limit: 10 })).toEqual([]);
    await answer({ kind: 'ack' });
    const shown = await listFiring(ledger, 'shop', { fingerprint, offset: 0, limit: 10 });
    expect(shown).toMatchObject([
      { incident: expect.stringMatching(/^INC-/), status: 'acknowledged', answered_by: 'ana' },
    ]);
  });
});
