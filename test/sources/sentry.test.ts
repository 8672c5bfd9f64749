import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { sentry } from '../../src/sources/sentry.ts';
import eventAlert from '../samples/sentry/event-alert.json' with { type: 'json' };
import issueCreated from '../samples/sentry/issue-created.json' with { type: 'json' };
import issueResolved from '../samples/sentry/issue-resolved.json' with { type: 'json' };
import metricAlert from '../samples/sentry/metric-alert.json' with { type: 'json' };
import sampleEvent from '../samples/sentry/sample-event.json' with { type: 'json' };

const NOW = new Date('2026-11-20T14:05:00Z');
const SECRET = 'a-client-secret-of-sentry';
const normalise = (payload: unknown, config: object = {}, now = NOW) =>
  sentry.normalise(payload, { name: 's', config: sentry.config.parse({ secret: SECRET, ...config }), now });
const one = (payload: unknown, config: object = {}, now = NOW) => {
  const { events, rejected } = normalise(payload, config, now);
  expect(rejected).toEqual([]);
  return events[0];
};
const problem = (payload: unknown, config: object = {}) => normalise(payload, config).rejected[0]?.problem;
const issue = (action: string, more: object = {}) => ({
  ...issueResolved,
  action,
  data: { issue: { ...issueResolved.data.issue, ...more } },
});
const fatal = {
  ...eventAlert,
  data: {
    ...eventAlert.data,
    event: { ...eventAlert.data.event, level: 'fatal', environment: 'production', release: 'shop@2.14.0' },
  },
};

describe('a message of Sentry', () => {
  it('of an alert rule says what broke, where, and which rule has seen it', () => {
    expect(one(eventAlert)).toEqual({
      id: expect.stringMatching(/^event\/[0-9a-f]{16}$/),
      source: 'sentry',
      type: 'event_alert',
      title: 'Exception: Custom exception!',
      body: '__main__ in <module>',
      severity: 'error',
      service: 'zulip-integration-testing',
      components: [],
      labels: {
        runtime: 'CPython 3.6.9',
        'runtime.name': 'CPython',
        server_name: 'hp-pavilion',
        project: 'zulip-integration-testing',
        organization: 'hypro999-personal-organization',
        platform: 'python',
        rule: 'Send a webhook payload to Webhook.site',
      },
      assignees: [],
      links: [{ title: 'Sentry', url: eventAlert.data.event.web_url }],
      status: 'firing',
      dedup_key: 'issue/1635244907',
      occurred_at: '2020-04-28T13:56:05.903736Z',
    });
    expect(one(fatal)).toMatchObject({
      severity: 'critical',
      severity_word: 'fatal',
      labels: { environment: 'production', release: 'shop@2.14.0' },
    });
  });

  it('of the button that tries an alert rule out wakes nobody for long, and says not whom an error happened to', () => {
    const event = one(sampleEvent);
    expect(event).toMatchObject({
      title: 'This is an example Python exception',
      body: 'raven.scripts.runner in main',
      severity: 'info',
      labels: { environment: 'prod', server_name: 'web01.example.org', organization: 'nitk-46', project: 'python' },
      dedup_key: 'issue/4218258981',
      expires_at: '2026-11-20T14:15:00.000Z',
    });
    expect(event).not.toHaveProperty('severity_word');
    expect(JSON.stringify(event)).not.toMatch(/sentry@|id:1|127\.0\.0\.1|Melbourne/);
  });

  it('of an issue that is new is of the same alert as that of the rule which has seen it', () => {
    expect(one(issueCreated)).toMatchObject({
      type: 'issue',
      status: 'firing',
      title: 'Exception: Custom exception!',
      severity: 'error',
      dedup_key: one(eventAlert)?.dedup_key,
      labels: { project: 'zulip-integration-testing', issue: 'ZULIP-INTEGRATION-TESTING-2' },
      links: [],
      occurred_at: '2020-04-28T13:56:05.903736Z',
    });
  });

  it('of an issue that is resolved or archived ends what was opened', () => {
    expect(one(issueResolved)).toMatchObject({
      status: 'resolved',
      type: 'issue',
      title: 'Exception: program has entered an invalid state.',
      service: 'zulip-integration-testing',
      dedup_key: 'issue/1638821441',
      assignees: [],
    });
    expect(one(issueResolved)).not.toHaveProperty('occurred_at');
    const { id } = issueCreated.data.issue;
    for (const action of ['resolved', 'archived', 'ignored'])
      expect(one(issue(action, { id }))).toMatchObject({ status: 'resolved', dedup_key: one(issueCreated)?.dedup_key });
  });

  it('says who an issue is assigned to, and names the organisation by any of its addresses', () => {
    const assignedTo = { id: '12', name: 'Ana', email: 'ana@example.com', type: 'user' };
    expect(one(issue('resolved', { assignedTo }))?.assignees).toEqual(['ana@example.com']);
    const organisation = (web_url: string) => one(issue('resolved', { web_url }))?.labels.organization;
    expect(organisation('https://sentry.io/organizations/acme/issues/5550001/')).toBe('acme');
    expect(organisation('https://acme.sentry.io/issues/5550001/')).toBe('acme');
    expect(organisation('https://de.sentry.io/organizations/acme/issues/5550001/')).toBe('acme');
    expect(organisation('https://de.sentry.io/issues/5550001/')).toBeUndefined();
    expect(organisation('https://acme.sentry.io.example/issues/5550001/')).toBeUndefined();
  });

  it('of an issue that is new or opened again fires, unless only alert rules shall', () => {
    for (const action of ['created', 'unresolved']) {
      expect(one(issue(action))).toMatchObject({ status: 'firing', occurred_at: '2020-04-30T05:54:15.092476Z' });
      expect(problem(issue(action), { new_issues: false })).toBe('new_issues is false: only alert rules open alerts');
    }
    expect(one(issue('triggered'), { new_issues: false })?.status).toBe('firing');
    expect(one(issueResolved, { new_issues: false })?.status).toBe('resolved');
  });

  it('of a metric alert fires by its severity, and its resolve has the same key', () => {
    const at = (action: string, date_closed: string | null = null) =>
      one({
        ...metricAlert,
        action,
        data: { ...metricAlert.data, metric_alert: { ...metricAlert.data.metric_alert, date_closed } },
      });
    expect(at('critical')).toMatchObject({
      type: 'metric_alert',
      title: 'Too many errors',
      body: '1200 events in the last 10 minutes\nFilter: level:error',
      severity: 'critical',
      service: 'shop',
      labels: { project: 'shop', environment: 'production', organization: 'acme', rule: 'Too many errors' },
      links: [{ title: 'Sentry', url: 'https://sentry.io/organizations/acme/alerts/1/' }],
      dedup_key: 'metric/5/rule/7',
      occurred_at: '2026-11-20T14:00:00.000000Z',
    });
    expect(at('warning')?.severity).toBe('warning');
    expect(at('resolved', '2026-11-20T14:04:30Z')).toMatchObject({
      status: 'resolved',
      dedup_key: 'metric/5/rule/7',
      occurred_at: '2026-11-20T14:04:30Z',
    });
    expect(new Set(['critical', 'warning', 'resolved'].map((action) => at(action)?.id)).size).toBe(3);
  });

  it('sent twice is one event; an issue that is resolved again later is another', () => {
    for (const payload of [eventAlert, issueCreated, issueResolved, metricAlert, sampleEvent])
      expect(one(structuredClone(payload))?.id).toBe(one(payload)?.id);
    const later = new Date(NOW.getTime() + 20 * 60_000);
    expect(one(issueResolved, {}, later)?.id).not.toBe(one(issueResolved)?.id);
    expect(one(eventAlert, {}, later)?.id).toBe(one(eventAlert)?.id);
  });

  it('expires where the configuration says so, unless it resolves', () => {
    expect(one(eventAlert)).not.toHaveProperty('expires_at');
    expect(one(eventAlert, { expire: '12h' })?.expires_at).toBe('2026-11-21T02:05:00.000Z');
    expect(one(issueResolved, { expire: '12h' })).not.toHaveProperty('expires_at');
  });

  it.each([
    ['assigned', issue('assigned'), 'an issue that is assigned opens and ends no alert'],
    ['of no known action', issue('<b>'), 'an issue that is of no known kind opens and ends no alert'],
    ['without an id', issue('created', { id: null }), 'an issue without an id'],
    ['of an installation', { action: 'created', data: { installation: { uuid: 'x' } } }, /installed or removed/],
    ['of a single error', { action: 'created', data: { error: { event_id: 'x' } } }, /subscribe to issue/],
    ['of a comment', { action: 'created', data: { comment_id: 4 } }, 'a resource of Sentry that is no alert'],
    ['of the old plugin', { id: '1', project_slug: 'p', event: {} }, /use an internal integration/],
    ['of an alert without its issue', { action: 'triggered', data: { event: {} } }, /without the id of its issue/],
    ['of a metric alert that is open', { ...metricAlert, action: 'open' }, /neither critical, warning nor resolved/],
    ['of a metric alert without ids', { action: 'critical', data: { metric_alert: {} } }, /without an id/],
    ['that is none', [1], 'a resource of Sentry that is no alert'],
    ['that is null', null, 'a resource of Sentry that is no alert'],
  ])('%s is named and left alone', (_, payload, words) => {
    const { events, rejected } = normalise(payload);
    expect(events).toEqual([]);
    expect(rejected).toEqual([{ index: 0, problem: typeof words === 'string' ? words : expect.stringMatching(words) }]);
  });

  it('is read tolerantly: what is missing or of another kind is as good as absent', () => {
    expect(
      one({
        action: 'triggered',
        data: { event: { issue_id: 9, tags: ['x', null, { key: 'a', value: 1 }], level: {} } },
      }),
    ).toMatchObject({ title: 'issue/9', severity: 'error', labels: { a: '1' }, links: [] });
    const url = 'https://sentry.example.com/api/0/organizations/acme/issues/77/';
    expect(one({ action: 'triggered', data: { event: { issue_url: url } } })?.dedup_key).toBe('issue/77');
    const long = 'é\0'.repeat(500_000);
    const event = one({
      action: 'triggered',
      data: { event: { issue_id: 1, title: long, culprit: long, web_url: long, tags: [[long, long]] } },
    });
    expect(JSON.stringify(event).length).toBeLessThan(80_000);
    expect(event?.links).toEqual([]);
  });
});

describe("Sentry's signature", () => {
  const raw = Buffer.from(JSON.stringify(eventAlert));
  const signature = createHmac('sha256', SECRET).update(raw).digest('hex');
  const verify = (headers: Record<string, string | string[]>, body = raw) =>
    sentry.verify(body, headers, sentry.config.parse({ secret: SECRET }), NOW);

  it('is over the bytes that came, and needed', () => {
    expect(verify({ 'sentry-hook-signature': signature })).toBeUndefined();
    for (const wrong of ['', 'x', signature.slice(1), `sha256=${signature}`, signature.toUpperCase()])
      expect(verify({ 'sentry-hook-signature': wrong })).toBe('the signature is missing or wrong');
    expect(verify({ 'sentry-hook-signature': [signature] })).toBe('the signature is missing or wrong');
    expect(verify({ 'sentry-hook-signature': signature }, Buffer.concat([raw, Buffer.from('\n')]))).toBe(
      'the signature is missing or wrong',
    );
    expect(verify({})).toBe('the signature is missing or wrong');
  });

  it('is refused where the time beside it is old', () => {
    const at = (seconds: number | string) =>
      verify({ 'sentry-hook-signature': signature, 'sentry-hook-timestamp': String(seconds) });
    const now = NOW.getTime() / 1_000;
    expect([at(now), at(now - 299)]).toEqual([undefined, undefined]);
    for (const stale of [now - 301, now + 301, 'soon'])
      expect(at(stale)).toBe('the time it was sent at is missing or too far from now');
  });

  it('needs a secret in the configuration: Sentry can prove itself by nothing else', () => {
    expect(sentry.config.safeParse({}).success).toBe(false);
  });
});
