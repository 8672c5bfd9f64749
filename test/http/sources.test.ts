import { createHmac } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { sources } from '../../src/sources/index.ts';
import deploymentStatus from '../samples/github/deployment_status.created.json' with { type: 'json' };
import pipeline from '../samples/gitlab/pipeline.json' with { type: 'json' };
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
    expect((await fromGitHub(new Uint8Array(25 * 1024 * 1024).fill(0x20))).status).toBe(413);
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
