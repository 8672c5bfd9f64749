/** What Telegram posts to us: a button that was pressed, a command in the chat. https://core.telegram.org/bots/api#update */
import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { commandIn } from '../../core/spoken.ts';
import { oneLine } from '../../core/text.ts';
import {
  type CheckCall,
  delivered,
  type Heard,
  type Outcome,
  type Person,
  type Posted,
  type Ref,
  rejected,
} from '../channel.ts';
import { ask } from './api.ts';
import { plainWords } from './message.ts';

/** A command is obeyed this long after it was written: Telegram repeats a post it got no answer to for hours. */
const REPLAY_WINDOW_MS = 5 * 60_000;
/** https://core.telegram.org/bots/api#answercallbackquery */
const TOAST_MAX = 200;
/** Our own limit of an answer in the chat. */
const REPLY_MAX = 1_000;
const TOKEN = /^[\w.-]{1,64}$/;

export interface Hearing {
  token: string;
  api_url: string;
  chat_id: string | number;
  secret_token?: string | undefined;
}

const User = z.object({
  id: z.int(),
  is_bot: z.boolean().default(false),
  first_name: z.string().catch(''),
  last_name: z.string().optional().catch(undefined),
  username: z.string().optional().catch(undefined),
});
const Chat = z.object({ id: z.int(), username: z.string().optional().catch(undefined) });
const Message = z.object({
  message_id: z.int(),
  date: z.number(),
  chat: Chat,
  from: User.optional(),
  text: z.string().optional(),
  message_thread_id: z.int().optional(),
  is_topic_message: z.boolean().optional(),
});
const Update = z.object({
  update_id: z.int(),
  message: Message.optional().catch(undefined),
  callback_query: z.object({ id: z.string(), from: User, data: z.string().optional() }).optional().catch(undefined),
});

/** The secret of setWebhook, compared in constant time: Telegram signs nothing else. */
export function refuse({ raw, headers }: Posted, config: Hearing): string | undefined {
  if (config.secret_token === undefined)
    return 'secret_token is not configured, so nothing shows that Telegram sent this';
  if (!isSame(headers['x-telegram-bot-api-secret-token'] ?? '', config.secret_token))
    return 'x-telegram-bot-api-secret-token is not the secret_token that is configured: call setWebhook with it again';
  return updateOf(raw) ? undefined : 'the body is no update of Telegram';
}

/**
 * A button of ours; a command in the configured chat, because anybody may write to a bot elsewhere. An old command is not
 * obeyed, and not refused either: it would be posted again. A pressed button tells no time, and its token is good for once.
 */
export function read({ raw, now }: Posted, config: Hearing): Heard[] {
  const { update_id, message, callback_query: press } = updateOf(raw) ?? {};
  if (press?.data !== undefined && TOKEN.test(press.data) && !press.from.is_bot) {
    return [
      { kind: 'answer', token: press.data, person: personOf(press.from), reply: { callback_query_id: press.id } },
    ];
  }
  // Who writes as the group or as a channel stays nameless, and Telegram shows a bot in their place.
  if (!message?.from || message.from.is_bot || !message.text?.startsWith('/') || !isChat(message.chat, config.chat_id))
    return [];
  const words = commandIn(message.text);
  if (words === undefined || Math.abs(now.getTime() - message.date * 1_000) > REPLAY_WINDOW_MS) return [];
  const reply: Ref = {
    chat_id: message.chat.id,
    message_id: message.message_id,
    update_id: update_id ?? 0,
    ...(message.is_topic_message && message.message_thread_id ? { message_thread_id: message.message_thread_id } : {}),
  };
  return [{ kind: 'command', words, person: personOf(message.from), reply }];
}

/** A short note that only the person who pressed sees; for a command a reply to it. */
export async function tell(reply: Ref, words: string, call: CheckCall<Hearing>): Promise<Outcome> {
  const { callback_query_id, chat_id, message_id, message_thread_id } = reply;
  if (typeof callback_query_id === 'string') {
    const answer = await ask('answerCallbackQuery', { callback_query_id, text: plainWords(words, TOAST_MAX) }, call);
    return answer.ok ? delivered() : answer.outcome;
  }
  if (typeof chat_id !== 'number' || typeof message_id !== 'number')
    return rejected('config', 'Telegram: nowhere to reply to');
  const answer = await ask(
    'sendMessage',
    {
      chat_id,
      ...(typeof message_thread_id === 'number' ? { message_thread_id } : {}),
      text: plainWords(words, REPLY_MAX),
      link_preview_options: { is_disabled: true },
      disable_notification: true,
      reply_parameters: { message_id, allow_sending_without_reply: true },
    },
    call,
  );
  return answer.ok ? delivered() : answer.outcome;
}

function updateOf(raw: Buffer): z.output<typeof Update> | undefined {
  try {
    return Update.safeParse(JSON.parse(raw.toString())).data;
  } catch {
    return undefined;
  }
}

const personOf = ({ id, first_name, last_name, username }: z.output<typeof User>): Person => ({
  id: String(id),
  name: oneLine([first_name, last_name ?? ''].join(' ')) || username || String(id),
});

const isChat = ({ id, username }: z.output<typeof Chat>, configured: string | number): boolean =>
  String(id) === String(configured) ||
  (username !== undefined && `@${username}`.toLowerCase() === String(configured).toLowerCase());

/** Digests are of one length, whatever was shown: nothing about the secret can be timed. */
const isSame = (shown: string, secret: string): boolean => timingSafeEqual(digest(shown), digest(secret));
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
