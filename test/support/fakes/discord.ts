/** A Discord that refuses what Discord refuses: one webhook, its messages, their edits, the threads of its channel. */
import { readFileSync } from 'node:fs';
import { Ajv, type AnySchemaObject, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';
import { type Answer, createRecorder, type Hit, type Recorder, type Reply, startHttpFake } from './recorder.ts';

// https://docs.discord.com/developers/resources/message#embed-object-embed-limits and …/resources/webhook#execute-webhook
const CONTENT_MAX = 2_000;
const EMBEDS_MAX = 10;
const TITLE_MAX = 256;
const DESCRIPTION_MAX = 4_096;
const FIELDS_MAX = 25;
const NAME_MAX = 256;
const VALUE_MAX = 1_024;
const FOOTER_MAX = 2_048;
const TOTAL_MAX = 6_000;
const COLOUR_MAX = 0xffffff;
const THREAD_NAME_MAX = 100;
/** Of buttons, the one that opens an address. */
const LINK_STYLE = 5;

/** Discord's own description of the bodies, reduced to what Tocsin sends: test/samples/schemas/discord. */
const PUBLISHED = JSON.parse(
  readFileSync(new URL('../../samples/schemas/discord/webhook.json', import.meta.url), 'utf8'),
) as AnySchemaObject;
const ajv = new Ajv({ strict: false, allowUnionTypes: true });
formats.default(ajv);
const bodyOf = (name: string): ValidateFunction => ajv.compile({ ...PUBLISHED, $ref: `#/components/schemas/${name}` });
const isNewMessage = bodyOf('IncomingWebhookRequestPartial');
const isEdit = bodyOf('IncomingWebhookUpdateRequestPartial');

const WEBHOOK_ID = '123456789012345678';
const CHANNEL_ID = '1100000000000000001';

type Part = Record<string, unknown>;

export interface DiscordPost {
  id: string;
  /** The thread it is in; absent for the channel itself. */
  thread?: string;
  content: string;
  embeds: Part[];
  /** Of its rows, one after the other. */
  buttons: Part[];
  /** How often it was edited. */
  edits: number;
  /** Who was called by it, by its last edit or its posting. */
  pings: string[];
  /** Everything a person could read in it, a line each. */
  all: string;
}

export interface FakeDiscord {
  /** For `url`, as Discord gives it to copy: without a version. */
  webhookUrl: string;
  posts: DiscordPost[];
  /** Names of threads by id: posts of a forum. */
  threads: Map<string, string>;
  requests: Recorder<Hit>;
  script(answers: Answer[]): void;
  /** What a moderator does in the channel. */
  deletePost(id: string): void;
  deleteThread(id: string): void;
  close(): Promise<void>;
}

export interface FakeDiscordOptions {
  /** The webhook's channel is a forum. */
  forum?: boolean;
  /** Threads that there are already. */
  threads?: string[];
}

export async function startFakeDiscord({
  forum = false,
  threads: known = [],
}: FakeDiscordOptions = {}): Promise<FakeDiscord> {
  const token = 'fake-webhook-token';
  const posts = createRecorder<DiscordPost>('Discord messages');
  const threads = new Map(known.map((id) => [id, 'a thread']));
  let last = 1_200_000_000_000_000_000n;
  const nextId = (): string => {
    last += 1n;
    return String(last);
  };

  const fake = await startHttpFake('Discord', (hit) => {
    const [, version, id, given, message] =
      /^\/api(\/v\d+)?\/webhooks\/(\d+)\/([^/]+)(?:\/messages\/(\d+))?$/.exec(hit.path) ?? [];
    if (version !== '/v10') return refused(400, 50041, 'Invalid API version provided');
    // "May be blocked": the documentation. Here it is.
    if (!/^DiscordBot \(\S+, \S+\)/.test(hit.headers['user-agent'] ?? '')) return cloudflare(403, 'error code: 1010');
    if (id !== WEBHOOK_ID) return refused(404, 10015, 'Unknown Webhook');
    if (given !== token) return refused(401, 50027, 'Invalid Webhook Token');
    if (hit.method === 'GET' && message === undefined) {
      return { status: 200, json: { id, type: 1, name: 'Tocsin', channel_id: CHANNEL_ID, guild_id: '1', token } };
    }
    if (!/^application\/json\b/.test(hit.headers['content-type'] ?? '')) return invalid({ _errors: [] });
    const body = jsonOf(hit.raw.toString());
    if (!body) return refused(400, 50109, 'The request body contains invalid JSON.');
    if (hit.method === 'POST' && message === undefined) return execute(hit, body);
    if (hit.method === 'PATCH' && message !== undefined) return edit(hit, message, body);
    return refused(405, 0, '405: Method Not Allowed');
  });

  const execute = (hit: Hit, body: Part): Reply => {
    const wanted = hit.query.get('thread_id') ?? undefined;
    const name = body.thread_name;
    if (forum && wanted === undefined && name === undefined)
      return refused(400, 220001, 'Webhooks posted to forum channels must have a thread_name or thread_id');
    if (wanted !== undefined && name !== undefined)
      return refused(400, 220002, 'Webhooks posted to forum channels cannot have both a thread_name and thread_id');
    if (!forum && name !== undefined) return refused(400, 220003, 'Webhooks can only create threads in forum channels');
    if (wanted !== undefined && !threads.has(wanted)) return refused(404, 10003, 'Unknown Channel');
    const problem = problemOf(body) ?? misfitOf(isNewMessage, body);
    if (problem) return problem;
    const id = nextId();
    if (name !== undefined) threads.set(id, String(name));
    const thread = name === undefined ? wanted : id;
    const post: DiscordPost = {
      id,
      ...(thread === undefined ? {} : { thread }),
      ...contentOf(hit, body),
      edits: 0,
    };
    posts.add(post);
    // Without `wait` Discord says nothing, not even that it could not keep the message.
    return hit.query.get('wait') === 'true' ? { status: 200, json: messageOf(post) } : { status: 204 };
  };

  const edit = (hit: Hit, id: string, body: Part): Reply => {
    const post = posts.items.find((one) => one.id === id);
    if (!post || post.thread !== (hit.query.get('thread_id') ?? undefined))
      return refused(404, 10008, 'Unknown Message');
    const problem = problemOf(body) ?? misfitOf(isEdit, body);
    if (problem) return problem;
    Object.assign(post, contentOf(hit, body), { edits: post.edits + 1 });
    posts.changed();
    return { status: 200, json: messageOf(post) };
  };

  return {
    webhookUrl: `${fake.url}/api/webhooks/${WEBHOOK_ID}/${token}`,
    posts: posts.items,
    threads,
    requests: fake.requests,
    script: fake.script,
    deletePost: (id) => void posts.items.splice(posts.items.findIndex((post) => post.id === id) >>> 0, 1),
    deleteThread: (id) => {
      threads.delete(id);
      const kept = posts.items.filter(({ thread }) => thread !== id);
      posts.items.splice(0, posts.items.length, ...kept);
    },
    close: fake.close,
  };
}

const messageOf = ({ id, thread, content, embeds }: DiscordPost): Part => ({
  id,
  type: 0,
  channel_id: thread ?? CHANNEL_ID,
  webhook_id: WEBHOOK_ID,
  content,
  embeds,
});

const refused = (status: number, code: number, message: string): Reply => ({ status, json: { message, code } });

/** The 429 of Discord itself. https://docs.discord.com/developers/topics/rate-limits#exceeding-a-rate-limit */
export const limited = (retry_after: number, global = false): Answer => ({
  status: 429,
  headers: {
    'retry-after': String(Math.ceil(retry_after)),
    ...(global
      ? { 'x-ratelimit-global': 'true', 'x-ratelimit-scope': 'global' }
      : { 'x-ratelimit-limit': '5', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset-after': String(retry_after) }),
  },
  json: { message: 'You are being rate limited.', retry_after, global },
});

/** What stands before Discord answers with a page of its own. */
export const cloudflare = (status: number, words: string): Reply => ({
  status,
  headers: { 'content-type': 'text/html; charset=UTF-8', server: 'cloudflare' },
  text: `<!doctype html><html><head><title>Access denied</title></head><body>${words}</body></html>`,
});

const invalid = (errors: Part): Reply => ({ status: 400, json: { message: 'Invalid Form Body', code: 50035, errors } });
const tooLong = (max: number): Part => ({
  _errors: [{ code: 'BASE_TYPE_MAX_LENGTH', message: `Must be ${max} or fewer in length.` }],
});
const required: Part = { _errors: [{ code: 'BASE_TYPE_REQUIRED', message: 'This field is required' }] };

function jsonOf(text: string): Part | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Part) : undefined;
  } catch {
    return undefined;
  }
}

function contentOf({ query }: Hit, body: Part): Pick<DiscordPost, 'content' | 'embeds' | 'buttons' | 'pings' | 'all'> {
  const content = String(body.content ?? '');
  const embeds = (body.embeds ?? []) as Part[];
  const texts = (value: unknown): string[] =>
    typeof value === 'string' ? [value] : typeof value === 'object' && value ? Object.values(value).flatMap(texts) : [];
  // Only the content calls anybody; without allowed_mentions a webhook may call users.
  const { parse = ['users'] } = (body.allowed_mentions ?? {}) as { parse?: string[] };
  const pings = [
    ...(parse.includes('everyone') ? (content.match(/@(everyone|here)/g) ?? []) : []),
    ...(parse.includes('users') ? (content.match(/<@!?\d+>/g) ?? []) : []),
    ...(parse.includes('roles') ? (content.match(/<@&\d+>/g) ?? []) : []),
  ];
  // Of a webhook that a person has made, as this one, they are passed over unless it asks for them.
  const buttons = query.get('with_components') === 'true' ? buttonsOf(body) : [];
  return { content, embeds, buttons, pings, all: [content, ...texts(embeds), ...texts(buttons)].join('\n') };
}

const rowsOf = ({ components }: Part): Part[] => (components ?? []) as Part[];
const buttonsOf = (body: Part): Part[] => rowsOf(body).flatMap(({ components }) => (components ?? []) as Part[]);

/** The refusal of what the published description does not allow. */
const misfitOf = (validate: ValidateFunction, body: Part): Reply | undefined =>
  validate(body)
    ? undefined
    : invalid({ _errors: [{ code: 'SCHEMA', message: ajv.errorsText(validate.errors, { dataVar: 'body' }) }] });

/** What Discord would refuse the message for, or undefined. */
function problemOf(body: Part): Reply | undefined {
  const embeds = (body.embeds ?? []) as Part[];
  if (!Array.isArray(embeds)) return invalid({ embeds: { _errors: [{ code: 'LIST_TYPE_CONVERT', message: '' }] } });
  if (!body.content && embeds.length === 0) return refused(400, 50006, 'Cannot send an empty message');
  if (lengthOf(body.content) > CONTENT_MAX) return invalid({ content: tooLong(CONTENT_MAX) });
  if (lengthOf(body.thread_name) > THREAD_NAME_MAX) return invalid({ thread_name: tooLong(THREAD_NAME_MAX) });
  if (embeds.length > EMBEDS_MAX) return invalid({ embeds: tooLong(EMBEDS_MAX) });
  for (const [index, embed] of embeds.entries()) {
    const errors = embedErrors(embed);
    if (errors) return invalid({ embeds: { [index]: errors } });
  }
  if (embeds.reduce((sum, embed) => sum + sizeOf(embed), 0) > TOTAL_MAX) {
    const message = `Embed size exceeds maximum size of ${TOTAL_MAX}`;
    return invalid({ embeds: { _errors: [{ code: 'MAX_EMBED_SIZE_EXCEEDED', message }] } });
  }
  const isRefused = ({ style, custom_id, url }: Part): boolean =>
    style !== LINK_STYLE || custom_id !== undefined || !/^https?:\/\/[^/?#:]+\.[^/?#:]/.test(String(url));
  const [row] = rowsOf(body).flatMap(({ components = [] }, index) =>
    (components as Part[]).some(isRefused) ? [index] : [],
  );
  if (row !== undefined) {
    const wrong = { _errors: [{ code: 'URL_TYPE_INVALID_URL', message: 'Not a well formed URL.' }] };
    return invalid({ components: { [row]: { components: { 0: { url: wrong } } } } });
  }
  return undefined;
}

const lengthOf = (text: unknown): number => (typeof text === 'string' ? text.length : 0);

const fieldsOf = ({ fields }: Part): Part[] => (fields ?? []) as Part[];

const sizeOf = (embed: Part): number =>
  lengthOf(embed.title) +
  lengthOf(embed.description) +
  lengthOf((embed.footer as Part | undefined)?.text) +
  lengthOf((embed.author as Part | undefined)?.name) +
  fieldsOf(embed).reduce((sum, { name, value }) => sum + lengthOf(name) + lengthOf(value), 0);

function embedErrors(embed: Part): Part | undefined {
  if (lengthOf(embed.title) > TITLE_MAX) return { title: tooLong(TITLE_MAX) };
  if (lengthOf(embed.description) > DESCRIPTION_MAX) return { description: tooLong(DESCRIPTION_MAX) };
  if (lengthOf((embed.footer as Part | undefined)?.text) > FOOTER_MAX) return { footer: { text: tooLong(FOOTER_MAX) } };
  const { color, timestamp } = embed;
  if (color !== undefined && !(Number.isInteger(color) && Number(color) >= 0 && Number(color) <= COLOUR_MAX))
    return { color: { _errors: [{ code: 'NUMBER_TYPE_MAX', message: '' }] } };
  if (timestamp !== undefined && Number.isNaN(Date.parse(String(timestamp))))
    return { timestamp: { _errors: [{ code: 'DATE_TIME_TYPE_PARSE', message: '' }] } };
  const fields = fieldsOf(embed);
  if (fields.length > FIELDS_MAX) return { fields: tooLong(FIELDS_MAX) };
  for (const [index, { name, value }] of fields.entries()) {
    if (typeof name !== 'string' || name.trim() === '') return { fields: { [index]: { name: required } } };
    if (typeof value !== 'string' || value.trim() === '') return { fields: { [index]: { value: required } } };
    if (name.length > NAME_MAX) return { fields: { [index]: { name: tooLong(NAME_MAX) } } };
    if (value.length > VALUE_MAX) return { fields: { [index]: { value: tooLong(VALUE_MAX) } } };
  }
  return undefined;
}
