/** Time intervals (`mon-fri`, `08:30-17:00` in Asia/Seoul): how they are written, and whether now is within one. */

export interface Range {
  from: number;
  to: number;
}

/** Every part that is given must hold; a part that is absent holds always. All by the wall clock of `timezone`. */
export interface Interval {
  name: string;
  /** IANA name. */
  timezone: string;
  /** 0 is Sunday; both ends belong to it; `from` after `to` goes round the weekend (`sat-mon`). */
  weekdays?: Range[];
  /** Minutes of the day, the end exclusive; `from` after `to` crosses midnight and belongs to the day it began. */
  times?: Range[];
  /** 1 … 31, or -1 for the last day … -31; both ends belong to it. */
  days_of_month?: Range[];
  /** 1 … 12; both ends belong to it; `from` after `to` goes round the year (`nov-feb`). */
  months?: Range[];
  /** `2026-12-25`. */
  dates?: string[];
}

interface Day {
  year: number;
  month: number;
  day: number;
}

/**
 * Whether `now` lies within the interval, by the wall clock of its zone: what a clock change skips or repeats counts
 * as the clock shows it. A time that crosses midnight is judged by the day it began: `fri 22:00-06:00` lasts into Saturday.
 */
export function isWithin(interval: Interval, now: Date): boolean {
  const { minute, ...today } = wallClock(interval.timezone, now);
  if (interval.times === undefined) return isDayOf(interval, today);
  return interval.times.some(({ from, to }) => {
    if (from < to) return minute >= from && minute < to && isDayOf(interval, today);
    if (minute >= from) return isDayOf(interval, today);
    return minute < to && isDayOf(interval, dayBefore(today));
  });
}

function isDayOf({ weekdays, days_of_month, months, dates }: Interval, { year, month, day }: Day): boolean {
  const weekday = new Date(Date.UTC(year, month - 1, day)).getUTCDay();
  const length = new Date(Date.UTC(year, month, 0)).getUTCDate();
  return (
    (weekdays === undefined || weekdays.some((range) => isInRound(range, weekday))) &&
    (months === undefined || months.some((range) => isInRound(range, month))) &&
    (days_of_month === undefined ||
      days_of_month.some(({ from, to }) => day >= fromStart(from, length) && day <= fromStart(to, length))) &&
    (dates === undefined || dates.includes(`${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`))
  );
}

const isInRound = ({ from, to }: Range, value: number): boolean =>
  from <= to ? value >= from && value <= to : value >= from || value <= to;

const fromStart = (day: number, length: number): number => (day < 0 ? length + 1 + day : day);
const pad = (value: number, width: number): string => String(value).padStart(width, '0');

function dayBefore({ year, month, day }: Day): Day {
  const before = new Date(Date.UTC(year, month - 1, day - 1));
  return { year: before.getUTCFullYear(), month: before.getUTCMonth() + 1, day: before.getUTCDate() };
}

/** Building a formatter costs some 50 µs and reading one 2: there are only as many as zones in the configuration. */
const formatters = new Map<string, Intl.DateTimeFormat>();

function formatterOf(timezone: string): Intl.DateTimeFormat {
  let formatter = formatters.get(timezone);
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat('en-US', {
      timeZone: timezone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    });
    formatters.set(timezone, formatter);
  }
  return formatter;
}

function wallClock(timezone: string, now: Date): Day & { minute: number } {
  const read: Partial<Record<string, number>> = {};
  for (const { type, value } of formatterOf(timezone).formatToParts(now)) read[type] = Number(value);
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0 } = read;
  return { year, month, day, minute: hour * 60 + minute };
}

const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const;
const MONTHS = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
] as const;

/** `mon-fri`, `saturday`. Throws an Error that says what would be right. */
export function parseWeekdays(text: string): Range {
  return parseNames(text, WEEKDAYS, 0, 'a weekday or a range of weekdays such as mon-fri or saturday');
}

/** `dec`, `nov-feb`, `6-8`. Throws an Error that says what would be right. */
export function parseMonths(text: string): Range {
  const right = 'a month or a range of months such as dec, nov-feb or 6-8';
  const [, from, , to = from] = /^\s*(\d+)(\s*-\s*(\d+))?\s*$/.exec(text) ?? [];
  if (from === undefined) return parseNames(text, MONTHS, 1, right);
  const range = { from: Number(from), to: Number(to) };
  if (range.from < 1 || range.from > 12 || range.to < 1 || range.to > 12) throw wrong(text, right);
  return range;
}

/** `08:30-17:00` in minutes of the day; `22:00-06:00` crosses midnight, `24:00` is a day's end. Throws like the others. */
export function parseTimes(text: string): Range {
  const right = 'a range of times such as 08:30-17:00 (the end exclusive; 22:00-06:00 crosses midnight)';
  const [, from, to] = /^\s*(\d{1,2}:\d{2})\s*-\s*(\d{1,2}:\d{2})\s*$/.exec(text) ?? [];
  const range = { from: parseTime(from ?? ''), to: parseTime(to ?? '') };
  if (range.from === undefined || range.to === undefined || range.from === 1440 || range.from === range.to) {
    throw wrong(text, right);
  }
  return { from: range.from, to: range.to };
}

/** Minutes of the day of `18:00`; undefined where the text is no time. `24:00` is 1440. */
export function parseTime(text: string): number | undefined {
  const [, hours, minutes] = /^(\d{1,2}):(\d{2})$/.exec(text.trim()) ?? [];
  const total = Number(hours) * 60 + Number(minutes);
  return Number(minutes) < 60 && total <= 1440 ? total : undefined;
}

/** `1`, `1-7`, `-3--1` or `-1` (the last day of the month). Throws an Error that says what would be right. */
export function parseDaysOfMonth(text: string): Range {
  const right = 'a day of the month or a range such as 1-7, 15 or -3--1 (-1 is the last day)';
  const [, from, , to = from] = /^\s*(-?\d{1,2})(\s*-\s*(-?\d{1,2}))?\s*$/.exec(text) ?? [];
  const range = { from: Number(from), to: Number(to) };
  const isDay = (day: number) => day !== 0 && Math.abs(day) <= 31;
  const isBackwards = range.from < 0 === range.to < 0 ? range.from > range.to : range.from < 0;
  if (!isDay(range.from) || !isDay(range.to) || Number.isNaN(range.from) || isBackwards) throw wrong(text, right);
  return range;
}

/** `2026-12-25`, a day that exists. Throws an Error that says what would be right. */
export function parseDate(text: string): string {
  const date = new Date(`${text.trim()}T00:00:00Z`);
  if (Number.isNaN(date.getTime()) || date.toISOString().slice(0, 10) !== text.trim()) {
    throw wrong(text, 'a date that exists, such as 2026-12-25');
  }
  return text.trim();
}

/** An IANA zone this Node knows. Throws an Error that says what would be right. */
export function parseTimezone(text: string): string {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: text }).resolvedOptions().timeZone && text;
  } catch {
    throw wrong(text, 'a time zone such as Asia/Seoul, Europe/Berlin or UTC');
  }
}

function parseNames(text: string, names: readonly string[], first: number, right: string): Range {
  const [from = '', to = from, ...more] = text
    .toLowerCase()
    .split('-')
    .map((word) => word.trim());
  const numberOf = (word: string) =>
    word.length < 3 ? -1 : names.findIndex((name) => name === word || name.slice(0, 3) === word);
  const range = { from: numberOf(from), to: numberOf(to) };
  if (more.length > 0 || range.from < 0 || range.to < 0) throw wrong(text, right);
  return { from: range.from + first, to: range.to + first };
}

const wrong = (found: string, right: string): Error => new Error(`${JSON.stringify(found)} is not ${right}`);
