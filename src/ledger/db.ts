/** The thin seam between our SQL and the two databases that run it: Postgres through pg, and PGlite in this process. */
import pg from 'pg';
import { openPglite } from './pglite/open.ts';
import { NOT_COMMITTED } from './pglite/statements.ts';
import { runProcedure } from './procedure.ts';
import './procedures.ts';

export interface Queryable {
  /** Rows of one statement; parameters are `$1` … in both databases. */
  query<Row = Record<string, unknown>>(sql: string, params?: readonly unknown[]): Promise<Row[]>;
}

/** An open transaction. */
export interface Transaction extends Queryable {
  kind: Ledger['kind'];
}

export interface Ledger extends Queryable {
  kind: 'postgres' | 'pglite';
  /** Runs a procedure (procedure.ts) in a transaction of its own. */
  call(name: string, args: readonly unknown[]): Promise<unknown>;
  /** Commits what `work` asks for, or nothing; throws what it throws. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Says that rows wait in the inbox, to whoever runs the relay, here or in another process. */
  wake(): void;
  onWake(listener: () => void): () => void;
  close(): Promise<void>;
}

/** Postgres int8 fits a JavaScript number for every count and seq we will ever have. */
const INT8 = 20;
/** The channel of NOTIFY: its payload is empty, the inbox itself says what waits. */
const WAKE_CHANNEL = 'tocsin_inbox';
/** Connections of one process: enough for the door, the relay and twenty deliveries at once. */
const POOL_SIZE = 20;

/**
 * Opens the ledger: `url` is a Postgres address, `folder` a PGlite one (`memory://` keeps it in memory, for tests).
 * PGlite must have one owner: take the state folder's lock before (two openers lose data silently).
 */
export async function openLedger(where: { url: string } | { folder: string }): Promise<Ledger> {
  return 'url' in where ? openPostgres(where.url) : openPglite(where.folder);
}

async function openPostgres(url: string): Promise<Ledger> {
  const types = {
    getTypeParser: (id: number, format?: 'text' | 'binary') =>
      id === INT8 ? Number : pg.types.getTypeParser(id, format as 'text'),
  };
  const pool = new pg.Pool({ connectionString: url, max: POOL_SIZE, types, application_name: 'tocsin' });
  // An idle connection that breaks is replaced by the pool; the next query says what is wrong.
  pool.on('error', () => undefined);
  const over = (runner: pg.Pool | pg.PoolClient): Queryable => ({
    query: async <Row>(sql: string, params: readonly unknown[] = []) =>
      (await runner.query(sql, [...params])).rows as Row[],
  });
  const transaction: Ledger['transaction'] = async (work) => {
    const client = await pool.connect();
    try {
      await client.query('begin');
      const result = await work({ ...over(client), kind: 'postgres' });
      // A transaction in which a statement has failed answers a commit by rolling back, and calls that no error.
      if ((await client.query('commit')).command === 'ROLLBACK') throw new Error(NOT_COMMITTED);
      client.release();
      return result;
    } catch (error) {
      const broken = await client.query('rollback').then(
        () => false,
        () => true,
      );
      client.release(broken);
      throw error;
    }
  };
  const listeners = new Set<() => void>();
  const listening = listenForever(url, () => {
    for (const listener of listeners) listener();
  });
  return {
    kind: 'postgres',
    ...over(pool),
    call: (name, args) => transaction((tx) => runProcedure(tx, name, args)),
    transaction,
    wake: () => {
      pool.query(`notify ${WAKE_CHANNEL}`).catch(() => undefined); // The relay polls too: a lost wake costs a moment, no row.
    },
    onWake(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      await listening.stop();
      await pool.end();
    },
  };
}

/** How long a broken listening connection rests before it is made anew. */
const LISTEN_AGAIN_MS = 1_000;

function listenForever(url: string, heard: () => void): { stop(): Promise<void> } {
  let stopped = false;
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  const connect = async (): Promise<void> => {
    if (stopped) return;
    const fresh = new pg.Client({ connectionString: url, application_name: 'tocsin wake' });
    client = fresh;
    const again = (): void => {
      if (stopped || client !== fresh) return;
      client = undefined;
      timer = setTimeout(() => void connect(), LISTEN_AGAIN_MS);
    };
    fresh.on('error', again);
    fresh.on('end', again);
    fresh.on('notification', heard);
    await fresh
      .connect()
      .then(() => fresh.query(`listen ${WAKE_CHANNEL}`))
      .catch(again);
  };
  void connect();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await client?.end().catch(() => undefined);
    },
  };
}
