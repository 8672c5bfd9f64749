/** Format `tocsin`: everything a notice has, under our own names. */
import type { Notice } from '../../core/notice.ts';

const ALERTS_MAX = 20;

/** The body of format `tocsin`. */
export function tocsinBody(notice: Notice) {
  const { incident } = notice;
  return {
    type: `incident.${notice.reason}`,
    timestamp: notice.at,
    data: {
      incident: {
        id: incident.id,
        status: incident.status,
        ...(incident.working === undefined ? {} : { working_state: incident.working }),
        severity: incident.severity,
        title: incident.title,
        ...(incident.service === undefined ? {} : { service: incident.service }),
        route: incident.route,
        ...(incident.url === undefined ? {} : { url: incident.url }),
        alert_count: incident.alert_count,
        first_at: incident.first_at,
        last_at: incident.last_at,
      },
      reason: notice.reason,
      ...(notice.level === undefined ? {} : { level: notice.level }),
      ...(notice.by === undefined ? {} : { by: notice.by }),
      alerts: notice.alerts.slice(0, ALERTS_MAX),
      delivery: notice.delivery,
    },
  };
}
