/** Token buckets by name, in this process's memory: who asks more often than agreed waits. */

export interface Rate {
  /** Tokens that come back in a second. */
  per_second: number;
  /** Tokens of a full bucket. */
  burst: number;
}

export interface Buckets {
  /** Takes one token: 0 when there was one, else milliseconds until there is. */
  take(name: string, now: number): number;
  /** Gives the token back. */
  refund(name: string): void;
}

/** More names than this are forgotten, the one not heard of for longest first: forgetting is a full bucket. */
const NAMES_MAX = 10_000;

export function createBuckets({ per_second, burst }: Rate, names = NAMES_MAX): Buckets {
  const buckets = new Map<string, { tokens: number; at: number }>();
  return {
    take(name, now) {
      const { tokens, at } = buckets.get(name) ?? { tokens: burst, at: now };
      // A clock that was set back gives nothing and takes nothing.
      const filled = Math.min(burst, tokens + (Math.max(0, now - at) / 1_000) * per_second);
      buckets.delete(name);
      buckets.set(name, { tokens: filled >= 1 ? filled - 1 : filled, at: now });
      if (buckets.size > names) buckets.delete(buckets.keys().next().value as string);
      return filled >= 1 ? 0 : Math.ceil(((1 - filled) / per_second) * 1_000);
    },
    refund(name) {
      const bucket = buckets.get(name);
      if (bucket) bucket.tokens = Math.min(burst, bucket.tokens + 1);
    },
  };
}
