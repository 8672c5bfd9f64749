/** The API as its callers meet it: real HTTP on a port of its own, over a ledger in memory that nobody else has. */
import type { Router } from 'express';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText, REGISTRY } from '../../src/config/load.ts';
import { createIntegrations } from '../../src/config/stored.ts';
import { createApp, listen } from '../../src/http/app.ts';
import type { Deps } from '../../src/http/deps.ts';
import { claim } from '../../src/ledger/claim.ts';
import { type Ledger, openLedger } from '../../src/ledger/db.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { waitingInboxes } from '../../src/ledger/inbox.ts';
import { storedIntegrations } from '../../src/ledger/integrations.ts';
import { makeKey, type Scope } from '../../src/ledger/keys.ts';
import { migrate } from '../../src/ledger/migrate.ts';
import { createSealer, newSealingKey } from '../../src/ledger/sealing.ts';
import { createLog } from '../../src/observe/log.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { createRedactor } from '../../src/observe/redact.ts';
import { sources } from '../../src/sources/index.ts';
import { inMemory } from '../support/image.ts';

const CONFIG = `
integrations:
  terminal: { type: stdout }
  off: { type: stdout, enabled: false }
  hook: { type: webhook, url: 'https://example.com/hook', secret: whsec_c2VjcmV0LW9mLXRoZS10ZXN0cy0xMjM0 }
escalations:
  on-call: { levels: [ { notify: [hook], wait: 5m } ] }
routes:
  - { name: night, match: [ 'type="backup_failed"' ], notify: [terminal] }
default: { group_by: [service, type], notify: [terminal], escalate: on-call }
summaries:
  - { name: daily, at: '18:00', notify: [terminal] }
sources:
  primary: { type: alertmanager, token: a-token-of-its-own }
public_url: https://alerts.example.com/
`;

interface Reply {
  status: number;
  headers: Headers;
  /** Parsed where it is JSON. */
  body: unknown;
  text: string;
}

export interface Api {
  url: string;
  deps: Deps;
  ledger: Ledger;
  keys: Record<Scope, string>;
  logged: string[];
  woken: () => number;
  clock: { now: Date };
  ran: { date: string; names: string[]; by: string }[];
  call(method: string, path: string, options?: Sent): Promise<Reply>;
  /** An incident out of one event, as the relay opens it. */
  incident(title?: string): Promise<string>;
  /** Another server on the same ledger, with the same keys: as another process is; `more` over what the first was given. */
  beside(more?: Partial<Deps>): Promise<Pick<Api, 'url' | 'call' | 'stop'>>;
  stop(): Promise<void>;
}

export interface Sent {
  key?: string | undefined;
  body?: unknown;
  raw?: string | Uint8Array;
  headers?: Record<string, string>;
}

/** What stands at this path of a parsed answer. */
export const pick = (value: unknown, ...path: (string | number)[]): unknown =>
  path.reduce<unknown>((inner, step) => (inner as Record<string | number, unknown> | undefined)?.[step], value);

/** Every route that Express has with these, as `post /v1/keys/{id}`: what is really there, whatever any document says. */
export function mounted(deps: Deps): string[] {
  const walk = (router: Router): string[] =>
    router.stack.flatMap(({ route, handle }) => [
      ...(route?.stack ?? []).flatMap(({ method }) =>
        method ? [`${method} ${route?.path.replace(/:(\w+)/g, '{$1}')}`] : [],
      ),
      ...('stack' in handle ? walk(handle as unknown as Router) : []),
    ]);
  return walk(createApp(deps).router);
}

/** Of a route that speaks another's API, at its paths: in no document of ours. */
export const isOthers = (route: string): boolean => /^\w+ \/(?:v2|generic|api\/v2|-)\//.test(route);

const OWNER = { by: 'the tests', key: 'none' };

/** Starts everything but the relay and the worker; `more` is laid over what the app is given. */
export async function startApi(more: Partial<Deps> = {}): Promise<Api> {
  const ledger = await openLedger(inMemory());
  await migrate(ledger);
  const config = more.config ?? fromText(CONFIG, 'the tests', {}, { channels, writers, sources });
  const redactor = createRedactor(config.secrets);
  const sealer = createSealer(newSealingKey());
  const logged: string[] = [];
  const clock = { now: new Date() };
  const ran: Api['ran'] = [];
  let woken = 0;
  const integrations = createIntegrations({
    file: config.integrations,
    registry: REGISTRY,
    rows: () => storedIntegrations(ledger),
    open: sealer.open,
    redactor,
  });
  const deps: Deps = {
    ledger,
    config,
    integrations,
    sealer,
    door: createDoor(ledger, { routing: config.routing, ownedBy: integrations.ownedBy }),
    log: createLog({
      level: 'debug',
      secrets: redactor,
      destination: { write: (line) => void logged.push(line) },
    }),
    metrics: createMetrics({ reasons: [], channels: [], failures: [] }),
    now: () => clock.now,
    version: '0.0.0-test',
    wake: () => void woken++,
    runSummary: async (date, names, { by }) => void ran.push({ date, names, by }),
    ui: { temporal: 'http://127.0.0.1:8233/namespaces/default/workflows/{id}' },
    ...more,
  };
  const { url, call, stop } = await serve(deps);
  const keyWith = async (scope: Scope) =>
    (await makeKey(ledger, { name: `${scope} key`, scopes: [scope] }, OWNER)).secret;
  const keys = { ingest: await keyWith('ingest'), operator: await keyWith('operator'), admin: await keyWith('admin') };

  return {
    url,
    deps,
    ledger,
    keys,
    logged,
    clock,
    ran,
    woken: () => woken,
    call,
    async incident(title = 'it broke') {
      const service = `service-${crypto.randomUUID()}`;
      await call('POST', '/v1/events', { key: keys.ingest, body: { source: 'tests', type: 'broken', title, service } });
      for (const { key } of await waitingInboxes(ledger)) await claim(ledger, key);
      const [row] = await ledger.query<{ id: string }>('select id from incidents where service = $1', [service]);
      if (!row) throw new Error('no incident was opened');
      return row.id;
    },
    beside: (more) => serve({ ...deps, ...more }),
    async stop() {
      await stop();
      await ledger.close();
    },
  };
}

async function serve(deps: Deps): Promise<Pick<Api, 'url' | 'call' | 'stop'>> {
  const { url, close } = await listen(createApp(deps), { host: '127.0.0.1', port: 0 });
  const call: Api['call'] = async (method, path, { key, body, raw, headers = {} } = {}) => {
    const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
        ...(sent !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(sent !== undefined && { body: sent }),
    });
    const text = await response.text();
    const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson ? (JSON.parse(text) as unknown) : undefined,
    };
  };

  return { url, call, stop: close };
}
