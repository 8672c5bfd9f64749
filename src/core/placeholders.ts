/** Placeholders in what an operator writes (`${title}`, `${labels.region}`): a closed list of names, filled from a notice. */
import type { Json } from './event.ts';
import { type Notice, type NoticeAlert, REASONS } from './notice.ts';
import { oneLine, priorityOf, several, toneOf } from './text.ts';

/** One placeholder; `$${` stands for `${` itself. */
const PLACEHOLDER = /\$\$\{|\$\{([^{}]*)\}/g;
const OPENING = '${';
const WHOLE = /^\$\{([^{}]*)\}$/;
/** `labels.` and `context.` take whatever name the sender gave. */
const FREE = /^(labels|context)\.([^{}]{1,128})$/;

const firstOf = ({ alerts }: Notice): NoticeAlert | undefined => alerts[0];
const all = (notice: Notice, value: (alert: NoticeAlert) => readonly string[]): string[] => [
  ...new Set(notice.alerts.flatMap(value)),
];

/** What every name stands for; undefined where this notice has nothing to say to it. */
const NAMES: Record<string, (notice: Notice) => Json | undefined> = {
  id: ({ incident }) => incident.id,
  status: ({ incident }) => incident.status,
  working: ({ incident }) => incident.working,
  severity: ({ incident }) => incident.severity,
  priority: priorityOf,
  title: ({ incident }) => incident.title,
  service: ({ incident }) => incident.service,
  route: ({ incident }) => incident.route,
  url: ({ incident }) => incident.url,
  alert_count: ({ incident }) => incident.alert_count,
  firing_count: ({ incident }) => incident.firing_count,
  opened_at: ({ incident }) => incident.opened_at,
  first_at: ({ incident }) => incident.first_at,
  last_at: ({ incident }) => incident.last_at,
  reason: ({ reason }) => reason,
  why: ({ reason }) => REASONS[reason],
  headline: ({ headline }) => headline,
  lines: ({ lines }) => lines.join('\n'),
  by: ({ by }) => by,
  level: ({ level }) => level,
  type: (notice) => firstOf(notice)?.type,
  source: (notice) => firstOf(notice)?.source,
  body: (notice) => firstOf(notice)?.body,
  trace_id: (notice) => firstOf(notice)?.trace_id,
  request_id: (notice) => firstOf(notice)?.request_id,
  labels: (notice) => firstOf(notice)?.labels,
  context: (notice) => firstOf(notice)?.context,
  components: ({ components }) => components,
  assignees: (notice) => all(notice, ({ assignees }) => assignees),
  links: ({ links }) => links.map(({ title, url }) => ({ title, url })),
  more: ({ more }) => more,
  emoji: (notice) => toneOf(notice).emoji,
  colour: (notice) => toneOf(notice).colour,
  word: (notice) => toneOf(notice).word,
  text: (notice) => {
    const { emoji, word } = toneOf(notice);
    return `${emoji} ${word} ${oneLine(notice.headline)} (${oneLine(notice.incident.id)})`;
  },
  at: ({ at }) => at,
  'delivery.key': ({ delivery }) => delivery.key,
  'delivery.attempt': ({ delivery }) => delivery.attempt,
};

/** Every name, for the documentation; `labels.NAME` and `context.NAME` come besides. */
export const placeholderNames = (): string[] => Object.keys(NAMES);

/** `incident.title` is `title`: both are clear. */
const plainName = (name: string): string => name.trim().replace(/^incident\./, '');
const isKnown = (name: string): boolean => Object.hasOwn(NAMES, plainName(name)) || FREE.test(plainName(name));

/** The first placeholder that names nothing, in words; undefined where all are known. */
export function placeholderProblem(text: string): string | undefined {
  for (const [whole, name] of text.matchAll(PLACEHOLDER)) {
    if (name === undefined || isKnown(name)) continue;
    return `${whole} names nothing: there are ${placeholderNames().join(', ')}, labels.NAME and context.NAME`;
  }
  const rest = text.replace(PLACEHOLDER, '');
  return rest.includes(OPENING) ? `a ${OPENING} is not closed; $${OPENING} stands for ${OPENING} itself` : undefined;
}

/** What one placeholder stands for here. */
function namedValue(name: string, notice: Notice): Json | undefined {
  const plain = plainName(name);
  if (Object.hasOwn(NAMES, plain)) return NAMES[plain]?.(notice);
  const [, where, key = ''] = FREE.exec(plain) ?? [];
  const values = where === 'labels' ? firstOf(notice)?.labels : firstOf(notice)?.context;
  if (typeof values !== 'object' || values === null || Array.isArray(values) || !Object.hasOwn(values, key))
    return undefined;
  return (values as Record<string, Json>)[key];
}

/** A text with every placeholder filled: lists by their first values, objects as JSON, what is unknown as nothing. */
export const filledText = (text: string, notice: Notice): string =>
  text.replace(PLACEHOLDER, (_, name?: string) => (name === undefined ? OPENING : textOf(namedValue(name, notice))));

function textOf(value: Json | undefined): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return several(value);
  return JSON.stringify(value);
}

/** As `filledText`, but a text that is one placeholder and nothing else takes its value as it is: a number, a list, null. */
export function filledValue(text: string, notice: Notice): Json {
  const [, name] = WHOLE.exec(text) ?? [];
  return name === undefined ? filledText(text, notice) : (namedValue(name, notice) ?? null);
}

/** A JSON value with every text inside it filled; the names of its fields stay as they are. */
export function filledJson(template: Json, notice: Notice): Json {
  if (typeof template === 'string') return filledValue(template, notice);
  if (Array.isArray(template)) return template.map((inner) => filledJson(inner, notice));
  if (typeof template !== 'object' || template === null) return template;
  return Object.fromEntries(Object.entries(template).map(([name, inner]) => [name, filledJson(inner, notice)]));
}
