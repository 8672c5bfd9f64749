/** What posted alerts are told apart by, and what is only their name. */
import { describe, expect, it } from 'vitest';
import type { Labels } from '../../src/core/event.ts';
import { fingerprintOf } from '../../src/core/prometheus/labels.ts';
import { keyOf } from '../../src/sources/prometheus.ts';
import { COLLIDING } from '../support/api-v2-requests.ts';

const key = (labels: Labels): string => keyOf({ labels });

describe('the key of a posted alert', () => {
  it('is one for one label set, whatever order it was written in', () => {
    expect(key({ alertname: 'Down', b: '2', a: '1' })).toBe(key({ a: '1', b: '2', alertname: 'Down' }));
  });

  it('is of all labels: names, values, and where they end', () => {
    const sets: Labels[] = [
      {},
      { a: 'b' },
      { a: 'bc' },
      { ab: 'c' },
      { b: 'a' },
      { a: 'b,c' },
      { a: 'b', c: '' },
      { a: 'b', c: 'd' },
      { a: 'd', c: 'b' },
      { a: 'b"],["c","d' },
    ];
    expect(new Set(sets.map(key)).size).toBe(sets.length);
  });

  it('differs where the fingerprint does not', () => {
    const [one, other] = COLLIDING;
    expect(fingerprintOf(one)).toBe(fingerprintOf(other));
    expect(key(one)).not.toBe(key(other));
  });
});
