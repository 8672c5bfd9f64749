import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { github } from '../../src/sources/github.ts';
import checkRun from '../samples/github/check_run.completed.json' with { type: 'json' };
import codeScanning from '../samples/github/code_scanning_alert.created.json' with { type: 'json' };
import dependabot from '../samples/github/dependabot_alert.created.json' with { type: 'json' };
import deploymentReview from '../samples/github/deployment_review.requested.json' with { type: 'json' };
import deploymentStatus from '../samples/github/deployment_status.created.json' with { type: 'json' };
import pullRequest from '../samples/github/pull_request.opened.json' with { type: 'json' };
import push from '../samples/github/push.json' with { type: 'json' };
import release from '../samples/github/release.published.json' with { type: 'json' };
import secretScanning from '../samples/github/secret_scanning_alert.reopened.json' with { type: 'json' };
import workflowRun from '../samples/github/workflow_run.completed.json' with { type: 'json' };

const NOW = new Date('2026-11-20T14:05:00Z');
const DELIVERY = '72d3162e-cc78-11e3-81ab-4c9367dc0958';
const SECRET = "It's a Secret to Everybody";
const headersOf = (event: string, delivery = DELIVERY) => ({ 'x-github-event': event, 'x-github-delivery': delivery });

const normalise = (event: string, payload: unknown, more: { config?: object; delivery?: string } = {}) =>
  github.normalise(payload, {
    name: 'gh',
    config: github.config.parse({ secret: SECRET, ...more.config }),
    now: NOW,
    headers: headersOf(event, more.delivery),
  });
const only = (event: string, payload: unknown) => {
  const { events, rejected } = normalise(event, payload);
  expect([events.length, rejected]).toEqual([1, []]);
  return events[0];
};
const problem = (event: string, payload: unknown) => {
  const { events, rejected } = normalise(event, payload);
  expect(events).toEqual([]);
  return rejected[0]?.problem;
};

/** No real payload of a failed run is published: the real one of a run that passed, changed. */
const run = (changes: object) => ({ ...workflowRun, workflow_run: { ...workflowRun.workflow_run, ...changes } });
const failed = run({
  conclusion: 'failure',
  run_attempt: 1,
  workflow_id: 2823525,
  run_started_at: '2020-10-05T16:33:24Z',
  updated_at: '2020-10-05T16:37:34Z',
});
const status = (state: string, more: object = {}) => ({
  ...deploymentStatus,
  deployment_status: { ...deploymentStatus.deployment_status, state, ...more },
});

describe('a signature of GitHub', () => {
  const config = github.config.parse({ secret: SECRET });
  const verify = (raw: Buffer, signature?: string) =>
    github.verify(raw, { 'x-hub-signature-256': signature }, config, NOW);
  const REFUSED = 'the signature is missing or wrong';

  it('is that of GitHub’s own example', () => {
    expect(
      verify(Buffer.from('Hello, World!'), 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'),
    ).toBeUndefined();
  });

  it('holds for the very bytes that were sent, and for no others', () => {
    const raw = Buffer.from('{"a": "\\u00e9"}');
    const signature = `sha256=${createHmac('sha256', SECRET).update(raw).digest('hex')}`;
    expect(verify(raw, signature)).toBeUndefined();
    expect(verify(Buffer.from('{"a":"é"}'), signature)).toBe(REFUSED);
    expect(verify(raw.subarray(0, -1), signature)).toBe(REFUSED);
  });

  it.each([undefined, '', 'sha256=', 'sha1=757107ea', `sha256=${'0'.repeat(64)}`, 'é'])('is refused as %j', (shown) => {
    expect(verify(Buffer.from('Hello, World!'), shown)).toBe(REFUSED);
  });

  it('needs a secret: without one there is no such source', () => {
    expect(github.config.safeParse({}).success).toBe(false);
  });
});

describe('the form in which GitHub sends unless it is told otherwise', () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const unwrap = (raw: string, headers: object = form) => github.unwrap?.(Buffer.from(raw), { ...headers }).toString();

  it('is read as the JSON in its field', () => {
    expect(unwrap('payload=%7B%22a%22%3A%22b+%2B+%C3%A9%22%7D')).toBe('{"a":"b + é"}');
    expect(unwrap('{"a":1}', { 'content-type': 'application/json' })).toBe('{"a":1}');
    expect(unwrap('{"a":1}', {})).toBe('{"a":1}');
  });

  it('stays as it is where it is broken, to be refused as no JSON', () => {
    for (const raw of ['payload=%', 'other=1', '', 'payload=%7B&x=1']) expect(unwrap(raw)).toBe(raw);
  });
});

describe('a workflow run', () => {
  it('that failed fires, with all that leads to it', () => {
    expect(only('workflow_run', failed)).toEqual({
      id: 'workflow_run/289782451/1/failure',
      source: 'github',
      type: 'build_failure',
      title: 'test failed on master of octo-org/octo-repo',
      body: 'build(test): check workflow run event payload (Matthias Fax)',
      severity: 'error',
      service: 'octo-org/octo-repo',
      components: [],
      labels: {
        repository: 'octo-org/octo-repo',
        branch: 'master',
        sha: '3484a3fb816e0859fd6e1cea078d76385ff50625',
        workflow: 'test',
        trigger: 'repository_dispatch',
        conclusion: 'failure',
        run_id: '289782451',
        committer: 'Matthias Fax',
        duration: '4 min 10 s',
        actor: 'Codertocat',
      },
      assignees: [],
      links: [
        { title: 'View Logs', url: 'https://github.com/octo-org/octo-repo/actions/runs/289782451' },
        {
          title: 'Commit 3484a3f',
          url: 'https://github.com/octo-org/octo-repo/commit/3484a3fb816e0859fd6e1cea078d76385ff50625',
        },
        { title: 'Branch master', url: 'https://github.com/octo-org/octo-repo/tree/master' },
      ],
      status: 'firing',
      dedup_key: 'octo-org/octo-repo/workflow/2823525/master',
      occurred_at: '2020-10-05T16:37:34Z',
      as_of: '2020-10-05T16:33:24Z',
      request_id: DELIVERY,
    });
  });

  it('that passes ends the failure of the same workflow on the same branch, whichever run that was', () => {
    const passed = only('workflow_run', { ...workflowRun, workflow_run: { ...workflowRun.workflow_run, id: 7 } });
    expect(passed).toMatchObject({
      type: 'build_success',
      status: 'resolved',
      severity: 'info',
      dedup_key: only('workflow_run', failed)?.dedup_key,
      id: 'workflow_run/7/1/success',
    });
  });

  it('is one event however often it is delivered, and another one when it is run again', () => {
    const id = (payload: unknown, delivery: string) =>
      normalise('workflow_run', payload, { delivery }).events.map((event) => event.id);
    expect(id(failed, 'one')).toEqual(id(structuredClone(failed), 'two'));
    expect(id(failed, 'one')).not.toEqual(
      id({ ...failed, workflow_run: { ...failed.workflow_run, run_attempt: 2 } }, 'one'),
    );
  });

  it('is as of when it was started, however late it ends and however often it is run again', () => {
    const [older, again] = [run({ conclusion: 'success', updated_at: '2020-10-05T18:00:00Z' }), { ...failed }];
    expect(only('workflow_run', older)?.as_of).toBe(workflowRun.workflow_run.created_at);
    const second = { ...again.workflow_run, run_attempt: 2, run_started_at: '2020-10-05T17:00:00Z' };
    expect(only('workflow_run', { ...failed, workflow_run: second })?.as_of).toBe(only('workflow_run', failed)?.as_of);
    expect(only('workflow_run', run({ run_number: 42 }))).toMatchObject({
      labels: { run_number: '42' },
      links: [{ title: 'View Build' }, {}, {}],
    });
  });

  it('says how it ended in words', () => {
    const title = (conclusion: string) => only('workflow_run', run({ conclusion }));
    expect(title('timed_out')).toMatchObject({ type: 'build_failure', severity: 'error' });
    expect(title('startup_failure')?.title).toBe('test could not start on master of octo-org/octo-repo');
    expect(title('action_required')).toMatchObject({ type: 'build_waiting', severity: 'warning' });
  });

  it('that has not ended, or neither failed nor passed, is no event', () => {
    expect(problem('workflow_run', { ...workflowRun, action: 'requested' })).toMatch(/has not ended/);
    // As octokit's examples have it: called completed while it is queued.
    expect(problem('workflow_run', run({ status: 'queued', conclusion: null }))).toMatch(/has no conclusion/);
    for (const conclusion of ['cancelled', 'skipped', 'neutral', 'stale', '__proto__', 'constructor'])
      expect(problem('workflow_run', run({ conclusion }))).toBe('it has neither failed nor passed');
  });

  it('names its pull request, unless that is another repository’s', () => {
    const [pull] = workflowRun.workflow_run.pull_requests;
    const own = { ...pull, url: 'https://api.github.com/repos/octo-org/octo-repo/pulls/9', number: 9 };
    const event = only('workflow_run', run({ pull_requests: [pull, own] }));
    expect(event?.labels.pull_request).toBe('9');
    expect(event?.links).toContainEqual({
      title: 'View PR #9',
      url: 'https://github.com/octo-org/octo-repo/pull/9',
    });
    expect(only('workflow_run', workflowRun)?.labels).not.toHaveProperty('pull_request');
  });

  it('of a fork’s master is not the repository’s own', () => {
    const head_repository = { full_name: 'someone/octo-repo', html_url: 'https://github.com/someone/octo-repo' };
    const event = only('workflow_run', run({ conclusion: 'failure', head_repository, head_branch: 'fix/a b#1' }));
    expect(event?.dedup_key).toBe('octo-org/octo-repo/workflow/2823525/someone%2Focto-repo/fix/a b#1');
    expect(event?.links.map(({ url }) => url)).toContain('https://github.com/someone/octo-repo/tree/fix/a%20b%231');
  });

  it('that passed is told as well where successes are, as news that ends by itself', () => {
    const { events } = normalise('workflow_run', workflowRun, { config: { successes: true } });
    expect(events).toEqual([
      expect.objectContaining({ status: 'resolved', dedup_key: 'octo-org/octo-repo/workflow/2823525/master' }),
      expect.objectContaining({
        id: 'told/workflow_run/289782451/1/success',
        dedup_key: 'told/workflow_run/289782451/1/success',
        type: 'build_success',
        status: 'firing',
        severity: 'info',
        expires_at: '2026-11-20T15:05:00.000Z',
      }),
    ]);
    expect(normalise('workflow_run', failed, { config: { successes: true } }).events).toHaveLength(1);
  });
});

describe('a check run', () => {
  const check = (changes: object) => ({ ...checkRun, check_run: { ...checkRun.check_run, ...changes } });

  it('that failed fires, and its success ends it', () => {
    const output = { title: '3 problems', summary: 'in `a.ts`' };
    const event = only('check_run', check({ conclusion: 'failure', output }));
    expect(event).toMatchObject({
      id: 'check_run/128620228/failure',
      type: 'test_failure',
      title: 'Octocoders-linter failed on changes of Codertocat/Hello-World',
      body: '3 problems\n\nin `a.ts`',
      severity: 'error',
      status: 'firing',
      labels: { pull_request: '2', branch: 'changes', app: 'octocoders-linter', check: 'Octocoders-linter' },
      occurred_at: '2019-05-15T15:21:12Z',
    });
    expect(event?.links.map(({ title }) => title)).toEqual([
      'Check',
      'Details',
      'View PR #2',
      'Commit ec26c3e',
      'Branch changes',
    ]);
    for (const conclusion of ['success', 'neutral', 'skipped'])
      expect(only('check_run', check({ conclusion }))).toMatchObject({
        type: 'test_success',
        status: 'resolved',
        dedup_key: event?.dedup_key,
      });
  });

  it('that goes on is no event', () => {
    expect(problem('check_run', { ...checkRun, action: 'created' })).toMatch(/has not ended/);
    expect(problem('check_run', check({ conclusion: 'stale' }))).toBe('it has neither failed nor passed');
  });
});

describe('a deployment', () => {
  it('that failed fires for its environment, until one succeeds there', () => {
    const event = only('deployment_status', status('failure', { log_url: 'https://ci.example.com/log' }));
    expect(event).toMatchObject({
      id: 'deployment_status/209916254/failure',
      type: 'deployment_failure',
      title: 'Deployment to production failed, of Codertocat/Hello-World',
      severity: 'error',
      status: 'firing',
      labels: {
        environment: 'production',
        deployment_id: '145988746',
        sha: 'f95f852bd8fca8fcc58a9a2d6c842781e32a215e',
        branch: 'master',
        deployer: 'Codertocat',
      },
      dedup_key: 'Codertocat/Hello-World/deployment/production',
    });
    expect(event?.links[0]).toEqual({ title: 'View Logs', url: 'https://ci.example.com/log' });
    const ends = [only('deployment_status', deploymentStatus), only('deployment_status', status('inactive'))];
    expect(ends.map((end) => [end?.type, end?.status, end?.dedup_key])).toEqual([
      ['deployment_success', 'resolved', event?.dedup_key],
      ['deployment_inactive', 'resolved', event?.dedup_key],
    ]);
    for (const state of ['queued', 'pending', 'in_progress', 'waiting'])
      expect(problem('deployment_status', status(state))).toMatch(/has not ended/);
  });

  it('is as of when it was made, unless it only is no longer active', () => {
    expect(only('deployment_status', status('failure'))?.as_of).toBe(deploymentStatus.deployment.created_at);
    expect(only('deployment_status', status('inactive'))).not.toHaveProperty('as_of');
  });

  it('says its version where it is of a tag, or where who made it says so', () => {
    const of = (deployment: object) =>
      only('deployment_status', {
        ...status('failure'),
        deployment: { ...deploymentStatus.deployment, ...deployment },
      })?.labels.version;
    expect([of({ ref: 'v2.3.1' }), of({ payload: { version: '7' } }), of({ ref: 'main' })]).toEqual([
      'v2.3.1',
      '7',
      undefined,
    ]);
  });

  it('that waits for an approval fires until that is given or refused', () => {
    const asked = only('deployment_review', deploymentReview);
    expect(asked).toMatchObject({
      id: 'deployment_review/5453085689/requested/TST/2023-07-04T09:28:15Z',
      type: 'deployment_approval_requested',
      title: 'Deployment to TST waits for an approval, of terraform-test-github/sample-app',
      severity: 'warning',
      status: 'firing',
      labels: { environment: 'TST', pull_request: '3', branch: 'sample', run_number: '15', deployer: 'ilmax' },
      context: { approvers: 'admins' },
      dedup_key: 'terraform-test-github/sample-app/approval/5453085689/TST',
    });
    // By GitHub's schema: an answer names no environment but those of its jobs.
    const { environment: _, workflow_job_run, ...rest } = deploymentReview;
    const jobs = [workflow_job_run, { ...workflow_job_run, environment: 'PRD' }, workflow_job_run];
    for (const action of ['approved', 'rejected']) {
      const answer = { ...rest, action, approver: { login: 'ana' }, comment: 'ship it', workflow_job_runs: jobs };
      expect(normalise('deployment_review', answer).events).toMatchObject([
        { status: 'resolved', type: `deployment_approval_${action}`, dedup_key: asked?.dedup_key, body: 'ship it' },
        { status: 'resolved', labels: { environment: 'PRD', approver: 'ana' } },
      ]);
    }
    expect(problem('deployment_review', { ...deploymentReview, action: 'edited' })).toMatch(/neither asked for/);
    expect(problem('deployment_review', { ...rest, action: 'approved' })).toBe('it names no environment');
  });

  it('that starts is news', () => {
    const { deployment_status: _, ...started } = deploymentStatus;
    const event = only('deployment', started);
    expect(event).toMatchObject({
      id: 'deployment/145988746',
      dedup_key: 'deployment/145988746',
      type: 'deployment_started',
      severity: 'info',
      status: 'firing',
      expires_at: '2026-11-20T15:05:00.000Z',
    });
  });
});

describe('a security alert', () => {
  it('of code scanning fires until it is fixed or dismissed', () => {
    const event = only('code_scanning_alert', codeScanning);
    expect(event).toMatchObject({
      type: 'security_alert',
      title: 'Query built from user-controlled sources in Codertocat/Hello-World',
      severity: 'error',
      labels: { branch: 'code-feature', tool: 'CodeQL', rule: 'java/sql-injection' },
      dedup_key: 'Codertocat/Hello-World/cs/10',
      occurred_at: '2021-02-11T03:10:43Z',
    });
    expect(event?.body).toMatch(/^src\/main\/java\/.*\.java:84\n\n/);
    expect(event?.links[0]).toEqual({ title: 'View Details', url: codeScanning.alert.html_url });
    for (const action of ['fixed', 'closed_by_user'])
      expect(only('code_scanning_alert', { ...codeScanning, action })).toMatchObject({
        status: 'resolved',
        dedup_key: event?.dedup_key,
      });
  });

  it('of code scanning is as severe as its security severity, where it has one', () => {
    const rated = (rule: object) =>
      only('code_scanning_alert', { ...codeScanning, alert: { ...codeScanning.alert, rule } });
    expect(rated({ severity: 'warning', security_severity_level: 'critical' })?.severity).toBe('critical');
    expect(rated({ severity: 'note' })).toMatchObject({ severity: 'info', severity_word: 'note' });
    expect(rated({ severity: 'unheard-of' })?.severity).toBe('warning');
  });

  it('of Dependabot names the package and what fixes it', () => {
    expect(only('dependabot_alert', dependabot)).toMatchObject({
      type: 'security_alert',
      title: 'semver vulnerable to Regular Expression Denial of Service in wolfy1339/pika-pack',
      severity: 'warning',
      severity_word: 'medium',
      body: expect.stringMatching(/^Fixed in semver 7\.5\.2\.\n\n/),
      labels: { package: 'semver', cve: 'CVE-2022-25883', ghsa: 'GHSA-c2qf-rxjj-qqgw' },
      context: { remediation: 'Upgrade semver to 7.5.2.' },
      dedup_key: 'wolfy1339/pika-pack/db/20',
    });
    const scored = (advisory: object) =>
      only('dependabot_alert', {
        ...dependabot,
        alert: { ...dependabot.alert, security_advisory: { ...dependabot.alert.security_advisory, ...advisory } },
      })?.labels.cvss;
    expect(scored({ cvss: { score: 7.5 }, cvss_severities: { cvss_v4: { score: 0 } } })).toBe('7.5');
    expect(scored({ cvss: { score: 0 } })).toBeUndefined();
    for (const action of ['fixed', 'dismissed', 'auto_dismissed'])
      expect(only('dependabot_alert', { ...dependabot, action })?.status).toBe('resolved');
    expect(only('dependabot_alert', { ...dependabot, action: 'auto_reopened' })?.status).toBe('firing');
  });

  it('of secret scanning is critical, and never shows the secret', () => {
    const alert = { ...secretScanning.alert, secret: 'the-secret-itself' };
    const event = only('secret_scanning_alert', { ...secretScanning, alert });
    expect(event).toMatchObject({
      title: 'A secret was found: adafruit_io_key in Codertocat/Hello-World',
      severity: 'critical',
      status: 'firing',
      dedup_key: 'Codertocat/Hello-World/ss/191',
      // Nothing in an old payload tells when: then the delivery tells one reopening from the next.
      id: `secret_scanning_alert/Codertocat%2FHello-World/191/reopened/${DELIVERY}`,
    });
    expect(event).not.toHaveProperty('occurred_at');
    expect(JSON.stringify(event)).not.toContain('the-secret-itself');
    const resolved = {
      ...secretScanning,
      action: 'resolved',
      alert: { ...alert, resolved_at: '2026-01-01T00:00:00Z' },
    };
    expect(only('secret_scanning_alert', resolved)).toMatchObject({
      status: 'resolved',
      occurred_at: '2026-01-01T00:00:00Z',
    });
  });

  it('that is opened again happened again: it is not late', () => {
    const alert = { ...dependabot.alert, updated_at: '2026-02-01T00:00:00Z' };
    expect(only('dependabot_alert', { ...dependabot, action: 'reopened', alert })?.occurred_at).toBe(
      '2026-02-01T00:00:00Z',
    );
  });

  it('whose assignee changes is no event', () => {
    expect(problem('dependabot_alert', { ...dependabot, action: 'assignees_changed' })).toMatch(/neither opens nor/);
  });
});

describe('a change', () => {
  it('of a pull request is news', () => {
    expect(only('pull_request', pullRequest)).toMatchObject({
      id: 'pull_request/279147437/opened/2019-05-15T15:20:33Z',
      type: 'pull_request_opened',
      title: 'Pull request #2 opened: Update the README with new information. (Codertocat/Hello-World)',
      severity: 'info',
      labels: { pull_request: '2', branch: 'changes', base: 'master', author: 'Codertocat' },
      assignees: ['Codertocat'],
      expires_at: '2026-11-20T15:05:00.000Z',
    });
    const merged = { ...pullRequest, action: 'closed', pull_request: { ...pullRequest.pull_request, merged: true } };
    expect(only('pull_request', merged)?.type).toBe('pull_request_merged');
    expect(only('pull_request', { ...pullRequest, action: 'synchronize' })?.type).toBe('pull_request_updated');
    expect(problem('pull_request', { ...pullRequest, action: 'labeled' })).toMatch(/^of pull requests only/);
  });

  it('that is pushed names its commits, and no more than ten', () => {
    expect(only('push', push)).toMatchObject({
      type: 'push',
      title: 'Codertocat deleted tag simple-tag of Codertocat/Hello-World',
      labels: { tag: 'simple-tag' },
      occurred_at: '2019-05-15T15:20:57.000Z',
    });
    const commits = Array.from({ length: 12 }, (_, at) => ({
      id: `${at}`.repeat(40),
      message: `change ${at}\n\nmore`,
    }));
    const pushed = only('push', { ...push, ref: 'refs/heads/a/b', deleted: false, after: 'f'.repeat(40), commits });
    expect(pushed?.title).toBe('Codertocat pushed 12 commits to branch a/b of Codertocat/Hello-World');
    expect(pushed?.body?.split('\n')).toHaveLength(11);
    expect(pushed?.body).toMatch(/^0000000 change 0\n.*\nand 2 more$/s);
    expect(problem('push', { ...push, ref: 'refs/notes/x' })).toBe('a push to neither a branch nor a tag');
  });

  it('that is released is told once, of the actions it is sent as', () => {
    expect(only('release', release)).toMatchObject({
      type: 'release_published',
      title: 'Release 0.0.1 of Codertocat/Hello-World',
      labels: { tag: '0.0.1' },
    });
    for (const action of ['created', 'released', 'edited'])
      expect(problem('release', { ...release, action })).toBe('of releases only published ones are events');
  });
});

describe('a long branch', () => {
  it('has ids and keys that differ from each other, though they are cut', () => {
    const long = 'b'.repeat(250);
    const pushed = (after: string) => only('push', { ...push, ref: `refs/heads/${long}`, deleted: false, after })?.id;
    expect([pushed('1'), pushed('2')].map((id) => id?.length)).toEqual([64, 64]);
    expect(pushed('1')).not.toBe(pushed('2'));
    const check = (name: string) =>
      only('check_run', { ...checkRun, check_run: { ...checkRun.check_run, name } })?.dedup_key;
    expect(check(`${'n'.repeat(600)}1`)).not.toBe(check(`${'n'.repeat(600)}2`));
  });

  it('is not taken for a check of another name', () => {
    const key = (name: string, head_branch: string) => {
      const check_suite = { ...checkRun.check_run.check_suite, head_branch };
      return only('check_run', { ...checkRun, check_run: { ...checkRun.check_run, name, check_suite } })?.dedup_key;
    };
    expect(key('a/b', 'c')).not.toBe(key('a', 'b/c'));
  });
});

describe('what is authentic and no event of ours', () => {
  it('is rejected with the reason', () => {
    expect(problem('ping', { zen: 'Speak like a human.', hook_id: 1 })).toMatch(/^a ping/);
    expect(problem('star', { action: 'created' })).toMatch(/no event here/);
    for (const event of ['constructor', '__proto__', 'toString']) expect(problem(event, {})).toMatch(/no event here/);
    expect(
      github.normalise({}, { name: 'gh', config: github.config.parse({ secret: SECRET }), now: NOW }).rejected,
    ).toEqual([{ index: 0, problem: 'not a message of GitHub: it has no header X-GitHub-Event' }]);
    expect(problem('workflow_run', { ...failed, repository: null })).toBe('it names no repository');
    expect(
      normalise('check_run', { ...checkRun, check_run: { conclusion: 'failure' } }, { delivery: '' }).rejected,
    ).toEqual([{ index: 0, problem: 'a check_run without an id' }]);
  });

  it('never throws, whatever the payload is', () => {
    const kinds = [
      'workflow_run',
      'check_run',
      'deployment',
      'deployment_review',
      'deployment_status',
      'code_scanning_alert',
    ];
    kinds.push('dependabot_alert', 'secret_scanning_alert', 'pull_request', 'push', 'release', 'ping');
    const odd = [null, 1, 'x', [], {}, { action: 'completed', workflow_run: [] }, { action: [], repository: 'x' }];
    for (const event of kinds) for (const payload of odd) expect(normalise(event, payload).events).toEqual([]);
  });

  it('is cut to the limits of an event where it is one', () => {
    const long = 'é\0'.repeat(100_000);
    const run_ = { ...failed.workflow_run, head_branch: `\ud800${long}`, head_commit: { message: long } };
    const event = only('workflow_run', { ...failed, workflow_run: run_, workflow: { name: long } });
    expect([...(event?.title ?? '')]).toHaveLength(1_000);
    expect([...(event?.dedup_key ?? '')].length).toBeLessThanOrEqual(512);
    expect(JSON.stringify(event)).not.toContain('\\u0000');
    expect(event?.links.every(({ url }) => url.length <= 2_048)).toBe(true);
  });
});
