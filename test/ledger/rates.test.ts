/** The rate of an integration: one budget for all who ask, counted by the ledger's clock. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Ledger } from '../../src/ledger/db.ts';
import { takeTurn } from '../../src/ledger/rates.ts';
import { openTestLedger } from '../support/ledger.ts';

const chat = { name: 'chat', rate: { count: 2, per_ms: 60_000 } };

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

/** So much time goes by for every budget. */
const later = (ms: number) => ledger.query(`update rates set next_at = next_at - $1 * interval '1 ms'`, [ms]);
const take = () => takeTurn(ledger, chat);

describe('the rate of an integration', () => {
  it('lets as many go at once as it names, then says how long to wait', async () => {
    expect([await take(), await take()]).toEqual([0, 0]);
    const wait_ms = await take();
    expect(wait_ms).toBeGreaterThan(29_000);
    expect(wait_ms).toBeLessThanOrEqual(30_000);
  });

  it('fills again with time, and never beyond what it names', async () => {
    await take();
    await take();
    await later(30_000);
    expect(await take()).toBe(0);
    expect(await take()).toBeGreaterThan(29_000);
    await later(3_600_000);
    expect([await take(), await take()]).toEqual([0, 0]);
    expect(await take()).toBeGreaterThan(29_000);
  });

  it('waits for no clock that was set back: what it wrote before is forgotten, and it is counted anew', async () => {
    await take();
    await later(-3_600_000);
    expect([await take(), await take()]).toEqual([0, 0]);
    const wait_ms = await take();
    expect(wait_ms).toBeGreaterThan(29_000);
    expect(wait_ms).toBeLessThanOrEqual(30_000);
  });

  it('is one for all who ask at once: of forty no more than the named number goes', async () => {
    const name = { name: 'busy', rate: { count: 30, per_ms: 60_000 } };
    const waits = await Promise.all(Array.from({ length: 40 }, () => takeTurn(ledger, name)));
    expect(waits.filter((wait) => wait === 0)).toHaveLength(30);
  });

  it('of one is not the rate of another, and who has none never waits', async () => {
    await take();
    await take();
    expect(await takeTurn(ledger, { ...chat, name: 'mail' })).toBe(0);
    for (let count = 0; count < 10; count++) expect(await takeTurn(ledger, { name: 'free' })).toBe(0);
    expect(await ledger.query('select integration from rates order by 1')).toEqual([
      { integration: 'chat' },
      { integration: 'mail' },
    ]);
  });
});
