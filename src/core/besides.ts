/** Who is told besides an integration: the mail of an outage brings an SMS with it, a target with deliveries of its own. */
import { kindOfType } from './kinds.ts';
import type { Policy } from './policy.ts';

/** One kind of news of an integration, and the integration that is told of it too. */
export interface Besides {
  /** A type of event, or the beginning of some: `production_outage`, `deploy*`. */
  kind: string;
  /** Absent where this kind is for nobody else: a pattern does not reach it. */
  to?: string;
  /** Where its attempts are not made in the ordinary way: core/policy.ts. */
  patience?: { timeout_ms: number; backoff_ms: number };
}

/** By the name of the integration that brings somebody with it. */
export type AllBesides = ReadonlyMap<string, readonly Besides[]>;

/**
 * The policy of an incident that an event of this type opens: wherever it names an integration that brings another with it,
 * at any level, that one stands behind it. Other policies stay as they are, the same object. `besides`: who has come, `why`:
 * the same in words. A backup brings nobody.
 */
export function withBesides(
  policy: Policy,
  type: string,
  all: AllBesides = new Map(),
): { policy: Policy; besides: string[]; why?: string } {
  const come = new Map<string, string>();
  const patience: NonNullable<Policy['patience']> = {};
  const withThem = (names: string[]): string[] => {
    const wanted = names.flatMap((name) => {
      const found = kindOfType(type, all.get(name) ?? []);
      if (found?.to === undefined || names.includes(found.to)) return [name];
      come.set(found.to, `${found.to} is told too, as ${name} wants it for ${found.kind}`);
      if (found.patience) patience[found.to] = found.patience;
      return [name, found.to];
    });
    return [...new Set(wanted)];
  };
  const notify = withThem(policy.notify);
  const levels = policy.levels.map((level) => ({ ...level, notify: withThem(level.notify) }));
  if (come.size === 0) return { policy, besides: [] };
  const whole: Policy = { ...policy, notify, levels };
  if (Object.keys(patience).length > 0) whole.patience = { ...policy.patience, ...patience };
  return { policy: whole, besides: [...come.keys()], why: [...come.values()].join('; ') };
}
