/** What operators are told of a mapping that fails: one incident for each source, with what was posted kept in its events. */
import type { Event } from '../../core/event.ts';
import { OWN_SOURCE } from '../../core/health.ts';
import { bytesOf, fitted, LIMITS } from '../source.ts';

/** A sender that posts no more will not show that the mapping works again. */
const EXPIRE_MS = 24 * 3_600_000;

const about = (name: string, now: Date): Omit<Event, 'title' | 'severity' | 'status'> => ({
  id: crypto.randomUUID(),
  source: OWN_SOURCE,
  type: 'mapping_failed',
  service: OWN_SOURCE,
  components: [name],
  labels: { mapping: name },
  assignees: [],
  links: [],
  dedup_key: `mapping/${name}`,
  occurred_at: now.toISOString(),
});

/** The mapping of this source failed on this payload, for these reasons; the payload is kept as far as an event has room. */
export const failedEvent = (name: string, problems: readonly string[], payload: string, now: Date): Event =>
  fitted({
    ...about(name, now),
    title: `The mapping of source ${name} fails`,
    body: problems.join('\n'),
    severity: 'warning',
    status: 'firing',
    context: { payload: cut(payload), bytes: bytesOf(payload) },
    expires_at: new Date(now.getTime() + EXPIRE_MS).toISOString(),
  });

/** It works again: this ends what the other began, and is nothing where nothing began. */
export const worksEvent = (name: string, now: Date): Event =>
  fitted({
    ...about(name, now),
    title: `The mapping of source ${name} works`,
    severity: 'warning',
    status: 'resolved',
  });

/** So much of a text as fits into the context, written as JSON. */
function cut(text: string): string {
  const room = LIMITS.contextBytes - 100;
  let kept = text.slice(0, room).toWellFormed().replaceAll('\0', '\u{fffd}');
  while (bytesOf(JSON.stringify(kept)) > room) kept = kept.slice(0, Math.floor(kept.length * 0.8)).toWellFormed();
  return kept;
}
