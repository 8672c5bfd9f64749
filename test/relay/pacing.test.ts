import { describe, expect, it } from 'vitest';
import { createPacing, restAfter } from '../../src/relay/pacing.ts';

describe('the pacing of one inbox', () => {
  it('lets the first go at once, and the next after 250 ms', () => {
    const pacing = createPacing();
    expect(pacing.isRipe('a', false, 0)).toBe(true);
    pacing.sent('a', 1, 0);
    expect([pacing.isRipe('a', false, 249), pacing.isRipe('a', false, 250)]).toEqual([false, true]);
  });

  it('never holds what is urgent', () => {
    const pacing = createPacing();
    pacing.sent('a', 1, 0);
    expect(pacing.isRipe('a', true, 1)).toBe(true);
  });

  it('doubles to two seconds while a backlog stays, and begins anew without one', () => {
    const pacing = createPacing();
    let now = 0;
    const gapAfter = (rows: number): number => {
      pacing.sent('a', rows, now);
      const from = now;
      while (!pacing.isRipe('a', false, now)) now += 50;
      return now - from;
    };
    expect([50, 50, 50, 50, 50].map(gapAfter)).toEqual([250, 500, 1_000, 2_000, 2_000]);
    expect(gapAfter(3)).toBe(250);
  });

  it('is one for each inbox', () => {
    const pacing = createPacing();
    pacing.sent('a', 1, 0);
    expect(pacing.isRipe('b', false, 1)).toBe(true);
  });

  it('says when the next inbox is ripe, and forgets those that are quiet', () => {
    const pacing = createPacing();
    expect(pacing.nextIn(0)).toBe(Number.POSITIVE_INFINITY);
    pacing.sent('a', 50, 0);
    pacing.sent('a', 50, 300);
    pacing.sent('b', 1, 400);
    expect(pacing.nextIn(450)).toBe(200);
    pacing.forget(60_000);
    pacing.sent('a', 50, 60_000);
    expect([pacing.isRipe('a', false, 60_249), pacing.isRipe('a', false, 60_250)]).toEqual([false, true]);
  });
});

describe('the rest after a look', () => {
  it('leaves the ledger to others where a look at many took long', () => {
    expect([0, 1, 5, 15, 40].map((took) => restAfter(took, false))).toEqual([0, 1, 25, 225, 250]);
  });

  it('is short where few waited: whoever comes next did not make it slow', () => {
    expect([0, 1, 4, 15, 40].map((took) => restAfter(took, true))).toEqual([0, 1, 16, 20, 20]);
  });
});

describe('the turns that all who are not urgent share', () => {
  const turnsAt = (pacing: ReturnType<typeof createPacing>, now: number): number => {
    let turns = 0;
    while (turns < 100 && pacing.turn(now)) turns++;
    return turns;
  };

  it('are twenty a second, and eight at once after a rest', () => {
    const pacing = createPacing();
    expect(turnsAt(pacing, 0)).toBe(8);
    expect(Array.from({ length: 20 }, (_, n) => turnsAt(pacing, 50 * (n + 1)))).toEqual(Array(20).fill(1));
    expect(turnsAt(pacing, 60_000)).toBe(8);
  });

  it('are more where otherwise somebody would wait for more than ten seconds', () => {
    const pacing = createPacing();
    for (let n = 0; n < 2_000; n++) pacing.sent(`k${n}`, 1, 0);
    turnsAt(pacing, 0);
    expect(turnsAt(pacing, 25)).toBe(5);
  });
});
