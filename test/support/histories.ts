/** Workflow histories as a reader meets them: everything in them as text, and the events of one type. */
import type { WorkflowHandle } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

export type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;

/** The history as one text, payloads decoded: what somebody with access to Temporal could read. */
export const readable = (history: History): string =>
  JSON.stringify(JSON.parse(historyToJSON(history)), (name, value: unknown) =>
    name === 'data' && typeof value === 'string' ? Buffer.from(value, 'base64').toString() : value,
  );

/** How many events have this type: `EVENT_TYPE_TIMER_STARTED`. */
export const countOf = (history: History, type: string): number =>
  (JSON.parse(historyToJSON(history)) as { events: { eventType: string }[] }).events.filter(
    ({ eventType }) => eventType === type,
  ).length;
