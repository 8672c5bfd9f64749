/** Attempts: the commit that begins one, and the record of how it ended. */
import type { Death } from '../core/delivery.ts';
import type { Doubt } from '../core/doubt.ts';
import type { Json } from '../core/event.ts';
import { disabledInWords, type HealthReason, type HealthState } from '../core/health.ts';
import type { Incident, Outgoing } from '../core/incident.ts';
import { isPage } from '../core/notice.ts';
import { loseOpenAttempts, mayHaveArrived, messagesAt } from './attempts.ts';
import type { Queryable } from './db.ts';
import { factsIn, type LedgerFacts, toldBy } from './facts.ts';
import { HEALTH_COLUMNS, recovered, takeProbe } from './health.ts';
import { procedure } from './procedure.ts';

export interface Begin {
  incident: string;
  target: string;
  channel: string;
  out: Outgoing;
  /** The workflow's state with this delivery on its way: what a lost workflow is built from again. */
  snapshot: Incident;
}

export type Begun =
  | {
      outcome: 'go';
      attempt: number;
      /** Of this delivery so far, this one included. */
      attempts: number;
      /** Counted attempts of this round, this one included. */
      of_round: number;
      /** Whether an earlier attempt may have delivered: one that nobody recorded the end of is `lost` as well. */
      doubt?: Doubt;
      root?: { [key: string]: Json };
      /** Of later pages that arrived there, the newest first. */
      pages?: { [key: string]: Json }[];
      /** What earlier attempts of this delivery have achieved. */
      so_far?: { [key: string]: Json };
      /** What its message is made of. */
      facts: LedgerFacts;
    }
  | { outcome: 'delivered' | 'skipped' | 'closed' }
  /** `unsure`: an earlier attempt may have arrived all the same. */
  | { outcome: 'superseded' | 'stale'; unsure?: true }
  /** `because`: it has ended just now, without an attempt. */
  | { outcome: 'dead'; because?: Death; words?: string };

/** How it stands where no attempt begins. */
export type NotBegun = Exclude<Begun, { outcome: 'go' }>;

/** While a delivery is on its way the incident is not overdue: a round takes at most five minutes. */
export const SENDING_DUE = '6 minutes';

interface DeliveryRow {
  status: string;
  round: number;
  attempts: number;
  round_attempts: number;
}

/** The incident as an attempt finds it, and how the integration fares where a row says so. */
interface Found {
  answer_rev: number;
  closed_at: Date | null;
  health: HealthState | null;
  since: string | null;
  because: HealthReason | null;
  last_failure: string | null;
  last_detail: string | null;
  /** There is a row of the delivery: another attempt has been, or its notice waits. */
  known: boolean;
}

interface Attempt {
  attempt: number | null;
  doubt: Doubt | null;
  ref: { [key: string]: Json } | null;
  pages: { [key: string]: Json }[] | null;
  so_far: { [key: string]: Json } | null;
}

/**
 * The commit that is the beginning of a page. Under the incident's row lock: it must be open, and a page must have been
 * decided at the present answer_rev; then attempt and snapshot are written. Repeatable: what was delivered stays so. To an
 * integration that is disabled nothing begins, except now and then a probe: the delivery is dead, and says why.
 */
export const beginAttempt = procedure(
  'beginAttempt',
  async (tx, { incident, target, channel, out, snapshot }: Begin): Promise<Begun> => {
    const [found] = await tx.query<Found>(
      `select i.answer_rev, i.closed_at, ${HEALTH_COLUMNS}, exists (select 1 from deliveries where key = $3) as known
         from incidents i left join integration_health h on h.name = $2 where i.id = $1 for update of i`,
      [incident, target, out.key],
    );
    if (!found || found.closed_at) return { outcome: 'closed' };
    const isStale = isPage(out.reason) && found.answer_rev !== out.answer_rev;
    const isUsual = !found.known && !isStale && found.health !== 'disabled' && !out.overtook?.length;
    const first = isUsual ? await beginFirst(tx, { incident, target, channel, out, snapshot }) : undefined;
    if (first?.attempt) return begun(tx, incident, out, { attempts: 1, of_round: 1 }, first);
    const delivery = await deliveryOf(tx, incident, target, channel, out);
    if (delivery.status === 'superseded') return { outcome: 'superseded', ...(await unsure(tx, out.key)) };
    if (delivery.status !== 'sending' && delivery.status !== 'retrying')
      return { outcome: delivery.status as 'delivered' };
    await supersede(tx, incident, target, out);
    if (isStale) {
      await loseOpenAttempts(tx, [out.key]);
      await endDelivery(tx, out.key, 'superseded', 'answered before it was sent');
      return { outcome: 'stale', ...(await unsure(tx, out.key)) };
    }
    if (found.health === 'disabled' && !(await takeProbe(tx, target))) {
      const words = whyDisabled(target, found);
      await loseOpenAttempts(tx, [out.key]);
      await endDelivery(tx, out.key, 'dead', words, 'disabled');
      return { outcome: 'dead', because: 'disabled', words };
    }
    if (delivery.attempts > 0) await loseOpenAttempts(tx, [out.key]);
    const isNewRound = out.round > delivery.round;
    const of_round = (isNewRound ? 0 : delivery.round_attempts) + 1;
    const [row] = await tx.query<Attempt>(
      `with a as (insert into attempts (delivery, round) values ($1, $2) returning id),
            d as (update deliveries set status = 'sending', round = $2, attempts = attempts + 1, round_attempts = $8, next_at = null where key = $1),
            s as (${SNAPSHOT})
       select (select id from a) as attempt, (select min(case when outcome = 'lost' then 'lost' else doubt end) from attempts where delivery = $1) as doubt,
              ${messagesAt('$3', '$4', '$1')}, (select ref from deliveries where key = $1) as so_far`,
      [out.key, out.round, ...snapshotOf(incident, target, snapshot), of_round],
    );
    return begun(tx, incident, out, { attempts: delivery.attempts + 1, of_round }, row);
  },
);

/** What a lost workflow is built from again, the newest there is. */
const SNAPSHOT = `
  update incidents set due_at = now() + interval '${SENDING_DUE}', snapshot = case when newer then $5::jsonb else snapshot end,
         snapshot_seen = case when newer then $6 else snapshot_seen end, snapshot_revision = case when newer then $7 else snapshot_revision end
    from (select (snapshot_seen, snapshot_revision) < ($6::int, $7::bigint) as newer from incidents where id = $3) n where id = $3`;
const snapshotOf = (incident: string, target: string, snapshot: Incident): unknown[] => [
  incident,
  target,
  JSON.stringify(snapshot),
  snapshot.seen,
  snapshot.revision,
];

/** Nearly every attempt is the first of its notice, with nothing in its way: it begins by one statement. Without effect where there is a row. */
async function beginFirst(
  tx: Queryable,
  { incident, target, channel, out, snapshot }: Begin,
): Promise<Attempt | undefined> {
  const [row] = await tx.query<Attempt>(
    `with n as (
       insert into deliveries (key, round, incident, target, channel, reason, page, level, answer_rev, through, chapter_from, status, scheduled_at, attempts, round_attempts)
       values ($1, $2, $3, $4, $8, $9, $10, $11, $12, $13, $14, 'sending', $15, 1, 1) on conflict (key) do nothing returning 1),
          a as (insert into attempts (delivery, round) select $1, $2 from n returning id),
          s as (${SNAPSHOT} and exists (select 1 from n))
     select (select id from a) as attempt, null as doubt, ${messagesAt('$3', '$4', '$1')}, null as so_far`,
    [out.key, out.round, ...snapshotOf(incident, target, snapshot), ...noticeColumns(channel, out)],
  );
  return row;
}

const begun = async (
  tx: Queryable,
  incident: string,
  out: Outgoing,
  counted: { attempts: number; of_round: number },
  row: Attempt | undefined,
): Promise<Begun> => ({
  outcome: 'go',
  attempt: row?.attempt ?? 0,
  ...counted,
  ...(row?.doubt ? { doubt: row.doubt } : {}),
  ...(row?.ref ? { root: row.ref } : {}),
  ...(row?.pages ? { pages: row.pages } : {}),
  ...(row?.so_far ? { so_far: row.so_far } : {}),
  facts: await factsIn(tx, toldBy(incident, out, counted.attempts)),
});

const whyDisabled = (target: string, { since, because, last_failure, last_detail }: Found): string =>
  disabledInWords(target, {
    state: 'disabled',
    since: new Date(since ?? 0).toISOString(),
    ...(because ? { because } : {}),
    ...(last_failure === null ? {} : { failure: last_failure }),
    ...(last_detail === null ? {} : { detail: last_detail }),
  });

/** `channel, reason, page, level, answer_rev, through, chapter_from, scheduled_at` of its row. */
const noticeColumns = (channel: string, out: Outgoing): unknown[] => [
  channel,
  out.reason,
  isPage(out.reason),
  out.level ?? null,
  out.answer_rev,
  out.through,
  out.from ?? null,
  new Date(out.since).toISOString(),
];

export async function deliveryOf(
  tx: Queryable,
  incident: string,
  target: string,
  channel: string,
  out: Outgoing,
  status: 'sending' | 'retrying' = 'sending',
): Promise<DeliveryRow> {
  const [row] = await tx.query<DeliveryRow>(
    `with n as (
       insert into deliveries (key, incident, target, channel, reason, page, level, answer_rev, through, chapter_from, scheduled_at, status)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict (key) do nothing returning status, round, attempts, round_attempts)
     select * from n union all select status, round, attempts, round_attempts from deliveries where key = $1 limit 1`,
    [out.key, incident, target, ...noticeColumns(channel, out), status],
  );
  if (!row) throw new Error(`delivery ${out.key} was neither found nor made`);
  return row;
}

/** Notices that were overtaken unsent are kept as such: those that never began, and those whose last attempt was lost. */
export async function supersede(tx: Queryable, incident: string, target: string, out: Outgoing): Promise<void> {
  if (!out.overtook || out.overtook.length === 0) return;
  await tx.query(
    `insert into deliveries (key, incident, target, reason, status, scheduled_at, ended_at, superseded_by)
     select k, $2, $3, split_part(k, '/', 2), 'superseded', now(), now(), $4 from unnest($1::text[]) k
     on conflict (key) do update set status = 'superseded', ended_at = now(), superseded_by = $4 where deliveries.status in ('sending', 'retrying')`,
    [out.overtook, incident, target, out.key],
  );
  await loseOpenAttempts(tx, out.overtook);
}

export async function unsure(tx: Queryable, key: string): Promise<{ unsure?: true }> {
  const [row] = await tx.query<{ unsure: boolean }>(`select ${mayHaveArrived('$1')} as unsure`, [key]);
  return row?.unsure ? { unsure: true } : {};
}

export const endDelivery = (
  tx: Queryable,
  key: string,
  status: string,
  detail: string,
  failure?: Death | 'config' | 'timeout',
): Promise<unknown> =>
  tx.query(
    'update deliveries set status = $2, detail = $3, failure = coalesce($4, failure), next_at = null, ended_at = now() where key = $1',
    [key, status, detail, failure ?? null],
  );

/** Whether an attempt of this delivery ever began. */
export async function hasBegun(db: Queryable, key: string): Promise<boolean> {
  const [row] = await db.query('select 1 from deliveries where key = $1 and attempts > 0', [key]);
  return row !== undefined;
}

export interface AttemptEnd {
  incident: string;
  target: string;
  delivery: string;
  attempt: number;
  /** `retrying`: another attempt follows, in this round or (with `next_at`) in the next. */
  status: 'delivered' | 'dead' | 'retrying' | 'skipped';
  reason?: string;
  detail?: string;
  /** What the provider answered with: an HTTP status, or its own word. */
  code?: string;
  latency_ms?: number;
  /** Of one that failed: whether it may have delivered all the same. */
  doubt?: Doubt;
  ref?: { [key: string]: Json };
  /** The provider only passes it on: it counts as sent until a receipt says more. */
  arrives_later?: boolean;
  /** A 429 with Retry-After is no attempt. */
  counted: boolean;
  /** For the last attempt of a failed round: the next round, and when it begins, in epoch milliseconds. */
  round?: number;
  next_at?: number;
  /** When the incident next needs its workflow, once nothing is on its way. */
  due?: number;
}

/**
 * How an attempt ended. Repeatable; what arrived after an operator had cancelled it has arrived all the same. The first message a target took is the root of its thread. When nothing of the incident
 * is on its way any more it is due at `due` or at the nearest round of any target; now where only its closing is left, and
 * where batches came after the notice was decided or another notice has not begun: with its workflow lost, nobody else would
 * see to them before `due`.
 */
export async function recordAttempt(db: Queryable, end: AttemptEnd): Promise<void> {
  const final = end.status !== 'retrying';
  const time = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());
  await db.query(
    `with a as (update attempts set ended_at = now(), outcome = $2, reason = $3, detail = $4, counted = $5, code = $14, latency_ms = $15, doubt = $17
                 where id = $1 and ended_at is null returning id),
          d as (update deliveries set status = $2, failure = $3, detail = $4, ref = coalesce($7::jsonb, ref), round = coalesce($8, round), next_at = $9::timestamptz,
                       ended_at = case when $10 then now() end, receipt = case when $16 then coalesce(receipt, 'awaited') else receipt end,
                       round_attempts = round_attempts - case when $5 or not exists (select 1 from a) then 0 else 1 end
                 where key = $6 and (status in ('sending', 'retrying') or ($2 = 'delivered' and failure = 'cancelled'))),
          h as (${recovered(`case when $2 = 'delivered' then $12 end`)}),
          t as (insert into threads (incident, target, ref) select $11, $12, $7::jsonb where $7::jsonb is not null on conflict do nothing)
     update incidents i set due_at = case when b.behind then now() else coalesce(least($13::timestamptz, $9::timestamptz, o.next_at), now()) end
       from (select min(next_at) as next_at, bool_or(status = 'sending' or next_at is null) as busy from deliveries
              where incident = $11 and status in ('sending', 'retrying') and redirected_from is null and key <> $6) o,
            (select exists (select 1 from deliveries n join inbox x on x.incident = $11 and x.seq > n.through and x.batch > 0 where n.key = $6)
                 or exists (select 1 from incidents s, jsonb_path_query(s.snapshot, '$.targets.*.*.key') k
                             where s.id = $11 and not exists (select 1 from deliveries n where n.key = k #>> '{}')) as behind) b
      where i.id = $11 and i.closed_at is null and ($10 or $9::timestamptz is not null) and o.busy is not true`,
    [
      end.attempt,
      end.status,
      end.reason ?? null,
      end.detail ?? null,
      end.counted,
      end.delivery,
      end.ref ? JSON.stringify(end.ref) : null,
      end.round ?? null,
      time(end.next_at),
      final,
      end.incident,
      end.target,
      time(end.due),
      end.code ?? null,
      end.latency_ms ?? null,
      end.status === 'delivered' && end.arrives_later === true,
      end.doubt ?? null,
    ],
  );
}
