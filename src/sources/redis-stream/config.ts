/** What an operator says of a Redis stream. */
import { z } from 'zod';
import { duration, LIMITS } from '../source.ts';

const key = (max = 256) => z.string().min(1).max(max);

export const config = z.strictObject({
  url: z
    .string()
    .regex(/^rediss?:\/\/\S+$/, 'must be a redis:// or rediss:// address')
    .meta({
      title: 'Address',
      description: 'redis://user:password@host:6379/0, or rediss:// for TLS.',
      writeOnly: true,
    }),
  stream: key().default('notify.events').meta({ title: 'Stream', description: 'The key that senders XADD to.' }),
  group: key(64).default('tocsin').meta({
    title: 'Group',
    description:
      'The consumer group; made where it is missing, and then read from the first entry that is still there.',
  }),
  source: z.string().min(1).max(LIMITS.name).optional().meta({
    title: 'Source',
    description: "The source of its events, where an entry has none; this source's own name unless given.",
  }),
  claim_after: duration().default(30_000).meta({
    title: 'Claim after',
    description: 'Entries that a consumer read and did not acknowledge for so long are read again by another.',
  }),
  dead_letters: z.array(key()).max(20).optional().meta({
    title: 'Dead letters',
    description: 'Streams or lists whose growth is an event: the stream’s own .dead and .dlq unless given.',
  }),
  persistent_after: duration().default(300_000).meta({
    title: 'Persistent after',
    description: 'Dead letters that still grow after so long are critical; before that they are an error.',
  }),
});
export type RedisStreamConfig = z.output<typeof config>;
