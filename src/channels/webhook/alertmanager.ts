/**
 * Format `alertmanager`: Alertmanager's webhook, version 4, for the many receivers that know it.
 * https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
 */
import { createHash } from 'node:crypto';
import type { Labels } from '../../core/event.ts';
import type { Notice, NoticeAlert } from '../../core/notice.ts';
import { safeLink } from '../../core/text.ts';

/** How Go writes a time that was never set: the end of an alert that still fires. */
const NEVER = '0001-01-01T00:00:00Z';
const FINGERPRINT_LENGTH = 16;

/** The body of format `alertmanager`. */
export function alertmanagerBody(notice: Notice) {
  const { incident, story } = notice;
  const isOver = incident.status === 'resolved' || story?.phase === 'end';
  const alerts = notice.alerts.map((alert) => alertOf(alert, isOver, notice.at));
  return {
    version: '4',
    // Receivers recognise a group by this; ours is the incident.
    groupKey: `{}/{route=${JSON.stringify(incident.route)}}:{incident=${JSON.stringify(incident.id)}}`,
    truncatedAlerts: notice.more,
    status: isOver ? 'resolved' : 'firing',
    receiver: 'tocsin',
    groupLabels: {
      incident: incident.id,
      ...(incident.service === undefined ? {} : { service: incident.service }),
    },
    commonLabels: inCommon(alerts.map(({ labels }) => labels)),
    commonAnnotations: inCommon(alerts.map(({ annotations }) => annotations)),
    externalURL: incident.url === undefined ? '' : (safeLink(incident.url) ?? ''),
    alerts,
  };
}

/**
 * As Alertmanager tells a receiver with send_resolved off: of a group that goes on, only what fires.
 * https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
 */
export function withoutResolved(notice: Notice): Notice {
  const firing = notice.alerts.filter(({ status }) => status === 'firing');
  return firing.length === 0 ? notice : { ...notice, alerts: firing };
}

/** There is no group that is over while an alert of it fires: an incident resolved by hand ends its alerts. */
function alertOf(alert: NoticeAlert, isOver: boolean, at: string) {
  const status = isOver ? 'resolved' : alert.status;
  const labels: Labels = {
    ...labelNames(alert.labels),
    alertname: alert.labels.alertname ?? alert.type,
    severity: alert.labels.severity ?? alert.severity,
    source: alert.source,
    ...(alert.service === undefined ? {} : { service: alert.service }),
    ...(alert.components[0] === undefined ? {} : { instance: alert.labels.instance ?? alert.components[0] }),
  };
  return {
    status,
    labels,
    annotations: {
      summary: alert.title,
      ...(alert.body === undefined ? {} : { description: alert.body }),
      ...(alert.components.length === 0 ? {} : { components: alert.components.join(', ') }),
      ...(alert.trace_id === undefined ? {} : { trace_id: alert.trace_id }),
      ...(alert.request_id === undefined ? {} : { request_id: alert.request_id }),
      ...(alert.assignees.length === 0 ? {} : { assignees: alert.assignees.join(', ') }),
    },
    startsAt: alert.first_at,
    endsAt: status === 'firing' ? NEVER : alert.status === 'resolved' ? alert.last_at : at,
    generatorURL: safeLink(alert.links[0]?.url ?? '') ?? '',
    fingerprint: fingerprintOf(labels, alert),
  };
}

/** Prometheus' names of labels have no other characters than these. */
const labelNames = (labels: Labels): Labels =>
  Object.fromEntries(
    Object.entries(labels).map(([name, value]) => [name.replace(/[^a-zA-Z0-9_]/g, '_').replace(/^(?=\d)/, '_'), value]),
  );

/** As an alert is recognised here: what has another title or other components is another alert, whatever its labels. */
function fingerprintOf(labels: Labels, { title, components }: NoticeAlert): string {
  const pairs = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const identity = JSON.stringify([pairs, title, components]);
  return createHash('sha256').update(identity).digest('hex').slice(0, FINGERPRINT_LENGTH);
}

/** What every one of them says alike. */
function inCommon(each: Record<string, string>[]): Record<string, string> {
  const [first = {}, ...others] = each;
  return Object.fromEntries(
    Object.entries(first).filter(([name, value]) =>
      others.every((other) => Object.hasOwn(other, name) && other[name] === value),
    ),
  );
}
