/**
 * Slack by incoming webhook: one address per channel, posting only; what was said cannot be edited or threaded under.
 * https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
 */
import { z } from 'zod';
import { type SlackMessage, slackMessage } from '../core/blocks.ts';
import { isPage, type Notice } from '../core/notice.ts';
import { defineChannel, delivered, fromError, fromStatus, type Outcome, rejected, retry } from './channel.ts';

/**
 * One message a second, short bursts allowed: https://docs.slack.dev/apis/web-api/rate-limits. How long a burst may be Slack
 * does not say; what its 429 says counts.
 */
const RATE = { count: 20, per_ms: 20_000 };
/** Slack answers one word; more is a proxy's page. */
const ANSWER_MAX_BYTES = 1_024;

const webhookUrl = (title: string, description: string) =>
  z.url({ protocol: /^https?$/ }).meta({ title, description, writeOnly: true });
const urlFor = (severity: string) =>
  webhookUrl(`Webhook URL, ${severity}`, `Where ${severity} incidents go instead of the default address.`).optional();

const config = z.strictObject({
  url: webhookUrl('Webhook URL', 'Starts with https://hooks.slack.com/services/. For every severity not named below.'),
  urls: z
    .strictObject({
      critical: urlFor('critical'),
      error: urlFor('error'),
      warning: urlFor('warning'),
      info: urlFor('info'),
    })
    .optional()
    .meta({ title: 'Webhook URLs by severity', description: 'A severity without an address goes to the default one.' }),
});
type Config = z.output<typeof config>;

/** The JSON body. Pure; golden files in test/golden/slack-webhook. */
export const render = (notice: Notice, _config: Config): SlackMessage =>
  slackMessage(notice, isPage(notice.reason) || notice.story?.phase === 'start' ? 'page' : 'reply', {
    answers: 'links',
  });

/** Slack's words for a refusal, in the answer's body: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors */
const REFUSALS: Record<string, Outcome> = {
  no_service: rejected('gone', 'Slack: no_service: the webhook was removed or its app disabled; make a new one'),
  no_team: rejected('gone', 'Slack: no_team: the workspace is gone'),
  channel_not_found: rejected('gone', 'Slack: channel_not_found: the channel was deleted; make a new webhook'),
  channel_is_archived: rejected('gone', 'Slack: channel_is_archived: unarchive the channel or make a new webhook'),
  invalid_token: rejected('auth', 'Slack: invalid_token: the address is wrong or no longer valid'),
  action_prohibited: rejected('auth', 'Slack: action_prohibited: an admin forbids posting there'),
  posting_to_general_channel_denied: rejected('auth', 'Slack: posting to #general is for admins in this workspace'),
  team_disabled: rejected('gone', 'Slack: team_disabled: the workspace is disabled'),
  invalid_payload: rejected('payload', 'Slack: invalid_payload'),
  invalid_blocks: rejected('payload', 'Slack: invalid_blocks'),
  no_text: rejected('payload', 'Slack: no_text'),
  too_many_attachments: rejected('payload', 'Slack: too_many_attachments'),
  user_not_found: rejected('payload', 'Slack: user_not_found'),
  rollup_error: retry('server', 'Slack: rollup_error', { ambiguous: true }),
};

export const slackWebhook = defineChannel({
  id: 'slack-webhook',
  name: 'Slack (incoming webhook)',
  setup:
    'Create a Slack app, turn on Incoming Webhooks, add one to the channel and copy its address. About one message a second is allowed per address.',
  config,
  sample: {
    url: 'https://hooks.slack.com/services/T0SAMPLE/B0SAMPLE/default-not-a-real-one',
    urls: { critical: 'https://hooks.slack.com/services/T0SAMPLE/B0SAMPLE/critical-not-a-real-one' },
  },
  can: { thread: false, update: false, answer: true },
  patience: { timeout_ms: 10_000, max_attempts: 4, backoff_ms: 5_000 },
  rate: RATE,

  async send({ config, notice, fetch, signal, now }) {
    try {
      const response = await fetch(config.urls?.[notice.incident.severity] ?? config.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json; charset=utf-8' },
        body: JSON.stringify(render(notice, config)),
        redirect: 'manual',
        signal,
      });
      const answer = (await beginningOf(response)).trim();
      if (response.status === 200) {
        // Only Slack's own word counts: a captive proxy answers 200 as well, and a page would be lost.
        return answer === 'ok' ? delivered() : retry('server', 'answered 200, but not in the way Slack does');
      }
      const known = Object.hasOwn(REFUSALS, answer) && response.status !== 429 ? REFUSALS[answer] : undefined;
      if (known) return known;
      const outcome = fromStatus(response.status, response.headers, now, `Slack answered HTTP ${response.status}`);
      return outcome.kind === 'delivered' ? retry('server', `Slack answered HTTP ${response.status}`) : outcome;
    } catch (error) {
      return fromError(error, signal);
    }
  },
});

/** The first bytes of the body as text; the rest is not read. */
async function beginningOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size >= ANSWER_MAX_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, ANSWER_MAX_BYTES).toString();
}
