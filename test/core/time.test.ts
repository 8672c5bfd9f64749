import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inWords, parseDuration } from '../../src/core/time.ts';

describe('a duration', () => {
  it.each([
    ['0', 0],
    ['250ms', 250],
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['1w2d', 777_600_000],
    [' 5m ', 300_000],
  ])('%j is %i ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '5', 'm', '5 m', '-5m', '1.5h', '5M', '5m!', 'one hour'])('%j is none', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it('that is put together from its parts is their sum', () => {
    fc.assert(
      fc.property(fc.nat(99), fc.nat(99), fc.nat(99), (h, m, s) => {
        expect(parseDuration(`${h}h${m}m${s}s`)).toBe(h * 3_600_000 + m * 60_000 + s * 1_000);
      }),
    );
  });
});

describe('a duration in words', () => {
  it.each([
    [0, '0 ms'],
    [250, '250 ms'],
    [1_000, '1 s'],
    [90_000, '1 min 30 s'],
    [3_600_000, '1 h'],
    [5_400_000, '1 h 30 min'],
    [86_400_000 * 2 + 3_600_000 * 5 + 61_000, '2 d 5 h'],
    [3_601_000, '1 h 1 s'],
  ])('%i ms is %j', (ms, words) => {
    expect(inWords(ms)).toBe(words);
  });

  it('is never empty', () => {
    fc.assert(
      fc.property(fc.nat(2_000_000_000), (ms) => {
        expect(inWords(ms)).toMatch(/^\d+ (ms|s|min|h|d)( \d+ (s|min|h))?$/);
      }),
    );
  });
});
