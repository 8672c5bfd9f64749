/** What goes when its time is over, and what stays however old it is: by the ledger's own rows, with a moved clock. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { audit, listAudit } from '../../src/ledger/audit.ts';
import { verifyLedger } from '../../src/ledger/chain/read.ts';
import { sealAudit } from '../../src/ledger/chain/seal.ts';
import { auditKey, newAuditKey } from '../../src/ledger/chain/signing.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { alertsOf } from '../../src/ledger/facts.ts';
import { eventOf, incidentOf } from '../../src/ledger/reading.ts';
import { type Swept, sweepRetention } from '../../src/ledger/retention.ts';
import { endSend, markSendStarted, requestSend } from '../../src/ledger/sends.ts';
import { closeIncident } from '../../src/ledger/state.ts';
import { storeSummary, totalsBetween } from '../../src/ledger/summaries.ts';
import { sources } from '../../src/sources/index.ts';
import { again, arrive, claimAll, event, one, opened, openTestLedger, route, routing } from '../support/ledger.ts';
import { DAY } from '../support/policies.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const retention = { events: 90 * DAY, incidents: 90 * DAY, sends: 90 * DAY, summaries: 730 * DAY, audit: 2_555 * DAY };
const key = auditKey(newAuditKey());
const nothing = { events: 0, incidents: 0, sends: 0, summaries: 0, audit: 0 };
const ana = { by: 'ana', key: 'k1' };

/** A sweep so many days from now. */
const sweptAfter = (days: number, more: Partial<typeof retention> = {}, signal?: AbortSignal): Promise<Swept> =>
  sweepRetention(ledger, {
    retention: { ...retention, ...more },
    key,
    now: new Date(Date.now() + days * DAY),
    ...(signal ? { signal } : {}),
  });

const rowsOf = async (...tables: string[]): Promise<Record<string, number>> => {
  const counts = tables.map(async (table) => {
    const { rows } = await one<{ rows: number }>(ledger, `select count(*)::int as rows from ${table}`);
    return [table, rows] as const;
  });
  return Object.fromEntries(await Promise.all(counts));
};

/** Rows of a table that one transaction may remove: more would hold its locks, and keep a vacuum waiting, for too long. */
const ROWS_MAX = 500;

/** How many rows of this table each transaction removes while `work` runs: the database itself counts them. */
async function removedBy(table: string, work: () => Promise<unknown>): Promise<number[]> {
  await ledger.query('create table removals (tx bigint, rows int)');
  await ledger.query(
    `create function count_removals() returns trigger language plpgsql as
     'begin insert into removals select txid_current(), count(*) from gone; return null; end'`,
  );
  await ledger.query(
    `create trigger count_removals after delete on ${table} referencing old table as gone
     for each statement execute function count_removals()`,
  );
  try {
    await work();
    const counted = await ledger.query<{ rows: number }>(
      'select sum(rows)::int as rows from removals group by tx having sum(rows) > 0 order by tx',
    );
    return counted.map(({ rows }) => rows);
  } finally {
    await ledger.query('drop function count_removals() cascade');
    await ledger.query('drop table removals');
  }
}

const OWN = ['incidents', 'inbox', 'batches', 'alerts', 'deliveries', 'attempts', 'threads'];

/** An incident that was told once, and is closed. */
async function closed(status = 'delivered'): Promise<string> {
  const { batch } = await opened(ledger);
  await ledger.query(
    `insert into deliveries (key, incident, target, reason, status, scheduled_at, ended_at) values ($1, $2, 'chat', 'firing', $3, now(), now())`,
    [`${batch.incident}/firing/1/chat`, batch.incident, status],
  );
  await ledger.query(`insert into attempts (delivery, round) values ($1, 0)`, [`${batch.incident}/firing/1/chat`]);
  await ledger.query(`insert into threads (incident, target, ref) values ($1, 'chat', '{}')`, [batch.incident]);
  expect(await closeIncident(ledger, batch.incident, batch.number, 'quiet')).toBe('closed');
  return batch.incident;
}

describe('what is known of the ends of builds', () => {
  it('goes as events do, counted from the last end', async () => {
    await ledger.query(`insert into ended (fingerprint, as_of) values ('f', '2020-01-01')`);
    await sweptAfter(89);
    expect(await rowsOf('ended')).toEqual({ ended: 1 });
    await sweptAfter(91);
    expect(await rowsOf('ended')).toEqual({ ended: 0 });
  });
});

describe('an event whose row still waits for its incident', () => {
  it('stays however old it is, and opens it', async () => {
    await createDoor(ledger, { routing: routing() }).accept([event({ title: 'Nobody was there' })]);
    expect((await sweptAfter(400)).gone).toEqual(nothing);
    const [claimed] = await claimAll(ledger);
    expect(await incidentOf(ledger, claimed?.batch.incident ?? '')).toMatchObject({ title: 'Nobody was there' });
  });
});

describe('a closed incident', () => {
  it('stays whole for its time, and goes whole after it, with its event and the decision', async () => {
    const id = await closed();
    expect(await sweptAfter(89)).toEqual({ gone: nothing, more: false });
    expect(await incidentOf(ledger, id)).toMatchObject({ id, alerts: [{}], deliveries: [{ attempts_made: [{}] }] });
    expect(await sweptAfter(91)).toEqual({ gone: { ...nothing, incidents: 1, events: 1 }, more: false });
    await sweptAfter(93); // A decision goes with the last event of its day, and a day more.
    const tables = [...OWN, 'events', 'decisions'];
    expect(await rowsOf(...tables)).toEqual(Object.fromEntries(tables.map((table) => [table, 0])));
  });

  it('that is kept longer than events keeps its events', async () => {
    const id = await closed();
    expect(await sweptAfter(91, { incidents: 365 * DAY })).toEqual({ gone: nothing, more: false });
    expect(await incidentOf(ledger, id)).toMatchObject({ timeline: [{ title: 'Checkout fails' }, {}], alerts: [{}] });
  });

  it('stays while one of its deliveries is not at its end', async () => {
    const id = await closed('retrying');
    await sweptAfter(400);
    expect(await incidentOf(ledger, id)).toMatchObject({ deliveries: [{ attempts_made: [{}] }] });
    await ledger.query(`update deliveries set status = 'dead'`);
    expect((await sweptAfter(400)).gone).toMatchObject({ incidents: 1, events: 1 });
  });

  it('with more rows than one transaction removes goes in several', async () => {
    const id = await closed();
    await ledger.query(
      `insert into inbox (key, incident, batch, kind) select 'k', $1, 1, 'comment' from generate_series(1, 1234)`,
      [id],
    );
    const { rows: all } = await one<{ rows: number }>(ledger, 'select count(*)::int as rows from inbox');
    let gone: Swept['gone'] | undefined;
    const parts = await removedBy('inbox', async () => ({ gone } = await sweptAfter(91)));
    expect(gone).toMatchObject({ incidents: 1 });
    expect(parts).toEqual([ROWS_MAX, ROWS_MAX, all - 2 * ROWS_MAX]);
    expect(await rowsOf('inbox', 'incidents')).toEqual({ inbox: 0, incidents: 0 });
  });

  it('takes nothing from its neighbours', async () => {
    const old = await closed();
    const { batch } = await opened(ledger);
    const before = await incidentOf(ledger, batch.incident);
    expect((await sweptAfter(91)).gone).toMatchObject({ incidents: 1, events: 1 });
    expect(await incidentOf(ledger, old)).toBeUndefined();
    expect(await incidentOf(ledger, batch.incident)).toEqual(before);
  });
});

describe('an open incident', () => {
  it('stays however old, with the events that its timeline and its alerts tell of', async () => {
    const fired = event({ dedup_key: 'disk', service: 'store' });
    const [claim] = await arrive(ledger, [fired]);
    const repeated = again(fired); // Makes no row in the inbox: only the alert tells of it.
    await arrive(ledger, [repeated]);
    const lost = event({ dedup_key: 'never', status: 'resolved' }); // Resolves nothing, opens nothing.
    await arrive(ledger, [lost]);
    expect((await sweptAfter(1_000)).gone).toEqual({ ...nothing, events: 1 });
    const id = claim?.batch.incident as string;
    expect((await alertsOf(ledger, id)).map((alert) => alert.event.id)).toEqual([repeated.id]);
    expect(await incidentOf(ledger, id)).toMatchObject({ timeline: [{ title: 'Checkout fails' }] });
    expect(await eventOf(ledger, fired.id)).toMatchObject([{ id: fired.id, decision: {} }]);
    expect(await eventOf(ledger, lost.id)).toEqual([]);
  });

  it('whose rows no relay has taken yet stays as well', async () => {
    const waiting = event();
    await createDoor(ledger, { routing: routing() }).accept([waiting]);
    expect((await sweptAfter(1_000)).gone).toEqual(nothing);
    expect(await rowsOf('inbox', 'events')).toEqual({ inbox: 1, events: 1 });
  });
});

describe('an event', () => {
  /** Events that join nothing: an end of what never began. */
  const ends = (count: number) => Array.from({ length: count }, () => event({ status: 'resolved', dedup_key: 'none' }));

  it('is the same event as long as it is kept, and another one after that', async () => {
    const door = createDoor(ledger, { routing: routing() });
    const [first] = ends(1);
    if (!first) throw new Error('no event');
    await door.accept([first]);
    await sweptAfter(89);
    expect(await door.accept([first])).toMatchObject([{ duplicate: true }]);
    await sweptAfter(91);
    expect(await door.accept([first])).toMatchObject([{ duplicate: false }]);
  });

  it('goes with the others, more than one transaction takes, and leaves the room to what comes', async () => {
    await createDoor(ledger, { routing: routing() }).accept(ends(1_200));
    let swept: Swept | undefined;
    const parts = await removedBy('events', async () => (swept = await sweptAfter(93)));
    expect(swept).toEqual({ gone: { ...nothing, events: 1_200 }, more: false });
    expect(parts).toEqual([ROWS_MAX, ROWS_MAX, 200]);
    expect(await rowsOf('events', 'decisions')).toEqual({ events: 0, decisions: 0 });
  });

  it('takes the decisions of its day along, and leaves those of younger ones', async () => {
    const [old, young] = ends(2);
    if (!old || !young) throw new Error('no events');
    await createDoor(ledger, { routing: routing() }).accept([old]);
    await ledger.query(`update decisions set id = 'of old', day = current_date - 30`);
    await ledger.query(`update events set decision = 'of old', accepted_at = now() - interval '30 days'`);
    // A door of its own, as on another day: one that has written a decision today knows that it is there.
    await createDoor(ledger, { routing: routing() }).accept([young]);
    expect(await rowsOf('events', 'decisions')).toEqual({ events: 2, decisions: 2 });
    expect((await sweptAfter(65)).gone).toMatchObject({ events: 1 });
    expect(await rowsOf('events', 'decisions')).toEqual({ events: 1, decisions: 1 });
    expect(await eventOf(ledger, young.id)).toHaveLength(1);
  });

  it('that waited for nobody goes with the row that was never opened', async () => {
    await createDoor(ledger, { routing: routing() }).accept([event()]);
    await ledger.query('update inbox set batch = 0'); // As claim() leaves rows that may not open an incident.
    await ledger.query('delete from alerts');
    expect((await sweptAfter(91)).gone).toMatchObject({ events: 1 });
    expect(await rowsOf('inbox', 'events')).toEqual({ inbox: 0, events: 0 });
  });
});

describe('a silence', () => {
  /** Alertmanager's default: https://github.com/prometheus/alertmanager, `--data.retention`. */
  const KEPT_H = 120;

  it('that is over is kept for 120 hours after its end, as Alertmanager keeps it; one without end, and one that is on, stay', async () => {
    const ends = { over: -KEPT_H - 0.1, kept: -KEPT_H + 0.1, on: 1, endless: undefined };
    for (const [name, hours] of Object.entries(ends))
      await ledger.query(
        `insert into silences (id, kind, matchers, starts_at, ends_at, created_by, comment, updated_at)
         values (gen_random_uuid(), 'silence', '[]', now() - interval '1 year', now() + $1::float8 * interval '1 hour', 'ana', $2, now())`,
        [hours ?? null, name],
      );
    expect((await sweptAfter(0)).gone).toEqual(nothing);
    const left = await ledger.query<{ comment: string }>('select comment from silences order by comment');
    expect(left.map(({ comment }) => comment)).toEqual(['endless', 'kept', 'on']);
  });
});

describe('what nobody has set', () => {
  it('is 90 days for events, incidents and sends, two years for summaries, seven for the audit', () => {
    const plain = 'integrations: { chat: { type: stdout } }\ndefault: { notify: [chat] }';
    expect(fromText(plain, 'the tests', {}, { channels, writers, sources }).retention).toEqual(retention);
  });
});

describe('the rest', () => {
  it('goes by its own time: sends that have ended, summaries, and the audit with a tombstone', async () => {
    const ended = await requestSend(ledger, { kind: 'test', target: 'chat' }, ana);
    await requestSend(ledger, { kind: 'test', target: 'waits' }, ana);
    await markSendStarted(ledger, ended);
    await endSend(ledger, ended, { status: 'delivered' });
    await storeSummary(ledger, 'daily', '2026-01-01', await totalsBetween(ledger, 0, 1, []));
    await sealAudit(ledger);
    expect((await sweptAfter(91)).gone).toEqual({ ...nothing, sends: 1 });
    expect(await ledger.query('select target from sends')).toEqual([{ target: 'waits' }]);
    expect((await sweptAfter(731)).gone).toEqual({ ...nothing, summaries: 1 });
    expect((await sweptAfter(2_556)).gone).toEqual({ ...nothing, audit: 2 });
    await audit(ledger, ana, 'key.make', 'x');
    await sealAudit(ledger);
    expect((await listAudit(ledger, { limit: 5 })).audit).toMatchObject([{ object: 'x', number: 3 }]);
    expect(await verifyLedger(ledger, { heads: [], keys: [key.publicKey] })).toMatchObject({ problems: [], last: 3 });
  });

  it('waits where the sweep is stopped, and goes with the next', async () => {
    await closed();
    const stopped = new AbortController();
    stopped.abort();
    expect(await sweptAfter(91, {}, stopped.signal)).toEqual({ gone: nothing, more: true });
    expect((await sweptAfter(91)).gone).toMatchObject({ incidents: 1, events: 1 });
  });

  it('of routes with a story is no different: the chapters stay with it', async () => {
    const by = routing([route({ policy: { lifecycle: 'job' } })]);
    const chapter = event({ labels: { job: '7' }, type: 'job_started' });
    const [claim] = await arrive(ledger, [chapter], by);
    expect((await sweptAfter(1_000)).gone).toEqual(nothing);
    await closeIncident(ledger, claim?.batch.incident as string, 1, 'quiet');
    expect((await sweptAfter(1_000)).gone).toMatchObject({ incidents: 1, events: 1 });
  });
});
