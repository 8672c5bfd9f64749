/** Slack, both ways: buttons, mentions, channels of jobs and users, what Slack posts to us, and the check. */
import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Channel, Ears, Posted, Ref } from '../../src/channels/channel.ts';
import { slack as slackChannel } from '../../src/channels/slack.ts';
import { slackWebhook as webhookChannel } from '../../src/channels/slack-webhook.ts';
import type { Notice, NoticeAnswer } from '../../src/core/notice.ts';
import { callOf, NOW } from '../support/calls.ts';
import { type FakeSlack, type FakeSlackOptions, startFakeSlack } from '../support/fakes/slack.ts';
import { HOSTILE, noticeOf, sampleAlert, sampleNotice } from '../support/notices.ts';

const slack = slackChannel as unknown as Channel;
const slackWebhook = webhookChannel as unknown as Channel;
const ears = slack.ears as Ears<unknown>;

const SECRET = '8f742231b10e8888abcd99yyyzzz85a5';
let fake: FakeSlack;
beforeEach(async () => {
  fake = await startFakeSlack();
});
afterEach(() => fake.close());

const configOf = (more: Record<string, unknown> = {}, from = fake) => ({
  token: from.token,
  channel: '#ops',
  api_url: from.apiUrl,
  ...more,
});
const tell = (notice: Notice, more: Record<string, unknown> = {}, root?: Ref) =>
  slack.send(callOf(slack, configOf(more), { notice, ...(root ? { root } : {}) }));
const problemOf = (more: Record<string, unknown>) => slack.config.safeParse(configOf(more)).error?.issues[0];

const ANSWERS: NoticeAnswer[] = [
  { action: 'ack', label: 'Acknowledge', token: 'a.1-x', url: 'https://tocsin.example.com/a/a.1-x' },
  { action: 'snooze', label: 'Snooze 1 h', token: 's.1-x', url: 'https://tocsin.example.com/a/s.1-x' },
  { action: 'resolve', label: 'Resolve', token: 'r.1-x', url: 'https://tocsin.example.com/a/r.1-x' },
];
interface Button {
  action_id: string;
  value?: string;
  url?: string;
  style?: string;
}
const buttonsOf = (post: FakeSlack['messages'][number] | undefined): Button[] => {
  const blocks = post?.attachments.flatMap((attachment) => attachment.blocks) ?? [];
  const elements = blocks.flatMap(({ type, elements }) => (type === 'actions' ? (elements as Button[]) : []));
  return elements.filter(({ action_id }) => action_id.startsWith('tocsin_'));
};

describe('the answers of a page', () => {
  const page = sampleNotice({ answers: ANSWERS });

  it('are buttons that give the token back, where Slack may tell us of a click', async () => {
    await tell(page, { signing_secret: SECRET });
    expect(buttonsOf(fake.messages[0]).map(({ action_id, value, url }) => [action_id, value, url])).toEqual([
      ['tocsin_ack', 'a.1-x', undefined],
      ['tocsin_snooze', 's.1-x', undefined],
      ['tocsin_resolve', 'r.1-x', undefined],
    ]);
    expect(fake.messages[0]?.all).toContain('Snooze 1 h');
  });

  it('are links where nobody would hear a click, and nothing where there is no address', async () => {
    await tell(page);
    expect(buttonsOf(fake.messages[0]).map(({ url, value }) => [url, value])).toEqual(
      ANSWERS.map(({ url }) => [url, undefined]),
    );
    await tell(sampleNotice({ answers: ANSWERS.map(({ url: _, ...answer }) => answer) }));
    expect(buttonsOf(fake.messages[1])).toEqual([]);
    await slackWebhook.send(callOf(slackWebhook, { url: fake.webhookUrl() }, { notice: page }));
    expect(buttonsOf(fake.messages[2])).toHaveLength(3);
  });

  it('go from the first message once somebody has answered, and come back with an unacknowledgement', async () => {
    const outcome = await tell(page, { signing_secret: SECRET });
    const root = outcome.kind === 'delivered' ? outcome.ref : undefined;
    await tell(noticeOf('acknowledged'), { signing_secret: SECRET }, root);
    expect(fake.messages[0]).toMatchObject({ edits: 1 });
    expect(buttonsOf(fake.messages[0])).toEqual([]);
    await tell(sampleNotice({ reason: 'unacknowledged', answers: ANSWERS }), { signing_secret: SECRET }, root);
    expect(buttonsOf(fake.messages[0])).toHaveLength(3);
  });
});

describe('mentions', () => {
  const mention = ['@here', 'U0123ABCD', 'S0123ABCD'];
  const called = '<!here> <@U0123ABCD> <!subteam^S0123ABCD>';

  it('are made by a critical page, and by nothing milder or later', async () => {
    const outcome = await tell(noticeOf('one'), { mention });
    expect(fake.messages[0]?.all).toContain(called);
    const root = outcome.kind === 'delivered' ? outcome.ref : undefined;
    await tell(noticeOf('escalated'), { mention }, root);
    expect(fake.messages[1]?.all).toContain(called);
    for (const name of ['acknowledged', 'resolved', 'snoozed'] as const) await tell(noticeOf(name), { mention }, root);
    for (const name of ['firing', 'story-end'] as const) await tell(noticeOf(name), { mention });
    for (const { all } of fake.messages.slice(2)) expect(all).not.toMatch(/<[!@]/);
    expect(fake.messages[0]?.all).not.toContain('<!here>'); // edited since
  });

  it('are ids, because names call nobody', () => {
    expect(problemOf({ mention: ['@security-team'] })).toMatchObject({
      path: ['mention', 0],
      message: expect.stringContaining('names cannot be mentioned'),
    });
    expect(problemOf({ mention: ['<!channel>'] })?.path).toEqual(['mention', 0]);
  });
});

describe('the channel', () => {
  const job = (name: string, labels: Record<string, string> = {}, context?: Record<string, string>) =>
    sampleNotice({
      reason: 'story',
      story: { name, phase: 'start', ok: true },
      incident: { severity: 'info' },
      alerts: [sampleAlert({ labels, ...(context ? { context } : {}) })],
    });
  const asked = () => fake.messages.map((post) => post.asked);

  it('is that of the job, by its name or a pattern, before that of the severity', async () => {
    const more = {
      channels: { info: '#info' },
      job_channels: { collect_stock_prices: '#prices', 'reddit_*': '#reddit', '*_*_*_x': '#never' },
    };
    for (const name of ['collect_stock_prices', 'reddit_scraper_backfill', 'analyze_sentiment']) {
      await tell(job(name), more);
    }
    await tell(sampleNotice({ alerts: [sampleAlert({ labels: { job: 'reddit_scraper' } })] }), more);
    expect(asked()).toEqual(['#prices', '#reddit', '#info', '#reddit']);
  });

  it('may be asked for by an event, as far as the configuration allows it', async () => {
    const more = { label_channels: ['#jobs-*', 'C0123ABCD'] };
    expect(await tell(job('a', { slack_channel: '#jobs-night' }), more)).not.toHaveProperty('note');
    await tell(job('a', {}, { slack_channel: 'C0123ABCD' }), more);
    expect(await tell(job('a', { slack_channel: '#board-of-directors' }), more)).toMatchObject({
      kind: 'delivered',
      note: expect.stringContaining('label_channels does not allow'),
    });
    expect(await tell(job('a', { slack_channel: '#jobs-night' }))).toMatchObject({ note: expect.anything() });
    expect(asked()).toEqual(['#jobs-night', 'C0123ABCD', '#ops', '#ops']);
  });

  it('stays the same over the life of an incident: what follows is in the thread', async () => {
    const more = { job_channels: { 'nightly-*': '#nights' } };
    const outcome = await tell(job('nightly-export'), more);
    await tell(noticeOf('story-end'), more, outcome.kind === 'delivered' ? outcome.ref : undefined);
    expect(fake.messages[1]).toMatchObject({ asked: 'C000000001', thread_ts: fake.messages[0]?.ts });
  });
});

describe('the threshold of a channel', () => {
  const config = { channels: { warning: '#noise' }, job_channels: { 'nightly-*': '#nights' } };
  const thresholds = { '#noise': 'error', 'nights*': 'critical' };
  const why = (notice: Notice, more: Record<string, unknown> = { thresholds }) =>
    slack.unwanted?.(slack.config.parse(configOf({ ...config, ...more })))?.(notice);
  const of = (severity: Notice['incident']['severity'], labels: Record<string, string> = {}) =>
    sampleNotice({ incident: { severity }, alerts: [sampleAlert({ labels })] });

  it('is that of the channel the page would go to, by its name or a pattern', () => {
    expect(why(of('warning'))).toBe('warning is below the threshold error of the channel #noise');
    expect(why(of('error', { job: 'nightly-export' }))).toBe(
      'error is below the threshold critical of the channel #nights',
    );
    expect(why(of('critical', { job: 'nightly-export' }))).toBeUndefined();
    expect(why(of('info'))).toBeUndefined();
    expect(slack.unwanted?.(slack.config.parse(configOf(config)))).toBeUndefined();
  });

  it('is a severity', () => {
    expect(problemOf({ thresholds: { '#noise': 'loud' } })?.path).toEqual(['thresholds', '#noise']);
    expect(problemOf({ thresholds: { 'no channel': 'error' } })?.path).toEqual(['thresholds', 'no channel']);
  });
});

describe('a new user', () => {
  const context = { email: 'ana.kim@example.com', display_name: 'Ana Kim', user_id: 42, total_users: 1337 };
  const user = (more: Partial<Parameters<typeof sampleAlert>[0]> = {}) =>
    sampleAlert({
      type: 'user_registered',
      title: 'New user ana.kim@example.com: Ana Kim',
      severity: 'info',
      labels: { environment: 'prod' },
      body: 'Ana Kim signed in for the first time.',
      context,
      ...more,
    });
  const notice = (alerts = [user()]) =>
    sampleNotice({
      headline: alerts[0]?.title ?? '',
      lines: [],
      alerts,
      incident: { severity: 'info', title: alerts[0]?.title ?? '', alert_count: alerts.length },
    });

  it('is told in the channel of users, else in the default one, with all there is to know', async () => {
    await tell(notice(), { users_channel: 'C4444444444' });
    await tell(notice([user({ type: 'user.registered' })]));
    await tell(noticeOf('one'), { users_channel: 'C4444444444' });
    expect(fake.messages.map((post) => post.asked)).toEqual(['C4444444444', '#ops', '#ops']);
    for (const part of [
      '*Email*\nana.kim@example.com',
      '*Display name*\nAna Kim',
      '*User ID*\n42',
      '*Total users*\n1337',
      '*Environment*\nprod',
    ]) {
      expect(fake.messages[0]?.all).toContain(part);
      expect(fake.messages[1]?.all).toContain(part);
    }
    expect(fake.messages[0]?.all).not.toContain('*Trace*');
  });

  it('of several is told with the others, a line each', async () => {
    const other = user({ title: 'New user bo', context: { ...context, email: 'bo@example.com', display_name: 'Bo' } });
    await tell(notice([user(), other]));
    expect(fake.messages[0]?.all).toMatch(/• \[info\] New user bo · bo@example\.com · Bo · 42 · 1337 · prod/);
  });

  it('whose name is markup does nothing', async () => {
    await tell(notice([user({ context: { email: HOSTILE, display_name: HOSTILE } })]));
    expect(fake.messages[0]?.all).not.toMatch(/<[!@#]/);
  });
});

const signed = (raw: string, type = 'application/x-www-form-urlencoded', secret = SECRET, at = NOW): Posted => {
  const timestamp = String(Math.floor(at.getTime() / 1_000));
  const hmac = createHmac('sha256', secret).update(`v0:${timestamp}:${raw}`).digest('hex');
  return {
    raw: Buffer.from(raw),
    headers: { 'content-type': type, 'x-slack-request-timestamp': timestamp, 'x-slack-signature': `v0=${hmac}` },
    url: 'https://tocsin.example.com/v1/heard/slack-bot',
    now: NOW,
  };
};
const config = () => slack.config.parse(configOf({ signing_secret: SECRET }));
const read = (posted: Posted) => ears.read(posted, config());
const form = (fields: Record<string, string>) => signed(new URLSearchParams(fields).toString());
const RESPONSE_URL = 'https://hooks.slack.com/actions/T0/1/abc';

describe('what Slack posts', () => {
  it('is believed with the signature of the vendor’s own example', () => {
    // https://docs.slack.dev/authentication/verifying-requests-from-slack
    const raw =
      'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c';
    const posted: Posted = {
      raw: Buffer.from(raw),
      headers: {
        'x-slack-request-timestamp': '1531420618',
        'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
      },
      url: '',
      now: new Date(1_531_420_618_000),
    };
    expect(ears.refuse(posted, config())).toBeUndefined();
    expect(ears.refuse({ ...posted, raw: Buffer.from(`${raw}&x=1`) }, config())).toContain('signature is wrong');
    expect(ears.read(posted, config())).toEqual([]); // another command than ours
  });

  it('is refused with another secret, no signature, or at another time', () => {
    expect(ears.refuse(signed('a=1'), config())).toBeUndefined();
    expect(ears.refuse(signed('a=1', undefined, 'another'), config())).toContain('signature is wrong');
    for (const seconds of [-301, 301]) {
      const at = new Date(NOW.getTime() + seconds * 1_000);
      expect(ears.refuse(signed('a=1', undefined, SECRET, at), config())).toContain('five minutes');
    }
    for (const headers of [
      {},
      { 'x-slack-signature': 'v0=00' },
      { 'x-slack-request-timestamp': 'NaN', 'x-slack-signature': 'v0=00' },
    ])
      expect(ears.refuse({ ...signed('a=1'), headers }, config())).toContain('not signed');
    const short = signed('a=1');
    expect(ears.refuse({ ...short, headers: { ...short.headers, 'x-slack-signature': 'v0=é' } }, config())).toContain(
      'signature is wrong',
    );
    expect(ears.refuse(signed('a=1'), slack.config.parse(configOf()))).toContain('no signing_secret');
  });

  it('is an answer when a button of ours was pressed', () => {
    const payload = (more: object) =>
      form({
        payload: JSON.stringify({
          type: 'block_actions',
          user: { id: 'U0123ABCD', username: 'ana', name: 'ana' },
          response_url: RESPONSE_URL,
          ...more,
        }),
      });
    expect(read(payload({ actions: [{ action_id: 'tocsin_ack', value: 'a.1-x', type: 'button' }] }))).toEqual([
      {
        kind: 'answer',
        token: 'a.1-x',
        person: { id: 'U0123ABCD', name: 'ana' },
        reply: { response_url: RESPONSE_URL },
      },
    ]);
    for (const actions of [
      [{ action_id: 'link_0', type: 'button' }],
      [{ action_id: 'another', value: 'a.1-x' }],
      [{ action_id: 'tocsin_ack', value: '../../etc' }],
      [{ action_id: 'tocsin_ack', value: 'x'.repeat(61) }],
      [null, 1, 'x'],
      'none',
    ])
      expect(read(payload({ actions }))).toEqual([]);
    const click = { actions: [{ action_id: 'tocsin_ack', value: 'a.1-x' }] };
    expect(read(payload({ ...click, type: 'view_submission' }))).toEqual([]);
    expect(read(payload({ ...click, user: null }))).toEqual([]);
  });

  it('is a command, a greeting, or none of our business', () => {
    const command = {
      user_id: 'U0123ABCD',
      user_name: 'ana',
      command: '/tocsin',
      text: ' ack  INC-7 ',
      response_url: RESPONSE_URL,
    };
    expect(read(form(command))).toEqual([
      {
        kind: 'command',
        words: 'ack INC-7',
        person: { id: 'U0123ABCD', name: 'ana' },
        reply: { response_url: RESPONSE_URL },
      },
    ]);
    expect(read(form({ ...command, command: '/tocsin-staging' }))).toHaveLength(1);
    expect(read(form({ ...command, command: '/tocsinx' }))).toEqual([]);
    expect(read(form({ ssl_check: '1', token: 'x' }))).toEqual([{ kind: 'greeting', body: '' }]);
    const verification = JSON.stringify({ type: 'url_verification', challenge: '3eZbrw1a', token: 'x' });
    expect(read(signed(verification, 'application/json'))).toEqual([{ kind: 'greeting', body: '3eZbrw1a' }]);
    for (const raw of [
      '',
      'null',
      '[]',
      '{',
      '{"type":"url_verification","challenge":1}',
      'payload=%7B',
      '\u0000=%ff',
    ]) {
      expect(read(signed(raw))).toEqual([]);
      expect(read(signed(raw, 'application/json'))).toEqual([]);
    }
  });

  it('is answered to the person alone, at Slack’s address only', async () => {
    const called: string[] = [];
    const toFake: typeof fetch = (url, init) => {
      called.push(String(url));
      return fetch(String(url).replace('https://hooks.slack.com', fake.url), init);
    };
    const { notice: _, root: __, print: ___, ...call } = callOf(slack, configOf(), { fetch: toFake });
    expect(
      await ears.tell({ response_url: RESPONSE_URL }, 'INC-7 is acknowledged <!channel>\nINC-8 is open', call),
    ).toEqual({
      kind: 'delivered',
    });
    expect(fake.told).toEqual([
      {
        response_type: 'ephemeral',
        replace_original: false,
        text: 'INC-7 is acknowledged &lt;!channel&gt;\nINC-8 is open',
      },
    ]);
    for (const response_url of [
      'http://hooks.slack.com/actions/T0/1/abc',
      'https://hooks.slack.com.evil.example/actions',
      'https://hooks.slack.com@evil.example/actions',
      'https://evil@hooks.slack.com/actions',
      'https://169.254.169.254/latest/meta-data',
      'no address',
      7,
    ]) {
      expect(await ears.tell({ response_url }, 'x', call)).toMatchObject({ kind: 'rejected', reason: 'config' });
    }
    expect(called).toHaveLength(1);
    fake.script([{ status: 404, text: 'expired_url' }, { status: 500 }, { reset: true }]);
    const ends = [];
    for (let tried = 0; tried < 3; tried++) ends.push(await ears.tell({ response_url: RESPONSE_URL }, 'x', call));
    expect(ends).toMatchObject([
      { kind: 'rejected', reason: 'gone' },
      { kind: 'retry', reason: 'server' },
      { kind: 'retry', reason: 'network' },
    ]);
  });
});

describe('the check', () => {
  const checked = async (options: FakeSlackOptions, more: Record<string, unknown> = {}) => {
    const other = await startFakeSlack(options);
    try {
      const outcome = await slack.check?.(callOf(slack, configOf({ channel: 'C0123ABCD', ...more }, other)));
      expect(other.messages).toEqual([]);
      return outcome;
    } finally {
      await other.close();
    }
  };
  const scopes = ['chat:write', 'channels:read'];

  it('is good when the bot is in every channel', async () => {
    expect(await checked({ scopes }, { channels: { critical: 'C9999999' } })).toEqual({ kind: 'delivered' });
  });

  it('says what it could not ask', async () => {
    expect(await checked({})).toMatchObject({ kind: 'delivered', note: expect.stringContaining('channels:read') });
    expect(await checked({ scopes }, { channel: '#ops' })).toMatchObject({
      kind: 'delivered',
      note: expect.stringContaining('by its id only'),
    });
  });

  it('is good although lookup is on without its scopes, and names those that it lacks', async () => {
    expect(await checked({ scopes }, { lookup: true })).toMatchObject({
      kind: 'delivered',
      note: expect.stringContaining('lacks channels:history and metadata.message:read'),
    });
    expect(await checked({}, { lookup: true })).toMatchObject({
      kind: 'delivered',
      note: expect.stringMatching(/channels:read.*; lookup is on, but/),
    });
    const all = [...scopes, 'groups:history', 'metadata.message:read'];
    expect(await checked({ scopes: all }, { lookup: true })).toEqual({ kind: 'delivered' });
  });

  it.each([
    [{ scopes, absent: ['C0123ABCD'] }, 'config', 'invite it'],
    [{ scopes, archived: ['C0123ABCD'] }, 'config', 'archived'],
    [{ scopes, channels: ['#ops'] }, 'config', 'invite the bot'],
    [{ scopes: ['channels:read'] }, 'auth', 'chat:write'],
  ])('tells what to do about %j', async (options, reason, words) => {
    expect(await checked(options)).toMatchObject({
      kind: 'rejected',
      reason,
      detail: expect.stringContaining(words),
    });
  });

  it('does not need the bot in a public channel where it may write everywhere', async () => {
    expect(await checked({ scopes: [...scopes, 'chat:write.public'], absent: ['C0123ABCD'] })).toEqual({
      kind: 'delivered',
    });
  });

  it('names a wrong token, and calls an outage one', async () => {
    expect(await checked({}, { token: 'xoxb-wrong' })).toMatchObject({ kind: 'rejected', reason: 'auth' });
    fake.script([{ status: 503 }, { status: 200, text: '<html>' }, { reset: true }]);
    for (let tried = 0; tried < 3; tried++) {
      expect(await slack.check?.(callOf(slack, configOf()))).toMatchObject({ kind: 'retry' });
    }
  });
});
