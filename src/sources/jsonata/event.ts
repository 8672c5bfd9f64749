/** What a mapping gave for one entry, as an event; read tolerantly, but for what an event cannot be without. */
import { type Event, type Json, type Link, severityOf } from '../../core/event.ts';
import { fitted, LIMITS, textsIn, tidied, timeOf } from '../source.ts';

/** The event of one entry's values; the problem, in words, where there is none. */
export function eventIn(
  values: Readonly<Record<string, unknown>>,
  { source, expire, now }: { source: string; expire?: number | undefined; now: Date },
): Event | string {
  const type = textOf(values.type);
  const title = textOf(values.title);
  if (type === '') return 'each.type gives nothing';
  if (title === '') return 'each.title gives nothing';
  const status = textOf(values.status).toLowerCase() || 'firing';
  if (status !== 'firing' && status !== 'resolved')
    return `each.status has to give firing or resolved, not ${JSON.stringify(status.slice(0, 40))}`;
  const word = textOf(values.severity);
  const severity = severityOf(word) ?? 'info';
  const event: Event = {
    id: textOf(values.id) || crypto.randomUUID(),
    source: textOf(values.source) || source,
    type,
    title,
    severity,
    status,
    components: listOf(values, 'components'),
    assignees: listOf(values, 'assignees'),
    labels: { ...textsIn(values.labels), ...textsIn(under(values, 'labels')) },
    links: linksIn(values),
  };
  if (word !== '' && word !== severity) event.severity_word = word;
  for (const name of ['body', 'service', 'dedup_key', 'trace_id', 'request_id'] as const) {
    const value = textOf(values[name]);
    if (value !== '') event[name] = value;
  }
  const at = values.occurred_at;
  const occurred_at = timeOf(typeof at === 'number' ? at : textOf(at));
  if (occurred_at !== undefined) event.occurred_at = occurred_at;
  if (values.context !== undefined && values.context !== null) event.context = values.context as Json;
  if (expire !== undefined && status === 'firing') event.expires_at = new Date(now.getTime() + expire).toISOString();
  return fitted(event);
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(tidied(value, LIMITS.contextDepth)) : String(value).trim();
}

/** The values of what was written as several expressions: `links.0.url` under `links` is `0.url`. */
const under = (values: Readonly<Record<string, unknown>>, name: string): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(values).flatMap(([path, value]) =>
      path.startsWith(`${name}.`) ? [[path.slice(name.length + 1), value]] : [],
    ),
  );

/** A list that one expression gave, or what several gave; one alone is a list too. */
const listOf = (values: Readonly<Record<string, unknown>>, name: string): string[] =>
  [values[name] ?? [], Object.values(under(values, name))]
    .flat(2)
    .map(textOf)
    .filter((text) => text !== '');

function linksIn(values: Readonly<Record<string, unknown>>): Link[] {
  const written = under(values, 'links');
  const several = Object.keys(written)
    .filter((path) => path.endsWith('.url'))
    .map((path) => ({ url: written[path], title: written[path.replace(/url$/, 'title')] }));
  return [values.links ?? [], several].flat(2).flatMap((link: unknown) => {
    if (typeof link !== 'object' || link === null) return [];
    const { title, url } = link as { title?: unknown; url?: unknown };
    return typeof url === 'string' ? [{ title: textOf(title) || url, url }] : [];
  });
}
