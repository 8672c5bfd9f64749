/**
 * What Twilio posts to us: what became of a message, and what a person replied.
 * https://www.twilio.com/docs/messaging/guides/webhook-request and …/outbound-message-status-in-status-callbacks
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { commandIn } from '../../core/spoken.ts';
import type { Heard, Posted } from '../channel.ts';
import { wordsOf } from './twilio.ts';

export interface Hearing {
  account_sid: string;
  auth_token?: string | undefined;
  to: string[];
}

/** The signs of Twilio's ids: https://www.twilio.com/docs/glossary/what-is-a-sid */
const SID = /^[A-Z]{2}[0-9a-f]{32}$/i;

/**
 * X-Twilio-Signature: HMAC-SHA1, by the auth token, of the address and every field sorted by name, in base64
 * (https://www.twilio.com/docs/usage/security#validating-requests). The fields are read from the raw form, so that
 * nothing signed can be lost on the way. The signature has no time in it: instead the id of the message is given in
 * `reply.message`, which the caller takes once, and a receipt says the same however often it comes.
 */
export function refuse({ raw, headers, url }: Posted, config: Hearing): string | undefined {
  if (config.auth_token === undefined) return 'auth_token is not configured, so nothing shows that Twilio sent this';
  const form = new URLSearchParams(raw.toString());
  const shown = Buffer.from(headers['x-twilio-signature'] ?? '');
  let good = false;
  for (const address of spellingsOf(url)) {
    const expected = Buffer.from(signatureOf(config.auth_token, address, form));
    if (expected.length === shown.length && timingSafeEqual(expected, shown)) good = true;
  }
  if (!good)
    return 'x-twilio-signature does not fit: check that auth_token is the primary one and that the address is the one Twilio was given';
  return form.get('AccountSid') === config.account_sid ? undefined : 'this is for another account than account_sid';
}

/** The signature as Twilio makes it. A field given several times counts with each of its different values, sorted. */
export function signatureOf(token: string, url: string, form: URLSearchParams): string {
  const names = [...new Set(form.keys())].sort();
  const fields = names.flatMap((name) => [...new Set(form.getAll(name))].sort().map((value) => `${name}${value}`));
  return createHmac('sha1', token)
    .update(`${url}${fields.join('')}`)
    .digest('base64');
}

/** Twilio signs an address now with its usual port and now without it (twilio-node, src/webhooks/webhooks.ts). */
function spellingsOf(url: string): string[] {
  const parsed = URL.parse(url);
  if (!parsed) return [url];
  const { protocol, host, pathname, search, port } = parsed;
  const rest = `${pathname}${search}`;
  const usual = protocol === 'https:' ? 443 : 80;
  return [
    url,
    `${protocol}//${host}${rest}`,
    ...(port === '' ? [`${protocol}//${host}:${usual}${rest}`] : [`${protocol}//${parsed.hostname}${rest}`]),
  ];
}

/** A receipt; or a command of a person we write to: an answer to strangers would be paid for by us. */
export function read({ raw }: Posted, config: Hearing): Heard[] {
  const form = new URLSearchParams(raw.toString());
  const message = form.get('MessageSid') ?? form.get('SmsSid') ?? '';
  if (!SID.test(message)) return [];
  const status = form.get('MessageStatus');
  if (status !== null) return receiptOf(message, status, Number(form.get('ErrorCode') || Number.NaN));
  const text = (form.get('Body') ?? '').trim();
  const from = form.get('From') ?? '';
  // STOP, START, HELP and their like are no commands of ours: Twilio keeps that list, and answers.
  if (form.has('OptOutType') || !config.to.includes(from)) return [];
  // Who copies our whole line copies its code as well.
  const words = commandIn(text.replace(/\s*#[2-9A-Z]{4}\s*$/, ''));
  if (words === undefined) return [];
  return [{ kind: 'command', words, person: { id: from, name: masked(from) }, reply: { to: from, message } }];
}

function receiptOf(message: string, status: string, code: number): Heard[] {
  switch (status) {
    case 'delivered':
    case 'read':
      return [{ kind: 'receipt', message, state: status }];
    case 'failed':
    case 'undelivered':
      return [
        {
          kind: 'receipt',
          message,
          state: 'failed',
          detail: Number.isInteger(code) ? wordsOf(code) : `Twilio: ${status}`,
        },
      ];
    default:
      return []; // accepted, queued, sending, sent: on its way
  }
}

/** A number as others may see it: `…4567`. */
export const masked = (number: string): string => `…${number.slice(-4)}`;
