/** Whether the token is good and the bot is where it should speak, without saying anything. */
import { type WebAPICallResult, WebAPIPlatformError } from '@slack/web-api';
import { type CheckCall, delivered, noted, type Outcome, rejected } from '../channel.ts';
import { clientFor, type Slack } from './client.ts';
import { type Config, isChannelId } from './config.ts';

/** A request each: what is configured beyond is not asked for. */
const CHANNELS_MAX = 20;
/** What the bot may lack without being worse at its work. */
const UNASKED = new Set(['missing_scope', 'not_allowed_token_type', 'ratelimited', 'rate_limited']);

const HISTORY = ['channels:history', 'groups:history'];
const METADATA = 'metadata.message:read';

/** Whether a missing mark means that a message is not there: Slack names the token's scopes with each answer. */
export const showsMetadata = ({ response_metadata }: WebAPICallResult): boolean =>
  response_metadata?.scopes?.includes(METADATA) ?? true;

/** What `lookup` lacks, as a note: what it is asked of works all the same, as it does without it. */
function unlookable({ lookup }: Config, scopes: readonly string[] = []): string | undefined {
  if (!lookup || scopes.length === 0) return undefined;
  const lacks = [
    ...(HISTORY.some((one) => scopes.includes(one)) ? [] : [HISTORY[0]]),
    ...(scopes.includes(METADATA) ? [] : [METADATA]),
  ];
  return lacks.length === 0
    ? undefined
    : `lookup is on, but the app lacks ${lacks.join(' and ')}: a message whose answer was lost is not looked for`;
}

/** auth.test for the token, conversations.info for each channel where the token may ask. */
export async function check(call: CheckCall<Config>): Promise<Outcome> {
  const slack = clientFor(call);
  try {
    const { response_metadata } = await slack.client.auth.test();
    const scopes = response_metadata?.scopes;
    if (scopes && scopes.length > 0 && !scopes.includes('chat:write')) {
      return rejected(
        'auth',
        'the token is good, but the app lacks the scope chat:write; add it and install the app again',
      );
    }
    const found = await channelsOf(slack, call.config, scopes?.includes('chat:write.public') ?? false);
    return noted(found, unlookable(call.config, scopes));
  } catch (error) {
    return slack.outcomeOf(error);
  }
}

async function channelsOf(slack: Slack, config: Config, speaksAnywhere: boolean): Promise<Outcome> {
  const { channel, channels = {}, users_channel, job_channels = {} } = config;
  const wanted = [channel, ...Object.values(channels), users_channel, ...Object.values(job_channels)];
  const all = [...new Set(wanted.filter((one) => one !== undefined))];
  const ids = all.filter(isChannelId).slice(0, CHANNELS_MAX);
  for (const id of ids) {
    try {
      const { channel: found } = await slack.client.conversations.info({ channel: id });
      if (found?.is_archived) return rejected('config', `${id} is archived; unarchive it or give another channel`);
      if (found?.is_member === false && !(speaksAnywhere && found.is_private !== true)) {
        return rejected('config', `the bot is not in the channel ${id}; invite it: /invite @bot`);
      }
    } catch (error) {
      const word = error instanceof WebAPIPlatformError ? error.data.error : undefined;
      if (word !== undefined && UNASKED.has(word)) {
        return delivered(
          undefined,
          'the token is good; whether the bot is in the channels was not asked (needs channels:read, groups:read for private ones)',
        );
      }
      const outcome = slack.outcomeOf(error);
      return outcome.kind === 'delivered' ? outcome : { ...outcome, detail: `${id}: ${outcome.detail}` };
    }
  }
  const unasked = all.length - ids.length;
  return unasked === 0
    ? delivered()
    : delivered(
        undefined,
        `the token is good; ${unasked} of ${all.length} channels not asked about: Slack tells of a channel by its id only`,
      );
}
