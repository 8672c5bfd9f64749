/** The doors of the trading system's notification service: its feed, and its acknowledgement by event. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { claim } from '../../src/ledger/claim.ts';
import { waitingInboxes } from '../../src/ledger/inbox.ts';
import { type Api, pick, startApi } from './harness.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const post = async (id: string, more: object = {}): Promise<void> => {
  const event = { id, source: 'trader', type: 'order_rejected', message: 'Order rejected', severity: 'critical' };
  const body = { ...event, service: `desk-${id}`, traceId: `trace-${id}`, ...more };
  expect((await api.call('POST', '/v1/events', { key: api.keys.ingest, body })).status).toBe(202);
};
const open = async (): Promise<void> => {
  for (const { key } of await waitingInboxes(api.ledger)) await claim(api.ledger, key);
};
const ack = (body: object, headers: Record<string, string> = { 'x-admin-token': api.keys.operator }) =>
  api.call('POST', '/admin/notify/ack', { body, headers });
const recent = async () =>
  (await api.call('GET', '/notify/recent', { headers: { 'x-admin-token': api.keys.operator } })).body;
const inFeed = async (id: string) =>
  (pick(await recent(), 'events') as { id: string }[]).find((event) => event.id === id);

describe('POST /admin/notify/ack', () => {
  it('with X-Admin-Token acknowledges the incident that an event joined, and the feed says so', async () => {
    await post('evt-1');
    await open();
    expect(await inFeed('evt-1')).toMatchObject({ acked: false, traceId: 'trace-evt-1', status: 'open' });
    const { status, body } = await ack({ id: 'evt-1', by: 'ana' });
    expect([status, body]).toEqual([
      200,
      { id: 'evt-1', acked: true, incidents: [{ id: expect.stringMatching(/^INC-/), outcome: 'done', by: 'ana' }] },
    ]);
    expect(await inFeed('evt-1')).toMatchObject({ acked: true, acked_by: 'ana', status: 'acknowledged' });
    expect((await ack({ eventId: 'evt-1' })).body).toMatchObject({ incidents: [{ outcome: 'already', by: 'ana' }] });
  });

  it('waits for the incident of an event that was kept this very moment', async () => {
    await post('evt-2');
    const answer = ack({ event_id: 'evt-2' });
    await open();
    expect((await answer).body).toMatchObject({ acked: true, incidents: [{ outcome: 'done' }] });
  });

  it('takes the id of an incident too', async () => {
    const id = await api.incident();
    expect((await ack({ id })).body).toMatchObject({ acked: true, incidents: [{ id, outcome: 'done' }] });
  });

  it('says that there is no such event, that it joined nothing, that nothing was named, and who may', async () => {
    expect((await ack({ id: 'nobody-sent-this' })).status).toBe(404);
    await post('evt-3', { status: 'resolved', dedup_key: 'never-fired' });
    const { status, body } = await ack({ id: 'evt-3' });
    expect([status, pick(body, 'detail')]).toEqual([409, expect.stringContaining('joined no incident')]);
    expect((await ack({})).status).toBe(400);
    expect((await ack({ id: 'evt-1' }, { 'x-admin-token': api.keys.ingest })).status).toBe(403);
    expect((await ack({ id: 'evt-1' }, {})).status).toBe(401);
  });
});

describe('GET /notify/recent', () => {
  it('lists the newest first, and shows a repeat of an open alert as answered when that is', async () => {
    const alert = { dedup_key: 'one-alert', service: 'repeats' };
    await post('evt-4', alert);
    await open();
    await ack({ id: 'evt-4' });
    await post('evt-5', alert);
    const events = pick(await recent(), 'events') as { id: string; acked: boolean }[];
    expect(events.slice(0, 2).map(({ id, acked }) => [id, acked])).toEqual([
      ['evt-5', true],
      ['evt-4', true],
    ]);
    const one = await api.call('GET', '/notify/recent?limit=1', { key: api.keys.operator });
    expect(pick(one.body, 'events')).toHaveLength(1);
  });
});
