/** Chance that can be repeated: everything a seed brings about. */

/** mulberry32: a small generator whose seed tells a run completely. */
export function chance(seed: number) {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    /** From `least` up to, not including, `most`. */
    number: (least: number, most: number): number => least + Math.floor(next() * (most - least)),
    one: <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)] as T,
    /** A choice by weight: [weight, value]. */
    weighted<T>(of: readonly (readonly [number, T])[]): T {
      let left = next() * of.reduce((sum, [weight]) => sum + weight, 0);
      for (const [weight, value] of of) {
        left -= weight;
        if (left < 0) return value;
      }
      return (of.at(-1) as readonly [number, T])[1];
    },
  };
}

export type Chance = ReturnType<typeof chance>;
