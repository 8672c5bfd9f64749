/** Accepted events per second, against raw inserts of the same rows and against Debian's Alertmanager. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLedger } from '../../../src/ledger/db.ts';
import { until } from '../../support/until.ts';
import { type Alertmanager, startAlertmanager } from '../alertmanager.ts';
import { loadWith, type Taken } from '../client.ts';
import { count, type Line, ms, ratio } from '../line.ts';
import { event, KEY, mb, residentBytes, startWorld, type World } from '../world.ts';

const RUN_MS = 5_000;
const WARM_MS = 1_500;
const INCIDENTS = 200;
const BATCH = 64;
/** How a load is put on: few small requests at once, or few large ones. */
const SHAPES = {
  'single POSTs, 50 connections': { connections: 50, per_request: 1 },
  'batches of 64, 8 connections': { connections: 8, per_request: BATCH },
} as const;
type Shape = keyof typeof SHAPES;
const shapes = Object.keys(SHAPES) as Shape[];

interface Pace {
  per_second: number;
  p99_ms: number;
  refused: number;
}
const paceOf = (taken: Taken, per_request: number): Pace => ({
  per_second: (taken.requests * per_request * 1_000) / taken.ms,
  p99_ms: taken.p99_ms,
  refused: Object.entries(taken.statuses).reduce((sum, [status, n]) => sum + (status.startsWith('2') ? 0 : n), 0),
});

/** The bodies of one kind of load. */
const bodies = (per_request: number, make: (n: number) => Record<string, unknown>) => (n: number) => {
  const events = Array.from({ length: per_request }, (_, at) => event(make(n * per_request + at)));
  return JSON.stringify(per_request === 1 ? events[0] : events);
};

/** Two hundred alerts that fire again and again: nothing new, nothing behind the door has work. */
const quiet = (n: number) => ({ service: `quiet-${n % 20}`, dedup_key: `d${n % 200}` });
/** Every event an alert of its own, of two hundred open incidents: relay, Temporal and worker have to carry them all. */
const working = (n: number) => ({ type: 'stream', service: `busy-${n % INCIDENTS}`, dedup_key: `n${n}` });
/** The same where the incidents are opened meanwhile and told every five seconds: more than can be told on two cores. */
const overloaded = (n: number) => ({ service: `over-${n % INCIDENTS}`, dedup_key: `n${n}` });

async function tocsinPace(world: World, shape: Shape, make: (n: number) => Record<string, unknown>): Promise<Pace> {
  const { connections, per_request } = SHAPES[shape];
  const load = (length_ms: number) =>
    loadWith({
      url: world.url,
      path: '/v1/events',
      key: KEY,
      connections,
      ms: length_ms,
      body: bodies(per_request, make),
    });
  await load(WARM_MS);
  return paceOf(await load(RUN_MS), per_request);
}

/** The same rows put into the same ledger by nobody but ourselves: one statement and one commit for each request. */
async function rawPace(shape: Shape): Promise<Pace> {
  const { connections, per_request } = SHAPES[shape];
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-bench-raw-'));
  const ledger = await openLedger({ folder: join(dir, 'ledger') });
  try {
    await ledger.query(
      'create table raw (seq bigserial primary key, source text, id text, event jsonb, unique (source, id))',
    );
    const body = bodies(per_request, quiet);
    const run = async (length_ms: number): Promise<Taken> => {
      const took: number[] = [];
      const begun = performance.now();
      let n = 0;
      const lane = async (): Promise<void> => {
        while (performance.now() - begun < length_ms) {
          const text = body(n++);
          const from = performance.now();
          await ledger.query(
            `insert into raw (source, id, event) select one->>'source', one->>'id', one from jsonb_array_elements($1::jsonb) as one on conflict do nothing`,
            [per_request === 1 ? `[${text}]` : text],
          );
          took.push(performance.now() - from);
        }
      };
      await Promise.all(Array.from({ length: connections }, lane));
      took.sort((a, b) => a - b);
      const p99_ms = took[Math.floor(took.length * 0.99)] ?? 0;
      return { requests: took.length, ms: performance.now() - begun, p50_ms: 0, p99_ms, max_ms: 0, statuses: {} };
    };
    await run(WARM_MS);
    return paceOf(await run(RUN_MS), per_request);
  } finally {
    await ledger.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

const alert = (make: (n: number) => Record<string, unknown>) => (n: number) => {
  const { service, dedup_key } = make(n);
  return { labels: { alertname: 'CPU is hot', service, dedup_key, host: `h${n % 50}`, region: 'eu' } };
};

async function alertmanagerPace(url: string, shape: Shape): Promise<Pace> {
  const { connections, per_request } = SHAPES[shape];
  const make = alert(quiet);
  const load = (length_ms: number) =>
    loadWith({
      url,
      path: '/api/v2/alerts',
      connections,
      ms: length_ms,
      body: (n) => JSON.stringify(Array.from({ length: per_request }, (_, at) => make(n * per_request + at))),
    });
  await load(WARM_MS);
  return paceOf(await load(RUN_MS), per_request);
}

const told = ({ per_second, p99_ms, refused }: Pace): string =>
  `${count(per_second)}/s, p99 ${ms(p99_ms)}${refused ? `, ${refused} refused` : ''}`;

const QUIET_AIM: Record<Shape, string> = {
  'single POSTs, 50 connections': '≥ 8,000/s, p99 < 250 ms',
  'batches of 64, 8 connections': '≥ 40,000/s, p99 < 250 ms',
};
const WORKING_AIM: Record<Shape, string> = {
  'single POSTs, 50 connections': '≥ 4,000/s, p99 < 250 ms',
  'batches of 64, 8 connections': '≥ 15,000/s, p99 < 250 ms',
};
/** What both are sent before both are killed. */
const KILLED_EVENTS = 2_000;
const DRAIN_MS = 180_000;

export async function acceptLines(): Promise<Line[]> {
  const lines: Line[] = [];
  const world = await startWorld();
  const alertmanager = await startAlertmanager(`${world.receiver.url}/alertmanager`);
  try {
    const idle = residentBytes(world.tocsin().pid);
    for (const shape of shapes) {
      const raw = await rawPace(shape);
      const pace = await tocsinPace(world, shape, quiet);
      const other = alertmanager && (await alertmanagerPace(alertmanager.url, shape));
      lines.push({
        what: `accepted, pipeline quiet, ${shape}`,
        measured: told(pace),
        against: `raw inserts ${told(raw)} (${ratio(pace.per_second, raw.per_second)}); Alertmanager, in memory, ${
          other ? `${told(other)} (${ratio(pace.per_second, other.per_second)})` : 'not installed'
        }`,
        aim: QUIET_AIM[shape],
      });
    }
    await world.api.taken(
      'POST',
      '/v1/events',
      Array.from({ length: 3 * INCIDENTS }, (_, n) => event(working(n))),
    );
    await world.drained(DRAIN_MS);
    for (const shape of shapes) {
      const pace = await tocsinPace(world, shape, working);
      await world.drained(DRAIN_MS);
      const over = await tocsinPace(world, shape, overloaded);
      await world.drained(DRAIN_MS);
      lines.push({
        what: `accepted, pipeline working, ${shape}`,
        measured: told(pace),
        against: `while ${INCIDENTS} incidents are opened and told every 5 s: ${told(over)}`,
        aim: WORKING_AIM[shape],
      });
    }
    lines.push({
      what: 'resident memory, embedded',
      measured: `${mb(idle)} idle, ${mb(residentBytes(world.tocsin().pid))} after this load; its Temporal ${mb(residentBytes(world.tocsin().temporalPid))}`,
      aim: '≤ 1.1 GB loaded',
    });
    lines.push(await killed(world, alertmanager));
    return lines;
  } finally {
    await alertmanager?.end();
    await world.remove();
  }
}

/** Both take the same number of new alerts, are killed (-9) before they have told them, and are started again. */
async function killed(world: World, alertmanager: Alertmanager | undefined): Promise<Line> {
  const fresh = (n: number) => ({ service: `killed-${n % 20}`, dedup_key: `k${n}` });
  let accepted = 0;
  for (let at = 0; at < KILLED_EVENTS; at += BATCH) {
    const events = Array.from({ length: Math.min(BATCH, KILLED_EVENTS - at) }, (_, n) => event(fresh(at + n)));
    const { status } = await world.api.call('POST', '/v1/events', events);
    if (status === 202) accepted += events.length;
  }
  await world.restart();
  const isOurs = ({ path }: { path: string }) => path !== '/alertmanager';
  const isKilled = (hit: { path: string; service: string }) => isOurs(hit) && hit.service.startsWith('killed-');
  const last = (service: string) =>
    world.receiver.hits.findLast((hit) => isOurs(hit) && hit.service === service)?.alert_count ?? 0;
  await until(
    'everything that was accepted to be told',
    () =>
      Array.from({ length: 20 }, (_, n) => last(`killed-${n}`)).reduce((sum, n) => sum + n, 0) >= accepted || undefined,
    60_000,
  ).catch(() => undefined);
  const services = new Set(world.receiver.hits.filter(isKilled).map(({ service }) => service));
  const toldOf = [...services].reduce((sum, service) => sum + last(service), 0);
  let other = 'Alertmanager not installed';
  if (alertmanager) {
    const make = alert(fresh);
    for (let at = 0; at < KILLED_EVENTS; at += BATCH) {
      const alerts = Array.from({ length: Math.min(BATCH, KILLED_EVENTS - at) }, (_, n) => make(at + n));
      const reply = await fetch(`${alertmanager.url}/api/v2/alerts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(alerts),
      });
      if (!reply.ok) throw new Error(`Alertmanager answered ${reply.status}`);
    }
    await alertmanager.restart();
    const left = (await (await fetch(`${alertmanager.url}/api/v2/alerts`)).json()) as unknown[];
    other = `Alertmanager lost ${count(KILLED_EVENTS - left.length)}`;
  }
  return {
    what: `${count(accepted)} accepted alerts, kill -9 before they are told, a new start`,
    measured: `${count(accepted - toldOf)} lost`,
    against: other,
    aim: 'nothing lost',
  };
}
