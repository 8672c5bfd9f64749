/** The two doors that trading systems know from their notification service: the feed of recent events, and an acknowledgement by event. */
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { SEVERITIES } from '../core/event.ts';
import { command } from '../ledger/answers.ts';
import { eventOf } from '../ledger/reading.ts';
import { recentEvents } from '../ledger/recent.ts';
import { actorOf, type Deps } from './deps.ts';
import { type Endpoint, endpoint, ok, text, word } from './endpoint.ts';
import { Problem } from './problem.ts';

/** An event is kept before its incident is opened, by the relay, a moment later: so long an acknowledgement waits for it. */
const OPENS_WITHIN_MS = 2_000;
const LOOK_MS = 50;
const RECENT_MAX = 200;

const id = word().exactOptional();
const AckBody = z
  .strictObject({
    id: id.meta({ description: 'The id of an event, or of an incident.' }),
    eventId: id.meta({ description: 'Another spelling of id.' }),
    event_id: id.meta({ description: 'Another spelling of id.' }),
    by: text(200).exactOptional().meta({ description: "Who acknowledges; the key's name unless given." }),
  })
  .meta({ anyOf: ['id', 'eventId', 'event_id'].map((name) => ({ required: [name] })) });

const Acked = z.object({
  id: z.string(),
  acked: z.boolean().meta({ description: 'False where all that it joined was closed before.' }),
  incidents: z.array(z.object({ id: z.string(), outcome: z.string(), by: z.string().optional() })),
});

const Recent = z.object({
  events: z.array(
    z.object({
      id: z.string(),
      source: z.string(),
      type: z.string(),
      severity: z.enum(SEVERITIES),
      message: z.string(),
      ts: z.iso.datetime(),
      traceId: z.string().optional(),
      requestId: z.string().optional(),
      acked: z.boolean(),
      acked_by: z.string().optional(),
      acked_at: z.iso.datetime().optional(),
      incident: z.string().optional(),
      status: z.string().optional(),
    }),
  ),
});

export const notify = ({ ledger, wake }: Pick<Deps, 'ledger' | 'wake'>): Endpoint[] => {
  /** The incidents that the event of this id joined, once they are open. Throws 404, or 409 where it joined none. */
  const joinedBy = async (event: string, signal: AbortSignal): Promise<string[]> => {
    const until = performance.now() + OPENS_WITHIN_MS;
    for (;;) {
      const found = await eventOf(ledger, event);
      if (found.length === 0) throw new Problem('not-found', 'no event and no incident has this id');
      const joins = found.flatMap((stored) => stored.joins);
      const incidents = [...new Set(joins.flatMap(({ incident }) => (incident === undefined ? [] : [incident])))];
      const isWaiting = joins.some(
        ({ incident, effect }) => incident === undefined && effect !== 'none_open' && effect !== 'late',
      );
      if (!isWaiting || performance.now() > until) {
        if (incidents.length > 0) return incidents;
        throw new Problem(
          'conflict',
          'this event joined no incident that could be acknowledged: GET /v1/events/{id} says why',
        );
      }
      await pause(LOOK_MS, undefined, { signal });
    }
  };

  return [
    endpoint({
      method: 'post',
      path: '/admin/notify/ack',
      access: 'operator',
      summary: 'Acknowledge by event',
      about: 'Acknowledges the incidents that an event joined. The key may be the value of X-Admin-Token.',
      takes: { kind: 'json', schema: AckBody, required: true },
      answers: { 200: { about: 'Acknowledged, now or before', schema: Acked } },
      also: [404, 409],
      async handle({ body, caller, request_id, signal }) {
        const asked = (body.id ?? body.eventId ?? body.event_id)?.toWellFormed();
        if (asked === undefined) throw new Problem('invalid', 'name the event in id');
        const who = actorOf(caller, request_id, body.by);
        const direct = await command(ledger, asked, { kind: 'ack' }, who);
        const results =
          direct.outcome !== 'unknown'
            ? [{ id: asked, result: direct }]
            : await Promise.all(
                (await joinedBy(asked, signal)).map(async (incident) => ({
                  id: incident,
                  result: await command(ledger, incident, { kind: 'ack' }, who),
                })),
              );
        if (results.some(({ result }) => result.outcome === 'done')) wake();
        return ok({
          id: asked,
          acked: results.some(({ result }) => result.outcome === 'done' || result.outcome === 'already'),
          incidents: results.map(({ id: incident, result }) => ({
            id: incident,
            outcome: result.outcome,
            ...('by' in result && result.by !== undefined ? { by: result.by } : {}),
          })),
        });
      },
    }),
    endpoint({
      method: 'get',
      path: '/notify/recent',
      access: 'operator',
      summary: 'See the newest events, and whether each has been acknowledged',
      query: z.strictObject({ limit: z.coerce.number().int().min(1).max(RECENT_MAX).default(50) }),
      answers: { 200: { about: 'The newest first', schema: Recent } },
      async handle({ query: { limit } }) {
        const events = await recentEvents(ledger, limit);
        return ok({
          events: events.map(({ event, ...row }) => ({
            id: row.id,
            source: event.source,
            type: event.type,
            severity: event.severity,
            message: event.title,
            ts: row.accepted_at.toISOString(),
            ...(event.trace_id === undefined ? {} : { traceId: event.trace_id }),
            ...(event.request_id === undefined ? {} : { requestId: event.request_id }),
            acked: row.acked_at !== null || row.answered_by !== null,
            ...(row.answered_by === null ? {} : { acked_by: row.answered_by }),
            ...(row.acked_at === null ? {} : { acked_at: row.acked_at.toISOString() }),
            ...(row.incident === null ? {} : { incident: row.incident, status: row.status }),
          })),
        });
      },
    }),
  ];
};
