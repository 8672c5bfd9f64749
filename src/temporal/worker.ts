/** The worker: runs workflows and activities, and stops without cutting a delivery off. */
import { makeTelemetryFilterString, type NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { type Activities, sinks } from '../../activities/index.ts';
import { TASK_QUEUE } from '../../workflows/contract.ts';
import { bundle } from './bundle.ts';

/** Workflows kept in memory: about 1 MB each (sdk-typescript#1843). */
const CACHED_WORKFLOWS = 150;
/** Deliveries at once; each holds one connection of the ledger for moments only. */
const ACTIVITIES_AT_ONCE = 100;
const WORKFLOW_TASKS_AT_ONCE = 40;
/** Longer than an attempt may take by default: a stop waits for what is on its way. */
const GRACE = '20 seconds';

/** A workflow whose worker has gone is taken over by another after this, not after the SDK's 10 seconds. */
const STICKY = '3 seconds';

/** What the SDK would say is said by our own log, or is of no use to an operator. */
const SILENT = {
  log: () => undefined,
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

let isInstalled = false;

/** Before any connection: the SDK's own signal handling off (we stop the worker ourselves), its log at warnings. */
export function installRuntime(): void {
  if (isInstalled) return;
  isInstalled = true;
  Runtime.install({
    shutdownSignals: [],
    telemetryOptions: {
      logging: { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }), forward: {} },
    },
    logger: SILENT,
  });
}

export interface RunningWorker {
  /** Rejects when the worker fails; resolves when it has stopped. */
  ended: Promise<void>;
  stop(): Promise<void>;
}

/** Starts a worker. `bundlePath`: workflows bundled before; else as bundle.ts has them. */
export async function startWorker(input: {
  connection: NativeConnection;
  namespace: string;
  activities: Activities;
  taskQueue?: string;
  bundlePath?: string;
}): Promise<RunningWorker> {
  const { connection, namespace, activities, taskQueue = TASK_QUEUE, bundlePath } = input;
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue,
    workflowBundle: bundlePath ? { codePath: bundlePath } : await bundle(),
    activities,
    sinks,
    maxCachedWorkflows: CACHED_WORKFLOWS,
    maxConcurrentActivityTaskExecutions: ACTIVITIES_AT_ONCE,
    maxConcurrentWorkflowTaskExecutions: WORKFLOW_TASKS_AT_ONCE,
    shutdownGraceTime: GRACE,
    stickyQueueScheduleToStartTimeout: STICKY,
  });
  const ended = worker.run();
  return {
    ended,
    async stop() {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await ended.catch(() => undefined);
    },
  };
}
