/** `tocsin secrets new-key` and `tocsin secrets rotate`: the keys under which stored secrets are sealed. */
import { NO_KEYS } from '../config/stored.ts';
import { resealIntegrations } from '../ledger/integrations.ts';
import { newSealingKey } from '../ledger/sealing.ts';
import type { Env } from './foundation.ts';
import { stateDirOf, withLedger } from './own-ledger.ts';
import { secretKeysFor } from './secret-keys.ts';

/** Runs the command. Returns the exit code: 1 where a box is left that no key opens. Throws where nothing can be done. */
export async function secretsCommand(
  what: string | undefined,
  { env, say }: { env: Env; say: (line: string) => void },
): Promise<number> {
  if (what === 'new-key') {
    say(newSealingKey());
    return 0;
  }
  if (what === 'rotate') return rotate(env, say);
  throw new Error('tocsin secrets new-key, or tocsin secrets rotate');
}

async function rotate(env: Env, say: (line: string) => void): Promise<number> {
  const keys = secretKeysFor(env, stateDirOf(env));
  if (!keys) throw new Error(NO_KEYS);
  const who = { by: 'tocsin secrets rotate', key: 'system' };
  const { sealed, already, unopened } = await withLedger(env, (ledger) => resealIntegrations(ledger, keys.sealer, who));
  say(`sealed anew with the first key: ${sealed}; were so before: ${already}`);
  if (unopened.length === 0) {
    say('the other keys of the list open nothing any more; take them out once every process has the first one');
    return 0;
  }
  say(
    `no key opens the secrets of ${unopened.join(', ')}: give the key that sealed them, or give them anew by the API`,
  );
  return 1;
}
