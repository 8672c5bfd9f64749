/** How long a provider wants to be left alone, out of the one header all of them share. */
import { describe, expect, it } from 'vitest';
import { fromStatus, retryAfter } from '../../src/channels/channel.ts';

const NOW = new Date('2026-01-15T14:32:02.500Z');
const DAY_MS = 24 * 3_600_000;

describe('Retry-After', () => {
  it.each<[string, string | null, number | undefined]>([
    ['seconds', '7', 7_000],
    ['none to wait', '0', 0],
    ['seconds with blanks around them', ' 7 ', 7_000],
    ['a part of a second, as Discord has it', '0.349', 349],
    ['a part of a millisecond, which is waited for whole', '0.0001', 1],
    ['a day to the second', '86400', DAY_MS],
    ['more than a day, which nobody is believed', '86401', DAY_MS],
    ['more than there are numbers', '9'.repeat(400), DAY_MS],
    ['a number in words of science', '1e9', undefined],
    ['an HTTP date, from now on', 'Thu, 15 Jan 2026 14:33:02 GMT', 59_500],
    ['an old form of date (RFC 9110 section 5.6.7)', 'Thursday, 15-Jan-26 14:33:02 GMT', 59_500],
    ['a date as RFC 3339 has it', '2026-01-15T14:33:02Z', 59_500],
    ['a day that is none', 'Thu, 45 Foo 2026 14:33:02 GMT', undefined],
    ['this very second', 'Thu, 15 Jan 2026 14:32:02 GMT', 0],
    ['a date that has passed', 'Wed, 14 Jan 2026 14:32:02 GMT', 0],
    ['a date far ahead', 'Fri, 15 Jan 2100 14:32:02 GMT', DAY_MS],
    ['seconds below zero', '-5', undefined],
    ['a sign', '+5', undefined],
    ['garbage', 'soon', undefined],
    ['a unit', '7s', undefined],
    ['two values, as a proxy joins them', '5, 10', undefined],
    ['nothing', '', undefined],
    ['blanks', '  ', undefined],
    ['no such header', null, undefined],
  ])('%s: %j is %j ms', (_words, value, ms) => {
    expect(retryAfter(value, NOW)).toBe(ms);
  });

  it('stands in the outcome of each status that is asked again, and of no other', () => {
    const headers = new Headers({ 'retry-after': '7' });
    for (const status of [429, 500, 503, 504])
      expect(fromStatus(status, headers, NOW)).toHaveProperty('after_ms', 7_000);
    for (const status of [200, 301, 400, 403, 404])
      expect(fromStatus(status, headers, NOW)).not.toHaveProperty('after_ms');
    expect(fromStatus(429, new Headers({ 'retry-after': 'soon' }), NOW)).not.toHaveProperty('after_ms');
  });
});
