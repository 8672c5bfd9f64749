/** Accepted events per second, against raw inserts of the same rows and against Debian's Alertmanager. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLedger } from '../../../src/ledger/db.ts';
import { startAlertmanager } from '../alertmanager.ts';
import { loadWith, type Taken } from '../client.ts';
import { KILLED_ALERTS, lossInWords, lostHalfWay } from '../killed.ts';
import { count, type Line, ms, ratio } from '../line.ts';
import { pgliteAlone } from '../pglite-alone.ts';
import { event, KEY, mb, memoryOf, residentBytes, startWorld, type World } from '../world.ts';

const RUN_MS = 5_000;
/**
 * V8 makes fast code of a database for a new kind of load while it runs. A process that has just started took, second by second, 690, 5,400,
 * 5,900, 8,800, 9,600, 6,300, 11,200 and then 10,300 to 13,500 (measured with single events); what comes to a running one is at its pace sooner.
 */
const WARM_MS = { fresh: 10_000, running: 5_000 };
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

async function tocsinPace(
  world: World,
  shape: Shape,
  make: (n: number) => Record<string, unknown>,
  warm: keyof typeof WARM_MS = 'running',
): Promise<Pace> {
  const { connections, per_request } = SHAPES[shape];
  const body = bodies(per_request, make);
  let n = 0; // Goes on from the one to the other: what is new in the second is new.
  const load = (length_ms: number) =>
    loadWith({ url: world.url, path: '/v1/events', key: KEY, connections, ms: length_ms, body: () => body(n++) });
  await load(WARM_MS[warm]);
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
    await run(WARM_MS.fresh);
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

/** One of its own, which has ended before anything else is measured: it goes on telling its groups long after the load. */
async function alertmanagerPace(
  receiver: string,
  shape: Shape,
  of: (n: number) => Record<string, unknown>,
): Promise<Pace | undefined> {
  const { connections, per_request } = SHAPES[shape];
  const make = alert(of);
  const alertmanager = await startAlertmanager(receiver);
  if (!alertmanager) return undefined;
  const load = (length_ms: number) =>
    loadWith({
      url: alertmanager.url,
      path: '/api/v2/alerts',
      connections,
      ms: length_ms,
      body: (n) => JSON.stringify(Array.from({ length: per_request }, (_, at) => make(n * per_request + at))),
    });
  try {
    await load(WARM_MS.running);
    return paceOf(await load(RUN_MS), per_request);
  } finally {
    await alertmanager.end();
  }
}

const told = ({ per_second, p99_ms, refused }: Pace): string =>
  `${count(per_second)}/s, p99 ${ms(p99_ms)}${refused ? `, ${refused} refused` : ''}`;

/** The same rows put in by nobody but ourselves, and the same alerts at Alertmanager. */
const besides = (pace: Pace, raw: Pace | undefined, other: Pace | undefined): string =>
  [
    ...(raw ? [`raw inserts ${told(raw)} (${ratio(pace.per_second, raw.per_second)})`] : []),
    `Alertmanager, in memory, ${other ? `${told(other)} (${ratio(pace.per_second, other.per_second)})` : 'not installed'}`,
  ].join('; ');

/** Events a second at least. */
const QUIET_AIM: Record<Shape, number> = {
  'single POSTs, 50 connections': 8_000,
  'batches of 64, 8 connections': 40_000,
};
const WORKING_AIM: Record<Shape, number> = {
  'single POSTs, 50 connections': 4_000,
  'batches of 64, 8 connections': 15_000,
};
const P99_AIM_MS = 250;
const LOADED_AIM_BYTES = 1_100_000_000;
const aimed = ({ per_second, p99_ms, refused }: Pace, least: number) => ({
  aim: `≥ ${count(least)}/s, p99 < ${P99_AIM_MS} ms`,
  met: per_second >= least && p99_ms < P99_AIM_MS && refused === 0,
});
const DRAIN_MS = 180_000;

export async function acceptLines(): Promise<Line[]> {
  const lines: Line[] = [];
  const world = await startWorld();
  const alertmanager = `${world.receiver.url}/alertmanager`;
  try {
    const idle = residentBytes(world.tocsin().pid);
    const raws = new Map<Shape, Pace>();
    for (const shape of shapes) {
      const raw = await rawPace(shape);
      raws.set(shape, raw);
      const pace = await tocsinPace(world, shape, quiet, 'fresh');
      const other = await alertmanagerPace(alertmanager, shape, quiet);
      lines.push({
        what: `accepted, pipeline quiet, ${shape}`,
        measured: told(pace),
        against: besides(pace, raw, other),
        ...aimed(pace, QUIET_AIM[shape]),
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
      const other = await alertmanagerPace(alertmanager, shape, working);
      lines.push({
        what: `accepted, pipeline working, ${shape}`,
        measured: told(pace),
        against: `${besides(pace, raws.get(shape), other)}; while ${INCIDENTS} incidents are opened and told every 5 s: ${told(over)}`,
        ...aimed(pace, WORKING_AIM[shape]),
      });
    }
    const loaded = residentBytes(world.tocsin().pid);
    lines.push({
      what: 'resident memory, embedded',
      measured: `${mb(idle)} idle, after this load ${memoryOf(world.tocsin().pid)}; its Temporal ${memoryOf(world.tocsin().temporalPid)}`,
      against: `PGlite alone, the same rows: ${await pgliteAlone()}`,
      aim: '≤ 1.1 GB loaded',
      met: loaded <= LOADED_AIM_BYTES,
    });
    lines.push(await killed(world, alertmanager));
    return lines;
  } finally {
    await world.remove();
  }
}

/** Both are posted the same new alerts, are killed (-9) half way, and are started again. */
async function killed(world: World, receiver: string): Promise<Line> {
  const alertmanager = await startAlertmanager(receiver);
  const fresh = (service: string) => (n: number) => ({ type: 'late', service, dedup_key: `k${n}` });
  const ours = await lostHalfWay({
    path: '/one',
    receiver: world.receiver,
    restart: () => world.restart(),
    async post(service, size) {
      const events = Array.from({ length: size }, (_, n) => event(fresh(service)(n)));
      return (await world.api.call('POST', '/v1/events', events)).status === 202;
    },
  });
  const theirs =
    alertmanager &&
    (await lostHalfWay({
      path: '/alertmanager',
      receiver: world.receiver,
      restart: () => alertmanager.restart(),
      async post(service, size) {
        const alerts = Array.from({ length: size }, (_, n) => alert(fresh(service))(n));
        const named = alerts.map(({ labels }) => ({ labels: { ...labels, alertname: 'late' } }));
        const headers = { 'content-type': 'application/json' };
        const body = JSON.stringify(named);
        return (await fetch(`${alertmanager.url}/api/v2/alerts`, { method: 'POST', headers, body })).ok;
      },
    }));
  await alertmanager?.end();
  return {
    what: `${count(KILLED_ALERTS)} alerts being posted and told, kill -9 half way, a new start`,
    measured: lossInWords(ours),
    against: theirs ? `Alertmanager: ${lossInWords(theirs)}` : 'Alertmanager is not installed',
    lost: ours.lost,
    aim: 'nothing lost',
    met: ours.lost === 0,
  };
}
