/** A Slack that refuses what Slack refuses: bot API and incoming webhooks, with channels, threads and edits. */
import { NOW } from '../calls.ts';
import { type Answer, createRecorder, type Hit, type Recorder, type Reply, startHttpFake } from './recorder.ts';

// https://docs.slack.dev/reference/block-kit/blocks; the total is undocumented (slackapi/bolt-js#2509).
const BLOCKS_MAX = 50;
const SECTION_MAX = 3_000;
const HEADER_MAX = 150;
const FIELDS_MAX = 10;
const FIELD_MAX = 2_000;
const ELEMENTS_MAX = 25;
const CONTEXT_MAX = 10;
const BUTTON_TEXT_MAX = 75;
const BUTTON_VALUE_MAX = 2_000;
const BUTTON_URL_MAX = 3_000;
const ACTION_ID_MAX = 255;
const TOTAL_MAX = 13_200;
const RESPONSES_MAX = 5;

/** The scopes of which a method needs one: the page of each under https://docs.slack.dev/reference/methods. */
const NEEDS: Record<string, readonly string[]> = {
  'chat.postMessage': ['chat:write'],
  'chat.update': ['chat:write'],
  'conversations.info': ['channels:read', 'groups:read'],
  'conversations.history': ['channels:history', 'groups:history'],
  'conversations.replies': ['channels:history', 'groups:history'],
  'users.lookupByEmail': ['users:read.email'],
};

type Part = Record<string, unknown>;

export interface SlackPost {
  via: 'bot' | 'webhook';
  /** The channel's id; for a webhook the path it was posted to. */
  channel: string;
  /** What was asked for: an id or a name. */
  asked: string;
  ts: string;
  thread_ts?: string;
  reply_broadcast: boolean;
  text: string;
  blocks: Part[];
  attachments: { color?: string; blocks: Part[] }[];
  metadata?: { event_type: string; event_payload: Record<string, unknown> };
  /** How often chat.update changed it. */
  edits: number;
  /** Everything a person could read in it, a line each. */
  all: string;
  /** The same as it was when it was posted, whatever chat.update made of it. */
  posted: string;
}

export interface FakeSlack {
  url: string;
  /** For `api_url`. */
  apiUrl: string;
  token: string;
  /** The address of an incoming webhook; each name is another one. */
  webhookUrl(name?: string): string;
  /** Posted messages, those edited since as they are now. */
  messages: SlackPost[];
  /** What was said to one person only, by the address that came with a click. */
  told: { response_type: string; replace_original: boolean; text: string }[];
  requests: Recorder<Hit>;
  script(answers: Answer[]): void;
  waitFor: Recorder<SlackPost>['waitFor'];
  close(): Promise<void>;
}

export interface FakeSlackOptions {
  token?: string;
  /** Channel names and ids that exist; without this every one does. */
  channels?: string[];
  /** Scopes of the token; without this chat:write alone. */
  scopes?: string[];
  /** Ids of channels the bot was not invited to, and of archived ones. */
  absent?: string[];
  archived?: string[];
  /** What its clock shows at first; the tests' own time unless given. */
  now?: Date;
}

export async function startFakeSlack(options: FakeSlackOptions = {}): Promise<FakeSlack> {
  const token = options.token ?? 'xoxb-fake-bot-token';
  const posts = createRecorder<SlackPost>('Slack messages');
  const ids = new Map<string, string>();
  const told: FakeSlack['told'] = [];
  const answered = new Map<string, number>();
  const scopes = options.scopes ?? ['chat:write'];
  let clock = (options.now ?? NOW).getTime() * 1_000;

  const idOf = (channel: string): string | undefined => {
    const name = channel.replace(/^#/, '');
    if (/^[CGD][A-Z0-9]{5,}$/.test(channel)) {
      return !options.channels || options.channels.includes(channel) || [...ids.values()].includes(channel)
        ? channel
        : undefined;
    }
    if (options.channels && !options.channels.some((known) => known.replace(/^#/, '') === name)) return undefined;
    const id = ids.get(name) ?? `C${String(ids.size + 1).padStart(9, '0')}`;
    ids.set(name, id);
    return id;
  };
  const nextTs = () => {
    clock += 1_000;
    return `${Math.floor(clock / 1e6)}.${String(clock % 1e6).padStart(6, '0')}`;
  };

  const api: Record<string, (body: Part) => Part> = {
    'auth.test': () => ({ ok: true, team: 'Fake', user: 'tocsin', bot_id: 'B000000001', team_id: 'T000000001' }),

    'chat.postMessage': (body) => {
      const channel = idOf(String(body.channel ?? ''));
      if (channel === undefined) return refused('channel_not_found');
      if (options.absent?.includes(channel) && !scopes.includes('chat:write.public')) return refused('not_in_channel');
      const problem = problemOf(body);
      if (problem) return problem;
      const thread_ts = body.thread_ts === undefined ? undefined : String(body.thread_ts);
      const parent = posts.items.find((post) => post.channel === channel && post.ts === thread_ts);
      if (thread_ts !== undefined && (!parent || parent.thread_ts !== undefined)) return refused('thread_not_found');
      const post: SlackPost = {
        ...postedOf(body),
        via: 'bot',
        channel,
        asked: String(body.channel),
        ts: nextTs(),
        ...(thread_ts === undefined ? {} : { thread_ts }),
        reply_broadcast: String(body.reply_broadcast) === 'true',
        edits: 0,
      };
      posts.add(post);
      return { ok: true, channel, ts: post.ts, message: { text: post.text } };
    },

    'chat.update': (body) => {
      if (!/^[CGD][A-Z0-9]{5,}$/.test(String(body.channel ?? ''))) return refused('channel_not_found');
      const post = posts.items.find(({ channel, ts }) => channel === body.channel && ts === body.ts);
      if (!post) return refused('message_not_found');
      const problem = problemOf(body);
      if (problem) return problem;
      const { metadata: _, ...content } = contentOf(body);
      Object.assign(post, content, { edits: post.edits + 1 });
      posts.changed();
      return { ok: true, channel: post.channel, ts: post.ts, text: post.text };
    },

    'conversations.info': (body) => {
      const id = String(body.channel ?? '');
      if (!/^[CGD][A-Z0-9]{5,}$/.test(id) || idOf(id) === undefined) return refused('channel_not_found');
      const is_member = !options.absent?.includes(id);
      return {
        ok: true,
        channel: { id, is_member, is_private: false, is_archived: options.archived?.includes(id) ?? false },
      };
    },

    'conversations.history': (body) => listing(body, ({ thread_ts }) => thread_ts === undefined),
    'conversations.replies': (body) => listing(body, ({ ts, thread_ts }) => ts === body.ts || thread_ts === body.ts),
  };

  const listing = (body: Part, wanted: (post: SlackPost) => boolean): Part => {
    if (!/^[CGD]/.test(String(body.channel ?? ''))) return refused('channel_not_found');
    // https://docs.slack.dev/reference/scopes/metadata.message.read
    const isShown = String(body.include_all_metadata) === 'true' && scopes.includes('metadata.message:read');
    const messages = posts.items
      .filter((post) => post.channel === body.channel && wanted(post) && Number(post.ts) >= Number(body.oldest ?? 0))
      .map(({ ts, thread_ts, text, metadata }) => ({
        type: 'message',
        ts,
        text,
        ...(thread_ts === undefined ? {} : { thread_ts }),
        ...(isShown && metadata ? { metadata } : {}),
      }))
      .slice(-Number(body.limit ?? 100));
    return { ok: true, messages, has_more: false, response_metadata: { next_cursor: '' } };
  };

  const fake = await startHttpFake('Slack', (hit): Reply => {
    const method = /^\/api\/([\w.]+)$/.exec(hit.path)?.[1];
    if (hit.path.startsWith('/actions/')) return responded(hit);
    if (method === undefined) return webhook(hit);
    const call = Object.hasOwn(api, method) ? api[method] : undefined;
    if (hit.headers.authorization === undefined) return { status: 200, json: refused('not_authed') };
    if (hit.headers.authorization !== `Bearer ${token}`) return { status: 200, json: refused('invalid_auth') };
    const needed = Object.hasOwn(NEEDS, method) ? NEEDS[method] : undefined;
    if (needed && !needed.some((scope) => scopes.includes(scope))) {
      const json = { ...refused('missing_scope'), needed: needed.join(','), provided: scopes.join(',') };
      return { status: 200, headers: { 'x-oauth-scopes': scopes.join(',') }, json };
    }
    if (!call) return { status: 200, json: refused('unknown_method') };
    if (!/^application\/x-www-form-urlencoded\b/.test(hit.headers['content-type'] ?? '')) {
      return { status: 200, json: refused('invalid_form_data') };
    }
    const form = Object.fromEntries(new URLSearchParams(hit.raw.toString()));
    const body = parsed(form);
    return {
      status: 200,
      headers: { 'x-oauth-scopes': scopes.join(',') },
      json: body ? call(body) : refused('invalid_blocks_format'),
    };
  });

  // https://docs.slack.dev/interactivity/handling-user-interaction: a response_url takes five messages.
  const responded = (hit: Hit): Reply => {
    const before = answered.get(hit.path) ?? 0;
    if (before >= RESPONSES_MAX) return { status: 404, text: 'used_url' };
    const said = jsonOf(hit.raw.toString()) as FakeSlack['told'][number] | undefined;
    if (typeof said?.text !== 'string' || said.text === '') return { status: 400, text: 'no_text' };
    answered.set(hit.path, before + 1);
    told.push(said);
    return { status: 200, text: 'ok' };
  };

  const webhook = (hit: Hit): Reply => {
    if (!/^\/services\/T\w+\/B\w+\/[\w-]+$/.test(hit.path)) return { status: 404, text: 'no_service' };
    if (!/^application\/json\b/.test(hit.headers['content-type'] ?? ''))
      return { status: 400, text: 'invalid_payload' };
    const body = jsonOf(hit.raw.toString()) as Part | undefined;
    if (typeof body !== 'object' || body === null) return { status: 400, text: 'invalid_payload' };
    const problem = problemOf(body);
    if (problem) return { status: 400, text: String(problem.error) };
    posts.add({
      ...postedOf(body),
      via: 'webhook',
      channel: hit.path,
      asked: hit.path,
      ts: nextTs(),
      reply_broadcast: false,
      edits: 0,
    });
    return { status: 200, text: 'ok' };
  };

  return {
    url: fake.url,
    apiUrl: `${fake.url}/api/`,
    token,
    webhookUrl: (name = 'default') => `${fake.url}/services/T000000001/B000000001/${name}`,
    messages: posts.items,
    told,
    requests: fake.requests,
    script: fake.script,
    waitFor: posts.waitFor,
    close: fake.close,
  };
}

const refused = (error: string, why?: string): Part => ({
  ok: false,
  error,
  ...(why ? { response_metadata: { messages: [`[ERROR] ${why}`] } } : {}),
});

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The form's fields, those that Slack wants as JSON parsed; undefined where they are none. */
function parsed(form: Record<string, string>): Part | undefined {
  const body: Part = { ...form };
  for (const name of ['blocks', 'attachments', 'metadata']) {
    const text = form[name];
    if (text === undefined) continue;
    body[name] = jsonOf(text);
    if (body[name] === undefined) return undefined;
  }
  return body;
}

/** What is known of a message when it is posted. */
function postedOf(body: Part): ReturnType<typeof contentOf> & Pick<SlackPost, 'posted'> {
  const content = contentOf(body);
  return { ...content, posted: content.all };
}

function contentOf(body: Part): Pick<SlackPost, 'text' | 'blocks' | 'attachments' | 'metadata' | 'all'> {
  const blocks = (body.blocks ?? []) as Part[];
  const attachments = ((body.attachments ?? []) as Part[]).map((attachment) => ({
    ...(typeof attachment.color === 'string' ? { color: attachment.color } : {}),
    blocks: (attachment.blocks ?? []) as Part[],
  }));
  const text = String(body.text);
  const metadata = body.metadata as SlackPost['metadata'];
  return {
    text,
    blocks,
    attachments,
    ...(metadata ? { metadata } : {}),
    all: [text, ...textsOf([...blocks, ...attachments])].join('\n'),
  };
}

/** Every text and address anywhere inside. */
function textsOf(value: unknown, names = ['text', 'url']): string[] {
  if (Array.isArray(value)) return value.flatMap((inner) => textsOf(inner, names));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    typeof inner === 'string' ? (names.includes(name) ? [inner] : []) : textsOf(inner, names),
  );
}

/** What Slack would refuse the message for, or undefined. */
function problemOf(body: Part): Part | undefined {
  if (typeof body.text !== 'string' || body.text === '') return refused('no_text');
  if (body.text.length > 40_000) return refused('msg_too_long');
  const lists = [body.blocks ?? [], ...((body.attachments ?? []) as Part[]).map(({ blocks }) => blocks ?? [])];
  if (lists.some((list) => !Array.isArray(list))) return refused('invalid_blocks_format');
  const blocks = lists.flat() as Part[];
  if (blocks.length > BLOCKS_MAX) return refused('invalid_blocks', `no more than ${BLOCKS_MAX} items allowed`);
  for (const block of blocks) {
    const why = faultOf(block);
    if (why) return refused('invalid_blocks', why);
  }
  const total = textsOf(blocks, ['text']).reduce((sum, text) => sum + text.length, 0);
  if (total > TOTAL_MAX) return refused('msg_blocks_too_long');
  const metadata = body.metadata as Part | undefined;
  if (metadata && (typeof metadata.event_type !== 'string' || typeof metadata.event_payload !== 'object')) {
    return refused('invalid_metadata_format');
  }
  return undefined;
}

function faultOf(block: Part): string | undefined {
  const elements = (block.elements ?? []) as Part[];
  switch (block.type) {
    case 'header':
      return textFault(block.text, HEADER_MAX, ['plain_text']);
    case 'section': {
      const fields = (block.fields ?? []) as Part[];
      if (block.text === undefined && fields.length === 0) return 'section without text and fields';
      if (fields.length > FIELDS_MAX) return 'too many fields';
      const faults = fields.map((field) => textFault(field, FIELD_MAX));
      return faults.find(Boolean) ?? (block.text === undefined ? undefined : textFault(block.text, SECTION_MAX));
    }
    case 'context':
      if (elements.length === 0 || elements.length > CONTEXT_MAX) return 'context elements';
      return elements.map((element) => textFault(element, SECTION_MAX)).find(Boolean);
    case 'actions':
      if (elements.length === 0 || elements.length > ELEMENTS_MAX) return 'actions elements';
      if (new Set(elements.map(({ action_id }) => action_id)).size < elements.length) return 'action_id used twice';
      return elements.map(buttonFault).find(Boolean);
    case 'divider':
      return undefined;
    default:
      return `unknown block ${String(block.type)}`;
  }
}

function buttonFault(button: Part): string | undefined {
  if (button.type !== 'button') return `unknown element ${String(button.type)}`;
  if (typeof button.action_id !== 'string' || button.action_id.length > ACTION_ID_MAX) return 'action_id';
  if (button.style !== undefined && button.style !== 'primary' && button.style !== 'danger') return 'button style';
  if (typeof button.value === 'string' && button.value.length > BUTTON_VALUE_MAX) return 'button value too long';
  if (button.url !== undefined) {
    const { url } = button;
    if (typeof url !== 'string' || url.length > BUTTON_URL_MAX || !/^(https?|mailto|slack):/.test(url))
      return 'button url';
  }
  return textFault(button.text, BUTTON_TEXT_MAX, ['plain_text']);
}

function textFault(value: unknown, max: number, types = ['plain_text', 'mrkdwn']): string | undefined {
  const { type, text, emoji } = (value ?? {}) as Part;
  if (!types.includes(String(type))) return `text of type ${String(type)}`;
  if (typeof text !== 'string' || text === '') return 'text is empty';
  if (emoji !== undefined && type === 'mrkdwn') return 'emoji belongs to plain_text';
  if (!text.isWellFormed()) return 'text is no Unicode';
  return text.length > max ? `text longer than ${max}` : undefined;
}
