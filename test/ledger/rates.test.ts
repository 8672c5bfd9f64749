/** The rate of an integration: one budget for all who ask, counted by the ledger's clock. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Ledger } from '../../src/ledger/db.ts';
import { takeTurn } from '../../src/ledger/rates.ts';
import { laterForRates, openTestLedger } from '../support/ledger.ts';

const MINUTE = 60_000;
const chat = { name: 'chat', rate: { count: 2, per_ms: MINUTE } };

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const later = (ms: number) => laterForRates(ledger, ms);
const take = () => takeTurn(ledger, chat);

describe('the rate of an integration', () => {
  it('lets as many go at once as it names, then says how long to wait until the first of them is over', async () => {
    expect(await take()).toBe(0);
    await later(20_000);
    expect(await take()).toBe(0);
    const wait_ms = await take();
    expect(wait_ms).toBeGreaterThan(30_000);
    expect(wait_ms).toBeLessThanOrEqual(40_000);
  });

  it('gives back each turn when its time is over, and never more than it names', async () => {
    await take();
    await later(30_000);
    await take();
    await later(30_000);
    expect(await take()).toBe(0);
    expect(await take()).toBeGreaterThan(20_000);
    await later(3_600_000);
    expect([await take(), await take()]).toEqual([0, 0]);
    expect(await take()).toBeGreaterThan(50_000);
  });

  it.each([
    ['thirty a minute, asked for without a pause', { count: 30, per_ms: MINUTE }, [1_000]],
    [
      'thirty a minute, asked for in bursts',
      { count: 30, per_ms: MINUTE },
      [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 17_000],
    ],
    ['two a second', { count: 2, per_ms: 1_000 }, [0, 700, 250, 0, 0, 990]],
    ['2,500 in an hour, of which no more is remembered than 1,000', { count: 2_500, per_ms: 3_600_000 }, [400]],
  ])('is never exceeded in any stretch of its length: %s', async (_, rate, pauses) => {
    // The last of its turns as the ledger wrote it, on the clock that `later` moves.
    const taken = async (passed: number): Promise<number> => {
      const [row] = await ledger.query<{ at: number }>(
        'select (extract(epoch from turns[cardinality(turns)]) * 1000)::float8 as at from rates',
      );
      return (row?.at ?? 0) + passed;
    };
    const turns: number[] = [];
    let passed = 0;
    for (let asked = 0; asked < 240; asked++) {
      if ((await takeTurn(ledger, { name: 'chat', rate })) === 0) turns.push(await taken(passed));
      const pause = pauses[asked % pauses.length] ?? 0;
      if (pause === 0) continue;
      await later(pause);
      passed += pause;
    }
    const stretches = turns.slice(rate.count).map((at, first) => at - (turns[first] ?? 0));
    expect(turns.length).toBeGreaterThan(Math.min(60, rate.count));
    expect(stretches.filter((ms) => ms < rate.per_ms - 0.01)).toEqual([]); // A float has no more of an epoch in it.
  });

  it('remembers of a large one no more than a thousand turns, and gives the shorter stretch its share', async () => {
    const large = { name: 'large', rate: { count: 2_500, per_ms: 3_600_000 } };
    await ledger.query(
      `insert into rates (integration, turns) select 'large', array_agg(now() - interval '10 minutes') from generate_series(1, 833)`,
    );
    const wait_ms = await takeTurn(ledger, large);
    expect(wait_ms).toBeGreaterThan(9 * MINUTE);
    expect(wait_ms).toBeLessThanOrEqual(10 * MINUTE);
    await later(10 * MINUTE);
    expect(await takeTurn(ledger, large)).toBe(0);
    expect(await ledger.query('select cardinality(turns) as turns from rates')).toEqual([{ turns: 833 }]);
  });

  it('waits for no clock that was set back: what it wrote ahead of it is forgotten, and the rest still counts', async () => {
    await take();
    await later(10_000);
    await take();
    await later(-11_500); // The first lies 1.5 s ahead now, the second 11.5 s.
    expect([await take(), await take()]).toEqual([0, 0]);
    expect(await take()).toBeGreaterThan(50_000);
    await later(5_000);
    await ledger.query(`update rates set turns = turns[:1] || (now() + interval '1 hour')`);
    expect(await take()).toBe(0);
    const wait_ms = await take();
    expect(wait_ms).toBeGreaterThan(45_000);
    expect(wait_ms).toBeLessThanOrEqual(55_000);
  });

  it('holds from the next turn on where it was changed', async () => {
    const at = (count: number) => takeTurn(ledger, { name: 'chat', rate: { count, per_ms: MINUTE } });
    for (let taken = 0; taken < 4; taken++) expect(await at(4)).toBe(0);
    expect(await at(2)).toBeGreaterThan(50_000);
    await later(30_000);
    expect([await at(5), await at(2)]).toEqual([0, expect.any(Number)]);
    await later(30_000);
    expect(await at(2)).toBe(0);
    expect(await at(2)).toBeGreaterThan(20_000);
  });

  it('is one for all who ask at once: of forty no more than the named number goes', async () => {
    const name = { name: 'busy', rate: { count: 30, per_ms: MINUTE } };
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
