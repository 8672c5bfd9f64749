/** A new database for the whole run: making one takes PGlite longer than most tests do. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The variable that names its file to the processes of the tests. */
const IMAGE = 'TOCSIN_TEST_IMAGE';

/** Writes it into this folder and names it to every process that is started from here on. */
export async function writeImage(dir: string): Promise<void> {
  const { PGlite } = await import('@electric-sql/pglite');
  const db = await PGlite.create('memory://');
  const path = join(dir, 'new-database.tar');
  await writeFile(path, Buffer.from(await (await db.dumpDataDir('none')).arrayBuffer()));
  await db.close();
  process.env[IMAGE] = path;
}

/** A ledger in memory, as `openLedger` takes it: a copy of that database, or a new one where there is none. */
export function inMemory(): { folder: string; image?: string } {
  const image = process.env[IMAGE];
  return { folder: 'memory://', ...(image ? { image } : {}) };
}
