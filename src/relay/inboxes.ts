/** The inboxes that wait, as the relay knows them: while thousands of rows wait, a look reads only those that have come since the last. */
import { type Claim, lookAndClaim } from '../ledger/claim.ts';
import type { Ledger } from '../ledger/db.ts';
import { newlyWaiting, type Waiting, waitingInboxes } from '../ledger/inbox.ts';

export interface Inboxes {
  /** What is critical or a command first, then the oldest. */
  look(): Promise<Waiting[]>;
  /** The same for who has nothing else to do: one that waits alone and must not is claimed at once. */
  lookAndClaim(prefix?: string): Promise<{ waiting: Waiting[]; claimed?: Claim }>;
  /** The rows of this inbox up to this seq wait no more; without one, all that is known of it is forgotten. */
  taken(key: string, through?: number): void;
  /** Whether the rows that wait are so few that a look at them takes a millisecond. */
  areFew(): boolean;
}

/** Fewer waiting rows than this are all read at each look: they take a millisecond. */
const FEW = 1_000;
/** Everything is read so often all the same: for claims that failed, incidents that others have closed, and inboxes beyond those that one look lists. */
const EVERYTHING_MS = 2_000;
/** Where that takes long it is at most this share of the time: a look at 100,000 rows takes up to 170 ms, for which the door waits (measured). */
const EVERYTHING_SHARE = 1 / 50;

/**
 * PGlite commits in the order of the rows' numbers, so none can appear below one that was seen. Postgres does not: there each
 * look reads everything.
 */
export function createInboxes(ledger: Ledger, now: () => number): Inboxes {
  const known = new Map<string, Waiting>();
  let newest = 0;
  let everythingAt = 0;

  const knowAll = (found: Waiting[], took = 0): void => {
    everythingAt = now() + Math.max(EVERYTHING_MS, took / EVERYTHING_SHARE);
    known.clear();
    for (const one of found) known.set(one.key, one);
  };
  const noteNewest = (): void => {
    for (const one of known.values()) newest = Math.max(newest, one.newest);
  };
  const add = (more: Waiting): void => {
    const one = known.get(more.key);
    known.set(more.key, one ? together(one, more) : more);
  };
  const areFew = (): boolean => [...known.values()].reduce((sum, one) => sum + one.rows, 0) < FEW;

  const look = async (): Promise<Waiting[]> => {
    const from = now();
    if (ledger.kind !== 'pglite' || areFew() || from >= everythingAt) {
      const found = await waitingInboxes(ledger);
      knowAll(found, now() - from);
    } else for (const more of await newlyWaiting(ledger, newest)) add(more);
    noteNewest();
    return [...known.values()].sort((a, b) => Number(b.pressing) - Number(a.pressing) || a.oldest - b.oldest);
  };

  return {
    look,
    areFew,
    async lookAndClaim(prefix) {
      if (!areFew()) return { waiting: await look() };
      const looked = await lookAndClaim(ledger, prefix);
      knowAll(looked.claimed ? [] : looked.waiting);
      return looked;
    },
    taken(key, through = Number.POSITIVE_INFINITY) {
      const one = known.get(key);
      if (one && one.newest <= through) known.delete(key);
    },
  };
}

/** Both of one inbox, the second read after the first. */
const together = (one: Waiting, more: Waiting): Waiting => ({
  ...more,
  rows: one.rows + more.rows,
  oldest: one.oldest,
  urgent: one.urgent || more.urgent,
  pressing: one.pressing || more.pressing,
});
