/** Integrations: those of the file to be seen, those of the ledger made, changed and removed here; and a test of each. */
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { channelOf } from '../channels/index.ts';
import { refusedAddresses } from '../config/addresses.ts';
import { besidesProblems } from '../config/besides.ts';
import { merged, strayedSecrets, without, withoutSecrets, withSecrets } from '../config/change.ts';
import type { Integration, Kind } from '../config/integrations.ts';
import { REGISTRY } from '../config/load.ts';
import type { Problem as Found } from '../config/problems.ts';
import { pathText } from '../config/problems.ts';
import { checkWritten, type Listed, NO_KEYS, readStored } from '../config/stored.ts';
import type { Json } from '../core/event.ts';
import { boundTo, type SecretField, type StoredIntegration } from '../core/stored.ts';
import { createRules } from '../egress/rules.ts';
import { unwell } from '../ledger/health.ts';
import { addIntegration, changeIntegration, removeIntegration } from '../ledger/integrations.ts';
import { requestSend, sendResult } from '../ledger/sends.ts';
import { actorOf, type Deps } from './deps.ts';
import { type Answer, type Endpoint, endpoint, ok, word } from './endpoint.ts';
import { Changed, shown, Written } from './integration-views.ts';
import { invalid, nameOf, Problem } from './problem.ts';
import { IntegrationView, TestAnswer } from './views.ts';

/** A test that has not ended by then is answered as under way. */
const TEST_WAIT_MS = 10_000;
const TEST_ASK_MS = 100;

type Given = Pick<Deps, 'ledger' | 'config' | 'integrations' | 'sealer' | 'wake'>;
type Stored = Extract<Listed, { origin: 'api' }>;
type Fields = { [field: string]: Json };

const params = z.object({ name: word(64) });
const MATCH = 'With If-Match only where nobody has changed it since: else 412.';

export const integrations = (deps: Given): Endpoint[] => {
  const { ledger, config, integrations: known, wake } = deps;
  const listed = async (name: string): Promise<Listed> => {
    const found = (await known.list()).find((one) => nameIn(one) === name);
    if (!found) throw new Problem('not-found', 'no integration has this name');
    return found;
  };
  const stored = async (name: string): Promise<Stored> => {
    const found = await listed(name);
    if (found.origin === 'file') throw new Problem('conflict', IN_FILE);
    return found;
  };
  const reach = createRules(config.egress);
  const seen = async (one: Listed, more: Record<string, unknown> = {}, status = 200): Promise<Answer> => ({
    status,
    body: { ...shown(one, known.masked, (await unwell(ledger)).get(nameIn(one))), ...more },
    ...(one.origin === 'api' ? { headers: { etag: etagOf(one.row) } } : {}),
  });
  /** As the row is read from now on; what it was known as is forgotten. */
  const kept = (row: StoredIntegration): Stored => {
    known.forget();
    return { origin: 'api', row, ...readStored(row, REGISTRY, deps.sealer?.open) };
  };
  const boxed = (row: Pick<StoredIntegration, 'name' | 'type'>, secrets: SecretField[]): string | null => {
    if (secrets.length === 0) return null;
    if (!deps.sealer) throw new Problem('conflict', NO_KEYS);
    known.hide(secrets);
    return deps.sealer.seal(JSON.stringify(secrets), boundTo(row));
  };
  /** What was written, by the rules of its type and of the way out, and by whom it names. */
  const checked = async (
    written: Parameters<typeof checkWritten>[0],
  ): Promise<{ integration: Integration; kind: Kind }> => {
    const result = checkWritten(written, REGISTRY);
    const kind = kindOf(written.type);
    if ('problems' in result || !kind) throw wrong('problems' in result ? result.problems : []);
    const refused = refusedAddresses(result.integration, kind, reach);
    if (refused.length > 0) throw wrong(refused.map(({ path, problem }) => ({ path: ['config', ...path], problem })));
    if (kind.besides) {
      const types = (await known.list()).map((one) => [nameIn(one), typeIn(one)] as const);
      const unknown = besidesProblems(result.integration, new Map(types), REGISTRY.channels);
      if (unknown.length > 0) throw wrong(unknown);
    }
    return { ...result, kind };
  };

  return [
    endpoint({
      method: 'get',
      path: '/v1/integrations',
      access: 'operator',
      summary: 'List the integrations, those of the file first',
      answers: { 200: { about: 'All of them', schema: z.object({ integrations: z.array(IntegrationView) }) } },
      async handle() {
        const health = await unwell(ledger);
        const all = await known.list();
        return ok({ integrations: all.map((one) => shown(one, known.masked, health.get(nameIn(one)))) });
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/integrations',
      access: 'admin',
      summary: 'Make an integration',
      about:
        'GET /v1/channels says what each type has under config. A change is in force within 5 seconds in every process; a route may name it from the next start on.',
      takes: { kind: 'json', required: true, schema: Written },
      answers: { 201: { about: 'As it is kept', schema: IntegrationView } },
      also: [409],
      async handle({ body: { name, type, owner = null, config: whole, ...settings }, caller, request_id }) {
        if (config.integrations.has(name)) throw new Problem('conflict', IN_FILE);
        const given = { name, type, owner, settings: plain(settings), config: whole };
        const { kind } = await checked(given);
        const { config: shownFields, secrets } = withoutSecrets(whole, kind);
        const row = await addIntegration(
          ledger,
          { ...given, config: shownFields, secrets: boxed(given, secrets) },
          { fields: fieldsOf({ owner: owner ?? undefined, ...settings }, whole) },
          actorOf(caller, request_id),
        );
        if (!row) throw new Problem('conflict', 'there is an integration of this name already');
        const answer = await seen(kept(row), {}, 201);
        return { ...answer, headers: { ...answer.headers, location: `/v1/integrations/${encodeURIComponent(name)}` } };
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/integrations/{name}',
      access: 'operator',
      summary: 'See one integration',
      params,
      answers: { 200: { about: 'The integration', schema: IntegrationView } },
      handle: async ({ params: { name } }) => seen(await listed(name)),
    }),
    endpoint({
      method: 'patch',
      path: '/v1/integrations/{name}',
      access: 'admin',
      summary: 'Change an integration',
      about: `A merge patch (RFC 7396): what is left out stays, a secret too; null takes away. Where an address then leads to another host, the secrets that were kept are cleared, and \`cleared\` names them. Name and type stay. ${MATCH}`,
      params,
      takes: { kind: 'json', required: true, schema: Changed },
      answers: { 200: { about: 'As it is kept now', schema: IntegrationView } },
      also: [409, 412],
      async handle({ params: { name }, body, headers, caller, request_id }) {
        const { row, integration, secrets } = await stored(name);
        mustMatch(headers['if-match'], row);
        if (row.secrets !== null && !deps.sealer) throw new Problem('conflict', NO_KEYS);
        const { config: patch = {}, owner = row.owner, ...settings } = body;
        const written = { name, type: row.type, owner, settings: merged(row.settings, plain(settings)) as Fields };
        const whole = merged(withSecrets(row.config, secrets), patch) as Fields;
        const { integration: wanted, kind } = await checked({ ...written, config: whole });
        const before = { config: 'missing' in integration ? undefined : integration.config, secrets };
        const cleared = strayedSecrets(before, { config: wanted.config, patch }, kind);
        const left = without(whole, cleared);
        if (cleared.length > 0) mustStand({ ...written, config: left }, cleared);
        const { config: shownFields, secrets: keptSecrets } = withoutSecrets(left, kind);
        const names = cleared.map((path) => path.join('.'));
        const changed = await changeIntegration(
          ledger,
          { ...written, config: shownFields, secrets: boxed(row, keptSecrets) },
          { revision: row.revision, fields: fieldsOf({ ...settings, owner: body.owner }, patch), cleared: names },
          actorOf(caller, request_id),
        );
        if (!changed) throw new Problem('changed', CHANGED);
        return seen(kept(changed), names.length > 0 ? { cleared: names } : {});
      },
    }),
    endpoint({
      method: 'delete',
      path: '/v1/integrations/{name}',
      access: 'admin',
      summary: 'Remove an integration',
      about: `One that the configuration names is not removed. ${MATCH}`,
      params,
      answers: { 204: { about: 'Removed' } },
      also: [409, 412],
      async handle({ params: { name }, headers, caller, request_id }) {
        const { row } = await stored(name);
        mustMatch(headers['if-match'], row);
        const places = config.unresolved.filter((one) => one.name === name).map(({ place }) => place);
        if (places.length > 0)
          throw new Problem('conflict', `the configuration names it: ${places.join('; ')}. Take it out there first`);
        const isRemoved = await removeIntegration(ledger, name, row.revision, actorOf(caller, request_id));
        known.forget();
        if (!isRemoved) throw new Problem('changed', CHANGED);
        return { status: 204 };
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/integrations/{name}/test',
      access: 'operator',
      summary: 'Test an integration',
      about: `Asks the provider whether the credentials are good, where that can be asked without sending anything; else, and with message: true, sends a test message. From where notices are sent. One that is switched off is asked about and sent nothing: 409 where only a message would tell. Waits up to ${TEST_WAIT_MS / 1_000} seconds for the outcome; 202 when it is still under way then.`,
      params,
      takes: {
        kind: 'json',
        schema: z.strictObject({
          message: z.boolean().exactOptional().meta({ description: 'Send a test message in any case.' }),
        }),
        required: false,
      },
      answers: {
        200: { about: 'How it ended', schema: TestAnswer },
        202: { about: 'Still under way', schema: TestAnswer },
      },
      also: [409],
      async handle({ params: { name }, body, caller, request_id, signal }) {
        const one = await listed(name);
        const { integration } = one;
        if ('missing' in integration) throw new Problem('conflict', integration.missing);
        const { enabled, kind, type } = integration;
        if (kind === 'writer' && body.message === true)
          throw new Problem(
            'conflict',
            'it keeps daily pages and takes no messages: run a summary instead, or ask without message: true, which checks its credentials',
          );
        const can = kind === 'writer' || channelOf(type)?.check !== undefined;
        const asks = can && body.message !== true;
        if (!enabled && !asks) throw new Problem('conflict', switchedOff(one, can));
        const actor = actorOf(caller, request_id);
        const send = await requestSend(ledger, { kind: asks ? 'check' : 'test', target: name }, actor);
        wake();
        const about = { integrationType: type, integrationId: name, checked: asks ? 'credentials' : 'message', send };
        return outcomeOf(deps, send, about, signal);
      },
    }),
  ];
};

const IN_FILE = 'an integration of this name is in the configuration: change it there';
const CHANGED = 'somebody has changed it meanwhile: look at it again, then ask again';

/** Why no message is sent by way of a test, and what to do about it. */
function switchedOff({ origin }: Listed, can: boolean): string {
  const on =
    origin === 'file' ? 'set enabled: true in the configuration and start anew' : 'change it to enabled: true first';
  const instead = can ? ', or ask without message: true, which checks its credentials and sends nothing' : '';
  return `the integration is switched off, so no message is sent: ${on}${instead}`;
}

const kindOf = (type: string): Kind | undefined =>
  [...REGISTRY.channels, ...REGISTRY.writers].find(({ id }) => id === type);
const nameIn = (one: Listed): string => (one.origin === 'file' ? one.integration.name : one.row.name);

const typeIn = (one: Listed): string => (one.origin === 'file' ? one.integration.type : one.row.type);

/** The answer once the send has ended, or when the time is up or the caller gone. */
async function outcomeOf(
  { ledger }: Pick<Deps, 'ledger'>,
  send: number,
  about: Record<string, unknown>,
  signal: AbortSignal,
): Promise<Answer> {
  const until = performance.now() + TEST_WAIT_MS;
  while (performance.now() < until && !signal.aborted) {
    const { ended, outcome } = await sendResult(ledger, send);
    if (ended) {
      const { delivered, error } = (outcome ?? {}) as { delivered?: unknown; error?: unknown };
      const success = delivered === true;
      const why = success ? {} : { error: typeof error === 'string' ? error : 'it failed, and nobody has said why' };
      return ok({ ...about, success, ...why, ended, ...(outcome !== undefined && { outcome }) });
    }
    await wait(TEST_ASK_MS);
  }
  const error = `it has not ended within ${TEST_WAIT_MS / 1_000} seconds: see whether a worker runs, and ask again`;
  return { status: 202, body: { ...about, success: false, error, ended: false } };
}

/** Problems by field; what was found there is not repeated. */
const wrong = (problems: readonly Found[]): Problem =>
  invalid(
    problems.map(({ path, problem }) => ({
      field: pathText(path.map((step) => (typeof step === 'string' ? nameOf(step) : step))),
      problem,
    })),
    'body',
  );

/** Throws where it cannot be without the secrets that were cleared. */
function mustStand(written: Parameters<typeof checkWritten>[0], cleared: readonly string[][]): void {
  const result = checkWritten(written, REGISTRY);
  if ('integration' in result) return;
  throw wrong(
    cleared.map((path) => ({
      path: ['config', ...path],
      problem: 'has to be given again, because an address now leads to another host',
    })),
  );
}

const etagOf = ({ revision }: StoredIntegration): string => `"${revision}"`;

/** RFC 9110 section 13.1.1. */
function mustMatch(given: string | undefined, row: StoredIntegration): void {
  if (given === undefined || given.trim() === '*') return;
  if (!given.split(',').some((tag) => tag.trim() === etagOf(row))) throw new Problem('changed', CHANGED);
}

/** What was given of the settings; what was not is not there at all. */
const plain = (settings: Record<string, unknown>): Fields =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as Fields;

/** The names of what was written, for the audit. */
const fieldsOf = (settings: Record<string, unknown>, config: Fields): string[] => [
  ...Object.keys(plain(settings)),
  ...Object.keys(config).map((field) => `config.${field}`),
];
