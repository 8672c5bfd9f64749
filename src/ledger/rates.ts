/** How often each integration may be told, counted in the ledger: all workers share one budget, and a restart forgets none of it. */
import type { Ledger } from './db.ts';

/** So many turns in so many milliseconds. */
export interface Rate {
  count: number;
  per_ms: number;
}

/** Two readings of the ledger's clock, of transactions that overlap, may be so far apart without its having been set back. */
const APART_MS = 1_000;

/**
 * 0 when the integration may be told now (and one of its turns is taken), else the wait in milliseconds; without a rate always 0
 * and nothing is asked. `count` turns may come at once, then one every `per_ms / count`: the generic cell rate algorithm (ITU-T
 * I.371), one row and one statement, by the ledger's clock. `next_at` is when its budget will be whole again: after `per_ms` at
 * the latest. One that lies further ahead was written before the clock was set back, and is forgotten.
 */
export async function takeTurn(
  ledger: Ledger,
  { name, rate }: { name: string; rate?: Rate | undefined },
): Promise<number> {
  if (!rate) return 0;
  const turn_ms = rate.per_ms / rate.count;
  const [row] = await ledger.query<{ taken: boolean; wait_ms: number }>(
    `with taken as (
       insert into rates (integration, next_at) values ($1, now() + $2::float8 * interval '1 ms')
       on conflict (integration) do update
         set next_at = case when rates.next_at <= now() + $4::float8 * interval '1 ms' then greatest(rates.next_at, now()) else now() end + $2::float8 * interval '1 ms'
         where rates.next_at <= now() + $3::float8 * interval '1 ms' or rates.next_at > now() + $4::float8 * interval '1 ms'
       returning 1)
     select exists (select from taken) as taken,
       coalesce((select extract(epoch from next_at - now()) * 1000 - $3::float8 from rates where integration = $1), 0)::float8 as wait_ms`,
    [name, turn_ms, rate.per_ms - turn_ms, rate.per_ms + APART_MS],
  );
  // Another worker may have taken the turn between the look and the write: then the wait seen is too short, never none.
  return !row || row.taken ? 0 : Math.max(1, Math.ceil(row.wait_ms));
}
