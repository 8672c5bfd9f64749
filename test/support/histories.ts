/** Workflow histories as a reader meets them: everything in them as text, and the events of one type. */
import type { WorkflowHandle } from '@temporalio/client';

export type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;

/** The history as one text, payloads decoded: what somebody with access to Temporal could read. */
export const readable = (history: History): string =>
  JSON.stringify(plain(history), (name, value: unknown) =>
    name === 'data' && typeof value === 'string' ? Buffer.from(value, 'base64').toString() : value,
  );

/** As JSON: protobuf's own form, bytes in base64 (historyToJSON of the SDK 1.24 fails with its own protobufjs). */
export const plain = (history: History): { events: { eventType: string }[] } =>
  JSON.parse(JSON.stringify(history)) as { events: { eventType: string }[] };

/** How many events have this type: `EVENT_TYPE_TIMER_STARTED`. */
export const countOf = (history: History, type: string): number =>
  plain(history).events.filter(({ eventType }) => eventType === type).length;
