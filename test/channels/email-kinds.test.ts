/** Mail by kind: templates of subjects, priorities and recipients; answers as links; the check of the server. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Channel } from '../../src/channels/channel.ts';
import { recipientsOf } from '../../src/channels/email/kinds.ts';
import { email as emailChannel, render } from '../../src/channels/email.ts';
import { render as renderSms, sms as smsChannel } from '../../src/channels/sms.ts';
import { fromText, REGISTRY } from '../../src/config/load.ts';
import type { Notice, NoticeAnswer } from '../../src/core/notice.ts';
import { decide } from '../../src/core/route.ts';
import { callOf, NOW } from '../support/calls.ts';
import { type FakeSmtp, type FakeSmtpOptions, startFakeSmtp } from '../support/fakes/smtp.ts';
import { expectGolden } from '../support/golden.ts';
import { event } from '../support/ledger.ts';
import { HOSTILE, noticeOf, sampleAlert, sampleNotice } from '../support/notices.ts';

const email = emailChannel as unknown as Channel;
type Config = Parameters<typeof render>[1];
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
  to: ['ops@example.com'],
  cc: ['audit@example.com'],
  ...more,
});
const parsed = (more: Record<string, unknown> = {}) =>
  callOf(email, configOf({ host: 'mail.example.com', port: 587 }, more)).config as Config;
const sample = () => email.config.parse(email.sample) as Config;

/** What the trading platform of seed 003 sends mail about. */
const KINDS: Record<string, Notice> = {
  'deployment-approval': sampleNotice({
    reason: 'story',
    headline: 'v2.3.1 waits for approval',
    lines: [],
    story: { name: 'deploy-77', phase: 'start', ok: true },
    incident: { severity: 'info', title: 'v2.3.1 waits for approval' },
    alerts: [
      sampleAlert({
        type: 'deployment_approval',
        severity: 'info',
        severity_word: 'info',
        title: 'v2.3.1 waits for approval',
        labels: { version: 'v2.3.1', environment: 'production' },
      }),
    ],
  }),
  'security-incident': sampleNotice({
    alerts: [sampleAlert({ type: 'security:incident', labels: { incident_type: 'credential leak' } })],
  }),
  'production-outage': sampleNotice({ alerts: [sampleAlert({ type: 'production.outage' })] }),
};

describe('the three kinds of mail that the sample has', () => {
  it.each(Object.entries(KINDS))('%s is as in its golden file', (name, notice) => {
    expectGolden(`email/kinds/${name}`, { ...recipientsOf(notice, sample()), ...render(notice, sample()) });
  });

  it('go to their own people under their own subject, urgent where they are', async () => {
    const fake = await start();
    for (const notice of Object.values(KINDS)) {
      await email.send(callOf(email, configOf(fake, { templates: sample().templates }), { notice }));
    }
    expect(fake.refused).toEqual([]);
    expect(fake.mails.map(({ subject, to }) => [subject, to])).toEqual([
      [
        '[ACTION REQUIRED] Deployment Approval: v2.3.1 to production',
        ['tech-lead@example.com', 'compliance@example.com', 'audit@example.com'],
      ],
      [
        '[CRITICAL] Security Incident: credential leak',
        ['security@example.com', 'cto@example.com', 'compliance@example.com'],
      ],
      ['[CRITICAL] Production Outage Detected', ['oncall@example.com', 'leadership@example.com', 'audit@example.com']],
    ]);
    expect(fake.mails.map(({ headers }) => [headers.importance, headers.priority])).toEqual([
      ['High', undefined],
      ['High', 'urgent'],
      ['High', 'urgent'],
    ]);
  });
});

describe('the outage of seed 003, whose mail wants an SMS too', () => {
  const config = fromText(
    `integrations:
  mail: ${JSON.stringify(emailChannel.sample).replaceAll('$', '$$$$')}
  oncall-sms: ${JSON.stringify(smsChannel.sample)}
default: { notify: [mail] }`
      .replace('mail: {', 'mail: { "type": "email", ')
      .replace('oncall-sms: {', 'oncall-sms: { "type": "sms", '),
    'tocsin.yaml',
    {},
    REGISTRY,
  );

  it('is told by both, as in the golden file; the other two kinds by mail alone', () => {
    const told = Object.values(KINDS).map(({ alerts: [alert] }) => {
      const taken = decide(event({ type: alert?.type ?? '', severity: 'critical' }), config.routing, [], NOW).routes[0];
      return taken?.outcome === 'join' ? taken.policy.notify : taken;
    });
    expect(told).toEqual([['mail'], ['mail'], ['mail', 'oncall-sms']]);
    const notice = KINDS['production-outage'] as Notice;
    const of = <T>(name: string): T => config.integrations.get(name)?.config as T;
    const { subject, priority, text } = render(notice, of('mail'));
    const mail = { ...recipientsOf(notice, of('mail')), subject, priority, text };
    expectGolden('email/kinds/production-outage-with-sms', { mail, 'oncall-sms': renderSms(notice, of('oncall-sms')) });
  });
});

describe('a template', () => {
  const outage = (more: Parameters<typeof sampleNotice>[0] = {}) =>
    sampleNotice({ alerts: [sampleAlert({ type: 'production_outage' })], ...more });
  const templates = {
    productionOutage: { subject: '[CRITICAL] Outage: ${title}', priority: 'urgent', to: ['oncall@example.com'] },
    'deploy:*': { to: ['release@example.com'], cc: [] },
    escalated: { subject: 'Nobody answered: ${title}, level ${level}', to: ['boss@example.com'] },
  };
  const of = (notice: Notice) => ({
    ...recipientsOf(notice, parsed({ templates })),
    ...render(notice, parsed({ templates })),
  });

  it('is found by type, however its words are joined, then by pattern, then by reason', () => {
    expect(of(outage())).toMatchObject({ subject: '[CRITICAL] Outage: API gateway answers 503' });
    expect(of(sampleNotice({ alerts: [sampleAlert({ type: 'deploy_failed' })] }))).toMatchObject({
      to: ['release@example.com'],
      cc: [],
      subject: '[CRITICAL] API gateway answers 503 (INC-1)',
    });
    expect(of(noticeOf('escalated'))).toMatchObject({
      to: ['boss@example.com'],
      cc: ['audit@example.com'],
      subject: 'Nobody answered: API gateway answers 503, level 2',
    });
    expect(of(noticeOf('one'))).toMatchObject({ to: ['ops@example.com'], priority: 'high' });
  });

  it('does not cry outage when it is over, and tells the same people', () => {
    const over = outage({ reason: 'resolved', headline: 'Resolved after 12 min', incident: { status: 'resolved' } });
    expect(of(over)).toMatchObject({
      to: ['oncall@example.com'],
      subject: '[RESOLVED] Resolved after 12 min (INC-1)',
      priority: 'normal',
    });
    expect(of(over).headers).not.toHaveProperty('Priority');
  });

  it('keeps its subject over the conversation', () => {
    const root = { message_id: '<1@example.com>', subject: '[CRITICAL] Outage: x' };
    expect(render(outage({ reason: 'resolved' }), parsed({ templates }), root).subject).toBe(
      'Re: [CRITICAL] Outage: x',
    );
  });

  it('makes no header of what senders wrote, and no subject longer than one reads', () => {
    const notice = outage({ incident: { title: HOSTILE.repeat(10) } });
    const { subject } = of(notice);
    expect(subject).not.toMatch(/[\r\n\0]/);
    expect([...subject].length).toBeLessThanOrEqual(150);
  });

  it('is checked at configuration: placeholders, addresses, priorities', () => {
    const problem = (template: Record<string, unknown>) =>
      email.config.safeParse(configOf({ host: 'h.example', port: 25 }, { templates: { x: template } })).error
        ?.issues[0];
    expect(problem({ subject: '${titel}' })).toMatchObject({
      path: ['templates', 'x', 'subject'],
      message: expect.stringContaining('${titel} names nothing'),
    });
    expect(problem({ to: ['nobody'] })?.path).toEqual(['templates', 'x', 'to', 0]);
    expect(problem({ to: [] })?.path).toEqual(['templates', 'x', 'to']);
    expect(problem({ priority: 'asap' })?.path).toEqual(['templates', 'x', 'priority']);
    expect(problem({ sms: true })).toBeUndefined();
  });
});

describe('the answers of a page', () => {
  it('are links in both alternatives, instead of the request', async () => {
    const answers: NoticeAnswer[] = [
      { action: 'ack', label: 'Acknowledge', token: 'a.1', url: 'https://tocsin.example.com/a/a.1?x=1&y=2' },
      { action: 'resolve', label: 'Resolve', token: 'r.1', url: 'javascript:alert(1)' },
      { action: 'snooze', label: 'Snooze 1 h', token: 's.1' },
    ];
    const { text, html } = render(sampleNotice({ answers }), parsed());
    expect(text).toContain('Acknowledge: https://tocsin.example.com/a/a.1?x=1&y=2');
    expect(html).toContain('href="https://tocsin.example.com/a/a.1?x=1&amp;y=2">Acknowledge</a>');
    for (const part of ['javascript', 'POST /v1', 'a.1"', 'Snooze']) expect(text + html).not.toContain(part);
  });
});

describe('the check of the server', () => {
  const account = { user: 'me', pass: 'pass-not-a-real-one' };
  const check = (fake: FakeSmtp, more: Record<string, unknown> = {}, signal = AbortSignal.timeout(10_000)) =>
    email.check?.(callOf(email, configOf(fake, more), { signal }));

  it('logs in and sends nothing', async () => {
    const fake = await start({ auth: account });
    expect(await check(fake, account)).toMatchObject({
      kind: 'delivered',
      note: expect.stringContaining('lets us in'),
    });
    expect(fake.logins).toEqual(['me']);
    expect(fake.mails).toEqual([]);
  });

  it('names a wrong password, missing TLS and half an account', async () => {
    const fake = await start({ auth: account });
    const wrong = await check(fake, { user: 'me', pass: 'another-one' });
    expect(wrong).toMatchObject({ kind: 'rejected', reason: 'auth' });
    expect(JSON.stringify(wrong)).not.toContain('another-one');
    expect(await check(fake, { ...account, tls: 'required' })).toMatchObject({ kind: 'rejected', reason: 'config' });
    expect(await check(fake, { user: 'me' })).toMatchObject({ kind: 'rejected', reason: 'config' });
  });

  it('ends at its deadline, whatever the server does', async () => {
    const fake = await start();
    fake.script([{ hang: true }]);
    expect(await check(fake, {}, AbortSignal.timeout(50))).toMatchObject({ kind: 'retry', reason: 'timeout' });
    fake.script([{ reset: true }]);
    expect(await check(fake)).toMatchObject({ kind: 'retry', reason: 'network' });
    expect(await check(fake, {}, AbortSignal.abort())).toMatchObject({ kind: 'retry', reason: 'timeout' });
  });
});
