import { describe, expect, it } from 'vitest';
import { alertmanager } from '../../src/sources/alertmanager.ts';
import { sourceOf, sources } from '../../src/sources/index.ts';
import sample from '../samples/alertmanager/firing-and-resolved.json' with { type: 'json' };
import before from '../samples/alertmanager/recorded-firing.json' with { type: 'json' };
import after from '../samples/alertmanager/recorded-one-resolved.json' with { type: 'json' };

const NOW = new Date('2026-11-20T14:05:00Z');
const normalise = (payload: unknown, config: object = {}) =>
  alertmanager.normalise(payload, { name: 'am', config: alertmanager.config.parse(config), now: NOW });

describe('an Alertmanager message', () => {
  it('becomes one event per alert', () => {
    const { events, rejected } = normalise(sample);
    expect(rejected).toEqual([]);
    expect(events).toEqual([
      {
        id: `c7489de23235cf95/2026-11-21T23:08:39.874645849Z/firing/${Math.floor(NOW.getTime() / 3_600_000)}`,
        source: 'alertmanager',
        type: 'DeploymentQueueBacklog',
        title: 'Deployment queue is backing up',
        body: '12 deployments wait on ci-1.',
        severity: 'critical',
        severity_word: 'page',
        service: 'deploy',
        components: ['ci-1:9100'],
        labels: sample.alerts[0]?.labels,
        assignees: [],
        links: [
          { title: 'Source of the alert', url: sample.alerts[0]?.generatorURL },
          { title: 'Runbook', url: 'https://runbooks.example.com/deploy-queue' },
        ],
        status: 'firing',
        dedup_key: 'c7489de23235cf95',
        occurred_at: '2026-11-21T23:08:39.874645849Z',
        context: { annotations: { runbook_url: 'https://runbooks.example.com/deploy-queue' } },
      },
      expect.objectContaining({
        status: 'resolved',
        severity: 'warning',
        occurred_at: '2026-11-21T23:08:42.381Z',
        dedup_key: '9735fa8af29ecc7a',
      }),
      expect.objectContaining({ title: 'Watchdog', severity: 'info', links: [] }),
    ]);
  });

  it('about an alert of a group that is over ends that one, and not the others', () => {
    const [fired, then] = [normalise(before).events, normalise(after).events];
    expect(then.map(({ dedup_key }) => dedup_key)).toEqual(fired.map(({ dedup_key }) => dedup_key));
    expect(fired.map(({ status }) => status)).toEqual(['firing', 'firing']);
    expect(then).toMatchObject([
      { type: 'Watchdog', status: 'firing', id: fired[0]?.id },
      { type: 'DeploymentQueueBacklog', status: 'resolved', occurred_at: '2026-11-21T20:17:18.75Z' },
    ]);
  });

  it('gives each state of an alert one id, so that what is sent again is a duplicate', () => {
    const ids = (payload: unknown) => normalise(payload).events.map(({ id }) => id);
    expect(ids(sample)).toEqual(ids(structuredClone(sample)));
    expect(
      new Set([...ids(sample), ...ids({ alerts: sample.alerts.map((alert) => ({ ...alert, status: 'resolved' })) })])
        .size,
    ).toBe(5);
  });

  it('that max_alerts has cut makes its alerts expire, and so does expire in the configuration', () => {
    expect(normalise(sample).events[0]).not.toHaveProperty('expires_at');
    expect(normalise({ ...sample, truncatedAlerts: 3 }).events[0]?.expires_at).toBe('2026-11-21T14:05:00.000Z');
    const short = normalise(sample, { expire: '1h' }).events;
    expect(short.map(({ expires_at }) => expires_at)).toEqual([
      '2026-11-20T15:05:00.000Z',
      undefined,
      '2026-11-20T15:05:00.000Z',
    ]);
  });

  it('may come under another name', () => {
    expect(normalise(sample, { source: 'am-eu' }).events[0]?.source).toBe('am-eu');
  });

  it('is read tolerantly, and what cannot be an alert is named', () => {
    const { events, rejected } = normalise({
      alerts: [{ labels: { a: 'x', n: 4 }, extra: {} }, 'no', { labels: {} }],
      other: 1,
    });
    expect(events).toEqual([
      expect.objectContaining({
        type: 'alert',
        title: 'alert',
        labels: { a: 'x', n: '4' },
        dedup_key: expect.stringMatching(/^[0-9a-f]{16}$/),
      }),
    ]);
    expect(rejected.map(({ index }) => index)).toEqual([1, 2]);
    expect(normalise('nonsense').rejected).toEqual([
      { index: 0, problem: 'not an Alertmanager message: it has no list called alerts' },
    ]);
  });

  it('is cut to the limits of an event instead of refused', () => {
    const labels = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`l${at}`, 'x'.repeat(2_000)]));
    const [event] = normalise({
      alerts: [{ labels, annotations: { summary: 'a\0b'.repeat(1_000), description: 'é'.repeat(40_000) } }],
    }).events;
    expect(Object.keys(event?.labels ?? {})).toHaveLength(64);
    expect([...(event?.title ?? '')]).toHaveLength(1_000);
    expect(event?.title).not.toContain('\0');
    expect(Buffer.byteLength(event?.body ?? '')).toBeLessThanOrEqual(32 * 1024);
    expect(event?.body).toMatch(/é…$/);
  });
});

describe('the token of a source', () => {
  const config = alertmanager.config.parse({ token: 'a-token-of-some-length' });
  const verify = (authorization?: string) => alertmanager.verify(Buffer.from(''), { authorization }, config, NOW);

  it('is taken as a bearer token or as a password, and nothing else is', () => {
    expect(verify('Bearer a-token-of-some-length')).toBeUndefined();
    expect(verify(`Basic ${Buffer.from('prom:a-token-of-some-length').toString('base64')}`)).toBeUndefined();
    expect(verify('Bearer another')).toBe('the token is missing or wrong');
    expect(verify()).toBe('the token is missing or wrong');
  });
});

describe('the list of sources', () => {
  it('finds each by its id', () => {
    expect(sources.map(({ id }) => sourceOf(id)?.id)).toEqual(sources.map(({ id }) => id));
    expect(sourceOf('none')).toBeUndefined();
  });
});
