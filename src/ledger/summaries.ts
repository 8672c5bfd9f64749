/** The day as the ledger has it, and the page that was written of it. */
import type { Json, Labels } from '../core/event.ts';
import type { Totals } from '../core/summary.ts';
import type { Queryable } from './db.ts';
import { tidy } from './views.ts';

/** Services named on a page; the rest is in the ledger. */
const SERVICES_SHOWN = 20;

/** Everything a page says about the time between two instants (epoch milliseconds). */
export async function totalsBetween(
  db: Queryable,
  from: number,
  to: number,
  facts: readonly string[],
): Promise<Totals> {
  const span = [new Date(from).toISOString(), new Date(to).toISOString()];
  const within = [...span, await firstSince(db, from - DISORDER_MS), await firstSince(db, to + DISORDER_MS)];
  const [numbers] = await db.query<{ [name: string]: number | null }>(
    `select (select count(*)::int from events where ${WITHIN}) as events,
            count(*)::int as incidents,
            count(*) filter (where status in ('open', 'snoozed'))::int as open,
            count(*) filter (where status = 'acknowledged')::int as acknowledged,
            count(*) filter (where status = 'resolved')::int as resolved,
            (extract(epoch from avg(acked_at - opened_at)) * 1000)::float8 as mean_to_ack_ms,
            (extract(epoch from avg(resolved_at - opened_at)) * 1000)::float8 as mean_to_resolve_ms,
            (select count(*)::int from deliveries where status = 'dead' and ended_at >= $1 and ended_at < $2) as dead,
            (select count(*)::int from deliveries where status = 'delivered' and ended_at >= $1 and ended_at < $2) as delivered
       from incidents where opened_at >= $1 and opened_at < $2`,
    within,
  );
  const { mean_to_ack_ms, mean_to_resolve_ms, ...counts } = numbers ?? {};
  const counted = async (column: 'severity' | 'service'): Promise<Record<string, number>> => {
    const rows = await db.query<{ name: string; count: number }>(
      `select coalesce(${column}, 'none') as name, count(*)::int as count from incidents where opened_at >= $1 and opened_at < $2
        group by 1 order by 2 desc limit ${SERVICES_SHOWN}`,
      span,
    );
    return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
  };
  return {
    from: span[0] as string,
    to: span[1] as string,
    ...(counts as Pick<Totals, 'events' | 'incidents' | 'open' | 'acknowledged' | 'resolved' | 'dead' | 'delivered'>),
    by_severity: await counted('severity'),
    by_service: await counted('service'),
    ...(mean_to_ack_ms == null ? {} : { mean_to_ack_ms }),
    ...(mean_to_resolve_ms == null ? {} : { mean_to_resolve_ms }),
    facts: await factsBetween(db, within, facts),
  };
}

/** Events have no index by time: they are numbered as they come, but for those of two doors, and of a clock that was set. */
const WITHIN = 'seq >= $3 and seq < $4 and accepted_at >= $1 and accepted_at < $2';
const DISORDER_MS = 3_600_000;

/** The number of the first event that was accepted at this time or later, were they all in order; one past the last where there is none. */
async function firstSince(db: Queryable, time: number): Promise<number> {
  const [all] = await db.query<{ first: number | null; last: number | null }>(
    'select min(seq) as first, max(seq) as last from events',
  );
  let [low, high] = [all?.first ?? 0, (all?.last ?? -1) + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [next] = await db.query<{ seq: number; accepted_at: Date }>(
      'select seq, accepted_at from events where seq >= $1 order by seq limit 1',
      [middle],
    );
    if (!next || next.accepted_at.getTime() >= time) high = middle;
    else low = next.seq + 1;
  }
  return low;
}

/** The last value that each of these labels had. */
async function factsBetween(db: Queryable, within: readonly unknown[], names: readonly string[]): Promise<Labels> {
  if (names.length === 0) return {};
  const rows = await db.query<{ name: string; value: string }>(
    `select distinct on (l.key) l.key as name, l.value from events e, json_each_text(e.event->'labels') l
      where ${WITHIN} and l.key = any($5::text[]) order by l.key, e.seq desc`,
    [...within, [...names]],
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

export interface SummaryView {
  name: string;
  date: string;
  totals: Totals;
  status: 'collected' | 'written' | 'failed';
  page?: { [key: string]: Json };
  detail?: string;
  written_at: string;
}

export const storeSummary = (db: Queryable, name: string, date: string, totals: Totals): Promise<unknown> =>
  db.query(
    `insert into summaries (name, date, totals, status) values ($1, $2::date, $3::jsonb, 'collected')
     on conflict (name, date) do update set totals = excluded.totals, status = 'collected', written_at = now()`,
    [name, date, JSON.stringify(totals)],
  );

export const storePage = (
  db: Queryable,
  name: string,
  date: string,
  status: 'written' | 'failed',
  page: { [key: string]: Json } | undefined,
  detail?: string,
): Promise<unknown> =>
  db.query(
    `update summaries set status = $3, page = coalesce($4::jsonb, page), detail = $5, written_at = now() where name = $1 and date = $2::date`,
    [name, date, status, page ? JSON.stringify(page) : null, detail ?? null],
  );

/** Every summary of a date, by name. */
export async function summaryOf(db: Queryable, date: string): Promise<SummaryView[]> {
  const rows = await db.query(
    `select name, date::text as date, totals, status, page, detail, written_at from summaries where date = $1::date order by name`,
    [date],
  );
  return rows.map((row) => tidy<SummaryView>(row));
}
