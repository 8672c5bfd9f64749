import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Channel, Outcome } from '../../src/channels/channel.ts';
import { teams as teamsChannel } from '../../src/channels/teams.ts';
import type { Notice } from '../../src/core/notice.ts';
import { callOf } from '../support/calls.ts';
import { startHalfway } from '../support/fakes/halfway.ts';
import { type FakeTeams, startFakeTeams } from '../support/fakes/teams.ts';
import { noticeCases, noticeOf, sampleAlert, sampleNotice } from '../support/notices.ts';

const teams = teamsChannel as unknown as Channel;

let fake: FakeTeams;
beforeEach(async () => {
  fake = await startFakeTeams();
});
afterEach(() => fake.close());

const tell = (notice: Notice = noticeOf('one'), url = fake.workflowUrl, signal?: AbortSignal): Promise<Outcome> =>
  teams.send(callOf(teams, { url }, { notice, ...(signal ? { signal } : {}) }));

const problem = (url: string) => teams.config.safeParse({ url }).error?.issues[0];
type Container = { style: string };
const styles = () => fake.runs.map(({ card }) => (card.body as Container[])[0]?.style);

describe('a card', () => {
  it.each(noticeCases)('is shown by Teams: %s', async (name) => {
    expect(await tell(noticeOf(name))).toEqual({ kind: 'delivered' });
    expect(fake.runs.map(({ faults }) => faults)).toEqual([[]]);
  });

  it('shows severity, state, type, source, incident and the links', async () => {
    await tell();
    for (const part of [
      '🔴 CRITICAL · API gateway answers 503',
      'critical (P0)',
      'open',
      'availability',
      'sentinel',
      'INC-1',
      '2026-01-15 14:32:00 UTC',
      'https://tocsin.example.com/incidents/INC-1',
      'https://grafana.example.com/d/gateway',
    ]) {
      expect(fake.runs[0]?.all).toContain(part);
    }
  });

  it('has the colour of what has become of the incident', async () => {
    for (const name of ['one', 'firing', 'acknowledged', 'snoozed', 'resolved', 'story-end'] as const)
      await tell(noticeOf(name));
    await tell(sampleNotice({ reason: 'test' }));
    expect(styles()).toEqual(['attention', 'warning', 'emphasis', 'emphasis', 'good', 'good', 'accent']);
  });

  it('says what has become of it once', async () => {
    await tell(noticeOf('resolved'));
    expect(fake.runs[0]?.all).toContain('✅ Resolved after 12 min');
  });

  it('opens the addresses of the answers first, and never has more than six actions', async () => {
    const answers = (['ack', 'snooze', 'resolve'] as const).map((action) => ({
      action,
      label: action,
      token: action,
      url: `https://tocsin.example.com/answers/${action}`,
    }));
    const links = Array.from({ length: 10 }, (_, index) => ({
      title: `${index}`,
      url: `https://example.com/${index}`,
    }));
    await tell(sampleNotice({ answers, links }));
    const actions = (fake.runs[0]?.card.actions ?? []) as { title: string }[];
    expect(actions.map(({ title }) => title)).toEqual(['ack', 'snooze', 'resolve', 'Open incident', '0', '1']);
    expect(fake.runs[0]?.faults).toEqual([]);
  });

  it.each([
    [
      'https://grafana.example.com/explore?left={"a":[1]}|b',
      'https://grafana.example.com/explore?left=%7B%22a%22:%5B1%5D%7D%7Cb',
    ],
    ['https://example.com/100%/a%20b?q=^#c#d', 'https://example.com/100%25/a%20b?q=%5E#c%23d'],
    ['http://[::1]:3000/x', 'http://[::1]:3000/x'],
    ['mailto:on-call@example.com?subject=a|b', 'mailto:on-call@example.com?subject=a%7Cb'],
  ])('opens %s by an address that is one to the schema of cards', async (url, href) => {
    expect(await tell(sampleNotice({ links: [{ title: 'Link', url }] }))).toEqual({ kind: 'delivered' });
    expect(fake.runs[0]?.card.actions).toContainEqual({ type: 'Action.OpenUrl', title: 'Link', url: href });
  });

  it('shows every text as it is: no field of it knows Markdown', async () => {
    const trick = '[Acknowledge](https://evil.example) **now** <at>everyone</at>';
    await tell(sampleNotice({ headline: trick, lines: [trick], incident: { title: `${trick}!` } }));
    const types = JSON.stringify(fake.runs[0]?.card).match(/"type":"\w+"/g);
    expect(new Set(types)).not.toContain('"type":"TextBlock"');
    expect(fake.runs[0]?.all).toContain(trick);
    expect(fake.runs[0]?.card.fallbackText).not.toContain('](');
    expect(fake.runs[0]?.card.msteams).toEqual({ width: 'Full' });
  });

  it('carries the delivery key, for workflows that recognise a repeat', async () => {
    await tell();
    expect(fake.runs[0]?.body.delivery_id).toBe('INC-1/group_now/b1/target');
  });

  it('lists the first alerts of many and counts the rest', async () => {
    await tell(noticeOf('many'));
    expect(fake.runs[0]?.all).toContain('Disk full on web-20');
    expect(fake.runs[0]?.all).toContain('… and 480 more');
  });
});

describe('a card that would be too large', () => {
  const huge = (text: string): Notice => {
    const alert = sampleAlert({
      title: text,
      body: text,
      type: text,
      source: text,
      components: [text],
      trace_id: text,
    });
    return sampleNotice({
      headline: text,
      lines: [text, text],
      alerts: Array.from({ length: 20 }, (_, index) => ({
        ...alert,
        title: `${index}${text}`,
        type: `${index}${text}`,
      })),
      more: 9_980,
      pattern: `*${text}`,
      components: Array.from({ length: 5 }, (_, index) => `${index}${text}`),
      by: text,
      links: Array.from({ length: 10 }, (_, index) => ({
        title: text,
        url: `https://example.com/${index}/${'y'.repeat(900)}`,
      })),
      answers: [{ action: 'ack', label: 'Acknowledge', token: 'a', url: 'https://tocsin.example.com/answers/a' }],
      story: {
        name: text,
        phase: 'end',
        ok: false,
        counts: Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`${index}${text}`, text])),
      },
      incident: { title: `${text}!`, service: text, route: text, alert_count: 10_000 },
    });
  };

  it.each([
    ['plain letters', 'x'],
    ['quotes, which JSON doubles', '"\\'],
    ['letters of three bytes', '디스크'],
    ['emoji', '🔥'],
    ['lines', 'a\n'],
  ])('is cut until it fits, and says so: %s', async (_name, part) => {
    await tell(huge(part.repeat(5_000)));
    const [run] = fake.runs;
    expect(run?.faults).toEqual([]);
    expect(run?.all).toContain('cut: Teams keeps no more');
    expect(run?.all).toMatch(/… and \d+ more/);
    expect(run?.all).toContain('https://tocsin.example.com/answers/a');
  });

  it('is cut although a lone description has nothing but short lines', async () => {
    await tell(sampleNotice({ alerts: [sampleAlert({ body: 'a\n'.repeat(5_000) })] }));
    expect(fake.runs[0]?.faults).toEqual([]);
  });
});

describe('what a workflow refuses', () => {
  it.each([
    ['off', 'gone', 'turn it on'],
    ['deleted', 'gone', 'make another'],
    ['tenant only', 'auth', 'Anyone'],
  ] as const)('one that is %s says what to do', async (state, reason, words) => {
    fake.turn(state);
    expect(await tell()).toMatchObject({ kind: 'rejected', reason, detail: expect.stringContaining(words) });
  });

  it('an address that was copied wrong says so', async () => {
    const expected = {
      kind: 'rejected',
      reason: 'auth',
      detail: expect.stringContaining('copy the whole address again'),
    };
    expect(await tell(noticeOf('one'), `${fake.workflowUrl}x`)).toMatchObject(expected);
  });

  it.each([
    [{ status: 400, json: { error: { code: 'TriggerInputSchemaMismatch' } } }, 'payload', 'template'],
    [{ status: 400, json: { error: { code: 'SomethingNew' } } }, 'payload', 'HTTP 400, SomethingNew'],
    [{ status: 400, text: 'no json' }, 'payload', 'HTTP 400'],
    [{ status: 403, text: '' }, 'auth', 'Anyone'],
    [{ status: 404, text: '<html>' }, 'gone', 'make another'],
    [{ status: 413, text: '' }, 'payload', 'HTTP 413'],
    [{ status: 308, headers: { location: 'https://elsewhere.example' } }, 'config', 'redirects'],
  ])('%j is rejected', async (answer, reason, words) => {
    fake.script([answer]);
    expect(await tell()).toMatchObject({ kind: 'rejected', reason, detail: expect.stringContaining(words) });
    expect(fake.requests.items).toHaveLength(1);
  });

  it('an error says nothing of what the vendor wrote but its code', async () => {
    const message = `no access to ${fake.workflowUrl}`;
    fake.script([{ status: 401, json: { error: { code: `sig=${'x'.repeat(100)}`, message } } }]);
    const outcome = JSON.stringify(await tell());
    expect(outcome).not.toContain('sig=');
    expect(outcome).not.toContain('no access');
  });
});

describe('a workflow that is busy', () => {
  it.each([429, 503])('%i is waited for as long as it says', async (status) => {
    fake.script([{ status, headers: { 'retry-after': '12' }, json: { error: { code: 'TooManyRequests' } } }]);
    expect(await tell()).toMatchObject({ kind: 'retry', after_ms: 12_000 });
  });

  it('has not told Teams when it says 429 inside a 200', async () => {
    const text =
      'Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId 1';
    fake.script([{ text }, { text: text.replace('429', '413') }]);
    expect(await tell()).toMatchObject({ kind: 'retry', reason: 'rate_limited' });
    expect(await tell()).toMatchObject({ kind: 'retry', reason: 'server' });
  });

  it('that did not answer its own front door in time may have run', async () => {
    fake.script([{ status: 502, json: { error: { code: 'NoResponse' } } }]);
    expect(await tell()).toMatchObject({ kind: 'retry', reason: 'server', ambiguous: true });
  });
});

describe('an answer', () => {
  it('of the workflow’s own making is one', async () => {
    fake.script([{ text: '1' }, { status: 201, json: { posted: true } }]);
    expect(await tell()).toEqual({ kind: 'delivered' });
    expect(await tell()).toEqual({ kind: 'delivered' });
  });

  it('that is a page comes from something in between', async () => {
    fake.script([{ text: '<!DOCTYPE html><title>Please log in' }]);
    expect(await tell()).toMatchObject({ kind: 'retry', reason: 'server' });
  });

  it('that is lost on its way leaves open whether the workflow ran', async () => {
    fake.script([
      { reset: true, accept: true },
      { hang: true, accept: true },
    ]);
    expect(await tell()).toMatchObject({ kind: 'retry', reason: 'network', ambiguous: true });
    const late = await tell(noticeOf('one'), fake.workflowUrl, AbortSignal.timeout(50));
    expect(late).toMatchObject({ kind: 'retry', reason: 'timeout', ambiguous: true });
    expect(fake.runs).toHaveLength(2);
  });

  it.each([
    ['hangs', 'timeout'],
    ['breaks', 'network'],
  ] as const)('that %s behind its headers leaves it open as well', async (how, reason) => {
    const halfway = await startHalfway(how, '400 Bad Request');
    try {
      const outcome = await tell(noticeOf('one'), halfway.url, AbortSignal.timeout(how === 'hangs' ? 50 : 5_000));
      expect(outcome).toMatchObject({ kind: 'retry', reason, ambiguous: true });
    } finally {
      await halfway.close();
    }
  });

  it('that does not end is not read to its end', async () => {
    fake.script([{ status: 500, text: 'x'.repeat(5_000_000) }]);
    expect(await tell()).toMatchObject({ kind: 'retry', reason: 'server' });
  });
});

describe('the configuration', () => {
  const FLOW =
    'https://default01.ab.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/1/triggers/manual/paths/invoke';

  it.each([
    `${FLOW}?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=abc`,
    'https://prod-01.westeurope.logic.azure.com/workflows/1/triggers/manual/paths/invoke?api-version=2016-06-01&sig=abc',
    'https://alerts.example.com/to-teams',
  ])('takes %s as it is', (url) => {
    expect(teams.config.parse({ url })).toEqual({ url });
  });

  it.each([
    'https://acme.webhook.office.com/webhookb2/1@2/IncomingWebhook/3/4',
    'https://webhook.office.com/webhookb2/1',
    'https://outlook.office.com/webhook/1@2/IncomingWebhook/3/4',
    'https://outlook.office365.com/webhook/1',
    'https://ACME.webhook.office.com/webhookb2/1',
  ])('refuses the old connector %s, and says what to make instead', (url) => {
    expect(problem(url)).toMatchObject({ path: ['url'], message: expect.stringMatching(/retired; make a workflow/) });
    expect(problem(url)?.message).not.toContain('IncomingWebhook');
  });

  it('refuses the address of a workflow that ends before its signature', () => {
    for (const url of [FLOW, `${FLOW}?api-version=1&sig=`]) expect(problem(url)?.message).toContain('Anyone');
  });
});
