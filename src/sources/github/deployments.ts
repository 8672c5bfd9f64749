/** Deployments: their start is news, a failed one fires, and the next that succeeds in its environment ends it. */
import type { Labels } from '../../core/event.ts';
import { textAt, valueAt } from '../source.ts';
import { type About, linkTo } from './about.ts';

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
    links: linkTo('Run', textAt(payload, 'workflow_run', 'html_url')),
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
  return {
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
      ...linkTo('Log', textAt(status, 'log_url') || textAt(status, 'target_url')),
      ...linkTo('Environment', textAt(status, 'environment_url')),
    ],
  };
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
    task: textAt(made, 'task'),
  };
}
