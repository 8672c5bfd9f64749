/** An incident walked through time by its pure rules alone: a clock, batches as the ledger would make them, outcomes chosen by the test. */
import { type Severity, worseOf } from '../../src/core/event.ts';
import {
  type Batch,
  type Incident,
  type Outgoing,
  openIncident,
  withBatch,
  withOwnAnswer,
} from '../../src/core/incident.ts';
import type { IncidentStatus, Reason } from '../../src/core/notice.ts';
import { nextStep } from '../../src/core/plan.ts';
import type { Policy } from '../../src/core/policy.ts';
import { type Ended, withEnded, withRunning } from '../../src/core/rounds.ts';
import { type Telling, withTelling } from '../../src/core/telling.ts';
import { policy as policyOf } from '../support/policies.ts';

/** When every walk begins. */
export const START = Date.UTC(2026, 0, 15, 9);
/** More steps without a wait than this is a loop that never ends. */
const STEPS_MAX = 200;

/** What becomes of a delivery; `hangs` leaves it on its way until the test ends it. */
export type Fate = Ended | 'hangs';
export const DELIVERED: Ended = { outcome: 'delivered' };
export const FAILED: Ended = { outcome: 'failed', dead: false };
export const DEAD: Ended = { outcome: 'failed', dead: true };

/** A delivery that began. */
export interface Sent {
  at: number;
  target: string;
  reason: Reason;
  level?: number;
  key: string;
  out: Outgoing;
  /** The incident's status as the walk knew it then. */
  status: IncidentStatus;
}

/** Opens an incident of `policy(overrides)` at START; `fate` decides each delivery when it begins. */
export function walk(
  overrides: Partial<Policy> = {},
  fate: (target: string, out: Outgoing, now: number) => Fate = () => DELIVERED,
) {
  let now = START;
  let state: Incident = openIncident('INC-1', policyOf(overrides), 'epoch-1', START);
  let firing: Severity[] = [];
  let alerts = 0;
  let seq = 0;
  let lastFired = 0;
  let ledger: Pick<Batch, 'status' | 'answer_rev' | 'answer' | 'answered_at' | 'snoozed_until'> = {
    status: 'open',
    answer_rev: 0,
  };
  let closed: string | undefined;
  const sent: Sent[] = [];
  const tellings: (Telling & { at: number; status: IncidentStatus })[] = [];

  const fold = (rows: number, more: Partial<Batch> = {}): void => {
    seq += rows;
    const worst = firing.reduce<Severity | null>(worseOf, null);
    const totals = { firing: firing.length, alerts, worst, first_at: START, last_at: now };
    state = withBatch(state, {
      incident: state.id,
      number: state.seen + 1,
      epoch: state.epoch,
      at: now,
      through: seq,
      ...ledger,
      ...totals,
      rows: [],
      more: rows,
      ...more,
    });
  };
  const answer = (status: IncidentStatus, reason: Reason, more: { snoozed_until?: number } = {}): void => {
    ledger = { status, answer: reason, answer_rev: ledger.answer_rev + 1, answered_at: now, ...more };
  };

  const step = (): 'waits' | 'goes on' => {
    const next = nextStep(state, now);
    switch (next.kind) {
      case 'tell': {
        const { kind: _, ...telling } = next;
        tellings.push({ ...telling, at: now, status: state.status });
        state = withTelling(state, telling, now);
        return 'goes on';
      }
      case 'deliver': {
        const outs = next.targets.flatMap((target) => {
          const out = state.targets[target]?.current;
          return out ? [{ target, out }] : [];
        });
        state = withRunning(state, next.targets);
        for (const { target, out } of outs) begin(target, out);
        return 'goes on';
      }
      case 'answer':
        answer(next.answer === 'resolved' ? 'resolved' : 'open', next.answer);
        state = withOwnAnswer(
          state,
          { status: ledger.status, answer: next.answer, answer_rev: ledger.answer_rev },
          now,
        );
        return 'goes on';
      case 'close':
        closed = next.because;
        return 'waits';
      case 'wait':
        return 'waits';
      default:
        return next satisfies never;
    }
  };

  const begin = (target: string, out: Outgoing): void => {
    sent.push({
      at: now,
      target,
      reason: out.reason,
      key: out.key,
      out,
      status: state.status,
      ...(out.level === undefined ? {} : { level: out.level }),
    });
    const ended = fate(target, out, now);
    if (ended !== 'hangs') state = withEnded(state, target, out.key, ended, now);
  };

  const settle = (): void => {
    for (let steps = 0; closed === undefined && step() === 'goes on'; steps++) {
      if (steps > STEPS_MAX)
        throw new Error(`no wait after ${STEPS_MAX} steps: ${JSON.stringify(nextStep(state, now))}`);
    }
  };

  const walked = {
    /** The inbox seq of the last alert that fired. */
    get lastFired(): number {
      return lastFired;
    },
    sent,
    tellings,
    get state(): Incident {
      return state;
    },
    get now(): number {
      return now;
    },
    /** Why it closed; undefined while it is open. */
    get closed(): string | undefined {
      return closed;
    },
    /** What was told since the walk began, in words: `group_now chat`, `escalated L2 phone`. */
    get told(): string[] {
      return sent.map(({ reason, level, target }) => `${reason}${level === undefined ? '' : ` L${level}`} ${target}`);
    },
    /** Forgets what was sent so far. */
    forget(): void {
      sent.length = 0;
      tellings.length = 0;
    },
    fires(...severities: Severity[]) {
      firing.push(...severities);
      alerts += severities.length;
      if (ledger.status === 'resolved') answer('open', 'fired_again');
      fold(severities.length);
      lastFired = seq;
      settle();
      return walked;
    },
    /** Every alert ends. */
    ends() {
      firing = [];
      answer('resolved', 'resolved');
      fold(1);
      settle();
      return walked;
    },
    acks: () => walked.answers('acknowledged', 'acknowledged'),
    /** One batch, as after an outage: an acknowledgement, and after it an alert. */
    ackedAndThenFired(severity: Severity) {
      const answered_worst = firing.reduce<Severity | null>(worseOf, null);
      answer('acknowledged', 'acknowledged');
      firing.push(severity);
      alerts++;
      fold(2, answered_worst ? { answered_worst } : {});
      lastFired = seq;
      settle();
      return walked;
    },
    answers(status: IncidentStatus, reason: Reason, more: { snoozed_until?: number } = {}) {
      answer(status, reason, more);
      fold(1);
      settle();
      return walked;
    },
    /** Asks for a level by hand; 0 asks for the next. */
    escalates(level = 0) {
      fold(1, { escalate: level });
      settle();
      return walked;
    },
    /** Chapters of a story, `count` of them in one batch; the last may end it. */
    tells(count = 1, isEnd = false) {
      const chapters = Array.from({ length: count }, (_, at): [number, number] => [seq + at + 1, seq + at + 1]);
      firing = isEnd ? [] : ['info'];
      alerts += count;
      if (isEnd) answer('resolved', 'resolved');
      fold(count, { chapters });
      settle();
      return walked;
    },
    /** A delivery that hung ends. */
    ended(target: string, ended: Ended) {
      const key = state.targets[target]?.current?.key ?? '';
      state = withEnded(state, target, key, ended, now);
      settle();
      return walked;
    },
    /** Time passes; everything that falls due on the way is done when it falls due. */
    passes(ms: number) {
      const end = now + ms;
      settle();
      while (closed === undefined) {
        const next = nextStep(state, now);
        if (next.kind !== 'wait' || next.until === undefined || next.until > end) break;
        now = next.until;
        settle();
      }
      now = end;
      return walked;
    },
  };
  settle();
  return walked;
}
