/** The event door's own format, POST /v1/events: strict, so that a misspelt field is heard of at once. */
import { z } from 'zod';
import { type Event, type Json, severityOf } from '../core/event.ts';
import { OWNER_MAX } from '../core/owner.ts';
import { type Rewritten, rewriteAlert, rewriteIncident, rewriteJobAlert } from './events/alerts.ts';
import { given, labels, list, severity, text, webLink } from './events/fields.ts';
import { bytesOf, depthOf, LIMITS, timeOf } from './source.ts';

const time = z
  .union([z.string(), z.number()])
  .refine(
    (value) => timeOf(value) !== undefined,
    'not a time: ISO 8601 such as 2026-11-20T18:00:00Z, or seconds or milliseconds since 1970',
  );

const LinkBody = z.strictObject({
  title: given(LIMITS.linkTitle),
  url: webLink,
});

/** The size is asked only of what is not too deep: JSON.stringify recurses as deep as it is told to. */
function checkContext(value: unknown, check: z.RefinementCtx): void {
  const message =
    depthOf(value, LIMITS.contextDepth) > LIMITS.contextDepth
      ? `nested deeper than ${LIMITS.contextDepth}`
      : bytesOf(JSON.stringify(value) ?? '') > LIMITS.contextBytes
        ? `larger than ${LIMITS.contextBytes} bytes of JSON`
        : undefined;
  if (message) check.addIssue({ code: 'custom', message, input: value });
}

/** One event as senders write it. An optional field that is null or an empty text counts as absent. */
export const EventBody = z
  .strictObject({
    id: text(LIMITS.id)
      .nullish()
      .meta({ description: 'The same id from the same source is one event. Made if absent.' }),
    source: given(LIMITS.name).meta({
      description: 'Who says it: the name of the sending system.',
      examples: ['trader'],
    }),
    type: given(LIMITS.name).meta({
      description: 'What kind of event; words joined by _ . or :',
      examples: ['job_failed'],
    }),
    title: text(LIMITS.title)
      .nullish()
      .meta({ description: 'The line people read. Required, unless message is given.' }),
    message: text(LIMITS.title)
      .nullish()
      .meta({ description: 'Taken for the title where that is absent, else for the body.' }),
    severity: severity.nullish().meta({
      description: 'critical, error, warning or info (the default); P0 to P4 and syslog words are understood.',
    }),
    body: z
      .string()
      .refine((value) => bytesOf(value) <= LIMITS.bodyBytes, `longer than ${LIMITS.bodyBytes} bytes`)
      .nullish(),
    service: text(LIMITS.name).nullish(),
    components: list(LIMITS.components, LIMITS.component).nullish().meta({ description: 'What is affected.' }),
    labels: labels.nullish(),
    context: z
      .unknown()
      .superRefine(checkContext)
      .meta({ description: 'Any JSON; shown by channels that can show it.' })
      .optional(),
    trace_id: text(LIMITS.trace).nullish(),
    traceId: text(LIMITS.trace).nullish().meta({ description: 'Another spelling of trace_id.' }),
    request_id: text(LIMITS.trace).nullish(),
    requestId: text(LIMITS.trace).nullish().meta({ description: 'Another spelling of request_id.' }),
    assignees: list(LIMITS.assignees, LIMITS.assignee).nullish(),
    user: text(OWNER_MAX).nullish().meta({
      description:
        "Who it is about: a route with notify: [owner] tells this user's integrations. The label user does too.",
    }),
    links: z.array(LinkBody).max(LIMITS.links, `more than ${LIMITS.links} links`).nullish(),
    status: z.enum(['firing', 'resolved']).nullish(),
    dedup_key: text(LIMITS.key).nullish().meta({ description: 'Events of a source with the same key are one alert.' }),
    occurred_at: time.nullish().meta({ description: 'ISO 8601, or seconds or milliseconds since 1970.' }),
    ts: time.nullish().meta({ description: 'Another spelling of occurred_at.' }),
  })
  .refine((event) => Boolean(event.title?.trim() || event.message?.trim()), {
    path: ['title'],
    error: 'is required (or message)',
  })
  .meta({
    id: 'Event',
    title: 'Event',
    anyOf: ['title', 'message'].map((name) => ({
      required: [name],
      properties: { [name]: { type: 'string', pattern: '\\S' } },
    })),
  });

export interface RefusedEvent {
  /** Which entry of the array, from 0; 0 for a single event. */
  index: number;
  /** `labels.host`, `links[0].url`; empty where the whole entry is meant. */
  field: string;
  problem: string;
}

/** Deeper than any valid event: the event, its context and that context's depth. What is deeper is not walked into. */
const WALK_MAX = LIMITS.contextDepth + 2;
/** A time further ahead than this is a wrong clock or a wrong unit. */
const AHEAD_MAX_MS = 24 * 3_600_000;

/**
 * The events in the body of POST /v1/events, one object or an array of at most `max`; each valid entry is taken, whatever
 * its neighbours are. Lone surrogates are made U+FFFD; NUL and names like `__proto__` are refused by the field's name.
 */
export function parseEvents(
  body: unknown,
  { now, max }: { now: Date; max: number },
): { events: Event[]; rejected: RefusedEvent[] } {
  const entries = Array.isArray(body) ? body : [body];
  if (entries.length > max) {
    return {
      events: [],
      rejected: [{ index: 0, field: '', problem: `${entries.length} events are more than the ${max} taken at once` }],
    };
  }
  const events: Event[] = [];
  const rejected: RefusedEvent[] = [];
  entries.forEach((entry: unknown, index) => {
    const found = parseEvent(entry, now);
    if (Array.isArray(found)) rejected.push(...found.map((problem) => ({ index, ...problem })));
    else events.push(found);
  });
  return { events, rejected };
}

type Problem = Omit<RefusedEvent, 'index'>;

/** The event that a body of POST /v1/alerts, POST /v1/incidents or POST /api/alerts/trigger is, or what is wrong with it, by the sender's own names. */
export function parseOwn(kind: 'alert' | 'incident' | 'job', body: unknown, now: Date): Event | Problem[] {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return [{ field: '', problem: `must be object, not ${kindOf(body)}` }];
  const { body: ours, names } = rewrite(kind, body as Record<string, unknown>);
  const found = parseEvent(ours, now);
  if (Array.isArray(found)) return found.map((problem) => ({ ...problem, field: theirs(problem.field, names) }));
  return kind === 'incident' ? { ...found, incident: `${found.source}/${found.id}` } : found;
}

function rewrite(kind: 'alert' | 'incident' | 'job', body: Record<string, unknown>): Rewritten {
  switch (kind) {
    case 'alert':
      return rewriteAlert(body);
    case 'incident':
      return rewriteIncident(body, crypto.randomUUID());
    case 'job':
      return rewriteJobAlert(body);
    default:
      return kind satisfies never;
  }
}

/** `components[0]` by the name that the sender has for it: `affected_resources[0]`. */
function theirs(field: string, names: Rewritten['names']): string {
  const isOf = (own: string): boolean => field === own || field.startsWith(`${own}.`) || field.startsWith(`${own}[`);
  const own = [...names.keys()]
    .filter(isOf)
    .reduce((longest, one) => (one.length > longest.length ? one : longest), '');
  return own === '' ? field : `${names.get(own)}${field.slice(own.length)}`;
}

function parseEvent(entry: unknown, now: Date): Event | Problem[] {
  const problems: Problem[] = [];
  const clean = isClean(entry, WALK_MAX) ? entry : cleaned(entry, '', WALK_MAX, problems);
  if (problems.length > 0) return problems;
  const parsed = EventBody.safeParse(clean, { error: inOurWords });
  if (!parsed.success) return parsed.error.issues.flatMap(problemsOf);
  const sent = parsed.data;
  const severity_word = sent.severity?.trim() || 'info';
  const occurred = sent.occurred_at ?? sent.ts;
  const occurred_at = occurred == null ? undefined : timeOf(occurred);
  if (occurred_at && Date.parse(occurred_at) > now.getTime() + AHEAD_MAX_MS) {
    return [{ field: sent.occurred_at == null ? 'ts' : 'occurred_at', problem: 'is more than a day ahead of now' }];
  }
  const title = sent.title?.trim() ? sent.title : (sent.message ?? '');
  const body = sent.body || (sent.title?.trim() && sent.message ? sent.message : '');
  const event: Event = {
    id: sent.id || crypto.randomUUID(),
    source: sent.source,
    type: sent.type,
    title,
    severity: severityOf(severity_word) ?? 'info',
    components: sent.components ?? [],
    labels: sent.labels ?? {},
    assignees: sent.assignees ?? [],
    links: sent.links ?? [],
    status: sent.status ?? 'firing',
  };
  if (severity_word !== event.severity) event.severity_word = severity_word;
  if (body) event.body = body;
  if (sent.user) event.user = sent.user;
  if (sent.service) event.service = sent.service;
  if (sent.context != null) event.context = sent.context as Json;
  const trace_id = sent.trace_id || sent.traceId;
  if (trace_id) event.trace_id = trace_id;
  const request_id = sent.request_id || sent.requestId;
  if (request_id) event.request_id = request_id;
  if (sent.dedup_key) event.dedup_key = sent.dedup_key;
  if (occurred_at) event.occurred_at = occurred_at;
  return event;
}

/** Whether `cleaned` would give it back as it is: nearly every event, and looking costs a fifth of writing it anew. */
function isClean(value: unknown, depth: number): boolean {
  if (typeof value === 'string') return isKeepable(value);
  if (typeof value !== 'object' || value === null || depth <= 0) return true;
  if (Array.isArray(value)) return value.every((inner) => isClean(inner, depth - 1));
  return Object.entries(value).every(
    ([name, inner]) => name !== '__proto__' && isKeepable(name) && isClean(inner, depth - 1),
  );
}

const isKeepable = (text: string): boolean => text.isWellFormed() && !text.includes('\0');

/** The same JSON with well-formed texts; what no ledger can keep goes into `problems`, with its field. */
function cleaned(value: unknown, field: string, depth: number, problems: Problem[]): unknown {
  if (typeof value === 'string') {
    if (value.includes('\0')) problems.push({ field, problem: 'holds a NUL character, which cannot be kept' });
    return value.toWellFormed();
  }
  // Left as it is: the schema refuses whatever is deeper, and nobody recurses into it before.
  if (typeof value !== 'object' || value === null || depth <= 0) return value;
  if (Array.isArray(value)) return value.map((inner, at) => cleaned(inner, `${field}[${at}]`, depth - 1, problems));
  const pairs = Object.entries(value).map(([name, inner]) => {
    const path = field === '' ? name : `${field}.${name}`;
    if (name === '__proto__' || name.includes('\0'))
      problems.push({ field: path.replaceAll('\0', '\\0'), problem: 'is not a name that can be kept' });
    return [name.toWellFormed(), cleaned(inner, path, depth - 1, problems)] as const;
  });
  return Object.fromEntries(pairs);
}

/** Zod's own sentences, made to read after a field's name. */
const inOurWords: z.core.$ZodErrorMap = (issue) => {
  if (issue.code === 'invalid_type')
    return issue.input === undefined ? 'is required' : `must be ${issue.expected}, not ${kindOf(issue.input)}`;
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.join(', ')}`;
  if (issue.code === 'invalid_union') return 'must be a text or a number';
  return undefined;
};

const kindOf = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);

function problemsOf(issue: z.core.$ZodIssue): Problem[] {
  const field = issue.path.reduce<string>(
    (path, part) =>
      typeof part === 'number' ? `${path}[${part}]` : path === '' ? String(part) : `${path}.${String(part)}`,
    '',
  );
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      field: field === '' ? key : `${field}.${key}`,
      problem: 'is not a field of an event',
    }));
  }
  if (issue.code === 'invalid_key') return [{ field, problem: issue.issues[0]?.message ?? issue.message }];
  return [{ field, problem: issue.message }];
}
