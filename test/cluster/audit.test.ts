/** The audit where several processes write it, and where the application's role owns its tables but no more than that. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { audit, listAudit } from '../../src/ledger/audit.ts';
import { verifyLedger } from '../../src/ledger/chain/read.ts';
import { sealAudit, writeHead } from '../../src/ledger/chain/seal.ts';
import { auditKey, newAuditKey } from '../../src/ledger/chain/signing.ts';
import { type Ledger, openLedger } from '../../src/ledger/db.ts';
import { migrate } from '../../src/ledger/migrate.ts';
import { sweepRetention } from '../../src/ledger/retention.ts';
import { DAY } from '../support/policies.ts';
import { createDatabase } from '../support/postgres.ts';

const role = `app_${randomUUID().slice(0, 8)}`;
const key = auditKey(newAuditKey());
const ours = { heads: [], keys: [key.publicKey] };
const ana = { by: 'ana', key: 'k1' };

/** Two processes of the application, as the role that owns the database. */
let one: Ledger;
let other: Ledger;
beforeAll(async () => {
  const url = await createDatabase(process.env.TOCSIN_TEST_POSTGRES as string, { owner: role });
  [one, other] = [await openLedger({ url }), await openLedger({ url })];
  await migrate(one);
});
afterAll(async () => {
  await one?.close();
  await other?.close();
});

const objects = async (): Promise<(string | number | undefined)[][]> =>
  (await listAudit(one, { limit: 50 })).audit.map(({ object, number }) => [object, number]).reverse();

describe('the audit on PostgreSQL', () => {
  it('never passes over a row whose transaction is open while later ones are sealed', async () => {
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let isWritten = (): void => undefined;
    const written = new Promise<void>((resolve) => {
      isWritten = resolve;
    });
    const slow = one.transaction(async (tx) => {
      await audit(tx, ana, 'key.make', 'slow');
      isWritten();
      await finished;
    });
    await written;
    await audit(other, ana, 'key.make', 'quick');
    expect(await sealAudit(other)).toBe(1);
    finish();
    await slow;
    expect(await sealAudit(other)).toBe(1);
    expect(await objects()).toEqual([
      ['slow', 2],
      ['quick', 1],
    ]);
    expect(await verifyLedger(one, ours)).toMatchObject({ problems: [], rows: 2, last: 2 });
  });

  it('is one chain, however many seal it while however many write', async () => {
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let n = 0; n < 25; n++) await audit(writer % 2 ? one : other, ana, 'key.make', `${writer}.${n}`);
    });
    let writing = true;
    const sealers = [one, other, one, other].map(async (ledger) => {
      while (writing) await sealAudit(ledger);
    });
    await Promise.all(writers);
    writing = false;
    await Promise.all(sealers);
    await sealAudit(one);
    expect(await verifyLedger(one, ours)).toMatchObject({ problems: [], rows: 202, last: 202 });
  });

  it.each([
    `update audit set actor = 'eve'`,
    'delete from audit',
    'truncate audit',
    `update audit_seals set hash = ''`,
    'delete from audit_seals',
    'truncate audit_seals',
    `update audit_heads set hash = ''`,
    'delete from audit_heads',
    'truncate audit_heads',
    `update audit_tombstones set hash = ''`,
    'delete from audit_tombstones',
    'truncate audit_tombstones',
  ])('may not be changed by the application: %s', async (sql) => {
    await expect(one.query(sql)).rejects.toMatchObject({ code: '42501' }); // insufficient_privilege
  });

  it('leaves by its own way alone, which gives the right back when it is done', async () => {
    await writeHead(one, { key, now: new Date(), ends: true });
    const retention = { events: DAY, incidents: DAY, sends: DAY, summaries: DAY, audit: DAY };
    const now = new Date(Date.now() + 2 * DAY);
    const { gone } = await sweepRetention(one, { retention, key, now });
    expect(gone.audit).toBe(202);
    await expect(one.query('delete from audit')).rejects.toMatchObject({ code: '42501' });
    await audit(one, ana, 'key.make', 'after');
    await sealAudit(one);
    expect(await verifyLedger(one, ours)).toMatchObject({ problems: [], rows: 1, last: 203 });
  });

  it('is swept by one process at a time', async () => {
    const retention = { events: DAY, incidents: DAY, sends: DAY, summaries: DAY, audit: DAY };
    await other.query(`insert into decisions (id, day, decision) values ('d', current_date, '{}')`);
    await other.query(
      `insert into events (source, id, accepted_at, event, decision) select 's', n::text, now(), '{}', 'd' from generate_series(1, 3000) n`,
    );
    const now = new Date(Date.now() + 2 * DAY);
    const swept = await Promise.all([one, other].map((ledger) => sweepRetention(ledger, { retention, key, now })));
    expect(swept.map(({ gone }) => gone.events).sort((a, b) => a - b)).toEqual([0, 3_000]);
  });

  it('is kept from mistakes, not from its owner, who can take all of it back: only the chain shows that', async () => {
    for (const object of ['one', 'two', 'three']) await audit(one, ana, 'key.make', object);
    await sealAudit(one);
    const { last, problems } = await verifyLedger(one, ours);
    expect(problems).toEqual([]);
    const take = (...more: string[]) =>
      one.transaction(async (tx) => {
        await tx.query('grant delete on audit, audit_seals to current_user');
        for (const sql of more) await tx.query(sql);
        await tx.query(`delete from audit where object = 'two'`);
        await tx.query('delete from audit_seals where number = $1', [last - 1]);
      });
    await expect(take(), 'the right alone is not enough').rejects.toThrow('audit rows are never changed or deleted');
    await take('alter table audit disable trigger all', 'alter table audit_seals disable trigger all');
    expect((await verifyLedger(one, ours)).problems).toEqual([
      expect.stringContaining(`number ${last - 1} is missing`),
    ]);
  });
});
