/** What holds an event back from being told: inhibitions, the route's own times, silences, in this order. */
import { type Event, identityOf, type Labels } from './event.ts';
import { type Interval, isWithin } from './interval.ts';
import { labelValue, matchesAll } from './match.ts';
import type { FiringAlert, HeldBack, Inhibition, Route, Routing } from './route.ts';
import { type Silence, silenceText, silencing } from './silence.ts';

/** Silences that a reason names; the ids of all of them are kept. */
const SILENCES_NAMED = 3;
/** Characters of a label's value that a reason repeats. */
const QUOTED_MAX = 60;

export type Hold = Omit<HeldBack['held'], 'route'> & Pick<HeldBack, 'by'>;

/** What holds the event back on a route, if anything does: the first of inhibitions, the route's times, silences. */
export function holdsOf(
  event: Event,
  labels: Labels,
  { inhibitions, maintenance = [] }: Routing,
  firing: readonly FiringAlert[],
  now: Date,
  silences: readonly Silence[],
): (route: Route) => Hold | undefined {
  const inhibited = inhibitedBy(event, labels, inhibitions, firing);
  const silenced = silencing(labels, [...maintenance, ...silences], now);
  const [first] = silenced;
  const quiet: Hold | undefined = first && {
    outcome: 'silenced',
    reason: 'silenced',
    why: silenced.slice(0, SILENCES_NAMED).map(silenceText).join('; '),
    by: silenced.map(({ id }) => id),
  };
  return (route) => inhibited ?? heldByTime(route, now) ?? quiet;
}

/** Whether the route tells nobody at this time, and why. */
export function heldByTime({ active, mute }: Pick<Route, 'active' | 'mute'>, now: Date): Hold | undefined {
  const zoned = ({ name, timezone }: Interval) => `${name} (${timezone})`;
  if (active.length > 0 && !active.some((interval) => isWithin(interval, now))) {
    const why = `now is outside of ${active.map(zoned).join(' and ')}`;
    return { outcome: 'muted', reason: 'outside_active', why, by: [] };
  }
  const muting = mute.find((interval) => isWithin(interval, now));
  if (!muting) return undefined;
  return { outcome: 'muted', reason: 'muted', why: `now is within ${zoned(muting)}, which mutes this route`, by: [] };
}

/**
 * The firing alert that holds the event back, and by which inhibition. An alert never inhibits itself, and one that matches
 * both sides of a rule is not inhibited by another that matches both (Alertmanager's rule): else two alike would silence
 * each other.
 */
export function inhibitorOf(
  event: Event,
  labels: Labels,
  inhibitions: readonly Inhibition[],
  firing: readonly FiringAlert[],
): { inhibition: Inhibition; by: FiringAlert } | undefined {
  const self = identityOf(event);
  for (const inhibition of inhibitions) {
    const { source, target, equal } = inhibition;
    if (!matchesAll(target, labels)) continue;
    const isTwoSided = matchesAll(source, labels);
    const by = firing.find(
      (alert) =>
        alert.fingerprint_source !== self &&
        matchesAll(source, alert.labels) &&
        !(isTwoSided && matchesAll(target, alert.labels)) &&
        equal.every((label) => labelValue(alert.labels, label) === labelValue(labels, label)),
    );
    if (by) return { inhibition, by };
  }
  return undefined;
}

/** What holds the event back, in words. */
function inhibitedBy(
  event: Event,
  labels: Labels,
  inhibitions: readonly Inhibition[],
  firing: readonly FiringAlert[],
): Hold | undefined {
  const found = inhibitorOf(event, labels, inhibitions, firing);
  if (!found) return undefined;
  const { inhibition, by } = found;
  const why = `inhibition ${inhibition.name}: ${quoted(labelValue(by.labels, 'type'))} is firing${sameWords(inhibition.equal, labels)}`;
  return { outcome: 'inhibited', reason: 'inhibited', why, by: [by.fingerprint_source] };
}

const sameWords = (equal: string[], labels: Labels): string =>
  equal.length === 0
    ? ''
    : ` with the same ${equal.map((name) => `${name} ${quoted(labelValue(labels, name))}`).join(', ')}`;

/** A label's value as a reason repeats it. */
export const quoted = (value: string): string =>
  JSON.stringify(value.length > QUOTED_MAX ? `${value.slice(0, QUOTED_MAX)}…` : value);
