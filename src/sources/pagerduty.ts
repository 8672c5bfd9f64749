/** PagerDuty's events (v2, changes, and v1), as its senders write them: https://developer.pagerduty.com/docs/events-api-v2-overview */
import { z } from 'zod';
import { type Event, type Json, type Labels, type Link, type Severity, severityOf } from '../core/event.ts';
import { objectIn, textIn } from '../core/unchecked.ts';
import { defineSource, duration, fitted, isSame, textsIn, tidyText, timeOf } from './source.ts';

/** "32 characters": https://developer.pagerduty.com/docs/send-alert-event */
const KEY_LENGTH = 32;
/** 512 KB: https://developer.pagerduty.com/docs/events-api-v2-overview#size-limits */
export const PAGERDUTY_MAX_BYTES = 512_000;
/** https://developer.pagerduty.com/docs/send-alert-event: `dedup_key` */
const DEDUP_KEY_MAX = 255;

const config = z.strictObject({
  source: z.string().min(1).max(128).default('pagerduty').meta({
    title: 'Source',
    description: 'The source of its events. Two keys whose senders may use one dedup_key need two names.',
  }),
  routing_key: z
    .string()
    .regex(/^[A-Za-z0-9]{32}$/, 'expected 32 letters and digits, of your own making')
    .meta({
      title: 'Routing key',
      description: '32 letters and digits that the sender is given as its routing, integration or service key.',
      writeOnly: true,
    }),
  expire: duration().optional().meta({
    title: 'Expire',
    description: 'An alert that is not triggered again for so long counts as resolved. Absent: never.',
  }),
});
type Config = z.output<typeof config>;

export const pagerduty = defineSource({
  id: 'pagerduty',
  name: 'PagerDuty events',
  setup:
    'Make up a routing_key of 32 letters and digits, give it to the sender as its key, and Tocsin’s own address in place of https://events.pagerduty.com.',
  config,
  // Only its length is trusted before this: nobody makes us parse more than PagerDuty would.
  verify: (raw, _headers, { routing_key }) =>
    raw.length <= PAGERDUTY_MAX_BYTES && isSame(routingKeyIn(parsedOrNothing(raw)), routing_key)
      ? undefined
      : 'the routing key is missing or wrong',

  normalise(payload, { config, now }) {
    const read = readAlert(fromV1(payload));
    if ('problems' in read) return { events: [], rejected: [{ index: 0, problem: read.problems.join(', ') }] };
    if (read.action === 'acknowledge')
      return { events: [], rejected: [{ index: 0, problem: 'acknowledgements are taken at /v2/enqueue' }] };
    return { events: [alertEvent(read, config, now)], rejected: [] };
  },
});

function parsedOrNothing(raw: Buffer): unknown {
  try {
    return JSON.parse(raw.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** The key that an event shows, in either version; empty where it shows none. */
export function routingKeyIn(payload: unknown): string {
  const { routing_key, service_key } = objectIn(payload);
  return textIn(routing_key) || textIn(service_key);
}

/** What is wrong with a key as such, in PagerDuty's words; nobody's key has to be known for it. */
export const keyProblems = (key: string): string[] => [
  ...(key.length === KEY_LENGTH ? [] : [`Length of 'routing_key' is incorrect (should be ${KEY_LENGTH} characters)`]),
  ...(/^[A-Za-z0-9]*$/.test(key) ? [] : [`'routing_key' cannot contain non-alphanumeric characters.`]),
];

export interface ReadAlert {
  action: 'trigger' | 'acknowledge' | 'resolve';
  /** Made up for a trigger that has none: nothing can name that alert again but its answer. */
  dedup_key: string;
  payload: Record<string, unknown>;
  severity: Severity;
  written: Record<string, unknown>;
}

const ACTIONS: readonly unknown[] = ['trigger', 'acknowledge', 'resolve'] satisfies ReadAlert['action'][];

/** An alert event of version 2, or all that is wrong with it. Words for a severity that everybody knows are taken too. */
export function readAlert(message: unknown): ReadAlert | { problems: string[] } {
  const written = objectIn(message);
  const payload = objectIn(written.payload);
  const action = written.event_action as ReadAlert['action'];
  const dedup_key = tidyText(textIn(written.dedup_key));
  const severity = severityOf(textIn(payload.severity));
  const problems: string[] = [];
  if (!ACTIONS.includes(action))
    problems.push(`'event_action' is missing or invalid (must be one of 'trigger', 'acknowledge' or 'resolve')`);
  else if (action !== 'trigger' && dedup_key === '') problems.push(`'dedup_key' is missing or blank`);
  if ([...dedup_key].length > DEDUP_KEY_MAX)
    problems.push(`'dedup_key' is too long (should be at most ${DEDUP_KEY_MAX} characters)`);
  if (action === 'trigger') {
    problems.push(...missing(payload, ['summary', 'source', 'severity']));
    if (textIn(payload.severity) !== '' && severity === undefined)
      problems.push(
        `'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')`,
      );
  }
  if (problems.length > 0) return { problems };
  return {
    action,
    dedup_key: dedup_key || crypto.randomUUID().replaceAll('-', ''),
    payload,
    severity: severity ?? 'info',
    written,
  };
}

const missing = (payload: Record<string, unknown>, names: string[]): string[] =>
  names.filter((name) => textIn(payload[name]).trim() === '').map((name) => `'payload.${name}' is missing or blank`);

/**
 * The event of a trigger or a resolve. Each gets an id of its own: PagerDuty's have none, and the same words may be a
 * repetition or the next occurrence, which is for the ledger to tell by the dedup_key. For the same reason a trigger's own
 * timestamp orders nothing: resolves have none to compare it with, so that it is kept beside the details.
 */
export function alertEvent(
  { action, dedup_key, payload, severity, written }: ReadAlert,
  config: Config,
  now: Date,
): Event {
  const say = (name: string): string => textIn(payload[name]).trim();
  const labels = labelsIn(payload, written);
  const isFiring = action !== 'resolve';
  const event: Event = {
    id: crypto.randomUUID(),
    source: config.source,
    type: say('class') || say('group') || 'alert',
    title: say('summary') || 'Resolved',
    severity,
    components: say('source') ? [say('source')] : [],
    labels,
    assignees: [],
    links: linksIn(written),
    status: isFiring ? 'firing' : 'resolved',
    dedup_key,
    ...contextIn(payload),
  };
  if (say('severity') && say('severity') !== severity) event.severity_word = say('severity');
  const service = labels.service || say('component');
  if (service) event.service = service;
  if (isFiring && config.expire !== undefined) event.expires_at = new Date(now.getTime() + config.expire).toISOString();
  return fitted(event);
}

/** A change event: something was done, nobody has to act on it, and nothing follows. Or all that is wrong with it. */
export function changeEvent(message: unknown, config: Config): Event | { problems: string[] } {
  const written = objectIn(message);
  const payload = objectIn(written.payload);
  const problems = missing(payload, ['summary']);
  if (problems.length > 0) return { problems };
  const labels = labelsIn(payload, written);
  const from = textIn(payload.source).trim();
  const event: Event = {
    id: crypto.randomUUID(),
    source: config.source,
    type: 'change',
    title: textIn(payload.summary).trim(),
    severity: 'info',
    components: from ? [from] : [],
    labels,
    assignees: [],
    links: linksIn(written),
    status: 'firing',
    ...contextIn(payload),
  };
  if (labels.service) event.service = labels.service;
  const occurred_at = timeOf(textIn(payload.timestamp));
  if (occurred_at) event.occurred_at = occurred_at;
  return fitted(event);
}

/** Details that are as short as labels are, so that routes can match them; over them what PagerDuty's own fields say. */
function labelsIn(payload: Record<string, unknown>, { client }: Record<string, unknown>): Labels {
  const short = Object.entries(textsIn(payload.custom_details)).filter(
    ([, value]) => value.length <= LABEL_MAX && !value.includes('\n'),
  );
  const { component, group, class: kind } = payload;
  return { ...Object.fromEntries(short), ...textsIn({ component, group, class: kind, client }) };
}
/** What is longer is a text to read, and stays in the context. */
const LABEL_MAX = 256;

function contextIn({ custom_details, timestamp }: Record<string, unknown>): Pick<Event, 'context' | 'body'> {
  const at = textIn(timestamp);
  const isText = typeof custom_details === 'string';
  const kept = {
    ...(custom_details === undefined || custom_details === null || isText
      ? {}
      : { custom_details: custom_details as Json }),
    ...(at === '' ? {} : { timestamp: at }),
  };
  return {
    ...(isText && custom_details !== '' ? { body: custom_details } : {}),
    ...(Object.keys(kept).length === 0 ? {} : { context: kept }),
  };
}

/** The sender's own page, then its links, then its images. */
function linksIn({ client, client_url, links, images }: Record<string, unknown>): Link[] {
  const many = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.map(objectIn) : []);
  const all = [
    { title: textIn(client) || 'Sender', url: textIn(client_url) },
    ...many(links).map(({ href, text }) => ({ title: textIn(text) || 'Link', url: textIn(href) })),
    ...many(images).map(({ src, href, alt }) => ({ title: textIn(alt) || 'Image', url: textIn(href) || textIn(src) })),
  ];
  return all.filter(({ url }, at) => url !== '' && all.findIndex((other) => other.url === url) === at);
}

/**
 * An event of version 1 in the form of version 2 (https://developer.pagerduty.com/docs/events-api-v1-overview); whatever else
 * as it is. Version 1 knows no severity: what is triggered by it pages.
 */
export function fromV1(message: unknown): unknown {
  const { service_key, event_type, incident_key, description, details, client, client_url, contexts } =
    objectIn(message);
  if (service_key === undefined && event_type === undefined) return message;
  const shown = (Array.isArray(contexts) ? contexts : []).map(objectIn);
  return {
    routing_key: service_key,
    event_action: event_type,
    dedup_key: incident_key,
    payload: {
      summary: description,
      source: textIn(client) || 'unknown',
      severity: 'error',
      custom_details: details,
    },
    client,
    client_url,
    links: shown.filter(({ type }) => type === 'link'),
    images: shown.filter(({ type }) => type === 'image'),
  };
}
