/** Where the key that signs the audit is found: the environment, or a file beside the embedded ledger. */
import { type AuditKey, auditKey, newAuditKey } from '../ledger/chain/signing.ts';
import type { Env } from './foundation.ts';
import { keyText } from './key-file.ts';

const KEY_FILE = 'audit.key';
const KEY_VARIABLE = 'TOCSIN_AUDIT_KEY';

/**
 * The key of TOCSIN_AUDIT_KEY (or TOCSIN_AUDIT_KEY_FILE); else that of the state folder, made there where it is
 * missing and `make` says so; undefined where there is none. Throws where what is given is no key.
 */
export function auditKeyFor(env: Env, stateDir: string | undefined, make = false): AuditKey | undefined {
  const kept = { dir: stateDir, file: KEY_FILE, make: make ? newAuditKey : undefined };
  const found = keyText(env, KEY_VARIABLE, kept);
  if (found === undefined) return undefined;
  try {
    return auditKey(found.text);
  } catch (error) {
    throw new Error(`${found.where} ${(error as Error).message}`);
  }
}
