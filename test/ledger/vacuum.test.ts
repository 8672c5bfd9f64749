/** What nobody else does on PGlite: the room of what is gone is used again, and transaction numbers do not run out. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Ledger } from '../../src/ledger/db.ts';
import { vacuumWhereDue } from '../../src/ledger/vacuum.ts';
import { one, openTestLedger } from '../support/ledger.ts';

let ledger: Ledger;
beforeAll(async () => {
  ({ ledger } = await openTestLedger());
  await ledger.query('create table rows_of_a_test (n int primary key, seen int, said text)');
  await ledger.query('create index on rows_of_a_test (seen)');
  await ledger.query(`insert into rows_of_a_test select n, 0, repeat('x', 400) from generate_series(1, 10000) n`);
});
afterAll(async () => {
  await ledger.query('drop table if exists rows_of_a_test');
  await ledger.close();
});

const rest = async (): Promise<void> => undefined;
const bytes = async (): Promise<number> =>
  (await one<{ bytes: number }>(ledger, `select pg_total_relation_size('rows_of_a_test')::int as bytes`)).bytes;
const isPGlite = (): boolean => ledger.kind === 'pglite';

it('a table that has grown is vacuumed, and not again while nothing happens to it', async () => {
  expect(await vacuumWhereDue(ledger, { rest })).toEqual(isPGlite() ? expect.arrayContaining(['rows_of_a_test']) : []);
  expect(await vacuumWhereDue(ledger, { rest })).toEqual([]);
  await ledger.query('update rows_of_a_test set seen = 1 where n <= 100');
  expect(await vacuumWhereDue(ledger, { rest })).toEqual([]);
});

it('rows that are written anew again and again take no more room than twice their own', async () => {
  if (!isPGlite()) return;
  const before = await bytes();
  for (let time = 2; time < 12; time++) {
    await ledger.query('update rows_of_a_test set seen = $1', [time]);
    expect(await vacuumWhereDue(ledger, { rest })).toEqual(['rows_of_a_test']);
  }
  expect(await bytes()).toBeLessThan(2.5 * before);
});

it('no database of the folder grows older than its transactions allow, those included that nobody opens', async () => {
  const oldest = async (): Promise<number> =>
    (await one<{ age: number }>(ledger, 'select max(age(datfrozenxid))::int as age from pg_database')).age;
  if (!isPGlite()) return;
  for (let n = 0; n < 3_000; n++)
    await ledger.query('update rows_of_a_test set said = $2 where n = $1', [1 + (n % 10), `${n}`]);
  expect(await oldest()).toBeGreaterThan(3_000);
  await ledger.query('set vacuum_freeze_min_age = 0');
  await ledger.query('set vacuum_freeze_table_age = 0');
  await vacuumWhereDue(ledger, { rest, freezeAfter: 2_000 });
  expect(await oldest()).toBeLessThan(2_000);
  expect((await one<{ said: string }>(ledger, 'select said from rows_of_a_test where n = 10')).said).toBe('2999');
});
