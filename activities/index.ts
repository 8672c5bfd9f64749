/** Every activity, made from one set of dependencies. Nothing is sent outside except from here. */
import type { Incident } from '../src/core/incident.ts';
import { answerItself, type OwnAnswer, type OwnAnswered } from '../src/ledger/answers.ts';
import { type AttemptEnd, recordAttempt } from '../src/ledger/deliveries.ts';
import { closeIncident, type Loaded, loadIncident } from '../src/ledger/state.ts';
import { announce } from '../src/ledger/steps.ts';
import { createAside } from './aside.ts';
import { createDeliver } from './deliver.ts';
import type { Deps } from './deps.ts';
import { guarded } from './guarded.ts';
import { createSendOnce } from './send-once.ts';
import { createSummary } from './summary.ts';

export type { Deps } from './deps.ts';

export function createActivities(deps: Deps) {
  const { ledger, now } = deps;
  const aside = createAside();
  const activities = {
    deliver: createDeliver(deps, aside),
    sendOnce: createSendOnce(deps),
    ...createSummary(deps),

    /** The incident as the ledger knows it, unless the workflow knows as much. */
    async load({
      incident,
      known,
    }: {
      incident: string;
      known: Pick<Incident, 'epoch' | 'seen' | 'answer_rev'> & { due?: number };
    }): Promise<Loaded> {
      const loaded = await loadIncident(ledger, incident, known, now().getTime());
      announce('load.committed');
      return loaded;
    },

    /** How an attempt ended, told to a ledger that was away when it did. */
    async record(end: AttemptEnd): Promise<void> {
      await recordAttempt(ledger, aside.whole(end));
      aside.drop(end);
    },

    /** An answer the workflow gives itself. */
    async answer({
      incident,
      expected_rev,
      answer,
      because,
    }: {
      incident: string;
      expected_rev: number;
      answer: OwnAnswer;
      because: string;
    }): Promise<OwnAnswered> {
      const answered = await answerItself(ledger, incident, expected_rev, answer, because);
      announce('own.committed');
      return answered;
    },

    async close({
      incident,
      seen,
      because,
    }: {
      incident: string;
      seen: number;
      because: string;
    }): Promise<'closed' | 'more'> {
      const outcome = await closeIncident(ledger, incident, seen, because);
      announce('close.committed');
      return outcome;
    },
  };
  return guarded(activities, deps);
}

/** What a workflow says to its worker and to no history: its steps. */
export const sinks = {
  steps: { continues: { fn: (): void => announce('continue.decided'), callDuringReplay: false } },
};
export type Sinks = { steps: { continues(): void } };

export type Activities = ReturnType<typeof createActivities>;
