/** Telling: what nextStep decided to tell becomes, for each target, the newest notice it is to hear. */
import type { Incident, Outgoing, Target } from './incident.ts';
import { isPage, type Reason } from './notice.ts';

/** A target that is away for days overtakes notice after notice; the newest of them are enough to record. */
export const OVERTOOK_MAX = 20;

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
    return { level, round, since: now };
  }
  const anew =
    escalation.level === 0 || (incident.told !== undefined && incident.told.answer_rev < incident.answer_rev);
  return anew ? { level: 1, round: 0, since: now } : escalation;
}
