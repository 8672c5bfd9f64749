/** Journeys of an alarm from its first event to the people: at once, grouped, after a wait, from other systems' webhooks. */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Harness, harness } from '../support/harness.ts';
import { readable } from '../support/histories.ts';
import { LATE_MS } from '../support/until.ts';

const GROUP_WAIT_MS = 30_000;

const CONFIG = `
integrations:
  chat: { type: slack, token: '<SLACK_TOKEN>', api_url: '<SLACK_API>', channel: '#ops' }
  mail: { type: email, host: 127.0.0.1, port: <SMTP_PORT>, tls: none, from: alerts@example.com, to: [ops@example.com] }
  hook: { type: webhook, url: '<HOOK>/all', secret: '<HOOK_SECRET>' }
  away: { type: webhook, url: '<HOOK>/away', max_attempts: 1, secret: '<HOOK_SECRET>' }
routes:
  - { name: traced, match: [ 'type="traced"' ], notify: [mail, hook] }
  - { name: warned, match: [ 'severity="warning"', 'type="trouble"' ], group_wait: 1500ms, group_count: 3, notify: [chat] }
  - { name: from-prometheus, match: [ 'source="alertmanager"' ], group_by: [type], group_wait: 0s, notify: [hook] }
  - { name: from-builds, match: [ 'source="builds"' ], group_by: [repo], group_wait: 0s, notify: [hook] }
default: { group_by: [service], group_wait: ${GROUP_WAIT_MS}ms, notify: [chat] }
sources:
  builds:
    type: mapping
    each: runs
    event_type: { text: build }
    title: '{name} of {$.repo} ended: {state}'
    labels: { repo: '$.repo' }
    dedup_key: '{$.repo}/{name}'
    severity: { path: state, map: { failure: error } }
    status: { path: state, resolved: [success] }
egress: { allow: ['127.0.0.0/8'] }
`;

/** What a Prometheus at a customer's sent: three alerts, one of them an end of something never begun here. */
const ALERTMANAGER = JSON.parse(
  readFileSync(new URL('../samples/alertmanager/firing-and-resolved.json', import.meta.url), 'utf8'),
) as unknown;

let h: Harness;
beforeAll(async () => {
  h = await harness({ config: CONFIG });
});
afterEach(() => h.done());
afterAll(() => h?.stop());

const reason = (name: string): RegExp => new RegExp(`"type":"incident.${name}"`);

describe('an alarm', () => {
  it('that is critical is told at once', async () => {
    const started = performance.now();
    await h.post({ title: 'The ledger is down', severity: 'critical', service: 'at-once' });
    const message = await h.slack.expects(/The ledger is down/);
    expect(h.slack.at(message) - started).toBeLessThan(GROUP_WAIT_MS - LATE_MS);
    const { id } = await h.incidentOf('at-once');
    await h.resolve(id, 'ada');
    await h.slack.expects(/Resolved by ada/);
    await h.closed(id);
  });

  it('of three similar events is one message that says what they have in common, before group_wait has passed', async () => {
    const started = performance.now();
    for (const shard of [1, 2, 3])
      await h.post({ title: `Shard ${shard} is slow`, severity: 'info', service: 'similar' });
    const message = await h.slack.expects(/3 similar alerts in similar/);
    expect(h.slack.at(message) - started).toBeLessThan(GROUP_WAIT_MS - LATE_MS);
    expect(message.all).toMatch(/Shard \S+ is slow/);
    expect(message.all).toContain('group_count');
    const { id } = await h.incidentOf('similar');
    expect((await h.incident(id)).alert_count).toBe(3);
    await h.resolve(id);
    await h.slack.expects(/3 similar alerts in similar.*Resolved by/s);
    await h.closed(id);
  });

  it('that is a lone warning waits for group_wait, and is told then', async () => {
    const started = performance.now();
    await h.post({ title: 'Disk at 80 %', severity: 'warning', service: 'window' });
    const message = await h.slack.expects(/Disk at 80 %/);
    const waited = h.slack.at(message) - started;
    expect(waited).toBeGreaterThanOrEqual(1_450);
    expect(waited).toBeLessThan(1_500 + LATE_MS);
    const { id } = await h.incidentOf('window');
    await h.resolve(id);
    await h.slack.expects(/Resolved by/);
    await h.closed(id);
  });

  it('ends when its sender says so, and says how long it took', async () => {
    const alarm = { severity: 'critical', service: 'by-event', dedup_key: 'by-event', title: 'Queue is full' };
    await h.post(alarm);
    const first = await h.slack.expects(/Queue is full/);
    const { id } = await h.incidentOf('by-event');
    await h.post({ ...alarm, severity: 'info', status: 'resolved' });
    const last = await h.slack.expects(/Nothing fires any more\. It took/);
    expect(last.thread_ts).toBe(first.ts);
    const closed = await h.closed(id);
    expect(closed).toMatchObject({ status: 'resolved', severity: 'critical' });
    expect(first.edits, 'the first message shows what became of it').toBeGreaterThan(0);
  });

  it('that ended before anybody was told is told as over: every accepted event is heard of', async () => {
    const alarm = { source: 'journey', type: 'trouble', severity: 'warning', service: 'brief', dedup_key: 'brief' };
    const fired = { ...alarm, title: 'A short stall' };
    // In one commit: on a slow machine somebody might be told between two.
    await h.call('POST', '/v1/events', [fired, { ...fired, status: 'resolved' }]);
    const { id } = await h.incidentOf('brief');
    await h.slack.expects(/RESOLVED A short stall/);
    await h.closed(id);
  });

  it('sent twice with one id is one event, one incident and one message', async () => {
    const event = { id: 'twice-1', title: 'Sent twice', severity: 'critical', service: 'twice' };
    const reply = await h.call('POST', '/v1/events', [{ source: 'journey', type: 'trouble', ...event }]);
    expect(reply.body).toMatchObject({ accepted: [{ id: 'twice-1' }] });
    await h.slack.expects(/Sent twice/);
    const again = await h.call('POST', '/v1/events', [{ source: 'journey', type: 'trouble', ...event }]);
    expect(again.body).toMatchObject({ accepted: [], duplicates: [{ id: 'twice-1' }] });
    const { id } = await h.incidentOf('twice');
    expect((await h.incident(id)).alert_count).toBe(1);
    await h.resolve(id);
    await h.slack.expects(/Resolved by/);
    await h.closed(id);
  });

  it('that is commented on pages nobody, and the comment stands in its timeline', async () => {
    await h.post({ title: 'Look at this', severity: 'critical', service: 'comment' });
    await h.slack.expects(/Look at this/);
    const { id } = await h.incidentOf('comment');
    await h.comment(id, 'I have seen this before.');
    await h.done();
    const { timeline } = await h.incident(id);
    expect(timeline).toContainEqual(
      expect.objectContaining({
        kind: 'comment',
        detail: expect.objectContaining({ text: 'I have seen this before.' }),
      }),
    );
    await h.resolve(id);
    await h.slack.expects(/Resolved by/);
    await h.closed(id);
  });

  it('carries trace_id, request_id and context to the mail and to the webhook, and none of it into the history', async () => {
    const context = { order: { id: 'order-zeta', lines: ['a', 'b'] }, user: 'cust-9' };
    await h.post({
      type: 'traced',
      title: 'Checkout failed',
      severity: 'critical',
      service: 'traced',
      trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
      request_id: 'req-90210',
      context,
    });
    const mail = await h.mail.expects(/Checkout failed/);
    for (const body of [mail.text, mail.html]) {
      expect(body).toContain('4bf92f3577b34da6a3ce929d0e0e4736');
      expect(body).toContain('req-90210');
    }
    const { body } = await h.hook.expects(/Checkout failed/);
    expect(body).toMatchObject({
      data: { alerts: [{ trace_id: '4bf92f3577b34da6a3ce929d0e0e4736', request_id: 'req-90210', context }] },
    });
    const { id } = await h.incidentOf('traced');
    await h.comment(id, 'The customer called.');
    await h.ack(id, 'Ada Lovelace');
    await Promise.all([h.mail.expects(/Acknowledged by Ada/), h.hook.expects(reason('acknowledged'))]);
    await h.resolve(id, 'Ada Lovelace');
    await Promise.all([h.mail.expects(/RESOLVED.*Resolved by Ada/s), h.hook.expects(reason('resolved'))]);
    await h.closed(id);
    const history = readable(await h.temporal.workflow.getHandle(id).fetchHistory());
    expect(history).toContain('/group_now/a0-b1-');
    const mentioned = [
      'Checkout failed',
      '4bf92f35',
      'req-90210',
      'order-zeta',
      'cust-9',
      'customer called',
      'Lovelace',
      h.fakes.hook.url,
    ];
    for (const word of [...mentioned, h.fakes.hook.secret ?? 'no secret', 'ops@example.com']) {
      expect(history.includes(word), word).toBe(false);
    }
  });
});

describe('other systems', () => {
  it('Alertmanager tells of what fires; an end of something unknown opens nothing', async () => {
    const reply = await h.call('POST', '/v1/sources/alertmanager', ALERTMANAGER);
    expect(reply.status).toBe(202);
    expect(reply.body).toMatchObject({ accepted: [{}, {}, {}], rejected: [] });
    await h.hook.expects(/Deployment queue is backing up/);
    await h.hook.expects(/Watchdog/);
    await h.done();
    const repeated = await h.call('POST', '/v1/sources/alertmanager', ALERTMANAGER);
    expect(repeated.status, 'Alertmanager repeats itself every few minutes').toBe(202);
    await h.done();
    const ended = JSON.parse(
      JSON.stringify(ALERTMANAGER).replaceAll('"status":"firing"', '"status":"resolved"'),
    ) as object;
    await h.call('POST', '/v1/sources/alertmanager', ended);
    await h.hook.expects(/incident\.resolved.*Deployment queue/s);
    await h.hook.expects(/incident\.resolved.*Watchdog/s);
    await h.waitForIncident(({ type, closed_at }) => type === 'Watchdog' && closed_at !== undefined);
    await h.waitForIncident(({ type, closed_at }) => type === 'DeploymentQueueBacklog' && closed_at !== undefined);
  });

  it('any JSON becomes events by a mapping, and its end is found again by the key', async () => {
    const run = (state: string) =>
      h.call('POST', '/v1/sources/builds', { repo: 'web', runs: [{ name: 'unit', state }] });
    expect((await run('failure')).body).toMatchObject({ accepted: [{ id: expect.any(String) }] });
    const { body } = await h.hook.expects(/unit of web ended: failure/);
    expect(body).toMatchObject({ data: { incident: { severity: 'error', route: 'from-builds' } } });
    await run('success');
    await h.hook.expects(reason('resolved'));
    await h.waitForIncident(({ source, closed_at }) => source === 'builds' && closed_at !== undefined);
  });
});

describe('a test of an integration', () => {
  it('arrives as what it is, and the answer says how it went', async () => {
    const good = await h.call('POST', '/v1/integrations/hook/test');
    expect(good).toMatchObject({ status: 200, body: { ended: true, outcome: { delivered: true } } });
    await h.hook.expects(reason('test'));
    h.fakes.hook.script([{ status: 401, path: '/away' }]);
    const bad = await h.call('POST', '/v1/integrations/away/test');
    expect(bad).toMatchObject({ status: 200, body: { ended: true, outcome: { delivered: false, reason: 'auth' } } });
  });
});
