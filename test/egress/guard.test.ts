import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { createEgress, type Egress, EgressBlocked, type ResolveHost } from '../../src/egress/guard.ts';
import { INSIDE_HOSTS, NO_WEB_URLS } from '../support/attacks.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});

interface Listener {
  port: number;
  hits: IncomingMessage[];
}

/** A server on a loopback address and a port the system chooses, which remembers who came. */
async function listen(answer: RequestListener, host = '127.0.0.1', port = 0): Promise<Listener> {
  const hits: IncomingMessage[] = [];
  const server: Server = createServer((request, response) => {
    hits.push(request);
    answer(request, response);
  });
  server.listen(port, host);
  await once(server, 'listening');
  open.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, hits };
}

function egress(
  input: { allow?: string[]; ports?: number[]; names?: Record<string, string[]>; resolveHost?: ResolveHost } = {},
): Egress {
  const { allow = [], ports = [], names = {} } = input;
  const resolveHost: ResolveHost =
    input.resolveHost ??
    (async (host) => {
      const found = names[host];
      if (found) return found;
      throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' });
    });
  const made = createEgress({ allow, ports, resolveHost });
  open.push(() => made.close());
  return made;
}

const ok: RequestListener = (_request, response) => response.end('told');
const PUBLIC = '93.184.215.14';

describe('addresses that lead inside', () => {
  it.each(INSIDE_HOSTS)('refuses %s when it is saved and when it is called, over http and https', async (host) => {
    const guard = egress({ names: { 'example.com': [PUBLIC] } });
    for (const url of [`https://${host}/hook`, `http://${host}/hook`]) {
      expect(guard.check(url)).toEqual(expect.any(String));
      await expect(guard.fetch(url)).rejects.toMatchObject({ name: 'EgressBlocked' });
    }
  });

  it.each([
    '127.0.0.1',
    '10.0.0.1',
    '::1',
    '::ffff:10.0.0.1',
    '::127.0.0.1',
    '169.254.169.254',
    '168.63.129.16',
    'fd00::1',
    'fe80::1%eth0',
    '64:ff9b::a00:1',
    '',
  ])('refuses a name whose look-up says %s', async (address) => {
    const guard = egress({ names: { 'inside.test': [address] } });
    expect(guard.check('https://inside.test/')).toBeUndefined();
    await expect(guard.fetch('https://inside.test/')).rejects.toMatchObject({ name: 'EgressBlocked' });
    await expect(guard.resolve('inside.test', 587)).rejects.toMatchObject({ name: 'EgressBlocked' });
  });

  it('refuses a name with one good and one bad address, whichever comes first', async () => {
    const guard = egress({ names: { 'a.test': [PUBLIC, '10.0.0.1'], 'b.test': ['::1', PUBLIC] } });
    await expect(guard.fetch('https://a.test/')).rejects.toMatchObject({ name: 'EgressBlocked' });
    await expect(guard.fetch('https://b.test/')).rejects.toMatchObject({ name: 'EgressBlocked' });
  });

  it('takes a backslash for a slash, as the URL standard does, and so asks for the host before it', async () => {
    const asked: string[] = [];
    const guard = egress({
      resolveHost: async (host) => {
        asked.push(host);
        return ['10.0.0.1'];
      },
    });
    await expect(guard.fetch('https://example.com\\@127.0.0.1/')).rejects.toMatchObject({ name: 'EgressBlocked' });
    expect(asked).toEqual(['example.com']);
  });

  it('opens no connection to a listener it is not allowed to call', async () => {
    const { port, hits } = await listen(ok);
    const guard = egress({ ports: [port], names: { 'inside.test': ['127.0.0.1'] } });
    for (const host of ['127.0.0.1', '0x7f.1', '[::ffff:7f00:1]', 'localhost', 'inside.test']) {
      await expect(guard.fetch(`http://${host}:${port}/`)).rejects.toMatchObject({ name: 'EgressBlocked' });
      await expect(guard.fetch(`https://${host}:${port}/`)).rejects.toMatchObject({ name: 'EgressBlocked' });
    }
    expect(hits).toHaveLength(0);
  });

  it('looks again at every connection, so a name that changes its mind is caught', async () => {
    const answers = ['127.0.0.1', '127.0.0.2'];
    const first = await listen((_request, response) => response.setHeader('connection', 'close').end('told'));
    const second = await listen(ok, '127.0.0.2', first.port);
    const guard = egress({ allow: ['127.0.0.1/32'], resolveHost: async () => [answers.shift() ?? '127.0.0.2'] });
    const url = `http://rebind.test:${first.port}/`;
    expect(await (await guard.fetch(url)).text()).toBe('told');
    await expect(guard.fetch(url)).rejects.toMatchObject({ name: 'EgressBlocked' });
    expect(second.hits).toHaveLength(0);
  });

  it('says the same whatever the reason, and names no address', async () => {
    const guard = egress({ names: { 'a.test': ['10.0.0.1'], 'b.test': ['169.254.169.254'] } });
    const messages: string[] = [];
    for (const url of ['https://a.test/', 'https://b.test/', 'https://a.test:22/', 'http://a.test/']) {
      const error = await guard.fetch(url).catch((thrown: Error) => thrown);
      expect(error).toBeInstanceOf(EgressBlocked);
      messages.push((error as Error).message.replace(/^[ab]\.test /, ''));
    }
    expect(new Set(messages).size).toBe(1);
    expect(messages[0]).not.toMatch(/\d+\.\d+/);
  });
});

describe('URLs that are no webhook', () => {
  it.each(NO_WEB_URLS)('refuses %s', async (url) => {
    const guard = egress({ names: { 'example.com': [PUBLIC] } });
    expect(guard.check(url)).toEqual(expect.any(String));
    await expect(guard.fetch(url)).rejects.toMatchObject({ name: 'EgressBlocked' });
  });

  it.each([22, 25, 6379, 5432, 7233])('refuses port %i of a public host', async (port) => {
    const guard = egress({ names: { 'ok.test': [PUBLIC] } });
    expect(guard.check(`https://ok.test:${port}/`)).toContain(`port ${port}`);
    await expect(guard.fetch(`https://ok.test:${port}/`)).rejects.toMatchObject({ name: 'EgressBlocked' });
  });

  it('asks for https, and takes http only for hosts in the list', () => {
    expect(egress().check('http://ok.test/')).toContain('https://');
    expect(egress().check('https://ok.test/')).toBeUndefined();
    expect(egress().check('https://ok.test:8443/')).toBeUndefined();
    expect(egress({ ports: [9443] }).check('https://ok.test:9443/')).toBeUndefined();
    expect(egress({ allow: ['ok.test'] }).check('http://ok.test:3000/')).toBeUndefined();
    expect(egress({ allow: ['10.0.0.0/8'] }).check('http://10.1.2.3:3000/')).toBeUndefined();
  });

  it('takes a name that nobody can have, or that looks like another, for what it is', async () => {
    const asked: string[] = [];
    const guard = egress({
      resolveHost: async (host) => {
        asked.push(host);
        throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' });
      },
    });
    for (const host of [`${'a'.repeat(300)}.test`, 'b.'.repeat(400), 'gооgle.test', 'ok.test.', 'xn--ls8h.test'])
      await expect(guard.fetch(`https://${host}/`)).rejects.toThrow();
    // Letters of another alphabet are asked for in their own spelling.
    expect(asked).toContain('xn--ggle-55da.test');
    expect(asked).not.toContain('google.test');
  });

  it('names the entry of the list that cannot be read', () => {
    expect(() => createEgress({ allow: ['10.0.0.0/8', 'https://x.test/'] })).toThrow('"https://x.test/"');
    expect(() => createEgress({ allow: ['10.0.0.0/99'] })).toThrow('"10.0.0.0/99"');
  });
});

describe('what the operator has allowed', () => {
  it('is called: by CIDR, by name, and by a name inside a CIDR', async () => {
    const { port, hits } = await listen(ok);
    const names = { 'hook.test': ['127.0.0.1'] };
    const byCidr = egress({ allow: ['127.0.0.0/8'], names });
    const byName = egress({ allow: ['HOOK.test.'], names });
    expect(await (await byCidr.fetch(`http://127.0.0.1:${port}/`)).text()).toBe('told');
    expect(await (await byCidr.fetch(`http://hook.test:${port}/`)).text()).toBe('told');
    expect(await (await byName.fetch(`http://hook.test:${port}/`)).text()).toBe('told');
    await expect(byName.fetch(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({ name: 'EgressBlocked' });
    expect(hits).toHaveLength(3);
  });

  it('lets a public host be called over http only where its addresses are in the list', async () => {
    const guard = egress({ allow: ['127.0.0.0/8'], names: { 'public.test': [PUBLIC] } });
    await expect(guard.fetch('http://public.test/')).rejects.toMatchObject({ name: 'EgressBlocked' });
    await expect(guard.fetch('https://public.test:3000/')).rejects.toMatchObject({ name: 'EgressBlocked' });
  });

  it('gives the network its own errors', async () => {
    const guard = egress({ allow: ['127.0.0.0/8'] });
    const { port } = await listen(ok);
    await open.splice(1).at(-1)?.(); // The listener is closed again; the guard stays.
    await expect(guard.fetch(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    await expect(guard.fetch('https://nowhere.test/')).rejects.toMatchObject({ cause: { code: 'ENOTFOUND' } });
  });

  it('gets method, headers, body and form as the standard fetch would send them', async () => {
    const bodies: string[] = [];
    const { port, hits } = await listen((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        bodies.push(body);
        response.end();
      });
    });
    const { fetch } = egress({ allow: ['127.0.0.1'] });
    const url = `http://127.0.0.1:${port}/hook?a=1`;
    const form = new FormData();
    form.append('note', 'hello');
    form.append('file', new Blob(['inside']), 'a.txt');
    await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-mine': '1' },
      body: '{"a":1}',
    });
    await fetch(new URL(url), { method: 'POST', body: form });
    await fetch(new Request(url, { method: 'PUT', body: 'from a request', headers: { 'x-mine': '2' } }));
    expect(bodies[0]).toBe('{"a":1}');
    expect(bodies[1]).toContain('filename="a.txt"');
    expect(bodies[2]).toBe('from a request');
    expect(hits.map(({ method, url: path, headers }) => [method, path, headers['x-mine']])).toEqual([
      ['POST', '/hook?a=1', '1'],
      ['POST', '/hook?a=1', undefined],
      ['PUT', '/hook?a=1', '2'],
    ]);
  });

  it('never sees a header that belongs to the connection', async () => {
    const { port, hits } = await listen(ok);
    const { fetch } = egress({ allow: ['127.0.0.1'] });
    const headers = {
      host: 'evil.test',
      'content-length': '99',
      'transfer-encoding': 'chunked',
      connection: 'upgrade',
      'x-forwarded-for': '1.2.3.4',
      'X-Forwarded-Anything': 'evil.test',
      'x-real-ip': '1.2.3.4',
      'proxy-authorization': 'Basic eDp5',
      expect: '100-continue',
      te: 'trailers',
      trailer: 'x-late',
      upgrade: 'h2c',
      via: '1.1 evil.test',
    };
    await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body: 'abc' });
    expect(hits[0]?.headers).toMatchObject({
      host: `127.0.0.1:${port}`,
      'content-length': '3',
      'accept-encoding': 'identity',
    });
    const own = Object.keys(hits[0]?.headers ?? {});
    for (const name of Object.keys(headers).filter((one) => !/^(host|content-length|connection)$/.test(one)))
      expect(own).not.toContain(name.toLowerCase());
    for (const hostile of ['b\r\nx-evil: 1', 'b\nx-evil: 1', 'b\rx', 'b\0', '\ud800'])
      await expect(fetch(`http://127.0.0.1:${port}/`, { headers: { 'x-a': hostile } })).rejects.toThrow(TypeError);
    for (const hostile of ['x\r\nx-evil', 'x y', 'x:', '', 'x\0'])
      await expect(fetch(`http://127.0.0.1:${port}/`, { headers: { [hostile]: '1' } })).rejects.toThrow(TypeError);
    await expect(fetch(`http://127.0.0.1:${port}/`, { headers: { 'x-a': 'b\r\nx-evil: 1' } })).rejects.toThrow(
      TypeError,
    );
    expect(hits).toHaveLength(1);
  });
});

describe('answers', () => {
  it.each([301, 302, 303, 307, 308])('of status %i are given back and not followed', async (status) => {
    const inside = await listen(ok, '127.0.0.2');
    for (const location of [`http://127.0.0.2:${inside.port}/`, 'file:///etc/passwd']) {
      const { port, hits } = await listen((_request, response) => response.writeHead(status, { location }).end());
      const answer = await egress({ allow: ['127.0.0.0/8'] }).fetch(`http://127.0.0.1:${port}/`, {
        method: 'POST',
        redirect: 'follow',
        body: 'x',
      });
      expect(answer.status).toBe(status);
      expect(answer.headers.get('location')).toBe(location);
      expect(hits).toHaveLength(1);
    }
    expect(inside.hits).toHaveLength(0);
  });

  it('of a chain of redirects are the first one', async () => {
    const { port, hits } = await listen((request, response) => {
      const step = Number(request.url?.slice(1)) + 1;
      response.writeHead(302, { location: `/${step}` }).end();
    });
    const answer = await egress({ allow: ['127.0.0.1'] }).fetch(`http://127.0.0.1:${port}/0`);
    expect([answer.status, answer.headers.get('location'), hits.length]).toEqual([302, '/1', 1]);
  });

  it('without an end are cut off after 1 MB', async () => {
    let sent = 0;
    const { port, hits } = await listen((request, response) => {
      request.socket.on('error', () => {}); // Being cut off is what is wanted.
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536))) sent += 65_536;
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    });
    const answer = await egress({ allow: ['127.0.0.1'] }).fetch(`http://127.0.0.1:${port}/`);
    expect(answer.status).toBe(200);
    await expect(answer.text()).rejects.toThrow();
    const socket = hits[0]?.socket;
    await new Promise<void>((resolve) => (socket?.destroyed ? resolve() : socket?.once('close', () => resolve())));
    expect(sent).toBeLessThan(50_000_000);
  });

  it('that unfold to more than 1 MB are cut off, though they are small on the line', async () => {
    const bomb = gzipSync(Buffer.alloc(30_000_000));
    expect(bomb.length).toBeLessThan(100_000);
    const { port } = await listen((_request, response) => response.setHeader('content-encoding', 'gzip').end(bomb));
    const answer = await egress({ allow: ['127.0.0.1'] }).fetch(`http://127.0.0.1:${port}/`);
    await expect(answer.arrayBuffer()).rejects.toMatchObject({ name: 'AnswerTooLong' });
  });

  it('of exactly the limit are read whole', async () => {
    const { port } = await listen((_request, response) => response.end(Buffer.alloc(1_000_000)));
    const answer = await egress({ allow: ['127.0.0.1'] }).fetch(`http://127.0.0.1:${port}/`);
    expect((await answer.arrayBuffer()).byteLength).toBe(1_000_000);
    expect(answer.url).toBe(`http://127.0.0.1:${port}/`);
  });

  it('that drip end at the deadline of the caller', async () => {
    const { port } = await listen((_request, response) => {
      const drip = setInterval(() => response.write('.'), 20);
      response.once('close', () => clearInterval(drip));
    });
    const startedAt = performance.now();
    const answer = await egress({ allow: ['127.0.0.1'] }).fetch(`http://127.0.0.1:${port}/`, {
      signal: AbortSignal.timeout(300),
    });
    await expect(answer.text()).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});

describe('resolve, for mail', () => {
  it('gives the address to connect to', async () => {
    const guard = egress({ allow: ['10.0.0.0/8'], names: { 'mail.test': [PUBLIC], 'relay.test': ['10.0.0.25'] } });
    expect(await guard.resolve('mail.test', 587)).toBe(PUBLIC);
    expect(await guard.resolve('relay.test', 1025)).toBe('10.0.0.25');
    expect(await guard.resolve('10.0.0.7', 25)).toBe('10.0.0.7');
  });

  it('refuses private addresses and other ports', async () => {
    const guard = egress({ names: { 'mail.test': [PUBLIC], localhost: ['127.0.0.1'] } });
    for (const [host, port] of [
      ['mail.test', 22],
      ['localhost', 25],
      ['127.0.0.1', 25],
      ['[::1]', 587],
      ['::ffff:127.0.0.1', 465],
    ] as const) {
      await expect(guard.resolve(host, port)).rejects.toMatchObject({ name: 'EgressBlocked' });
    }
  });
});
