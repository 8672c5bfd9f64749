import { createHmac, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { createIntegrations } from '../../src/config/stored.ts';
import type { AnswerAction } from '../../src/core/spoken.ts';
import { createTokens } from '../../src/ledger/tokens.ts';
import { createRedactor } from '../../src/observe/redact.ts';
import { sources } from '../../src/sources/index.ts';
import { type FakeSlack, startFakeSlack } from '../support/fakes/slack.ts';
import { type FakeTelegram, startFakeTelegram } from '../support/fakes/telegram.ts';
import { one } from '../support/ledger.ts';
import { until } from '../support/until.ts';
import { type Api, startApi } from './harness.ts';

const CHAT = -1001234567890;
const SECRET = 'webhook-secret-not-a-real-one';
const AUTH = 'auth-token-not-a-real-one-000000';
const ACCOUNT = `AC${'0'.repeat(32)}`;
const PHONE = '+15551234567';
const SIGNING_SECRET = 'signing-secret-not-a-real-one';
const tokens = createTokens([randomBytes(32)]);

let api: Api;
let fake: FakeTelegram;
let slack: FakeSlack;
beforeAll(async () => {
  fake = await startFakeTelegram([{ id: CHAT }]);
  slack = await startFakeSlack();
  const config = fromText(
    `
integrations:
  chat: { type: telegram, token: '${fake.token}', chat_id: ${CHAT}, secret_token: ${SECRET}, api_url: '${fake.apiUrl}' }
  phone: { type: sms, account_sid: ${ACCOUNT}, auth_token: ${AUTH}, from: '+15005550006', to: ['${PHONE}'] }
  team: { type: slack, token: '${slack.token}', channel: '#ops', signing_secret: ${SIGNING_SECRET}, api_url: '${slack.apiUrl}' }
  deaf: { type: stdout }
people:
  ana: { telegram: '42', sms: '${PHONE}', slack: U0123ABCD }
default: { notify: [chat] }
public_url: https://alerts.example.com
`,
    'the tests',
    {},
    { channels, writers, sources },
  );
  const integrations = createIntegrations({
    file: config.integrations,
    registry: { channels, writers },
    rows: async () => [],
    redactor: createRedactor(),
  });
  // Slack is answered at its own host and nowhere else.
  const toFake: typeof fetch = (url, init) =>
    fetch(
      String(url).replace('https://hooks.slack.com', () => slack.url),
      init,
    );
  api = await startApi({ config, integrations, tokens, egress: { fetch: toFake, resolve: async (host) => host } });
});
beforeEach(() => fake.toasts.clear());
afterAll(async () => {
  await api.stop();
  await fake.close();
  await slack.close();
});

let posts = 0;
const ana = { id: 42, is_bot: false, first_name: 'Ana' };
const pressing = (token: string, from = ana) => ({
  update_id: ++posts,
  callback_query: { id: `query-${posts}`, from, chat_instance: '1', data: token },
});
const saying = (text: string, more: Record<string, unknown> = {}) => ({
  update_id: ++posts,
  message: {
    message_id: ++posts,
    date: Math.floor(api.clock.now.getTime() / 1_000),
    chat: { id: CHAT, type: 'supergroup' },
    from: ana,
    text,
    ...more,
  },
});
const post = (update: unknown, secret = SECRET) =>
  api.call('POST', '/v1/heard/chat', { body: update, headers: { 'x-telegram-bot-api-secret-token': secret } });
/** What the person who pressed was shown. */
const toast = (): Promise<string> => until('the person to be told', async () => fake.toasts.get(`query-${posts}`));
const lastMessage = () => until('an answer in the chat', async () => fake.messages.at(-1)?.text);

async function buttonOf(action: AnswerAction): Promise<{ incident: string; token: string }> {
  const incident = await api.incident();
  const { number } = await one<{ number: number }>(
    api.ledger,
    `insert into deliveries (key, incident, target, reason, status, scheduled_at) values ($1, $2, 'chat', 'group_now', 'delivered', now()) returning number`,
    [`${incident}/group_now/1/chat`, incident],
  );
  return { incident, token: tokens.sign(number, action, api.clock.now) };
}
const standing = (incident: string) =>
  one<{ status: string; answered_by: string | null }>(
    api.ledger,
    'select status, answered_by from incidents where id = $1',
    [incident],
  );

describe('a button that is pressed', () => {
  it('answers in the name of the operator, and tells the person', async () => {
    const { incident, token } = await buttonOf('ack');
    expect((await post(pressing(token))).status).toBe(200);
    expect(await standing(incident)).toEqual({ status: 'acknowledged', answered_by: 'ana' });
    expect(await toast()).toBe(`${incident} is acknowledged, by you.`);
    await post(pressing(token));
    expect(await toast()).toContain('used by ana');
  });

  it('by somebody we do not know changes nothing, and says how to be linked', async () => {
    const { incident, token } = await buttonOf('resolve');
    await post(pressing(token, { id: 43, is_bot: false, first_name: 'Eve' }));
    expect(await standing(incident)).toEqual({ status: 'open', answered_by: null });
    expect(await toast()).toContain("telegram: '43'");
  });

  it('that nobody signed changes nothing', async () => {
    const { incident, token } = await buttonOf('resolve');
    await post(pressing(`${token.slice(0, -2)}AA`));
    expect(await toast()).toContain('no button of ours');
    expect(await standing(incident)).toMatchObject({ status: 'open' });
  });
});

describe('a command that is written', () => {
  it('is obeyed once, however often it is posted', async () => {
    const incident = await api.incident();
    const update = saying(`/snooze ${incident} 2h`);
    for (let n = 0; n < 3; n++) expect((await post(update)).status).toBe(200);
    expect(await standing(incident)).toEqual({ status: 'snoozed', answered_by: 'ana' });
    const rows = await api.ledger.query(`select 1 from inbox where incident = $1 and kind = 'snooze'`, [incident]);
    expect(rows).toHaveLength(1);
  });

  it('names the incident by its number alone as well; who and status say what is asked', async () => {
    const incident = await api.incident('the queue is full');
    const number = incident.replace(/\D/g, '');
    await post(saying(`/ack ${number}`));
    expect(await standing(incident)).toMatchObject({ status: 'acknowledged' });
    await post(saying(`/who ${number}`));
    await until('the answer', async () => (await lastMessage()).includes('acknowledged by ana') || undefined);
    await post(saying('/status'));
    await until('the list', async () => (await lastMessage()).includes('the queue is full') || undefined);
  });

  it('that is not understood is answered with what would be right', async () => {
    await post(saying('/ack nothing'));
    await until('the answer', async () => (await lastMessage()).includes('name the incident') || undefined);
    await post(saying('/ack 999999'));
    await until('the answer', async () => (await lastMessage()).includes('There is no incident 999999') || undefined);
  });
});

describe('a post', () => {
  it('that its provider did not make is refused, and a guesser is slowed down', async () => {
    const { incident, token } = await buttonOf('ack');
    expect((await post(pressing(token), 'wrong-secret-not-the-one')).status).toBe(401);
    expect(await standing(incident)).toMatchObject({ status: 'open' });
  });

  it('to an integration that does not listen, or is none, needs a key like everything else', async () => {
    for (const name of ['deaf', 'nobody']) {
      expect((await api.call('POST', `/v1/heard/${name}`, { raw: '{}' })).status).toBe(401);
      const known = await api.call('POST', `/v1/heard/${name}`, { key: api.keys.operator, raw: '{}' });
      expect(known.status).toBe(404);
    }
  });

  const fromTwilio = (fields: Record<string, string>) => {
    const form: Record<string, string> = { AccountSid: ACCOUNT, ...fields };
    const signed = `https://alerts.example.com/v1/heard/phone${Object.entries(form)
      .sort()
      .map((pair) => pair.join(''))
      .join('')}`;
    return api.call('POST', '/v1/heard/phone', {
      raw: new URLSearchParams(form).toString(),
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'x-twilio-signature': createHmac('sha1', AUTH).update(signed).digest('base64'),
      },
    });
  };

  it('of Twilio is signed over the public address, and thanked for without a word', async () => {
    const incident = await api.incident();
    const reply = await fromTwilio({ MessageSid: `SM${'1'.repeat(32)}`, From: PHONE, Body: `ack ${incident}` });
    expect([reply.status, reply.text]).toEqual([204, '']);
    expect(await standing(incident)).toEqual({ status: 'acknowledged', answered_by: 'ana' });
  });

  it('of Twilio that comes again acts once', async () => {
    const incident = await api.incident();
    const reply = { MessageSid: `SM${'5'.repeat(32)}`, From: PHONE, Body: `ack ${incident}` };
    await fromTwilio(reply);
    const path = `/v1/incidents/${incident}/unack`;
    expect((await api.call('POST', path, { key: api.keys.operator, body: {} })).status).toBe(200);
    expect((await fromTwilio(reply)).status).toBe(204);
    expect(await standing(incident)).toMatchObject({ status: 'open' });
    await fromTwilio({ ...reply, MessageSid: `SM${'6'.repeat(32)}` });
    expect(await standing(incident)).toEqual({ status: 'acknowledged', answered_by: 'ana' });
  });

  it('that says what became of a message is kept with the delivery, with the reason where it did not arrive', async () => {
    const incident = await api.incident();
    const sent = async (sid: string) => {
      const { number } = await one<{ number: number }>(
        api.ledger,
        `insert into deliveries (key, incident, target, channel, reason, status, receipt, ref, scheduled_at)
         values ($1, $2, 'phone', 'sms', 'group_now', 'delivered', 'awaited', $3::jsonb, now()) returning number`,
        [`${incident}/${sid}`, incident, JSON.stringify({ messages: [{ to: PHONE, sid }] })],
      );
      return async () =>
        (await api.call('GET', `/v1/deliveries/${number}`, { key: api.keys.operator })).body as Record<string, unknown>;
    };
    const [arrived, lost] = [`SM${'2'.repeat(32)}`, `SM${'3'.repeat(32)}`];
    const [first, second] = [await sent(arrived), await sent(lost)];
    expect(await first()).toMatchObject({ status: 'sent' });
    await fromTwilio({ MessageSid: arrived, MessageStatus: 'delivered' });
    await fromTwilio({ MessageSid: lost, MessageStatus: 'undelivered', ErrorCode: '30003' });
    expect(await first()).toMatchObject({ status: 'delivered' });
    expect(await second()).toMatchObject({
      status: 'dead',
      failure: 'not_arrived',
      detail: expect.stringContaining('30003'),
    });
    expect((await fromTwilio({ MessageSid: `SM${'4'.repeat(32)}`, MessageStatus: 'delivered' })).status).toBe(204);
  });
});

describe('Slack', () => {
  const seconds = (ago = 0) => String(Math.floor(api.clock.now.getTime() / 1_000) - ago);
  const signatureOf = (raw: string, at: string, secret = SIGNING_SECRET) =>
    `v0=${createHmac('sha256', secret).update(`v0:${at}:${raw}`).digest('hex')}`;
  const FORM = 'application/x-www-form-urlencoded';
  /** As Slack posts it; `raw` is signed, and `sent` what arrives. */
  const fromSlack = (raw: string, { at = seconds(), secret = SIGNING_SECRET, sent = raw, type = FORM } = {}) =>
    api.call('POST', '/v1/heard/team', {
      raw: sent,
      headers: {
        'content-type': type,
        'x-slack-request-timestamp': at,
        'x-slack-signature': signatureOf(raw, at, secret),
      },
    });

  let asked = 0;
  const responseUrl = () => `https://hooks.slack.com/actions/T000000001/${++asked}/abc`;
  /** What Slack posts for a press, the parts that nobody here reads among it. */
  const pressing = (value: string, id = 'U0123ABCD') => {
    const payload = {
      type: 'block_actions',
      user: { id, username: 'ana.kim', name: 'ana.kim', team_id: 'T000000001' },
      api_app_id: 'A000000001',
      token: 'an-old-verification-token',
      container: { type: 'message', message_ts: '1768487522.001000', channel_id: 'C000000001', is_ephemeral: false },
      trigger_id: '13345224609.738474920.8088930838d88f008e0',
      team: { id: 'T000000001', domain: 'fake' },
      enterprise: null,
      is_enterprise_install: false,
      channel: { id: 'C000000001', name: 'ops' },
      message: { type: 'message', bot_id: 'B000000001', ts: '1768487522.001000', text: '🔴 it broke' },
      response_url: responseUrl(),
      actions: [
        {
          action_id: 'tocsin_ack',
          block_id: 'q8Zt',
          type: 'button',
          style: 'primary',
          text: { type: 'plain_text', text: 'Acknowledge', emoji: true },
          value,
          action_ts: '1768487600.123456',
        },
      ],
    };
    return new URLSearchParams({ payload: JSON.stringify(payload) }).toString();
  };
  const commanding = (text: string, id = 'U0123ABCD') =>
    new URLSearchParams({
      token: 'an-old-verification-token',
      team_id: 'T000000001',
      team_domain: 'fake',
      channel_id: 'C000000001',
      channel_name: 'ops',
      user_id: id,
      user_name: 'ana.kim',
      command: '/tocsin',
      text,
      api_app_id: 'A000000001',
      is_enterprise_install: 'false',
      response_url: responseUrl(),
      trigger_id: '13345224609.738474920.8088930838d88f008e0',
    }).toString();
  /** What the person alone is told to this post. */
  async function answerTo(raw: string): Promise<string> {
    const before = slack.told.length;
    const reply = await fromSlack(raw);
    expect([reply.status, reply.text]).toEqual([200, '']);
    const told = await until('the person to be told', async () => slack.told[before]);
    expect(told).toMatchObject({ response_type: 'ephemeral', replace_original: false });
    return told.text;
  }

  it('button answers in the name of the operator, and the person alone is told', async () => {
    const { incident, token } = await buttonOf('ack');
    expect(await answerTo(pressing(token))).toBe(`${incident} is acknowledged, by you.`);
    expect(await standing(incident)).toEqual({ status: 'acknowledged', answered_by: 'ana' });
    expect(await answerTo(pressing(token))).toContain('used by ana');
  });

  it('button of somebody we do not know changes nothing, and says how to be linked', async () => {
    const { incident, token } = await buttonOf('resolve');
    expect(await answerTo(pressing(token, 'U9999ZZZZ'))).toContain("slack: 'U9999ZZZZ'");
    expect(await standing(incident)).toEqual({ status: 'open', answered_by: null });
  });

  it('command says ack, snooze, resolve, who and status', async () => {
    const incident = await api.incident('the disk is full');
    expect(await answerTo(commanding(`who ${incident}`))).toContain(`${incident} is open`);
    expect(await answerTo(commanding(`ack ${incident}`))).toBe(`${incident} is acknowledged, by you.`);
    expect(await standing(incident)).toEqual({ status: 'acknowledged', answered_by: 'ana' });
    expect(await answerTo(commanding(`who ${incident}`))).toContain('acknowledged by ana');
    expect(await answerTo(commanding('status'))).toContain('the disk is full');
    expect(await answerTo(commanding(`snooze ${incident} 2h`))).toContain('snoozed');
    expect(await standing(incident)).toEqual({ status: 'snoozed', answered_by: 'ana' });
    expect(await answerTo(commanding(`resolve ${incident}`))).toContain('resolved');
    expect(await standing(incident)).toEqual({ status: 'resolved', answered_by: 'ana' });
    expect(await answerTo(commanding('dance'))).toContain('Not understood');
    expect(await answerTo(commanding(`ack ${incident}`, 'U9999ZZZZ'))).toContain("slack: 'U9999ZZZZ'");
  });

  it('command that comes again is obeyed once', async () => {
    const incident = await api.incident();
    const raw = commanding(`snooze ${incident} 2h`);
    for (let n = 0; n < 3; n++) expect((await fromSlack(raw)).status).toBe(200);
    const rows = await api.ledger.query(`select 1 from inbox where incident = $1 and kind = 'snooze'`, [incident]);
    expect(rows).toHaveLength(1);
  });

  it('is given its word back when it asks whether the address is ours, and nobody else is', async () => {
    const asking = JSON.stringify({
      token: 'an-old-verification-token',
      challenge: '3eZbrw1aB',
      type: 'url_verification',
    });
    const reply = await fromSlack(asking, { type: 'application/json' });
    expect([reply.status, reply.text]).toEqual([200, '3eZbrw1aB']);
    expect(reply.headers.get('content-type')).toContain('text/plain');
    const guessed = await fromSlack(asking, { type: 'application/json', secret: 'a-guess' });
    expect(guessed.status).toBe(401);
    expect(guessed.text).not.toContain('3eZbrw1aB');
  });

  it.each([
    ['by another secret', (raw: string) => fromSlack(raw, { secret: 'a-guess' })],
    ['over other bytes that mean the same', (raw: string) => fromSlack(raw, { sent: raw.replaceAll('_', '%5F') })],
    ['more than five minutes ago', (raw: string) => fromSlack(raw, { at: seconds(301) })],
    ['more than five minutes ahead', (raw: string) => fromSlack(raw, { at: seconds(-301) })],
  ])('is refused when it signed %s', async (_how, posted) => {
    const { incident, token } = await buttonOf('ack');
    const told = slack.told.length;
    expect((await posted(pressing(token))).status).toBe(401);
    expect((await posted(commanding(`ack ${incident}`))).status).toBe(401);
    expect(await standing(incident)).toEqual({ status: 'open', answered_by: null });
    expect(slack.told).toHaveLength(told);
  });
});
