/** The route tree of an alertmanager.yml as ours: every setting is inherited there as here, but for time intervals. */
import { parseDuration } from '../../core/time.ts';
import { type Fields, fieldsOf } from './fields.ts';
import { type LabelName, type Match, matchesOf, matchText } from './matchers.ts';
import type { Receiver } from './receivers.ts';

interface Known {
  receivers: ReadonlyMap<string, Receiver>;
  /** Our intervals by the name of Alertmanager's that they are. */
  intervals: ReadonlyMap<string, string[]>;
  label: LabelName;
  problem(text: string): void;
}

/** A route as it is written into tocsin.yaml. */
type Written = Record<string, unknown>;

/** https://prometheus.io/docs/alerting/latest/configuration/#route: what holds where nothing is said. */
const DEFAULTS = { group_wait: '30s', group_interval: '5m', repeat_interval: '4h' } as const;
/** Alertmanager waits for group_wait however many alerts come; ours may be told sooner unless that is far away. */
export const GROUP_COUNT_NEVER = 1_000_000;

/** The sections `default` and `routes`. */
export function routingOf(root: Fields, known: Known): { fallback: Written; routes: Written[] } {
  if (!root.has('route')) {
    known.problem('route is missing: every alertmanager.yml has one');
    return { fallback: {}, routes: [] };
  }
  const route = root.within('route');
  if (matchesIn(route, 'route', known).length > 0) known.problem('route: the root must not have matchers');
  if (route.text('receiver') === undefined) known.problem('route: the root must name a receiver');
  const { tells, settings } = settingsOf(route, 'route', true, known);
  const fallback = {
    group_by: [],
    ...DEFAULTS,
    ...settings,
    group_count: GROUP_COUNT_NEVER,
    group_now: [],
  };
  return { fallback, routes: childrenOf(route, 'route', { tells, timed: [] }, known) };
}

/** What a child would take from its parent if it said nothing. */
interface Inherited {
  tells: boolean;
  /** The fields of time intervals that are set: Alertmanager does not hand them down. */
  timed: string[];
}

const childrenOf = (parent: Fields, place: string, inherited: Inherited, known: Known): Written[] =>
  parent.list('routes').map((child, at) => routeOf(fieldsOf(child), `${place}.routes[${at}]`, inherited, known));

function routeOf(fields: Fields, place: string, inherited: Inherited, known: Known): Written {
  const matches = matchesIn(fields, place, known);
  const { tells, settings } = settingsOf(fields, place, inherited.tells, known);
  const times = Object.fromEntries(
    (['active', 'mute'] as const).map((field) => [field, intervalsIn(fields, field, place, known)] as const),
  );
  const timed = Object.keys(times).filter((field) => (times[field] ?? []).length > 0);
  const routes = childrenOf(fields, place, { tells, timed }, known);
  const written: Written = { match: matches.map((match) => matchText(match, known.label)), ...settings };
  for (const field of ['active', 'mute']) {
    if (timed.includes(field) || inherited.timed.includes(field)) written[field] = times[field];
  }
  if (fields.flag('continue')) written.continue = true;
  if (routes.length > 0) written.routes = routes;
  return written;
}

function settingsOf(
  fields: Fields,
  place: string,
  inherited: boolean,
  { receivers, label, problem }: Known,
): { settings: Written; tells: boolean } {
  const settings: Written = {};
  if (fields.has('group_by')) {
    const names = fields.list('group_by').map(String);
    settings.group_by = names.includes('...') ? 'all' : names.map(label);
  }
  for (const field of ['group_wait', 'group_interval', 'repeat_interval']) {
    const text = fields.text(field);
    if (text === undefined) continue;
    const duration = durationOf(text);
    if (duration === undefined)
      problem(`${place}.${field}: ${JSON.stringify(text)} is no duration such as 30s or 1h30m`);
    settings[field] = duration;
  }
  const name = fields.text('receiver');
  if (name === undefined) return { settings, tells: inherited };
  const receiver = receivers.get(name);
  if (receiver === undefined) problem(`${place}.receiver: there is no receiver ${JSON.stringify(name)}`);
  settings.notify = receiver?.notify ?? [];
  const tells = receiver?.tellsResolved ?? true;
  if (tells !== inherited) settings.tell_resolved = tells;
  return { settings, tells };
}

/** Ours knows no years: one is 365 days, as in Prometheus. Undefined where it is no duration. */
export function durationOf(text: string): string | undefined {
  const ours = text.replace(/(\d+)y/, (_, years: string) => `${Number(years) * 365}d`);
  return parseDuration(ours) === undefined ? undefined : ours;
}

function intervalsIn(fields: Fields, field: 'active' | 'mute', place: string, { intervals, problem }: Known): string[] {
  return fields.list(`${field}_time_intervals`).flatMap((name) => {
    const ours = intervals.get(String(name));
    if (ours === undefined) problem(`${place}: there is no time interval ${JSON.stringify(name)}`);
    return ours ?? [];
  });
}

function matchesIn(fields: Fields, place: string, { problem }: Pick<Known, 'problem'>): Match[] {
  try {
    return matchesOf(fields);
  } catch (error) {
    problem(`${place}: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
}

/** All matchers of the tree; what cannot be read is passed over, and named when the tree is. */
export const matchesBelow = (route: Fields): Match[] => [
  ...matchesIn(route, '', { problem: () => undefined }),
  ...route.list('routes').flatMap((child) => matchesBelow(fieldsOf(child))),
];
