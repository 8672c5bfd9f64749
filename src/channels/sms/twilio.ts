/**
 * Requests to Twilio's REST API, and what its error codes mean.
 * https://www.twilio.com/docs/messaging/api/message-resource and https://www.twilio.com/docs/api/errors
 */
import { z } from 'zod';
import { type CheckCall, type Failure, fromError, fromStatus, type Outcome, rejected, retry } from '../channel.ts';

export interface Account {
  account_sid: string;
  auth_token?: string | undefined;
  api_key_sid?: string | undefined;
  api_key_secret?: string | undefined;
  api_url: string;
}
/** What a request needs of a call. */
export type Line = Pick<CheckCall<Account>, 'config' | 'fetch' | 'signal' | 'now'>;

const Refused = z.object({ code: z.int(), status: z.int().optional() });

export type Answer = { ok: true; result: unknown } | { ok: false; outcome: Outcome };

/** Below the account: `/Messages.json`, or `.json` for the account itself. */
export const below = ({ api_url, account_sid }: Account, path: string): string =>
  `${api_url.replace(/\/+$/, '')}/2010-04-01/Accounts/${account_sid}${path}`;

/** Messaging services live at a host of their own: https://www.twilio.com/docs/messaging/api/service-resource */
export const serviceOf = ({ api_url }: Account, sid: string): string =>
  `${api_url.replace(/\/+$/, '').replace('://api.', '://messaging.')}/v1/Services/${sid}`;

/** With a form a POST, else a GET. Never throws for what Twilio or the network does. */
export async function ask(url: string, form: Record<string, string> | undefined, line: Line): Promise<Answer> {
  const { config, fetch, signal, now } = line;
  try {
    const response = await fetch(url, {
      method: form ? 'POST' : 'GET',
      headers: {
        authorization: `Basic ${Buffer.from(credentialsOf(config)).toString('base64')}`,
        ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
      },
      ...(form ? { body: new URLSearchParams(form).toString() } : {}),
      redirect: 'manual',
      signal,
    });
    return answerOf(response, await response.text(), now);
  } catch (error) {
    return { ok: false, outcome: fromError(error, signal) };
  }
}

/** An API key where there is one: it can be revoked without changing what signs Twilio's posts. */
const credentialsOf = ({ account_sid, auth_token = '', api_key_sid, api_key_secret }: Account): string =>
  api_key_sid !== undefined && api_key_secret !== undefined
    ? `${api_key_sid}:${api_key_secret}`
    : `${account_sid}:${auth_token}`;

function answerOf({ status, headers }: Response, text: string, now: Date): Answer {
  const json = jsonOf(text);
  // 201 for what was made, 200 for what was read.
  if ((status === 200 || status === 201) && typeof json === 'object' && json !== null)
    return { ok: true, result: json };
  const refused = Refused.safeParse(json);
  const outcome = refused.success && status >= 400 ? fromCode(refused.data.code, status, headers, now) : undefined;
  const other = outcome ?? fromStatus(status, headers, now, `Twilio answered HTTP ${status}`);
  if (other.kind !== 'delivered') return { ok: false, outcome: other };
  const strange = retry('server', `answered ${status}, but not in the way Twilio does`, { ambiguous: true });
  return { ok: false, outcome: strange };
}

/** The outcome of one of Twilio's codes; the status decides for those that are not listed, and whenever it is passing. */
function fromCode(code: number, status: number, headers: Headers, now: Date): Outcome {
  const detail = `Twilio ${code}`;
  const known = Object.hasOwn(CODES, code) ? CODES[code] : undefined;
  const passing = status === 429 || status === 408 || status === 425 || status >= 500;
  if (passing) return fromStatus(status, headers, now, known ? `${detail}: ${known[1]}` : detail);
  if (known)
    return known[0] === 'rate_limited'
      ? retry('rate_limited', `${detail}: ${known[1]}`)
      : rejected(known[0], `${detail}: ${known[1]}`);
  const outcome = fromStatus(status, headers, now, detail);
  return outcome.kind === 'rejected' && status === 400 ? rejected('unforeseen', detail) : outcome;
}

/** What a code means and what to do, when the message is handed over. https://www.twilio.com/docs/api/errors */
const CODES: Readonly<Record<number, readonly [reason: Failure, advice: string]>> = {
  20003: ['auth', 'account and token or key do not belong together, or the account is suspended'],
  20005: ['auth', 'the account is not active'],
  20008: ['auth', 'test credentials cannot do this; give the live ones'],
  20404: ['config', 'not found; check account_sid, messaging_service_sid and api_url'],
  20429: ['rate_limited', 'too many requests at once'],
  20500: ['server', 'an error of Twilio’s own'],
  20503: ['server', 'Twilio is not available'],
  21211: ['config', 'the number is not valid; write it as +15551234567'],
  21212: ['config', 'from is not valid'],
  21266: ['config', 'the number is the sender’s own'],
  21408: ['config', 'the account may not send to this country; allow it under Messaging, Geo permissions'],
  21601: ['config', 'the sender’s number cannot send messages'],
  21602: ['payload', 'the message is empty'],
  21603: ['config', 'from is missing'],
  21604: ['config', 'the number is missing'],
  21606: ['config', 'from is no number of this account that can send messages to this one'],
  21608: ['config', 'a trial account sends to verified numbers only; verify it or upgrade'],
  21609: ['config', 'status_callback is no address Twilio can call'],
  21610: ['gone', 'the person has opted out by STOP; only they can undo it, by sending START to the sender’s number'],
  21611: ['rate_limited', 'the sender’s queue is full'],
  21612: ['config', 'this sender cannot reach this number'],
  21614: ['config', 'the number is no mobile number'],
  21617: ['payload', 'the message is too long'],
  21701: ['config', 'no such messaging service'],
  21703: ['config', 'the messaging service has no sender; add a number to it'],
  21705: ['config', 'messaging_service_sid is not valid'],
  30002: ['auth', 'the account is suspended'],
  63038: ['rate_limited', 'the account’s messages of the day are used up'],
  70051: ['auth', 'the API key lacks a permission'],
};

/** What a receipt says of a message that was taken and did not arrive. */
const UNDELIVERED: Readonly<Record<number, string>> = {
  30001: 'the sender’s queue overflowed',
  30002: 'the account was suspended',
  30003: 'the phone is off or out of reach',
  30004: 'the person or the carrier blocks these messages',
  30005: 'the number is unknown or no longer in use',
  30006: 'the number is a landline, or its carrier cannot be reached',
  30007: 'the carrier filtered it as unwanted',
  30008: 'the carrier gave no reason',
  30023: 'the sender’s daily limit at the carrier is used up',
  30032: 'the toll-free number is not verified',
  30034: 'the sender’s number is not registered (A2P 10DLC)',
  30410: 'the carrier did not answer in time',
  21610: 'the person has opted out by STOP',
};

/** `Twilio 30003: the phone is off or out of reach`, for an error code in a receipt. */
export function wordsOf(code: number): string {
  const words = Object.hasOwn(UNDELIVERED, code) ? UNDELIVERED[code] : CODES[code]?.[1];
  return words === undefined ? `Twilio ${code}` : `Twilio ${code}: ${words}`;
}

/** A message that was taken and failed at once: as if the code had been the answer. */
export function failedAtOnce(code: number): Outcome {
  const known = Object.hasOwn(CODES, code) ? CODES[code] : undefined;
  return known && known[0] !== 'rate_limited' ? rejected(known[0], wordsOf(code)) : retry('server', wordsOf(code));
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
