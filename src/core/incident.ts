/** An incident as its workflow remembers it: bounded, plain, without a title or a name of a person; and its transitions. */
import type { Severity } from './event.ts';
import type { IncidentStatus, Reason } from './notice.ts';
import type { Policy } from './policy.ts';

/** One thing that happened, as a history may show it. */
export interface Row {
  seq: number;
  kind: string;
  severity?: Severity;
  at: number;
}

/**
 * A claimed part of an incident's inbox. It never changes once stored: whoever sends it again sends the same.
 * Status, answer_rev and totals are the ledger's, as they stood when the batch was claimed; times in epoch milliseconds.
 */
export interface Batch {
  incident: string;
  number: number;
  epoch: string;
  at: number;
  /** The highest inbox seq in it. */
  through: number;
  status: IncidentStatus;
  answer_rev: number;
  /** Why the last answer was given, where it asks for a new page or to be told. */
  answer?: Reason;
  answered_at?: number;
  /** The worst severity that the answer was given to, where alerts of this very batch came after it. */
  answered_worst?: Severity;
  snoozed_until?: number;
  firing: number;
  /** Occurrences so far: how often anything in it was said to fire. */
  alerts: number;
  /** Of what fires now; null when nothing does. */
  worst: Severity | null;
  first_at: number;
  last_at: number;
  /** The level asked for by hand; 0 asks for the next. */
  escalate?: number;
  /** Chapters of a lifecycle: [first, last] inbox seq of each; what is beyond the bound shares the last. */
  chapters?: [number, number][];
  /** The first 50 rows, for readers of the history; `more` counts the rest. */
  rows: Row[];
  more: number;
}

/** What starts an incident's workflow, and may stand in its history in clear. */
export interface Opening {
  id: string;
  policy: Policy;
  epoch: string;
  opened_at: number;
  severity: Severity;
  service: string;
  source: string;
}

/** A notice that is decided and not yet delivered to its target. */
export interface Outgoing {
  key: string;
  reason: Reason;
  level?: number;
  answer_rev: number;
  through: number;
  /** For a chapter: the first inbox seq it tells. */
  from?: number;
  /** When it was decided. */
  since: number;
  /** When the next round begins. */
  due: number;
  /** Rounds that failed. */
  round: number;
  running: boolean;
  failed_over?: boolean;
  /** Keys of notices that this one overtook unsent. */
  overtook?: string[];
}

export interface Target {
  /** Being delivered, or waiting for its next round. */
  current?: Outgoing;
  /** Waits until `current` has ended; only the newest is kept. */
  next?: Outgoing;
  /** The last notice this target heard, or can never hear (`dead`). */
  told?: {
    reason: Reason;
    status: IncidentStatus;
    answer_rev: number;
    through: number;
    at: number;
    dead?: true;
    failed_over?: true;
    /** It was decided not to tell this target (its threshold, its switch): it has heard nothing yet. */
    skipped?: true;
  };
  /** The last chapter of a story this target was told. */
  chapter?: number;
}

export interface Incident {
  id: string;
  policy: Policy;
  epoch: string;
  opened_at: number;
  /** Rises with every transition; with `seen` it tells the newer of two snapshots. */
  revision: number;
  /** The last batch folded. */
  seen: number;
  through: number;
  status: IncidentStatus;
  answer_rev: number;
  answer?: Reason;
  answered_at?: number;
  snoozed_until?: number;
  firing: number;
  alerts: number;
  worst: Severity | null;
  first_at: number;
  last_at: number;
  /** The last time the group as a whole was told. */
  told?: { at: number; alerts: number; worst: Severity | null; answer_rev: number };
  /** The worst severity when the last answer was given: a rise above it outgrows an acknowledgement. */
  answered_worst: Severity | null;
  escalation: { level: number; round: number; since: number };
  /** A level asked for by hand and not yet told. */
  by_hand?: number;
  /** Chapters nobody has summed up yet: [first, last] inbox seq of each, at most 20. */
  chapters: [number, number][];
  targets: Record<string, Target>;
}

/** More chapters than this wait as one: the state stays small whatever a job says. */
const CHAPTERS_MAX = 20;

/** The incident as it opens, before its first batch. */
export function openIncident(id: string, policy: Policy, epoch: string, opened_at: number): Incident {
  return {
    id,
    policy,
    epoch,
    opened_at,
    revision: 0,
    seen: 0,
    through: 0,
    status: 'open',
    answer_rev: 0,
    firing: 0,
    alerts: 0,
    worst: null,
    first_at: opened_at,
    last_at: opened_at,
    answered_worst: null,
    escalation: { level: 0, round: 0, since: opened_at },
    chapters: [],
    targets: {},
  };
}

/** What is to be done with a batch: fold it, drop it (already folded), or load first (a gap, another ledger). */
export function batchFits(incident: Incident, batch: Batch): 'fold' | 'drop' | 'load' {
  if (batch.epoch !== incident.epoch) return 'load';
  if (batch.number <= incident.seen) return 'drop';
  return batch.number === incident.seen + 1 ? 'fold' : 'load';
}

/** The incident after a batch. The ledger has decided; this only takes over what it says. */
export function withBatch(incident: Incident, batch: Batch): Incident {
  const answered = batch.answer_rev > incident.answer_rev;
  const { answer, answered_at, snoozed_until, by_hand, ...rest } = incident;
  const next: Incident = {
    ...rest,
    epoch: batch.epoch,
    revision: incident.revision + 1,
    seen: batch.number,
    through: Math.max(incident.through, batch.through),
    firing: batch.firing,
    alerts: batch.alerts,
    worst: batch.worst,
    first_at: batch.first_at,
    last_at: Math.max(incident.last_at, batch.last_at),
    chapters: withChapters(untoldChapters(incident), batch.chapters ?? []),
  };
  if (answered) takeAnswer(next, batch, incident);
  else keepAnswer(next, incident);
  const escalate = batch.escalate ?? by_hand;
  if (escalate !== undefined) next.by_hand = escalate;
  return next;
}

function takeAnswer(next: Incident, batch: Batch, before: Incident): void {
  next.status = batch.status;
  next.answer_rev = batch.answer_rev;
  next.answered_at = batch.answered_at ?? batch.at;
  next.answered_worst = batch.answered_worst ?? batch.worst ?? before.worst;
  if (batch.answer) next.answer = batch.answer;
  if (batch.snoozed_until !== undefined) next.snoozed_until = batch.snoozed_until;
}

function keepAnswer(next: Incident, before: Incident): void {
  if (before.answer !== undefined) next.answer = before.answer;
  if (before.answered_at !== undefined) next.answered_at = before.answered_at;
  if (before.snoozed_until !== undefined) next.snoozed_until = before.snoozed_until;
}

/** The chapters that a target has yet to hear. */
function untoldChapters({ chapters, policy, targets }: Incident): [number, number][] {
  const heard = Math.min(...policy.notify.map((name) => targets[name]?.chapter ?? 0));
  return chapters.filter(([, last]) => last > heard);
}

/** At most 20 chapters: what is beyond shares the last one. */
export function withChapters(known: [number, number][], more: [number, number][]): [number, number][] {
  const chapters = [...known, ...more];
  if (chapters.length <= CHAPTERS_MAX) return chapters;
  const kept = chapters.slice(0, CHAPTERS_MAX - 1);
  const rest = chapters.slice(CHAPTERS_MAX - 1);
  return [...kept, [(rest[0] as [number, number])[0], (rest.at(-1) as [number, number])[1]]];
}

/** However the clocks differ, quiet is not asked about again before this. */
const QUIET_AGAIN_MS = 60_000;

/** The incident when its sender still reports what is nothing new: it is not quiet. */
export function withHeard(incident: Incident, last_at: number, now: number): Incident {
  const { quiet_ms } = incident.policy;
  const soonest = now - quiet_ms + Math.min(quiet_ms, QUIET_AGAIN_MS);
  return {
    ...incident,
    revision: incident.revision + 1,
    last_at: Math.max(incident.last_at, Math.min(last_at, now), soonest),
  };
}

/** An answer the workflow gave itself (a forgotten ack, the end of a snooze, quiet), once the ledger has accepted it. */
export function withOwnAnswer(
  incident: Incident,
  own: { status: IncidentStatus; answer: Reason; answer_rev: number },
  now: number,
): Incident {
  if (own.answer_rev <= incident.answer_rev) return incident;
  const { snoozed_until: _, ...rest } = incident;
  return {
    ...rest,
    revision: incident.revision + 1,
    status: own.status,
    answer: own.answer,
    answer_rev: own.answer_rev,
    answered_at: now,
    answered_worst: incident.worst,
  };
}
