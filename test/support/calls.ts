/** The surroundings of a channel's `send` in tests: the plain fetch, the plain resolver, a clock that stands. */
import type { Call, Channel } from '../../src/channels/channel.ts';
import { sampleNotice } from './notices.ts';

export const NOW = new Date('2026-01-15T14:32:02.000Z');

/** A call with `config` parsed by the channel's own schema; everything else may be overridden. */
export function callOf(
  channel: Pick<Channel, 'config'>,
  config: Record<string, unknown>,
  overrides: Partial<Omit<Call<Record<string, unknown>>, 'config'>> = {},
): Call<Record<string, unknown>> {
  return {
    config: channel.config.parse(config),
    notice: sampleNotice(),
    fetch,
    resolve: async (host) => host,
    signal: AbortSignal.timeout(10_000),
    print: () => undefined,
    now: NOW,
    ...overrides,
  };
}
