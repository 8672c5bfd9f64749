/** Where the keys that seal stored secrets are found: the environment, or a file beside the embedded ledger. */
import { createSealer, newSealingKey, type Sealer, sealingKeysIn } from '../ledger/sealing.ts';
import { createTokens, type Tokens } from '../ledger/tokens.ts';
import type { Env } from './foundation.ts';
import { keyText } from './key-file.ts';

const KEYS_FILE = 'secrets.keys';
const KEYS_VARIABLE = 'TOCSIN_SECRET_KEYS';

export interface SecretKeys {
  sealer: Sealer;
  /** The same keys sign what buttons and links give back. */
  tokens: Tokens;
  /** The keys themselves, for the log's scrubber. */
  keys: string[];
}

/**
 * The keys of TOCSIN_SECRET_KEYS (or TOCSIN_SECRET_KEYS_FILE), the newest first; else those of the state folder, where one is
 * made if `make` says so; undefined where there are none. Throws where what is given is no list of keys.
 */
export function secretKeysFor(env: Env, stateDir: string | undefined, make = false): SecretKeys | undefined {
  const kept = { dir: stateDir, file: KEYS_FILE, make: make ? () => `${newSealingKey()}\n` : undefined };
  const found = keyText(env, KEYS_VARIABLE, kept);
  if (found === undefined) return undefined;
  try {
    const keys = sealingKeysIn(found.text);
    const sealer = createSealer(found.text);
    return { sealer, tokens: createTokens(keys.map((key) => Buffer.from(key, 'base64'))), keys };
  } catch (error) {
    throw new Error(`${found.where} ${(error as Error).message}`);
  }
}
