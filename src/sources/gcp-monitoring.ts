/** Google Cloud Monitoring's webhook, versions 1.1 and 1.2: https://cloud.google.com/monitoring/support/notification-options#webhooks */
import { z } from 'zod';
import { type Event, type Link, SEVERITIES, type Severity, severityOf } from '../core/event.ts';
import {
  addressTokenField,
  defineSource,
  fitted,
  refuseWithoutToken,
  TEST_EXPIRE_MS,
  textsIn,
  timeOf,
} from './source.ts';

const config = z.strictObject({
  source: z.string().min(1).max(128).default('gcp-monitoring').meta({
    title: 'Source',
    description: 'The source of its events.',
  }),
  severity: z.enum(SEVERITIES).default('error').meta({
    title: 'Severity',
    description: 'Of incidents whose policy has no severity.',
  }),
  token: addressTokenField().optional(),
});
type Config = z.output<typeof config>;

const text = z.string().trim().catch('');
const number = z.union([z.number(), z.string()]).transform(String).catch('');
const Resource = z.object({ type: text, labels: z.unknown().optional() }).catch({ type: '', labels: undefined });
/** The test message has a plain text for the documentation. */
const Documentation = z
  .union([
    z.string().transform((content) => ({ content, subject: '', links: [] as unknown[] })),
    z.object({ content: text, subject: text, links: z.array(z.unknown()).catch([]) }),
  ])
  .catch({ content: '', subject: '', links: [] });
const DocumentLink = z.object({ displayName: text, url: z.string() });

/** Only what is used, everything optional: 1.1 has less than 1.2, and the test message less than either. */
const Incident = z.object({
  incident_id: text,
  state: text,
  started_at: number,
  ended_at: number,
  summary: text,
  severity: text,
  policy_name: text,
  condition_name: text,
  scoping_project_id: text,
  resource_name: text,
  resource_display_name: text,
  resource: Resource,
  metric: Resource,
  metadata: z.object({ user_labels: z.unknown().optional() }).catch({ user_labels: undefined }),
  policy_user_labels: z.unknown().optional(),
  documentation: Documentation,
  observed_value: number,
  threshold_value: number,
  url: text,
});
type Incident = z.output<typeof Incident>;
const Payload = z.object({ incident: Incident, version: text });

const STATES: Readonly<Record<string, Event['status']>> = {
  open: 'firing',
  acknowledged: 'firing',
  closed: 'resolved',
};

export const gcpMonitoring = defineSource({
  id: 'gcp-monitoring',
  name: 'Google Cloud Monitoring',
  setup:
    'Add a webhook notification channel whose URL is this source, with a token of its own in it (?auth_token=…) or basic authentication.',
  config,
  verify: (_raw, headers, { token }, _now, query) => refuseWithoutToken(headers, token, query),

  normalise(payload, { config, now }) {
    const refused = (problem: string) => ({ events: [], rejected: [{ index: 0, problem }] });
    const message = Payload.safeParse(payload);
    if (!message.success) return refused('not a message of Cloud Monitoring: it has no object called incident');
    const { incident, version } = message.data;
    if (incident.incident_id === '') return refused('the incident has no incident_id: nothing would end it');
    const state = incident.state.toLowerCase();
    const status = Object.hasOwn(STATES, state) ? STATES[state] : undefined;
    if (status === undefined) return refused('the state of the incident is neither open nor closed');
    const event = eventOf(incident, state, status, config, now);
    return { events: [version === 'test' ? passing(event, now) : event], rejected: [] };
  },
});

function eventOf(incident: Incident, state: string, status: Event['status'], config: Config, now: Date): Event {
  const { documentation, resource, metric } = incident;
  const userLabels = { ...textsIn(incident.metadata.user_labels), ...textsIn(incident.policy_user_labels) };
  const type = incident.policy_name || incident.condition_name || 'incident';
  const started = timeOf(incident.started_at);
  const { severity, word } = severityIn(incident.severity || userLabels.severity || '', config.severity);
  const component = incident.resource_display_name || incident.resource_name;
  const event: Event = {
    // The test message is always of the same incident, which never started: it may be sent again a minute later.
    id: [incident.incident_id, state, ...(started ? [] : [Math.floor(now.getTime() / 60_000)])].join('/'),
    source: config.source,
    type,
    title: incident.summary || documentation.subject || [type, incident.condition_name].filter(Boolean).join(': '),
    severity,
    components: component ? [component] : [],
    labels: labelsOf(incident, userLabels),
    assignees: [],
    links: linksOf(incident.url, documentation.links),
    status,
    dedup_key: incident.incident_id,
  };
  if (word !== '' && word !== severity) event.severity_word = word;
  const body = [documentation.content, measuredIn(incident)].filter(Boolean).join('\n\n');
  if (body) event.body = body;
  const own = { ...textsIn(metric.labels), ...textsIn(resource.labels) };
  const service = userLabels.service || own.service_name || own.service;
  if (service) event.service = service;
  const occurred_at = status === 'resolved' ? timeOf(incident.ended_at) : started;
  if (occurred_at) event.occurred_at = occurred_at;
  return fitted(event);
}

/** What the button Send Test Notification sends: nothing ever closes it. */
const passing = ({ severity_word, ...event }: Event, now: Date): Event => ({
  ...event,
  severity: 'info',
  expires_at: new Date(now.getTime() + TEST_EXPIRE_MS).toISOString(),
});

/** In the place of the value stands why there is none, where the policy was changed while the incident was open. */
function measuredIn({ observed_value: value, threshold_value: limit }: Incident): string {
  if (value !== '' && Number.isNaN(Number(value))) return value;
  return [value && `Observed: ${value}`, limit && `threshold: ${limit}`].filter(Boolean).join(', ');
}

/** `No severity` is what a policy without one says. */
function severityIn(word: string, otherwise: Severity): { severity: Severity; word: string } {
  const known = severityOf(word);
  return known ? { severity: known, word } : { severity: otherwise, word: '' };
}

/** What a person has written wins over what Google knows of the resource. */
const labelsOf = (incident: Incident, userLabels: Record<string, string>): Record<string, string> =>
  textsIn({
    ...textsIn(incident.metric.labels),
    ...textsIn(incident.resource.labels),
    project: incident.scoping_project_id,
    policy: incident.policy_name,
    condition: incident.condition_name,
    resource_type: incident.resource.type,
    metric_type: incident.metric.type,
    ...userLabels,
  });

function linksOf(url: string, documented: unknown[]): Link[] {
  const links: Link[] = url ? [{ title: 'Incident', url }] : [];
  for (const entry of documented) {
    const link = DocumentLink.safeParse(entry);
    if (link.success) links.push({ title: link.data.displayName || 'Documentation', url: link.data.url });
  }
  return links;
}
