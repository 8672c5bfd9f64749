/** The contract of a source: who may send, how its payload becomes events, and what many of them read payloads with. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Event, Labels } from '../core/event.ts';
import { parseDuration } from '../core/time.ts';
import type { Consumer, Consuming } from './source/consuming.ts';

export { bytesOf, fitted, isWebLink, LIMITS, lengthOf, tidied, tidyText } from './source/limits.ts';

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
  /** Begins to read what waits for it at a broker; throws with what is wrong, where it can never be read so. */
  consume?(given: Consuming<z.output<Schema>>): Promise<Consumer>;
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

/** Whoever tries a sender out by its button Test fires an alert that nothing ever resolves: it ends by itself. */
export const TEST_EXPIRE_MS = 10 * 60_000;

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
