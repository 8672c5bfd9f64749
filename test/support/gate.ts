/** What stands between us and a fake vendor: it passes everything on, and spoils the answer to the one request that had an effect. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * What comes instead of the answer. `reset`: the connection ends; `silence`: nothing. With the headers of the true answer:
 * `stall`: no body; `drip`: a body without end, a blank at a time; `cut`: half of it, and the connection ends. Or another
 * answer altogether.
 */
export type Spoilt =
  | 'reset'
  | 'silence'
  | 'stall'
  | 'drip'
  | 'cut'
  | { status: number; headers?: Record<string, string>; body: string };

export interface Gate {
  url: string;
  /** The next request that changes what `seen` gives is answered so; `lost` is told as soon as it is under way. */
  lose(how: Spoilt, seen: () => unknown, lost?: () => void): void;
  close(): Promise<void>;
}

/** Often enough that no limit on idle connections ends it. */
const DRIP_MS = 5;

/** Headers of one connection, which the other has its own of (RFC 9110 section 7.6.1), and the length, which is counted anew. */
const HOP = new Set(['connection', 'keep-alive', 'host', 'content-length', 'transfer-encoding', 'expect']);

export async function startGate(to: string): Promise<Gate> {
  let losing: Parameters<Gate['lose']> | undefined;
  const server = createServer(async (request, response) => {
    request.on('error', () => undefined); // the client gave up, as it should
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const headers = Object.entries(request.headers).flatMap(([name, value]): [string, string][] =>
      HOP.has(name) ? [] : [[name, String(value)]],
    );
    const before = JSON.stringify(losing?.[1]());
    const answer = await fetch(`${to}${request.url}`, {
      method: request.method ?? 'GET',
      headers,
      ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
      redirect: 'manual',
    });
    const body = Buffer.from(await answer.arrayBuffer());
    const [how, seen, lost] = losing ?? [];
    if (seen && JSON.stringify(seen()) !== before) {
      losing = undefined;
      spoil(response, how ?? 'reset', { status: answer.status, headers: passed(answer.headers), body });
      lost?.();
      return;
    }
    response.writeHead(answer.status, passed(answer.headers));
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lose: (...given) => {
      losing = given;
    },
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}

const passed = (headers: Headers): Record<string, string> =>
  Object.fromEntries([...headers].filter(([name]) => !HOP.has(name)));

interface Whole {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

function spoil(response: ServerResponse, how: Spoilt, { status, headers, body }: Whole): void {
  if (typeof how === 'object') {
    response.writeHead(how.status, how.headers ?? {});
    response.end(how.body);
    return;
  }
  const length = { 'content-length': String(body.byteLength + 1) };
  const begin = (more: Record<string, string> = {}) => {
    // After a 204 nothing could break: there is no body.
    response.writeHead(status === 204 ? 200 : status, { ...headers, ...more });
    response.flushHeaders();
  };
  switch (how) {
    case 'reset':
      response.destroy();
      return;
    case 'silence':
      return;
    case 'stall':
      begin(length);
      return;
    case 'drip': {
      begin();
      const drops = setInterval(() => response.write(' '), DRIP_MS);
      response.on('close', () => clearInterval(drops));
      return;
    }
    case 'cut':
      begin(length);
      response.write(body.subarray(0, body.byteLength / 2), () => response.destroy());
      return;
    default:
      how satisfies never;
  }
}
