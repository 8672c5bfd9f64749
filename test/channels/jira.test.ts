import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Channel, Ref } from '../../src/channels/channel.ts';
import { DOCUMENT_MAX } from '../../src/channels/jira/document.ts';
import { asLabel } from '../../src/channels/jira/fields.ts';
import { type Transition, wayOf } from '../../src/channels/jira/transitions.ts';
import { jira as jiraChannel, render } from '../../src/channels/jira.ts';
import type { Notice } from '../../src/core/notice.ts';
import dailyTarget from '../samples/events/daily-target-reached.json' with { type: 'json' };
import dlqGrowth from '../samples/events/dlq-growth.json' with { type: 'json' };
import { callOf, NOW } from '../support/calls.ts';
import { eventIn, firstNotice } from '../support/event-notices.ts';
import {
  type FakeJira,
  type FakeJiraOptions,
  isDocument,
  type JiraScreenField,
  startFakeJira,
} from '../support/fakes/jira.ts';
import type { Answer } from '../support/fakes/recorder.ts';
import { expectGolden } from '../support/golden.ts';
import { HOSTILE, noticeCases, noticeOf, sampleAlert, sampleNotice } from '../support/notices.ts';

const jira = jiraChannel as unknown as Channel;

let fake: FakeJira;
beforeEach(async () => {
  fake = await startFakeJira();
});
afterEach(() => fake.close());

/** Another Jira for this test: `fake` from now on. */
async function restart(options: FakeJiraOptions): Promise<void> {
  await fake.close();
  fake = await startFakeJira(options);
}

const configOf = (more: Record<string, unknown> = {}) => ({
  base_url: fake.url,
  email: fake.email,
  api_token: fake.token,
  project_key: 'OPS',
  issue_type: 'Incident',
  ...more,
});
const tell = (notice: Notice, root?: Ref, more?: Record<string, unknown>) =>
  jira.send(callOf(jira, configOf(more), { notice, ...(root ? { root } : {}) }));
const find = (notice: Notice, root?: Ref) =>
  jira.find?.(callOf(jira, configOf(), { notice, ...(root ? { root } : {}) }));
const check = (more?: Record<string, unknown>) => jira.check?.(callOf(jira, configOf(more)));

/** The issue of an incident, and its ref. */
async function begin(notice = noticeOf('one'), more?: Record<string, unknown>): Promise<Ref> {
  const outcome = await tell(notice, undefined, more);
  if (outcome.kind !== 'delivered' || !outcome.ref) throw new Error(`not delivered: ${JSON.stringify(outcome)}`);
  return outcome.ref;
}
const asked = () => fake.requests.items.map(({ method, path }) => `${method} ${path.replace('/rest/api/3/', '')}`);
const issue = (at = 0) => fake.issues[at] as (typeof fake.issues)[number];

/** The events of seed 000 for which its users want an issue, as their system posts them. */
const critical = (sample: object): Notice => firstNotice(eventIn(sample, NOW), 'critical', NOW);
const SAMPLES = { 'dlq-growth': dlqGrowth, 'daily-target-reached': dailyTarget };

describe('the issue of an incident', () => {
  it('is opened for a growing DLQ with summary, labels, trace, context and links, as its users have them', async () => {
    const notice = critical(dlqGrowth);
    const ref = await begin(notice);
    expect(ref).toEqual({ key: 'OPS-1', id: '10001' });
    expect(issue().fields).toMatchObject({
      project: { key: 'OPS' },
      issuetype: { name: 'Incident' },
      summary: '[dlq_growth] DLQ has grown for 15 min',
      priority: { name: 'Highest' },
    });
    expect(issue().labels).toEqual([
      expect.stringMatching(/^tocsin:[0-9a-f]{20}$/),
      'system:trader',
      'severity:critical',
      'type:dlq_growth',
      `trace:${dlqGrowth.trace_id}`,
    ]);
    expect(issue().text).toContain(`Trace: ${dlqGrowth.trace_id}`);
    expect(issue().text).toContain('"stream": "orders.dlq",\n  "depth": 412');
    const links = JSON.stringify(issue().fields.description);
    for (const { url } of dlqGrowth.links) expect(links).toContain(`{"type":"link","attrs":{"href":"${url}"}}`);
    expect(asked()).toEqual(['POST issue']);
  });

  it('is opened when the daily target is reached', async () => {
    await begin(critical(dailyTarget), { issue_type: 'Task' });
    expect(issue().fields).toMatchObject({
      summary: '[daily_target_reached] Daily target reached: trading stops',
      issuetype: { name: 'Task' },
    });
    expect(issue().labels).toEqual(
      expect.arrayContaining(['system:trader', 'type:daily_target_reached', `trace:${dailyTarget.traceId}`]),
    );
  });

  it.each(Object.entries(SAMPLES))('is as in its golden file for the event %s', (name, sample) => {
    expectGolden(`jira/events/${name}`, render(critical(sample), jiraChannel.config.parse(jiraChannel.sample)));
  });

  it('is named by what several alerts have in common, and lists them', async () => {
    await begin(noticeOf('many'));
    expect(issue().fields.summary).toBe('[disk] Disk full on *');
    expect(issue().text).toContain('[warning] Disk full on web-20');
    expect(issue().text).toContain('… and 480 more');
  });

  it('offers the answers as links', async () => {
    const url = 'https://tocsin.example.com/a/token-1';
    await begin(sampleNotice({ answers: [{ action: 'ack', label: 'Acknowledge', token: 'token-1', url }] }));
    expect(JSON.stringify(issue().fields.description)).toContain(`{"href":"${url}"}`);
    expect(issue().text).toContain('Acknowledge');
  });

  it('has the custom fields of the organisation, filled in, but for those without a value', async () => {
    await restart({
      customFields: {
        customfield_1: 'text',
        customfield_2: 'choice',
        customfield_3: 'number',
        customfield_4: 'choices',
        customfield_5: 'document',
        customfield_6: 'text',
      },
    });
    const fields = {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a template of ours.
      customfield_1: '${service} in ${labels.region}',
      customfield_2: { value: 'Operations' },
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the same.
      customfield_3: '${alert_count}',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the same.
      customfield_4: [{ value: '${severity}' }, { value: '${labels.nowhere}' }],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the same.
      customfield_5: { document: 'Said:\n${body}' },
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the same.
      customfield_6: '${labels.nowhere}',
    };
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the same.
    await begin(noticeOf('one'), { fields, labels: ['region:${labels.region}', 'team:${labels.nowhere}', 'on call'] });
    expect(issue().fields).toMatchObject({
      customfield_1: 'gateway in ap-northeast-2',
      customfield_2: { value: 'Operations' },
      customfield_3: 1,
      customfield_4: [{ value: 'critical' }],
    });
    expect(issue().fields).not.toHaveProperty('customfield_6');
    expect(issue().labels.slice(-2)).toEqual(['region:ap-northeast-2', 'on_call']);
  });

  it('is opened even where a field is not on the screen, and says which', async () => {
    await restart({ offScreen: ['priority', 'customfield_9'], customFields: { customfield_9: 'text' } });
    const outcome = await tell(noticeOf('one'), undefined, { fields: { customfield_9: 'x' } });
    expect(outcome).toMatchObject({
      kind: 'delivered',
      ref: { key: 'OPS-1' },
      note: expect.stringMatching(/^opened without priority, customfield_9: .*check priorities.*check fields/),
    });
    expect(fake.issues).toHaveLength(1);
  });

  it('is opened without its description where Jira does not take that: the summary is news enough', async () => {
    await restart({ offScreen: ['description'] });
    expect(await tell(noticeOf('one'))).toMatchObject({
      kind: 'delivered',
      note: expect.stringContaining('without description'),
    });
    expect(issue().fields.summary).toBe('[availability] API gateway answers 503');
    fake.script([{ status: 400, json: { errorMessages: ['CONTENT_LIMIT_EXCEEDED'], errors: {} } }]);
    expect(await tell(noticeOf('one'), undefined, {})).toMatchObject({ note: expect.stringContaining('too long') });
  });

  it('is of a type given by name or by id', async () => {
    await begin(noticeOf('one'), { issue_type: '3' });
    expect(issue().fields.issuetype).toEqual({ id: '3' });
    expect(await check({ issue_type: '3' })).toEqual({ kind: 'delivered' });
  });

  it('is not opened to say that there is nothing to do', async () => {
    for (const name of ['acknowledged', 'snoozed', 'resolved', 'story-end'] as const) {
      expect(await tell(noticeOf(name))).toEqual({
        kind: 'delivered',
        note: 'Jira has no issue of this incident to comment on',
      });
    }
    expect(asked()).toEqual([]);
  });

  it('is opened for a job that began, and for one that failed', async () => {
    const story = (phase: 'start' | 'end', ok: boolean) =>
      sampleNotice({ reason: 'story', story: { name: 'nightly-export', phase, ok } });
    await begin(story('start', true));
    await begin(story('end', false));
    expect(fake.issues).toHaveLength(2);
  });
});

describe('what follows', () => {
  it('is a comment; who acknowledged stands in it', async () => {
    const root = await begin();
    expect(await tell(noticeOf('acknowledged'), root)).toEqual({
      kind: 'delivered',
      ref: { key: 'OPS-1', comment: '20001' },
    });
    await tell(noticeOf('escalated'), root);
    expect(issue().comments.map(({ text }) => text.split('\n')[0])).toEqual([
      '👀 ACKNOWLEDGED · Acknowledged by ana',
      '🔴 CRITICAL · Nobody answered: level 2',
    ]);
    expect(issue().comments.every(({ internal }) => internal)).toBe(true);
    expect(fake.issues).toHaveLength(1);
  });

  it('moves the issue to done when it is over, and prefers what is called done', async () => {
    const root = await begin();
    expect(await tell(noticeOf('resolved'), root)).toMatchObject({ kind: 'delivered' });
    expect(issue().status).toBe('Done');
    expect(issue().comments[0]?.text).toContain('✅ RESOLVED · Resolved after 12 min');
  });

  it('moves it to the configured status where the workflow has several', async () => {
    const root = await begin();
    await tell(noticeOf('resolved'), root, { done_status: 'Won’t Do' });
    expect(issue().status).toBe('Won’t Do');
  });

  describe('on the way to done has a screen', () => {
    const DONE = { id: '10000', name: 'Done' };
    const DUPLICATE = { id: '10001', name: 'Duplicate' };
    const FIXED = { id: '10002', name: 'Fixed' };
    const resolution = (allowedValues: { id: string; name: string }[], more: Partial<JiraScreenField> = {}) => ({
      resolution: { name: 'Resolution', required: true, allowedValues, ...more },
    });
    const over = async (screen: Record<string, JiraScreenField>, more: Record<string, unknown> = {}) => {
      await restart({ screens: { Done: screen }, customFields: { customfield_10042: 'text' } });
      const { note } = (await tell(noticeOf('resolved'), await begin(), more)) as { note?: string };
      return { status: issue().status, resolution: issue().fields.resolution, note, comments: issue().comments.length };
    };
    const moved = (id?: string, note?: string) => ({
      status: 'Done',
      resolution: id === undefined ? undefined : { id },
      note,
      comments: 1,
    });

    it('that requires a resolution: Done, or what comes near it, or what there is', async () => {
      expect(await over(resolution([DUPLICATE, FIXED, DONE]))).toEqual(moved(DONE.id));
      expect(await over(resolution([DUPLICATE, FIXED]))).toEqual(moved(FIXED.id));
      expect(await over(resolution([DUPLICATE]))).toEqual(moved(DUPLICATE.id));
    });

    it('and is given the configured resolution, also where none is required', async () => {
      const wanted = { resolution: 'Fixed' };
      expect(await over(resolution([DONE, FIXED]), wanted)).toEqual(moved(FIXED.id));
      expect(await over(resolution([DONE, FIXED], { required: false }), wanted)).toEqual(moved(FIXED.id));
      expect(await over({}, wanted)).toEqual(moved());
      expect(await over(resolution([DUPLICATE, DONE]), wanted)).toEqual(
        moved(DONE.id, 'the issue was not given the resolution Fixed: its screen does not offer it'),
      );
    });

    it('and nothing is said of a resolution that it does not require, or that it has a default for', async () => {
      expect(await over(resolution([DONE], { required: false }))).toEqual(moved());
      expect(await over(resolution([DONE], { hasDefaultValue: true }))).toEqual(moved());
    });

    it('that requires what is configured under fields: it is given', async () => {
      const screen = { ...resolution([DONE]), customfield_10042: { name: 'Cause', required: true } };
      expect(await over(screen, { fields: { customfield_10042: 'told by Tocsin' } })).toEqual(moved(DONE.id));
      expect(issue().fields.customfield_10042).toBe('told by Tocsin');
    });

    it('that requires more: the issue stays, is commented on, and the note names the fields', async () => {
      const screen = {
        ...resolution([DONE]),
        customfield_10042: { name: 'Root cause', required: true },
        customfield_10043: { name: 'Impact', required: true },
      };
      expect(await over(screen)).toEqual({
        status: 'To Do',
        resolution: undefined,
        comments: 1,
        note: 'commented, but not moved: the screen on the way to done requires Root cause, Impact; make that optional there, or give it a default or a value under fields',
      });
    });
  });

  it('goes by the category of a status, whatever it is called', async () => {
    await restart({ statuses: { 할일: 'new', 진행: 'indeterminate', 완료: 'done' } });
    await tell(noticeOf('resolved'), await begin());
    expect(issue().status).toBe('완료');
  });

  it('leaves alone an issue that somebody has closed, and opens it again when it fires again', async () => {
    const root = await begin();
    issue().status = 'Won’t Do';
    await tell(noticeOf('resolved'), root);
    expect(issue().status).toBe('Won’t Do');
    await tell(sampleNotice({ reason: 'fired_again' }), root);
    expect(issue().status).toBe('To Do');
    expect(issue().comments).toHaveLength(2);
  });

  it('corrects priority and label when the severity rises', async () => {
    const root = await begin(sampleNotice({ incident: { severity: 'warning' } }));
    await tell(sampleNotice({ reason: 'severity_rose' }), root);
    expect(issue().fields.priority).toEqual({ name: 'Highest' });
    expect(issue().labels.filter((label) => label.startsWith('severity:'))).toEqual(['severity:critical']);
    expect(issue().comments).toHaveLength(1);
  });

  it('says what it could not correct', async () => {
    await restart({ permissions: ['CREATE_ISSUES', 'ADD_COMMENTS'] });
    expect(await tell(sampleNotice({ reason: 'severity_rose' }), await begin())).toMatchObject({
      kind: 'delivered',
      note: expect.stringMatching(/^commented, but the issue was not changed: .*check its permissions/),
    });
    expect(issue().comments).toHaveLength(1);
  });

  it('closes the issue of a job that ended well', async () => {
    const root = await begin(
      sampleNotice({ reason: 'story', story: { name: 'nightly-export', phase: 'start', ok: true } }),
    );
    await tell(noticeOf('story-end'), root);
    expect(issue().status).toBe('Done');
    expect(issue().comments[0]?.text).toContain('Took: 12 min 34 s');
  });

  it('is said even where the issue cannot be moved', async () => {
    await restart({ permissions: ['CREATE_ISSUES', 'ADD_COMMENTS'] });
    expect(await tell(noticeOf('resolved'), await begin())).toMatchObject({
      kind: 'delivered',
      note: expect.stringContaining('no way to done'),
    });
    expect(issue().comments).toHaveLength(1);
  });

  it('is not said twice when moving the issue has to be tried again', async () => {
    const root = await begin();
    fake.script([{ path: '/transitions', status: 503 }]);
    expect(await tell(noticeOf('resolved'), root)).toMatchObject({ kind: 'retry', reason: 'server' });
    expect(issue().comments).toHaveLength(0);
    await tell(noticeOf('resolved'), root);
    expect(issue()).toMatchObject({ status: 'Done', comments: [expect.anything()] });
  });

  it('opens one new issue where the old one was deleted, and none to say that it is over', async () => {
    const gone = { key: 'OPS-99' };
    expect(await tell(noticeOf('escalated'), gone)).toMatchObject({ kind: 'delivered', ref: { key: 'OPS-1' } });
    expect(await tell(sampleNotice({ reason: 'repeat_interval' }), gone)).toMatchObject({ ref: { key: 'OPS-1' } });
    expect(fake.issues).toHaveLength(1);
    expect(issue().comments).toHaveLength(1);
    expect(await tell(noticeOf('resolved'), gone)).toEqual({
      kind: 'delivered',
      note: 'the issue OPS-99 is gone: nothing was said',
    });
  });
});

describe('after a lost answer', () => {
  it('the issue is found by its label, as soon as the search knows it', async () => {
    fake.lagging = true;
    fake.script([{ reset: true, accept: true }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'network', ambiguous: true });
    expect(await find(noticeOf('one'))).toBeUndefined();
    fake.index();
    expect(await find(noticeOf('one'))).toEqual({ key: 'OPS-1' });
    expect(fake.issues).toHaveLength(1);
  });

  it('another incident’s issue is not taken for it, nor one of the same number in an older ledger', async () => {
    await begin();
    expect(await find(sampleNotice({ incident: { id: 'INC-2' } }))).toBeUndefined();
    expect(await find(sampleNotice({ incident: { opened_at: '2020-01-01T00:00:00.000Z' } }))).toBeUndefined();
  });

  it('a comment is found by the mark in its last line', async () => {
    const root = await begin();
    fake.script([{ path: '/comment', reset: true, accept: true }]);
    expect(await tell(noticeOf('escalated'), root)).toMatchObject({ kind: 'retry', ambiguous: true });
    expect(await find(noticeOf('escalated'), root)).toEqual({ key: 'OPS-1', comment: '20001' });
    expect(await find(noticeOf('acknowledged'), root)).toBeUndefined();
    expect(issue().comments).toHaveLength(1);
  });

  it('a search that fails does not claim that nothing is there', async () => {
    fake.script([{ status: 503 }]);
    await expect(find(noticeOf('one'))).rejects.toThrow('HTTP 503');
    fake.script([{ json: { ok: true } }, { json: { ok: true } }]);
    await expect(find(noticeOf('one'))).rejects.toThrow('not in the way Jira does');
    await expect(find(noticeOf('escalated'), { key: 'OPS-1' })).rejects.toThrow('not in the way Jira does');
  });

  it('Jira falling silent is told apart from a refusal, before the headers and within the body', async () => {
    const silent = async (answer: Answer, hearing: (stop: () => void) => Promise<typeof fetch>) => {
      const stopper = new AbortController();
      fake.script([{ ...answer, accept: true }]);
      const heard = await hearing(() => stopper.abort());
      return jira.send(callOf(jira, configOf(), { notice: noticeOf('one'), fetch: heard, signal: stopper.signal }));
    };
    const lost = { kind: 'retry', reason: 'timeout', ambiguous: true };
    expect(
      await silent({ hang: true }, async (stop) => {
        void fake.requests.waitFor(() => true).then(stop);
        return fetch;
      }),
    ).toMatchObject(lost);
    expect(
      await silent(
        { status: 201, headers: { 'content-length': '1000' }, text: '{"id":' },
        async (stop) => async (url, init) => {
          const response = await fetch(url, init);
          setImmediate(stop);
          return response;
        },
      ),
    ).toMatchObject(lost);
    expect(fake.issues.length).toBeGreaterThan(0);
  });

  it.each([
    ['is cut off', { headers: { 'content-length': '1000', connection: 'close' }, text: '{"id":' }, 'network'],
    ['is no JSON', { text: '<html>Please log in' }, 'server'],
    ['names no issue', { json: { ok: true } }, 'server'],
  ] as const)('an answer that %s has not said that the issue is there', async (_what, answer, reason) => {
    fake.script([{ status: 201, ...answer, accept: true }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason, ambiguous: true });
  });
});

describe('what Jira refuses', () => {
  it.each([
    ['project', { project_key: 'NOPE' }, 'config', 'check project_key'],
    ['issuetype', { issue_type: 'Epos' }, 'config', 'check issue_type'],
  ])('%s is named', async (field, more, reason, advice) => {
    expect(await tell(noticeOf('one'), undefined, more)).toMatchObject({
      kind: 'rejected',
      reason,
      detail: expect.stringMatching(new RegExp(`HTTP 400: ${field} \\(.*${advice}`)),
    });
  });

  it('a field that the project requires is named, without what was said of it', async () => {
    fake.script([{ status: 400, json: { errorMessages: [], errors: { customfield_7: 'Team «Blue» is required.' } } }]);
    const outcome = await tell(noticeOf('one'));
    expect(outcome).toMatchObject({ kind: 'rejected', reason: 'payload' });
    expect(JSON.stringify(outcome)).toContain('customfield_7 (required, not on the create screen');
    expect(JSON.stringify(outcome)).not.toContain('Blue');
    expect(fake.requests.items).toHaveLength(1);
  });

  it.each([
    [401, {}, 'auth', 'API token is wrong'],
    [403, {}, 'auth', 'check its permissions'],
    [403, { 'x-seraph-loginreason': 'AUTHENTICATION_DENIED' }, 'auth', 'CAPTCHA'],
    [401, { 'x-authentication-denied-reason': 'CAPTCHA_CHALLENGE; login-url=x' }, 'auth', 'CAPTCHA'],
    [404, {}, 'config', 'no Jira at base_url'],
    [410, {}, 'gone', 'newer Tocsin'],
    [413, {}, 'payload', 'too large'],
    [302, { location: 'https://id.atlassian.com/login' }, 'config', 'redirects'],
  ])('HTTP %i %j is %s: %s', async (status, headers, reason, advice) => {
    fake.script([{ status, headers, text: '<html>' }]);
    expect(await tell(noticeOf('one'))).toMatchObject({
      kind: 'rejected',
      reason,
      detail: expect.stringContaining(advice),
    });
    expect(fake.requests.items).toHaveLength(1);
  });

  it.each([false, true])(
    'a wrong token is called that, also where Jira takes it for nobody (%s)',
    async (anonymous) => {
      await restart({ anonymous });
      expect(await tell(noticeOf('one'), undefined, { api_token: 'ATATT-wrong' })).toMatchObject({
        kind: 'rejected',
        reason: 'auth',
        detail: expect.stringContaining('API token is wrong'),
      });
    },
  );

  it.each([
    [{ 'retry-after': '7', 'ratelimit-reason': 'jira-burst-based' }, 7_000, 'jira-burst-based'],
    [{ 'x-ratelimit-reset': '2026-01-15T14:32:32Z' }, 30_000, 'too many'],
    [{ 'x-ratelimit-reset': '2026-01-15T14:33Z' }, 58_000, 'too many'],
    [{}, undefined, 'too many'],
  ])('too many requests (%j) wait for %s ms', async (headers, after_ms, words) => {
    fake.script([{ status: 429, headers, json: { errorMessages: ['Rate limit exceeded.'] } }]);
    const outcome = await tell(noticeOf('one'));
    expect(outcome).toMatchObject({ kind: 'retry', reason: 'rate_limited', detail: expect.stringContaining(words) });
    expect('after_ms' in outcome ? outcome.after_ms : undefined).toBe(after_ms);
    expect(NOW.toISOString()).toBe('2026-01-15T14:32:02.000Z');
  });

  it('a fault of Jira’s is asked once: retries are Temporal’s', async () => {
    fake.script([{ status: 500, text: 'Internal server error' }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'server', ambiguous: true });
    expect(fake.requests.items).toHaveLength(1);
  });
});

describe('the check', () => {
  it('asks who the account is, what the project has and what may be done there, and writes nothing', async () => {
    expect(await check()).toEqual({ kind: 'delivered' });
    expect(asked()).toEqual(['GET myself', 'GET project/OPS', 'GET mypermissions']);
  });

  it.each<[string, FakeJiraOptions, Record<string, unknown>, string, string]>([
    ['a wrong token', {}, { api_token: 'x' }, 'auth', 'API token is wrong'],
    ['a project it cannot see', {}, { project_key: 'NOPE' }, 'config', 'no project NOPE'],
    ['a project it may only read', { permissions: [] }, {}, 'auth', 'may not create issues in OPS'],
    ['an issue type that is not there', {}, { issue_type: 'Epos' }, 'config', 'it has Incident, Task, Bug'],
  ])('says what to do about %s', async (_what, options, more, reason, advice) => {
    await restart(options);
    expect(await check(more)).toMatchObject({ kind: 'rejected', reason, detail: expect.stringContaining(advice) });
  });

  it('tells what will not be possible later', async () => {
    await restart({ permissions: ['CREATE_ISSUES'] });
    expect(await check()).toMatchObject({
      kind: 'delivered',
      note: expect.stringContaining('not comment on or edit or transition'),
    });
  });
});

describe('limits', () => {
  const worst = (): Notice => {
    const long = (letter: string) => letter.repeat(9_000);
    const alerts = Array.from({ length: 20 }, (_, at) =>
      sampleAlert({
        title: long('"\\'),
        body: long('🔥"'),
        trace_id: `${at}${long('t')}`,
        type: `${at}${long('y')}`,
        context: { text: long('"\\') },
      }),
    );
    const links = Array.from({ length: 40 }, (_, at) => ({
      title: long('"'),
      url: `https://example.com/${at}/${'x'.repeat(1_900)}`,
    }));
    return sampleNotice({
      headline: long('"'),
      lines: [long('"'), long('\\')],
      alerts,
      links,
      answers: [{ action: 'ack', label: 'Acknowledge', token: 'x', url: `https://example.com/${'x'.repeat(1_900)}` }],
      incident: { title: long('"'), service: long('s'), alert_count: 500 },
    });
  };

  it.each(noticeCases)('hold for the case %s, and Atlassian’s schema with them', async (name) => {
    const { fields, comment } = render(noticeOf(name), jiraChannel.config.parse(jira.sample));
    for (const document of [fields.description, comment]) {
      expect(isDocument(document), JSON.stringify(isDocument.errors)).toBe(true);
      expect(JSON.stringify(document).length).toBeLessThanOrEqual(DOCUMENT_MAX);
    }
  });

  it('hold for the longest alerts, which Jira takes; what was cut says so', async () => {
    const root = await begin(worst());
    await tell({ ...worst(), reason: 'group_interval' }, root);
    expect(issue().comments).toHaveLength(1);
    expect(issue().text).toMatch(/…\n/);
    expect(issue().text).toMatch(/Cut: \d+ characters more\./);
    expect(String(issue().fields.summary).length).toBe(255);
  });

  it('hold for hostile text, which Jira takes, and whose labels have no space', async () => {
    const root = await begin(noticeOf('hostile'));
    await tell({ ...noticeOf('hostile'), reason: 'escalated' }, root);
    expect(issue().comments).toHaveLength(1);
    expect(JSON.stringify(issue().fields.description)).not.toContain('mention');
    for (const label of issue().labels) expect(label).toMatch(/^\S{1,255}$/u);
  });

  it('make a label of any text by one rule', () => {
    expect(asLabel(' a\t b\u00a0c\u3000d\ne ')).toBe('a_b_c_d_e');
    expect(asLabel('x'.repeat(300))).toHaveLength(255);
    expect(asLabel(HOSTILE)).toMatch(/^\S+$/u);
    expect(asLabel(' \n')).toBe('');
  });
});

describe('the configuration', () => {
  it.each([
    [{ base_url: 'your-org.atlassian.net' }, 'base_url'],
    [{ project_key: 'ops' }, 'project_key'],
    [{ email: 'alerts' }, 'email'],
    [{ fields: { Team: 'x' } }, 'fields'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a template of ours.
    [{ fields: { customfield_1: '${colour}' } }, 'fields'],
    [{ priorities: { urgent: 'x' } }, 'priorities'],
  ])('refuses %j by the name of the field', (more, field) => {
    const { error } = jira.config.safeParse({ ...configOf(), ...more });
    expect(error?.issues.map(({ path }) => path[0])).toContain(field);
  });
});

describe('the way to a status', () => {
  const to = (name: string, key: string, fields: Record<string, unknown> = {}, id = name): Transition => ({
    id,
    to: { name, statusCategory: { key } },
    fields,
  });
  const demanding = { customfield_1: { name: 'Cause', required: true } };
  const done = { done: true, fields: {} };

  it('is another transition to the same status where one screen wants too much, and never another status', () => {
    const hard = to('Done', 'done', demanding, 'hard');
    expect(wayOf([hard, to('Done', 'done', {}, 'easy')], done)).toEqual({ id: 'easy', fields: {} });
    expect(wayOf([hard, to('Won’t do', 'done')], done)).toEqual({ lacking: ['Cause'] });
  });

  it('is none where nothing leads there', () => {
    expect(wayOf([to('In progress', 'indeterminate')], done)).toBeUndefined();
    expect(wayOf([], done)).toBeUndefined();
  });

  it('survives fields that are not described as Jira describes them', () => {
    const odd = { resolution: { required: true, allowedValues: [null, 'Done', { name: 'Done' }] }, other: null };
    expect(wayOf([to('Done', 'done', odd)], done)).toEqual({ lacking: ['resolution'] });
  });
});
