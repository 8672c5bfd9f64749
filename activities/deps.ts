/** What the activities are given, once, by whoever wires the worker. */
import type { Channel, Fetch } from '../src/channels/channel.ts';
import type { Config } from '../src/config/load.ts';
import type { Integrations } from '../src/config/stored.ts';
import type { Ledger } from '../src/ledger/db.ts';
import type { Tokens } from '../src/ledger/tokens.ts';
import type { Log } from '../src/observe/log.ts';
import type { Metrics } from '../src/observe/metrics.ts';
import type { Redactor } from '../src/observe/redact.ts';

export interface Deps {
  /** Signs what buttons and links give back; absent where there is no key. */
  tokens?: Tokens | undefined;
  ledger: Ledger;
  config: Config;
  /** The integration of this name, in the configuration or in the ledger; else why there is none to tell. */
  integrationNamed: Integrations['named'];
  channelOf: (id: string) => Channel | undefined;
  egress: { fetch: Fetch; resolve(host: string, port: number): Promise<string> };
  /** Knows every secret that may turn up in the words of a vendor. */
  redactor: Pick<Redactor, 'text'>;
  log: Log;
  metrics: Metrics;
  /** Where the stdout channel prints. */
  print: (text: string) => void;
  now: () => Date;
}
