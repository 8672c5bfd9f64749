import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Channel, Heard, Outcome, Posted, Ref } from '../../src/channels/channel.ts';
import { telegram as telegramChannel } from '../../src/channels/telegram.ts';
import type { Notice } from '../../src/core/notice.ts';
import { startBrokenServer } from '../support/broken-answers.ts';
import { callOf, NOW } from '../support/calls.ts';
import { type FakeChat, type FakeTelegram, flood, startFakeTelegram } from '../support/fakes/telegram.ts';
import { HOSTILE, noticeCases, noticeOf, sampleAlert, sampleNotice } from '../support/notices.ts';

const telegram = telegramChannel as unknown as Channel;
const CHAT = -1001234567890;
const SECRET = 'webhook-secret-not-a-real-one';

let chats: FakeChat[];
let fake: FakeTelegram;
beforeEach(async () => {
  chats = [{ id: CHAT }];
  fake = await startFakeTelegram(chats);
});
afterEach(() => fake.close());

const configOf = (more: Record<string, unknown> = {}) => ({
  token: fake.token,
  chat_id: CHAT,
  api_url: fake.apiUrl,
  ...more,
});
const tell = (notice: Notice, root?: Ref, more?: Record<string, unknown>, pages?: Ref[]) =>
  telegram.send(callOf(telegram, configOf(more), { notice, ...(root ? { root } : {}), ...(pages ? { pages } : {}) }));
const methods = () => fake.requests.items.map(({ path }) => path.split('/').at(-1));

/** The first message of an incident, and its ref. */
async function begin(notice = noticeOf('one'), more?: Record<string, unknown>): Promise<Ref> {
  const outcome = await tell(notice, undefined, more);
  if (outcome.kind !== 'delivered' || !outcome.ref) throw new Error(`not delivered: ${JSON.stringify(outcome)}`);
  return outcome.ref;
}

const answers = [
  { action: 'ack' as const, label: 'Acknowledge', token: 'a.INC-1.8f3k2', url: 'https://tocsin.example.com/a/8f3k2' },
  { action: 'snooze' as const, label: 'Snooze 1 h', token: 's.INC-1.8f3k2' },
];

const refusal = (description: string, path = 'sendMessage') => ({
  ...{ status: 400, path },
  json: { ok: false, error_code: 400, description },
});
/** What every notice of notices.ts leads to. */
const LINKS = [
  { text: 'Open incident', url: 'https://tocsin.example.com/incidents/INC-1' },
  { text: 'Grafana', url: 'https://grafana.example.com/d/gateway' },
  { text: 'Prometheus', url: 'https://prometheus.example.com/graph' },
];

describe('the first message', () => {
  it('says what has happened, and its ref leads back to it', async () => {
    const ref = await begin();
    expect(ref).toEqual({ chat_id: CHAT, message_id: 101, asked: String(CHAT) });
    const [message] = fake.messages;
    for (const part of [
      '🔴 CRITICAL: API gateway answers 503',
      'critical (P0)',
      'sentinel',
      'INC-1',
      'Every request',
    ]) {
      expect(message?.text).toContain(part);
    }
    expect(message?.buttons).toEqual(LINKS);
    expect(message).toMatchObject({ html: true, silent: false });
  });

  it('shows no preview of its links', async () => {
    await begin();
    expect(JSON.parse(String(fake.requests.items[0]?.raw))).toMatchObject({
      link_preview_options: { is_disabled: true },
    });
  });

  it('goes to the topic of a group that has topics', async () => {
    chats.push({ id: -1002, topics: [7] });
    await begin(noticeOf('one'), { chat_id: '-1002', message_thread_id: 7 });
    expect(fake.messages[0]).toMatchObject({ chat: -1002, topic: 7 });
  });

  it('goes to a public channel by its name', async () => {
    chats.push({ id: -1003, username: 'tocsin_alerts' });
    expect(await begin(noticeOf('one'), { chat_id: '@tocsin_alerts' })).toMatchObject({
      chat_id: -1003,
      asked: '@tocsin_alerts',
    });
  });

  it.each(noticeCases)(
    'of the case %s is taken by a Telegram that checks markup, lengths and the schema',
    async (name) => {
      expect(await tell(noticeOf(name))).toMatchObject({ kind: 'delivered' });
      expect(fake.messages).toHaveLength(1);
      expect(fake.messages[0]?.html).toBe(true);
    },
  );

  it('calls nobody whose name is in an alert, and leaves addresses of mail whole', async () => {
    await begin(
      sampleNotice({
        headline: '@everyone look, (@admin_1), x.@admin_2, @@admin_3 or ops@example.com',
        lines: [HOSTILE],
      }),
    );
    expect(fake.messages[0]?.mentions).toEqual([]);
    expect(fake.messages[0]?.text).toContain('ops@example.com');
  });

  it('says that it was cut where there is too much to say', async () => {
    const long = Array.from({ length: 20 }, (_, n) =>
      sampleAlert({ title: `${n} ${'<&>'.repeat(200)}`, trace_id: 't'.repeat(80) }),
    );
    await begin(sampleNotice({ alerts: long, more: 480, lines: ['x'.repeat(5_000)], incident: { alert_count: 500 } }));
    const { text = '' } = fake.messages[0] ?? {};
    expect(text.length).toBeLessThanOrEqual(4_096);
    const shown = text.split('\n').filter((line) => line.startsWith('• ')).length;
    expect(shown).toBeGreaterThan(3);
    expect(text).toContain(`… and ${500 - shown} more`);
    expect(text).toContain('INC-1 · critical');
  });
});

describe('buttons', () => {
  it('give back their token when they reach us', async () => {
    await begin(sampleNotice({ answers }), { secret_token: SECRET });
    expect(fake.messages[0]?.buttons).toEqual([
      { text: 'Acknowledge', callback_data: 'a.INC-1.8f3k2' },
      { text: 'Snooze 1 h', callback_data: 's.INC-1.8f3k2' },
      ...LINKS,
    ]);
  });

  it('are links where no webhook is set up, and absent where there is no link', async () => {
    await begin(sampleNotice({ answers }));
    expect(fake.messages[0]?.buttons).toEqual([
      { text: 'Acknowledge', url: 'https://tocsin.example.com/a/8f3k2' },
      ...LINKS,
    ]);
  });

  it('have addresses that Telegram takes; the others stand in the text', async () => {
    const local = answers.map((answer) => ({ ...answer, url: 'http://localhost/a/8f3k2' }));
    const outcome = await tell(
      sampleNotice({ answers: local, links: [{ title: 'Grafana', url: 'http://grafana:3000/d/1' }] }),
    );
    expect(outcome).not.toHaveProperty('note');
    expect(fake.messages[0]?.buttons).toEqual(LINKS.slice(0, 1));
    expect(fake.messages[0]?.links).toEqual(['http://grafana:3000/d/1']);
  });

  it('are left out when Telegram refuses them all the same, and the page is sent at once with its links in the text', async () => {
    fake.script([refusal("Bad Request: inline keyboard button URL 'https://a.b' is invalid: Wrong HTTP URL")]);
    expect(await tell(noticeOf('one'))).toMatchObject({
      kind: 'delivered',
      note: 'sent without buttons, which Telegram refused',
    });
    expect(fake.messages).toMatchObject([{ buttons: [], links: LINKS.map(({ url }) => url) }]);
  });

  it('are left out of the first message too where Telegram refuses them in an edit', async () => {
    const root = await begin();
    fake.script([refusal('Bad Request: BUTTON_URL_INVALID', 'editMessageText')]);
    expect(await tell(noticeOf('resolved'), root)).not.toHaveProperty('note');
    expect(fake.messages[0]).toMatchObject({ edits: 1, buttons: [], links: LINKS.map(({ url }) => url) });
  });

  it('disappear from the first message when somebody has answered', async () => {
    const root = await begin(sampleNotice({ answers }), { secret_token: SECRET });
    await tell(noticeOf('acknowledged'), root, { secret_token: SECRET });
    expect(fake.messages[0]).toMatchObject({ edits: 1, buttons: LINKS });
  });
});

describe('what follows', () => {
  it('is a reply to the first message, without a sound, and changes it', async () => {
    const root = await begin();
    expect(await tell(noticeOf('acknowledged'), root)).toEqual({
      kind: 'delivered',
      ref: { chat_id: CHAT, message_id: 102, asked: String(CHAT) },
    });
    expect(fake.messages[1]).toMatchObject({ reply_to: root.message_id, silent: true });
    expect(fake.messages[1]?.text).toContain('👀 Acknowledged by ana');
    expect(fake.messages[0]).toMatchObject({ edits: 1 });
    expect(fake.messages[0]?.text).toContain('👀 ACKNOWLEDGED: API gateway answers 503');
    await tell(noticeOf('resolved'), root);
    expect(fake.messages[0]?.text).toContain('✅ RESOLVED: API gateway answers 503');
  });

  it('makes a sound when it pages again; the first message says how far it was escalated, and nothing of a repeat', async () => {
    const root = await begin();
    await tell(sampleNotice({ reason: 'repeat_interval' }), root);
    expect(fake.messages[1]).toMatchObject({ reply_to: root.message_id, silent: false });
    expect(fake.messages[0]?.edits).toBe(0);
    await tell(noticeOf('escalated'), root);
    expect(fake.messages[2]).toMatchObject({ reply_to: root.message_id, silent: false });
    expect(fake.messages[0]).toMatchObject({ edits: 1, text: expect.stringContaining('Nobody answered: level 2') });
  });

  it('changes the later pages as well once somebody has answered; what only informs has no button beside theirs', async () => {
    const more = { secret_token: SECRET };
    const root = await begin(sampleNotice({ answers }), more);
    const outcome = await tell({ ...noticeOf('escalated'), answers }, root, more);
    const page = outcome.kind === 'delivered' && outcome.ref ? [outcome.ref] : [];
    const resolve = [{ action: 'resolve' as const, label: 'Resolve', token: 'r.INC-1.8f3k2' }];
    await tell({ ...noticeOf('acknowledged'), answers: resolve }, root, more, page);
    const button = [{ text: 'Resolve', callback_data: 'r.INC-1.8f3k2' }];
    const presses = (buttons: object[]) => buttons.filter((one) => 'callback_data' in one);
    expect(fake.messages.map(({ edits, buttons }) => [edits, presses(buttons)])).toEqual([
      [2, button],
      [1, button],
      [0, []],
    ]);
    expect(fake.messages[1]?.text).toContain('Acknowledged by ana');
    await tell(noticeOf('resolved'), root, more, page);
    expect(fake.messages.map(({ buttons }) => presses(buttons).length)).toEqual([0, 0, 0, 0]);
    expect(fake.messages[1]?.text).toContain('✅ RESOLVED');
  });

  it('is content when the first message already says so', async () => {
    const root = await begin();
    await tell(noticeOf('resolved'), root);
    expect(await tell(noticeOf('resolved'), root)).not.toHaveProperty('note');
    expect(fake.messages[0]?.edits).toBe(1);
  });

  it('leaves the first message alone when told to', async () => {
    const root = await begin();
    await tell(noticeOf('resolved'), root, { update_root: false });
    expect(methods()).toEqual(['sendMessage', 'sendMessage']);
  });

  it('stands on its own when the first message was deleted, and says that it could not be changed', async () => {
    const root = { ...(await begin()), message_id: 7 };
    expect(await tell(noticeOf('resolved'), root)).toMatchObject({
      kind: 'delivered',
      note: 'an earlier message was not changed (Telegram: 400: the message was deleted)',
    });
    expect(fake.messages[1]).not.toHaveProperty('reply_to');
  });

  it('is not sent twice when the edit meets a flood', async () => {
    const root = await begin();
    fake.script([{ ...flood(9), path: 'editMessageText' }]);
    expect(await tell(noticeOf('resolved'), root)).toMatchObject({
      kind: 'delivered',
      note: expect.stringContaining('too many'),
    });
    expect(fake.messages).toHaveLength(2);
  });

  it('begins anew in another chat when the configuration names another', async () => {
    chats.push({ id: -1009 });
    const root = await begin();
    expect(await tell(noticeOf('escalated'), root, { chat_id: -1009 })).toMatchObject({
      ref: { chat_id: -1009, asked: '-1009' },
    });
    expect(fake.messages[1]).not.toHaveProperty('reply_to');
  });
});

describe('a group that has become a supergroup', () => {
  beforeEach(() => {
    chats.push({ id: -55 }, { id: -1005555 });
  });
  const become = () => Object.assign(chats.find(({ id }) => id === -55) ?? {}, { migrated_to: -1005555 });
  const group = { chat_id: -55 };

  it('is written to at once under its new id, which the ref keeps and a note tells', async () => {
    become();
    expect(await tell(noticeOf('one'), undefined, group)).toEqual({
      kind: 'delivered',
      ref: { chat_id: -1005555, message_id: 101, asked: '-55' },
      note: 'the group has become a supergroup: set chat_id to -1005555',
    });
    expect(methods()).toEqual(['sendMessage', 'sendMessage']);
  });

  it('is replied in by the new id from then on', async () => {
    become();
    const root = await begin(noticeOf('one'), group);
    expect(await tell(noticeOf('resolved'), root, group)).not.toHaveProperty('note');
    expect(fake.messages[1]).toMatchObject({ chat: -1005555, reply_to: root.message_id });
    expect(fake.messages[0]).toMatchObject({ edits: 1 });
  });

  it('gets no reply under a message of somebody else that has the old number', async () => {
    const root = await begin(noticeOf('one'), group);
    become();
    await tell(noticeOf('escalated'), root, group);
    expect(fake.messages[1]).toMatchObject({ chat: -1005555 });
    expect(JSON.parse(String(fake.requests.items.at(-1)?.raw))).not.toHaveProperty('reply_parameters');
  });
});

describe('what Telegram refuses', () => {
  const refuses = (words: string) => chats.push({ id: -1007, refuses: words });
  it.each([
    ['403 Forbidden: bot was blocked by the user', 'gone', 'unblock'],
    ['403 Forbidden: bot was kicked from the supergroup chat', 'gone', 'add it again'],
    ['403 Forbidden: bot is not a member of the channel chat', 'config', 'administrator'],
    ['403 Forbidden: the group chat was deleted', 'gone', 'deleted'],
    ["403 Forbidden: bot can't initiate conversation with a user", 'config', 'Start'],
    ['400 Bad Request: not enough rights to send text messages to the chat', 'auth', 'may not write'],
    ['400 Bad Request: need administrator rights in the channel chat', 'auth', 'may not write'],
    ['400 Bad Request: TOPIC_CLOSED', 'config', 'reopen'],
    ['400 Bad Request: a thing of tomorrow', 'unforeseen', 'a thing of tomorrow'],
    ['403 Forbidden: a thing of tomorrow', 'auth', 'a thing of tomorrow'],
    ['400 Bad Request: token 123456789:AAAA is odd', 'unforeseen', 'Telegram: 400'],
  ])('%s: rejected as %s, with what to do', async (words, reason, advice) => {
    refuses(words);
    const outcome = await tell(noticeOf('one'), undefined, { chat_id: -1007 });
    expect(outcome).toMatchObject({ kind: 'rejected', reason, detail: expect.stringContaining(advice) });
    expect(JSON.stringify(outcome)).not.toContain('AAAA');
  });

  it('tells a wrong token from a chat or a topic that is not there', async () => {
    const wrong = '123456789:another-token-0000000000000000';
    expect(await tell(noticeOf('one'), undefined, { token: wrong })).toMatchObject({
      kind: 'rejected',
      reason: 'auth',
    });
    expect(await tell(noticeOf('one'), undefined, { chat_id: '@nobody_there' })).toMatchObject({
      kind: 'rejected',
      reason: 'config',
      detail: expect.stringContaining('check chat_id'),
    });
    expect(await tell(noticeOf('one'), undefined, { message_thread_id: 99 })).toMatchObject({
      kind: 'rejected',
      reason: 'config',
      detail: expect.stringContaining('message_thread_id'),
    });
  });

  it('waits as long as a flood answer says in its body, or in its header', async () => {
    fake.script([flood(17)]);
    expect(await tell(noticeOf('one'))).toEqual({
      kind: 'retry',
      reason: 'rate_limited',
      detail: 'Telegram: too many messages',
      after_ms: 17_000,
    });
    fake.script([{ status: 429, headers: { 'retry-after': '4' }, text: 'slow down' }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'rate_limited', after_ms: 4_000 });
  });

  it('reads the error inside a 200', async () => {
    fake.script([
      { status: 200, json: { ok: false, error_code: 403, description: 'Forbidden: bot was blocked by the user' } },
    ]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'rejected', reason: 'gone' });
  });

  it('sends the words without markup where the markup is refused', async () => {
    fake.script([
      {
        status: 400,
        json: { ok: false, error_code: 400, description: "Bad Request: can't parse entities: Unsupported start tag" },
      },
    ]);
    expect(await tell(sampleNotice({ headline: '5 < 6 & "so"' }))).toMatchObject({
      kind: 'delivered',
      note: 'sent without markup, which Telegram refused',
    });
    expect(fake.messages[0]?.html).toBe(false);
    expect(fake.messages[0]?.text).toContain('🔴 CRITICAL: 5 < 6 & "so"');
    expect(fake.messages[0]?.text).not.toMatch(/<b>|&lt;/);
  });

  it('mends each thing once, and gives up when it is refused all the same', async () => {
    const again = {
      status: 400,
      json: { ok: false, error_code: 400, description: "Bad Request: can't parse entities" },
    };
    fake.script([again, again, again]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'rejected', reason: 'payload' });
    expect(fake.requests.items).toHaveLength(2);
  });
});

describe('an answer that is lost or strange', () => {
  it('is ambiguous where the message may have been sent', async () => {
    fake.script([{ reset: true, accept: true }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'network', ambiguous: true });
    expect(fake.messages).toHaveLength(1);
    fake.script([{ status: 502, text: '<html>Bad Gateway' }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'server', ambiguous: true });
    fake.script([{ status: 200, text: '<html>Please log in' }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'server', ambiguous: true });
    fake.script([{ status: 200, json: { ok: true, result: {} } }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'server', ambiguous: true });
  });

  it('is waited for no longer than the attempt may take', async () => {
    fake.script([{ hang: true, accept: true }]);
    const signal = AbortSignal.timeout(100);
    expect(await telegram.send(callOf(telegram, configOf(), { signal }))).toMatchObject({
      kind: 'retry',
      reason: 'timeout',
      ambiguous: true,
    });
  });

  it.each([
    ['silence' as const, 'timeout'],
    ['cut' as const, 'network'],
  ])('that ends in the middle of its body (%s) is ambiguous', async (then, reason) => {
    const broken = await startBrokenServer('{"ok":true,"resu', then);
    try {
      const call = callOf(telegram, configOf({ api_url: broken.url }), { signal: AbortSignal.timeout(300) });
      expect(await telegram.send(call)).toMatchObject({ kind: 'retry', reason, ambiguous: true });
    } finally {
      await broken.close();
    }
  });

  it('that redirects is not followed', async () => {
    fake.script([{ status: 302, headers: { location: 'https://elsewhere.example' } }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'rejected', reason: 'config' });
    expect(fake.requests.items).toHaveLength(1);
  });
});

describe('the check', () => {
  const check = (more?: Record<string, unknown>) =>
    telegram.check?.(callOf(telegram, configOf(more))) as Promise<Outcome>;

  it('asks for the bot and for the chat, and sends nothing', async () => {
    expect(await check()).toEqual({ kind: 'delivered' });
    expect(methods()).toEqual(['getMe', 'getChat']);
    expect(fake.messages).toEqual([]);
  });

  it('says which of the two is wrong', async () => {
    expect(await check({ token: '123456789:another-token-0000000000000000' })).toMatchObject({
      kind: 'rejected',
      reason: 'auth',
    });
    expect(await check({ chat_id: -404 })).toMatchObject({ kind: 'rejected', reason: 'config' });
  });

  it('notes that buttons reach nobody as long as there is no webhook', async () => {
    expect(await check({ secret_token: SECRET })).toMatchObject({
      kind: 'delivered',
      note: expect.stringContaining('setWebhook'),
    });
    fake.webhook.url = 'https://tocsin.example.com/heard';
    expect(await check({ secret_token: SECRET })).toEqual({ kind: 'delivered' });
  });
});

describe('the ears', () => {
  const { ears } = telegram;
  const posted = (
    update: unknown,
    headers: Record<string, string> = { 'x-telegram-bot-api-secret-token': SECRET },
  ): Posted => ({
    raw: Buffer.from(typeof update === 'string' ? update : JSON.stringify(update)),
    headers,
    url: 'https://tocsin.example.com/heard',
    now: NOW,
  });
  const config = (more: Record<string, unknown> = {}) =>
    telegram.config.parse(configOf({ secret_token: SECRET, ...more }));
  const refuse = (post: Posted, more?: Record<string, unknown>) => ears?.refuse(post, config(more));
  const hear = (update: unknown, more?: Record<string, unknown>): Heard[] => {
    expect(refuse(posted(update), more)).toBeUndefined();
    return ears?.read(posted(update), config(more)) ?? [];
  };
  const ana = { id: 42, is_bot: false, first_name: 'Ana', last_name: 'Kim', username: 'ana' };
  const press = {
    update_id: 9,
    callback_query: { id: 'query-1', from: ana, chat_instance: '1', data: 'a.INC-1.8f3k2' },
  };
  const seconds = NOW.getTime() / 1_000;
  const said = (text: string, more: Record<string, unknown> = {}) => ({
    update_id: 10,
    message: { message_id: 55, date: seconds - 2, chat: { id: CHAT, type: 'supergroup' }, from: ana, text, ...more },
  });

  it('take what has the secret of the webhook, and nothing else', () => {
    expect(refuse(posted(press))).toBeUndefined();
    expect(refuse(posted(press, {}))).toContain('secret_token');
    expect(refuse(posted(press, { 'x-telegram-bot-api-secret-token': `${SECRET}x` }))).toContain('secret_token');
    expect(
      ears?.refuse(posted(press, { 'x-telegram-bot-api-secret-token': '' }), telegram.config.parse(configOf())),
    ).toContain('not configured');
  });

  it('take no body that is no update', () => {
    for (const body of ['', 'null', '[]', '<html>', '{"update_id":"x"}'])
      expect(refuse(posted(body))).toContain('no update');
  });

  it('do not obey a command that was written long ago, or is dated ahead', () => {
    expect(hear(said('/ack INC-7', { date: seconds - 299 }))).toHaveLength(1);
    expect(hear(said('/ack INC-7', { date: seconds - 301 }))).toEqual([]);
    expect(hear(said('/ack INC-7', { date: seconds + 301 }))).toEqual([]);
    expect(refuse(posted(said('/ack INC-7', { date: 1 })))).toBeUndefined();
  });

  it('hear who pressed which button', () => {
    expect(hear(press)).toEqual([
      {
        kind: 'answer',
        token: 'a.INC-1.8f3k2',
        person: { id: '42', name: 'Ana Kim' },
        reply: { callback_query_id: 'query-1' },
      },
    ]);
  });

  it('hear a command, in the topic it was written in', () => {
    expect(hear(said('/ack@tocsin_bot INC-7', { message_thread_id: 7, is_topic_message: true }))).toEqual([
      {
        kind: 'command',
        words: 'ack INC-7',
        person: { id: '42', name: 'Ana Kim' },
        reply: { chat_id: CHAT, message_id: 55, update_id: 10, message_thread_id: 7 },
      },
    ]);
  });

  it('hear nothing in another chat, from a bot, from nobody, or in what is no command', () => {
    expect(hear(said('/ack 7', { chat: { id: 42, type: 'private' } }))).toEqual([]);
    expect(hear(said('/ack 7', { from: { ...ana, is_bot: true } }))).toEqual([]);
    expect(hear(said('/ack 7', { from: undefined }))).toEqual([]);
    expect(hear(said('/weather Seoul'))).toEqual([]);
    expect(hear(said('ack 7 please'))).toEqual([]);
    expect(hear({ update_id: 11, edited_message: said('/ack 7').message })).toEqual([]);
    expect(hear({ update_id: 12, callback_query: { id: 'q', from: ana, data: 'no token at all' } })).toEqual([]);
  });

  it('know a public chat by its name', () => {
    const chat = { id: -1003, username: 'Tocsin_Alerts' };
    expect(hear(said('/ack 7', { chat }), { chat_id: '@tocsin_alerts' })).toHaveLength(1);
  });

  it('name a person who has no name by the id, and let no name turn a line', () => {
    const from = { id: 43, is_bot: false, first_name: '\u202e\n' };
    expect(hear({ ...press, callback_query: { ...press.callback_query, from } })).toMatchObject([
      { person: { id: '43', name: '43' } },
    ]);
  });

  it('tell the one who pressed, and reply to the one who wrote', async () => {
    const tellIt = (reply: Ref, words: string) => ears?.tell(reply, words, callOf(telegram, configOf()));
    expect(await tellIt({ callback_query_id: 'query-1' }, `INC-1 is acknowledged ${'x'.repeat(300)}`)).toEqual({
      kind: 'delivered',
    });
    expect(fake.toasts.get('query-1')).toMatch(/^INC-1 is acknowledged x+…$/);
    expect(fake.messages).toEqual([]);
    const root = await begin();
    expect(await tellIt({ chat_id: CHAT, message_id: root.message_id ?? 0 }, '@bo was first')).toEqual({
      kind: 'delivered',
    });
    expect(fake.messages[1]).toMatchObject({ reply_to: root.message_id, mentions: [], silent: true });
  });

  it('say so where a button was pressed too long ago to be answered', async () => {
    expect(await ears?.tell({ callback_query_id: 'yesterday' }, 'INC-1', callOf(telegram, configOf()))).toMatchObject({
      kind: 'rejected',
      reason: 'gone',
    });
    expect(await ears?.tell({}, 'INC-1', callOf(telegram, configOf()))).toMatchObject({ kind: 'rejected' });
  });
});

describe('the configuration', () => {
  const paths = (more: Record<string, unknown>) =>
    telegram.config.safeParse(configOf(more)).error?.issues.map(({ path }) => path.join('.')) ?? [];

  it.each([
    [{ token: 'https://api.telegram.org/bot1:x' }, 'token'],
    [{ chat_id: 'ops' }, 'chat_id'],
    [{ chat_id: 1.5 }, 'chat_id'],
    [{ message_thread_id: 1 }, 'message_thread_id'],
    [{ secret_token: 'with spaces in it, so' }, 'secret_token'],
  ])('%o is refused by name', (more, path) => {
    expect(paths(more)).toEqual([path]);
  });

  it('lets no part of the token but the token itself into the address', () => {
    expect(paths({ token: '123456789:aaaaaaaaaaaaaaaaaaaaaaaa/../getMe?' })).toEqual(['token']);
  });
});
