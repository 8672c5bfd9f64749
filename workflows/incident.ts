/** One incident from its first alert to its close: it waits, sends and remembers; nextStep decides. */
import { defineSearchAttributeKey } from '@temporalio/common';
import * as wf from '@temporalio/workflow';
import type { Activities, Sinks } from '../activities/index.ts';
import {
  type Batch,
  batchFits,
  type Incident,
  type Outgoing,
  openIncident,
  withBatch,
  withHeard,
  withOwnAnswer,
} from '../src/core/incident.ts';
import { nextDeadline, nextStep, type Step } from '../src/core/plan.ts';
import { type Ended, keepingRunning, withEnded, withRunning } from '../src/core/rounds.ts';
import { withTelling } from '../src/core/telling.ts';
import { BATCH, clear, type IncidentInput, NUDGE, SEARCH_ATTRIBUTES, STATE } from './contract.ts';
import { createTimeline } from './timeline.ts';

/** The ledger's own questions: short, repeated until it answers (it may be down for long). */
const { load, answer, close, record } = wf.proxyActivities<Activities>({
  startToCloseTimeout: '20 seconds',
  retry: { initialInterval: '500 milliseconds', maximumInterval: '30 seconds' },
});

/** Makes no history: what is replayed does not know whether it was called. */
const { steps } = wf.proxySinks<Sinks>();

/** A round of attempts lasts at most this long (design.md section 2, rule 8). */
const ROUND = '5 minutes';
/** An attempt must end by itself before Temporal gives it up: HTTP deadline < startToClose. */
const MARGIN_MS = 5_000;
const TIMEOUT_MS = 10_000;
const BACKOFF_MS = 5_000;
/** A quiet point after this many signals is used to continue as new: far below the 10,000 that a run may receive. */
const SIGNALS_MAX = 500;
/** After `close` met rows that no batch has brought: how long the batch is waited for before the ledger is asked. */
const BATCH_EXPECTED_MS = 30_000;

const batchSignal = wf.defineSignal<[Batch]>(BATCH);
const nudgeSignal = wf.defineSignal(NUDGE);
const stateQuery = wf.defineQuery<Incident>(STATE);

/** Ends when the ledger says the incident is closed; a run of an incident that is closed already ends silently. */
export async function incident({ opening, first, resume }: IncidentInput): Promise<{ closed: string }> {
  // The ledger's clock may run ahead of ours: what is due is never later for it.
  let state =
    resume ?? openIncident(opening.id, opening.policy, opening.epoch, Math.min(opening.opened_at, Date.now()));
  let wantsLoad = false;
  let isLoading = false;
  let isOver: string | undefined;
  let signals = 0;
  let early: Batch[] = [];
  const timer = createTimer();
  const timeline = createTimeline();
  const index = createIndex(opening.severity);

  const fold = (batch: Batch): void => {
    // What the load brings may be older than this batch: it is folded into that, not into what is replaced.
    if (isLoading) {
      early.push(batch);
      return;
    }
    const fit = batchFits(state, batch);
    if (fit === 'fold') {
      timeline.batch(batch);
      state = withBatch(state, inOurTime(batch, Date.now()));
    } else if (fit === 'load') {
      wantsLoad = true;
    }
  };
  if (first) fold(first);
  wf.setHandler(batchSignal, (batch) => {
    signals++;
    fold(batch);
  });
  wf.setHandler(nudgeSignal, () => {
    signals++;
    wantsLoad = true;
  });
  wf.setHandler(stateQuery, () => state);

  const deliverOne = async (
    target: string,
    out: Outgoing,
    snapshot: Incident,
    due: number | undefined,
  ): Promise<void> => {
    const ended = await attemptRound(state, {
      incident: opening.id,
      target,
      out,
      snapshot,
      ...(due === undefined ? {} : { due }),
    });
    timeline.ended(target, out, ended);
    if (ended.outcome === 'closed') isOver = 'closed elsewhere';
    // The page was decided before an answer that this run has not heard of yet.
    if (ended.outcome === 'stale' && state.answer_rev <= out.answer_rev) wantsLoad = true;
    state = withEnded(state, target, out.key, ended, Date.now());
  };

  const startDeliveries = (targets: string[]): void => {
    const outs = targets.map((target) => ({ target, out: state.targets[target]?.current }));
    state = withRunning(state, targets);
    const due = nextDeadline(state, Date.now());
    for (const { target, out } of outs) if (out) deliverOne(target, out, state, due).catch(unlessCancelled);
  };

  const loadNow = async (): Promise<void> => {
    wantsLoad = false;
    isLoading = true;
    const due = nextDeadline(state, Date.now());
    const { epoch, seen, answer_rev } = state;
    const loaded = await load({
      incident: opening.id,
      known: { epoch, seen, answer_rev, ...(due === undefined ? {} : { due }) },
    });
    if (loaded.outcome === 'closed') isOver = 'closed elsewhere';
    if (loaded.outcome === 'loaded') {
      state = keepingRunning(loaded.incident, state);
      timeline.note('loaded from the ledger');
    }
    isLoading = false;
    const missed = early;
    early = [];
    for (const batch of missed) fold(batch);
  };

  const answerNow = async (step: Extract<Step, { kind: 'answer' }>): Promise<void> => {
    const given = await answer({
      incident: opening.id,
      expected_rev: state.answer_rev,
      answer: step.answer,
      because: step.because,
    });
    if (given.outcome === 'closed') isOver = 'closed elsewhere';
    else if (given.outcome === 'stale') wantsLoad = true;
    else if (given.outcome === 'heard') state = withHeard(state, given.last_at, Date.now());
    else if (given.outcome === 'done') {
      timeline.note(step.because);
      state = withOwnAnswer(
        state,
        { status: given.status, answer: step.answer, answer_rev: given.answer_rev },
        Date.now(),
      );
    }
  };

  const closeNow = async (because: string): Promise<void> => {
    const { seen, revision } = state;
    if ((await close({ incident: opening.id, seen, because })) === 'closed') isOver = because;
    else if (!(await wf.condition(() => state.revision !== revision || wantsLoad, BATCH_EXPECTED_MS))) wantsLoad = true;
  };

  while (isOver === undefined) {
    if (wantsLoad) {
      await loadNow();
      continue;
    }
    const now = Date.now();
    const step = nextStep(state, now);
    switch (step.kind) {
      case 'tell':
        timeline.told(step);
        state = withTelling(state, step, now);
        break;
      case 'deliver':
        startDeliveries(step.targets);
        break;
      case 'answer':
        await answerNow(step);
        break;
      case 'close':
        await closeNow(step.because);
        break;
      case 'wait': {
        index.update(state);
        timeline.show(state);
        const isQuiet = Object.values(state.targets).every(({ current }) => !current?.running);
        if (isQuiet && (signals >= SIGNALS_MAX || wf.workflowInfo().continueAsNewSuggested)) {
          steps.continues();
          await wf.continueAsNew<typeof incident>({ opening, resume: state });
        }
        const { revision } = state;
        await timer.until(step, () => state.revision !== revision || wantsLoad || isOver !== undefined);
        break;
      }
      default:
        step satisfies never;
    }
  }
  timeline.note(`closed: ${isOver}`);
  timeline.show(state);
  return { closed: isOver };
}

/** One round: one activity with the integration's own patience. What Temporal itself gives up is a failed round. */
async function attemptRound(state: Incident, input: Parameters<Activities['deliver']>[0]): Promise<Ended> {
  const patience = state.policy.patience?.[input.target];
  const { deliver } = wf.proxyActivities<Activities>({
    startToCloseTimeout: (patience?.timeout_ms ?? TIMEOUT_MS) + MARGIN_MS,
    scheduleToCloseTimeout: ROUND,
    retry: { initialInterval: patience?.backoff_ms ?? BACKOFF_MS, backoffCoefficient: 2 },
    summary: `${input.out.reason} → ${input.target}`,
  });
  try {
    const ended = await deliver(input);
    if (ended.outcome !== 'unrecorded') return ended;
    // It was sent; only the ledger does not know yet. It is told before anything else happens to this target.
    await record(ended.end);
    return ended.ended;
  } catch (error) {
    if (wf.isCancellation(error)) throw error;
    return { outcome: 'failed', dead: false };
  }
}

/** A cancelled run ends by its main loop; whatever else is thrown is a mistake of ours and must be seen. */
function unlessCancelled(error: unknown): void {
  if (!wf.isCancellation(error)) throw error;
}

function inOurTime(batch: Batch, now: number): Batch {
  const { at, last_at, answered_at } = batch;
  return {
    ...batch,
    at: Math.min(at, now),
    last_at: Math.min(last_at, now),
    ...(answered_at === undefined ? {} : { answered_at: Math.min(answered_at, now) }),
  };
}

/** The one timer: armed anew only when the next deadline is earlier than the one that runs; firing early is harmless. */
function createTimer() {
  let armed: { at: number; scope: wf.CancellationScope; fired: boolean } | undefined;
  const arm = (at: number, next: string): void => {
    armed?.scope.cancel();
    const mine = { at, scope: new wf.CancellationScope(), fired: false };
    armed = mine;
    void mine.scope
      .run(() => wf.sleep(Math.max(1, at - Date.now()), { summary: `until ${next}` }))
      .then(
        () => {
          mine.fired = true;
        },
        () => undefined, // Cancelled: an earlier deadline has taken its place.
      );
  };
  return {
    async until(
      { until: at, next = 'something changes' }: { until?: number; next?: string },
      changed: () => boolean,
    ): Promise<void> {
      if (armed?.fired) armed = undefined;
      if (at !== undefined && (!armed || armed.at > at)) arm(at, next);
      await wf.condition(() => changed() || armed?.fired === true);
    },
  };
}

/** Search attributes follow the state, lazily: one upsert when a wait begins and something is different. */
function createIndex(severity: string) {
  let shown = `open ${severity}`;
  return {
    update({ status, worst }: Incident): void {
      const [, known = severity] = shown.split(' ');
      const wanted = `${status} ${worst ?? known}`;
      if (wanted === shown) return;
      shown = wanted;
      wf.upsertSearchAttributes([
        { key: defineSearchAttributeKey(SEARCH_ATTRIBUTES.status, 'KEYWORD'), value: status },
        { key: defineSearchAttributeKey(SEARCH_ATTRIBUTES.severity, 'KEYWORD'), value: clear(worst ?? known) },
      ]);
    },
  };
}
