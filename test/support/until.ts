/** Waiting for a condition: asked again and again until it gives something, or the time is up. */
import { setTimeout as pause } from 'node:timers/promises';

const ASK_EVERY_MS = 20;
const LIMIT_MS = 10_000;

/**
 * How late what is due may come on a busy machine: processors shared with others stood still for 1.5 s (seen). Whatever is told
 * apart by time lies further apart than this.
 */
export const LATE_MS = 4_000;

/** What `look` gives once it is not undefined. Rejects after `limitMs`, naming what was awaited and the last error. */
export async function until<Found>(
  what: string,
  look: () => Promise<Found | undefined> | Found | undefined,
  limitMs = LIMIT_MS,
): Promise<Found> {
  const end = performance.now() + limitMs;
  let failure: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined) return found;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    if (performance.now() > end) throw new Error(`${what}: not within ${limitMs} ms`, { cause: failure });
    await pause(ASK_EVERY_MS);
  }
}
