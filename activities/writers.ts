/** Writers of daily pages, by the type of the integration. */
import type { Channel, Outcome } from '../src/channels/channel.ts';
import { writers } from '../src/channels/index.ts';
import type { Integration } from '../src/config/integrations.ts';

type Writer = (typeof writers)[number];
type Call = Omit<Parameters<Writer['writePage']>[0], 'config'>;

/** Writes with the writer this integration is of. Throws when it is not one. */
export function writerOf(integration: Integration, call: Call): Promise<Outcome> {
  const writer = writers.find(({ id }) => id === integration.type);
  if (!writer) throw new Error(`${integration.name} is of type ${integration.type}, which writes no pages`);
  return writer.writePage({ ...call, config: integration.config as never });
}

/** The writer this type is of, as far as its credentials can be asked about. Throws when it is none. */
export function asked(type: string): Pick<Channel, 'id' | 'check'> {
  const writer = writers.find(({ id }) => id === type);
  if (!writer) throw new Error(`${type} writes no pages`);
  return { id: writer.id, check: (call) => writer.check({ ...call, config: call.config as never }) };
}
