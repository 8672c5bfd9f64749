/** Policies of routes for tests: the defaults of design.md section 7, and whatever a test wants otherwise. */
import type { Policy } from '../../src/core/policy.ts';

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Told after five minutes, at three alerts, at once when critical; one target named `chat`; nobody to escalate to. */
export function policy(overrides: Partial<Policy> = {}): Policy {
  return {
    route: 'checkout',
    notify: ['chat'],
    group_wait_ms: 5 * MINUTE,
    group_count: 3,
    group_now: ['critical'],
    group_interval_ms: 5 * MINUTE,
    repeat_interval_ms: 4 * HOUR,
    failover: {},
    levels: [],
    repeat: 0,
    quiet_ms: DAY,
    tell_ack: true,
    tell_resolved: true,
    ...overrides,
  };
}
