/** PagerDuty's Events API at its own paths, for senders whose only change is the address. */
import { z } from 'zod';
import { answerAlert, fingerprintOf } from '../ledger/alerts.ts';
import {
  alertEvent,
  changeEvent,
  fromV1,
  keyProblems,
  PAGERDUTY_MAX_BYTES,
  readAlert,
  routingKeyIn,
  pagerduty as source,
} from '../sources/pagerduty.ts';
import { isSame } from '../sources/source.ts';
import { parseJson } from './body.ts';
import { isOverload } from './capacity.ts';
import { sourceShown } from './configured.ts';
import type { Deps } from './deps.ts';
import { type Answer, type Dialect, type Endpoint, endpoint } from './endpoint.ts';
import { keep } from './events.ts';
import { Problem } from './problem.ts';

type Given = Pick<Deps, 'ledger' | 'door' | 'config' | 'metrics' | 'limits' | 'prefix'>;
type Settings = z.output<typeof source.config>;
/** What has proven itself by its key. */
type Proven = { payload: unknown; name: string; config: Settings; now: Date; request_id: string };

export const pagerduty = (deps: Given): Endpoint[] => {
  const { config, ledger, prefix } = deps;
  const shown = (key: string) => sourceShown(config, source, ({ routing_key }) => isSame(routing_key, key));

  const door = (path: string, read: (raw: Buffer) => unknown, handle: (proven: Proven) => Promise<Answer>): Endpoint =>
    endpoint({
      method: 'post',
      path,
      access: 'ingest',
      summary: "Take what is written for PagerDuty's Events API",
      takes: { kind: 'raw', media: 'any', limit: PAGERDUTY_MAX_BYTES, schema: z.unknown() },
      answers: { 202: { about: 'Kept' } },
      says: inItsWords,
      proof:
        () =>
        ({ raw }) => {
          const key = routingKeyIn(read(raw));
          const problems = keyProblems(key);
          if (problems.length > 0) throw wrong(problems);
          return shown(key) ? undefined : 'no source has this routing key';
        },
      async handle({ raw, now, request_id }) {
        const payload = read(raw);
        const found = shown(routingKeyIn(payload));
        if (!found) throw new Problem('unauthenticated', 'no source has this routing key');
        return handle({ payload, ...found, now, request_id });
      },
    });

  /** The dedup_key of what was kept or answered. Throws Problem where the event is none. */
  const take = async ({ payload, name, config, now, request_id }: Proven): Promise<string> => {
    const read = readAlert(payload);
    if ('problems' in read) throw wrong(read.problems);
    if (read.action !== 'acknowledge') {
      await keep([alertEvent(read, config, now)], source.id, deps);
      return read.dedup_key;
    }
    const who = { by: `${source.id} ${name}`, key: `source:${name}`, request_id };
    // Of an alert that does not fire PagerDuty drops it, and says the same.
    await answerAlert(ledger, fingerprintOf(config.source, read.dedup_key), { kind: 'ack' }, who, prefix);
    return read.dedup_key;
  };

  return [
    door('/v2/enqueue', parsed, async (proven) => ({
      status: 202,
      body: { status: 'success', message: 'Event processed', dedup_key: await take(proven) },
    })),
    door('/v2/change/enqueue', parsed, async ({ payload, config }) => {
      const event = changeEvent(payload, config);
      if ('problems' in event) throw wrong(event.problems);
      await keep([event], source.id, deps);
      return { status: 202, body: { status: 'success', message: 'Change event processed' } };
    }),
    door(
      '/generic/2010-04-15/create_event.json',
      (raw) => fromV1(parsed(raw)),
      async (proven) => ({
        status: 200,
        body: { status: 'success', message: 'Event processed', incident_key: await take(proven) },
      }),
    ),
  ];
};

const parsed = (raw: Buffer): unknown => parseJson(raw, { tolerant: true });

const wrong = (problems: string[]): Problem =>
  new Problem('invalid', problems.join(', '), { errors: problems.map((problem) => ({ field: '', problem })) });

/**
 * PagerDuty's answers to what it does not take: 400 for a wrong key too, 429 to come back later (its clients repeat after
 * that and after 5xx): https://developer.pagerduty.com/docs/events-api-v2-overview#api-response-codes--retry-logic
 */
const inItsWords: Dialect = (problem, { status, request_id }) => {
  const { kind, message, errors } = problem;
  const said = (status: number, word: string, what: string, ...more: string[]): Answer => ({
    status,
    body: { status: word, message: what, errors: more, request_id },
  });
  switch (isOverload(problem) ? 'too-many-requests' : kind) {
    case 'bad-request':
      return said(400, 'Unrecognized object', 'Event object format is unrecognized', 'JSON parse error', message);
    case 'invalid':
      return said(400, 'invalid event', 'Event object is invalid', ...errors.map(({ problem }) => problem));
    case 'unauthenticated':
      return said(
        400,
        'invalid event',
        'Event object is invalid',
        'Invalid routing key',
        'No source of the type pagerduty has this routing key',
      );
    case 'too-many-requests':
      return said(429, 'throttle exceeded', 'Requests are arriving too quickly', message);
    default:
      return said(status, status < 500 ? 'invalid event' : 'error', message);
  }
};
