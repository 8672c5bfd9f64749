/** What a wrong key costs us: the same whatever is wrong with it, so that the time of an answer tells nothing. */
import type * as Crypto from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Ledger } from '../../src/ledger/db.ts';
import { keyOf, listKeys, makeKey } from '../../src/ledger/keys.ts';
import { openTestLedger } from '../support/ledger.ts';

const work = vi.hoisted(() => ({ hashed: 0, compared: [] as number[][] }));
vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof Crypto>();
  return {
    ...crypto,
    createHash: (name: string) => {
      work.hashed++;
      return crypto.createHash(name);
    },
    timingSafeEqual: (one: Buffer, other: Buffer) => {
      work.compared.push([one.length, other.length]);
      return crypto.timingSafeEqual(one, other);
    },
  };
});

const WHO = { by: 'the tests', key: 'none' };
const NOW = new Date('2026-11-20T12:00:00Z');
let ledger: Ledger;
let good: string;
let revoked: string;
let expired: string;
let asked = 0;

beforeAll(async () => {
  ({ ledger } = await openTestLedger());
  const make = async (name: string, expires_at?: string) =>
    (await makeKey(ledger, { name, scopes: ['admin'], ...(expires_at && { expires_at }) }, WHO)).secret;
  good = await make('good');
  revoked = await make('revoked');
  expired = await make('expired', '2026-11-20T11:59:59Z');
  await ledger.query(`update keys set revoked_at = now() where name = 'revoked'`);
  const { query } = ledger;
  ledger.query = (sql, params) => {
    asked++;
    return query(sql, params);
  };
});
afterAll(() => ledger.close());
beforeEach(() => {
  asked = 0;
  work.hashed = 0;
  work.compared = [];
});

/** A secret may hold a `_` of its own. */
const secretOf = (key: string): string => key.split('_').slice(2).join('_');
const idOf = (key: string): string => key.split('_')[1] ?? '';

describe('a key that is refused', () => {
  it.each<[string, () => string]>([
    ['of an id nobody has', () => `tocsin_0000000000_${secretOf(good)}`],
    ['of a known id, and another secret', () => `tocsin_${idOf(good)}_${'a'.repeat(43)}`],
    [
      'of a known id, and a secret that is right but for its end',
      () => `${good.slice(0, -1)}${good.endsWith('A') ? 'B' : 'A'}`,
    ],
    ['of a known id, and a longer secret', () => `${good}A`],
    ['that was revoked', () => revoked],
    ['that has expired', () => expired],
    ['that looks like none', () => 'hunter2'],
    ['that is another key’s secret under this id', () => `tocsin_${idOf(good)}_${secretOf(expired)}`],
  ])('%s costs one question, and one comparison of whole digests', async (_words, key) => {
    expect(await keyOf(ledger, key(), NOW)).toBeUndefined();
    const digest = 64;
    expect([asked, work.compared]).toEqual([1, [[digest, digest]]]);
    expect(work.hashed).toBeGreaterThanOrEqual(1);
  });
});

it('a key that is right costs as much', async () => {
  expect(await keyOf(ledger, good, NOW)).toMatchObject({ name: 'good' });
  expect([asked, work.compared]).toEqual([1, [[64, 64]]]);
});

it('no key and no digest of one is in the list or in the audit trail', async () => {
  const text = JSON.stringify([await listKeys(ledger), await ledger.query('select * from audit')]);
  const hashes = (await ledger.query<{ hash: string }>('select hash from keys')).map(({ hash }) => hash);
  expect(hashes).toHaveLength(3);
  for (const word of [...hashes, ...[good, revoked, expired].map(secretOf)]) expect(text).not.toContain(word);
});
