/** What one process takes on: by key, by address, by bytes and by events that wait; beyond it 429 or 503, and when to come back. */
import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Deps } from '../../src/http/deps.ts';
import type { Accepted, Door } from '../../src/ledger/door.ts';
import { type Api, pick, startApi } from '../http/harness.ts';
import { until } from '../support/until.ts';

const EVENT = { source: 'tests', type: 'broken', title: 'it broke' };

let shared: Api;
beforeAll(async () => {
  shared = await startApi();
});
afterAll(() => shared.stop());

type Server = Pick<Api, 'url' | 'call'> & Pick<Api, 'keys' | 'clock'>;
const running: { stop(): Promise<void> }[] = [];
/** A server with limits of its own. */
const start = async (more: Partial<Deps>): Promise<Server> => {
  const server = await shared.beside(more);
  running.push(server);
  return { ...server, keys: shared.keys, clock: shared.clock };
};
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
});

/** A door that takes what it is given and commits when it is told to. */
function patientDoor(): Door & { commit(): void } {
  let waiting = 0;
  const resolves: (() => void)[] = [];
  return {
    waiting: () => waiting,
    accept: (events) =>
      new Promise<Accepted[]>((resolve) => {
        waiting += events.length;
        resolves.push(() => {
          waiting -= events.length;
          resolve(events.map(({ id, source }) => ({ id, source, duplicate: false }) as Accepted));
        });
      }),
    commit: () => {
      for (const resolve of resolves.splice(0)) resolve();
    },
  };
}

/** A request whose body is sent by hand. */
function begin(
  api: Server,
  headers: Record<string, string | number>,
): { sent: ClientRequest; answer: Promise<IncomingMessage> } {
  const authorization = `Bearer ${api.keys.ingest}`;
  const sent = request(`${api.url}/v1/events`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json', ...headers },
  });
  const answer = once(sent, 'response').then(([response]) => {
    (response as IncomingMessage).resume();
    return response as IncomingMessage;
  });
  // The connection may end while the body is still on its way.
  sent.on('error', () => undefined);
  answer.catch(() => undefined);
  return { sent, answer };
}

describe('requests without a key', () => {
  const limits = { visits: { per_second: 0.5, burst: 3 } };

  it('are counted by address, before anything is asked of the ledger, wherever they go', async () => {
    const api = await start({ limits });
    const paths = ['/healthz', '/docs', '/openapi.json'];
    for (const path of paths) expect((await api.call('GET', path)).status).toBe(200);
    const all: [string, string][] = [
      ['GET', '/healthz'],
      ['GET', '/readyz'],
      ['GET', '/docs'],
      ['GET', '/nothing'],
      ['PUT', '/v1/events'],
      ['GET', '/v1/incidents'],
      ['POST', '/v1/events'],
    ];
    for (const [method, path] of all) {
      const { status, headers, body } = await api.call(method, path);
      expect([path, status, headers.get('retry-after')]).toEqual([path, 429, '2']);
      expect(pick(body, 'type')).toBe('urn:tocsin:problem:too-many-requests');
    }
  });

  it('keep nobody out who has a key, and are welcome again after the time that was named', async () => {
    const api = await start({ limits });
    for (let asked = 0; asked < 10; asked++) await api.call('GET', '/healthz');
    expect((await api.call('GET', '/v1/incidents', { key: api.keys.operator })).status).toBe(200);
    expect((await api.call('POST', '/v1/events', { key: api.keys.ingest, body: EVENT })).status).toBe(202);
    expect((await api.call('GET', '/healthz')).status).toBe(429);
    api.clock.now = new Date(api.clock.now.getTime() + 2_000);
    expect((await api.call('GET', '/healthz')).status).toBe(200);
  });

  it('come from where the connection comes from, whatever a header says', async () => {
    const api = await start({ limits: { ...limits, attempts: { per_second: 0.1, burst: 3 } } });
    const spoofed = (index: number) => ({
      'x-forwarded-for': `203.0.113.${index}`,
      'x-real-ip': `203.0.113.${index}`,
      forwarded: `for=203.0.113.${index}`,
      'client-ip': `203.0.113.${index}`,
    });
    const ask = async (key?: string) => {
      const statuses: number[] = [];
      for (let index = 0; index < 5; index++)
        statuses.push((await api.call('GET', '/v1/incidents', { key, headers: spoofed(index) })).status);
      return statuses;
    };
    expect(await ask()).toEqual([401, 401, 401, 429, 429]);
    expect(await ask(`tocsin_0123456789_${'a'.repeat(43)}`)).toEqual([401, 401, 401, 429, 429]);
  });
});

describe('the events that wait for a commit', () => {
  it('are only so many: what comes beyond is 503 with Retry-After, and is taken once there is room', async () => {
    const door = patientDoor();
    const api = await start({ door, limits: { waiting: 10 } });
    const { ingest } = api.keys;
    const first = api.call('POST', '/v1/events', { key: ingest, body: Array.from({ length: 8 }, () => EVENT) });
    await until('eight to wait', () => door.waiting() === 8 || undefined);
    const three = { key: ingest, body: [EVENT, EVENT, EVENT] };
    const alerts = { alerts: [1, 2, 3].map((host) => ({ status: 'firing', labels: { alertname: 'down', host } })) };
    for (const refused of [
      await api.call('POST', '/v1/events', three),
      await api.call('POST', '/v1/sources/alertmanager', { key: ingest, body: alerts }),
    ]) {
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
      expect(pick(refused.body, 'detail')).toMatch(/nothing of this was kept/);
    }
    expect(door.waiting()).toBe(8);
    const second = api.call('POST', '/v1/events', { key: ingest, body: [EVENT, EVENT] });
    await until('ten to wait', () => door.waiting() === 10 || undefined);
    door.commit();
    expect([(await first).status, (await second).status]).toEqual([202, 202]);
    const third = api.call('POST', '/v1/events', three);
    await until('three to wait', () => door.waiting() === 3 || undefined);
    door.commit();
    expect((await third).status).toBe(202);
  });
});

describe('the bodies of requests that are being answered', () => {
  const body = JSON.stringify(EVENT);
  const room = { held_bytes: body.length * 2 };

  it('are only so many bytes until they have been answered; then there is room again', async () => {
    const door = patientDoor();
    const api = await start({ door, limits: room });
    const post = () => api.call('POST', '/v1/events', { key: api.keys.ingest, raw: body });
    const [first, second] = [post(), post()];
    await until('both to wait', () => door.waiting() === 2 || undefined);
    const refused = await post();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
    expect((await api.call('GET', '/v1/incidents', { key: api.keys.operator })).status).toBe(200);
    door.commit();
    expect([(await first).status, (await second).status]).toEqual([202, 202]);
    const third = post();
    await until('the next to wait', () => door.waiting() === 1 || undefined);
    door.commit();
    expect((await third).status).toBe(202);
  });

  it('count while they are on their way, by the length they say or by what has come', async () => {
    const api = await start({ door: patientDoor(), limits: room });
    const announced = begin(api, { 'content-length': room.held_bytes });
    announced.sent.flushHeaders();
    const refused = await until('the announced body to count', async () => {
      const answer = await api.call('POST', '/v1/events', { key: api.keys.ingest, raw: body });
      return answer.status === 503 ? answer : undefined;
    });
    expect(refused.headers.get('retry-after')).toBe('2');
    announced.sent.destroy();

    const endless = begin(api, { 'transfer-encoding': 'chunked' });
    endless.sent.write(' '.repeat(room.held_bytes));
    endless.sent.write(' '.repeat(room.held_bytes));
    const answer = await endless.answer;
    expect([answer.statusCode, answer.headers['retry-after'], answer.headers.connection]).toEqual([503, '2', 'close']);
  });

  it('that hang up give their room back', async () => {
    const door = patientDoor();
    const api = await start({ door, limits: room });
    for (let gone = 0; gone < 5; gone++) {
      const { sent } = begin(api, { 'content-length': room.held_bytes });
      sent.write(' ');
      await until('the request to be seen', () => api.call('GET', '/healthz').then(() => true));
      sent.destroy();
    }
    const taken = until('room for one more', async () => {
      const answer = api.call('POST', '/v1/events', { key: api.keys.ingest, raw: body });
      await until(
        'an answer or a place',
        async () => door.waiting() > 0 || (await Promise.race([answer, undefined])) !== undefined || undefined,
      );
      door.commit();
      return (await answer).status === 202 || undefined;
    });
    expect(await taken).toBe(true);
  });

  it('take no room when their sender is gone before its key was looked up', async () => {
    const { ledger } = shared.deps;
    let answerNow: (() => void) | undefined;
    const asked = new Promise<void>((resolve) => (answerNow = resolve));
    let isAsked = false;
    const query: typeof ledger.query = async (sql, params) => {
      if (sql.includes('from keys')) {
        isAsked = true;
        await asked;
      }
      return ledger.query(sql, params);
    };
    const api = await start({ limits: room, ledger: { ...ledger, query } });
    const { sent } = begin(api, { 'content-length': room.held_bytes });
    const gone = new Promise((resolve) => sent.once('close', resolve));
    sent.write(' ');
    await until('its key to be looked up', () => isAsked || undefined);
    sent.destroy();
    await gone;
    await api.call('GET', '/healthz'); // By now the server has heard that it hung up.
    answerNow?.();
    expect((await api.call('POST', '/v1/events', { key: api.keys.ingest, raw: body })).status).toBe(202);
  });

  it('that say they are longer than any are 413, not 503', async () => {
    const api = await start({ limits: room });
    const long = { key: api.keys.ingest, raw: ' '.repeat(5 * 1024 * 1024 + 1) };
    expect((await api.call('POST', '/v1/events', long)).status).toBe(413);
  });
});
