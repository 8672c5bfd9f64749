/** The one place that decides what happens next to an incident: a pure choice with a named reason. */
import { isWorse } from './event.ts';
import type { Incident, Outgoing, Target } from './incident.ts';
import { isPage, type Reason } from './notice.ts';
import type { Telling } from './telling.ts';

/** `until`: the nearest deadline in epoch milliseconds, and `next` what it is of; absent when only the inbox can change anything. */
export type Step =
  | ({ kind: 'tell' } & Telling)
  | { kind: 'deliver'; targets: string[] }
  | { kind: 'answer'; answer: 'ack_timed_out' | 'snooze_ended' | 'severity_rose' | 'resolved'; because: string }
  | { kind: 'close'; because: string }
  | { kind: 'wait'; until?: number; next?: string };

/** A thing that is due at a time. The first whose time has come is done; the nearest of the rest is waited for. */
type Due = { at: number; step: Exclude<Step, { kind: 'wait' }> };

/** What is to be done now. Called after every change and every timer; the same state and time give the same step. */
export function nextStep(incident: Incident, now: number): Step {
  const dues = [...answersDue(incident), ...tellingsDue(incident), ...deliveriesDue(incident), ...closingDue(incident)];
  const ripe = dues.find(({ at }) => at <= now);
  if (ripe) return ripe.step;
  const nearest = dues.reduce<Due | undefined>((first, due) => (first && first.at <= due.at ? first : due), undefined);
  return nearest ? { kind: 'wait', until: nearest.at, next: nameOf(nearest.step) } : { kind: 'wait' };
}

/** What is waited for, as a timer in the Temporal UI says it. */
function nameOf(step: Due['step']): string {
  switch (step.kind) {
    case 'tell':
      return step.level === undefined ? step.reason : `${step.reason} (level ${step.level})`;
    case 'answer':
      return step.because === QUIET ? QUIET : step.answer;
    case 'deliver':
      return `next round: ${step.targets.join(', ')}`;
    case 'close':
      return 'close';
    default:
      return step satisfies never;
  }
}

/** Why an incident ends that nobody has heard anything new of. */
const QUIET = 'quiet';

/** When the incident next needs its workflow, in epoch milliseconds; now or earlier when something is due already. */
export function nextDeadline(incident: Incident, now: number): number | undefined {
  const step = nextStep(incident, now);
  return step.kind === 'wait' ? step.until : now;
}

/** Answers the workflow gives itself: a forgotten ack, an ended snooze, an outgrown ack, silence. */
function answersDue(incident: Incident): Due[] {
  const { status, answered_at, policy, snoozed_until, worst, answered_worst, last_at } = incident;
  const dues: Due[] = [];
  if (status === 'acknowledged' && worst !== null && answered_worst !== null && isWorse(worst, answered_worst)) {
    dues.push({
      at: 0,
      step: { kind: 'answer', answer: 'severity_rose', because: `rose to ${worst} after it was acknowledged` },
    });
  }
  if (status === 'acknowledged' && policy.ack_timeout_ms !== undefined) {
    const at = (answered_at ?? last_at) + policy.ack_timeout_ms;
    dues.push({
      at,
      step: { kind: 'answer', answer: 'ack_timed_out', because: 'acknowledged, and nothing happened since' },
    });
  }
  if (status === 'snoozed') {
    const at = snoozed_until ?? answered_at ?? last_at;
    dues.push({ at, step: { kind: 'answer', answer: 'snooze_ended', because: 'the snooze has ended' } });
  }
  if (status === 'open' || status === 'acknowledged') {
    const at = Math.max(last_at, answered_at ?? 0) + policy.quiet_ms;
    dues.push({ at, step: { kind: 'answer', answer: 'resolved', because: QUIET } });
  }
  return dues;
}

function tellingsDue(incident: Incident): Due[] {
  if (incident.policy.lifecycle !== undefined) return chaptersDue(incident);
  const dues = incident.status === 'open' ? pagesDue(incident) : newsDue(incident);
  return [...dues, ...byHandDue(incident), ...failoversDue(incident)];
}

/** While nobody has answered: the group's own tellings, then the escalation. */
function pagesDue(incident: Incident): Due[] {
  const { policy, told, worst, alerts, answer_rev, answer, opened_at } = incident;
  const first = [...new Set([...policy.notify, ...(policy.levels[0]?.notify ?? [])])];
  const tell = (at: number, reason: Reason, targets: string[]): Due => ({
    at,
    step: { kind: 'tell', reason, targets: withHeard(incident, reason, targets), ...levelOf(incident, reason) },
  });
  if (!told) {
    if (worst !== null && policy.group_now.includes(worst)) return [tell(0, 'group_now', first)];
    if (alerts >= policy.group_count) return [tell(0, 'group_count', first)];
    return [tell(opened_at + policy.group_wait_ms, 'group_wait', first)];
  }
  if (told.answer_rev < answer_rev) return [tell(0, answer ?? 'unacknowledged', first)];
  if (worst !== null && isWorse(worst, told.worst)) return [tell(0, 'severity_rose', first)];
  const dues = [...escalationDue(incident)];
  if (alerts > told.alerts) dues.push(tell(told.at + policy.group_interval_ms, 'group_interval', policy.notify));
  dues.push(tell(told.at + policy.repeat_interval_ms, 'repeat_interval', policy.notify));
  return dues;
}

/** An answer taken back is told to everyone who was told, not only to those it pages. */
function withHeard(incident: Incident, reason: Reason, targets: string[]): string[] {
  return reason === 'unacknowledged' ? [...new Set([...targets, ...heardOf(incident)])] : targets;
}

const levelOf = (incident: Incident, reason: Reason): { level?: number } =>
  incident.policy.levels.length > 0 && reason !== 'repeat_interval' && reason !== 'group_interval' ? { level: 1 } : {};

/** Everyone who has heard of it, or is about to. */
const heardOf = ({ targets }: Incident): string[] => Object.keys(targets).filter((name) => isInformed(targets[name]));

/** Nothing was ever decided for it: neither told nor spared. */
const isUntouched = ({ told, current, next }: Target = {}): boolean =>
  told === undefined && current === undefined && next === undefined;

const isInformed = ({ told, current, next }: Target = {}): boolean =>
  (told !== undefined && !told.skipped) || current !== undefined || next !== undefined;

/** The next level once the present one has waited; after the last level the rounds, then rest. */
function escalationDue(incident: Incident): Due[] {
  const { policy, escalation } = incident;
  const here = policy.levels[escalation.level - 1];
  if (!here) return [];
  const last = escalation.level >= policy.levels.length;
  if (last && escalation.round >= policy.repeat) return [];
  const level = last ? 1 : escalation.level + 1;
  const targets = policy.levels[level - 1]?.notify ?? [];
  return [{ at: escalation.since + here.wait_ms, step: { kind: 'tell', reason: 'escalated', targets, level } }];
}

/**
 * Acknowledged, snoozed, resolved: told once to everyone who was told, where the policy wants it told. Whoever of the route
 * has heard of nothing (it ended before the group was told, or before their page began) hears at least that it is over.
 */
function newsDue(incident: Incident): Due[] {
  const { status, answer_rev, policy } = incident;
  if (status === 'open') return [];
  const heard = heardOf(incident);
  const unheard = status === 'resolved' ? policy.notify.filter((name) => isUntouched(incident.targets[name])) : [];
  const wanted = status === 'resolved' ? policy.tell_resolved : policy.tell_ack;
  const everyone = [...unheard, ...(wanted ? heard : [])];
  const targets = everyone.filter((name) => !knows(incident, name, status, answer_rev));
  return targets.length ? [{ at: 0, step: { kind: 'tell', reason: status, targets } }] : [];
}

function knows(incident: Incident, name: string, reason: Reason, answer_rev: number): boolean {
  const { told, current, next } = incident.targets[name] ?? {};
  return [told, current, next].some((one) => one?.reason === reason && one.answer_rev >= answer_rev);
}

function byHandDue(incident: Incident): Due[] {
  const { by_hand, policy, escalation, status } = incident;
  if (by_hand === undefined || status === 'resolved' || policy.levels.length === 0) return [];
  const level = Math.min(policy.levels.length, by_hand > 0 ? by_hand : escalation.level + 1);
  const targets = policy.levels[level - 1]?.notify ?? [];
  return [{ at: 0, step: { kind: 'tell', reason: 'escalated_by_hand', targets, level } }];
}

/** A page that its target has not delivered in time, or will not: its backup is told; the primary goes on trying. */
function failoversDue(incident: Incident): Due[] {
  return Object.entries(incident.targets).flatMap(([name, { current, told }]) => {
    const backup = incident.policy.failover[name];
    const page = current ?? (told?.dead ? told : undefined);
    if (!backup || !page || page.failed_over || !isPage(page.reason) || page.reason === 'failover') return [];
    if (incident.status !== 'open' || page.answer_rev < incident.answer_rev) return [];
    if (backup.only.length > 0 && (incident.worst === null || !backup.only.includes(incident.worst))) return [];
    const at = current && current.round === 0 ? current.since + backup.after_ms : 0;
    return [
      { at, step: { kind: 'tell' as const, reason: 'failover' as const, targets: [backup.to], instead_of: name } },
    ];
  });
}

/** Each target hears the story chapter by chapter, none overtaken. */
function chaptersDue(incident: Incident): Due[] {
  for (const name of incident.policy.notify) {
    const target = incident.targets[name] ?? {};
    if (target.current || target.next) continue;
    const heard = target.chapter ?? 0;
    const found = incident.chapters.find(([, last]) => last > heard);
    if (!found) continue;
    // Chapters beyond the bound share one, of which a part may have been told before the rest came.
    const chapter: [number, number] = [Math.max(found[0], heard + 1), found[1]];
    return [{ at: 0, step: { kind: 'tell', reason: 'story', targets: [name], chapter } }];
  }
  return [];
}

function deliveriesDue(incident: Incident): Due[] {
  const idle = Object.entries(incident.targets).flatMap(([name, { current }]): { name: string; out: Outgoing }[] =>
    current && !current.running ? [{ name, out: current }] : [],
  );
  if (idle.length === 0) return [];
  const at = Math.min(...idle.map(({ out }) => out.due));
  return [{ at, step: { kind: 'deliver', targets: idle.filter(({ out }) => out.due <= at).map(({ name }) => name) } }];
}

/** Over, and everyone who should know does. */
function closingDue(incident: Incident): Due[] {
  const busy = Object.values(incident.targets).some(({ current, next }) => current !== undefined || next !== undefined);
  if (incident.status !== 'resolved' || busy) return [];
  return [{ at: 0, step: { kind: 'close', because: incident.answer ?? 'resolved' } }];
}
