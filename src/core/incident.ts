/** An incident as its workflow remembers it: bounded, plain, without a title or a name of a person; and its transitions. */
import { isWorse, type Severity } from './event.ts';
import { type IncidentStatus, isPage, type Reason } from './notice.ts';
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
  escalation: { level: number; round: number; since: number; resting: boolean };
  /** A level asked for by hand and not yet told. */
  by_hand?: number;
  /** Chapters nobody has summed up yet: [first, last] inbox seq of each, at most 20. */
  chapters: [number, number][];
  targets: Record<string, Target>;
}

/** How a delivery's round ended, as the activity tells the workflow. `dead`: it will not be tried again. */
export type Ended =
  | { outcome: 'delivered' | 'skipped' | 'stale' | 'closed' }
  | { outcome: 'failed'; dead: boolean; after_ms?: number };

/** More chapters than this wait as one: the state stays small whatever a job says. */
const CHAPTERS_MAX = 20;
/** A target that is away for days overtakes notice after notice; the newest of them are enough to record. */
const OVERTOOK_MAX = 20;

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
    escalation: { level: 0, round: 0, since: opened_at, resting: false },
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

/** What nextStep decided to tell, and whom. */
export interface Telling {
  reason: Reason;
  targets: string[];
  level?: number;
  /** For a chapter: the inbox seqs it tells. */
  chapter?: [number, number];
  /** For a failover: the target that did not deliver. */
  instead_of?: string;
}

/** Why a delivery exists, and so its key: the same cause gives the same key, whoever computes it, however often. */
export function deliveryKey(incident: Incident, telling: Telling, target: string): string {
  const { round } = incident.escalation;
  const cause = causeOf(incident, telling, round);
  return `${incident.id}/${telling.reason}/${cause}/${target}`;
}

function causeOf(incident: Incident, { reason, level, chapter, instead_of }: Telling, round: number): string {
  const rev = `a${incident.answer_rev}`;
  if (chapter) return `c${chapter[0]}-${chapter[1]}`;
  if (instead_of !== undefined) return `${rev}-${sinceOf(incident.targets[instead_of])}-for-${instead_of}`;
  // A level reached twice in one round (an operator went back by hand) is paged twice: what it follows sets them apart.
  if (reason === 'escalated') return `${rev}-l${level}-r${round}-${incident.escalation.since}`;
  if (isPage(reason)) return `${rev}-b${incident.seen}-${tellingsSoFar(incident)}`;
  return rev;
}

/** When the notice that failed was decided: one failover for each. */
const sinceOf = (target: Target | undefined): number => target?.current?.since ?? target?.told?.at ?? 0;

/** Repeats while nothing new comes have the same batch and answer: the time they were last told sets them apart. */
const tellingsSoFar = (incident: Incident): string => (incident.told ? String(incident.told.at) : '0');

/** The incident once it is decided that these targets are told: each has the notice as its newest. */
export function withTelling(incident: Incident, telling: Telling, now: number): Incident {
  const targets = { ...incident.targets };
  for (const name of telling.targets)
    targets[name] = withOutgoing(targets[name] ?? {}, outgoing(incident, telling, name, now));
  if (telling.instead_of !== undefined) {
    const primary = targets[telling.instead_of];
    if (primary?.current)
      targets[telling.instead_of] = { ...primary, current: { ...primary.current, failed_over: true } };
    else if (primary?.told) targets[telling.instead_of] = { ...primary, told: { ...primary.told, failed_over: true } };
  }
  const next: Incident = { ...incident, revision: incident.revision + 1, targets };
  return isGroupTelling(telling) ? asTold(next, telling, now) : next;
}

function outgoing(incident: Incident, telling: Telling, target: string, now: number): Outgoing {
  return {
    key: deliveryKey(incident, telling, target),
    reason: telling.reason,
    ...(telling.level === undefined ? {} : { level: telling.level }),
    ...(telling.chapter ? { from: telling.chapter[0] } : {}),
    answer_rev: incident.answer_rev,
    through: telling.chapter ? telling.chapter[1] : incident.through,
    since: now,
    due: now,
    round: 0,
    running: false,
  };
}

/** A newer notice overtakes an unsent older one; one that is on its way is waited for. */
function withOutgoing(target: Target, newer: Outgoing): Target {
  const { current, next, ...rest } = target;
  const unsent = [next, current?.running ? undefined : current].filter(
    (one) => one !== undefined && one.key !== newer.key,
  );
  const overtook = unsent.flatMap((one) => (one ? [...(one.overtook ?? []), one.key] : [])).slice(-OVERTOOK_MAX);
  const withOvertook = overtook.length ? { ...newer, overtook } : newer;
  return current?.running ? { ...rest, current, next: withOvertook } : { ...rest, current: withOvertook };
}

/** Failovers, chapters and what only informs do not count as the group having been told. */
const isGroupTelling = ({ reason, instead_of }: Telling): boolean =>
  instead_of === undefined && isPage(reason) && reason !== 'failover';

function asTold(incident: Incident, { reason, level }: Telling, now: number): Incident {
  const { by_hand, ...rest } = incident;
  const escalated = reason === 'escalated' || reason === 'escalated_by_hand';
  const next: Incident = { ...rest };
  // A level is not the group: paged by hand before the group was told, the group still waits to be told.
  if (!escalated)
    next.told = { at: now, alerts: incident.alerts, worst: incident.worst, answer_rev: incident.answer_rev };
  else if (incident.told) next.told = { ...incident.told, at: now };
  if (by_hand !== undefined && reason !== 'escalated_by_hand') next.by_hand = by_hand;
  next.escalation = escalationAfter(incident, reason, level, now);
  return next;
}

/** Level 1 begins with the first telling and again with every answer that pages anew. */
function escalationAfter(
  incident: Incident,
  reason: Reason,
  level: number | undefined,
  now: number,
): Incident['escalation'] {
  const { escalation, policy } = incident;
  if (policy.levels.length === 0) return escalation;
  if (level !== undefined && (reason === 'escalated' || reason === 'escalated_by_hand')) {
    const round = level <= escalation.level && reason === 'escalated' ? escalation.round + 1 : escalation.round;
    return { level, round, since: now, resting: false };
  }
  const anew =
    escalation.level === 0 || (incident.told !== undefined && incident.told.answer_rev < incident.answer_rev);
  return anew ? { level: 1, round: 0, since: now, resting: false } : escalation;
}

/** The incident with these deliveries on their way. */
export function withRunning(incident: Incident, names: string[]): Incident {
  const targets = { ...incident.targets };
  for (const name of names) {
    const target = targets[name];
    if (target?.current) targets[name] = { ...target, current: { ...target.current, running: true } };
  }
  return { ...incident, revision: incident.revision + 1, targets };
}

/** The waits before further rounds of a failed delivery, then hourly (design.md section 2, rule 8). */
const ROUND_WAITS_MS = [60_000, 300_000, 900_000, 1_800_000];
const HOURLY_MS = 3_600_000;
export const roundWait = (round: number): number => ROUND_WAITS_MS[round - 1] ?? HOURLY_MS;

/**
 * Whether this is the last round: only critical and error are tried again after a failed round, and not past
 * `give_up_ms` from when the notice was decided. A notice that only informs is not worth a second round.
 */
export function isLastRound(incident: Incident, out: Outgoing, give_up_ms: number): boolean {
  const worst = incident.worst ?? incident.answered_worst;
  if (worst === null || isWorse('error', worst)) return true;
  return out.due + roundWait(out.round + 1) - out.since > give_up_ms;
}

/** The incident after a round of a delivery has ended. */
export function withEnded(incident: Incident, name: string, key: string, ended: Ended, now: number): Incident {
  const target = incident.targets[name];
  const current = target?.current;
  if (!target || !current || current.key !== key) return incident;
  const { current: _, next, ...rest } = target;
  const set = (changed: Target): Incident => ({
    ...incident,
    revision: incident.revision + 1,
    targets: { ...incident.targets, [name]: changed },
  });
  const heard = (dead: boolean): Target => ({
    ...rest,
    told: {
      reason: current.reason,
      status: statusTold(current.reason),
      answer_rev: current.answer_rev,
      through: current.through,
      at: now,
      ...(dead ? { dead: true as const } : {}),
      ...(current.failed_over ? { failed_over: true as const } : {}),
    },
    ...(current.from === undefined ? {} : { chapter: current.through }),
    ...(next ? { current: next } : {}),
  });
  switch (ended.outcome) {
    case 'delivered':
    case 'skipped':
      return set(heard(false));
    case 'stale':
    case 'closed':
      return set({ ...rest, ...(next ? { current: next } : {}) });
    case 'failed': {
      if (ended.dead) return set(heard(true));
      const wait_ms = Math.max(roundWait(current.round + 1), ended.after_ms ?? 0);
      const again = { ...current, running: false, round: current.round + 1, due: now + wait_ms };
      if (!next) return set({ ...rest, current: again });
      const overtook = [...(current.overtook ?? []), current.key, ...(next.overtook ?? [])].slice(-OVERTOOK_MAX);
      return set({ ...rest, current: { ...next, overtook } });
    }
    default:
      return ended satisfies never;
  }
}

/** The status a reader of this notice believes the incident to have. */
function statusTold(reason: Reason): IncidentStatus {
  if (reason === 'acknowledged' || reason === 'snoozed' || reason === 'resolved') return reason;
  return 'open';
}

/** What the ledger knows of a delivery that a snapshot holds as unfinished. */
export interface Known {
  status: 'delivered' | 'skipped' | 'dead' | 'superseded' | 'sending' | 'retrying';
  round: number;
  next_at?: number;
}

/** The incident out of a snapshot: no delivery is on its way, and each stands as the ledger knows it. */
export function asLoaded(incident: Incident, known: Record<string, Known>, now: number): Incident {
  let loaded = incident;
  for (const [name, target] of Object.entries(incident.targets)) {
    if (!target.current) continue;
    const { key } = target.current;
    const row = known[key];
    const current: Outgoing = { ...target.current, running: false };
    if (row?.status === 'retrying' && row.next_at !== undefined)
      Object.assign(current, { round: row.round, due: row.next_at });
    loaded = { ...loaded, targets: { ...loaded.targets, [name]: { ...target, current } } };
    if (row?.status === 'dead') loaded = withEnded(loaded, name, key, { outcome: 'failed', dead: true }, now);
    else if (row?.status === 'delivered' || row?.status === 'skipped')
      loaded = withEnded(loaded, name, key, { outcome: row.status }, now);
    else if (row?.status === 'superseded') loaded = withEnded(loaded, name, key, { outcome: 'stale' }, now);
  }
  return loaded;
}

/** A loaded incident in a run that still has deliveries on their way: those stay, and what the load holds for them waits. */
export function keepingRunning(loaded: Incident, before: Incident): Incident {
  const targets = { ...loaded.targets };
  for (const [name, { current }] of Object.entries(before.targets)) {
    if (!current?.running) continue;
    const { current: other, next, ...rest } = targets[name] ?? {};
    const waits = next ?? (other && other.key !== current.key ? other : undefined);
    targets[name] = { ...rest, current, ...(waits ? { next: waits } : {}) };
  }
  return { ...loaded, revision: Math.max(loaded.revision, before.revision) + 1, targets };
}
