/** Maintenance windows of the configuration: which alerts nobody is told of during which time intervals. */
import type { Interval } from '../core/interval.ts';
import type { Silence } from '../core/silence.ts';
import { type Findings, listOf } from './check.ts';
import { unknownName } from './problems.ts';
import { MaintenanceEntry } from './schema.ts';

/** A window of the file was always there: only its intervals say when it is on. */
const ALWAYS = new Date(0);

export function maintenanceOf(value: unknown, intervals: ReadonlyMap<string, Interval>, findings: Findings): Silence[] {
  const names = new Set<string>();
  return listOf('maintenance', value, findings).flatMap((written, at): Silence[] => {
    const path = ['maintenance', at];
    const entry = findings.check(MaintenanceEntry, written, path);
    if (!entry) return [];
    const { name, match, during, reason, by } = entry;
    if (names.has(name)) findings.note([...path, 'name'], `there is another maintenance ${name}: names are unique`);
    names.add(name);
    if (match.every(({ op, test }) => op.startsWith('=') && test('')))
      findings.note([...path, 'match'], 'must have a matcher that an alert without the label does not meet');
    if (during.length === 0) findings.note([...path, 'during'], 'must name a time interval: without one it never ends');
    for (const interval of during) {
      if (!intervals.has(interval))
        findings.note([...path, 'during'], unknownName('time interval', interval, intervals.keys()));
    }
    return [
      {
        id: name,
        kind: 'maintenance',
        matchers: match.map(({ name: label, op, value: wanted, test }) => ({
          name: label,
          value: wanted,
          is_regex: op.endsWith('~'),
          is_equal: op.startsWith('='),
          test,
        })),
        starts_at: ALWAYS,
        during: during.flatMap((interval) => intervals.get(interval) ?? []),
        created_by: by,
        comment: reason,
        updated_at: ALWAYS,
      },
    ];
  });
}
