/** Brings a ledger to the schema this version knows, once, under a lock, and refuses a newer one. */
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { Ledger, Queryable } from './db.ts';

/** Any constant of our own: who holds this advisory lock migrates. */
const MIGRATION_LOCK = 7_462_001;

const folder = new URL('.', import.meta.url);
const migrations = (): { number: number; file: string }[] =>
  readdirSync(folder)
    .filter((file) => /^\d{3}-.*\.sql$/.test(file))
    .sort()
    .map((file) => ({ number: Number(file.slice(0, 3)), file }));

const newestOf = (known: { number: number }[]): number => known.at(-1)?.number ?? 0;

/**
 * Runs what is missing, all of it in one transaction: whatever ends it in the middle leaves the old schema whole. `through` is the
 * last to run, of all that there are unless it is given. Throws when the ledger was written by a newer version of Tocsin.
 */
export async function migrate(ledger: Ledger, through = Number.POSITIVE_INFINITY): Promise<void> {
  const known = migrations();
  const newest = newestOf(known);
  await ledger.patiently(async (tx) => {
    await tx.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    const present = await schemaVersion(tx);
    if (present > newest) {
      throw new Error(
        `the ledger has schema ${present}, this version of Tocsin knows ${newest}: start a newer Tocsin, or restore an older ledger`,
      );
    }
    for (const { number, file } of known.filter((one) => one.number > present && one.number <= through)) {
      for (const statement of statementsOf(readFileSync(new URL(file, folder), 'utf8')))
        await tx.query(statement).catch((error: unknown) => {
          throw mayNot(error, present, newest);
        });
      await setMeta(tx, 'schema', String(number));
    }
    if ((await meta(tx, 'epoch')) === undefined) await setMeta(tx, 'epoch', randomUUID());
  });
}

/** SQLSTATE insufficient_privilege (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const NO_RIGHT = '42501';

const mayNot = (error: unknown, present: number, newest: number): unknown =>
  error instanceof Error && (error as { code?: unknown }).code === NO_RIGHT
    ? new Error(
        `the ledger has schema ${present}, this version needs ${newest}, and this role may not change it: run tocsin migrate as the role that owns its tables (${error.message})`,
        { cause: error },
      )
    : error;

/** Throws where the ledger is not at the schema of this version: for who only reads, and must not migrate. */
export async function checkSchema(ledger: Queryable): Promise<void> {
  const [present, newest] = [await schemaVersion(ledger), newestOf(migrations())];
  if (present !== newest)
    throw new Error(
      `the ledger has schema ${present}, this version of Tocsin reads ${newest}: start it once, or use the version that runs`,
    );
}

/** One statement at a time, as both databases take them: a `;` at a line's end ends one, except inside `$$`. */
function statementsOf(sql: string): string[] {
  const statements: string[] = [];
  let open = '';
  for (const line of sql.split('\n')) {
    if (open === '' && (line.trim() === '' || line.startsWith('--'))) continue;
    open += `${line}\n`;
    const quoted = (open.match(/\$\$/g) ?? []).length % 2 === 1;
    if (line.trimEnd().endsWith(';') && !quoted) {
      statements.push(open);
      open = '';
    }
  }
  return open.trim() ? [...statements, open] : statements;
}

async function schemaVersion(tx: Queryable): Promise<number> {
  const [found] = await tx.query<{ there: string | null }>(`select to_regclass('meta')::text as there`);
  return found?.there ? Number((await meta(tx, 'schema')) ?? 0) : 0;
}

async function meta(tx: Queryable, name: string): Promise<string | undefined> {
  const [row] = await tx.query<{ value: string }>('select value from meta where name = $1', [name]);
  return row?.value;
}

const setMeta = (tx: Queryable, name: string, value: string): Promise<unknown> =>
  tx.query('insert into meta (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value', [
    name,
    value,
  ]);

/** The ledger's epoch: a workflow that meets another one loads before it goes on. */
export const epochOf = async (tx: Queryable): Promise<string> => (await meta(tx, 'epoch')) ?? '';

/**
 * After an unclean embedded start the last moments may be missing: a new epoch makes every workflow ask. What was on its way
 * when the process died is on its way no more: its incident is due, should its workflow be gone as well.
 */
export async function renewEpoch(tx: Queryable): Promise<string> {
  const epoch = randomUUID();
  await tx.query(`update incidents set due_at = now() where closed_at is null
    and exists (select 1 from deliveries where incident = incidents.id and status = 'sending')`);
  await setMeta(tx, 'epoch', epoch);
  return epoch;
}
