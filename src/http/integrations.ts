/** Integrations as they are configured, without their secrets, and a test of each on request. */
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { channels, writers } from '../channels/index.ts';
import type { Integration } from '../config/integrations.ts';
import { secretPaths } from '../config/secrets.ts';
import type { Ledger } from '../ledger/db.ts';
import { requestSend, sendResult } from '../ledger/sends.ts';
import { actorOf, type Deps } from './deps.ts';
import { type Answer, type Endpoint, endpoint, ok, word } from './endpoint.ts';
import { Problem } from './problem.ts';
import { IntegrationView, SendAnswer } from './views.ts';

/** A test that has not ended by then is answered as under way. */
const TEST_WAIT_MS = 10_000;
const TEST_ASK_MS = 100;

export const integrations = ({ ledger, config, wake }: Pick<Deps, 'ledger' | 'config' | 'wake'>): Endpoint[] => {
  const named = (name: string): Integration => {
    const integration = config.integrations.get(name);
    if (!integration) throw new Problem('not-found', 'no integration has this name in the configuration');
    return integration;
  };
  const params = z.object({ name: word(64) });

  return [
    endpoint({
      method: 'get',
      path: '/v1/integrations',
      access: 'operator',
      summary: 'List the configured integrations',
      answers: { 200: { about: 'All of them', schema: z.object({ integrations: z.array(IntegrationView) }) } },
      handle: async () => ok({ integrations: [...config.integrations.values()].map(shown) }),
    }),
    endpoint({
      method: 'get',
      path: '/v1/integrations/{name}',
      access: 'operator',
      summary: 'See one integration',
      params,
      answers: { 200: { about: 'The integration', schema: IntegrationView } },
      handle: async ({ params: { name } }) => ok(shown(named(name))),
    }),
    endpoint({
      method: 'post',
      path: '/v1/integrations/{name}/test',
      access: 'operator',
      summary: 'Send a test message',
      about: `Waits up to ${TEST_WAIT_MS / 1_000} seconds for the outcome; 202 when it is still under way then.`,
      params,
      takes: { kind: 'json', schema: z.strictObject({}), required: false },
      answers: {
        200: { about: 'How it ended', schema: SendAnswer },
        202: { about: 'Still under way', schema: SendAnswer },
      },
      async handle({ params: { name }, caller, request_id, signal }) {
        const { enabled, kind } = named(name);
        if (kind === 'writer')
          throw new Problem('conflict', 'it keeps daily pages and takes no messages: run a summary instead');
        if (!enabled) throw new Problem('conflict', 'the integration is disabled in the configuration');
        const send = await requestSend(ledger, { kind: 'test', target: name }, actorOf(caller, request_id));
        wake();
        return outcomeOf(ledger, send, signal);
      },
    }),
  ];
};

/** The answer once the send has ended, or when the time is up or the caller gone. */
async function outcomeOf(ledger: Ledger, send: number, signal: AbortSignal): Promise<Answer> {
  const until = performance.now() + TEST_WAIT_MS;
  while (performance.now() < until && !signal.aborted) {
    const { ended, outcome } = await sendResult(ledger, send);
    if (ended) return ok({ send, ended, ...(outcome !== undefined && { outcome }) });
    await wait(TEST_ASK_MS);
  }
  return { status: 202, body: { send, ended: false } };
}

/** What people may see of an integration: of its own fields only whether the secrets are set. */
function shown({
  name,
  type,
  config,
  enabled,
  threshold,
  on_ambiguous,
  patience,
  rate,
}: Integration): z.output<typeof IntegrationView> {
  const described = [...channels, ...writers].find(({ id }) => id === type);
  const fields = described ? secretPaths(described.config) : [];
  return {
    name,
    type,
    enabled,
    ...(threshold && { threshold }),
    on_ambiguous,
    patience,
    ...(rate && { rate }),
    has_secret: Object.fromEntries(fields.flatMap((field) => namesWithin(config, field, []))),
  };
}

/** `urls.critical` is set or not; `headers.*` stands for every name that is there. */
function namesWithin(value: unknown, [step, ...rest]: string[], path: string[]): [string, boolean][] {
  if (step === undefined) return [[path.join('.'), value !== undefined && value !== null]];
  const object = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const names = step === '*' ? Object.keys(object) : [step];
  return names.flatMap((name) =>
    namesWithin(Object.hasOwn(object, name) ? object[name] : undefined, rest, [...path, name]),
  );
}
