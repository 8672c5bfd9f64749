import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Interval,
  isWithin,
  parseDate,
  parseDaysOfMonth,
  parseMonths,
  parseTimes,
  parseTimezone,
  parseWeekdays,
} from '../../src/core/interval.ts';

const at = (iso: string) => new Date(iso);
const interval = (parts: Partial<Interval>): Interval => ({ name: 'test', timezone: 'UTC', ...parts });

describe('isWithin', () => {
  const krx = interval({
    timezone: 'Asia/Seoul',
    weekdays: [parseWeekdays('mon-fri')],
    times: [parseTimes('08:30-17:00')],
  });

  it.each([
    ['2026-11-19T23:29:59Z', false, 'a second before it opens'],
    ['2026-11-19T23:30:00Z', true, 'the opening of Friday in Seoul, still Thursday in UTC'],
    ['2026-11-20T07:59:59Z', true, 'the last second'],
    ['2026-11-20T08:00:00Z', false, 'the end, which is exclusive'],
    ['2026-11-21T03:00:00Z', false, 'Saturday'],
  ])('at %s is %s: %s', (now, expected) => {
    expect(isWithin(krx, at(now))).toBe(expected);
  });

  it('gives a night to the day it began', () => {
    const night = interval({ weekdays: [parseWeekdays('fri')], times: [parseTimes('22:00-06:00')] });
    expect(isWithin(night, at('2026-11-20T22:00:00Z'))).toBe(true); // Friday
    expect(isWithin(night, at('2026-11-21T05:59:00Z'))).toBe(true); // Saturday morning
    expect(isWithin(night, at('2026-11-21T06:00:00Z'))).toBe(false);
    expect(isWithin(night, at('2026-11-20T05:00:00Z'))).toBe(false); // Friday morning belongs to Thursday
    expect(isWithin(night, at('2026-11-21T23:00:00Z'))).toBe(false);
  });

  it('follows the wall clock when it is set forward and back', () => {
    const office = interval({ timezone: 'Europe/Berlin', times: [parseTimes('09:00-10:00')] });
    expect(isWithin(office, at('2026-03-28T08:30:00Z'))).toBe(true); // CET
    expect(isWithin(office, at('2026-03-29T07:30:00Z'))).toBe(true); // CEST
    expect(isWithin(office, at('2026-03-29T08:30:00Z'))).toBe(false);
    const repeated = interval({ timezone: 'Europe/Berlin', times: [parseTimes('02:00-03:00')] });
    expect(isWithin(repeated, at('2026-10-25T00:30:00Z'))).toBe(true); // 02:30 CEST
    expect(isWithin(repeated, at('2026-10-25T01:30:00Z'))).toBe(true); // 02:30 CET, once more
    expect(isWithin(repeated, at('2026-03-29T01:30:00Z'))).toBe(false); // 03:30: that hour does not exist
  });

  it('counts days of the month from the end as well', () => {
    const last = interval({ days_of_month: [parseDaysOfMonth('-1')] });
    expect(isWithin(last, at('2028-02-29T12:00:00Z'))).toBe(true);
    expect(isWithin(last, at('2028-02-28T12:00:00Z'))).toBe(false);
    expect(isWithin(interval({ days_of_month: [parseDaysOfMonth('-3--1')] }), at('2026-11-28T00:00:00Z'))).toBe(true);
  });

  it('goes round the year, and knows single dates', () => {
    const winter = interval({ months: [parseMonths('nov-feb')] });
    expect([1, 2, 3, 10, 11, 12].map((month) => isWithin(winter, new Date(Date.UTC(2026, month - 1, 10))))).toEqual([
      true,
      true,
      false,
      false,
      true,
      true,
    ]);
    const holiday = interval({ timezone: 'Asia/Seoul', dates: [parseDate('2026-12-25')] });
    expect(isWithin(holiday, at('2026-12-24T15:00:00Z'))).toBe(true);
    expect(isWithin(holiday, at('2026-12-25T15:00:00Z'))).toBe(false);
  });

  it('divides every moment between a time range and the range of the rest', () => {
    const minute = fc.integer({ min: 0, max: 1439 });
    fc.assert(
      fc.property(
        minute,
        minute,
        fc.date({ min: at('2000-01-01T00:00:00Z'), max: at('2040-01-01T00:00:00Z'), noInvalidDate: true }),
        (from, to, now) => {
          fc.pre(from !== to);
          const inside = isWithin(interval({ timezone: 'America/New_York', times: [{ from, to }] }), now);
          const outside = isWithin(interval({ timezone: 'America/New_York', times: [{ from: to, to: from }] }), now);
          expect(inside).toBe(!outside);
        },
      ),
    );
  });
});

describe('the written form', () => {
  it('is read into numbers', () => {
    expect(parseWeekdays('Mon-FRI')).toEqual({ from: 1, to: 5 });
    expect(parseWeekdays('saturday')).toEqual({ from: 6, to: 6 });
    expect(parseMonths('6-8')).toEqual({ from: 6, to: 8 });
    expect(parseTimes('00:00-24:00')).toEqual({ from: 0, to: 1440 });
    expect(parseDaysOfMonth('1--1')).toEqual({ from: 1, to: -1 });
    expect(parseTimezone('Asia/Seoul')).toBe('Asia/Seoul');
  });

  it.each([
    [parseWeekdays, 'mo-fr', /such as mon-fri/],
    [parseWeekdays, 'mon-tue-wed', /such as mon-fri/],
    [parseMonths, '0-13', /such as dec/],
    [parseTimes, '8:30', /such as 08:30-17:00/],
    [parseTimes, '08:00-08:00', /such as 08:30-17:00/],
    [parseTimes, '08:60-25:00', /such as 08:30-17:00/],
    [parseDaysOfMonth, '0', /-1 is the last day/],
    [parseDaysOfMonth, '7-1', /-1 is the last day/],
    [parseDate, '2026-02-30', /a date that exists/],
    [parseTimezone, 'Mars/One', /a time zone such as Asia\/Seoul/],
  ])('%o refuses %s and says what would be right', (parse, text, problem) => {
    expect(() => (parse as (text: string) => unknown)(text)).toThrow(problem);
  });
});
