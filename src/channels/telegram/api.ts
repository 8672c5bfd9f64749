/**
 * One request to Telegram's Bot API, and what each of its refusals means.
 * https://core.telegram.org/bots/api#making-requests; the words of the refusals: github.com/tdlib/telegram-bot-api, Client.cpp
 */
import { z } from 'zod';
import {
  type CheckCall,
  type Failure,
  fromError,
  fromStatus,
  type Outcome,
  rejected,
  retry,
  retryAfter,
} from '../channel.ts';

/** What a request needs of a call. */
export type Line = Pick<CheckCall<{ token: string; api_url: string }>, 'config' | 'fetch' | 'signal' | 'now'>;

const Refused = z.object({
  ok: z.literal(false),
  error_code: z.int(),
  description: z.string().catch(''),
  parameters: z
    .object({ retry_after: z.number().optional(), migrate_to_chat_id: z.int().optional() })
    .catch({})
    .default({}),
});
const Taken = z.object({ ok: z.literal(true), result: z.unknown() });

/** `refusal`: Telegram's own words and, for a group that has become a supergroup, its new id. */
export type Answer =
  | { ok: true; result: unknown }
  | { ok: false; outcome: Outcome; refusal: string; migrated_to?: number };

/** Never throws for what Telegram or the network does. The token is part of the address, so no address is ever told. */
export async function ask(method: string, body: Record<string, unknown>, line: Line): Promise<Answer> {
  const { config, fetch, signal, now } = line;
  try {
    const response = await fetch(`${config.api_url.replace(/\/+$/, '')}/bot${config.token}/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      redirect: 'manual',
      signal,
    });
    return answerOf(response, await response.text(), now);
  } catch (error) {
    return { ok: false, outcome: fromError(error, signal), refusal: '' };
  }
}

function answerOf({ status, headers }: Response, text: string, now: Date): Answer {
  const json = jsonOf(text);
  if (status === 200) {
    const taken = Taken.safeParse(json);
    if (taken.success) return { ok: true, result: taken.data.result };
  }
  const refused = Refused.safeParse(json);
  if (!refused.success) {
    const outcome = fromStatus(status, headers, now, `Telegram answered HTTP ${status}`);
    if (outcome.kind !== 'delivered') return { ok: false, outcome, refusal: '' };
    // Telegram answers 200 and JSON. What is neither comes from something in between, which may have passed the message on.
    const strange = retry('server', `answered ${status}, but not in the way Telegram does`, { ambiguous: true });
    return { ok: false, outcome: strange, refusal: '' };
  }
  const { error_code, description, parameters } = refused.data;
  const wait = parameters.retry_after === undefined ? headers.get('retry-after') : String(parameters.retry_after);
  return {
    ok: false,
    outcome: outcomeOf(status === 200 ? error_code : status, description, wait, now),
    refusal: description,
    ...(parameters.migrate_to_chat_id === undefined ? {} : { migrated_to: parameters.migrate_to_chat_id }),
  };
}

function outcomeOf(code: number, description: string, wait: string | null, now: Date): Outcome {
  if (code === 429) {
    const after_ms = retryAfter(wait, now);
    return retry('rate_limited', 'Telegram: too many messages', after_ms === undefined ? {} : { after_ms });
  }
  // 404 is what Telegram says of a token that has not the form of one.
  if (code === 401 || code === 404)
    return rejected('auth', `Telegram: ${code}: the token is wrong or was revoked; ask @BotFather for it`);
  if (code === 400 || code === 403) {
    const known = REFUSALS.find(([words]) => words.test(description));
    if (known) return rejected(known[1], `Telegram: ${code}: ${known[2]}`);
    return rejected(code === 403 ? 'auth' : 'unforeseen', `Telegram: ${code}${shown(description)}`);
  }
  const headers = { get: (name: string) => (name === 'retry-after' ? wait : null) };
  const outcome = fromStatus(code, headers, now, `Telegram: ${code}`);
  return outcome.kind === 'delivered' ? retry('server', `Telegram: refused with ${code}`) : outcome;
}

/** Telegram's own words where they can hold neither a token nor an address. */
function shown(description: string): string {
  const words = description.replace(/^(Bad Request|Forbidden): /, '');
  return /^[A-Za-z][A-Za-z ,_'-]{0,100}$/.test(words) ? `: ${words}` : '';
}

/** By what Telegram says; its texts change now and then, so that the firm part of each is looked for. */
const REFUSALS: readonly (readonly [words: RegExp, reason: Failure, advice: string])[] = [
  [
    /chat not found|PEER_ID_INVALID/,
    'config',
    'no such chat, or the bot has never been in it; check chat_id, add the bot, or press Start in a private chat',
  ],
  [/bot was blocked by the user/, 'gone', 'the person has blocked the bot and has to unblock it'],
  [/bot was kicked/, 'gone', 'the bot was removed from the chat; add it again'],
  [/bot is not a member/, 'config', 'the bot is not in the chat; add it, to a channel as an administrator'],
  [/user is deactivated/, 'gone', 'the person’s account was deleted'],
  [/chat was deleted/, 'gone', 'the group was deleted'],
  [/initiate conversation/, 'config', 'the person has to press Start in the chat with the bot first'],
  [/upgraded to a supergroup/, 'config', 'the group has become a supergroup; give its new chat_id'],
  [
    /message thread not found|TOPIC_DELETED|TOPIC_ID_INVALID/,
    'config',
    'no such topic in the chat; check message_thread_id',
  ],
  [/TOPIC_CLOSED/, 'config', 'the topic is closed; reopen it'],
  [
    /not enough rights|no rights|need administrator rights|CHAT_WRITE_FORBIDDEN|CHAT_RESTRICTED|CHAT_SEND_PLAIN_FORBIDDEN|CHAT_ADMIN_REQUIRED/,
    'auth',
    'the bot may not write there; let it send messages, in a channel as an administrator',
  ],
  [/message is too long|MESSAGE_TOO_LONG|Text is too long/, 'payload', 'the message is too long'],
  [/can't parse entities/, 'payload', 'the markup was refused'],
  [/message to edit not found|MESSAGE_ID_INVALID/, 'gone', 'the message was deleted'],
  [/message can't be edited/, 'config', 'the message may not be edited any more'],
  [/query is too old/, 'gone', 'the button was pressed too long ago to be answered'],
];

/** A button's address or data: everything else of the message may be good. */
export const isAboutButtons = (refusal: string): boolean =>
  /BUTTON_|inline keyboard|Wrong HTTP URL|reply markup/i.test(refusal);
export const isAboutMarkup = (refusal: string): boolean => /can't parse entities/i.test(refusal);
export const isUnchanged = (refusal: string): boolean => /message is not modified/i.test(refusal);

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
