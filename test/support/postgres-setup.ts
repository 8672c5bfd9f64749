/** One PostgreSQL for a whole run: every test file makes a database of its own on it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeImage } from './image.ts';
import { startPostgres } from './postgres.ts';

export default async function setup(): Promise<() => Promise<void>> {
  const { url, remove } = await startPostgres();
  process.env.TOCSIN_TEST_POSTGRES = url; // Test files run in processes that get our variables.
  const dir = await mkdtemp(join(tmpdir(), 'tocsin-test-'));
  await writeImage(dir); // For what is tested on PGlite beside it.
  return async () => {
    await remove();
    await rm(dir, { recursive: true, force: true });
  };
}
