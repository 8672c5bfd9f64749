/**
 * GitHub: one comment on the pull request that is kept up to date, a status or a check run of the commit, or a status of
 * the deployment; what the events name. https://docs.github.com/en/rest
 */
import type { Notice } from '../core/notice.ts';
import { defineChannel, type Outcome, rejected } from './channel.ts';
import { checked } from './github/check.ts';
import { connect, Refusal } from './github/client.ts';
import { commentOf } from './github/comment.ts';
import { type Config, config } from './github/config.ts';
import { annotationsOf, checkOf, deploymentStatusOf, statusOf } from './github/posts.ts';
import { merged, NOTHING_KNOWN } from './github/report.ts';
import { look, write } from './github/send.ts';
import { about, type Plan, planOf, webHostOf } from './github/target.ts';

/**
 * "No more than 80 content-generating requests per minute", per account:
 * https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits
 */
const WRITES = { count: 80, per_ms: 60_000 };

/**
 * What is written, as it is where nothing was written before: the request's body. Pure; golden files in
 * test/golden/github.
 */
export function render(notice: Notice, config: Config) {
  const plan = planOf(notice, config);
  const host = webHostOf(config.api_url);
  if ('problem' in plan || plan.kind === 'comment') {
    const place = 'problem' in plan ? {} : plan.place;
    return { body: commentOf(notice, merged(NOTHING_KNOWN, notice, place, host), config.marker) };
  }
  const told = narrowed(notice, plan, config);
  switch (plan.kind) {
    case 'status':
      return statusOf(told, config);
    case 'check': {
      const check = checkOf(told, config);
      return { ...check, output: { ...check.output, annotations: annotationsOf(told) } };
    }
    case 'deployment':
      return deploymentStatusOf(told, plan.place);
  }
}

/** What the notice says of the commit that is written to. */
const narrowed = (notice: Notice, plan: Plan, { api_url }: Config): Notice =>
  plan.kind === 'status' || plan.kind === 'check' ? about(notice, plan.sha, webHostOf(api_url)) : notice;

export const github = defineChannel({
  id: 'github',
  name: 'GitHub',
  setup:
    'Make a fine-grained token for the repositories (Pull requests, Commit statuses, Deployments: read and write), or a GitHub App with the same and Checks, installed there. Events name repository and pull_request or sha in their labels.',
  config,
  sample: { token: 'github_pat_sample_not_a_real_one', repository: 'acme/shop', pull_request: 7 },
  // No buttons: whoever may read the pull request could press them.
  can: { thread: false, update: true },
  patience: { timeout_ms: 15_000, max_attempts: 4, backoff_ms: 5_000 },
  rate: WRITES,

  async send(call) {
    const plan = planOf(call.notice, call.config);
    if ('problem' in plan) return rejected('config', plan.problem);
    const notice = narrowed(call.notice, plan, call.config);
    return refused(async () => write(await connect(call), { ...call, notice }, plan));
  },

  async find(call) {
    const plan = planOf(call.notice, call.config);
    if ('problem' in plan) return undefined;
    return look(await connect(call), { ...call, notice: narrowed(call.notice, plan, call.config) }, plan);
  },

  check: (call) => refused(async () => checked(await connect(call), call.config)),
});

/** A refusal anywhere on the way is how the attempt ended. */
async function refused(doing: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await doing();
  } catch (error) {
    if (error instanceof Refusal) return error.outcome;
    throw error;
  }
}
