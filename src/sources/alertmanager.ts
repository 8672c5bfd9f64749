/** Alertmanager's webhook, version 4: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config */
import { z } from 'zod';
import { alertsIn, EXPIRE_MS, eventOf } from '../core/alert.ts';
import type { Labels } from '../core/event.ts';
import { defineSource, digestOf, duration, fitted, refuseWithoutToken, timeOf, tokenField } from './source.ts';

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

export const alertmanager = defineSource({
  id: 'alertmanager',
  name: 'Alertmanager',
  setup:
    'Add a receiver with webhook_configs whose url is this source, an API key as its bearer token and send_resolved left on.',
  config,
  verify: (_raw, headers, { token }) => refuseWithoutToken(headers, token),

  normalise(payload, { config: { source, expire }, now }) {
    const message = alertsIn(payload);
    if (!message) {
      return {
        events: [],
        rejected: [{ index: 0, problem: 'not an Alertmanager message: it has no list called alerts' }],
      };
    }
    const expire_ms = expire ?? (message.isCut ? EXPIRE_MS : undefined);
    const events = message.alerts.map((alert) => {
      const key = alert.fingerprint || fingerprintOf(alert.labels);
      const event = eventOf(alert, { source, key, severity: 'info', expire_ms, now });
      const occurred_at = timeOf(alert.since);
      return fitted(occurred_at ? { ...event, occurred_at } : event);
    });
    return { events, rejected: message.rejected };
  },
});

/** For senders that leave the fingerprint out. */
const fingerprintOf = (labels: Labels): string =>
  digestOf(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
