/** PGlite as a ledger: in a thread of its own, so that the door goes on reading while a commit is under way. */
import { mkdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Ledger, Queryable } from '../db.ts';
import { StatementError } from './statements.ts';

/** One statement for the thread; `sql: null` closes. */
export interface Asked {
  id: number;
  sql: string | null;
  params: readonly unknown[];
  /** A transaction begins with it. */
  begins: boolean;
}

export type Answered =
  | { id: number; rows: Record<string, unknown>[] }
  | {
      id: number;
      error: {
        message: string;
        code?: string | undefined;
        detail?: string | undefined;
        constraint?: string | undefined;
      };
    };

interface Waiting {
  resolve(rows: Record<string, unknown>[]): void;
  reject(error: Error): void;
}

/** SQLSTATE of a server that is not there (class 57: operator intervention): the API answers it with 503. */
const GONE = '57P01';

/**
 * Opens a folder (`memory://` keeps it in memory, for tests). It must have one owner: two openers lose data silently, so
 * take the state folder's lock before. Rejects with what PGlite says where it cannot be opened.
 */
export async function openPglite(folder: string): Promise<Ledger> {
  if (!folder.includes('://')) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const worker = new Worker(new URL('./thread.ts', import.meta.url), { workerData: { folder }, name: 'ledger' });
  const waiting = new Map<number, Waiting>();
  const listeners = new Set<() => void>();
  let asked = 0;
  let gone: Error | undefined;

  const end = (why: string): void => {
    gone ??= new StatementError(why, { code: GONE });
    for (const { reject } of waiting.values()) reject(gone);
    waiting.clear();
  };
  const ready = new Promise<unknown>((resolve, reject) => waiting.set(0, { resolve, reject }));
  worker.on('message', (answered: Answered) => {
    const one = waiting.get(answered.id);
    waiting.delete(answered.id);
    if ('error' in answered) one?.reject(new StatementError(answered.error.message, answered.error));
    else one?.resolve(answered.rows);
  });
  worker.on('error', (error) => end(`the ledger's thread failed: ${error.message}`));
  worker.on('exit', () => end('the ledger is closed'));

  const ask = <Row>(sql: string | null, params: readonly unknown[] = [], begins = false): Promise<Row[]> =>
    new Promise((resolve, reject) => {
      if (gone) {
        reject(gone);
        return;
      }
      const id = ++asked;
      waiting.set(id, { resolve: resolve as Waiting['resolve'], reject });
      worker.postMessage({ id, sql, params, begins } satisfies Asked);
    });

  // One connection: whoever has a transaction has the ledger; the others wait their turn.
  let last: Promise<unknown> = Promise.resolve();
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = last.then(work);
    last = mine.catch(() => undefined);
    return mine;
  };

  await ready;
  return {
    kind: 'pglite',
    query: (sql, params) => alone(() => ask(sql, params)),
    transaction: (work) =>
      alone(async () => {
        let begun = false;
        const tx: Queryable = {
          query(sql, params) {
            const begins = !begun;
            begun = true;
            return ask(sql, params, begins);
          },
        };
        try {
          const result = await work(tx);
          if (begun) await ask('commit');
          return result;
        } catch (error) {
          if (begun) await ask('rollback').catch(() => undefined);
          throw error;
        }
      }),
    wake: () => {
      for (const listener of listeners) listener();
    },
    onWake(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () =>
      alone(async () => {
        if (gone) return;
        await ask(null);
        await worker.terminate();
      }),
  };
}
