/** The users' own doors: alerts, incidents of their own, alerts of jobs and tests by type; and the wait for what was told. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import type { AttemptEnd } from '../../src/ledger/deliveries.ts';
import { endSend } from '../../src/ledger/sends.ts';
import { sources } from '../../src/sources/index.ts';
import { attempted, notice } from '../support/deliveries.ts';
import { claimAll } from '../support/ledger.ts';
import { until } from '../support/until.ts';
import { type Api, pick, startApi } from './harness.ts';

const CONFIG = `
integrations:
  chat: { type: stdout, owner: ana }
  chat-of-ben: { type: stdout, owner: ben }
  off: { type: webhook, url: 'https://example.com/hook', enabled: false }
routes:
  - { name: quiet, match: [ 'service="quiet"' ], active: never, notify: [chat] }
default: { group_by: [service], group_wait: 0s, notify: [chat] }
time_intervals:
  never: { timezone: UTC, dates: ['2001-01-01'] }
public_url: https://alerts.example.com/
`;

let api: Api;
beforeAll(async () => {
  api = await startApi({ config: fromText(CONFIG, 'the tests', {}, { channels, writers, sources }) });
});
afterAll(() => api.stop());

const post = (path: string, body: unknown, key: keyof Api['keys'] = 'ingest') =>
  api.call('POST', path, { key: api.keys[key], body });
/** As the relay and the worker do it: what waits is claimed, and `chat` is told of it. */
const work = async (end: Partial<AttemptEnd> = {}): Promise<string[]> => {
  const claims = await claimAll(api.ledger);
  for (const claim of claims) await attempted(api.ledger, end, await notice(api.ledger, 'group_now', claim));
  return claims.map(({ batch }) => batch.incident);
};
/** While the answer is waited for. */
const worked = (end?: Partial<AttemptEnd>) =>
  until('something to be told', async () => {
    const [incident] = await work(end);
    return incident;
  });
const stored = async (id: string) =>
  pick((await api.call('GET', `/v1/events/${encodeURIComponent(id)}`, { key: api.keys.operator })).body, 'events', 0);
const service = () => `service-${crypto.randomUUID()}`;
const event = (more: object = {}) => ({
  source: 'tests',
  type: 'broken',
  title: 'It broke',
  service: service(),
  ...more,
});

describe('POST /v1/events?wait', () => {
  it('answers with what each integration was told', async () => {
    const answer = post('/v1/events?wait=20s', event());
    const incident = await worked();
    expect((await answer).body).toMatchObject({
      accepted: [expect.anything()],
      results: [{ incident, integration: 'chat', type: 'stdout', state: 'delivered', delivery: expect.any(String) }],
    });
  });

  it('says why somebody was not told', async () => {
    const answer = post('/v1/events?wait=20s', event());
    await worked({ status: 'dead', reason: 'auth', detail: 'the token is wrong' });
    expect((await answer).body).toMatchObject({
      results: [{ integration: 'chat', state: 'dead', error: 'the token is wrong' }],
    });
  });

  it('is a 202 all the same when the time is up: what is not told yet is pending', async () => {
    const sent = { ...event(), id: crypto.randomUUID() };
    const early = await post('/v1/events?wait=100ms', sent);
    expect([early.status, pick(early.body, 'results')]).toEqual([202, []]);
    const [claim] = await claimAll(api.ledger);
    const late = await post('/v1/events?wait=100ms', sent);
    expect([late.status, late.body]).toMatchObject([
      202,
      {
        duplicates: [{ id: sent.id }],
        results: [{ incident: claim?.batch.incident, integration: 'chat', type: 'stdout', state: 'pending' }],
      },
    ]);
  });

  it('waits for nobody where nobody is told', async () => {
    const started = performance.now();
    const { body } = await post('/v1/events?wait=30s', event({ service: 'quiet' }));
    expect(pick(body, 'results')).toEqual([]);
    expect(performance.now() - started).toBeLessThan(15_000);
  });

  it.each(['31s', 'soon', ''])('refuses to wait for %j', async (wait) => {
    const { status, body } = await post(`/v1/events?wait=${wait}`, event());
    expect([status, pick(body, 'errors', 0, 'field')]).toEqual([400, 'wait']);
  });
});

describe('POST /v1/alerts', () => {
  it('takes an alert in the words of incident managers, and loses nothing of it', async () => {
    const { status, body } = await post('/v1/alerts', {
      external_id: 'a-1',
      source: 'llm-sentinel',
      title: 'API Gateway Down',
      description: 'All requests returning 503',
      severity: 'P0',
      alert_type: 'Availability',
      affected_services: ['api-gateway'],
      labels: { environment: 'production' },
      runbook_url: 'https://runbooks.example.com/gateway',
      confidence: 0.93,
    });
    expect([status, body]).toEqual([202, { id: 'a-1', status: 'accepted' }]);
    expect(pick(await stored('a-1'), 'event')).toMatchObject({
      source: 'llm-sentinel',
      type: 'Availability',
      title: 'API Gateway Down',
      body: 'All requests returning 503',
      severity: 'critical',
      severity_word: 'P0',
      components: ['api-gateway'],
      labels: { environment: 'production' },
      links: [{ title: 'Runbook', url: 'https://runbooks.example.com/gateway' }],
      context: { confidence: 0.93 },
    });
    expect((await post('/v1/alerts', { id: 'a-1', source: 'llm-sentinel', title: 'x' })).body).toMatchObject({
      status: 'duplicate',
    });
    await work();
  });

  it('joins the incident of alike alerts, and says which where it waits', async () => {
    const alert = { source: 'llm-sentinel', name: 'Latency', severity: 'P1', service: service() };
    const first = post('/v1/alerts?wait=20s', alert);
    const incident = await worked();
    expect((await first).body).toMatchObject({ incident_id: incident, results: [{ state: 'delivered' }] });
    const second = post('/v1/alerts?wait=20s', { ...alert, name: 'More latency' });
    await worked();
    expect((await second).body).toMatchObject({ incident_id: incident });
  });

  it('names what is wrong by its sender’s own word', async () => {
    const { status, body } = await post('/v1/alerts', {
      description: 5,
      affected_resources: ['a', ''],
      severity: 'P9',
      source: 'x',
      title: 'x',
    });
    expect(status).toBe(400);
    const fields = (pick(body, 'errors') as { field: string }[]).map(({ field }) => field);
    expect(fields.sort()).toEqual(['affected_resources[1]', 'description', 'severity']);
    expect((await post('/v1/alerts', [])).status).toBe(400);
    expect((await post('/v1/alerts', { source: 'x', title: 'x' }, 'operator')).status).toBe(403);
  });
});

describe('POST /v1/incidents', () => {
  const incident = (more: object = {}) => ({
    source: 'llm-sentinel',
    title: 'Gateway down',
    severity: 'P1',
    incident_type: 'Availability',
    service: 'gateway',
    ...more,
  });

  it('opens an incident of its own, however alike another is, and answers with its id', async () => {
    const [one, other] = [post('/v1/incidents?wait=20s', incident()), post('/v1/incidents?wait=20s', incident())];
    const opened = new Set<string>();
    await until('both to be opened', async () => {
      for (const id of await work()) opened.add(id);
      return opened.size === 2 ? true : undefined;
    });
    const ids = [(await one).body, (await other).body].map((body) => String(pick(body, 'incident_id')));
    expect(new Set(ids)).toEqual(opened);
    expect((await one).body).toMatchObject({
      status: 'accepted',
      url: `https://alerts.example.com/v1/incidents/${pick((await one).body, 'incident_id')}`,
    });
    expect((await post('/v1/events', event({ service: 'gateway' }))).status).toBe(202);
    expect(opened.has((await work())[0] ?? '')).toBe(false);
  });

  it('opens one for an id, however often it is sent; it is found and resolved by that id, in the body its senders use', async () => {
    const id = crypto.randomUUID();
    const answer = post('/v1/incidents?wait=20s', incident({ id }));
    const opened = await worked();
    expect((await answer).body).toMatchObject({ id, incident_id: opened, results: [{ state: 'delivered' }] });
    expect((await post('/v1/incidents', incident({ id }))).body).toMatchObject({
      status: 'duplicate',
      incident_id: opened,
    });
    const seen = await api.call('GET', `/v1/incidents/${id}`, { key: api.keys.operator });
    expect(seen.body).toMatchObject({ id: opened, type: 'Availability', status: 'open' });
    const resolve = { resolved_by: 'ana', method: 'Manual', notes: 'Restarted it', root_cause: 'A leak' };
    const resolved = await post(`/v1/incidents/${id}/resolve`, resolve, 'operator');
    expect(resolved.body).toMatchObject({ outcome: 'done', by: 'ana', incident: { id: opened, status: 'resolved' } });
    const { body } = await api.call('GET', `/v1/incidents/${opened}`, { key: api.keys.operator });
    expect((pick(body, 'timeline') as { kind: string }[]).find(({ kind }) => kind === 'resolve')).toMatchObject({
      by: 'ana',
      detail: { text: 'Restarted it\nRoot cause: A leak\nMethod: Manual' },
    });
  });

  it('takes its commands by that id before the relay has opened it', async () => {
    const id = crypto.randomUUID();
    const answer = await post('/v1/incidents?wait=0', incident({ id }));
    expect(pick(answer.body, 'incident_id')).toBe(undefined);
    const acked = await post(`/v1/incidents/${id}/ack`, { by: 'ana' }, 'operator');
    expect(acked.body).toMatchObject({ outcome: 'done', incident: { status: 'acknowledged' } });
    await claimAll(api.ledger);
  });

  it('refuses a command by an id that two sources have used, that nobody has, or that tells nobody', async () => {
    const id = crypto.randomUUID();
    for (const source of ['one', 'other']) await post('/v1/incidents?wait=0', incident({ id, source }));
    const { status, body } = await post(`/v1/incidents/${id}/ack`, {}, 'operator');
    expect([status, pick(body, 'detail')]).toEqual([409, expect.stringContaining('several sources')]);
    expect((await post(`/v1/incidents/${crypto.randomUUID()}/ack`, {}, 'operator')).status).toBe(404);
    const plain = crypto.randomUUID();
    await post('/v1/events', event({ id: plain }));
    expect((await post(`/v1/incidents/${plain}/ack`, {}, 'operator')).status).toBe(404);
    const quiet = crypto.randomUUID();
    await post('/v1/incidents?wait=0', incident({ id: quiet, service: 'quiet' }));
    const held = await post(`/v1/incidents/${quiet}/ack`, {}, 'operator');
    expect([held.status, pick(held.body, 'detail')]).toEqual([409, expect.stringContaining('holds it back')]);
    await work();
  });
});

describe('POST /api/alerts/trigger', () => {
  it('answers with what each integration was told', async () => {
    const answer = post('/api/alerts/trigger?wait=20s', {
      type: 'job_failed',
      userId: 'ana',
      jobId: 'job-7',
      data: { modelName: 'llama', errorMessage: 'CUDA error', loss: 1.25 },
    });
    const incident = await worked();
    const { status, body } = await answer;
    expect(status).toBe(200);
    expect(body).toMatchObject({
      success: true,
      incident,
      integrationResults: [
        {
          success: true,
          integrationType: 'stdout',
          integrationId: 'chat',
          state: 'delivered',
          delivery: expect.any(String),
        },
      ],
    });
    expect(pick(await stored(String(pick(body, 'id'))), 'event')).toMatchObject({
      source: 'jobs',
      type: 'job_failed',
      title: 'Job failed: llama',
      severity: 'error',
      body: 'CUDA error',
      user: 'ana',
      labels: { job: 'job-7' },
      context: { loss: 1.25 },
    });
  });

  it('never fails because the wait has ended, and says what is under way', async () => {
    const { status, body } = await post('/api/alerts/trigger?wait=100ms', { alert_type: 'gpu_oom', user_id: 5 });
    expect([status, body]).toEqual([200, { success: true, id: expect.any(String), integrationResults: [] }]);
    await claimAll(api.ledger);
    const again = await post('/api/alerts/trigger?wait=0', { type: 'gpu_oom', user_id: 5, job_id: 'other' });
    await claimAll(api.ledger);
    const id = String(pick(again.body, 'id'));
    const third = await post('/api/alerts/trigger?wait=0', { id, source: 'jobs', type: 'gpu_oom' });
    expect(pick(third.body, 'integrationResults', 0)).toMatchObject({
      success: false,
      integrationType: 'stdout',
      integrationId: 'chat',
      error: expect.any(String),
      state: 'pending',
    });
  });

  it('says what is wrong with a body that no event can be made of', async () => {
    const { status, body } = await post('/api/alerts/trigger', { job_id: 'x' });
    expect([status, pick(body, 'errors', 0, 'field')]).toEqual([400, 'type']);
  });
});

describe('POST /api/integrations/{type}/test', () => {
  const test = (type: string, body: object = {}) => post(`/api/integrations/${type}/test`, body, 'operator');
  /** Ends the tests that wait, as the worker would. */
  const answered = async (outcomes: Record<string, object>) => {
    for (const [name, outcome] of Object.entries(outcomes)) {
      const { id } = await until(`a test of ${name}`, async () => {
        const [row] = await api.ledger.query<{ id: number }>(
          'select id from sends where ended_at is null and target = $1',
          [name],
        );
        return row;
      });
      await endSend(api.ledger, id, outcome as Record<string, string>);
    }
  };

  it('tests each of a type, and says what went wrong with one of them', async () => {
    const answer = test('stdout');
    await answered({ chat: { delivered: true }, 'chat-of-ben': { delivered: false, error: 'the terminal is gone' } });
    expect(await answer).toMatchObject({
      status: 200,
      body: {
        success: false,
        integrationType: 'stdout',
        integrationId: 'chat-of-ben',
        error: 'the terminal is gone',
        results: [{ success: true, integrationId: 'chat' }, { success: false }],
      },
    });
  });

  it('tests those of an owner, or one by its name', async () => {
    for (const body of [{ userId: 'ben' }, { integrationId: 'chat-of-ben' }]) {
      const answer = test('stdout', body);
      await answered({ 'chat-of-ben': { delivered: true } });
      expect((await answer).body).toEqual({
        success: true,
        integrationType: 'stdout',
        integrationId: 'chat-of-ben',
      });
    }
  });

  it('says why one cannot be tested, and that there is none', async () => {
    expect((await test('webhook')).body).toMatchObject({
      success: false,
      integrationId: 'off',
      error: expect.stringContaining('switched off'),
    });
    expect((await test('jira')).status).toBe(404);
    expect((await test('stdout', { userId: 'nobody' })).status).toBe(404);
    expect((await post('/api/integrations/stdout/test', {}, 'ingest')).status).toBe(403);
  });
});
