/** How often an incident is signalled: at once when it matters, else every 250 ms, up to every 2 s while a backlog stays, and 10 s where many are busy. */

/** design.md section 2, rule 10. */
const GAP_MS = 250;
const GAP_MAX_MS = 2_000;
/** An incident rests so many times as long as its signal took, which is some 5 ms on an idle machine, and 100 on one that is full. */
const REST = 50;
/** Each busy incident leaves so much room to all the others: a signal takes 15 ms of a processor, Temporal's part and ours (measured). */
const SHARE_MS = 30;
const REST_MAX_MS = 10_000;
/** A key that was quiet this long is forgotten, and begins with the short gap again. */
const FORGET_MS = 10_000;
/** More waiting rows than this is a backlog. */
const BACKLOG = 10;

export function createPacing() {
  const keys = new Map<string, { at: number; gap: number }>();
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
    /** How long its signal was on its way: where all is slow or many are busy, each goes less often and takes more with it. */
    took(key: string, ms: number): void {
      const known = keys.get(key);
      if (known) known.gap = Math.max(known.gap, Math.min(REST_MAX_MS, Math.max(ms * REST, keys.size * SHARE_MS)));
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
