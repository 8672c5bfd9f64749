/** What an incident keeps of the route it was opened with: settings, in milliseconds, safe to show in a history. */
import type { Severity } from './event.ts';

export interface Level {
  /** Integration names told at this level. */
  notify: string[];
  /** How long an answer is waited for before the next level. */
  wait_ms: number;
}

export interface Failover {
  /** The integration that is told instead. */
  to: string;
  /** Counted from when the delivery was scheduled. */
  after_ms: number;
  /** Only for these severities; empty means for all. */
  only: Severity[];
}

export interface Policy {
  /** The route's name: its path in the tree, `0.1` or a name given to it; ≤ 64 of [\w.-]. */
  route: string;
  /** Integrations told when the group is told. */
  notify: string[];
  group_wait_ms: number;
  group_count: number;
  group_now: Severity[];
  group_interval_ms: number;
  repeat_interval_ms: number;
  /** By integration name. */
  failover: Record<string, Failover>;
  /** Empty: nobody is escalated to. */
  levels: Level[];
  /** Rounds after the first; then the last level rests. */
  repeat: number;
  /** An acknowledgement older than this is forgotten; absent: never. */
  ack_timeout_ms?: number;
  /** Nothing new for this long closes the incident, saying so. */
  quiet_ms: number;
  tell_ack: boolean;
  tell_resolved: boolean;
  /** The label that names the story; absent for an alarm. */
  lifecycle?: string;
  /** How attempts are made, by integration name; what is absent here has the defaults of design.md section 7. */
  patience?: Record<string, { timeout_ms: number; backoff_ms: number }>;
}
