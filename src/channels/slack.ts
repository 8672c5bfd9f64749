/**
 * Slack by bot token: one message per incident, what follows in its thread, and the message itself edited as the
 * incident changes. https://docs.slack.dev/reference/methods/chat.postMessage
 */
import {
  type Logger,
  LogLevel,
  WebAPIHTTPError,
  WebAPIPlatformError,
  WebAPIRateLimitedError,
  WebAPIRequestError,
  WebClient,
} from '@slack/web-api';
import { z } from 'zod';
import { type SlackMessage, slackMessage } from '../core/blocks.ts';
import { isPage, type Notice, type Reason } from '../core/notice.ts';
import {
  type Call,
  defineChannel,
  delivered,
  type Failure,
  type Fetch,
  fromError,
  fromStatus,
  type Outcome,
  type Ref,
  rejected,
  retry,
  secret,
} from './channel.ts';

const EVENT_TYPE = 'tocsin_delivery';
/** How much earlier than the notice a lookup begins: clocks differ. */
const LOOKUP_MARGIN_S = 60;
const LOOKUP_PAGE = 100;
const LOOKUP_PAGES_MAX = 5;

const channelName = z
  .string()
  .regex(
    /^([CGD][A-Z0-9]{5,}|#?[^\s#@<>&,]{1,80})$/,
    'expected a channel id such as C0123ABCD, or a name such as #ops',
  );
const channelFor = (severity: string) =>
  channelName
    .optional()
    .meta({ title: `Channel, ${severity}`, description: `Where ${severity} incidents go instead.` });

const config = z.strictObject({
  token: secret('Bot token', 'Starts with xoxb-. The scope chat:write is enough.'),
  channel: channelName.meta({
    title: 'Channel',
    description: 'Its id (C0123ABCD, works for private ones too) or its name (#ops). Invite the bot to it.',
  }),
  channels: z
    .strictObject({
      critical: channelFor('critical'),
      error: channelFor('error'),
      warning: channelFor('warning'),
      info: channelFor('info'),
    })
    .optional()
    .meta({ title: 'Channels by severity', description: 'A severity without a channel goes to the default one.' }),
  api_url: z
    .url({ protocol: /^https?$/ })
    .default('https://slack.com/api/')
    .meta({ title: 'API address', description: 'Only changed for tests and proxies.' }),
  update_root: z.boolean().default(true).meta({
    title: 'Edit the first message',
    description: 'Show in the incident’s first message what has become of it, besides the reply in its thread.',
  }),
  lookup: z.boolean().default(false).meta({
    title: 'Look before repeating',
    description:
      'After a lost answer, look whether the message is there before sending it again. Needs channels:history and metadata.message:read, groups:history for private channels, and a channel id.',
  }),
});
type Config = z.output<typeof config>;

/** These page again: the reply is shown in the channel as well. */
const BROADCAST: ReadonlySet<Reason> = new Set([
  'repeat_interval',
  'escalated',
  'escalated_by_hand',
  'unacknowledged',
  'severity_rose',
  'fired_again',
  'ack_timed_out',
  'snooze_ended',
]);

/** These change what the first message should show. */
const EDITS_ROOT: ReadonlySet<Reason> = new Set([
  'acknowledged',
  'unacknowledged',
  'ack_timed_out',
  'snoozed',
  'snooze_ended',
  'severity_rose',
  'resolved',
]);

/** The message as posted: everything for a page, only what is new otherwise. Pure; golden files in test/golden/slack. */
export const render = (notice: Notice, _config: Config): SlackMessage =>
  slackMessage(notice, isPage(notice.reason) || notice.story?.phase === 'start' ? 'page' : 'reply');

export const slack = defineChannel({
  id: 'slack',
  name: 'Slack (bot)',
  setup: 'Create a Slack app, add the bot scope chat:write, install it, and invite the bot to the channel.',
  config,
  sample: { token: 'xoxb-sample-not-a-real-one', channel: '#ops', channels: { critical: 'C0123ABCD' } },
  can: { thread: true, update: true },
  patience: { timeout_ms: 10_000, max_attempts: 4, backoff_ms: 5_000 },

  async send(call) {
    const { config, notice } = call;
    const slack = clientFor(call);
    const asked = config.channels?.[notice.incident.severity] ?? config.channel;
    const root = rootOf(call.root);
    // An incident that has become worse may belong to another channel than the one its thread is in.
    const thread = root && (root.asked === undefined || root.asked === asked) ? root : undefined;
    const outcome = await post(slack, notice, config, thread?.channel ?? asked, thread?.ts);
    if (outcome.kind !== 'delivered' || !outcome.ref) return outcome;
    if (root && config.update_root && (EDITS_ROOT.has(notice.reason) || notice.story?.phase === 'end')) {
      await edit(slack, notice, root);
    }
    return delivered({ ...outcome.ref, asked });
  },

  async find(call) {
    const { config, notice } = call;
    if (!config.lookup)
      throw new Error('Slack was not asked whether it has the message: lookup is off for this integration');
    const root = rootOf(call.root);
    const channel = root?.channel ?? config.channels?.[notice.incident.severity] ?? config.channel;
    if (!/^[CGD][A-Z0-9]{5,}$/.test(channel)) {
      throw new Error('Slack looks messages up by channel id only: give the id instead of the name');
    }
    const { client } = clientFor(call);
    const oldest = String(Math.floor(Date.parse(notice.at) / 1_000) - LOOKUP_MARGIN_S);
    let cursor: string | undefined;
    for (let page = 0; page < LOOKUP_PAGES_MAX; page++) {
      const range = { channel, oldest, limit: LOOKUP_PAGE, include_all_metadata: true, ...(cursor ? { cursor } : {}) };
      const answer = await (root
        ? client.conversations.replies({ ...range, ts: root.ts })
        : client.conversations.history(range));
      const found = answer.messages?.find(({ metadata }) => deliveryIdOf(metadata) === notice.delivery.key);
      if (found?.ts) return { channel, ts: found.ts };
      cursor = answer.response_metadata?.next_cursor;
      if (!cursor) return undefined;
    }
    throw new Error(
      `Slack has more than ${LOOKUP_PAGE * LOOKUP_PAGES_MAX} messages since the attempt; not looked through`,
    );
  },
});

interface Root {
  channel: string;
  ts: string;
  /** The channel as the configuration named it: what Slack answers is always an id. */
  asked?: string;
}

function rootOf(ref: Ref | undefined): Root | undefined {
  if (typeof ref?.channel !== 'string' || typeof ref.ts !== 'string') return undefined;
  return { channel: ref.channel, ts: ref.ts, ...(typeof ref.asked === 'string' ? { asked: ref.asked } : {}) };
}

function deliveryIdOf(metadata: unknown): unknown {
  const payload = (metadata as { event_payload?: { delivery_id?: unknown } } | undefined)?.event_payload;
  return payload?.delivery_id;
}

async function post(
  slack: Slack,
  notice: Notice,
  config: Config,
  channel: string,
  thread_ts?: string,
): Promise<Outcome> {
  const message = {
    ...render(notice, config),
    channel,
    unfurl_links: false,
    unfurl_media: false,
    metadata: { event_type: EVENT_TYPE, event_payload: { delivery_id: notice.delivery.key } },
  };
  try {
    const answer = await slack.client.chat.postMessage(
      thread_ts === undefined ? message : { ...message, thread_ts, reply_broadcast: BROADCAST.has(notice.reason) },
    );
    if (typeof answer.ts !== 'string') return retry('server', 'Slack answered without a ts', { ambiguous: true });
    // The id in the answer, not the name that was asked for: chat.update takes ids only.
    return delivered({ channel: answer.channel ?? channel, ts: answer.ts });
  } catch (error) {
    if (thread_ts !== undefined && error instanceof WebAPIPlatformError && THREAD_GONE.has(error.data.error)) {
      return post(slack, notice, config, channel);
    }
    return slack.outcomeOf(error);
  }
}

/** Somebody deleted the first message: what there is to say stands on its own then. */
const THREAD_GONE: ReadonlySet<string> = new Set(['thread_not_found', 'message_not_found']);

async function edit(slack: Slack, notice: Notice, { channel, ts }: Root): Promise<void> {
  try {
    await slack.client.chat.update({ channel, ts, ...slackMessage(notice, 'root') });
  } catch {
    // The reply has been delivered and says the same; failing here would send it a second time.
  }
}

interface Slack {
  client: WebClient;
  outcomeOf(error: unknown): Outcome;
}

const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  setLevel: () => undefined,
  setName: () => undefined,
  getLevel: () => LogLevel.ERROR,
};

/** The vendor's client with its own patience, log and redirects turned off: those are Tocsin's. */
function clientFor({ config, fetch, signal, now }: Call<Config>): Slack {
  // On a 429 the client throws away the headers it does not understand; the answer itself is remembered for them.
  let last: Awaited<ReturnType<Fetch>> | undefined;
  const client = new WebClient(config.token, {
    slackApiUrl: config.api_url.endsWith('/') ? config.api_url : `${config.api_url}/`,
    allowAbsoluteUrls: false,
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    timeout: 0,
    logger: SILENT,
    fetch: async (url, init) => {
      last = undefined;
      last = await fetch(url, { ...init, redirect: 'manual', signal });
      return last;
    },
  });
  const outcomeOf = (error: unknown): Outcome => {
    if (error instanceof WebAPIRateLimitedError) {
      return retry('rate_limited', 'Slack: too many messages', { after_ms: error.retryAfter * 1_000 });
    }
    if (error instanceof WebAPIPlatformError) return fromPlatform(error.data.error);
    if (error instanceof WebAPIRequestError) return fromError(error.original, signal);
    if (error instanceof WebAPIHTTPError || last?.status === 429) {
      const status = error instanceof WebAPIHTTPError ? error.statusCode : 429;
      const headers = last?.headers ?? new Headers();
      const outcome = fromStatus(status, headers, now, `Slack answered HTTP ${status}`);
      // Slack answers 200 to what it has taken; another 2xx comes from something in between.
      return outcome.kind === 'delivered' ? retry('server', `Slack answered HTTP ${status}`) : outcome;
    }
    return fromError(error, signal);
  };
  return { client, outcomeOf };
}

/** Slack's words for failures that are not passing: https://docs.slack.dev/reference/methods/chat.postMessage#errors */
const REFUSALS: Record<string, [Failure, string]> = {
  invalid_auth: ['auth', 'the token is wrong'],
  not_authed: ['auth', 'no token was sent'],
  account_inactive: ['auth', 'the bot or its workspace is disabled'],
  token_revoked: ['auth', 'the token was revoked; install the app again'],
  token_expired: ['auth', 'the token has expired'],
  missing_scope: ['auth', 'the app lacks a scope; add chat:write and install it again'],
  no_permission: ['auth', 'the token may not post'],
  org_login_required: ['auth', 'the workspace is being moved to an organisation'],
  ekm_access_denied: ['auth', 'an admin has suspended access'],
  restricted_action: ['auth', 'an admin forbids posting there'],
  not_allowed_token_type: ['auth', 'a bot token (xoxb-) is wanted'],
  channel_not_found: [
    'config',
    'no such channel, or it is private and the bot is not in it; check the id, invite the bot',
  ],
  not_in_channel: ['config', 'the bot is not in the channel; invite it'],
  is_archived: ['config', 'the channel is archived'],
  thread_not_found: ['config', 'the thread was deleted'],
  msg_too_long: ['payload', 'the message is too long'],
  msg_blocks_too_long: ['payload', 'the blocks are too long'],
  invalid_blocks: ['payload', 'a block is not valid'],
  invalid_blocks_format: ['payload', 'the blocks are no JSON'],
  invalid_attachments: ['payload', 'an attachment is not valid'],
  no_text: ['payload', 'the message is empty'],
  invalid_arguments: ['payload', 'an argument is not valid'],
  invalid_metadata_format: ['payload', 'the metadata is not valid'],
};

/** Worth trying again; of the last two Slack says that part may have succeeded. */
const PASSING: Record<string, [Failure, boolean]> = {
  ratelimited: ['rate_limited', false],
  rate_limited: ['rate_limited', false],
  message_limit_exceeded: ['rate_limited', false],
  service_unavailable: ['server', false],
  request_timeout: ['timeout', true],
  team_added_to_org: ['server', false],
  accesslimited: ['server', false],
  internal_error: ['server', true],
  fatal_error: ['server', true],
};

function fromPlatform(word: unknown): Outcome {
  // A body that is not Slack's stands here as a whole: a proxy's page, which is nobody's business.
  if (typeof word !== 'string' || !/^[a-z_]{1,60}$/.test(word)) {
    return retry('server', 'answered 200, but not in the way Slack does');
  }
  const passing = Object.hasOwn(PASSING, word) ? PASSING[word] : undefined;
  if (passing) return retry(passing[0], `Slack: ${word}`, { ambiguous: passing[1] });
  const refusal = Object.hasOwn(REFUSALS, word) ? REFUSALS[word] : undefined;
  if (refusal) return rejected(refusal[0], `Slack: ${word}: ${refusal[1]}`);
  return rejected('unforeseen', `Slack: ${word}`);
}
