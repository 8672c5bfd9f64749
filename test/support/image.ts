/** A new database for the whole run: making one takes PGlite longer than most tests do. */
import { cpSync, existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openPglite } from '../../src/ledger/pglite/open.ts';

/** The variables that name its file and its folder to the processes of the tests. */
const IMAGE = 'TOCSIN_TEST_IMAGE';
const FOLDER = 'TOCSIN_TEST_LEDGER';

/** Writes it into this folder and names it to every process that is started from here on. */
export async function writeImage(dir: string): Promise<void> {
  const { PGlite } = await import('@electric-sql/pglite');
  const db = await PGlite.create('memory://');
  const path = join(dir, 'new-database.tar');
  await writeFile(path, Buffer.from(await (await db.dumpDataDir('none')).arrayBuffer()));
  await db.close();
  process.env[IMAGE] = path;
  const folder = join(dir, 'new-ledger');
  await (await openPglite({ folder, image: path })).close();
  process.env[FOLDER] = folder;
}

/** Puts a copy of it where a process of Tocsin would make one; whoever has a ledger keeps it. */
export function layLedger(folder: string): void {
  const made = process.env[FOLDER];
  if (made !== undefined && !existsSync(folder)) cpSync(made, folder, { recursive: true });
}

/** A ledger in memory, as `openLedger` takes it: a copy of that database, or a new one where there is none. */
export function inMemory(): { folder: string; image?: string } {
  const image = process.env[IMAGE];
  return { folder: 'memory://', ...(image ? { image } : {}) };
}
