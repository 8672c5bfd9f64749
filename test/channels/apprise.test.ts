import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { apprise as appriseChannel, render } from '../../src/channels/apprise.ts';
import type { Channel } from '../../src/channels/channel.ts';
import type { Notice } from '../../src/core/notice.ts';
import { NoApprise, type RealApprise, startApprise } from '../support/apprise.ts';
import { callOf } from '../support/calls.ts';
import { type FakeApprise, startFakeApprise } from '../support/fakes/apprise.ts';
import { startHalfAnswers } from '../support/fakes/half-answers.ts';
import { createRecorder, type HttpFake, startHttpFake } from '../support/fakes/recorder.ts';
import { noticeCases, noticeOf, sampleAlert, sampleNotice } from '../support/notices.ts';

const apprise = appriseChannel as unknown as Channel;
const isRequired = process.env.TOCSIN_REQUIRE_APPRISE === '1';

let fake: FakeApprise;
beforeEach(async () => {
  fake = await startFakeApprise();
});
afterEach(() => fake.close());

const configOf = (more: Record<string, unknown> = {}) => ({ api_url: fake.url, key: fake.key, ...more });
const tell = (notice: Notice = noticeOf('one'), more?: Record<string, unknown>) =>
  apprise.send(callOf(apprise, configOf(more), { notice }));
const check = (more?: Record<string, unknown>) => apprise.check?.(callOf(apprise, configOf(more)));
const stateless = (urls?: string) => ({ key: undefined, ...(urls === undefined ? {} : { urls }) });

describe('a message', () => {
  it('goes to every address of the key, with title, text and type', async () => {
    expect(await tell()).toEqual({ kind: 'delivered' });
    expect(fake.messages.map(({ to }) => to)).toEqual(fake.addresses.map(({ url }) => url));
    const [message] = fake.messages;
    expect(message).toMatchObject({
      title: '🔴 CRITICAL: API gateway answers 503 (INC-1)',
      type: 'failure',
      format: 'text',
    });
    for (const part of ['503', 'Severity: critical (P0)', 'Grafana: https://grafana.example.com/d/gateway', 'Why: ']) {
      expect(message?.body).toContain(part);
    }
  });

  it.each([
    ['ops', 1],
    ['ops, mail', 2],
    ['ops chat', 1],
  ])('with the tag %j goes to %i of them', async (tag, count) => {
    expect(await tell(noticeOf('one'), { tag })).toEqual({ kind: 'delivered' });
    expect(fake.messages).toHaveLength(count);
  });

  it('goes to given addresses without anything stored', async () => {
    expect(await tell(noticeOf('one'), stateless('json://a.example.com,discord://b/c'))).toEqual({ kind: 'delivered' });
    expect(fake.messages.map(({ to }) => to)).toEqual(['json://a.example.com', 'discord://b/c']);
    expect(fake.requests.items[0]?.path).toBe('/notify');
  });

  it.each([
    ['one', 'failure'],
    ['firing', 'warning'],
    ['acknowledged', 'info'],
    ['snoozed', 'info'],
    ['resolved', 'success'],
    ['story-end', 'success'],
  ] as const)('of the case %s has the type %s', async (name, type) => {
    await tell(noticeOf(name));
    expect(fake.messages[0]?.type).toBe(type);
  });

  it('has the answers first among its links', () => {
    const answers = [
      { action: 'ack' as const, label: 'Acknowledge', token: 't', url: 'https://tocsin.example.com/a/t' },
    ];
    const { body } = render(sampleNotice({ answers }), { format: 'text', body_max: 2_000 });
    expect(body).toMatch(/\n\nAcknowledge: https:\/\/tocsin\.example\.com\/a\/t\nOpen incident: /);
  });

  it('that follows says only what is new', async () => {
    await tell(noticeOf('acknowledged'));
    expect(fake.messages[0]?.title).toContain('Acknowledged by ana');
    expect(fake.messages[0]?.body).not.toContain('Severity');
  });

  it('is sent with a login where the server wants one', async () => {
    const guarded = await startFakeApprise({ user: 'tocsin', pass: 'secret' });
    try {
      const to = { api_url: `${guarded.url}/`, key: guarded.key };
      expect(await tell(noticeOf('one'), { ...to, user: 'tocsin', pass: 'secret' })).toEqual({ kind: 'delivered' });
      expect(await tell(noticeOf('one'), to)).toMatchObject({
        kind: 'rejected',
        reason: 'auth',
        detail: expect.stringContaining('give user and pass'),
      });
    } finally {
      await guarded.close();
    }
  });
});

describe('the configuration', () => {
  it.each([
    [{ urls: 'json://a' }, 'urls', 'not both'],
    [{ key: undefined, tag: 'ops' }, 'tag', 'those of a key'],
    [{ user: 'tocsin' }, 'pass', 'user and pass'],
    [{ key: 'a/b' }, 'key', 'letters'],
    [{ tag: '$ops' }, 'tag', 'letters'],
    [{ api_url: 'http://user:pass@apprise.example.com' }, 'api_url', 'fields of their own'],
    [{ body_max: 10 }, 'body_max', ''],
  ])('%j is refused at %s', (more, field, words) => {
    const issue = apprise.config.safeParse(configOf(more)).error?.issues[0];
    expect(issue?.path).toEqual([field]);
    expect(issue?.message).toContain(words);
  });
});

describe('the length', () => {
  it.each(['text', 'markdown', 'html'] as const)('is kept in %s, whatever was written, and a cut is told', (format) => {
    const wide = '<🔥*_[&'.repeat(5_000);
    const alerts = Array.from({ length: 20 }, () => sampleAlert({ title: wide, components: [wide] }));
    const notices = [
      ...noticeCases.map(noticeOf),
      sampleNotice({
        headline: wide,
        lines: Array.from({ length: 30 }, () => wide),
        alerts,
        more: 3,
        incident: { id: wide },
      }),
    ];
    for (const body_max of [200, 2_000, 32_768]) {
      for (const notice of notices) {
        const { title, body } = render(notice, { format, body_max });
        expect(title.length).toBeLessThanOrEqual(250);
        expect(body.length).toBeLessThanOrEqual(body_max);
        expect(body.length).toBeGreaterThan(0);
        expect(`${title}${body}`.isWellFormed()).toBe(true);
      }
    }
    expect(render(noticeOf('many'), { format, body_max: 400 }).body).toContain('… cut here');
    expect(render(noticeOf('many'), { format, body_max: 2_000 }).body).toContain('… and 490 alerts more');
  });
});

describe('hostile text', () => {
  it.each(['text', 'markdown', 'html'] as const)('calls nobody and is no markup in %s', (format) => {
    const { title, body } = render(noticeOf('hostile'), { format, body_max: 32_768 });
    for (const text of [title, body]) {
      expect(text).not.toMatch(/@(?:here|everyone)|<[!@#]/);
      // Out of these Apprise makes mentions and links for Slack.
      if (format === 'text') expect(text).not.toMatch(/[@!][^|\s\u200b][^|\s]*[|>]|\|[^\n]*>/);
      if (format !== 'text') expect(text).not.toMatch(/<script|<https/);
    }
    if (format === 'markdown') expect(body).toContain('\\*bold\\*');
    if (format === 'html')
      expect(body.replace(/<\/?(?:p|ul|li|b|br|a)(?: href="https?:[^"<>]*")?>/g, '')).not.toMatch(/[<>]/);
  });

  it('leaves addresses of mail as they are', () => {
    const lines = ['ask ops@example.com, not @all, x@U1> or <at>bo</at>'];
    const { body } = render(sampleNotice({ lines }), { format: 'text', body_max: 2_000 });
    expect(body).toContain('ask ops@example.com, not @\u200ball, x@\u200bU1> or <\u200bat>bo<\u200b/at>');
  });

  it('begins no list and no heading in Markdown', () => {
    const lines = ['# heading', '- item', '1. first', '===', '> quote', '[a](javascript:alert(1))'];
    const { body } = render(sampleNotice({ lines }), { format: 'markdown', body_max: 2_000 });
    expect(body).not.toMatch(/^(#|- item|1\.|=|>|\[a)/m);
  });
});

describe('what Apprise refuses', () => {
  it('a key without a configuration', async () => {
    expect(await tell(noticeOf('one'), { key: 'another' })).toMatchObject({
      kind: 'rejected',
      reason: 'config',
      detail: expect.stringContaining('no configuration under this key'),
    });
  });

  it('addresses that it does not understand', async () => {
    for (const urls of ['nonsense', undefined]) {
      expect(await tell(noticeOf('one'), stateless(urls))).toMatchObject({
        kind: 'rejected',
        reason: 'config',
        detail: expect.stringContaining('none of the urls'),
      });
    }
  });

  it('a tag that no address has', async () => {
    expect(await tell(noticeOf('one'), { tag: 'nobody' })).toMatchObject({
      kind: 'rejected',
      reason: 'config',
      detail: expect.stringContaining('none has this tag'),
    });
    expect(await tell(noticeOf('one'), { tag: 'ops mail' })).toMatchObject({ kind: 'rejected', reason: 'config' });
    expect(fake.messages).toEqual([]);
  });

  it.each([
    [{ status: 400, json: { error: 'Payload lacks minimum requirements' } }, 'payload', 'HTTP 400'],
    [
      { status: 400, json: { error: 'Unsupported characters found in tag definition' } },
      'config',
      'the tag is not valid',
    ],
    [{ status: 401, text: '' }, 'auth', 'login'],
    [{ status: 404, text: '<html>' }, 'gone', 'no Apprise API'],
    [{ status: 405, json: { error: 'The recursion limit has been reached' } }, 'config', 'too often'],
    [{ status: 406, json: { error: 'The recursion limit has been reached' } }, 'config', 'too often'],
    [{ status: 431, json: { error: 'JSON Payload provided is to large' } }, 'payload', 'too long'],
    [{ status: 302, headers: { location: '/login' } }, 'config', 'HTTP 302'],
  ])('%j is rejected as %s', async (answer, reason, detail) => {
    fake.script([answer]);
    expect(await tell()).toMatchObject({ kind: 'rejected', reason, detail: expect.stringContaining(detail) });
    expect(fake.requests.items).toHaveLength(1);
  });
});

it('a server that answers no API says so twice: fetch itself repeats a 421 on another connection', async () => {
  fake.script([{ status: 421 }, { status: 421 }]);
  expect(await tell()).toMatchObject({
    kind: 'rejected',
    reason: 'config',
    detail: expect.stringContaining('does not answer the API'),
  });
});

describe('a message that not everybody got', () => {
  it('is tried again, says who has not, and that the others would get it twice', async () => {
    fake.addresses.push({ url: 'discord://secret-token-b/c', tags: [], fails: true });
    const outcome = await tell();
    expect(outcome).toEqual({
      kind: 'retry',
      reason: 'server',
      detail: 'Apprise could not deliver to Discord; others have it',
      ambiguous: true,
    });
    expect(JSON.stringify(outcome)).not.toContain('secret');
  });

  it('is not ambiguous where nobody has it', async () => {
    for (const address of fake.addresses) address.fails = true;
    expect(await tell()).toEqual({
      kind: 'retry',
      reason: 'server',
      detail: 'Apprise could not deliver to Slack, Email',
      ambiguous: false,
    });
    expect(fake.messages).toEqual([]);
  });

  it('is ambiguous where the server does not tell', async () => {
    fake.script([{ status: 424, json: { error: 'One or more notification could not be sent' } }]);
    expect(await tell()).toMatchObject({ kind: 'retry', reason: 'server', ambiguous: true });
  });
});

describe('what passes', () => {
  it.each([
    ['a fault of the server', { status: 500, json: { error: 'An error occurred accessing configuration' } }, 'server'],
    ['an error inside a 200', { status: 200, json: { error: 'later', details: [] } }, 'server'],
    ['a page of somebody in between', { status: 200, text: '<html>Please log in</html>' }, 'server'],
    ['a server that is too old to say it in JSON', { status: 200, text: 'Notification(s) sent.' }, 'server'],
    ['too many requests', { status: 429, text: '' }, 'rate_limited'],
  ])('%s is tried again', async (_name, answer, reason) => {
    fake.script([answer]);
    expect(await tell()).toMatchObject({ kind: 'retry', reason });
  });

  it('an answer lost on its way is ambiguous', async () => {
    fake.script([{ reset: true, accept: true }]);
    expect(await tell()).toMatchObject({ kind: 'retry', reason: 'network', ambiguous: true });
    expect(fake.messages).toHaveLength(2);
  });

  it.each([
    ['silent', 'timeout'],
    ['stalled', 'timeout'],
    ['cut', 'network'],
  ] as const)('an answer that is %s is ambiguous (%s)', async (how, reason) => {
    const half = await startHalfAnswers(how, 200, '{"error":null,"details":[]}');
    try {
      const signal = AbortSignal.timeout(how === 'cut' ? 5_000 : 200);
      const call = callOf(apprise, configOf({ api_url: half.url }), { notice: noticeOf('one'), signal });
      expect(await apprise.send(call)).toMatchObject({ kind: 'retry', reason, ambiguous: true });
      expect(half.taken).toBe(1);
    } finally {
      await half.close();
    }
  });
});

describe('the check', () => {
  it('counts the addresses of the key, without asking for their secrets and without sending', async () => {
    expect(await check()).toEqual({ kind: 'delivered', note: '2 addresses will be notified' });
    for (const tag of ['mail', 'ops chat', 'ops+chat', '1:mail'])
      expect(await check({ tag })).toEqual({ kind: 'delivered', note: '1 address will be notified' });
    expect(await check({ tag: 'ops|mail' })).toEqual({ kind: 'delivered', note: '2 addresses will be notified' });
    expect(fake.requests.items.every(({ query }) => query.get('privacy') === '1')).toBe(true);
    expect(fake.messages).toEqual([]);
  });

  it.each([
    [{ key: 'another' }, 'store one there'],
    [{ tag: 'nobody' }, 'no address has this tag'],
    [{ tag: 'ops mail' }, 'no address has this tag'],
  ])('says what is wrong with %j', async (more, words) => {
    expect(await check(more)).toMatchObject({
      kind: 'rejected',
      reason: 'config',
      detail: expect.stringContaining(words),
    });
  });

  it('without a key asks whether the server is there', async () => {
    expect(await check(stateless('json://a'))).toMatchObject({
      kind: 'delivered',
      note: expect.stringContaining('answers'),
    });
    fake.script([
      { status: 417, json: { status: { details: ['CONFIG_PERMISSION_ISSUE'] } } },
      { status: 200, text: 'OK' },
    ]);
    expect(await check(stateless('json://a'))).toMatchObject({ kind: 'delivered' });
    expect(await check(stateless('json://a'))).toMatchObject({ kind: 'retry', reason: 'server' });
  });

  it.each([
    [{ status: 401, text: '' }, 'rejected', 'auth'],
    [{ status: 404, text: '' }, 'rejected', 'gone'],
    [{ status: 500, json: { error: 'There was no configuration found' } }, 'retry', 'server'],
    [{ status: 200, text: '<html>' }, 'retry', 'server'],
    [{ reset: true as const }, 'retry', 'network'],
  ])('that is answered %j is %s (%s)', async (answer, kind, reason) => {
    fake.script([answer]);
    expect(await check()).toMatchObject({ kind, reason });
  });
});

describe('the real library', () => {
  /** What Apprise's own `json://` posts: https://appriseit.com/services/json/ */
  const got = createRecorder<{ path: string; title: string; message: string; type: string }>('json:// messages');
  let receiver: HttpFake;
  let real: RealApprise | undefined;
  let missing = '';

  beforeAll(async () => {
    receiver = await startHttpFake('json:// receiver', ({ path, raw }) => {
      if (path === '/broken') return { status: 503, text: '' };
      got.add({ path, ...(JSON.parse(raw.toString()) as { title: string; message: string; type: string }) });
      return { status: 200, text: 'ok' };
    });
    const at = receiver.url.replace('http://', 'json://');
    const config = `ops=${at}/plain\nrich=${at}/rich?format=html\nmixed=${at}/plain\nmixed=${at}/broken\nbroken=${at}/broken\n${at}/untagged\n`;
    try {
      real = await startApprise(config);
    } catch (error) {
      if (isRequired || !(error instanceof NoApprise)) throw error;
      missing = error.message;
    }
  });
  afterAll(async () => {
    await real?.close();
    await receiver.close();
  });
  beforeEach((context) => {
    if (!real) context.skip(missing);
    got.items.length = 0;
  });

  const send = (more: Record<string, unknown>, notice = noticeOf('one')) =>
    tell(notice, { api_url: real?.url, key: real?.key, ...more });

  it('passes title, text and type on as they are', async () => {
    expect(await send({ tag: 'ops' })).toEqual({ kind: 'delivered' });
    const { title, body } = render(noticeOf('one'), { format: 'text', body_max: 2_000 });
    expect(got.items).toMatchObject([{ path: '/plain', title, message: body, type: 'failure' }]);
  });

  it.each(['text', 'markdown', 'html'])(
    'makes no markup of hostile %s where the service wants HTML',
    async (format) => {
      expect(await send({ tag: 'rich', format, body_max: 32_768 }, noticeOf('hostile'))).toEqual({ kind: 'delivered' });
      const [{ message } = { message: '' }] = got.items;
      expect(message).toContain('alert(1)');
      expect(message.replace(/<\/?(?:p|ul|li|b|strong|br|a)(?: href="https?:[^"<>]*")?(?: \/|\/)?>/g, '')).not.toMatch(
        /[<>]/,
      );
    },
  );

  it('keeps links and emphasis of Markdown where the service wants HTML', async () => {
    await send({ tag: 'rich', format: 'markdown' });
    expect(got.items[0]?.message).toContain('<a href="https://grafana.example.com/d/gateway">Grafana</a>');
    expect(got.items[0]?.message).toContain('<strong>Severity:</strong> critical (P0)');
  });

  it('sends to given addresses without anything stored', async () => {
    const urls = `${receiver.url.replace('http://', 'json://')}/given`;
    expect(await send({ ...stateless(urls) })).toEqual({ kind: 'delivered' });
    expect(got.items).toMatchObject([{ path: '/given' }]);
    expect(await send({ ...stateless('nonsense') })).toMatchObject({ kind: 'rejected', reason: 'config' });
  });

  it('reaches every address of the key where no tag is given', async () => {
    expect(await send({})).toMatchObject({ kind: 'retry', ambiguous: true }); // Two of them are broken.
    expect(got.items.map(({ path }) => path).sort()).toEqual(['/plain', '/plain', '/rich', '/untagged']);
  });

  it('says by the lines of its answer who got it', async () => {
    expect(await send({ tag: 'mixed' })).toMatchObject({
      kind: 'retry',
      detail: expect.stringMatching(/^Apprise could not deliver to JSON\b.*; others have it$/),
      ambiguous: true,
    });
    expect(got.items).toHaveLength(1);
    expect(await send({ tag: 'broken' })).toMatchObject({ kind: 'retry', ambiguous: false });
    expect(await send({ tag: 'nobody' })).toMatchObject({ kind: 'rejected', reason: 'config' });
  });

  it('is found by the check', async () => {
    const to = { api_url: real?.url, key: real?.key };
    expect(await check({ ...to, tag: 'mixed' })).toEqual({ kind: 'delivered', note: '2 addresses will be notified' });
    expect(await check({ ...to, tag: 'ops mixed' })).toMatchObject({ kind: 'rejected', reason: 'config' });
    expect(await check(to)).toEqual({ kind: 'delivered', note: '6 addresses will be notified' });
    expect(await check({ ...to, tag: 'nobody' })).toMatchObject({ kind: 'rejected', reason: 'config' });
    expect(await check({ ...to, key: 'another' })).toMatchObject({ kind: 'rejected', reason: 'config' });
  });
});
