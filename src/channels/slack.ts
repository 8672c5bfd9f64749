/**
 * Slack by bot token: one message per incident, what follows in its thread, and the message itself edited as the
 * incident changes. https://docs.slack.dev/reference/methods/chat.postMessage
 */
import { WebAPIPlatformError } from '@slack/web-api';
import { type SlackExtras, type SlackMessage, slackMessage } from '../core/blocks.ts';
import { changesPages, changesRoot, isPage, type Notice, type Reason } from '../core/notice.ts';
import { type Call, changeEach, defineChannel, delivered, noted, type Outcome, type Ref, retry } from './channel.ts';
import { check, showsMetadata } from './slack/check.ts';
import { clientFor, type Slack } from './slack/client.ts';
import { type Config, config, isChannelId } from './slack/config.ts';
import { ears } from './slack/ears.ts';
import { userFacts, withUsers } from './slack/people.ts';
import { belowThreshold, placeOf } from './slack/places.ts';

/**
 * One message a second to a channel, short bursts allowed: https://docs.slack.dev/apis/web-api/rate-limits. How long a burst
 * may be Slack does not say; what its 429 says counts.
 */
const RATE = { count: 20, per_ms: 20_000 };
const EVENT_TYPE = 'tocsin_delivery';
/** How much earlier than the notice a lookup begins: clocks differ. */
const LOOKUP_MARGIN_S = 60;
const LOOKUP_PAGE = 100;
const LOOKUP_PAGES_MAX = 5;

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

/** The message as posted: everything for a page, only what is new otherwise. Pure; golden files in test/golden/slack. */
export function render(notice: Notice, config: Config): SlackMessage {
  const form = isPage(notice.reason) || notice.story?.phase === 'start' ? 'page' : 'reply';
  const calls = isPage(notice.reason) && notice.incident.status === 'open' && notice.incident.severity === 'critical';
  const mention = calls && config.mention.length > 0 ? config.mention.map(mentionOf).join(' ') : undefined;
  const extras = extrasOf(notice, config);
  return slackMessage(withUsers(notice), form, mention === undefined ? extras : { ...extras, mention });
}

/** A message that is there as it should look now: nobody is called by an edit. */
const renderRoot = (notice: Notice, config: Config): SlackMessage =>
  slackMessage(withUsers(notice), 'root', extrasOf(notice, config));

function extrasOf(notice: Notice, config: Config): SlackExtras {
  const facts = userFacts(notice);
  // Without the signing secret nobody hears a button; a link works all the same.
  return { answers: config.signing_secret === undefined ? 'links' : 'buttons', ...(facts ? { facts } : {}) };
}

/** https://docs.slack.dev/messaging/formatting-message-text#mentioning-users and the sections below it. */
function mentionOf(who: string): string {
  if (who.startsWith('@')) return `<!${who.slice(1)}>`;
  return who.startsWith('S') ? `<!subteam^${who}>` : `<@${who}>`;
}

export const slack = defineChannel({
  id: 'slack',
  name: 'Slack (bot)',
  setup: 'Create a Slack app, add the bot scope chat:write, install it, and invite the bot to the channel.',
  config,
  sample: {
    token: 'xoxb-sample-not-a-real-one',
    channel: '#ops',
    channels: { critical: 'C0123ABCD' },
    users_channel: '#users',
    signing_secret: 'sample-signing-secret-not-a-real-one',
  },
  can: { thread: true, update: true, answer: true },
  patience: { timeout_ms: 10_000, max_attempts: 4, backoff_ms: 5_000 },
  rate: RATE,

  unwanted: (config) => (config.thresholds ? (notice) => belowThreshold(notice, config) : undefined),

  async send(call) {
    const { config, notice } = call;
    const slack = clientFor(call);
    const { channel: asked, note } = placeOf(notice, config);
    const root = rootOf(call.root);
    const thread = threadIn(asked, root);
    const outcome = await post(slack, notice, config, thread?.channel ?? asked, thread?.ts);
    if (outcome.kind !== 'delivered' || !outcome.ref) return outcome;
    const told = noted(delivered({ ...outcome.ref, asked }), note);
    return noted(told, await update(slack, call));
  },

  async find(call) {
    const { config, notice } = call;
    if (!config.lookup)
      throw new Error('Slack was not asked whether it has the message: lookup is off for this integration');
    const { channel: asked } = placeOf(notice, config);
    const root = rootOf(call.root);
    const thread = threadIn(asked, root);
    const channel = thread?.channel ?? asked;
    if (!isChannelId(channel)) {
      throw new Error('Slack looks messages up by channel id only: give the id instead of the name');
    }
    const slack = clientFor(call);
    const { client } = slack;
    const oldest = String(Math.floor(Date.parse(notice.at) / 1_000) - LOOKUP_MARGIN_S);
    let cursor: string | undefined;
    for (let page = 0; page < LOOKUP_PAGES_MAX; page++) {
      const range = { channel, oldest, limit: LOOKUP_PAGE, include_all_metadata: true, ...(cursor ? { cursor } : {}) };
      const answer = await (thread
        ? client.conversations.replies({ ...range, ts: thread.ts })
        : client.conversations.history(range));
      if (!showsMetadata(answer))
        throw new Error('Slack shows the metadata of messages only with metadata.message:read');
      const found = answer.messages?.find(({ metadata }) => deliveryIdOf(metadata) === notice.delivery.key);
      if (found?.ts) {
        // The lost attempt may have ended before this; nothing is said twice by an edit.
        await update(slack, call);
        return { channel, ts: found.ts, asked };
      }
      cursor = answer.response_metadata?.next_cursor;
      if (!cursor) return undefined;
    }
    throw new Error(
      `Slack has more than ${LOOKUP_PAGE * LOOKUP_PAGES_MAX} messages since the attempt; not looked through`,
    );
  },

  check,
  ears,
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

/** An incident that has become worse may belong to another channel than the one its thread is in. */
const threadIn = (asked: string, root: Root | undefined): Root | undefined =>
  root && (root.asked === undefined || root.asked === asked) ? root : undefined;

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

/** The first message and the pages after it as they should look now; gives what to note. */
async function update(
  slack: Slack,
  { config, notice, root, pages = [], signal }: Call<Config>,
): Promise<string | undefined> {
  if (!config.update_root) return undefined;
  const messages = [...(changesRoot(notice) ? [root] : []), ...(changesPages(notice) ? pages : [])].flatMap(
    (ref) => rootOf(ref) ?? [],
  );
  return changeEach(messages, signal, async ({ channel, ts }) => {
    try {
      await slack.client.chat.update({ channel, ts, ...renderRoot(notice, config) });
      return delivered();
    } catch (error) {
      return slack.outcomeOf(error);
    }
  });
}
