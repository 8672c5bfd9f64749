/** How often each integration may be told, counted in the ledger: all workers share one budget, and a restart forgets none of it. */
import type { Ledger } from './db.ts';

/** So many turns in so many milliseconds. */
export interface Rate {
  count: number;
  per_ms: number;
}

/** Two readings of the ledger's clock, of transactions that overlap, may be so far apart without its having been set back. */
const APART_MS = 1_000;
/** Turns remembered of an integration, eight bytes each. The statement below takes 0.4 ms with 30, 1.7 ms with so many (measured: PGlite, 2 busy cores). */
const TURNS_MAX = 1_000;

/**
 * 0 when the integration may be told now (and one of its turns is taken), else the wait in milliseconds; without a rate always 0
 * and nothing is asked. Never more than `count` turns are taken in any stretch of `per_ms`, by the ledger's clock: the row
 * remembers when the last `count` were taken, oldest first, and one statement looks and takes. What lies ahead of the clock was
 * taken before it was set back, and is forgotten.
 */
export async function takeTurn(
  ledger: Ledger,
  { name, rate }: { name: string; rate?: Rate | undefined },
): Promise<number> {
  if (!rate) return 0;
  const { count, per_ms } = remembered(rate);
  const [row] = await ledger.query<{ taken: boolean; wait_ms: number }>(
    `with taken as (
       insert into rates (integration, turns) values ($1, array[now()])
       on conflict (integration) do update
         set turns = case when ${NEWEST} > ${AHEAD} then array(select turn from unnest(rates.turns) turn where turn <= ${AHEAD}) || now()
           else rates.turns[cardinality(rates.turns) - $2::int + 2:] || greatest(now(), ${NEWEST}) end
         where ${OLDEST} is null or ${OLDEST} <= now() - $3::float8 * interval '1 ms' or ${NEWEST} > ${AHEAD}
       returning 1)
     select exists (select from taken) as taken,
       coalesce((select extract(epoch from ${OLDEST} - now()) * 1000 + $3::float8 from rates where integration = $1), 0)::float8 as wait_ms`,
    [name, count, per_ms, APART_MS],
  );
  // Another worker may have taken the turn between the look and the write: then the wait seen is too short, never none.
  return !row || row.taken ? 0 : Math.max(1, Math.ceil(row.wait_ms));
}

/** Of the last `count`; null where there were fewer. */
const OLDEST = 'rates.turns[cardinality(rates.turns) - $2::int + 1]';
const NEWEST = 'rates.turns[cardinality(rates.turns)]';
const AHEAD = `(now() + $4::float8 * interval '1 ms')`;

/** A large budget in shorter stretches, each with its share: whoever keeps to these keeps to it. */
function remembered({ count, per_ms }: Rate): Rate {
  const stretches = Math.ceil(count / TURNS_MAX);
  return { count: Math.floor(count / stretches), per_ms: per_ms / stretches };
}
