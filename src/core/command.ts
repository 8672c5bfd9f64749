/** What a person writes back to a message, where there is no button to press: `ACK INC-7`, `/ack 7`, `snooze inc-7 1h`. */
import { clip, oneLine } from './text.ts';

/** Commands of the API that a person may give by a word. */
const VERBS = /^\/?(ack(?:nowledge)?|unack|snooze|resolve|escalate|comment)(?:@\w{1,64})?(?=\s|$)\s*(.*)$/i;
/** The incident, however it was typed: `INC-7`, `inc 7`, `#7`, `7`. */
const INCIDENT = /^(?:inc[-\s]?|#)?(\d{1,18})(?=\s|$)\s*(.*)$/i;
/** More is no command but a conversation. */
const COMMAND_MAX = 300;

/**
 * The text as one line beginning with a verb in lower case and the incident's whole id, `ack INC-7`; undefined for what
 * is none of our commands. A verb alone stays alone: who reads it knows what was asked.
 */
export function commandOf(text: string): string | undefined {
  const [, verb, rest] = VERBS.exec(clip(oneLine(text), COMMAND_MAX)) ?? [];
  if (verb === undefined || rest === undefined) return undefined;
  const [, number, more = ''] = INCIDENT.exec(rest) ?? [];
  const words = number === undefined ? [rest] : [`INC-${number}`, more];
  return [verb.toLowerCase().replace('nowledge', ''), ...words].filter((word) => word !== '').join(' ');
}
