/** PGlite as a ledger: in a thread of its own, so that the door goes on reading while a commit is under way. */
import { mkdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Ledger } from '../db.ts';
import { type Arg, createTeller } from './args.ts';
import { StatementError } from './statements.ts';

/** One thing for the thread to do. */
export type Asked = { sql: string; params: readonly unknown[] } | { call: string; args: Arg[] };

/** In the order in which it was asked. */
export type Answered =
  | { result: unknown }
  | {
      error: {
        message: string;
        code?: string | undefined;
        detail?: string | undefined;
        constraint?: string | undefined;
      };
    };

/** A folder that is ours alone. */
export interface OwnFolder {
  folder: string;
  /**
   * A file with a new database, as PGlite's dumpDataDir('none') writes it: what is new in memory begins as a copy of it, in a
   * fifth of the time that making one takes (measured: 0.3 s instead of 1.8).
   */
  image?: string;
}

/** SQLSTATE of a server that is not there (class 57: operator intervention): the API answers it with 503. */
const GONE = '57P01';

/**
 * The thread has failed where it says nothing for so many looks, a second each, while something is asked. Looks are counted
 * and not the time: a process that stood still has missed them both. Seen where the disk had no place for the next segment
 * of the write-ahead log: PGlite then tries for ever, also when there is space again.
 */
const SILENT_LOOKS = 20;
const LOOK_MS = 1_000;

/**
 * Opens a folder (`memory://` keeps it in memory, for tests). It must have one owner: two openers lose data silently, so
 * take the state folder's lock before. Rejects with what PGlite says where it cannot be opened.
 */
export async function openPglite({ folder, image }: OwnFolder): Promise<Ledger> {
  if (!folder.includes('://')) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { ask, close, failed, patiently } = await startThread({ folder, ...(image === undefined ? {} : { image }) });
  const listeners = new Set<() => void>();

  // One connection: while a transaction is open here, whatever else is asked waits. What the thread does by itself needs no
  // turn: it does one thing after the other.
  let last: Promise<unknown> = Promise.resolve();
  let transactions = 0;
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    transactions++;
    const mine = last.then(work).finally(() => {
      transactions--;
    });
    last = mine.catch(() => undefined);
    return mine;
  };
  const askInTurn = (what: () => Asked): Promise<unknown> =>
    transactions === 0 ? ask(what()) : last.then(() => askInTurn(what));
  const tell = createTeller();

  const transaction: Ledger['transaction'] = (work) =>
    inTurn(async () => {
      const query = <Row>(sql: string, params: readonly unknown[] = []) => ask({ sql, params }) as Promise<Row[]>;
      await query('begin');
      try {
        const afterwards: (() => void)[] = [];
        const result = await work({ kind: 'pglite', query, afterwards: (more) => afterwards.push(more) });
        await query('commit');
        for (const more of afterwards) more();
        return result;
      } catch (error) {
        await query('rollback').catch(() => undefined);
        throw error;
      }
    });

  return {
    kind: 'pglite',
    query: <Row>(sql: string, params: readonly unknown[] = []) => askInTurn(() => ({ sql, params })) as Promise<Row[]>,
    // Told when its turn has come: what it tells first is known to whatever comes after it.
    call: async (name, args) => askInTurn(() => ({ call: name, args: tell(args) })),
    transaction,
    patiently: (work) => patiently(() => transaction(work)),
    wake: () => {
      for (const listener of listeners) listener();
    },
    onWake(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    failed,
    close: () => inTurn(close),
  };
}

interface Thread {
  ask(what: Asked): Promise<unknown>;
  /** Why it has ended by itself, or had to be ended. */
  failed: Promise<string>;
  /** While this runs, silence is work. */
  patiently<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

async function startThread(place: OwnFolder): Promise<Thread> {
  const worker = new Worker(new URL('./thread.ts', import.meta.url), { workerData: place, name: 'ledger' });
  // In the order of the answers. Not a map: V8 keeps each table of a map that lost and won entries until its next full
  // collection, and all that was in it with it (measured: 12 KB of every request).
  const waiting: { resolve(result: unknown): void; reject(error: Error): void }[] = [];
  let gone: Error | undefined;
  let closing = false;
  let silent = 0;
  let patient = 1; // Opening replays what a crash has left.
  let fail: (why: string) => void = () => undefined;
  const failed = new Promise<string>((resolve) => {
    fail = resolve;
  });

  const end = (why: string): void => {
    clearInterval(watch);
    gone ??= new StatementError(why, { code: GONE });
    for (const { reject } of waiting.splice(0)) reject(gone);
    if (!closing) fail(why);
  };
  const watch = setInterval(() => {
    if (waiting.length === 0 || patient > 0) silent = 0;
    else if (++silent >= SILENT_LOOKS) {
      end(`the ledger has not answered for ${(SILENT_LOOKS * LOOK_MS) / 1_000} s: is its disk full?`);
      void worker.terminate();
    }
  }, LOOK_MS);
  watch.unref();
  const ready = new Promise<unknown>((resolve, reject) => waiting.push({ resolve, reject }));
  worker.on('message', (answered: Answered) => {
    silent = 0;
    const one = waiting.shift();
    if ('error' in answered) one?.reject(new StatementError(answered.error.message, answered.error));
    else one?.resolve(answered.result);
  });
  worker.on('error', (error) => end(`the ledger's thread failed: ${error.message}`));
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', () => {
      end('the ledger is closed');
      resolve();
    });
  });
  await ready;
  patient = 0;
  return {
    failed,
    async patiently(work) {
      patient++;
      return work().finally(() => {
        patient--;
      });
    },
    ask: (what) =>
      new Promise((resolve, reject) => {
        if (gone) {
          reject(gone);
          return;
        }
        waiting.push({ resolve, reject });
        worker.postMessage(what satisfies Asked);
      }),
    async close() {
      closing = true;
      if (!gone) worker.postMessage('close');
      await ended;
    },
  };
}
