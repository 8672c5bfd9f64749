/** Opsgenie's alert API, as its clients write to it: https://docs.opsgenie.com/docs/alert-api (Opsgenie itself ends on 2027-04-05). */
import { z } from 'zod';
import type { Event, Json, Labels, Severity } from '../core/event.ts';
import { objectIn, textIn } from '../core/unchecked.ts';
import {
  defineSource,
  duration,
  fitted,
  type Headers,
  headerOf,
  isSame,
  isWebLink,
  lengthOf,
  textsIn,
  tidyText,
} from './source.ts';

/** The same page, Create Alert: `alias`. */
export const ALIAS_MAX = 512;

const config = z.strictObject({
  source: z.string().min(1).max(128).default('opsgenie').meta({
    title: 'Source',
    description: 'The source of its events. Two keys whose senders may use one alias need two names.',
  }),
  api_key: z
    .string()
    .min(16)
    .max(128)
    .regex(/^[\x21-\x7e]+$/, 'expected letters, digits and signs without a space')
    .meta({
      title: 'API key',
      description: 'Of your own making, such as a UUID. The sender shows it as `authorization: GenieKey …`.',
      writeOnly: true,
    }),
  expire: duration().optional().meta({
    title: 'Expire',
    description: 'An alert that is not created again for so long counts as resolved. Absent: never.',
  }),
});
type Config = z.output<typeof config>;

export const opsgenie = defineSource({
  id: 'opsgenie',
  name: 'Opsgenie alerts',
  setup:
    'Make up an api_key, give it to the sender as its Opsgenie API key, and Tocsin’s own address in place of https://api.opsgenie.com.',
  config,
  verify: (_raw, headers, { api_key }) =>
    isSame(genieKeyIn(headers), api_key) ? undefined : 'the API key is missing or wrong',

  normalise(payload, { config, now }) {
    const event = createdEvent(payload, config, now);
    return 'problems' in event
      ? { events: [], rejected: [{ index: 0, problem: event.problems.join(', ') }] }
      : { events: [event], rejected: [] };
  },
});

/** The key of `authorization: GenieKey …`; empty where there is none. */
export function genieKeyIn(headers: Headers): string {
  const [scheme = '', key = '', ...more] = headerOf(headers, 'authorization').split(' ');
  return scheme.toLowerCase() === 'geniekey' && more.length === 0 ? key : '';
}

/** Opsgenie's five words, from the worst to the mildest. */
const PRIORITIES: Readonly<Record<string, Severity>> = {
  P1: 'critical',
  P2: 'error',
  P3: 'warning',
  P4: 'info',
  P5: 'info',
};
/** The same page, Create Alert: `priority`. */
const USUAL_PRIORITY = 'P3';

const NO_PRIORITY = `priority must be one of ${Object.keys(PRIORITIES).join(', ')}`;

/** Our severity for a priority; undefined for what is none. */
const severityIn = (priority: unknown): Severity | undefined => {
  const word = priority === undefined || priority === null || priority === '' ? USUAL_PRIORITY : textIn(priority);
  return Object.hasOwn(PRIORITIES, word) ? PRIORITIES[word] : undefined;
};

/** The priority that an event had, or the one that is nearest to what it says now. */
export const priorityOf = ({ severity, severity_word = '' }: Event): string =>
  Object.hasOwn(PRIORITIES, severity_word)
    ? severity_word
    : (Object.entries(PRIORITIES).find(([, ours]) => ours === severity)?.[0] ?? USUAL_PRIORITY);

/**
 * The event of an alert that is created, or all that is wrong with it. What is longer than Opsgenie takes is cut to what an
 * event keeps. Each gets an id of its own: whether it is the same alert again is for the ledger to tell, by the alias.
 */
export function createdEvent(payload: unknown, config: Config, now: Date): Event | { problems: string[] } {
  const written = objectIn(payload);
  const say = (name: string): string => textIn(written[name]).trim();
  const severity = severityIn(written.priority);
  const problems = [
    ...(say('message') === '' ? ['message cannot be empty'] : []),
    ...(lengthOf(say('alias')) > ALIAS_MAX ? [`alias cannot be longer than ${ALIAS_MAX} characters`] : []),
    ...(severity === undefined ? [NO_PRIORITY] : []),
  ];
  if (severity === undefined || problems.length > 0) return { problems };
  const details = textsIn(written.details);
  const tags = listIn(written.tags).map(textIn).filter(Boolean);
  const event: Event = {
    id: crypto.randomUUID(),
    source: config.source,
    type: details.alertname || details.type || 'alert',
    title: say('message'),
    severity,
    components: say('entity') ? [say('entity')] : [],
    labels: { ...tagLabels(tags), ...details },
    assignees: assigneesIn(written.responders),
    links: isWebLink(say('source')) ? [{ title: 'Sender', url: say('source') }] : [],
    status: 'firing',
    dedup_key: aliasOf(say('alias')) || crypto.randomUUID(),
    context: contextIn(written, details, tags),
  };
  if (say('priority')) event.severity_word = say('priority');
  if (say('description')) event.body = say('description');
  const service = details.service || say('entity');
  if (service) event.service = service;
  if (config.expire !== undefined) event.expires_at = new Date(now.getTime() + config.expire).toISOString();
  return fitted(event);
}

/** An alias as it is kept: what names an alert has to be written as it was when it was made. */
export const aliasOf = (text: string): string => tidyText(text.trim());

/** The end of the alert of this alias; `before` is what it fired with, so that both take the same routes. */
export function closedEvent(alias: string, { source }: Config, before?: Event): Event {
  return fitted({
    type: before?.type ?? 'alert',
    title: before?.title ?? 'Closed',
    severity: before?.severity ?? 'info',
    ...(before?.service === undefined ? {} : { service: before.service }),
    components: before?.components ?? [],
    labels: before?.labels ?? {},
    id: crypto.randomUUID(),
    source,
    assignees: [],
    links: [],
    status: 'resolved',
    dedup_key: alias,
  });
}

const UPDATES = ['message', 'description', 'priority'] as const;
export type Update = (typeof UPDATES)[number];
export const isUpdate = (word: string): word is Update => (UPDATES as readonly string[]).includes(word);

export interface Wanted {
  field: Update;
  value: string;
  /** What a priority means; the usual one for other fields. */
  severity: Severity;
}

/** What a field is to become, or what is wrong with it. */
export function valueIn(payload: unknown, field: Update): Wanted | { problems: string[] } {
  const value = textIn(objectIn(payload)[field]).trim();
  if (value === '') return { problems: [`${field} cannot be empty`] };
  const severity = severityIn(field === 'priority' ? value : undefined);
  return severity ? { field, value, severity } : { problems: [NO_PRIORITY] };
}

/**
 * The alert as it is said anew with one of its fields changed; undefined where that changes nothing. `now` is when it was seen
 * firing: where it has ended since, the ledger takes this for late, and opens nothing.
 */
export function updatedEvent(before: Event, { field, value, severity }: Wanted, now: Date): Event | undefined {
  const after = fitted(
    field === 'message'
      ? { ...before, title: value }
      : field === 'description'
        ? { ...before, body: value }
        : { ...before, severity, severity_word: value },
  );
  const isSameAs =
    after.title === before.title && after.body === before.body && priorityOf(after) === priorityOf(before);
  return isSameAs ? undefined : { ...after, id: crypto.randomUUID(), occurred_at: now.toISOString() };
}

const listIn = (value: unknown): unknown[] => (Array.isArray(value) ? value.slice(0, ENTRIES_MAX) : []);
/** More than an event keeps; fitted() cuts to that. */
const ENTRIES_MAX = 200;

/** `env:prod` is the label env; a word alone is a label that is true. */
function tagLabels(tags: string[]): Labels {
  return Object.fromEntries(
    tags.map((tag): [string, string] => {
      const at = tag.indexOf(':');
      return at < 1 ? [tag, 'true'] : [tag.slice(0, at).trim(), tag.slice(at + 1).trim()];
    }),
  );
}

const assigneesIn = (responders: unknown): string[] =>
  listIn(responders)
    .map(objectIn)
    .map(({ username, name, id }) => textIn(username) || textIn(name) || textIn(id))
    .filter((one) => one !== '');

/** What has no place of its own: tags as they were written, who may see it, what the sender noted. */
function contextIn(written: Record<string, unknown>, details: Labels, tags: string[]): Json {
  const { actions, source, note, user, visibleTo } = written;
  const kept = { actions, source, note, user, visibleTo } as Record<string, Json | undefined>;
  const given = Object.entries(kept).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return {
    ...(Object.keys(details).length > 0 ? { details } : {}),
    ...(tags.length > 0 ? { tags } : {}),
    ...(Object.fromEntries(given) as { [key: string]: Json }),
  };
}
