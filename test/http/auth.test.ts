import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyOf, makeKey, type Scope } from '../../src/ledger/keys.ts';
import { type Api, isOthers, mounted, pick, startApi } from './harness.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const event = { source: 'tests', type: 'broken', title: 'it broke' };
const WHO = { by: 'the tests', key: 'none' };

/** What a route may need: a scope, nothing, or a proof of its own in the place of a key. */
type Needs = Scope | 'open' | 'proof';
const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** The routes of others' APIs, and what each is meant to need: written by hand, as the README's table of our own is. */
const OTHERS: Record<string, Needs> = {
  'get /api/v2/alerts': 'operator',
  'post /api/v2/alerts': 'ingest',
  'get /api/v2/alerts/groups': 'operator',
  'get /api/v2/silences': 'operator',
  'post /api/v2/silences': 'operator',
  'get /api/v2/silence/{id}': 'operator',
  'delete /api/v2/silence/{id}': 'operator',
  'get /api/v2/status': 'operator',
  'get /api/v2/receivers': 'operator',
  'get /-/healthy': 'open',
  'get /-/ready': 'open',
  'post /-/reload': 'operator',
  'post /v2/enqueue': 'proof',
  'post /v2/change/enqueue': 'proof',
  'post /generic/2010-04-15/create_event.json': 'proof',
  'post /v2/alerts': 'proof',
  'get /v2/alerts': 'proof',
  'get /v2/alerts/requests/{id}': 'proof',
  'get /v2/alerts/{id}': 'proof',
  'post /v2/alerts/{id}/{what}': 'proof',
  'put /v2/alerts/{id}/{what}': 'proof',
};

/** Every operation in the document, and what the README's table says that it needs. */
async function operations(): Promise<{ method: string; path: string; needs: Needs; said: string }[]> {
  const { body } = await api.call('GET', '/openapi.json');
  const rows = new Map(
    [...README.matchAll(/^\| `([A-Z]+ \/\S*)` \| (\w+) \|/gm)].map(([, route, needs]) => [route, needs]),
  );
  return Object.entries(pick(body, 'paths') as object).flatMap(([path, methods]) =>
    Object.entries(methods as object).map(([name, operation]) => {
      const method = name.toUpperCase();
      const said = /Needs the scope (\w+)\.$/.exec(String(pick(operation, 'description')))?.[1] ?? 'open';
      return { method, path, needs: rows.get(`${method} ${path}`) as Needs, said };
    }),
  );
}

const SCOPES = ['ingest', 'operator', 'admin'] as const;
/** What a key of each scope opens. */
const OPENS: Record<Scope, readonly Needs[]> = {
  ingest: ['ingest'],
  operator: ['operator'],
  admin: ['ingest', 'operator', 'admin'],
};
/** What is needed under names that nothing has, where what has a name brings a proof of its own. */
const UNNAMED: Record<string, Scope> = { 'OPTIONS /v1/sources/{name}': 'ingest', 'POST /v1/heard/{name}': 'operator' };

/** A request that stops at the first thing after the key: a name nobody has, a body that is not JSON. */
const knock = (
  method: string,
  path: string,
  key?: string,
  { at = api, body }: { at?: Pick<Api, 'call'>; body?: object } = {},
) =>
  at.call(method, path.replace(/\{\w+\}/g, 'nobody'), {
    key,
    ...(method === 'POST' && (body ? { body } : { raw: 'x' })),
  });

const inWords = (status: number): string => (status === 403 ? 'refused' : status === 401 ? 'unknown' : 'let in');

describe('the key of a request', () => {
  it('is asked for everywhere but at the four open doors, and by links that are a key themselves', async () => {
    const open = (await operations()).filter(({ needs }) => needs === 'open').map(({ path }) => path);
    expect([...new Set(open)].sort()).toEqual(['/a/{token}', '/docs', '/healthz', '/openapi.json', '/readyz']);
    for (const { method, path, needs } of await operations()) {
      const { status, headers, body } = await knock(method, path);
      if (needs === 'open') expect([path, status]).toEqual([path, path === '/a/{token}' ? 404 : 200]);
      else {
        expect([path, status, pick(body, 'type')]).toEqual([path, 401, 'urn:tocsin:problem:unauthenticated']);
        expect(headers.get('www-authenticate')).toMatch(/^Bearer/);
      }
    }
  });

  it('opens what its scope says, and nothing else: every scope at every operation, by the table of the README', async () => {
    for (const { method, path, said, needs: written } of await operations()) {
      const needs = written === 'proof' ? UNNAMED[`${method} ${path}`] : written;
      expect([method, path, said]).toEqual([method, path, needs]);
      if (needs === undefined || needs === 'open') continue;
      for (const scope of SCOPES) {
        const { status } = await knock(method, path, api.keys[scope]);
        expect([method, path, scope, inWords(status)]).toEqual([
          method,
          path,
          scope,
          OPENS[scope].includes(needs) ? 'let in' : 'refused',
        ]);
      }
    }
  });

  it("opens others' APIs by its scope likewise; where they bring a proof of their own, none of ours is one", async () => {
    expect(Object.keys(OTHERS).sort()).toEqual([...new Set(mounted(api.deps).filter(isOthers))].sort());
    const others = await api.beside({ limits: { attempts: { per_second: 1_000, burst: 1_000 } } });
    for (const [route, needs] of Object.entries(OTHERS)) {
      const [method = '', path = ''] = route.split(' ');
      for (const scope of [undefined, ...SCOPES]) {
        const key = scope && api.keys[scope];
        const { status, text } = await knock(method.toUpperCase(), path, key, {
          at: others,
          body: {
            routing_key: 'a'.repeat(32),
            service_key: 'a'.repeat(32),
            event_action: 'trigger',
            event_type: 'trigger',
          },
        });
        if (needs === 'proof') {
          const [refused, why] = path.startsWith('/v2/alerts')
            ? [401, 'opsgenie has this key']
            : [400, 'Invalid routing key'];
          expect([route, scope, status, text]).toEqual([route, scope, refused, expect.stringContaining(why)]);
        } else {
          const opened = needs === 'open' || (scope !== undefined && OPENS[scope].includes(needs));
          const expected = opened ? 'let in' : scope === undefined ? 'unknown' : 'refused';
          expect([route, scope, inWords(status)]).toEqual([route, scope, expected]);
        }
      }
    }
    await others.stop();
  });

  it('may come as X-Admin-Token, and as the password of Basic only where sources post', async () => {
    const basic = { authorization: `Basic ${Buffer.from(`anybody:${api.keys.ingest}`).toString('base64')}` };
    expect((await api.call('GET', '/v1/incidents', { headers: { 'x-admin-token': api.keys.operator } })).status).toBe(
      200,
    );
    expect((await api.call('POST', '/v1/sources/alertmanager', { headers: basic, body: { alerts: [] } })).status).toBe(
      202,
    );
    expect((await api.call('POST', '/v1/events', { headers: basic, body: event })).status).toBe(401);
  });

  it('does not count in the address, and a wrong one is answered in the same words as a revoked one', async () => {
    expect((await api.call('GET', `/v1/incidents?key=${api.keys.admin}`)).status).toBe(401);
    const made = await makeKey(
      api.ledger,
      { name: 'old', scopes: ['admin'], expires_at: new Date(0).toISOString() },
      WHO,
    );
    const said = async (key: string) => {
      const { status, body } = await api.call('GET', '/v1/keys', { key });
      return [status, pick(body, 'title'), pick(body, 'detail')];
    };
    const wrong = await said(`tocsin_0123456789_${'a'.repeat(43)}`);
    expect(wrong[0]).toBe(401);
    expect(await said(made.secret)).toEqual(wrong);
    expect(await said('x')).toEqual(wrong);
    expect(await said(`${api.keys.admin}x`)).toEqual(wrong);
  });

  it('is shown once when it is made, never listed, and stops working when it is revoked', async () => {
    const made = await api.call('POST', '/v1/keys', { key: api.keys.admin, body: { name: 'ci', scopes: ['ingest'] } });
    expect(made.status).toBe(201);
    const [id, secret] = [String(pick(made.body, 'id')), String(pick(made.body, 'secret'))];
    expect((await api.call('POST', '/v1/events', { key: secret, body: event })).status).toBe(202);
    const list = await api.call('GET', '/v1/keys', { key: api.keys.admin });
    expect(list.text).toContain(id);
    expect(list.text).not.toContain(secret.slice(-20));
    expect((await api.call('DELETE', `/v1/keys/${id}`, { key: api.keys.admin })).status).toBe(204);
    expect((await api.call('POST', '/v1/events', { key: secret, body: event })).status).toBe(401);
    expect((await api.call('DELETE', `/v1/keys/${id}`, { key: api.keys.admin })).status).toBe(404);
    expect(api.logged.join('')).not.toContain(secret.slice(-20));
  });

  it('stops working within 5 seconds when another process revoked it', async () => {
    const { id, secret } = await makeKey(api.ledger, { name: 'elsewhere', scopes: ['operator'] }, WHO);
    const other = await api.beside();
    const status = async (server: Pick<Api, 'call'>) =>
      (await server.call('GET', '/v1/incidents', { key: secret })).status;
    expect([await status(api), await status(other)]).toEqual([200, 200]);
    expect((await other.call('DELETE', `/v1/keys/${id}`, { key: api.keys.admin })).status).toBe(204);
    expect(await status(other)).toBe(401);
    api.clock.now = new Date(api.clock.now.getTime() + 5_000);
    expect(await status(api)).toBe(401);
    await other.stop();
  });

  it('is taken from no other place and by no other scheme', async () => {
    const key = api.keys.admin;
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    const refused: Record<string, string>[] = [
      ...[
        key,
        `Bearer  ${key}`,
        `Bearer ${key} `,
        `Bearer ${key} x`,
        `Bearer`,
        `Bearer ${key},${key}`,
        `Token ${key}`,
      ].map((authorization) => ({ authorization })),
      ...[basic(`x:${key}`), basic(key), `Digest ${key}`, `ApiKey ${key}`, `Bearer ${key.toUpperCase()}`].map(
        (authorization) => ({
          authorization,
        }),
      ),
      ...['x-api-key', 'api-key', 'x-auth-token', 'cookie', 'proxy-authorization', 'x-original-authorization'].map(
        (name) => ({
          [name]: key,
        }),
      ),
      // A header that counts and cannot be a key is not passed over for one that could.
      { authorization: 'Bearer wrong', 'x-admin-token': key },
    ];
    for (const headers of refused) {
      const { status } = await api.call('GET', '/v1/keys', { headers });
      // Node trims what stands around a header's value.
      const isTrimmed = headers.authorization === `Bearer ${key} `;
      expect([headers, status]).toEqual([headers, isTrimmed ? 200 : 401]);
    }
    for (const path of ['/v1/keys?access_token=', '/v1/keys?api_key=', '/v1/keys;key='])
      expect((await api.call('GET', path + key)).status).not.toBe(200);
    expect((await api.call('POST', '/v1/events', { raw: `authorization=Bearer+${key}` })).status).toBe(401);
  });

  it('stops working at the moment it expires, give or take what is remembered', async () => {
    const expires_at = new Date(api.clock.now.getTime() + 60_000).toISOString();
    const { secret } = await makeKey(api.ledger, { name: 'short', scopes: ['operator'], expires_at }, WHO);
    expect((await api.call('GET', '/v1/incidents', { key: secret })).status).toBe(200);
    api.clock.now = new Date(Date.parse(expires_at) + 5_000);
    expect((await api.call('GET', '/v1/incidents', { key: secret })).status).toBe(401);
  });

  it('is asked of the ledger once for many requests', async () => {
    let asked = 0;
    const counting = await startApi();
    const { query } = counting.ledger;
    counting.ledger.query = (sql, params) => {
      if (sql.includes('from keys where id')) asked++;
      return query(sql, params);
    };
    await Promise.all(
      Array.from({ length: 50 }, () => counting.call('POST', '/v1/events', { key: counting.keys.ingest, body: event })),
    );
    expect(asked).toBe(1);
    expect(await keyOf(counting.ledger, counting.keys.ingest, new Date())).toMatchObject({ name: 'ingest key' });
    await counting.stop();
  });
});

describe('guessing keys', () => {
  it('ends in 429 with Retry-After, while keys that were good go on working', async () => {
    const guessed = {
      ...(await api.beside({ limits: { attempts: { per_second: 0.1, burst: 3 } } })),
      keys: api.keys,
      clock: api.clock,
    };
    expect((await guessed.call('GET', '/v1/incidents', { key: guessed.keys.operator })).status).toBe(200);
    const guess = () => guessed.call('GET', '/v1/incidents', { key: `tocsin_0123456789_${'a'.repeat(43)}` });
    for (let attempt = 0; attempt < 3; attempt++) expect((await guess()).status).toBe(401);
    const refused = await guess();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '10']);
    guessed.clock.now = new Date(guessed.clock.now.getTime() + 4_000);
    expect((await guessed.call('GET', '/v1/incidents', { key: guessed.keys.operator })).status).toBe(200);
    guessed.clock.now = new Date(guessed.clock.now.getTime() + 6_000);
    expect((await guess()).status).toBe(401);
    await guessed.stop();
  });

  it('is not what somebody with a good key does', async () => {
    const used = { ...(await api.beside({ limits: { attempts: { per_second: 0.001, burst: 1 } } })), keys: api.keys };
    for (const scope of ['operator', 'admin', 'operator', 'admin'] as const) {
      expect((await used.call('GET', '/v1/incidents', { key: used.keys[scope] })).status).toBe(200);
    }
    const cold = await api.beside({ limits: { attempts: { per_second: 0.001, burst: 1 } } });
    const together = Array.from({ length: 50 }, () => cold.call('GET', '/v1/stats', { key: api.keys.operator }));
    expect((await Promise.all(together)).map(({ status }) => status)).toEqual(Array(50).fill(200));
    await cold.stop();
    await used.stop();
  });
});

describe('many senders that come at once after a restart', () => {
  it('are no guessers, when their one key is good', async () => {
    const restarted = await startApi({ limits: { attempts: { per_second: 0.001, burst: 1 } } });
    const replies = await Promise.all(
      Array.from({ length: 50 }, () => restarted.call('GET', '/v1/incidents', { key: restarted.keys.operator })),
    );
    expect(replies.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200));
    await restarted.stop();
  });
});

describe('asking too often', () => {
  it('is 429 with Retry-After for a key, and 503 where the sender would give up at 429', async () => {
    const busy = { ...(await api.beside({ limits: { key: { per_second: 0.5, burst: 1 } } })), keys: api.keys };
    const { ingest, operator } = busy.keys;
    expect((await busy.call('POST', '/v1/events', { key: ingest, body: event })).status).toBe(202);
    const refused = await busy.call('POST', '/v1/events', { key: ingest, body: event });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '2']);
    const alerts = await busy.call('POST', '/v1/sources/alertmanager', { key: ingest, body: { alerts: [] } });
    expect([alerts.status, alerts.headers.get('retry-after')]).toEqual([503, '2']);
    expect((await busy.call('GET', '/v1/incidents', { key: operator })).status).toBe(200);
    await busy.stop();
  });
});
