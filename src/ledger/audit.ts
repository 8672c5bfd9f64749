/** Who changed what: a row written in the transaction of the change itself, never changed afterwards. */
import type { Json } from '../core/event.ts';
import type { Queryable } from './db.ts';
import { tidy } from './views.ts';

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
  /** Its place in the chain and its hash there, once it is sealed: within seconds. */
  number?: number;
  hash?: string;
}

/** The newest first; `cursor` is the seq the last page ended with. */
export async function listAudit(
  db: Queryable,
  { cursor, limit, object }: { cursor?: string; limit: number; object?: string },
): Promise<{ audit: AuditRow[]; next?: string }> {
  const rows = await db.query(
    `select a.seq, a.at, a.actor, a.action, a.object, a.detail, a.request_id, s.number, s.hash from audit a left join audit_seals s on s.seq = a.seq
      where ($1::bigint is null or a.seq < $1) and ($2::text is null or a.object = $2) order by a.seq desc limit $3`,
    [cursor ?? null, object ?? null, limit],
  );
  const audited = rows.map((row) => tidy<AuditRow>(row));
  const last = audited.at(-1);
  return { audit: audited, ...(rows.length === limit && last ? { next: String(last.seq) } : {}) };
}
