import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Channel, Outcome, Ref } from '../../src/channels/channel.ts';
import { discord as discordChannel } from '../../src/channels/discord.ts';
import type { Notice } from '../../src/core/notice.ts';
import { callOf } from '../support/calls.ts';
import { cloudflare, type FakeDiscord, limited, startFakeDiscord } from '../support/fakes/discord.ts';
import { startHalfway } from '../support/fakes/halfway.ts';
import { HOSTILE, noticeOf, sampleAlert, sampleNotice } from '../support/notices.ts';

const discord = discordChannel as unknown as Channel;

let fake: FakeDiscord;
beforeEach(async () => {
  fake = await startFakeDiscord();
});
afterEach(() => fake.close());

const tell = (
  notice: Notice,
  root?: Ref,
  more: Record<string, unknown> = {},
  call: { signal?: AbortSignal; pages?: Ref[] } = {},
): Promise<Outcome> =>
  discord.send(callOf(discord, { url: fake.webhookUrl, ...more }, { notice, ...(root ? { root } : {}), ...call }));

/** The first message of an incident, and its ref. */
async function begin(notice = noticeOf('one'), more?: Record<string, unknown>): Promise<Ref> {
  const outcome = await tell(notice, undefined, more);
  if (outcome.kind !== 'delivered' || !outcome.ref) throw new Error(`not delivered: ${JSON.stringify(outcome)}`);
  return outcome.ref;
}
const asked = () =>
  fake.requests.items.map(({ method, path, query }) => `${method} ${path.split('/').at(-1)}?${query}`);
const parsed = (config: Record<string, unknown>) => discord.config.safeParse(config);

describe('the first message', () => {
  it('is waited for, at the version that this is written for, and its id is the ref', async () => {
    expect(await begin()).toEqual({ message: fake.posts[0]?.id });
    expect(asked()).toEqual(['POST fake-webhook-token?wait=true&with_components=true']);
    expect(fake.requests.items[0]?.path).toMatch(/^\/api\/v10\/webhooks\//);
  });

  it('says on its first line what a phone should show, and the rest in an embed of the colour of the severity', async () => {
    await begin();
    const [post] = fake.posts;
    expect(post?.content).toBe('🔴 CRITICAL API gateway answers 503 (INC-1)');
    expect(post?.embeds).toEqual([expect.objectContaining({ color: 0xff0000 })]);
    for (const part of ['critical (P0)', 'open', 'availability', 'sentinel', '2026-01-15 14:32:00 UTC']) {
      expect(post?.all).toContain(part);
    }
    expect(post?.buttons.map(({ label, url }) => [label, url])).toEqual([
      ['Open incident', 'https://tocsin.example.com/incidents/INC-1'],
      ['Grafana', 'https://grafana.example.com/d/gateway'],
      ['Prometheus', 'https://prometheus.example.com/graph'],
    ]);
  });

  it('has a button for each answer that has an address, which opens it', async () => {
    const url = 'https://tocsin.example.com/answers/abc(1)';
    const answers = [
      { action: 'ack', label: 'Acknowledge', token: 'abc', url },
      { action: 'snooze', label: 'Snooze 1 h', token: 'def' },
    ] as const;
    await begin(sampleNotice({ answers: [...answers] }));
    expect(fake.posts[0]?.buttons[0]).toEqual({ type: 2, style: 5, label: 'Acknowledge', url });
    expect(fake.posts[0]?.all).not.toContain('Snooze');
  });

  it('takes the buttons of the answers away when it is answered', async () => {
    const answers = [
      { action: 'ack', label: 'Acknowledge', token: 'abc', url: 'https://tocsin.example.com/a/b' },
    ] as const;
    const root = await begin(sampleNotice({ answers: [...answers], links: [] }));
    expect(fake.posts[0]?.buttons.map(({ label }) => label)).toContain('Acknowledge');
    await tell(noticeOf('acknowledged'), root);
    expect(fake.posts).toHaveLength(1);
    expect(fake.posts[0]?.buttons.map(({ label }) => label)).not.toContain('Acknowledge');
  });

  it('writes a link that Discord would refuse as a button into the text', async () => {
    const links = [
      { title: 'Grafana', url: 'http://grafana:3000/d/1' },
      { title: 'Long', url: `https://example.com/${'x'.repeat(512)}` },
    ];
    await begin(sampleNotice({ links }));
    expect(fake.requests.items).toHaveLength(1);
    expect(fake.posts[0]?.buttons.map(({ label }) => label)).toEqual(['Open incident']);
    expect(fake.posts[0]?.all).toContain('[Grafana](http://grafana:3000/d/1)');
  });

  it('is sent without buttons, its links in the text, where Discord refuses one all the same', async () => {
    const errors = {
      components: { 0: { components: { 1: { url: { _errors: [{ code: 'URL_TYPE_INVALID_URL' }] } } } } },
    };
    fake.script([{ status: 400, json: { code: 50035, message: 'Invalid Form Body', errors } }]);
    await begin();
    expect(fake.posts).toMatchObject([{ buttons: [] }]);
    expect(fake.posts[0]?.all).toContain('[Open incident](https://tocsin.example.com/incidents/INC-1) · [Grafana](');
  });

  it('lists the first alerts of many and counts the rest', async () => {
    await begin(noticeOf('many'));
    expect(fake.posts[0]?.all).toContain('Disk full on web-20');
    expect(fake.posts[0]?.all).toContain('… and 480 more');
  });
});

describe('what follows', () => {
  it.each([
    ['acknowledged', 0x8a8f98, '👀 Acknowledged by ana (INC-1)'],
    ['snoozed', 0x8a8f98, '💤 Snoozed by ana for 1 h (INC-1)'],
    ['resolved', 0x00ff00, '✅ Resolved after 12 min (INC-1)'],
  ] as const)('changes the first message when it is %s, and keeps its ref', async (name, color, content) => {
    const root = await begin();
    expect(await tell(noticeOf(name), root)).toEqual({ kind: 'delivered', ref: root });
    expect(fake.posts).toEqual([
      expect.objectContaining({ content, edits: 1, embeds: [expect.objectContaining({ color })] }),
    ]);
  });

  it('is a message of its own when it pages again, and the first one shows it as well', async () => {
    const root = await begin();
    const outcome = await tell(noticeOf('escalated'), root);
    expect(outcome).toEqual({ kind: 'delivered', ref: { message: fake.posts[1]?.id } });
    expect(fake.posts.map(({ content, edits }) => [content, edits])).toEqual([
      ['🔴 CRITICAL Nobody answered: level 2 (INC-1)', 1],
      ['🔴 CRITICAL Nobody answered: level 2 (INC-1)', 0],
    ]);
  });

  it('leaves the first message alone when only more of the same has joined', async () => {
    const root = await begin();
    await tell(noticeOf('many'), root);
    expect(fake.posts.map(({ edits }) => edits)).toEqual([0, 0]);
  });

  it('is announced as well where that is wanted', async () => {
    const root = await begin();
    await tell(noticeOf('resolved'), root, { announce_updates: true });
    expect(fake.posts.map(({ content }) => content)).toEqual(Array(2).fill('✅ Resolved after 12 min (INC-1)'));
  });

  it('changes the later pages as well once somebody has answered; what only informs has no link beside theirs', async () => {
    const answer = (label: string) => [
      { action: 'ack' as const, label, token: 't', url: `https://tocsin.example.com/a/${label}` },
    ];
    const root = await begin({ ...noticeOf('one'), answers: answer('Take') });
    const outcome = await tell({ ...noticeOf('escalated'), answers: answer('Take') }, root);
    const pages = outcome.kind === 'delivered' && outcome.ref ? [outcome.ref] : [];
    const acknowledged = { ...noticeOf('acknowledged'), answers: answer('End') };
    await tell(acknowledged, root, { announce_updates: true }, { pages });
    const links = fake.posts.map(({ all }) => /\/a\/(\w+)/.exec(all)?.[1]);
    expect(links).toEqual(['End', 'End', undefined]);
    expect(fake.posts[1]?.content).toBe('👀 Acknowledged by ana (INC-1)');
    await tell(noticeOf('resolved'), root, {}, { pages });
    expect(fake.posts.map(({ content, all }) => [content.startsWith('✅'), all.includes('/a/')])).toEqual([
      [true, false],
      [true, false],
      [false, false],
    ]);
    fake.deletePost(String(pages[0]?.message));
    expect(await tell(noticeOf('resolved'), root, {}, { pages })).toEqual({
      kind: 'delivered',
      ref: root,
      note: 'an earlier message was not changed (it was deleted, or is too old for one more edit)',
    });
  });

  it('stands on its own where nothing was told before', async () => {
    expect(await tell(noticeOf('resolved'))).toMatchObject({ kind: 'delivered' });
    expect(fake.posts).toHaveLength(1);
  });

  it('is a message of its own, and says so to the operator, when the first one was deleted', async () => {
    const root = await begin();
    fake.deletePost(String(root.message));
    expect(await tell(noticeOf('resolved'), root)).toMatchObject({
      kind: 'delivered',
      note: expect.stringContaining('could not be edited'),
    });
    expect(fake.posts).toHaveLength(1);
  });

  it('is a message of its own when Discord lets nobody edit an old one so often', async () => {
    const root = await begin();
    const message = 'Maximum number of edits to messages older than 1 hour reached. Try again later';
    fake.script([{ status: 429, json: { message, code: 30046, retry_after: 300 } }]);
    expect(await tell(noticeOf('resolved'), root)).toMatchObject({
      kind: 'delivered',
      ref: { message: expect.any(String) },
    });
    expect(fake.posts).toHaveLength(2);
  });

  it('is delivered even if the first message cannot be edited at the moment', async () => {
    const root = await begin();
    fake.script([{ path: `/messages/${root.message}`, ...limited(1.5) }]);
    expect(await tell(noticeOf('escalated'), root)).toMatchObject({
      kind: 'delivered',
      note: expect.stringContaining('shows what was before'),
    });
    expect(fake.posts).toHaveLength(2);
  });

  it('waits with an edit for as long as Discord says, and an edit whose answer is lost is no question', async () => {
    const root = await begin();
    fake.script([limited(1.5), { reset: true, accept: true }]);
    expect(await tell(noticeOf('resolved'), root)).toMatchObject({
      kind: 'retry',
      reason: 'rate_limited',
      after_ms: 2_000,
    });
    expect(await tell(noticeOf('resolved'), root)).toEqual({
      kind: 'retry',
      reason: 'network',
      detail: expect.any(String),
    });
    expect(await tell(noticeOf('resolved'), root)).toMatchObject({ kind: 'delivered' });
    expect(fake.posts.map(({ edits }) => edits)).toEqual([2]);
  });

  it('tells each chapter of a story, and its end on the first message as well', async () => {
    const story = { name: 'nightly-export', phase: 'start', ok: true } as const;
    const started = sampleNotice({ reason: 'story', headline: 'nightly-export started', story });
    const root = await begin(started);
    await tell(sampleNotice({ reason: 'story', headline: 'half done', story: { ...story, phase: 'progress' } }), root);
    await tell(noticeOf('story-end'), root);
    expect(fake.posts.map(({ edits }) => edits)).toEqual([1, 0, 0]);
    for (const part of ['12 min 34 s', 'rows', '12000']) expect(fake.posts[0]?.all).toContain(part);
  });
});

describe('a forum', () => {
  beforeEach(async () => {
    await fake.close();
    fake = await startFakeDiscord({ forum: true });
  });
  const inForum = { forum: true };

  it('has a post for each incident, and what follows stands in it', async () => {
    const root = await begin(noticeOf('one'), inForum);
    expect(root).toEqual({ message: fake.posts[0]?.id, thread: fake.posts[0]?.id });
    expect([...fake.threads.values()]).toEqual(['🔴 API gateway answers 503 (INC-1)']);
    await tell(noticeOf('escalated'), root, inForum);
    await tell(noticeOf('resolved'), root, inForum);
    expect(fake.posts.map(({ thread, edits }) => [thread, edits])).toEqual([
      [root.thread, 2],
      [root.thread, 0],
    ]);
  });

  it('gets another post when that of the incident was deleted', async () => {
    const root = await begin(noticeOf('one'), inForum);
    fake.deleteThread(String(root.thread));
    expect(await tell(noticeOf('escalated'), root, inForum)).toMatchObject({ kind: 'delivered' });
    expect(await tell(noticeOf('resolved'), root, inForum)).toMatchObject({ kind: 'delivered' });
    expect(fake.threads.size).toBe(2);
  });

  it('has names of posts that are short enough whatever is in a title', async () => {
    await begin(noticeOf('hostile'), inForum);
    const [name = ''] = fake.threads.values();
    expect(name).toMatch(/^🔴 .* \(INC-1\)$/);
    expect(name.length).toBeLessThanOrEqual(100);
  });

  it('that is not configured as one says how to', async () => {
    expect(await tell(noticeOf('one'))).toMatchObject({
      kind: 'rejected',
      reason: 'config',
      detail: expect.stringContaining('forum: true'),
    });
  });
});

describe('a thread of the configuration', () => {
  const thread_id = '1150000000000000001';

  it('is where everything is posted and edited', async () => {
    await fake.close();
    fake = await startFakeDiscord({ threads: [thread_id] });
    const root = await begin(noticeOf('one'), { thread_id });
    expect(root).toEqual({ message: fake.posts[0]?.id, thread: thread_id });
    await tell(noticeOf('resolved'), root, { thread_id });
    expect(fake.posts).toEqual([expect.objectContaining({ thread: thread_id, edits: 1 })]);
  });

  it('that is not there is not replaced by the channel', async () => {
    const gone = { kind: 'rejected', reason: 'gone', detail: expect.stringContaining('deleted') };
    expect(await tell(noticeOf('one'), undefined, { thread_id })).toMatchObject(gone);
    expect(await tell(noticeOf('escalated'), { message: '1', thread: thread_id }, { thread_id })).toMatchObject(gone);
    expect(fake.posts).toEqual([]);
  });
});

describe('hostile and long text', () => {
  it('calls nobody, neither when it is posted nor when it is edited', async () => {
    const call = '@everyone @here <@123456789012345678> <@&123456789012345678>';
    const root = await begin(sampleNotice({ headline: call, incident: { title: call } }));
    await tell(
      sampleNotice({ reason: 'acknowledged', headline: call, lines: [call], incident: { title: call } }),
      root,
    );
    expect(fake.posts).toEqual([expect.objectContaining({ edits: 1, pings: [] })]);
    expect(fake.posts[0]?.content).not.toMatch(/<@/);
  });

  it('has no link, emphasis or preview of its own', async () => {
    await begin(
      sampleNotice({ headline: '[click](https://evil.example) **now** https://evil.example', lines: [HOSTILE] }),
    );
    const { content = '', embeds = [] } = fake.posts[0] ?? {};
    expect(content).toContain('\\[click\\](https:\\/\\/evil.example) \\*\\*now\\*\\* https:\\/\\/evil.example');
    expect(String(embeds[0]?.description)).toContain('\\<https://evil.example\\|click\\>');
  });

  it('has links whose addresses cannot reach over their end', async () => {
    const links = [
      { title: 'Logs', url: 'http://ci/?x\\' },
      { title: 'Runbook', url: 'http://ci/a)b' },
    ];
    await begin(sampleNotice({ links }));
    expect(JSON.stringify(fake.posts[0]?.embeds)).toContain('[Logs](http://ci/?x%5C) · [Runbook](http://ci/a%29b)');
  });

  it.each(['hostile', 'many'] as const)('stays within every limit: %s', async (name) => {
    await begin(noticeOf(name));
    expect(fake.posts).toHaveLength(1);
  });

  it('stays within every limit when everything is as long as it can be, and says what is missing', async () => {
    const long = '*'.repeat(5_000);
    const alert = sampleAlert({ title: long, body: long, type: long, source: long, service: long, components: [long] });
    const counts = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`${index}${long}`, long]));
    const answers = (['ack', 'snooze', 'resolve'] as const).map((action) => ({
      action,
      label: long,
      token: action,
      url: `https://tocsin.example.com/${action}?${'x'.repeat(200)}`,
    }));
    await begin(
      sampleNotice({
        headline: long,
        lines: [long, long],
        alerts: Array.from({ length: 20 }, () => alert),
        more: 9_980,
        pattern: long,
        components: [long],
        by: long,
        links: Array.from({ length: 10 }, (_, index) => ({
          title: long,
          url: `https://example.com/${index}${'y'.repeat(150)}`,
        })),
        story: { name: long, phase: 'end', ok: false, counts },
        answers,
        incident: { id: long, title: `${long}!`, service: long, route: long, alert_count: 10_000 },
      }),
    );
    const [post] = fake.posts;
    expect(post?.all).toMatch(/… and 9\d{3} more/);
    expect(post?.all).toMatch(/\d+ more facts are not shown/);
    for (const { url } of answers) expect(post?.all).toContain(url);
  });
});

describe('what Discord refuses', () => {
  const refusal = (status: number, code: number) => ({ status, json: { message: 'no', code } });

  it.each([
    [404, 10015, 'gone', 'make a new one'],
    [401, 50027, 'auth', 'copy the webhook’s URL again'],
    [404, 10003, 'gone', 'deleted'],
    [403, 50013, 'auth', 'may not post'],
    [403, 40333, 'auth', 'Cloudflare'],
    [400, 50006, 'payload', 'empty'],
    [400, 220003, 'config', 'no forum'],
    [400, 40067, 'config', 'tag'],
    [400, 240000, 'payload', 'harmful'],
    [400, 999_999, 'payload', 'HTTP 400, 999999'],
  ])('%i with %i is rejected as %s: %s', async (status, code, reason, words) => {
    fake.script([refusal(status, code)]);
    expect(await tell(noticeOf('one'))).toMatchObject({
      kind: 'rejected',
      reason,
      detail: expect.stringContaining(words),
    });
    expect(fake.requests.items).toHaveLength(1);
  });

  it('names the part of the message that is not valid, and nothing of its text', async () => {
    const errors = {
      embeds: {
        0: { fields: { 3: { value: { _errors: [{ code: 'BASE_TYPE_REQUIRED', message: 'secret text' }] } } } },
      },
    };
    fake.script([{ status: 400, json: { message: 'Invalid Form Body', code: 50035, errors } }]);
    const outcome = await tell(noticeOf('one'));
    expect(outcome).toMatchObject({ detail: expect.stringContaining('embeds.0.fields.3.value BASE_TYPE_REQUIRED') });
    expect(JSON.stringify(outcome)).not.toContain('secret text');
  });

  it('says of a webhook that is gone, or of another’s, what to do', async () => {
    const at = (url: string) => discord.send(callOf(discord, { url }));
    expect(await at(fake.webhookUrl.replace('123456789012345678', '1'))).toMatchObject({ reason: 'gone' });
    expect(await at(`${fake.webhookUrl}x`)).toMatchObject({ reason: 'auth' });
  });

  it('does not take a page of Cloudflare for an answer of Discord', async () => {
    fake.script([cloudflare(403, 'error code: 1020'), cloudflare(404, 'not found')]);
    expect(await tell(noticeOf('one'))).toMatchObject({
      kind: 'rejected',
      reason: 'auth',
      detail: 'Discord answered HTTP 403',
    });
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'rejected', reason: 'gone' });
  });
});

describe('too many messages', () => {
  it.each([
    ['of the webhook: the fraction of a second counts', limited(0.349), 1_000],
    ['of the webhook without Retry-After', { ...limited(0.349), headers: {} }, 349],
    ['from this address', limited(64.57, true), 65_000],
    ['as a page of Cloudflare', { ...cloudflare(429, 'error code: 1015'), headers: { 'retry-after': '600' } }, 600_000],
    [
      'with nothing but the header of the bucket',
      { status: 429, text: '', headers: { 'x-ratelimit-reset-after': '1.5' } },
      1_500,
    ],
  ])('%s', async (_name, answer, after_ms) => {
    fake.script([answer]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'rate_limited', after_ms });
  });

  it('as a page of Cloudflare that names no time is an attempt like others', async () => {
    fake.script([cloudflare(429, 'error code: 1015')]);
    const outcome = await tell(noticeOf('one'));
    expect(outcome).toMatchObject({
      kind: 'retry',
      reason: 'rate_limited',
      detail: expect.stringContaining('Cloudflare'),
    });
    expect(outcome).not.toHaveProperty('after_ms');
  });

  it('are not sent: 30 a minute unless the integration says otherwise', () => {
    expect(discord.rate).toEqual({ count: 30, per_ms: 60_000 });
  });
});

describe('an answer that does not come whole', () => {
  it('is ambiguous when the connection is cut after the message was taken', async () => {
    fake.script([{ reset: true, accept: true }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'network', ambiguous: true });
    expect(fake.posts).toHaveLength(1);
  });

  it('is ambiguous when nothing is answered within the timeout', async () => {
    fake.script([{ hang: true, accept: true }]);
    const outcome = await tell(noticeOf('one'), undefined, {}, { signal: AbortSignal.timeout(50) });
    expect(outcome).toMatchObject({ kind: 'retry', reason: 'timeout', ambiguous: true });
  });

  it.each([
    ['hangs', 'timeout'],
    ['breaks', 'network'],
  ] as const)('is ambiguous when it %s behind its headers', async (how, reason) => {
    const halfway = await startHalfway(how);
    try {
      const url = `${halfway.url}/api/webhooks/1/token`;
      const outcome = await tell(
        noticeOf('one'),
        undefined,
        { url },
        { signal: AbortSignal.timeout(how === 'hangs' ? 50 : 5_000) },
      );
      expect(outcome).toMatchObject({ kind: 'retry', reason, ambiguous: true });
    } finally {
      await halfway.close();
    }
  });

  it('is ambiguous when it is empty or no message, and none at all when it is a page', async () => {
    fake.script([{ status: 204 }, { json: { ok: true } }, { text: '<html>Please log in' }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'server', ambiguous: true });
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'server', ambiguous: true });
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'server', ambiguous: false });
  });

  it('is not read without end', async () => {
    fake.script([{ status: 500, text: 'x'.repeat(5_000_000) }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'server', ambiguous: true });
  });
});

describe('the check', () => {
  const check = (url = fake.webhookUrl) => discord.check?.(callOf(discord, { url }));

  it('asks for the webhook and sends nothing', async () => {
    expect(await check()).toEqual({ kind: 'delivered' });
    expect(fake.requests.items.map(({ method }) => method)).toEqual(['GET']);
    expect(fake.posts).toEqual([]);
  });

  it('says what is wrong', async () => {
    expect(await check(`${fake.webhookUrl}x`)).toMatchObject({ kind: 'rejected', reason: 'auth' });
    fake.script([{ text: '<html>Please log in' }, { reset: true }]);
    expect(await check()).toMatchObject({ kind: 'retry', reason: 'server' });
    expect(await check()).toMatchObject({ kind: 'retry', reason: 'network' });
  });
});

describe('the configuration', () => {
  it.each([
    'https://discord.com/api/webhooks/123456789012345678/token-token_1',
    'https://discord.com/api/v9/webhooks/123456789012345678/token',
    'https://ptb.discord.com/api/webhooks/123456789012345678/token/',
    'http://127.0.0.1:8080/proxy/api/webhooks/1/token',
  ])('takes %s', (url) => expect(parsed({ url }).success).toBe(true));

  it.each([
    'https://discord.com/channels/1/2',
    'https://discord.com/api/webhooks/123456789012345678',
    'https://discord.com/api/webhooks/123456789012345678/token/slack',
    'https://discord.com/api/webhooks/123456789012345678/token?thread_id=1',
    'https://discord.com/api/webhooks/name/token',
  ])('refuses %s', (url) => {
    const { error } = parsed({ url });
    expect(error?.issues).toEqual([
      expect.objectContaining({ path: ['url'], message: expect.stringContaining('api/webhooks') }),
    ]);
  });

  it('asks for the id of a thread in quotes: as a number it would lose its last digits', () => {
    expect(parsed({ url: fake.webhookUrl, thread_id: Number('1150000000000000001') }).success).toBe(false);
    expect(parsed({ url: fake.webhookUrl, thread_id: '12' }).error?.issues[0]?.message).toContain('in quotes');
  });

  it('calls Discord by the name it has now', async () => {
    const urls: string[] = [];
    const fetched: typeof fetch = async (url) => {
      urls.push(String(url));
      return new Response('{"id":"1"}');
    };
    const url = 'https://discordapp.com/api/webhooks/123456789012345678/token';
    await discord.send(callOf(discord, { url }, { fetch: fetched }));
    expect(urls).toEqual([
      'https://discord.com/api/v10/webhooks/123456789012345678/token?wait=true&with_components=true',
    ]);
  });
});
