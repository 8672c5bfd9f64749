/** Migrations: once, whole or not at all, from every schema that was ever released, and never backwards. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listAudit } from '../../src/ledger/audit.ts';
import { verifyLedger } from '../../src/ledger/chain/read.ts';
import { sealAudit } from '../../src/ledger/chain/seal.ts';
import { type Ledger, openLedger } from '../../src/ledger/db.ts';
import { checkSchema, migrate } from '../../src/ledger/migrate.ts';
import { emptyPlace, one } from '../support/ledger.ts';

const FOLDER = new URL('../../src/ledger/', import.meta.url);

/** What was released stays as it is: a ledger that has run it will not run it again. The next change is the next number. */
const RELEASED: Readonly<Record<string, string>> = {
  '001-start.sql': 'd93cfa8ccb0a84cc879f35de8b819be54ea8e6d3de94251ab5a64bb6faa21079',
  '002-decisions.sql': '1cb560ea4064862febf14e234a4e9228b8207492188305d16391e3941b2bf989',
  '003-rates.sql': 'cc3bbdd29004016e3c591782badb4f9cec0d53897e24c4e433eb05e728ffaba9',
  '004-audit-chain.sql': '24df141ee2d0b439a062572deea57e6c98776ac37c2e8fc6a1e9ed0f0ccaf29e',
  '005-retention.sql': '7819e615feed66e1240f95a219f83aa2deee671253ec95c034483ec02dc7395c',
  '006-adopted.sql': '34a2913bcd4fbe53ea53b9d1b9c9025dce06878283a814de483c71bb9e7417da',
  '007-lean.sql': 'e8c1f59d93969e7547980b85bb6850c3677ea26da97fa1142a973508bf4ebf55',
  '008-integrations.sql': '880a35cd4748c5df9186fc6d3e2d203f6382f12b84654bf7b1e6180917b48e6b',
  '009-deliveries.sql': '41155fd015779ec05c1db2f24becc8f3261fff0a5550f8833230adbaf7595317',
  '010-answers.sql': '1d56ee591247fb90f1aac9653d55c3073e7c0c863ce2fa2c702499aaa6433580',
  '011-doubt.sql': 'f35cdef168ec30474cc4452bc236ed044d87c6648c58d1a274cb1a9f86f9401c',
  '012-privacy.sql': 'bddeb0aa8fba38eb9f2acb3fd393253ac5b4d8a8d5efc0e858f60923095a0e0e',
  '013-heartbeats.sql': 'f2b29bae3bce8f7e4cc8ecc9447e632e5715602d50f39df77f5780d12467aab8',
  '014-posted-alerts.sql': '14b3de51af5b7f78bf965ed5001ec99f317dea8aa9f5b7fdb25acfc87b805f13',
  '015-silences.sql': '403bc91309b19c350d909abc7acd662094422e9101e827e553d922c1a8d972bb',
  '016-ended.sql': 'd712881b63f23a51d19cc365a988b37347cfce0bda8635dc454c084415f2d56f',
  '017-turns.sql': '29cc43816effa8cbe3b135d4ca2d8f6bd871f50701b2855e76259a9de29c1e07',
  '018-alerts-by-key.sql': '4e2a06d3ea5ca6cb3bd89eea3352cd893950a9527ee73942ef29133e95ee35e2',
  '019-alerts-by-both.sql': 'f3869f04aa1eca4867934ce25d664fb439e0f65b936fdbec82c24faeaa3efc5d',
  '020-lean-door.sql': '403b1ee1bafcbc9e86316be4fd2a9522dd58f1ba2c73ded8f5292f78711694e8',
  '021-fewer-pages.sql': '6ea9b070e5c0263174e5f51f85881170abf8388f7876548f5146f3061e2bb8e0',
};
const NEWEST = Object.keys(RELEASED).length;

let ledger: Ledger;
beforeAll(async () => {
  ledger = await openLedger(await emptyPlace());
});
afterAll(() => ledger.close());

/** The ledger as new, brought to this schema; to the newest unless it is said. */
async function opened(through?: number): Promise<Ledger> {
  await ledger.query('drop schema public cascade');
  await ledger.query('create schema public');
  if (through !== 0) await migrate(ledger, through);
  return ledger;
}

const schemaOf = (db: Ledger) => one<{ value: string }>(db, `select value from meta where name = 'schema'`);
const tablesOf = async (db: Ledger): Promise<string[]> =>
  (
    await db.query<{ name: string }>(
      `select table_name || '.' || column_name || ' ' || data_type as name from information_schema.columns where table_schema = 'public' order by 1`,
    )
  ).map(({ name }) => name);

/** A ledger whose migration fails at the first statement that holds these words. */
const failingAt = (words: string, db: Ledger): Ledger => ({
  ...db,
  patiently: (work) =>
    db.patiently((tx) =>
      work({
        ...tx,
        query: (sql, params) =>
          sql.includes(words) ? Promise.reject(new Error('the disk is full')) : tx.query(sql, params),
      }),
    ),
});

describe('the migrations', () => {
  it('are numbered without a gap', () => {
    const files = readdirSync(FOLDER).filter((file) => file.endsWith('.sql'));
    expect(files.sort().map((file) => Number(file.slice(0, 3)))).toEqual(files.map((_, at) => at + 1));
  });

  it.each(Object.entries(RELEASED))('%s is as it was released', (file, hash) => {
    expect(
      createHash('sha256')
        .update(readFileSync(new URL(file, FOLDER)))
        .digest('hex'),
    ).toBe(hash);
  });

  it('run once: a second start finds nothing to do, and keeps the epoch', async () => {
    const db = await opened();
    const before = await db.query('select * from meta order by name');
    await migrate(db);
    expect(await db.query('select * from meta order by name')).toEqual(before);
    expect(await schemaOf(db)).toEqual({ value: String(NEWEST) });
    await expect(checkSchema(db)).resolves.toBeUndefined();
  });

  it.each([1, 2, 3, 4])('lead from schema %i to the same tables as a new ledger has', async (from) => {
    const fresh = await tablesOf(await opened());
    const old = await opened(from);
    expect(await schemaOf(old)).toEqual({ value: String(from) });
    await expect(checkSchema(old)).rejects.toThrow(
      `the ledger has schema ${from}, this version of Tocsin reads ${NEWEST}`,
    );
    await migrate(old);
    expect(await tablesOf(old)).toEqual(fresh);
  });

  it('put what the audit had into its chain', async () => {
    const db = await opened(3);
    await db.query(
      `insert into audit (actor, action, object) values ('ana', 'key.make', 'k1'), ('ana', 'key.make', 'k2')`,
    );
    await migrate(db);
    await sealAudit(db);
    expect((await listAudit(db, { limit: 9 })).audit.map(({ object, number }) => [object, number])).toEqual([
      ['k2', 2],
      ['k1', 1],
    ]);
    expect(await verifyLedger(db, { heads: [], keys: [] })).toMatchObject({ problems: [], last: 2 });
  });

  it('move the privacy of a Slack integration to where every integration has it', async () => {
    const db = await opened(10);
    const insert =
      'insert into integrations (name, type, config, settings, made_by, changed_by) values ($1, $2, $3, $4, $5, $5)';
    await db.query(insert, ['bot', 'slack', '{"channel":"#ops","privacy":"mask"}', '{"threshold":"error"}', 'ana']);
    await db.query(insert, ['plain', 'slack', '{"channel":"#ops"}', '{}', 'ana']);
    await migrate(db);
    expect(await db.query('select name, config, settings, revision from integrations order by name')).toEqual([
      { name: 'bot', config: { channel: '#ops' }, settings: { threshold: 'error', privacy: 'mask' }, revision: 2 },
      { name: 'plain', config: { channel: '#ops' }, settings: {}, revision: 1 },
    ]);
  });

  it.each(['create table audit_seals', 'create index decisions_day', `insert into meta`])(
    'that fail at "%s" leave the old schema whole, and succeed the next time',
    async (words) => {
      const db = await opened(2);
      await db.query(`insert into audit (actor, action, object) values ('ana', 'key.make', 'k1')`);
      const before = await tablesOf(db);
      await expect(migrate(failingAt(words, db))).rejects.toThrow('the disk is full');
      expect(await tablesOf(db)).toEqual(before);
      expect(await schemaOf(db)).toEqual({ value: '2' });
      await migrate(db);
      expect(await schemaOf(db)).toEqual({ value: String(NEWEST) });
      expect(await one(db, 'select actor from audit')).toEqual({ actor: 'ana' });
    },
  );

  it('never touch a ledger that a newer version wrote, and say what to do', async () => {
    const db = await opened();
    await db.query(`update meta set value = '999' where name = 'schema'`);
    await expect(migrate(db)).rejects.toThrow(
      `the ledger has schema 999, this version of Tocsin knows ${NEWEST}: start a newer Tocsin, or restore an older ledger`,
    );
    await expect(checkSchema(db)).rejects.toThrow('the ledger has schema 999');
    expect(await schemaOf(db)).toEqual({ value: '999' });
  });

  it('are missing in a place where no ledger ever was', async () => {
    await expect(checkSchema(await opened(0))).rejects.toThrow('the ledger has schema 0');
  });
});
