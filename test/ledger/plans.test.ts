/** Plans: of prepared statements on PGlite, which nobody else keeps up to date (there is no autovacuum), and of what is asked most. */
import { PGlite } from '@electric-sql/pglite';
import { expect, it } from 'vitest';
import { createStatements } from '../../src/ledger/pglite/statements.ts';
import { openTestLedger } from '../support/ledger.ts';

it('are made anew once there is something in the tables', async () => {
  const db = await PGlite.create('memory://');
  const statements = createStatements(db);
  statements.run('set plan_cache_mode = force_generic_plan', []);
  statements.run('create table things (id text primary key, said text)', []);
  const look = 'select said from unnest($1::text[]) w(id) join things on things.id = w.id';
  statements.run(look, [['a']]);
  const planOf = (): string => {
    const [known] = statements.run('select name from pg_prepared_statements where statement = $1', [look]);
    return statements
      .run(`explain execute ${String(known?.name)} ('{a}')`, [])
      .map((row) => Object.values(row).join())
      .join('\n');
  };
  const forEmpty = planOf();
  for (let n = 0; n < 600; n++) {
    statements.run(
      `insert into things select 'id-' || $1::int || '-' || g, repeat('x', 200) from generate_series(1, 20) g`,
      [n],
    );
  }
  statements.run(look, [['a']]);
  const forMany = planOf();
  await db.close();
  expect(forEmpty).not.toContain('Nested Loop');
  expect(forMany).toContain('Nested Loop');
  expect(forMany).toContain('Index Scan');
});

it('find the alerts of a key by it, and do not read all that there are', async () => {
  const { ledger } = await openTestLedger();
  const plan = await ledger.transaction(async (tx) => {
    await tx.query('set local enable_seqscan = off');
    return tx.query(`explain select status from alerts where key = 'k' and current`);
  });
  await ledger.close();
  expect(JSON.stringify(plan)).toContain('alerts_of_key');
});
