/** Alertmanager's webhook, version 4: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type Event, type Json, type Labels, type Link, severityOf } from '../core/event.ts';
import { defineSource, duration, fitted, refuseWithoutToken, timeOf, tokenField } from './source.ts';

const config = z.strictObject({
  source: z.string().min(1).max(128).default('alertmanager').meta({
    title: 'Source',
    description: 'The source of its events. Two Alertmanagers that send different alerts need two names.',
  }),
  expire: duration().optional().meta({
    title: 'Expire',
    description:
      'A firing alert not heard of again for so long counts as resolved. Absent: 24h, and only where max_alerts cuts messages.',
  }),
  token: tokenField().optional(),
});

/** Where max_alerts cuts a message, the resolve of a cut alert may never come. */
const EXPIRE_MS = 24 * 3_600_000;

/** Alertmanager repeats a firing alert at its repeat_interval, four hours unless set. */
const HEARD_AGAIN_MS = 3_600_000;

const text = z.record(z.string(), z.unknown()).catch({});
/** Only what is used, everything optional: newer versions add fields and templates drop some. */
const Payload = z.object({
  truncatedAlerts: z.number().catch(0),
  externalURL: z.string().catch(''),
  alerts: z.array(z.unknown()),
});
const Alert = z.object({
  status: z.string().catch('firing'),
  labels: text,
  annotations: text,
  startsAt: z.string().catch(''),
  endsAt: z.string().catch(''),
  generatorURL: z.string().catch(''),
  fingerprint: z.string().catch(''),
});

export const alertmanager = defineSource({
  id: 'alertmanager',
  name: 'Alertmanager',
  setup:
    'Add a receiver with webhook_configs whose url is this source, an API key as its bearer token and send_resolved left on.',
  config,
  verify: (_raw, headers, { token }) => refuseWithoutToken(headers, token),

  normalise(payload, { config, now }) {
    const message = Payload.safeParse(payload);
    if (!message.success) {
      return {
        events: [],
        rejected: [{ index: 0, problem: 'not an Alertmanager message: it has no list called alerts' }],
      };
    }
    const { alerts, truncatedAlerts } = message.data;
    const expire_ms = config.expire ?? (truncatedAlerts > 0 ? EXPIRE_MS : undefined);
    const events: Event[] = [];
    const rejected: { index: number; problem: string }[] = [];
    alerts.forEach((entry, index) => {
      const alert = Alert.safeParse(entry);
      if (!alert.success) rejected.push({ index, problem: 'an alert has to be an object with labels' });
      else if (Object.keys(alert.data.labels).length === 0)
        rejected.push({ index, problem: 'an alert without labels cannot be told from others' });
      else events.push(eventOf(alert.data, config.source, expire_ms, now));
    });
    return { events, rejected };
  },
});

function eventOf(alert: z.output<typeof Alert>, source: string, expire_ms: number | undefined, now: Date): Event {
  const labels = texts(alert.labels);
  const { summary, title, message, description, ...annotations } = texts(alert.annotations);
  const fingerprint = alert.fingerprint || fingerprintOf(labels);
  const status = alert.status === 'resolved' ? 'resolved' : 'firing';
  const isFiring = status === 'firing';
  const type = labels.alertname || 'alert';
  const event: Event = {
    // One id for each state of an alert and hour: what is repeated within it is a duplicate. A firing that is heard of again
    // later counts: it keeps the alert from expiring, and opens the next incident where somebody has closed the last.
    id: [fingerprint, alert.startsAt, status, ...(isFiring ? [Math.floor(now.getTime() / HEARD_AGAIN_MS)] : [])].join(
      '/',
    ),
    source,
    type,
    title: summary || title || message || type,
    severity: severityOf(labels.severity ?? '') ?? 'info',
    components: labels.instance ? [labels.instance] : [],
    labels,
    assignees: [],
    links: linksOf(alert.generatorURL, annotations),
    status,
    dedup_key: fingerprint,
  };
  if (labels.severity && labels.severity !== event.severity) event.severity_word = labels.severity;
  if (description) event.body = description;
  if (labels.service) event.service = labels.service;
  if (Object.keys(annotations).length > 0) event.context = { annotations } satisfies Json;
  const occurred_at = timeOf(status === 'resolved' ? alert.endsAt : alert.startsAt);
  // Go writes a time that was never set as the year 1.
  if (occurred_at && !occurred_at.startsWith('0001-')) event.occurred_at = occurred_at;
  if (isFiring && expire_ms !== undefined) event.expires_at = new Date(now.getTime() + expire_ms).toISOString();
  return fitted(event);
}

/** Annotations by which rules point somewhere: the names of the Prometheus mixins and of Grafana. */
const LINKS: [annotation: string, title: string][] = [
  ['runbook_url', 'Runbook'],
  ['runbook', 'Runbook'],
  ['dashboard_url', 'Dashboard'],
  ['dashboard', 'Dashboard'],
];

function linksOf(generatorURL: string, annotations: Labels): Link[] {
  const links: Link[] = generatorURL ? [{ title: 'Source of the alert', url: generatorURL }] : [];
  for (const [annotation, title] of LINKS) {
    const url = annotations[annotation];
    if (url && !links.some((link) => link.url === url)) links.push({ title, url });
  }
  return links;
}

/** Texts of an object, numbers and booleans as texts; whatever else is left out. */
function texts(values: Record<string, unknown>): Labels {
  const plain = Object.entries(values).filter(
    ([name, value]) => name !== '__proto__' && ['string', 'number', 'boolean'].includes(typeof value),
  );
  return Object.fromEntries(plain.map(([name, value]) => [name, String(value)]));
}

/** For senders that leave the fingerprint out. */
function fingerprintOf(labels: Labels): string {
  const pairs = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return createHash('sha256').update(JSON.stringify(pairs)).digest('hex').slice(0, 16);
}
