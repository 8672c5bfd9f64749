/** The surroundings of an activity in tests: a ledger, channels made of values, and Temporal's context around a call. */
import { asyncLocalStorage, type Context } from '@temporalio/activity';
import type { Deps } from '../../activities/deps.ts';
import type { Channel } from '../../src/channels/channel.ts';
import type { Integration } from '../../src/config/integrations.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { createLog } from '../../src/observe/log.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { createRedactor, type Redactor } from '../../src/observe/redact.ts';
import { routing } from './ledger.ts';

/** What an activity is given: these integrations, told through these channels; `lines` is what it logs. */
export function depsFor(input: {
  ledger: Ledger;
  channels: readonly Channel[];
  integrations: readonly Integration[];
  redactor?: Redactor;
}): Deps & { lines: string[] } {
  const { ledger, channels, redactor = createRedactor() } = input;
  const integrations = new Map(input.integrations.map((integration) => [integration.name, integration]));
  const lines: string[] = [];
  return {
    ledger,
    config: {
      integrations,
      routing: routing(),
      summaries: [],
      heartbeats: new Map(),
      retention: { events: 0, incidents: 0, sends: 0, summaries: 0, audit: 0 },
      egress: { allow: [] },
      sources: new Map(),
      people: new Map(),
      links: {},
      unresolved: [],
      warnings: [],
      secrets: [],
    },
    integrationNamed: async (name) =>
      integrations.get(name) ?? { missing: `no integration named ${name} is configured` },
    channelOf: (id) => channels.find((channel) => channel.id === id),
    egress: { fetch, resolve: async (host) => host },
    redactor,
    log: createLog({
      level: 'info',
      secrets: redactor,
      destination: { write: (line: string) => void lines.push(line) },
    }),
    metrics: createMetrics({ reasons: [], channels: channels.map(({ id }) => id), failures: [] }),
    print: () => undefined,
    now: () => new Date(),
    lines,
  };
}

/** An integration of this channel, as it is where nothing more is written. */
export const integrationOf = (channel: Channel, more: Partial<Integration> = {}): Integration => ({
  name: channel.id,
  type: channel.id,
  kind: 'channel',
  config: {},
  enabled: true,
  on_ambiguous: 'resend',
  patience: channel.patience,
  ...more,
});

/** Runs as an attempt, the first unless it is said, of an activity that was scheduled now. */
export function asActivity<T>(
  work: () => Promise<T>,
  { attempt = 1, signal = new AbortController().signal }: { attempt?: number; signal?: AbortSignal } = {},
): Promise<T> {
  const now = Date.now();
  const context = {
    info: { attempt, scheduledTimestampMs: now, currentAttemptScheduledTimestampMs: now },
    cancellationSignal: signal,
    heartbeat() {},
    log: { trace() {}, debug() {}, info() {}, warn() {}, error() {} },
  };
  return asyncLocalStorage.run(context as unknown as Context, work);
}
