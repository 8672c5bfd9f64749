/** What a sender said: the event, its severity, and the two names it is recognised by. */

/** From the worst to the mildest; an index in this list is a rank. */
export const SEVERITIES = ['critical', 'error', 'warning', 'info'] as const;
export type Severity = (typeof SEVERITIES)[number];

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Labels = Record<string, string>;
export interface Link {
  title: string;
  url: string;
}

/** One event as the door keeps it: every default filled in, every text well-formed, nothing unknown left. */
export interface Event {
  id: string;
  source: string;
  type: string;
  title: string;
  severity: Severity;
  /** The sender's own word for the severity (`P0`, `FATAL`), given back where a format wants it. */
  severity_word?: string;
  body?: string;
  service?: string;
  components: string[];
  labels: Labels;
  /** Any JSON up to 16 KB; shown by channels that can, never in a workflow's history. */
  context?: Json;
  trace_id?: string;
  request_id?: string;
  assignees: string[];
  /** Who it is about: a route with `notify: [owner]` tells this user's own integrations. */
  user?: string;
  links: Link[];
  status: 'firing' | 'resolved';
  dedup_key?: string;
  /**
   * The name of an incident that its sender creates by this event: it opens one of its own, which nothing else joins, whatever
   * the route groups by. Set by POST /v1/incidents alone.
   */
  incident?: string;
  /** When it happened by the sender's clock, ISO 8601. */
  occurred_at?: string;
  /**
   * The state of things it speaks of, ISO 8601, where that is older than when it happened: a build tells of the commit it
   * was started for, however late it ends. A resolve that is as of before the last firing ends nothing.
   */
  as_of?: string;
  /** When a firing alert ends by itself if nothing is heard again, ISO 8601. */
  expires_at?: string;
}

/** When an event happened, and what it is as of, by the sender's clock. */
export type Times = Pick<Event, 'as_of' | 'occurred_at'>;

/** The state a keyed event speaks of, in milliseconds since 1970; undefined where it does not say, or only the day. */
export function asOf({ dedup_key, as_of }: Pick<Event, 'dedup_key' | 'as_of'>): number | undefined {
  const moment = momentOf(as_of);
  return dedup_key === undefined || Number.isNaN(moment) ? undefined : moment;
}

/** A day without a time of day says nothing of what came first on that day. */
const momentOf = (time: string | undefined): number => (time?.includes(':') ? Date.parse(time) : Number.NaN);

/**
 * How much older, in milliseconds, an end has to be than the firing to count as one of before, where only `occurred_at` tells. Ours:
 * a second for times that are written to the second (a job that ends in the second it starts in), and one for two hosts' clocks.
 * More would let the delayed end of a quick flap end the next one.
 */
export const CLOCK_SLACK_MS = 2_000;

/**
 * Whether the first is the older of two events about one alert; false where their times do not tell. By `as_of` to the millisecond, as
 * one clock wrote both, and among those as of the same by `occurred_at` as exactly; with `occurred_at` alone only by more than
 * CLOCK_SLACK_MS.
 */
export function isOlder(one: Times, other: Times): boolean {
  const [asOf, otherAsOf] = [momentOf(one.as_of), momentOf(other.as_of)];
  if (asOf < otherAsOf || asOf > otherAsOf) return asOf < otherAsOf;
  const slack = asOf === otherAsOf ? 0 : CLOCK_SLACK_MS;
  return momentOf(one.occurred_at) + slack < momentOf(other.occurred_at);
}

/** 0 for critical … 3 for info. */
export const rankOf = (severity: Severity): number => SEVERITIES.indexOf(severity);

/** True when `a` is strictly worse than `b`; anything is worse than nothing. */
export const isWorse = (a: Severity, b: Severity | null | undefined): boolean => b == null || rankOf(a) < rankOf(b);

/** The worse of the two; null stands for nothing at all. */
export const worseOf = (a: Severity | null, b: Severity | null): Severity | null =>
  a === null ? b : b === null ? a : isWorse(a, b) ? a : b;

/** `severity` made worse by `steps` (milder when negative), staying within the four. */
export function shiftSeverity(severity: Severity, steps: number): Severity {
  const rank = Math.min(SEVERITIES.length - 1, Math.max(0, rankOf(severity) - steps));
  return SEVERITIES[rank] as Severity;
}

/** The words senders use for our four severities, lower case. P0 … P4 are seed 004's, the rest syslog's and Grafana's. */
const SEVERITY_WORDS: Record<string, Severity> = {
  critical: 'critical',
  p0: 'critical',
  fatal: 'critical',
  emergency: 'critical',
  alert: 'critical',
  page: 'critical',
  error: 'error',
  p1: 'error',
  err: 'error',
  high: 'error',
  major: 'error',
  warning: 'warning',
  warn: 'warning',
  p2: 'warning',
  medium: 'warning',
  minor: 'warning',
  info: 'info',
  p3: 'info',
  p4: 'info',
  notice: 'info',
  low: 'info',
  debug: 'info',
  none: 'info',
};

/** Our severity for a sender's word, or undefined for a word nobody agreed on. */
export function severityOf(word: string): Severity | undefined {
  const known = word.trim().toLowerCase();
  return Object.hasOwn(SEVERITY_WORDS, known) ? SEVERITY_WORDS[known] : undefined;
}
export const severityWords = (): string[] => Object.keys(SEVERITY_WORDS);

/** Names of the event's own fields that a sender may have given a label as well. */
const HIDING = ['source', 'type', 'severity', 'status'] as const;
const asSent = (name: string): string => `labels.${name}`;
const SENT: ReadonlySet<string> = new Set(HIDING.map(asSent));

/** A sender's label as matchers name it: `labels.severity` is the word it wrote, `severity` which of the four that is. */
export const sentLabel = (name: string): string => (HIDING.some((own) => own === name) ? asSent(name) : name);
/** Whether the name is one that `sentLabel` makes of a hidden label. */
export const isSentLabel = (name: string): boolean => SENT.has(name);

/**
 * What matchers and `group_by` see: the event's labels, and over them its own fields `source`, `type`, `severity`,
 * `service`, `status`, and `user` where it has one. A sender's label that one of these hides is seen as `labels.severity`
 * and so on. A label nobody set is the empty string.
 */
export function labelsOf(event: Event): Labels {
  const hidden = HIDING.filter((name) => Object.hasOwn(event.labels, name)).map(
    (name) => [asSent(name), event.labels[name] ?? ''] as const,
  );
  return {
    ...event.labels,
    ...Object.fromEntries(hidden),
    source: event.source,
    type: event.type,
    severity: event.severity,
    status: event.status,
    service: event.service ?? event.labels.service ?? '',
    ...(event.user === undefined ? {} : { user: event.user }),
  };
}

/**
 * The canonical text that makes two events one alert: source and dedup_key; where none is given, everything that
 * names the trouble (source, type, service, title, components, labels, user). The ledger keeps its SHA-256.
 */
export function identityOf(event: Event): string {
  if (event.dedup_key !== undefined) return keyIdentity(event.source, event.dedup_key);
  const labels = Object.entries(event.labels).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return JSON.stringify([
    'event',
    event.source,
    event.type,
    event.service ?? '',
    event.title,
    event.components,
    labels,
    ...(event.user === undefined ? [] : [event.user]),
  ]);
}

/** The identity of what its sender calls by a key: nothing else of the event is in it. */
export const keyIdentity = (source: string, dedup_key: string): string => JSON.stringify(['key', source, dedup_key]);
