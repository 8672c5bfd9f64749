/** What any channel is told: pure data, the same for all of them, from which each renders its own message. */
import type { Json, Labels, Link, Severity } from './event.ts';

export const INCIDENT_STATUSES = ['open', 'acknowledged', 'snoozed', 'resolved'] as const;
export type IncidentStatus = (typeof INCIDENT_STATUSES)[number];

/**
 * Why somebody is told. The same word is the log field, the metric label, the ledger column and the word on the page.
 * Order and meaning are explained in REASONS, which the README prints.
 */
export const REASONS = {
  group_now: 'told at once: an alert of a severity in group_now',
  group_count: 'told because the group reached group_count alerts',
  group_wait: 'told because group_wait has passed since the first alert',
  group_interval: 'told because new alerts joined and group_interval has passed',
  severity_rose: 'told at once: the worst severity rose',
  fired_again: 'told because it fired again after it had been resolved',
  repeat_interval: 'told again: still open after repeat_interval',
  escalated: 'told because nobody answered in time: the next escalation level',
  escalated_by_hand: 'told because an operator escalated it',
  failover: 'told instead of an integration that did not deliver in time',
  acknowledged: 'told that somebody has it',
  unacknowledged: 'paged again: the acknowledgement was taken back',
  ack_timed_out: 'paged again: acknowledged, and then nothing happened for ack_timeout',
  snoozed: 'told that it is put off',
  snooze_ended: 'paged again: the snooze has ended',
  resolved: 'told that it is over',
  working: 'told that somebody works on it, and how far they are',
  story: 'told the next chapter of a job or a deployment',
  test: 'a test of the integration, asked for by an operator',
  summary: 'the daily summary in short',
} as const;
export type Reason = keyof typeof REASONS;

/** A page asks somebody to act and stops at an answer; the other reasons only inform. */
const PAGES: ReadonlySet<Reason> = new Set([
  'group_now',
  'group_count',
  'group_wait',
  'group_interval',
  'severity_rose',
  'fired_again',
  'repeat_interval',
  'escalated',
  'escalated_by_hand',
  'failover',
  'unacknowledged',
  'ack_timed_out',
  'snooze_ended',
]);

export const isPage = (reason: Reason): boolean => PAGES.has(reason);

/** An answer, its end, or the incident's: what was said before is no longer how it stands. */
const TURNS: ReadonlySet<Reason> = new Set([
  'acknowledged',
  'unacknowledged',
  'ack_timed_out',
  'snoozed',
  'snooze_ended',
  'severity_rose',
  'fired_again',
  'resolved',
]);

/** Whether earlier pages should show this from now on, where a message can be edited: they say who has it, or ask again. */
export const changesPages = ({ reason }: Notice): boolean => TURNS.has(reason);

/** Whether the first message should show it: it says how the incident stands, and how far it was escalated. */
export const changesRoot = (notice: Notice): boolean =>
  changesPages(notice) ||
  notice.reason === 'escalated' ||
  notice.reason === 'escalated_by_hand' ||
  notice.story?.phase === 'end';

/** The notice without what can be pressed: for a message beside another that has it and is kept up to date. */
export function withoutAnswers(notice: Notice): Notice {
  const { answers: _, ...rest } = notice;
  return rest;
}

export interface NoticeAlert {
  title: string;
  status: 'firing' | 'resolved';
  severity: Severity;
  severity_word?: string;
  type: string;
  source: string;
  service?: string;
  components: string[];
  body?: string;
  labels: Labels;
  links: Link[];
  trace_id?: string;
  request_id?: string;
  context?: Json;
  assignees: string[];
  /** How many events said it. */
  count: number;
  first_at: string;
  last_at: string;
}

/** An answer that can be given from inside the message. */
export interface NoticeAnswer {
  action: 'ack' | 'snooze' | 'resolve';
  /** What the button says: `Acknowledge`, `Snooze 1 h`, `Resolve`. */
  label: string;
  /** Opaque, at most 60 characters of `[\w.-]`, for this one action and incident: what a button gives back. */
  token: string;
  /** A page that asks once more and then acts, where a public address is configured: for channels without buttons. */
  url?: string;
}

/** Times are ISO 8601 in UTC, by the ledger's clock. */
export interface Notice {
  reason: Reason;
  /** The line a person reads first, without markup: `3 similar alerts in checkout`, `Build failed`. */
  headline: string;
  /** What is said below it, in plain lines without markup: who acknowledged, the common pattern, how long it took. */
  lines: string[];
  incident: {
    id: string;
    status: IncidentStatus;
    /** What operators have set beside the status: `triaged`, `investigating`, `remediating`. */
    working?: string;
    /** Why it was closed where nobody resolved it: `quiet` when nothing new came for long. */
    close_reason?: string;
    severity: Severity;
    title: string;
    service?: string;
    route: string;
    /** The incident's page or API address, where a public address is configured. */
    url?: string;
    alert_count: number;
    firing_count: number;
    opened_at: string;
    first_at: string;
    last_at: string;
  };
  /** Who answered, for acknowledged, snoozed, resolved, unacknowledged, escalated_by_hand. */
  by?: string;
  /** The escalation level, from 1. */
  level?: number;
  /** Affected components, services where none are given. */
  components: string[];
  /** What the alerts' titles have in common, where there are several. */
  pattern?: string;
  /** The first 20 alerts; `more` says how many are not shown. */
  alerts: NoticeAlert[];
  more: number;
  /** Links of the alerts and of the configuration (Grafana, Prometheus), no two alike. */
  links: Link[];
  /** What can be answered from inside the message: only where somebody is asked to act, and answers are set up. */
  answers?: NoticeAnswer[];
  /** A chapter of a lifecycle: the end has the duration in milliseconds and the counts. `details`: what it was begun with. */
  story?: {
    name: string;
    phase: 'start' | 'progress' | 'end';
    ok: boolean;
    duration_ms?: number;
    counts?: Labels;
    details?: Labels;
  };
  /** Constant over the attempts of one delivery: what a receiver recognises a repeat by. */
  delivery: { key: string; attempt: number };
  /** When its first attempt began, constant over the attempts as well: a repeat says the same, and is looked for from here on. */
  at: string;
}
