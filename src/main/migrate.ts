/** `tocsin migrate`: a ledger brought to this version's schema by the role that owns it, and another role let in. */
import { openLedger } from '../ledger/db.ts';
import { grantTo } from '../ledger/grants.ts';
import { migrate } from '../ledger/migrate.ts';

/** Throws what is wrong: the ledger is newer, it does not answer, or this role may not. */
export async function migrateCommand(
  place: { url: string },
  role: string | undefined,
  say: (line: string) => void,
): Promise<void> {
  const ledger = await openLedger(place);
  try {
    await migrate(ledger);
    if (role !== undefined) await grantTo(ledger, role);
    say(`the ledger has this version's schema${role === undefined ? '' : `, and ${role} may use it`}`);
  } finally {
    await ledger.close();
  }
}
