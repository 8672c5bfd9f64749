/** What the activities are given, once, by whoever wires the worker. */
import type { Channel, Fetch } from '../src/channels/channel.ts';
import type { Config } from '../src/config/load.ts';
import type { Ledger } from '../src/ledger/db.ts';
import type { Log } from '../src/observe/log.ts';
import type { Metrics } from '../src/observe/metrics.ts';

export interface Deps {
  ledger: Ledger;
  config: Config;
  channelOf: (id: string) => Channel | undefined;
  egress: { fetch: Fetch; resolve(host: string, port: number): Promise<string> };
  log: Log;
  metrics: Metrics;
  /** Where the stdout channel prints. */
  print: (text: string) => void;
  now: () => Date;
}
