/** What an operator does with deliveries: sends one or many again, elsewhere or under a new key, or cancels one. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { listAudit } from '../../src/ledger/audit.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { recordAttempt } from '../../src/ledger/deliveries.ts';
import { deliveryOfId } from '../../src/ledger/reading.ts';
import {
  cancelDelivery,
  endLostSends,
  type Redelivery,
  requestRedeliveries,
  type Selection,
} from '../../src/ledger/redelivery.ts';
import {
  beginRedelivery,
  buryWaiting,
  endSend,
  markSendStarted,
  sendOf,
  waitingSends,
} from '../../src/ledger/sends.ts';
import { attempted, attemptedByHand, begin, deliveryOf, notice } from '../support/deliveries.ts';
import { one, opened, openTestLedger } from '../support/ledger.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const ana = { by: 'ana', key: 'k1', request_id: 'r1' };
const again = (selection: Selection, how: Partial<Redelivery> = {}) =>
  requestRedeliveries(ledger, selection, { new_key: false, ...how }, ['chat', 'mail'], ana);
async function dead(): Promise<{ key: string; id: number; incident: string }> {
  const sent = await notice(ledger);
  const key = await attempted(ledger, { status: 'dead', reason: 'server', detail: 'HTTP 503' }, sent);
  return { key, id: (await deliveryOf(ledger, key)).id, incident: sent.incident };
}
const endAll = async () => {
  for (const { id } of await waitingSends(ledger)) {
    await markSendStarted(ledger, id);
    await endSend(ledger, id, { delivered: true });
  }
};
const deadRows = async (count: number, target = 'chat'): Promise<number[]> => {
  const { batch } = await opened(ledger);
  const rows = await ledger.query<{ id: number }>(
    `insert into deliveries (key, incident, target, channel, reason, status, attempts, scheduled_at)
     select $1 || '/' || $2 || n, $1, $2, 'stdout', 'group_now', 'dead', 4, now() from generate_series(1, $3::int) n returning number as id`,
    [batch.incident, target, count],
  );
  return rows.map(({ id }) => id);
};

describe('a redelivery', () => {
  it('is a send under the same key, audited, and asked for once until it has ended', async () => {
    const { key, id } = await dead();
    const first = await again({ ids: [id] });
    expect(first).toEqual({ asked: [{ id, send: expect.any(Number), delivery: key }], refused: [] });
    expect(await sendOf(ledger, first.asked[0]?.send ?? 0)).toMatchObject({
      kind: 'redeliver',
      target: 'chat',
      delivery: key,
      requested_by: 'ana',
    });
    expect((await again({ ids: [id] })).refused).toEqual([{ id, why: 'it is being sent again already' }]);
    await endAll();
    expect((await again({ ids: [id] })).asked).toHaveLength(1);
    expect((await listAudit(ledger, { limit: 9 })).audit).toMatchObject([
      { actor: 'ana', action: 'send.redeliver', object: key, request_id: 'r1' },
      { actor: 'ana', action: 'send.redeliver', object: key },
    ]);
  });

  it('asked for twice at once is one', async () => {
    const { id } = await dead();
    const both = await Promise.all([again({ ids: [id] }), again({ ids: [id] })]);
    expect(both.map(({ asked }) => asked.length).sort()).toEqual([0, 1]);
  });

  it('under a new key is a delivery of its own, linked to the first, and counted up', async () => {
    const { key, id } = await dead();
    const keys = [];
    for (let asked = 0; asked < 2; asked++)
      keys.push((await again({ ids: [id] }, { new_key: true })).asked[0]?.delivery ?? '');
    expect(keys).toEqual([`${key}/again1`, `${key}/again2`]);
    const copy = await deliveryOf(ledger, `${key}/again2`);
    expect(copy).toMatchObject({
      status: 'retrying',
      attempts: 0,
      target: 'chat',
      channel: 'stdout',
      redirected_from: id,
    });
    expect(await deliveryOfId(ledger, copy.id)).toMatchObject({ status: 'pending', reason: 'group_now' });
    await attemptedByHand(
      ledger,
      { ...copy, incident: '' },
      { status: 'dead', reason: 'auth', code: '401', latency_ms: 7 },
    );
    expect((await again({ ids: [copy.id] }, { new_key: true })).refused).toEqual([]);
    expect(await one(ledger, `select count(*)::int as copies from deliveries where key like '%/again3'`)).toEqual({
      copies: 1,
    });
  });

  it('to another integration is a delivery there with the same notice, linked and audited; the first stays as it was', async () => {
    const { key, id } = await dead();
    const { asked } = await again({ ids: [id] }, { to: { name: 'mail', channel: 'email' } });
    expect(asked).toMatchObject([{ id, delivery: `${key}/to/mail` }]);
    expect(await deliveryOf(ledger, `${key}/to/mail`)).toMatchObject({
      target: 'mail',
      channel: 'email',
      redirected_from: id,
    });
    expect(await sendOf(ledger, asked[0]?.send ?? 0)).toMatchObject({ target: 'mail', delivery: `${key}/to/mail` });
    expect(await deliveryOf(ledger, key)).toMatchObject({ status: 'dead', target: 'chat' });
    expect((await listAudit(ledger, { limit: 1 })).audit).toMatchObject([
      { action: 'delivery.redirect', object: key, detail: { to: 'mail', new_key: `${key}/to/mail` } },
    ]);
    const twice = await again({ ids: [id] }, { to: { name: 'mail', channel: 'email' } });
    expect(twice.refused).toMatchObject([
      { id, why: expect.stringContaining('redirected to mail before, as delivery') },
    ]);
    const home = await again({ ids: [id] }, { to: { name: 'chat', channel: 'stdout' } });
    expect(home.refused).toMatchObject([{ why: 'it is a delivery to chat already' }]);
  });

  it('leaves the deadline of the incident alone while it waits', async () => {
    const sent = await notice(ledger);
    const key = await attempted(ledger, { status: 'dead', reason: 'server' }, sent);
    await again({ ids: [(await deliveryOf(ledger, key)).id] }, { new_key: true });
    const other = { ...sent, out: { ...sent.out, key: `${sent.incident}/other`, through: sent.out.through } };
    const due = Math.floor(Date.now() / 1_000) * 1_000 + 3_600_000;
    await attempted(ledger, { due }, other);
    expect(
      (
        await one<{ due_at: Date }>(ledger, 'select due_at from incidents where id = $1', [sent.incident])
      ).due_at.getTime(),
    ).toBe(due);
  });

  it('of many says of each that is refused why', async () => {
    const [one = 0, two = 0] = await deadRows(2);
    const [elsewhere = 0] = await deadRows(1, 'vanished');
    const waiting = await notice(ledger);
    await attempted(ledger, { status: 'retrying', reason: 'server' }, waiting);
    const { id: underWay } = await deliveryOf(ledger, waiting.out.key);
    const { asked, refused } = await again({ ids: [two, one, one, elsewhere, underWay, 999_999] });
    expect(asked.map(({ id }) => id)).toEqual([one, two]);
    expect(Object.fromEntries(refused.map(({ id, why }) => [id, why]))).toEqual({
      [elsewhere]: 'its integration is no longer in the configuration, or switched off',
      [underWay]: 'the delivery is failed: it is tried again by itself',
      999999: 'no delivery has this id',
    });
  });

  it('of all that are dead takes the oldest first, and the next request goes on where that one ended', async () => {
    const ids = await deadRows(5);
    await deadRows(2, 'mail');
    const idsOf = async (limit: number, more = {}) =>
      (await again({ status: 'dead', limit, target: 'chat', ...more })).asked.map(({ id }) => id);
    expect(await idsOf(2, { since: new Date(Date.now() + 60_000).toISOString() })).toEqual([]);
    expect(await idsOf(2)).toEqual(ids.slice(0, 2));
    expect(await idsOf(2)).toEqual(ids.slice(2, 4));
    expect(await idsOf(9)).toEqual(ids.slice(4));
    expect(await idsOf(9)).toEqual([]);
  });

  it('of a thousand at once is one request, and each is audited', async () => {
    await deadRows(1_000);
    const { asked } = await again({ status: 'dead', limit: 1_000 });
    expect(asked).toHaveLength(1_000);
    expect(await one(ledger, 'select count(*)::int as rows from audit')).toEqual({ rows: 1_000 });
  });
});

describe('an attempt by hand', () => {
  it('that fails and is repeated is kept as one, with its code and how long it took', async () => {
    const { key, id, incident } = await dead();
    const known = { key, incident, target: 'chat' };
    await attemptedByHand(ledger, known, {
      status: 'retrying',
      reason: 'server',
      detail: 'HTTP 502',
      code: '502',
      latency_ms: 31,
    });
    expect(await deliveryOf(ledger, key)).toMatchObject({ status: 'dead', attempts: 2 });
    await attemptedByHand(ledger, known, { status: 'delivered', code: '204', latency_ms: 12 });
    expect(await deliveryOfId(ledger, id)).toMatchObject({
      status: 'delivered',
      attempts: 3,
      attempts_made: [
        { outcome: 'dead', reason: 'server', detail: 'HTTP 503' },
        { outcome: 'retrying', reason: 'server', code: '502', latency_ms: 31 },
        { outcome: 'delivered', code: '204', latency_ms: 12 },
      ],
    });
  });
});

describe('a delivery that is cancelled', () => {
  it('between its attempts is dead with who did it, and no attempt begins any more', async () => {
    const sent = await notice(ledger);
    const key = await attempted(ledger, { status: 'retrying', reason: 'server', round: 1, next_at: Date.now() }, sent);
    const { id } = await deliveryOf(ledger, key);
    expect(await cancelDelivery(ledger, id, ana)).toEqual({ outcome: 'cancelled', under_way: false });
    expect(await deliveryOfId(ledger, id)).toMatchObject({
      status: 'dead',
      failure: 'cancelled',
      detail: 'cancelled by ana',
    });
    expect(await begin(ledger, { ...sent, out: { ...sent.out, round: 1 } })).toEqual({ outcome: 'dead' });
    expect(await cancelDelivery(ledger, id, ana)).toEqual({ outcome: 'ended', status: 'dead' });
    expect((await listAudit(ledger, { limit: 1 })).audit).toMatchObject([{ action: 'delivery.cancel', object: key }]);
    expect(await cancelDelivery(ledger, 999_999, ana)).toEqual({ outcome: 'unknown' });
  });

  it('during an attempt says so; a failure changes nothing more, and what arrives all the same is shown as arrived', async () => {
    for (const [status, shown] of [
      ['retrying', 'dead'],
      ['dead', 'dead'],
      ['delivered', 'delivered'],
    ] as const) {
      const sent = await notice(ledger);
      const begun = await begin(ledger, sent);
      if (begun.outcome !== 'go') throw new Error('it did not begin');
      const { id } = await deliveryOf(ledger, sent.out.key);
      expect(await cancelDelivery(ledger, id, ana)).toEqual({ outcome: 'cancelled', under_way: true });
      await recordAttempt(ledger, {
        incident: sent.incident,
        target: 'chat',
        delivery: sent.out.key,
        attempt: begun.attempt,
        status,
        reason: status === 'delivered' ? 'none' : 'server',
        counted: true,
      });
      expect(await deliveryOfId(ledger, id)).toMatchObject({
        status: shown,
        ...(shown === 'dead' ? { failure: 'cancelled' } : {}),
        attempts_made: [{ outcome: status }],
      });
      expect((await begin(ledger, sent)).outcome).toBe(shown);
    }
  });
});

describe('a send that was lost', () => {
  it('is ended after a while, and the delivery that waited for it is dead; one that stood otherwise stays', async () => {
    const { id, key } = await dead();
    await again({ ids: [id] });
    await again({ ids: [id] }, { new_key: true });
    for (const send of await waitingSends(ledger)) await markSendStarted(ledger, send.id);
    await beginRedelivery(ledger, { send: 0, key });
    expect(await endLostSends(ledger)).toBe(0);
    await ledger.query(`update sends set signalled_at = now() - interval '16 minutes'`);
    expect(await endLostSends(ledger)).toBe(2);
    expect(await deliveryOf(ledger, `${key}/again1`)).toMatchObject({ status: 'dead', failure: 'timeout' });
    expect(await deliveryOf(ledger, key)).toMatchObject({ status: 'dead', failure: 'server' });
    expect(await deliveryOfId(ledger, id)).toMatchObject({ attempts_made: [{ outcome: 'dead' }, { outcome: 'lost' }] });
    await buryWaiting(ledger, key, 'config', 'no integration');
    expect(await deliveryOf(ledger, key)).toMatchObject({ failure: 'server' });
    expect((await again({ ids: [id] })).asked).toHaveLength(1);
  });
});
