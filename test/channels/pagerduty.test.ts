import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Channel, Outcome, Ref } from '../../src/channels/channel.ts';
import { pagerduty as pagerdutyChannel, render } from '../../src/channels/pagerduty.ts';
import type { Notice, Reason } from '../../src/core/notice.ts';
import { callOf } from '../support/calls.ts';
import { startHalfAnswers } from '../support/fakes/half-answers.ts';
import { type FakePagerDuty, startFakePagerDuty } from '../support/fakes/pagerduty.ts';
import { noticeCases, noticeOf, sampleAlert, sampleNotice } from '../support/notices.ts';

const pagerduty = pagerdutyChannel as unknown as Channel;

let fake: FakePagerDuty;
beforeEach(async () => {
  fake = await startFakePagerDuty();
});
afterEach(() => fake.close());

const configOf = (more: Record<string, unknown> = {}) => ({
  routing_key: fake.key,
  api_url: fake.url,
  rest_url: fake.url,
  ...more,
});
const tell = (notice: Notice, root?: Ref, more?: Record<string, unknown>): Promise<Outcome> =>
  pagerduty.send(callOf(pagerduty, configOf(more), { notice, ...(root ? { root } : {}) }));
const check = (more?: Record<string, unknown>) => pagerduty.check?.(callOf(pagerduty, configOf(more)));
const paging = (reason: Reason, status: Notice['incident']['status'] = 'open') =>
  sampleNotice({ reason, incident: { status }, delivery: { key: `INC-1/${reason}/x/target` } });
const chapter = (phase: 'start' | 'progress' | 'end', ok = true) =>
  sampleNotice({
    reason: 'story',
    headline: `nightly-export ${phase}`,
    incident: { severity: ok ? 'info' : 'error', title: 'nightly-export' },
    story: { name: 'nightly-export', phase, ok },
  });

const DEDUP_KEY = 'INC-1@2026-01-15T14:32:00.000Z';
const paths = () => fake.requests.items.map(({ path }) => path);

describe('an incident', () => {
  it('is opened once, acknowledged and resolved in PagerDuty under one key', async () => {
    const opened = await tell(noticeOf('one'));
    expect(opened).toEqual({ kind: 'delivered', ref: { dedup_key: DEDUP_KEY } });
    const root = { dedup_key: DEDUP_KEY };
    expect(await tell(noticeOf('acknowledged'), root)).toMatchObject({ kind: 'delivered' });
    expect(fake.incidents[0]?.state).toBe('acknowledged');
    expect(await tell(noticeOf('resolved'), root)).toMatchObject({ kind: 'delivered' });
    expect(fake.incidents).toMatchObject([
      { dedup_key: DEDUP_KEY, state: 'resolved', log: ['trigger', 'acknowledge', 'resolve'] },
    ]);
    expect(fake.pages).toBe(1);
  });

  it('says what it is about: summary, source, severity, details, links and where it is read', async () => {
    await tell(noticeOf('one'));
    expect(fake.incidents[0]?.event).toMatchObject({
      payload: {
        summary: 'API gateway answers 503',
        source: 'gateway',
        severity: 'critical',
        timestamp: '2026-01-15T14:32:00.000Z',
        component: 'edge-1',
        class: 'availability',
        custom_details: {
          Severity: 'critical (P0)',
          'Incident ID': 'INC-1',
          Description: 'Every request of the last minute was answered 503.',
          Context: { pool: 'blue', healthy: 0 },
        },
      },
      client: 'Tocsin',
      client_url: 'https://tocsin.example.com/incidents/INC-1',
      links: [{ text: 'Grafana' }, { text: 'Prometheus' }],
    });
  });

  it.each(['critical', 'error', 'warning', 'info'] as const)(
    'of severity %s has the same word there',
    async (severity) => {
      await tell(sampleNotice({ incident: { severity } }));
      expect(fake.incidents[0]?.event).toMatchObject({ payload: { severity } });
    },
  );

  it.each([
    'group_interval',
    'repeat_interval',
    'severity_rose',
    'escalated',
    'escalated_by_hand',
    'failover',
  ] as const)('that is told again (%s) is added to the one that is open', async (reason) => {
    await tell(noticeOf('one'));
    expect(await tell(paging(reason), { dedup_key: DEDUP_KEY })).toEqual({
      kind: 'delivered',
      ref: { dedup_key: DEDUP_KEY },
    });
    expect(fake.incidents).toMatchObject([{ log: ['trigger', 'trigger'] }]);
    expect(fake.pages).toBe(1);
  });

  it.each(['unacknowledged', 'ack_timed_out', 'snooze_ended'] as const)(
    'that is paged again after an answer (%s) says that PagerDuty pages nobody anew by itself',
    async (reason) => {
      await tell(noticeOf('one'));
      await tell(noticeOf('acknowledged'));
      expect(await tell(paging(reason))).toMatchObject({
        kind: 'delivered',
        note: expect.stringContaining('acknowledgement timeout'),
      });
      expect(fake.incidents).toMatchObject([{ state: 'acknowledged', log: ['trigger', 'acknowledge', 'trigger'] }]);
    },
  );

  it('that is snoozed sends nothing, and says why', async () => {
    expect(await tell(noticeOf('snoozed'))).toEqual({
      kind: 'delivered',
      note: expect.stringContaining('know no snooze'),
    });
    expect(fake.requests.items).toEqual([]);
  });

  it('that was left open there does not swallow another one with the same number', async () => {
    await tell(noticeOf('one'));
    await tell(sampleNotice({ incident: { opened_at: '2026-03-01T00:00:00.000Z' } }));
    expect(fake.incidents).toHaveLength(2);
    expect(fake.pages).toBe(2);
  });

  it('keeps the key of its first event', async () => {
    await tell(noticeOf('resolved'), { dedup_key: 'of-an-older-version' });
    expect(JSON.parse(fake.requests.items[0]?.raw.toString() ?? '')).toMatchObject({
      dedup_key: 'of-an-older-version',
    });
  });

  it('has the answers as links, and images over HTTPS as images', async () => {
    await tell(
      sampleNotice({
        answers: [
          { action: 'ack', label: 'Acknowledge', token: 't1', url: 'https://tocsin.example.com/a/t1' },
          { action: 'snooze', label: 'Snooze 1 h', token: 't2' },
        ],
        links: [
          { title: 'Panel', url: 'https://grafana.example.com/render/panel.png?from=now-1h' },
          { title: 'Insecure', url: 'http://grafana.example.com/panel.png' },
          { title: 'Mail', url: 'mailto:ops@example.com' },
        ],
      }),
    );
    expect(fake.incidents[0]?.event).toMatchObject({
      links: [
        { href: 'https://tocsin.example.com/a/t1', text: 'Acknowledge' },
        { href: 'http://grafana.example.com/panel.png', text: 'Insecure' },
      ],
      images: [{ src: 'https://grafana.example.com/render/panel.png?from=now-1h', alt: 'Panel' }],
    });
  });
});

describe('a story', () => {
  it('is told as changes, for which nobody is called', async () => {
    for (const phase of ['start', 'progress', 'end'] as const) await tell(chapter(phase));
    expect(fake.changes).toMatchObject([
      { payload: { summary: 'nightly-export start' }, links: [{ text: 'Open incident' }, { text: 'Grafana' }, {}] },
      { payload: { summary: 'nightly-export progress' } },
      { payload: { summary: 'nightly-export end' } },
    ]);
    expect(fake.incidents).toEqual([]);
    expect(fake.dropped).toEqual(['resolve']);
  });

  it('is an alarm at a chapter that tells of a failure, and over at a good end', async () => {
    await tell(chapter('start'));
    await tell(chapter('progress', false));
    expect(fake.pages).toBe(1);
    await tell(chapter('end'));
    expect(fake.incidents).toMatchObject([{ state: 'resolved', event: { payload: { severity: 'error' } } }]);
    expect(fake.changes).toHaveLength(2);
  });

  it('with a bad end stays open for a person, and says so', async () => {
    expect(await tell(chapter('end', false))).toMatchObject({ note: expect.stringContaining('somebody resolves') });
    expect(fake.incidents).toMatchObject([{ state: 'triggered' }]);
  });

  it('is not told to a ruleset, which takes no changes; its alarms are', async () => {
    expect(await tell(chapter('start'), undefined, { routing_key: fake.ruleset })).toEqual({
      kind: 'delivered',
      note: expect.stringContaining('ruleset'),
    });
    expect(await tell(chapter('progress', false), undefined, { routing_key: fake.ruleset })).toMatchObject({
      kind: 'delivered',
    });
    expect(paths()).toEqual(['/v2/enqueue']);
  });
});

describe('a test of the integration', () => {
  it('opens an incident and resolves it at once', async () => {
    const notice = sampleNotice({ reason: 'test', incident: { id: 'TEST-1', severity: 'info' }, alerts: [] });
    expect(await tell(notice)).toMatchObject({ kind: 'delivered' });
    expect(fake.incidents).toMatchObject([
      { state: 'resolved', event: { payload: { severity: 'info', source: 'gateway' } } },
    ]);
  });
});

it('the daily summary is a change as well', async () => {
  expect(await tell(sampleNotice({ reason: 'summary', headline: 'Daily summary' }))).toMatchObject({
    kind: 'delivered',
  });
  expect(fake.changes).toMatchObject([{ payload: { summary: 'Daily summary' } }]);
});

describe('what PagerDuty refuses', () => {
  const invalid = (...errors: string[]) => ({
    status: 400,
    json: { status: 'invalid event', message: 'Event object is invalid', errors },
  });

  it.each([
    [invalid("Length of 'routing_key' is incorrect (should be 32 characters)"), 'auth', 'integration key'],
    [{ status: 400, text: 'Invalid routing key' }, 'auth', 'integration key'],
    [invalid("'payload.summary' is missing or blank", "'links' is invalid"), 'payload', 'payload.summary, links'],
    [invalid('something that is said for the first time'), 'payload', 'invalid event'],
    [{ status: 400, text: '<html>Bad Request</html>' }, 'payload', 'invalid event'],
    [{ status: 413, text: '' }, 'payload', 'HTTP 413'],
    [{ status: 403, text: '' }, 'auth', 'HTTP 403'],
    [{ status: 404, text: '' }, 'gone', 'check region and api_url'],
    [{ status: 307, headers: { location: '/elsewhere' } }, 'config', 'HTTP 307'],
  ])('%j is rejected as %s', async (answer, reason, detail) => {
    fake.script([answer]);
    expect(await tell(noticeOf('one'))).toMatchObject({
      kind: 'rejected',
      reason,
      detail: expect.stringContaining(detail),
    });
    expect(fake.requests.items).toHaveLength(1);
  });

  it('an unknown key is told in words that help', async () => {
    expect(await tell(noticeOf('one'), undefined, { routing_key: 'another0integration0key000000000' })).toMatchObject({
      kind: 'rejected',
      reason: 'auth',
      detail: expect.stringContaining('Events API v2 integration'),
    });
  });

  it.each(['short', 'has-a-dash-and-32-characters-000', ''])('the key %j is refused before anything is sent', (key) => {
    expect(pagerduty.config.safeParse({ routing_key: key }).error?.issues[0]?.path).toEqual(['routing_key']);
  });
});

describe('what passes', () => {
  it('too many events are asked once more after 30 s, or after what PagerDuty names', async () => {
    fake.script([
      { status: 429, text: 'Request Limit Exceeded' },
      { status: 429, headers: { 'retry-after': '90' } },
    ]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'rate_limited', after_ms: 30_000 });
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'rate_limited', after_ms: 90_000 });
    expect(fake.requests.items).toHaveLength(2);
  });

  it.each([
    ['a fault at PagerDuty', { status: 500, text: 'oops' }],
    ['another 2xx', { status: 200, json: { status: 'success' } }],
    ['an error inside a 202', { status: 202, json: { status: 'error', message: 'later' } }],
    ['a page of somebody in between', { status: 202, text: '<html>Please log in</html>' }],
  ])('%s is tried again', async (_name, answer) => {
    fake.script([answer]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'server' });
  });

  it('an answer lost on its way is ambiguous, and the repeat joins the same incident', async () => {
    fake.script([{ reset: true, accept: true }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'network', ambiguous: true });
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'delivered' });
    expect(fake.incidents).toHaveLength(1);
    expect(fake.pages).toBe(1);
  });

  it.each([
    ['silent', 'timeout'],
    ['stalled', 'timeout'],
    ['cut', 'network'],
  ] as const)('an answer that is %s is ambiguous (%s)', async (how, reason) => {
    const half = await startHalfAnswers(how, 202, '{"status":"success","message":"Event processed"}');
    try {
      const signal = AbortSignal.timeout(how === 'cut' ? 5_000 : 200);
      const call = callOf(pagerduty, configOf({ api_url: half.url }), { notice: noticeOf('one'), signal });
      expect(await pagerduty.send(call)).toMatchObject({ kind: 'retry', reason, ambiguous: true });
      expect(half.taken).toBe(1);
    } finally {
      await half.close();
    }
  });

  it('a test whose second half fails is not delivered', async () => {
    fake.script([
      { status: 202, json: { status: 'success' } },
      { status: 503, text: '' },
    ]);
    expect(await tell(sampleNotice({ reason: 'test' }))).toMatchObject({ kind: 'retry', reason: 'server' });
  });
});

it('a job that counts something called Severity does not overwrite the severity', () => {
  const counts = { Severity: '0', Why: '1', 'rows left': '2' };
  const story = { name: 'export', phase: 'end' as const, ok: false, counts };
  const { posts } = render(sampleNotice({ reason: 'story', story }), { routing_key: fake.key });
  expect(posts[0]?.event.payload?.custom_details).toMatchObject({
    Severity: 'critical (P0)',
    Why: 'told the next chapter of a job or a deployment',
    'rows left': '2',
  });
});

describe('the limits of an event', () => {
  it.each(noticeCases)('hold for the case %s', async (name) => {
    expect(await tell(noticeOf(name))).toMatchObject({ kind: 'delivered' });
  });

  it('hold for letters of four bytes wherever a sender may write', async () => {
    const wide = '🔥'.repeat(20_000);
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`${at}${wide}`, wide]));
    const alert = sampleAlert({
      title: wide,
      body: wide,
      type: wide,
      source: wide,
      labels: many(60),
      context: { text: '"'.repeat(8_000) },
      trace_id: wide,
    });
    const url = `https://example.com/${'x'.repeat(1_970)}`;
    const story = { name: wide, phase: 'end' as const, ok: false, counts: many(60) };
    for (const alerts of [[alert], Array.from({ length: 20 }, () => alert)]) {
      const notice = sampleNotice({
        reason: 'story',
        story,
        headline: wide,
        lines: Array.from({ length: 30 }, () => wide),
        components: [wide],
        alerts,
        links: Array.from({ length: 10 }, (_, at) => ({ title: wide, url: `${url}${at}` })),
        incident: { id: `INC-1${wide}`, title: wide, service: wide, route: wide },
      });
      expect(await tell(notice)).toMatchObject({ kind: 'delivered' });
    }
    for (const { raw } of fake.requests.items) expect(raw.byteLength).toBeLessThan(512_000);
  });

  it('cut a context that is too long, and say so', () => {
    const notice = sampleNotice({ alerts: [sampleAlert({ context: { text: '한'.repeat(6_000) } })] });
    expect(JSON.stringify(render(notice, { routing_key: fake.key }))).toContain('too long to be shown here');
  });
});

describe('where it is sent', () => {
  it.each([
    [{}, 'https://events.pagerduty.com/v2/enqueue'],
    [{ region: 'eu' }, 'https://events.eu.pagerduty.com/v2/enqueue'],
    [{ api_url: 'https://proxy.example.com/pagerduty/' }, 'https://proxy.example.com/pagerduty/v2/enqueue'],
    [{ api_url: 'https://events.pagerduty.com/v2/enqueue' }, 'https://events.pagerduty.com/v2/enqueue'],
  ])('with %j is %s', async (more, address) => {
    const asked: string[] = [];
    const answer: typeof fetch = async (url) => {
      asked.push(String(url));
      return new Response('{"status":"success"}', { status: 202 });
    };
    await pagerduty.send(
      callOf(pagerduty, { routing_key: fake.key, ...more }, { notice: noticeOf('one'), fetch: answer }),
    );
    expect(asked).toEqual([address]);
  });
});

describe('the check', () => {
  it('without a REST token asks whether events are taken, and nothing opens by it', async () => {
    expect(await check()).toEqual({ kind: 'delivered', note: expect.stringContaining('api_token') });
    expect(fake.incidents).toEqual([]);
    expect(fake.dropped).toEqual(['resolve']);
    expect(await check({ routing_key: 'another0integration0key000000000' })).toMatchObject({
      kind: 'rejected',
      reason: 'auth',
    });
  });

  it('with a REST token names the service of the key, wherever it stands in the list', async () => {
    for (let at = 0; at < 120; at++)
      fake.services.unshift({ name: `Other ${at}`, key: `${at}`.padStart(32, '0'), status: 'active' });
    expect(await check({ api_token: fake.token })).toEqual({
      kind: 'delivered',
      note: 'the key belongs to the service "Platform"',
    });
    expect(paths()).toEqual(['/services', '/services', '/services']);
  });

  it('says that a service is disabled or in maintenance: events would be taken and lead to nothing', async () => {
    const [service] = fake.services;
    if (service) service.status = 'disabled';
    expect(await check({ api_token: fake.token })).toMatchObject({
      kind: 'rejected',
      reason: 'config',
      detail: expect.stringContaining('"Platform" is disabled'),
    });
    if (service) service.status = 'maintenance';
    expect(await check({ api_token: fake.token })).toMatchObject({
      kind: 'delivered',
      note: expect.stringContaining('maintenance'),
    });
  });

  it('says that the REST token sees no service with the key', async () => {
    expect(await check({ api_token: fake.token, routing_key: fake.ruleset })).toMatchObject({
      kind: 'delivered',
      note: expect.stringContaining('sees no service'),
    });
  });

  it.each([
    [{ status: 401, json: {} }, 'rejected', 'auth'],
    [{ status: 429, headers: { 'retry-after': '5' } }, 'retry', 'rate_limited'],
    [{ status: 500, text: '' }, 'retry', 'server'],
    [{ status: 200, text: '<html>' }, 'retry', 'server'],
    [{ status: 204 }, 'retry', 'server'],
    [{ reset: true as const }, 'retry', 'network'],
  ])('that is answered %j is %s (%s)', async (answer, kind, reason) => {
    fake.script([{ ...answer, path: '/services' }]);
    expect(await check({ api_token: fake.token })).toMatchObject({ kind, reason });
  });
});
