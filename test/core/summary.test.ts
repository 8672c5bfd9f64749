import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dateIn, dateOfRun, instantOf, sectionsOf, shortForm, type Totals, windowOf } from '../../src/core/summary.ts';
import { DAY, HOUR } from '../support/policies.ts';

const at = (instant: number): string => new Date(instant).toISOString();

describe('the time of a wall clock', () => {
  it('is read in its zone', () => {
    expect(at(instantOf('2026-01-15', '18:00', 'Asia/Seoul'))).toBe('2026-01-15T09:00:00.000Z');
    expect(at(instantOf('2026-01-15', '9:30', 'UTC'))).toBe('2026-01-15T09:30:00.000Z');
    expect(at(instantOf('2026-07-15', '18:00', 'America/New_York'))).toBe('2026-07-15T22:00:00.000Z');
  });

  it('that a change of clocks skips is read with the offset before it', () => {
    expect(at(instantOf('2026-03-08', '02:30', 'America/New_York'))).toBe('2026-03-08T07:30:00.000Z');
    expect(at(instantOf('2026-03-29', '02:30', 'Europe/Berlin'))).toBe('2026-03-29T01:30:00.000Z');
  });

  it('around a change of clocks is exact an hour before and after', () => {
    expect(at(instantOf('2026-03-08', '01:30', 'America/New_York'))).toBe('2026-03-08T06:30:00.000Z');
    expect(at(instantOf('2026-03-08', '03:30', 'America/New_York'))).toBe('2026-03-08T07:30:00.000Z');
  });
});

describe('the page of a date', () => {
  it('covers the 24 hours up to its time, by the calendar of its zone', () => {
    const { from, to } = windowOf('2026-01-15', '18:00', 'Asia/Seoul');
    expect([at(from), at(to)]).toEqual(['2026-01-14T09:00:00.000Z', '2026-01-15T09:00:00.000Z']);
  });

  it('covers 23 and 25 hours when the clocks change', () => {
    const hours = (date: string): number => {
      const { from, to } = windowOf(date, '18:00', 'Europe/Berlin');
      return (to - from) / HOUR;
    };
    expect([hours('2026-03-29'), hours('2026-10-25'), hours('2026-03-30')]).toEqual([23, 25, 24]);
  });

  it('ends where the next one begins, so that no event falls between two', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 900 }),
        fc.constantFrom('Asia/Seoul', 'Europe/Berlin', 'America/New_York', 'Pacific/Apia', 'UTC'),
        fc.constantFrom('00:00', '02:30', '18:00'),
        (day, zone, time) => {
          const date = (offset: number): string => at(Date.UTC(2026, 0, 1) + (day + offset) * DAY).slice(0, 10);
          expect(windowOf(date(0), time, zone).to).toBe(windowOf(date(1), time, zone).from);
        },
      ),
    );
  });

  it('is the one of the day on which the schedule fired, in its zone', () => {
    expect(dateOfRun(Date.parse('2026-01-15T09:00:00Z'), 'Asia/Seoul')).toBe('2026-01-15');
    expect(dateIn(Date.parse('2026-01-15T16:00:00Z'), 'Asia/Seoul')).toBe('2026-01-16');
    expect(dateIn(Date.parse('2026-01-15T02:00:00Z'), 'America/New_York')).toBe('2026-01-14');
  });
});

const totals = (given: Partial<Totals> = {}): Totals => ({
  from: '2026-01-14T09:00:00.000Z',
  to: '2026-01-15T09:00:00.000Z',
  events: 12,
  incidents: 3,
  by_severity: { info: 1, critical: 2 },
  by_service: { till: 1, shop: 2 },
  open: 1,
  acknowledged: 1,
  resolved: 1,
  dead: 0,
  delivered: 5,
  facts: {},
  ...given,
});

describe('the sections', () => {
  it('name severities from the worst and services from the most', () => {
    const lines = Object.fromEntries(sectionsOf(totals()).map((section) => [section.heading, section.lines]));
    expect(lines['By severity']).toEqual(['critical: 2', 'info: 1']);
    expect(lines['By service']).toEqual(['shop: 2', 'till: 1']);
  });

  it('of a quiet day leave out what there is none of', () => {
    expect(sectionsOf(totals({ incidents: 0, by_severity: {}, by_service: {} })).map(({ heading }) => heading)).toEqual(
      ['Incidents', 'Deliveries'],
    );
  });

  it('begin with the facts asked for, and say how long answers took', () => {
    const sections = sectionsOf(
      totals({ facts: { pnl: '12.5' }, mean_to_ack_ms: 90_000, mean_to_resolve_ms: 3_600_000 }),
    );
    expect(sections[0]).toEqual({ heading: 'Facts', lines: ['pnl: 12.5'] });
    expect(sections[1]?.lines.slice(2)).toEqual([
      'acknowledged after 1 min 30 s on average',
      'resolved after 1 h on average',
    ]);
  });

  it('in short are one line each', () => {
    expect(shortForm(totals())).toHaveLength(sectionsOf(totals()).length);
    for (const line of shortForm(totals())) expect(line).not.toContain('\n');
  });
});
