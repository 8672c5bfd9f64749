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

/** The name of the SDK's usual encoding, as a payload's metadata has it. */
const JSON_PLAIN = Buffer.from('json/plain').toString('base64');

/** What a history says: the texts in its payloads, what its failures say, and the summaries of workflows, timers, activities. */
export function spoken(history: History): { words: string[]; failures: string[]; summaries: string[] } {
  const said = { words: [] as string[], failures: [] as string[], summaries: [] as string[] };
  const texts = (value: unknown): string[] =>
    typeof value === 'string'
      ? [value]
      : typeof value === 'object' && value !== null
        ? Object.values(value).flatMap(texts)
        : [];
  const walk = (value: unknown, into: string[]): void => {
    if (typeof value !== 'object' || value === null) return;
    const { data, metadata, message, stackTrace } = value as Record<string, unknown>;
    if (typeof data === 'string') {
      const text = Buffer.from(data, 'base64').toString();
      const { encoding } = (metadata ?? {}) as { encoding?: string };
      into.push(...(encoding === JSON_PLAIN ? texts(JSON.parse(text)) : [text]));
      return;
    }
    if (typeof message === 'string') said.failures.push(message);
    if (typeof stackTrace === 'string') said.failures.push(stackTrace);
    for (const [name, inner] of Object.entries(value)) walk(inner, name === 'userMetadata' ? said.summaries : into);
  };
  walk(plain(history), said.words);
  return said;
}
