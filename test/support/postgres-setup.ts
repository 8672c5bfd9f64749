/** One PostgreSQL for a whole run: every test file makes a database of its own on it. */
import { startPostgres } from './postgres.ts';

export default async function setup(): Promise<() => Promise<void>> {
  const { url, remove } = await startPostgres();
  process.env.TOCSIN_TEST_POSTGRES = url; // Test files run in processes that get our variables.
  return remove;
}
