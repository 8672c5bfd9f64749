/** Secrets that are recognised wherever they turn up, given to every channel and source, and vendors that repeat them: nowhere. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { secretPaths } from '../../src/channels/channel.ts';
import { channels, writers } from '../../src/channels/index.ts';
import { type Ledger, openLedger } from '../../src/ledger/db.ts';
import { newSealingKey } from '../../src/ledger/sealing.ts';
import { createTokens } from '../../src/ledger/tokens.ts';
import type { IncidentView } from '../../src/ledger/views.ts';
import { createApiClient } from '../support/api-client.ts';
import { createAuthority } from '../support/authority.ts';
import { endAll, type StartInput, startTocsin, type TocsinProcess, temporalPidIn } from '../support/child.ts';
import { type Echo, startEchoHttp, startEchoSmtp } from '../support/fakes/echo.ts';
import { type History, readable } from '../support/histories.ts';
import { freePort } from '../support/ports.ts';
import { type PostgresServer, postgresPrograms, startPostgres } from '../support/postgres.ts';
import { until } from '../support/until.ts';

const canaries = new Map<string, string>();
/** A secret of this name; the characters at its end are written otherwise in URLs, and in base64 that is one too. */
function canary(name: string, end = '/+?&='): string {
  const value = `canary-${name}-${randomBytes(9).toString('hex')}${end}`;
  canaries.set(name, value);
  return value;
}
/** A key of ours is as secret as what it seals. */
const sealingKey = newSealingKey();
canaries.set('sealing-key', sealingKey);
/** PagerDuty's keys have a length, and no signs. */
const pagerDutyKey = `canary${randomBytes(13).toString('hex')}`;
canaries.set('pagerduty-key', pagerDutyKey);
/** What PagerDuty's senders show to us. */
const routingKey = `canary${randomBytes(13).toString('hex')}`;
canaries.set('routing-key', routingKey);
/** Of a key in several lines the first with something of its own. */
const gitHubKey = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey.export({
  type: 'pkcs8',
  format: 'pem',
});
canaries.set('github-key', String(gitHubKey).split('\n')[2] ?? '');
const inUrl = (name: string): string => encodeURIComponent(canary(name));

/** As it may be met: as it is, in a URL, and in base64 wherever it began there. */
function formsOf(secret: string): string[] {
  const coded = [0, 1, 2].map((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before, 'x'), Buffer.from(secret)]);
    return bytes.toString('base64').slice(before === 0 ? 0 : 4, -6);
  });
  return [
    secret,
    encodeURIComponent(secret),
    ...coded,
    ...coded.map((one) => one.replaceAll('+', '-').replaceAll('/', '_')),
  ];
}

const found = (text: string): string[] =>
  [...canaries].flatMap(([name, secret]) => (formsOf(secret).some((form) => text.includes(form)) ? [name] : []));

const dir = mkdtempSync(join(tmpdir(), 'tocsin-canaries-'));
const start: StartInput = { stateDir: dir, configPath: join(dir, 'tocsin.yaml'), key: canary('api-key', '/+=') };
const TARGETS = [
  ...['bot', 'incoming', 'hook', 'mail', 'refused', 'untrusted', 'blocked', 'server', 'card', 'group', 'phone'],
  ...['tickets', 'issues', 'requests', 'app', 'pager', 'everywhere', 'elsewhere', 'entries'],
];
/** Where a failure has to be over before we look. */
const ENDED_MS = 60_000;

let echo: Echo;
let stern: Echo;
let smtp: Echo;
let untrusted: Echo;
let postgres: PostgresServer | undefined;
let tocsin: TocsinProcess;
let temporalPort: number;
const answers: string[] = [];

const api = () => createApiClient(tocsin.url, start.key);

beforeAll(async () => {
  const authority = await createAuthority('Nobody knows it');
  const { key, cert } = await authority.issue('untrusted', { names: [{ type: 'ip', value: '127.0.0.1' }] });
  authority.remove();
  [echo, stern, smtp, untrusted] = await Promise.all([
    startEchoHttp(),
    startEchoHttp({ stern: true }),
    startEchoSmtp(),
    startEchoHttp({ identity: { key, cert } }),
  ]);
  postgres = postgresPrograms() ? await startPostgres() : undefined;
  const closed = await freePort();
  temporalPort = await freePort();
  const vendor = `http://127.0.0.1:${echo.port}`;
  const refusing = `http://127.0.0.1:${stern.port}`;
  const twice = 'max_attempts: 2, backoff: 100ms';
  const secretFile = join(dir, 'mounted');
  writeFileSync(secretFile, canary('mounted-file'), { mode: 0o600 });
  writeFileSync(
    start.configPath,
    `
integrations:
  bot: { type: slack, token: '${canary('slack-token', '')}', signing_secret: '${canary('slack-signing')}', channel: '#ops', api_url: '${vendor}/api/', max_attempts: 2, backoff: 100ms }
  incoming: { type: slack-webhook, url: '${vendor}/services/${canary('slack-url', '')}', urls: { critical: '${vendor}/services/${canary('slack-critical', '')}', error: '${vendor}/services/${canary('slack-error', '')}', warning: '${vendor}/services/${canary('slack-warning', '')}', info: '${vendor}/services/${canary('slack-info', '')}' }, max_attempts: 2, backoff: 100ms }
  hook:
    type: webhook
    url: '${refusing}/hook/${canary('hook-path', '')}?token=${inUrl('hook-query')}'
    secret: '${canary('hook-secret')}'
    secrets: ['${canary('hook-further-secret')}']
    headers: { authorization: 'Bearer ${canary('hook-bearer')}', x-api-key: '${canary('hook-header')}', x-plain: "\${PLAIN_TOKEN}" }
    max_attempts: 2
    backoff: 100ms
  mail: { type: email, host: 127.0.0.1, port: ${smtp.port}, tls: none, user: alerts, pass: "\${MAIL_PASSWORD}", from: a@example.com, to: [b@example.com], max_attempts: 2, backoff: 100ms }
  refused: { type: webhook, url: 'http://127.0.0.1:${closed}/${canary('refused-path', '')}', max_attempts: 2, backoff: 100ms }
  untrusted: { type: webhook, url: 'https://127.0.0.1:${untrusted.port}/${canary('untrusted-path', '')}', max_attempts: 2, backoff: 100ms }
  blocked: { type: webhook, url: 'https://nowhere.invalid/${canary('blocked-path', '')}?key=${inUrl('blocked-query')}', max_attempts: 2, backoff: 100ms }
  server: { type: discord, url: '${refusing}/api/webhooks/1/${canary('discord-url', '')}', ${twice} }
  card: { type: teams, url: '${refusing}/workflows/1/invoke?sig=${inUrl('teams-sig')}', ${twice} }
  group: { type: telegram, token: '12345678:${canary('telegram-token', '')}', secret_token: '${canary('telegram-secret', '')}', chat_id: '-100', api_url: '${vendor}', ${twice} }
  phone: { type: sms, account_sid: 'AC${'0'.repeat(32)}', auth_token: '${canary('sms-token')}', api_key_sid: 'SK${'0'.repeat(32)}', api_key_secret: '${canary('sms-secret')}', from: '+15005550006', to: ['+15551234567'], api_url: '${refusing}', ${twice} }
  tickets: { type: jira, base_url: '${refusing}', email: a@example.com, api_token: '${canary('jira-token')}', project_key: OPS, ${twice} }
  issues: { type: linear, api_key: '${canary('linear-key')}', team_id: 9cfb482a-81e3-4154-b5b9-2c805e70a02d, api_url: '${vendor}/graphql', ${twice} }
  requests: { type: github, token: '${canary('github-token')}', repository: acme/shop, pull_request: 7, api_url: '${refusing}', ${twice} }
  app: { type: github, app_id: 1, installation_id: 2, private_key: ${JSON.stringify(gitHubKey)}, repository: acme/shop, pull_request: 7, api_url: '${refusing}', ${twice} }
  pager: { type: pagerduty, routing_key: '${pagerDutyKey}', api_token: '${canary('pagerduty-token')}', api_url: '${refusing}', rest_url: '${refusing}', ${twice} }
  everywhere: { type: apprise, api_url: '${refusing}', key: '${canary('apprise-key', '')}', user: tocsin, pass: '${canary('apprise-pass')}', ${twice} }
  elsewhere: { type: apprise, api_url: '${refusing}', urls: 'json://${canary('apprise-urls', '')}@example.com', ${twice} }
  entries: { type: notion-database, token: '${canary('entries-token')}', database_id: '${'0'.repeat(32)}', base_url: '${refusing}', ${twice} }
  pages: { type: notion, token: '${canary('notion-token')}', database_id: '${'0'.repeat(32)}', base_url: '${vendor}' }
routes:
  - { name: worst, match: [ 'severity="critical"' ], group_wait: 0s, notify: [${TARGETS}] }
default: { group_by: [service], group_wait: 0s, notify: [${TARGETS}] }
summaries: [ { name: daily, at: '18:00', notion: pages, notify: [hook] } ]
sources:
  primary: { type: alertmanager, token: '${canary('source-token', '/+=')}' }
  builds: { type: mapping, token: '${canary('mapping-token', '/+=')}', event_type: { text: build }, title: name }
  pagers: { type: pagerduty, routing_key: '${routingKey}' }
  genies: { type: opsgenie, api_key: '${canary('genie-key')}' }
heartbeats: { beat: { every: 1h } }
egress: { allow: ['127.0.0.0/8'] }
`,
  );
  const password = inUrl('database-password');
  const url = postgres?.url.replace('postgres@', `postgres:${password}@`);
  tocsin = await startTocsin({
    ...start,
    env: {
      LOG_LEVEL: 'trace',
      TEMPORAL_PORT: String(temporalPort),
      PLAIN_TOKEN_FILE: secretFile,
      MAIL_PASSWORD: canary('mail-password'),
      TOCSIN_SECRET_KEYS: sealingKey,
      ...(url && { DATABASE_URL: url }),
    },
  });
}, 180_000);
afterAll(async () => {
  await endAll(tocsin, dir);
  await Promise.all([echo?.close(), stern?.close(), smtp?.close(), untrusted?.close(), postgres?.remove()]);
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
});

/** Every answer is kept to be looked through. */
async function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<number> {
  const response = await fetch(tocsin.url + path, {
    method,
    headers: {
      authorization: `Bearer ${start.key}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  answers.push(`${response.status} ${JSON.stringify([...response.headers])} ${await response.text()}`);
  return response.status;
}

const secret = (name: string): string => canaries.get(name) ?? '';

/** What stands at a path, of which `*` is any name. */
function valuesAt(value: unknown, [name, ...rest]: string[]): unknown[] {
  if (name === undefined) return [value];
  if (typeof value !== 'object' || value === null) return [];
  const inner = name === '*' ? Object.values(value) : [(value as Record<string, unknown>)[name]];
  return inner.flatMap((one) => valuesAt(one, rest));
}

it('every secret field of every channel holds one', () => {
  const { integrations } = parse(readFileSync(start.configPath, 'utf8')) as {
    integrations: Record<string, { type: string }>;
  };
  for (const { id, config } of [...channels, ...writers])
    for (const path of secretPaths(config)) {
      const given = Object.values(integrations)
        .filter(({ type }) => type === id)
        .flatMap((one) => valuesAt(one, path).filter((value) => typeof value === 'string'));
      // A name in braces stands for one that is given by the environment.
      expect([id, path, given.some((value) => found(value).length > 0 || value.startsWith('$'))]).toEqual([
        id,
        path,
        true,
      ]);
    }
});

describe('with vendors that repeat in their errors what they were sent', () => {
  it('every channel fails, each in its own way', async () => {
    const events = (['info', 'critical'] as const).map((severity) => ({
      source: 'tests',
      type: severity,
      title: 'Something',
      severity,
      service: severity,
    }));
    for (const event of events) expect(await ask('POST', '/v1/events', event)).toBe(202);
    for (const target of [...TARGETS, 'pages']) await ask('POST', `/v1/integrations/${target}/test`, {});
    expect(await ask('POST', '/v1/summaries/2026-01-15/run', {})).toBe(202);
    await until(
      'every target to have failed',
      async () => {
        const { deliveries } = await api().taken<{ deliveries: { target: string; failure?: string }[] }>(
          'GET',
          '/v1/deliveries?limit=200',
        );
        const failed = new Set(deliveries.filter(({ failure }) => failure !== undefined).map(({ target }) => target));
        const others = TARGETS.filter((target) => !failed.has(target));
        if (others.length > 0) throw new Error(`not ${others}`);
        return true;
      },
      ENDED_MS,
    );
    await until(
      'the summary to have been tried',
      () => echo.seen().includes(secret('notion-token')) || undefined,
      ENDED_MS,
    );
  }, 180_000);

  it('and so do integrations that are made and changed through the API', async () => {
    const vendor = `http://127.0.0.1:${stern.port}`;
    const config = {
      url: `${vendor}/kept/${canary('kept-path', '')}?token=${inUrl('kept-query')}`,
      secret: canary('kept-secret'),
      headers: { 'x-api-key': canary('kept-header') },
    };
    const body = { name: 'kept', type: 'webhook', config, max_attempts: 2, backoff: '100ms' };
    expect(await ask('POST', '/v1/integrations', body)).toBe(201);
    expect(await ask('POST', '/v1/integrations', body)).toBe(409);
    expect(await ask('POST', '/v1/integrations/kept/test', { message: true })).toBe(200);
    const wrong = {
      config: { headers: { 'x-api-key': `${canary('no-header', '')}\n` }, secret: `whsec_${canary('no-secret', '!')}` },
    };
    expect(await ask('PATCH', '/v1/integrations/kept', wrong)).toBe(400);
    expect(
      await ask('PATCH', '/v1/integrations/kept', { config: { headers: { 'x-api-key': canary('kept-anew') } } }),
    ).toBe(200);
    expect(await ask('POST', '/v1/integrations/kept/test')).toBe(200);
    const bot = { token: canary('kept-token', ''), channel: '#ops', api_url: `${vendor}/api/` };
    expect(await ask('POST', '/v1/integrations', { name: 'kept-bot', type: 'slack', config: bot })).toBe(201);
    expect(await ask('POST', '/v1/integrations/kept-bot/test', { message: true })).toBe(200);
    expect(await ask('DELETE', '/v1/integrations/kept-bot')).toBe(204);
    expect(answers.filter((answer) => answer.includes('"integrationId":"kept"'))).toEqual([
      expect.stringContaining('"success":false'),
      expect.stringContaining('"success":'),
    ]);
  });

  it('and every secret was really sent to those it was for', () => {
    const seen = echo.seen() + stern.seen() + smtp.seen();
    for (const name of [
      'slack-token',
      'slack-critical',
      'slack-info',
      'discord-url',
      'teams-sig',
      'telegram-token',
      'sms-secret',
      'jira-token',
      'linear-key',
      'github-token',
      'pagerduty-key',
      'pagerduty-token',
      'apprise-key',
      'apprise-pass',
      'apprise-urls',
      'entries-token',
      'hook-path',
      'hook-query',
      'hook-bearer',
      'hook-header',
      'mounted-file',
      'mail-password',
      'notion-token',
      'kept-path',
      'kept-query',
      'kept-header',
      'kept-anew',
      'kept-token',
    ])
      expect([name, formsOf(secret(name)).some((form) => seen.includes(form))]).toEqual([name, true]);
    expect(untrusted.seen()).toBe('');
  });

  it('and senders that show the wrong thing in the wrong place', async () => {
    const key = start.key;
    for (const name of ['primary', 'builds']) {
      expect(await ask('POST', `/v1/sources/${name}`, {}, { authorization: `Bearer ${secret('source-token')}x` })).toBe(
        401,
      );
      expect(
        await ask(
          'POST',
          `/v1/sources/${name}?token=${encodeURIComponent(secret('mapping-token'))}`,
          {},
          { authorization: 'Bearer x' },
        ),
      ).toBe(401);
    }
    expect(
      await ask(
        'POST',
        '/v1/sources/primary',
        { alerts: [] },
        { authorization: `Basic ${Buffer.from(`me:${secret('source-token')}`).toString('base64')}` },
      ),
    ).toBe(202);
    expect(
      await ask('POST', '/v1/sources/builds', '{"name":', { authorization: `Bearer ${secret('mapping-token')}` }),
    ).toBe(400);
    const named = { routing_key: routingKey, dedup_key: 'named', event_action: 'trigger' };
    const payload = { summary: 's', source: 's', severity: 'info', component: 'named' };
    expect(await ask('POST', '/v2/enqueue', { ...named, payload })).toBe(202);
    expect(await ask('POST', '/v2/enqueue', { ...named, event_action: 'acknowledge' })).toBe(202);
    expect(await ask('POST', '/v2/enqueue', { ...named, event_action: 'resolve' })).toBe(202);
    expect(await ask('POST', '/v2/enqueue', { ...named, event_action: routingKey })).toBe(400);
    expect(await ask('POST', '/v2/enqueue', `{"routing_key":"${routingKey}"`)).toBe(400);
    expect(await ask('POST', '/v2/enqueue', { ...named, routing_key: `${routingKey}x` })).toBe(400);
    const genie = { authorization: `GenieKey ${secret('genie-key')}` };
    expect(await ask('POST', '/v2/alerts', { message: 'm', alias: 'a', details: { service: 'named' } }, genie)).toBe(
      202,
    );
    expect(await ask('POST', '/v2/alerts/a/acknowledge?identifierType=alias', {}, genie)).toBe(202);
    expect(await ask('POST', '/v2/alerts/a/close?identifierType=alias', {}, genie)).toBe(202);
    expect(await ask('GET', '/v2/alerts', undefined, genie)).toBe(200);
    expect(await ask('GET', '/v2/alerts', undefined, { authorization: `${genie.authorization}x` })).toBe(401);
    expect(await ask('GET', '/v2/alerts', undefined, { authorization: `Bearer ${secret('genie-key')}` })).toBe(401);
    expect(await ask('GET', `/v1/incidents?key=${encodeURIComponent(key)}`, undefined, { authorization: '' })).toBe(
      401,
    );
    expect(await ask('GET', `/v1/incidents?key=${encodeURIComponent(key)}`)).toBe(400);
    expect(await ask('GET', `/v1/${encodeURIComponent(key)}`)).toBe(404);
    expect(await ask('GET', `/v1/incidents/${encodeURIComponent(key)}`)).toBe(404);
    expect(await ask('POST', '/v1/events', `{"source":"${key}`)).toBe(400);
    expect(await ask('POST', '/v1/events', { source: 'x', type: 'y', title: 'z', severity: key })).toBe(400);
    expect(await ask('GET', '/v1/incidents', undefined, { authorization: `Digest ${key}`, cookie: `key=${key}` })).toBe(
      401,
    );
    expect(await ask('GET', '/v1/stats', undefined, { 'x-request-id': key })).toBe(200);
  });

  it.runIf(postgresPrograms())('and a ledger that goes away and comes back', async () => {
    const pid = postgres?.pid();
    if (pid === undefined) throw new Error('there is no PostgreSQL to be lost');
    process.kill(pid, 'SIGKILL');
    await until(
      'the door to be closed',
      async () => (await ask('POST', '/v1/events', { source: 'a', type: 'b', title: 'c' })) === 503 || undefined,
    );
    expect(await ask('GET', '/readyz')).toBe(503);
    await postgres?.begin();
    await until(
      'the door to be open',
      async () => (await ask('POST', '/v1/events', { source: 'a', type: 'b', title: 'c' })) === 202 || undefined,
      ENDED_MS,
    );
  });
});

/** Local addresses, in hexadecimal as the kernel lists them, that this process listens on. */
function listeningOn(pid: number): string[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return []; // Closed meanwhile.
      }
    }),
  );
  const LISTENS = '0A';
  return ['tcp', 'tcp6'].flatMap((kind) =>
    readFileSync(`/proc/${pid}/net/${kind}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state, , , , , , inode]) => state === LISTENS && inode !== undefined && sockets.has(inode))
      .map(([, local = '']) => local.split(':')[0] ?? ''),
  );
}

it.runIf(process.platform === 'linux')('nothing of it listens beyond this machine', () => {
  const addresses = [tocsin.pid, temporalPidIn(dir)].map(listeningOn);
  for (const own of addresses) expect(own.length).toBeGreaterThan(0);
  for (const address of addresses.flat())
    expect(['0100007F', '0000000000000000FFFF00000100007F', '00000000000000000000000001000000']).toContain(address);
});

describe('none of them is', () => {
  it('in any answer of the API, whichever route is asked', async () => {
    const { incidents } = await api().taken<{ incidents: IncidentView[] }>('GET', '/v1/incidents');
    const { accepted } = await api().taken<{ accepted: { id: string }[] }>('POST', '/v1/events', {
      source: 'tests',
      type: 'info',
      title: 'Again',
      service: 'info',
    });
    const { deliveries } = await api().taken<{ deliveries: { id: number; incident: string | null }[] }>(
      'GET',
      '/v1/deliveries',
    );
    const told = deliveries.filter(({ incident }) => incident !== null).map(({ id }) => id);
    const tokens = createTokens([Buffer.from(sealingKey, 'base64')]);
    const links = told.slice(0, 3).map((id) => tokens.sign(id, 'ack', new Date()));
    const quiet = { match: ['type="nothing"'], reason: 'for the tests' };
    const made = async (path: string, body: object): Promise<string> =>
      (await api().taken<{ id: string }>('POST', path, { ...quiet, ...body })).id;
    const fill: Record<string, string[]> = {
      '/v1/heartbeats/{name}': ['beat'],
      '/v1/silences/{id}': [await made('/v1/silences', { for: '1h' })],
      '/v1/maintenance/{id}': [await made('/v1/maintenance', { during: [{ times: ['02:00-03:00'] }] })],
      '/a/{token}': links,
      '/v1/deliveries/{id}': deliveries.map(({ id }) => String(id)),
      '/v1/incidents/{id}': incidents.map(({ id }) => id),
      '/v1/events/{id}': accepted.map(({ id }) => id),
      '/v1/integrations/{name}': [...TARGETS, 'pages', 'kept'],
      '/v1/summaries/{date}': ['2026-01-15'],
    };
    const document = await api().taken<{ paths: Record<string, { get?: unknown }> }>('GET', '/openapi.json');
    const asked: string[] = [];
    for (const [path] of Object.entries(document.paths).filter(([, { get }]) => get)) {
      const named = fill[path] ?? (path.includes('{') ? [] : ['']);
      expect(named.length, `${path}: something to ask for`).toBeGreaterThan(0);
      for (const name of named) {
        asked.push(path);
        // A beat may be a GET: it is accepted.
        const status = path.startsWith('/v1/heartbeats/') ? 202 : 200;
        expect([path, await ask('GET', path.replace(/\{\w+\}/, name))]).toEqual([path, status]);
      }
    }
    const form = { authorization: '', 'content-type': 'application/x-www-form-urlencoded' };
    for (const link of links) expect(await ask('POST', `/a/${link}`, `name=ana`, form)).toBe(200);
    for (const path of [
      '/metrics',
      '/a/{token}',
      '/openapi.json',
      '/docs',
      '/v1/deliveries',
      '/v1/audit',
      '/v1/keys',
      '/v1/integrations/{name}',
    ])
      expect(asked).toContain(path);
    const text = answers.join('\n');
    expect(text).toContain('could not connect (ECONNREFUSED)');
    expect(found(text)).toEqual([]);
  });

  it('in a workflow: history, failures, memo or search attributes', async () => {
    const connection = await Connection.connect({ address: `127.0.0.1:${temporalPort}` });
    const client = new Client({ connection });
    let text = '';
    for await (const { workflowId, runId } of client.workflow.list()) {
      const handle = client.workflow.getHandle(workflowId, runId);
      text += readable(await handle.fetchHistory()) + readable((await handle.describe()).raw as unknown as History);
    }
    for await (const { scheduleId } of client.schedule.list())
      text += readable((await client.schedule.getHandle(scheduleId).describe()).raw as unknown as History);
    await connection.close();
    expect(text).toContain('EVENT_TYPE_ACTIVITY_TASK_COMPLETED');
    expect(text).toContain('untrusted');
    expect(found(text)).toEqual([]);
  });

  it('in the ledger, but for what they are kept as to know them by', async () => {
    if (!postgres) await tocsin.end('SIGINT');
    const ledger: Ledger = await openLedger(
      postgres ? { url: postgres.url } : { folder: join(dir, 'state', 'ledger') },
    );
    const tables = await ledger.query<{ name: string }>(
      `select table_name as name from information_schema.tables where table_schema = 'public'`,
    );
    let text = '';
    for (const { name } of tables) {
      const rows = await ledger.query<{ row: string }>(`select row_to_json(t)::text as row from "${name}" t`);
      text += rows.map(({ row }) => `${name} ${row}`).join('\n');
    }
    await ledger.close();
    expect(tables.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['keys', 'events', 'deliveries', 'attempts', 'audit', 'integrations']),
    );
    for (const word of ['attempts {', 'keys {', 'summaries {', 'integrations {', 'ECONNREFUSED'])
      expect(text).toContain(word);
    expect(found(text)).toEqual([]);
  });

  it('in what the processes wrote, nor in the files that Temporal keeps', async () => {
    await endAll(tocsin, dir);
    const written = tocsin.output();
    expect(written).toContain('"level":"debug"');
    expect(written).toContain('not delivered');
    expect(found(written)).toEqual([]);
    const state = join(dir, 'state');
    const kept = readdirSync(state).filter((name) => name.startsWith('temporal'));
    expect(kept).toContain('temporal.db');
    for (const name of kept) expect([name, found(readFileSync(join(state, name), 'latin1'))]).toEqual([name, []]);
  });
});
