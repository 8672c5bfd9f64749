/** The vendor's client with nothing of its own in the way, and what Slack's refusals mean. */
import {
  type Logger,
  LogLevel,
  WebAPIHTTPError,
  WebAPIPlatformError,
  WebAPIRateLimitedError,
  WebAPIRequestError,
  WebClient,
} from '@slack/web-api';
import {
  type CheckCall,
  type Failure,
  type Fetch,
  fromError,
  fromStatus,
  type Outcome,
  rejected,
  retry,
} from '../channel.ts';

export interface Slack {
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
export function clientFor({
  config,
  fetch,
  signal,
  now,
}: Pick<CheckCall<{ token: string; api_url: string }>, 'config' | 'fetch' | 'signal' | 'now'>): Slack {
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
  not_in_channel: [
    'config',
    'the bot is not in the channel; invite it, or for public channels add the scope chat:write.public',
  ],
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

/** What one of Slack's words for a failure means. */
export function fromPlatform(word: unknown): Outcome {
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
