import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { alertmanagerYamlOf } from '../../../src/config/alertmanager/export.ts';
import { importAlertmanager } from '../../../src/config/alertmanager/import.ts';
import { fromText, REGISTRY } from '../../../src/config/load.ts';
import { isWithin } from '../../../src/core/interval.ts';
import type { Routing } from '../../../src/core/route.ts';

const load = (text: string): Routing => fromText(text, 'tocsin.yaml', {}, REGISTRY).routing;
const muteOf = (routing: Routing) => routing.routes[0]?.mute ?? [];

const clock = fc
  .integer({ min: 0, max: 1439 })
  .map((minute) => `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`);
const times = fc
  .tuple(clock, fc.oneof(clock, fc.constant('24:00')))
  .filter(([from, to]) => from !== to)
  .map((pair) => pair.join('-'));
const weekday = fc.constantFrom('sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat');
const weekdays = fc.tuple(weekday, weekday).map((pair) => pair.join('-'));
const month = fc.integer({ min: 1, max: 12 });
const some = <T>(one: fc.Arbitrary<T>) => fc.array(one, { minLength: 1, maxLength: 2 });
const timezone = fc.constantFrom('UTC', 'Asia/Seoul', 'America/St_Johns');
/** Whatever crosses midnight has weekdays alone: by days of a month Alertmanager cannot say it. */
const interval = fc.oneof(
  fc.record({ timezone, weekdays: some(weekdays), times: some(times) }, { requiredKeys: [] }),
  fc.record(
    {
      timezone,
      weekdays: some(weekdays),
      days_of_month: some(fc.constantFrom('1', '1-7', '-3--1', '15-31', '20--2', '-1')),
      months: some(fc.tuple(month, month).map((pair) => pair.join('-'))),
      times: some(times.filter((text) => text.slice(0, 5) < text.slice(6))),
    },
    { requiredKeys: [] },
  ),
  fc.record(
    {
      timezone,
      dates: some(fc.constantFrom('2026-12-25', '2027-02-28', '2028-02-29')),
      months: fc.constantFrom(['12'], ['nov-mar']),
      times: some(times.filter((text) => text.slice(0, 5) < text.slice(6))),
    },
    { requiredKeys: ['dates'] },
  ),
);
const moment = fc.date({ min: new Date('2026-11-01T00:00Z'), max: new Date('2028-03-31T00:00Z'), noInvalidDate: true });

describe('a time interval', () => {
  it('that goes to Alertmanager and comes back holds at the same times', () => {
    fc.assert(
      fc.property(interval, fc.array(moment, { minLength: 50, maxLength: 50 }), (written, moments) => {
        const ours = load(JSON.stringify({ time_intervals: { it: written }, routes: [{ mute: ['it'] }] }));
        const back = load(importAlertmanager(alertmanagerYamlOf(ours), 'alertmanager.yml').yaml);
        for (const now of moments) {
          const holds = (routing: Routing): boolean => muteOf(routing).some((one) => isWithin(one, now));
          expect(holds(back), now.toISOString()).toBe(holds(ours));
        }
      }),
      { numRuns: 40 },
    );
  });

  it('of certain years becomes its days, and is left out where they are too many', () => {
    const imported = (entry: object) =>
      importAlertmanager(
        stringify({
          route: { receiver: 'a', routes: [{ mute_time_intervals: ['it'] }] },
          receivers: [{ name: 'a' }],
          time_intervals: [{ name: 'it', time_intervals: [entry] }],
        }),
        'alertmanager.yml',
      );
    const christmas = imported({
      years: ['2026:2027'],
      months: ['december'],
      days_of_month: ['25'],
      location: 'Asia/Seoul',
    });
    expect(muteOf(load(christmas.yaml))).toMatchObject([
      { timezone: 'Asia/Seoul', dates: ['2026-12-25', '2027-12-25'] },
    ]);
    const always = imported({ years: ['2026:2030'] });
    expect(muteOf(load(always.yaml))).toEqual([]);
    expect(always.notes).toContainEqual(expect.stringMatching(/^time interval "it", entry 0: left out: .*400 days/));
  });
});
