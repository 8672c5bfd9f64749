/** Integrations over HTTP: made, seen without their secrets, changed, tested and removed; those of the file only seen. */
// Loaded on first use, within the deadline of an attempt; here before, so that no test waits for that.
import 'jira.js/cloud';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSendOnce } from '../../activities/send-once.ts';
import { channelOf, channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { createEgress } from '../../src/egress/guard.ts';
import { createApp, listen } from '../../src/http/app.ts';
import { createRedactor } from '../../src/observe/redact.ts';
import { sources } from '../../src/sources/index.ts';
import { asActivity } from '../support/activity-world.ts';
import { type World, worlds } from '../support/effects.ts';
import { startFakeSmtp } from '../support/fakes/smtp.ts';
import { until } from '../support/until.ts';
import { type Api, pick, type Sent, startApi } from './harness.ts';

const CONFIG = `
integrations:
  terminal: { type: stdout }
  hook: { type: webhook, url: 'https://example.com/hook', secret: whsec_c2VjcmV0LW9mLXRoZS10ZXN0cy0xMjM0 }
routes:
  - { name: night, match: [ 'type="backup_failed"' ], notify: [named] }
default: { notify: [terminal] }
`;
const SECRET = 'xoxb-canary-0123456789-wxyz';
const SLACK = { token: SECRET, channel: '#ops' };
const MAIL = {
  host: 'mail.example.com',
  user: 'a',
  pass: 'canary-password-1234',
  from: 'a@example.com',
  to: ['b@example.com'],
};

let api: Api;
beforeAll(async () => {
  api = await startApi({ config: fromText(CONFIG, 'the tests', {}, { channels, writers, sources }, 'later') });
});
afterAll(() => api.stop());

const as = (key: 'admin' | 'operator' | 'ingest', method: string, path: string, sent: Sent = {}) =>
  api.call(method, path, { key: api.keys[key], ...sent });
const make = (name: string, type: string, config: object, more: object = {}) =>
  as('admin', 'POST', '/v1/integrations', { body: { name, type, config, ...more } });
const see = (name: string) => as('operator', 'GET', `/v1/integrations/${name}`);
const change = (name: string, body: object, headers: Record<string, string> = {}) =>
  as('admin', 'PATCH', `/v1/integrations/${name}`, { body, headers });
const remove = (name: string, headers: Record<string, string> = {}) =>
  as('admin', 'DELETE', `/v1/integrations/${name}`, { headers });
const fieldsOf = (body: unknown): unknown => (pick(body, 'errors') as { field: string }[]).map(({ field }) => field);
const auditOf = async (name: string) =>
  pick((await as('operator', 'GET', `/v1/audit?object=${name}`)).body, 'audit') as { action: string; detail: object }[];
const configOf = async (name: string) => {
  const found = await api.deps.integrations.named(name);
  return 'missing' in found ? found : found.config;
};

describe('an integration made through the API', () => {
  it('is shown as it was written, of its secrets only whether they are set and how they end', async () => {
    const made = await make('bot', 'slack', SLACK, {
      owner: 'ana',
      threshold: 'error',
      timeout: '3s',
      rate: '30/m',
      events: { log_gpu_oom: false },
    });
    expect(made.status).toBe(201);
    expect([made.headers.get('location'), made.headers.get('etag')]).toEqual(['/v1/integrations/bot', '"1"']);
    expect(made.body).toMatchObject({
      name: 'bot',
      type: 'slack',
      origin: 'api',
      owner: 'ana',
      enabled: true,
      threshold: 'error',
      patience: { timeout_ms: 3_000 },
      rate: { count: 30, per_ms: 60_000 },
      events: { log_gpu_oom: false, log_job_failed: true },
      config: { channel: '#ops' },
      secrets: { token: { set: true, last4: 'wxyz' } },
      revision: 1,
      made_by: 'admin key',
    });
    expect(await see('bot')).toMatchObject({ status: 200, body: made.body as object });
    const list = await as('operator', 'GET', '/v1/integrations');
    expect((pick(list.body, 'integrations') as { name: string }[]).map(({ name }) => name)).toEqual([
      'terminal',
      'hook',
      'bot',
    ]);
    for (const { text } of [made, list]) expect(text).not.toContain('canary');
  });

  it('is found by who sends, whole', async () => {
    expect(await configOf('bot')).toMatchObject(SLACK);
    expect(await api.deps.integrations.named('bot')).toMatchObject({
      threshold: 'error',
      events: { log_gpu_oom: false },
    });
  });

  it('is nowhere in clear: not in its row, in the audit, or in what is logged from then on', async () => {
    const tables = await api.ledger.query<{ name: string }>(
      `select table_name as name from information_schema.tables where table_schema = 'public'`,
    );
    for (const { name } of tables) {
      const rows = await api.ledger.query<{ row: string }>(`select row_to_json(t)::text as row from "${name}" t`);
      expect([name, rows.filter(({ row }) => /canary|xoxb/.test(row))]).toEqual([name, []]);
    }
    api.deps.log.info({ said: `token=${SECRET}` }, `the vendor said ${SECRET}`);
    expect(api.logged.join('')).not.toContain('canary');
    expect(await auditOf('bot')).toMatchObject([
      {
        action: 'integration.make',
        detail: {
          type: 'slack',
          fields: expect.arrayContaining(['owner', 'threshold', 'events', 'config.token', 'config.channel']),
        },
      },
    ]);
  });

  it('whose secret is short shows nothing of it', async () => {
    await make('short', 'email', { ...MAIL, pass: 'elevenchars' });
    expect((await see('short')).body).toMatchObject({ secrets: { pass: { set: true } } });
    expect(pick((await see('short')).body, 'secrets', 'pass', 'last4')).toBeUndefined();
  });

  it('shows each secret of a table of them by its name', async () => {
    const config = { url: 'https://example.com/x', headers: { authorization: 'Bearer canary-0123456789abcd' } };
    const { body } = await make('many', 'webhook', config);
    expect(body).toMatchObject({
      config: {},
      secrets: { 'headers.authorization': { set: true, last4: 'abcd' }, secret: { set: false } },
    });
    expect(await configOf('many')).toMatchObject(config);
  });

  it('has a name that nobody else has, in the file or in the ledger', async () => {
    expect(await make('hook', 'stdout', {})).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('in the configuration') },
    });
    expect(await make('bot', 'stdout', {})).toMatchObject({ status: 409 });
  });

  it.each<[string, object, string[]]>([
    ['a name of other letters', { name: 'a b', type: 'stdout' }, ['name']],
    ['a type that nobody knows', { name: 'x', type: 'pigeon' }, ['type']],
    ['a field that is missing', { name: 'x', type: 'slack', config: { channel: '#a' } }, ['config.token']],
    ['a field that is none', { name: 'x', type: 'stdout', config: { colour: true } }, ['config.colour']],
    ['a field of no integration', { name: 'x', type: 'stdout', volume: 11 }, ['volume']],
    ['a setting that is wrong', { name: 'x', type: 'stdout', timeout: 5 }, ['timeout']],
    ['a switch that is none', { name: 'x', type: 'stdout', events: { log_x: false } }, ['events.log_x']],
    [
      'a NUL',
      { name: 'x', type: 'webhook', config: { url: 'https://a.example', headers: { a: 'b\0' } } },
      ['config.headers.a'],
    ],
    ['an address inside', { name: 'x', type: 'webhook', config: { url: 'https://127.0.0.1/x' } }, ['config.url']],
    ['a server inside', { name: 'x', type: 'email', config: { ...MAIL, host: '10.0.0.1' } }, ['config.host']],
    ['attempts that take too long', { name: 'x', type: 'stdout', timeout: '60s', max_attempts: 10 }, ['']],
  ])('with %s is refused by the name of the field', async (_words, body, fields) => {
    const answer = await as('admin', 'POST', '/v1/integrations', { body });
    expect([answer.status, fieldsOf(answer.body)]).toEqual([400, fields]);
  });

  it('never has what was wrong repeated', async () => {
    const { status, text } = await make('x', 'webhook', { url: 'canary-no-url', secret: 'canary', wrong: 'canary' });
    expect(status).toBe(400);
    expect(text).not.toContain('canary');
  });

  it('needs a key to seal with, where it has a secret', async () => {
    const { sealer: _, ...deps } = api.deps;
    const { url, close } = await listen(createApp(deps), { host: '127.0.0.1', port: 0 });
    const post = (body: object) =>
      fetch(`${url}/v1/integrations`, {
        method: 'POST',
        headers: { authorization: `Bearer ${api.keys.admin}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const refused = await post({ name: 'keyless', type: 'slack', config: SLACK });
    expect([refused.status, await refused.text()]).toEqual([409, expect.stringContaining('TOCSIN_SECRET_KEYS_FILE')]);
    expect((await post({ name: 'keyless', type: 'stdout' })).status).toBe(201);
    await close();
  });
});

describe('a change', () => {
  const remake = async (name: string, type: string, config: object, more: object = {}) => {
    await remove(name);
    expect((await make(name, type, config, more)).status).toBe(201);
  };

  it('keeps what is left out, a secret too, and takes away what is null', async () => {
    await remake('bot', 'slack', SLACK, { threshold: 'error', owner: 'ana' });
    const { status, body, headers } = await change('bot', { config: { channel: '#other' }, threshold: null });
    expect([status, headers.get('etag')]).toEqual([200, '"2"']);
    expect(body).toMatchObject({ owner: 'ana', config: { channel: '#other' }, secrets: { token: { set: true } } });
    expect(pick(body, 'threshold')).toBeUndefined();
    expect(pick(body, 'cleared')).toBeUndefined();
    expect(await configOf('bot')).toMatchObject({ token: SECRET, channel: '#other' });
    expect((await change('bot', { config: { token: null } })).body).toMatchObject({
      errors: [{ field: 'config.token' }],
    });
    expect((await change('bot', { owner: null, enabled: false })).body).toMatchObject({ enabled: false });
    expect(pick((await see('bot')).body, 'owner')).toBeUndefined();
  });

  it('of a secret shows its new end, and the old one is gone', async () => {
    await remake('bot', 'slack', SLACK);
    expect((await change('bot', { config: { token: 'xoxb-canary-another-7890' } })).body).toMatchObject({
      secrets: { token: { last4: '7890' } },
    });
    expect(await configOf('bot')).toMatchObject({ token: 'xoxb-canary-another-7890' });
  });

  it('that leads to another host clears the secret, and says so', async () => {
    await remake('mail', 'webhook', {
      url: 'https://a.example/x',
      secret: 'canary-signing-secret-0123456789',
      headers: { 'x-key': 'canary-key-012345' },
    });
    const moved = await change('mail', {
      config: { url: 'https://b.example/x', headers: { 'x-key': 'canary-new-67890' } },
    });
    expect(moved.body).toMatchObject({
      cleared: ['secret'],
      secrets: { secret: { set: false }, 'headers.x-key': { set: true } },
    });
    expect(await configOf('mail')).toMatchObject({
      url: 'https://b.example/x',
      headers: { 'x-key': 'canary-new-67890' },
    });
    expect((await auditOf('mail'))[0]).toMatchObject({ action: 'integration.change', detail: { cleared: ['secret'] } });
    expect(JSON.stringify(await auditOf('mail'))).not.toContain('canary');
  });

  it('that leads to another host without a secret it cannot be without is refused, and asks for it', async () => {
    await remake('bot', 'slack', SLACK);
    const moved = await change('bot', { config: { api_url: 'https://elsewhere.example/api/' } });
    expect(moved).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'config.token', problem: expect.stringContaining('given again') }] },
    });
    expect(await configOf('bot')).toMatchObject({ token: SECRET, api_url: 'https://slack.com/api/' });
    const given = { api_url: 'https://elsewhere.example/api/', token: 'xoxb-canary-for-elsewhere' };
    expect((await change('bot', { config: given })).status).toBe(200);
  });

  it('to an address inside is refused, as at the beginning', async () => {
    await remake('mail', 'webhook', { url: 'https://a.example/x' });
    for (const url of ['https://169.254.169.254/latest', 'http://localhost/x', 'https://[::1]/'])
      expect(fieldsOf((await change('mail', { config: { url } })).body)).toEqual(['config.url']);
  });

  it('of name or type is refused: make another', async () => {
    expect(fieldsOf((await change('mail', { name: 'post' })).body)).toEqual(['name']);
    expect(fieldsOf((await change('mail', { type: 'stdout' })).body)).toEqual(['type']);
  });

  it('is lost where somebody was faster, and the caller is told', async () => {
    await remake('bot', 'slack', SLACK);
    expect((await change('bot', { enabled: false }, { 'if-match': '"1"' })).status).toBe(200);
    for (const tag of ['"1"', '1', 'W/"2"', '"x", "3"'])
      expect(await change('bot', { enabled: true }, { 'if-match': tag })).toMatchObject({
        status: 412,
        body: { type: 'urn:tocsin:problem:changed' },
      });
    expect((await remove('bot', { 'if-match': '"1"' })).status).toBe(412);
    for (const tag of ['*', '"7", "2"'])
      expect((await change('bot', {}, { 'if-match': tag })).status).toBeLessThan(413);
    const both = await Promise.all([change('bot', { owner: 'a' }), change('bot', { owner: 'b' })]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, expect.toBeOneOf([200, 412])]);
  });

  it('mends what no key opens, once its secret is given anew', async () => {
    await remake('bot', 'slack', SLACK);
    await api.ledger.query(`update integrations set secrets = 'v1.00000000.AAAA' where name = 'bot'`);
    expect(await see('bot')).toMatchObject({
      status: 200,
      body: {
        enabled: false,
        problem: expect.stringContaining('no key opens its secrets'),
        config: { channel: '#ops' },
      },
    });
    expect((await as('operator', 'POST', '/v1/integrations/bot/test')).status).toBe(409);
    expect((await as('operator', 'GET', '/v1/integrations')).status).toBe(200);
    expect(fieldsOf((await change('bot', { owner: 'bo' })).body)).toEqual(['config.token']);
    expect((await change('bot', { config: { token: SECRET } })).status).toBe(200);
    expect(await configOf('bot')).toMatchObject(SLACK);
  });
});

describe('an integration of the file', () => {
  it('is read-only here', async () => {
    for (const answer of [await change('hook', { enabled: false }), await remove('hook')])
      expect(answer).toMatchObject({ status: 409, body: { detail: expect.stringContaining('change it there') } });
    expect((await see('hook')).body).toMatchObject({ origin: 'file', secrets: { url: { set: true, last4: 'hook' } } });
    expect((await see('hook')).headers.get('etag')).toBeNull();
  });
});

describe('removing', () => {
  it('ends it: it is found no more, and its name is free', async () => {
    await make('gone', 'stdout', {});
    expect((await remove('gone')).status).toBe(204);
    expect((await see('gone')).status).toBe(404);
    expect((await remove('gone')).status).toBe(404);
    expect(await configOf('gone')).toMatchObject({ missing: expect.stringContaining('gone') });
    expect((await make('gone', 'stdout', {})).status).toBe(201);
  });

  it('is refused for what a route names, with the place', async () => {
    expect((await make('named', 'stdout', {})).status).toBe(201);
    expect(await remove('named')).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('routes[0].notify[0]') },
    });
    expect((await see('named')).status).toBe(200);
  });
});

describe('who may', () => {
  it.each<['operator' | 'ingest', string, string, number]>([
    ['operator', 'POST', '/v1/integrations', 403],
    ['operator', 'PATCH', '/v1/integrations/named', 403],
    ['operator', 'DELETE', '/v1/integrations/named', 403],
    ['operator', 'GET', '/v1/integrations', 200],
    ['operator', 'GET', '/v1/channels', 200],
    ['ingest', 'GET', '/v1/integrations', 403],
    ['ingest', 'GET', '/v1/channels', 403],
    ['ingest', 'POST', '/v1/integrations/named/test', 403],
  ])('%s: %s %s is %i', async (key, method, path, status) => {
    const body = method === 'POST' || method === 'PATCH' ? { body: {} } : {};
    expect((await as(key, method, path, body)).status).toBe(status);
  });
});

/** What is wrong of an integration of each type, where a provider can tell; what it is told then. */
const WRONG: Record<string, (right: Record<string, unknown>) => [config: object, error: RegExp]> = {
  slack: () => [{ token: 'xoxb-canary-wrong' }, /Slack: invalid_auth: .*What to do: check the credentials/],
  'slack-webhook': ({ url }) => [{ url: `${url}/x` }, /Slack: no_service: .*What to do/],
  discord: ({ url }) => [{ url: `${url}x` }, /Discord: .*What to do/],
  teams: ({ url }) => [{ url: `${url}x` }, /Teams: .*What to do/],
  email: () => [{ pass: 'canary-wrong' }, /the server refused user and password\. What to do: check the credentials/],
  webhook: () => [{ secret: 'a-canary-of-a-secret-that-is-wrong' }, /HTTP 401.*What to do: check the credentials/],
  telegram: () => [{ token: '1234567:canary-wrong-token-of-thirty-five-le' }, /Telegram: 401: .*What to do/],
  sms: () => [{ auth_token: 'canary-wrong' }, /Twilio 20003: .*What to do: check the credentials/],
  jira: () => [{ api_token: 'canary-wrong' }, /Jira: HTTP 401: .*What to do: check the credentials/],
  linear: () => [
    { api_key: 'lin_api_canary-wrong' },
    /Linear: the API key is wrong.*What to do: check the credentials/,
  ],
  github: () => [{ token: 'ghp_canary-wrong' }, /GitHub: 401: .*What to do: check the credentials/],
  pagerduty: () => [
    { routing_key: 'canary'.repeat(6).slice(0, 32) },
    /PagerDuty does not know the integration key.*What to do/,
  ],
  apprise: () => [{ key: 'nobody' }, /Apprise: there is no configuration under this key.*What to do/],
  'notion-database': () => [{ token: 'ntn_canary-wrong' }, /Notion: 401 .*What to do: check the credentials/],
  notion: () => [{ token: 'ntn_canary-wrong' }, /Notion: 401 .*What to do: check the credentials/],
};
/** Those that can only be tested by a message. */
const BY_MESSAGE = new Set(['stdout', 'slack-webhook', 'teams', 'webhook']);
const LOGIN = { user: 'alerts', pass: 'canary-of-the-right-one' };

/** The vendor, with a login where mail has one; a writer's is the one its channel has. */
async function vendorOf(type: string): Promise<World> {
  if (type !== 'email') return (worlds[type === 'notion' ? 'notion-database' : type] as () => Promise<World>)();
  const mail = await startFakeSmtp({ auth: LOGIN });
  const config = { host: mail.host, port: mail.port, tls: 'none', from: 'a@example.com', to: ['b@example.com'] };
  return {
    config: { ...config, ...LOGIN },
    effects: () => mail.mails.map(({ raw }) => ({ id: raw, says: raw })),
    close: mail.close,
  };
}

describe('a test', () => {
  const egress = createEgress({ allow: ['127.0.0.1/32'] });
  const printed: string[] = [];
  /** The same API, where vendors on this machine may be called; and a worker that does what is asked of it. */
  let near: Awaited<ReturnType<Api['beside']>>;
  let sendOnce: ReturnType<typeof createSendOnce>;
  let slack: World;
  beforeAll(async () => {
    near = await api.beside({ config: { ...api.deps.config, egress: { allow: ['127.0.0.1/32'] } } });
    const { ledger, log, metrics, integrations, config } = api.deps;
    sendOnce = createSendOnce({
      ledger,
      log,
      metrics,
      config,
      integrationNamed: integrations.named,
      channelOf,
      egress,
      redactor: createRedactor(),
      print: (text) => void printed.push(text),
      now: () => new Date(),
    });
    slack = await vendorOf('slack');
  });
  afterAll(async () => {
    await Promise.all([near.stop(), slack.close(), egress.close()]);
  });

  /** The answer, while the worker does the next thing that waits for it. */
  async function tested(name: string, body: object = {}) {
    const answer = near.call('POST', `/v1/integrations/${name}/test`, { key: api.keys.operator, body });
    const { id, kind } = await until('a row for the worker', async () => {
      const [row] = await api.ledger.query<{ id: number; kind: string }>(
        'select id, kind from sends where ended_at is null',
      );
      return row;
    });
    await asActivity(() => sendOnce({ send: id }));
    return { kind, ...(await answer) };
  }
  const put = async (name: string, type: string, config: object, more: object = {}) => {
    await remove(name);
    const made = await near.call('POST', '/v1/integrations', {
      key: api.keys.admin,
      body: { name, type, config, ...more },
    });
    expect([made.status, made.text]).toEqual([201, expect.any(String)]);
  };

  it.each([...channels, ...writers].map(({ id }) => id))(
    'of the type %s asks its provider, and says what it said',
    async (type) => {
      const world = await vendorOf(type);
      try {
        const checked = BY_MESSAGE.has(type) ? 'message' : 'credentials';
        const about = { integrationType: type, integrationId: 'tried', checked, ended: true };
        await put('tried', type, world.config);
        const good = await tested('tried');
        expect(good).toMatchObject({ kind: checked === 'message' ? 'test' : 'check', status: 200 });
        expect(good.body).toMatchObject({ success: true, ...about });
        expect(good.body).not.toHaveProperty('error');
        // A check leaves nothing behind.
        const seen = type === 'stdout' ? printed.splice(0).length : world.effects().length;
        expect(seen > 0).toBe(checked === 'message');

        const [wrong, error] = WRONG[type]?.(world.config) ?? [];
        if (wrong === undefined) return;
        await put('tried', type, { ...world.config, ...wrong });
        const bad = await tested('tried');
        expect(bad).toMatchObject({ status: 200, body: { success: false, ...about } });
        expect(bad.body).toMatchObject({ error: expect.stringMatching(error as RegExp) });
        expect(bad.text).not.toContain('canary');
        expect(type === 'stdout' ? 0 : world.effects().length).toBe(seen);
      } finally {
        await world.close();
      }
    },
  );

  it('sends a message where the provider could be asked only when told to', async () => {
    await put('asked', 'slack', slack.config);
    const before = slack.effects().length;
    expect(await tested('asked')).toMatchObject({ kind: 'check', body: { success: true, checked: 'credentials' } });
    expect(slack.effects()).toHaveLength(before);
    expect(await tested('asked', { message: true })).toMatchObject({
      kind: 'test',
      body: { success: true, checked: 'message' },
    });
    expect(slack.effects()).toHaveLength(before + 1);
  });

  it('sends no message to what only keeps daily pages', async () => {
    await make('diary', 'notion', { token: 'ntn_of_the_tests', database_id: '0'.repeat(32) });
    expect(await as('operator', 'POST', '/v1/integrations/diary/test', { body: { message: true } })).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('run a summary instead, or ask without message: true') },
    });
  });

  it('of what is switched off checks its credentials all the same, and sends no message', async () => {
    await put('resting', 'slack', slack.config, { enabled: false });
    expect(await tested('resting')).toMatchObject({
      kind: 'check',
      status: 200,
      body: { success: true, checked: 'credentials' },
    });
    expect(await as('operator', 'POST', '/v1/integrations/resting/test', { body: { message: true } })).toMatchObject({
      status: 409,
      body: {
        detail:
          'the integration is switched off, so no message is sent: change it to enabled: true first, or ask without message: true, which checks its credentials and sends nothing',
      },
    });
  });

  it('of what is switched off and cannot be checked is refused, saying how to switch it on', async () => {
    await put('dark', 'stdout', {}, { enabled: false });
    expect(await as('operator', 'POST', '/v1/integrations/dark/test')).toMatchObject({
      status: 409,
      body: {
        detail: 'the integration is switched off, so no message is sent: change it to enabled: true first',
      },
    });
    expect((await as('operator', 'POST', '/v1/integrations/nobody/test')).status).toBe(404);
  });
});

it('of mail names only integrations of type sms for the SMS of a template', async () => {
  const templates = { outage: { sms: 'named' } };
  const { status, body } = await make('mail-with-sms', 'email', {
    host: 'smtp.example.com',
    from: 'a@example.com',
    to: ['b@example.com'],
    templates,
  });
  expect([status, fieldsOf(body)]).toEqual([400, ['config.templates.outage.sms']]);
  expect(JSON.stringify(body)).toContain('there is no integration of type sms named');
});

describe('the catalogue', () => {
  it('has every channel and writer with its form, its secrets and a sample that fits', async () => {
    const { body } = await as('operator', 'GET', '/v1/channels');
    const list = pick(body, 'channels') as {
      id: string;
      form: object;
      secrets: string[];
      sample: object;
      kind: string;
    }[];
    expect(list.map(({ id }) => id)).toEqual([...channels, ...writers].map(({ id }) => id));
    for (const { form } of list) expect(form).toMatchObject({ type: 'object', properties: expect.any(Object) });
    expect(list.find(({ id }) => id === 'webhook')?.secrets).toEqual(['url', 'secret', 'secrets.*', 'headers.*']);
    expect(pick(list.find(({ id }) => id === 'slack')?.form, 'properties', 'token')).toMatchObject({
      title: 'Bot token',
      writeOnly: true,
    });
    expect(pick(body, 'settings', 'properties')).toMatchObject({
      threshold: expect.anything(),
      events: expect.anything(),
    });
  });

  it.each([
    ['token', ['chat:write']],
    ['channel', ['chat:write.public', 'channels:read', 'groups:read']],
    ['label_channels', ['chat:write.public']],
    ['signing_secret', ['commands']],
    ['lookup', ['channels:history', 'groups:history', 'metadata.message:read']],
  ])('says in Slack’s form which scopes %s needs', async (field, scopes) => {
    const { body } = await as('operator', 'GET', '/v1/channels');
    const list = pick(body, 'channels') as { id: string; form: unknown }[];
    const fields = pick(list.find(({ id }) => id === 'slack')?.form, 'properties') as Record<
      string,
      { description: string }
    >;
    for (const scope of scopes)
      expect(fields[field]?.description).toMatch(new RegExp(`(?<![\\w:.])${scope}(?![\\w:])`));
    // What names no scope is done with chat:write alone.
    const named = Object.entries(fields).filter(([, { description }]) =>
      /\w:(read|write|history)|scope commands/.test(description),
    );
    expect(named.map(([name]) => name)).toEqual(['token', 'channel', 'label_channels', 'signing_secret', 'lookup']);
  });

  it.each([...channels, ...writers].map((one) => [one.id, one.sample] as const))(
    'has a sample of %s that can be made',
    async (id, sample) => {
      // The mail of the sample brings an SMS with it.
      if (id === 'email') await make('oncall-sms', 'sms', channels.find((one) => one.id === 'sms')?.sample ?? {});
      const { status, text } = await make(`sample-of-${id}`, id, sample);
      expect([status, text]).toEqual([201, expect.not.stringContaining('not_a_real_one')]);
    },
  );
});
