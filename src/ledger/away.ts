/** Whether an error says that the ledger itself is out of reach, or that one question to it was wrong; and the wait for one that is away. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Ledger, Queryable } from './db.ts';
import { migrate } from './migrate.ts';

/** Classes of SQLSTATE that say the database cannot work, whatever was asked: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const DOWN_CLASSES = new Set(['08', '53', '57', '58']);
const DOWN_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EPIPE',
  'EHOSTUNREACH',
  'ENOSPC',
  '25P03', // idle_in_transaction_session_timeout: this process stood still too long.
]);
/** pg and PGlite say these without a code. */
const DOWN_WORDS =
  /^(?:Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|Query read timeout|Cannot use a pool after|PGlite is clos)/;

/** Whether the database itself is out of reach, full or closed, rather than this one statement wrong. */
export function isAway(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isAway);
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (
    typeof code === 'string' &&
    (DOWN_CODES.has(code) || (/^[0-9A-Z]{5}$/.test(code) && DOWN_CLASSES.has(code.slice(0, 2))))
  ) {
    return true;
  }
  return DOWN_WORDS.test(error.message);
}

/** A database that starts together with us, or is being restarted, is back by then; who starts us again decides what follows. */
const PATIENCE_MS = 60_000;
const AGAIN_MS = 1_000;

/**
 * Brings a ledger to this version's schema as soon as it answers. `waits` hears why, each time that it does not.
 * Rejects with what it said at last, or at once with what waiting does not mend.
 */
export async function whenItAnswers(ledger: Ledger, waits: (why: string) => void): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await migrate(ledger);
    } catch (error) {
      if (!isAway(error) || performance.now() > until) throw error;
      waits(error instanceof Error ? error.message || String((error as { code?: unknown }).code) : String(error));
    }
    await pause(AGAIN_MS);
  }
}

/** A probe that waits longer is as good as refused. */
const READY_WAIT_MS = 2_000;

/** Whether the ledger answers in time and has a schema. */
export async function isReady(ledger: Queryable): Promise<boolean> {
  const asked = ledger
    .query<{ value: string }>(`select value from meta where name = 'schema'`)
    .then((rows) => Number(rows[0]?.value) > 0)
    .catch(() => false);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), READY_WAIT_MS);
  });
  return Promise.race([asked, late]).finally(() => clearTimeout(timer));
}
