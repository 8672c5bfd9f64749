/** How long it takes until somebody is told, how many incidents a second are, and what a burst of them does. */
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../../support/until.ts';
import { loadWith } from '../client.ts';
import { count, type Line, ms, quantile, ratio } from '../line.ts';
import { type RawTemporal, startRawTemporal } from '../raw-temporal.ts';
import { event, KEY, startWorld, type World } from '../world.ts';
import { actionLines } from './actions.ts';

const LONE = 100;
const WARM = 30;
/** Between two lone events. */
const GAP_MS = 60;
const BACKGROUND_PER_S = 10;
const INCIDENTS = 200;
/** How often each is measured. */
const TURNS = 3;
const AT_ONCE = 50;
const BURST = { alerts: 10_000, incidents: 2_000 };
const BATCH = 64;
const LONG_MS = 180_000;
const FAILOVER_AFTER_MS = 10_000;

let services = 0;
const service = (): string => `told-${++services}`;

/** One critical event of its own: from before the POST to the receiver's first byte. */
async function lone(world: World): Promise<number> {
  const name = service();
  const hit = new Promise<number>((resolve) => {
    world.receiver.onHit = (one) => one.service === name && resolve(one.at);
  });
  const from = performance.now();
  await world.api.taken('POST', '/v1/events', event({ type: 'lone', severity: 'critical', service: name }));
  return (await hit) - from;
}

const inWords = (took: number[]): string => `p50 ${ms(quantile(took, 0.5))}, p99 ${ms(quantile(took, 0.99))}`;

async function latency(world: World, raw: RawTemporal): Promise<Line[]> {
  const bare: number[] = [];
  const idle: number[] = [];
  // In turns: a machine that many share is not as fast in one minute as in the next.
  for (let n = 0; n < LONE + WARM; n++) {
    const alone = await raw.run('one');
    await pause(GAP_MS);
    const whole = await lone(world);
    await pause(GAP_MS);
    if (n < WARM) continue;
    bare.push(alone);
    idle.push(whole);
  }
  let on = true;
  const background = (async () => {
    while (on) {
      await world.api.taken('POST', '/v1/events', event({ type: 'pair', severity: 'critical', service: service() }));
      await pause(1_000 / BACKGROUND_PER_S);
    }
  })();
  const loaded: number[] = [];
  for (let n = 0; n < LONE; n++) {
    loaded.push(await lone(world));
    await pause(GAP_MS);
  }
  on = false;
  await background;
  await world.drained(LONG_MS);
  const over = quantile(idle, 0.5) - quantile(bare, 0.5);
  return [
    {
      what: 'lone critical event, POST → webhook, idle',
      measured: inWords(idle),
      against: `raw Temporal, start → activity: ${inWords(bare)}; ${over > 0 ? '+' : ''}${ms(over)} at p50`,
      aim: 'p50 ≤ raw + 15 ms, p99 < 150 ms',
      met: over <= 15 && quantile(idle, 0.99) < 150,
    },
    {
      what: `lone critical event beside ${BACKGROUND_PER_S} incidents/s`,
      measured: inWords(loaded),
      against: `the same idle: ${inWords(idle)}; raw Temporal idle: ${inWords(bare)}`,
      aim: 'p99 < 500 ms',
      met: quantile(loaded, 0.99) < 500,
    },
  ];
}

/** The line, and how many workflows with two activities a second Temporal alone carries. */
async function throughput(world: World, raw: RawTemporal): Promise<{ line: Line; bare: number }> {
  const alone = async (): Promise<void> => {
    let left = INCIDENTS;
    const run = async (): Promise<void> => {
      while (left-- > 0) await raw.run('two');
    };
    await Promise.all(Array.from({ length: AT_ONCE }, run));
  };
  const post = async (): Promise<void> => {
    const before = world.receiver.hits.length;
    for (let n = 0; n < INCIDENTS; n += AT_ONCE) {
      const events = Array.from({ length: AT_ONCE }, () =>
        event({ type: 'pair', severity: 'critical', service: service() }),
      );
      await world.api.taken('POST', '/v1/events', events);
    }
    await until('all to be told', () => world.receiver.hits.length - before >= 2 * INCIDENTS || undefined, LONG_MS);
  };
  const took = { bare: 0, told: 0, drained: 0 };
  // In turns, as above.
  for (let turn = 0; turn < TURNS; turn++) {
    const begun = performance.now();
    await alone();
    const posted = performance.now();
    await post();
    const told = performance.now();
    await world.drained(LONG_MS);
    took.bare += posted - begun;
    took.told += told - posted;
    took.drained += performance.now() - posted;
  }
  const pace = (length_ms: number): number => (TURNS * INCIDENTS * 1_000) / length_ms;
  const [bare, own, drained] = [pace(took.bare), pace(took.told), pace(took.drained)];
  const line = {
    what: 'incidents/s, two targets each: told, and drained (every row folded, nothing on its way)',
    measured: `${own.toFixed(1)}/s told, ${drained.toFixed(1)}/s drained`,
    against: `raw workflow with two activities ${bare.toFixed(1)}/s (${ratio(own, bare)} told, ${ratio(drained, bare)} drained)`,
    aim: '≥ 0.75',
    met: own >= 0.75 * bare,
  };
  return { line, bare };
}

async function burst(world: World, bare: number): Promise<Line> {
  const { alerts, incidents } = BURST;
  let at = 0;
  const names = Array.from({ length: incidents }, () => service());
  const before = world.receiver.hits.length;
  const begun = performance.now();
  const requests = Math.ceil(alerts / BATCH);
  const taken = await loadWith({
    url: world.url,
    path: '/v1/events',
    key: KEY,
    connections: 8,
    ms: LONG_MS,
    requests,
    body: () => {
      const size = Math.min(BATCH, alerts - at);
      const events = Array.from({ length: size }, (_, n) =>
        event({ severity: 'error', service: names[(at + n) % incidents], dedup_key: `b${at + n}` }),
      );
      at += size;
      return JSON.stringify(events);
    },
  });
  const told = (): number => {
    const newest = new Map<string, number>();
    for (const hit of world.receiver.hits.slice(before))
      newest.set(hit.service, Math.max(hit.alert_count, newest.get(hit.service) ?? 0));
    return [...newest.values()].reduce((sum, n) => sum + n, 0);
  };
  await until('every alert to be told', () => told() >= alerts || undefined, LONG_MS).catch(() => undefined);
  const told_ms = performance.now() - begun;
  await world.drained(LONG_MS);
  return {
    what: `${count(alerts)} alerts on ${count(incidents)} incidents at once`,
    measured: `accepted in ${(taken.ms / 1_000).toFixed(1)} s (p99 ${ms(taken.p99_ms)}), all ${count(told())} told after ${(told_ms / 1_000).toFixed(1)} s, drained after ${((performance.now() - begun) / 1_000).toFixed(1)} s`,
    against: `as many raw workflows with two activities, at ${bare.toFixed(1)}/s: ${(incidents / bare).toFixed(1)} s`,
    lost: alerts - told(),
    aim: 'all told, accept p99 < 250 ms',
    met: told() >= alerts && taken.p99_ms < 250,
  };
}

/** The primary takes the message and never answers. */
async function failover(world: World): Promise<Line> {
  world.receiver.answer = (path, response) => void (path === '/hanging' || response.writeHead(204).end());
  const name = service();
  const hitAt = (path: string) =>
    until(
      `a hit at ${path}`,
      () => world.receiver.hits.find((hit) => hit.path === path && hit.service === name)?.at,
      60_000,
    );
  await world.api.taken('POST', '/v1/events', event({ type: 'failover', severity: 'critical', service: name }));
  const first = await hitAt('/hanging');
  const backup = await hitAt('/backup');
  return {
    what: `failover (after ${FAILOVER_AFTER_MS / 1_000} s): the hanging primary's first attempt → the backup's receipt`,
    measured: `${((backup - first) / 1_000).toFixed(2)} s`,
    against: `the configured time, ${FAILOVER_AFTER_MS / 1_000} s: nothing else here fails over`,
    aim: '< 30 s, and the configured time ± 1 s',
    met: backup - first < 30_000 && Math.abs(backup - first - FAILOVER_AFTER_MS) <= 1_000,
  };
}

export async function toldLines(): Promise<Line[]> {
  const raw = await startRawTemporal();
  const world = await startWorld();
  let isRawOn = true;
  try {
    const lines = await latency(world, raw);
    const { line, bare } = await throughput(world, raw);
    isRawOn = false;
    await raw.end();
    const storm = await burst(world, bare);
    const actions = await actionLines(world);
    // Last: what it leaves hanging is on its way for a while, and nothing is drained then.
    return [...lines, line, storm, ...actions, await failover(world)];
  } finally {
    if (isRawOn) await raw.end();
    await world.remove();
  }
}
