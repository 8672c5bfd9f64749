/** From what a sender posts to the event door to the notice that channels are told first. */
import { composeNotice } from '../../src/core/compose.ts';
import type { Event, Json } from '../../src/core/event.ts';
import type { Notice } from '../../src/core/notice.ts';
import { parseEvents } from '../../src/sources/events.ts';

/** The event as the door takes it; throws with what is wrong with it. */
export function eventIn(body: object, now: Date): Event {
  const { events, rejected } = parseEvents(body as Json, { max: 1, now });
  const [event] = events;
  if (!event) throw new Error(JSON.stringify(rejected));
  return event;
}

/** The first notice of the incident that the event opens. */
export function firstNotice(event: Event, route: string, now: Date): Notice {
  const at = now.toISOString();
  const { status, severity, title } = event;
  return composeNotice({
    incident: {
      id: 'INC-1',
      status: 'open',
      severity,
      title,
      route,
      alert_count: 1,
      firing_count: 1,
      opened_at: at,
      first_at: at,
      last_at: at,
    },
    reason: 'group_now',
    alerts: [{ event, status, severity, title, count: 1, first_at: at, last_at: at }],
    total: 1,
    delivery: { key: 'INC-1/group_now/b1/target', attempt: 1 },
    links: [],
    public_url: 'https://tocsin.example.com',
    at,
  });
}
