/** A stand-in for Tocsin's door of events, which can be away, out of order or of another opinion. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Told } from '../../src/clients/spool.ts';
import { until } from '../support/until.ts';

/** `open` keeps what comes; `away` breaks every connection; else the answer with this status, and whether Tocsin gives it. */
type State = 'open' | 'away' | { status: number; body?: unknown };

export const KEY = 'a-key-of-the-tests-0123456789';

export interface Door {
  url: string;
  state: State;
  /** Every event once, in the order in which it first came. */
  told: Told[];
  /** How many events each request had. */
  requests: number[];
  /** What a sender is given: the address, the key, and a spool that nobody else has. */
  env: Record<string, string>;
  spool: string;
  waitFor(type: string): Promise<Told>;
  close(): Promise<void>;
}

export async function startDoor(): Promise<Door> {
  const told = new Map<string, Told>();
  const requests: number[] = [];
  const spool = mkdtempSync(join(tmpdir(), 'tocsin-spool-'));
  const server = createServer(async (request, response) => {
    if (door.state === 'away') return request.socket.destroy();
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const events = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Told[];
    requests.push(events.length);
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    if (request.headers.authorization !== `Bearer ${KEY}`) return answer(401, {});
    if (door.state !== 'open') return answer(door.state.status, door.state.body ?? {});
    for (const event of events) if (!told.has(event.id)) told.set(event.id, event);
    answer(202, { accepted: events.map(({ id }) => ({ id })), duplicates: [], rejected: [] });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const door: Door = {
    url,
    state: 'open',
    get told() {
      return [...told.values()];
    },
    requests,
    env: { TOCSIN_URL: url, TOCSIN_API_KEY: KEY, TOCSIN_SPOOL: spool },
    spool,
    waitFor: (type) => until(`an event ${type}`, () => [...told.values()].find((event) => event.type === type), 30_000),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      rmSync(spool, { recursive: true, force: true });
    },
  };
  return door;
}
