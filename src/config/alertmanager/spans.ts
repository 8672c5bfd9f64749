/** Our time intervals as Alertmanager writes them: what crosses midnight becomes two, each date one of its own. */
import { type Interval, isWithin, type Range } from '../../core/interval.ts';

/** One entry of `time_intervals[].time_intervals`: https://prometheus.io/docs/alerting/latest/configuration/#time_interval */
export interface Span {
  times?: { start_time: string; end_time: string }[];
  weekdays?: string[];
  days_of_month?: string[];
  months?: string[];
  years?: string[];
  location: string;
}

const DAY = 24 * 60;
const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

/**
 * The entries that together hold when the interval does. One difference is left: where a time crosses midnight and the days
 * are given by month or by date, the hours after midnight are those of the same days, not of the days after.
 */
export function spansOf(interval: Interval): Span[] {
  const { times } = interval;
  if (times === undefined) return datesOf(interval, 0, undefined);
  const within = times.filter(({ from, to }) => from < to);
  const crossing = times.filter(({ from, to }) => from > to);
  const evenings = crossing.map(({ from }) => ({ from, to: DAY }));
  const mornings = crossing.filter(({ to }) => to > 0).map(({ to }) => ({ from: 0, to }));
  return [[...within, ...evenings] as const, mornings].flatMap((ranges, later) =>
    ranges.length > 0 ? datesOf(interval, later, ranges) : [],
  );
}

function datesOf(interval: Interval, later: number, times: readonly Range[] | undefined): Span[] {
  const { timezone, dates, weekdays, days_of_month, months } = interval;
  const clock = times === undefined ? {} : { times: times.map(timesOf) };
  if (dates !== undefined) {
    const { times: _, dates: __, ...days } = interval;
    const holds = (date: string): boolean => isWithin({ ...days, timezone: 'UTC' }, new Date(`${date}T12:00:00Z`));
    return dates.filter(holds).map((date) => {
      const [year = '', month = '', day = ''] = date.split('-');
      return {
        ...clock,
        days_of_month: [String(Number(day))],
        months: [String(Number(month))],
        years: [year],
        location: timezone,
      };
    });
  }
  const span: Span = { ...clock, location: timezone };
  if (weekdays) span.weekdays = weekdays.flatMap((range) => weekdaysOf(range, later));
  if (days_of_month) span.days_of_month = days_of_month.map(textOf);
  if (months) span.months = months.flatMap((range) => inOrder(range, 1, 12).map(textOf));
  return [span];
}

const textOf = ({ from, to }: Range): string => (from === to ? String(from) : `${from}:${to}`);
const timeOf = (minute: number): string =>
  [Math.floor(minute / 60), minute % 60].map((part) => String(part).padStart(2, '0')).join(':');
const timesOf = ({ from, to }: Range) => ({ start_time: timeOf(from), end_time: timeOf(to) });

/** Alertmanager takes no range that goes round: `sat-mon` is two. */
const inOrder = ({ from, to }: Range, first: number, last: number): Range[] =>
  from <= to
    ? [{ from, to }]
    : [
        { from, to: last },
        { from: first, to },
      ];

function weekdaysOf({ from, to }: Range, later: number): string[] {
  const isWeek = from <= to ? to - from === 6 : from - to === 1;
  const moved = isWeek ? { from: 0, to: 6 } : { from: (from + later) % 7, to: (to + later) % 7 };
  return inOrder(moved, 0, 6).map(({ from: first, to: last }) =>
    first === last ? `${WEEKDAYS[first]}` : `${WEEKDAYS[first]}:${WEEKDAYS[last]}`,
  );
}
