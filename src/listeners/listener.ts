/** What a listener, another way in than HTTP posts, is given to bring events onto the same path. */
import type { Config } from '../config/load.ts';
import type { Event } from '../core/event.ts';
import type { Ledger } from '../ledger/db.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Consumer } from '../sources/source/consuming.ts';

export interface ListenerDeps {
  config: Config;
  ledger: Ledger;
  log: Log;
  metrics: Metrics;
  now: () => Date;
  /**
   * Keeps events; resolves once they are committed, with their ids. `source` is the way they came, for the metrics. Rejects
   * where the ledger did not take them or too many wait: whoever sent them has to send them again.
   */
  keep(events: Event[], source: string): Promise<{ accepted: { id: string }[]; duplicates: { id: string }[] }>;
}

/** A listener that runs: where it listens or what it reads from, and how it ends. */
export type Listening = Consumer;
