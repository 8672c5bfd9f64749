/** The ledger for a command that is run beside a Tocsin, or instead of it: opened as it is, and left so. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Ledger, openLedger } from '../ledger/db.ts';
import { checkSchema, renewEpoch } from '../ledger/migrate.ts';
import { type Env, setting } from './foundation.ts';
import { ledgerAt, STATE_DIR } from './start.ts';
import { takeStateDir } from './state-dir.ts';

/** Of the embedded mode; undefined where the ledger is Postgres. */
export const stateDirOf = (env: Env): string | undefined =>
  setting(env, 'DATABASE_URL') ? undefined : env.TOCSIN_STATE_DIR || STATE_DIR;

/** Opens the ledger as it is, does the work, and leaves it so. An embedded one must have nobody else. */
export async function withLedger<T>(env: Env, work: (ledger: Ledger) => Promise<T>): Promise<T> {
  const dir = stateDirOf(env);
  if (dir !== undefined && !existsSync(join(dir, 'ledger')))
    throw new Error(`there is no ledger in ${dir}: set TOCSIN_STATE_DIR, or DATABASE_URL for one on Postgres`);
  const state = dir === undefined ? undefined : takeStateDir(dir);
  const undo: (() => Promise<void> | void)[] = [() => state?.release()];
  try {
    const ledger = await openLedger(ledgerAt(env, state));
    undo.push(() => ledger.close());
    // Else the mark of the unclean end would be gone with us, and the next start would not know of it.
    if (state && !state.cleanStart) await renewEpoch(ledger);
    await checkSchema(ledger);
    return await work(ledger);
  } finally {
    for (const step of undo.reverse()) await step();
  }
}
