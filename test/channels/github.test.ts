import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Channel, Outcome, Ref } from '../../src/channels/channel.ts';
import { reportIn } from '../../src/channels/github/report.ts';
import { github as githubChannel, render } from '../../src/channels/github.ts';
import type { Notice } from '../../src/core/notice.ts';
import { createEgress } from '../../src/egress/guard.ts';
import { callOf } from '../support/calls.ts';
import { type FakeGitHub, type FakeGitHubOptions, SHA, startFakeGitHub } from '../support/fakes/github.ts';
import type { Answer } from '../support/fakes/recorder.ts';
import { noticeOf, sampleNotice } from '../support/notices.ts';
import { ciAlert, ciNotice } from './github/notices.ts';

const github = githubChannel as unknown as Channel;

let fake: FakeGitHub;
const started: FakeGitHub[] = [];
const start = async (options?: FakeGitHubOptions): Promise<FakeGitHub> => {
  fake = await startFakeGitHub(options);
  started.push(fake);
  return fake;
};
afterEach(async () => {
  for (const one of started.splice(0)) await one.close();
});

type Given = Record<string, unknown>;
const asUser = (more: Given = {}): Given => ({ token: fake.token, api_url: fake.url, ...more });
const asApp = (more: Given = {}): Given => ({ ...fake.app, api_url: fake.url, ...more });
const tell = (notice: Notice, config = asUser(), root?: Ref): Promise<Outcome> =>
  github.send(callOf(github, config, { notice, ...(root ? { root } : {}) }));
const find = async (notice: Notice, config = asUser(), root?: Ref): Promise<Ref | undefined> =>
  github.find?.(callOf(github, config, { notice, ...(root ? { root } : {}) }));
const check = async (config = asUser()): Promise<Outcome | undefined> => github.check?.(callOf(github, config));

async function delivered(notice: Notice, config = asUser(), root?: Ref): Promise<Ref> {
  const outcome = await tell(notice, config, root);
  if (outcome.kind !== 'delivered' || !outcome.ref) throw new Error(`not delivered: ${JSON.stringify(outcome)}`);
  return outcome.ref;
}
const asked = () => fake.requests.items.map(({ method, path }) => `${method} ${path.replace('/repos/acme/shop', '')}`);
const onCommit = (type: string, more: Parameters<typeof ciNotice>[2] = {}): Notice => ciNotice(type, {}, more);

describe('the comment on a pull request', () => {
  it('is made once, and then edited by every incident of that pull request', async () => {
    await start();
    const ref = await delivered(ciNotice('build_success', { duration: '3m' }));
    expect(ref).toEqual({ repository: 'acme/shop', number: 7, comment_id: fake.comments[0]?.id });
    await delivered(ciNotice('test_failed', { tests_passed: '118', tests_total: '120' }));
    await delivered(ciNotice('lint_completed', { lint_issues: '3' }));
    expect(fake.comments).toHaveLength(1);
    expect(fake.comments[0]).toMatchObject({ issue: 7, edits: 2 });
    for (const row of [
      '| 🏗️ Build | ✅ passed | 3m |',
      '| 🧪 Tests | ❌ failed | - | [118/120 passed]',
      '| 📝 Lint | ✅ passed | - | [3 warnings]',
      '| 📊 Coverage | – not reported | - |  |',
    ]) {
      expect(fake.comments[0]?.body).toContain(row);
    }
  });

  it('is not looked for where it is known from the incident’s first delivery', async () => {
    await start();
    const root = await delivered(noticeWithPlace('one'));
    fake.requests.items.length = 0;
    await delivered(noticeWithPlace('acknowledged'), asUser(), root);
    expect(asked()).toEqual([`GET /issues/comments/${root.comment_id}`, `PATCH /issues/comments/${root.comment_id}`]);
    expect(fake.comments[0]?.body).toContain('👀 **ACKNOWLEDGED** API gateway answers 503');
    await delivered(noticeWithPlace('resolved'), asUser(), root);
    expect(fake.comments[0]?.body).toContain('✅ **RESOLVED** API gateway answers 503');
    expect(fake.comments).toHaveLength(1);
  });

  it('of somebody who copied the marker is left alone, and what it claims is not believed', async () => {
    await start();
    const planted = fake.comment(7, '<!-- tocsin:report -->\n<!-- tocsin:state {"values":{"complexity":"1"}} -->');
    await delivered(ciNotice('build_success'));
    expect(fake.comments).toHaveLength(2);
    expect(planted.edits).toBe(0);
    expect(fake.comments[1]?.body).not.toContain('Complexity');
  });

  it('is found among more than a page of others, by an App as well', async () => {
    await start();
    for (let nth = 0; nth < 120; nth++) fake.comment(7, `LGTM ${nth}`);
    await delivered(ciNotice('build_success'), asApp());
    await delivered(ciNotice('test_passed'), asApp());
    expect(fake.comments).toHaveLength(121);
    expect(fake.comments.at(-1)).toMatchObject({ edits: 1, user: { login: 'tocsin-app[bot]' } });
  });

  it('is found among comments that are together longer than an answer may be', async () => {
    await start();
    await delivered(ciNotice('build_success'));
    const ours = fake.comments.pop();
    for (let nth = 0; nth < 25; nth++) fake.comment(7, 'x'.repeat(65_000));
    if (ours) fake.comments.push(ours);
    const egress = createEgress({ allow: ['127.0.0.1'] });
    const call = callOf(github, asUser(), { notice: ciNotice('test_passed'), fetch: egress.fetch });
    expect(await github.send(call)).toMatchObject({ kind: 'delivered' });
    await egress.close();
    expect(fake.comments).toHaveLength(26);
    expect(ours?.edits).toBe(1);
  });

  it('of another integration of the same account has another marker', async () => {
    await start();
    await delivered(ciNotice('build_success'));
    await delivered(ciNotice('build_success'), asUser({ marker: 'nightly' }));
    expect(fake.comments.map(({ body }) => body.split('\n')[0])).toEqual([
      '<!-- tocsin:report -->',
      '<!-- nightly:report -->',
    ]);
  });

  it('is made anew when somebody deleted it', async () => {
    await start();
    const root = await delivered(noticeWithPlace('one'));
    fake.comments.length = 0;
    const again = await delivered(noticeWithPlace('escalated'), asUser(), root);
    expect(again.comment_id).not.toBe(root.comment_id);
    expect(fake.comments).toHaveLength(1);
  });

  it('that is deleted between reading and writing is made anew', async () => {
    await start();
    const root = await delivered(noticeWithPlace('one'));
    const comment = fake.comments.pop();
    fake.script([{ path: `/comments/${root.comment_id}`, json: { ...comment } }]);
    await delivered(noticeWithPlace('escalated'), asUser(), root);
    expect(fake.comments).toHaveLength(1);
  });

  it('goes to the configured issue where the event names none', async () => {
    await start({ issues: [3] });
    await delivered(noticeOf('one'), asUser({ repository: 'acme/shop', pull_request: 3 }));
    expect(fake.comments).toMatchObject([{ issue: 3 }]);
  });

  it.each(['hostile', 'many'] as const)('takes the case %s', async (name) => {
    await start();
    await delivered(noticeWithPlace(name));
    expect(fake.comments[0]?.body.replace(/```[\s\S]*?```|&#8203;/g, '\u200b')).not.toMatch(
      /@\w|#\d|<script|javascript:/,
    );
  });

  it('has no button and no link that answers: who may read it could press it', () => {
    const answers = [{ action: 'ack', label: 'Acknowledge', token: 'tok', url: 'https://t.example/a/tok' }] as const;
    const body = JSON.stringify(
      render(sampleNotice({ answers: [...answers] }), githubChannel.config.parse({ token: 'x' })),
    );
    expect(body).not.toContain('tok"');
    expect(body).not.toContain('t.example');
  });

  it('of two incidents at the same moment keeps what the later one read; the other’s row comes back with its next notice', async () => {
    await start();
    const root = await delivered(ciNotice('build_success'));
    const stale = { ...fake.comments[0] };
    await delivered(ciNotice('test_failed'));
    fake.script([{ path: `/comments/${root.comment_id}`, json: stale }]);
    await delivered(ciNotice('build_success', {}, { nth: 2 }), asUser(), root);
    const known = () => Object.keys(reportIn(fake.comments[0]?.body ?? '', 'tocsin').rows);
    expect(known()).toEqual(['build']);
    await delivered(ciNotice('test_failed', {}, { nth: 2 }));
    expect(known()).toEqual(['build', 'test']);
  });
});

/** The sample notices know nothing of GitHub. */
function noticeWithPlace(name: Parameters<typeof noticeOf>[0]): Notice {
  const notice = noticeOf(name);
  const place = { repository: 'acme/shop', pull_request: '7' };
  return { ...notice, alerts: notice.alerts.map((alert) => ({ ...alert, labels: { ...alert.labels, ...place } })) };
}

describe('the status of a commit', () => {
  const status = () => asUser({ kind: 'status' });

  it('follows what the alerts say, under one name for each stage', async () => {
    await start();
    await delivered(onCommit('build_started', { headline: 'Build is running' }), status());
    await delivered(onCommit('build_failed', { headline: 'Build failed' }), status());
    await delivered(onCommit('test_passed', { headline: '🚀 All 120 tests passed' }), status());
    expect(fake.statuses.toReversed()).toMatchObject([
      { state: 'pending', context: 'tocsin/build', description: '⏳ Build is running (INC-build_started)', sha: SHA },
      { state: 'failure', context: 'tocsin/build', description: '❌ Build failed (INC-build_failed)' },
      { state: 'success', context: 'tocsin/test', description: '✅ All 120 tests passed (INC-test_passed)' },
    ]);
    expect(fake.statuses[0]?.target_url).toBe('https://tocsin.example.com/incidents/INC-1');
  });

  it('is about its own commit alone: the one before may have failed', async () => {
    const later = 'f'.repeat(40);
    await start({ shas: [SHA, later] });
    const alerts = [
      ciAlert('build_failed'),
      ciAlert('build_success', { sha: later }, { last_at: '2026-01-15T15:00:00.000Z' }),
    ];
    await delivered(sampleNotice({ alerts }), status());
    expect(fake.statuses).toMatchObject([{ sha: later, state: 'success' }]);
  });

  it('blocks no merge for a warning', async () => {
    await start();
    const notice = sampleNotice({ alerts: [ciAlert('lint_completed', {}, { severity: 'warning' })] });
    await delivered(notice, status());
    expect(fake.statuses).toMatchObject([{ state: 'success', description: expect.stringMatching(/^⚠️ /) }]);
  });

  it('does not turn green because an operator closes the incident', async () => {
    await start();
    await delivered(onCommit('test_failed', { reason: 'resolved', incident: { status: 'resolved' } }), status());
    expect(fake.statuses[0]?.state).toBe('failure');
  });

  it('has the name that is configured, by service where that is wanted', async () => {
    await start();
    await delivered(onCommit('build_failed'), { ...status(), context: 'ci/{service}/{stage}' });
    expect(fake.statuses[0]?.context).toBe('ci/shop/build');
  });

  it('has a name of its own where the incident is about several stages', async () => {
    await start();
    await delivered(sampleNotice({ alerts: [ciAlert('test_failed'), ciAlert('build_success')] }), status());
    expect(fake.statuses).toMatchObject([{ context: 'tocsin/ci', state: 'failure' }]);
  });

  it.each(['hostile', 'many'] as const)('takes the case %s', async (name) => {
    await start();
    const notice = noticeOf(name);
    const alerts = notice.alerts.map((alert) => ({ ...alert, labels: { repository: 'acme/shop', sha: SHA } }));
    await delivered({ ...notice, alerts }, status());
    expect(fake.statuses[0]?.description).toMatch(/\(INC-1\)$/);
  });
});

describe('a check run', () => {
  const asCheck = () => asApp({ kind: 'check' });

  it('is made by an App and changed as the incident goes on', async () => {
    await start();
    const root = await delivered(onCommit('build_started', { id: 'INC-1' }), asCheck());
    expect(fake.checks).toMatchObject([{ name: 'tocsin/build', status: 'in_progress', head_sha: SHA }]);
    await delivered(onCommit('build_failed', { id: 'INC-1', nth: 2 }), asCheck(), root);
    expect(fake.checks).toMatchObject([
      { status: 'completed', conclusion: 'failure', edits: 1, external_id: 'INC-1/group_now/b2/target' },
    ]);
  });

  it('of a later commit is another one', async () => {
    const later = 'f'.repeat(40);
    await start({ shas: [SHA, later] });
    const root = await delivered(ciNotice('build_failed'), asCheck());
    await delivered(ciNotice('build_failed', { sha: later }, { nth: 2 }), asCheck(), root);
    expect(fake.checks.map(({ head_sha }) => head_sha)).toEqual([SHA, later]);
  });

  it('annotates the lines that alerts name, once', async () => {
    await start();
    const alerts = [ciAlert('lint_failed', { file: './src/basket.ts', line: '12' }), ciAlert('lint_failed')];
    const notice = sampleNotice({ alerts });
    const root = await delivered(notice, asCheck());
    await delivered({ ...notice, delivery: { key: 'INC-1/x/b2/target', attempt: 1 } }, asCheck(), root);
    expect(fake.checks[0]?.output.annotations).toMatchObject([
      { path: 'src/basket.ts', start_line: 12, end_line: 12, annotation_level: 'failure' },
    ]);
  });

  it('is neutral for a warning, and takes the case hostile', async () => {
    await start();
    await delivered(sampleNotice({ alerts: [ciAlert('lint_completed', {}, { severity: 'warning' })] }), asCheck());
    const notice = noticeOf('hostile');
    const alerts = notice.alerts.map((alert) => ({ ...alert, labels: { repository: 'acme/shop', sha: SHA } }));
    await delivered({ ...notice, alerts }, asCheck());
    expect(fake.checks[0]).toMatchObject({ conclusion: 'neutral' });
    expect(fake.checks[1]?.output.summary).not.toMatch(/@\w|<script/);
  });

  it('is written where an event names a commit alone, a status where there is no App', async () => {
    await start();
    const notice = ciNotice('build_failed');
    const alerts = notice.alerts.map((alert) => ({ ...alert, labels: { repository: 'acme/shop', sha: SHA } }));
    await delivered({ ...notice, alerts }, asApp());
    await delivered({ ...notice, alerts }, asUser());
    expect([fake.checks.length, fake.statuses.length]).toEqual([1, 1]);
  });
});

describe('the status of a deployment', () => {
  const labels = { deployment_id: '42', environment: 'production', environment_url: 'https://shop.example.com' };
  const deployed = (type: string, more: Parameters<typeof ciNotice>[2] = {}) =>
    ciNotice(type, labels, { id: 'INC-1', ...more });
  const withDeployment = async () => {
    await start();
    fake.deployments.push({ id: 42, sha: SHA, environment: 'production', statuses: [] });
  };

  it('follows the deployment to its environment', async () => {
    await withDeployment();
    await delivered(deployed('deployment_started'));
    await delivered(deployed('deployment_failed', { nth: 2 }));
    expect(fake.deployments[0]?.statuses).toMatchObject([
      { state: 'failure', description: '❌ deployment failed (INC-1)' },
      { state: 'in_progress', environment: 'production', environment_url: 'https://shop.example.com/' },
    ]);
  });

  it('is found by commit and environment where the event has no number', async () => {
    await withDeployment();
    const config = asUser({ kind: 'deployment' });
    await delivered(ciNotice('deployment_success', { environment: 'production' }), config);
    expect(fake.deployments[0]?.statuses).toMatchObject([{ state: 'success' }]);
    expect(await tell(ciNotice('deployment_success', { environment: 'staging' }), config)).toMatchObject({
      kind: 'rejected',
      reason: 'config',
      detail: 'acme/shop has no deployment of this commit to this environment',
    });
  });

  it('is not repeated for an acknowledgement: the history would be told nothing, and workflows would start', async () => {
    await withDeployment();
    const root = await delivered(deployed('deployment_failed'));
    expect(await tell(deployed('deployment_failed', { reason: 'acknowledged', nth: 2 }), asUser(), root)).toEqual({
      kind: 'delivered',
      note: 'a deployment has no word for acknowledged: its status stays as it is',
    });
    expect(fake.deployments[0]?.statuses).toHaveLength(1);
  });
});

describe('an event that belongs nowhere', () => {
  it('is refused without asking GitHub, in words that say what to do', async () => {
    await start();
    expect(await tell(noticeOf('one'))).toEqual({
      kind: 'rejected',
      reason: 'config',
      detail: 'the event names no repository: give it the label repository (owner/name), or set repository',
    });
    expect(asked()).toEqual([]);
  });
});

describe('what GitHub refuses', () => {
  const status = () => asUser({ kind: 'status' });
  const refused = async (answer: Answer): Promise<Outcome> => {
    await start();
    fake.script([answer]);
    return tell(onCommit('build_failed'), status());
  };
  const message = (text: string, more: object = {}) => ({
    message: text,
    documentation_url: 'https://docs.github.com',
    ...more,
  });

  it.each([
    ['a wrong token', { status: 401, json: message('Bad credentials') }, 'auth', 'the token is wrong'],
    [
      'a missing permission',
      {
        status: 403,
        json: message('Resource not accessible by personal access token'),
        headers: { 'x-accepted-github-permissions': 'issues=write; pull_requests=write' },
      },
      'auth',
      'it needs issues=write or pull_requests=write',
    ],
    [
      'a missing scope',
      { status: 403, json: message('Forbidden'), headers: { 'x-accepted-oauth-scopes': 'repo, repo:status' } },
      'auth',
      'it needs repo, repo:status',
    ],
    [
      'single sign-on',
      { status: 403, json: message('x'), headers: { 'x-github-sso': 'required; url=https://github.com/sso?t=s3cret' } },
      'auth',
      'authorise the token',
    ],
    [
      'a locked conversation',
      { status: 403, json: message('Unable to create comment because issue is locked.') },
      'config',
      'unlock it',
    ],
    ['an archive', { status: 403, json: message('Repository was archived so is read-only.') }, 'config', 'archived'],
    [
      'a check without an App',
      { status: 403, json: message('You must authenticate via a GitHub App.') },
      'auth',
      'for Apps only',
    ],
    ['a repository out of sight', { status: 404, json: message('Not Found') }, 'config', 'may not see it'],
    [
      'a renamed repository',
      { status: 301, json: message('Moved Permanently'), headers: { location: '/repositories/1' } },
      'config',
      'give its new name',
    ],
    [
      'a renamed repository on POST',
      { status: 307, json: message('Moved Permanently'), headers: { location: '/repositories/1' } },
      'config',
      'give its new name',
    ],
    ['what is deleted', { status: 410, json: message('Gone') }, 'gone', 'deleted'],
    ['what is blocked', { status: 451, json: message('Repository access blocked') }, 'gone', 'blocked'],
    ['an unknown commit', { status: 422, json: message('No commit found for SHA: 1') }, 'config', 'no such commit'],
    [
      'an invalid field',
      {
        status: 422,
        json: message('Validation Failed', {
          errors: [{ resource: 'Status', field: 'description', code: 'custom', message: 'quotes what was sent' }],
        }),
      },
      'payload',
      'GitHub: 422: not valid: Status.description.custom',
    ],
  ] as const)('%s is rejected in words that say what to do', async (_, answer, reason, detail) => {
    const outcome = await refused(answer);
    expect(outcome).toMatchObject({ kind: 'rejected', reason, detail: expect.stringContaining(detail) });
    expect(JSON.stringify(outcome)).not.toMatch(/https?:|s3cret|quotes what/);
    expect(fake.requests.items).toHaveLength(1);
  });

  const reset = String(Math.floor(Date.parse('2026-01-15T14:32:02Z') / 1_000) + 90);
  it.each([
    ['retry-after', 403, { 'retry-after': '30' }, 'You have exceeded a secondary rate limit.', 30_000],
    [
      'a used-up limit',
      403,
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset },
      'API rate limit exceeded',
      90_000,
    ],
    ['a used-up limit, as 429', 429, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset }, '', 90_000],
    [
      'both, the first',
      429,
      { 'retry-after': '5', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset },
      '',
      5_000,
    ],
    [
      'neither, but in words',
      403,
      { 'x-ratelimit-remaining': '12' },
      'You have exceeded a secondary rate limit',
      60_000,
    ],
    ['neither, for content', 422, {}, 'Validation Failed: was submitted too quickly', 60_000],
  ] as const)('too many requests, told by %s, waits as long as it says', async (_, code, headers, text, after_ms) => {
    expect(await refused({ status: code, headers, json: message(text) })).toEqual({
      kind: 'retry',
      reason: 'rate_limited',
      detail: 'GitHub: too many requests',
      after_ms,
    });
  });

  it.each([
    ['500', { status: 500, text: '<html>unicorn</html>' }, 'server', true],
    ['502', { status: 502, json: message('Server Error') }, 'server', true],
    ['503', { status: 503, text: '' }, 'server', false],
    ['HTML instead of JSON', { status: 200, text: '<html>Please log in' }, 'server', true],
    ['200 with an error inside', { status: 200, json: message('Something went wrong') }, 'server', true],
    ['a reset', { reset: true }, 'network', true],
  ] as const)('%s is tried again', async (_, answer, reason, ambiguous) => {
    expect(await refused(answer)).toMatchObject({ kind: 'retry', reason, ambiguous });
    expect(fake.requests.items).toHaveLength(1);
  });

  it('is not asked twice by a library: retries are Temporal’s', async () => {
    await start();
    fake.script([{ path: '/access_tokens', status: 401, json: message('Bad credentials') }]);
    expect(await tell(ciNotice('build_failed'), asApp())).toMatchObject({ kind: 'rejected', reason: 'auth' });
    expect(fake.requests.items).toHaveLength(1);
  });
});

describe('a server that falls silent', () => {
  /** Answers the status line and half a body, and then nothing, or ends there. */
  const halfway = async (end: 'hang' | 'cut') => {
    const server = createServer((request, response) => {
      request.resume();
      response.writeHead(201, { 'content-type': 'application/json', 'content-length': '100' });
      response.write('{"id":1,');
      if (end === 'cut') setImmediate(() => request.socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const config = { token: 'x', kind: 'status', api_url: url };
    const outcome = await github.send(
      callOf(github, config, { notice: onCommit('build_failed'), signal: AbortSignal.timeout(300) }),
    );
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    return outcome;
  };

  it('before the headers has perhaps taken it', async () => {
    await start();
    fake.script([{ hang: true }]);
    const call = callOf(github, asUser({ kind: 'status' }), {
      notice: onCommit('build_failed'),
      signal: AbortSignal.timeout(200),
    });
    expect(await github.send(call)).toMatchObject({ kind: 'retry', reason: 'timeout', ambiguous: true });
  });

  it('after the headers has perhaps taken it', async () => {
    expect(await halfway('hang')).toMatchObject({ kind: 'retry', reason: 'timeout', ambiguous: true });
  });

  it('in the middle of the body has perhaps taken it', async () => {
    expect(await halfway('cut')).toMatchObject({ kind: 'retry', reason: 'network', ambiguous: true });
  });
});

describe('looking after a lost answer', () => {
  it('finds the comment that has the delivery in it; sending again would change nothing', async () => {
    await start();
    const notice = ciNotice('build_failed');
    fake.script([
      { path: '/issues/7/comments', json: [] },
      { path: '/issues/7/comments', reset: true, accept: true },
    ]);
    expect(await tell(notice)).toMatchObject({ kind: 'retry', reason: 'network', ambiguous: true });
    expect(await find(notice)).toEqual({ repository: 'acme/shop', number: 7, comment_id: fake.comments[0]?.id });
    expect(await find(ciNotice('build_failed', {}, { nth: 2 }))).toBeUndefined();
    expect(await tell(notice)).toMatchObject({ kind: 'delivered', note: 'the comment says so already' });
    expect(fake.comments).toMatchObject([{ edits: 0 }]);
  });

  it('does not find it in a comment of somebody else', async () => {
    await start();
    await delivered(ciNotice('build_failed'));
    const copy = fake.comments.pop();
    fake.comment(7, copy?.body ?? '');
    expect(await find(ciNotice('build_failed'))).toBeUndefined();
  });

  it('finds a status by its words, unless another came after it', async () => {
    await start();
    const config = asUser({ kind: 'status' });
    expect(await find(onCommit('build_failed'), config)).toBeUndefined();
    const ref = await delivered(onCommit('build_failed'), config);
    expect(await find(onCommit('build_failed'), config)).toEqual(ref);
    await delivered(onCommit('build_success'), config);
    expect(await find(onCommit('build_failed'), config)).toBeUndefined();
    expect(await find(onCommit('build_success', { at: '2026-01-16T00:00:00.000Z' }), config)).toBeUndefined();
  });

  it('finds a check run by the delivery’s key, after it was changed as well', async () => {
    await start();
    const config = asApp({ kind: 'check' });
    const root = await delivered(onCommit('build_failed'), config);
    expect(await find(onCommit('build_failed'), config)).toEqual(root);
    await delivered(onCommit('build_failed', { nth: 2 }), config, root);
    expect(await find(onCommit('build_failed', { nth: 2 }), config, root)).toEqual(root);
    expect(await find(onCommit('build_failed', { nth: 3 }), config, root)).toBeUndefined();
  });

  it('finds the status of a deployment', async () => {
    await start();
    fake.deployments.push({ id: 42, sha: SHA, environment: 'production', statuses: [] });
    const notice = ciNotice('deployment_failed', { deployment_id: '42' });
    expect(await find(notice)).toBeUndefined();
    const ref = await delivered(notice);
    expect(await find(notice)).toEqual(ref);
  });

  it('throws where GitHub does not tell: then nothing is known', async () => {
    await start();
    fake.script([{ status: 500 }]);
    await expect(find(ciNotice('build_failed'))).rejects.toThrow();
  });
});

describe('an App', () => {
  it('signs in with its key, also when its line breaks are written as \\n', async () => {
    await start();
    const private_key = fake.app.private_key.replaceAll('\n', '\\n');
    await delivered(ciNotice('build_failed'), asApp({ private_key }));
    expect(asked()[0]).toBe('POST /app/installations/678/access_tokens');
  });

  it.each([
    ['its installation is not there', { installation_id: 9 }, 'config', 'no such installation'],
    ['its number is wrong', { app_id: 9 }, 'config', 'check app_id'],
  ])('is rejected when %s', async (_, more, reason, detail) => {
    await start();
    expect(await tell(ciNotice('build_failed'), asApp(more))).toMatchObject({
      kind: 'rejected',
      reason,
      detail: expect.stringContaining(detail),
    });
  });

  it.each([
    ["'Expiration time' claim ('exp') is too far in the future", 401, 'clock'],
    ['A JSON web token could not be decoded', 401, 'check app_id and private_key'],
    ['This installation has been suspended', 403, 'suspended'],
  ])('that hears "%s" says what to do', async (text, status, detail) => {
    await start();
    fake.script([{ status, json: { message: text } }]);
    expect(await tell(ciNotice('build_failed'), asApp())).toMatchObject({
      kind: 'rejected',
      reason: 'auth',
      detail: expect.stringContaining(detail),
    });
  });
});

describe('the check of the configuration', () => {
  it.each([
    ['a token and a repository', {}, { repository: 'acme/shop' }, { kind: 'delivered' }],
    ['a token alone', {}, {}, { kind: 'delivered', note: expect.stringContaining('no repository is configured') }],
    [
      'an archive',
      { archived: true },
      { repository: 'acme/shop' },
      { reason: 'config', detail: expect.stringContaining('archived') },
    ],
    [
      'another repository',
      {},
      { repository: 'acme/other' },
      { reason: 'config', detail: expect.stringContaining('may not see it') },
    ],
    [
      'a reader who should write',
      { role: 'read' },
      { repository: 'acme/shop', kind: 'status' },
      { reason: 'auth', detail: expect.stringContaining('role Write') },
    ],
    [
      'a classic token without scopes',
      { scopes: 'gist', private: true },
      { repository: 'acme/shop' },
      { reason: 'auth', detail: expect.stringContaining('scope repo') },
    ],
    ['a classic token', { scopes: 'repo, gist' }, { repository: 'acme/shop' }, { kind: 'delivered' }],
    [
      'an issue that is not there',
      {},
      { repository: 'acme/shop', pull_request: 8 },
      { reason: 'config', detail: expect.stringContaining('no pull request or issue 8') },
    ],
    [
      'an issue that is locked',
      { locked: [7], role: 'read' },
      { repository: 'acme/shop', pull_request: 7 },
      { reason: 'config', detail: expect.stringContaining('locked') },
    ],
  ] as const)('of %s', async (_, options, more, outcome) => {
    await start(options as FakeGitHubOptions);
    expect(await check(asUser(more))).toMatchObject(outcome);
    expect(fake.requests.items.every(({ method }) => method === 'GET')).toBe(true);
  });

  it.each([
    ['checks', 'check', 'lacks the permission checks'],
    ['statuses', 'status', 'lacks the permission statuses'],
    ['contents', 'comment', 'lacks the permission issues or pull_requests'],
  ])('of an App that may not do what is configured', async (_, kind, detail) => {
    await start({ permissions: { contents: 'write', [kind === 'check' ? 'statuses' : 'checks']: 'write' } });
    expect(await check(asApp({ repository: 'acme/shop', kind }))).toMatchObject({
      kind: 'rejected',
      reason: 'auth',
      detail: expect.stringContaining(detail),
    });
  });

  it('of an App that may', async () => {
    await start();
    expect(await check(asApp({ repository: 'acme/shop', kind: 'check' }))).toEqual({ kind: 'delivered' });
  });
});

describe('the configuration', () => {
  const problems = (given: Record<string, unknown>) =>
    githubChannel.config.safeParse(given).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ??
    [];

  it.each([
    ['neither a token nor an App', {}, 'token: give either'],
    ['both', { token: 'x', app_id: 1, installation_id: 2 }, 'token: give either'],
    ['half an App', { app_id: 1 }, 'app_id: an App needs all three'],
    ['an installation’s token', { token: 'ghs_x' }, 'token: this is an installation'],
    ['a token with a line break', { token: 'x\n' }, 'token: expected a token'],
    ['checks by a token', { token: 'x', kind: 'check' }, 'kind: check runs are for Apps only'],
    ['a number without repository', { token: 'x', pull_request: 1 }, 'pull_request: a number means nothing'],
    [
      'a key that is none',
      { app_id: 1, installation_id: 2, private_key: '-----BEGIN RSA PRIVATE KEY-----' },
      'private_key: expected the RSA',
    ],
    ['a marker that would end its comment', { token: 'x', marker: '-->' }, 'marker: expected'],
  ])('refuses %s', (_, given, problem) => {
    expect(problems(given)).toContainEqual(expect.stringContaining(problem));
  });

  it('takes numbers as an environment variable has them', async () => {
    await start();
    expect(problems({ ...fake.app, app_id: '12345', installation_id: '678' })).toEqual([]);
    expect(problems({ ...fake.app, app_id: 'Iv23liAbCdEf' })).toEqual([]);
  });
});
