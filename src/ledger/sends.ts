/** Requests for one notice outside any incident: rows that the relay carries to `send-one`, and what became of them. */
import type { Doubt } from '../core/doubt.ts';
import type { Json } from '../core/event.ts';
import { loseOpenAttempts, messagesAt } from './attempts.ts';
import { type Actor, audit } from './audit.ts';
import type { Ledger, Queryable } from './db.ts';
import { noteSuccess } from './health.ts';
import { procedure } from './procedure.ts';

/** `check`: the credentials of an integration are asked about, and nothing is sent. */
export type SendKind = 'test' | 'check' | 'redeliver' | 'summary';

export interface Send {
  id: number;
  kind: SendKind;
  target: string;
  delivery: string | null;
  payload: { [key: string]: Json } | null;
  requested_by: string;
  requested_at: Date;
}

/** Asks for a send; the row is the order, whether Temporal is up or down. Returns its id. */
export async function requestSend(
  ledger: Ledger,
  {
    kind,
    target,
    delivery,
    payload,
  }: { kind: SendKind; target: string; delivery?: string; payload?: { [key: string]: Json } },
  who: Actor,
): Promise<number> {
  const id = await ledger.transaction(async (tx) => {
    const [row] = await tx.query<{ id: number }>(
      'insert into sends (kind, target, delivery, payload, requested_by) values ($1, $2, $3, $4::jsonb, $5) returning id',
      [kind, target, delivery ?? null, payload ? JSON.stringify(payload) : null, who.by],
    );
    await audit(tx, who, `send.${kind}`, delivery ?? target, payload ?? {});
    return row?.id ?? 0;
  });
  ledger.wake();
  return id;
}

export async function sendResult(db: Queryable, id: number): Promise<{ ended: boolean; outcome?: Json }> {
  const [row] = await db.query<{ ended_at: Date | null; outcome: Json }>(
    'select ended_at, outcome from sends where id = $1',
    [id],
  );
  return { ended: row?.ended_at != null, ...(row?.outcome == null ? {} : { outcome: row.outcome }) };
}

/** Sends that no workflow has been started for. */
export const waitingSends = (db: Queryable, limit = 50): Promise<Send[]> =>
  db.query<Send>(
    `select id, kind, target, delivery, payload, requested_by, requested_at from sends where signalled_at is null order by id limit ${limit}`,
  );

/** What becomes of a summary is kept with its day: its send has ended when it is started. */
export const markSendStarted = (db: Queryable, id: number): Promise<unknown> =>
  db.query(
    `update sends set signalled_at = now(), ended_at = case when kind = 'summary' then now() else ended_at end where id = $1`,
    [id],
  );

export async function sendOf(db: Queryable, id: number): Promise<Send | undefined> {
  const [row] = await db.query<Send>(
    'select id, kind, target, delivery, payload, requested_by, requested_at from sends where id = $1',
    [id],
  );
  return row;
}

export const endSend = (db: Queryable, id: number, outcome: { [key: string]: Json }): Promise<unknown> =>
  db.query('update sends set ended_at = now(), outcome = $2::jsonb where id = $1', [id, JSON.stringify(outcome)]);

export interface Redeliverable {
  key: string;
  incident: string;
  target: string;
  reason: string;
  level: number | null;
  through: number;
  chapter_from: number | null;
  status: string;
  attempts: number;
}

const REDELIVERABLE = 'key, incident, target, reason, level, through, chapter_from, status, attempts';

/** A delivery by its key, as a redelivery needs it. */
export async function redeliverableByKey(db: Queryable, key: string): Promise<Redeliverable | undefined> {
  const [row] = await db.query<Redeliverable>(`select ${REDELIVERABLE} from deliveries where key = $1`, [key]);
  return row;
}

export type HandBegun =
  | {
      outcome: 'go';
      attempt: number;
      /** Of this delivery so far, this one included. */
      attempts: number;
      doubt?: Doubt;
    }
  /** An attempt of this send has delivered already. */
  | { outcome: 'delivered' };

/**
 * The commit before an attempt by hand, so that one whose worker dies is known of. What an attempt of this send has left in
 * doubt is as in `beginAttempt`; what was lost before is at most `unsure`, for somebody has seen it and wants the message all
 * the same. Of a delivery that had arrived nothing is in doubt: a look-up would find the message that is there.
 */
export const beginRedelivery = procedure(
  'beginRedelivery',
  async (tx, { send, key }: { send: number; key: string }): Promise<HandBegun> => {
    const lost = await loseOpenAttempts(tx, [key]);
    const [known] = await tx.query<{ status: string; attempts: number }>(
      'update deliveries set attempts = attempts + $2 where key = $1 returning status, attempts',
      [key, lost.length],
    );
    const [before] = await tx.query<{ own: Doubt | null; all: Doubt | null; arrived: boolean | null }>(
      `select min(d) filter (where own) as own, min(d) as all, bool_or(own and outcome = 'delivered') as arrived
         from (select outcome, case when outcome = 'lost' then 'lost' else doubt end as d,
                      started_at >= (select requested_at from sends where id = $2) as own from attempts where delivery = $1) a`,
      [key, send],
    );
    if (before?.arrived) return { outcome: 'delivered' };
    const [row] = await tx.query<{ attempt: number }>(
      'insert into attempts (delivery, round) select key, round from deliveries where key = $1 returning id as attempt',
      [key],
    );
    const doubt = before?.own === 'lost' ? 'lost' : before?.all ? 'unsure' : undefined;
    return {
      outcome: 'go',
      attempt: row?.attempt ?? 0,
      attempts: (known?.attempts ?? 0) + 1,
      ...(doubt === undefined || known?.status === 'delivered' ? {} : { doubt }),
    };
  },
);

/** An attempt that was made by hand. */
export interface HandEnd {
  attempt: number;
  /** `retrying`: another follows. */
  status: 'delivered' | 'dead' | 'retrying';
  reason?: string;
  detail?: string;
  code?: string;
  latency_ms?: number;
  doubt?: Doubt;
  ref?: { [key: string]: Json };
  arrives_later?: boolean;
}

/** The delivery after an attempt by hand: an attempt more, and its new end once it was the last. */
export async function recordRedelivery(
  ledger: Ledger,
  { key, incident, target }: Pick<Redeliverable, 'key' | 'incident' | 'target'>,
  end: HandEnd,
): Promise<void> {
  const ref = end.ref ? JSON.stringify(end.ref) : null;
  const { reason = null, detail = null, code = null, latency_ms = null, doubt = null } = end;
  await ledger.transaction(async (tx) => {
    await tx.query(
      `update attempts set ended_at = now(), outcome = $2, reason = $3, detail = $4, code = $5, latency_ms = $6, doubt = $7
        where id = $1`,
      [end.attempt, end.status, reason, detail, code, latency_ms, doubt],
    );
    if (end.status === 'retrying') {
      await tx.query(
        `update deliveries set attempts = attempts + 1, failure = $2, detail = $3 where key = $1 and failure is distinct from 'cancelled'`,
        [key, reason, detail],
      );
      return;
    }
    await tx.query(
      `update deliveries set status = $2, failure = $3, detail = $4, attempts = attempts + 1, ended_at = now(), ref = coalesce($5::jsonb, ref),
              receipt = case when $2 <> 'delivered' then receipt when $6 then 'awaited' end, receipt_at = case when $2 <> 'delivered' then receipt_at end where key = $1`,
      [key, end.status, reason, detail, ref, end.arrives_later === true],
    );
    if (end.status === 'delivered') await noteSuccess(tx, target);
    if (ref)
      await tx.query('insert into threads (incident, target, ref) values ($1, $2, $3::jsonb) on conflict do nothing', [
        incident,
        target,
        ref,
      ]);
  });
}

/** Ends a delivery that waits for a send which cannot be made; one that stood otherwise before stays as it is. */
export const buryWaiting = (db: Queryable, key: string, failure: 'config' | 'timeout', detail: string) =>
  db.query(
    `update deliveries set status = 'dead', failure = $2, detail = $3, ended_at = now()
      where key = $1 and status = 'retrying' and redirected_from is not null`,
    [key, failure, detail],
  );

/** Whether an operator cancelled the delivery of this send after asking for it. */
export async function isSendCancelled(db: Queryable, id: number): Promise<boolean> {
  const [row] = await db.query(
    `select 1 from sends s join deliveries d on d.key = s.delivery where s.id = $1 and d.failure = 'cancelled' and d.ended_at > s.requested_at`,
    [id],
  );
  return row !== undefined;
}

/** The messages of an incident at its target: the first, and the later pages. */
export async function messagesOf(
  db: Queryable,
  { incident, target, key }: Pick<Redeliverable, 'incident' | 'target' | 'key'>,
): Promise<{ root?: { [key: string]: Json }; pages?: { [key: string]: Json }[] }> {
  const [row] = await db.query<{ ref: { [key: string]: Json } | null; pages: { [key: string]: Json }[] | null }>(
    `select ${messagesAt('$1', '$2', '$3')}`,
    [incident, target, key],
  );
  return { ...(row?.ref ? { root: row.ref } : {}), ...(row?.pages ? { pages: row.pages } : {}) };
}
