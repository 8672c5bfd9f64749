/** Plans: of prepared statements on PGlite, which nobody else keeps up to date (there is no autovacuum), and of what is asked most. */
import { PGlite } from '@electric-sql/pglite';
import { expect, it } from 'vitest';
import { createStatements } from '../../src/ledger/pglite/statements.ts';
import { openTestLedger } from '../support/ledger.ts';

it.each([
  ['from the start', 0],
  ['after a thousand statements about something else', 1_000],
])('are made anew when a table grows %s', async (_, before) => {
  const db = await PGlite.create('memory://');
  const statements = createStatements(db);
  statements.run('set plan_cache_mode = force_generic_plan', []);
  statements.run('create table things (id text primary key, said text)', []);
  const look = 'select said from unnest($1::text[]) w(id) join things on things.id = w.id';
  const planOf = (): string => {
    statements.run(look, [['a']]);
    const [known] = statements.run('select name from pg_prepared_statements where statement = $1', [look]);
    return statements
      .run(`explain execute ${String(known?.name)} ('{a}')`, [])
      .map((row) => Object.values(row).join())
      .join('\n');
  };
  for (let n = 0; n < before; n++) statements.run('select $1::int', [n]);
  const forEmpty = planOf();
  for (let n = 0; n < 600; n++) {
    statements.run(
      `insert into things select 'id-' || $1::int || '-' || g, repeat('x', 200) from generate_series(1, 20) g`,
      [n],
    );
  }
  const forMany = planOf();
  await db.close();
  expect(forEmpty).not.toContain('Nested Loop');
  expect(forMany).toContain('Nested Loop');
  expect(forMany).toContain('Index Scan');
});

it('are made anew between transactions only, also after one that failed', async () => {
  const db = await PGlite.create('memory://');
  const statements = createStatements(db);
  statements.run('create table things (id int)', []);
  statements.run('insert into things values (1)', [], true);
  expect(() => statements.run('select 1 / 0', [])).toThrow('division by zero');
  for (let n = 0; n < 1_000; n++)
    expect(() => statements.run('select $1::int', [n])).toThrow('current transaction is aborted');
  statements.run('rollback', []);
  expect(statements.run('select id from things', [])).toEqual([]);
  await db.close();
});

it.each([
  ['the alerts of an incident', `alerts where incident = 'i' and current`, 'alerts_incident'],
  ['those of a key that came before it', `alerts where key = 'k' and current and incident is null`, 'alerts_unopened'],
  ['the alerts of a fingerprint', `alerts where fingerprint = 'f' and current`, 'alerts_current'],
  ['an alert', `alerts where key = 'k' and fingerprint = 'f' and current`, 'alerts_current'],
  ['what waits of a key', `inbox where key = 'k' and batch is null and seq <= 7`, 'inbox_waiting'],
])('find %s by an index of it, and do not read all that there are', async (_, asked, index) => {
  const { ledger } = await openTestLedger();
  const plan = await ledger.transaction(async (tx) => {
    await tx.query('set local enable_seqscan = off');
    return tx.query(`explain select * from ${asked}`);
  });
  await ledger.close();
  expect(JSON.stringify(plan)).toContain(index);
});
