import { describe, expect, it } from 'vitest';
import template from '../../deploy/datadog-webhook.json' with { type: 'json' };
import { datadog } from '../../src/sources/datadog.ts';
import own from '../samples/datadog/default-test.json' with { type: 'json' };
import recovered from '../samples/datadog/recorded-recovered.json' with { type: 'json' };
import recorded from '../samples/datadog/recorded-triggered.json' with { type: 'json' };
import triggered from '../samples/datadog/triggered.json' with { type: 'json' };
import { LATE_MS } from '../support/until.ts';

const NOW = new Date('2026-11-20T14:05:00Z');
const normalise = (payload: unknown, config: object = {}) =>
  datadog.normalise(payload, { name: 'd', config: datadog.config.parse(config), now: NOW });
const one = (payload: unknown, config: object = {}) => {
  const { events, rejected } = normalise(payload, config);
  expect(rejected).toEqual([]);
  return events[0];
};
const told = (alert_transition: string, more: object = {}) => one({ ...triggered, alert_transition, ...more });

describe('a message of Datadog', () => {
  it('in our payload says what, where and how bad', () => {
    expect(Object.keys(triggered)).toEqual(Object.keys(template));
    expect(one(triggered)).toEqual({
      id: expect.stringMatching(/^event\/[0-9a-f]{16}$/),
      source: 'datadog',
      type: 'query_alert_monitor',
      title: 'CPU is high',
      body: triggered.body,
      severity: 'critical',
      severity_word: 'P1',
      service: 'web',
      components: ['web-1'],
      labels: {
        environment: 'production',
        host: 'web-1',
        service: 'web',
        team: 'shop',
        sha: '9f3c2b1a0d4e5f60718293a4b5c6d7e8f9012345',
        monitor: '148275309',
        metric: 'system.cpu.user',
        organization: 'Acme',
      },
      assignees: [],
      links: [{ title: 'Datadog', url: triggered.link }],
      status: 'firing',
      dedup_key: 'cycle/7716548234055551234',
      occurred_at: '2026-11-20T14:03:21.000Z',
    });
  });

  it.each(['Triggered', 'Re-Triggered', 'Warn', 'Re-Warn', 'No Data', 'Re-No Data', 'Renotify', 'Something new'])(
    'of the transition %s fires',
    (transition) => {
      expect(told(transition)).toMatchObject({ status: 'firing', dedup_key: one(triggered)?.dedup_key });
    },
  );

  it.each(['Recovered', 'Warn Recovered', 'No Data Recovered', 'recovered'])(
    'of the transition %s resolves',
    (transition) => {
      expect(told(transition, { alert_type: 'success' })).toMatchObject({
        status: 'resolved',
        title: 'CPU is high',
        dedup_key: one(triggered)?.dedup_key,
      });
    },
  );

  it('is as severe as its monitor’s priority, else as its kind, and a warning is at most a warning', () => {
    const severity = (alert_priority: string, alert_type: string, transition = 'Triggered') =>
      told(transition, { title: 'x', alert_priority, alert_type })?.severity;
    expect(['P1', 'P2', 'P3', 'P4', 'P5'].map((priority) => severity(priority, 'error'))).toEqual([
      'critical',
      'error',
      'warning',
      'info',
      'info',
    ]);
    expect([severity('', 'warning'), severity('null', 'error'), severity('', '')]).toEqual([
      'warning',
      'error',
      'error',
    ]);
    expect([severity('P1', 'warning', 'Warn'), severity('P5', 'warning', 'Re-Warn')]).toEqual(['warning', 'info']);
  });

  it('says that there is no data', () => {
    expect(told('No Data')?.title).toBe('CPU is high: no data');
    expect(told('No Data Recovered')?.title).toBe('CPU is high');
  });

  it('as it was recorded says what, where and since when, and ends', () => {
    const [firing, over] = [one(recorded), one(recovered)];
    expect(firing).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{16}$/),
      source: 'datadog',
      type: 'metric_alert_monitor',
      title: 'Dock is almost out of memory...',
      body: expect.stringMatching(/^restart docker\n[\s\S]*\/infrastructure\?hostname=i-3b93aafb\)\]$/),
      severity: 'error',
      components: [],
      labels: { host: 'i-3b93aafb', monitor: '309811' },
      assignees: [],
      links: [{ title: 'Datadog', url: recorded.link }],
      status: 'firing',
      dedup_key: expect.stringMatching(/^title\/[0-9a-f]{16}$/),
      occurred_at: '2015-11-25T07:12:10.000Z',
    });
    expect(over).toMatchObject({ status: 'resolved', title: firing?.title, severity: 'info', labels: firing?.labels });
    expect([over?.dedup_key, over?.id === firing?.id]).toEqual([firing?.dedup_key, false]);
  });

  it("in Datadog's own payload is read from its title and its body", () => {
    const body = own.body.replace('Test notification triggered by ana@example.com.', 'CPU of web-1 is over 90 %.');
    const sent = { ...own, body };
    const over = one({ ...sent, title: '[Recovered on {host:web-1}] CPU is high' });
    expect(over).toMatchObject({
      title: 'CPU is high',
      status: 'resolved',
      body: expect.stringMatching(/CPU of web-1[\s\S]*edit\)\]$/),
      labels: { organization: 'Puppet', host: 'web-1', monitor: '18692904' },
      links: [{ title: 'Datadog', url: 'https://app.datadoghq.com/monitors#18692904?' }],
      occurred_at: '2020-06-03T20:43:05.000Z',
    });
    const firing = one({ ...sent, id: '1', title: '[P2] [Triggered on {host:web-1}] CPU is high' });
    expect(firing).toMatchObject({ status: 'firing', severity: 'error', dedup_key: over?.dedup_key });
    expect(one({ ...sent, title: '[Triggered on {host:web-2}] CPU is high' })?.dedup_key).not.toBe(over?.dedup_key);
    expect(one({ ...sent, title: 'Somebody deployed' })).toMatchObject({ status: 'firing', severity: 'info' });
    expect(one({ ...sent, title: 'Somebody deployed' })).not.toHaveProperty('dedup_key');
  });

  it('of the button Test Notifications wakes nobody for long, and ends nothing that is true', () => {
    expect(one(own)).toMatchObject({
      type: 'service_check',
      title: '[TEST] Host Cluster Alert',
      status: 'firing',
      severity: 'info',
      expires_at: '2026-11-20T14:15:00.000Z',
      occurred_at: '2020-06-03T20:43:05.000Z',
    });
    const tested = { ...triggered, alert_title: '[TEST] CPU is high', body: own.body };
    expect(one(tested)).toMatchObject({ severity: 'info', dedup_key: expect.stringMatching(/^test\//) });
    expect(one(tested)).not.toHaveProperty('severity_word');
    expect(one({ ...tested, alert_transition: 'Recovered' })?.dedup_key).not.toBe(one(triggered)?.dedup_key);
    expect(one({ ...triggered, alert_title: '[TEST] CPU is high' })).toMatchObject({
      severity: 'critical',
      dedup_key: one(triggered)?.dedup_key,
    });
  });

  it('is recognised by the next best where there is no cycle', () => {
    const key = (more: object) => told('Triggered', { alert_cycle_key: '$ALERT_CYCLE_KEY', ...more })?.dedup_key;
    expect(key({})).toMatch(/^monitor\/148275309\//);
    expect(key({ alert_scope: 'host:web-2' })).not.toBe(key({}));
    expect(key({ alert_id: '' })).toBe('events/9bd4ac313a4d1e8fae2482df7b77628');
    expect(key({ alert_id: '', aggreg_key: '' })).toMatch(/^title\//);
  });

  it('sent again is the same event, and what follows in the cycle is another', () => {
    expect(one(structuredClone(triggered))?.id).toBe(one(triggered)?.id);
    expect(told('Renotify', { id: '8' })?.id).not.toBe(one(triggered)?.id);
    const nameless = { ...triggered, id: '$ID' };
    expect(one(nameless)?.id).toBe(one(nameless)?.id);
    expect(one({ ...nameless, alert_transition: 'Recovered' })?.id).not.toBe(one(nameless)?.id);
  });

  it('expires where the configuration says so, unless it resolves', () => {
    expect(one(triggered)).not.toHaveProperty('expires_at');
    expect(one(triggered, { expire: '2h' })?.expires_at).toBe('2026-11-20T16:05:00.000Z');
    expect(one(recovered, { expire: '2h' })).not.toHaveProperty('expires_at');
  });

  it('is read tolerantly, and what is none is named', () => {
    expect(
      one({ title: 'x', tags: ['a:1', 'b', '*', 4, 'a:2', '__proto__:x'], alert_scope: '*', org: 7 }),
    ).toMatchObject({
      labels: { a: '1', b: 'true', 4: 'true' },
      links: [],
      id: expect.any(String),
    });
    for (const nonsense of [null, 7, 'x', [], {}, { title: '$EVENT_TITLE' }, { title: '[Triggered]' }, template])
      expect(normalise(nonsense)).toEqual({
        events: [],
        rejected: [{ index: 0, problem: 'not a message of Datadog: it has no title' }],
      });
  });

  it('is cut to the limits of an event', () => {
    const long = 'é\0'.repeat(500_000);
    const started = performance.now();
    const event = one({
      ...Object.fromEntries(Object.keys(triggered).map((name) => [name, long])),
      title: `[Triggered on {${long}`,
      alert_title: '',
      tags: 'a:b,'.repeat(300_000),
    });
    expect(JSON.stringify(event).length).toBeLessThan(80_000);
    expect(performance.now() - started).toBeLessThan(LATE_MS);
  });
});

describe('the token of a Datadog webhook', () => {
  it('is taken from a custom header, or as the password in its address', () => {
    const token = 'a-token-of-some-length';
    const verify = (authorization?: string) =>
      datadog.verify(Buffer.from('{}'), { authorization }, datadog.config.parse({ token }), NOW);
    expect(verify(`Bearer ${token}`)).toBeUndefined();
    expect(verify(`Basic ${Buffer.from(`datadog:${token}`).toString('base64')}`)).toBeUndefined();
    for (const wrong of [undefined, 'Bearer another', token])
      expect(verify(wrong)).toBe('the token is missing or wrong');
  });
});
