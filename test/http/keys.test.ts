/** Keys over HTTP: when they expire is told in UTC, and who tried to make one without the right is in the audit. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, pick, startApi } from './harness.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const make = (key: string, expires_at?: string) =>
  api.call('POST', '/v1/keys', {
    key,
    body: { name: 'ci', scopes: ['ingest'], ...(expires_at !== undefined && { expires_at }) },
  });

describe('the expiry of a key', () => {
  it('may be written with any offset and is told in UTC, now and in the list', async () => {
    const made = await make(api.keys.admin, '2031-05-01T12:00:00+09:00');
    expect(made).toMatchObject({ status: 201, body: { expires_at: '2031-05-01T03:00:00.000Z' } });
    const list = await api.call('GET', '/v1/keys', { key: api.keys.admin });
    expect(pick(list.body, 'keys')).toContainEqual(expect.objectContaining({ expires_at: '2031-05-01T03:00:00.000Z' }));
  });

  it.each(['2001-01-01T00:00:00Z', '9999-12-31T23:59:59-01:00'])('of %s is refused', async (expires_at) => {
    expect(await make(api.keys.admin, expires_at)).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'expires_at' }] },
    });
  });
});

describe('an admin action with a lesser key', () => {
  const refusals = async (): Promise<unknown> => {
    const object = encodeURIComponent('POST /v1/keys');
    return pick((await api.call('GET', `/v1/audit?object=${object}`, { key: api.keys.operator })).body, 'audit');
  };

  it('is refused and is in the audit under its request id, once a minute', async () => {
    const { status, headers } = await make(api.keys.operator);
    expect(status).toBe(403);
    for (let n = 0; n < 3; n++) await make(api.keys.operator);
    const row = {
      actor: 'operator key',
      action: 'access.refused',
      request_id: headers.get('x-request-id'),
      detail: { needs: 'admin', has: ['operator'] },
    };
    expect(await refusals()).toMatchObject([row]);
    api.clock.now = new Date(api.clock.now.getTime() + 60_000);
    await make(api.keys.operator);
    expect(await refusals()).toHaveLength(2);
  });

  it('of another key has a row of its own; what only an operator may do has none', async () => {
    const before = (await refusals()) as unknown[];
    await make(api.keys.ingest);
    expect(await refusals()).toHaveLength(before.length + 1);
    expect((await api.call('GET', '/v1/incidents', { key: api.keys.ingest })).status).toBe(403);
    const [{ rows } = { rows: 0 }] = await api.ledger.query<{ rows: number }>(
      `select count(*)::int as rows from audit where action = 'access.refused'`,
    );
    expect(rows).toBe(before.length + 1);
  });
});
