/** Datadog's webhooks, with the payload that is set there: https://docs.datadoghq.com/integrations/webhooks/ */
import { z } from 'zod';
import { type Event, type Labels, type Severity, severityOf } from '../core/event.ts';
import { objectIn, textIn } from '../core/unchecked.ts';
import {
  defineSource,
  digestOf,
  duration,
  fitted,
  refuseWithoutToken,
  TEST_EXPIRE_MS,
  timeOf,
  tokenField,
} from './source.ts';

const config = z.strictObject({
  source: z.string().min(1).max(128).default('datadog').meta({
    title: 'Source',
    description: 'The source of its events.',
  }),
  token: tokenField().optional(),
  expire: duration().optional().meta({
    title: 'Expire',
    description: 'A firing alert not heard of again for so long counts as resolved. Absent: never.',
  }),
});
type Config = z.output<typeof config>;

/** Datadog's five priorities: https://docs.datadoghq.com/monitors/configuration/ */
const PRIORITIES: Readonly<Record<string, Severity>> = {
  P1: 'critical',
  P2: 'error',
  P3: 'warning',
  P4: 'info',
  P5: 'info',
};

/** Tags that are what a label of ours is called by: https://docs.datadoghq.com/getting_started/tagging/unified_service_tagging/ */
const LABELS: Readonly<Record<string, string>> = {
  env: 'environment',
  'git.commit.sha': 'sha',
  'git.branch': 'branch',
};

export const datadog = defineSource({
  id: 'datadog',
  name: 'Datadog',
  setup:
    'Add a webhook whose URL is this source, whose custom headers are {"Authorization": "Bearer …"} with an API key, and whose payload is deploy/datadog-webhook.json; name it in monitors as @webhook-….',
  config,
  verify: (_raw, headers, { token }) => refuseWithoutToken(headers, token),

  normalise(payload, { config, now }) {
    const outcome = eventOf(objectIn(payload), config, now);
    return typeof outcome === 'string'
      ? { events: [], rejected: [{ index: 0, problem: outcome }] }
      : { events: [fitted(outcome)], rejected: [] };
  },
});

/**
 * The event, or why there is none. Datadog's own payload is understood as well as ours, but says neither which alert it is
 * nor its priority: those are taken from the title and the body, as far as they are in them.
 */
function eventOf(message: Record<string, unknown>, config: Config, now: Date): Event | string {
  const say = (name: string): string => filledIn(message[name]);
  const heading = headingOf(say('alert_title') || say('title'));
  if (heading.title === '') return 'not a message of Datadog: it has no title';
  const transition = say('alert_transition') || headingOf(say('title')).transition || heading.transition;
  // Recovered, Warn Recovered, No Data Recovered: each says that it is over.
  const isResolved = /recovered/i.test(transition);
  const isNoData = /no data/i.test(transition) && !isResolved;
  const scope = say('alert_scope') || headingOf(say('title')).scope.slice(1, -1);
  const tags = { ...labelsIn(message.tags), ...labelsIn(scope) };
  const type = say('event_type') || 'alert';
  const body = unmarked(say('body') || say('alert_status'));
  const isTest = TESTED.title.test(heading.title) && TESTED.body.test(body);
  const { severity, word } = isTest
    ? ({ severity: 'info', word: '' } as const)
    : severityIn(say('alert_priority') || heading.priority, say('alert_type'), transition);
  // A test of the recovery must not end what the monitor really has found.
  const key = isTest ? `test/${digestOf(heading.title)}` : keyOf(message, heading.title + heading.scope, transition);
  const date = say('date') || say('last_updated');
  const monitor = monitorIn(body);
  const organisation = objectIn(message.org);
  const event: Event = {
    id: idOf(say('id'), key, transition, date) ?? crypto.randomUUID(),
    source: config.source,
    type,
    title: isNoData ? `${heading.title}: no data` : heading.title,
    severity,
    components: say('hostname') ? [say('hostname')] : [],
    labels: withoutEmpty({
      ...tags,
      monitor: say('alert_id') || monitor.id,
      metric: say('alert_metric'),
      organization: filledIn(organisation.name),
    }),
    assignees: [],
    links: [
      { title: 'Datadog', url: say('link') || monitor.url },
      { title: 'Snapshot', url: say('snapshot') },
    ],
    status: isResolved ? 'resolved' : 'firing',
  };
  if (word !== '' && word !== severity) event.severity_word = word;
  if (body !== '') event.body = body;
  if (tags.service) event.service = tags.service;
  if (key !== undefined) event.dedup_key = key;
  const occurred_at = timeOf(date);
  if (occurred_at) event.occurred_at = occurred_at;
  const expire_ms = isTest ? TEST_EXPIRE_MS : config.expire;
  if (expire_ms !== undefined && !isResolved) event.expires_at = new Date(now.getTime() + expire_ms).toISOString();
  return event;
}

/** How Datadog marks what the button Test Notifications of a monitor sends; a monitor may be called so by its owner. */
const TESTED = { title: /^\[TEST\]/, body: /^Test notification triggered by /m };

/** The monitor that Datadog puts under each message about one; empty where it is about none. */
function monitorIn(body: string): { id: string; url: string } {
  const [, url = '', id = ''] =
    /\[Monitor Status\]\((https:\/\/[\w.-]{1,100}\/monitors[#/](\d{1,20})[^)\s]{0,2000})\)/.exec(body) ?? [];
  return { id, url };
}

/** A text; empty where Datadog had nothing to put in the place of a variable, or does not know the variable. */
function filledIn(value: unknown): string {
  const text = textIn(value).trim();
  return /^(?:\$[A-Z][A-Z_]*|null|None)$/.test(text) ? '' : text;
}

/** Datadog numbers each notification, and sends it again with its number. */
function idOf(id: string, key: string | undefined, transition: string, date: string): string | undefined {
  if (id !== '') return `event/${digestOf([id, transition])}`;
  return key === undefined || date === '' ? undefined : digestOf([key, transition, date]);
}

/**
 * What an alert and its end have in common: the cycle from trigger to recovery, else monitor and scope, else the key that
 * Datadog gathers events by, else the title without what has happened. Undefined where the message is about no monitor.
 */
function keyOf(message: Record<string, unknown>, title: string, transition: string): string | undefined {
  const say = (name: string): string => filledIn(message[name]);
  if (say('alert_cycle_key')) return `cycle/${say('alert_cycle_key')}`;
  if (say('alert_id')) return `monitor/${say('alert_id')}/${digestOf(say('alert_scope') || title)}`;
  if (say('aggreg_key')) return `events/${say('aggreg_key')}`;
  return transition === '' ? undefined : `title/${digestOf(title)}`;
}

/** What Datadog puts before a monitor's name: `[Triggered on {host:web-1}] `, `[P1] [Recovered] `. */
const PRIORITY = /^\[(P[1-5])\]\s*/;
const TRANSITION =
  /^\[((?:Re-)?Triggered|(?:Warn |No Data )?Recovered|Warn|Re-Warn|No Data|Re-No Data|Renotify)(?: on (\{[^{}]{0,1000}\}))?\]\s*/i;

interface Heading {
  title: string;
  transition: string;
  scope: string;
  priority: string;
}

function headingOf(text: string): Heading {
  const whole = text.slice(0, TITLE_MAX);
  const [before = '', first] = PRIORITY.exec(whole) ?? [];
  const [told = '', transition = '', scope = ''] = TRANSITION.exec(whole.slice(before.length)) ?? [];
  const rest = whole.slice(before.length + told.length);
  const [after = '', second] = PRIORITY.exec(rest) ?? [];
  return { title: rest.slice(after.length).trim(), transition, scope, priority: first ?? second ?? '' };
}
/** More than an event keeps, with what is before the title. */
const TITLE_MAX = 4_096;

/** By the priority of the monitor, else by the kind of the alert; a warning is never worse than a warning. */
function severityIn(priority: string, kind: string, transition: string): { severity: Severity; word: string } {
  const ranked = Object.hasOwn(PRIORITIES, priority) ? PRIORITIES[priority] : undefined;
  const isOver = /recovered/i.test(transition) || kind === 'success';
  const severity = ranked ?? severityOf(kind) ?? (isOver || transition === '' ? 'info' : 'error');
  const isMild = /warn/i.test(transition) && !isOver && (severity === 'critical' || severity === 'error');
  return { severity: isMild ? 'warning' : severity, word: ranked ? priority : '' };
}

/** Tags as labels, from `env:production,service:web,monitor` or a list of such. Of a tag given twice the first counts. */
function labelsIn(value: unknown): Labels {
  const labels: Labels = {};
  const written = Array.isArray(value) ? value.slice(0, TAGS_MAX).map(textIn).join(',') : filledIn(value);
  for (const tag of written.split(',', TAGS_MAX)) {
    const at = tag.indexOf(':');
    const name = (at < 0 ? tag : tag.slice(0, at)).trim();
    const label = Object.hasOwn(LABELS, name) ? (LABELS[name] ?? name) : name;
    if (label === '' || label === '*' || label === '__proto__' || Object.hasOwn(labels, label)) continue;
    labels[label] = at < 0 ? 'true' : tag.slice(at + 1).trim();
  }
  return labels;
}
/** More than an event keeps; fitted() cuts to that. */
const TAGS_MAX = 200;

const withoutEmpty = (labels: Labels): Labels =>
  Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''));

/** Datadog puts text with markup between lines of `%%%`. */
const unmarked = (text: string): string =>
  text
    .replace(/^%%%\s*/, '')
    .replace(/%%%$/, '')
    .trim();
