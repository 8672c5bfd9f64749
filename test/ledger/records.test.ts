import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { command } from '../../src/ledger/answers.ts';
import { audit, listAudit } from '../../src/ledger/audit.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { firstKey, keyOf, listKeys, makeKey, noteKeyUse, revokeKey } from '../../src/ledger/keys.ts';
import { epochOf, migrate, renewEpoch } from '../../src/ledger/migrate.ts';
import { eventOf, incidentOf, listDeliveries, listIncidents, stats } from '../../src/ledger/reading.ts';
import {
  endSend,
  markSendStarted,
  messagesOf,
  redeliverableByKey,
  requestSend,
  sendOf,
  sendResult,
  waitingSends,
} from '../../src/ledger/sends.ts';
import { closeIncident } from '../../src/ledger/state.ts';
import { storePage, storeSummary, summaryOf, totalsBetween } from '../../src/ledger/summaries.ts';
import { chance } from '../support/chance.ts';
import { attemptedByHand } from '../support/deliveries.ts';
import { arrive, event, one, opened, openTestLedger, routing } from '../support/ledger.ts';
import { DAY, HOUR } from '../support/policies.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const ana = { by: 'ana', key: 'k1' };
const now = (): Date => new Date();

/** What follows `tocsin_<id>_`; it may hold underscores itself. */
const partOf = (key: string): string => key.slice('tocsin_0123456789_'.length);

describe('an API key', () => {
  it('is known by its secret, of which only the digest is kept', async () => {
    const made = await makeKey(ledger, { name: 'ci', scopes: ['ingest'] }, ana);
    expect(made.secret).toMatch(/^tocsin_[0-9a-f]{10}_[A-Za-z0-9_-]{43}$/);
    expect(await keyOf(ledger, made.secret, now())).toEqual({ id: made.id, name: 'ci', scopes: ['ingest'] });
    const everything = JSON.stringify([
      await ledger.query('select * from keys'),
      await ledger.query('select * from audit'),
    ]);
    expect(everything).not.toContain(partOf(made.secret));
  });

  it('of another id or secret is nobody', async () => {
    const made = await makeKey(ledger, { name: 'ci', scopes: ['ingest'] }, ana);
    const other = await makeKey(ledger, { name: 'cd', scopes: ['admin'] }, ana);
    const secret = partOf(made.secret);
    for (const wrong of [
      `tocsin_${other.id}_${secret}`,
      `${made.secret}x`,
      `tocsin_0000000000_${secret}`,
      '',
      'first',
      made.id,
    ]) {
      expect(await keyOf(ledger, wrong, now())).toBeUndefined();
    }
  });

  it('is nobody when it has expired, at that very moment', async () => {
    const expires_at = '2026-01-15T09:00:00.000Z';
    const made = await makeKey(ledger, { name: 'ci', scopes: ['ingest'], expires_at }, ana);
    expect(await keyOf(ledger, made.secret, new Date(Date.parse(expires_at) - 1))).toBeDefined();
    expect(await keyOf(ledger, made.secret, new Date(expires_at))).toBeUndefined();
  });

  it('is nobody once it is revoked, which can be done once and is audited', async () => {
    const made = await makeKey(ledger, { name: 'ci', scopes: ['ingest'] }, ana);
    expect([await revokeKey(ledger, made.id, ana), await revokeKey(ledger, made.id, ana)]).toEqual([true, false]);
    expect(await keyOf(ledger, made.secret, now())).toBeUndefined();
    expect((await listAudit(ledger, { limit: 9 })).audit.map(({ action }) => action)).toEqual([
      'key.revoke',
      'key.make',
    ]);
    expect(await listKeys(ledger)).toMatchObject([{ id: made.id, revoked_at: expect.any(String) }]);
  });

  it('is made at first when there is none and none is given', async () => {
    const secret = await firstKey(ledger, undefined);
    expect(await keyOf(ledger, secret ?? '', now())).toMatchObject({ scopes: ['admin'] });
    expect(await firstKey(ledger, undefined)).toBeUndefined();
  });

  it('that the environment gives follows the environment', async () => {
    await firstKey(ledger, 'correct horse');
    await firstKey(ledger, 'battery staple');
    expect(await keyOf(ledger, 'battery staple', now())).toMatchObject({ id: 'first', scopes: ['admin'] });
    expect(await keyOf(ledger, 'correct horse', now())).toBeUndefined();
  });

  it('notes its last use, at most once a minute', async () => {
    const { id } = await makeKey(ledger, { name: 'ci', scopes: ['ingest'] }, ana);
    await noteKeyUse(ledger, id);
    const used = (await listKeys(ledger))[0]?.last_used_at;
    await noteKeyUse(ledger, id);
    expect((await listKeys(ledger))[0]?.last_used_at).toBe(used);
  });
});

describe('the audit', () => {
  it.each(['update audit set actor = $1', 'delete from audit where actor = $1'])(
    'cannot be changed by: %s',
    async (sql) => {
      await audit(ledger, ana, 'key.make', 'k2');
      await expect(ledger.query(sql, ['ana'])).rejects.toThrow('audit rows are never changed or deleted');
    },
  );

  it('is read in pages, the newest first, without a gap or a double', async () => {
    for (const object of ['a', 'b', 'c', 'd', 'e']) await audit(ledger, ana, 'key.make', object);
    const objects: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listAudit(ledger, { limit: 2, ...(cursor ? { cursor } : {}) });
      objects.push(...page.audit.map(({ object }) => object));
      cursor = page.next;
    } while (cursor !== undefined);
    expect(objects).toEqual(['e', 'd', 'c', 'b', 'a']);
  });
});

describe('the lists', () => {
  it('of incidents are pages, the newest first, by what is asked for', async () => {
    for (const severity of ['critical', 'warning', 'critical'] as const) await opened(ledger, routing(), { severity });
    const first = await listIncidents(ledger, { limit: 2 });
    const second = await listIncidents(ledger, { limit: 2, ...(first.next ? { cursor: first.next } : {}) });
    expect([first.incidents.length, second.incidents.length, second.next]).toEqual([2, 1, undefined]);
    expect(new Set([...first.incidents, ...second.incidents].map(({ id }) => id)).size).toBe(3);
    expect((await listIncidents(ledger, { limit: 9, severity: 'critical' })).incidents).toHaveLength(2);
    expect((await listIncidents(ledger, { limit: 9, status: 'resolved' })).incidents).toEqual([]);
    expect((await listIncidents(ledger, { limit: 9, q: 'CHECKOUT' })).incidents).toHaveLength(3);
    expect(
      (await listIncidents(ledger, { limit: 9, q: first.incidents[0]?.id.toLowerCase() ?? '' })).incidents,
    ).toHaveLength(1);
    expect((await listIncidents(ledger, { limit: 9, q: '%' })).incidents).toEqual([]);
  });

  it('of deliveries are pages by status, target and incident', async () => {
    for (const [key, status] of [
      ['a', 'dead'],
      ['b', 'delivered'],
      ['c', 'dead'],
    ]) {
      await ledger.query(
        `insert into deliveries (key, target, reason, status, scheduled_at) values ($1, 'chat', 'group_now', $2, now())`,
        [key, status],
      );
    }
    const first = await listDeliveries(ledger, { status: 'dead', limit: 1 });
    expect(first.deliveries.map(({ key }) => key)).toEqual(['c']);
    expect(
      (
        await listDeliveries(ledger, { status: 'dead', limit: 1, ...(first.next ? { cursor: first.next } : {}) })
      ).deliveries.map(({ key }) => key),
    ).toEqual(['a']);
    expect((await listDeliveries(ledger, { target: 'mail', limit: 9 })).deliveries).toEqual([]);
  });

  it('show an incident with its timeline, its alerts and its deliveries', async () => {
    const { batch } = await opened(ledger, routing(), { title: 'Till is down' });
    await command(ledger, batch.incident, { kind: 'comment', text: 'looking' }, ana);
    expect(await incidentOf(ledger, batch.incident)).toMatchObject({
      id: batch.incident,
      timeline: [
        { kind: 'fired', title: 'Till is down' },
        { kind: 'comment', by: 'ana', detail: { text: 'looking' } },
      ],
      alerts: [{ title: 'Till is down', status: 'firing', count: 1 }],
      deliveries: [],
    });
    expect(await incidentOf(ledger, 'INC-0')).toBeUndefined();
  });

  it('say where an event went, also one that made no row', async () => {
    const first = event({ dedup_key: 'disk' });
    const [claim] = await arrive(ledger, [first]);
    const second = event({ ...first, id: 'heard again' });
    await arrive(ledger, [second]);
    expect(await eventOf(ledger, first.id)).toMatchObject([
      { joins: [{ incident: claim?.batch.incident, effect: 'fired' }] },
    ]);
    expect(await eventOf(ledger, 'heard again')).toMatchObject([
      { joins: [{ incident: claim?.batch.incident, effect: 'unchanged' }] },
    ]);
    expect(await eventOf(ledger, 'nobody sent this')).toEqual([]);
  });

  it('count what waits, is open, is on its way and is dead', async () => {
    await opened(ledger);
    await ledger.query(
      `insert into deliveries (key, target, reason, status, scheduled_at) values ('a', 'chat', 'group_now', 'dead', now()), ('b', 'chat', 'group_now', 'sending', now())`,
    );
    expect(await stats(ledger)).toEqual({ waiting: 0, open: 1, dead: 1, sending: 1 });
    const again = { kind: 'redeliver', target: 'chat' } as const;
    const dead = await requestSend(ledger, { ...again, delivery: 'a' }, { by: 'ana', key: 'k1' });
    await requestSend(ledger, { ...again, delivery: 'b' }, { by: 'ana', key: 'k1' });
    expect(await stats(ledger)).toMatchObject({ dead: 1, sending: 2 });
    await endSend(ledger, dead, { delivered: true });
    expect(await stats(ledger)).toMatchObject({ sending: 1 });
    const daily = { kind: 'summary', target: 'daily', payload: { date: '2026-01-15' } } as const;
    const summary = await requestSend(ledger, daily, { by: 'ana', key: 'k1' });
    expect(await stats(ledger)).toMatchObject({ sending: 2 });
    // Nobody ends it later, and it is not taken for lost.
    await markSendStarted(ledger, summary);
    expect(await stats(ledger)).toMatchObject({ sending: 1 });
  });
});

describe('a day', () => {
  it('is counted from the ledger: incidents, times, deliveries and the last facts', async () => {
    const first = await opened(ledger, routing(), { severity: 'critical', labels: { pnl: '1' }, service: 'till' });
    await opened(ledger, routing(), { severity: 'warning', labels: { pnl: '2' }, service: 'till-2' });
    await command(ledger, first.batch.incident, { kind: 'ack' }, ana);
    await ledger.query(`update incidents set acked_at = opened_at + interval '2 minutes' where acked_at is not null`);
    await ledger.query(
      `insert into deliveries (key, target, reason, status, scheduled_at, ended_at) values ('a', 'chat', 'group_now', 'dead', now(), now()), ('b', 'chat', 'group_now', 'delivered', now(), now())`,
    );
    const totals = await totalsBetween(ledger, Date.now() - HOUR, Date.now() + HOUR, ['pnl', 'absent']);
    expect(totals).toMatchObject({
      events: 2,
      incidents: 2,
      open: 1,
      acknowledged: 1,
      resolved: 0,
      dead: 1,
      delivered: 1,
      mean_to_ack_ms: 120_000,
      facts: { pnl: '2' },
    });
    expect(totals.by_severity).toEqual({ critical: 1, warning: 1 });
    expect(totals.by_service).toEqual({ till: 1, 'till-2': 1 });
    expect(totals.mean_to_resolve_ms).toBeUndefined();
  });

  it('on which nothing happened has zeros and no means', async () => {
    const totals = await totalsBetween(ledger, Date.now() - 2 * DAY, Date.now() - DAY, []);
    expect(totals).toMatchObject({ events: 0, incidents: 0, open: 0, by_severity: {}, facts: {} });
    expect(totals.mean_to_ack_ms).toBeUndefined();
  });

  it('has the events of its time, whatever came before, after and between, by clocks up to an hour apart', async () => {
    const noon = Date.parse('2026-01-15T12:00:00Z');
    const { number, one } = chance(11);
    // A week of them, with gaps in their numbers where older ones have gone.
    const times = Array.from({ length: 400 }, (_, at) => noon + (at - 200) * 0.42 * HOUR + number(0, HOUR));
    await ledger.query(
      `insert into events (seq, source, id, event, decision, accepted_at)
       select n * 7 + case when n > 250 then 100000 else 0 end, 's', n::text, '{"labels":{}}', 'd', t from unnest($1::timestamptz[]) with ordinality e(t, n)`,
      [times.map((time) => new Date(time).toISOString())],
    );
    for (let round = 0; round < 20; round++) {
      const from = one(times) + number(-DAY, DAY);
      const to = from + number(0, 2 * DAY);
      const { events } = await totalsBetween(ledger, from, to, []);
      expect(events).toBe(times.filter((time) => time >= from && time < to).length);
    }
  });

  it('has one summary by name and date: a second run writes it anew and keeps the page', async () => {
    const totals = await totalsBetween(ledger, 0, 1, []);
    await storeSummary(ledger, 'daily', '2026-01-15', totals);
    await storePage(ledger, 'daily', '2026-01-15', 'written', { id: 'p1' });
    await storeSummary(ledger, 'daily', '2026-01-15', { ...totals, events: 7 });
    expect(await summaryOf(ledger, '2026-01-15')).toMatchObject([
      { name: 'daily', status: 'collected', totals: { events: 7 }, page: { id: 'p1' } },
    ]);
    expect(await summaryOf(ledger, '2026-01-16')).toEqual([]);
  });
});

describe('a send outside of any incident', () => {
  it('is a row that waits until it is started, and has a result once it ended', async () => {
    const id = await requestSend(ledger, { kind: 'test', target: 'chat' }, ana);
    expect(await waitingSends(ledger)).toMatchObject([{ id, kind: 'test', target: 'chat', requested_by: 'ana' }]);
    expect(await sendResult(ledger, id)).toEqual({ ended: false });
    await markSendStarted(ledger, id);
    expect(await waitingSends(ledger)).toEqual([]);
    await endSend(ledger, id, { delivered: true });
    expect(await sendResult(ledger, id)).toEqual({ ended: true, outcome: { delivered: true } });
    expect(await sendOf(ledger, id + 1)).toBeUndefined();
  });

  it('of a dead delivery revives it: an attempt more, its new end, and the root of the thread', async () => {
    const { batch } = await opened(ledger);
    await ledger.query(
      `insert into deliveries (key, incident, target, reason, status, attempts, failure, scheduled_at) values ('k', $1, 'chat', 'group_now', 'dead', 4, 'server', now())`,
      [batch.incident],
    );
    const dead = await redeliverableByKey(ledger, 'k');
    if (!dead) throw new Error('there is no such delivery');
    await closeIncident(ledger, batch.incident, 1, 'resolved');
    await attemptedByHand(ledger, dead, { status: 'delivered', ref: { ts: '1' } });
    expect(await one(ledger, 'select status, attempts, failure from deliveries')).toEqual({
      status: 'delivered',
      attempts: 5,
      failure: null,
    });
    expect(await messagesOf(ledger, dead)).toEqual({ root: { ts: '1' } });
  });
});

describe('a migration', () => {
  it('run twice changes nothing, and keeps the epoch', async () => {
    const epoch = await epochOf(ledger);
    await migrate(ledger);
    expect(await epochOf(ledger)).toBe(epoch);
  });

  it('refuses a ledger of a newer version, in words for people', async () => {
    const [{ value } = { value: '' }] = await ledger.query<{ value: string }>(
      `select value from meta where name = 'schema'`,
    );
    await ledger.query(`update meta set value = '999' where name = 'schema'`);
    await expect(migrate(ledger)).rejects.toThrow('the ledger has schema 999');
    await ledger.query(`update meta set value = $1 where name = 'schema'`, [value]);
  });

  it('gives a new epoch after an unclean start', async () => {
    const before = await epochOf(ledger);
    const renewed = await renewEpoch(ledger);
    expect([renewed === before, await epochOf(ledger)]).toEqual([false, renewed]);
  });
});

describe('a transaction', () => {
  it('that throws leaves nothing behind', async () => {
    await expect(
      ledger.transaction(async (tx) => {
        await tx.query(`insert into meta values ('half', 'done')`);
        throw new Error('in the middle');
      }),
    ).rejects.toThrow('in the middle');
    expect(await ledger.query(`select 1 from meta where name = 'half'`)).toEqual([]);
  });

  it('numbers are numbers: a count, a bigint and a time come back as JavaScript has them', async () => {
    expect(
      await one(
        ledger,
        `select count(*) as counted, 7::bigint as big, timestamptz '2026-01-15 09:00Z' as at from (select 1 where false) nothing`,
      ),
    ).toEqual({
      counted: 0,
      big: 7,
      at: new Date('2026-01-15T09:00:00Z'),
    });
  });
});
