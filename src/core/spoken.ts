/** What people write to us in a channel (`ack INC-7`, `snooze 7 2h`), as a command; and what we answer them. */
import { inWords, parseDuration } from './time.ts';

export type Spoken =
  | { kind: 'ack' | 'unack' | 'resolve' | 'who'; incident: string }
  | { kind: 'snooze'; incident: string; for_ms: number }
  | { kind: 'status' };

/** What a snooze means where nobody says how long. */
export const SNOOZE_MS = 3_600_000;
const SNOOZE_MIN_MS = 60_000;
const SNOOZE_MAX_MS = 30 * 86_400_000;

export const SPEECH =
  'ack <incident>, snooze <incident> [1h], resolve <incident>, unack <incident>, who <incident>, status';

const VERBS: Readonly<Record<string, Exclude<Spoken['kind'], 'status'>>> = {
  ack: 'ack',
  acknowledge: 'ack',
  unack: 'unack',
  resolve: 'resolve',
  close: 'resolve',
  snooze: 'snooze',
  who: 'who',
};
/** An incident's id, or its number alone, with a # as people write it. */
const INCIDENT = /^#?([\w.-]{1,64})$/;

/** The command in these words, or what is wrong with them in words; case does not matter, nor a / before the first. */
export function spoken(words: string): Spoken | { problem: string } {
  const [first = '', second, third, ...more] = words.trim().split(/\s+/);
  const verb = first.toLowerCase().replace(/^\//, '');
  if (verb === 'status') return { kind: 'status' };
  const kind = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (!kind) return { problem: `that is none of: ${SPEECH}` };
  const incident = INCIDENT.exec(second ?? '')?.[1];
  if (!incident) return { problem: `name the incident: ${verb} INC-7` };
  if (kind !== 'snooze') {
    return third === undefined ? { kind, incident } : { problem: `${verb} takes an incident and nothing else` };
  }
  const for_ms = third === undefined ? SNOOZE_MS : parseDuration(third.toLowerCase());
  if (more.length > 0 || for_ms === undefined || for_ms < SNOOZE_MIN_MS || for_ms > SNOOZE_MAX_MS)
    return { problem: `how long is from 1m to 30d: snooze ${incident} 2h` };
  return { kind, incident, for_ms };
}

/** What can be answered from inside a message. */
export const ANSWERS = {
  ack: 'Acknowledge',
  snooze: `Snooze ${inWords(SNOOZE_MS)}`,
  resolve: 'Resolve',
} as const;
export type AnswerAction = keyof typeof ANSWERS;

/** How an answer ended, for the person who gave it. */
export function answerInWords(
  { outcome, by }: { outcome: 'done' | 'already'; by?: string },
  { id, status }: { id: string; status: string },
): string {
  const stands = `${id} is ${status}`;
  if (outcome === 'done') return `${stands}, by you.`;
  return by === undefined ? `${stands} already.` : `${by} was first: ${stands}.`;
}
