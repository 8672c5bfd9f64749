/** The newest events, and whether somebody has answered what became of them. */
import type { Event } from '../core/event.ts';
import type { Queryable } from './db.ts';

export interface RecentEvent {
  id: string;
  accepted_at: Date;
  event: Event;
  /** The incident it joined; the first where there are several. */
  incident: string | null;
  status: string | null;
  acked_at: Date | null;
  answered_by: string | null;
}

/**
 * The last events that were accepted, the newest first. One that changed nothing (a repeat) is shown with the incident that
 * is open for its alert.
 */
export const recentEvents = (db: Queryable, limit: number): Promise<RecentEvent[]> =>
  db.query<RecentEvent>(
    `select e.id, e.accepted_at, e.event, i.id as incident, i.status, i.acked_at, i.answered_by
       from (select seq, id, accepted_at, event, decision from events order by seq desc limit $1) e
       join decisions d on d.id = e.decision
       left join lateral (
            select coalesce((select x.incident from inbox x where x.event = e.seq and x.incident is not null order by x.seq limit 1),
                            (select o.id from jsonb_array_elements(d.decision->'effects') f join incidents o on o.key = f->>'key' and o.closed_at is null
                              where f->>'effect' = 'unchanged' limit 1)) as id) j on true
       left join incidents i on i.id = j.id
      order by e.seq desc`,
    [limit],
  );
