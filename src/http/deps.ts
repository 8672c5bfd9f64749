/** What the API is given, once, by whoever wires it. */
import type { Config } from '../config/load.ts';
import type { Integrations } from '../config/stored.ts';
import type { Actor } from '../ledger/audit.ts';
import type { Ledger } from '../ledger/db.ts';
import type { Door } from '../ledger/door.ts';
import type { Waits } from '../ledger/outcomes.ts';
import type { Sealer } from '../ledger/sealing.ts';
import type { Tokens } from '../ledger/tokens.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Auth, Caller } from './auth.ts';
import type { Buckets, Rate } from './bucket.ts';

export interface Deps {
  ledger: Ledger;
  door: Door;
  config: Config;
  integrations: Integrations;
  /** Seals the secrets of integrations that are made here; absent where no key is given. */
  sealer?: Sealer;
  log: Log;
  metrics: Metrics;
  now: () => Date;
  version: string;
  /** Says that a row waits for the relay. */
  wake: () => void;
  /** Starts the named summaries for a day, `YYYY-MM-DD`; absent where nothing here can. */
  runSummary?: (date: string, names: string[], who: Actor) => Promise<void>;
  /** Reads what buttons and links give back; absent where there is no key to sign them with. */
  tokens?: Tokens | undefined;
  /** For telling the person who answered from inside a channel. */
  egress?: { fetch: typeof globalThis.fetch; resolve(host: string, port: number): Promise<string> } | undefined;
  ui?: {
    /** Where an incident's run is seen in Temporal's own pages; `{id}` stands for the workflow's id. */
    temporal: string;
  };
  /** What the ids of incidents begin with, as the relay has it; the usual one where absent. */
  prefix?: string | undefined;
  /** Who may call and how often, and who waits for results: given where other doors of this process share them. */
  auth?: Auth | undefined;
  rate?: Buckets | undefined;
  waits?: Waits | undefined;
  /** Over the usual ones, which stand where each is kept. */
  limits?:
    | {
        /** Requests one key may make. */
        key?: Rate;
        /** Failed attempts, and requests without a key, that one address may make. */
        attempts?: Rate;
        visits?: Rate;
        /** Bytes of bodies that are being answered, and events that wait for a commit. */
        held_bytes?: number;
        waiting?: number;
      }
    | undefined;
}

/** Who is written into the audit trail: the name given, else the key's. */
export const actorOf = (caller: Caller, request_id: string, by?: string): Actor => ({
  by: by ?? caller.name,
  key: caller.id,
  request_id,
});
