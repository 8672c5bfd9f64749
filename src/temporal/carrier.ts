/** Carries what the relay claims to Temporal: a start, or signal-with-start, idempotent by what the ledger has decided. */
import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
} from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import {
  BATCH,
  clear,
  DAILY_SUMMARY,
  INCIDENT,
  type IncidentInput,
  NUDGE,
  SEARCH_ATTRIBUTES,
  SEND_ONE,
  type SendInput,
  type SummaryInput,
  TASK_QUEUE,
} from '../../workflows/contract.ts';
import type { Batch, Opening } from '../core/incident.ts';
import type { TemporalLink } from './connect.ts';

/** A signal that takes longer is given up; the relay sends it again. */
const CALL_TIMEOUT_MS = 10_000;

/** A row that asks for a workflow outside any incident. */
interface SendRow {
  id: number;
  kind: string;
  target: string;
  payload: { [key: string]: unknown } | null;
}

/**
 * A start asks for the workflow's first task together with the answer, which a worker of this process then has without
 * polling for it (https://docs.temporal.io/design-patterns/eager-workflow-start, which knows of no TypeScript yet; 1.24 has it).
 * Where no worker here has room, the task goes its usual way.
 */
const EAGER = { requestEagerStart: true } as const;

export function createCarrier({ client, starter }: Pick<TemporalLink, 'client' | 'starter'>, taskQueue = TASK_QUEUE) {
  const withDeadline = <T>(through: Client, work: () => Promise<T>): Promise<T> =>
    through.connection.withDeadline(Date.now() + CALL_TIMEOUT_MS, work);

  const incidentOf = (opening: Opening) => ({
    workflowId: opening.id,
    taskQueue,
    // A closed incident's run must not be started again by a signal that is late; a terminated one must.
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
    typedSearchAttributes: attributesOf(opening),
    staticSummary: `${opening.severity} · ${clear(opening.service) || 'no service'} · route ${opening.policy.route} · from ${clear(opening.source)}`,
  });

  /** False where its workflow runs already, or has ended. */
  const begin = (opening: Opening, first: Batch): Promise<boolean> =>
    withDeadline(starter, async () => {
      try {
        await starter.workflow.start(INCIDENT, {
          ...incidentOf(opening),
          ...EAGER,
          args: [{ opening: inClear(opening), first } satisfies IncidentInput],
        });
        return true;
      } catch (error) {
        if (!isAlreadyThere(error)) throw error;
        return false;
      }
    });

  const signal = (opening: Opening, name: string, args: unknown[]): Promise<void> =>
    withDeadline(client, async () => {
      try {
        await client.workflow.signalWithStart(INCIDENT, {
          ...incidentOf(opening),
          args: [{ opening: inClear(opening) } satisfies IncidentInput],
          signal: name,
          signalArgs: args,
        });
      } catch (error) {
        if (!isAlreadyThere(error)) throw error;
      }
    });

  const start = (
    workflowId: string,
    type: string,
    args: [SendInput | SummaryInput],
    staticSummary: string,
  ): Promise<void> =>
    withDeadline(starter, async () => {
      try {
        await starter.workflow.start(type, {
          ...EAGER,
          workflowId,
          taskQueue,
          args,
          staticSummary,
          workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
          workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
        });
      } catch (error) {
        if (!isAlreadyThere(error)) throw error;
      }
    });

  return {
    /** The first one is what its workflow begins with; another time, and like all others, it is a signal. */
    async batch(opening: Opening, batch: Batch): Promise<void> {
      if (batch.number === 1 && (await begin(opening, batch))) return;
      await signal(opening, BATCH, [batch]);
    },
    nudge: (opening: Opening): Promise<void> => signal(opening, NUDGE, []),
    send({ id, kind, target, payload }: SendRow): Promise<void> {
      if (kind !== 'summary') return start(`${taskQueue}-send-${id}`, SEND_ONE, [{ send: id }], `${kind} of ${target}`);
      const date = typeof payload?.date === 'string' ? { date: payload.date } : {};
      return start(
        `${taskQueue}-summary-${target}-by-hand-${id}`,
        DAILY_SUMMARY,
        [{ name: target, ...date }],
        `summary ${target}, by hand`,
      );
    },
  };
}

/**
 * A run of this id is there, for a start, or has completed. For a signal that is: the ledger closed the incident under its row
 * lock, so that nothing unfolded can be left, and whoever sends a batch of it now is late.
 */
const isAlreadyThere = (error: unknown): boolean => error instanceof WorkflowExecutionAlreadyStartedError;

/** The input stands in the history for all to read: names of the senders' making only as words that may stand there. */
const inClear = (opening: Opening): Opening => ({
  ...opening,
  service: clear(opening.service),
  source: clear(opening.source),
});

const attributesOf = ({ severity, service, policy }: Opening) => {
  const values = { status: 'open', severity, service: clear(service), route: clear(policy.route) };
  return (Object.keys(values) as (keyof typeof values)[])
    .filter((name) => values[name] !== '')
    .map((name) => ({ key: defineSearchAttributeKey(SEARCH_ATTRIBUTES[name], 'KEYWORD'), value: values[name] }));
};
