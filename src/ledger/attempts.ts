/** What is asked of attempts and messages wherever a notice is sent: by its workflow, by hand, or after both were lost. */
import type { Queryable } from './db.ts';

/** Pages that one notice is told to by an edit: each is a request within one attempt. */
const PAGES_MAX = 10;

/**
 * SQL for what is at a target of an incident: `ref`, the first message, and `pages`, the newest later ones that asked somebody
 * to act. The delivery of `key` itself is none of them.
 */
export const messagesAt = (incident: string, target: string, key: string): string =>
  `(select ref from threads where incident = ${incident} and target = ${target}) as ref,
   (select jsonb_agg(ref order by number desc)
      from (select d.ref, d.number from deliveries d
             where d.incident = ${incident} and d.target = ${target} and d.page and d.status = 'delivered' and d.key <> ${key}
               and d.ref <> (select ref from threads where incident = ${incident} and target = ${target})
             order by d.number desc limit ${PAGES_MAX}) p) as pages`;

/** SQL: whether an attempt of this delivery may have arrived although nobody was told so. */
export const mayHaveArrived = (key: string): string =>
  `exists (select 1 from attempts a where a.delivery = ${key} and (a.outcome = 'lost' or a.doubt = 'lost'))`;

/** Ends the attempts of these deliveries that nobody recorded the end of, as lost; gives one row for each. */
export const loseOpenAttempts = (tx: Queryable, deliveries: string[]): Promise<unknown[]> =>
  tx.query(
    `update attempts set ended_at = now(), outcome = 'lost', detail = 'nobody recorded how it ended' where delivery = any($1::text[]) and ended_at is null returning id`,
    [deliveries],
  );
