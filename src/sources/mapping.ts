/** Any JSON as events, by a mapping in the configuration: paths and templates, and nothing that could run. */
import { z } from 'zod';
import { type Event, type Json, SEVERITIES, type Severity, severityOf } from '../core/event.ts';
import { withTidings } from './source/failing.ts';
import { defineSource, duration, fitted, LIMITS, refuseWithoutToken, tidied, timeOf, tokenField } from './source.ts';

type Path = { root: boolean; steps: (string | number)[] };
type Template = (Path | string)[];

/** How far a payload is looked into. */
const STEPS_MAX = 32;
/** What a path may give to a text: as much as the longest field keeps. A payload's megabytes in every event would be a flood. */
const FOUND_MAX = LIMITS.bodyBytes;

/** `a.b[0].c`, `labels["a.b"]`; a leading `$.` starts at the payload instead of at the entry of `each`. */
const path = () => z.string().transform((text, context) => attempt(context, text, () => parsePath(text)));

/** A path, or a text with paths in braces (`{repo.name} failed`), or `{ text: … }` for a text that is always the same. */
const field = () =>
  z.union([
    z.string().transform((text, context) => attempt(context, text, () => parseTemplate(text))),
    z.strictObject({ text: z.string() }).transform(({ text }): Template => [text]),
  ]);

const severity = z.enum(SEVERITIES);
const word = z.union([z.string(), z.number(), z.boolean()]).transform(String);

const config = z.strictObject({
  source: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .meta({ title: 'Source', description: "The source of its events; this source's own name unless given." }),
  token: tokenField().optional(),
  each: path().optional().meta({
    title: 'Each',
    description: 'The list to make events of, one per entry; absent: the whole payload is one.',
  }),
  when: z
    .array(
      z.strictObject({ path: path(), is: z.array(word).min(1).optional(), is_not: z.array(word).min(1).optional() }),
    )
    .optional()
    .meta({ title: 'When', description: 'Only entries for which all of these hold; the others are left alone.' }),
  /** Not `type`: in tocsin.yaml that word says which source this is. */
  event_type: field(),
  title: field(),
  id: field().optional(),
  body: field().optional(),
  service: field().optional(),
  dedup_key: field().optional(),
  trace_id: field().optional(),
  request_id: field().optional(),
  occurred_at: field().optional(),
  components: z.array(field()).optional(),
  assignees: z.array(field()).optional(),
  labels: z.record(z.string().min(1), field()).optional(),
  links: z.array(z.strictObject({ title: field(), url: field() })).optional(),
  context: path().optional(),
  severity: z
    .union([
      severity.transform((always) => ({ path: undefined, map: {} as Record<string, Severity>, default: always })),
      z.strictObject({
        path: path(),
        map: z.record(z.string(), severity).default({}),
        default: severity.default('info'),
      }),
    ])
    .default({ path: undefined, map: {}, default: 'info' }),
  status: z.strictObject({ path: path(), resolved: z.array(word).min(1) }).optional(),
  expire: duration().optional(),
});
type Config = z.output<typeof config>;

export const mapping = defineSource({
  id: 'mapping',
  name: 'Mapping',
  setup:
    'Say for each field of an event where it is found in what the sender posts. A payload on which the mapping fails is kept, and told as mapping_failed.',
  config,
  verify: (_raw, headers, { token }) => refuseWithoutToken(headers, token),

  normalise(payload, { name, config, now, raw }) {
    const posted = { name, config, text: raw?.toString('utf8') ?? JSON.stringify(payload) ?? 'null', now };
    const entries = config.each ? read(config.each, payload, payload) : [payload];
    const events: Event[] = [];
    const rejected: { index: number; problem: string }[] = [];
    if (!Array.isArray(entries)) {
      rejected.push({ index: 0, problem: 'the path in each does not lead to a list' });
      return withTidings({ events, rejected }, posted);
    }
    entries.forEach((entry: unknown, index) => {
      if (!(config.when ?? []).every((condition) => holds(condition, payload, entry))) return;
      const event = eventOf(payload, entry, config, config.source ?? name, now);
      if (typeof event === 'string') rejected.push({ index, problem: event });
      else events.push(event);
    });
    return withTidings({ events, rejected }, posted);
  },
});

/** The event, or what is missing for one. */
function eventOf(payload: unknown, entry: unknown, config: Config, source: string, now: Date): Event | string {
  const say = (template: Template | undefined): string => (template ? fill(template, payload, entry).trim() : '');
  const all = (templates: Template[] | undefined): string[] => (templates ?? []).map(say).filter((text) => text !== '');

  const type = say(config.event_type);
  const title = say(config.title);
  if (type === '') return 'the mapping finds no type';
  if (title === '') return 'the mapping finds no title';
  const { found, word } = severityIn(payload, entry, config.severity);
  const isResolved = config.status?.resolved.includes(textOf(read(config.status.path, payload, entry))) ?? false;
  const event: Event = {
    id: say(config.id) || crypto.randomUUID(),
    source,
    type,
    title,
    severity: found,
    components: all(config.components),
    labels: {},
    assignees: all(config.assignees),
    links: (config.links ?? []).map((link) => ({ title: say(link.title), url: say(link.url) })),
    status: isResolved ? 'resolved' : 'firing',
  };
  for (const [name, template] of Object.entries(config.labels ?? {})) {
    const value = say(template);
    if (value !== '') event.labels[name] = value;
  }
  if (word !== '' && word !== found) event.severity_word = word;
  for (const name of ['body', 'service', 'dedup_key', 'trace_id', 'request_id'] as const) {
    const value = say(config[name]);
    if (value !== '') event[name] = value;
  }
  const occurred_at = timeOf(say(config.occurred_at));
  if (occurred_at) event.occurred_at = occurred_at;
  const context = config.context && read(config.context, payload, entry);
  if (context !== undefined && context !== null) event.context = context as Json;
  if (config.expire !== undefined && !isResolved)
    event.expires_at = new Date(now.getTime() + config.expire).toISOString();
  return fitted(event);
}

function severityIn(
  payload: unknown,
  entry: unknown,
  { path, map, default: otherwise }: Config['severity'],
): { found: Severity; word: string } {
  const word = path ? textOf(read(path, payload, entry)) : '';
  const mapped = Object.hasOwn(map, word) ? map[word] : undefined;
  return { found: mapped ?? severityOf(word) ?? otherwise, word };
}

function holds({ path, is, is_not }: NonNullable<Config['when']>[number], payload: unknown, entry: unknown): boolean {
  const value = textOf(read(path, payload, entry));
  if (is === undefined && is_not === undefined) return value !== '';
  return (is === undefined || is.includes(value)) && !is_not?.includes(value);
}

/** The value at a path: own properties of objects and entries of lists only, so no path reaches a prototype or a length. */
function read({ root, steps }: Path, payload: unknown, entry: unknown): unknown {
  let value: unknown = root ? payload : entry;
  for (const step of steps) {
    if (typeof value !== 'object' || value === null) return undefined;
    if (Array.isArray(value) !== (typeof step === 'number') || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

const fill = (template: Template, payload: unknown, entry: unknown): string =>
  template.map((part) => (typeof part === 'string' ? part : textOf(read(part, payload, entry)))).join('');

/** What an object reads like: written once, though every entry of a payload may point to the same one. */
const written = new WeakMap<object, string>();

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'object') return String(value).slice(0, FOUND_MAX + 1);
  const text = written.get(value) ?? JSON.stringify(tidied(value, LIMITS.contextDepth)).slice(0, FOUND_MAX + 1);
  written.set(value, text);
  return text;
}

function parsePath(text: string): Path {
  const trimmed = text.trim();
  const root = trimmed === '$' || trimmed.startsWith('$.') || trimmed.startsWith('$[');
  let rest = root ? trimmed.slice(1) : trimmed;
  if (!root && rest !== '' && !rest.startsWith('[')) rest = `.${rest}`;
  const steps: (string | number)[] = [];
  while (rest !== '') {
    const found = /^(?:\.([^.[\]{}"\s]+)|\[(\d{1,6})\]|\["([^"]+)"\])/.exec(rest);
    if (!found) throw new Error(`not a path such as a.b[0].c or a["b.c"], at ${JSON.stringify(rest.slice(0, 20))}`);
    const [whole, name, index, quoted] = found;
    steps.push(index === undefined ? (name ?? quoted ?? '') : Number(index));
    rest = rest.slice(whole.length);
  }
  if (steps.length > STEPS_MAX) throw new Error(`a path of more than ${STEPS_MAX} steps`);
  if (steps.length === 0 && !root) throw new Error('an empty path');
  return { root, steps };
}

/** Without braces the whole text is a path; with them it is a template, in which `{{` stands for a brace. */
function parseTemplate(text: string): Template {
  if (!text.includes('{')) return [parsePath(text)];
  const parts: Template = [];
  for (let at = 0; at < text.length; ) {
    const brace = text.indexOf('{', at);
    if (brace < 0) {
      parts.push(text.slice(at));
      break;
    }
    if (brace > at) parts.push(text.slice(at, brace));
    if (text.charAt(brace + 1) === '{') {
      parts.push('{');
      at = brace + 2;
      continue;
    }
    const end = text.indexOf('}', brace);
    if (end < 0) throw new Error(`the brace at character ${brace + 1} is never closed`);
    parts.push(parsePath(text.slice(brace + 1, end)));
    at = end + 1;
  }
  return parts;
}

function attempt<T>(context: z.RefinementCtx, input: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error), input });
    return z.NEVER;
  }
}
