/** Keeps integrations that hang from taking every place of the worker: what is slow may hold some, and the others go on. */

/** An attempt that has lasted so long is slow: every provider answers sooner while it is well. */
const SLOW_MS = 1_000;
/** Slow attempts at one integration, and at all of them, of the 100 places that a worker has (src/temporal/worker.ts). */
const SLOW_OF_ONE = 25;
const SLOW_OF_ALL = 50;
/** When a delivery that found no place asks again: as often as its place costs nothing to speak of, and not all at once. */
const AGAIN_MS = 2_000;
const SPREAD_MS = 2_000;

export interface Bulkhead {
  /** How long, in milliseconds, to wait before asking again; 0 where an attempt at this integration may begin now. */
  waitFor(target: string): number;
  /** Runs one attempt in its place. */
  during<T>(target: string, attempt: () => Promise<T>): Promise<T>;
}

/** `now`: a monotonic clock in milliseconds; `chance`: a number from 0 up to 1. */
export function createBulkhead(
  now: () => number = () => performance.now(),
  chance: () => number = Math.random,
): Bulkhead {
  const begun = new Map<string, Set<{ at: number }>>();
  const slowOf = (attempts: Iterable<{ at: number }>): number => {
    const before = now() - SLOW_MS;
    let slow = 0;
    for (const { at } of attempts) if (at <= before) slow++;
    return slow;
  };

  return {
    waitFor(target) {
      const own = slowOf(begun.get(target) ?? []);
      if (own === 0) return 0;
      const all = [...begun.values()].reduce((sum, attempts) => sum + slowOf(attempts), 0);
      return own >= SLOW_OF_ONE || all >= SLOW_OF_ALL ? AGAIN_MS + chance() * SPREAD_MS : 0;
    },

    async during(target, attempt) {
      const mine = { at: now() };
      const attempts = begun.get(target) ?? new Set();
      begun.set(target, attempts.add(mine));
      try {
        return await attempt();
      } finally {
        attempts.delete(mine);
        if (attempts.size === 0) begun.delete(target);
      }
    },
  };
}
