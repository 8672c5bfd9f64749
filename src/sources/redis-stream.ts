/** A Redis stream's entries as events: flat fields as trading systems XADD them (type, severity, message, traceId, context …). */
import { config } from './redis-stream/config.ts';
import { eventOf } from './redis-stream/entries.ts';
import { defineSource, listAt } from './source.ts';

export const redisStream = defineSource({
  id: 'redis-stream',
  name: 'Redis stream',
  setup: 'Tocsin reads the stream itself, as a consumer group; senders go on with XADD.',
  config,
  verify: () => 'the entries of this source are read from Redis, not posted',

  /** Of `{ entries: [{ id, fields }] }`, as its reader hands them over: one event for each, in their order. */
  normalise: (payload, { name, config }) => ({
    events: listAt(payload, 'entries').map((entry) => eventOf(entry, config, name)),
    rejected: [],
  }),

  // Loaded where a stream is read: its client takes memory that others have better use for.
  consume: async (given) => (await import('./redis-stream/reader.ts')).readStream(given),
});
