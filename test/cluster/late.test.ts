/** Two doors and one alert on PostgreSQL: what the one commits while the other waits is not overlooked. */
import { afterAll, describe, expect, it } from 'vitest';
import { type Ledger, openLedger } from '../../src/ledger/db.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { lockKeys } from '../../src/ledger/identity.ts';
import { migrate } from '../../src/ledger/migrate.ts';
import { again, event, routing } from '../support/ledger.ts';
import { createDatabase } from '../support/postgres.ts';
import { until } from '../support/until.ts';

const open: Ledger[] = [];
afterAll(() => Promise.all(open.map((ledger) => ledger.close())));

describe('a late end', () => {
  it('does not end what fired again while it waited for the lock', async () => {
    const url = await createDatabase(process.env.TOCSIN_TEST_POSTGRES as string);
    const [one, other] = [await openLedger({ url }), await openLedger({ url })];
    open.push(one, other);
    await migrate(one);
    const { accept } = createDoor(one, { routing: routing() });
    const failed = event({ dedup_key: 'ci', occurred_at: '2026-01-15T10:00:00Z' });
    await accept([failed]);
    const [alert] = await one.query<{ key: string }>('select key from alerts');
    let passed: Promise<unknown> = Promise.resolve();
    await other.transaction(async (tx) => {
      await lockKeys(tx, [alert?.key ?? '']);
      passed = accept([again(failed, { status: 'resolved', occurred_at: '2026-01-15T10:05:00Z' })]);
      await until('the end to wait for the lock', async () => {
        const [waiting] = await tx.query(`select 1 from pg_locks where locktype = 'advisory' and not granted
          and database = (select oid from pg_database where datname = current_database())`);
        return waiting;
      });
      // As the other door commits a repeated firing.
      await tx.query(
        `with e as (insert into events (source, id, event, decision) select source, 'later', $1::json, decision from events limit 1 returning seq)
         update alerts set event = e.seq from e`,
        [JSON.stringify({ ...failed, id: 'later', occurred_at: '2026-01-15T10:10:00Z' })],
      );
    });
    await passed;
    expect(await one.query('select status from alerts')).toEqual([{ status: 'firing' }]);
  });
});
