/** The contract of a channel: a manifest value with one zod object, one `send`, and outcomes as values. */
import { setTimeout as pause } from 'node:timers/promises';
import type { z } from 'zod';
import { z as zod } from 'zod';
import type { Json } from '../core/event.ts';
import type { Notice, Reason } from '../core/notice.ts';

/** What a provider gave us to find the message by (Slack channel and ts, a Message-ID): small JSON, no secret. */
export type Ref = { [key: string]: Json };

/** The closed set of words for what went wrong; also the metric label. */
export const FAILURES = [
  'rate_limited',
  'timeout',
  'network',
  'server',
  'auth',
  'config',
  'payload',
  'gone',
  'blocked',
  'unforeseen',
] as const;
export type Failure = (typeof FAILURES)[number];

/**
 * How one attempt ended. `detail` and `note` are for an operator: one line, no secret, no message body.
 * `note`: what is worth knowing of a delivery that went well (cut, sent without a button, nothing to change at the provider).
 * `after_ms`: the provider's Retry-After. `ambiguous`: the message may have been delivered although no answer came. `code`: the
 * vendor's own word for what went wrong, where it says more than the HTTP status, which is kept without it.
 * `ref` of a retry: what has been achieved all the same (some recipients have it); the next attempt is given it as `so_far`.
 */
export type Outcome =
  | { kind: 'delivered'; ref?: Ref; note?: string }
  | { kind: 'retry'; reason: Failure; detail: string; code?: string; after_ms?: number; ambiguous?: boolean; ref?: Ref }
  | { kind: 'rejected'; reason: Failure; detail: string; code?: string };

export const delivered = (ref?: Ref, note?: string): Outcome => ({
  kind: 'delivered',
  ...(ref ? { ref } : {}),
  ...(note === undefined ? {} : { note }),
});
export const rejected = (reason: Failure, detail: string, more: { code?: string } = {}): Outcome => ({
  kind: 'rejected',
  reason,
  detail,
  ...more,
});
export const retry = (
  reason: Failure,
  detail: string,
  more: { code?: string; after_ms?: number; ambiguous?: boolean; ref?: Ref } = {},
): Outcome => ({
  kind: 'retry',
  reason,
  detail,
  ...more,
});

/** How attempts are made unless the integration says otherwise. All times in milliseconds. */
export interface Patience {
  /** One attempt may take this long. */
  timeout_ms: number;
  /** Attempts of one round: the first and the repeats. */
  max_attempts: number;
  /** The wait after the first failed attempt; it doubles from there. */
  backoff_ms: number;
}

/** So many messages in so many milliseconds, whatever the number of workers. */
export interface Rate {
  count: number;
  per_ms: number;
}

/** The standard `fetch`, already guarded against private addresses, redirects and endless bodies (src/egress). */
export type Fetch = typeof globalThis.fetch;

export interface Call<Config> {
  config: Config;
  notice: Notice;
  /** The root message of this incident at this target, where one was delivered: thread under it or edit it. */
  root?: Ref;
  /** Later messages there that asked somebody to act, the newest first: an edit tells them how the incident stands. */
  pages?: Ref[];
  /** What an earlier attempt of this delivery has achieved. Absent where nothing is kept between attempts. */
  so_far?: { ref?: Ref };
  /** For providers over HTTP. Channels that speak another protocol (SMTP) ask `connect` before they connect. */
  fetch: Fetch;
  /** Throws when the egress rules forbid this host; gives the address to connect to. */
  resolve: (host: string, port: number) => Promise<string>;
  /** Aborts at the attempt's deadline; every wait inside `send` listens to it. */
  signal: AbortSignal;
  /** Writes lines for a person at the terminal; only stdout uses it. */
  print: (text: string) => void;
  now: Date;
}

/** What a provider posts to us: a button that was pressed, a reply, a receipt. Header names are in lower case. */
export interface Posted {
  raw: Buffer;
  headers: Record<string, string | undefined>;
  /** As the provider was given it: some sign it. */
  url: string;
  now: Date;
}

/** Who did something in the channel, by the provider's own id: operators are mapped to it. */
export interface Person {
  id: string;
  name: string;
}

/** What a post of a provider says. */
export type Heard =
  /** `reply`: what the channel needs to answer that person, and nobody else. */
  | { kind: 'answer'; token: string; person: Person; reply?: Ref }
  | { kind: 'command'; words: string; person: Person; reply?: Ref }
  /** What became of a message after the provider took it; `message` is found in the delivery's ref. */
  | { kind: 'receipt'; message: string; state: 'delivered' | 'read' | 'failed'; detail?: string }
  /** Nothing to do but to answer: the provider's check of the address. */
  | { kind: 'greeting'; body: string };

/** How a provider's posts are read. Pure, but for `tell`. */
export interface Ears<Config> {
  /** Why this post is not the provider's, or too old (checked on the raw bytes); undefined when it is good. */
  refuse(posted: Posted, config: Config): string | undefined;
  /** What it says; nothing for what is none of our business. Called only with what `refuse` let through. */
  read(posted: Posted, config: Config): Heard[];
  /** The status that thanks the provider; 200 unless it wants another. */
  thanks?: 204;
  /** Tells the person how their answer ended (`INC-7 is acknowledged`, `bo was first`), where `reply` leads. */
  tell(reply: Ref, words: string, call: CheckCall<Config>): Promise<Outcome>;
}

/** What a check of the credentials is given: as a call, without a message. */
export type CheckCall<Config> = Omit<Call<Config>, 'notice' | 'root' | 'pages' | 'so_far' | 'print'>;

export interface Channel<Id extends string = string, Schema extends z.ZodObject = z.ZodObject> {
  id: Id;
  name: string;
  /** One or two sentences: what to do at the vendor before this works. */
  setup: string;
  /** The one object that is type, validation, form, docs and list of secrets (fields made by `secret`). */
  config: Schema;
  /** A complete, valid configuration with invented values: used by tests and by the docs. */
  sample: z.input<Schema>;
  /** `answer`: people can acknowledge from inside the message, by a button or a signed link. */
  can: { thread: boolean; update: boolean; answer?: boolean };
  patience: Patience;
  /** The provider's own limit, kept for all workers together unless the integration says otherwise; absent where none is known for all. */
  rate?: Rate;
  /** A repeat under the same delivery key is one message to whoever gets it: repeating is safe, whatever has become of the first. */
  recognises?: true;
  /** Whether this notice only changes a message that is there: what is made twice is made once. */
  edits?(call: Call<z.output<Schema>>): boolean;
  /** What the provider takes is only passed on (mail, telephone networks): it counts as sent until a receipt says more. */
  arrives?: 'later';
  /** Reasons that few have a word for, and only those are told. */
  wants?(config: z.output<Schema>): readonly Reason[];
  /** Where the configuration is choosy: why a page is not for the place it would go to, in words, or undefined when it is. */
  unwanted?(config: z.output<Schema>): ((notice: Notice) => string | undefined) | undefined;
  /** The kinds of event it tells apart, and the integration of type sms that is told of one of them too; `true`: the only one. */
  besides?(config: z.output<Schema>): readonly { kind: string; to?: string | true; path: string[] }[];
  /** One attempt, short, never throws for what a provider is known to do. */
  send(call: Call<z.output<Schema>>): Promise<Outcome>;
  /** After an attempt whose answer was lost: the message if the provider has it, undefined if it surely has not. */
  find?(call: Call<z.output<Schema>>): Promise<Ref | undefined>;
  /** Whether the credentials are good and the destination exists, without sending anything; `delivered` when they are. */
  check?(call: CheckCall<z.output<Schema>>): Promise<Outcome>;
  /** What people answer inside the channel, and what the provider tells of a message later. */
  ears?: Ears<z.output<Schema>>;
}

/** Keeps the literal id and the configuration's type; adds nothing. */
export const defineChannel = <const Id extends string, Schema extends z.ZodObject>(
  channel: Channel<Id, Schema>,
): Channel<Id, Schema> => channel;

/** A text field that is masked everywhere: in answers, logs, forms (`writeOnly` in its JSON schema). */
export const secret = (title: string, description: string) =>
  zod.string().min(1).meta({ title, description, writeOnly: true });

/** The fields of a schema that are marked write-only, as paths; `*` stands for any name or index. */
export function secretPaths(schema: z.ZodObject): string[][] {
  const walk = (node: unknown, path: string[]): string[][] => {
    if (typeof node !== 'object' || node === null) return [];
    const { writeOnly, properties, additionalProperties, items, anyOf } = node as Record<string, unknown>;
    if (writeOnly === true) return [path];
    return [
      ...Object.entries((properties ?? {}) as Record<string, unknown>).flatMap(([name, inner]) =>
        walk(inner, [...path, name]),
      ),
      ...walk(additionalProperties, [...path, '*']),
      ...walk(items, [...path, '*']),
      ...(Array.isArray(anyOf) ? anyOf.flatMap((inner) => walk(inner, path)) : []),
    ];
  };
  return walk(zod.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), []);
}

/**
 * The outcome of an HTTP status nobody said anything special about: 2xx delivered; 408, 425, 429, 5xx retry
 * (RFC 9110 section 15, RFC 6585 section 4, RFC 8470); the rest is permanent. Retry-After is read in seconds or as a date.
 */
export function fromStatus(
  status: number,
  headers: { get(name: string): string | null },
  now: Date,
  detail = `HTTP ${status}`,
): Outcome {
  if (status >= 200 && status < 300) return delivered();
  const after_ms = retryAfter(headers.get('retry-after'), now);
  const more = after_ms === undefined ? {} : { after_ms };
  if (status === 429) return retry('rate_limited', detail, more);
  if (status === 408 || status === 425) return retry('timeout', detail, more);
  if (status >= 500) return retry('server', detail, { ...more, ambiguous: status !== 503 && status !== 501 });
  if (status === 401 || status === 403) return rejected('auth', detail);
  if (status === 404 || status === 410) return rejected('gone', detail);
  if (status === 413 || status === 422 || status === 400) return rejected('payload', detail);
  return rejected('config', detail);
}

/** A provider that wants a short pause between two edits of one attempt gets it; a longer one would eat its time. */
const EDIT_PAUSE_MAX_MS = 3_000;

/**
 * Edits one message after the other. Never fails: what is new has been told, and failing would tell it a second time. Gives
 * the note for an operator where one could not be changed. `edit` may be made twice.
 */
export async function changeEach<Message>(
  messages: readonly Message[],
  signal: AbortSignal,
  edit: (message: Message) => Promise<Outcome>,
): Promise<string | undefined> {
  const unchanged: string[] = [];
  for (const message of messages) {
    let outcome = await edit(message);
    if (outcome.kind === 'retry' && outcome.after_ms !== undefined && outcome.after_ms <= EDIT_PAUSE_MAX_MS) {
      await pause(outcome.after_ms, undefined, { signal }).catch(() => undefined);
      outcome = await edit(message);
    }
    if (outcome.kind !== 'delivered') unchanged.push(outcome.detail);
  }
  const [why] = unchanged;
  if (why === undefined) return undefined;
  const which = unchanged.length === 1 ? 'an earlier message was' : `${unchanged.length} earlier messages were`;
  return `${which} not changed (${why})`;
}

/** The outcome with one more note for the operator, where there is one. */
export function noted(outcome: Outcome, note: string | undefined): Outcome {
  if (outcome.kind !== 'delivered' || note === undefined) return outcome;
  return delivered(outcome.ref, outcome.note === undefined ? note : `${outcome.note}; ${note}`);
}

/** Ours: the longest Retry-After that is believed, a day. RFC 9110 has no bound; a mistake there would silence a target for good. */
const RETRY_AFTER_MAX_MS = 24 * 3_600_000;
/** An HTTP date (RFC 9110 section 5.6.7), or RFC 3339 as some write it: `Date.parse` takes `-5` and `5, 10` for dates too. */
const DATE = /^(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)|\d{4}-\d{2}-\d{2}T)/;

/**
 * Retry-After (RFC 9110 section 10.2.3) in milliseconds, from 0 to a day; undefined where it is absent or makes no sense.
 * Seconds may have a fraction, as Discord's have.
 */
export function retryAfter(value: string | null, now: Date): number | undefined {
  if (value === null) return undefined;
  const text = value.trim();
  const isSeconds = /^\d+(\.\d+)?$/.test(text);
  if (!isSeconds && !DATE.test(text)) return undefined;
  const ms = isSeconds ? Number(text) * 1_000 : Date.parse(text) - now.getTime();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, Math.ceil(ms)), RETRY_AFTER_MAX_MS);
}

/** The outcome of an exception out of `fetch` or a socket: our deadline, a blocked address, or the network. */
export function fromError(error: unknown, signal: AbortSignal): Outcome {
  const { name, code, message } = describe(error);
  if (name === 'EgressBlocked') return rejected('blocked', message);
  if (signal.aborted || name === 'AbortError' || name === 'TimeoutError') {
    return retry('timeout', 'no answer within the timeout', { ambiguous: true });
  }
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'EHOSTUNREACH') {
    return retry('network', `could not connect (${code})`);
  }
  return retry('network', code ? `connection failed (${code})` : 'connection failed', { ambiguous: true });
}

/** Name, code and message of an error or of the cause it wraps: undici hides the useful one one level down. */
function describe(error: unknown): { name: string; code: string; message: string } {
  let current: unknown = error;
  for (let depth = 0; depth < 5 && current instanceof Error; depth++) {
    const { name, message } = current;
    const code = (current as { code?: unknown }).code;
    if (name === 'EgressBlocked' || typeof code === 'string')
      return { name, code: typeof code === 'string' ? code : '', message };
    if (current.cause === undefined) return { name, code: '', message };
    current = current.cause;
  }
  return { name: '', code: '', message: '' };
}
