/** Integrations that the ledger keeps: made, changed and removed through the API, each change with its audit row. */
import { boundTo, type StoredIntegration, type WrittenIntegration } from '../core/stored.ts';
import { type Actor, audit } from './audit.ts';
import type { Ledger, Queryable } from './db.ts';
import type { Sealer } from './sealing.ts';

const COLUMNS = 'name, type, owner, config, secrets, settings, made_at, made_by, changed_at, changed_by, revision';

/** All of them, by name. */
export const storedIntegrations = (db: Queryable): Promise<StoredIntegration[]> =>
  db.query<StoredIntegration>(`select ${COLUMNS} from integrations order by name`);

/** The names of fields, for the audit: what is in them is not written there. */
export interface Fields {
  fields: string[];
}

/** Keeps a new one; undefined where the name is taken. */
export const addIntegration = (
  ledger: Ledger,
  { name, type, owner, config, secrets, settings }: WrittenIntegration,
  { fields }: Fields,
  who: Actor,
): Promise<StoredIntegration | undefined> =>
  ledger.transaction(async (tx) => {
    const [row] = await tx.query<StoredIntegration>(
      `insert into integrations (name, type, owner, config, secrets, settings, made_by, changed_by)
       values ($1, $2, $3, $4::jsonb, $5, $6::jsonb, $7, $7) on conflict (name) do nothing returning ${COLUMNS}`,
      [name, type, owner, JSON.stringify(config), secrets, JSON.stringify(settings), who.by],
    );
    if (row) await audit(tx, who, 'integration.make', name, { type, fields });
    return row;
  });

/** Writes over the row of this revision; undefined where it has been changed or removed since. */
export const changeIntegration = (
  ledger: Ledger,
  { name, type, owner, config, secrets, settings }: WrittenIntegration,
  { revision, fields, cleared }: Fields & { revision: number; cleared: string[] },
  who: Actor,
): Promise<StoredIntegration | undefined> =>
  ledger.transaction(async (tx) => {
    const [row] = await tx.query<StoredIntegration>(
      `update integrations set owner = $3, config = $4::jsonb, secrets = $5, settings = $6::jsonb, changed_by = $7, changed_at = now(), revision = revision + 1
        where name = $1 and type = $2 and revision = $8 returning ${COLUMNS}`,
      [name, type, owner, JSON.stringify(config), secrets, JSON.stringify(settings), who.by, revision],
    );
    if (row) await audit(tx, who, 'integration.change', name, { fields, ...(cleared.length > 0 ? { cleared } : {}) });
    return row;
  });

/** False where it is not there any more, or has been changed since that revision. */
export const removeIntegration = (ledger: Ledger, name: string, revision: number, who: Actor): Promise<boolean> =>
  ledger.transaction(async (tx) => {
    const [row] = await tx.query<{ type: string }>(
      'delete from integrations where name = $1 and revision = $2 returning type',
      [name, revision],
    );
    if (!row) return false;
    await tx.query('delete from rates where integration = $1', [name]);
    await audit(tx, who, 'integration.remove', name, { type: row.type });
    return true;
  });

/** How many boxes were sealed anew, and whose no key opened. */
export interface Resealed {
  sealed: number;
  already: number;
  unopened: string[];
}

/**
 * Seals every box anew under the first key. A box that is changed meanwhile was sealed by who changed it, perhaps with an
 * older list: whoever rotates runs it again until nothing is left to do. Names whose box no key opens are given back.
 */
export async function resealIntegrations(ledger: Ledger, sealer: Sealer, who: Actor): Promise<Resealed> {
  const result: Resealed = { sealed: 0, already: 0, unopened: [] };
  for (const { name, type, secrets } of await storedIntegrations(ledger)) {
    if (secrets === null) continue;
    const bound = boundTo({ name, type });
    const text = sealer.open(secrets, bound);
    if (text === undefined) {
      result.unopened.push(name);
      continue;
    }
    if (sealer.isNewest(secrets)) {
      result.already++;
      continue;
    }
    const rows = await ledger.query(
      'update integrations set secrets = $3 where name = $1 and secrets = $2 returning 1',
      [name, secrets, sealer.seal(text, bound)],
    );
    result.sealed += rows.length;
  }
  if (result.sealed > 0) await audit(ledger, who, 'integrations.reseal', 'integrations', { sealed: result.sealed });
  return result;
}
