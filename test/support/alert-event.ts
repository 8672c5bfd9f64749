/** The event that an alert of Prometheus with these labels becomes. */
import { alertsIn, eventOf } from '../../src/core/alert.ts';
import type { Event } from '../../src/core/event.ts';

export function alertEvent(labels: Record<string, string>): Event {
  const [alert] = alertsIn({ alerts: [{ status: 'firing', labels, startsAt: '2026-11-20T12:00:00Z' }] })?.alerts ?? [];
  if (!alert) throw new Error('an alert has labels');
  const now = new Date('2026-11-20T12:00:00Z');
  return eventOf(alert, {
    source: 'prometheus',
    key: JSON.stringify(labels),
    severity: 'info',
    expire_ms: undefined,
    now,
  });
}
