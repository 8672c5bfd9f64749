/** A small world for the model of the protocol: the real ledger, relay and rules; a clock, a network and a Temporal that can fail. */
import {
  type Batch,
  batchFits,
  type Incident,
  type Opening,
  type Outgoing,
  openIncident,
  withBatch,
  withHeard,
  withOwnAnswer,
} from '../../src/core/incident.ts';
import { isPage } from '../../src/core/notice.ts';
import { nextDeadline, nextStep, type Step } from '../../src/core/plan.ts';
import { type Ended, isLastRound, keepingRunning, roundWait, withEnded, withRunning } from '../../src/core/rounds.ts';
import { withTelling } from '../../src/core/telling.ts';
import { answerItself } from '../../src/ledger/answers.ts';
import { type Ledger, openLedger } from '../../src/ledger/db.ts';
import { type AttemptEnd, beginAttempt, recordAttempt } from '../../src/ledger/deliveries.ts';
import { migrate } from '../../src/ledger/migrate.ts';
import { closeIncident, loadIncident } from '../../src/ledger/state.ts';
import { createLog } from '../../src/observe/log.ts';
import { createRelay } from '../../src/relay/relay.ts';
import { inMemory } from '../support/image.ts';

const START = Date.UTC(2026, 0, 15, 9);
/** As in the workflow: how long a batch is waited for after a refused close. */
const BATCH_EXPECTED_MS = 30_000;
const GIVE_UP_MS = 24 * 3_600_000;

/** What the network and the far side do to one call of the relay. */
export type Call = 'arrives' | 'lost' | 'reply lost' | 'late' | 'relay dies before' | 'relay dies after';
/** What a provider does with one attempt. */
export type Answer = 'takes it' | 'refuses for now' | 'refuses for good';

/** Rules left out on purpose, to see that the checks notice. */
export interface Broken {
  ignoresGaps?: boolean;
  ignoresAnswers?: boolean;
}

type Signal = { kind: 'batch'; batch: Batch } | { kind: 'nudge' };
type Pending =
  | { kind: 'load'; result: Awaited<ReturnType<typeof loadIncident>> }
  | { kind: 'answer'; result: Awaited<ReturnType<typeof answerItself>>; step: Extract<Step, { kind: 'answer' }> }
  | { kind: 'close'; result: 'closed' | 'more'; because: string; revision: number; until?: number };

/** A run of the incident's workflow, as far as its memory goes. */
export interface Run {
  opening: Opening;
  state: Incident;
  mailbox: Signal[];
  wantsLoad: boolean;
  early: Batch[];
  pending?: Pending;
  /** The batches in this run's state, in the order they came in. */
  folded: number[];
  isOver?: string;
}

export interface Activity {
  run: Run;
  target: string;
  out: Outgoing;
  snapshot: Incident;
  due?: number;
  phase: 'scheduled' | 'begun' | 'ended';
  /** Once begun: how the attempt ended, if anybody gets to record it. */
  end?: { end: AttemptEnd; ended: Ended | 'again' };
  ended?: Ended;
}

/** A message that reached its provider. */
export interface Arrival {
  incident: string;
  target: string;
  key: string;
  reason: Outgoing['reason'];
  through: number;
  answer_rev: number;
}

/** The ledger of a world has the world's clock: its own now() stands before Postgres's. */
export async function openModelLedger(): Promise<Ledger> {
  const ledger = await openLedger(inMemory());
  await ledger.query('create table model_clock (at timestamptz not null)');
  await ledger.query('insert into model_clock values (now())');
  await ledger.query(
    `create function public.now() returns timestamptz language sql stable as 'select at from public.model_clock'`,
  );
  await ledger.query('set search_path to public, pg_catalog');
  await migrate(ledger);
  return ledger;
}

export async function createWorld(ledger: Ledger, broken: Broken = {}) {
  let now = START;
  const runs = new Map<string, Run>();
  const completed = new Set<string>();
  const activities: Activity[] = [];
  const late: { opening: Opening; signal: Signal }[] = [];
  const arrivals: Arrival[] = [];
  /** Attempts whose end nobody will ever hear, by delivery key. */
  const lostAnswers = new Map<string, number>();
  const violations: string[] = [];
  let call: Call = 'arrives';

  const passes = async (ms: number): Promise<void> => {
    now += ms;
    await ledger.query('update model_clock set at = to_timestamp($1::float8 / 1000)', [now]);
  };

  // --- the network and Temporal's door: signal-with-start, ALLOW_DUPLICATE_FAILED_ONLY
  const signalWithStart = (opening: Opening, signal: Signal): void => {
    if (completed.has(opening.id)) return;
    const run = runs.get(opening.id) ?? startRun(opening);
    run.mailbox.push(signal);
  };
  const startRun = (opening: Opening): Run => {
    const state = openIncident(opening.id, opening.policy, opening.epoch, Math.min(opening.opened_at, now));
    const run: Run = { opening, state, mailbox: [], wantsLoad: false, early: [], folded: [] };
    runs.set(opening.id, run);
    return run;
  };
  const carry = async (opening: Opening, signal: Signal): Promise<void> => {
    const fate = call;
    if (fate === 'late') late.push({ opening, signal });
    if (fate === 'arrives' || fate === 'reply lost' || fate === 'relay dies after') signalWithStart(opening, signal);
    if (fate !== 'arrives') throw new Error(`the call: ${fate}`);
  };
  const newRelay = () =>
    createRelay({
      ledger,
      now: () => now,
      log: createLog({ level: 'silent', secrets: [] }),
      carrier: {
        batch: (opening, batch) => carry(opening, { kind: 'batch', batch }),
        nudge: (opening) => carry(opening, { kind: 'nudge' }),
        send: async () => undefined,
      },
    });
  let relay = newRelay();

  // --- the workflow, step by step
  const fold = (run: Run, batch: Batch): void => {
    const fit = batchFits(run.state, batch);
    if (fit === 'fold' || (broken.ignoresGaps && fit === 'load')) {
      if (batch.number !== run.folded.length + 1)
        violations.push(`${run.opening.id}: batch ${batch.number} folded after ${run.folded.length} batches`);
      run.folded.push(batch.number);
      run.state = withBatch(run.state, batch);
    } else if (fit === 'load') {
      run.wantsLoad = true;
      run.early.push(batch);
    }
  };
  const receive = (run: Run): void => {
    const signal = run.mailbox.shift();
    if (signal?.kind === 'batch') fold(run, signal.batch);
    if (signal?.kind === 'nudge') run.wantsLoad = true;
  };
  const startDeliveries = (run: Run, targets: string[]): void => {
    const outs = targets.map((target) => ({ target, out: run.state.targets[target]?.current }));
    run.state = withRunning(run.state, targets);
    const due = nextDeadline(run.state, now);
    for (const { target, out } of outs) {
      if (out)
        activities.push({
          run,
          target,
          out,
          snapshot: run.state,
          phase: 'scheduled',
          ...(due === undefined ? {} : { due }),
        });
    }
  };
  /** When the main loop can go on: now, at a time, or only after a signal. */
  const wakesAt = (run: Run): number | undefined => {
    const { pending, state } = run;
    if (pending?.kind === 'close' && pending.until !== undefined) {
      return run.wantsLoad || state.revision !== pending.revision ? now : pending.until;
    }
    if (pending || run.wantsLoad) return now;
    const step = nextStep(state, now);
    return step.kind === 'wait' ? step.until : now;
  };
  const step = async (run: Run): Promise<void> => {
    if (run.pending) {
      goOn(run, run.pending);
      return;
    }
    const { state, opening } = run;
    if (run.wantsLoad) {
      run.wantsLoad = false;
      run.early = [];
      const due = nextDeadline(state, now);
      const { epoch, seen, answer_rev } = state;
      run.pending = {
        kind: 'load',
        result: await loadIncident(
          ledger,
          opening.id,
          { epoch, seen, answer_rev, ...(due === undefined ? {} : { due }) },
          now,
        ),
      };
      return;
    }
    const next = nextStep(state, now);
    switch (next.kind) {
      case 'tell':
        run.state = withTelling(state, next, now);
        return;
      case 'deliver':
        startDeliveries(run, next.targets);
        return;
      case 'answer':
        run.pending = {
          kind: 'answer',
          step: next,
          result: await answerItself(ledger, opening.id, state.answer_rev, next.answer, next.because),
        };
        return;
      case 'close':
        run.pending = {
          kind: 'close',
          because: next.because,
          revision: state.revision,
          result: await closeIncident(ledger, opening.id, state.seen, next.because),
        };
        return;
      case 'wait':
        return;
      default:
        next satisfies never;
    }
  };
  /** The result of the ledger's answer reaches the workflow; signals may have come in between. */
  const goOn = (run: Run, pending: Pending): void => {
    delete run.pending;
    switch (pending.kind) {
      case 'load': {
        const { result } = pending;
        if (result.outcome === 'closed') {
          end(run, 'closed elsewhere');
          return;
        }
        if (result.outcome === 'loaded') {
          run.state = keepingRunning(result.incident, run.state);
          run.folded = Array.from({ length: run.state.seen }, (_, at) => at + 1);
        }
        const missed = run.early;
        run.early = [];
        for (const batch of missed) fold(run, batch);
        return;
      }
      case 'answer': {
        const { result } = pending;
        if (result.outcome === 'closed') {
          end(run, 'closed elsewhere');
          return;
        }
        if (result.outcome === 'stale') run.wantsLoad = true;
        if (result.outcome === 'heard') run.state = withHeard(run.state, result.last_at, now);
        if (result.outcome === 'done')
          run.state = withOwnAnswer(
            run.state,
            { status: result.status, answer: pending.step.answer, answer_rev: result.answer_rev },
            now,
          );
        return;
      }
      case 'close': {
        if (pending.result === 'closed') {
          end(run, pending.because);
          return;
        }
        if (pending.until === undefined) run.pending = { ...pending, until: now + BATCH_EXPECTED_MS };
        else if (run.state.revision === pending.revision) run.wantsLoad = true;
        return;
      }
      default:
        pending satisfies never;
    }
  };
  const end = (run: Run, why: string): void => {
    run.isOver = why;
    runs.delete(run.opening.id);
    completed.add(run.opening.id);
  };

  // --- the delivery activity
  const begin = async (activity: Activity, answer: Answer): Promise<void> => {
    const { run, target, out, snapshot } = activity;
    const incident = run.opening.id;
    const begun = await beginAttempt(ledger, {
      incident,
      target,
      channel: 'model',
      out: broken.ignoresAnswers ? { ...out, answer_rev: await revisionOf(incident) } : out,
      snapshot,
    });
    if (begun.outcome !== 'go') {
      activity.phase = 'ended';
      activity.ended =
        begun.outcome === 'superseded' || begun.outcome === 'stale'
          ? { outcome: 'stale', ...(begun.unsure ? { unsure: true } : {}) }
          : begun.outcome === 'dead'
            ? { outcome: 'failed', dead: true }
            : { outcome: begun.outcome };
      return;
    }
    const [row] = await ledger.query<{ status: string; closed: boolean }>(
      'select status, closed_at is not null as closed from incidents where id = $1',
      [incident],
    );
    if (row?.closed) violations.push(`${out.key} began in a closed incident`);
    // An operator may ask for a level although somebody has it; every other page stops at an answer.
    if (isPage(out.reason) && out.reason !== 'escalated_by_hand' && row?.status !== 'open')
      violations.push(`${out.key} began while the ledger says ${row?.status}`);
    activity.phase = 'begun';
    if (answer === 'takes it')
      arrivals.push({
        incident,
        target,
        key: out.key,
        reason: out.reason,
        through: out.through,
        answer_rev: out.answer_rev,
      });
    activity.end = endOf(activity, begun, answer);
  };
  const revisionOf = async (incident: string): Promise<number> =>
    (await ledger.query<{ rev: number }>('select answer_rev as rev from incidents where id = $1', [incident]))[0]
      ?.rev ?? 0;

  /** As the real activity decides: delivered, another attempt in this round, another round, or dead. */
  const endOf = (
    { run, target, out, snapshot, due }: Activity,
    begun: { attempt: number; of_round: number },
    answer: Answer,
  ): NonNullable<Activity['end']> => {
    const base = {
      incident: run.opening.id,
      target,
      delivery: out.key,
      attempt: begun.attempt,
      counted: true,
      ...(due === undefined ? {} : { due }),
    };
    if (answer === 'takes it')
      return { end: { ...base, status: 'delivered', ref: { ts: out.key } }, ended: { outcome: 'delivered' } };
    const isDead = answer === 'refuses for good' || (begun.of_round >= 2 && isLastRound(snapshot, out, GIVE_UP_MS));
    if (isDead) return { end: { ...base, status: 'dead', reason: 'gone' }, ended: { outcome: 'failed', dead: true } };
    if (begun.of_round < 2) return { end: { ...base, status: 'retrying', reason: 'server' }, ended: 'again' };
    const next_at = now + roundWait(out.round + 1);
    return {
      end: { ...base, status: 'retrying', reason: 'server', round: out.round + 1, next_at },
      ended: { outcome: 'failed', dead: false },
    };
  };
  const record = async (activity: Activity): Promise<void> => {
    if (!activity.end) return;
    await recordAttempt(ledger, activity.end.end);
    if (activity.end.ended === 'again') activity.phase = 'scheduled';
    else {
      activity.phase = 'ended';
      activity.ended = activity.end.ended;
    }
    delete activity.end;
  };
  const loseAnswer = ({ phase, out }: Activity): void => {
    if (phase === 'begun') lostAnswers.set(out.key, (lostAnswers.get(out.key) ?? 0) + 1);
  };
  /** The activity's result reaches its workflow, if that still lives. */
  const report = (activity: Activity): void => {
    const { run, target, out, ended } = activity;
    activities.splice(activities.indexOf(activity), 1);
    if (!ended || runs.get(run.opening.id) !== run) return;
    if (ended.outcome === 'closed') {
      end(run, 'closed elsewhere');
      return;
    }
    if (ended.outcome === 'stale' && run.state.answer_rev <= out.answer_rev) run.wantsLoad = true;
    run.state = withEnded(run.state, target, out.key, ended, now);
  };

  await passes(0);
  return {
    runs,
    activities,
    late,
    arrivals,
    lostAnswers,
    violations,
    get now(): number {
      return now;
    },
    passes,
    receive,
    step,
    wakesAt,
    begin,
    record,
    report,
    /** One look of the relay, whose calls have this fate. */
    async tick(fate: Call): Promise<void> {
      call = fate;
      await relay.tick();
      if (fate === 'relay dies before' || fate === 'relay dies after') relay = newRelay();
    },
    arriveLate(): void {
      const one = late.shift();
      if (one) signalWithStart(one.opening, one.signal);
    },
    /** The worker dies after the attempt began: Temporal repeats the activity. */
    workerDies(activity: Activity): void {
      loseAnswer(activity);
      activity.phase = 'scheduled';
      delete activity.end;
    },
    /** Temporal gives the round up: the workflow hears of a failed round, the ledger of nothing. */
    roundTimesOut(activity: Activity): void {
      loseAnswer(activity);
      activity.phase = 'ended';
      activity.ended = { outcome: 'failed', dead: false };
    },
    /** Temporal's database is lost: runs, mailboxes and results are gone; attempts that have begun go on without them. */
    temporalIsLost(): void {
      runs.clear();
      completed.clear();
      for (const activity of [...activities]) {
        loseAnswer(activity);
        if (activity.phase === 'ended') activities.splice(activities.indexOf(activity), 1);
      }
    },
  };
}

export type World = Awaited<ReturnType<typeof createWorld>>;
