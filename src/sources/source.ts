/** The contract of a source: who may send, how its payload becomes events, and the limits every event keeps. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Event, Json, Labels, Link } from '../core/event.ts';
import { parseDuration } from '../core/time.ts';

/** As node:http gives them: names in lower case. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>;
/** As the address gives it: a text, or a list of them where a name is given twice. */
export type Query = Readonly<Record<string, unknown>>;

type Asking = { now: Date; fetch: typeof globalThis.fetch };
interface Rejected {
  /** Which entry of the payload, from 0. */
  index: number;
  problem: string;
}

export interface Normalised {
  events: Event[];
  rejected: Rejected[];
  /** An address of the sender's that has to be asked for once, so that it goes on sending. */
  follow?: string | undefined;
  /** Why the whole message is no good, for who can mend it and send it again; there are no events then. */
  refused?: string | undefined;
}

/** `Made` is a promise for a source that makes its events elsewhere than in the thread that asks it. */
export interface Source<
  Id extends string = string,
  Schema extends z.ZodObject = z.ZodObject,
  Made extends Normalised | Promise<Normalised> = Normalised,
> {
  id: Id;
  name: string;
  /** One or two sentences: what to set at the sender. */
  setup: string;
  config: Schema;
  /** A refusal in words when the request is not from who it should be; undefined where it is, or nothing can be checked. */
  verify(
    raw: Buffer,
    headers: Headers,
    config: z.output<Schema>,
    now: Date,
    query?: Query | undefined,
  ): string | undefined;
  /** The rest of the proof, where something has to be fetched for it: as `verify`; rejects where that cannot be had now. */
  authenticate?(raw: Buffer, config: z.output<Schema>, at: Asking): Promise<string | undefined>;
  /** How much its senders may send at once, where that is not the usual 5 MB. */
  max_bytes?: number;
  /** The JSON within the body, for senders that may wrap it; never throws. Absent: the body is the JSON. */
  unwrap?(raw: Buffer, headers: Headers): Buffer;
  /** How a body is read: parsed as JSON (where a source does not say), handed over as its bytes, or not at all. */
  reads?(raw: Buffer, headers: Headers): 'json' | 'bytes' | 'unknown';
  /** Whether its senders ask for leave first, as CloudEvents' web hooks do (OPTIONS). */
  handshake?: boolean;
  /**
   * The events in a payload; never throws or rejects, whatever the payload is. `name` is the source's name in tocsin.yaml,
   * `raw` the body that the payload was read from.
   */
  normalise(
    payload: unknown,
    context: {
      name: string;
      config: z.output<Schema>;
      now: Date;
      headers?: Headers | undefined;
      query?: Query | undefined;
      raw?: Buffer | undefined;
    },
  ): Made;
}

/** Any source: most make their events at once. */
export type AnySource = Source<string, z.ZodObject, Normalised | Promise<Normalised>>;

/** Keeps the literal id and the configuration's type; adds nothing. */
export const defineSource = <const Id extends string, Schema extends z.ZodObject>(
  source: Source<Id, Schema>,
): Source<Id, Schema> => source;

/** The same for a source whose events are made elsewhere. */
export const defineSlowSource = <const Id extends string, Schema extends z.ZodObject>(
  source: Source<Id, Schema, Promise<Normalised>>,
): Source<Id, Schema, Promise<Normalised>> => source;

/** The limits of design.md section 8: an event has to fit a ledger row, a page and a phone. Texts count code points. */
export const LIMITS = {
  id: 200,
  name: 128,
  key: 512,
  trace: 256,
  severityWord: 32,
  title: 1_000,
  bodyBytes: 32 * 1024,
  components: 64,
  component: 256,
  assignees: 64,
  assignee: 256,
  labels: 64,
  labelName: 128,
  labelValue: 1_024,
  links: 20,
  linkTitle: 256,
  linkUrl: 2_048,
  contextBytes: 16 * 1024,
  contextDepth: 8,
} as const;

export const lengthOf = (text: string): number => [...text].length;
export const bytesOf = (text: string): number => Buffer.byteLength(text, 'utf8');

/** True for an http or https address: the only links that anybody is shown. */
export function isWebLink(url: string): boolean {
  return /^https?:\/\//i.test(url) && url.length <= LIMITS.linkUrl && URL.canParse(url);
}

/** How deep arrays and objects are nested: 0 for a plain value, 1 for `{}`. It stops counting at `max` + 1. */
export function depthOf(value: unknown, max: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (max <= 0) return 1;
  return 1 + Object.values(value).reduce<number>((deepest, inner) => Math.max(deepest, depthOf(inner, max - 1)), 0);
}

/** A date, or a date and a time, with a zone or without. Date.parse alone would also take remarks: `2026-01-15 (so they say)`. */
const TIME =
  /^\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,12})?)?(?: ?(?:[Zz]|UTC|GMT|[+-]\d{2}:?\d{2}))?)?$/;
/** No ledger keeps the year 0, and later years than this have five digits. */
const YEAR_ZERO = /^0000/;
const YEAR_MAX = 9_999;

/**
 * ISO 8601 of a text or of seconds or milliseconds since 1970 (below 10^11 they are seconds: as milliseconds that were 1973).
 * A text that is a time stays as it was sent, nanoseconds and all. Undefined where it is no time.
 */
export function timeOf(value: string | number): string | undefined {
  const number = typeof value === 'number' ? value : /^\d{9,}(\.\d+)?$/.test(value) ? Number(value) : undefined;
  if (number === undefined) {
    const text = String(value);
    return TIME.test(text) && !YEAR_ZERO.test(text) && !Number.isNaN(Date.parse(text)) ? text : undefined;
  }
  const date = new Date(number < 1e11 ? number * 1000 : number);
  return number > 0 && date.getUTCFullYear() <= YEAR_MAX ? date.toISOString() : undefined;
}

/** A duration as it is written (`24h`), in milliseconds. */
export const duration = () =>
  z.string().transform((text, context) => {
    const ms = parseDuration(text);
    if (ms !== undefined) return ms;
    context.addIssue({ code: 'custom', message: 'not a duration such as 30s, 5m, 1h30m or 2d', input: text });
    return z.NEVER;
  });

/** The own texts of an object, numbers and booleans as texts; whatever else is left out, and all of what is no object. */
export function textsIn(values: unknown): Labels {
  if (typeof values !== 'object' || values === null || Array.isArray(values)) return {};
  const plain = Object.entries(values).filter(
    ([name, value]) => name !== '__proto__' && value !== '' && ['string', 'number', 'boolean'].includes(typeof value),
  );
  return Object.fromEntries(plain.map(([name, value]) => [name, String(value)]));
}

/** A token the sender shows as `Authorization: Bearer …`, or as the password of Basic. */
export const tokenField = () =>
  z.string().min(16).meta({
    title: 'Token',
    description: 'The sender shows it as a bearer token or as the password of basic authentication.',
    writeOnly: true,
  });

/** A token for senders that may only be able to show it in the address. */
export const addressTokenField = () =>
  tokenField().meta({
    title: 'Token',
    description:
      'The sender shows it as a bearer token, as the password of basic authentication, or in its address as ?token=…',
    writeOnly: true,
  });

/** CloudEvents' web hooks say `access_token` (RFC 6750), Google Cloud Monitoring `auth_token`. */
const TOKEN_PARAMETERS = ['token', 'access_token', 'auth_token'];

/**
 * The refusal where a token is configured and the request does not show it; takes the same time for any wrong one. The
 * query is looked at only where it is given, and where the request has no `authorization`.
 */
export function refuseWithoutToken(headers: Headers, token: string | undefined, query: Query = {}): string | undefined {
  if (token === undefined) return undefined;
  const { authorization } = headers;
  const [scheme = '', credentials = ''] = typeof authorization === 'string' ? authorization.split(' ') : [];
  const basic = scheme.toLowerCase() === 'basic' ? Buffer.from(credentials, 'base64').toString('utf8') : '';
  const inHeader = scheme.toLowerCase() === 'bearer' ? credentials : basic.slice(basic.indexOf(':') + 1);
  const inAddress = TOKEN_PARAMETERS.map((name) => query[name]).find((value) => typeof value === 'string');
  const shown = authorization === undefined && typeof inAddress === 'string' ? inAddress : inHeader;
  return isSame(shown, token) ? undefined : 'the token is missing or wrong';
}

/**
 * One name of several parts, which no other parts have: a slash within a part between the first and the last is written as
 * %2F. What is longer than `max` becomes its SHA-256: cut off, two of them would be one.
 */
export function nameOf(parts: readonly string[], max: number): string {
  const name = parts
    .map((part, at) =>
      at === 0 || at === parts.length - 1 ? part : part.replaceAll('%', '%25').replaceAll('/', '%2F'),
    )
    .join('/');
  return name.length <= max ? name : createHash('sha256').update(name).digest('hex');
}

/** What stands at a path of names in a payload: own properties only, so no path reaches a prototype. */
export const valueAt = (payload: unknown, ...path: string[]): unknown =>
  path.reduce<unknown>(
    (value, name) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, name)
        ? (value as Record<string, unknown>)[name]
        : undefined,
    payload,
  );

/** A text or a number at a path, trimmed; empty where there is none. */
export function textAt(payload: unknown, ...path: string[]): string {
  const value = valueAt(payload, ...path);
  return typeof value === 'string' || typeof value === 'number' ? String(value).trim() : '';
}

/** The list at a path; empty where there is none. */
export function listAt(payload: unknown, ...path: string[]): unknown[] {
  const value = valueAt(payload, ...path);
  return Array.isArray(value) ? value : [];
}

/** Whether two texts are the same, in a time that does not tell where they differ. */
export function isSame(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

/** A header that is given once; empty where it is absent, or where it is a list. */
export function headerOf(headers: Headers | undefined, name: string): string {
  const value = headers?.[name.toLowerCase()];
  return typeof value === 'string' ? value.trim() : '';
}

/** How far a signed or stated time may be from ours: what is older may be a copy that somebody kept. */
export const REPLAY_MS = 5 * 60_000;

/** The refusal where a time of sending, in seconds since 1970, is missing or too far from now. */
export function refuseUnlessFresh(seconds: string, now: Date): string | undefined {
  const sent = /^\d{1,11}$/.test(seconds) ? Number(seconds) * 1_000 : Number.NaN;
  return Math.abs(now.getTime() - sent) <= REPLAY_MS
    ? undefined
    : 'the time it was sent at is missing or too far from now';
}

/** HMAC-SHA256 as hexadecimal digits, over these parts one after the other. */
export function hmacOf(secret: string, ...parts: (string | Buffer)[]): string {
  const hmac = createHmac('sha256', secret);
  for (const part of parts) hmac.update(part);
  return hmac.digest('hex');
}

/** A short name for what is too long to be one: the first 16 hexadecimal digits of its SHA-256. */
export const digestOf = (value: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(value) ?? '')
    .digest('hex')
    .slice(0, 16);

/**
 * A value of JSON with every text well-formed (a lone surrogate becomes U+FFFD, which Postgres can keep), NUL replaced and
 * what reaches deeper than `depth` left out. For tolerant sources; the event door refuses instead.
 */
export function tidied(value: unknown, depth: number): Json {
  if (typeof value === 'string') return tidyText(value);
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value !== 'object' || value === null) return null;
  if (depth <= 0) return '…';
  if (Array.isArray(value)) return value.map((inner) => tidied(inner, depth - 1));
  const pairs = Object.entries(value).filter(([name]) => name !== '__proto__');
  return Object.fromEntries(pairs.map(([name, inner]) => [tidyText(name), tidied(inner, depth - 1)]));
}

/** A text as Postgres can keep it: well-formed, and without NUL. */
export const tidyText = (text: string): string => text.toWellFormed().replaceAll('\0', '\u{fffd}');

/** Its work does not grow with what is cut off: a code point has at most two units. */
const clipped = (text: string, max: number): string => {
  const points = [...tidyText(text.slice(0, 2 * max + 2))];
  return points.length > max ? `${points.slice(0, max - 1).join('')}…` : points.join('');
};

/** The same event within LIMITS: what a tolerant source got is cut, never refused for its length. */
export function fitted(event: Event): Event {
  const labels: Labels = {};
  for (const [name, value] of Object.entries(event.labels).slice(0, LIMITS.labels)) {
    if (name !== '' && name !== '__proto__')
      labels[clipped(name, LIMITS.labelName)] = clipped(value, LIMITS.labelValue);
  }
  const links = event.links
    .filter(({ url }) => isWebLink(url))
    .slice(0, LIMITS.links)
    .map(({ title, url }): Link => ({ title: clipped(title, LIMITS.linkTitle), url: tidyText(url) }));
  const fit: Event = {
    ...event,
    id: clipped(event.id, LIMITS.id),
    source: clipped(event.source, LIMITS.name),
    type: clipped(event.type, LIMITS.name),
    title: clipped(event.title, LIMITS.title),
    components: event.components.slice(0, LIMITS.components).map((text) => clipped(text, LIMITS.component)),
    assignees: event.assignees.slice(0, LIMITS.assignees).map((text) => clipped(text, LIMITS.assignee)),
    labels,
    links,
  };
  if (event.severity_word !== undefined) fit.severity_word = clipped(event.severity_word, LIMITS.severityWord);
  if (event.service !== undefined) fit.service = clipped(event.service, LIMITS.name);
  if (event.dedup_key !== undefined) fit.dedup_key = clipped(event.dedup_key, LIMITS.key);
  if (event.trace_id !== undefined) fit.trace_id = clipped(event.trace_id, LIMITS.trace);
  if (event.request_id !== undefined) fit.request_id = clipped(event.request_id, LIMITS.trace);
  if (event.body !== undefined)
    fit.body = clippedToBytes(tidyText(event.body.slice(0, LIMITS.bodyBytes + 1)), LIMITS.bodyBytes);
  if (event.context !== undefined) fit.context = fittedContext(event.context);
  return fit;
}

/** A mapping may give every event of a payload the same context, which may be most of the payload: it is looked at once. */
const fittedContexts = new WeakMap<object, Json>();

function fittedContext(context: Json): Json {
  const known = typeof context === 'object' && context !== null ? fittedContexts.get(context) : undefined;
  if (known !== undefined) return known;
  const tidy = tidied(context, LIMITS.contextDepth);
  const bytes = bytesOf(JSON.stringify(tidy));
  const fit =
    bytes <= LIMITS.contextBytes
      ? tidy
      : { omitted: `${bytes} bytes are more than the ${LIMITS.contextBytes} that are kept` };
  if (typeof context === 'object' && context !== null) fittedContexts.set(context, fit);
  return fit;
}

function clippedToBytes(text: string, max: number): string {
  if (bytesOf(text) <= max) return text;
  // A cut in the middle of a character leaves U+FFFD at the end, which the ellipsis replaces.
  return `${Buffer.from(text, 'utf8')
    .subarray(0, max - 3)
    .toString('utf8')
    .replace(/\u{fffd}+$/u, '')}…`;
}
