/** Opsgenie's alert API at its own paths, for senders whose only change is the address. */
import { z } from 'zod';
import type { Event } from '../core/event.ts';
import { answerAlert, fingerprintOf, firingAlert, listFiring } from '../ledger/alerts.ts';
import {
  ALIAS_MAX,
  aliasOf,
  closedEvent,
  createdEvent,
  genieKeyIn,
  isUpdate,
  opsgenie as source,
  updatedEvent,
  valueIn,
} from '../sources/opsgenie.ts';
import { isSame } from '../sources/source.ts';
import { parseJson } from './body.ts';
import { isOverload } from './capacity.ts';
import { type Configured, sourceShown } from './configured.ts';
import type { Deps } from './deps.ts';
import { type Answer, type Arrived, type Dialect, type Endpoint, endpoint } from './endpoint.ts';
import { keep } from './events.ts';
import { askedBy, failureOf } from './opsgenie/commands.ts';
import { alertIdOf, alertView, IDENTIFIER_TYPES, ledgerName, searched } from './opsgenie/names.ts';
import { outcomeIn, REQUEST_ID_MAX, requestIdOf } from './opsgenie/requests.ts';
import { nameOf, Problem } from './problem.ts';

type Given = Pick<Deps, 'ledger' | 'door' | 'config' | 'metrics' | 'limits' | 'prefix'>;
type Settings = z.output<typeof source.config>;

/** A description has 15,000 characters, each of 250 details may have as many again: what is larger is no alert to read. */
const BODY_MAX_BYTES = 512_000;
/** https://docs.opsgenie.com/docs/alert-api, List Alerts: `limit`, and `offset` + `limit`. */
const LISTED = { usual: 20, max: 100, reach: 20_000 } as const;

const identified = z.object({ identifierType: z.enum(IDENTIFIER_TYPES).default('id') });
type IdentifierType = (typeof IDENTIFIER_TYPES)[number];
/** In UTF-16 units. */
const NAME_MAX = 2 * ALIAS_MAX;
const QUERY_MAX = 2 * NAME_MAX;
const params = z.object({ id: z.string().max(NAME_MAX), what: z.string().max(NAME_MAX) });
const page = (usual: number, max: number) => z.coerce.number().int().min(0).max(max).default(usual);

/** Seconds; nobody measures us by it. */
const TOOK_S = 0;
const NO_ALERT = 'Alert does not exist';

export const opsgenie = (deps: Given): Endpoint[] => {
  const { config, ledger, prefix } = deps;
  const shown = (headers: Arrived['headers']) =>
    sourceShown(config, source, ({ api_key }) => isSame(api_key, genieKeyIn(headers)));
  const sourceOf = (headers: Arrived['headers']): Configured<Settings> => {
    const found = shown(headers);
    if (!found) throw new Problem('unauthenticated', 'no source has this key');
    return found;
  };
  const check = ({ headers }: Pick<Arrived, 'headers'>) => (shown(headers) ? undefined : 'no source has this key');
  const theirs = {
    access: 'ingest',
    summary: "Take what is written for Opsgenie's alert API",
    answers: {},
    says: inItsWords,
    proof: () => check,
  } as const;
  const takes = { kind: 'raw', media: 'any', limit: BODY_MAX_BYTES, schema: z.unknown() } as const;

  const keepOne = (event: Event) => keep([event], source.id, deps);
  const named = async (id: string, type: IdentifierType, { source: from }: Settings) => {
    const name = ledgerName(id, type, from);
    return name && (await firingAlert(ledger, from, name));
  };

  return [
    endpoint({
      ...theirs,
      method: 'post',
      path: '/v2/alerts',
      takes,
      async handle({ raw, headers, now }) {
        const { config } = sourceOf(headers);
        const event = createdEvent(bodyOf(raw), config, now);
        if ('problems' in event) throw wrong(event.problems);
        await keepOne(event);
        return taken(config, now, { action: 'Create', status: 'Created alert', alias: event.dedup_key });
      },
    }),
    endpoint({
      ...theirs,
      method: 'get',
      path: '/v2/alerts',
      query: z.object({
        query: z.string().max(QUERY_MAX).default(''),
        limit: page(LISTED.usual, LISTED.max),
        offset: page(0, LISTED.reach),
      }),
      async handle({ query: { query, limit, offset }, headers, request_id }) {
        const { source: from } = sourceOf(headers).config;
        const asked = searched(query);
        if ('problem' in asked) throw wrong([asked.problem]);
        const fingerprint = asked.alias === undefined ? undefined : fingerprintOf(from, aliasOf(asked.alias));
        const alerts = asked.isEmpty ? [] : await listFiring(ledger, from, { fingerprint, offset, limit });
        return told(alerts.map(alertView), request_id);
      },
    }),
    endpoint({
      ...theirs,
      method: 'get',
      path: '/v2/alerts/requests/{id}',
      params: z.object({ id: z.string().max(REQUEST_ID_MAX) }),
      async handle({ params: { id }, headers }) {
        const { name, config } = sourceOf(headers);
        const outcome = outcomeIn(id, config.api_key);
        if (!outcome) throw new Problem('not-found', 'no request of this key has this id');
        const { at, success, ...rest } = outcome;
        const processedAt = new Date(at).toISOString();
        return told({ success, isSuccess: success, ...rest, processedAt, integrationId: name }, id);
      },
    }),
    endpoint({
      ...theirs,
      method: 'get',
      path: '/v2/alerts/{id}',
      params: z.object({ id: z.string().max(NAME_MAX) }),
      query: identified,
      async handle({ params: { id }, query: { identifierType }, headers, request_id }) {
        const alert = await named(id, identifierType, sourceOf(headers).config);
        if (!alert) throw new Problem('not-found', 'no alert that fires has this name');
        return told(alertView(alert), request_id);
      },
    }),
    endpoint({
      ...theirs,
      method: 'post',
      path: '/v2/alerts/{id}/{what}',
      params,
      query: identified,
      takes,
      async handle({ params: { id, what }, query: { identifierType }, raw, headers, now, request_id }) {
        const { name, config } = sourceOf(headers);
        const asked = askedBy(what, bodyOf(raw), now);
        if (!asked) throw unknown(what);
        if ('problems' in asked) throw wrong(asked.problems);
        const { action, status, user, steps } = asked;
        const alert = await named(id, identifierType, config);
        // The end of what does not fire is kept too: it says that it was over when it came.
        const alias = alert?.event.dedup_key ?? (identifierType === 'alias' ? aliasOf(id) : undefined);
        const who = { by: user || `${source.id} ${name}`, key: `source:${name}`, request_id };
        let failure = alert ? undefined : NO_ALERT;
        for (const step of steps) {
          if (step === 'close') {
            if (alias !== undefined) await keepOne(closedEvent(alias, config, alert?.event));
          } else if (alert && failure === undefined)
            failure = failureOf(await answerAlert(ledger, alert.fingerprint, step, who, prefix));
        }
        return taken(config, now, { action, status, alias: alert?.event.dedup_key, failure });
      },
    }),
    endpoint({
      ...theirs,
      method: 'put',
      path: '/v2/alerts/{id}/{what}',
      params,
      query: identified,
      takes,
      async handle({ params: { id, what }, query: { identifierType }, raw, headers, now }) {
        if (!isUpdate(what)) throw unknown(what);
        const { config } = sourceOf(headers);
        const body = bodyOf(raw);
        const wanted = valueIn(body, what);
        if ('problems' in wanted) throw wrong(wanted.problems);
        const alert = await named(id, identifierType, config);
        const event = alert && updatedEvent(alert.event, wanted, now);
        if (event) await keepOne(event);
        return taken(config, now, {
          action: 'Update',
          status: `Updated ${what} of alert`,
          alias: alert?.event.dedup_key,
          failure: alert ? undefined : NO_ALERT,
        });
      },
    }),
  ];
};

const bodyOf = (raw: Buffer): unknown => (raw.length === 0 ? {} : parseJson(raw, { tolerant: true }));

const told = (data: unknown, requestId: string): Answer => ({ status: 200, body: { data, took: TOOK_S, requestId } });

/** The answer to a request that was read: what it came to is for those who ask for it by its id. */
function taken(
  { source: from, api_key }: Settings,
  now: Date,
  {
    action,
    status,
    alias = '',
    failure,
  }: { action: string; status: string; alias?: string | undefined; failure?: string | undefined },
): Answer {
  const requestId = requestIdOf(
    {
      action,
      success: failure === undefined,
      status: failure ?? status,
      at: now.getTime(),
      alertId: alias === '' ? '' : alertIdOf(fingerprintOf(from, alias)),
      alias,
    },
    api_key,
  );
  return { status: 202, body: { result: 'Request will be processed', took: TOOK_S, requestId } };
}

const wrong = (problems: string[]): Problem => new Problem('invalid', problems.join(', '));

const unknown = (what: string): Problem =>
  new Problem('not-found', `${nameOf(what)} is nothing that can be done to an alert here`);

/**
 * Opsgenie's answers to what it does not take: 422 for what can be read and makes no sense, 429 to come back later. Its clients
 * repeat after 429 and 5xx: https://docs.opsgenie.com/docs/response
 */
const inItsWords: Dialect = (problem, { status, request_id }) => {
  const { kind, message } = problem;
  const ours = isOverload(problem) ? 429 : kind === 'invalid' ? 422 : status;
  const said =
    kind === 'unauthenticated' ? 'Could not authenticate: no source of the type opsgenie has this key' : message;
  return { status: ours, body: { message: said, took: TOOK_S, requestId: request_id } };
};
