/** A round by its seed: what is sent and when, how the receiver misbehaves, and which faults happen. */
import { STEPS } from '../../src/ledger/steps.ts';
import { type Chance, chance } from '../support/chance.ts';
import { FORGOTTEN } from './system.ts';

/** One request of the sender, begun no earlier than `at_ms` after the round's beginning. */
export type Request =
  | { at_ms: number; kind: 'post'; events: Sent[] }
  /** Acknowledges the open incident of a service, once there is one. */
  | { at_ms: number; kind: 'ack'; service: string }
  /** Waits until the acknowledgement of its incident is taken back. */
  | { at_ms: number; kind: 'forget'; service: string }
  /** Sends a notice of a service again that has arrived, as a message of its own, once there is one. */
  | { at_ms: number; kind: 'redeliver'; service: string };

export interface Sent {
  id: string;
  source: string;
  type: 'trouble' | typeof FORGOTTEN.type;
  title: string;
  severity: 'critical' | 'warning';
  service: string;
  dedup_key: string;
  status: 'firing' | 'resolved';
}

/** Whom the process kills that has reached a step: itself, or another by its pid (failpoints.ts). */
export type Victim = 'itself' | 'temporal' | 'postgres';

export interface Failpoint {
  kind: 'failpoint';
  step: RoundStep;
  nth: number;
  victim: Victim;
}
export type RoundStep = (typeof STEPS)[number];

export type Fault = Failpoint | TimedFault;

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
  /** Workflows are told again and again to look into the ledger, as the relay tells one that is overdue. */
  nudges: boolean;
  /** After so many events of its history a workflow begins a new one; else as Temporal has it, which no round reaches. */
  events_max?: number;
}

export const SOURCE = 'faults';
const SERVICES = 4;
/** Firing requests begin within this; the resolves follow after it. */
const FIRING_MS = 2_500;

const FAILPOINT_ROUNDS = 7;
/** A history has more when its incident was told for the first time, and its new one fewer. */
const EVENTS_MAX = 8;
/** The lane whose acknowledgement is forgotten, and the one whose notice is sent again by hand. */
const FORGETFUL_LANE = 3;
const REDELIVERING_LANE = 1;

/** What may happen to a kind of system (system.ts). */
export interface Possible {
  blows: readonly Blow[];
  victims: readonly Victim[];
}

/**
 * Of ten rounds that follow each other the first seven fail at every step there is; the others are struck by the clock, twice.
 * Whom it kills at a step changes with every ten.
 */
export function planOf(seed: number, possible: Possible): Plan {
  const random = chance(seed);
  const lanes = Array.from({ length: SERVICES }, (_, at) => laneOf(seed, `s${seed}-${at}`, at, random));
  const faults = faultsOf(seed, possible, random);
  const failsAt = (prefix: string): boolean =>
    faults.some((fault) => fault.kind === 'failpoint' && fault.step.startsWith(prefix));
  const shortens = failsAt('continue.') || (seed > 10 && random.one([true, false, false]));
  return { seed, lanes, faults, nudges: failsAt('load.'), ...(shortens ? { events_max: EVENTS_MAX } : {}) };
}

function laneOf(seed: number, service: string, at: number, random: Chance): Request[] {
  const severity = at % 2 === 0 ? 'critical' : 'warning';
  const sent = (name: string, dedup_key: string, status: Sent['status']): Sent => ({
    id: `r${seed}-${service}-${name}`,
    source: SOURCE,
    type: at === FORGETFUL_LANE ? FORGOTTEN.type : 'trouble',
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
  if (random.one([true, true, false]) || at === FORGETFUL_LANE)
    requests.push({ at_ms: random.number(opens_ms, FIRING_MS), kind: 'ack', service });
  requests.sort((a, b) => a.at_ms - b.at_ms);
  const ends = alerts.map((alert) => sent(`${alert}-end`, alert, 'resolved'));
  return [
    ...requests,
    ...(at === FORGETFUL_LANE ? [{ at_ms: FIRING_MS, kind: 'forget', service } as const] : []),
    { at_ms: FIRING_MS + random.number(200, 1_000), kind: 'post', events: ends },
    // Of its end everybody is told, whatever was answered before.
    ...(at === REDELIVERING_LANE ? [{ at_ms: FIRING_MS, kind: 'redeliver', service } as const] : []),
  ];
}

function faultsOf(seed: number, { blows, victims }: Possible, random: Chance): Fault[] {
  const tens = Math.floor((seed - 1) / 10);
  const turn = (seed - 1) % 10;
  if (turn < FAILPOINT_ROUNDS) {
    // Until each has been killed at each step, at the first time that it is reached.
    const isFirst = tens < victims.length;
    return STEPS.flatMap((step, at): Fault[] =>
      at % FAILPOINT_ROUNDS === turn
        ? [
            {
              kind: 'failpoint',
              step,
              nth: isFirst ? 1 : random.number(1, 4),
              victim: victimOf(step, at, tens, victims),
            },
          ]
        : [],
    );
  }
  const own = turn - FAILPOINT_ROUNDS;
  const chosen = seed <= 10 ? [blows[own], blows[own + BLOW_ROUNDS]] : [random.one(blows), random.one(blows)];
  return (chosen as Blow[]).map((blow) => timed(blow, random));
}

const BLOW_ROUNDS = 10 - FAILPOINT_ROUNDS;
/** Steps that not everything goes through: another is killed at them first, which takes less long than to start Tocsin again. */
export const ASIDE = /^(load|own|continue|send)\./;

function victimOf(step: RoundStep, at: number, tens: number, victims: readonly Victim[]): Victim {
  const first = ASIDE.test(step) ? 1 + (at % (victims.length - 1)) : 0;
  return victims[(first + tens) % victims.length] as Victim;
}

function timed(blow: Blow, random: Chance): TimedFault {
  const at_ms = random.number(300, FIRING_MS);
  switch (blow.kind) {
    case 'pause':
    case 'cut':
    case 'silence':
      return { ...blow, at_ms, for_ms: random.number(500, 4_000) };
    case 'kill':
    case 'terminate':
    case 'lose-temporal':
      return { ...blow, at_ms };
    default:
      return blow satisfies never;
  }
}
