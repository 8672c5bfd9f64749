/** What Prometheus posts to Alertmanager's API v2: read as that reads it, and made events of. */
import { createHash } from 'node:crypto';
import type { Alert } from '../core/alert.ts';
import { eventOf } from '../core/alert.ts';
import type { Event, Labels } from '../core/event.ts';
import { inByteOrder, labelsText } from '../core/prometheus/labels.ts';
import { hourOf, type News, type Posted, postedAt, type Written } from '../core/prometheus/posted.ts';
import { fitted, tidied } from './source.ts';

/** The source of its events. */
export const PROMETHEUS = 'prometheus';

/** Why none of a body is taken: 400 it cannot be read; 601 a format, 602 something absent, both answered 422 (go-openapi). */
interface Unread {
  code: 400 | 601 | 602;
  message: string;
}

/** Alerts that are taken, and what is wrong with the others, in Alertmanager's words. */
interface Read {
  alerts: Posted[];
  problems: string[];
}

/** Reads the JSON of a body; `now` in milliseconds. Label names may be any text, as since Alertmanager 0.27. */
export function readPosted(body: unknown, now: number): Read | Unread {
  if (body === null) return { alerts: [], problems: [] };
  if (!Array.isArray(body)) return unreadable('the body has to be an array of alerts');
  const entries: Record<string, unknown>[] = [];
  for (const [index, entry] of body.entries()) {
    const problem = typeof entry === 'object' && entry !== null ? typeProblem(entry) : 'an alert has to be an object';
    if (problem !== undefined) return unreadable(`alert ${index}: ${problem}`);
    entries.push(entry as Record<string, unknown>);
  }
  for (const [index, entry] of entries.entries()) {
    const url = entry.generatorURL;
    if (typeof url === 'string' && !isUri(url))
      return { code: 601, message: `${index}.generatorURL in body must be of type uri: ${JSON.stringify(url)}` };
    if (entry.labels === undefined || entry.labels === null)
      return { code: 602, message: `${index}.labels in body is required` };
  }
  const read = entries.map((entry) => postedAt(writtenIn(entry), now));
  const judged = read.map((alert) => ({ alert, problem: problemWith(alert) }));
  return {
    alerts: judged.flatMap(({ alert, problem }) => (problem === undefined ? [alert] : [])),
    problems: judged.flatMap(({ problem }) => problem ?? []),
  };
}

const unreadable = (why: string): Unread => ({
  code: 400,
  message: `parsing alerts body from "" failed, because ${why}`,
});

function typeProblem(entry: object): string | undefined {
  if (Array.isArray(entry)) return 'an alert has to be an object';
  const { labels, annotations, startsAt, endsAt, generatorURL } = entry as Record<string, unknown>;
  for (const [name, texts] of [
    ['labels', labels],
    ['annotations', annotations],
  ] as const) {
    if (texts === undefined || texts === null) continue;
    if (typeof texts !== 'object' || Array.isArray(texts)) return `${name} has to be an object`;
    if (Object.values(texts).some((value) => value !== null && typeof value !== 'string'))
      return `${name} has to hold texts`;
  }
  for (const [name, time] of [
    ['startsAt', startsAt],
    ['endsAt', endsAt],
  ] as const) {
    if (time !== undefined && time !== null && timeIn(time) === undefined)
      return `parsing time ${JSON.stringify(time).slice(0, QUOTED_MAX)} of ${name}`;
  }
  return generatorURL === undefined || generatorURL === null || typeof generatorURL === 'string'
    ? undefined
    : 'generatorURL has to be a text';
}

/** Characters of a value that an answer repeats. */
const QUOTED_MAX = 60;
/** As go-openapi/strfmt takes them: RFC 3339, and without seconds or without a zone, which is UTC then. */
const TIME = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)([Zz]|[+-]\d{2}:?\d{2})?$/;

/** Milliseconds; `unset` for Go's zero time; undefined where it is no time. An empty text is 1970, as in go-openapi. */
function timeIn(value: unknown): number | 'unset' | undefined {
  if (value === '') return 0;
  const [, day, clock, zone = 'Z'] = (typeof value === 'string' && TIME.exec(value)) || [];
  if (day === undefined || clock === undefined) return undefined;
  const time = Date.parse(`${day}T${clock}${zone.toUpperCase()}`);
  if (Number.isNaN(time)) return undefined;
  return time === GO_ZERO_MS ? 'unset' : time;
}
/** What Go writes for a time that was never set: https://pkg.go.dev/time#Time.IsZero */
const GO_ZERO_MS = Date.parse('0001-01-01T00:00:00Z');

/** Absolute, or a path; a word with spaces is neither. */
const isUri = (url: string): boolean =>
  url === '' ||
  (!/[\s\p{Cc}]/u.test(url) &&
    !/%(?![0-9a-f]{2})/i.test(url) &&
    (url.startsWith('/') || /^[a-z][a-z0-9+.-]*:/i.test(url)));

function writtenIn(entry: Record<string, unknown>): Written {
  const starts_at = timeIn(entry.startsAt);
  const ends_at = timeIn(entry.endsAt);
  return {
    labels: withoutEmpty(textsIn(entry.labels)),
    annotations: textsIn(entry.annotations),
    generatorURL: typeof entry.generatorURL === 'string' ? String(tidied(entry.generatorURL, 1)) : '',
    ...(typeof starts_at === 'number' ? { starts_at } : {}),
    ...(typeof ends_at === 'number' ? { ends_at } : {}),
  };
}

/** In the order of their names, so that alike ones are written alike; null is Go's empty text. */
function textsIn(texts: unknown): Labels {
  const pairs = Object.entries(texts ?? {}).map(
    ([name, value]) => [String(tidied(name, 1)), String(tidied(value ?? '', 1))] as const,
  );
  // Defined, not assigned: a label may be called __proto__.
  return Object.fromEntries(pairs.sort(([a], [b]) => inByteOrder(a, b)));
}

const withoutEmpty = (labels: Labels): Labels =>
  Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''));

/** Years that neither a date of ours nor a column of the ledger can hold. */
const YEAR_9999_MS = Date.parse('9999-12-31T23:59:59Z');

function problemWith({ labels, annotations, starts_at, ends_at }: Posted): string | undefined {
  if (ends_at < starts_at) return 'start time must be before end time';
  if (Object.hasOwn(labels, '')) return 'invalid label set: invalid name ""';
  if (Object.keys(labels).length === 0) return 'at least one label pair required';
  if (Object.hasOwn(annotations, '')) return 'invalid annotations: invalid name ""';
  if (starts_at < 0 || ends_at > YEAR_9999_MS) return 'times must be from 1970 to 9999';
  return undefined;
}

/** What the alert is recognised by: of its labels as a whole, since fingerprints of 64 bits can be made to meet. */
export const keyOf = ({ labels }: Pick<Posted, 'labels'>): string =>
  createHash('sha256').update(labelsText(labels)).digest('hex').slice(0, KEY_CHARS);
/** 128 bits, enough that two texts never meet. */
const KEY_CHARS = 32;

/** The event that the alert is to the pipeline. Its id is the same for whatever is the same news. */
export function eventOfPosted(posted: Posted, news: News): Event {
  const { labels, annotations, generatorURL, starts_at, ends_at, updated_at } = posted;
  const isFiring = news.status === 'firing';
  const again = news.status === 'firing' ? news.again : undefined;
  const goesOn = again !== undefined && starts_at <= again;
  const key = keyOf(posted);
  const alert: Alert = {
    status: news.status,
    labels,
    annotations,
    generatorURL,
    startsAt: iso(starts_at),
    since: '',
    fingerprint: '',
    written: {},
  };
  const now = new Date(updated_at);
  const event = eventOf(alert, { source: PROMETHEUS, key, severity: 'info', expire_ms: undefined, now });
  const parts = isFiring ? [hourOf(updated_at), ...(again === undefined ? [] : [`after`, again])] : [ends_at];
  return fitted({
    ...event,
    id: [key, starts_at, news.status, ...parts].join('/'),
    // One that goes on after an end has not happened before that end, whatever its start says.
    occurred_at: iso(isFiring ? (goesOn ? updated_at : starts_at) : ends_at),
    ...(isFiring ? { expires_at: iso(ends_at) } : {}),
  });
}

const iso = (time: number): string => new Date(time).toISOString();
