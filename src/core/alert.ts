/** An alert as Alertmanager's webhook writes it, and Grafana's after it: read tolerantly, and made an event of. */
import { type Event, type Json, type Labels, type Link, type Severity, severityOf } from './event.ts';
import { objectIn, textIn, textsIn } from './unchecked.ts';

export interface Alert {
  status: Event['status'];
  labels: Labels;
  annotations: Labels;
  startsAt: string;
  /** When it came to be in this status; empty where the sender does not say. */
  since: string;
  generatorURL: string;
  fingerprint: string;
  /** All that the sender wrote, for who knows more fields. */
  written: Record<string, unknown>;
}

/** The alerts in a message, and what in its list is none; undefined where it has no list called alerts. */
export function alertsIn(
  message: unknown,
): { alerts: Alert[]; isCut: boolean; rejected: { index: number; problem: string }[] } | undefined {
  const { alerts: entries, truncatedAlerts } = objectIn(message);
  if (!Array.isArray(entries)) return undefined;
  const alerts: Alert[] = [];
  const rejected: { index: number; problem: string }[] = [];
  entries.forEach((entry: unknown, index) => {
    const alert = alertIn(entry);
    if (typeof alert === 'string') rejected.push({ index, problem: alert });
    else alerts.push(alert);
  });
  return { alerts, isCut: typeof truncatedAlerts === 'number' && truncatedAlerts > 0, rejected };
}

/** Only what is used, everything optional: newer versions add fields and templates drop some. */
function alertIn(entry: unknown): Alert | string {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry))
    return 'an alert has to be an object with labels';
  const written = objectIn(entry);
  const labels = textsIn(written.labels);
  if (Object.keys(labels).length === 0) return 'an alert without labels cannot be told from others';
  const status = written.status === 'resolved' ? 'resolved' : 'firing';
  const startsAt = textIn(written.startsAt);
  const since = status === 'resolved' ? textIn(written.endsAt) : startsAt;
  return {
    status,
    labels,
    annotations: textsIn(written.annotations),
    startsAt,
    // Go writes a time that was never set as the year 1.
    since: since.startsWith('0001-') ? '' : since,
    generatorURL: textIn(written.generatorURL),
    fingerprint: textIn(written.fingerprint),
    written,
  };
}

/** Where a sender cuts its messages, the resolve of a cut alert may never come. */
export const EXPIRE_MS = 24 * 3_600_000;

/** Alertmanager and Grafana repeat a firing alert at a repeat interval, four hours unless set. */
const HEARD_AGAIN_MS = 3_600_000;

interface Made {
  source: string;
  /** What the alert is recognised by among all of this source. */
  key: string;
  /** For an alert whose labels give none. */
  severity: Severity;
  expire_ms: number | undefined;
  now: Date;
}

/** The event that an alert is; when it happened is left to who can tell a time from a text. */
export function eventOf(alert: Alert, { source, key, severity, expire_ms, now }: Made): Event {
  const { labels, status } = alert;
  const { summary, title, message, description, ...annotations } = alert.annotations;
  const isFiring = status === 'firing';
  const type = labels.alertname || 'alert';
  const event: Event = {
    // One id for each state of an alert and hour: what is repeated within it is a duplicate. A firing that is heard of again
    // later counts: it keeps the alert from expiring, and opens the next incident where somebody has closed the last.
    id: [key, alert.startsAt, status, ...(isFiring ? [Math.floor(now.getTime() / HEARD_AGAIN_MS)] : [])].join('/'),
    source,
    type,
    title: summary || title || message || type,
    severity: severityOf(labels.severity ?? '') ?? severity,
    components: labels.instance ? [labels.instance] : [],
    labels,
    assignees: [],
    links: linksOf(alert.generatorURL, annotations),
    status,
    dedup_key: key,
  };
  if (labels.severity && labels.severity !== event.severity) event.severity_word = labels.severity;
  if (description) event.body = description;
  if (labels.service) event.service = labels.service;
  if (Object.keys(annotations).length > 0) event.context = { annotations } satisfies Json;
  if (isFiring && expire_ms !== undefined) event.expires_at = new Date(now.getTime() + expire_ms).toISOString();
  return event;
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
