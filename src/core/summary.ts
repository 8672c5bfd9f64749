/** The day in numbers: which hours belong to a date, and what the page and the short form say. */
import { type Labels, SEVERITIES } from './event.ts';
import { inWords } from './time.ts';

export interface Totals {
  /** The 24 hours it covers, ISO 8601. */
  from: string;
  to: string;
  events: number;
  incidents: number;
  by_severity: Record<string, number>;
  by_service: Record<string, number>;
  open: number;
  acknowledged: number;
  resolved: number;
  dead: number;
  delivered: number;
  /** Mean over the incidents of the day, in milliseconds. */
  mean_to_ack_ms?: number;
  mean_to_resolve_ms?: number;
  /** The last value of each label that the summary asks for. */
  facts: Labels;
}

/** The offset of a zone at an instant, in milliseconds east of UTC. */
function offsetAt(instant: number, timezone: string): number {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone: timezone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(instant);
  const part = (type: string): number => Number(parts.find((one) => one.type === type)?.value);
  const wall = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
  return wall - Math.floor(instant / 1_000) * 1_000;
}

/** The instant of a wall clock time in a zone; one that a change of clocks skips is read with the offset before it. */
export function instantOf(date: string, time: string, timezone: string): number {
  const wall = Date.parse(`${date}T${time.padStart(5, '0')}:00Z`);
  const guess = wall - offsetAt(wall, timezone);
  const instant = wall - offsetAt(guess, timezone);
  // In the hour that is skipped the two offsets never agree: the later instant is the one with the offset before.
  return offsetAt(instant, timezone) === offsetAt(guess, timezone) ? instant : Math.max(guess, instant);
}

/** The date on the calendar of a zone, YYYY-MM-DD. */
export const dateIn = (instant: number, timezone: string): string =>
  new Date(instant + offsetAt(instant, timezone)).toISOString().slice(0, 10);

/** What a date's page covers: the 24 hours up to `at` on that date, so that no event falls between two pages. */
export function windowOf(date: string, at: string, timezone: string): { from: number; to: number } {
  const dayBefore = new Date(Date.parse(`${date}T00:00:00Z`) - 86_400_000).toISOString().slice(0, 10);
  return { from: instantOf(dayBefore, at, timezone), to: instantOf(date, at, timezone) };
}

/** The date whose page a schedule that fired at `instant` writes. */
export const dateOfRun = (instant: number, timezone: string): string => dateIn(instant, timezone);

const counted = (counts: Record<string, number>, order?: readonly string[]): string[] => {
  const names = order
    ? order.filter((name) => counts[name])
    : Object.keys(counts).sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0));
  return names.map((name) => `${name}: ${counts[name]}`);
};

/** The sections of the page. */
export function sectionsOf(totals: Totals): { heading: string; lines: string[] }[] {
  const facts = Object.entries(totals.facts).map(([name, value]) => `${name}: ${value}`);
  const times = [
    ...(totals.mean_to_ack_ms === undefined ? [] : [`acknowledged after ${inWords(totals.mean_to_ack_ms)} on average`]),
    ...(totals.mean_to_resolve_ms === undefined
      ? []
      : [`resolved after ${inWords(totals.mean_to_resolve_ms)} on average`]),
  ];
  return [
    ...(facts.length > 0 ? [{ heading: 'Facts', lines: facts }] : []),
    {
      heading: 'Incidents',
      lines: [
        `${totals.incidents} opened by ${totals.events} events between ${totals.from} and ${totals.to}`,
        `${totals.open} open, ${totals.acknowledged} acknowledged, ${totals.resolved} resolved at the end`,
        ...times,
      ],
    },
    ...(totals.incidents > 0 ? [{ heading: 'By severity', lines: counted(totals.by_severity, SEVERITIES) }] : []),
    ...(totals.incidents > 0 ? [{ heading: 'By service', lines: counted(totals.by_service) }] : []),
    { heading: 'Deliveries', lines: [`${totals.delivered} delivered, ${totals.dead} dead`] },
  ];
}

/** The day in a few lines, for a channel. */
export const shortForm = (totals: Totals): string[] =>
  sectionsOf(totals).flatMap(({ heading, lines }) => [`${heading}: ${lines.join('; ')}`]);
