/** The ledger on Postgres, through pg: a pool, LISTEN and NOTIFY, and deadlines for everything. */
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { Ledger, Queryable, Transaction } from './db.ts';
import { NOT_COMMITTED } from './pglite/statements.ts';
import { runProcedure } from './procedure.ts';

/** Postgres int8 fits a JavaScript number for every count and seq we will ever have. */
const INT8 = 20;
/** The channel of NOTIFY: its payload is empty, the inbox itself says what waits. */
const WAKE_CHANNEL = 'tocsin_inbox';
/** Connections of one process: enough for the door, the relay and twenty deliveries at once. */
const POOL_SIZE = 20;
/** A database in the next rack answers in milliseconds, one that starts in seconds; a request waits for no longer. */
const CONNECT_MS = 5_000;
/** The longest statement of ours, a page of deliveries over years, takes under a second; a lock is waited for about as long. */
const STATEMENT_MS = 15_000;
/** What the line may take on top, before it counts as silent. */
const ANSWER_MS = 5_000;
/** Before Linux asks an idle connection whether it is there. */
const KEEPALIVE_MS = 10_000;

/**
 * A ledger at this Postgres address. Whatever happens to the line or to the server, a question is answered or fails within
 * STATEMENT_MS and some: a connection that fell silent is given up, and the server ends what its own client forgot.
 */
export async function openPostgres(url: string): Promise<Ledger> {
  const types = {
    getTypeParser: (id: number, format?: 'text' | 'binary') =>
      id === INT8 ? Number : pg.types.getTypeParser(id, format as 'text'),
  };
  const pool = new pg.Pool({
    connectionString: url,
    max: POOL_SIZE,
    types,
    application_name: 'tocsin',
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_MS,
    statement_timeout: STATEMENT_MS,
    query_timeout: STATEMENT_MS + ANSWER_MS,
    idle_in_transaction_session_timeout: STATEMENT_MS,
  });
  // An idle connection that breaks is replaced by the pool; the next query says what is wrong.
  pool.on('error', () => undefined);
  const over = (runner: pg.Pool | pg.ClientBase): Queryable => ({
    query: async <Row>(sql: string, params: readonly unknown[] = []) =>
      (await runner.query(sql, [...params])).rows as Row[],
  });
  /** Commits or rolls back; what it throws says whether the connection is still good. */
  const commit = async <T>(client: pg.ClientBase, work: (tx: Transaction) => Promise<T>): Promise<T> => {
    await client.query('begin');
    const afterwards: (() => void)[] = [];
    const result = await work({ ...over(client), kind: 'postgres', afterwards: (more) => afterwards.push(more) });
    // A transaction in which a statement has failed answers a commit by rolling back, and calls that no error.
    if ((await client.query('commit')).command === 'ROLLBACK') throw new Error(NOT_COMMITTED);
    for (const more of afterwards) more();
    return result;
  };
  const transaction: Ledger['transaction'] = async (work) => {
    const client = await pool.connect();
    // The pool listens only to connections that rest. One that breaks between two statements of ours would end the process.
    client.on('error', ignored);
    try {
      const result = await commit(client, work);
      client.off('error', ignored).release();
      return result;
    } catch (error) {
      // Behind a silent line the rollback would be waited for as long again: what timed out is given up with its connection.
      const broken = isSilence(error) || !(await client.query('rollback').catch(() => undefined));
      if (!broken) client.off('error', ignored); // What is thrown away may go on complaining.
      client.release(broken);
      throw error;
    }
  };
  const patiently: Ledger['patiently'] = async (work) => {
    const client = new pg.Client({
      connectionString: url,
      types,
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
    });
    client.on('error', () => undefined); // The question that is on its way says it.
    try {
      await client.connect();
      return await commit(client, work);
    } finally {
      await client.end().catch(() => undefined);
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
    patiently,
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

/** The next statement says it. */
const ignored = (): void => undefined;

/** pg's own words (pg 8, lib/client.js): its query_timeout has no code. */
const isSilence = (error: unknown): boolean => error instanceof Error && error.message === 'Query read timeout';

/** How long a broken listening connection rests before it is made anew. */
const LISTEN_AGAIN_MS = 1_000;
/** How often it is asked whether it is still there: one that fell silent hears nothing, and does not know. */
const LISTEN_CHECK_MS = 15_000;

function listenForever(url: string, heard: () => void): { stop(): Promise<void> } {
  let stopped = false;
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  const connect = async (): Promise<void> => {
    if (stopped) return;
    const fresh = new pg.Client({
      connectionString: url,
      application_name: 'tocsin wake',
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: ANSWER_MS,
    });
    client = fresh;
    const again = (): void => {
      if (stopped || client !== fresh) return;
      client = undefined;
      clearTimeout(timer);
      fresh.end().catch(() => undefined);
      timer = setTimeout(() => void connect(), LISTEN_AGAIN_MS);
    };
    const check = (): void => {
      timer = setTimeout(() => void fresh.query('select 1').then(check, again), LISTEN_CHECK_MS);
      timer.unref();
    };
    fresh.on('error', again);
    fresh.on('end', again);
    fresh.on('notification', heard);
    await fresh
      .connect()
      .then(() => fresh.query(`listen ${WAKE_CHANNEL}`))
      .then(check, again);
  };
  void connect();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await Promise.race([client?.end().catch(() => undefined), pause(ANSWER_MS, undefined, { ref: false })]);
    },
  };
}
