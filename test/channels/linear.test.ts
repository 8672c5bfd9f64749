import { parse, validate } from 'graphql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Channel, Ref } from '../../src/channels/channel.ts';
import { attachRequest, requests } from '../../src/channels/linear/requests.ts';
import { linear as linearChannel, render } from '../../src/channels/linear.ts';
import type { Notice } from '../../src/core/notice.ts';
import { callOf, NOW } from '../support/calls.ts';
import { type FakeLinear, linearSchema, startFakeLinear } from '../support/fakes/linear.ts';
import type { Answer } from '../support/fakes/recorder.ts';
import { noticeCases, noticeOf, sampleAlert, sampleNotice } from '../support/notices.ts';

const linear = linearChannel as unknown as Channel;

let fake: FakeLinear;
beforeEach(async () => {
  fake = await startFakeLinear();
});
afterEach(() => fake.close());

const configOf = (more: Record<string, unknown> = {}) => ({
  api_key: fake.apiKey,
  team_id: fake.teamId,
  api_url: fake.url,
  ...more,
});
const tell = (notice: Notice, root?: Ref, more?: Record<string, unknown>) =>
  linear.send(callOf(linear, configOf(more), { notice, ...(root ? { root } : {}) }));
const find = (notice: Notice, root?: Ref) =>
  linear.find?.(callOf(linear, configOf(), { notice, ...(root ? { root } : {}) }));
const check = (more?: Record<string, unknown>) => linear.check?.(callOf(linear, configOf(more)));

/** The issue of an incident, and its ref. */
async function begin(notice = noticeOf('one')): Promise<Ref> {
  const outcome = await tell(notice);
  if (outcome.kind !== 'delivered' || !outcome.ref) throw new Error(`not delivered: ${JSON.stringify(outcome)}`);
  return outcome.ref;
}
const issue = (at = 0) => fake.issues[at] as (typeof fake.issues)[number];
const graphqlError = (type: string, code: string, message = 'a sentence with the title in it', statusCode = 400) => ({
  errors: [{ message, extensions: { type, code, statusCode, userError: true, userPresentableMessage: message } }],
  data: null,
});
const UNKNOWN = '00000000-0000-4000-8000-000000000000';

describe('the issue of an incident', () => {
  it('is opened with priority, what is known, and links beside it', async () => {
    const ref = await begin();
    expect(ref).toEqual({
      id: issue().id,
      identifier: 'OPS-1',
      url: 'https://linear.app/acme/issue/OPS-1',
    });
    expect(issue().input).toMatchObject({
      title: '[availability] API gateway answers 503',
      priority: 1,
      teamId: fake.teamId,
    });
    for (const part of [
      '🔴 CRITICAL · API gateway answers 503',
      '- **Trace**: 4bf92f3577b34da6a3ce929d0e0e4736',
      '```json\n{\n  "pool": "blue",\n  "healthy": 0\n}\n```',
      '[Grafana](<https://grafana.example.com/d/gateway>)',
    ]) {
      expect(issue().input.description).toContain(part);
    }
    expect(issue().attachments.map(({ title }) => title)).toEqual(['Incident INC-1', 'Grafana', 'Prometheus']);
    expect(fake.operations()).toEqual(['Open', 'Attach']);
  });

  it.each([
    ['critical', 1],
    ['error', 2],
    ['warning', 3],
    ['info', 4],
  ] as const)('of severity %s has priority %i', async (severity, priority) => {
    await begin(sampleNotice({ incident: { severity } }));
    expect(issue().priority).toBe(priority);
  });

  it('belongs to the project and has the labels that are configured', async () => {
    await tell(noticeOf('one'), undefined, { project_id: fake.projectId, label_ids: [fake.labelId] });
    expect(issue().input).toMatchObject({ projectId: fake.projectId, labelIds: [fake.labelId] });
  });

  it('is opened once, however often it is sent', async () => {
    const first = await begin();
    expect(await begin()).toEqual(first);
    expect(fake.issues).toHaveLength(1);
    expect(issue().attachments).toHaveLength(3);
    expect(fake.operations()).toEqual(['Open', 'Attach', 'Open', 'Find', 'Attach']);
  });

  it('stands without its links beside it where those are refused', async () => {
    fake.script([{ accept: true }, { json: graphqlError('forbidden', 'FORBIDDEN') }]);
    expect(await tell(noticeOf('one'))).toMatchObject({
      kind: 'delivered',
      ref: { identifier: 'OPS-1' },
      note: 'opened, but without links beside it',
    });
    expect(issue().input.description).toContain('https://grafana.example.com/d/gateway');
  });

  it('offers the answers as links', async () => {
    const url = 'https://tocsin.example.com/a/token-1';
    await begin(sampleNotice({ answers: [{ action: 'ack', label: 'Acknowledge', token: 'token-1', url }] }));
    expect(issue().input.description).toContain(`[Acknowledge](<${url}>)`);
    expect(issue().attachments.map((one) => one.url)).not.toContain(url);
  });

  it('is not opened to say that there is nothing to do', async () => {
    for (const name of ['acknowledged', 'snoozed', 'resolved', 'story-end'] as const) {
      expect(await tell(noticeOf(name))).toEqual({
        kind: 'delivered',
        note: 'Linear has no issue of this incident to comment on',
      });
    }
    expect(fake.requests.items).toEqual([]);
  });
});

describe('what follows', () => {
  it('is a comment, said once however often it is sent', async () => {
    const root = await begin();
    const outcome = await tell(noticeOf('acknowledged'), root);
    expect(outcome).toMatchObject({ kind: 'delivered', ref: { id: root.id } });
    expect(await tell(noticeOf('acknowledged'), root)).toEqual(outcome);
    await tell(noticeOf('escalated'), root);
    expect(issue().comments.map(({ body }) => body.split('\n')[0])).toEqual([
      '**👀 ACKNOWLEDGED · Acknowledged by ana**',
      '**🔴 CRITICAL · Nobody answered: level 2**',
    ]);
  });

  it('moves the issue to the first state that is done when it is over', async () => {
    const root = await begin();
    await tell(noticeOf('resolved'), root);
    expect(issue().state.name).toBe('Done');
    expect(issue().comments[0]?.body).toContain('✅ RESOLVED · Resolved after 12 min');
    await tell(sampleNotice({ reason: 'fired_again' }), root);
    expect(issue().state.name).toBe('Todo');
  });

  it('leaves alone an issue that somebody has closed', async () => {
    const root = await begin();
    issue().state = { id: 's-canceled', name: 'Canceled', type: 'canceled', position: 5 };
    await tell(noticeOf('resolved'), root);
    expect(issue().state.name).toBe('Canceled');
    expect(issue().comments).toHaveLength(1);
  });

  it('is said even where the team has no state that is done', async () => {
    await fake.close();
    fake = await startFakeLinear({ states: [{ id: 's', name: 'Open', type: 'unstarted', position: 1 }] });
    expect(await tell(noticeOf('resolved'), await begin())).toMatchObject({
      kind: 'delivered',
      note: 'commented, but not moved: the team has no state of type completed',
    });
    expect(issue().comments).toHaveLength(1);
  });

  it('corrects the priority when the severity rises', async () => {
    const root = await begin(sampleNotice({ incident: { severity: 'warning' } }));
    await tell(sampleNotice({ reason: 'severity_rose', delivery: { key: 'INC-1/severity_rose/b2/target' } }), root);
    expect(issue().priority).toBe(1);
    expect(issue().comments).toHaveLength(1);
  });

  it('opens one other issue where the first was deleted, and none to say that it is over', async () => {
    const gone = { id: UNKNOWN };
    expect(await tell(noticeOf('escalated'), gone)).toMatchObject({ kind: 'delivered', ref: { identifier: 'OPS-1' } });
    expect(await tell(sampleNotice({ reason: 'repeat_interval' }), gone)).toMatchObject({ kind: 'delivered' });
    expect(fake.issues).toHaveLength(1);
    expect(issue().comments).toHaveLength(1);
    expect(await tell(noticeOf('resolved'), gone)).toEqual({
      kind: 'delivered',
      note: 'the issue is gone: nothing was said',
    });
  });
});

describe('after a lost answer', () => {
  it('the issue is found by its id, and a repeat opens no second one', async () => {
    fake.script([{ reset: true, accept: true }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'network', ambiguous: true });
    expect(await find(noticeOf('one'))).toMatchObject({ identifier: 'OPS-1' });
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'delivered', ref: { identifier: 'OPS-1' } });
    expect(fake.issues).toHaveLength(1);
  });

  it('so is a comment; what was never sent is not found', async () => {
    const root = await begin();
    fake.script([{ reset: true, accept: true }]);
    expect(await tell(noticeOf('escalated'), root)).toMatchObject({ kind: 'retry', ambiguous: true });
    expect(await find(noticeOf('escalated'), root)).toMatchObject({ id: root.id, comment: issue().comments[0]?.id });
    expect(await find(noticeOf('acknowledged'), root)).toBeUndefined();
    expect(await find(sampleNotice({ delivery: { key: 'another' } }))).toBeUndefined();
    expect(issue().comments).toHaveLength(1);
  });

  it('a search that fails does not claim that nothing is there', async () => {
    fake.script([{ status: 503 }]);
    await expect(find(noticeOf('one'))).rejects.toThrow('HTTP 503');
  });

  it('Linear falling silent is told apart from a refusal, before the headers and within the body', async () => {
    const silent = async (answer: Answer, hearing: (stop: () => void) => Promise<typeof fetch>) => {
      const stopper = new AbortController();
      fake.script([{ ...answer, accept: true }]);
      const heard = await hearing(() => stopper.abort());
      return linear.send(callOf(linear, configOf(), { notice: noticeOf('one'), fetch: heard, signal: stopper.signal }));
    };
    const lost = { kind: 'retry', reason: 'timeout', ambiguous: true };
    expect(
      await silent({ hang: true }, async (stop) => {
        void fake.requests.waitFor(() => true).then(stop);
        return fetch;
      }),
    ).toMatchObject(lost);
    expect(
      await silent({ headers: { 'content-length': '1000' }, text: '{"data":' }, async (stop) => async (url, init) => {
        const response = await fetch(url, init);
        setImmediate(stop);
        return response;
      }),
    ).toMatchObject(lost);
    expect(fake.issues.length).toBeGreaterThan(0);
  });

  it.each([
    ['is cut off', { headers: { 'content-length': '1000', connection: 'close' }, text: '{"data":' }, 'network'],
    ['is no JSON', { text: '<html>Please log in' }, 'server'],
    ['names no issue', { json: { data: { issueCreate: { success: true, issue: null } } } }, 'server'],
    ['says it did not succeed', { json: { data: { issueCreate: { success: false, issue: null } } } }, 'server'],
  ] as const)('an answer that %s has not said that the issue is there', async (_what, answer, reason) => {
    fake.script([{ ...answer, accept: true }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason, ambiguous: true });
  });
});

describe('what Linear refuses', () => {
  it('a wrong key is called that', async () => {
    expect(await tell(noticeOf('one'), undefined, { api_key: 'lin_api_wrong' })).toMatchObject({
      kind: 'rejected',
      reason: 'auth',
      detail: expect.stringContaining('API key is wrong'),
    });
  });

  it.each([
    ['team_id', { team_id: UNKNOWN }, 'no such Team: check team_id'],
    ['project_id', { project_id: UNKNOWN }, 'no such Project: check project_id'],
    ['label_ids', { label_ids: [UNKNOWN] }, 'no such IssueLabel: check label_ids'],
  ])('%s is named where there is no such thing', async (_field, more, detail) => {
    expect(await tell(noticeOf('one'), undefined, more)).toMatchObject({
      kind: 'rejected',
      reason: 'config',
      detail: expect.stringContaining(detail),
    });
  });

  it.each([
    ['forbidden', 'FORBIDDEN', 'rejected', 'auth'],
    ['feature not accessible', 'FEATURE_NOT_ACCESSIBLE', 'rejected', 'config'],
    ['usage limit exceeded', 'USAGE_LIMIT_EXCEEDED', 'rejected', 'config'],
    ['invalid input', 'INVALID_INPUT', 'rejected', 'payload'],
    ['graphql error', 'GRAPHQL_VALIDATION_FAILED', 'rejected', 'payload'],
    ['internal error', 'INTERNAL_SERVER_ERROR', 'retry', 'server'],
    ['lock timeout', 'LOCK_TIMEOUT', 'retry', 'server'],
    ['a word of tomorrow', 'TOMORROW', 'rejected', 'unforeseen'],
  ])('%s within a 200 is %s', async (type, code, kind, reason) => {
    fake.script([{ json: graphqlError(type, code) }]);
    const outcome = await tell(noticeOf('one'));
    expect(outcome).toMatchObject({ kind, reason });
    expect(JSON.stringify(outcome)).not.toContain('a sentence with the title');
    expect(fake.requests.items).toHaveLength(1);
  });

  it.each([
    ['both words', graphqlError('ratelimited', 'RATELIMITED', 'Rate limit exceeded.', 429)],
    ['the code alone', { errors: [{ message: 'x', extensions: { code: 'RATELIMITED' } }] }],
    ['the type alone', { errors: [{ message: 'x', extensions: { type: 'ratelimited' } }] }],
  ])('too many requests come as status 400, with %s', async (_what, json) => {
    fake.script([{ status: 400, json }]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'rate_limited' });
  });

  it.each([
    [{ 'retry-after': '7' }, 7_000],
    [{ 'x-ratelimit-requests-remaining': '0', 'x-ratelimit-requests-reset': String(NOW.getTime() + 20_000) }, 20_000],
    [
      { 'x-ratelimit-complexity-remaining': '0', 'x-ratelimit-complexity-reset': String(NOW.getTime() + 3_600_000) },
      60_000,
    ],
    [
      { 'x-ratelimit-requests-remaining': '17', 'x-ratelimit-requests-reset': String(NOW.getTime() + 20_000) },
      undefined,
    ],
    [{}, undefined],
  ])(
    'with the headers %j one waits %s ms, at most until some of the bucket is filled again',
    async (headers, after_ms) => {
      fake.script([{ status: 400, headers, json: graphqlError('ratelimited', 'RATELIMITED') }]);
      const outcome = await tell(noticeOf('one'));
      expect(outcome).toMatchObject({ kind: 'retry', reason: 'rate_limited' });
      expect('after_ms' in outcome ? outcome.after_ms : undefined).toBe(after_ms);
    },
  );

  it('a redirect is not followed, a fault of Linear’s is asked once', async () => {
    fake.script([
      { status: 302, headers: { location: 'https://elsewhere.example' } },
      { status: 502, text: '<html>' },
    ]);
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'rejected', reason: 'config' });
    expect(await tell(noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'server', ambiguous: true });
    expect(fake.requests.items).toHaveLength(2);
  });

  it('an OAuth token is sent as a bearer’s, a personal key alone', async () => {
    await tell(noticeOf('one'), undefined, { api_key: 'lin_oauth_x' });
    await tell(noticeOf('one'));
    expect(fake.requests.items.slice(0, 2).map(({ headers }) => headers.authorization)).toEqual([
      'Bearer lin_oauth_x',
      'lin_api_fake_key',
    ]);
  });
});

describe('the check', () => {
  it('asks for the key’s owner, the team and the project, and writes nothing', async () => {
    expect(await check()).toEqual({ kind: 'delivered' });
    expect(await check({ project_id: fake.projectId })).toEqual({ kind: 'delivered' });
    expect(fake.operations()).toEqual(['Check', 'Check']);
    expect(fake.issues).toEqual([]);
  });

  it.each([
    ['a wrong key', { api_key: 'lin_api_x' }, 'auth', 'make a new one'],
    ['a team that is not there', { team_id: UNKNOWN }, 'config', 'check team_id'],
    ['a project that is not there', { project_id: UNKNOWN }, 'config', 'check project_id'],
  ])('says what to do about %s', async (_what, more, reason, advice) => {
    expect(await check(more)).toMatchObject({ kind: 'rejected', reason, detail: expect.stringContaining(advice) });
  });
});

describe('the requests', () => {
  it('are valid by Linear’s schema, every one', () => {
    const documents = [...Object.values(requests), attachRequest(1), attachRequest(8)].map(({ document }) => document);
    expect(documents.length).toBeGreaterThan(7);
    for (const document of documents) expect(validate(linearSchema, parse(document))).toEqual([]);
  });
});

describe('text', () => {
  const worst = (): Notice => {
    const long = (letter: string) => letter.repeat(9_000);
    return sampleNotice({
      headline: long('*'),
      lines: Array.from({ length: 50 }, () => long('://')),
      alerts: Array.from({ length: 20 }, () =>
        sampleAlert({ title: long('<'), type: long('y'), context: { text: long('`') } }),
      ),
      links: Array.from({ length: 40 }, (_, at) => ({
        title: long('['),
        url: `https://example.com/${at}/${'x'.repeat(900)}`,
      })),
      incident: { title: long('"'), service: long('_'), alert_count: 500 },
    });
  };

  it.each(noticeCases)('of the case %s is as Linear takes it, and no longer than we promise', async (name) => {
    const { input, comment } = render(noticeOf(name), linearChannel.config.parse(linear.sample));
    for (const text of [input.description, comment]) expect(text.length).toBeLessThan(40_000);
    await tell(sampleNotice());
    expect(await tell({ ...noticeOf(name), reason: 'escalated' }, { id: issue().id })).toMatchObject({
      kind: 'delivered',
    });
  });

  it('of the longest alerts is cut by rule and says so', async () => {
    await begin(worst());
    const { title, description } = issue().input as { title: string; description: string };
    expect(title).toHaveLength(255);
    expect(description.length).toBeLessThan(40_000);
    expect(description).toContain('…');
    expect(description).toMatch(/Cut: \d+ characters more\./);
    expect(issue().attachments).toHaveLength(8);
  });

  it('of a sender is no markup, no mention and no end of a code block', async () => {
    await begin(
      sampleNotice({
        headline: '@ana https://linear.app/acme/profiles/ana **x** [y](https://evil.example) <b>',
        lines: ['# no heading', '- no list', '1. no list', '> no quote'],
        alerts: [sampleAlert({ title: 'x', body: '~~~\n```\n+ no list', context: { text: '```\n@ana' } })],
        links: [{ title: '](https://evil.example)', url: 'https://example.com/a b>c' }],
      }),
    );
    const description = String(issue().input.description);
    const [outside = '', inside = ''] = description.split('```json');
    expect(outside).toContain(
      '\\@ana https\\://linear.app/acme/profiles/ana \\*\\*x\\*\\* \\[y\\](https\\://evil.example) \\<b\\>',
    );
    for (const line of ['\\# no heading', '\\- no list', '1\\. no list', '\\> no quote', '\\+ no list', '\\~\\~\\~'])
      expect(outside.split(/ {2}\n|\n\n/)).toContain(line);
    expect(inside).toContain('"text": "\\u0060\\u0060\\u0060\\n@ana"');
    expect(inside.split('\n')).toContain('```');
    expect(inside).toContain('- [\\](https\\://evil.example)](<https://example.com/a%20b%3Ec>)');
  });
});

describe('the configuration', () => {
  it.each([
    [{ team_id: 'OPS' }, 'team_id'],
    [{ project_id: 'x' }, 'project_id'],
    [{ label_ids: ['Bug'] }, 'label_ids'],
    [{ api_key: '' }, 'api_key'],
  ])('refuses %j by the name of the field', (more, field) => {
    const { error } = linear.config.safeParse({ ...configOf(), ...more });
    expect(error?.issues.map(({ path }) => path[0])).toContain(field);
  });
});
