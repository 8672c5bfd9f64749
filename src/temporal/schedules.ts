/** One Temporal Schedule for each configured summary, made or brought up to date at start; those no longer configured end. */
import { type Client, ScheduleAlreadyRunning, ScheduleOverlapPolicy } from '@temporalio/client';
import { DAILY_SUMMARY, type SummaryInput, TASK_QUEUE } from '../../workflows/contract.ts';
import type { Summary } from '../config/load.ts';

const prefixOf = (taskQueue: string): string => `${taskQueue}-summary-`;
/** Spreads the pages of many installations over a minute, unless the summary says otherwise. */
const JITTER_MS = 60_000;

export async function ensureSchedules(
  client: Client,
  summaries: readonly Summary[],
  taskQueue = TASK_QUEUE,
): Promise<void> {
  for (const summary of summaries) await ensureSchedule(client, summary, taskQueue);
  const wanted = new Set(summaries.map(({ name }) => prefixOf(taskQueue) + name));
  for await (const { scheduleId } of client.schedule.list()) {
    if (scheduleId.startsWith(prefixOf(taskQueue)) && !wanted.has(scheduleId))
      await client.schedule.getHandle(scheduleId).delete();
  }
}

async function ensureSchedule(
  client: Client,
  { name, at, timezone, jitter_ms = JITTER_MS, catch_up_ms }: Summary,
  taskQueue: string,
): Promise<void> {
  const [hour = 0, minute = 0] = at.split(':').map(Number);
  const spec = { calendars: [{ hour, minute, second: 0 }], timezone, jitter: jitter_ms };
  const policies = { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: catch_up_ms };
  const action = {
    type: 'startWorkflow' as const,
    workflowType: DAILY_SUMMARY,
    workflowId: prefixOf(taskQueue) + name,
    taskQueue,
    args: [{ name } satisfies SummaryInput] as [SummaryInput],
    staticSummary: `summary ${name}, daily at ${at} ${timezone}`,
  };
  try {
    await client.schedule.create({ scheduleId: prefixOf(taskQueue) + name, spec, action, policies });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule
      .getHandle(prefixOf(taskQueue) + name)
      .update((previous) => ({ ...previous, spec, action, policies }));
  }
}
