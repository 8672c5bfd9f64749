/** Runs of workflows and checks: what failed fires, what passes ends it. */
import type { Severity } from '../../core/event.ts';
import { inWords } from '../../core/time.ts';
import { listAt, textAt, valueAt } from '../source.ts';
import { type About, firstLine, linkTo } from './about.ts';

interface Ending {
  word: string;
  last: 'failure' | 'success' | 'waiting';
  severity: Severity;
}

const failure = (word: string): Ending => ({ word, last: 'failure', severity: 'error' });
const success = (word: string): Ending => ({ word, last: 'success', severity: 'info' });

/** Conclusions that say something of the code; the others (cancelled, stale …) say that nobody knows. */
const OF_RUNS: Readonly<Record<string, Ending>> = {
  failure: failure('failed'),
  timed_out: failure('timed out'),
  startup_failure: failure('could not start'),
  action_required: { word: 'waits for an approval', last: 'waiting', severity: 'warning' },
  success: success('passed'),
};
const OF_CHECKS: Readonly<Record<string, Ending>> = {
  failure: failure('failed'),
  timed_out: failure('timed out'),
  success: success('passed'),
  neutral: success('passed'),
  skipped: success('was skipped'),
};

/** The ending, or why there is none. Out of order is normal: `completed` comes also with a run that is still queued. */
function endingIn(payload: unknown, what: string, endings: Readonly<Record<string, Ending>>): Ending | string {
  if (textAt(payload, 'action') !== 'completed') return 'it has not ended: only what is completed is an event';
  const conclusion = textAt(payload, what, 'conclusion');
  if (conclusion === '') return 'it is called completed and has no conclusion';
  const ending = Object.hasOwn(endings, conclusion) ? endings[conclusion] : undefined;
  return ending ?? 'it has neither failed nor passed';
}

/** https://docs.github.com/en/webhooks/webhook-events-and-payloads#workflow_run */
export function workflowRun(payload: unknown): About | string {
  const ending = endingIn(payload, 'workflow_run', OF_RUNS);
  if (typeof ending === 'string') return ending;
  const run = valueAt(payload, 'workflow_run');
  const repository = textAt(payload, 'repository', 'full_name');
  const name = textAt(payload, 'workflow', 'name') || textAt(run, 'name') || 'A workflow';
  const branch = textAt(run, 'head_branch');
  const head = textAt(run, 'head_repository', 'full_name');
  const isFork = head !== '' && head !== repository;
  const attempt = textAt(run, 'run_attempt') || '1';
  const commit = valueAt(run, 'head_commit');
  const author = textAt(commit, 'author', 'name');
  const message = firstLine(textAt(commit, 'message'));
  const about: About = {
    id: [textAt(run, 'id'), attempt, textAt(run, 'conclusion')],
    type: `build_${ending.last}`,
    title: `${name} ${ending.word}${branch ? ` on ${branch}` : ''} of ${repository}`,
    severity: ending.severity,
    status: ending.last === 'success' ? 'resolved' : 'firing',
    // Not the run's id: the next run of this workflow on this branch is what ends a failure. A fork has branches of its own.
    key: [
      'workflow',
      textAt(run, 'workflow_id') || textAt(payload, 'workflow', 'id') || name,
      ...(isFork ? [head] : []),
      branch || textAt(run, 'head_sha'),
    ],
    isSuccess: ending.last === 'success',
    occurred_at: textAt(run, 'updated_at') || textAt(run, 'run_started_at'),
    // A run may pass after a later one has failed: it passes for an older commit. Run again, it keeps this time.
    as_of: textAt(run, 'created_at'),
    labels: {
      branch,
      sha: textAt(run, 'head_sha'),
      pull_request: pullRequestIn(run, repository),
      workflow: name,
      trigger: textAt(run, 'event'),
      conclusion: textAt(run, 'conclusion'),
      run_id: textAt(run, 'id'),
      run_number: textAt(run, 'run_number'),
      attempt: attempt === '1' ? '' : attempt,
      committer: author,
      duration: lasted(textAt(run, 'run_started_at'), textAt(run, 'updated_at')),
      fork: isFork ? head : '',
    },
    links: linkTo(ending.last === 'failure' ? 'View Logs' : 'View Build', textAt(run, 'html_url')),
  };
  if (message !== '') about.body = author ? `${message} (${author})` : message;
  if (isFork) about.fork = textAt(run, 'head_repository', 'html_url');
  return about;
}

/** https://docs.github.com/en/webhooks/webhook-events-and-payloads#check_run */
export function checkRun(payload: unknown): About | string {
  const ending = endingIn(payload, 'check_run', OF_CHECKS);
  if (typeof ending === 'string') return ending;
  const run = valueAt(payload, 'check_run');
  const repository = textAt(payload, 'repository', 'full_name');
  const name = textAt(run, 'name') || 'A check';
  const app = textAt(run, 'app', 'slug') || textAt(run, 'app', 'name');
  const branch = textAt(run, 'check_suite', 'head_branch');
  const sha = textAt(run, 'head_sha');
  const output = [textAt(run, 'output', 'title'), textAt(run, 'output', 'summary')].filter((text) => text !== '');
  return {
    id: [textAt(run, 'id'), textAt(run, 'conclusion')],
    type: `test_${ending.last}`,
    title: `${name} ${ending.word}${branch ? ` on ${branch}` : ''} of ${repository}`,
    severity: ending.severity,
    status: ending.last === 'success' ? 'resolved' : 'firing',
    // Checks of a fork come without a branch: then the commit is all they have in common.
    key: ['check', app, name, branch || sha],
    isSuccess: ending.last === 'success',
    body: output.join('\n\n'),
    occurred_at: textAt(run, 'completed_at') || textAt(run, 'started_at'),
    as_of: textAt(run, 'started_at'),
    labels: {
      branch,
      sha,
      pull_request: pullRequestIn(run, repository) || pullRequestIn(valueAt(run, 'check_suite'), repository),
      check: name,
      app,
      conclusion: textAt(run, 'conclusion'),
      environment: textAt(run, 'deployment', 'environment'),
      duration: lasted(textAt(run, 'started_at'), textAt(run, 'completed_at')),
    },
    links: [...linkTo('Check', textAt(run, 'html_url')), ...linkTo('Details', textAt(run, 'details_url'))],
  };
}

/** The first pull request of this repository: the list may name those of forks, whose numbers are not ours. */
export function pullRequestIn(run: unknown, repository: string): string {
  const own = listAt(run, 'pull_requests').find((pull) => {
    const url = textAt(pull, 'url');
    return url === '' || url.toLowerCase().includes(`/repos/${repository.toLowerCase()}/pulls/`);
  });
  return textAt(own, 'number');
}

/** How long it took, in words; nothing where no whole second passed. */
function lasted(from: string, until: string): string {
  const ms = Date.parse(until) - Date.parse(from);
  return ms >= 1_000 ? inWords(ms) : '';
}
