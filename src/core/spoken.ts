/** What people write to us in a channel (`ack INC-7`, `snooze 7 2h`), as a command; and what we answer them. */
import { clip, oneLine } from './text.ts';
import { inWords, parseDuration } from './time.ts';

export type Spoken =
  | { kind: 'ack' | 'unack' | 'resolve' | 'escalate' | 'who'; incident: string }
  | { kind: 'snooze'; incident: string; for_ms: number }
  | { kind: 'comment'; incident: string; text: string }
  | { kind: 'status' };

/** What a snooze means where nobody says how long. */
export const SNOOZE_MS = 3_600_000;
const SNOOZE_MIN_MS = 60_000;
const SNOOZE_MAX_MS = 30 * 86_400_000;
/** More is no command but a conversation. */
const COMMAND_MAX = 300;

const SPEECH =
  'ack 7, snooze 7 2h, resolve 7, unack 7, escalate 7, comment 7 and what there is to say, who 7 (7: the incident), status';

/** A verb, after a / and before the bot's name, as messengers write commands; and the rest. */
const VERB = /^\/?(ack(?:nowledge)?|unack|snooze|resolve|escalate|comment|who|status)(?:@\w{1,64})?(?=\s|$)\s*(.*)$/i;
/** The incident, however it was typed: `INC-7`, `inc 7`, `#7`, `7`. Its number names it alone. */
const INCIDENT = /^(?:[a-z][\w.]{0,40}?[-\s]?|#)?(\d{1,15})(?=\s|$)\s*(.*)$/i;

/** The text as one short line, where it begins with a verb of ours; undefined for what is no command. */
export function commandIn(text: string): string | undefined {
  const [, verb, rest = ''] = VERB.exec(clip(oneLine(text), COMMAND_MAX)) ?? [];
  return verb === undefined ? undefined : `${verb.toLowerCase().replace('nowledge', '')} ${rest}`.trim();
}

/** The command in these words, or what is wrong with them in words. */
export function spoken(words: string): Spoken | { problem: string } {
  const [verb, ...others] = commandIn(words)?.split(' ') ?? [];
  if (verb === undefined) return { problem: `that is none of: ${SPEECH}` };
  if (verb === 'status') return { kind: 'status' };
  const [, incident, more = ''] = INCIDENT.exec(others.join(' ')) ?? [];
  if (incident === undefined) return { problem: `name the incident by its number: ${verb} 7` };
  if (verb === 'comment')
    return more === ''
      ? { problem: `say something: comment ${incident} …` }
      : { kind: 'comment', incident, text: more };
  if (verb === 'snooze') {
    const for_ms = more === '' ? SNOOZE_MS : parseDuration(more.toLowerCase());
    return for_ms === undefined || for_ms < SNOOZE_MIN_MS || for_ms > SNOOZE_MAX_MS
      ? { problem: `how long is from 1m to 30d: snooze ${incident} 2h` }
      : { kind: 'snooze', incident, for_ms };
  }
  if (more !== '') return { problem: `${verb} takes an incident and nothing else` };
  return { kind: verb as 'ack' | 'unack' | 'resolve' | 'escalate' | 'who', incident };
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
