import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp, listen } from '../../src/http/app.ts';
import type { Deps } from '../../src/http/deps.ts';
import { type Api, isOthers, mounted, pick, startApi } from './harness.ts';

let api: Api;
let deps: Deps;
beforeAll(async () => {
  api = await startApi();
  deps = api.deps;
});
afterAll(() => api.stop());

/** The first line and the body of what comes back for these very bytes. */
async function raw(text: string, url = api.url): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.end(text);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('utf8');
}

describe('the OpenAPI document', () => {
  it("lists exactly the routes that Express has, but for those of other people's APIs", async () => {
    const routes = mounted(deps);
    const { body } = await api.call('GET', '/openapi.json');
    const listed = Object.entries(pick(body, 'paths') as object).flatMap(([path, methods]) =>
      Object.keys(methods as object).map((method) => `${method} ${path}`),
    );
    expect(routes.length).toBeGreaterThan(25);
    // PagerDuty's and Opsgenie's, and Alertmanager's: test/http/auth.test.ts has each of them.
    expect(routes.filter(isOthers).length).toBeGreaterThan(5);
    expect(routes.filter((route) => !isOthers(route)).sort()).toEqual(listed.sort());
  });

  it('refers to nothing that it does not have, and names every parameter of its paths', async () => {
    const { body, text } = await api.call('GET', '/openapi.json');
    expect(body).toMatchObject({ openapi: '3.1.0', info: { title: 'Tocsin', version: '0.0.0-test' } });
    for (const [, name = ''] of text.matchAll(/"\$ref":"#\/([^"]+)"/g))
      expect([name, pick(body, ...name.split('/'))]).toEqual([name, expect.anything()]);
    expect(text).not.toContain('#/$defs');
    const ids = new Set<unknown>();
    for (const [path, methods] of Object.entries(pick(body, 'paths') as object)) {
      for (const operation of Object.values(methods as object)) {
        const parameters = ((pick(operation, 'parameters') ?? []) as { name: string; in: string }[]).filter(
          (one) => one.in === 'path',
        );
        expect([path, parameters.map(({ name }) => `{${name}}`)]).toEqual([path, path.match(/\{\w+\}/g) ?? []]);
        ids.add(pick(operation, 'operationId'));
      }
    }
    expect(ids.size).toBeGreaterThan(25);
  });

  it('says which parameters are required, and what an event is', async () => {
    const { body } = await api.call('GET', '/openapi.json');
    const required = (path: string) =>
      (pick(body, 'paths', path, 'get', 'parameters') as { name: string; required: boolean }[]).flatMap((one) =>
        one.required ? [one.name] : [],
      );
    expect([required('/v1/incidents'), required('/v1/incidents/{id}')]).toEqual([[], ['id']]);
    expect(pick(body, 'components', 'schemas', 'Event', 'required')).toEqual(['source', 'type']);
    expect(pick(body, 'paths', '/v1/events', 'post', 'operationId')).toBe('postEvents');
  });

  it('is also a page without scripts or anything from elsewhere, whose one style is allowed', async () => {
    const { status, headers, text } = await api.call('GET', '/docs');
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(text).toContain('POST /v1/events');
    expect(text).not.toMatch(/<script|https?:\/\/(?!localhost)|src=|@import/);
    expect(headers.get('content-security-policy')).toMatch(/^default-src 'none';style-src 'sha256-[\w+/=]+';/);
  });
});

describe('every answer', () => {
  it('has a request id, its own or the one that came along, and only a harmless one', async () => {
    const id = async (given: string) =>
      (await api.call('GET', '/healthz', { headers: { 'x-request-id': given } })).headers.get('x-request-id');
    expect(await id('abc-1.2_3')).toBe('abc-1.2_3');
    expect(await id('a b')).toMatch(/^[0-9a-f-]{36}$/);
    expect(await id('x'.repeat(65))).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('is never cached, framed or sniffed, and does not say what made it', async () => {
    for (const path of ['/healthz', '/nothing', '/v1/events', '/docs', '/openapi.json', '/%', '/v1/incidents']) {
      const { headers } = await api.call('GET', path, { headers: { origin: 'https://evil.example' } });
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('x-powered-by')).toBe(null);
      expect(headers.get('server')).toBe(null);
      expect(headers.get('strict-transport-security')).toMatch(/^max-age=\d{8,}/);
      expect(headers.get('x-frame-options')).toBe('SAMEORIGIN');
      expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
      expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*form-action 'none'/);
      expect([...headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
      expect(headers.get('set-cookie')).toBe(null);
    }
  });

  it('gives a page of elsewhere no leave to ask, whatever it asks for leave to do', async () => {
    for (const [path, method] of [
      ['/v1/events', 'POST'],
      ['/v1/keys', 'POST'],
      ['/v1/keys/x', 'DELETE'],
      ['/metrics', 'GET'],
    ] as const) {
      const { status, headers } = await api.call('OPTIONS', path, {
        headers: {
          origin: 'https://evil.example',
          'access-control-request-method': method,
          'access-control-request-headers': 'authorization',
        },
      });
      expect(status).toBe(405);
      expect([...headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
    }
    // What a page may send without asking is no JSON, and has no key.
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
      const body = { raw: '{}', headers: { 'content-type': type, origin: 'https://evil.example' } };
      expect((await api.call('POST', '/v1/events', body)).status).toBe(401);
      expect((await api.call('POST', '/v1/events', { ...body, key: api.keys.ingest })).status).toBe(415);
    }
  });

  it('comes from no file, however the path is written', async () => {
    const ways = ['..', '%2e%2e', '%252e%252e', '..;', '..%2f', '..%5c', '%c0%ae%c0%ae', '....//', '.%00.'];
    for (const way of ways) {
      for (const path of [
        `/docs/${way}/${way}/package.json`,
        `/${way}/${way}/etc/passwd`,
        `/v1/events/${way}/package.json`,
      ]) {
        const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
        expect([path, answer.slice(0, 12)]).toEqual([path, expect.stringMatching(/^HTTP\/1\.1 40[014]$/)]);
        expect(answer).not.toMatch(/root:|"dependencies"/);
      }
    }
  });

  it('tells of no failure more than its words: no stack, no file, no statement', async () => {
    const broken = await api.beside({
      ledger: {
        ...deps.ledger,
        query: () => Promise.reject(new Error('select hash from keys at /srv/tocsin/src/x.ts')),
      },
    });
    for (const path of ['/v1/incidents', '/v1/keys', '/v1/stats', '/v1/audit', '/readyz']) {
      const { status, text } = await broken.call('GET', path, { key: api.keys.admin });
      expect(status).toBeGreaterThanOrEqual(500);
      expect(text).not.toMatch(/select|\.ts|node:|\bat\b .*:\d+|Error/);
    }
    await broken.stop();
  });

  it('is a problem document for a path or a method that is not there', async () => {
    expect(await api.call('GET', '/v1/nothing')).toMatchObject({
      status: 404,
      body: { type: 'urn:tocsin:problem:not-found', status: 404 },
    });
    const put = await api.call('PUT', '/v1/events');
    expect([put.status, put.headers.get('allow')]).toEqual([405, 'POST']);
    expect((await api.call('OPTIONS', '/v1/incidents')).status).toBe(405);
    expect((await api.call('GET', '/V1/incidents', { key: api.keys.operator })).status).toBe(404);
  });
});

describe('the figures', () => {
  it('are for operators: metrics by route and class of answer, and what waits', async () => {
    await api.call('POST', '/v1/events', { key: api.keys.ingest, body: { source: 'tests', type: 't', title: 't' } });
    const { text, headers } = await api.call('GET', '/metrics', { key: api.keys.operator });
    expect(headers.get('content-type')).toMatch(/^text\/plain/);
    expect(text).toMatch(/tocsin_http_requests_total\{route="\/v1\/events",status="2xx"\} 1\n/);
    expect(text).toMatch(/tocsin_events_accepted_total\{source="events",outcome="new"\} 1\n/);
    expect((await api.call('GET', '/v1/stats', { key: api.keys.operator })).body).toEqual({
      waiting: 1,
      open: 0,
      dead: 0,
      sending: 0,
      arriving: 0,
    });
    expect((await api.call('GET', '/readyz')).body).toEqual({ status: 'ready' });
  });
});

describe('the server', () => {
  it('refuses two Host headers, a whole address as the path, and heads over 16 KB', async () => {
    expect(await raw('GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400 [\s\S]*more than one Host/,
    );
    expect(await raw('GET http://elsewhere/healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400 [\s\S]*whole address/,
    );
    expect(await raw(`GET /healthz HTTP/1.1\r\nHost: a\r\nX-Large: ${'x'.repeat(17_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    );
    expect(await raw('GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('refuses what two servers could read as two different requests', async () => {
    const head = 'POST /v1/events HTTP/1.1\r\nHost: a\r\n';
    const chunked = 'Transfer-Encoding: chunked\r\n';
    for (const smuggled of [
      `${head}Content-Length: 5\r\n${chunked}\r\n0\r\n\r\n`,
      `${head}${chunked}Content-Length: 5\r\n\r\n0\r\n\r\n`,
      `${head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`,
      `${head}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
      `${head}Content-Length: 5, 5\r\n\r\nhello`,
      `${head}Content-Length: +5\r\n\r\nhello`,
      `${head}Content-Length: 0x5\r\n\r\nhello`,
      `${head}Content-Length: -1\r\n\r\n`,
      `${head}Content-Length: 5 5\r\n\r\nhello`,
      `${head}Content-Length: 99999999999999999999\r\n\r\nhello`,
      `${head}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
      `${head} Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
      `${head}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
      `${head}Transfer-Encoding: identity, chunked, identity\r\n\r\n0\r\n\r\n`,
      `${head}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`,
      `${head}X-Folded: one\r\n two\r\n\r\n`,
      `${head}X-Nul: a\0b\r\n\r\n`,
      `${head}X-Return: a\rb\r\n\r\n`,
      `${head}X Space: a\r\n\r\n`,
      `${head}: nameless\r\n\r\n`,
      `${head}${chunked}\r\n5;\n\r\nhello\r\n0\r\n\r\n`,
      `${head}${chunked}\r\n-1\r\nhello\r\n0\r\n\r\n`,
      `${head}${chunked}\r\n0x5\r\nhello\r\n0\r\n\r\n`,
      `${head}${chunked}\r\nffffffffffffffff1\r\nhello\r\n0\r\n\r\n`,
      'GET /healthz HTTP/1.1\nHost: a\n\n',
      'GET /healthz HTTP/1.1\r\nHost: a\nX: b\r\n\r\n',
      'GET /healthz HTTP/1.1\r\n\r\n',
      'GET /healthz HTTP/1.2\r\nHost: a\r\n\r\n',
      'GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n',
      'GET /healthz\0 HTTP/1.1\r\nHost: a\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'BREW /healthz HTTP/1.1\r\nHost: a\r\n\r\n',
    ]) {
      expect([smuggled, (await raw(smuggled)).split(' ', 2).join(' ')]).toEqual([smuggled, 'HTTP/1.1 400']);
    }
  });

  it('answers one request for every one it was sent, and none for what came inside of a body', async () => {
    const inside = 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n';
    const first = `POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${inside.length}\r\n\r\n${inside}`;
    const answers = await raw(`${first}GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    expect(answers.match(/HTTP\/1\.1 \d{3}/g)).toEqual(['HTTP/1.1 401', 'HTTP/1.1 404']);
  });

  it('is no proxy and changes no protocol', async () => {
    expect(await raw('CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n')).toBe('');
    for (const target of ['*', 'example.com:80', 'file:///etc/passwd', '//example.com/../..//healthz'])
      expect(await raw(`GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)).toMatch(
        /^HTTP\/1\.1 40[04] /,
      );
    const upgrade = 'Connection: Upgrade, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n';
    expect(await raw(`GET /healthz HTTP/1.1\r\nHost: a\r\n${upgrade}`)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('has little patience with slow senders', async () => {
    const { server, close } = await listen(createApp(deps), { host: '127.0.0.1', port: 0 });
    const { headersTimeout, requestTimeout, keepAliveTimeout, timeout, maxConnections } = server;
    expect({ headersTimeout, requestTimeout, keepAliveTimeout, timeout, maxConnections }).toEqual({
      headersTimeout: 10_000,
      requestTimeout: 20_000,
      keepAliveTimeout: 5_000,
      timeout: 60_000,
      maxConnections: 1_000,
    });
    await close();
  });

  describe('with less patience', () => {
    let impatient: Awaited<ReturnType<typeof listen>>;
    beforeAll(async () => {
      const patience = { headersTimeout: 200, requestTimeout: 400, timeout: 1_000, connectionsCheckingInterval: 20 };
      impatient = await listen(createApp(deps), { host: '127.0.0.1', port: 0, patience });
    });
    afterAll(() => impatient.close());

    /** Sends `begin`, then a byte again and again until the server has had enough: what it answered. */
    async function drip(begin: string, byte: string): Promise<string> {
      const { hostname, port } = new URL(impatient.url);
      const socket = connect(Number(port), hostname);
      const chunks: Buffer[] = [];
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.on('error', () => undefined); // The server hangs up while a byte is on its way.
      const more = setInterval(() => socket.write(byte), 20);
      socket.write(begin);
      await new Promise((resolve) => socket.once('close', resolve));
      clearInterval(more);
      return Buffer.concat(chunks).toString('utf8');
    }

    it('cuts off who sends the head byte by byte', async () => {
      expect(await drip('GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ', 'x')).toMatch(/^HTTP\/1\.1 408 /);
    });

    it('cuts off who sends the body byte by byte, key or not', async () => {
      const head = `POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n`;
      const known = `${head}Authorization: Bearer ${api.keys.ingest}\r\n\r\n`;
      expect(await drip(known, ' ')).not.toMatch(/^HTTP\/1\.1 2/);
      expect(await drip(`${head}\r\n`, ' ')).toMatch(/^HTTP\/1\.1 401 /);
    });

    it('lets go of who says nothing, and of who asks and does not read', async () => {
      const { hostname, port } = new URL(impatient.url);
      const idle = connect(Number(port), hostname).resume();
      await once(idle, 'close');
      const arrives = once(impatient.server, 'connection');
      const deaf = connect(Number(port), hostname);
      deaf.pause();
      deaf.on('error', () => undefined);
      // More answers than the system keeps for a reader who does not come: the server has to wait, and does not for long.
      const ask = 'GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n';
      deaf.write(ask.repeat(200));
      const [served] = (await arrives) as [Socket];
      const since = performance.now();
      await once(served, 'close');
      expect(performance.now() - since, 'it was the connection on which nothing moved').toBeGreaterThan(500);
      deaf.destroy();
    });
  });

  it('has only so many connections for one address, says so to who wants more, and takes one for each that ends', async () => {
    const { url, close } = await listen(createApp(deps), { host: '127.0.0.1', port: 0, connections: 3 });
    const { hostname, port } = new URL(url);
    const idle = Array.from({ length: 3 }, () => connect(Number(port), hostname));
    await Promise.all(idle.map((socket) => once(socket, 'connect')));
    const ask = () => raw('GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', url);
    const refused = await ask();
    expect(refused).toMatch(/^HTTP\/1\.1 503 [\s\S]*Retry-After: 2\r\n/);
    const [head = '', body = ''] = refused.split('\r\n\r\n');
    expect(/Content-Length: (\d+)/.exec(head)?.[1]).toBe(String(Buffer.byteLength(body)));
    // From another address of the same machine there is room.
    const other = connect({ port: Number(port), host: hostname, localAddress: '127.0.0.2' });
    other.end('GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(String((await once(other, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
    idle[0]?.destroy();
    await expect.poll(ask).toMatch(/^HTTP\/1\.1 200 /);
    for (const socket of idle) socket.destroy();
    await close();
  });

  it('closes after the requests it has begun, and says so when its address is taken', async () => {
    let answerNow: (() => void) | undefined;
    const slow = {
      ...deps,
      door: { waiting: () => 0, accept: () => new Promise<[]>((resolve) => (answerNow = () => resolve([]))) },
    };
    const { url, close } = await listen(createApp(slow), { host: '127.0.0.1', port: 0 });
    await expect(listen(createApp(deps), { host: '127.0.0.1', port: Number(new URL(url).port) })).rejects.toThrow(
      /where HOST and PORT say: .*EADDRINUSE/,
    );
    const begun = request(`${url}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${api.keys.ingest}`, 'content-type': 'application/json' },
    });
    begun.end(JSON.stringify({ source: 'tests', type: 't', title: 't' }));
    const answered = once(begun, 'response');
    await expect.poll(() => answerNow).toBeTypeOf('function');
    const closed = close();
    answerNow?.();
    const [response] = await answered;
    expect(response.statusCode).toBe(202);
    response.resume();
    await closed;
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });
});
