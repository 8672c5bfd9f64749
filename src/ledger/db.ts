/** The thin seam between our SQL and the two databases that run it: Postgres through pg, and PGlite in this process. */
import { type OwnFolder, openPglite } from './pglite/open.ts';
import { openPostgres } from './postgres.ts';
import './procedures.ts';

export interface Queryable {
  /** Rows of one statement; parameters are `$1` … in both databases. */
  query<Row = Record<string, unknown>>(sql: string, params?: readonly unknown[]): Promise<Row[]>;
}

/** An open transaction. */
export interface Transaction extends Queryable {
  kind: Ledger['kind'];
  /** Runs this once everything is committed; never, where it is not. */
  afterwards(work: () => void): void;
}

export interface Ledger extends Queryable {
  kind: 'postgres' | 'pglite';
  /** Runs a procedure (procedure.ts) in a transaction of its own. */
  call(name: string, args: readonly unknown[]): Promise<unknown>;
  /** Commits what `work` asks for, or nothing; throws what it throws. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** A transaction that may take as long as it needs, as a migration of a large table does; for one at a time. */
  patiently: Ledger['transaction'];
  /** Says that rows wait in the inbox, to whoever runs the relay, here or in another process. */
  wake(): void;
  onWake(listener: () => void): () => void;
  /** Resolves with why, once nothing but a new start of the process helps; a ledger without it comes back by itself. */
  failed?: Promise<string>;
  close(): Promise<void>;
}

/**
 * Opens the ledger: `url` is a Postgres address, `folder` a PGlite one (`memory://` keeps it in memory, for tests).
 * PGlite must have one owner: take the state folder's lock before (two openers lose data silently).
 */
export async function openLedger(where: { url: string } | OwnFolder): Promise<Ledger> {
  return 'url' in where ? openPostgres(where.url) : openPglite(where);
}
