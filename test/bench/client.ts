/** A load client of few instructions: kept-alive sockets, each with one request on its way, and every answer looked at. */
import { connect, type Socket } from 'node:net';

export interface Load {
  url: string;
  path: string;
  key?: string;
  connections: number;
  /** How long new requests are begun. */
  ms: number;
  /** At most so many requests in all. */
  requests?: number;
  /** The body of the nth request. */
  body(n: number): string;
}

export interface Taken {
  /** Requests answered 2xx. */
  requests: number;
  ms: number;
  p50_ms: number;
  p99_ms: number;
  max_ms: number;
  /** Answers by status. */
  statuses: Record<number, number>;
}

const HEAD_END = '\r\n\r\n';

/** Keeps every connection busy for the given time (a closed loop), then waits for the last answers. */
export async function loadWith({
  url,
  path,
  key,
  connections,
  ms,
  requests = Number.POSITIVE_INFINITY,
  body,
}: Load): Promise<Taken> {
  const { hostname, port } = new URL(url);
  const head =
    `POST ${path} HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-type: application/json\r\n` +
    (key === undefined ? '' : `authorization: Bearer ${key}\r\n`);
  const took: number[] = [];
  const statuses: Record<number, number> = {};
  const started = performance.now();
  let n = 0;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket: Socket = connect({ host: hostname, port: Number(port), noDelay: true });
      let sentAt = 0;
      let got = '';
      const next = (): void => {
        if (performance.now() - started >= ms || n >= requests) {
          socket.destroy();
          resolve();
          return;
        }
        const text = body(n++);
        sentAt = performance.now();
        socket.write(`${head}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
      };
      socket.setEncoding('latin1');
      socket.on('connect', next);
      socket.on('error', reject);
      socket.on('data', (chunk: string) => {
        got += chunk;
        const end = got.indexOf(HEAD_END);
        if (end < 0) return;
        const length = /content-length: *(\d+)/i.exec(got.slice(0, end))?.[1];
        if (length === undefined || got.length < end + HEAD_END.length + Number(length)) return;
        const status = Number(got.slice(9, 12));
        statuses[status] = (statuses[status] ?? 0) + 1;
        took.push(performance.now() - sentAt);
        got = '';
        next();
      });
    });
  await Promise.all(Array.from({ length: connections }, one));
  const elapsed = performance.now() - started;
  took.sort((a, b) => a - b);
  const at = (share: number): number => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? 0;
  const good = Object.entries(statuses).reduce((sum, [status, count]) => sum + (status.startsWith('2') ? count : 0), 0);
  return { requests: good, ms: elapsed, p50_ms: at(0.5), p99_ms: at(0.99), max_ms: took.at(-1) ?? 0, statuses };
}
