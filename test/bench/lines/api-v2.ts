/** Side by side with Debian's Alertmanager over its own API: the same client, the same alerts, the same webhook. */
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../../support/until.ts';
import { type Alertmanager, startAlertmanager } from '../alertmanager.ts';
import { loadWith, type Taken } from '../client.ts';
import { KILLED_ALERTS, type Loss, lossInWords, lostHalfWay } from '../killed.ts';
import { count, type Line, ms, quantile, ratio } from '../line.ts';
import { KEY, memoryOf, startWorld, type World } from '../world.ts';

const PATH = '/api/v2/alerts';
const RUN_MS = 5_000;
const WARM_MS = 1_500;
const BATCH = 64;
const SHAPES = {
  'single POSTs, 50 connections': { connections: 50, per_request: 1 },
  'batches of 64, 8 connections': { connections: 8, per_request: BATCH },
};
const LONE = 60;
const WARM = 5;
/** Between two lone alerts. */
const GAP_MS = 60;
const GROUPS = 2_000;
const GROUPS_MS = 300_000;

/** What is measured: how it is asked, and which hits at the receiver are its own. */
interface Side {
  url(): string;
  key?: string;
  path: string;
}

interface Alert {
  labels: Record<string, string>;
}
const alert = (service: string, type: string, more: Record<string, string> = {}): Alert => ({
  labels: { alertname: type, service, severity: 'critical', region: 'eu', ...more },
});

/** Once more where a connection that was kept is closed by the other side just then: the same alerts are the same again. */
const post = (side: Side, alerts: Alert[]): Promise<void> => postOnce(side, alerts).catch(() => postOnce(side, alerts));

async function postOnce({ url, key }: Side, alerts: Alert[]): Promise<void> {
  const headers = { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) };
  const reply = await fetch(`${url()}${PATH}`, { method: 'POST', headers, body: JSON.stringify(alerts) });
  if (!reply.ok) throw new Error(`${url()} answered ${reply.status}`);
}

/** What is posted: two hundred alerts again and again, or each one new, of as many incidents as are open. */
const KINDS = {
  'alerts said again': (n: number) => alert(`quiet-${n % 20}`, 'stream', { host: `h${n % 200}` }),
  'new alerts on 200 open incidents': (n: number) => alert(`fresh-${n % 200}`, 'stream', { host: `h${n}` }),
};
type Kind = keyof typeof KINDS;
/** Alerts posted so far of each side and kind: a new one is new in the next run too. */
const posted = new Map<string, number>();

async function pace(
  { url, key, path }: Side,
  kind: Kind,
  shape: keyof typeof SHAPES,
): Promise<Taken & { per_second: number }> {
  const { connections, per_request } = SHAPES[shape];
  const next = (): Alert => {
    const n = posted.get(path + kind) ?? 0;
    posted.set(path + kind, n + 1);
    return KINDS[kind](n);
  };
  const load = (length_ms: number) =>
    loadWith({
      url: url(),
      path: PATH,
      ...(key ? { key } : {}),
      connections,
      ms: length_ms,
      body: () => JSON.stringify(Array.from({ length: per_request }, next)),
    });
  await load(WARM_MS);
  const taken = await load(RUN_MS);
  return { ...taken, per_second: (taken.requests * per_request * 1_000) / taken.ms };
}

async function lone(world: World, side: Side, times: number): Promise<number[]> {
  const took: number[] = [];
  for (let n = 0; n < times; n++) {
    const service = `lone-${side.path}-${times}-${n}`;
    const hit = new Promise<number>((resolve) => {
      world.receiver.onHit = (one) => one.service === service && one.path === side.path && resolve(one.at);
    });
    const from = performance.now();
    await post(side, [alert(service, 'lone')]);
    took.push((await hit) - from);
    await pause(GAP_MS);
  }
  return took;
}

/** So many groups at once, until each was told. */
async function groups(world: World, side: Side): Promise<number> {
  const told = new Set<string>();
  world.receiver.onHit = ({ service, path }) => {
    if (path === side.path && service.startsWith('group-')) told.add(service);
  };
  const begun = performance.now();
  for (let at = 0; at < GROUPS; at += BATCH)
    await post(
      side,
      Array.from({ length: Math.min(BATCH, GROUPS - at) }, (_, n) => alert(`group-${at + n}`, 'lone')),
    );
  await until('every group to be told', () => told.size >= GROUPS || undefined, GROUPS_MS);
  return performance.now() - begun;
}

const killed = (world: World, side: Side, restart: () => Promise<unknown>): Promise<Loss> =>
  lostHalfWay({
    path: side.path,
    receiver: world.receiver,
    restart,
    post: (service, size) =>
      postOnce(
        side,
        Array.from({ length: size }, (_, n) => alert(service, 'late', { n: String(n) })),
      ).then(() => true),
  });

const words = ({ per_second, p99_ms, statuses }: Taken & { per_second: number }): string => {
  const refused = Object.entries(statuses).reduce((all, [status, n]) => all + (status.startsWith('2') ? 0 : n), 0);
  return `${count(per_second)}/s, p99 ${ms(p99_ms)}${refused ? `, ${refused} refused` : ''}`;
};
const inWords = (took: number[]): string => `p50 ${ms(quantile(took, 0.5))}, p99 ${ms(quantile(took, 0.99))}`;
const seconds = (value: number): string => `${(value / 1_000).toFixed(1)} s`;

export async function apiV2Lines(): Promise<Line[]> {
  const world = await startWorld();
  const alertmanager = await startAlertmanager(`${world.receiver.url}/alertmanager`, '0s');
  try {
    if (!alertmanager)
      return [{ what: 'over API v2', measured: 'not measured', against: 'none: Alertmanager is not installed' }];
    return await sideBySide(world, alertmanager);
  } finally {
    await alertmanager?.end();
    await world.remove();
  }
}

async function sideBySide(world: World, alertmanager: Alertmanager): Promise<Line[]> {
  const ours: Side = { url: () => world.url, key: KEY, path: '/one' };
  const theirs: Side = { url: () => alertmanager.url, path: '/alertmanager' };
  const lines: Line[] = [];
  await lone(world, ours, WARM);
  const [mine, other] = [await lone(world, ours, LONE), await lone(world, theirs, LONE)];
  lines.push({
    what: 'API v2: lone alert → webhook',
    measured: inWords(mine),
    against: `Alertmanager ${inWords(other)}`,
  });
  for (const kind of Object.keys(KINDS) as Kind[])
    for (const shape of Object.keys(SHAPES) as (keyof typeof SHAPES)[]) {
      const own = await pace(ours, kind, shape);
      await world.drained(GROUPS_MS);
      const also = await pace(theirs, kind, shape);
      lines.push({
        what: `API v2: accepted, ${kind}, ${shape}`,
        measured: words(own),
        against: `Alertmanager ${words(also)} (${ratio(own.per_second, also.per_second)})`,
      });
    }
  const [all, both] = [await groups(world, ours), await groups(world, theirs)];
  lines.push({
    what: `API v2: ${count(GROUPS)} groups at once, all told`,
    measured: `after ${seconds(all)}`,
    against: `Alertmanager after ${seconds(both)}`,
  });
  await world.drained(GROUPS_MS);
  lines.push({
    what: 'API v2: resident memory after this',
    measured: `${memoryOf(world.tocsin().pid)}, its Temporal ${memoryOf(world.tocsin().temporalPid)}`,
    against: `Alertmanager ${memoryOf(alertmanager.pid())}`,
  });
  const loss = await killed(world, ours, () => world.restart());
  lines.push({
    what: `API v2: ${count(KILLED_ALERTS)} alerts being posted and told, kill -9 half way, a new start`,
    measured: lossInWords(loss),
    against: `Alertmanager: ${lossInWords(await killed(world, theirs, () => alertmanager.restart()))}`,
    lost: loss.lost,
    aim: 'nothing lost',
    met: loss.lost === 0,
  });
  return lines;
}
