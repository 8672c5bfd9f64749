/** What autovacuum does on a server and nobody on PGlite: room of rows that are gone is used again, and old rows are frozen. */
import type { Ledger } from './db.ts';

/**
 * As on a server, so much of a table and a little, but less than its fifth: one vacuum of a large table should have little to do
 * (https://www.postgresql.org/docs/current/runtime-config-vacuum.html).
 */
const SHARE = 0.05;
const DEAD_MIN = 1_000;
/**
 * PGlite does nothing else meanwhile: so much of new pages takes 70 ms (measured), and what a vacuum has seen the next one passes
 * by. Dead rows all over a table of 270 MB take half a second.
 */
const NEW_BYTES_MAX = 64 * 1024 * 1024;
const NEW_BYTES_MIN = 1024 * 1024;
/** From this age a vacuum freezes all of a table by itself (`vacuum_freeze_table_age`); at two thousand million nothing is written any more. */
const FREEZE_AFTER = 150_000_000;

const DUE = `
  select c.oid::regclass::text as name
    from pg_class c
    left join pg_stat_all_tables s on s.relid = c.oid
    left join pg_class t on t.oid = c.reltoastrelid
   cross join lateral (select pg_relation_size(c.oid) as bytes, c.relpages * current_setting('block_size')::bigint as seen) p
   where c.relkind = 'r' and c.relpersistence = 'p' and (
         (c.relnamespace = 'public'::regnamespace and (
            s.n_dead_tup > $1 + $2::float8 * s.n_live_tup
            or p.bytes - p.seen > greatest($3::bigint, least($2::float8 * p.seen, $4::bigint))))
         or greatest(age(c.relfrozenxid), age(t.relfrozenxid)) > $5::bigint)
   order by p.bytes`;

/**
 * The databases beside ours, from which it was copied. Nobody can write to them and initdb has frozen all that is in them, so
 * they are as old as ours is; PostgreSQL counts the oldest (https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND).
 */
const TEMPLATES = `
  update pg_database t set datfrozenxid = o.datfrozenxid from pg_database o
   where o.datname = current_database() and t.datistemplate and age(t.datfrozenxid) > $1::bigint and age(t.datfrozenxid) > age(o.datfrozenxid)
  returning 1`;

/**
 * Vacuums the tables of a PGlite that have grown, of which a twentieth is dead as far as it knows (it counts since it was opened),
 * or whose rows are older than `freezeAfter` transactions; says which. `rest` follows each, with the milliseconds that it took.
 * A server has autovacuum, and nothing is done there.
 */
export async function vacuumWhereDue(
  ledger: Ledger,
  { rest, freezeAfter = FREEZE_AFTER }: { rest: (worked_ms: number) => Promise<void>; freezeAfter?: number },
): Promise<string[]> {
  if (ledger.kind !== 'pglite') return [];
  // Counts are told once a second otherwise, and by a statement that ends.
  await ledger.query('select pg_stat_force_next_flush()');
  const due = await ledger.query<{ name: string }>(DUE, [DEAD_MIN, SHARE, NEW_BYTES_MIN, NEW_BYTES_MAX, freezeAfter]);
  for (const { name } of due) {
    const started = performance.now();
    await ledger.query(`vacuum ${name}`);
    await rest(performance.now() - started);
  }
  const aged = await ledger.query(TEMPLATES, [freezeAfter]);
  // Any vacuum has PostgreSQL look for the oldest database anew.
  if (aged.length > 0) await ledger.query('vacuum pg_database');
  return due.map(({ name }) => name);
}
