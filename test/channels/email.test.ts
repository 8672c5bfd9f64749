import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Call, Channel, Ref } from '../../src/channels/channel.ts';
import { email as emailChannel } from '../../src/channels/email.ts';
import type { Notice } from '../../src/core/notice.ts';
import { callOf } from '../support/calls.ts';
import { type FakeSmtp, type FakeSmtpOptions, startFakeSmtp } from '../support/fakes/smtp.ts';
import { noticeOf, sampleNotice } from '../support/notices.ts';

const email = emailChannel as unknown as Channel;
const fakes: FakeSmtp[] = [];
const start = async (options?: FakeSmtpOptions) => {
  const fake = await startFakeSmtp(options);
  fakes.push(fake);
  return fake;
};
afterEach(async () => {
  await Promise.all(fakes.splice(0).map((fake) => fake.close()));
});

const configOf = ({ host, port }: { host: string; port: number }, more: Record<string, unknown> = {}) => ({
  host,
  port,
  tls: 'none',
  from: 'alerts@example.com',
  from_name: 'Tocsin, the bell',
  to: ['ops@example.com', 'oncall@example.com'],
  ...more,
});
const send = (
  fake: FakeSmtp,
  notice: Notice,
  more: Record<string, unknown> = {},
  overrides: Partial<Omit<Call<Record<string, unknown>>, 'config'>> = {},
) => email.send(callOf(email, configOf(fake, more), { notice, ...overrides }));

describe('one mail', () => {
  it('goes to everybody at once, in text and HTML, urgent for a critical incident', async () => {
    const fake = await start();
    expect(await send(fake, noticeOf('one'), { cc: ['audit@example.com'] })).toEqual({
      kind: 'delivered',
      ref: {
        message_id: '<INC-1.1768487520000@example.com>',
        subject: '[CRITICAL] API gateway answers 503 (INC-1)',
        accepted: ['ops@example.com', 'oncall@example.com', 'audit@example.com'],
      },
    });
    expect(fake.refused).toEqual([]);
    expect(fake.mails).toHaveLength(1);
    const mail = fake.mails[0] as FakeSmtp['mails'][number];
    expect(mail).toMatchObject({
      from: 'alerts@example.com',
      to: ['ops@example.com', 'oncall@example.com', 'audit@example.com'],
      subject: '[CRITICAL] API gateway answers 503 (INC-1)',
    });
    expect(mail.headers).toMatchObject({
      from: '"Tocsin, the bell" <alerts@example.com>',
      'auto-submitted': 'auto-generated',
      importance: 'High',
      'x-tocsin-incident': 'INC-1',
    });
    for (const part of ['4bf92f3577b34da6a3ce929d0e0e4736', 'req-7', 'sentinel', 'POST /v1/incidents/INC-1/ack']) {
      expect(mail.text).toContain(part);
      expect(mail.html).toContain(part);
    }
    expect(mail.html).toContain('#d72b3f');
    expect(mail.html).toContain('href="https://grafana.example.com/d/gateway"');
  });

  it('is not urgent for a warning or an end', async () => {
    const fake = await start();
    await send(fake, noticeOf('firing'));
    await send(fake, noticeOf('resolved'));
    for (const { headers } of fake.mails) expect(headers).not.toHaveProperty('importance', 'High');
  });

  it('has the same Message-ID whenever its delivery is repeated', async () => {
    const fake = await start();
    await send(fake, noticeOf('escalated'));
    await send(
      fake,
      sampleNotice({ ...noticeOf('escalated'), delivery: { key: 'INC-1/escalated/2-0-0/target', attempt: 2 } }),
    );
    const [first, second] = fake.mails;
    expect(second?.messageId).toBe(first?.messageId);
  });
});

describe('the conversation of an incident', () => {
  it('answers the first mail under its subject, with an id of its own', async () => {
    const fake = await start();
    const outcome = await send(fake, noticeOf('one'));
    if (outcome.kind !== 'delivered' || !outcome.ref) throw new Error(JSON.stringify(outcome));
    const later = await send(fake, noticeOf('resolved'), {}, { root: outcome.ref });
    const [first, second] = fake.mails;
    expect(second).toMatchObject({
      subject: 'Re: [CRITICAL] API gateway answers 503 (INC-1)',
      inReplyTo: first?.messageId,
      references: [first?.messageId],
    });
    expect(second?.messageId).not.toBe(first?.messageId);
    expect(second?.text).toContain('RESOLVED: Resolved after 12 min');
    expect(later).toMatchObject({ ref: { subject: '[CRITICAL] API gateway answers 503 (INC-1)' } });
  });

  it('joins the first mail even when nobody knows whether it arrived', async () => {
    const fake = await start();
    await send(fake, noticeOf('escalated'));
    expect(fake.mails[0]).toMatchObject({ references: ['<INC-1.1768487520000@example.com>'] });
    expect(fake.mails[0]?.messageId).not.toBe('<INC-1.1768487520000@example.com>');
  });
});

describe('recipients', () => {
  it('that are refused are kept, and the others have their mail', async () => {
    const fake = await start();
    fake.script([{ rcpt: { 'oncall@example.com': 550 } }]);
    expect(await send(fake, noticeOf('one'))).toMatchObject({
      kind: 'delivered',
      ref: { accepted: ['ops@example.com'], refused: [{ address: 'oncall@example.com', code: 550 }] },
    });
    expect(fake.mails[0]?.to).toEqual(['ops@example.com']);
  });

  it('that are refused for now alone get it later, and nobody gets it twice', async () => {
    const fake = await start();
    const to = ['ops@example.com', 'oncall@example.com', 'gone@example.com'];
    const notice = (attempt: number) => sampleNotice({ delivery: { attempt } });
    fake.script([{ rcpt: { 'oncall@example.com': 450, 'gone@example.com': 550 } }, { rcpt: 450 }, { data: 451 }]);
    const first = await send(fake, notice(1), { to }, { so_far: {} });
    expect(first).toMatchObject({
      kind: 'retry',
      reason: 'server',
      detail: 'SMTP 450, 550 at RCPT TO: 1 recipient put off, the others have it',
    });
    const { ref = {} } = first as { ref?: Ref };
    // The mail of the first attempt is the root now, and the same mail all the same.
    const again = (attempt: number) => send(fake, notice(attempt), { to }, { so_far: { ref }, root: ref });
    expect(await again(2)).toMatchObject({ kind: 'retry', reason: 'server', ref: { message_id: ref.message_id } });
    expect(await again(3)).toMatchObject({ kind: 'retry', reason: 'server' });
    expect(await again(3)).toEqual({
      kind: 'delivered',
      ref: {
        ...ref,
        accepted: ['ops@example.com', 'oncall@example.com'],
        refused: [{ address: 'gone@example.com', code: 550 }],
      },
      note: '1 recipient refused (SMTP 550); the others have it',
    });
    expect(fake.mails.map((mail) => mail.to)).toEqual([['ops@example.com'], ['oncall@example.com']]);
    const [one, other] = fake.mails;
    expect([other?.messageId, other?.subject, other?.headers.to]).toEqual([
      one?.messageId,
      one?.subject,
      one?.headers.to,
    ]);
    expect(other?.references).toEqual([]);
  });

  it('that stay refused for now do not hold up for ever what the others are told', async () => {
    const fake = await start();
    const refused = [{ address: 'oncall@example.com', code: 450 }];
    const so_far = { ref: { message_id: '<INC-1.1768487520000@example.com>', subject: 's', refused } };
    fake.script([{ rcpt: 452 }]);
    expect(await send(fake, sampleNotice({ delivery: { attempt: 4 } }), {}, { so_far })).toMatchObject({
      kind: 'delivered',
      note: '1 recipient refused (SMTP 452); the others have it',
    });
  });

  it('are not tried again where nothing would remember who has it', async () => {
    const fake = await start();
    fake.script([{ rcpt: { 'oncall@example.com': 450 } }]);
    expect(await send(fake, noticeOf('one'))).toMatchObject({ kind: 'delivered', note: expect.anything() });
  });

  it.each([
    [450, 'retry', 'server'],
    [550, 'rejected', 'config'],
  ])('all refused with %i make a %s (%s)', async (rcpt, kind, reason) => {
    const fake = await start();
    fake.script([{ rcpt }]);
    expect(await send(fake, noticeOf('one'))).toMatchObject({
      kind,
      reason,
      detail: expect.stringContaining(String(rcpt)),
    });
  });

  it('all refused, one of them only for now, are tried again', async () => {
    const fake = await start();
    fake.script([{ rcpt: { 'ops@example.com': 550, 'oncall@example.com': 451 } }]);
    expect(await send(fake, noticeOf('one'))).toMatchObject({ kind: 'retry' });
  });
});

describe('the server', () => {
  it.each(['auth', 'mail', 'rcpt', 'data'] as const)(
    'is asked again at %s after a passing reply, not after a final one, and no outcome has the password',
    async (step) => {
      const account = { user: 'me', pass: 'pass-not-a-real-one' };
      const fake = await start({ auth: account });
      // The codes of RFC 5321 section 4.2.3 and RFC 4954 section 6, and some that nobody has defined.
      for (const code of [
        421, 432, 450, 451, 452, 454, 455, 499, 500, 503, 530, 534, 535, 538, 550, 552, 554, 555, 599,
      ]) {
        fake.script([{ [step]: code }]);
        const outcome = await send(fake, noticeOf('one'), account);
        expect(outcome.kind, `${code} at ${step}`).toBe(code < 500 ? 'retry' : 'rejected');
        expect(JSON.stringify(outcome)).not.toContain(account.pass);
      }
    },
  );

  it('is logged in to, and a wrong password is final', async () => {
    const fake = await start({ auth: { user: 'me', pass: 'pass-not-a-real-one' } });
    expect(await send(fake, noticeOf('one'), { user: 'me', pass: 'pass-not-a-real-one' })).toMatchObject({
      kind: 'delivered',
    });
    expect(fake.mails[0]?.user).toBe('me');
    const outcome = await send(fake, noticeOf('one'), { user: 'me', pass: 'another' });
    expect(outcome).toMatchObject({ kind: 'rejected', reason: 'auth' });
    expect(JSON.stringify(outcome)).not.toContain('another');
    expect(await send(fake, noticeOf('one'), { user: 'me' })).toMatchObject({ kind: 'rejected', reason: 'config' });
  });

  it('that offers no TLS gets nothing unless that was written down', async () => {
    const fake = await start();
    expect(await send(fake, noticeOf('one'), { tls: 'required' })).toMatchObject({
      kind: 'rejected',
      reason: 'config',
    });
    expect(fake.mails).toEqual([]);
  });

  it('whose certificate nobody trusts gets nothing', async () => {
    const fake = await start({ starttls: true });
    expect(await send(fake, noticeOf('one'), { tls: 'required' })).toMatchObject({
      kind: 'rejected',
      reason: 'config',
    });
    expect(fake.mails).toEqual([]);
  });

  it('that hangs up after taking the mail leaves it ambiguous', async () => {
    const fake = await start();
    fake.script([{ reset: true, accept: true }]);
    expect(await send(fake, noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'network', ambiguous: true });
    expect(fake.mails).toHaveLength(1);
  });

  it('that does not answer after taking the mail is left at the deadline', async () => {
    const fake = await start();
    fake.script([{ hang: true, accept: true }]);
    const abort = new AbortController();
    const sent = send(fake, noticeOf('one'), {}, { signal: abort.signal });
    await fake.waitFor(() => true);
    abort.abort();
    expect(await sent).toMatchObject({ kind: 'retry', reason: 'timeout', ambiguous: true });
  });

  it('that is not there is a failure nobody doubts', async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const outcome = await email.send(callOf(email, configOf({ host: '127.0.0.1', port })));
    expect(outcome).toEqual({ kind: 'retry', reason: 'network', detail: 'could not connect (ECONNREFUSED)' });
  });

  it('is connected to at the address that the egress rules gave', async () => {
    const fake = await start();
    const asked: [string, number][] = [];
    const resolve = async (host: string, port: number) => {
      asked.push([host, port]);
      return '127.0.0.1';
    };
    const outcome = await send(fake, noticeOf('one'), { host: 'mail.invalid' }, { resolve });
    expect(outcome).toMatchObject({ kind: 'delivered' });
    expect(asked).toEqual([['mail.invalid', fake.port]]);
  });
});
