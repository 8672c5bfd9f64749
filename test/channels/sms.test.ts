import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Channel, Heard, Outcome, Posted, Ref } from '../../src/channels/channel.ts';
import { segmentsOf } from '../../src/channels/sms/alphabet.ts';
import { signatureOf } from '../../src/channels/sms/ears.ts';
import { render, sms as smsChannel } from '../../src/channels/sms.ts';
import type { Notice } from '../../src/core/notice.ts';
import { startBrokenServer } from '../support/broken-answers.ts';
import { callOf, NOW } from '../support/calls.ts';
import { type FakeTwilio, startFakeTwilio, twilioError } from '../support/fakes/twilio.ts';
import { HOSTILE, noticeCases, noticeOf, sampleAlert, sampleNotice } from '../support/notices.ts';

const sms = smsChannel as unknown as Channel;
const ANA = '+15552345678';
const BO = '+15557654321';
const CHRIS = '+15550001111';

let fake: FakeTwilio;
beforeEach(async () => {
  fake = await startFakeTwilio();
});
afterEach(() => fake.close());

const configOf = (more: Record<string, unknown> = {}) => ({
  account_sid: fake.account,
  auth_token: fake.authToken,
  from: fake.number,
  to: [ANA],
  api_url: fake.apiUrl,
  ...more,
});
const tell = (notice: Notice, more?: Record<string, unknown>) => sms.send(callOf(sms, configOf(more), { notice }));
const posts = () => fake.requests.items.filter(({ method }) => method === 'POST');
const told = () => fake.messages.map(({ to }) => to);
const again = (attempt: number, notice = noticeOf('one')): Notice => ({
  ...notice,
  delivery: { ...notice.delivery, attempt },
});
const textOf = (notice: Notice, more: Record<string, unknown> = {}) =>
  render(notice, smsChannel.config.parse(configOf(more)));

const answers = [
  { action: 'ack' as const, label: 'Acknowledge', token: 'a.INC-1.8f3k2', url: 'https://tocsin.example.com/a/8f3k2' },
];

describe('a message', () => {
  it('says what happened, which incident it is, and where to look', async () => {
    expect(await tell(noticeOf('one'))).toEqual({
      kind: 'delivered',
      ref: { messages: [{ to: ANA, sid: fake.messages[0]?.sid }] },
    });
    expect(fake.messages[0]).toMatchObject({
      to: ANA,
      from: fake.number,
      messaging_service_sid: null,
      status_callback: null,
    });
    expect(fake.messages[0]?.body).toMatch(
      /^CRITICAL: API gateway answers 503\n[\s\S]*\nINC-1 #[2-9A-Z]{4}\nhttps:.*\/INC-1$/,
    );
  });

  it('goes by a messaging service, and with the address for receipts', async () => {
    const callback = 'https://tocsin.example.com/heard';
    await tell(noticeOf('one'), { from: undefined, messaging_service_sid: fake.service, status_callback: callback });
    expect(fake.messages[0]).toMatchObject({
      from: null,
      messaging_service_sid: fake.service,
      status_callback: callback,
    });
  });

  it('is sent by the API key where there is one', async () => {
    expect(await tell(noticeOf('one'), { ...fake.apiKey, auth_token: undefined })).toMatchObject({ kind: 'delivered' });
  });

  it.each(noticeCases)('of the case %s is at most two segments and names the incident', async (name) => {
    expect(await tell(noticeOf(name))).toMatchObject({ kind: 'delivered' });
    const { body, encoding, segments } = textOf(noticeOf(name));
    expect(segments).toBeLessThanOrEqual(2);
    expect(segments).toBe(segmentsOf(body, encoding));
    expect(body).toContain(noticeOf(name).incident.id.replace('/', '-'));
    expect(fake.messages[0]?.body).toBe(body);
  });

  it('asks for a reply where answers are set up and a reply can reach us', () => {
    expect(textOf(sampleNotice({ answers })).body).toContain('\nReply ACK INC-1 #');
    expect(textOf(sampleNotice()).body).not.toContain('Reply');
  });

  it('has the link to answer by where no reply can reach us', () => {
    for (const more of [{ from: 'TOCSIN' }, { ...fake.apiKey, auth_token: undefined }]) {
      const { body } = textOf(sampleNotice({ answers }), more);
      expect(body).not.toContain('Reply');
      expect(body).toMatch(/Ack: https:\/\/tocsin\.example\.com\/a\/8f3k2$/);
    }
  });

  it('keeps its end whole when it is cut, and says that it was cut', () => {
    const { body, segments } = textOf(sampleNotice({ answers, headline: 'x'.repeat(2_000) }));
    expect(body).toMatch(/^CRITICAL: x+\.\.\.\nReply ACK INC-1 #\w{4}\nhttps:\/\/tocsin/);
    expect(segments).toBe(2);
    expect(body.length).toBeGreaterThan(300);
  });

  it('leaves room for its words beside the longest links, in either alphabet', () => {
    const url = (length: number) => `https://example.com/${'x'.repeat(length - 20)}`;
    for (const headline of ['Disk full '.repeat(50), '디스크 '.repeat(50)]) {
      for (const more of [{}, { from: 'TOCSIN' }]) {
        for (let length = 30; length <= 160; length += 5) {
          const linked = answers.map((answer) => ({ ...answer, url: url(length) }));
          const incident = { id: `INC-${'9'.repeat(19)}`, url: url(length) };
          const { body, segments } = textOf(sampleNotice({ headline, answers: linked, incident }), more);
          expect(segments).toBe(2);
          expect(body).toMatch(/^CRITICAL: (Disk|디스)/);
        }
      }
    }
  });

  it('leaves out a link that would take the place of the words', () => {
    expect(textOf(sampleNotice({ incident: { url: `https://example.com/${'x'.repeat(200)}` } })).body).not.toContain(
      'https',
    );
  });
});

describe('the alphabet', () => {
  it('is the small one where signs can be replaced: quotes, dashes, accents, emoji', () => {
    const { body, encoding } = textOf(
      sampleNotice({ headline: '“Déjà vu” — naïve… 🔥 5 ≤ 6 → µs `x` ½ Łódź', lines: [], alerts: [] }),
    );
    expect(encoding).toBe('GSM-7');
    expect(body).toContain('"Déjà vu" - naive...  5 <= 6 -> us \'x\' 1/2 Lodz');
  });

  it('is the large one for letters that the small one lacks, and is cut at half the length', () => {
    const { body, encoding, segments } = textOf(
      sampleNotice({ headline: '디스크 사용량이 95%를 넘었습니다 '.repeat(20) }),
    );
    expect(encoding).toBe('UCS-2');
    expect(segments).toBe(2);
    expect(body.length).toBeLessThanOrEqual(134);
    expect(body).toMatch(/^CRITICAL: 디스크[\s\S]*…\nINC-1 #/);
  });

  it.each([
    ['a'.repeat(160), 'GSM-7', 1],
    ['a'.repeat(161), 'GSM-7', 2],
    ['a'.repeat(306), 'GSM-7', 2],
    ['a'.repeat(307), 'GSM-7', 3],
    ['{'.repeat(80), 'GSM-7', 1],
    ['{'.repeat(81), 'GSM-7', 2],
    // An escape and its sign are never parted: 76 pairs fill 152 of 153 septets.
    ['{'.repeat(152), 'GSM-7', 2],
    ['{'.repeat(153), 'GSM-7', 3],
    ['가'.repeat(70), 'UCS-2', 1],
    ['가'.repeat(71), 'UCS-2', 2],
    ['가'.repeat(134), 'UCS-2', 2],
    ['가'.repeat(135), 'UCS-2', 3],
    ['😀'.repeat(66), 'UCS-2', 2],
    ['😀'.repeat(67), 'UCS-2', 3],
  ] as const)('%s… in %s is %i segments', (text, encoding, segments) => {
    expect(segmentsOf(text, encoding)).toBe(segments);
  });

  it('holds whatever a sender may write', () => {
    for (const text of [
      HOSTILE,
      '\ud800',
      '{[~]}'.repeat(200),
      '😀'.repeat(500),
      '\u0301'.repeat(500),
      '가😀'.repeat(300),
      '',
    ]) {
      const { body, encoding, segments } = textOf(
        sampleNotice({ headline: text, lines: [text], alerts: [sampleAlert({ body: text })] }),
      );
      expect(segments).toBeLessThanOrEqual(2);
      expect(segmentsOf(body, encoding)).toBe(segments);
      expect(body.isWellFormed()).toBe(true);
      expect(body).toContain('INC-1');
    }
  });
});

describe('several numbers', () => {
  const all = { to: [ANA, BO, CHRIS] };

  it('get a message each', async () => {
    const outcome = await tell(noticeOf('one'), all);
    expect(told().sort()).toEqual([CHRIS, ANA, BO].sort());
    expect(outcome).toMatchObject({ kind: 'delivered', ref: { messages: [{ to: ANA }, { to: BO }, { to: CHRIS }] } });
    expect(outcome).not.toHaveProperty('note');
  });

  it('are told although one has opted out, which the note says without the number', async () => {
    fake.optedOut.add(BO);
    const outcome = await tell(noticeOf('one'), all);
    expect(outcome).toMatchObject({ kind: 'delivered', ref: { messages: [{ to: ANA }, { to: CHRIS }] } });
    expect(outcome).toMatchObject({ note: expect.stringMatching(/^2 of 3 numbers told; …4321: Twilio 21610: .*STOP/) });
  });

  it('are rejected when nobody takes it', async () => {
    for (const to of all.to) fake.optedOut.add(to);
    expect(await tell(noticeOf('one'), all)).toMatchObject({
      kind: 'rejected',
      reason: 'gone',
      detail: expect.stringMatching(/^0 of 3 numbers told; …5678, …4321, …1111: Twilio 21610: [^;]*; only they/),
    });
  });

  it('that have it are not told again when another one failed', async () => {
    fake.script([{ status: 503, json: { code: 20503, message: 'Service unavailable', status: 503 } }]);
    const first = await tell(noticeOf('one'), all);
    expect(first).toMatchObject({
      kind: 'retry',
      reason: 'server',
      detail: expect.stringContaining('2 of 3 numbers told'),
    });
    expect(fake.messages).toHaveLength(2);
    const second = await tell(again(2), all);
    expect(told().sort()).toEqual([...all.to].sort());
    const sids = fake.messages.map(({ to, sid }) => ({ to, sid }));
    const inOrder = all.to.map((to) => sids.find((one) => one.to === to));
    expect(second).toEqual({ kind: 'delivered', ref: { messages: inOrder } });
  });

  it('that have it are not told again when the answer of another one was lost on its way', async () => {
    fake.script([{ reset: true, accept: true }]);
    expect(await tell(noticeOf('one'), all)).toMatchObject({ kind: 'retry', reason: 'network', ambiguous: true });
    expect(fake.messages).toHaveLength(3);
    expect(await tell(again(2), all)).toMatchObject({ kind: 'delivered' });
    expect(fake.messages).toHaveLength(3);
  });

  it('are told once more for the next notice of the same incident', async () => {
    await tell(noticeOf('one'), all);
    await tell(again(2, noticeOf('escalated')), all);
    expect(fake.messages).toHaveLength(6);
  });

  it('are told again where a message failed after it was taken', async () => {
    await tell(noticeOf('one'), all);
    Object.assign(fake.messages[1] ?? {}, { status: 'undelivered' });
    await tell(again(2), all);
    expect(fake.messages).toHaveLength(4);
    expect(fake.messages[3]?.to).toBe(fake.messages[1]?.to);
  });

  it('wait for the list when Twilio does not answer, and are all told where the key may not read it', async () => {
    fake.script([{ status: 500, json: { code: 20500, message: 'x', status: 500 }, path: 'Messages.json' }]);
    expect(await tell(again(2), all)).toMatchObject({ kind: 'retry', reason: 'server' });
    expect(posts()).toEqual([]);
    fake.script([{ status: 401, json: { code: 70051, message: 'x', status: 401 }, path: 'Messages.json' }]);
    expect(await tell(again(2), all)).toMatchObject({ kind: 'delivered', note: expect.stringContaining('look') });
    expect(fake.messages).toHaveLength(3);
  });

  it('wait as long as the longest Retry-After', async () => {
    fake.script([
      {
        status: 429,
        headers: { 'retry-after': '3' },
        json: { code: 20429, message: 'Too Many Requests', status: 429 },
      },
      {
        status: 429,
        headers: { 'retry-after': '8' },
        json: { code: 20429, message: 'Too Many Requests', status: 429 },
      },
    ]);
    expect(await tell(noticeOf('one'), all)).toMatchObject({ kind: 'retry', reason: 'rate_limited', after_ms: 8_000 });
  });
});

describe('what Twilio refuses', () => {
  it.each([
    [{ auth_token: 'another-token' }, 'auth', '20003'],
    [{ from: '+15005550001' }, 'config', '21606'],
    [{ from: undefined, messaging_service_sid: `MG${'d'.repeat(32)}` }, 'config', '21701'],
    [{ account_sid: `AC${'e'.repeat(32)}` }, 'auth', '20003'],
  ])('%o: rejected as %s', async (more, reason, code) => {
    const outcome = await tell(noticeOf('one'), more);
    expect(outcome).toMatchObject({ kind: 'rejected', reason, detail: expect.stringContaining(`Twilio ${code}: `) });
    expect(JSON.stringify(outcome)).not.toContain(ANA);
  });

  it.each([
    [400, 21211, 'rejected', 'config', 'write it as +1555'],
    [400, 21610, 'rejected', 'gone', 'sending START'],
    [400, 21408, 'rejected', 'config', 'Geo permissions'],
    [400, 21608, 'rejected', 'config', 'trial'],
    [400, 21614, 'rejected', 'config', 'no mobile'],
    [400, 21617, 'rejected', 'payload', 'too long'],
    [400, 21611, 'retry', 'rate_limited', 'queue'],
    [400, 99_999, 'rejected', 'unforeseen', 'Twilio 99999'],
    [403, 99_999, 'rejected', 'auth', 'Twilio 99999'],
    [429, 20429, 'retry', 'rate_limited', 'too many requests'],
    [429, 63038, 'retry', 'rate_limited', 'of the day'],
    [500, 20500, 'retry', 'server', 'Twilio’s own'],
  ])('HTTP %i with code %i is %s (%s)', async (status, code, kind, reason, words) => {
    const { json } = twilioError(status, code, `about ${ANA} and ${fake.authToken}`);
    fake.script([{ status, json }]);
    const outcome = await tell(noticeOf('one'));
    expect(outcome).toMatchObject({ kind, reason, detail: expect.stringContaining(words) });
    expect(JSON.stringify(outcome)).not.toContain(ANA);
    expect(JSON.stringify(outcome)).not.toContain(fake.authToken);
  });

  it('reads the failure inside a 201', async () => {
    fake.script([
      { status: 201, json: { sid: `SM${'0'.repeat(32)}`, status: 'failed', error_code: 30002 } },
      { status: 201, json: { sid: `SM${'0'.repeat(32)}`, status: 'failed', error_code: 30001 } },
    ]);
    expect(await tell(noticeOf('one'))).toMatchObject({
      kind: 'rejected',
      reason: 'auth',
      detail: expect.stringContaining('suspended'),
    });
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'server' });
  });
});

describe('an answer that is lost or strange', () => {
  it('is ambiguous where the message may have been taken', async () => {
    fake.script([{ reset: true, accept: true }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'network', ambiguous: true });
    fake.script([{ status: 500, text: 'oops' }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'server', ambiguous: true });
    fake.script([{ status: 200, text: '<html>Please log in' }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'server', ambiguous: true });
    fake.script([{ status: 201, json: {} }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'server', ambiguous: true });
  });

  it('is waited for no longer than the attempt may take', async () => {
    fake.script([{ hang: true, accept: true }]);
    const outcome = await sms.send(callOf(sms, configOf(), { signal: AbortSignal.timeout(100) }));
    expect(outcome).toMatchObject({ kind: 'retry', reason: 'timeout', ambiguous: true });
  });

  it.each([
    ['silence' as const, 'timeout'],
    ['cut' as const, 'network'],
  ])('that ends in the middle of its body (%s) is ambiguous', async (then, reason) => {
    const broken = await startBrokenServer('{"sid":"SM00', then);
    try {
      const call = callOf(sms, configOf({ api_url: broken.url }), { signal: AbortSignal.timeout(300) });
      expect(await sms.send(call)).toMatchObject({ kind: 'retry', reason, ambiguous: true });
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

describe('looking a message up after a lost answer', () => {
  const find = (notice: Notice, more?: Record<string, unknown>) =>
    sms.find?.(callOf(sms, configOf(more), { notice })) as Promise<Ref | undefined>;

  it('finds what was taken, so that it is paid for once', async () => {
    fake.script([{ reset: true, accept: true }]);
    await tell(noticeOf('one'));
    expect(await find(again(2))).toEqual({ messages: [{ to: ANA, sid: fake.messages[0]?.sid }] });
  });

  it('does not take another notice of the same incident for it', async () => {
    await tell(noticeOf('one'));
    await expect(find(noticeOf('escalated'))).rejects.toThrow('lag');
  });

  it('does not claim that a message is not there which the list may show later', async () => {
    await tell(noticeOf('one'));
    fake.isLagging = true;
    await expect(find(noticeOf('one'))).rejects.toThrow('lag');
  });

  it('has found nothing as long as one of the numbers lacks it', async () => {
    await tell(noticeOf('one'));
    await expect(find(noticeOf('one'), { to: [ANA, BO] })).rejects.toThrow();
  });
});

describe('the check', () => {
  const check = (more?: Record<string, unknown>) => sms.check?.(callOf(sms, configOf(more))) as Promise<Outcome>;

  it('asks for the account and its number, and sends nothing', async () => {
    expect(await check()).toEqual({ kind: 'delivered' });
    expect(await check({ ...fake.apiKey, auth_token: undefined })).toEqual({ kind: 'delivered' });
    expect(await check({ from: 'TOCSIN' })).toEqual({ kind: 'delivered' });
    expect(await check({ from: undefined, messaging_service_sid: fake.service })).toEqual({ kind: 'delivered' });
    expect(fake.messages).toEqual([]);
  });

  it('says what is wrong', async () => {
    expect(await check({ auth_token: 'another-token' })).toMatchObject({ kind: 'rejected', reason: 'auth' });
    expect(await check({ from: '+15005550001' })).toMatchObject({
      kind: 'rejected',
      reason: 'config',
      detail: expect.stringContaining('no number of this account'),
    });
    expect(await check({ from: undefined, messaging_service_sid: `MG${'d'.repeat(32)}` })).toMatchObject({
      kind: 'rejected',
      detail: expect.stringContaining('messaging_service_sid'),
    });
    fake.script([{ json: { sid: fake.account, status: 'suspended' } }]);
    expect(await check()).toMatchObject({
      kind: 'rejected',
      reason: 'auth',
      detail: expect.stringContaining('suspended'),
    });
  });
});

describe('the ears', () => {
  const { ears } = sms;
  const URL_GIVEN = 'https://tocsin.example.com/v1/heard?of=phones';
  const SID = `SM${'1'.repeat(32)}`;
  const config = (more: Record<string, unknown> = {}) => sms.config.parse(configOf({ to: [ANA, BO], ...more }));
  const posted = (
    fields: Record<string, string>,
    more: { signature?: string; signedUrl?: string; url?: string } = {},
  ): Posted => {
    const form = new URLSearchParams({ AccountSid: fake.account, ...fields });
    const signature = more.signature ?? signatureOf(fake.authToken, more.signedUrl ?? URL_GIVEN, form);
    return {
      raw: Buffer.from(form.toString()),
      headers: { 'x-twilio-signature': signature, 'content-type': 'application/x-www-form-urlencoded' },
      url: more.url ?? URL_GIVEN,
      now: NOW,
    };
  };
  const hear = (fields: Record<string, string>): Heard[] => {
    const post = posted(fields);
    expect(ears?.refuse(post, config())).toBeUndefined();
    return ears?.read(post, config()) ?? [];
  };
  const reply = (Body: string, more: Record<string, string> = {}) =>
    hear({ MessageSid: SID, SmsStatus: 'received', From: ANA, To: fake.number, Body, ...more });

  it('know the signature of the vendor’s own example', () => {
    const form = new URLSearchParams({
      CallSid: 'CA1234567890ABCDE',
      Caller: '+14158675309',
      Digits: '1234',
      From: '+14158675309',
      To: '+18005551212',
    });
    expect(signatureOf('12345', 'https://mycompany.com/myapp.php?foo=1&bar=2', form)).toBe(
      'RSOYDt4T1cUTdK1PDd93/VVr8B8=',
    );
  });

  it('take what Twilio has signed, whatever order the fields come in, and nothing else', () => {
    const fields = { MessageSid: SID, MessageStatus: 'delivered', To: ANA };
    const refuse = (post: Posted, more?: Record<string, unknown>) => ears?.refuse(post, config(more));
    expect(refuse(posted(fields))).toBeUndefined();
    expect(refuse(posted(fields, { signature: '' }))).toContain('does not fit');
    expect(refuse(posted(fields, { signature: `${'A'.repeat(27)}=` }))).toContain('does not fit');
    expect(refuse(posted(fields, { signedUrl: 'https://elsewhere.example/' }))).toContain('does not fit');
    const changed = posted(fields);
    expect(refuse({ ...changed, raw: Buffer.from(changed.raw.toString().replace('delivered', 'failed')) })).toContain(
      'does not fit',
    );
    expect(refuse({ ...changed, raw: Buffer.from(`${changed.raw}&More=1`) })).toContain('does not fit');
    expect(refuse(posted({ ...fields, AccountSid: `AC${'9'.repeat(32)}` }))).toContain('another account');
    expect(refuse(posted(fields), { ...fake.apiKey, auth_token: undefined })).toContain('not configured');
  });

  it('take an address that was signed with its port, or without it', () => {
    const fields = { MessageSid: SID, MessageStatus: 'sent', Empty: '', Umlaut: 'Grüße 안녕 & + %' };
    for (const [url, signedUrl] of [
      ['https://tocsin.example.com/heard', 'https://tocsin.example.com:443/heard'],
      ['https://tocsin.example.com:8443/heard', 'https://tocsin.example.com/heard'],
      ['http://tocsin.example.com/heard?a=b', 'http://tocsin.example.com:80/heard?a=b'],
    ] as const) {
      expect(ears?.refuse(posted(fields, { url, signedUrl }), config())).toBeUndefined();
    }
  });

  it('count a field that comes several times once for each value', () => {
    const twice = new URLSearchParams([
      ['Media', 'b'],
      ['Media', 'a'],
      ['Media', 'b'],
    ]);
    expect(signatureOf('12345', URL_GIVEN, twice)).toBe(
      signatureOf('12345', URL_GIVEN, new URLSearchParams([['Media', 'aMediab']])),
    );
  });

  it('hear what became of a message', () => {
    const status = (MessageStatus: string, more: Record<string, string> = {}) =>
      hear({ MessageSid: SID, MessageStatus, ...more });
    expect(status('delivered')).toEqual([{ kind: 'receipt', message: SID, state: 'delivered' }]);
    expect(status('read')).toEqual([{ kind: 'receipt', message: SID, state: 'read' }]);
    expect(status('undelivered', { ErrorCode: '30003' })).toEqual([
      { kind: 'receipt', message: SID, state: 'failed', detail: 'Twilio 30003: the phone is off or out of reach' },
    ]);
    expect(status('failed', { ErrorCode: '21610' })).toMatchObject([{ detail: expect.stringContaining('STOP') }]);
    expect(status('failed')).toMatchObject([{ state: 'failed', detail: 'Twilio: failed' }]);
    for (const underway of ['accepted', 'queued', 'sending', 'sent', 'a word of tomorrow'])
      expect(status(underway)).toEqual([]);
    expect(hear({ MessageSid: '<script>', MessageStatus: 'delivered' })).toEqual([]);
  });

  it.each([
    ['ACK INC-7', 'ack INC-7'],
    ['ack 7', 'ack 7'],
    [' Ack inc-7 #K3F9 ', 'ack inc-7'],
    ['snooze 7 1h', 'snooze 7 1h'],
  ])('hear %j as a command of the person who has that number', (text, words) => {
    expect(reply(text)).toEqual([
      { kind: 'command', words, person: { id: ANA, name: '…5678' }, reply: { to: ANA, message: SID } },
    ]);
  });

  it.each(['STOP', 'stop', 'Unsubscribe', 'END', 'quit', 'REVOKE', 'optout', 'START', 'yes', 'HELP'])(
    'leave %s to Twilio',
    (text) => {
      expect(reply(text)).toEqual([]);
    },
  );

  it('leave to Twilio what its own list of words has answered', () => {
    expect(reply('ack 7', { OptOutType: 'HELP' })).toEqual([]);
  });

  it('hear nothing in a conversation, and nothing from strangers', () => {
    expect(reply('I am driving, will ack later')).toEqual([]);
    expect(reply('')).toEqual([]);
    expect(reply('ack 7', { From: CHRIS })).toEqual([]);
  });

  it('tell the person in a message of their own', async () => {
    const outcome = await ears?.tell({ to: ANA, message: SID }, 'INC-7 is acknowledged', callOf(sms, configOf()));
    expect(outcome).toEqual({ kind: 'delivered', ref: { messages: [{ to: ANA, sid: fake.messages[0]?.sid }] } });
    expect(fake.messages).toMatchObject([{ to: ANA, from: fake.number, body: 'INC-7 is acknowledged' }]);
    fake.optedOut.add(ANA);
    expect(await ears?.tell({ to: ANA }, 'x', callOf(sms, configOf()))).toMatchObject({
      kind: 'rejected',
      reason: 'gone',
    });
    expect(await ears?.tell({}, 'x', callOf(sms, configOf()))).toMatchObject({ kind: 'rejected' });
  });
});

describe('the configuration', () => {
  const paths = (more: Record<string, unknown>) =>
    sms.config.safeParse(configOf(more)).error?.issues.map(({ path }) => path.join('.')) ?? [];

  it.each([
    [{ to: ['5551234567'] }, 'to.0'],
    [{ to: [] }, 'to'],
    [{ to: [ANA, ANA] }, 'to'],
    [{ from: 'A name that is too long' }, 'from'],
    [{ from: undefined }, 'from'],
    [{ messaging_service_sid: `MG${'c'.repeat(32)}` }, 'from'],
    [{ auth_token: undefined }, 'auth_token'],
    [{ api_key_sid: `SK${'b'.repeat(32)}` }, 'api_key_sid'],
    [{ account_sid: 'AC/../..' }, 'account_sid'],
  ])('%o is refused by name', (more, path) => {
    expect(paths(more)).toEqual([path]);
  });

  it.each(['+15005550006', '12345', 'TOCSIN', 'Ops 24-7'])('%s may be a sender', (from) => {
    expect(paths({ from })).toEqual([]);
  });
});
