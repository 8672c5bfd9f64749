/** Migrations where processes start together, or end in the middle. */
import { afterAll, describe, expect, it } from 'vitest';
import { type Ledger, openLedger } from '../../src/ledger/db.ts';
import { migrate } from '../../src/ledger/migrate.ts';
import { createDatabase } from '../support/postgres.ts';

const open: Ledger[] = [];
const ledgersOn = async (count: number): Promise<Ledger[]> => {
  const url = await createDatabase(process.env.TOCSIN_TEST_POSTGRES as string);
  const ledgers = await Promise.all(Array.from({ length: count }, () => openLedger({ url })));
  open.push(...ledgers);
  return ledgers;
};
afterAll(() => Promise.all(open.map((ledger) => ledger.close())));

describe('a migration on PostgreSQL', () => {
  it('runs once where five processes start at the same moment', async () => {
    const ledgers = await ledgersOn(5);
    await Promise.all(ledgers.map((ledger) => migrate(ledger)));
    const epochs = await Promise.all(
      ledgers.map((ledger) => ledger.query(`select name, value from meta order by name`)),
    );
    expect(epochs[0]).toMatchObject([{ name: 'epoch' }, { name: 'schema' }]);
    expect(new Set(epochs.map((rows) => JSON.stringify(rows))).size).toBe(1);
  });

  it('whose connection is lost in the middle leaves nothing, and the next one finds a whole way', async () => {
    const [ledger, killer] = await ledgersOn(2);
    if (!ledger || !killer) throw new Error('no ledgers');
    const broken: Ledger = {
      ...ledger,
      patiently: (work) =>
        ledger.patiently((tx) =>
          work({
            ...tx,
            async query(sql, params) {
              if (sql.includes('create table audit_seals')) {
                const [me] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid');
                await killer.query('select pg_terminate_backend($1)', [me?.pid]);
              }
              return tx.query(sql, params);
            },
          }),
        ),
    };
    await expect(migrate(broken)).rejects.toThrow();
    expect(await killer.query(`select count(*)::int as tables from pg_tables where schemaname = 'public'`)).toEqual([
      { tables: 0 },
    ]);
    await migrate(ledger);
    expect(await ledger.query(`select to_regclass('audit_seals')::text as there`)).toEqual([{ there: 'audit_seals' }]);
  });
});
