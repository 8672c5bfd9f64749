/** Silences and maintenance windows: which alerts nobody is told of for a while, by whom, why, and until when. */
import type { Labels } from './event.ts';
import { type Interval, isWithin } from './interval.ts';
import { type Compile, labelValue, type Matcher, matcherOf } from './match.ts';

/** A matcher as Alertmanager's API writes it: `is_equal` false stands for `!=` and `!~`. */
export interface SilenceMatcher {
  name: string;
  value: string;
  is_regex: boolean;
  is_equal: boolean;
}

/** A maintenance window is a silence that holds only within one of `during`. */
export interface Silence {
  /** A UUID; of a window in the configuration its name. */
  id: string;
  kind: 'silence' | 'maintenance';
  /** All of them have to hold; there is at least one. */
  matchers: readonly (SilenceMatcher & Pick<Matcher, 'test'>)[];
  starts_at: Date;
  /** Absent: a window that comes back until somebody ends it. */
  ends_at?: Date;
  /** Absent: from its start to its end without a break. */
  during?: readonly Interval[];
  created_by: string;
  comment: string;
  updated_at: Date;
}

export type SilenceState = 'pending' | 'active' | 'expired';

/** By the clock alone, the start inclusive, the end exclusive; whether a window is on just now is `isQuietAt`. */
export function stateOf({ starts_at, ends_at }: Pick<Silence, 'starts_at' | 'ends_at'>, now: Date): SilenceState {
  if (ends_at && ends_at.getTime() <= now.getTime()) return 'expired';
  return starts_at.getTime() <= now.getTime() ? 'active' : 'pending';
}

/** Whether it keeps anything quiet at this moment. */
export const isQuietAt = (silence: Silence, now: Date): boolean =>
  stateOf(silence, now) === 'active' && (silence.during?.some((interval) => isWithin(interval, now)) ?? true);

/** The ids of all that keep an alert of these labels quiet now, in the order given; a missing label is the empty string. */
export const silencedBy = (labels: Labels, silences: readonly Silence[], now: Date): string[] =>
  silencing(labels, silences, now).map(({ id }) => id);

/** The same, the silences themselves. */
export const silencing = (labels: Labels, silences: readonly Silence[], now: Date): Silence[] =>
  silences.filter(
    (silence) => silence.matchers.every(({ name, test }) => test(labelValue(labels, name))) && isQuietAt(silence, now),
  );

export function operatorOf({ is_regex, is_equal }: Pick<SilenceMatcher, 'is_regex' | 'is_equal'>): Matcher['op'] {
  if (is_regex) return is_equal ? '=~' : '!~';
  return is_equal ? '=' : '!=';
}

/** Matchers that can be asked. Throws what `compile` throws. */
export const compiled = (matchers: readonly SilenceMatcher[], compile: Compile): Silence['matchers'] =>
  matchers.map((matcher) => ({ ...matcher, test: matcherOf({ ...matcher, op: operatorOf(matcher) }, compile).test }));

/** A silence in words, as it stands in a reason: which, by whom, until when, why. */
export function silenceText({ id, kind, created_by, ends_at, during, comment }: Silence): string {
  const until = during
    ? ` during ${during.map(({ name, timezone }) => `${name} (${timezone})`).join(' or ')}`
    : ends_at
      ? ` until ${ends_at.toISOString()}`
      : '';
  return `${kind} ${id}${created_by ? ` by ${created_by}` : ''}${until}${comment ? `: ${comment}` : ''}`;
}

const MINUTE_MS = 60_000;
/** Intervals are looked at minute by minute for so long, 5 µs each: the longest that anything stays quiet at a stretch. */
const LOOK_MS = 8 * 24 * 60 * MINUTE_MS;

/** Until when one that is on now stays on without a break; at most eight days ahead for a window. */
export function quietUntil(silence: Silence, now: Date): Date {
  const end = silence.ends_at?.getTime() ?? Number.POSITIVE_INFINITY;
  const { during } = silence;
  if (!during) return new Date(Math.min(end, now.getTime() + LOOK_MS * 1_000));
  // Intervals begin and end with a minute of the wall clock, which in every zone of today is one of UTC.
  let at = Math.floor(now.getTime() / MINUTE_MS) * MINUTE_MS + MINUTE_MS;
  const last = Math.min(end, now.getTime() + LOOK_MS);
  while (at < last && during.some((interval) => isWithin(interval, new Date(at)))) at += MINUTE_MS;
  return new Date(Math.min(at, last));
}
