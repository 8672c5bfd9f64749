/** What a request about an alert asks for: the answers to give, in their order, and Opsgenie's words for what was done. */
import { objectIn, textIn } from '../../core/unchecked.ts';
import type { Command, CommandResult } from '../../ledger/answers.ts';
import { COMMENT_MAX, SNOOZE_MAX_MS, SNOOZE_MIN_MS } from '../incidents.ts';

export interface Asked {
  /** As Opsgenie's requests call it. */
  action: string;
  /** When all of it was done. */
  status: string;
  /** Empty where the request names nobody. */
  user: string;
  /** `close`: the alert is over. Everything else is an answer to its incident. */
  steps: (Command | 'close')[];
}

/** https://docs.opsgenie.com/docs/alert-api: `user` */
const USER_MAX = 100;

/** Undefined for what nothing here can do; or all that is wrong with the body. */
export function askedBy(what: string, body: unknown, now: Date): Asked | { problems: string[] } | undefined {
  const written = objectIn(body);
  const say = (name: string, max: number): string =>
    [...textIn(written[name]).trim().toWellFormed().replaceAll('\0', '\u{fffd}')].slice(0, max).join('');
  const user = say('user', USER_MAX);
  // Opsgenie's notes may be longer than our comments, and are cut.
  const text = say('note', COMMENT_MAX);
  const note: Command[] = text === '' ? [] : [{ kind: 'comment', text }];
  switch (what) {
    case 'close':
      // A note is written before the end: after it nothing may be open to take it.
      return { action: 'Close', status: 'Closed alert', user, steps: [...note, 'close'] };
    case 'acknowledge':
      return { action: 'Acknowledge', status: 'Acknowledged alert', user, steps: [{ kind: 'ack' }, ...note] };
    case 'unacknowledge':
      return { action: 'UnAcknowledge', status: 'Unacknowledged alert', user, steps: [{ kind: 'unack' }, ...note] };
    case 'notes':
      if (note.length === 0) return { problems: ['note cannot be empty'] };
      return { action: 'AddNote', status: 'Added note to alert', user, steps: note };
    case 'snooze': {
      const for_ms = Date.parse(textIn(written.endTime)) - now.getTime();
      if (!(for_ms > 0 && for_ms <= SNOOZE_MAX_MS))
        return { problems: ['endTime must be a time within the next 30 days, such as 2026-11-21T18:00:00Z'] };
      const snooze: Command = { kind: 'snooze', for_ms: Math.max(SNOOZE_MIN_MS, for_ms) };
      return { action: 'Snooze', status: 'Snoozed alert', user, steps: [snooze, ...note] };
    }
    default:
      return undefined;
  }
}

/** Why none of the alert's incidents took the answer; undefined where one did, or had it already. */
export function failureOf(results: readonly CommandResult[]): string | undefined {
  if (results.some(({ outcome }) => outcome === 'done' || outcome === 'already')) return undefined;
  const refused = results.find((result) => result.outcome === 'refused');
  return refused?.why ?? 'no incident of the alert is open';
}
