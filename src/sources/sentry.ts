/** Sentry's integration platform webhooks: https://docs.sentry.io/integrations/integration-platform/webhooks/ */
import { z } from 'zod';
import { type Event, type Labels, type Severity, severityOf } from '../core/event.ts';
import { objectIn, textIn } from '../core/unchecked.ts';
import {
  defineSource,
  digestOf,
  duration,
  fitted,
  type Headers,
  headerOf,
  hmacOf,
  isSame,
  REPLAY_MS,
  refuseUnlessFresh,
  TEST_EXPIRE_MS,
  timeOf,
} from './source.ts';

const config = z.strictObject({
  source: z.string().min(1).max(128).default('sentry').meta({
    title: 'Source',
    description: 'The source of its events.',
  }),
  secret: z.string().min(16).meta({
    title: 'Secret',
    description: 'The client secret of the internal integration: Sentry signs with it, and can show no key.',
    writeOnly: true,
  }),
  new_issues: z.boolean().default(true).meta({
    title: 'New issues',
    description:
      'Whether each issue that is new or opened again is an alert. Set to false, only what alert rules send is, and issues only resolve.',
  }),
  expire: duration().optional().meta({
    title: 'Expire',
    description: 'A firing alert not heard of again for so long counts as resolved. Absent: never.',
  }),
});
type Config = z.output<typeof config>;
type Fields = Record<string, unknown>;

/** An event, or why there is none. */
type Outcome = Event | string;

export const sentry = defineSource({
  id: 'sentry',
  name: 'Sentry',
  setup:
    'Add an internal integration with this source as its webhook URL, Alert Rule Action on, and the webhook issue for resolves; its client secret is the secret here.',
  config,
  verify: (raw, headers, { secret }, now) => refuseUnlessSigned(raw, headers, secret, now),

  normalise(payload, { config, now }) {
    const outcome = read(objectIn(payload), config, now);
    return typeof outcome === 'string'
      ? { events: [], rejected: [{ index: 0, problem: outcome }] }
      : { events: [fitted(outcome)], rejected: [] };
  },
});

/** The signature covers the body alone, so the time beside it keeps out only a copy that is sent as it was kept. */
function refuseUnlessSigned(raw: Buffer, headers: Headers, secret: string, now: Date): string | undefined {
  if (!isSame(headerOf(headers, 'sentry-hook-signature'), hmacOf(secret, raw)))
    return 'the signature is missing or wrong';
  const seconds = headerOf(headers, 'sentry-hook-timestamp');
  return seconds === '' ? undefined : refuseUnlessFresh(seconds, now);
}

/** Which resource it is, is told by what is in it: the header that says so is not signed. */
function read(message: Fields, config: Config, now: Date): Outcome {
  const data = objectIn(message.data);
  const action = textIn(message.action);
  if (isObject(data.metric_alert)) return metricAlert(action, data, config, now);
  if (isObject(data.event)) return eventAlert(action, data, config, now);
  if (isObject(data.issue)) return issue(action, data, config, now);
  if (isObject(data.installation)) return 'Sentry says that the integration was installed or removed: that is no alert';
  if (isObject(data.error)) return 'each single error of Sentry is no alert: subscribe to issue, or use an alert rule';
  if (typeof message.event === 'object' || message.project_slug !== undefined)
    return 'a message of the old WebHooks plugin: use an internal integration';
  return 'a resource of Sentry that is no alert';
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

/** An alert rule has seen an event of an issue. */
function eventAlert(action: string, data: Fields, config: Config, now: Date): Outcome {
  const event = objectIn(data.event);
  const issueId = textIn(event.issue_id) || segment(event.issue_url, /\/issues\/(\d{1,40})(?:\/|$)/);
  if (action !== 'triggered') return `an alert rule that is ${brief(action)} is no alert`;
  if (issueId === '') return 'an alert without the id of its issue';
  const rule = textIn(data.triggered_rule) || textIn(objectIn(data.issue_alert).title);
  const tags = tagsIn(event.tags);
  const title = textIn(event.title) || textIn(event.message) || rule;
  const labels: Labels = {
    ...tags,
    project: segment(event.url, /\/projects\/[\w.-]{1,100}\/([\w.-]{1,100})\//) || textIn(event.project),
    organization: organisationIn(event.web_url) || segment(event.url, /\/projects\/([\w.-]{1,100})\//),
    environment: textIn(event.environment) || (tags.environment ?? ''),
    release: textIn(event.release) || (tags.release ?? ''),
    platform: textIn(event.platform),
    rule,
  };
  return alert(config, now, {
    id: `event/${digestOf([issueId, textIn(event.event_id), rule])}`,
    key: `issue/${issueId}`,
    type: 'event_alert',
    title,
    level: textIn(event.level),
    body: [textIn(event.culprit), textIn(event.message)].filter((text) => text !== '' && text !== title).join('\n'),
    labels,
    url: textIn(event.web_url),
    status: 'firing',
    at: textIn(event.datetime) || textIn(event.timestamp),
    isTest: tags.sample_event === 'yes',
  });
}

/** What happened to an issue; undefined stands for what opens and ends nothing. */
const ISSUE_ACTIONS: Readonly<Record<string, Event['status']>> = {
  created: 'firing',
  unresolved: 'firing',
  /** Of activity alerts: a rule has seen what happened to the issue. */
  triggered: 'firing',
  resolved: 'resolved',
  archived: 'resolved',
  /** As archived was called before. */
  ignored: 'resolved',
};

function issue(action: string, data: Fields, config: Config, now: Date): Outcome {
  const found = objectIn(data.issue);
  const status = Object.hasOwn(ISSUE_ACTIONS, action) ? ISSUE_ACTIONS[action] : undefined;
  const id = textIn(found.id);
  if (status === undefined) return `an issue that is ${brief(action)} opens and ends no alert`;
  if (id === '') return 'an issue without an id';
  if (status === 'firing' && action !== 'triggered' && !config.new_issues)
    return 'new_issues is false: only alert rules open alerts';
  const project = objectIn(found.project);
  const [lastSeen, count] = [textIn(found.lastSeen), textIn(found.count)];
  const url = textIn(found.web_url) || textIn(found.permalink);
  const assigned = objectIn(found.assignedTo);
  const assignee = textIn(assigned.email) || textIn(assigned.name);
  const made = alert(config, now, {
    id: `issue/${digestOf([id, action, lastSeen, count, slot(now)])}`,
    key: `issue/${id}`,
    type: 'issue',
    title: textIn(found.title) || textIn(found.shortId) || `issue ${id}`,
    level: textIn(found.level),
    body: textIn(found.culprit),
    labels: {
      project: textIn(project.slug) || textIn(project.name),
      organization: organisationIn(url),
      platform: textIn(found.platform),
      issue: textIn(found.shortId),
      substatus: textIn(found.substatus),
    },
    url,
    status,
    // An issue says when it was last seen, not when somebody resolved it.
    at: status === 'firing' ? lastSeen : '',
  });
  return assignee ? { ...made, assignees: [assignee] } : made;
}

const METRIC_ACTIONS: Readonly<Record<string, Severity | 'resolved'>> = {
  critical: 'critical',
  warning: 'warning',
  resolved: 'resolved',
};

function metricAlert(action: string, data: Fields, config: Config, now: Date): Outcome {
  const state = Object.hasOwn(METRIC_ACTIONS, action) ? METRIC_ACTIONS[action] : undefined;
  if (state === undefined) return `a metric alert that is ${brief(action)} is neither critical, warning nor resolved`;
  const incident = objectIn(data.metric_alert);
  const rule = objectIn(incident.alert_rule);
  const organisation = textIn(incident.organization_id) || textIn(rule.organization_id);
  const name = textIn(rule.id) ? `rule/${textIn(rule.id)}` : `incident/${textIn(incident.id)}`;
  if (name === 'incident/') return 'a metric alert without an id';
  const projects = Array.isArray(incident.projects) ? incident.projects.map(textIn).filter((slug) => slug !== '') : [];
  const [started, closed] = [textIn(incident.date_started), textIn(incident.date_closed)];
  return alert(config, now, {
    id: `metric/${digestOf([organisation, name, textIn(incident.id), action, started, closed, slot(now)])}`,
    key: `metric/${organisation}/${name}`,
    type: 'metric_alert',
    title: textIn(rule.name) || textIn(data.description_title) || textIn(incident.title) || 'Metric alert',
    level: state === 'resolved' ? '' : state,
    body: textIn(data.description_text),
    labels: {
      // One project is a label to match on; a list of several is none.
      project: projects.length === 1 ? (projects[0] ?? '') : '',
      organization: organisationIn(data.web_url),
      environment: textIn(rule.environment),
      rule: textIn(rule.name),
    },
    components: projects.length > 1 ? projects : [],
    url: textIn(data.web_url),
    status: state === 'resolved' ? 'resolved' : 'firing',
    at: state === 'resolved' ? closed : started,
  });
}

interface Parts {
  id: string;
  key: string;
  type: string;
  title: string;
  level: string;
  body: string;
  labels: Labels;
  components?: string[];
  url: string;
  status: Event['status'];
  at: string;
  /** An event that Sentry has made up, of the button Send Test Notification. */
  isTest?: boolean;
}

function alert({ source, expire }: Config, now: Date, parts: Parts): Event {
  const labels = Object.fromEntries(Object.entries(parts.labels).filter(([, value]) => value !== ''));
  const event: Event = {
    id: parts.id,
    source,
    type: parts.type,
    title: parts.title || parts.key,
    severity: parts.isTest ? 'info' : (severityOf(parts.level) ?? (parts.status === 'firing' ? 'error' : 'info')),
    components: parts.components ?? [],
    labels,
    assignees: [],
    links: parts.url ? [{ title: 'Sentry', url: parts.url }] : [],
    status: parts.status,
    dedup_key: parts.key,
  };
  if (parts.level && parts.level !== event.severity && !parts.isTest) event.severity_word = parts.level;
  if (parts.body) event.body = parts.body;
  if (labels.project) event.service = labels.project;
  const occurred_at = timeOf(parts.at);
  if (occurred_at) event.occurred_at = occurred_at;
  const expire_ms = parts.isTest ? TEST_EXPIRE_MS : expire;
  if (expire_ms !== undefined && parts.status === 'firing')
    event.expires_at = new Date(now.getTime() + expire_ms).toISOString();
  return event;
}

/** Tags are pairs, or objects with a key and a value. Who it happened to is nobody's business in a page. */
function tagsIn(value: unknown): Labels {
  const tags: Labels = {};
  for (const tag of Array.isArray(value) ? value.slice(0, TAGS_MAX) : []) {
    const [name, said] = Array.isArray(tag) ? tag : [objectIn(tag).key, objectIn(tag).value];
    const label = textIn(name);
    if (label !== '' && !PRIVATE.test(label) && label !== '__proto__') tags[label] = textIn(said);
  }
  return tags;
}
/** More than an event keeps; fitted() cuts to that. */
const TAGS_MAX = 200;
const PRIVATE = /^(?:user|level$)/;

/** In the path, or before sentry.io: each organisation has an address of its own there, and each region too. */
const organisationIn = (address: unknown): string =>
  segment(address, /\/organizations\/([\w.-]{1,100})\//) ||
  segment(address, /^https:\/\/(?!(?:us|de)\.)([\w-]{1,100})\.sentry\.io\//);

/** What a pattern finds in an address; empty where it finds nothing. */
const segment = (address: unknown, pattern: RegExp): string =>
  pattern.exec(textIn(address).slice(0, ADDRESS_MAX))?.[1] ?? '';
const ADDRESS_MAX = 2_048;

/** A copy of a message is a duplicate for as long as one is taken; the same thing happening again later is not. */
const slot = (now: Date): number => Math.floor(now.getTime() / REPLAY_MS);

const brief = (action: string): string => (/^\w{1,40}$/.test(action) ? action : 'of no known kind');
