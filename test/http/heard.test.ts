import { createHmac, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { createIntegrations } from '../../src/config/stored.ts';
import type { AnswerAction } from '../../src/core/spoken.ts';
import { createTokens } from '../../src/ledger/tokens.ts';
import { createRedactor } from '../../src/observe/redact.ts';
import { sources } from '../../src/sources/index.ts';
import { type FakeTelegram, startFakeTelegram } from '../support/fakes/telegram.ts';
import { one } from '../support/ledger.ts';
import { until } from '../support/until.ts';
import { type Api, startApi } from './harness.ts';

const CHAT = -1001234567890;
const SECRET = 'webhook-secret-not-a-real-one';
const AUTH = 'auth-token-not-a-real-one-000000';
const ACCOUNT = `AC${'0'.repeat(32)}`;
const PHONE = '+15551234567';
const tokens = createTokens([randomBytes(32)]);

let api: Api;
let fake: FakeTelegram;
beforeAll(async () => {
  fake = await startFakeTelegram([{ id: CHAT }]);
  const config = fromText(
    `
integrations:
  chat: { type: telegram, token: '${fake.token}', chat_id: ${CHAT}, secret_token: ${SECRET}, api_url: '${fake.apiUrl}' }
  phone: { type: sms, account_sid: ${ACCOUNT}, auth_token: ${AUTH}, from: '+15005550006', to: ['${PHONE}'] }
  deaf: { type: stdout }
people:
  ana: { telegram: '42', sms: '${PHONE}' }
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
  api = await startApi({ config, integrations, tokens, egress: { fetch, resolve: async (host) => host } });
});
beforeEach(() => fake.toasts.clear());
afterAll(async () => {
  await api.stop();
  await fake.close();
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
