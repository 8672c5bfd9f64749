import { createHmac } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { createEgress, type Egress } from '../../src/egress/guard.ts';
import { mayFollow } from '../../src/http/sources.ts';
import { sources } from '../../src/sources/index.ts';
import incident from '../samples/gcp-monitoring/open-1.2.json' with { type: 'json' };
import deploymentStatus from '../samples/github/deployment_status.created.json' with { type: 'json' };
import pipeline from '../samples/gitlab/pipeline.json' with { type: 'json' };
import alarm from '../samples/sns/cloudwatch-alarm.json' with { type: 'json' };
import confirmation from '../samples/sns/subscription-confirmation.json' with { type: 'json' };
import { type FakeSns, startFakeSns } from '../support/fakes/sns.ts';
import { createSnsSigner, type SnsSigner } from '../support/sns-signer.ts';
import { type Api, pick, startApi } from './harness.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const alert = (fingerprint: string) => ({
  status: 'firing',
  labels: { alertname: 'HighCPU', severity: 'critical' },
  annotations: { summary: 'CPU is high' },
  startsAt: '2026-11-20T10:00:00Z',
  endsAt: '0001-01-01T00:00:00Z',
  fingerprint,
});
const message = (...alerts: unknown[]) => ({
  version: '4',
  groupKey: '{}',
  status: 'firing',
  receiver: 'tocsin',
  alerts,
});
const post = (name: string, body: unknown, more: object = {}) =>
  api.call('POST', `/v1/sources/${name}`, { key: api.keys.ingest, body, ...more });

describe('POST /v1/sources/{name}', () => {
  it('keeps what Alertmanager says, and knows it when it is said again', async () => {
    const first = await post('alertmanager', message(alert('f1'), alert('f2')));
    expect(first.status).toBe(202);
    expect(pick(first.body, 'accepted')).toHaveLength(2);
    const again = await post('alertmanager', message(alert('f1'), alert('f2')));
    expect([pick(again.body, 'accepted'), pick(again.body, 'duplicates')]).toEqual([[], pick(first.body, 'accepted')]);
    expect(
      await api.ledger.query(`select source, event->>'title' as title from events where event->>'type' = 'HighCPU'`),
    ).toEqual([
      { source: 'alertmanager', title: 'CPU is high' },
      { source: 'alertmanager', title: 'CPU is high' },
    ]);
  });

  it('answers 202 to what is authentic and maps to nothing: the sender cannot do better', async () => {
    expect(await post('alertmanager', { hello: 'world' })).toMatchObject({
      status: 202,
      body: { accepted: [], duplicates: [], rejected: [{ index: 0 }] },
    });
    expect((await post('alertmanager', message())).body).toEqual({ accepted: [], duplicates: [], rejected: [] });
  });

  it('reads JSON whatever the sender calls it, and forgives a name given twice', async () => {
    expect((await post('alertmanager', message(), { headers: { 'content-type': 'text/plain' } })).status).toBe(202);
    expect((await post('alertmanager', undefined, { raw: '{"alerts":[],"alerts":[]}' })).status).toBe(202);
    expect((await post('alertmanager', undefined, { raw: '{"alerts":[' })).status).toBe(400);
    expect((await post('alertmanager', undefined, { raw: '{}', headers: { 'content-encoding': 'gzip' } })).status).toBe(
      415,
    );
  });

  it('takes 10,000 events in one message, and not one more', async () => {
    const many = (count: number) => ({
      alerts: Array.from({ length: count }, (_, at) => ({ status: 'resolved', labels: { alertname: 'many', at } })),
    });
    const { status, body } = await post('alertmanager', many(10_001));
    expect([status, pick(body, 'detail')]).toEqual([413, 'a message has at most 10000 events, this one has 10001']);
    const none = `{"alerts":[${'0,'.repeat(200_000)}0]}`;
    expect((await post('alertmanager', undefined, { raw: none })).status).toBe(413);
    expect(((await post('alertmanager', many(10_000))).body as { accepted: unknown[] }).accepted).toHaveLength(10_000);
  });

  it('needs no key where the source has a token of its own, which is then needed', async () => {
    const shown = (authorization?: string) =>
      api.call('POST', '/v1/sources/primary', {
        body: message(alert('f3')),
        headers: authorization ? { authorization } : {},
      });
    expect((await shown('Bearer a-token-of-its-own')).status).toBe(202);
    expect((await shown(`Basic ${Buffer.from('am:a-token-of-its-own').toString('base64')}`)).status).toBe(202);
    expect((await shown()).status).toBe(401);
    expect((await shown('Bearer another-token-than-its')).status).toBe(401);
    expect((await shown(`Bearer ${api.keys.admin}`)).status).toBe(401);
  });

  it('is 404 for a name that is neither configured nor built in, and only to who has a key', async () => {
    for (const name of ['nobody', 'mapping', '__proto__', 'constructor', 'events']) {
      expect([name, (await post(name, {})).status]).toEqual([name, 404]);
      expect([name, (await api.call('POST', `/v1/sources/${name}`, { body: {} })).status]).toEqual([name, 401]);
    }
  });
});

describe.each([
  ['jsonata', `{ type: jsonata, each: { type: '"build"', title: name } }`, 'each.title gives nothing'],
  ['mapping', '{ type: mapping, event_type: { text: build }, title: name }', 'the mapping finds no title'],
])('a source of type %s', (type, entry, problem) => {
  it('keeps all of what its mapping cannot read, tells of it once, and ends that when it can', async () => {
    const text = `sources:\n  ci-${type}: ${entry}\n`;
    const config = fromText(text, 'the tests', {}, { channels, writers, sources });
    const mapped = await api.beside({ config });
    const send = (body: unknown) => mapped.call('POST', `/v1/sources/ci-${type}`, { key: api.keys.ingest, body });
    const failing = () =>
      api.ledger.query(
        `with own as (select seq, event from events where event->>'dedup_key' = $1)
          select a.status, (select count(*)::int from own) as kept,
            (select string_agg(event->'context'->>'payload', '' order by seq) from own) as payload
          from alerts a where a.event in (select seq from own)`,
        [`mapping/ci-${type}`],
      );
    const large = JSON.stringify({ nam: 'x'.repeat(40_000) });
    try {
      expect(await send({ nam: 'x' })).toMatchObject({
        status: 202,
        body: { rejected: [{ index: 0, problem }] },
      });
      await send(JSON.parse(large));
      expect(await failing()).toEqual([{ status: 'firing', kept: 4, payload: `{"nam":"x"}${large}` }]);
      expect((await send({ name: 'z' })).body).toMatchObject({ rejected: [] });
      expect(await failing()).toMatchObject([{ status: 'resolved', kept: 5 }]);
    } finally {
      await mapped.stop();
    }
  });
});

describe('wrong tokens of a source', () => {
  it('are throttled, and do not keep out who shows the right one', async () => {
    const guessed = await startApi({ limits: { attempts: { per_second: 0.1, burst: 2 } } });
    const shown = async (token: string) =>
      (
        await guessed.call('POST', '/v1/sources/primary', {
          body: message(),
          headers: { authorization: `Bearer ${token}` },
        })
      ).status;
    expect([await shown('wrong'), await shown('wrong'), await shown('wrong')]).toEqual([401, 401, 429]);
    expect(await shown('a-token-of-its-own')).toBe(202);
    await guessed.stop();
  });
});

describe('the webhooks of GitHub and GitLab', () => {
  const SECRET = 'the-secret-of-the-webhook';
  const CONFIG = `
integrations: { terminal: { type: stdout } }
default: { notify: [terminal] }
sources:
  code: { type: github, secret: ${SECRET} }
  lab: { type: gitlab, token: ${SECRET} }
  tests: { type: junit, token: ${SECRET} }
`;
  let forges: Api;
  beforeAll(async () => {
    forges = await startApi({ config: fromText(CONFIG, 'the tests', {}, { channels, writers, sources }) });
  });
  afterAll(() => forges.stop());

  const sign = (raw: string | Uint8Array) => `sha256=${createHmac('sha256', SECRET).update(raw).digest('hex')}`;
  const fromGitHub = (raw: string | Uint8Array, headers: Record<string, string> = {}) =>
    forges.call('POST', '/v1/sources/code', {
      raw,
      headers: {
        'x-github-event': 'deployment_status',
        'x-github-delivery': crypto.randomUUID(),
        'x-hub-signature-256': sign(raw),
        ...headers,
      },
    });
  const deployed = (id: number, state: string, environment: string) =>
    JSON.stringify({
      ...deploymentStatus,
      deployment_status: { id, state, environment, updated_at: '2026-11-20T10:00:00Z' },
    });
  const alertsOf = (service: string) =>
    forges.ledger.query<{ status: string }>('select status from alerts where service = $1 order by first_at', [
      service,
    ]);

  it('need no key: a signature is enough, and a redelivery is known', async () => {
    const failed = deployed(1, 'failure', 'production');
    const first = await fromGitHub(failed);
    expect([first.status, (pick(first.body, 'accepted') as unknown[]).length]).toEqual([202, 1]);
    const again = await fromGitHub(failed);
    expect([pick(again.body, 'accepted'), pick(again.body, 'duplicates')]).toEqual([[], pick(first.body, 'accepted')]);
    expect(await alertsOf('Codertocat/Hello-World')).toEqual([{ status: 'firing' }]);
    expect((await fromGitHub(deployed(2, 'success', 'staging'))).status).toBe(202);
    expect(await alertsOf('Codertocat/Hello-World')).toEqual([{ status: 'firing' }]);
    expect((await fromGitHub(deployed(3, 'success', 'production'))).status).toBe(202);
    expect(await alertsOf('Codertocat/Hello-World')).toEqual([{ status: 'resolved' }]);
    // The failure that GitHub sends late happened before the success that is known.
    const late = { ...deploymentStatus, deployment_status: { id: 4, state: 'error', environment: 'production' } };
    const sent = JSON.stringify({
      ...late,
      deployment_status: { ...late.deployment_status, updated_at: '2026-11-20T09:59:00Z' },
    });
    expect((await fromGitHub(sent)).status).toBe(202);
    expect(await alertsOf('Codertocat/Hello-World')).toEqual([{ status: 'resolved' }]);
  });

  it('stand beside JUnit reports, which a build uploads as they are', async () => {
    const report = (tests: string) => `<?xml version="1.0"?><testsuite name="unit">${tests}</testsuite>`;
    const sent = (raw: string, query = 'repository=acme/tests&branch=main') =>
      forges.call('POST', `/v1/sources/tests?${query}`, {
        raw,
        headers: { authorization: `Bearer ${SECRET}`, 'content-type': 'application/x-www-form-urlencoded' },
      });
    const red = report('<testcase name="adds"><failure message="1 is not 2"/></testcase>');
    expect(await sent(red)).toMatchObject({ status: 202 });
    expect(await alertsOf('acme/tests')).toEqual([{ status: 'firing' }]);
    expect((await sent(report('<testcase name="adds"/>'))).status).toBe(202);
    expect(await alertsOf('acme/tests')).toEqual([{ status: 'resolved' }]);
    const wrong = await sent(red, 'branch=main');
    expect([wrong.status, pick(wrong.body, 'detail')]).toEqual([400, expect.stringContaining('?repository=')]);
    const broken = await sent(red.slice(0, -3));
    expect([broken.status, pick(broken.body, 'detail')]).toEqual([400, expect.stringContaining('line 1')]);
    expect((await sent('{"tests": 1}')).status).toBe(415);
  });

  it('may come as a form, which is signed as it is', async () => {
    const form = `payload=${encodeURIComponent(deployed(5, 'failure', 'form')).replaceAll('%20', '+')}`;
    const { status, body } = await fromGitHub(form, { 'content-type': 'application/x-www-form-urlencoded' });
    expect([status, (pick(body, 'accepted') as unknown[]).length]).toEqual([202, 1]);
  });

  it('are refused with a wrong signature, whatever key is shown, before anything is parsed', async () => {
    const raw = deployed(6, 'failure', 'production');
    expect((await fromGitHub(raw, { 'x-hub-signature-256': sign(`${raw} `) })).status).toBe(401);
    expect((await fromGitHub('{"trunc', { 'x-hub-signature-256': 'sha256=00' })).status).toBe(401);
    const keyed = { raw, key: forges.keys.ingest, headers: { 'x-github-event': 'deployment_status' } };
    expect((await forges.call('POST', '/v1/sources/code', keyed)).status).toBe(401);
  });

  it('are answered 202 where they are no event of ours, and never 5xx', async () => {
    expect(await fromGitHub('{"zen":"Design for failure."}', { 'x-github-event': 'ping' })).toMatchObject({
      status: 202,
      body: { accepted: [], rejected: [{ index: 0, problem: expect.stringMatching(/^a ping/) }] },
    });
    expect((await fromGitHub('[]', { 'x-github-event': 'star' })).status).toBe(202);
    expect((await fromGitHub('null')).status).toBe(202);
    expect((await fromGitHub('{"action":')).status).toBe(400);
    expect((await fromGitHub(gzipSync('{}'), { 'content-encoding': 'gzip' })).status).toBe(415);
  });

  it('may be as large as GitHub sends them, 25 MB, and no larger; those of others not', async () => {
    const most = 25 * 1024 * 1024;
    const large = deployed(7, 'failure', 'large').padEnd(most);
    const { status, body } = await fromGitHub(large);
    expect([status, (pick(body, 'accepted') as unknown[]).length]).toEqual([202, 1]);
    expect((await fromGitHub(`${large} `)).status).toBe(413);
    const other = { raw: large, headers: { 'x-gitlab-token': SECRET } };
    expect((await forges.call('POST', '/v1/sources/lab', other)).status).toBe(413);
  });

  it('of GitLab show its token; without one, a key in a header of its own does', async () => {
    const fromGitLab = (headers: Record<string, string>, name = 'lab', key?: string) =>
      forges.call('POST', `/v1/sources/${name}`, { body: pipeline, headers, key });
    expect((await fromGitLab({ 'x-gitlab-token': SECRET })).status).toBe(202);
    expect((await fromGitLab({ 'x-gitlab-token': 'another-secret-of-some' })).status).toBe(401);
    expect((await fromGitLab({})).status).toBe(401);
    expect((await fromGitLab({}, 'gitlab', forges.keys.ingest)).status).toBe(202);
    expect((await fromGitLab({}, 'github', forges.keys.ingest)).status).toBe(404);
  });
});

const CLOUDS = `
integrations: { terminal: { type: stdout } }
default: { notify: [terminal] }
sources:
  azure: { type: cloudevents, token: a-token-of-cloudevents }
  aws: { type: sns, token: a-token-of-the-topics }
  localstack: { type: sns, token: a-token-of-the-topics, verify: false }
  gcp: { type: gcp-monitoring, token: a-token-of-google }
`;
const cloudConfig = () => fromText(CLOUDS, 'the tests', {}, { channels, writers, sources });

describe('a CloudEvent', () => {
  const EVENT = { specversion: '1.0', id: 'ce-1', source: '/shop', type: 'disk.full' };
  const HEADERS = { 'ce-specversion': '1.0', 'ce-source': '/shop', 'ce-type': 'disk.full' };
  const ids = (body: unknown, list = 'accepted') => (pick(body, list) as { id: string }[]).map(({ id }) => id);

  it('is kept in each of the three modes, and known when it is sent again in another', async () => {
    const typed = (type: string) => ({ headers: { 'content-type': type } });
    const first = await post('cloudevents', EVENT, typed('application/cloudevents+json; charset=utf-8'));
    expect([first.status, ids(first.body)]).toEqual([202, ['ce-1']]);
    const batch = [EVENT, { ...EVENT, id: 'ce-2' }, { ...EVENT, id: 25 }];
    const { body } = await post('cloudevents', batch, typed('application/cloudevents-batch+json'));
    expect([ids(body), ids(body, 'duplicates'), pick(body, 'rejected', 0, 'index')]).toEqual([['ce-2'], ['ce-1'], 2]);
    const headers = { ...HEADERS, 'ce-id': 'ce-3', 'content-type': 'text/plain' };
    expect(ids((await post('cloudevents', undefined, { raw: 'no JSON', headers })).body)).toEqual(['ce-3']);
    const empty = await post('cloudevents', undefined, { headers: { ...HEADERS, 'ce-id': 'ce-4' } });
    expect(ids(empty.body)).toEqual(['ce-4']);
  });

  it('in a format that is not read is 415, broken or packed 4xx, and never a fault of ours', async () => {
    const status = async (type: string, raw: string | Uint8Array, more: object = {}) =>
      (await post('cloudevents', undefined, { raw, headers: { 'content-type': type, ...more } })).status;
    expect(await status('application/cloudevents+xml', '<event/>')).toBe(415);
    expect(await status('text/plain', 'x')).toBe(415);
    expect(await status('application/cloudevents+json', '{"specversion":"1.0",')).toBe(400);
    expect(await status('application/cloudevents+json', '')).toBe(400);
    expect(await status('application/json', '{', { ...HEADERS, 'ce-id': 'x' })).toBe(400);
    const packed = gzipSync(JSON.stringify(EVENT));
    expect(await status('application/cloudevents+json', packed, { 'content-encoding': 'gzip' })).toBe(415);
    const huge = `"${'x'.repeat(25 * 1024 * 1024)}"`;
    expect(await status('application/cloudevents+json', huge)).toBe(413);
  });
});

describe('the handshake of CloudEvents', () => {
  let clouds: Api;
  beforeAll(async () => {
    clouds = await startApi({ config: cloudConfig(), limits: { key: { per_second: 10, burst: 100 } } });
  });
  afterAll(() => clouds.stop());
  const ask = (path: string, more: { key?: string; headers?: Record<string, string> } = {}) =>
    clouds.call('OPTIONS', `/v1/sources/${path}`, {
      ...more,
      headers: { 'webhook-request-origin': 'eventgrid.azure.net', 'webhook-request-rate': '1200', ...more.headers },
    });

  it('is granted to who shows the token or a key, with the rate that is taken', async () => {
    for (const answer of [
      await ask('azure?access_token=a-token-of-cloudevents'),
      await ask('azure', { headers: { authorization: 'Bearer a-token-of-cloudevents' } }),
      await ask('cloudevents', { key: clouds.keys.ingest }),
    ]) {
      expect(answer.status).toBe(200);
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        allow: 'POST',
        'webhook-allowed-origin': 'eventgrid.azure.net',
        'webhook-allowed-rate': '600',
      });
    }
  });

  it('is granted to nobody else, and for no other source', async () => {
    for (const answer of [
      await ask('azure'),
      await ask('azure?access_token=another'),
      await ask('cloudevents'),
      await ask('nobody'),
      await ask('nobody', { key: clouds.keys.ingest }),
      await ask('alertmanager', { key: clouds.keys.ingest }),
      await ask('cloudevents', { key: clouds.keys.ingest, headers: { 'webhook-request-origin': 'a b' } }),
      await ask('cloudevents', { key: clouds.keys.operator }),
    ])
      expect([answer.status, answer.headers.get('webhook-allowed-origin')]).toEqual([
        expect.toSatisfy((status) => [400, 401, 403, 404, 405].includes(status)),
        null,
      ]);
    expect((await ask('alertmanager', { key: clouds.keys.ingest })).headers.get('allow')).toBe('POST, PUT');
  });

  it('is followed by deliveries with the same token in the address', async () => {
    const send = (query: string) =>
      clouds.call('POST', `/v1/sources/azure${query}`, {
        body: { specversion: '1.0', id: query, source: '/shop', type: 'disk.full' },
        headers: { 'content-type': 'application/cloudevents+json' },
      });
    expect((await send('?access_token=a-token-of-cloudevents')).status).toBe(202);
    expect((await send('?access_token=a-token-of-cloudevents&access_token=x')).status).toBe(401);
    expect((await send('')).status).toBe(401);
    expect(clouds.logged.join('\n')).not.toContain('a-token-of-cloudevents');
  });
});

describe('Amazon SNS', () => {
  let aws: FakeSns;
  let clouds: Api;
  let signer: SnsSigner;
  /** The real way out; it may go to this machine, where the stand-in is. */
  let guard: Egress;
  let confirming: Awaited<ReturnType<Api['beside']>>;
  beforeAll(async () => {
    clouds = await startApi({ config: cloudConfig() });
    signer = await createSnsSigner();
    guard = createEgress({ allow: ['127.0.0.1'] });
  });
  afterAll(async () => {
    await guard.close();
    await clouds.stop();
  });
  beforeEach(async () => {
    const { pem } = signer;
    aws = await startFakeSns({ topic: confirmation.TopicArn, token: confirmation.Token, pem, by: guard.fetch });
    confirming = await clouds.beside({ egress: { fetch: aws.fetch, resolve: guard.resolve } });
  });
  afterEach(async () => {
    await confirming.stop();
    await aws.close();
  });
  const fresh = <Message extends object>(message: Message, version: '1' | '2' = '1') =>
    signer.sign({ ...message, Timestamp: clouds.clock.now.toISOString() }, version);
  const send = (
    body: unknown,
    { query = '?token=a-token-of-the-topics', headers = {}, to = 'aws', by = confirming } = {},
  ) =>
    by.call('POST', `/v1/sources/${to}${query}`, {
      body,
      headers: { 'content-type': 'text/plain; charset=UTF-8', ...headers },
    });
  const kept = async (id: string) =>
    (await clouds.ledger.query(`select 1 from events where event->>'id' = $1`, [id])).length;

  it('has its subscription confirmed, by whoever has the token and the signature', async () => {
    expect((await send(fresh(confirmation), { query: '' })).status).toBe(401);
    expect(aws.asked).toEqual([]);
    const { status, body } = await send(fresh(confirmation));
    expect([status, body]).toEqual([202, { accepted: [], duplicates: [], rejected: [] }]);
    expect(aws.asked).toEqual([confirmation.SigningCertURL, confirmation.SubscribeURL]);
    expect(aws.confirmed).toEqual([confirmation.TopicArn]);
    expect(clouds.logged.join('\n')).not.toContain(confirmation.Token);
  });

  it.each([
    ['refuses', { status: 403, text: 'no' }],
    ['leads elsewhere', { status: 302, headers: { location: 'http://169.254.169.254/' } }],
    ['breaks off', { reset: true as const }],
  ])('is told to send the confirmation again where its address %s', async (_, answer) => {
    await send(fresh({ ...alarm, MessageId: 'first' })); // Its certificate is known from here on.
    const certified = { ...confirmation, SigningCertURL: alarm.SigningCertURL };
    aws.script([answer]);
    const failed = await send(fresh(certified));
    expect([failed.status, failed.headers.get('retry-after'), aws.confirmed]).toEqual([503, '20', []]);
    expect((await send(fresh(certified))).status).toBe(202);
    expect(aws.confirmed).toHaveLength(1);
  });

  it('makes nobody call another host', async () => {
    const SubscribeURL = confirmation.SubscribeURL.replace('amazonaws.com', 'amazonaws.com.evil.example');
    const { status, body } = await send(fresh({ ...confirmation, SubscribeURL }));
    expect([status, (pick(body, 'rejected') as unknown[]).length]).toEqual([202, 1]);
    expect(aws.asked).toEqual([confirmation.SigningCertURL]);
  });

  it('whose name leads into our own network is not called, for a certificate or a confirmation', async () => {
    const inside = createEgress({ allow: [], resolveHost: async () => ['10.0.0.1'] });
    const api = await clouds.beside({ egress: inside });
    expect((await send(fresh(alarm), { by: api })).status).toBe(503);
    expect((await send(fresh(confirmation), { by: api, to: 'localstack' })).status).toBe(503);
    const said = clouds.logged.filter((line) => line.includes('egress rules') || line.includes('EgressBlocked'));
    expect(said).toHaveLength(2);
    await api.stop();
    await inside.close();
  });

  it('has its alarms kept once, however often they come, in either version of its signature', async () => {
    const message = fresh(alarm);
    expect(pick((await send(message)).body, 'accepted')).toEqual([{ id: alarm.MessageId }]);
    expect(pick((await send(message)).body, 'duplicates')).toEqual([{ id: alarm.MessageId }]);
    expect(pick((await send(fresh(alarm, '2'))).body, 'duplicates')).toEqual([{ id: alarm.MessageId }]);
    expect(aws.asked).toEqual([alarm.SigningCertURL]);
    expect((await send(signer.sign(alarm))).status).toBe(401); // From 2019.
    expect((await send('no message')).status).toBe(202);
  });

  it('is nobody without a signature that fits, and is told no more than that; the log says why', async () => {
    const message = fresh({ ...alarm, MessageId: 'forged' });
    const forgeries: [object, RegExp][] = [
      [{ ...message, Signature: 'AAAA' }, /does not fit/],
      [{ ...message, Message: 'The disk is fine' }, /does not fit/],
      [{ ...message, SignatureVersion: '2' }, /does not fit/],
      [{ ...message, Signature: undefined }, /not signed/],
    ];
    for (const [forgery, why] of forgeries) {
      clouds.logged.length = 0;
      expect((await send(forgery)).status).toBe(401);
      expect(clouds.logged.filter((line) => why.test(line))).toHaveLength(1);
    }
    aws.asked.length = 0;
    const elsewhere = fresh({ ...alarm, SigningCertURL: 'https://sns.eu-west-1.amazonaws.com.evil.example/x.pem' });
    const bare = { 'x-amz-sns-rawdelivery': 'true', 'x-amz-sns-message-id': 'forged' };
    expect((await send(elsewhere)).status).toBe(401);
    expect((await send('The disk is fine', { headers: bare })).status).toBe(401);
    expect([aws.asked, await kept('forged')]).toEqual([[], 0]);
  });

  it('is nobody with a certificate that is not in force', async () => {
    const before = clouds.clock.now;
    clouds.clock.now = new Date(before.getTime() + 10 * 24 * 3_600_000);
    expect((await send(fresh({ ...alarm, MessageId: 'late' }))).status).toBe(401);
    clouds.clock.now = before;
    expect(await kept('late')).toBe(0);
  });

  it.each([
    ['is not there', { status: 404, text: 'no' }],
    ['leads elsewhere', { status: 302, headers: { location: 'http://169.254.169.254/' } }],
    ['is none', { status: 200, text: 'no certificate' }],
    ['is as long as a book', { status: 200, text: 'x'.repeat(2_000_000) }],
    ['breaks off', { reset: true as const }],
  ])('is told to come again where its certificate %s', async (_, answer) => {
    const message = fresh({ ...alarm, MessageId: crypto.randomUUID() });
    aws.script([answer]);
    const failed = await send(message);
    expect([failed.status, failed.headers.get('retry-after')]).toEqual([503, '20']);
    expect(await kept(message.MessageId)).toBe(0);
    expect((await send(message)).status).toBe(202);
    expect(await kept(message.MessageId)).toBe(1);
  });

  it('needs no signature where the configuration says so, as for LocalStack, and may be delivered raw', async () => {
    const unsigned = { ...alarm, MessageId: 'unsigned', Timestamp: clouds.clock.now.toISOString() };
    expect(pick((await send(unsigned, { to: 'localstack' })).body, 'accepted')).toEqual([{ id: 'unsigned' }]);
    const headers = { 'x-amz-sns-rawdelivery': 'true', 'x-amz-sns-message-id': 'm-1' };
    const bare = await send('The budget is spent', { to: 'localstack', headers });
    expect(pick(bare.body, 'accepted')).toEqual([{ id: 'm-1' }]);
    expect(aws.asked).toEqual([]);
  });

  it('is told to come again where there is no way out, and nothing but thanks where its confirmation may not be asked for', async () => {
    expect((await send(fresh(alarm), { by: clouds })).status).toBe(503);
    const now = clouds.clock.now.toISOString();
    const { status } = await send({ ...confirmation, Timestamp: now }, { by: clouds, to: 'localstack' });
    expect(status).toBe(202);
    expect(clouds.logged.some((line) => line.includes('was not confirmed'))).toBe(true);
  });
});

describe('an address that a source wants to be asked for', () => {
  it('is one of Amazon’s, over https, or none', () => {
    expect(mayFollow(confirmation.SubscribeURL)).toBe(true);
    for (const address of [
      'http://sns.eu-west-1.amazonaws.com/',
      'https://evilamazonaws.com/',
      'https://amazonaws.com.evil.example/',
      'https://x.amazonaws.com@evil.example/',
      'https://evil.example/.amazonaws.com',
      'https://169.254.169.254/',
      'file:///etc/passwd',
      'x',
    ])
      expect([address, mayFollow(address)]).toEqual([address, false]);
  });
});

describe('Google Cloud Monitoring', () => {
  it('shows its token in the address, and is kept', async () => {
    const clouds = await startApi({ config: cloudConfig() });
    const send = (query: string) => clouds.call('POST', `/v1/sources/gcp${query}`, { body: incident });
    expect((await send('?auth_token=a-token-of-google')).status).toBe(202);
    expect(pick((await send('?auth_token=a-token-of-google')).body, 'duplicates')).toHaveLength(1);
    expect((await send('?auth_token=wrong')).status).toBe(401);
    expect((await send('')).status).toBe(401);
    await clouds.stop();
  });
});
