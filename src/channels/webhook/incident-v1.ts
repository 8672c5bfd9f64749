/**
 * Format `incident-v1`: the payload of the LLM Incident Manager's webhook, field for field, for receivers that know it:
 * `event_type`, `timestamp`, `incident` with its twelve fields, `notification_id`.
 */
import { createHash } from 'node:crypto';
import type { Labels } from '../../core/event.ts';
import { isPage, type Notice } from '../../core/notice.ts';
import { alertLine, priorityOf } from '../../core/text.ts';

/** The states that format has; an event's type is one of them after `incident.`. */
const STATES = ['Detected', 'Triaged', 'Investigating', 'Remediating', 'Resolved', 'Closed'] as const;
type State = (typeof STATES)[number];

/** Its fields of text are short; one longer is a list of alerts that nobody reads to the end. */
const LISTED_MAX = 20;

/** The body of format `incident-v1`. */
export function incidentV1Body(notice: Notice) {
  const { incident, alerts } = notice;
  const [first] = alerts;
  const state = stateOf(notice);
  return {
    event_type: `incident.${state.toLowerCase()}`,
    timestamp: notice.at,
    incident: {
      id: incident.id,
      title: incident.title,
      description: descriptionOf(notice),
      severity: priorityOf(notice),
      state,
      incident_type: asVariant(first?.type ?? 'unknown'),
      source: first?.source ?? 'tocsin',
      created_at: incident.opened_at,
      updated_at: isPage(notice.reason) ? incident.last_at : notice.at,
      affected_resources: notice.components,
      assignees: assigneesOf(notice),
      labels: labelsOf(notice),
    },
    notification_id: uuidOf(notice.delivery.key),
  };
}

/**
 * What became of it. An incident that closed itself because nothing more was heard is closed and not resolved; an
 * acknowledgement means that somebody looks into it, unless operators have set a working state, which says it better.
 */
function stateOf({ incident, story }: Notice): State {
  if (story) return story.phase === 'end' ? 'Resolved' : 'Detected';
  if (incident.status === 'resolved') return incident.close_reason === 'quiet' ? 'Closed' : 'Resolved';
  const working = STATES.find((state) => state.toLowerCase() === incident.working);
  if (working) return working;
  if (incident.status === 'acknowledged') return 'Investigating';
  return incident.status === 'snoozed' ? 'Triaged' : 'Detected';
}

/** The sender's words for a lone alert; else what is told, and the alerts a line each. What an answer says comes first. */
function descriptionOf({ reason, lines, headline, alerts, more }: Notice): string {
  const [lone] = alerts;
  const isLone = alerts.length + more === 1 && lone !== undefined;
  const said = isPage(reason) && isLone && lone.body !== undefined ? [] : lines;
  const listed = isLone ? [lone.body ?? ''] : alerts.slice(0, LISTED_MAX).map((alert) => `- ${alertLine(alert)}`);
  const text = [...said, ...listed].filter((line) => line !== '').join('\n');
  return text === '' ? headline : text;
}

/** Who is on it: whom the senders named, and who has acknowledged. */
function assigneesOf({ reason, by, alerts }: Notice): string[] {
  const named = alerts.flatMap(({ assignees }) => assignees);
  return [...new Set(reason === 'acknowledged' && by !== undefined ? [by, ...named] : named)];
}

/** What all alerts have in common, and the ids of a lone one: there is no other field for them. */
function labelsOf({ alerts }: Notice): Labels {
  const [first, ...others] = alerts;
  if (!first) return {};
  const common = Object.entries(first.labels).filter(([name, value]) =>
    others.every(({ labels }) => Object.hasOwn(labels, name) && labels[name] === value),
  );
  const { trace_id, request_id } = first;
  return {
    ...(others.length === 0 && trace_id !== undefined ? { trace_id } : {}),
    ...(others.length === 0 && request_id !== undefined ? { request_id } : {}),
    ...Object.fromEntries(common),
  };
}

/** `availability` and `job_failed` as that format writes its types: `Availability`, `JobFailed`. */
const asVariant = (type: string): string =>
  type
    .split(/[_.:\-/\s]+/)
    .map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`)
    .join('');

/** A UUID (version 8, RFC 9562) out of the delivery key: the same for every attempt, so that a repeat is recognised. */
function uuidOf(key: string): string {
  const bytes = createHash('sha256').update(key).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
