/** What other systems post in their own formats: proven, read tolerantly, kept before it is answered. */
import { z } from 'zod';
import { secretPaths, secretValues } from '../config/secrets.ts';
import { sourceOf } from '../sources/index.ts';
import type { Source } from '../sources/source.ts';
import { MANY_MAX_BYTES, parseJson } from './body.ts';
import type { Deps } from './deps.ts';
import { type Endpoint, endpoint, word } from './endpoint.ts';
import { keep } from './events.ts';
import { Problem } from './problem.ts';
import { EventsAnswer } from './views.ts';

/** Events of one message; senders group theirs, and a group of thousands is one nobody reads. */
const EVENTS_MAX = 10_000;

interface Named {
  name: string;
  source: Source;
  config: z.output<z.ZodObject>;
}

/**
 * Alertmanager repeats a message after 5xx and gives it up after 429, so this is how it is told to come back later
 * (prometheus/alertmanager, notify/webhook). Grafana came from it and repeats either at its next group interval.
 * Datadog repeats after 5xx alone (https://docs.datadoghq.com/integrations/webhooks/).
 */
const GIVES_UP_AT_429 = new Set(['alertmanager', 'grafana', 'datadog']);

export const sources = ({
  door,
  config,
  metrics,
  limits,
}: Pick<Deps, 'door' | 'config' | 'metrics' | 'limits'>): Endpoint[] => {
  /** The configured source of this name; else the built-in one, where it needs no configuration. */
  const named = (name: string): Named | undefined => {
    const entry = config.sources.get(name);
    const source = sourceOf(entry?.type ?? name);
    if (!source) return undefined;
    if (entry) return { name, source, config: entry.config };
    const parsed = source.config.safeParse({});
    return parsed.success ? { name, source, config: parsed.data } : undefined;
  };

  return [
    endpoint({
      method: 'post',
      path: '/v1/sources/{name}',
      access: 'ingest',
      basic: true,
      summary: "Send what another system's webhook says",
      about:
        'The name of a source in the configuration, or a built-in one such as alertmanager. A source with a token or a signing secret of its own needs no key. 202 means kept; what is authentic but maps to no event is listed as rejected, and is not an error.',
      params: z.object({ name: word(64) }),
      takes: { kind: 'raw', media: 'any', limit: MANY_MAX_BYTES, schema: z.unknown() },
      answers: { 202: { about: 'Kept', schema: EventsAnswer } },
      overload: ({ name = '' }) => (GIVES_UP_AT_429.has(config.sources.get(name)?.type ?? name) ? 503 : 429),
      proof({ name = '' }) {
        const found = named(name);
        if (!found || !provesItself(found)) return undefined;
        return ({ raw, headers, now }) => found.source.verify(raw, headers, found.config, now);
      },
      async handle({ params: { name }, raw, headers, now }) {
        const found = named(name);
        if (!found)
          throw new Problem('not-found', 'no source has this name in the configuration, and none is built in');
        if (!provesItself(found) && found.source.verify(raw, headers, found.config, now) !== undefined) {
          throw new Problem('unauthenticated', 'the request is not from who it should be');
        }
        if (raw.length === 0) throw new Problem('bad-request', 'a JSON body is needed');
        const json = found.source.unwrap?.(raw, headers) ?? raw;
        const { events, rejected } = found.source.normalise(parseJson(json, { tolerant: true }), {
          name,
          config: found.config,
          now,
          headers,
        });
        if (events.length + rejected.length > EVENTS_MAX)
          throw new Problem(
            'too-large',
            `a message has at most ${EVENTS_MAX} events, this one has ${events.length + rejected.length}`,
          );
        metrics.eventsAccepted.inc({ source: found.source.id, outcome: 'rejected' }, rejected.length);
        const kept = await keep(events, found.source.id, { door, metrics, limits });
        return {
          status: 202,
          body: { ...kept, rejected: rejected.map(({ index, problem }) => ({ index, field: '', problem })) },
        };
      },
    }),
  ];
};

/** Whether a secret is configured that its senders show or sign with. */
const provesItself = ({ source, config }: Named): boolean =>
  secretValues(secretPaths(source.config), config).length > 0;
