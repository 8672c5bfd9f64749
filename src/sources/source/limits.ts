/** The limits that every event keeps, and how what a tolerant source got is cut to them. */
import type { Event, Json, Labels, Link } from '../../core/event.ts';

/** The limits of design.md section 8: an event has to fit a ledger row, a page and a phone. Texts count code points. */
export const LIMITS = {
  id: 200,
  name: 128,
  key: 512,
  trace: 256,
  severityWord: 32,
  title: 1_000,
  bodyBytes: 32 * 1024,
  components: 64,
  component: 256,
  assignees: 64,
  assignee: 256,
  labels: 64,
  labelName: 128,
  labelValue: 1_024,
  links: 20,
  linkTitle: 256,
  linkUrl: 2_048,
  contextBytes: 16 * 1024,
  contextDepth: 8,
} as const;

export const lengthOf = (text: string): number => [...text].length;
export const bytesOf = (text: string): number => Buffer.byteLength(text, 'utf8');

/** True for an http or https address: the only links that anybody is shown. */
export function isWebLink(url: string): boolean {
  return /^https?:\/\//i.test(url) && url.length <= LIMITS.linkUrl && URL.canParse(url);
}

/**
 * A value of JSON with every text well-formed (a lone surrogate becomes U+FFFD, which Postgres can keep), NUL replaced and
 * what reaches deeper than `depth` left out. For tolerant sources; the event door refuses instead.
 */
export function tidied(value: unknown, depth: number): Json {
  if (typeof value === 'string') return tidyText(value);
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value !== 'object' || value === null) return null;
  if (depth <= 0) return '…';
  if (Array.isArray(value)) return value.map((inner) => tidied(inner, depth - 1));
  const pairs = Object.entries(value).filter(([name]) => name !== '__proto__');
  return Object.fromEntries(pairs.map(([name, inner]) => [tidyText(name), tidied(inner, depth - 1)]));
}

/** A text as Postgres can keep it: well-formed, and without NUL. */
export const tidyText = (text: string): string => text.toWellFormed().replaceAll('\0', '\u{fffd}');

/** Its work does not grow with what is cut off: a code point has at most two units. */
const clipped = (text: string, max: number): string => {
  const points = [...tidyText(text.slice(0, 2 * max + 2))];
  return points.length > max ? `${points.slice(0, max - 1).join('')}…` : points.join('');
};

/** The same event within LIMITS: what a tolerant source got is cut, never refused for its length. */
export function fitted(event: Event): Event {
  const labels: Labels = {};
  for (const [name, value] of Object.entries(event.labels).slice(0, LIMITS.labels)) {
    if (name !== '' && name !== '__proto__')
      labels[clipped(name, LIMITS.labelName)] = clipped(value, LIMITS.labelValue);
  }
  const links = event.links
    .filter(({ url }) => isWebLink(url))
    .slice(0, LIMITS.links)
    .map(({ title, url }): Link => ({ title: clipped(title, LIMITS.linkTitle), url: tidyText(url) }));
  const fit: Event = {
    ...event,
    id: clipped(event.id, LIMITS.id),
    source: clipped(event.source, LIMITS.name),
    type: clipped(event.type, LIMITS.name),
    title: clipped(event.title, LIMITS.title),
    components: event.components.slice(0, LIMITS.components).map((text) => clipped(text, LIMITS.component)),
    assignees: event.assignees.slice(0, LIMITS.assignees).map((text) => clipped(text, LIMITS.assignee)),
    labels,
    links,
  };
  if (event.severity_word !== undefined) fit.severity_word = clipped(event.severity_word, LIMITS.severityWord);
  if (event.service !== undefined) fit.service = clipped(event.service, LIMITS.name);
  if (event.dedup_key !== undefined) fit.dedup_key = clipped(event.dedup_key, LIMITS.key);
  if (event.trace_id !== undefined) fit.trace_id = clipped(event.trace_id, LIMITS.trace);
  if (event.request_id !== undefined) fit.request_id = clipped(event.request_id, LIMITS.trace);
  if (event.body !== undefined)
    fit.body = clippedToBytes(tidyText(event.body.slice(0, LIMITS.bodyBytes + 1)), LIMITS.bodyBytes);
  if (event.context !== undefined) fit.context = fittedContext(event.context);
  return fit;
}

/** A mapping may give every event of a payload the same context, which may be most of the payload: it is looked at once. */
const fittedContexts = new WeakMap<object, Json>();

function fittedContext(context: Json): Json {
  const known = typeof context === 'object' && context !== null ? fittedContexts.get(context) : undefined;
  if (known !== undefined) return known;
  const tidy = tidied(context, LIMITS.contextDepth);
  const bytes = bytesOf(JSON.stringify(tidy));
  const fit =
    bytes <= LIMITS.contextBytes
      ? tidy
      : { omitted: `${bytes} bytes are more than the ${LIMITS.contextBytes} that are kept` };
  if (typeof context === 'object' && context !== null) fittedContexts.set(context, fit);
  return fit;
}

function clippedToBytes(text: string, max: number): string {
  if (bytesOf(text) <= max) return text;
  // A cut in the middle of a character leaves U+FFFD at the end, which the ellipsis replaces.
  return `${Buffer.from(text, 'utf8')
    .subarray(0, max - 3)
    .toString('utf8')
    .replace(/\u{fffd}+$/u, '')}…`;
}
