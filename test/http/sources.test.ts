import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, pick, startApi } from './harness.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const alert = (fingerprint: string) => ({
  status: 'firing',
  labels: { alertname: 'HighCPU', severity: 'critical' },
  annotations: { summary: 'CPU is high' },
  startsAt: '2026-11-20T10:00:00Z',
  endsAt: '0001-01-01T00:00:00Z',
  fingerprint,
});
const message = (...alerts: unknown[]) => ({
  version: '4',
  groupKey: '{}',
  status: 'firing',
  receiver: 'tocsin',
  alerts,
});
const post = (name: string, body: unknown, more: object = {}) =>
  api.call('POST', `/v1/sources/${name}`, { key: api.keys.ingest, body, ...more });

describe('POST /v1/sources/{name}', () => {
  it('keeps what Alertmanager says, and knows it when it is said again', async () => {
    const first = await post('alertmanager', message(alert('f1'), alert('f2')));
    expect(first.status).toBe(202);
    expect(pick(first.body, 'accepted')).toHaveLength(2);
    const again = await post('alertmanager', message(alert('f1'), alert('f2')));
    expect([pick(again.body, 'accepted'), pick(again.body, 'duplicates')]).toEqual([[], pick(first.body, 'accepted')]);
    expect(
      await api.ledger.query(`select source, event->>'title' as title from events where event->>'type' = 'HighCPU'`),
    ).toEqual([
      { source: 'alertmanager', title: 'CPU is high' },
      { source: 'alertmanager', title: 'CPU is high' },
    ]);
  });

  it('answers 202 to what is authentic and maps to nothing: the sender cannot do better', async () => {
    expect(await post('alertmanager', { hello: 'world' })).toMatchObject({
      status: 202,
      body: { accepted: [], duplicates: [], rejected: [{ index: 0 }] },
    });
    expect((await post('alertmanager', message())).body).toEqual({ accepted: [], duplicates: [], rejected: [] });
  });

  it('reads JSON whatever the sender calls it, and forgives a name given twice', async () => {
    expect((await post('alertmanager', message(), { headers: { 'content-type': 'text/plain' } })).status).toBe(202);
    expect((await post('alertmanager', undefined, { raw: '{"alerts":[],"alerts":[]}' })).status).toBe(202);
    expect((await post('alertmanager', undefined, { raw: '{"alerts":[' })).status).toBe(400);
    expect((await post('alertmanager', undefined, { raw: '{}', headers: { 'content-encoding': 'gzip' } })).status).toBe(
      415,
    );
  });

  it('takes 10,000 events in one message, and not one more', async () => {
    const many = (count: number) => ({
      alerts: Array.from({ length: count }, (_, at) => ({ status: 'resolved', labels: { alertname: 'many', at } })),
    });
    const { status, body } = await post('alertmanager', many(10_001));
    expect([status, pick(body, 'detail')]).toEqual([413, 'a message has at most 10000 events, this one has 10001']);
    const none = `{"alerts":[${'0,'.repeat(200_000)}0]}`;
    expect((await post('alertmanager', undefined, { raw: none })).status).toBe(413);
    expect(((await post('alertmanager', many(10_000))).body as { accepted: unknown[] }).accepted).toHaveLength(10_000);
  });

  it('needs no key where the source has a token of its own, which is then needed', async () => {
    const shown = (authorization?: string) =>
      api.call('POST', '/v1/sources/primary', {
        body: message(alert('f3')),
        headers: authorization ? { authorization } : {},
      });
    expect((await shown('Bearer a-token-of-its-own')).status).toBe(202);
    expect((await shown(`Basic ${Buffer.from('am:a-token-of-its-own').toString('base64')}`)).status).toBe(202);
    expect((await shown()).status).toBe(401);
    expect((await shown('Bearer another-token-than-its')).status).toBe(401);
    expect((await shown(`Bearer ${api.keys.admin}`)).status).toBe(401);
  });

  it('is 404 for a name that is neither configured nor built in, and only to who has a key', async () => {
    for (const name of ['nobody', 'mapping', '__proto__', 'constructor', 'events']) {
      expect([name, (await post(name, {})).status]).toEqual([name, 404]);
      expect([name, (await api.call('POST', `/v1/sources/${name}`, { body: {} })).status]).toEqual([name, 401]);
    }
  });
});

describe('wrong tokens of a source', () => {
  it('are throttled, and do not keep out who shows the right one', async () => {
    const guessed = await startApi({ limits: { attempts: { per_second: 0.1, burst: 2 } } });
    const shown = async (token: string) =>
      (
        await guessed.call('POST', '/v1/sources/primary', {
          body: message(),
          headers: { authorization: `Bearer ${token}` },
        })
      ).status;
    expect([await shown('wrong'), await shown('wrong'), await shown('wrong')]).toEqual([401, 401, 429]);
    expect(await shown('a-token-of-its-own')).toBe(202);
    await guessed.stop();
  });
});
