/** What operators are told of a mapping that fails: one incident for each source, with what was posted kept whole in its events. */
import type { Event } from '../../core/event.ts';
import { OWN_SOURCE } from '../../core/health.ts';
import { bytesOf, fitted, LIMITS, type Normalised } from '../source.ts';

/** A sender that posts no more will not show that the mapping works again. */
const EXPIRE_MS = 24 * 3_600_000;
/** Reasons that one event tells; the rest are like them. */
const PROBLEMS_MAX = 10;
/** What of a context a part of the payload may fill, written as JSON: the rest is for the numbers beside it. */
const ROOM = LIMITS.contextBytes - 200;

/** Mappings known to work since this process began: of any other it is not known what operators were told. */
const working = new WeakSet<object>();

/**
 * What a mapping has made of a payload, and besides, what operators have to know: that it fails, with the payload, or that
 * it works again, which is nothing where nothing began. `config` is the mapping, `text` what was posted.
 */
export function withTidings(
  { events, rejected }: Normalised,
  { name, config, text, now }: { name: string; config: object; text: string; now: Date },
): Normalised {
  if (rejected.length > 0) {
    working.delete(config);
    const problems = [...new Set(rejected.map(({ problem }) => problem))].slice(0, PROBLEMS_MAX);
    return { events: [...events, ...failedEvents(name, problems, text, now)], rejected };
  }
  if (events.length === 0 || working.has(config)) return { events, rejected };
  working.add(config);
  return { events: [...events, worksEvent(name, now)], rejected };
}

const about = (name: string, now: Date): Omit<Event, 'id' | 'title' | 'severity' | 'status'> => ({
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

/** The mapping of this source failed on this payload, for these reasons: one event for each part that the payload is kept in. */
function failedEvents(name: string, problems: readonly string[], payload: string, now: Date): Event[] {
  const parts = partsOf(payload);
  const bytes = bytesOf(payload);
  const id = crypto.randomUUID();
  const all =
    parts.length > 1 ? [`The payload of ${bytes} bytes is in the events ${id}.1 to ${id}.${parts.length}.`] : [];
  return parts.map((part, at) =>
    fitted({
      ...about(name, now),
      id: parts.length > 1 ? `${id}.${at + 1}` : id,
      title: `The mapping of source ${name} fails`,
      body: [...problems, ...all].join('\n'),
      severity: 'warning',
      status: 'firing',
      context: { payload: part, bytes, ...(parts.length > 1 && { part: at + 1, parts: parts.length }) },
      expires_at: new Date(now.getTime() + EXPIRE_MS).toISOString(),
    }),
  );
}

const worksEvent = (name: string, now: Date): Event =>
  fitted({
    ...about(name, now),
    id: crypto.randomUUID(),
    title: `The mapping of source ${name} works`,
    severity: 'warning',
    status: 'resolved',
  });

/** The text in pieces that a context has room for: one after the other they are the text, and no character is cut in two. */
function partsOf(text: string): string[] {
  const parts: string[] = [];
  let rest = text;
  while (rest !== '' || parts.length === 0) {
    let size = Math.min(rest.length, ROOM);
    while (bytesOf(JSON.stringify(rest.slice(0, size))) > ROOM) size = Math.floor(size * 0.9);
    if (isHigh(rest.charCodeAt(size - 1)) && size < rest.length) size--;
    parts.push(rest.slice(0, size).toWellFormed().replaceAll('\0', '\u{fffd}'));
    rest = rest.slice(size);
  }
  return parts;
}

/** The first half of a surrogate pair. */
const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
