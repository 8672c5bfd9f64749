/** Production workflows on the shared server over activities that are plain functions: a ledger and channels made of values. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { WorkflowHandle } from '@temporalio/client';
import { inject } from 'vitest';
import type { Activities } from '../../activities/index.ts';
import { type Batch, type Incident, type Opening, openIncident, withBatch } from '../../src/core/incident.ts';
import type { Policy } from '../../src/core/policy.ts';
import { createCarrier } from '../../src/temporal/carrier.ts';
import { connect } from '../../src/temporal/connect.ts';
import { installRuntime, startWorker } from '../../src/temporal/worker.ts';
import { STATE } from '../../workflows/contract.ts';
import { plain } from './histories.ts';
import { policy } from './policies.ts';
import { until } from './until.ts';

type DeliverInput = Parameters<Activities['deliver']>[0];

/** What became of each call; a test lays its own answers over the usual ones, by incident. */
export interface Answers {
  deliver?(input: DeliverInput): ReturnType<Activities['deliver']>;
  load?(known: Parameters<Activities['load']>[0]['known']): Awaited<ReturnType<Activities['load']>>;
  answer?(asked: Parameters<Activities['answer']>[0]): Awaited<ReturnType<Activities['answer']>>;
  close?(seen: number): 'closed' | 'more';
}

export interface Calls {
  deliver: DeliverInput[];
  load: Parameters<Activities['load']>[0]['known'][];
  answer: Parameters<Activities['answer']>[0][];
  record: Parameters<Activities['record']>[0][];
  close: number[];
}

export const EPOCH = 'epoch-1';

export type World = Awaited<ReturnType<typeof world>>;

/** With the workflows of `bundlePath`, as another release may have them, or with ours; `over` are activities of a test's own. */
export async function world({ bundlePath, over = {} }: { bundlePath?: string; over?: Partial<Activities> } = {}) {
  const shared = inject('temporal');
  installRuntime();
  const link = await connect({ env: {}, address: shared.address });
  const taskQueue = `workflows-${randomBytes(4).toString('hex')}`;
  const answers = new Map<string, Answers>();
  const calls = new Map<string, Calls>();
  const sent: number[] = [];
  const callsOf = (id: string): Calls => {
    const known = calls.get(id) ?? { deliver: [], load: [], answer: [], record: [], close: [] };
    calls.set(id, known);
    return known;
  };

  const activities: Activities = {
    async deliver(input) {
      callsOf(input.incident).deliver.push(input);
      return (await answers.get(input.incident)?.deliver?.(input)) ?? { outcome: 'delivered' };
    },
    async load({ incident, known }) {
      callsOf(incident).load.push(known);
      return answers.get(incident)?.load?.(known) ?? { outcome: 'current' };
    },
    async answer(asked) {
      callsOf(asked.incident).answer.push(asked);
      const status = asked.answer === 'resolved' ? 'resolved' : 'open';
      return (
        answers.get(asked.incident)?.answer?.(asked) ?? { outcome: 'done', answer_rev: asked.expected_rev + 1, status }
      );
    },
    async close({ incident, seen }) {
      callsOf(incident).close.push(seen);
      return answers.get(incident)?.close?.(seen) ?? 'closed';
    },
    async record(end) {
      callsOf(end.incident).record.push(end);
    },
    async sendOnce({ send }) {
      sent.push(send);
      return { outcome: 'delivered' };
    },
    collectSummary: async ({ date = '2026-01-15' }) => ({ outcome: 'collected', date, notify: ['hook'] }),
    writeSummary: async () => undefined,
    tellSummary: async () => undefined,
    ...over,
  };
  const worker = await startWorker({
    connection: link.native,
    namespace: link.namespace,
    activities,
    taskQueue,
    bundlePath: bundlePath ?? shared.bundlePath,
  });
  const carrier = createCarrier(link, taskQueue);

  return {
    client: link.client,
    taskQueue,
    carrier,
    sent,
    /** An incident of its own: its opening, its batches one after the other, its workflow and what that called. */
    incident(over: Partial<Policy> = {}, own: Answers = {}) {
      const id = `W-${randomBytes(4).toString('hex')}`;
      const opened_at = Date.now();
      const opening: Opening = {
        ...{
          id,
          policy: policy({ route: 'tests', notify: ['hook'], group_count: 1_000_000, ...over }),
          epoch: EPOCH,
          opened_at,
          severity: 'critical',
        },
        ...{ service: 'checkout', source: 'tests' },
      };
      answers.set(id, own);
      const handle: WorkflowHandle = link.client.workflow.getHandle(id);
      const state = (): Promise<Incident> => handle.query<Incident>(STATE);
      return {
        id,
        opening,
        handle,
        state,
        calls: callsOf(id),
        /** Signals batch `number`, as the relay does. */
        batch: (number: number, more: Partial<Batch> = {}): Promise<void> =>
          carrier.batch(opening, batchOf(opening, number, more)),
        nudge: (): Promise<void> => carrier.nudge(opening),
        /** The state once it is so. */
        until: (what: string, holds: (state: Incident) => boolean): Promise<Incident> =>
          until(what, async () => {
            const now = await state();
            return holds(now) ? now : undefined;
          }),
        /** What the ledger would have after these batches. */
        inLedger: (batches: [number, Partial<Batch>?][]): Incident =>
          batches.reduce(
            (known, [number, more]) => withBatch(known, batchOf(opening, number, more)),
            openIncident(id, opening.policy, EPOCH, opened_at),
          ),
      };
    },
    async stop(): Promise<void> {
      await worker.stop();
      await link.close();
    },
  };
}

export function batchOf(opening: Opening, number: number, more: Partial<Batch> = {}): Batch {
  const at = Date.now();
  return {
    incident: opening.id,
    number,
    epoch: opening.epoch,
    at,
    through: number,
    status: 'open',
    answer_rev: 0,
    firing: 1,
    alerts: number,
    worst: opening.severity,
    first_at: opening.opened_at,
    last_at: at,
    rows: [{ seq: number, kind: 'fired', severity: opening.severity, at }],
    more: 0,
    ...more,
  };
}

/** With RECORD=1 keeps the history of a run as test/histories/<name>.json, for the replays of later versions. */
export async function record(name: string, handle: WorkflowHandle): Promise<void> {
  if (!process.env.RECORD) return;
  const path = new URL(`../histories/${name}.json`, import.meta.url);
  writeFileSync(path, `${JSON.stringify(plain(await handle.fetchHistory()), withoutPlace)}\n`);
}

/** Without the machine that it ran on: its name, in identities and in the names of sticky queues, and its folders. */
function withoutPlace(name: string, value: unknown): unknown {
  if (name === 'identity') return 'tests';
  if (name === 'stackTrace') return '';
  return typeof value === 'string' ? value.replace(/^\d+@[\w.-]+$/, '1@worker') : value;
}
