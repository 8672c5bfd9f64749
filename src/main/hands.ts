/** The hands: relay, worker and schedules on one Temporal server; they go on by themselves after it was away. */

import { createActivities } from '../../activities/index.ts';
import { TASK_QUEUE } from '../../workflows/contract.ts';
import { channelOf } from '../channels/index.ts';
import { startKeeping } from '../relay/keeping.ts';
import { createQuiet } from '../relay/quiet.ts';
import { createRelay } from '../relay/relay.ts';
import { createCarrier } from '../temporal/carrier.ts';
import { connect, ensureSearchAttributes } from '../temporal/connect.ts';
import { ensureSchedules } from '../temporal/schedules.ts';
import { installRuntime, type RunningWorker, startWorker } from '../temporal/worker.ts';
import { auditKeyFor } from './audit-key.ts';
import type { Foundation } from './foundation.ts';

export interface RunningHands {
  stop(): Promise<void>;
}

/** A worker that failed is started again after this. */
const WORKER_AGAIN_MS = 1_000;

export async function startHands(
  { env, config, ledger, egress, integrations, redactor, tokens, log, metrics }: Foundation,
  options: {
    address?: string;
    print: (text: string) => void;
    isOurs: boolean;
    bundlePath?: string;
    stateDir?: string;
    arriving?: () => number;
  },
): Promise<RunningHands> {
  installRuntime();
  const link = await connect({
    env,
    ...(options.address ? { address: options.address } : {}),
    waits: (why) => log.warn(`${why}; waiting for it`),
  });
  if (!options.isOurs) await ensureSearchAttributes(link.connection, link.namespace);
  const taskQueue = env.TOCSIN_TASK_QUEUE || TASK_QUEUE;
  await ensureSchedules(link.client, config.summaries, taskQueue);
  const activities = createActivities({
    ledger,
    config,
    integrationNamed: integrations.named,
    channelOf,
    egress,
    redactor,
    tokens,
    log,
    metrics,
    print: options.print,
    now: () => new Date(),
  });

  let stopping = false;
  let worker: RunningWorker | undefined;
  const start = (): Promise<RunningWorker> =>
    startWorker({
      connection: link.native,
      namespace: link.namespace,
      activities,
      taskQueue,
      ...(options.bundlePath ? { bundlePath: options.bundlePath } : {}),
    });
  const keepWorking = async (): Promise<void> => {
    while (!stopping) {
      try {
        worker ??= await start();
        await worker.ended;
      } catch (error) {
        if (!stopping) log.error({ err: error }, 'the worker stopped; it is started again');
      }
      worker = undefined;
      if (!stopping) await new Promise((resolve) => setTimeout(resolve, WORKER_AGAIN_MS));
    }
  };
  worker = await start();
  const working = keepWorking();
  const relay = createRelay({
    ledger,
    carrier: createCarrier(link, taskQueue),
    log,
    metrics,
    quiet: createQuiet({ ledger, routing: config.routing, ownedBy: integrations.ownedBy }),
    ...(options.arriving ? { arriving: options.arriving } : {}),
    ...(env.TOCSIN_INCIDENT_PREFIX ? { prefix: env.TOCSIN_INCIDENT_PREFIX } : {}),
  });
  relay.start();
  const keeping = startKeeping({
    ledger,
    retention: config.retention,
    auditKey: auditKeyFor(env, options.stateDir, true),
    routing: config.routing,
    heartbeats: config.heartbeats,
    log,
    metrics,
  });

  return {
    async stop() {
      stopping = true;
      await relay.stop();
      await keeping.stop();
      await worker?.stop();
      await working;
      await link.close();
    },
  };
}
