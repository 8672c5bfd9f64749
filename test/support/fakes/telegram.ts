/** A Telegram that refuses what the Bot API refuses: tokens, chats, topics, markup, buttons, lengths, floods; with replies and edits. */
import { readFileSync } from 'node:fs';
import { type Answer, createRecorder, type Hit, type Recorder, type Reply, startHttpFake } from './recorder.ts';

// https://core.telegram.org/bots/api#sendmessage, …#inlinekeyboardbutton and …#answercallbackquery
const TEXT_MAX = 4_096;
const CALLBACK_DATA_MAX = 64;
const TOAST_MAX = 200;
/** https://core.telegram.org/bots/api#html-style */
const TAGS = new Set(['b', 'strong', 'i', 'em', 'u', 's', 'code', 'pre', 'a', 'blockquote', 'tg-spoiler']);
const ENTITIES: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"' };

type Fields = Record<string, unknown>;
interface FieldOf {
  name: string;
  types: string[];
  required: boolean;
}
const SCHEMA = JSON.parse(
  readFileSync(new URL('../../samples/schemas/telegram/bot-api.json', import.meta.url), 'utf8'),
) as { methods: Record<string, FieldOf[]>; types: Record<string, FieldOf[]> };

/** What is there at the other end of a chat id. */
export interface FakeChat {
  id: number;
  username?: string;
  /** Ids of its topics, in a group that has topics. */
  topics?: number[];
  /** Why nothing can be written there, in Telegram's words with their code: `403 Forbidden: bot was kicked …`. */
  refuses?: string;
  /** The supergroup it has become. */
  migrated_to?: number;
}

export interface TelegramMessage {
  chat: number;
  message_id: number;
  /** As a person reads it, without markup. */
  text: string;
  html: boolean;
  links: string[];
  /** People and bots whose name is called. */
  mentions: string[];
  reply_to?: number;
  topic?: number;
  silent: boolean;
  buttons: { text: string; callback_data?: string; url?: string }[];
  /** How often editMessageText changed it. */
  edits: number;
}

export interface FakeTelegram {
  apiUrl: string;
  token: string;
  /** Messages as they are now. */
  messages: TelegramMessage[];
  /** Answers to pressed buttons, by the id of the query. */
  toasts: Map<string, string>;
  requests: Recorder<Hit>;
  /** The webhook's address, as getWebhookInfo tells it. */
  webhook: { url: string };
  script(answers: Answer[]): void;
  close(): Promise<void>;
}

class Refusal extends Error {
  readonly code: number;
  readonly parameters: Fields | undefined;
  constructor(code: number, description: string, parameters?: Fields) {
    super(description);
    this.code = code;
    this.parameters = parameters;
  }
}
const bad = (words: string, parameters?: Fields) => new Refusal(400, `Bad Request: ${words}`, parameters);

export async function startFakeTelegram(chats: FakeChat[] = [{ id: -1001234567890 }]): Promise<FakeTelegram> {
  const token = '123456789:fake-bot-token-0000000000000000';
  const posts = createRecorder<TelegramMessage>('Telegram messages');
  const toasts = new Map<string, string>();
  const webhook = { url: '' };
  /** Queries that were pressed a moment ago; every other one is too old. */
  const isFresh = (id: string) => id.startsWith('query-');
  let last = 100;

  const chatOf = (id: unknown): FakeChat => {
    const chat = chats.find((one) => String(one.id) === String(id) || (one.username && `@${one.username}` === id));
    if (!chat) throw bad('chat not found');
    return chat;
  };
  const writable = (id: unknown): FakeChat => {
    const chat = chatOf(id);
    if (chat.migrated_to !== undefined) {
      throw bad('group chat was upgraded to a supergroup chat', { migrate_to_chat_id: chat.migrated_to });
    }
    const [, code, words] = /^(\d{3}) (.*)$/.exec(chat.refuses ?? '') ?? [];
    if (code !== undefined) throw new Refusal(Number(code), words ?? '');
    return chat;
  };

  const methods: Record<string, (body: Fields) => unknown> = {
    getMe: () => ({ id: 123456789, is_bot: true, first_name: 'Tocsin', username: 'tocsin_bot' }),
    getChat: ({ chat_id }) => ({ id: chatOf(chat_id).id, type: 'supergroup' }),
    getWebhookInfo: () => ({ url: webhook.url, has_custom_certificate: false, pending_update_count: 0 }),

    sendMessage: (body) => {
      const chat = writable(body.chat_id);
      const topic = body.message_thread_id as number | undefined;
      if (topic !== undefined && !chat.topics?.includes(topic)) throw bad('message thread not found');
      const content = contentOf(body);
      const { message_id: asked, allow_sending_without_reply: lenient } = (body.reply_parameters ?? {}) as Fields;
      const root = posts.items.find(({ chat: of, message_id }) => of === chat.id && message_id === asked);
      if (asked !== undefined && !root && !lenient) throw bad('message to be replied not found');
      const message: TelegramMessage = {
        ...content,
        chat: chat.id,
        message_id: ++last,
        ...(root ? { reply_to: root.message_id } : {}),
        ...(topic === undefined ? {} : { topic }),
        silent: body.disable_notification === true,
        edits: 0,
      };
      posts.add(message);
      return { message_id: message.message_id, date: 1_768_487_522, chat: { id: chat.id }, text: message.text };
    },

    editMessageText: (body) => {
      const chat = writable(body.chat_id);
      const message = posts.items.find((one) => one.chat === chat.id && one.message_id === body.message_id);
      if (!message) throw bad('message to edit not found');
      const content = contentOf(body);
      const same = (['text', 'buttons', 'links'] as const).every(
        (name) => JSON.stringify(message[name]) === JSON.stringify(content[name]),
      );
      if (same)
        throw bad('message is not modified: specified new message content and reply markup are exactly the same');
      Object.assign(message, content, { edits: message.edits + 1 });
      posts.changed();
      return { message_id: message.message_id, chat: { id: chat.id }, text: message.text };
    },

    answerCallbackQuery: ({ callback_query_id, text }) => {
      const id = String(callback_query_id);
      if (!isFresh(id)) throw bad('query is too old and response timeout expired or query ID is invalid');
      if (String(text ?? '').length > TOAST_MAX) throw bad('MESSAGE_TOO_LONG');
      toasts.set(id, String(text ?? ''));
      return true;
    },
  };

  const fake = await startHttpFake('Telegram', (hit): Reply => {
    const [, shown, method = ''] = /^\/bot([^/]+)\/(\w+)$/.exec(hit.path) ?? [];
    try {
      if (shown === undefined) throw new Refusal(404, 'Not Found');
      if (shown !== token) throw new Refusal(401, 'Unauthorized');
      const act = Object.hasOwn(methods, method) ? methods[method] : undefined;
      if (!act) throw new Refusal(404, 'Not Found: method not found');
      if (!/^application\/json\b/.test(hit.headers['content-type'] ?? '')) throw bad('no fields');
      const body = JSON.parse(hit.raw.toString()) as Fields;
      const fault = faultIn(body, SCHEMA.methods[method] ?? [], method);
      if (fault) throw bad(`the schema says: ${fault}`);
      return { status: 200, json: { ok: true, result: act(body) } };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { code, message, parameters } = error;
      return {
        status: code,
        json: { ok: false, error_code: code, description: message, ...(parameters ? { parameters } : {}) },
      };
    }
  });

  return {
    apiUrl: fake.url,
    token,
    messages: posts.items,
    toasts,
    requests: fake.requests,
    webhook,
    script: fake.script,
    close: fake.close,
  };
}

/** The flood answer, as Telegram gives it: in the body, and as a header. */
export const flood = (seconds: number): Answer => ({
  status: 429,
  headers: { 'retry-after': String(seconds) },
  json: {
    ok: false,
    error_code: 429,
    description: `Too Many Requests: retry after ${seconds}`,
    parameters: { retry_after: seconds },
  },
});

function contentOf(body: Fields): Pick<TelegramMessage, 'text' | 'html' | 'links' | 'mentions' | 'buttons'> {
  const html = body.parse_mode === 'HTML';
  const { text, links } = html ? parsedHtml(String(body.text)) : { text: String(body.text), links: [] };
  if (text.trim() === '') throw bad('message text is empty');
  if (text.length > TEXT_MAX) throw bad('message is too long');
  const mentions = [...text.matchAll(/(?<![\p{L}\p{N}_])@([a-zA-Z0-9_]{2,32})/gu)].map(([, name = '']) => name);
  const { inline_keyboard = [] } = (body.reply_markup ?? {}) as { inline_keyboard?: TelegramMessage['buttons'][] };
  const buttons = inline_keyboard.flat();
  for (const { callback_data, url } of buttons) {
    const bytes = Buffer.byteLength(callback_data ?? '');
    if (callback_data !== undefined && (bytes === 0 || bytes > CALLBACK_DATA_MAX)) throw bad('BUTTON_DATA_INVALID');
    if (callback_data === undefined && url === undefined)
      throw bad('text buttons are unallowed in the inline keyboard');
    if (url !== undefined && !/^https?:\/\/[^/]+\.[^/]+/.test(url)) {
      throw bad(`inline keyboard button URL '${url}' is invalid: Wrong HTTP URL`);
    }
  }
  return { text, html, links, mentions, buttons };
}

/** What is left of the markup for a person, as Telegram parses it; refuses what Telegram refuses. */
function parsedHtml(html: string): { text: string; links: string[] } {
  const open: string[] = [];
  const links: string[] = [];
  let text = '';
  for (const [part, tag] of html.matchAll(/<([^>]*)>|[^<]+|</g)) {
    if (tag === undefined) {
      if (part === '<') throw bad("can't parse entities: Unclosed start tag");
      text += unescaped(part);
    } else if (tag.startsWith('/')) {
      if (open.pop() !== tag.slice(1)) throw bad(`can't parse entities: Unexpected end tag "${tag}"`);
    } else {
      const [name = ''] = tag.split(' ');
      if (!TAGS.has(name)) throw bad(`can't parse entities: Unsupported start tag "${name}" at byte offset 0`);
      open.push(name);
      const [, href] = /^a href="([^"]*)"$/.exec(tag) ?? [];
      if (href !== undefined) links.push(unescaped(href));
    }
  }
  if (open.length > 0)
    throw bad(`can't parse entities: Can't find end tag corresponding to start tag "${open.at(-1)}"`);
  return { text, links };
}

const unescaped = (text: string): string =>
  text.replace(/&(?:#(\d+)|(\w+));/g, (whole, code: string | undefined, name: string | undefined) =>
    code === undefined ? (ENTITIES[name ?? ''] ?? whole) : String.fromCodePoint(Number(code)),
  );

/** What the published schema has against the fields; undefined for nothing. */
function faultIn(value: Fields, fields: FieldOf[], path: string): string | undefined {
  const unknown = Object.keys(value).find((name) => !fields.some((field) => field.name === name));
  if (unknown !== undefined) return `${path} has no ${unknown}`;
  for (const { name, types, required } of fields) {
    if (value[name] === undefined) {
      if (required) return `${path} needs ${name}`;
      continue;
    }
    if (!types.some((type) => isOf(value[name], type, `${path}.${name}`)))
      return `${path}.${name} is no ${types.join(' or ')}`;
  }
  return undefined;
}

function isOf(value: unknown, type: string, path: string): boolean {
  if (type.startsWith('Array of ')) {
    return Array.isArray(value) && value.every((item) => isOf(item, type.slice('Array of '.length), path));
  }
  switch (type) {
    case 'String':
      return typeof value === 'string';
    case 'Integer':
      return Number.isInteger(value);
    case 'Boolean':
      return typeof value === 'boolean';
    default: {
      const fields = SCHEMA.types[type];
      if (typeof value !== 'object' || value === null) return false;
      return fields === undefined || faultIn(value as Fields, fields, path) === undefined;
    }
  }
}
