/** Alertmanager's time intervals as ours: https://prometheus.io/docs/alerting/latest/configuration/#time_interval */
import {
  type Interval,
  isWithin,
  parseDaysOfMonth,
  parseMonths,
  parseTimes,
  parseTimezone,
  parseWeekdays,
} from '../../core/interval.ts';
import { type Fields, fieldsOf } from './fields.ts';

export interface Intervals {
  /** The section `time_intervals` of tocsin.yaml. */
  written: Record<string, object>;
  /** Ours that together are one of Alertmanager's, by its name there. */
  named: Map<string, string[]>;
}

interface Told {
  note(text: string): void;
  problem(text: string): void;
  nameOf(name: string, taken: Iterable<string>): string;
}

/** Years have no place here but by their days: with more of them than these, nobody could read the file. */
const DATES_MAX = 400;

/** Every interval of the sections `mute_time_intervals` and `time_intervals`; each of several entries is one of ours. */
export function intervalsOf(root: Fields, told: Told): Intervals {
  const written = new Map<string, object>();
  const named = new Map<string, string[]>();
  for (const entry of [...root.list('mute_time_intervals'), ...root.list('time_intervals')]) {
    const fields = fieldsOf(entry);
    const name = fields.text('name') ?? '';
    if (named.has(name)) told.problem(`time_intervals: there are two of the name ${JSON.stringify(name)}`);
    const ours: string[] = [];
    fields.list('time_intervals').forEach((one, at) => {
      const place = `time interval ${JSON.stringify(name)}, entry ${at}`;
      try {
        const interval = intervalOf(fieldsOf(one), (text) => told.note(`${place}: ${text}`));
        if (interval === undefined) return;
        const own = told.nameOf(name, written.keys());
        written.set(own, interval);
        ours.push(own);
      } catch (error) {
        told.problem(`${place}: ${error instanceof Error ? error.message : String(error)}`);
      }
    });
    named.set(name, ours);
  }
  return { written: Object.fromEntries(written), named };
}

/** One entry; undefined where it has to be left out. Throws an Error that says what would be right. */
function intervalOf(fields: Fields, note: (text: string) => void): object | undefined {
  const ranges = (name: string): string[] => fields.list(name).map((text) => String(text).trim().replace(':', '-'));
  const checked = (name: string, parse: (text: string) => unknown): string[] | undefined => {
    if (!fields.has(name)) return undefined;
    const texts = ranges(name);
    for (const text of texts) parse(text);
    return texts.length > 0 ? texts : undefined;
  };
  const times = fields.list('times').map((one) => {
    const range = fieldsOf(one);
    const text = `${range.text('start_time') ?? ''}-${range.text('end_time') ?? ''}`;
    parseTimes(text);
    return text;
  });
  const zone = fields.text('location') ?? 'UTC';
  if (zone === 'Local') note('location Local is the zone of the machine; it is UTC now: write the zone that is meant');
  const timezone = zone === 'Local' ? 'UTC' : parseTimezone(zone);
  const weekdays = checked('weekdays', parseWeekdays);
  const days_of_month = checked('days_of_month', parseDaysOfMonth);
  const months = checked('months', parseMonths);
  const clock = { timezone, times: times.length > 0 ? times : undefined };
  if (!fields.has('years')) return { ...clock, weekdays, days_of_month, months };

  const days: Interval = { name: '', timezone: 'UTC' };
  if (weekdays) days.weekdays = weekdays.map(parseWeekdays);
  if (days_of_month) days.days_of_month = days_of_month.map(parseDaysOfMonth);
  if (months) days.months = months.map(parseMonths);
  const dates = datesOf(ranges('years'), days);
  if (dates !== undefined) return { ...clock, dates };
  note(
    `left out: it holds in certain years on more than ${DATES_MAX} days, and Tocsin knows no years. A route that has no other interval is told always now`,
  );
  return undefined;
}

/** Every date within the years that `days` holds on; undefined where there are too many. */
function datesOf(years: string[], days: Interval): string[] | undefined {
  const dates: string[] = [];
  for (const range of years) {
    const [, first, , last = first] = /^(\d{4})(-(\d{4}))?$/.exec(range) ?? [];
    if (first === undefined) throw new Error(`${JSON.stringify(range)} is not a year or a range such as 2026:2028`);
    for (
      const day = new Date(`${first}-01-01T12:00:00Z`);
      day.getUTCFullYear() <= Number(last);
      day.setUTCDate(day.getUTCDate() + 1)
    ) {
      if (!isWithin(days, day)) continue;
      if (dates.length >= DATES_MAX) return undefined;
      dates.push(day.toISOString().slice(0, 10));
    }
  }
  return dates;
}
