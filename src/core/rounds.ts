/** Deliveries as an incident sees them: on their way, ended, to be tried again, and as a load finds them. */
import { isWorse } from './event.ts';
import type { Incident, Outgoing, Target } from './incident.ts';
import type { IncidentStatus, Reason } from './notice.ts';
import { OVERTOOK_MAX } from './telling.ts';

/** How a delivery's round ended, as the activity tells the workflow. `dead`: it will not be tried again. */
export type Ended =
  | { outcome: 'delivered' | 'skipped' | 'closed' }
  /** `unsure`: an attempt before the answer may have arrived. */
  | { outcome: 'stale'; unsure?: true }
  | { outcome: 'failed'; dead: boolean; after_ms?: number };

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
  return !isSevere(incident) || out.due + roundWait(out.round + 1) - out.since > give_up_ms;
}

/** Whether a round should not begin at all: the ones before never came back, and no activity could say that they were the last. */
export const isGivenUp = (incident: Incident, out: Outgoing, give_up_ms: number, now: number): boolean =>
  out.round > 0 && (!isSevere(incident) || isTooOld(out, give_up_ms, now));

/** Whether it was decided so long ago that not even one that never got its turn is tried. */
export const isTooOld = (out: Outgoing, give_up_ms: number, now: number): boolean =>
  now - out.since > give_up_ms + HOURLY_MS;

function isSevere({ worst, answered_worst }: Incident): boolean {
  const severity = worst ?? answered_worst;
  return severity !== null && !isWorse('error', severity);
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
  const heard = ({ dead = false, skipped = false } = {}): Target => ({
    ...rest,
    told: {
      reason: current.reason,
      status: statusTold(current.reason),
      answer_rev: current.answer_rev,
      through: current.through,
      at: now,
      ...(dead ? { dead: true as const } : {}),
      ...(skipped && (!target.told || target.told.skipped) ? { skipped: true as const } : {}),
      ...(current.failed_over ? { failed_over: true as const } : {}),
    },
    ...(current.from === undefined ? {} : { chapter: current.through }),
    ...(next ? { current: next } : {}),
  });
  switch (ended.outcome) {
    case 'delivered':
      return set(heard());
    case 'skipped':
      return set(heard({ skipped: true }));
    case 'stale':
      // Whoever may have been asked to act is told how it went on.
      if (ended.unsure) return set(heard());
      return set({ ...rest, ...(next ? { current: next } : {}) });
    case 'closed':
      return set({ ...rest, ...(next ? { current: next } : {}) });
    case 'failed': {
      if (ended.dead) return set(heard({ dead: true }));
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
  /** An attempt of it may have arrived. */
  unsure?: true;
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
    else if (row?.status === 'superseded') {
      const stale: Ended = { outcome: 'stale', ...(row.unsure ? { unsure: true } : {}) };
      loaded = withEnded(loaded, name, key, stale, now);
    }
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
