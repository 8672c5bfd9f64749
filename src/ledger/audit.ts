/** Who changed what: a row written in the transaction of the change itself, never changed afterwards. */
import type { Json } from '../core/event.ts';
import type { Queryable } from './db.ts';

/** Whoever acts: the name people know, and the key it came with (or `system`). */
export interface Actor {
  by: string;
  key: string;
  request_id?: string;
}

export const audit = (
  tx: Queryable,
  who: Actor,
  action: string,
  object: string,
  detail: { [key: string]: Json } = {},
): Promise<unknown> =>
  tx.query('insert into audit (actor, action, object, detail, request_id) values ($1, $2, $3, $4::jsonb, $5)', [
    who.by,
    action,
    object,
    JSON.stringify({ ...detail, key: who.key }),
    who.request_id ?? null,
  ]);

export interface AuditRow {
  seq: number;
  at: string;
  actor: string;
  action: string;
  object: string;
  detail: Json;
  request_id?: string;
}

/** The newest first; `cursor` is the seq the last page ended with. */
export async function listAudit(
  db: Queryable,
  { cursor, limit, object }: { cursor?: string; limit: number; object?: string },
): Promise<{ audit: AuditRow[]; next?: string }> {
  const rows = await db.query<Omit<AuditRow, 'at' | 'request_id'> & { at: Date; request_id: string | null }>(
    `select seq, at, actor, action, object, detail, request_id from audit
      where ($1::bigint is null or seq < $1) and ($2::text is null or object = $2) order by seq desc limit $3`,
    [cursor ?? null, object ?? null, limit],
  );
  const audited = rows.map(({ at, request_id, ...row }) => ({
    ...row,
    at: at.toISOString(),
    ...(request_id ? { request_id } : {}),
  }));
  const last = rows.at(-1);
  return { audit: audited, ...(rows.length === limit && last ? { next: String(last.seq) } : {}) };
}
