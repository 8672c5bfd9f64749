/** What Discord answered, and what it means: its numbered errors, its two ways to say "too many requests". */
import { type Failure, fromStatus, type Outcome, rejected, retry, retryAfter } from '../channel.ts';

/** A message that was posted comes back whole; more than this is none. */
const ANSWER_MAX_BYTES = 256 * 1_024;

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The JSON object; absent for anything else, such as a page of Cloudflare's. */
  body?: Record<string, unknown>;
}

/** The answer with its body, of which no more is read than Discord would send. */
export async function readAnswer(response: Response): Promise<Answer> {
  const { status, headers } = response;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size > ANSWER_MAX_BYTES) break;
  }
  const text = Buffer.concat(chunks).toString();
  const body = objectOf(text);
  return { status, headers, text, ...(body ? { body } : {}) };
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Discord's numbers for what trying again does not mend: https://docs.discord.com/developers/topics/opcodes-and-status-codes#json */
const REFUSALS: Record<number, [Failure, string]> = {
  10003: ['gone', 'the channel or the thread was deleted; make a webhook in another one'],
  10008: ['gone', 'the message was deleted'],
  10015: ['gone', 'the webhook was deleted; make a new one and give its URL'],
  40005: ['payload', 'the message is too large'],
  40067: ['config', 'the forum asks for a tag on each post; turn that off in its settings'],
  40333: ['auth', 'Cloudflare blocks requests from this address'],
  50001: ['auth', 'the webhook may not see the channel'],
  50006: ['payload', 'the message is empty'],
  50013: ['auth', 'the webhook may not post there'],
  50027: ['auth', 'the token in the URL is wrong; copy the webhook’s URL again'],
  50035: ['payload', 'a part of the message is not valid'],
  50083: ['gone', 'the thread is archived'],
  160005: ['gone', 'the thread is locked'],
  200000: ['payload', 'the server’s AutoMod blocked the message'],
  220001: ['config', 'the channel is a forum; set forum: true, or give a thread_id'],
  220002: ['config', 'a post of a forum cannot be opened inside a thread'],
  220003: ['config', 'the channel is no forum; take out forum: true'],
  220004: ['config', 'this webhook cannot post to a forum; make another one there'],
  240000: ['payload', 'a link in the message is on Discord’s list of harmful ones'],
};

/** Of these the message, or its thread, is out of reach for good; 30046: too many edits of a message older than an hour. */
const LOST: ReadonlySet<unknown> = new Set([10003, 10008, 30046, 50005, 50083, 160005]);

/** Whether the message that was to be edited, or the thread that was to be posted to, cannot be had any more. */
export const isLost = ({ status, body }: Answer): boolean => status >= 400 && status < 500 && LOST.has(body?.code);

/** Whether only buttons were wrong, of whose addresses Discord asks more than it documents. Nothing was posted then. */
export const isAboutButtons = ({ status, body }: Answer): boolean =>
  status === 400 && body?.code === 50035 && Object.keys((body.errors ?? {}) as object).join() === 'components';

/** The outcome of an answer that is no message. */
export function outcomeOf(answer: Answer, now: Date): Outcome {
  const { status, headers, body } = answer;
  if (status === 429) return tooMany(answer, now);
  const code = typeof body?.code === 'number' ? body.code : undefined;
  const refusal = code !== undefined && Object.hasOwn(REFUSALS, code) ? REFUSALS[code] : undefined;
  if (refusal && status >= 400 && status < 500 && status !== 408 && status !== 425) {
    return rejected(refusal[0], `Discord: ${code}: ${refusal[1]}${wrongParts(body?.errors)}`);
  }
  const words = `Discord answered HTTP ${status}${code === undefined ? '' : `, ${code}`}`;
  if (status >= 300 && status < 400) return rejected('config', `${words}: the URL redirects; copy the webhook’s again`);
  if (status === 404) return rejected('gone', `${words}: there is no such webhook; make a new one and give its URL`);
  const outcome = fromStatus(status, headers, now, words);
  // What Discord has taken is a message; another 2xx comes from something in between.
  return outcome.kind === 'delivered' ? retry('server', words) : outcome;
}

/**
 * Discord's own 429 has the wait in its body, in seconds with a fraction, and in Retry-After rounded up; a ban by
 * Cloudflare is a page, with Retry-After at most. https://docs.discord.com/developers/topics/rate-limits
 */
function tooMany({ headers, body }: Answer, now: Date): Outcome {
  const waits = [
    typeof body?.retry_after === 'number' ? retryAfter(String(body.retry_after), now) : undefined,
    retryAfter(headers.get('retry-after'), now),
  ].filter((wait) => wait !== undefined);
  const reset = retryAfter(headers.get('x-ratelimit-reset-after'), now);
  const wait = waits.length > 0 ? Math.max(...waits) : reset;
  const isGlobal = body?.global === true || headers.get('x-ratelimit-global') === 'true';
  const words = !body
    ? 'Discord: too many requests from this address (refused by Cloudflare)'
    : isGlobal
      ? 'Discord: too many requests from this address'
      : 'Discord: too many messages';
  return retry('rate_limited', words, wait === undefined ? {} : { after_ms: wait });
}

/** Paths shown at most; one wrong part often makes others wrong. */
const PARTS_MAX = 3;
const DEEPEST = 8;

/** `: embeds.0.description BASE_TYPE_MAX_LENGTH` out of the nested `errors` of 50035: names and codes, never what was written. */
function wrongParts(errors: unknown): string {
  const found: string[] = [];
  const walk = (node: unknown, path: string, depth: number): void => {
    if (typeof node !== 'object' || node === null || depth > DEEPEST || found.length === PARTS_MAX) return;
    for (const [name, inner] of Object.entries(node)) {
      if (name === '_errors') {
        const [first] = Array.isArray(inner) ? (inner as { code?: unknown }[]) : [];
        const code = typeof first?.code === 'string' && /^[A-Z_]{1,60}$/.test(first.code) ? ` ${first.code}` : '';
        found.push(`${path || 'message'}${code}`);
      } else if (/^\w{1,40}$/.test(name)) walk(inner, path === '' ? name : `${path}.${name}`, depth + 1);
    }
  };
  walk(errors, '', 0);
  return found.length === 0 ? '' : ` (${found.slice(0, PARTS_MAX).join(', ')})`;
}
