/** How the ledger names things: digests of canonical texts, and the locks that go with them. */
import { hash } from 'node:crypto';
import type { Transaction } from './db.ts';

/** Half of a SHA-256: 128 bits, enough that two texts never meet. */
const DIGEST_CHARS = 32;

export const digest = (text: string): string => hash('sha256', text).slice(0, DIGEST_CHARS);

/**
 * Holds the grouping keys until the transaction ends: door and relay see one key one after the other, so that a batch has
 * exactly the rows that its totals count. Sorted, so that two transactions never wait for each other in a circle.
 * PGlite has one connection, which is the lock.
 */
export async function lockKeys(tx: Transaction, keys: readonly string[]): Promise<void> {
  if (tx.kind === 'pglite' || keys.length === 0) return;
  const sorted = [...keys].sort();
  await tx.query(
    'select pg_advisory_xact_lock(hashtextextended(k, 0)) from (select k from unnest($1::text[]) with ordinality t(k, o) order by o offset 0) s',
    [sorted],
  );
}
