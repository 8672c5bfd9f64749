/** A round by its seed: what is sent and when, how the receiver misbehaves, and which faults happen. */
import { STEPS, type Step } from '../../src/ledger/steps.ts';
import { type Chance, chance } from '../support/chance.ts';

/** One request of the sender, begun no earlier than `at_ms` after the round's beginning. */
export type Request =
  | { at_ms: number; kind: 'post'; events: Sent[] }
  /** Acknowledges the open incident of a service, once there is one. */
  | { at_ms: number; kind: 'ack'; service: string };

export interface Sent {
  id: string;
  source: string;
  type: string;
  title: string;
  severity: 'critical' | 'warning';
  service: string;
  dedup_key: string;
  status: 'firing' | 'resolved';
}

export type Fault =
  /** The process kills itself at a step (failpoints.ts). */
  { kind: 'failpoint'; step: Step; nth: number } | TimedFault;

/** By the clock of the round, to parts that the system names. */
export type TimedFault =
  | { kind: 'kill'; at_ms: number; parts: readonly string[] }
  | { kind: 'terminate'; at_ms: number; part: string }
  | { kind: 'pause'; at_ms: number; part: string; for_ms: number }
  /** Its connections are cut, or fall silent, for so long. */
  | { kind: 'cut' | 'silence'; at_ms: number; line: string; for_ms: number }
  /** Everything is killed, and Temporal's database is gone. */
  | { kind: 'lose-temporal'; at_ms: number };

/** A fault without its time. */
export type Blow = TimedFault extends infer Timed
  ? Timed extends { for_ms: number }
    ? Omit<Timed, 'at_ms' | 'for_ms'>
    : Omit<Timed, 'at_ms'>
  : never;

export interface Plan {
  seed: number;
  /** Requests of one lane go one after the other, each repeated until it is answered. */
  lanes: Request[][];
  faults: Fault[];
}

export const SOURCE = 'faults';
const SERVICES = 4;
/** Firing requests begin within this; the resolves follow after it. */
const FIRING_MS = 2_500;

const FAILPOINT_ROUNDS = 7;

/** Of ten rounds that follow each other the first seven fail at every step there is, two a round; the others are struck by the clock. */
export function planOf(seed: number, blows: readonly Blow[]): Plan {
  const random = chance(seed);
  const lanes = Array.from({ length: SERVICES }, (_, at) => laneOf(seed, `s${seed}-${at}`, at, random));
  return { seed, lanes, faults: faultsOf(seed, blows, random) };
}

function laneOf(seed: number, service: string, at: number, random: Chance): Request[] {
  const severity = at % 2 === 0 ? 'critical' : 'warning';
  const sent = (name: string, dedup_key: string, status: Sent['status']): Sent => ({
    id: `r${seed}-${service}-${name}`,
    source: SOURCE,
    type: 'trouble',
    title: `Trouble of ${service}`,
    severity,
    service,
    dedup_key: `${service}-${dedup_key}`,
    status,
  });
  const alerts = Array.from({ length: random.number(1, 4) }, (_, n) => `a${n}`);
  const requests: Request[] = [];
  for (const alert of alerts) {
    const at_ms = random.number(0, FIRING_MS);
    const events = [sent(`${alert}-1`, alert, 'firing')];
    if (random.one([true, false])) events.push(sent(`${alert}-2`, alert, 'firing'));
    requests.push({ at_ms, kind: 'post', events });
    if (random.one([true, false, false])) requests.push({ at_ms: at_ms + 50, kind: 'post', events });
  }
  requests.sort((a, b) => a.at_ms - b.at_ms);
  // Behind the lane's first event: what it is to acknowledge must come about.
  const opens_ms = requests[0]?.at_ms ?? 0;
  if (random.one([true, true, false]))
    requests.push({ at_ms: random.number(opens_ms, FIRING_MS), kind: 'ack', service });
  requests.sort((a, b) => a.at_ms - b.at_ms);
  const ends = alerts.map((alert) => sent(`${alert}-end`, alert, 'resolved'));
  return [...requests, { at_ms: FIRING_MS + random.number(200, 1_000), kind: 'post', events: ends }];
}

function faultsOf(seed: number, blows: readonly Blow[], random: Chance): Fault[] {
  const turn = (seed - 1) % 10;
  if (turn < FAILPOINT_ROUNDS) {
    const steps = [STEPS[turn], STEPS[turn + FAILPOINT_ROUNDS]] as Step[];
    return steps.map((step) => ({ kind: 'failpoint', step, nth: seed <= 10 ? 1 : random.number(1, 4) }));
  }
  const at_ms = random.number(300, FIRING_MS);
  const blow = (seed <= 10 ? blows[turn - FAILPOINT_ROUNDS] : random.one(blows)) as Blow;
  switch (blow.kind) {
    case 'pause':
    case 'cut':
    case 'silence':
      return [{ ...blow, at_ms, for_ms: random.number(500, 4_000) }];
    case 'kill':
    case 'terminate':
    case 'lose-temporal':
      return [{ ...blow, at_ms }];
    default:
      return blow satisfies never;
  }
}
