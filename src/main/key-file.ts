/** A key that the environment gives, or else a file beside the embedded ledger, which can be made at the first start. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Env, setting } from './foundation.ts';

/**
 * What the variable (or the file in its `_FILE`) holds; else what the file of this name in the state folder holds, made there
 * by `make` where it is missing; undefined where there is neither. `where` is what a mistake in it is called.
 */
export function keyText(
  env: Env,
  variable: string,
  kept: { dir: string | undefined; file: string; make?: (() => string) | undefined },
): { text: string; where: string } | undefined {
  const given = setting(env, variable);
  if (given !== undefined) return { text: given, where: variable };
  if (kept.dir === undefined) return undefined;
  const where = join(kept.dir, kept.file);
  if (!existsSync(where)) {
    if (!kept.make) return undefined;
    writeFileSync(where, kept.make(), { mode: 0o600, flag: 'wx' });
  }
  return { text: readFileSync(where, 'utf8'), where };
}
