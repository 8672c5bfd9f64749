/** Side by side with Debian's Alertmanager over its own API: the same client, the same alerts, the same webhook. */
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../../support/until.ts';
import { type Alertmanager, startAlertmanager } from '../alertmanager.ts';
import { loadWith, type Taken } from '../client.ts';
import { count, type Line, ms, quantile, ratio } from '../line.ts';
import { KEY, mb, residentBytes, startWorld, type World } from '../world.ts';

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
const KILLED = 2_000;
const KILLED_MS = 120_000;

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

async function post({ url, key }: Side, alerts: Alert[]): Promise<void> {
  const headers = { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) };
  const reply = await fetch(`${url()}${PATH}`, { method: 'POST', headers, body: JSON.stringify(alerts) });
  if (!reply.ok) throw new Error(`${url()} answered ${reply.status}`);
}

/** Two hundred alerts, said again and again. */
async function pace({ url, key }: Side, shape: keyof typeof SHAPES): Promise<Taken & { per_second: number }> {
  const { connections, per_request } = SHAPES[shape];
  const load = (length_ms: number) =>
    loadWith({
      url: url(),
      path: PATH,
      ...(key ? { key } : {}),
      connections,
      ms: length_ms,
      body: (n) =>
        JSON.stringify(
          Array.from({ length: per_request }, (_, at) => {
            const which = (n * per_request + at) % 200;
            return alert(`quiet-${which % 20}`, 'stream', { host: `h${which}` });
          }),
        ),
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

/** New alerts, kill -9 before any of them is told, a new start: how many are never told. */
async function killed(world: World, side: Side, restart: () => Promise<unknown>): Promise<number> {
  const name = (n: number) => `killed-${side.path}-${n % 20}`;
  for (let at = 0; at < KILLED; at += BATCH)
    await post(
      side,
      Array.from({ length: Math.min(BATCH, KILLED - at) }, (_, n) =>
        alert(name(at + n), 'late', { n: String(at + n) }),
      ),
    );
  await restart();
  const sum = (): number => {
    const told = new Map<string, number>();
    for (const { service, path, alert_count } of world.receiver.hits)
      if (path === side.path && service.startsWith('killed-'))
        told.set(service, Math.max(alert_count, told.get(service) ?? 0));
    return [...told.values()].reduce((all, n) => all + n, 0);
  };
  await until('all to be told', () => sum() >= KILLED || undefined, KILLED_MS).catch(() => undefined);
  return KILLED - sum();
}

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
      return [{ what: 'over API v2', measured: 'not measured', against: 'Alertmanager is not installed' }];
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
  for (const shape of Object.keys(SHAPES) as (keyof typeof SHAPES)[]) {
    const [own, also] = [await pace(ours, shape), await pace(theirs, shape)];
    lines.push({
      what: `API v2: accepted, alerts said again, ${shape}`,
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
    measured: `${mb(residentBytes(world.tocsin().pid))}, its Temporal ${mb(residentBytes(world.tocsin().temporalPid))}`,
    against: `Alertmanager ${mb(residentBytes(alertmanager.pid()))}`,
  });
  lines.push({
    what: `API v2: ${count(KILLED)} accepted alerts, kill -9 before they are told, a new start`,
    measured: `${count(await killed(world, ours, () => world.restart()))} lost`,
    against: `Alertmanager lost ${count(await killed(world, theirs, () => alertmanager.restart()))}`,
    aim: 'nothing lost',
  });
  return lines;
}
