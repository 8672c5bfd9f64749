/** An integration as the ledger keeps it: made and changed through the API, its secrets sealed. */
import type { Json } from './event.ts';

export interface StoredIntegration {
  name: string;
  /** The id of its channel or writer. */
  type: string;
  /** Whose it is, where it is somebody's. */
  owner: string | null;
  /** The fields of its channel, as they were written, without the secret ones. */
  config: { [field: string]: Json };
  /** The secret fields in a sealed box (ledger/sealing.ts); null where there are none. */
  secrets: string | null;
  /** The fields that every integration may have, as they were written: threshold, timeout, events … */
  settings: { [field: string]: Json };
  made_at: Date;
  made_by: string;
  changed_at: Date;
  changed_by: string;
  /** 1 when made, one more with every change. */
  revision: number;
}

/** What somebody wrote: a row before it has its dates. */
export type WrittenIntegration = Pick<StoredIntegration, 'name' | 'type' | 'owner' | 'config' | 'secrets' | 'settings'>;

/** What a box of secrets is bound to: it does not open in another row, nor under another type. */
export const boundTo = ({ name, type }: Pick<StoredIntegration, 'name' | 'type'>): string =>
  `integrations/${name}/${type}`;

/** One secret field and what is in it. */
export type SecretField = [path: string[], value: Json];
