/** Workflow histories as a reader meets them: everything in them as text, and the events of one type. */
import type { WorkflowHandle } from '@temporalio/client';

export type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;

/** The history as one text, payloads decoded: what somebody with access to Temporal could read. */
export const readable = (history: History): string =>
  JSON.stringify(plain(history), (name, value: unknown) =>
    name === 'data' && typeof value === 'string' ? Buffer.from(value, 'base64').toString() : value,
  );

/**
 * As JSON, bytes in base64. Not by the SDK's historyToJSON and historyFromJSON: they fail where npm gives each of its
 * packages a protobufjs of its own, as it does beside the older one of grpc.
 */
export const plain = (history: History): { events: { eventType: string }[] } =>
  JSON.parse(JSON.stringify(history)) as { events: { eventType: string }[] };

/** How many events have this type: `EVENT_TYPE_TIMER_STARTED`. */
export const countOf = (history: History, type: string): number =>
  plain(history).events.filter(({ eventType }) => eventType === type).length;

/** What `plain` has made, as a history again: of the class that any history at hand is of. */
export const fromPlain = (stored: unknown, like: History): History =>
  (like.constructor as unknown as { fromObject(json: unknown): History }).fromObject(stored);
