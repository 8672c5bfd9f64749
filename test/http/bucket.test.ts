import { describe, expect, it } from 'vitest';
import { createBuckets } from '../../src/http/bucket.ts';

describe('a token bucket', () => {
  it('gives a burst, then as much as comes back, and says how long to wait', () => {
    const buckets = createBuckets({ per_second: 2, burst: 3 });
    expect([1, 2, 3].map(() => buckets.take('a', 1_000))).toEqual([0, 0, 0]);
    expect(buckets.take('a', 1_000)).toBe(500);
    expect(buckets.take('a', 1_400)).toBe(100);
    expect(buckets.take('a', 1_500)).toBe(0);
    expect(buckets.take('a', 1_500)).toBe(500);
  });

  it('is never fuller than its burst, however long it rests', () => {
    const buckets = createBuckets({ per_second: 100, burst: 1 });
    expect(buckets.take('a', 0)).toBe(0);
    expect(buckets.take('a', 3_600_000)).toBe(0);
    expect(buckets.take('a', 3_600_000)).toBe(10);
  });

  it('gives nothing for a clock that was set back', () => {
    const buckets = createBuckets({ per_second: 1, burst: 1 });
    expect(buckets.take('a', 10_000)).toBe(0);
    expect(buckets.take('a', 0)).toBe(1_000);
    expect(buckets.take('a', 500)).toBe(500);
  });

  it('keeps names apart, takes tokens back, and remembers only so many names', () => {
    const buckets = createBuckets({ per_second: 1, burst: 1 }, 2);
    expect(buckets.take('a', 0)).toBe(0);
    expect(buckets.take('b', 0)).toBe(0);
    buckets.refund('b');
    expect(buckets.take('b', 0)).toBe(0);
    expect(buckets.take('c', 0)).toBe(0);
    expect(buckets.take('b', 0)).toBe(1_000);
    expect(buckets.take('a', 0)).toBe(0);
  });
});
