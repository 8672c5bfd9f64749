/** Pull requests, pushes and releases: news, which nothing resolves. */
import { listAt, textAt, valueAt } from '../source.ts';
import { type About, firstLine, linkTo } from './about.ts';

/** Commits of a push that are named. */
const COMMITS_MAX = 10;

const PULL_REQUESTS: Readonly<Record<string, string>> = {
  opened: 'opened',
  reopened: 'reopened',
  ready_for_review: 'ready',
  synchronize: 'updated',
  closed: 'closed',
};

/** https://docs.github.com/en/webhooks/webhook-events-and-payloads#pull_request */
export function pullRequest(payload: unknown): About | string {
  const action = textAt(payload, 'action');
  const known = Object.hasOwn(PULL_REQUESTS, action) ? PULL_REQUESTS[action] : undefined;
  if (!known) return 'of pull requests only opened, updated, ready, reopened, closed and merged are events';
  const pull = valueAt(payload, 'pull_request');
  const word = known === 'closed' && valueAt(pull, 'merged') === true ? 'merged' : known;
  const number = textAt(pull, 'number') || textAt(payload, 'number');
  const repository = textAt(payload, 'repository', 'full_name');
  const head = textAt(pull, 'head', 'repo', 'full_name');
  const made: About = {
    id: [textAt(pull, 'id'), action, textAt(pull, 'updated_at')],
    type: `pull_request_${word}`,
    title: `Pull request #${number} ${word}: ${textAt(pull, 'title') || 'without a title'} (${repository})`,
    severity: 'info',
    status: 'firing',
    body: textAt(pull, 'body'),
    occurred_at: textAt(pull, 'updated_at'),
    labels: {
      pull_request: number,
      branch: textAt(pull, 'head', 'ref'),
      sha: textAt(pull, 'head', 'sha'),
      base: textAt(pull, 'base', 'ref'),
      author: textAt(pull, 'user', 'login'),
    },
    assignees: listAt(pull, 'assignees')
      .map((person) => textAt(person, 'login'))
      .filter((login) => login !== ''),
    links: [],
  };
  if (head !== '' && head !== repository) made.fork = textAt(pull, 'head', 'repo', 'html_url');
  return made;
}

/** https://docs.github.com/en/webhooks/webhook-events-and-payloads#push */
export function push(payload: unknown): About | string {
  const [, kind, name] = /^refs\/(heads|tags)\/(.+)$/.exec(textAt(payload, 'ref')) ?? [];
  if (kind === undefined || name === undefined) return 'a push to neither a branch nor a tag';
  const repository = textAt(payload, 'repository', 'full_name');
  const who = textAt(payload, 'pusher', 'name') || textAt(payload, 'sender', 'login') || 'Somebody';
  const commits = listAt(payload, 'commits');
  const isDeleted = valueAt(payload, 'deleted') === true;
  const what = commits.length === 1 ? '1 commit' : `${commits.length} commits`;
  const place = `${kind === 'tags' ? 'tag' : 'branch'} ${name} of ${repository}`;
  const named = commits.slice(0, COMMITS_MAX).map((commit) => {
    const sha = textAt(commit, 'id').slice(0, 7);
    return `${sha} ${firstLine(textAt(commit, 'message'))}`;
  });
  if (commits.length > COMMITS_MAX) named.push(`and ${commits.length - COMMITS_MAX} more`);
  return {
    // The same two commits may be pushed over each other again: the time tells them apart.
    id: [repository, textAt(payload, 'ref'), textAt(payload, 'after'), textAt(payload, 'repository', 'pushed_at')],
    type: 'push',
    title: isDeleted ? `${who} deleted ${place}` : `${who} pushed ${what} to ${place}`,
    severity: 'info',
    status: 'firing',
    body: named.join('\n'),
    occurred_at: textAt(payload, 'repository', 'pushed_at') || textAt(payload, 'head_commit', 'timestamp'),
    labels: {
      branch: kind === 'heads' && !isDeleted ? name : '',
      tag: kind === 'tags' ? name : '',
      sha: isDeleted ? '' : textAt(payload, 'after'),
    },
    links: linkTo('View Changes', textAt(payload, 'compare')),
  };
}

/** https://docs.github.com/en/webhooks/webhook-events-and-payloads#release; one release is sent as several actions. */
export function release(payload: unknown): About | string {
  if (textAt(payload, 'action') !== 'published') return 'of releases only published ones are events';
  const made = valueAt(payload, 'release');
  const tag = textAt(made, 'tag_name');
  return {
    id: [textAt(made, 'id'), 'published', textAt(made, 'published_at')],
    type: 'release_published',
    title: `Release ${textAt(made, 'name') || tag} of ${textAt(payload, 'repository', 'full_name')}`,
    severity: 'info',
    status: 'firing',
    body: textAt(made, 'body'),
    occurred_at: textAt(made, 'published_at'),
    labels: { tag, author: textAt(made, 'author', 'login') },
    links: linkTo('Release', textAt(made, 'html_url')),
  };
}
