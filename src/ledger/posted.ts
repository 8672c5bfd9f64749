/** Alerts as they were posted to Alertmanager's API: kept as they are known, shown until they end, forgotten some time after. */
import type { Event } from '../core/event.ts';
import { identityOf } from '../core/event.ts';
import { fingerprintOf } from '../core/prometheus/labels.ts';
import { merged, type Posted } from '../core/prometheus/posted.ts';
import type { Ledger, Queryable } from './db.ts';
import { digest, lockKeys } from './identity.ts';
import { procedure } from './procedure.ts';

/**
 * Longer than Prometheus repeats an end (15 minutes), and than a firing is taken for the one that is known (an hour, by
 * core/prometheus/posted.ts): what comes later is news again.
 */
const KEPT_MS = 2 * 3_600_000;
/** Rows that one transaction forgets. */
const FORGET_MAX = 1_000;

/** What is known of these keys. */
export async function knownPosted(db: Queryable, keys: readonly string[]): Promise<Map<string, Posted>> {
  if (keys.length === 0) return new Map();
  const rows = await db.query<{ key: string; posted: Posted }>(
    'select p.key, p.posted from unnest($1::text[]) k(key) cross join lateral (select * from posted_alerts where key = k.key limit 1) p',
    [keys],
  );
  return new Map(rows.map(({ key, posted }) => [key, posted]));
}

/** One alert as it was posted, by the key of its labels, with the event that it would be. */
export interface Posting {
  key: string;
  posted: Posted;
  event: Event;
}

/**
 * Keeps what was posted, merged with what is known, and lets each of these alerts that fires in an incident, or is held
 * back, end when it says. Runs after their events have been accepted: what is lost between the two comes again with the next repetition.
 */
export const keepPosted = (ledger: Ledger, postings: readonly Posting[]): Promise<void> =>
  keep(
    ledger,
    postings.map(({ key, posted, event }) => ({ key, posted, fingerprint: digest(identityOf(event)) })),
  );

interface Row {
  key: string;
  fingerprint: string;
  posted: Posted;
}

const keep = procedure('keepPosted', async (tx, sent: Row[]): Promise<void> => {
  const keys = [...new Set(sent.map(({ key }) => key))];
  // Before the keys, as whoever lets a held alert go has its row first.
  await tx.query('select 1 from held where fingerprint = any($1::text[]) order by id for update', [
    sent.map(({ fingerprint }) => fingerprint),
  ]);
  const firing = await tx.query<{ key: string }>(
    `select distinct key from alerts where current and status = 'firing' and fingerprint = any($1::text[])`,
    [sent.map(({ fingerprint }) => fingerprint)],
  );
  // Together and in order, as the door locks the incidents' keys: two transactions never wait for each other in a circle.
  await lockKeys(tx, [...new Set([...keys, ...firing.map(({ key }) => key)])]);
  const known = await knownPosted(tx, keys);
  for (const { key, posted } of sent) known.set(key, merged(known.get(key), posted));
  const fingerprints = new Map(sent.map(({ key, fingerprint }) => [key, fingerprint]));
  const rows = [...known].map(([key, posted]) => ({
    key,
    fingerprint: fingerprints.get(key),
    shown_as: fingerprintOf(posted.labels),
    ends_at: posted.ends_at,
    posted,
  }));
  await tx.query(
    `with r as (
       select * from jsonb_to_recordset($1::jsonb) as r(key text, fingerprint text, shown_as text, ends_at bigint, posted jsonb)
     ), e as (
       update alerts set expires_at = to_timestamp(r.ends_at / 1000.0) from r
        where alerts.fingerprint = r.fingerprint and alerts.current and alerts.status = 'firing' and alerts.expires_at is not null
     ), h as (
       update held set expires_at = to_timestamp(r.ends_at / 1000.0) from r
        where held.fingerprint = r.fingerprint and held.expires_at is not null
     )
     insert into posted_alerts (key, fingerprint, shown_as, ends_at, posted) select key, fingerprint, shown_as, ends_at, posted from r
     on conflict (key) do update set ends_at = excluded.ends_at, posted = excluded.posted`,
    [JSON.stringify(rows)],
  );
});

/** The alerts that have not ended, with the fingerprints that they are shown with. */
export const standingPosted = (db: Queryable, now: Date): Promise<{ posted: Posted; fingerprint: string }[]> =>
  db.query('select posted, shown_as as fingerprint from posted_alerts where ends_at >= $1', [now.getTime()]);

/** Forgets what ended long ago; returns how many. */
export async function forgetPosted(db: Queryable, now: Date): Promise<number> {
  const [row] = await db.query<{ gone: number }>(
    `with d as (delete from posted_alerts where key in (select key from posted_alerts where ends_at < $1 limit ${FORGET_MAX}) returning 1)
     select count(*)::int as gone from d`,
    [now.getTime() - KEPT_MS],
  );
  return row?.gone ?? 0;
}
