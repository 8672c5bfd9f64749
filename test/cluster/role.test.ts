/** A role that works with the ledger and owns nothing of it: what it may, and what not even it can take back. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { audit } from '../../src/ledger/audit.ts';
import { verifyLedger } from '../../src/ledger/chain/read.ts';
import { sealAudit, writeHead } from '../../src/ledger/chain/seal.ts';
import { auditKey, newAuditKey } from '../../src/ledger/chain/signing.ts';
import { type Ledger, openLedger } from '../../src/ledger/db.ts';
import { migrate } from '../../src/ledger/migrate.ts';
import { sweepRetention } from '../../src/ledger/retention.ts';
import { migrateCommand } from '../../src/main/migrate.ts';
import { DAY } from '../support/policies.ts';
import { createDatabase, createRole } from '../support/postgres.ts';

const role = `worker_${randomUUID().slice(0, 8)}`;
const key = auditKey(newAuditKey());
const ours = { heads: [], keys: [key.publicKey] };
const who = { by: 'ana', key: 'k1' };

let ownerUrl: string;
let owner: Ledger;
let ledger: Ledger;
const said: string[] = [];
const run = (granted?: string) => migrateCommand({ url: ownerUrl }, granted, (line) => said.push(line));

beforeAll(async () => {
  ownerUrl = await createDatabase(process.env.TOCSIN_TEST_POSTGRES as string, { owner: `own_${role}` });
  owner = await openLedger({ url: ownerUrl });
  ledger = await openLedger({
    url: await createRole(process.env.TOCSIN_TEST_POSTGRES as string, role).then(inDatabase),
  });
});
afterAll(async () => {
  await ledger?.close();
  await owner?.close();
});

function inDatabase(url: string): string {
  const address = new URL(url);
  address.pathname = new URL(ownerUrl).pathname;
  return address.href;
}

describe('tocsin migrate', () => {
  it('makes the ledger, and is needed before a role that owns nothing: that is told what to run', async () => {
    await migrate(owner, 16);
    await owner.query(`grant select, insert, update on meta to ${role}`);
    await expect(migrate(ledger)).rejects.toThrow(
      /the ledger has schema 16, this version needs \d+, and this role may not change it: run tocsin migrate as the role that owns its tables/,
    );
    await run();
    expect(said.at(-1)).toBe("the ledger has this version's schema");
  });

  it('lets a role in that is there, again and again, and names one that is not', async () => {
    await run(role);
    await run(role);
    expect(said.at(-1)).toBe(`the ledger has this version's schema, and ${role} may use it`);
    await expect(run('nobody"; drop table events; --')).rejects.toThrow(
      'there is no role "nobody\\"; drop table events; --": make it first',
    );
    await migrate(ledger);
  });
});

describe('a role that owns nothing', () => {
  it('may change every table that is not the audit’s', async () => {
    const tables = await owner.query<{ name: string }>(
      `select tablename as name from pg_tables where schemaname = 'public' and tablename not in ('audit', 'audit_seals', 'audit_heads', 'audit_tombstones')`,
    );
    expect(tables.length).toBeGreaterThan(20);
    for (const { name } of tables) {
      const [rights] = await ledger.query<{ all: boolean }>(
        `select has_table_privilege($1, 'select') and has_table_privilege($1, 'insert') and has_table_privilege($1, 'update') and has_table_privilege($1, 'delete') as all`,
        [name],
      );
      expect([name, rights?.all]).toEqual([name, true]);
    }
  });

  it('writes the audit and seals it, and old rows leave by their tombstone', async () => {
    for (const object of ['one', 'two', 'three']) await audit(ledger, who, 'key.make', object);
    expect(await sealAudit(ledger)).toBe(3);
    await writeHead(ledger, { key, now: new Date(), ends: true });
    const retention = { events: DAY, incidents: DAY, sends: DAY, summaries: DAY, audit: DAY };
    const { gone } = await sweepRetention(ledger, { retention, key, now: new Date(Date.now() + 2 * DAY) });
    expect(gone.audit).toBe(3);
    await audit(ledger, who, 'key.make', 'after');
    await sealAudit(ledger);
    expect(await verifyLedger(ledger, ours)).toMatchObject({ problems: [], rows: 1 });
  });

  it.each([
    "update audit set actor = 'eve'",
    'delete from audit',
    'truncate audit',
    'delete from audit_seals',
    'delete from audit_heads',
    'delete from audit_tombstones',
    'alter table audit disable trigger all',
    'drop trigger audit_never_emptied on audit',
    'drop table events',
    'create table beside (n int)',
    'create or replace function audit_is_append_only() returns trigger language plpgsql as $$ begin return old; end $$',
    'alter function audit_forget(bigint, bigint) security invoker',
    `set role own_${role}`,
  ])('cannot: %s', async (sql) => {
    await expect(ledger.query(sql)).rejects.toMatchObject({ code: '42501' }); // insufficient_privilege
  });

  it('cannot give itself what it lacks', async () => {
    // PostgreSQL warns of a grant that gives nothing, and refuses only some.
    await ledger.query(`grant delete, update on audit to ${role}`).catch(() => undefined);
    await expect(ledger.query('delete from audit')).rejects.toMatchObject({ code: '42501' });
    expect(await verifyLedger(ledger, ours)).toMatchObject({ problems: [], rows: 1 });
  });
});
