import { describe, expect, it } from 'vitest';
import { alertEvent, changeEvent, fromV1, keyProblems, pagerduty, readAlert } from '../../src/sources/pagerduty.ts';
import resolve from '../samples/pagerduty/alertmanager-resolve.json' with { type: 'json' };
import trigger from '../samples/pagerduty/alertmanager-trigger.json' with { type: 'json' };

const NOW = new Date('2026-11-20T14:05:00Z');
const KEY = '0123456789abcdef0123456789abcdef';
const config = (more: object = {}) => pagerduty.config.parse({ routing_key: KEY, ...more });
const normalise = (payload: unknown, more: object = {}) =>
  pagerduty.normalise(payload, { name: 'p', config: config(more), now: NOW });
const eventOf = (message: unknown, more: object = {}) => {
  const read = readAlert(message);
  if ('problems' in read) throw new Error(read.problems.join());
  return alertEvent(read, config(more), NOW);
};
const problemsOf = (message: unknown): string[] => {
  const read = readAlert(message);
  return 'problems' in read ? read.problems : [];
};

const whole = {
  routing_key: KEY,
  event_action: 'trigger',
  dedup_key: 'db-1/disk',
  client: 'Watcher',
  client_url: 'https://watcher.example.com/42',
  links: [
    { href: 'https://runbooks.example.com/disk', text: 'Runbook' },
    { href: 'javascript:alert(1)', text: 'no' },
  ],
  images: [{ src: 'https://charts.example.com/disk.png', href: 'https://charts.example.com/disk', alt: 'Chart' }],
  payload: {
    summary: 'The disk of db-1 is full',
    source: 'db-1.example.com',
    severity: 'error',
    timestamp: '2026-11-20T14:00:00Z',
    component: 'postgres',
    group: 'shop-db',
    class: 'disk_full',
    custom_details: { free: '1%', volume: { name: 'data' }, log: 'one\ntwo', team: 'storage' },
  },
};

describe('an event for PagerDuty', () => {
  it('keeps all that it says where it belongs', () => {
    expect(eventOf(whole)).toEqual({
      id: expect.stringMatching(/^[\da-f-]{36}$/),
      source: 'pagerduty',
      type: 'disk_full',
      title: 'The disk of db-1 is full',
      severity: 'error',
      service: 'postgres',
      components: ['db-1.example.com'],
      labels: {
        free: '1%',
        team: 'storage',
        component: 'postgres',
        group: 'shop-db',
        class: 'disk_full',
        client: 'Watcher',
      },
      assignees: [],
      links: [
        { title: 'Watcher', url: 'https://watcher.example.com/42' },
        { title: 'Runbook', url: 'https://runbooks.example.com/disk' },
        { title: 'Chart', url: 'https://charts.example.com/disk' },
      ],
      status: 'firing',
      dedup_key: 'db-1/disk',
      context: { custom_details: whole.payload.custom_details, timestamp: '2026-11-20T14:00:00Z' },
    });
  });

  it('never holds the key that it was sent with', () => {
    expect(JSON.stringify([normalise(whole), normalise(trigger), changeEvent(whole, config())])).not.toContain(KEY);
  });

  it.each([
    ['critical', 'critical'],
    ['error', 'error'],
    ['warning', 'warning'],
    ['info', 'info'],
    ['page', 'critical'],
  ])('says %s and means %s', (said, severity) => {
    const event = eventOf({ ...whole, payload: { ...whole.payload, severity: said } });
    expect([event.severity, event.severity_word]).toEqual([severity, said === severity ? undefined : said]);
  });

  it('of Alertmanager begins and ends one alert', () => {
    const [begun] = normalise(trigger).events;
    const [ended] = normalise(resolve).events;
    expect([begun?.status, ended?.status]).toEqual(['firing', 'resolved']);
    expect(begun).toMatchObject({
      type: 'CheckoutBroken',
      severity: 'critical',
      title: '[FIRING:1] CheckoutBroken (web-1 checkout critical)',
      links: [{ title: 'Alertmanager' }],
    });
    expect(ended?.dedup_key).toBe(begun?.dedup_key);
    expect(ended?.id).not.toBe(begun?.id);
  });

  it('without a dedup_key is an alert of its own, under a key that the answer can name', () => {
    const { dedup_key: _, ...message } = whole;
    const keys = [eventOf(message).dedup_key, eventOf(message).dedup_key];
    expect(keys).toEqual([expect.stringMatching(/^[\da-f]{32}$/), expect.stringMatching(/^[\da-f]{32}$/)]);
    expect(keys[0]).not.toBe(keys[1]);
  });

  it('lasts as long as the configuration says', () => {
    expect(eventOf(whole, { expire: '1h' }).expires_at).toBe('2026-11-20T15:05:00.000Z');
    expect(eventOf({ ...whole, event_action: 'resolve' }, { expire: '1h' }).expires_at).toBeUndefined();
  });

  it.each([
    ['nothing', {}, [`'event_action' is missing or invalid (must be one of 'trigger', 'acknowledge' or 'resolve')`]],
    [
      'no payload',
      { event_action: 'trigger' },
      [
        `'payload.summary' is missing or blank`,
        `'payload.source' is missing or blank`,
        `'payload.severity' is missing or blank`,
      ],
    ],
    [
      'a severity that nobody knows',
      { event_action: 'trigger', payload: { summary: 's', source: 's', severity: 'purple' } },
      [`'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')`],
    ],
    ['an end of nothing', { event_action: 'resolve' }, [`'dedup_key' is missing or blank`]],
    [
      'a long key',
      { event_action: 'acknowledge', dedup_key: 'k'.repeat(256) },
      [`'dedup_key' is too long (should be at most 255 characters)`],
    ],
  ])('with %s is refused in words', (_, message, problems) => {
    expect(problemsOf(message)).toEqual(problems);
  });

  it('of version 1 is read as one of version 2', () => {
    const old = {
      service_key: KEY,
      event_type: 'trigger',
      incident_key: 'srv01/HTTP',
      description: 'HTTP does not answer',
      client: 'Monitor',
      client_url: 'https://monitor.example.com',
      details: { load: '0.75' },
      contexts: [
        { type: 'link', href: 'https://runbooks.example.com/http', text: 'Runbook' },
        { type: 'image', src: 'https://charts.example.com/http.png' },
      ],
    };
    expect(eventOf(fromV1(old))).toMatchObject({
      title: 'HTTP does not answer',
      severity: 'error',
      dedup_key: 'srv01/HTTP',
      components: ['Monitor'],
      labels: { load: '0.75' },
      links: [
        { url: 'https://monitor.example.com' },
        { url: 'https://runbooks.example.com/http' },
        { url: 'https://charts.example.com/http.png' },
      ],
    });
  });
});

describe('a change event', () => {
  it('is a change: nobody has to act on it, and nothing ends it', () => {
    const { dedup_key: _, event_action: __, ...message } = whole;
    const event = changeEvent(message, config());
    expect(event).toMatchObject({ type: 'change', severity: 'info', occurred_at: '2026-11-20T14:00:00Z' });
    expect(event).not.toHaveProperty('dedup_key');
    expect(changeEvent({ payload: {} }, config())).toEqual({ problems: [`'payload.summary' is missing or blank`] });
  });
});

describe('a routing key', () => {
  it.each([
    ['', 1],
    ['e+23rschqsESqk9Q6_-g', 2],
    [KEY, 0],
    [`${KEY.slice(1)}-`, 1],
  ])('%j has so many things wrong with it: %i', (key, wrong) => {
    expect(keyProblems(key)).toHaveLength(wrong);
  });

  it('is asked for wherever the event comes in', () => {
    const verify = (body: string) => pagerduty.verify(Buffer.from(body), {}, config(), NOW);
    expect(verify(JSON.stringify(trigger))).toBeUndefined();
    expect(verify('{"routing_key":"ffffffffffffffffffffffffffffffff"}')).toMatch(/missing or wrong/);
    expect(verify('{"routing_key":')).toMatch(/missing or wrong/);
  });
});
