/** What each arrival does to the alerts that are known, and the inbox rows that this makes: values in, values out. */
import { asOf, isOlder, type Times } from '../../core/event.ts';
import { isEnd } from '../../core/story.ts';
import type { Arrival, Facts, Join, Quiet } from './arrival.ts';

/** What an event does to an incident: a row in its inbox, or none and why. */
export type Effect = 'fired' | 'resolved' | 'chapter' | 'unchanged' | 'late' | 'none_open';

/** What is known of an alert: (key, fingerprint). */
export interface Known {
  key: string;
  fingerprint: string;
  current: boolean;
  /** There is a row of it that is current: an alert that this commit begins has none yet. */
  kept: boolean;
  firing: boolean;
  severity: string;
  title: string;
  service: string | null;
  count: number;
  resolved_at: Date | string | null;
  /** The times of its last firing; looked up only where a resolve has come. */
  fired?: Times | null;
  expires_at: string | null;
  inhibitor: { identity: string; labels: Record<string, string> } | null;
  /** The row of the last event of this commit that is about it. */
  by?: number;
  /** This commit only heard of it again: nothing but when, by which event, and until when it lasts. */
  heard?: boolean;
}

export interface InboxRow {
  by: number;
  key: string;
  kind: 'fired' | 'resolved' | 'chapter';
  fingerprint: string;
  severity: string;
  policy: string | null;
}

export const alertName = (key: string, fingerprint: string): string => `${key}/${fingerprint}`;
/** A story is one alert: it fires from its first chapter to its last. */
export const fingerprintIn = (join: Join, fingerprint: string): string => (join.lifecycle ? 'story' : fingerprint);

/** The newest state that an end of each alert spoke of, by fingerprint, in milliseconds since 1970. */
export type Ended = Map<string, number>;

/** What is known of the alert's ends, this event's included. */
function noteEnd({ event, fingerprint }: Arrival, ended: Ended): number | undefined {
  const known = ended.get(fingerprint);
  const moment = event.status === 'resolved' ? asOf(event) : undefined;
  if (moment === undefined || (known !== undefined && known >= moment)) return known;
  ended.set(fingerprint, moment);
  return moment;
}

/** Decides, event by event and join by join, what changes; the rows it makes are in the order of arrival. */
export function take(arrival: Arrival, alerts: Map<string, Known>, now: Date, ended: Ended = new Map()): InboxRow[] {
  const { event, seq: by } = arrival;
  const end = noteEnd(arrival, ended);
  const rows: InboxRow[] = [];
  for (const join of arrival.joins) {
    const fingerprint = fingerprintIn(join, arrival.fingerprint);
    const name = alertName(join.key, fingerprint);
    const alert = alerts.get(name);
    const effect = effectOf(event, join, alert, end);
    arrival.effects.push({ route: join.words, key: join.key, effect });
    if (effect === 'late' || effect === 'none_open') continue;
    const inhibitor = join.lifecycle ? null : arrival.inhibitor;
    alerts.set(name, after(effect, event, join, fingerprint, alert, inhibitor, now, by));
    if (effect === 'unchanged') continue;
    rows.push({
      by,
      key: join.key,
      kind: effect,
      fingerprint,
      severity: effect === 'resolved' && alert ? alert.severity : join.severity,
      policy: join.policy?.id ?? null,
    });
  }
  return rows;
}

/** A firing that a route holds back, as the last event tells of it. */
export interface HeldRow extends Omit<Quiet, 'join'> {
  event: number;
  fingerprint: string;
  expires_at: string | null;
  inhibitor: Known['inhibitor'];
}

/**
 * Notes in `held` what the arrival's routes hold back, and forgets there what it ends. An alert that its incident knows of
 * already goes on as it is: its sender has been heard. Only where it now says something else is that held back.
 */
export function holdBack(
  arrival: Arrival,
  alerts: Map<string, Known>,
  held: Map<string, HeldRow>,
  ended: Ended = new Map(),
): void {
  const { event, seq: by, fingerprint, quiet, inhibitor } = arrival;
  if (event.status === 'resolved') {
    for (const [name, row] of held) if (row.fingerprint === fingerprint) held.delete(name);
    return;
  }
  const expires_at = event.expires_at ?? null;
  for (const { join, ...what } of quiet) {
    const name = alertName(join.key, fingerprint);
    const alert = alerts.get(name);
    if (isLate(event, alert, ended.get(fingerprint))) continue;
    if (alert?.firing)
      alerts.set(name, { ...alert, expires_at, by, heard: alert.by === undefined || alert.heard === true });
    if (alert?.firing && isUnchanged(event, join, alert)) continue;
    held.set(alertName(what.route, fingerprint), { ...what, event: by, fingerprint, expires_at, inhibitor });
  }
}

function effectOf(event: Facts, join: Join, alert: Known | undefined, end: number | undefined): Effect {
  if (join.lifecycle) return 'chapter';
  if (event.status === 'resolved') {
    if (!alert?.firing) return 'none_open';
    return isOfBefore(event, alert) ? 'late' : 'resolved';
  }
  if (isLate(event, alert, end)) return 'late';
  return alert?.firing === true && isUnchanged(event, join, alert) ? 'unchanged' : 'fired';
}

/** Without a dedup_key every event is an occurrence of its own, and counts. */
const isUnchanged = (event: Facts, { severity }: Pick<Join, 'severity'>, alert: Known): boolean =>
  event.dedup_key !== undefined && alert.severity === severity && alert.title === event.title;

/** A firing that happened before the end we already know of, and only now arrives. */
function isLate(event: Facts, alert: Known | undefined, end: number | undefined): boolean {
  if (alert?.firing) return false;
  const moment = asOf(event);
  // Where both say what they are as of, that alone tells: an older build may end after a newer one.
  if (moment !== undefined && end !== undefined && moment !== end) return moment < end;
  if (!alert || alert.resolved_at === null) return false;
  if (event.dedup_key === undefined || event.occurred_at === undefined) return false;
  return Date.parse(event.occurred_at) < new Date(alert.resolved_at).getTime();
}

/** An end of what was before the last firing: the success of an older run. What is of the same moment ends it. */
const isOfBefore = (event: Facts, { fired }: Known): boolean =>
  event.dedup_key !== undefined && fired != null && isOlder(event, fired);

function after(
  effect: 'fired' | 'resolved' | 'chapter' | 'unchanged',
  event: Facts,
  join: Join,
  fingerprint: string,
  alert: Known | undefined,
  inhibitor: Known['inhibitor'],
  now: Date,
  by: number,
): Known {
  const ends = effect === 'resolved' || (effect === 'chapter' && isEnd(event));
  const goesOn = alert?.current === true;
  const occurredAt = event.occurred_at ? new Date(event.occurred_at) : now;
  const fired = event.status === 'firing' ? timesOf(event) : alert?.fired;
  return {
    key: join.key,
    fingerprint,
    current: true,
    kept: alert?.kept === true,
    firing: !ends,
    // A resolve says that it is over, not what it was: the alert keeps the words it fired with.
    severity: effect === 'resolved' && alert ? alert.severity : join.severity,
    title: effect === 'resolved' && alert ? alert.title : event.title,
    service: event.service ?? alert?.service ?? null,
    count: (goesOn ? alert.count : 0) + (effect === 'fired' || effect === 'chapter' ? 1 : 0),
    // The sender's clock where it tells: a firing is late by the same clock.
    resolved_at: ends ? occurredAt : null,
    ...(fired == null ? {} : { fired }),
    expires_at: ends ? null : (event.expires_at ?? null),
    inhibitor: ends ? (alert?.inhibitor ?? null) : inhibitor,
    by,
    heard: effect === 'unchanged' && isTheSame(alert, event, inhibitor),
  };
}

const timesOf = ({ as_of, occurred_at }: Facts): Times => ({
  ...(as_of === undefined ? {} : { as_of }),
  ...(occurred_at === undefined ? {} : { occurred_at }),
});

/** Whether an unchanged firing changes nothing of what is kept beside the words. */
const isTheSame = (alert: Known | undefined, event: Facts, inhibitor: Known['inhibitor']): boolean =>
  alert !== undefined &&
  (alert.by === undefined || alert.heard === true) &&
  (event.service ?? alert.service) === alert.service &&
  (alert.inhibitor === inhibitor || JSON.stringify(alert.inhibitor) === JSON.stringify(inhibitor));
