/** How often each integration may be told: a token bucket per integration, in this process. */
import type { Integration } from '../src/config/integrations.ts';

export function createRates() {
  const buckets = new Map<string, { tokens: number; at: number }>();
  return {
    /** 0 when it may be told now (and one token is gone), else the wait in milliseconds. */
    wait({ name, rate }: Pick<Integration, 'name' | 'rate'>, now: number): number {
      if (!rate) return 0;
      const { tokens, at } = buckets.get(name) ?? { tokens: rate.count, at: now };
      const filled = Math.min(rate.count, tokens + ((now - at) * rate.count) / rate.per_ms);
      if (filled >= 1) {
        buckets.set(name, { tokens: filled - 1, at: now });
        return 0;
      }
      buckets.set(name, { tokens: filled, at: now });
      return Math.ceil(((1 - filled) * rate.per_ms) / rate.count);
    },
  };
}
