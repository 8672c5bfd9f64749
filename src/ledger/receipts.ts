/** Receipts: what a provider says of a message after it took it. */
import type { Queryable } from './db.ts';

export interface ReceiptSaid {
  /** The integration that heard it. */
  target: string;
  /** As the provider calls the message; it stands somewhere in the delivery's ref. */
  message: string;
  state: 'delivered' | 'read' | 'failed';
  /** One line for an operator, free of secrets. */
  detail?: string;
}

/** The deliveries whose ref has this message; by itself, so that the message is looked up and not all that the target was told. */
const NAMED = `select key, target, number from deliveries
  where receipt is not null and jsonb_path_query_array(ref, 'strict $.** ? (@.type() == "string")') ? $2`;

/**
 * Notes a receipt; repeatable, and never backwards: what was read stays read, what arrived stays so whatever comes late. A failure
 * after it was taken makes the delivery dead, with the reason. `unknown`: no delivery of this integration has such a message (yet:
 * a receipt may be faster than the record of its own attempt, and the provider that is refused sends it again).
 */
export async function recordReceipt(
  db: Queryable,
  { target, message, state, detail }: ReceiptSaid,
): Promise<{ outcome: 'recorded' | 'known' | 'unknown'; delivery?: string }> {
  const [row] = await db.query<{ key: string; recorded: boolean }>(
    `with named as materialized (${NAMED}),
     found as (select key from named where target = $1 order by number desc limit 1),
     noted as (
       update deliveries d set receipt_at = now(),
              receipt = case when $3 = 'failed' then receipt else $3 end,
              status = case when $3 = 'failed' then 'dead' else 'delivered' end,
              failure = case when $3 = 'failed' then 'not_arrived' end,
              detail = case when $3 = 'failed' then coalesce($4, 'the provider says that it did not arrive') when failure = 'not_arrived' then null else detail end
        where key = (select key from found) and (status = 'delivered' or (status = 'dead' and failure = 'not_arrived'))
          and case $3 when 'read' then receipt <> 'read' when 'delivered' then receipt = 'awaited' else receipt = 'awaited' and status = 'delivered' end
        returning key)
     select key, exists (select 1 from noted) as recorded from found`,
    [target, message, state, detail ?? null],
  );
  if (!row) return { outcome: 'unknown' };
  return { outcome: row.recorded ? 'recorded' : 'known', delivery: row.key };
}
