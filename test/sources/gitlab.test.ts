import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { gitlab } from '../../src/sources/gitlab.ts';
import deployment from '../samples/gitlab/deployment.json' with { type: 'json' };
import deploymentFailed from '../samples/gitlab/deployment-failed.json' with { type: 'json' };
import deploymentSucceeded from '../samples/gitlab/deployment-succeeded.json' with { type: 'json' };
import job from '../samples/gitlab/job.json' with { type: 'json' };
import pipeline from '../samples/gitlab/pipeline.json' with { type: 'json' };

const NOW = new Date('2026-11-20T14:05:00Z');
const TOKEN = 'a-secret-token-of-gitlab';
const KEY = Buffer.from('the-key-that-signs-the-requests!');
const SIGNING = `whsec_${KEY.toString('base64')}`;

const normalise = (payload: unknown, config: object = {}) =>
  gitlab.normalise(payload, {
    name: 'gl',
    config: gitlab.config.parse(config),
    now: NOW,
    headers: { 'x-gitlab-event-uuid': 'uuid-1' },
  });
const only = (payload: unknown) => {
  const { events, rejected } = normalise(payload);
  expect([events.length, rejected]).toEqual([1, []]);
  return events[0];
};
const problem = (payload: unknown) => {
  const { events, rejected } = normalise(payload);
  expect(events).toEqual([]);
  return rejected[0]?.problem;
};

const ran = (attributes: object, more: object = {}) => ({
  ...pipeline,
  object_attributes: { ...pipeline.object_attributes, ...attributes },
  ...more,
});
/** What fails is the real payload of what passed, changed. */
const failedJob = { stage: 'test', name: 'rspec', status: 'failed', failure_reason: 'script_failure' };
const failed = ran(
  { status: 'failed', detailed_status: 'failed' },
  { builds: [...pipeline.builds, { ...failedJob, allow_failure: false }, { ...failedJob, allow_failure: true }] },
);

describe('a request of GitLab', () => {
  const raw = Buffer.from('{"object_kind":"pipeline"}');
  const verify = (config: object, headers: object, body = raw) =>
    gitlab.verify(body, { ...headers }, gitlab.config.parse(config), NOW);
  const signed = (at = NOW.getTime(), body = raw, id = 'msg_1') => {
    const timestamp = String(Math.floor(at / 1000));
    const mac = createHmac('sha256', KEY).update(`${id}.${timestamp}.`).update(body).digest('base64');
    return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${mac}` };
  };

  it('shows the secret token', () => {
    expect(verify({ token: TOKEN }, { 'x-gitlab-token': TOKEN })).toBeUndefined();
    for (const shown of [undefined, '', 'another-token-altogether', `${TOKEN}x`])
      expect(verify({ token: TOKEN }, { 'x-gitlab-token': shown })).toBe('the secret token is missing or wrong');
  });

  it('is signed, over its id, its time and its very bytes', () => {
    const config = { signing_token: SIGNING };
    expect(verify(config, signed())).toBeUndefined();
    const two = { ...signed(), 'webhook-signature': `v1,AAAA ${signed()['webhook-signature']}` };
    expect(verify(config, two)).toBeUndefined();
    const REFUSED = 'the signature is missing or wrong';
    expect(verify(config, signed(), Buffer.from('{"object_kind": "pipeline"}'))).toBe(REFUSED);
    expect(verify(config, { ...signed(), 'webhook-id': 'msg_2' })).toBe(REFUSED);
    expect(verify(config, { ...signed(), 'webhook-timestamp': '1' })).toBe(REFUSED);
    expect(verify(config, { ...signed(), 'webhook-signature': undefined })).toBe(REFUSED);
    expect(verify(config, { 'x-gitlab-token': TOKEN })).toBe(REFUSED);
    expect(verify(config, {})).toBe(REFUSED);
  });

  it('that was signed more than five minutes ago, or ahead, is refused: it may be a replay', () => {
    const config = { signing_token: SIGNING };
    for (const minutes of [-4.9, 4.9]) expect(verify(config, signed(NOW.getTime() + minutes * 60_000))).toBeUndefined();
    for (const minutes of [-5.1, 5.1])
      expect(verify(config, signed(NOW.getTime() + minutes * 60_000))).toBe('it was signed at another time than now');
  });

  it('needs both where both are given', () => {
    const config = { token: TOKEN, signing_token: SIGNING };
    expect(verify(config, { ...signed(), 'x-gitlab-token': TOKEN })).toBeUndefined();
    expect(verify(config, signed())).toBe('the secret token is missing or wrong');
    expect(verify(config, { 'x-gitlab-token': TOKEN })).toBe('the signature is missing or wrong');
  });

  it('has no signing token that GitLab would not make', () => {
    for (const signing_token of ['', 'whsec_', 'secret', 'whsec_short', `${SIGNING}\n`])
      expect(gitlab.config.safeParse({ signing_token }).success).toBe(false);
  });
});

describe('a pipeline', () => {
  it('that failed fires, and names the jobs that failed it', () => {
    expect(only(failed)).toEqual({
      id: 'pipeline/1/31/failed/2016-08-12 15:26:29 UTC',
      source: 'gitlab',
      type: 'build_failure',
      title: 'Pipeline failed on master of gitlab-org/gitlab-test',
      body: 'Failed: test: rspec (script_failure)\ntest (User)',
      severity: 'error',
      service: 'gitlab-org/gitlab-test',
      components: [],
      labels: {
        repository: 'gitlab-org/gitlab-test',
        branch: 'master',
        sha: 'bcbb5ec396a2c0f828686f14fac9b80b780504f2',
        merge_request: '1',
        trigger: 'merge_request_event',
        failed_step: 'rspec',
        committer: 'User',
        duration: '1 min 3 s',
        actor: 'user1',
      },
      assignees: [],
      links: [
        { title: 'View Build', url: 'http://192.168.64.1:3005/gitlab-org/gitlab-test/-/pipelines/31' },
        { title: 'View MR !1', url: pipeline.merge_request.url },
        { title: 'Commit bcbb5ec3', url: pipeline.commit.url },
        { title: 'Branch master', url: 'http://192.168.64.1:3005/gitlab-org/gitlab-test/-/tree/master' },
      ],
      status: 'firing',
      dedup_key: 'pipeline/1/master',
      occurred_at: '2016-08-12 15:26:29 UTC',
      as_of: '2016-08-12 15:23:28 UTC',
      request_id: 'uuid-1',
    });
  });

  it('that passes ends the failure of the same ref, whichever pipeline that was', () => {
    expect(only(ran({ id: 32 }))).toMatchObject({
      type: 'build_success',
      status: 'resolved',
      severity: 'info',
      dedup_key: only(failed)?.dedup_key,
    });
  });

  it('is one event however often it is sent, and another one when it is retried and ends again', () => {
    expect(only(failed)?.id).toBe(only(structuredClone(failed))?.id);
    expect(only(failed)?.id).not.toBe(only(ran({ status: 'failed', finished_at: '2016-08-12 16:00:00 UTC' }))?.id);
  });

  it('leads to the log of the job that failed it', () => {
    const event = only(ran({ status: 'failed', iid: 3, name: 'CI' }, { builds: [{ ...failedJob, id: 377 }] }));
    expect(event?.links[1]).toEqual({
      title: 'View Logs',
      url: 'http://192.168.64.1:3005/gitlab-org/gitlab-test/-/jobs/377',
    });
    expect(event?.labels).toMatchObject({ pipeline: 'CI', run_number: '3' });
  });

  it('that is a child of another does not end what its parent failed with', () => {
    const child = only(ran({ source: 'parent_pipeline', name: 'docs' }));
    expect(child?.dedup_key).toBe('pipeline/1/master/child/docs');
  });

  it('of a tag has no branch', () => {
    const event = only(ran({ tag: true, ref: 'v1.0' }));
    expect(event?.labels).toMatchObject({ tag: 'v1.0' });
    expect(event?.labels).not.toHaveProperty('branch');
  });

  it('that goes on, or neither failed nor passed, is no event', () => {
    for (const status of ['created', 'pending', 'running', 'manual', 'canceled', 'skipped', null])
      expect(problem(ran({ status }))).toBe('the pipeline has neither failed nor passed');
  });

  it('that passed is told as well where successes are, as news that ends by itself', () => {
    expect(normalise(pipeline, { successes: true }).events).toEqual([
      expect.objectContaining({ status: 'resolved', dedup_key: 'pipeline/1/master' }),
      expect.objectContaining({
        status: 'firing',
        type: 'build_success',
        id: 'told/pipeline/1/31/success/2016-08-12 15:26:29 UTC',
        expires_at: '2026-11-20T15:05:00.000Z',
      }),
    ]);
  });
});

describe('a job', () => {
  it('that failed fires until it passes on the same ref', () => {
    const event = only({ ...job, build_status: 'failed', build_failure_reason: 'script_failure' });
    expect(event).toMatchObject({
      id: 'job/31537070/3580121225/failed',
      type: 'job_failure',
      title: 'auto_deploy:start failed on main of jsmithy2/release-tools-fake',
      body: 'script_failure\nRemove test jobs and add back other jobs (John Smith)',
      severity: 'error',
      status: 'firing',
      labels: { job: 'auto_deploy:start', stage: 'coordinated:tag', duration: '50 s' },
      dedup_key: 'job/31537070/main/auto_deploy:start',
    });
    expect(event?.links[0]).toEqual({
      title: 'View Logs',
      url: 'https://gitlab.com/jsmithy2/release-tools-fake/-/jobs/3580121225',
    });
    expect(only(job)).toMatchObject({ type: 'job_success', status: 'resolved', dedup_key: event?.dedup_key });
  });

  it('that is allowed to fail, or goes on, is no event', () => {
    expect(problem({ ...job, build_status: 'failed', build_allow_failure: true })).toBe('the job is allowed to fail');
    expect(problem({ ...job, build_status: 'running' })).toBe('the job has neither failed nor passed');
  });
});

describe('a deployment', () => {
  it('that failed is an alert of its environment, which one that succeeds ends', () => {
    const sha = '846d8de0b7b3d694954249d2fd5d87fbe8c84e4c';
    expect(only(deploymentFailed)).toEqual({
      id: 'deployment/69310893/988604916/failed/2025-05-02 12:30:19 +0000',
      source: 'gitlab',
      type: 'deployment_failure',
      title: 'Deployment to production failed, of vedant8600317/test',
      body: 'Update .gitlab-ci.yml file',
      severity: 'error',
      service: 'vedant8600317/test',
      components: [],
      labels: {
        repository: 'vedant8600317/test',
        environment: 'production',
        tier: 'production',
        branch: 'master',
        sha,
        deployer: 'ana',
        actor: 'ana',
      },
      assignees: [],
      links: [
        { title: 'View Logs', url: 'https://gitlab.com/vedant8600317/test/-/jobs/9905759933' },
        { title: 'Commit 846d8de0', url: `https://gitlab.com/vedant8600317/test/-/commit/${sha}` },
      ],
      status: 'firing',
      dedup_key: 'deployment/69310893/production',
      request_id: 'uuid-1',
      occurred_at: '2025-05-02 12:30:19 +0000',
    });
    expect(only(deploymentSucceeded)).toMatchObject({
      status: 'resolved',
      dedup_key: 'deployment/69310893/production',
      occurred_at: '2025-05-02 11:55:16 +0000',
    });
  });

  it('that failed fires for its environment, until one succeeds there', () => {
    const event = only({ ...deployment, status: 'failed' });
    expect(event).toMatchObject({
      id: 'deployment/30/796/failed/0',
      type: 'deployment_failure',
      title: 'Deployment to staging failed, of root/test-deployment-webhooks',
      severity: 'error',
      status: 'firing',
      labels: { environment: 'staging', sha: '279484c09fbe69ededfced8c1bb6e6d24616b468', deployer: 'user1' },
      dedup_key: 'deployment/30/staging',
    });
    expect(only(deployment)).toMatchObject({
      type: 'deployment_success',
      status: 'resolved',
      dedup_key: event?.dedup_key,
    });
  });

  it('that starts is news, and one that is canceled is nothing', () => {
    expect(only({ ...deployment, status: 'running' })).toMatchObject({
      type: 'deployment_started',
      severity: 'info',
      status: 'firing',
      dedup_key: 'deployment/30/796/running/0',
      expires_at: '2026-11-20T15:05:00.000Z',
    });
    expect(problem({ ...deployment, status: 'canceled' })).toMatch(/neither started/);
  });
});

describe('what is authentic and no event of ours', () => {
  it('is rejected with the reason', () => {
    expect(problem({ object_kind: 'push' })).toMatch(/no event here/);
    for (const object_kind of ['constructor', '__proto__']) expect(problem({ object_kind })).toMatch(/no event here/);
    expect(problem({ hello: 'world' })).toBe('not a message of GitLab: it has no object_kind');
    expect(problem({ ...pipeline, project: null })).toBe('it names no project');
    expect(problem({ ...job, build_id: null })).toBe('a build without an id');
  });

  it('never throws, whatever the payload is', () => {
    const odd: unknown[] = [null, 1, 'x', [], {}, { object_kind: [] }];
    for (const object_kind of ['pipeline', 'build', 'deployment'])
      odd.push({ object_kind }, { object_kind, project: [], object_attributes: 'x', builds: {}, repository: 4 });
    for (const payload of odd) expect(normalise(payload).events).toEqual([]);
  });

  it('is cut to the limits of an event where it is one', () => {
    const long = '\ud800é\0'.repeat(100_000);
    const event = only(ran({ ref: long, name: long, status: 'failed' }, { builds: [{ ...failedJob, name: long }] }));
    expect([...(event?.title ?? '')]).toHaveLength(1_000);
    expect(event?.dedup_key).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.stringify(event)).not.toContain('\\u0000');
  });
});
