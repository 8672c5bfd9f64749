/** The formats of the webhook: golden files, what each has no word for, and templates of the operator's own. */
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../src/channels/channel.ts';
import { render, webhook as webhookChannel } from '../../src/channels/webhook.ts';
import type { Json } from '../../src/core/event.ts';
import type { Notice } from '../../src/core/notice.ts';
import { placeholderNames } from '../../src/core/placeholders.ts';
import { alertmanager } from '../../src/sources/alertmanager.ts';
import { callOf, NOW } from '../support/calls.ts';
import { startWebhookReceiver } from '../support/fakes/webhook-receiver.ts';
import { allOf, expectGolden } from '../support/golden.ts';
import { goldenFiles, noticeCases, noticeOf, sampleAlert, sampleNotice } from '../support/notices.ts';

const webhook = webhookChannel as unknown as Channel;
type Config = Parameters<typeof render>[1];
type Body = Record<string, unknown>;
const body = (notice: Notice, more: Record<string, unknown>): Body =>
  render(notice, callOf(webhook, { url: 'https://example.com', ...more }).config as Config) as Body;
const filled = (template: Json, notice = noticeOf('one')) => body(notice, { template });
const problemOf = (more: Record<string, unknown>) =>
  webhook.config.safeParse({ url: 'https://example.com', ...more }).error?.issues[0];
const alertsOf = (message: Body) =>
  message.alerts as { status: string; labels: Body; endsAt: string; fingerprint: string }[];

describe.each(['incident-v1', 'alertmanager'])('the format %s', (format) => {
  it.each(goldenFiles)('renders %s as in its golden file', (file, cases) => {
    const rendered = allOf(cases, (name) => body(noticeOf(name), { format }));
    expectGolden(`webhook/${format}/${file}`, rendered);
    expect(Buffer.byteLength(JSON.stringify(rendered))).toBeLessThan(256 * 1_024);
  });
});

describe('the format incident-v1', () => {
  const v1 = (notice: Notice) => body(notice, { format: 'incident-v1' }) as { event_type: string; incident: Body };

  it('has exactly the fields that its receivers know', () => {
    const sent = body(noticeOf('one'), { format: 'incident-v1' });
    expect(Object.keys(sent)).toEqual(['event_type', 'timestamp', 'incident', 'notification_id']);
    expect(Object.keys(sent.incident as Body)).toEqual([
      'id',
      'title',
      'description',
      'severity',
      'state',
      'incident_type',
      'source',
      'created_at',
      'updated_at',
      'affected_resources',
      'assignees',
      'labels',
    ]);
    expect(sent.notification_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it.each([
    ['incident.detected', noticeOf('one')],
    ['incident.detected', noticeOf('escalated')],
    ['incident.triaged', noticeOf('snoozed')],
    ['incident.triaged', sampleNotice({ reason: 'repeat_interval', incident: { working: 'triaged' } })],
    ['incident.investigating', noticeOf('acknowledged')],
    ['incident.investigating', sampleNotice({ reason: 'group_interval', incident: { working: 'investigating' } })],
    [
      'incident.remediating',
      sampleNotice({ reason: 'acknowledged', incident: { status: 'acknowledged', working: 'remediating' } }),
    ],
    [
      'incident.resolved',
      sampleNotice({ reason: 'resolved', incident: { status: 'resolved', working: 'remediating' } }),
    ],
    ['incident.closed', sampleNotice({ reason: 'resolved', incident: { status: 'resolved', close_reason: 'quiet' } })],
    ['incident.resolved', noticeOf('story-end')],
  ])('says %s', (event_type, notice) => {
    const sent = v1(notice);
    expect(sent.event_type).toBe(event_type);
    expect(`incident.${String(sent.incident.state).toLowerCase()}`).toBe(event_type);
  });

  it('gives the sender its own word of severity back, P0 to P3 for ours', () => {
    expect(v1(noticeOf('one')).incident).toMatchObject({ severity: 'P0', incident_type: 'Availability' });
    const own = [sampleAlert({ severity: 'info', severity_word: 'P4', type: 'gpu_oom' })];
    expect(v1(sampleNotice({ alerts: own, incident: { severity: 'info' } })).incident).toMatchObject({
      severity: 'P4',
      incident_type: 'GpuOom',
    });
    expect(v1(noticeOf('firing')).incident.severity).toBe('P2');
  });

  it('has one id for all attempts, and who has it among the assignees', () => {
    const again = sampleNotice({ delivery: { attempt: 3 } });
    expect(v1(again)).toEqual(v1(noticeOf('one')));
    expect(v1(noticeOf('acknowledged')).incident.assignees).toEqual(['ana']);
    expect(v1(sampleNotice({ ...noticeOf('acknowledged'), by: 'bo' })).incident.assignees).toEqual(['bo', 'ana']);
  });
});

describe('the format alertmanager', () => {
  const message = (notice: Notice) => body(notice, { format: 'alertmanager' });

  it('is read back by our own source for Alertmanager', () => {
    const config = alertmanager.config.parse({});
    for (const name of ['one', 'many', 'resolved'] as const) {
      const { events, rejected } = alertmanager.normalise(JSON.parse(JSON.stringify(message(noticeOf(name)))), {
        config,
        now: NOW,
      } as never);
      expect(rejected).toEqual([]);
      expect(events.map(({ title }) => title)).toEqual(noticeOf(name).alerts.map(({ title }) => title));
      expect(events[0]).toMatchObject({
        status: name === 'resolved' ? 'resolved' : 'firing',
        severity: noticeOf(name).alerts[0]?.severity,
      });
      expect(new Set(events.map(({ dedup_key }) => dedup_key)).size).toBe(events.length);
    }
  });

  it('keeps its group over the life of the incident, and counts what it leaves out', () => {
    const many = message(noticeOf('many'));
    expect(many).toMatchObject({ version: '4', truncatedAlerts: 480, status: 'firing' });
    expect(many.groupKey).toBe(message(noticeOf('resolved')).groupKey);
    const long = Array.from({ length: 20 }, () =>
      sampleAlert({ body: 'x'.repeat(20_000), components: Array.from({ length: 50 }, () => 'y'.repeat(500)) }),
    );
    const cut = message(sampleNotice({ alerts: long, more: 1 }));
    expect(alertsOf(cut).length).toBeLessThan(20);
    expect(alertsOf(cut).length + Number(cut.truncatedAlerts)).toBe(21);
  });

  it('ends every alert of an incident that is over, whoever ended it', () => {
    const byHand = message(sampleNotice({ ...noticeOf('resolved'), alerts: [sampleAlert()] }));
    expect(byHand.status).toBe('resolved');
    expect(alertsOf(byHand)[0]).toMatchObject({ status: 'resolved', endsAt: '2026-01-15T14:32:01.000Z' });
    expect(alertsOf(message(noticeOf('one')))[0]?.endsAt).toBe('0001-01-01T00:00:00Z');
  });

  it('tells a receiver with send_resolved: false only what fires of an incident that goes on', () => {
    const alerts = [sampleAlert({ title: 'fires' }), sampleAlert({ title: 'is over', status: 'resolved' })];
    const told = (send_resolved: boolean) =>
      alertsOf(body(sampleNotice({ alerts }), { format: 'alertmanager', send_resolved })).map(({ status }) => status);
    expect([told(true), told(false)]).toEqual([['firing', 'resolved'], ['firing']]);
  });

  it('has only names of labels that Prometheus allows', () => {
    const labels = { 'a-b': '1', '9c': '2', 'd.e/f': '3', 한: '4' };
    const [alert] = alertsOf(message(sampleNotice({ alerts: [sampleAlert({ labels })] })));
    for (const name of Object.keys(alert?.labels ?? {})) expect(name).toMatch(/^[a-zA-Z_][a-zA-Z0-9_]*$/);
  });
});

describe('what a format has no word for', () => {
  it.each([
    ['alertmanager', 'acknowledged'],
    ['alertmanager', 'snoozed'],
    ['incident-v1', 'summary'],
  ] as const)('%s is not told %s, and the delivery says so', async (format, reason) => {
    const receiver = await startWebhookReceiver();
    try {
      const notice = sampleNotice({ reason });
      const call = callOf(webhook, { url: receiver.url, format }, { notice });
      expect(await webhook.send(call)).toEqual({
        kind: 'delivered',
        note: `not posted: format ${format} has no word for ${reason}`,
      });
      expect(receiver.hits).toEqual([]);
      await webhook.send(callOf(webhook, { url: receiver.url }, { notice }));
      expect(receiver.hits).toHaveLength(1);
    } finally {
      await receiver.close();
    }
  });
});

describe('a template', () => {
  it('is filled, and a text that is one placeholder keeps the type of its value', () => {
    expect(
      filled({
        msg: '${emoji} ${incident.title} (${priority}, ${alert_count} alert, ${assignees})',
        severity: '${severity}',
        count: '${alert_count}',
        components: '${components}',
        context: { ...{ raw: '${context}' }, pool: '${context.pool}', healthy: '${context.healthy}' },
        region: '${labels.region}',
        nobody: '${by}',
        missing: '[${labels.nothing}]',
        list: ['${delivery.key}', 1, true, null],
        price: '$${title}',
      }),
    ).toEqual({
      msg: '🔴 API gateway answers 503 (P0, 1 alert, ana)',
      severity: 'critical',
      count: 1,
      components: ['edge-1'],
      context: { raw: { pool: 'blue', healthy: 0 }, pool: 'blue', healthy: 0 },
      region: 'ap-northeast-2',
      nobody: null,
      missing: '[]',
      list: ['INC-1/group_now/b1/target', 1, true, null],
      price: '${title}',
    });
  });

  it('is told at configuration what names nothing, and where', () => {
    const problem = problemOf({ template: { a: [{ b: '${incident.titel}' }] } });
    expect(problem?.path).toEqual(['template', 'a', 0, 'b']);
    expect(problem?.message).toContain('${incident.titel} names nothing');
    expect(problem?.message).toContain('labels.NAME');
    expect(problemOf({ template: '${title' })?.message).toContain('not closed');
    expect(problemOf({ template: '${constructor}' })).toBeDefined();
    expect(problemOf({ template: '${labels.__proto__}' })).toBeUndefined();
    expect(filled('${labels.__proto__}')).toBeNull();
  });

  it('does not fill what senders wrote', () => {
    const notice = sampleNotice({ incident: { title: '${delivery.key}' } });
    expect(filled({ text: 'x ${title}', alone: '${title}' }, notice)).toEqual({
      text: 'x ${delivery.key}',
      alone: '${delivery.key}',
    });
  });

  it('knows every name of the list for every case', () => {
    for (const name of noticeCases) {
      const template = Object.fromEntries(placeholderNames().map((one) => [one, `\${${one}}`]));
      expect(Object.keys(filled(template, noticeOf(name)) as object)).toEqual(placeholderNames());
      expect(JSON.stringify(filled(template, noticeOf(name)))).not.toContain('undefined');
    }
  });

  it('stays below the limit of size whatever it repeats', () => {
    const hostile = noticeOf('hostile');
    const text = JSON.stringify(filled({ a: '${body}', b: '${context}', c: '${title}' }, hostile));
    expect(Buffer.byteLength(text)).toBeLessThan(256 * 1_024);
  });
});
