/** An embedded Tocsin as `npm start` has it, with a receiver of webhooks in the measuring process: one clock for both ends. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createApiClient } from '../support/api-client.ts';
import { endAll, startTocsin, type TocsinProcess } from '../support/child.ts';
import { until } from '../support/until.ts';

export interface Hit {
  path: string;
  service: string;
  title: string;
  alert_count: number;
  /** performance.now() of this process. */
  at: number;
}

export interface Receiver {
  url: string;
  hits: Hit[];
  /** Called for each hit, after it was kept. */
  onHit: (hit: Hit) => void;
  /** Answers 204 unless told otherwise. */
  answer: (path: string, response: ServerResponse) => void;
  close(): Promise<void>;
}

type Told = Omit<Hit, 'at' | 'path'>;
/** Our own webhook, or Alertmanager's. */
interface Said {
  data?: { incident: Told };
  groupLabels?: { service?: string };
  alerts?: unknown[];
}
const hitOf = ({ service, title, alert_count }: Told): Told => ({ service, title, alert_count });
const hitOfAlertmanager = ({ groupLabels = {}, alerts = [] }: Said): Told => ({
  service: groupLabels.service ?? '',
  title: '',
  alert_count: alerts.length,
});

export async function startReceiver(): Promise<Receiver> {
  const receiver: Receiver = {
    url: '',
    hits: [],
    onHit: () => undefined,
    answer: (_path, response) => void response.writeHead(204).end(),
    close: async () => undefined,
  };
  const server = createServer(async (request, response) => {
    const at = performance.now();
    // Whoever is killed while it tells something has not told it.
    const body = await text(request).catch(() => undefined);
    if (body === undefined) return;
    const said = JSON.parse(body) as Said;
    const { data } = said;
    const path = request.url ?? '';
    const hit = data ? { ...hitOf(data.incident), path, at } : { ...hitOfAlertmanager(said), path, at };
    receiver.hits.push(hit);
    receiver.onHit(hit);
    receiver.answer(path, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  receiver.close = () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return receiver;
}

/**
 * `lone` and `pair` are told at once, to one and to two webhooks, `late` after a second; `storm` as an installation tells
 * that sets nothing; `stream` as an installation is that says nothing of it;
 * everything else after a second, and again every five.
 */
export const configFor = (receiver: string): string => `
integrations:
  one: { type: webhook, url: '${receiver}/one' }
  two: { type: webhook, url: '${receiver}/two' }
  hanging: { type: webhook, url: '${receiver}/hanging', timeout: 60s }
  backup: { type: webhook, url: '${receiver}/backup' }
  stuck: { type: webhook, url: '${receiver}/stuck' }
routes:
  - { name: lone, match: [ 'type="lone"' ], group_by: [service], group_wait: 0s, notify: [one] }
  - { name: stuck, match: [ 'type="stuck"' ], group_by: [service], group_wait: 0s, notify: [stuck] }
  - { name: late, match: [ 'type="late"' ], group_by: [service], group_wait: 1s, group_count: 100000, group_now: [], notify: [one] }
  - { name: silent, match: [ 'type="silent"' ], group_by: [service], group_wait: 0s, tell_ack: false, tell_resolved: false, notify: [one, two] }
  - { name: storm, match: [ 'type="storm"' ], group_by: [service], notify: [one, two] }
  - { name: pair, match: [ 'type="pair"' ], group_by: [service], group_wait: 0s, notify: [one, two] }
  - name: failover
    match: [ 'type="failover"' ]
    group_wait: 0s
    notify: [hanging]
    failover: { hanging: backup, after: 10s }
  - { name: stream, match: [ 'type="stream"' ], group_by: [service], group_wait: 5m, group_count: 3, group_interval: 5m, notify: [one] }
default: { group_by: [service], group_wait: 1s, group_interval: 5s, notify: [one] }
egress: { allow: ['127.0.0.0/8'] }
`;

export const KEY = 'key-of-the-measurements';

export interface World {
  url: string;
  key: string;
  receiver: Receiver;
  /** Its state: the ledger's folder is `<dir>/state/ledger`. */
  dir: string;
  api: ReturnType<typeof createApiClient>;
  tocsin(): TocsinProcess;
  /** Resolves when every row is folded and nothing is being delivered. */
  drained(withinMs: number): Promise<void>;
  /** kill -9 and a new start on the same state; how long the start took. */
  restart(): Promise<number>;
  remove(): Promise<void>;
}

/** `prepare` may fill the state folder before it is started. */
export async function startWorld(prepare: (dir: string) => Promise<void> = async () => undefined): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-bench-'));
  const receiver = await startReceiver();
  const configPath = join(dir, 'tocsin.yaml');
  writeFileSync(configPath, configFor(receiver.url));
  await prepare(dir);
  const start = () => startTocsin({ stateDir: dir, configPath, key: KEY, env: { LOG_LEVEL: 'error' } });
  let tocsin = await start();
  const world: World = {
    url: tocsin.url,
    key: KEY,
    receiver,
    dir,
    api: createApiClient(tocsin.url, KEY),
    tocsin: () => tocsin,
    async drained(withinMs) {
      await until(
        'everything to be folded and told',
        async () => {
          const { waiting, sending } = await world.api.taken<Record<string, number>>('GET', '/v1/stats');
          return (waiting === 0 && sending === 0) || undefined;
        },
        withinMs,
      );
    },
    async restart() {
      await tocsin.end('SIGKILL');
      const begun = performance.now();
      tocsin = await start();
      world.url = tocsin.url;
      world.api = createApiClient(tocsin.url, KEY);
      return performance.now() - begun;
    },
    async remove() {
      await endAll(tocsin, dir);
      await receiver.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return world;
}

/** Resident memory of a process in bytes (proc(5), VmRSS). */
export const residentBytes = (pid: number): number => statusBytes(pid, 'VmRSS');
const statusBytes = (pid: number, field: 'VmRSS' | 'VmHWM'): number =>
  Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN) *
  1_024;
/** The most that it ever had (proc(5), VmHWM). */
export const peakBytes = (pid: number): number => statusBytes(pid, 'VmHWM');
/** Resident now, and at its peak, in words. */
export const memoryOf = (pid: number): string => `${mb(residentBytes(pid))}, at its peak ${mb(peakBytes(pid))}`;
export const mb = (bytes: number): string => `${Math.round(bytes / 1_000_000)} MB`;

/** An event of this kind; the id is its own. */
let sent = 0;
export const event = (more: Record<string, unknown>): Record<string, unknown> => ({
  id: `bench-${process.pid}-${++sent}`,
  source: 'bench',
  type: 'trouble',
  title: 'CPU is hot',
  severity: 'warning',
  labels: { host: `h${sent % 50}`, region: 'eu' },
  ...more,
});
