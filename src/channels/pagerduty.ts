/**
 * PagerDuty by its Events API v2: an incident is triggered, acknowledged and resolved there, and what is no alarm is a
 * change event. https://developer.pagerduty.com/docs/events-api-v2-overview
 *
 * Of the vendor's library, @pagerduty/pdjs 2.2.4, only the types are used. Its requests cannot be: it takes no `fetch`, given
 * or global, so nothing would keep it from private addresses; one call is four requests where PagerDuty answers 429, for
 * only the wait between them can be set (`retryTimeout`), and their Retry-After is read by nobody; its `requestTimeout` ends
 * nothing; and an answer that is no JSON throws. Measured with a server on this machine.
 */
import { z } from 'zod';
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
import { ALERTS, type AlertEvent, type Post, render } from './pagerduty/event.ts';
import { checkService, jsonOf } from './pagerduty/service.ts';

export { render };

/** "Approximately 120 calls/minute per integration key": https://developer.pagerduty.com/docs/events-api-rate-limits */
const RATE = { count: 120, per_ms: 60_000 };
/** The same page: to be tried again 30 s later. PagerDuty names no time of its own. */
const LIMITED_MS = 30_000;

/** The two regions, with addresses of their own: https://support.pagerduty.com/main/docs/service-regions */
const REGIONS = {
  us: { events: 'https://events.pagerduty.com', rest: 'https://api.pagerduty.com' },
  eu: { events: 'https://events.eu.pagerduty.com', rest: 'https://api.eu.pagerduty.com' },
} as const;

const address = (title: string, description: string) =>
  z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({ title, description });

const config = z.strictObject({
  routing_key: z
    .string()
    .regex(/^[A-Za-z0-9]{32}$/, 'expected the 32 letters and digits of an Events API v2 integration key')
    .meta({
      title: 'Integration key',
      description:
        'Of an integration of the type Events API v2, 32 letters and digits. PagerDuty calls it routing key too.',
      writeOnly: true,
    }),
  region: z
    .enum(['us', 'eu'])
    .default('us')
    .meta({ title: 'Region', description: 'Where the account is: eu when its address ends in .eu.pagerduty.com.' }),
  api_token: secret(
    'REST token',
    'A read-only REST API key: lets the check say whether the service behind the key is there and enabled.',
  ).optional(),
  api_url: address('Events address', 'Only changed for tests and proxies; the region’s own without it.'),
  rest_url: address('REST address', 'Only changed for tests and proxies; the region’s own without it.'),
});
type Config = z.output<typeof config>;

export const pagerduty = defineChannel({
  id: 'pagerduty',
  name: 'PagerDuty',
  setup:
    'At the PagerDuty service, under Integrations, add one of the type Events API v2 and copy its integration key. PagerDuty then decides whom to call; give the service an acknowledgement timeout.',
  config,
  sample: { routing_key: 'sample00integration00key00000000', api_token: 'sample-rest-token-not-a-real-one' },
  can: { thread: false, update: true, answer: true },
  patience: { timeout_ms: 10_000, max_attempts: 4, backoff_ms: 5_000 },
  rate: RATE,
  recognises: true,

  // No `find`: PagerDuty merges events of one key, so one whose answer was lost is simply sent again. Only a change event
  // may then stand there twice; nobody is called for one.
  async send({ notice, root, ...call }) {
    const { dedup_key, posts, note } = render(notice, call.config, root);
    for (const one of posts) {
      const outcome = await post(call, one);
      if (outcome.kind !== 'delivered') return outcome;
    }
    return posts.length === 0 ? delivered(undefined, note) : delivered({ dedup_key }, note);
  },

  /** Nothing opens by it: an event that resolves what was never triggered is checked like any other and dropped. */
  async check(call) {
    const { routing_key, api_token, region, rest_url = REGIONS[region].rest } = call.config;
    try {
      const service =
        api_token === undefined ? undefined : await checkService(trimmed(rest_url), { routing_key, api_token }, call);
      if (service) return service;
      const event: AlertEvent = { event_action: 'resolve', dedup_key: 'tocsin-check' };
      const outcome = await post(call, { to: ALERTS, event });
      if (outcome.kind !== 'delivered') return outcome;
      return delivered(undefined, api_token === undefined ? UNSEEN_SERVICE : UNKNOWN_SERVICE);
    } catch (error) {
      return fromError(error, call.signal);
    }
  },
});

const UNSEEN_SERVICE =
  'PagerDuty takes events with this key; whether its service is enabled can only be told with an api_token';
const UNKNOWN_SERVICE = 'PagerDuty takes events with this key, but the REST token sees no service it belongs to';

/** The address without what people copy along with it: the path of the API, a slash at the end. */
const trimmed = (url: string): string => url.replace(/\/(?:v2\/(?:change\/)?enqueue\/?)?$/, '');

async function post({ config, fetch, signal, now }: CheckCall<Config>, { to, event }: Post): Promise<Outcome> {
  try {
    const response = await fetch(`${trimmed(config.api_url ?? REGIONS[config.region].events)}${to}`, {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/json', 'user-agent': 'Tocsin' },
      body: JSON.stringify({ routing_key: config.routing_key, ...event }),
      redirect: 'manual',
      signal,
    });
    return outcomeOf(response.status, response.headers, await response.text(), now);
  } catch (error) {
    return fromError(error, signal);
  }
}

/** 202 takes, 400 never will, 429 and 5xx later: https://developer.pagerduty.com/docs/events-api-v2-overview#response-codes--retry-logic */
function outcomeOf(status: number, headers: Headers, text: string, now: Date): Outcome {
  if (status === 202 && (jsonOf(text) as { status?: unknown } | null | undefined)?.status === 'success') {
    return delivered();
  }
  if (status === 400) return refused(text);
  const advice = status === 404 ? ': check region and api_url' : '';
  const outcome = fromStatus(status, headers, now, `PagerDuty answered HTTP ${status}${advice}`);
  if (outcome.kind === 'delivered') return retry('server', `answered ${status}, but not in the way PagerDuty does`);
  return outcome.kind === 'retry' && status === 429 ? { after_ms: LIMITED_MS, ...outcome } : outcome;
}

/** What may be named of a refusal: its own words could repeat what was sent. */
const FIELDS = [
  'event_action',
  'dedup_key',
  'payload.summary',
  'payload.source',
  'payload.severity',
  'payload.timestamp',
  'payload.custom_details',
  'client_url',
  'links',
  'images',
];

function refused(text: string): Outcome {
  // As it says so itself: "Length of 'routing_key' is incorrect (should be 32 characters)", "Invalid routing key".
  if (/routing[_ ]key/i.test(text)) {
    return rejected(
      'auth',
      'PagerDuty does not know the integration key: it wants the one of an Events API v2 integration, of an account in this region',
    );
  }
  const named = FIELDS.filter((field) => text.includes(`'${field}'`));
  return rejected('payload', `PagerDuty: invalid event${named.length > 0 ? `: ${named.join(', ')}` : ''}`);
}
