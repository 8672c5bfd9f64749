/** What a stream holds as events: its entries, and the dead letters that gather beside it. */
import { type Event, type Json, type Labels, severityOf } from '../../core/event.ts';
import { fitted, LIMITS, listAt, textAt, textsIn, tidied, timeOf, valueAt } from '../source.ts';
import type { RedisStreamConfig } from './config.ts';

/** Fields that have a place of their own in an event; every other is a label, which routes can match. */
const KNOWN = new Set(
  'id type severity message title traceId trace_id requestId request_id context ts occurred_at source service body status dedup_key dedupKey components assignees links labels'.split(
    ' ',
  ),
);
/** What seed 000's consumer puts where a sender says nothing. */
const UNNAMED = { type: 'event', title: 'Critical event' };

/** Never refuses: whatever an entry holds, somebody wanted it to be heard. */
export function eventOf(entry: unknown, { stream, source }: RedisStreamConfig, name: string): Event {
  const id = textAt(entry, 'id');
  const fields = textsIn(valueAt(entry, 'fields'));
  const first = (...names: string[]): string => names.map((field) => fields[field]?.trim() ?? '').find(Boolean) ?? '';
  const title = first('title', 'message') || UNNAMED.title;
  const severity = first('severity');
  const event: Event = {
    id: first('id') || `${stream}/${id}`,
    source: first('source') || source || name,
    type: first('type') || UNNAMED.type,
    title,
    severity: severityOf(severity) ?? 'info',
    components: textList(fields.components),
    labels: { ...textsIn(jsonIn(fields.labels)), ...others(fields) },
    assignees: textList(fields.assignees),
    links: listAt({ links: jsonIn(fields.links) }, 'links').map((link) => ({
      title: textAt(link, 'title') || 'Link',
      url: textAt(link, 'url'),
    })),
    status: first('status') === 'resolved' ? 'resolved' : 'firing',
  };
  if (severity && severity !== event.severity) event.severity_word = severity;
  const body = first('body') || (fields.title?.trim() ? first('message') : '');
  if (body) event.body = body;
  const optional = {
    service: first('service'),
    dedup_key: first('dedup_key', 'dedupKey'),
    trace_id: first('traceId', 'trace_id'),
    request_id: first('requestId', 'request_id'),
    // An entry's id begins with the milliseconds of its XADD (https://redis.io/docs/latest/develop/data-types/streams/, entry IDs).
    occurred_at: timeOf(first('ts', 'occurred_at')) ?? timeOf(Number(id.split('-')[0])) ?? '',
  };
  for (const [field, value] of Object.entries(optional)) if (value) event[field as keyof typeof optional] = value;
  if (fields.context) event.context = contextIn(fields.context);
  return fitted(event);
}

const others = (fields: Labels): Labels =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => !KNOWN.has(name)));

/** Streams hold texts alone: what is nested is written as JSON. */
function jsonIn(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A JSON list, or words between commas. */
function textList(text: string | undefined): string[] {
  const list = jsonIn(text);
  const words = Array.isArray(list) ? list.map((one) => (typeof one === 'string' ? one : '')) : (text ?? '').split(',');
  return words.map((one) => one.trim()).filter(Boolean);
}

function contextIn(text: string): Json {
  const value = jsonIn(text);
  return value === undefined ? text : tidied(value, LIMITS.contextDepth);
}

/** What became of a stream or list of dead letters between two looks at it. */
export interface Gathered {
  name: string;
  length: number;
  /** When the growth began that has not been drained since. */
  since: Date;
  isPersistent: boolean;
}

/** The event that dead letters are: firing as long as there are any, and critical where they go on growing. */
export function gatheredEvent(source: string, { name, length, since, isPersistent }: Gathered): Event {
  const resolved = length === 0;
  return fitted({
    id: `dead-letters/${name}/${since.getTime()}/${length}`,
    source,
    type: 'dlq_growth',
    title: `Dead letters gather in ${name}`,
    severity: isPersistent ? 'critical' : 'error',
    body: resolved
      ? `${name} is empty again.`
      : `${name} holds ${length} ${length === 1 ? 'entry' : 'entries'} that nobody could work on; it has been growing since ${since.toISOString()}.`,
    components: [name],
    labels: { queue: name },
    context: { queue: name, length, since: since.toISOString() },
    assignees: [],
    links: [],
    status: resolved ? 'resolved' : 'firing',
    dedup_key: `dead-letters/${name}`,
  });
}
