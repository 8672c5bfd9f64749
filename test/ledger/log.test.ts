/** The write-ahead log of PGlite, which has no checkpointer of its own: kept short, so that no disk fills and no start takes for ever. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { afterAll, expect, it } from 'vitest';
import { createStatements } from '../../src/ledger/pglite/statements.ts';

const folder = mkdtempSync(join(tmpdir(), 'tocsin-log-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MIB = 1024 * 1024;
const segments = (): number => readdirSync(join(folder, 'pg_wal')).filter((name) => /^[0-9A-F]{24}$/.test(name)).length;

it('is cut off by checkpoints however much is written, and what was written before and after them is there after a kill', async () => {
  const db = await PGlite.create(folder);
  const statements = createStatements(db);
  statements.run('create table things (n int, said text)', []);
  statements.run('create table marks (n int)', []);
  for (let n = 0; n < 45; n++) {
    statements.run(`insert into things select $1::int, repeat('x', 1000) from generate_series(1, 10000)`, [n]);
    statements.run('truncate things', []);
    for (let more = 0; more < 100; more++) statements.run('select $1::int', [more]);
    statements.run('insert into marks values ($1::int)', [n]);
  }
  const [written] = statements.run(`select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint as bytes`, []);
  expect(Number(written?.bytes)).toBeGreaterThan(450 * MIB);
  const [left] = statements.run(
    'select pg_wal_lsn_diff(pg_current_wal_lsn(), redo_lsn)::bigint as bytes from pg_control_checkpoint()',
    [],
  );
  expect(Number(left?.bytes)).toBeLessThan(180 * MIB);
  expect(segments()).toBeLessThan(25);

  // Not closed: as a process that was killed leaves it.
  const again = await PGlite.create(folder);
  const { rows } = await again.query<{ marks: number }>('select count(*)::int as marks from marks');
  expect(rows).toEqual([{ marks: 45 }]);
  await again.close();
});
