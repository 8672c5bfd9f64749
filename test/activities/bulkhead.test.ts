/** Places of a worker: an integration that hangs holds some of them, and no more. */
import { describe, expect, it } from 'vitest';
import { type Bulkhead, createBulkhead } from '../../activities/bulkhead.ts';

const SECOND = 1_000;

/** A bulkhead whose clock stands until it is moved. */
function standing(): { bulkhead: Bulkhead; pass(ms: number): void; hang(target: string, count: number): () => void } {
  let at = 0;
  const bulkhead = createBulkhead(
    () => at,
    () => 0.5,
  );
  return {
    bulkhead,
    pass: (ms) => {
      at += ms;
    },
    hang(target, count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      for (let n = 0; n < count; n++) void bulkhead.during(target, () => promise);
      return resolve;
    },
  };
}

describe('a worker', () => {
  it('lets everything begin at an integration that answers, however much is sent to it at once', () => {
    const { bulkhead, hang, pass } = standing();
    hang('quick', 90);
    pass(SECOND - 1);
    expect(bulkhead.waitFor('quick')).toBe(0);
  });

  it('lets 25 attempts wait for one that hangs; those that follow ask again, and the others go on', () => {
    const { bulkhead, hang, pass } = standing();
    hang('slow', 24);
    pass(SECOND);
    expect(bulkhead.waitFor('slow')).toBe(0);
    hang('slow', 1);
    pass(SECOND);
    expect(bulkhead.waitFor('slow')).toBe(3 * SECOND);
    expect(bulkhead.waitFor('quick')).toBe(0);
  });

  it('keeps half of its places from all that hang together', () => {
    const { bulkhead, hang, pass } = standing();
    for (const target of ['a', 'b', 'c', 'd', 'e']) hang(target, 10);
    pass(SECOND);
    expect(bulkhead.waitFor('a')).toBeGreaterThan(0);
    expect(bulkhead.waitFor('well')).toBe(0);
  });

  it('has its places again once the attempts have ended, whichever way', async () => {
    const { bulkhead, hang, pass } = standing();
    const end = hang('slow', 25);
    await expect(bulkhead.during('slow', () => Promise.reject(new Error('reset')))).rejects.toThrow('reset');
    pass(SECOND);
    expect(bulkhead.waitFor('slow')).toBeGreaterThan(0);
    end();
    await expect.poll(() => bulkhead.waitFor('slow')).toBe(0);
  });
});
