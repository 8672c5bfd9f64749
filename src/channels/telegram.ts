/**
 * Telegram by a bot: one message per incident, what follows as replies to it, and the message itself edited as the
 * incident changes. https://core.telegram.org/bots/api
 */
import { z } from 'zod';
import { changesPages, changesRoot, isPage, type Notice, withoutAnswers } from '../core/notice.ts';
import {
  type Call,
  changeEach,
  defineChannel,
  delivered,
  noted,
  type Outcome,
  type Ref,
  retry,
  secret,
} from './channel.ts';
import { type Answer, ask, isAboutButtons, isAboutMarkup, isUnchanged } from './telegram/api.ts';
import { read, refuse, tell } from './telegram/ears.ts';
import { type Form, type TelegramText, telegramText, withoutMarkup } from './telegram/message.ts';

const config = z.strictObject({
  token: secret('Bot token', 'From @BotFather: a number, a colon and 35 characters.').regex(
    /^\d{5,15}:[\w-]{20,100}$/,
    'expected a token such as 123456789:AA… from @BotFather',
  ),
  chat_id: z
    .union([
      z.int(),
      z
        .string()
        .regex(/^(-?\d{1,19}|@[A-Za-z]\w{3,31})$/, 'expected an id such as -1001234567890, or @name of a public chat'),
    ])
    .meta({
      title: 'Chat',
      description:
        'The id of a person, a group (negative) or a channel (-100…), or @name of a public one. Add the bot to it.',
    }),
  message_thread_id: z
    .int()
    .min(2)
    .optional()
    .meta({ title: 'Topic', description: 'The id of a topic, in groups that have topics. Not for General.' }),
  secret_token: secret(
    'Webhook secret',
    'The secret_token given to setWebhook: with it buttons work and commands are heard. Without it buttons are links.',
  )
    .regex(/^[\w-]{16,256}$/, 'expected 16 to 256 characters of A-Z, a-z, 0-9, _ and -')
    .optional(),
  api_url: z
    .url({ protocol: /^https?$/ })
    .default('https://api.telegram.org')
    .meta({ title: 'API address', description: 'Only changed for tests and for a Bot API server of your own.' }),
  update_root: z.boolean().default(true).meta({
    title: 'Edit the first message',
    description: 'Show in the incident’s first message what has become of it, besides the reply to it.',
  }),
});
type Config = z.output<typeof config>;

/** The message as sent: everything for a page, only what is new otherwise. Pure; golden files in test/golden/telegram. */
export const render = (notice: Notice, config: Config): TelegramText & { disable_notification: boolean } => ({
  ...telegramText(notice, formOf(notice), config.secret_token !== undefined),
  // A phone rings for what asks somebody to act, for what failed, and for a test.
  disable_notification: !(isPage(notice.reason) || notice.reason === 'test' || notice.story?.ok === false),
});

const formOf = ({ reason, story }: Notice): Form => (isPage(reason) || story?.phase === 'start' ? 'page' : 'reply');

export const telegram = defineChannel({
  id: 'telegram',
  name: 'Telegram',
  setup:
    'Make a bot with @BotFather, add it to the chat (to a channel as an administrator), and give its token and the chat’s id.',
  config,
  sample: {
    token: '123456789:sample-token-not-a-real-one-00000000',
    chat_id: '-1001234567890',
    message_thread_id: 7,
    secret_token: 'sample-secret-not-a-real-one',
  },
  can: { thread: true, update: true, answer: true },
  patience: { timeout_ms: 10_000, max_attempts: 4, backoff_ms: 5_000 },
  // At most 20 messages a minute to one group: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
  rate: { count: 20, per_ms: 60_000 },
  ears: { refuse, read, tell },

  async send(call) {
    const { config, notice, signal } = call;
    const known = rootOf(call.root);
    // Where the chat was changed since, the new one has no first message to reply to.
    const root = known?.asked === String(config.chat_id) ? known : undefined;
    // Only the first message and pages are kept up to date, so only they have buttons, where any is.
    const isKept = root === undefined || isPage(notice.reason) || !config.update_root;
    const outcome = await post(isKept ? call : { ...call, notice: withoutAnswers(notice) }, root);
    if (outcome.kind !== 'delivered' || !config.update_root) return outcome;
    const pages = changesPages(notice) ? (call.pages ?? []) : [];
    const messages = [...(changesRoot(notice) ? [call.root] : []), ...pages].flatMap((ref) => rootOf(ref) ?? []);
    return noted(outcome, await changeEach(messages, signal, (message) => edit(call, message)));
  },

  async check(call) {
    const me = await ask('getMe', {}, call);
    if (!me.ok) return me.outcome;
    const chat = await ask('getChat', { chat_id: call.config.chat_id }, call);
    if (!chat.ok) return chat.outcome;
    if (call.config.secret_token === undefined) return delivered();
    const webhook = await ask('getWebhookInfo', {}, call);
    if (!webhook.ok) return webhook.outcome;
    const { url = '' } = (webhook.result ?? {}) as { url?: unknown };
    return url === ''
      ? delivered(
          undefined,
          'Telegram has no webhook of this bot, so buttons and commands reach nobody: call setWebhook',
        )
      : delivered();
  },
});

interface Root {
  chat_id: number;
  message_id: number;
  /** The chat as the configuration named it: what Telegram answers is always a number, and a new one after a migration. */
  asked: string;
}

const rootOf = (ref: Ref | undefined): Root | undefined =>
  typeof ref?.chat_id === 'number' && typeof ref.message_id === 'number'
    ? { chat_id: ref.chat_id, message_id: ref.message_id, asked: String(ref.asked) }
    : undefined;

type Body = Record<string, unknown> & { chat_id: number | string; text: string };

/** Sends; what Telegram refuses of it and can be spared is left out, once each, and the rest sent at once. */
async function post(call: Call<Config>, root: Root | undefined): Promise<Outcome> {
  const { config, notice } = call;
  const { message_thread_id } = config;
  let body: Body = {
    chat_id: root?.chat_id ?? config.chat_id,
    ...(message_thread_id === undefined ? {} : { message_thread_id }),
    ...render(notice, config),
    ...(root ? { reply_parameters: { message_id: root.message_id, allow_sending_without_reply: true } } : {}),
  };
  const notes: string[] = [];
  for (;;) {
    const answer = await ask('sendMessage', body, call);
    if (answer.ok) return sent(answer.result, config, notes);
    const mended = mend(body, answer, notice);
    if (!mended || notes.includes(mended.note)) return answer.outcome;
    body = mended.body;
    notes.push(mended.note);
  }
}

function sent(result: unknown, config: Config, notes: string[]): Outcome {
  const { message_id, chat } = (result ?? {}) as { message_id?: unknown; chat?: { id?: unknown } };
  if (typeof message_id !== 'number' || typeof chat?.id !== 'number')
    return retry('server', 'Telegram answered without the message', { ambiguous: true });
  const ref = { chat_id: chat.id, message_id, asked: String(config.chat_id) };
  return delivered(ref, notes.length === 0 ? undefined : notes.join('; '));
}

/** The message as it may be taken after all; undefined where nothing can be done about the refusal. */
function mend(
  body: Body,
  answer: Extract<Answer, { ok: false }>,
  notice: Notice,
): { body: Body; note: string } | undefined {
  const { refusal, migrated_to } = answer;
  if (migrated_to !== undefined && migrated_to !== body.chat_id) {
    // Messages are numbered anew in a supergroup: a reply would hang under somebody else's.
    const { reply_parameters: _, ...rest } = body;
    return {
      body: { ...rest, chat_id: migrated_to },
      note: `the group has become a supergroup: set chat_id to ${migrated_to}`,
    };
  }
  if ('parse_mode' in body && isAboutMarkup(refusal)) {
    const { parse_mode: _, ...rest } = body;
    return { body: { ...rest, text: withoutMarkup(body.text) }, note: 'sent without markup, which Telegram refused' };
  }
  if ('reply_markup' in body && isAboutButtons(refusal)) {
    const { reply_markup: _, ...rest } = body;
    const { text } = telegramText(notice, formOf(notice), false, false);
    const said = 'parse_mode' in rest ? text : withoutMarkup(text);
    return { body: { ...rest, text: said }, note: 'sent without buttons, which Telegram refused' };
  }
  return undefined;
}

/** A message as it should look now; one that does already is as good as changed. */
async function edit(call: Call<Config>, { chat_id, message_id }: Root): Promise<Outcome> {
  const presses = call.config.secret_token !== undefined;
  const editedTo = (text: TelegramText) => ask('editMessageText', { chat_id, message_id, ...text }, call);
  let answer = await editedTo(telegramText(call.notice, 'root', presses));
  if (!answer.ok && isAboutButtons(answer.refusal) && !isUnchanged(answer.refusal))
    answer = await editedTo(telegramText(call.notice, 'root', presses, false));
  return answer.ok || isUnchanged(answer.refusal) ? delivered() : answer.outcome;
}
