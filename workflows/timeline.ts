/** What an engineer reads in the Temporal UI under "current details": the last things that happened, without a title or a name. */
import { setCurrentDetails } from '@temporalio/workflow';
import type { Batch, Incident, Outgoing } from '../src/core/incident.ts';
import { REASONS } from '../src/core/notice.ts';
import type { Ended } from '../src/core/rounds.ts';
import type { Telling } from '../src/core/telling.ts';

/** Lines kept; the whole story is in the ledger. */
const LINES_MAX = 40;

export function createTimeline() {
  const lines: string[] = [];
  const note = (line: string): void => {
    lines.push(`- ${new Date().toISOString()} ${line}`);
    if (lines.length > LINES_MAX) lines.shift();
  };
  return {
    note,
    batch: ({ number, rows, more }: Batch): void =>
      note(`batch ${number}: ${countsOf(rows.map(({ kind }) => kind))}${more > 0 ? ` and ${more} more` : ''}`),
    told: ({ reason, targets, level }: Telling): void =>
      note(
        `${reason}${level === undefined ? '' : ` (level ${level})`}: ${targets.join(', ') || 'nobody'} ${REASONS[reason]}`,
      ),
    ended: (target: string, { reason }: Outgoing, ended: Ended): void =>
      note(
        `${target}: ${reason} ${ended.outcome === 'failed' ? (ended.dead ? 'is dead' : 'failed, another round follows') : ended.outcome}`,
      ),
    show({ status, worst, firing, alerts, targets }: Incident): void {
      const waiting = Object.entries(targets).flatMap(([name, { current }]) =>
        current ? [`${name} (${current.reason})`] : [],
      );
      const head = `**${status}**, worst ${worst ?? 'none'}, ${firing} firing, ${alerts} in all${waiting.length ? `, on the way: ${waiting.join(', ')}` : ''}`;
      setCurrentDetails([head, '', ...lines].join('\n'));
    },
  };
}

function countsOf(kinds: string[]): string {
  const counts = new Map<string, number>();
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ');
}
