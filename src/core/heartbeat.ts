/** Heartbeats: what is expected to be heard of regularly, and what operators are told when it is not. */
import { type Event, type Labels, SEVERITIES, type Severity } from './event.ts';
import { inWords } from './time.ts';

/** A heartbeat as it is configured; times in milliseconds. */
export interface Heartbeat {
  name: string;
  /** From one beat to the next. */
  every_ms: number;
  /** How much later than that it may come; also how long a run that said `start` may take. */
  grace_ms: number;
  severity: Severity;
  title?: string;
  service?: string;
  labels: Labels;
  /** What its sender shows instead of an API key. */
  token?: string;
}

/** `waiting`: never heard yet. `missed`: not heard in time. `failed`: it said itself that it failed. */
export const HEARTBEAT_STATES = ['waiting', 'ok', 'missed', 'failed'] as const;
export type HeartbeatState = (typeof HEARTBEAT_STATES)[number];

/** What a sender may say: all is well, a run begins, a run failed. The words of healthchecks.io's addresses. */
export const BEATS = ['ok', 'start', 'fail'] as const;
export type Beat = (typeof BEATS)[number];

/** What operators have to hear of; both are one alert. */
export type Trouble = Extract<HeartbeatState, 'missed' | 'failed'>;
export const troubleIn = (state: HeartbeatState): Trouble | undefined =>
  state === 'missed' || state === 'failed' ? state : undefined;

/** The source of the events that heartbeats become. */
const SOURCE = 'heartbeats';
const TYPE = 'heartbeat_missed';

/** How a heartbeat stands in the ledger; times as ISO 8601. */
export interface Standing {
  state: HeartbeatState;
  since: string;
  last_at?: string;
  /** What its sender said last. */
  message?: string;
}

/**
 * What operators are told of a state they have not heard of. Of a heartbeat that is configured no more, `heartbeat` is its
 * name alone: all that can be told is that it is over. The id is of the state: telling twice is telling once.
 */
export function heartbeatEvent(heartbeat: Heartbeat | { name: string }, standing: Standing): Event {
  const { name } = heartbeat;
  const known = 'every_ms' in heartbeat ? heartbeat : undefined;
  const trouble = troubleIn(standing.state);
  return {
    id: `${name}/${standing.state}/${standing.since}`,
    source: SOURCE,
    type: TYPE,
    title: titleOf(name, known, trouble),
    severity: known?.severity ?? SEVERITIES[1],
    ...(trouble && known ? { body: bodyOf(known, trouble, standing) } : {}),
    service: known?.service ?? name,
    components: [],
    labels: { ...known?.labels, heartbeat: name },
    assignees: [],
    links: [],
    status: trouble ? 'firing' : 'resolved',
    dedup_key: name,
    occurred_at: standing.since,
  };
}

function titleOf(name: string, known: Heartbeat | undefined, trouble: Trouble | undefined): string {
  const title = known?.title ?? `Heartbeat ${name}`;
  switch (trouble) {
    case 'missed':
      return known?.title ?? `${title} was missed`;
    case 'failed':
      return known?.title ?? `${title} says that it failed`;
    case undefined:
      return known ? `${title}: heard again` : `${title} is expected no more`;
    default:
      return trouble satisfies never;
  }
}

function bodyOf({ every_ms, grace_ms }: Heartbeat, trouble: Trouble, { last_at, message }: Standing): string {
  const expected = `It is expected every ${inWords(every_ms)}, and ${inWords(grace_ms)} late at the most.`;
  const heard = last_at === undefined ? 'It was never heard.' : `It was heard last at ${last_at}.`;
  const lines = trouble === 'missed' ? [`${heard} ${expected}`] : ['It said that it failed.'];
  if (message !== undefined) lines.push(`Its last words: ${message}`);
  return lines.join('\n');
}
