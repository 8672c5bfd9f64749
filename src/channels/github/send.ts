/** How each kind is written, and how it is found again after an answer was lost. */
import { type Call, delivered, type Outcome, type Ref, rejected } from '../channel.ts';
import { type Ask, type GitHub, idIn, notGitHub, Refusal, record } from './client.ts';
import { commentOf } from './comment.ts';
import type { Config } from './config.ts';
import { annotationsOf, checkOf, deploymentStatusOf, isNoNews, statusOf } from './posts.ts';
import { holds, markerOf, merged, NOTHING_KNOWN, reportIn } from './report.ts';
import { type Plan, webHostOf } from './target.ts';

/** The most GitHub gives at once. */
const PAGE = 100;
/** A hundred long comments are more than egress reads of one answer; then ten at once, then one. */
const SMALLER = 10;
/** Requests for comments: ours is among the first that a pull request gets; what is behind these is not looked through. */
const REQUESTS_MAX = 30;
/** Clocks differ: how much earlier than the notice its status may have been written. */
const MARGIN_MS = 60_000;

type Told = Pick<Call<Config>, 'config' | 'notice' | 'root'>;
type PlanOf<Kind extends Plan['kind']> = Extract<Plan, { kind: Kind }>;

/** The path parameters of a repository. */
export function inside(repository: string): { owner: string; repo: string } {
  const [owner = '', repo = ''] = repository.split('/');
  return { owner, repo };
}

interface Comment {
  id: number;
  body: string;
}

function commentIn(data: unknown): Comment & { user: Record<string, unknown> } {
  const { body, user } = record(data);
  return { id: idIn(data), body: typeof body === 'string' ? body : '', user: record(user) };
}

/**
 * Our comment: the one whose id we have; else the first that has our marker and was written by us, for a marker can be
 * copied by anybody. `unknown`: there are more comments than are looked through.
 */
async function ourComment(
  { ask, isOurs }: GitHub,
  { config, root }: Told,
  plan: PlanOf<'comment'>,
): Promise<Comment | 'unknown' | undefined> {
  const path = inside(plan.repository);
  if (root && root.repository === plan.repository && root.number === plan.number) {
    const found = await unless(
      404,
      ask('GET /repos/{owner}/{repo}/issues/comments/{comment_id}', { ...path, comment_id: root.comment_id }),
    );
    if (found) return commentIn(found.data);
  }
  let size = PAGE;
  let seen = 0;
  for (let nth = 0; nth < REQUESTS_MAX; nth++) {
    const page = await orTooLong(
      ask(
        'GET /repos/{owner}/{repo}/issues/{issue_number}/comments',
        { ...path, issue_number: plan.number, per_page: size, page: seen / size + 1 },
        `${plan.repository} has no pull request or issue ${plan.number}, or the token may not see it`,
      ),
      size > 1,
    );
    if (!page) {
      size /= SMALLER;
      continue;
    }
    if (!Array.isArray(page.data)) throw notGitHub();
    for (const one of page.data) {
      const comment = commentIn(one);
      if (comment.body.startsWith(markerOf(config.marker)) && (await isOurs(comment.user))) return comment;
    }
    if (page.data.length < size) return undefined;
    seen += size;
  }
  return 'unknown';
}

/** The answer, or nothing where it was too long and less can be asked for. */
async function orTooLong<Answer>(asked: Promise<Answer>, less: boolean): Promise<Answer | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (less && error instanceof Refusal && error.tooLong) return undefined;
    throw error;
  }
}

/** The answer, or nothing where it is a refusal of this status. */
async function unless<Answer>(status: number, asked: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Refusal && error.status === status) return undefined;
    throw error;
  }
}

const refOf = (plan: PlanOf<'comment'>, comment_id: number): Ref => ({
  repository: plan.repository,
  number: plan.number,
  comment_id,
});

/**
 * Writes our comment, or rewrites it with what the notice adds to what it says. GitHub has no compare-and-set: of two
 * incidents that write at the same moment the later one wins with what it read, and the other's row comes back with its
 * next notice. One incident's deliveries come one by one.
 */
async function writeComment(github: GitHub, told: Told, plan: PlanOf<'comment'>): Promise<Outcome> {
  const { config, notice } = told;
  const found = await ourComment(github, told, plan);
  const before = found && found !== 'unknown' ? found : undefined;
  const report = before ? reportIn(before.body, config.marker) : NOTHING_KNOWN;
  if (before && holds(report, notice.delivery.key)) {
    return delivered(refOf(plan, before.id), 'the comment says so already');
  }
  const body = commentOf(notice, merged(report, notice, plan.place, webHostOf(config.api_url)), config.marker);
  const path = inside(plan.repository);
  if (before) {
    // Somebody may delete it between our two requests.
    const edited = await unless(
      404,
      github.ask('PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}', { ...path, comment_id: before.id, body }),
    );
    if (edited) return delivered(refOf(plan, idIn(edited.data)));
  }
  const { data } = await github.ask(
    'POST /repos/{owner}/{repo}/issues/{issue_number}/comments',
    { ...path, issue_number: plan.number, body },
    `${plan.repository} has no pull request or issue ${plan.number}, or the token may not comment there`,
  );
  const note = 'there are too many comments to find ours among them: this is a new one';
  return delivered(refOf(plan, idIn(data)), ...(found === 'unknown' ? [note] : []));
}

async function writeStatus(
  { ask }: GitHub,
  { config, notice }: Told,
  { repository, sha }: PlanOf<'status'>,
): Promise<Outcome> {
  const { data } = await ask('POST /repos/{owner}/{repo}/statuses/{sha}', {
    ...inside(repository),
    sha,
    ...statusOf(notice, config),
  });
  return delivered({ repository, sha, status_id: idIn(data) });
}

async function writeCheck(
  { ask }: GitHub,
  { config, notice, root }: Told,
  { repository, sha }: PlanOf<'check'>,
): Promise<Outcome> {
  const path = inside(repository);
  const check = checkOf(notice, config);
  if (root && root.repository === repository && root.sha === sha && typeof root.check_run_id === 'number') {
    const { check_run_id } = root;
    const changed = await unless(
      404,
      ask('PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}', { ...path, check_run_id, ...check }),
    );
    if (changed) return delivered({ repository, sha, check_run_id: idIn(changed.data) });
  }
  const annotations = annotationsOf(notice);
  const { data } = await ask('POST /repos/{owner}/{repo}/check-runs', {
    ...path,
    ...check,
    head_sha: sha,
    started_at: notice.incident.opened_at,
    output: { ...check.output, ...(annotations.length > 0 ? { annotations } : {}) },
  });
  return delivered({ repository, sha, check_run_id: idIn(data) });
}

/** The deployment's number: the event's, or that of the newest deployment of its commit to its environment. */
async function deploymentOf(ask: Ask, { repository, place }: PlanOf<'deployment'>): Promise<number | undefined> {
  if (place.deployment_id !== undefined) return place.deployment_id;
  const { sha, environment } = place;
  const { data } = await ask('GET /repos/{owner}/{repo}/deployments', {
    ...inside(repository),
    sha,
    environment,
    per_page: 1,
  });
  if (!Array.isArray(data)) throw notGitHub();
  return data.length === 0 ? undefined : idIn(data[0]);
}

async function writeDeployment({ ask }: GitHub, { notice, root }: Told, plan: PlanOf<'deployment'>): Promise<Outcome> {
  if (root && isNoNews(notice)) {
    return delivered(undefined, `a deployment has no word for ${notice.reason}: its status stays as it is`);
  }
  const deployment_id = await deploymentOf(ask, plan);
  if (deployment_id === undefined) {
    return rejected('config', `${plan.repository} has no deployment of this commit to this environment`);
  }
  const { data } = await ask(
    'POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses',
    { ...inside(plan.repository), deployment_id, ...deploymentStatusOf(notice, plan.place) },
    `${plan.repository} has no deployment ${deployment_id}, or the token may not see it`,
  );
  return delivered({ repository: plan.repository, deployment_id, deployment_status_id: idIn(data) });
}

/** Writes what the plan says. Throws a Refusal. */
export function write(github: GitHub, told: Told, plan: Plan): Promise<Outcome> {
  switch (plan.kind) {
    case 'comment':
      return writeComment(github, told, plan);
    case 'status':
      return writeStatus(github, told, plan);
    case 'check':
      return writeCheck(github, told, plan);
    case 'deployment':
      return writeDeployment(github, told, plan);
  }
}

/** What a lost answer was about, if GitHub has it. Throws a Refusal, or where it cannot be known. */
export async function look(github: GitHub, told: Told, plan: Plan): Promise<Ref | undefined> {
  const { config, notice } = told;
  const path = inside(plan.repository);
  switch (plan.kind) {
    case 'comment': {
      const found = await ourComment(github, told, plan);
      if (found === 'unknown') throw new Error('GitHub has more comments there than are looked through');
      const isThere = found && holds(reportIn(found.body, config.marker), notice.delivery.key);
      return isThere ? refOf(plan, found.id) : undefined;
    }
    case 'status': {
      const wanted = statusOf(notice, config);
      const statuses = await listed(github, 'GET /repos/{owner}/{repo}/commits/{ref}/statuses', {
        ...path,
        ref: plan.sha,
      });
      // The newest first; what is older than the newest of the same name is seen by nobody.
      const newest = statuses.find(({ context }) => context === wanted.context);
      const same =
        newest?.state === wanted.state && newest.description === wanted.description && isSince(newest, notice.at);
      return same ? { repository: plan.repository, sha: plan.sha, status_id: idIn(newest) } : undefined;
    }
    case 'check': {
      const { name: check_name, external_id } = checkOf(notice, config);
      const { data } = await github.ask('GET /repos/{owner}/{repo}/commits/{ref}/check-runs', {
        ...path,
        ref: plan.sha,
        check_name,
        filter: 'all',
        per_page: PAGE,
      });
      const runs = record(data).check_runs;
      if (!Array.isArray(runs)) throw notGitHub();
      const run = runs.map(record).find((one) => one.external_id === external_id);
      return run && { repository: plan.repository, sha: plan.sha, check_run_id: idIn(run) };
    }
    case 'deployment': {
      const deployment_id = await deploymentOf(github.ask, plan);
      if (deployment_id === undefined) return undefined;
      const wanted = deploymentStatusOf(notice, plan.place);
      const route = 'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses';
      const statuses = await listed(github, route, { ...path, deployment_id });
      const found = statuses.find(
        (one) => one.state === wanted.state && one.description === wanted.description && isSince(one, notice.at),
      );
      return found && { repository: plan.repository, deployment_id, deployment_status_id: idIn(found) };
    }
  }
}

async function listed(
  { ask }: GitHub,
  route: string,
  parameters: Record<string, unknown>,
): Promise<Record<string, unknown>[]> {
  const { data } = await ask(route, { ...parameters, per_page: PAGE });
  if (!Array.isArray(data)) throw notGitHub();
  return data.map(record);
}

const isSince = ({ created_at }: Record<string, unknown>, at: string): boolean =>
  Date.parse(String(created_at)) >= Date.parse(at) - MARGIN_MS;
