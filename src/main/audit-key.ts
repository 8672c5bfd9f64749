/** Where the key that signs the audit is found: the environment, or a file beside the embedded ledger. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AuditKey, auditKey, newAuditKey } from '../ledger/chain/signing.ts';
import { type Env, setting } from './foundation.ts';

const KEY_FILE = 'audit.key';
const KEY_VARIABLE = 'TOCSIN_AUDIT_KEY';

/**
 * The key of TOCSIN_AUDIT_KEY (or TOCSIN_AUDIT_KEY_FILE); else that of the state folder, made there where it is
 * missing and `make` says so; undefined where there is none. Throws where what is given is no key.
 */
export function auditKeyFor(env: Env, stateDir: string | undefined, make = false): AuditKey | undefined {
  const given = setting(env, KEY_VARIABLE);
  if (given !== undefined) return keyIn(given, KEY_VARIABLE);
  if (stateDir === undefined) return undefined;
  const file = join(stateDir, KEY_FILE);
  if (!existsSync(file)) {
    if (!make) return undefined;
    writeFileSync(file, newAuditKey(), { mode: 0o600, flag: 'wx' });
  }
  return keyIn(readFileSync(file, 'utf8'), file);
}

function keyIn(pem: string, where: string): AuditKey {
  try {
    return auditKey(pem);
  } catch (error) {
    throw new Error(`${where} ${(error as Error).message}`);
  }
}
