/** The event door: one event or an array of them, kept before they are answered. */
import { z } from 'zod';
import type { Event } from '../core/event.ts';
import type { Waits } from '../ledger/outcomes.ts';
import { eventOf } from '../ledger/reading.ts';
import { EventBody, parseEvents, type RefusedEvent } from '../sources/events.ts';
import { MANY_MAX_BYTES, ONE_MAX_BYTES, parseJson } from './body.ts';
import { overloaded } from './capacity.ts';
import type { Deps } from './deps.ts';
import { type Endpoint, endpoint, ok, word } from './endpoint.ts';
import { typed, waitField } from './outcomes.ts';
import { type FieldProblem, invalid, nameOf, Problem } from './problem.ts';
import { EventsAnswer, pageOf, StoredEventView } from './views.ts';

/** Events of one array (design.md, section 8). */
const EVENTS_MAX = 1_000;
/** Events that wait for a commit: ten seconds of work at 5,000 a second. Who comes later waits at home. */
const WAITING_MAX = 50_000;
/** What metrics call this way in. */
const DOOR = 'events';

export const events = ({
  door,
  ledger,
  metrics,
  limits,
  waits,
  ...known
}: Pick<Deps, 'door' | 'ledger' | 'metrics' | 'limits' | 'config' | 'integrations'> & { waits: Waits }): Endpoint[] => [
  endpoint({
    method: 'post',
    path: '/v1/events',
    access: 'ingest',
    summary: 'Send events',
    about: `One event of at most ${ONE_MAX_BYTES / 1024} KB, or an array of at most ${EVENTS_MAX} and ${MANY_MAX_BYTES / 1024 / 1024} MB. 202 means kept: whatever happens to this process, the event is routed and told. Of an array the valid ones are kept and the others listed. The same id from the same source is one event: sending again is safe. With \`wait\` the answer has results: what each integration was told by then.`,
    query: z.object({ wait: waitField }),
    takes: {
      kind: 'raw',
      media: 'json',
      limit: MANY_MAX_BYTES,
      schema: z.union([EventBody, z.array(EventBody).max(EVENTS_MAX)]),
    },
    answers: { 202: { about: 'Kept', schema: EventsAnswer } },
    async handle({ raw, query: { wait }, now, signal }) {
      if (raw.length === 0) throw new Problem('bad-request', 'a JSON body is needed: one event, or an array of them');
      const body = parseJson(raw);
      const { events, rejected } = Array.isArray(body)
        ? parseBatch(body, raw.length, now)
        : parseOne(body, raw.length, now);
      metrics.eventsAccepted.inc({ source: DOOR, outcome: 'rejected' }, countOf(rejected));
      if (events.length === 0) throw invalid(problemsOf(rejected, Array.isArray(body)), 'the event');
      const kept = await keep(events, DOOR, { door, metrics, limits });
      if (wait === undefined) return { status: 202, body: { ...kept, rejected } };
      const { outcomes } = await waits.told(events, wait, signal);
      return { status: 202, body: { ...kept, rejected, results: await typed(outcomes, known) } };
    },
  }),
  endpoint({
    method: 'get',
    path: '/v1/events/{id}',
    access: 'operator',
    summary: 'See where an event went, and why',
    about: 'Every source has its own ids: each event with this one is listed.',
    params: z.object({ id: word() }),
    answers: { 200: { about: 'The events of this id', schema: pageOf('events', StoredEventView) } },
    async handle({ params }) {
      const found = await eventOf(ledger, params.id);
      if (found.length === 0) throw new Problem('not-found', 'no event has this id');
      return ok({ events: found });
    },
  }),
];

/**
 * Keeps the events; resolves when they are committed, with their ids in the two lists that callers get.
 * `source` is the way they came, for the metrics. Throws Problem (unavailable) where too many wait for that already.
 */
export async function keep(
  events: Event[],
  source: string,
  { door, metrics, limits }: Pick<Deps, 'door' | 'metrics' | 'limits'>,
): Promise<{ accepted: { id: string }[]; duplicates: { id: string }[] }> {
  if (door.waiting() + events.length > (limits?.waiting ?? WAITING_MAX)) throw overloaded();
  const started = performance.now();
  const answers = events.length === 0 ? [] : await door.accept(events);
  if (events.length > 0) metrics.acceptSeconds.observe((performance.now() - started) / 1_000);
  const those = (duplicate: boolean) =>
    answers.filter((answer) => answer.duplicate === duplicate).map(({ id }) => ({ id }));
  const [accepted, duplicates] = [those(false), those(true)];
  metrics.eventsAccepted.inc({ source, outcome: 'new' }, accepted.length);
  metrics.eventsAccepted.inc({ source, outcome: 'duplicate' }, duplicates.length);
  return { accepted, duplicates };
}

interface Parsed {
  events: Event[];
  rejected: RefusedEvent[];
}

/** One event from the body of a request that may hold only one. Throws 413, or 400 naming each field. */
export function oneEvent(body: unknown, bytes: number, now: Date): Event {
  const { events, rejected } = parseOne(body, bytes, now);
  const [event] = events;
  if (!event) throw invalid(problemsOf(rejected, false), 'the event');
  return event;
}

function parseOne(body: unknown, bytes: number, now: Date): Parsed {
  if (bytes > ONE_MAX_BYTES) throw new Problem('too-large', `an event has at most ${ONE_MAX_BYTES} bytes`);
  return parseEvents([body], { now, max: 1 });
}

function parseBatch(entries: unknown[], bytes: number, now: Date): Parsed {
  if (entries.length > EVENTS_MAX)
    throw new Problem('too-large', `an array has at most ${EVENTS_MAX} events, this one has ${entries.length}`);
  if (entries.length === 0) throw invalid([{ field: '', problem: 'holds no event' }], 'the array');
  // Together they are within the limit of one: none of them needs to be measured.
  const isLarge = (entry: unknown): boolean =>
    bytes > ONE_MAX_BYTES && Buffer.byteLength(JSON.stringify(entry)) > ONE_MAX_BYTES;
  const large = entries.flatMap((entry, index) => (isLarge(entry) ? [index] : []));
  if (large.length === 0) return parseEvents(entries, { now, max: EVENTS_MAX });

  const kept = entries.flatMap((entry, index) => (large.includes(index) ? [] : [{ entry, index }]));
  const { events, rejected } = parseEvents(
    kept.map(({ entry }) => entry),
    { now, max: EVENTS_MAX },
  );
  const tooLarge = large.map((index) => ({ index, field: '', problem: `is larger than ${ONE_MAX_BYTES} bytes` }));
  const moved = rejected.map((refused) => ({ ...refused, index: kept[refused.index]?.index ?? refused.index }));
  return { events, rejected: [...moved, ...tooLarge].sort((a, b) => a.index - b.index) };
}

/** An entry may have several problems. */
const countOf = (rejected: RefusedEvent[]): number => new Set(rejected.map(({ index }) => index)).size;

const problemsOf = (rejected: RefusedEvent[], isBatch: boolean): FieldProblem[] =>
  rejected.map(({ index, field, problem }) => ({
    field: nameOf(isBatch ? `[${index}]${field && `.${field}`}` : field),
    problem,
  }));
