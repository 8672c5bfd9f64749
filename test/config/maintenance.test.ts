/** Maintenance windows in the configuration: what may be written, and what is held back by it. */
import { describe, expect, it } from 'vitest';
import { fromText } from '../../src/config/load.ts';
import { decide } from '../../src/core/route.ts';
import { event } from '../support/ledger.ts';

const registry = { channels: [], writers: [], sources: [] };
const load = (maintenance: string) =>
  fromText(
    `time_intervals: { nights: { timezone: Asia/Seoul, times: ['22:00-06:00'] } }\nmaintenance: ${maintenance}\n`,
    'the tests',
    {},
    registry,
  );

describe('a maintenance window of the file', () => {
  it('holds back what it matches while its interval is on', () => {
    const { routing } = load(
      `[ { name: backup, match: [ 'service=~"db.*"' ], during: nights, reason: backups, by: ops } ]`,
    );
    const of = (service: string, time: string) =>
      decide(event({ service }), routing, [], new Date(time)).routes.map(({ outcome, why }) => [outcome, why]);
    expect(of('db-1', '2026-11-20T13:00:00Z')).toEqual([
      ['silenced', 'maintenance backup by ops during nights (Asia/Seoul): backups'],
    ]);
    expect(of('db-1', '2026-11-20T12:59:00Z')).toMatchObject([['join', expect.any(String)]]);
    expect(of('web', '2026-11-20T13:00:00Z')).toMatchObject([['join', expect.any(String)]]);
  });

  it.each([
    [`[ { name: a, match: [ 'service="db"' ], during: days } ]`, /maintenance\[0\]\.during.*days/],
    [`[ { name: a, match: [ 'service="db"' ], during: [] } ]`, /must name a time interval/],
    [`[ { name: a, match: [], during: nights } ]`, /must have a matcher/],
    [`[ { match: [ 'service="db"' ], during: nights } ]`, /maintenance\[0\]\.name/],
    [
      `[ { name: a, match: [ 'service="db"' ], during: nights }, { name: a, match: [ 'service="web"' ], during: nights } ]`,
      /names are unique/,
    ],
  ])('%s is refused, with what is wrong', (written, problem) => {
    expect(() => load(written)).toThrow(problem);
  });
});
