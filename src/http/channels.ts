/** The catalogue: every kind of channel, what it can do, and the form that one of it is filled in by. */
import { z } from 'zod';
import { channels as list, secretPaths, writers } from '../channels/index.ts';
import type { Kind } from '../config/integrations.ts';
import { SharedFields } from '../config/schema.ts';
import { type Endpoint, endpoint, ok } from './endpoint.ts';
import { ChannelsAnswer } from './views.ts';

const formOf = (schema: z.ZodObject): Record<string, unknown> => {
  const { $schema: _, ...form } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return form;
};
const secretsOf = ({ config }: Pick<Kind, 'config'>): string[] => secretPaths(config).map((path) => path.join('.'));

export const channels = (): Endpoint[] => {
  const catalogue: z.output<typeof ChannelsAnswer> = {
    channels: [
      ...list.map((channel) => ({
        id: channel.id,
        name: channel.name,
        kind: 'channel' as const,
        setup: channel.setup,
        can: { ...CANNOT, ...channel.can, check: 'check' in channel },
        form: formOf(channel.config),
        secrets: secretsOf(channel),
        sample: channel.sample,
      })),
      ...writers.map((writer) => ({
        id: writer.id,
        name: writer.name,
        kind: 'writer' as const,
        setup: writer.setup,
        can: { ...CANNOT, check: 'check' in writer },
        form: formOf(writer.config),
        secrets: secretsOf(writer),
        sample: writer.sample,
      })),
    ],
    settings: formOf(SharedFields.omit({ type: true })),
  };
  return [
    endpoint({
      method: 'get',
      path: '/v1/channels',
      access: 'operator',
      summary: 'See what integrations can be of',
      about: 'Each type with its form as JSON Schema, which of its fields are secret, and what to do at the vendor.',
      answers: { 200: { about: 'The catalogue', schema: ChannelsAnswer } },
      handle: async () => ok(catalogue),
    }),
  ];
};

const CANNOT = { thread: false, update: false, answer: false, check: false };
