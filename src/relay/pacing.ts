/** How often an incident is signalled: at once when it matters, else every 250 ms, up to every 2 s while a backlog stays; how often all of them together, and how long the relay rests between its looks. */

/** design.md section 2, rule 10. */
const GAP_MS = 250;
const GAP_MAX_MS = 2_000;
/** Nobody waits longer than this for a turn, however many are busy. */
const WAIT_MAX_MS = 10_000;
/**
 * Between two signals of no urgency, of whatever incidents: each takes 15 ms of a processor, Temporal's part and ours (measured), so all
 * together take a third of one. Where more are busy than could be told like this within WAIT_MAX_MS, as often as that asks for.
 */
const BETWEEN_MS = 50;
/** Turns that are saved up while nobody wants one: what comes alone never waits. */
const TURNS_MAX = 8;
/** A key that was quiet this long is forgotten, and begins with the short gap again. */
const FORGET_MS = 10_000;
/** More waiting rows than this is a backlog. */
const BACKLOG = 10;

/** After a look the relay rests the square of the milliseconds that it took (1 after 1, 225 after 15), at most this. */
const REST_MAX_MS = 250;
/**
 * After a look at few rows at most this: it was not slow because of them. A pause of the collector of 15 ms while nothing waited cost
 * whoever came next 225, and one lone event of a hundred waited for it (measured).
 */
const REST_AFTER_FEW_MAX_MS = 20;

/** Milliseconds that a look which took so many leaves the ledger to others. */
export const restAfter = (took: number, wereFew: boolean): number =>
  Math.min(wereFew ? REST_AFTER_FEW_MAX_MS : REST_MAX_MS, took ** 2);

export function createPacing() {
  const keys = new Map<string, { at: number; gap: number }>();
  let turns = TURNS_MAX;
  let countedAt = 0;
  return {
    isRipe(key: string, urgent: boolean, now: number): boolean {
      const known = keys.get(key);
      return urgent || known === undefined || now >= known.at + known.gap;
    },
    sent(key: string, rows: number, now: number): void {
      const known = keys.get(key);
      const gap = known && rows > BACKLOG ? Math.min(GAP_MAX_MS, known.gap * 2) : GAP_MS;
      keys.set(key, { at: now, gap });
    },
    /** Takes one of the turns that all share who are ripe and not urgent; false where there is none now. */
    turn(now: number): boolean {
      const between = Math.min(BETWEEN_MS, WAIT_MAX_MS / Math.max(1, keys.size));
      turns = Math.min(TURNS_MAX, turns + (now - countedAt) / between);
      countedAt = now;
      if (turns < 1) return false;
      turns--;
      return true;
    },
    /** Milliseconds until the next key may be signalled again. */
    nextIn(now: number): number {
      let nearest = Number.POSITIVE_INFINITY;
      for (const { at, gap } of keys.values()) if (at + gap > now) nearest = Math.min(nearest, at + gap - now);
      return nearest;
    },
    forget(now: number): void {
      for (const [key, { at, gap }] of keys) if (now > at + gap + FORGET_MS) keys.delete(key);
    },
  };
}
