/**
 * `npm run soak`: an hour of steady work with one fault in a hundred, and whether memory, Temporal's too, or handles grow. `SOAK_MINUTES` makes it
 * shorter, `SOAK_PER_S` busier. It ends with exit code 1 where something grows, or was not told.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { chance } from '../support/chance.ts';
import { until } from '../support/until.ts';
import { count, quantile } from './line.ts';
import { event, mb, residentBytes, startWorld } from './world.ts';

const MINUTES = Number(process.env.SOAK_MINUTES ?? 60);
const PER_S = Number(process.env.SOAK_PER_S ?? 2);
const FAULTS_PER_HUNDRED = 1;
const SAMPLES = 120;
/** The caches are full after this share of the time; what grows from there on grows for ever. */
const WARM = 1 / 3;
/** Between the middle third and the last one: what garbage collection makes of a steady state moves about by so much. */
const MEMORY_MAY_GROW = 0.1;
const HANDLES_MAY_GROW = 10;
const HANG_MS = 20_000;
const DRAIN_MS = 120_000;

interface Sample {
  minute: number;
  resident: number;
  temporal: number;
  handles: number;
}

/**
 * What it holds open. The ledger opens each of its files when it first needs it, one after the other for as long as tables grow:
 * of these only a second handle on one counts.
 */
function handlesOf(pid: number): number {
  const names = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return []; // Closed meanwhile.
    }
  });
  return names.length - new Set(names.filter((name) => name.includes('/ledger/'))).size;
}

const random = chance(4);
const world = await startWorld();
const faults = { error: 0, reset: 0, hang: 0 };
world.receiver.answer = (_path, response) => {
  if (random.number(1, 100) > FAULTS_PER_HUNDRED) return void response.writeHead(204).end();
  const fault = random.one(['error', 'reset', 'hang'] as const);
  faults[fault]++;
  if (fault === 'error') response.writeHead(500).end('out of order');
  else if (fault === 'reset') response.socket?.resetAndDestroy();
  else setTimeout(() => response.destroy(), HANG_MS).unref();
};

const end = performance.now() + MINUTES * 60_000;
let sent = 0;
let on = true;
const sending = (async () => {
  while (on) {
    const from = performance.now();
    const alert = { type: 'pair', severity: 'critical', service: `soak-${++sent}`, dedup_key: 'it' };
    await world.api.taken('POST', '/v1/events', event(alert));
    await world.api.taken('POST', '/v1/events', event({ ...alert, status: 'resolved' }));
    await pause(Math.max(0, 1_000 / PER_S - (performance.now() - from)));
  }
})();

const samples: Sample[] = [];
const begun = performance.now();
while (performance.now() < end) {
  await pause((MINUTES * 60_000) / SAMPLES);
  const { pid, temporalPid } = world.tocsin();
  samples.push({
    minute: (performance.now() - begun) / 60_000,
    resident: residentBytes(pid),
    temporal: residentBytes(temporalPid),
    handles: handlesOf(pid),
  });
  const last = samples.at(-1) as Sample;
  if (samples.length % 10 === 0)
    console.log(
      `${last.minute.toFixed(1)} min: ${count(sent)} incidents, ${mb(last.resident)}, Temporal ${mb(last.temporal)}, ${last.handles} handles`,
    );
}
on = false;
await sending;
// Each ends: one that is claimed, and whose first attempt has not begun, is neither waiting nor on its way, but open.
await until(
  'every incident to be told and to end',
  async () => ((await world.api.taken<{ open: number }>('GET', '/v1/stats')).open === 0 ? true : undefined),
  DRAIN_MS,
);
await world.drained(DRAIN_MS);

const median = (from: number, to: number, what: keyof Sample): number =>
  quantile(
    samples.slice(Math.floor(samples.length * from), Math.ceil(samples.length * to)).map((sample) => sample[what]),
    0.5,
  );
const grown = (what: keyof Sample) => ({ middle: median(WARM, 2 / 3, what), last: median(2 / 3, 1, what) });
const memory = grown('resident');
const handles = grown('handles');
const temporal = grown('temporal');
const heard = new Set(world.receiver.hits.map(({ service }) => service));
const untold = Array.from({ length: sent }, (_, n) => `soak-${n + 1}`).filter((service) => !heard.has(service));
const told = sent - untold.length;
const dead = (await world.api.taken<{ dead: number }>('GET', '/v1/stats')).dead;
console.log(
  [
    `${MINUTES} minutes, ${count(sent)} incidents of two targets, ${count(told)} told, ${dead} deliveries dead, faults ${JSON.stringify(faults)}`,
    `memory: ${mb(memory.middle)} in the middle third, ${mb(memory.last)} in the last; Temporal's: ${mb(temporal.middle)} and ${mb(temporal.last)}; handles: ${handles.middle} and ${handles.last}`,
  ].join('\n'),
);
const isGood =
  told === sent &&
  dead === 0 &&
  memory.last <= memory.middle * (1 + MEMORY_MAY_GROW) &&
  temporal.last <= temporal.middle * (1 + MEMORY_MAY_GROW) &&
  handles.last <= handles.middle + HANDLES_MAY_GROW;
if (untold.length > 0) console.log(`nobody was told of ${untold.join(', ')}`);
console.log(isGood ? 'nothing grows, all were told' : 'FAILED: something grows, or was not told');
await world.remove();
process.exit(isGood ? 0 : 1);
