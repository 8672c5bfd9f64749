import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Channel, Outcome, Ref } from '../../src/channels/channel.ts';
import { slack as slackChannel } from '../../src/channels/slack.ts';
import { slackWebhook as webhookChannel } from '../../src/channels/slack-webhook.ts';
import { type Notice, REASONS } from '../../src/core/notice.ts';
import { callOf } from '../support/calls.ts';
import { type FakeSlack, startFakeSlack } from '../support/fakes/slack.ts';
import { noticeOf, sampleNotice } from '../support/notices.ts';

const slack = slackChannel as unknown as Channel;
const slackWebhook = webhookChannel as unknown as Channel;

let fake: FakeSlack;
const CHANNELS = ['#ops', '#critical', 'C0123ABCD', 'C0456EFGH'];
beforeEach(async () => {
  fake = await startFakeSlack({ channels: CHANNELS });
});
afterEach(() => fake.close());

const configOf = (more: Record<string, unknown> = {}) => ({
  token: fake.token,
  channel: '#ops',
  api_url: fake.apiUrl,
  ...more,
});
const tell = (notice: Notice, root?: Ref, more?: Record<string, unknown>, pages?: Ref[]) =>
  slack.send(callOf(slack, configOf(more), { notice, ...(root ? { root } : {}), ...(pages ? { pages } : {}) }));

/** The first message of an incident, and its ref. */
const begin = (notice = noticeOf('one'), more?: Record<string, unknown>) => refOf(tell(notice, undefined, more));

async function refOf(sending: Promise<Outcome>): Promise<Ref> {
  const outcome = await sending;
  if (outcome.kind !== 'delivered' || !outcome.ref) throw new Error(`not delivered: ${JSON.stringify(outcome)}`);
  return outcome.ref;
}
const paths = () => fake.requests.items.map(({ path }) => path.replace('/api/', ''));

describe('the first message', () => {
  it('is posted to the channel by name, and its ref has the id that Slack answered', async () => {
    const ref = await begin();
    expect(ref).toEqual({ channel: 'C000000001', ts: fake.messages[0]?.ts, asked: '#ops' });
    expect(fake.messages[0]).toMatchObject({
      asked: '#ops',
      metadata: { event_payload: { delivery_id: 'INC-1/group_now/b1/target' } },
    });
  });

  it('shows severity, state, type, source, incident and the links', async () => {
    await begin();
    const { all, attachments } = fake.messages[0] as (typeof fake.messages)[number];
    for (const part of [
      '🔴',
      'critical (P0)',
      'open',
      'availability',
      'sentinel',
      'INC-1',
      '2026-01-15 14:32:00 UTC',
    ]) {
      expect(all).toContain(part);
    }
    expect(all).toContain('https://grafana.example.com/d/gateway');
    expect(all).toContain('https://prometheus.example.com/graph');
    expect(attachments[0]?.color).toBe('#d72b3f');
  });

  it('goes to the channel of its severity where there is one', async () => {
    await begin(noticeOf('one'), { channels: { critical: '#critical' } });
    await begin(noticeOf('firing'), { channels: { critical: '#critical' } });
    expect(fake.messages.map(({ asked }) => asked)).toEqual(['#critical', '#ops']);
  });

  it('lists the first alerts of many and counts the rest', async () => {
    await begin(noticeOf('many'));
    expect(fake.messages[0]?.all).toContain('Disk full on web-20');
    expect(fake.messages[0]?.all).toContain('… and 480 more');
  });
});

describe('what follows', () => {
  it('is a reply in the thread; an acknowledgement also changes the first message', async () => {
    const root = await begin();
    expect(await tell(noticeOf('acknowledged'), root)).toMatchObject({ kind: 'delivered' });
    const [first, reply] = fake.messages;
    expect(reply).toMatchObject({ thread_ts: first?.ts, reply_broadcast: false });
    expect(reply?.all).toContain('Acknowledged by ana');
    expect(first).toMatchObject({ edits: 1, attachments: [{ color: '#8a8f98' }] });
    expect(first?.all).toContain('👀 API gateway answers 503');
  });

  it('is shown in the channel as well when it pages again', async () => {
    const root = await begin();
    await tell(sampleNotice({ reason: 'repeat_interval' }), root);
    expect(fake.messages[1]).toMatchObject({ thread_ts: root.ts, reply_broadcast: true });
    expect(fake.messages[0]?.edits).toBe(0);
  });

  it.each(['escalated', 'escalated_by_hand'] as const)(
    'that is %s pages in the thread and the channel, and the first message says to which level it went',
    async (reason) => {
      const root = await begin();
      await tell({ ...noticeOf('escalated'), reason }, root);
      const [first, page] = fake.messages;
      expect(page).toMatchObject({ thread_ts: root.ts, reply_broadcast: true });
      expect(first).toMatchObject({ edits: 1, ts: root.ts, attachments: [{ color: '#d72b3f' }] });
      for (const part of ['🔴 API gateway answers 503', 'Nobody answered: level 2', '*Level*\n2', REASONS[reason]])
        expect(first?.all).toContain(part);
    },
  );

  it('shows the first message open again when it has fired again', async () => {
    const root = await begin();
    await tell(noticeOf('resolved'), root);
    await tell(sampleNotice({ reason: 'fired_again' }), root);
    expect(fake.messages[0]).toMatchObject({ edits: 2, attachments: [{ color: '#d72b3f' }] });
  });

  it('changes the later pages as well once somebody has answered, and asks in them again when nobody has it', async () => {
    const more = { signing_secret: 'a-signing-secret' };
    const answers = [{ action: 'ack' as const, label: 'Acknowledge', token: 'a.1-x' }];
    const root = await begin(sampleNotice({ answers }), more);
    const page = await refOf(tell({ ...noticeOf('escalated'), answers }, root, more));
    await tell(sampleNotice({ reason: 'repeat_interval', answers }), root, more, [page]);
    expect(fake.messages[1]?.edits).toBe(0);
    await tell(noticeOf('acknowledged'), root, more, [page]);
    expect(fake.messages[1]).toMatchObject({ ts: page.ts, edits: 1, attachments: [{ color: '#8a8f98' }] });
    expect(fake.messages[1]?.all).toContain('Acknowledged by ana');
    expect(JSON.stringify(fake.messages[1])).not.toContain('a.1-x');
    await tell(sampleNotice({ reason: 'unacknowledged', answers }), root, more, [page]);
    expect(JSON.stringify(fake.messages[1])).toContain('a.1-x');
    await tell(noticeOf('resolved'), root, { ...more, update_root: false }, [page]);
    expect(fake.messages[1]?.edits).toBe(2);
  });

  it('leaves the first message alone when told to', async () => {
    const root = await begin();
    await tell(noticeOf('resolved'), root, { update_root: false });
    expect(fake.messages[0]?.edits).toBe(0);
  });

  it('is delivered even if the first message cannot be edited', async () => {
    const root = await begin();
    fake.script([{ path: 'chat.update', json: { ok: false, error: 'cant_update_message' } }]);
    expect(await tell(noticeOf('resolved'), root)).toMatchObject({
      kind: 'delivered',
      note: expect.stringMatching(/^an earlier message was not changed .*cant_update_message/),
    });
    expect(fake.messages).toHaveLength(2);
  });

  it('stands on its own when the thread was deleted', async () => {
    await begin();
    expect(await tell(noticeOf('escalated'), { channel: 'C000000001', ts: '1.1', asked: '#ops' })).toMatchObject({
      kind: 'delivered',
    });
    expect(fake.messages[1]).not.toHaveProperty('thread_ts');
  });

  it('moves to the channel of the new severity, and still edits the first message', async () => {
    const channels = { critical: '#critical' };
    const root = await begin(sampleNotice({ incident: { severity: 'warning' } }), { channels });
    await tell(sampleNotice({ reason: 'severity_rose' }), root, { channels });
    expect(fake.messages.map(({ asked }) => asked)).toEqual(['#ops', '#critical']);
    expect(fake.messages[0]).toMatchObject({ edits: 1, attachments: [{ color: '#d72b3f' }] });
  });

  it('tells the end of a story with its length and counts, and closes the first message', async () => {
    const started = sampleNotice({
      reason: 'story',
      headline: 'nightly-export started',
      story: { name: 'nightly-export', phase: 'start', ok: true },
      incident: { severity: 'info', title: 'nightly-export' },
    });
    const root = await begin(started);
    await tell(noticeOf('story-end'), root);
    const [first, end] = fake.messages;
    expect(end?.thread_ts).toBe(first?.ts);
    for (const part of ['12 min 34 s', '*rows*\n12000', '*failed*\n0']) expect(end?.all).toContain(part);
    expect(first).toMatchObject({ edits: 1, attachments: [{ color: '#2eb67d' }] });
  });
});

describe('what Slack refuses', () => {
  it.each([
    ['invalid_auth', 'rejected', 'auth'],
    ['token_revoked', 'rejected', 'auth'],
    ['missing_scope', 'rejected', 'auth'],
    ['not_in_channel', 'rejected', 'config'],
    ['is_archived', 'rejected', 'config'],
    ['msg_blocks_too_long', 'rejected', 'payload'],
    ['a_word_of_tomorrow', 'rejected', 'unforeseen'],
    ['ratelimited', 'retry', 'rate_limited'],
    ['service_unavailable', 'retry', 'server'],
    ['fatal_error', 'retry', 'server'],
  ])('%s is %s (%s)', async (error, kind, reason) => {
    fake.script([{ json: { ok: false, error } }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind, reason, detail: expect.stringContaining(error) });
  });

  it('says what to do about a channel that is not there', async () => {
    expect(await tell(noticeOf('one'), undefined, { channel: '#nowhere' })).toMatchObject({
      kind: 'rejected',
      reason: 'config',
      detail: expect.stringContaining('invite the bot'),
    });
  });

  it('says how to be let into a channel; with chat:write.public nobody has to', async () => {
    const inside = async (...scopes: string[]) => {
      await fake.close();
      fake = await startFakeSlack({ absent: ['C0123ABCD'], scopes: ['chat:write', ...scopes] });
      return tell(noticeOf('one'), undefined, { channel: 'C0123ABCD' });
    };
    expect(await inside()).toMatchObject({
      kind: 'rejected',
      reason: 'config',
      detail: expect.stringMatching(/invite it, .*chat:write\.public/),
    });
    expect(await inside('chat:write.public')).toMatchObject({ kind: 'delivered' });
  });

  it('asks once: retries are Temporal’s', async () => {
    fake.script([{ status: 500 }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', ambiguous: true });
    expect(fake.requests.items).toHaveLength(1);
  });

  it('calls an answer lost on its way ambiguous', async () => {
    fake.script([{ reset: true, accept: true }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'network', ambiguous: true });
    expect(fake.messages).toHaveLength(1);
  });
});

describe('looking a message up after a lost answer', () => {
  const mayLook = async (...scopes: string[]) => {
    await fake.close();
    fake = await startFakeSlack({ channels: CHANNELS, scopes: ['chat:write', ...scopes] });
  };
  beforeEach(() => mayLook('channels:history', 'metadata.message:read'));
  const find = (notice: Notice, root?: Ref, more: Record<string, unknown> = { lookup: true, channel: 'C0123ABCD' }) =>
    slack.find?.(callOf(slack, configOf(more), { notice, ...(root ? { root } : {}) }));
  const inChannel = { channel: 'C0123ABCD' };

  it('finds the first message in the channel and a reply in its thread', async () => {
    const root = await begin(noticeOf('one'), inChannel);
    expect(await find(noticeOf('one'))).toMatchObject({ ts: root.ts });
    await tell(noticeOf('escalated'), root, inChannel);
    expect(await find(noticeOf('escalated'), root)).toMatchObject({ ts: fake.messages[1]?.ts });
    expect(await find(noticeOf('resolved'), root)).toBeUndefined();
  });

  it('looks in the channel that it was posted to, where that of the thread is another', async () => {
    const channels = { channels: { critical: 'C0456EFGH' } };
    const root = { channel: 'C0123ABCD', ts: '1.2', asked: 'C0123ABCD' };
    const notice = noticeOf('escalated');
    const more = { ...inChannel, ...channels, lookup: true };
    expect(await tell(notice, root, more)).toMatchObject({ kind: 'delivered' });
    const [posted] = fake.messages;
    expect(posted?.channel).toBe('C0456EFGH');
    expect(await find(notice, root, more)).toEqual({ channel: 'C0456EFGH', ts: posted?.ts, asked: 'C0456EFGH' });
  });

  it('does not call a message absent that the scopes of the token do not show', async () => {
    await mayLook('channels:history');
    await begin(noticeOf('one'), inChannel);
    await expect(find(noticeOf('one'))).rejects.toThrow('metadata.message:read');
    await mayLook();
    await begin(noticeOf('one'), inChannel);
    await expect(find(noticeOf('one'))).rejects.toThrow('missing_scope');
  });

  it('does not claim to know what it did not ask', async () => {
    await expect(find(noticeOf('one'), undefined, {})).rejects.toThrow('lookup is off');
    await expect(find(noticeOf('one'), undefined, { lookup: true })).rejects.toThrow('channel id');
    expect(paths()).toEqual([]);
  });
});

describe('an incoming webhook', () => {
  const post = (notice: Notice, more: Record<string, unknown> = {}) =>
    slackWebhook.send(callOf(slackWebhook, { url: fake.webhookUrl(), ...more }, { notice }));

  it('gets the address of its severity, the default one where there is none', async () => {
    const urls = { critical: fake.webhookUrl('critical') };
    await post(noticeOf('one'), { urls });
    await post(noticeOf('firing'), { urls });
    expect(fake.messages.map(({ channel }) => channel.split('/').at(-1))).toEqual(['critical', 'default']);
  });

  it.each([
    [404, 'no_service', 'gone'],
    [403, 'invalid_token', 'auth'],
    [400, 'invalid_blocks', 'payload'],
    [410, 'channel_is_archived', 'gone'],
  ])('that answers %i %s is rejected as %s', async (status, text, reason) => {
    fake.script([{ status, text }]);
    expect(await post(noticeOf('one'))).toMatchObject({ kind: 'rejected', reason });
  });

  it('that answers 200 with something else has not taken the message', async () => {
    fake.script([{ status: 200, text: '<html>Please log in' }]);
    expect(await post(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'server' });
  });

  it('that answers without end is not read to it', async () => {
    fake.script([{ status: 500, text: 'x'.repeat(5_000_000) }]);
    expect(await post(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'server' });
  });
});
