/** The contract of a listener: another way in than HTTP posts, and what it is given to bring events onto the same path. */
import type { ConfiguredSource } from '../config/integrations.ts';
import type { Config } from '../config/load.ts';
import type { Event } from '../core/event.ts';
import type { Ledger } from '../ledger/db.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';

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

/** A listener that runs. */
export interface Listening {
  /** Where it listens or what it reads from, for people: `smtp://127.0.0.1:2525`. Without any secret. */
  where: string;
  /** Takes nothing more; resolves when what was begun has ended. */
  stop(): Promise<void>;
}

/** A kind of listener, by the type of source it belongs to. */
export interface Listener {
  /** The `type` of the sources in tocsin.yaml that it listens for. */
  type: string;
  /** Begins to listen for one source. Throws with what is wrong, where it can never listen so. */
  listen(name: string, source: ConfiguredSource, deps: ListenerDeps): Promise<Listening>;
}
