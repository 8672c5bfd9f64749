/**
 * Apprise: a server of the user's own that passes a message on to any of some 150 services. What is sent to it is one
 * message with title and text; it knows no threads and no edits. https://github.com/caronc/apprise-api#api-details
 */
import { z } from 'zod';
import type { Notice } from '../core/notice.ts';
import { type Meaning, toneOf } from '../core/text.ts';
import { bodyOf, FORMATS, titleOf } from './apprise/message.ts';
import {
  type CheckCall,
  defineChannel,
  delivered,
  fromError,
  fromStatus,
  type Outcome,
  rejected,
  retry,
  secret,
} from './channel.ts';

/** Keys of stored configurations: https://github.com/caronc/apprise-api#api-notes */
const KEY = /^[\w-]{1,128}$/;
/** Tags as the server checks them, and the word for all: without any tag it tells only addresses that have none themselves. */
const TAG = /^[\w |,:+&-]{1,200}$/;
const EVERYBODY = 'all';
/** What Apprise takes unless a service takes less (`body_maxlen`): https://appriseit.com/library/python/ */
const BODY_LIMIT = 32_768;
const BODY_MIN = 200;
/** The least that a common chat takes: https://docs.discord.com/developers/resources/webhook#execute-webhook */
const BODY_DEFAULT = 2_000;

const config = z
  .strictObject({
    api_url: z
      .url({ protocol: /^https?$/ })
      .refine((url) => !/^https?:\/\/[^/?#]*@/.test(url), 'give user and pass in fields of their own')
      .meta({
        title: 'Address',
        description:
          'Of the Apprise API server, such as https://apprise.example.com. Plain http only for hosts listed under egress.allow.',
      }),
    key: z.string().regex(KEY, 'expected 1 to 128 letters, digits, _ or -').optional().meta({
      title: 'Configuration key',
      description: 'Of a configuration stored on that server. Whoever knows it can send.',
      writeOnly: true,
    }),
    urls: secret(
      'Apprise URLs',
      'Where the message goes (slack://…, mailto://…), separated by commas. Instead of a key; without both the server’s own.',
    ).optional(),
    tag: z
      .string()
      .regex(TAG, 'expected names of letters, digits, _ and -, with commas or spaces between them')
      .optional()
      .meta({
        title: 'Tag',
        description:
          'Only the addresses of the key that have it: "a, b" is either, "a b" both. All of them without it.',
      }),
    format: z.enum(FORMATS).default('text').meta({
      title: 'Format',
      description:
        'Of the text. Apprise turns text into what each service wants; markdown and html show links by name.',
    }),
    body_max: z.int().min(BODY_MIN).max(BODY_LIMIT).default(BODY_DEFAULT).meta({
      title: 'Longest text',
      description: 'In characters. Services refuse or cut what is too long for them: Discord 2,000, Telegram 4,096.',
    }),
    user: z
      .string()
      .min(1)
      .optional()
      .meta({ title: 'User', description: 'For a server behind a login (HTTP Basic).' }),
    pass: secret('Password', 'For a server behind a login (HTTP Basic).').optional(),
  })
  .refine(({ key, urls }) => key === undefined || urls === undefined, {
    error: 'give key or urls, not both',
    path: ['urls'],
  })
  .refine(({ key, tag }) => key !== undefined || tag === undefined, { error: 'tags are those of a key', path: ['tag'] })
  .refine(({ user, pass }) => (user === undefined) === (pass === undefined), {
    error: 'give user and pass, or neither',
    path: ['pass'],
  });
type Config = z.output<typeof config>;

/** Apprise's four types: https://github.com/caronc/apprise-api#api-details */
type Type = 'info' | 'success' | 'warning' | 'failure';
const TYPES: Record<Meaning, Type> = {
  error: 'failure',
  warning: 'warning',
  success: 'success',
  info: 'info',
  quiet: 'info',
};

/** The message, without what it is sent with. Pure; golden files in test/golden/apprise. */
export function render(notice: Notice, { format, body_max }: Pick<Config, 'format' | 'body_max'>) {
  return {
    title: titleOf(notice, format),
    body: bodyOf(notice, format, body_max),
    type: TYPES[toneOf(notice).means],
    format,
  };
}

export const apprise = defineChannel({
  id: 'apprise',
  name: 'Apprise',
  setup:
    'Run the Apprise API server (1.2.1 or newer), store the addresses to notify under a key, and give its address and the key. If it is on your own network, list that under egress.allow.',
  config,
  sample: {
    api_url: 'https://apprise.example.com',
    key: 'sample-key-not-a-real-one',
    tag: 'ops',
    user: 'tocsin',
    pass: 'sample-password-not-a-real-one',
  },
  can: { thread: false, update: false, answer: true },
  // It answers when every service has, and gives each of them 4 s to connect and 4 s to answer.
  patience: { timeout_ms: 30_000, max_attempts: 4, backoff_ms: 5_000 },

  // No `find`: the server keeps nothing of what it has sent.
  async send({ config, notice, fetch, signal, now }) {
    const { key, urls, tag = EVERYBODY } = config;
    const to = key === undefined ? { ...(urls === undefined ? {} : { urls }) } : { tag };
    const body = { ...render(notice, config), ...to };
    try {
      const response = await fetch(addressOf(config, key === undefined ? 'notify' : `notify/${key}`), {
        method: 'POST',
        headers: { ...headersOf(config), 'content-type': 'application/json' },
        body: JSON.stringify(body),
        redirect: 'manual',
        signal,
      });
      return outcomeOf(response.status, response.headers, await response.text(), now, config);
    } catch (error) {
      return fromError(error, signal);
    }
  },

  /** With a key: whether it is there and has addresses (asked for without their secrets). Without: whether the server is well. */
  async check(call) {
    try {
      return call.config.key === undefined ? await checkServer(call) : await checkKey(call, call.config.key);
    } catch (error) {
      return fromError(error, call.signal);
    }
  },
});

const addressOf = ({ api_url }: Config, path: string): string => `${api_url.replace(/\/+$/, '')}/${path}`;

function headersOf({ user, pass }: Config): Record<string, string> {
  const login =
    user === undefined ? {} : { authorization: `Basic ${Buffer.from(`${user}:${pass}`).toString('base64')}` };
  // The level of the lines that an answer tells of each service: `Sent …` is said at INFO.
  return { accept: 'application/json', 'user-agent': 'Tocsin', 'x-apprise-log-level': 'INFO', ...login };
}

/** `details`: a line for each thing that the server did, as level, time and words. */
const Answer = z.object({
  error: z.string().nullable(),
  details: z.array(z.tuple([z.string(), z.string(), z.string()])).optional(),
});

/** https://github.com/caronc/apprise-api#api-response-codes */
function outcomeOf(status: number, headers: Headers, text: string, now: Date, { key }: Config): Outcome {
  const answer = Answer.safeParse(jsonOf(text)).data;
  switch (status) {
    case 200:
      return answer?.error === null ? delivered() : strange(status);
    case 204:
      return key === undefined
        ? rejected('config', 'Apprise: none of the urls is one that it understands, or it was given none')
        : noConfiguration();
    case 400:
      return refused(answer?.error ?? '');
    case 405:
    case 406:
      return rejected(
        'config',
        `Apprise answered HTTP ${status}: one Apprise server passes this on to another too often`,
      );
    case 424:
      return undelivered(answer);
    case 431:
      return rejected('payload', 'Apprise answered HTTP 431: the message is too long for this server');
    default:
      return otherwise(status, headers, now);
  }
}

/**
 * 424 is either nobody or not everybody: the lines tell. Somebody has it where one of them says `Sent`; the repeat, which
 * is for the others, reaches them again. Only names of services are passed on: the lines hold addresses and secrets.
 */
function undelivered(answer: z.output<typeof Answer> | undefined): Outcome {
  const lines = answer?.details?.map(([, , words]) => words);
  if (
    answer === undefined ||
    lines?.length === 0 ||
    lines?.some((line) => line.startsWith('There are no service(s)'))
  ) {
    return rejected('config', 'Apprise: no address was notified; none has this tag, or the configuration has none');
  }
  const isSent = lines?.some((line) => /^Sent\b|\bnotification sent\b/.test(line)) ?? true;
  const failed = [...new Set(lines?.flatMap((line) => FAILED.exec(line)?.[1] ?? []))].slice(0, NAMES_MAX);
  const which = failed.length > 0 ? failed.join(', ') : 'a service';
  return retry('server', `Apprise could not deliver to ${which}${isSent ? '; others have it' : ''}`, {
    ambiguous: isSent,
  });
}

const NAMES_MAX = 5;
/** `Failed to send Discord notification …`, `A Connection error occurred sending JSON notification to …`. */
const FAILED =
  /^(?:Failed to send|An? \w+ error occurred (?:while )?sending) ([A-Z][A-Za-z.]{0,20}(?: [A-Z][A-Za-z.]{0,20})?) /;

/** What the server says of a bad request, with what to do. */
function refused(error: string): Outcome {
  if (error.startsWith('Unsupported characters found in tag')) {
    return rejected(
      'config',
      'Apprise: the tag is not valid; letters, digits, _ and -, with commas or spaces between them',
    );
  }
  if (error.startsWith('Payload field mapping')) return rejected('config', 'Apprise: the address maps fields wrongly');
  return rejected('payload', 'Apprise answered HTTP 400: the message is not valid');
}

const noConfiguration = (): Outcome =>
  rejected('config', 'Apprise: there is no configuration under this key; store one there, or correct the key');

const strange = (status: number): Outcome =>
  retry('server', `answered ${status}, but not in the way the Apprise API (1.2.1 or newer) does`);

function otherwise(status: number, headers: Headers, now: Date): Outcome {
  const advice: Record<number, string> = {
    401: ': the server wants a login; give user and pass',
    404: ': there is no Apprise API at this address',
    421: ': this server does not answer the API',
  };
  const outcome = fromStatus(status, headers, now, `Apprise answered HTTP ${status}${advice[status] ?? ''}`);
  return outcome.kind === 'delivered' ? strange(status) : outcome;
}

const Stored = z.object({ urls: z.array(z.object({ enabled: z.boolean().optional(), tags: z.array(z.string()) })) });

async function checkKey({ config, fetch, signal, now }: CheckCall<Config>, key: string): Promise<Outcome> {
  const url = addressOf(config, `json/urls/${key}?privacy=1`);
  const response = await fetch(url, { headers: headersOf(config), redirect: 'manual', signal });
  const text = await response.text();
  if (response.status === 204) return noConfiguration();
  if (response.status !== 200) return otherwise(response.status, response.headers, now);
  const stored = Stored.safeParse(jsonOf(text));
  if (!stored.success) return strange(200);
  const { tag = EVERYBODY } = config;
  const addresses = stored.data.urls.filter(({ enabled, tags }) => enabled !== false && matches(tags, tag)).length;
  if (addresses > 0)
    return delivered(undefined, `${addresses} ${addresses === 1 ? 'address' : 'addresses'} will be notified`);
  return rejected(
    'config',
    `Apprise: no address ${config.tag === undefined ? 'is stored under this key' : 'has this tag'}`,
  );
}

/**
 * Whether a notification with this tag reaches an address with those: a comma is "either", a space "both". Looked at here
 * because the server's own list takes a space for "either" (1.5.2). https://github.com/caronc/apprise-api#tagging
 */
function matches(tags: string[], wanted: string): boolean {
  if (tags.includes('always')) return true;
  return wanted.split(/[|,]/).some((group) =>
    group
      .split(/[\s&+]+/)
      .filter((one) => one !== '')
      .map((one) => one.replace(/^\d+:/, ''))
      .every((one) => one === EVERYBODY || tags.includes(one)),
  );
}

/** https://github.com/caronc/apprise-api#health-checks: 417 names what the server cannot do, its disk for example. */
async function checkServer({ config, fetch, signal, now }: CheckCall<Config>): Promise<Outcome> {
  const response = await fetch(addressOf(config, 'status'), { headers: headersOf(config), redirect: 'manual', signal });
  const text = await response.text();
  // Without a key nothing is read from its disk, so what it cannot write does not matter.
  if (response.status !== 200 && response.status !== 417) return otherwise(response.status, response.headers, now);
  if (!z.object({ status: z.object({}) }).safeParse(jsonOf(text)).success) return strange(response.status);
  return delivered(undefined, 'the server answers; whether the urls are good shows when something is sent');
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
