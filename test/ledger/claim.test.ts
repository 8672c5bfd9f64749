import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { command } from '../../src/ledger/answers.ts';
import { claim, markSignalled, overdueIncidents, sweepExpired, unsentBatches } from '../../src/ledger/claim.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { waitingInboxes } from '../../src/ledger/inbox.ts';
import { again, arrive, claimAll, event, one, opened, openTestLedger, route, routing } from '../support/ledger.ts';
import { MINUTE } from '../support/policies.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const ana = { by: 'ana', key: 'k1' };
const incidentRow = (id: string) =>
  one<{
    status: string;
    answer_rev: number;
    last_batch: number;
    severity: string;
    due_at: Date | null;
    alerts: number;
    opened_at: Date;
  }>(
    ledger,
    'select status, answer_rev, last_batch, severity, due_at, alerts::int as alerts, opened_at from incidents where id = $1',
    [id],
  );

describe('a batch', () => {
  it('of a new inbox opens an incident and is its first', async () => {
    const { opening, batch } = await opened(ledger, routing(), { severity: 'error' });
    expect(batch).toMatchObject({
      incident: opening.id,
      number: 1,
      status: 'open',
      answer_rev: 0,
      firing: 1,
      alerts: 1,
      worst: 'error',
      more: 0,
    });
    expect(opening).toMatchObject({
      id: expect.stringMatching(/^INC-\d+$/),
      severity: 'error',
      policy: { route: 'default' },
    });
    expect(opening.epoch).toBe(batch.epoch);
  });

  it('takes the prefix of its installation', async () => {
    await createDoor(ledger, { routing: routing() }).accept([event()]);
    const [waiting] = await waitingInboxes(ledger);
    expect((await claim(ledger, waiting?.key ?? '', 'SHOP'))?.batch.incident).toMatch(/^SHOP-\d+$/);
  });

  it('of an open incident is the next number, with totals of everything so far', async () => {
    const first = event({ severity: 'warning' });
    await arrive(ledger, [first]);
    const [second] = await arrive(ledger, [again(first, { title: 'Another', severity: 'critical' }), again(first)]);
    expect(second?.batch).toMatchObject({ number: 2, firing: 2, alerts: 3, worst: 'critical' });
    expect(await incidentRow(second?.batch.incident ?? '')).toMatchObject({
      last_batch: 2,
      severity: 'critical',
      alerts: 3,
    });
  });

  it('never changes once it is stored', async () => {
    const { batch } = await opened(ledger);
    await ledger.query(`update batches set claimed_at = now() - interval '1 minute'`);
    expect((await unsentBatches(ledger))[0]?.batch).toEqual(batch);
  });

  it('is undefined when nothing waits, twice as well as once', async () => {
    await opened(ledger);
    expect(await claim(ledger, 'nobody')).toBeUndefined();
    expect(await claimAll(ledger)).toEqual([]);
  });

  it('whose alerts have all ended resolves the incident and raises the answer', async () => {
    const first = event();
    await arrive(ledger, [first]);
    const [ended] = await arrive(ledger, [again(first, { status: 'resolved' })]);
    expect(ended?.batch).toMatchObject({
      number: 2,
      firing: 0,
      worst: null,
      status: 'resolved',
      answer: 'resolved',
      answer_rev: 1,
    });
    expect(await incidentRow(ended?.batch.incident ?? '')).toMatchObject({ status: 'resolved', answer_rev: 1 });
  });

  it('that begins and ends an alert opens an incident that is resolved at once', async () => {
    const first = event();
    const [only] = await arrive(ledger, [first, again(first, { status: 'resolved' })]);
    expect(only?.batch).toMatchObject({ number: 1, status: 'resolved', answer_rev: 1, alerts: 1, firing: 0 });
  });

  it('with a firing after the end opens the incident again, saying so', async () => {
    const first = event();
    await arrive(ledger, [first, again(first, { status: 'resolved' })]);
    const [fired] = await arrive(ledger, [again(first)]);
    expect(fired?.batch).toMatchObject({ number: 2, status: 'open', answer: 'fired_again', answer_rev: 2 });
  });

  it('with a firing that began and ended after the end is another end, so that it is told as well', async () => {
    const first = event();
    await arrive(ledger, [first, again(first, { status: 'resolved' })]);
    const [flapped] = await arrive(ledger, [again(first), again(first, { status: 'resolved' })]);
    expect(flapped?.batch).toMatchObject({ number: 2, status: 'resolved', answer: 'resolved', answer_rev: 2 });
  });

  it('with a firing that came before an operator resolved leaves it resolved', async () => {
    const { batch } = await opened(ledger, routing(), { service: 'till' });
    await createDoor(ledger, { routing: routing() }).accept([event({ service: 'till' })]);
    await command(ledger, batch.incident, { kind: 'resolve' }, ana);
    const [next] = await claimAll(ledger);
    expect(next?.batch).toMatchObject({ status: 'resolved', answer: 'resolved', answer_rev: 1 });
  });

  it('with a firing that came after an operator resolved opens it again', async () => {
    const { batch } = await opened(ledger, routing(), { service: 'till' });
    await command(ledger, batch.incident, { kind: 'resolve' }, ana);
    const [next] = await arrive(ledger, [event({ service: 'till' })]);
    expect(next?.batch).toMatchObject({ status: 'open', answer: 'fired_again', answer_rev: 2 });
  });

  it('carries what an operator asked for: the status, the answer and the level', async () => {
    const levels = routing([], {
      fallback: route({
        policy: {
          levels: [
            { notify: ['phone'], wait_ms: MINUTE },
            { notify: ['mail'], wait_ms: MINUTE },
          ],
        },
      }),
    });
    const { batch } = await opened(ledger, levels);
    await command(ledger, batch.incident, { kind: 'escalate', level: 2 }, ana);
    await command(ledger, batch.incident, { kind: 'snooze', for_ms: MINUTE }, ana);
    const [next] = await claimAll(ledger);
    expect(next?.batch).toMatchObject({
      status: 'snoozed',
      answer: 'snoozed',
      answer_rev: 1,
      escalate: 2,
      snoozed_until: expect.any(Number),
    });
  });

  it('says what an acknowledgement was given to when something worse came after it', async () => {
    const { batch } = await opened(ledger, routing(), { service: 'till', severity: 'warning' });
    await command(ledger, batch.incident, { kind: 'ack' }, ana);
    const [next] = await arrive(ledger, [event({ service: 'till', severity: 'critical' })]);
    expect(next?.batch).toMatchObject({ status: 'acknowledged', worst: 'critical', answered_worst: 'warning' });
  });

  it('of ten thousand rows shows fifty and counts the rest', async () => {
    const door = createDoor(ledger, { routing: routing() });
    const storm = Array.from({ length: 10_000 }, (_, at) =>
      event(
        at === 7_777
          ? { title: 'the worst', severity: 'critical' }
          : { title: `alert ${at % 100}`, severity: 'warning' },
      ),
    );
    await Promise.all(Array.from({ length: 10 }, (_, at) => door.accept(storm.slice(at * 1_000, (at + 1) * 1_000))));
    const [only, ...more] = await claimAll(ledger);
    expect(more).toEqual([]);
    expect(only?.batch).toMatchObject({ number: 1, alerts: 10_000, worst: 'critical', more: 9_950, through: 10_000 });
    expect(only?.batch.rows).toHaveLength(50);
    expect(JSON.stringify(only?.batch).length).toBeLessThan(8_000);
    expect(await waitingInboxes(ledger)).toEqual([]);
  });
});

describe('an inbox that waits', () => {
  it('is urgent for a new incident, an answer and a rise of severity, and for nothing else', async () => {
    const door = createDoor(ledger, { routing: routing() });
    const urgent = async (): Promise<boolean[]> => (await waitingInboxes(ledger)).map((waiting) => waiting.urgent);
    await door.accept([event({ service: 'till', severity: 'warning' })]);
    expect(await urgent()).toEqual([true]);
    const [first] = await claimAll(ledger);
    await door.accept([event({ service: 'till', severity: 'warning' })]);
    expect(await urgent()).toEqual([false]);
    await door.accept([event({ service: 'till', severity: 'error' })]);
    expect(await urgent()).toEqual([true]);
    await claimAll(ledger);
    await command(ledger, first?.batch.incident ?? '', { kind: 'ack' }, ana);
    expect(await urgent()).toEqual([true]);
  });

  it('is listed oldest first, with its rows', async () => {
    const door = createDoor(ledger, { routing: routing() });
    await door.accept([event({ service: 'old' })]);
    await door.accept([event({ service: 'new' }), event({ service: 'old' })]);
    expect((await waitingInboxes(ledger)).map(({ rows }) => rows)).toEqual([2, 1]);
  });
});

describe('when an incident is due', () => {
  it.each([
    ['warning', 5 * MINUTE],
    ['critical', 0],
  ] as const)('%s: after %i ms', async (severity, wait_ms) => {
    const { batch } = await opened(ledger, routing(), { severity });
    const { due_at, opened_at } = await incidentRow(batch.incident);
    expect(due_at).toEqual(new Date(opened_at.getTime() + wait_ms));
  });

  it('an answer makes it due at once', async () => {
    const { batch } = await opened(ledger, routing(), { severity: 'warning' });
    await command(ledger, batch.incident, { kind: 'ack' }, ana);
    const [next] = await claimAll(ledger);
    expect((await incidentRow(batch.incident)).due_at).toEqual(new Date(next?.batch.at ?? 0));
  });

  it('further alerts make it due when the group may be told again, whatever it waited for', async () => {
    const { batch } = await opened(ledger, routing(), { service: 'till' });
    await ledger.query(`update incidents set due_at = now() + interval '4 hours'`);
    const [next] = await arrive(ledger, [event({ service: 'till' })]);
    expect((await incidentRow(batch.incident)).due_at).toEqual(new Date((next?.batch.at ?? 0) + 5 * MINUTE));
  });

  it('is overdue 30 s after that, not sooner, and not when closed', async () => {
    const { batch } = await opened(ledger);
    const dueAgo = (interval: string) => ledger.query(`update incidents set due_at = now() - $1::interval`, [interval]);
    await dueAgo('29 seconds');
    expect(await overdueIncidents(ledger)).toEqual([]);
    await dueAgo('31 seconds');
    expect((await overdueIncidents(ledger)).map(({ id }) => id)).toEqual([batch.incident]);
    await ledger.query('update incidents set closed_at = now()');
    expect(await overdueIncidents(ledger)).toEqual([]);
  });
});

describe('a batch nobody is known to have signalled', () => {
  it('is found after 10 s, until it is marked', async () => {
    const { batch } = await opened(ledger);
    expect(await unsentBatches(ledger)).toEqual([]);
    await ledger.query(`update batches set claimed_at = now() - interval '11 seconds'`);
    expect(await unsentBatches(ledger)).toMatchObject([{ opening: { id: batch.incident }, batch: { number: 1 } }]);
    await markSignalled(ledger, [{ incident: batch.incident, number: 1 }]);
    expect(await unsentBatches(ledger)).toEqual([]);
  });
});

describe('the expiry sweep', () => {
  it('ends alerts whose time has run out, through the inbox, once', async () => {
    const past = '2020-01-01T00:00:00.000Z';
    const [first] = await arrive(ledger, [
      event({ expires_at: past }),
      event({ title: 'Goes on' }),
      event({ title: 'Later', expires_at: '2099-01-01T00:00:00.000Z' }),
    ]);
    expect(await sweepExpired(ledger)).toBe(1);
    expect(await sweepExpired(ledger)).toBe(0);
    const [next] = await claimAll(ledger);
    expect(next?.batch).toMatchObject({
      incident: first?.batch.incident,
      number: 2,
      firing: 2,
      rows: [{ kind: 'expired' }],
    });
  });
});
