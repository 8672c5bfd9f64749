/** Rows of what is held back, as a commit of the door writes and removes them. */
import type { Queryable } from '../db.ts';
import type { Arrival } from './arrival.ts';
import type { HeldRow } from './effect.ts';

/** A resolve that is new ends what is held back of its alert: there is nothing left to tell. */
export async function forgetEnded(tx: Queryable, all: Arrival[]): Promise<void> {
  const resolves = all.filter(({ event }) => event.status === 'resolved');
  if (resolves.length === 0) return;
  // In the order of their ids, so that two transactions never wait for each other in a circle.
  await tx.query(
    `with ended as (
       select h.id from held h where h.fingerprint in (
         select r.fingerprint from unnest($1::text[], $2::text[], $3::text[]) r(fingerprint, source, id)
          where not exists (select 1 from events e where e.id = r.id and e.source = r.source))
        order by h.id for update)
     delete from held where id in (select id from ended)`,
    [
      resolves.map(({ fingerprint }) => fingerprint),
      resolves.map(({ event }) => event.source),
      resolves.map(({ event }) => event.id),
    ],
  );
}

/** The events have to be in the ledger. */
export async function keepHeld(tx: Queryable, rows: HeldRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.query(
    `insert into held (fingerprint, route, event, outcome, by, why, expires_at, labels)
     select h.fingerprint, h.route, h.event, h.outcome, array(select jsonb_array_elements_text(h.by::jsonb)), h.why, h.expires_at, h.labels::jsonb
       from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[])
            h(event, fingerprint, route, outcome, by, why, expires_at, labels)
      order by h.fingerprint, h.route
     on conflict (fingerprint, route) do update set event = excluded.event, outcome = excluded.outcome, by = excluded.by, why = excluded.why,
       expires_at = excluded.expires_at, labels = excluded.labels, last_at = now()`,
    [
      rows.map(({ event }) => event),
      rows.map(({ fingerprint }) => fingerprint),
      rows.map(({ route }) => route),
      rows.map(({ outcome }) => outcome),
      rows.map(({ by }) => JSON.stringify(by)),
      rows.map(({ why }) => why),
      rows.map(({ expires_at }) => expires_at),
      rows.map(({ inhibitor }) => (inhibitor ? JSON.stringify(inhibitor) : null)),
    ],
  );
}
