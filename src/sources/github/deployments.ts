/** Deployments: one that waits for an approval fires until it is given, their start is news, a failed one fires, and the next that succeeds in its environment ends it. */
import { versionIn } from '../../core/ci.ts';
import type { Labels } from '../../core/event.ts';
import { listAt, textAt, valueAt } from '../source.ts';
import { type About, linkTo } from './about.ts';
import { pullRequestIn } from './builds.ts';

/** https://docs.github.com/en/webhooks/webhook-events-and-payloads#deployment */
export function deployment(payload: unknown): About | string {
  if (textAt(payload, 'action') !== 'created') return 'only a deployment that was created is an event';
  const id = textAt(payload, 'deployment', 'id');
  return {
    id: [id],
    type: 'deployment_started',
    title: `Deployment to ${environmentIn(payload) || 'an environment without a name'} started, of ${textAt(payload, 'repository', 'full_name')}`,
    severity: 'info',
    status: 'firing',
    body: textAt(payload, 'deployment', 'description'),
    occurred_at: textAt(payload, 'deployment', 'created_at'),
    labels: labelsIn(payload),
    links: linkTo('View Build', textAt(payload, 'workflow_run', 'html_url')),
  };
}

/** `inactive`: another deployment took its place, or the environment is gone, and with it what failed there. */
const STATES: Readonly<Record<string, { word: string; type: string; isFailure: boolean }>> = {
  failure: { word: 'failed', type: 'deployment_failure', isFailure: true },
  error: { word: 'could not be done', type: 'deployment_failure', isFailure: true },
  success: { word: 'succeeded', type: 'deployment_success', isFailure: false },
  inactive: { word: 'is no longer active', type: 'deployment_inactive', isFailure: false },
};

/** https://docs.github.com/en/webhooks/webhook-events-and-payloads#deployment_status */
export function deploymentStatus(payload: unknown): About | string {
  const status = valueAt(payload, 'deployment_status');
  const word = textAt(status, 'state');
  const state = Object.hasOwn(STATES, word) ? STATES[word] : undefined;
  if (!state) return 'the deployment has not ended: only how it ends is an event';
  const environment = environmentIn(payload);
  const about: About = {
    id: [textAt(status, 'id'), word],
    type: state.type,
    title: `Deployment to ${environment || 'an environment without a name'} ${state.word}, of ${textAt(payload, 'repository', 'full_name')}`,
    severity: state.isFailure ? 'error' : 'info',
    status: state.isFailure ? 'firing' : 'resolved',
    key: ['deployment', environment],
    isSuccess: word === 'success',
    body: textAt(status, 'description'),
    occurred_at: textAt(status, 'updated_at') || textAt(status, 'created_at'),
    labels: { ...labelsIn(payload), environment_url: textAt(status, 'environment_url') },
    links: [
      ...linkTo('View Logs', textAt(status, 'log_url') || textAt(status, 'target_url')),
      ...linkTo('Environment', textAt(status, 'environment_url')),
    ],
  };
  // What is no longer active says so long after it was made.
  if (word !== 'inactive') about.as_of = textAt(payload, 'deployment', 'created_at');
  return about;
}

/** https://docs.github.com/en/webhooks/webhook-events-and-payloads#deployment_review; one answer may be for several jobs. */
export function deploymentReview(payload: unknown): About[] | string {
  const action = textAt(payload, 'action');
  if (!['requested', 'approved', 'rejected'].includes(action)) return 'the review is neither asked for nor given';
  const run = valueAt(payload, 'workflow_run');
  const [id, since] = [textAt(run, 'id'), textAt(payload, 'since')];
  const repository = textAt(payload, 'repository', 'full_name');
  const jobs = [...listAt(payload, 'workflow_job_runs'), valueAt(payload, 'workflow_job_run')];
  const named = [textAt(payload, 'environment'), ...jobs.map((job) => textAt(job, 'environment'))];
  const environments = [...new Set(named.filter((environment) => environment !== ''))];
  const isAsked = action === 'requested';
  const made = environments.map((environment): About => {
    const about: About = {
      id: [id, action, environment, since],
      type: `deployment_approval_${action}`,
      title: isAsked
        ? `Deployment to ${environment} waits for an approval, of ${repository}`
        : `Deployment to ${environment} was ${action}, of ${repository}`,
      severity: isAsked ? 'warning' : 'info',
      status: isAsked ? 'firing' : 'resolved',
      key: ['approval', id, environment],
      body: textAt(payload, 'comment'),
      labels: {
        environment,
        branch: textAt(run, 'head_branch'),
        sha: textAt(run, 'head_sha'),
        pull_request: pullRequestIn(run, repository),
        workflow: textAt(run, 'name'),
        run_id: id,
        run_number: textAt(run, 'run_number'),
        deployer: textAt(payload, 'requestor', 'login') || textAt(run, 'triggering_actor', 'login'),
        approver: textAt(payload, 'approver', 'login'),
      },
      context: {
        approvers: listAt(payload, 'reviewers')
          .map((one) => textAt(one, 'reviewer', 'login') || textAt(one, 'reviewer', 'name'))
          .filter((name) => name !== '')
          .join(', '),
      },
      links: linkTo('View Build', textAt(run, 'html_url')),
    };
    if (isAsked) about.occurred_at = since;
    return about;
  });
  return made.length > 0 ? made : 'it names no environment';
}

const environmentIn = (payload: unknown): string =>
  textAt(payload, 'deployment_status', 'environment') || textAt(payload, 'deployment', 'environment');

function labelsIn(payload: unknown): Labels {
  const made = valueAt(payload, 'deployment');
  const [ref, sha] = [textAt(made, 'ref'), textAt(made, 'sha')];
  return {
    environment: environmentIn(payload),
    deployment_id: textAt(made, 'id'),
    sha,
    // A deployment may be of a bare commit, which is no branch.
    branch: ref === sha ? '' : ref.replace(/^refs\/(?:heads|tags)\//, ''),
    deployer: textAt(made, 'creator', 'login'),
    version: textAt(made, 'payload', 'version') || versionIn(ref),
    task: textAt(made, 'task'),
  };
}
