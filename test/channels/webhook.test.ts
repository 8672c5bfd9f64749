import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Channel } from '../../src/channels/channel.ts';
import type { tocsinBody } from '../../src/channels/webhook/tocsin.ts';
import { render, webhook as webhookChannel } from '../../src/channels/webhook.ts';
import type { Notice } from '../../src/core/notice.ts';
import { callOf } from '../support/calls.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../support/fakes/webhook-receiver.ts';
import { noticeOf, sampleAlert, sampleNotice } from '../support/notices.ts';

const webhook = webhookChannel as unknown as Channel;
const SECRET = 'whsec_c2FtcGxlLXNpZ25pbmctc2VjcmV0LW5vdC1yZWFs';

let receiver: WebhookReceiver;
beforeEach(async () => {
  receiver = await startWebhookReceiver({ secret: SECRET });
});
afterEach(() => receiver.close());

const send = (notice: Notice = noticeOf('one'), more: Record<string, unknown> = {}, now = new Date()) =>
  webhook.send(callOf(webhook, { url: receiver.url, secret: SECRET, ...more }, { notice, now }));

const parsed = (more: Record<string, unknown>) => webhook.config.safeParse({ url: 'https://example.com', ...more });

describe('a webhook', () => {
  it('is signed so that any Standard Webhooks library believes it', async () => {
    expect(await send()).toEqual({ kind: 'delivered' });
    expect(receiver.refused).toEqual([]);
    expect(receiver.hits[0]).toMatchObject({
      id: 'INC-1/group_now/b1/target',
      body: { type: 'incident.group_now', data: { incident: { id: 'INC-1' }, delivery: { attempt: 1 } } },
    });
  });

  it('takes a raw secret as well', async () => {
    const raw = await startWebhookReceiver({ secret: 'a raw secret of 24 chars' });
    try {
      await send(noticeOf('one'), { url: raw.url, secret: 'a raw secret of 24 chars' });
      expect(raw.hits).toHaveLength(1);
    } finally {
      await raw.close();
    }
  });

  it('is not believed with another secret', async () => {
    await send(noticeOf('one'), { secret: 'another secret of 24 chars' });
    expect(receiver.hits).toEqual([]);
    expect(receiver.refused).toEqual(['No matching signature found']);
  });

  it('is signed with the old secret and the new one while they are exchanged', async () => {
    const old = 'an older secret of 24 chars';
    await send(noticeOf('one'), { secret: undefined, secrets: [old, SECRET] });
    expect(receiver.hits).toHaveLength(1);
    expect(receiver.hits[0]?.headers['webhook-signature']).toMatch(/^v1,[\w+/=]{44} v1,[\w+/=]{44}$/);
    await send(noticeOf('one'), { secret: SECRET, secrets: [old] });
    await send(noticeOf('one'), { secret: SECRET, secrets: [SECRET] });
    expect(receiver.hits.map(({ headers }) => String(headers['webhook-signature']).split(' ').length)).toEqual([
      2, 2, 1,
    ]);
    expect(parsed({ secrets: ['short'] }).error?.issues[0]?.path).toEqual(['secrets', 0]);
  });

  it('has one id over all attempts, which may hold no dot', async () => {
    const notice = (attempt: number) => sampleNotice({ delivery: { key: 'INC-1/r.1/한/t', attempt } });
    await send(notice(1));
    await send(notice(2), {}, new Date(Date.now() + 60_000));
    expect(receiver.hits.map(({ id, repeated }) => [id, repeated])).toEqual([
      ['INC-1/r-1/-/t', false],
      ['INC-1/r-1/-/t', true],
    ]);
    const [first, second] = receiver.hits;
    expect(second?.headers['webhook-timestamp']).not.toBe(first?.headers['webhook-timestamp']);
  });

  it('carries trace, request and context of the alerts', async () => {
    await send();
    const alert = {
      trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
      request_id: 'req-7',
      context: { pool: 'blue', healthy: 0 },
    };
    expect(receiver.hits[0]?.body).toMatchObject({ data: { alerts: [alert] } });
  });

  it('sends the headers that were configured, and refuses those that are its own', async () => {
    await send(noticeOf('one'), { headers: { authorization: 'Bearer sample' } });
    expect(receiver.hits[0]?.headers.authorization).toBe('Bearer sample');
    const connection = [
      'Host',
      'content-length',
      'transfer-encoding',
      'Connection',
      'Keep-Alive',
      'Upgrade',
      'TE',
      'Expect',
    ];
    const between = ['X-Forwarded-For', 'x-forwarded-anything', 'Forwarded', 'Via', 'X-Real-IP', 'Proxy-Authorization'];
    for (const name of [...connection, ...between, 'Webhook-Id', 'content-type', 'a b', 'a:b', 'a\r\nb', '']) {
      expect(parsed({ headers: { [name]: 'x' } }).error?.issues[0]?.path).toEqual(['headers', name]);
    }
    for (const value of ['b\r\nx-c: d', 'b\nc', 'b\rc', 'b\0', 'é', 'x'.repeat(2_001)])
      expect([value, parsed({ headers: { 'x-a': value } }).success]).toEqual([value, false]);
  });

  it.each([['short'], ['whsec_c2hvcnQ='], ['whsec_not base64 at all, although it is long enough']])(
    'refuses the secret %j',
    (secret) => expect(parsed({ secret }).error?.issues[0]?.path).toEqual(['secret']),
  );

  it('ends for good at 410, and at a redirect', async () => {
    receiver.script([{ status: 410 }, { status: 307, headers: { location: '/elsewhere' } }]);
    expect(await send()).toMatchObject({ kind: 'rejected', reason: 'gone' });
    expect(await send()).toMatchObject({ kind: 'rejected', reason: 'config' });
    expect(receiver.requests.items).toHaveLength(2);
  });

  it('is tried again after the time the receiver names', async () => {
    receiver.script([{ status: 503, headers: { 'retry-after': '3' } }]);
    expect(await send()).toMatchObject({ kind: 'retry', reason: 'server', after_ms: 3_000 });
  });

  it('drops contexts first and alerts last where the body would be too long', () => {
    const { config } = callOf(webhook, { url: 'https://example.com' });
    const body = (notice: Notice) =>
      render(notice, config as Parameters<typeof render>[1]) as ReturnType<typeof tocsinBody>;
    const size = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
    const contexts = sampleNotice({
      alerts: Array.from({ length: 20 }, () => sampleAlert({ context: 'x'.repeat(16_000) })),
    });
    expect(size(body(contexts))).toBeLessThan(256 * 1_024);
    expect(body(contexts).data.alerts).toHaveLength(20);
    expect(body(contexts).data.alerts[0]).not.toHaveProperty('context');

    const links = Array.from({ length: 50 }, () => ({
      title: 'x'.repeat(200),
      url: `https://example.com/${'x'.repeat(400)}`,
    }));
    const long = sampleNotice({
      alerts: Array.from({ length: 20 }, () => sampleAlert({ body: 'x'.repeat(20_000), links })),
    });
    expect(size(body(long))).toBeLessThan(256 * 1_024);
    expect(body(long).data.alerts.length).toBeGreaterThan(0);
    expect(body(long).data.alerts.length).toBeLessThan(20);
  });
});
