/** What other systems post in their own formats: proven, read tolerantly, kept before it is answered. */
import { z } from 'zod';
import { secretPaths, secretValues } from '../config/secrets.ts';
import type { Event } from '../core/event.ts';
import { OWN_SOURCE } from '../core/health.ts';
import { sourceOf } from '../sources/index.ts';
import type { AnySource } from '../sources/source.ts';
import { MANY_MAX_BYTES, parseJson } from './body.ts';
import type { Deps } from './deps.ts';
import { type Arrived, type Endpoint, endpoint, word } from './endpoint.ts';
import { keep } from './events.ts';
import { Problem } from './problem.ts';
import { KEY_RATE } from './router.ts';
import { EventsAnswer } from './views.ts';

const NO_SOURCE = 'no source has this name in the configuration, and none is built in';

/** Events of one message; senders group theirs, and a group of thousands is one nobody reads. */
const EVENTS_MAX = 10_000;

/** What a source reads from its address, and a token for senders who can show it nowhere else: no two have the same names. */
const Asked = z.looseObject({});

type Proof = Pick<Arrived, 'raw' | 'headers' | 'query' | 'now'>;

interface Named {
  name: string;
  source: AnySource;
  config: z.output<z.ZodObject>;
}

/**
 * Alertmanager repeats a message after 5xx and gives it up after 429, so this is how it is told to come back later
 * (prometheus/alertmanager, notify/webhook). Grafana came from it and repeats either at its next group interval.
 * Datadog repeats after 5xx alone (https://docs.datadoghq.com/integrations/webhooks/). CloudEvents knows one word for all
 * of this, 429 with Retry-After, also where it is not the sender who sends too much (http-webhook.md 2.2).
 */
const GIVES_UP_AT_429 = new Set(['alertmanager', 'grafana', 'datadog']);

/** Only Amazon's are followed: an address of anybody's choice would make us a caller of anybody's choice. */
const FOLLOWED_HOSTS = '.amazonaws.com';
/** Amazon SNS waits 15 seconds for our answer (docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html). */
const FOLLOW_MS = 10_000;
/** SNS repeats a confirmation, and whatever else it could not deliver, after 20 seconds (same page). */
const AGAIN = { headers: { 'retry-after': '20' } };
const NO_WAY_OUT: typeof globalThis.fetch = () => Promise.reject(new Error('there is no way out'));

/** Grafana's contact points may be set to either; what is posted is the same. */
const METHODS = ['post', 'put'] as const;

/** A sender's name as the handshake gives it: a DNS expression (CloudEvents, http-webhook.md 4.1.2). */
const ORIGIN = /^[\w.*-]{1,253}$/;

export const sources = ({
  door,
  config,
  metrics,
  limits,
  log,
  egress,
}: Pick<Deps, 'door' | 'config' | 'metrics' | 'limits' | 'log' | 'egress'>): Endpoint[] => {
  const typeOf = (name: string): string => config.sources.get(name)?.type ?? name;

  /** The configured source of this name; else the built-in one, where it needs no configuration. */
  const named = (name: string): Named | undefined => {
    const entry = config.sources.get(name);
    const source = sourceOf(entry?.type ?? name);
    if (!source) return undefined;
    if (entry) return { name, source, config: entry.config };
    const parsed = source.config.safeParse({});
    return parsed.success ? { name, source, config: parsed.data } : undefined;
  };

  /** Why this is not from who it should be; rejects with a Problem (unavailable) where that cannot be known now. */
  const refusalOf = async ({ name, source, config }: Named, { raw, headers, query, now }: Proof) => {
    const refusal = source.verify(raw, headers, config, now, query);
    if (refusal !== undefined || !source.authenticate) return refusal;
    const fetch = egress?.fetch ?? NO_WAY_OUT;
    const stranger = await source.authenticate(raw, config, { now, fetch }).catch((error: unknown) => {
      log.warn({ source: name, problem: problemIn(error) }, 'a message could not be checked');
      throw new Problem('unavailable', 'what the message is checked with cannot be had now: send it again', AGAIN);
    });
    // Only who has the token comes so far: this one may be told to its operators.
    if (stranger !== undefined) log.warn({ source: name, problem: stranger }, 'a message was refused');
    return stranger;
  };

  const proofOf = (found: Named | undefined) =>
    found && provesItself(found) ? (arrived: Proof) => refusalOf(found, arrived) : undefined;

  /** Asks for the address once; throws Problem (unavailable), so that the sender sends it again, where it gives no answer. */
  const follow = async (address: string, name: string): Promise<void> => {
    if (!egress || !mayFollow(address)) {
      log.warn({ source: name }, 'a subscription was not confirmed: its address may not be called');
      return;
    }
    const status = await egress
      .fetch(address, { redirect: 'manual', signal: AbortSignal.timeout(FOLLOW_MS) })
      .then(async (answer) => {
        await answer.body?.cancel();
        return answer.status;
      })
      .catch((error: unknown) => (error instanceof Error ? error.name : 'failed'));
    if (typeof status === 'number' && status >= 200 && status < 300) {
      log.info({ source: name }, 'a subscription was confirmed');
      return;
    }
    log.warn({ source: name, answer: status }, 'a subscription could not be confirmed');
    throw new Problem(
      'unavailable',
      'the subscription could not be confirmed: its address does not answer as it should',
      AGAIN,
    );
  };

  return [
    endpoint({
      method: 'options',
      path: '/v1/sources/{name}',
      access: 'ingest',
      basic: true,
      summary: 'Ask for leave to send CloudEvents',
      about:
        'The handshake of CloudEvents web hooks (WebHook-Request-Origin), as Azure Event Grid makes it. It is granted to who shows what a delivery would show; a callback address is never called.',
      params: z.object({ name: word(64) }),
      answers: { 200: { about: 'Granted: WebHook-Allowed-Origin and WebHook-Allowed-Rate say to whom and how much' } },
      also: [400, 405],
      proof: ({ name = '' }) => proofOf(named(name)),
      async handle({ params: { name }, headers }) {
        const found = named(name);
        if (!found) throw new Problem('not-found', NO_SOURCE);
        if (!found.source.handshake)
          throw new Problem('method-not-allowed', 'here POST and PUT can be used', { headers: { allow: 'POST, PUT' } });
        const origin = headers['webhook-request-origin'];
        if (typeof origin !== 'string' || !ORIGIN.test(origin))
          throw new Problem('bad-request', 'a handshake has to name its sender in WebHook-Request-Origin');
        const perMinute = Math.max(1, Math.floor((limits?.key ?? KEY_RATE).per_second * 60));
        return {
          status: 200,
          headers: {
            allow: 'POST',
            'webhook-allowed-origin': origin,
            'webhook-allowed-rate': String(perMinute),
          },
        };
      },
    }),
    ...METHODS.map((method) =>
      endpoint({
        method,
        path: '/v1/sources/{name}',
        access: 'ingest',
        basic: true,
        summary:
          method === 'post' ? "Send what another system's webhook says" : 'The same, for senders that are set to PUT',
        about:
          'The name of a source in the configuration, or a built-in one such as alertmanager. A source with a token or a signing secret of its own needs no key. 202 means kept; what is authentic but maps to no event is listed as rejected, and is not an error.',
        params: z.object({ name: word(64) }),
        takes: {
          kind: 'raw',
          media: 'any',
          limit: ({ name = '' }) => named(name)?.source.max_bytes ?? MANY_MAX_BYTES,
          schema: z.unknown(),
        },
        query: Asked,
        answers: { 202: { about: 'Kept', schema: EventsAnswer } },
        full: ({ name = '' }) => (typeOf(name) === 'cloudevents' ? 429 : 503),
        overload: ({ name = '' }) => (GIVES_UP_AT_429.has(typeOf(name)) ? 503 : 429),
        proof: ({ name = '' }) => proofOf(named(name)),
        async handle({ params: { name }, raw, headers, query, now }) {
          const found = named(name);
          if (!found) throw new Problem('not-found', NO_SOURCE);
          if (!provesItself(found) && (await refusalOf(found, { raw, headers, query, now })) !== undefined) {
            throw new Problem('unauthenticated', 'the request is not from who it should be');
          }
          const reads = found.source.reads?.(raw, headers) ?? 'json';
          if (reads === 'unknown')
            throw new Problem('media-type', `this is no format that ${found.source.name} is read in`);
          if (raw.length === 0 && reads === 'json') throw new Problem('bad-request', 'a JSON body is needed');
          const json = reads === 'json' ? (found.source.unwrap?.(raw, headers) ?? raw) : raw;
          const {
            events,
            rejected,
            follow: address,
            refused,
          } = await found.source.normalise(reads === 'bytes' ? raw : parseJson(json, { tolerant: true }), {
            name,
            config: found.config,
            now,
            headers,
            query,
            raw: json,
          });
          if (refused !== undefined) throw new Problem('bad-request', refused);
          if (events.length + rejected.length > EVENTS_MAX)
            throw new Problem(
              'too-large',
              `a message has at most ${EVENTS_MAX} events, this one has ${events.length + rejected.length}`,
            );
          metrics.eventsAccepted.inc({ source: found.source.id, outcome: 'rejected' }, rejected.length);
          const kept = await keep(events, found.source.id, { door, metrics, limits });
          const tidings = new Set(events.filter(isTidings).map(({ id }) => id));
          if (address !== undefined) await follow(address, name);
          return {
            status: 202,
            body: {
              accepted: kept.accepted.filter(({ id }) => !tidings.has(id)),
              duplicates: kept.duplicates,
              rejected: rejected.map(({ index, problem }) => ({ index, field: '', problem })),
            },
          };
        },
      }),
    ),
  ];
};

/** Whether an event is no sender's: that a mapping works again is ours to know. Where one fails, the event that keeps the payload is named. */
const isTidings = ({ source, status }: Event): boolean => source === OWN_SOURCE && status === 'resolved';

/** Whether an address that a source wants to be asked for is one of Amazon's, whatever the source thinks of it. */
export function mayFollow(address: string): boolean {
  const url = URL.parse(address);
  return url?.protocol === 'https:' && url.hostname.endsWith(FOLLOWED_HOSTS);
}

/** What went wrong, with what it came from where that says more: `fetch failed` says nothing. */
const problemIn = (error: unknown): string =>
  error instanceof Error
    ? [error.message, error.cause instanceof Error && error.cause.message].filter(Boolean).join(': ')
    : 'failed';

/** Whether a secret is configured that its senders show or sign with. */
const provesItself = ({ source, config }: Named): boolean =>
  secretValues(secretPaths(source.config), config).length > 0;
