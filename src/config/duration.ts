/** Durations and rates as the configuration writes them. */
import { z } from 'zod';
import { parseDuration } from '../core/time.ts';

/** `30s`, `5m`, `1h30m`, `2d` in milliseconds, between `min` and `max`; a plain number is refused, its unit being a guess. */
export const duration = ({ min = 0, max = Number.MAX_SAFE_INTEGER } = {}) =>
  z
    .union([z.string(), z.literal(0)], { error: 'must be a duration such as 30s, 5m, 1h30m or 2d' })
    .transform((text, context) => {
      const ms = parseDuration(String(text));
      if (ms === undefined) return refuse(context, text, 'must be a duration such as 30s, 5m, 1h30m or 2d');
      if (ms < min || ms > max) return refuse(context, text, `must be from ${min} ms to ${max} ms`);
      return ms;
    });

const PER_MS = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

export interface Rate {
  count: number;
  per_ms: number;
}

/** `1/s`, `30/m`, `100/h`. */
export const rate = () =>
  z.string().transform((text, context): Rate => {
    const [, count, unit] = /^\s*(\d{1,6})\s*\/\s*([smh])\s*$/.exec(text) ?? [];
    if (!Number(count)) return refuse(context, text, 'must be a rate such as 1/s, 30/m or 100/h');
    return { count: Number(count), per_ms: PER_MS[unit as keyof typeof PER_MS] };
  });

function refuse(context: z.RefinementCtx, input: unknown, message: string): never {
  context.addIssue({ code: 'custom', message, input });
  return z.NEVER;
}
