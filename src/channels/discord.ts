/**
 * Discord by webhook: one message per incident, edited in place as it is answered and ends; a further page is a message
 * of its own, because nobody is notified of an edit. https://docs.discord.com/developers/resources/webhook
 */
import { z } from 'zod';
import { changesPages, changesRoot, isPage, type Notice, withoutAnswers } from '../core/notice.ts';
import {
  type Call,
  type CheckCall,
  changeEach,
  defineChannel,
  delivered,
  fromError,
  noted,
  type Outcome,
  type Ref,
  rejected,
  retry,
} from './channel.ts';
import { type Answer, isAboutButtons, isLost, outcomeOf, readAnswer } from './discord/answer.ts';
import { type DiscordMessage, discordMessage, threadName } from './discord/message.ts';

/** Without it the components of a webhook that belongs to no application are ignored (discord/discord-api-docs#7368). */
const WITH_BUTTONS = { with_components: 'true' };
/** Without a version in the address Discord takes the request for one of version 6, which is deprecated. */
const API_VERSION = 'v10';
/** https://docs.discord.com/developers/resources/webhook#execute-webhook-json/form-params */
const THREAD_NAME_MAX = 100;
/** Seen by many for one channel's webhooks, written nowhere; what a 429 says counts. */
const RATE = { count: 30, per_ms: 60_000 };
/** https://docs.discord.com/developers/reference#user-agent: without one of this form Cloudflare may refuse the request. */
const USER_AGENT = 'DiscordBot (https://tocsin.invalid, 1) Tocsin';

/** Origin and prefix of a proxy, the webhook's id, its token. */
const WEBHOOK = /^(https?:\/\/[^?#\s]+)\/api(?:\/v\d{1,3})?\/webhooks\/(\d{1,20})\/([\w-]{1,200})\/?$/;

const config = z.strictObject({
  url: z
    .url({ protocol: /^https?$/ })
    .refine(
      (url) => WEBHOOK.test(url),
      'expected https://discord.com/api/webhooks/ with an id and a token, and nothing behind them',
    )
    .meta({
      title: 'Webhook URL',
      description: 'As Discord gives it to copy. Whoever has it can post to the channel.',
      writeOnly: true,
    }),
  forum: z.boolean().default(false).meta({
    title: 'Forum channel',
    description: 'The webhook’s channel is a forum: each incident becomes a post, and what follows stands in it.',
  }),
  thread_id: z
    .string()
    .regex(/^\d{15,20}$/, 'expected the id of a thread, in quotes')
    .optional()
    .meta({ title: 'Thread', description: 'Post into this thread of the webhook’s channel. In quotes.' }),
  announce_updates: z.boolean().default(false).meta({
    title: 'Announce answers',
    description:
      'Acknowledgements, snoozes and resolves change the first message, of which Discord notifies nobody. With this they are a message of their own besides.',
  }),
});
type Config = z.output<typeof config>;

/** The message, posted and edited alike. Pure; golden files in test/golden/discord. */
export const render = (notice: Notice, _config: Config): DiscordMessage => discordMessage(notice);

export const discord = defineChannel({
  id: 'discord',
  name: 'Discord',
  setup:
    'In the channel’s settings open Integrations, Webhooks, make a new one and copy its URL. For a forum channel set forum: true.',
  config,
  sample: { url: 'https://discord.com/api/webhooks/123456789012345678/sample-token-not-a-real-one' },
  can: { thread: true, update: true, answer: true },
  patience: { timeout_ms: 10_000, max_attempts: 4, backoff_ms: 5_000 },
  rate: RATE,

  async send(call) {
    const root = rootOf(call.root);
    if (!root) return post(call, undefined);
    const told = await tell(call, root);
    if (told.kind !== 'delivered' || !changesPages(call.notice)) return told;
    const pages = (call.pages ?? []).flatMap((page) => rootOf(page) ?? []);
    const trouble = await changeEach(pages, call.signal, async (page) => {
      const edited = await edit(call, page);
      return edited === 'lost' ? rejected('gone', 'it was deleted, or is too old for one more edit') : edited;
    });
    return noted(told, trouble);
  },

  edits: ({ config, notice, root }) => rootOf(root) !== undefined && !isNews(notice, config),

  async check(call) {
    try {
      const answer = await request(call, 'GET', endpoint(call.config));
      if (isOk(answer) && typeof answer.body?.channel_id === 'string') return delivered();
      return outcomeOf(answer, call.now);
    } catch (error) {
      return fromError(error, call.signal);
    }
  },
});

/** What is worth a message of its own; the rest is told by an edit alone. */
const isNews = (notice: Notice, { announce_updates }: Config): boolean =>
  isPage(notice.reason) || notice.story !== undefined || !changesRoot(notice) || announce_updates;

/** The first message, and the thread it is in: a forum's post, or the thread of the configuration. */
interface Root {
  message: string;
  thread?: string;
}

const rootOf = (ref: Ref | undefined): Root | undefined =>
  typeof ref?.message !== 'string'
    ? undefined
    : { message: ref.message, ...(typeof ref.thread === 'string' ? { thread: ref.thread } : {}) };

/** By an edit of the first message where that is enough, else by a message of its own, and the first one shows it as well. */
async function tell(call: Call<Config>, root: Root): Promise<Outcome> {
  const { config, notice } = call;
  if (!isNews(notice, config)) {
    const edited = await edit(call, root);
    if (edited !== 'lost') return edited;
    const posted = await post(call, root.thread);
    return noted(posted, 'the first message could not be edited any more: this is one of its own');
  }
  // Only pages are kept up to date beside the first message, so only they have answers of their own.
  const posted = await post(isPage(notice.reason) ? call : { ...call, notice: withoutAnswers(notice) }, root.thread);
  if (posted.kind !== 'delivered' || !changesRoot(notice)) return posted;
  const edited = await edit(call, root);
  // What is new has been told; failing here would tell it a second time.
  return edited === 'lost' || edited.kind !== 'delivered'
    ? noted(posted, 'the first message could not be edited and shows what was before')
    : posted;
}

/** The message posted or edited: once more without buttons where Discord refuses one of them, which has told nobody yet. */
async function written(
  call: Call<Config>,
  method: 'POST' | 'PATCH',
  url: string,
  more: { thread_name?: string } = {},
): Promise<Answer> {
  const { notice, config } = call;
  const answer = await request(call, method, url, { ...render(notice, config), ...more });
  return isAboutButtons(answer)
    ? await request(call, method, url, { ...discordMessage(notice, false), ...more })
    : answer;
}

/** A new message, in the thread where there is one; in a forum the first becomes a post. */
async function post(call: Call<Config>, inThread: string | undefined): Promise<Outcome> {
  const { config, notice, now, signal } = call;
  const thread = inThread ?? config.thread_id;
  const opens = config.forum && thread === undefined;
  const query = { wait: 'true', ...WITH_BUTTONS, ...(thread === undefined ? {} : { thread_id: thread }) };
  const named = opens ? { thread_name: threadName(notice, THREAD_NAME_MAX) } : {};
  try {
    const answer = await written(call, 'POST', endpoint(config, '', query), named);
    // Somebody deleted or locked the incident's thread: what there is to say stands on its own then.
    if (inThread !== undefined && inThread !== config.thread_id && isLost(answer)) return await post(call, undefined);
    if (!isOk(answer)) return outcomeOf(answer, now);
    const { id, channel_id } = answer.body ?? {};
    if (typeof id !== 'string') return unexpected(answer);
    const place = opens ? channel_id : thread;
    return delivered({ message: id, ...(typeof place === 'string' ? { thread: place } : {}) });
  } catch (error) {
    return fromError(error, signal);
  }
}

/** The first message as it is now; `lost` where it is not there any more, or Discord lets nobody edit it. */
async function edit(call: Call<Config>, root: Root): Promise<Outcome | 'lost'> {
  const { config, now, signal } = call;
  const query = { ...WITH_BUTTONS, ...(root.thread === undefined ? {} : { thread_id: root.thread }) };
  try {
    const url = endpoint(config, `/messages/${encodeURIComponent(root.message)}`, query);
    const answer = await written(call, 'PATCH', url);
    if (isLost(answer)) return 'lost';
    if (!isOk(answer)) return repeatable(outcomeOf(answer, now));
    return typeof answer.body?.id === 'string' ? delivered({ ...root }) : repeatable(unexpected(answer));
  } catch (error) {
    return repeatable(fromError(error, signal));
  }
}

/** An edit that is made twice is the same edit: nothing is ambiguous about it. */
const repeatable = (outcome: Outcome): Outcome =>
  outcome.kind === 'retry'
    ? retry(outcome.reason, outcome.detail, outcome.after_ms === undefined ? {} : { after_ms: outcome.after_ms })
    : outcome;

/** 2xx without a message: with nothing or other JSON it may have been taken, a page comes from something in between. */
const unexpected = ({ status, text, body }: Answer): Outcome =>
  retry('server', `answered ${status}, but not in the way Discord does`, {
    ambiguous: text.trim() === '' || body !== undefined,
  });

const isOk = ({ status }: Answer): boolean => status >= 200 && status < 300;

/** An address of the webhook, at the version this file is written for. */
function endpoint({ url }: Config, path = '', query: Record<string, string> = {}): string {
  const [, base = '', id = '', token = ''] = WEBHOOK.exec(url) ?? [];
  // The name Discord had before 2020 still stands in old configurations, and redirects.
  const origin = base.replace(/^(https:\/\/(?:\w+\.)?)discordapp\.com$/, '$1discord.com');
  const search = new URLSearchParams(query).toString();
  return `${origin}/api/${API_VERSION}/webhooks/${id}/${token}${path}${search === '' ? '' : `?${search}`}`;
}

async function request(
  { fetch, signal }: CheckCall<Config>,
  method: 'GET' | 'POST' | 'PATCH',
  url: string,
  body?: unknown,
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: {
      'user-agent': USER_AGENT,
      ...(body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    redirect: 'manual',
    signal,
  });
  return readAnswer(response);
}
