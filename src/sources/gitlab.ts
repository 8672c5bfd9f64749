/** GitLab's webhooks: pipelines, jobs and deployments. https://docs.gitlab.com/user/project/integrations/webhook_events/ */
import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { versionIn } from '../core/ci.ts';
import type { Event, Labels, Link, Severity } from '../core/event.ts';
import { inWords } from '../core/time.ts';
import {
  defineSource,
  fitted,
  type Headers,
  headerOf,
  isSame,
  LIMITS,
  listAt,
  nameOf,
  textAt,
  timeOf,
  valueAt,
} from './source.ts';

/** `whsec_` and the key in base64, as GitLab makes them (Standard Webhooks, https://www.standardwebhooks.com). */
const SIGNING_TOKEN = /^whsec_([A-Za-z0-9+/]{22,}={0,2})$/;

const config = z.strictObject({
  source: z.string().min(1).max(128).default('gitlab').meta({
    title: 'Source',
    description: 'The source of its events. Two GitLab instances need two names.',
  }),
  signing_token: z.string().regex(SIGNING_TOKEN, 'not a signing token of GitLab: whsec_ and base64').optional().meta({
    title: 'Signing token',
    description: 'GitLab signs every request with it. Older versions have only the secret token.',
    writeOnly: true,
  }),
  token: z.string().min(16).optional().meta({
    title: 'Secret token',
    description: 'GitLab shows it in the header X-Gitlab-Token. Where both tokens are given, both are needed.',
    writeOnly: true,
  }),
  successes: z.boolean().default(false).meta({
    title: 'Successes',
    description:
      'A pipeline, job or deployment that passed is an event of its own as well. Off: it only ends the failure before it.',
  }),
});

/** How far the time that was signed may be from ours (Standard Webhooks: five minutes). */
const WINDOW_MS = 5 * 60_000;
/** Signatures of one request: the old key's and the new one's while a key is changed. */
const SIGNATURES_MAX = 8;
/** What is never resolved ends by itself, before anybody would be told of it again. */
const NEWS_EXPIRE_MS = 3_600_000;
/** Failed jobs that are named. */
const JOBS_MAX = 10;

interface About {
  id: string[];
  type: string;
  title: string;
  severity: Severity;
  status: Event['status'];
  /** Absent for news, which nothing resolves. */
  key?: string[];
  isSuccess?: boolean;
  body: string;
  occurred_at: string;
  /** When what it tells of was started, where an older one may end after a newer. */
  as_of?: string;
  labels: Labels;
  links: Link[];
}

export const gitlab = defineSource({
  id: 'gitlab',
  name: 'GitLab',
  setup:
    'Add a webhook to the project or the group: its URL is this source, its signing token (or its secret token) the one given here, its triggers pipeline, job and deployment events.',
  config,

  verify(raw, headers, { signing_token, token }, now) {
    if (token !== undefined && !isSame(headerOf(headers, 'x-gitlab-token'), token))
      return 'the secret token is missing or wrong';
    return signing_token === undefined ? undefined : refuseUnsigned(raw, headers, signing_token, now);
  },

  normalise(payload, { config, now, headers }) {
    const refused = (problem: string) => ({ events: [], rejected: [{ index: 0, problem }] });
    const kind = textAt(payload, 'object_kind');
    if (kind === '') return refused('not a message of GitLab: it has no object_kind');
    const read = Object.hasOwn(READERS, kind) ? READERS[kind] : undefined;
    if (!read) return refused('an event of GitLab that is no event here: leave its trigger out of the webhook');
    const repository = repositoryIn(payload);
    if (repository === '') return refused('it names no project');
    const about = read(payload, repository);
    if (typeof about === 'string') return refused(about);
    if (about.id.includes('')) return refused(`a ${kind} without an id`);
    const event = eventFrom(payload, about, { source: config.source, repository, headers, now });
    if (!config.successes || !about.isSuccess) return { events: [event], rejected: [] };
    const told = nameOf(['told', event.id], LIMITS.id);
    return {
      events: [event, { ...event, id: told, dedup_key: told, status: 'firing', expires_at: newsExpire(now) }],
      rejected: [],
    };
  },
});

/** HMAC-SHA256 over id, time and body: https://gitlab.com/gitlab-org/gitlab/-/merge_requests/230944 */
function refuseUnsigned(raw: Buffer, headers: Headers, token: string, now: Date): string | undefined {
  const [id, timestamp] = [headerOf(headers, 'webhook-id'), headerOf(headers, 'webhook-timestamp')];
  const [, key = ''] = SIGNING_TOKEN.exec(token) ?? [];
  const mac = createHmac('sha256', Buffer.from(key, 'base64')).update(`${id}.${timestamp}.`).update(raw);
  const expected = `v1,${mac.digest('base64')}`;
  const shown = headerOf(headers, 'webhook-signature').split(' ').slice(0, SIGNATURES_MAX);
  if (id === '' || !shown.some((one) => isSame(one, expected))) return 'the signature is missing or wrong';
  const at = /^\d{1,12}$/.test(timestamp) ? Number(timestamp) * 1000 : Number.NaN;
  return Math.abs(now.getTime() - at) <= WINDOW_MS ? undefined : 'it was signed at another time than now';
}

const newsExpire = (now: Date): string => new Date(now.getTime() + NEWS_EXPIRE_MS).toISOString();

interface Delivered {
  source: string;
  repository: string;
  headers: Headers | undefined;
  now: Date;
}

function eventFrom(payload: unknown, about: About, { source, repository, headers, now }: Delivered): Event {
  const id = nameOf(about.id, LIMITS.id);
  const labels = { repository, ...about.labels, actor: textAt(payload, 'user', 'username') };
  const event: Event = {
    id,
    source,
    type: about.type,
    title: about.title,
    severity: about.severity,
    service: repository,
    components: [],
    labels: Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== '')),
    assignees: [],
    links: about.links.filter(({ url }) => url !== ''),
    status: about.status,
    dedup_key: about.key ? nameOf(about.key, LIMITS.key) : id,
  };
  if (about.body !== '') event.body = about.body;
  // The id by which GitLab lists what it sent.
  const delivery = headerOf(headers, 'x-gitlab-event-uuid') || headerOf(headers, 'webhook-id');
  if (delivery !== '') event.request_id = delivery;
  const occurred_at = timeOf(about.occurred_at);
  if (occurred_at) event.occurred_at = occurred_at;
  const as_of = timeOf(about.as_of ?? '');
  if (as_of) event.as_of = as_of;
  if (!about.key) event.expires_at = newsExpire(now);
  return fitted(event);
}

/** Jobs name their project by the address of its page alone. */
function repositoryIn(payload: unknown): string {
  const path = textAt(payload, 'project', 'path_with_namespace');
  if (path !== '') return path;
  const home = URL.parse(homeIn(payload));
  return home?.pathname.replace(/^\/|\/$/g, '') || textAt(payload, 'project_name').replaceAll(' ', '');
}

const homeIn = (payload: unknown): string =>
  textAt(payload, 'project', 'web_url') || textAt(payload, 'repository', 'homepage');
const projectIn = (payload: unknown): string => textAt(payload, 'project', 'id') || textAt(payload, 'project_id');
const pageAt = (payload: unknown, path: string, id: string): string => {
  const home = homeIn(payload);
  return home === '' || id === '' ? '' : `${home}/-/${path}/${id}`;
};
const branchLink = (payload: unknown, branch: string): Link => ({
  title: `Branch ${branch}`,
  url: pageAt(payload, 'tree', branch.toWellFormed().split('/').map(encodeURIComponent).join('/')),
});
const commitLink = (payload: unknown, sha: string): Link => ({
  title: `Commit ${sha.slice(0, 8)}`,
  url: textAt(payload, 'commit', 'url') || pageAt(payload, 'commit', sha),
});
const firstLine = (text: string): string => text.slice(0, 1_000).split('\n', 1)[0]?.trim() ?? '';
const inSeconds = (seconds: string): string =>
  Number(seconds) >= 1 ? inWords(Math.round(Number(seconds)) * 1000) : '';

/** `success` and `failed` end a pipeline, a job and a deployment; what is canceled or skipped says nothing of the code. */
const isEnding = (status: string): boolean => status === 'success' || status === 'failed';

function pipeline(payload: unknown, repository: string): About | string {
  const run = valueAt(payload, 'object_attributes');
  const status = textAt(run, 'status');
  if (!isEnding(status)) return 'the pipeline has neither failed nor passed';
  const isFailed = status === 'failed';
  const [id, ref, sha, name] = [textAt(run, 'id'), textAt(run, 'ref'), textAt(run, 'sha'), textAt(run, 'name')];
  const isTag = valueAt(run, 'tag') === true;
  const request = valueAt(payload, 'merge_request');
  const iid = textAt(request, 'iid');
  const failed = listAt(payload, 'builds').filter(
    (job) => textAt(job, 'status') === 'failed' && valueAt(job, 'allow_failure') !== true,
  );
  const steps = failed.map(
    (job) => `${textAt(job, 'stage')}: ${textAt(job, 'name')}${reasonOf(job, 'failure_reason')}`,
  );
  const author = textAt(payload, 'commit', 'author', 'name');
  const message = firstLine(textAt(payload, 'commit', 'message'));
  return {
    // A pipeline may be retried: it keeps its id and ends again.
    id: ['pipeline', projectIn(payload), id, status, textAt(run, 'finished_at') || '0'],
    type: isFailed ? 'build_failure' : 'build_success',
    title: `${name || 'Pipeline'} ${isFailed ? 'failed' : 'passed'} on ${ref || 'no ref'} of ${repository}`,
    severity: isFailed ? 'error' : 'info',
    status: isFailed ? 'firing' : 'resolved',
    // Not the pipeline's id: the next one of this ref is what ends a failure. Children would end each other's and their parent's.
    key: ['pipeline', projectIn(payload), ref, ...(textAt(run, 'source') === 'parent_pipeline' ? ['child', name] : [])],
    isSuccess: !isFailed,
    body: [
      isFailed && steps.length > 0 ? `Failed: ${steps.slice(0, JOBS_MAX).join(', ')}` : '',
      isFailed && steps.length > JOBS_MAX ? `and ${steps.length - JOBS_MAX} more` : '',
      message && author ? `${message} (${author})` : message,
    ]
      .filter((text) => text !== '')
      .join('\n'),
    occurred_at: textAt(run, 'finished_at') || textAt(run, 'created_at'),
    as_of: textAt(run, 'created_at'),
    labels: {
      branch: isTag ? '' : ref,
      tag: isTag ? ref : '',
      sha,
      merge_request: iid,
      pipeline: name,
      run_number: textAt(run, 'iid'),
      trigger: textAt(run, 'source'),
      failed_step: isFailed ? textAt(failed[0], 'name') : '',
      committer: author,
      duration: inSeconds(textAt(run, 'duration')),
    },
    links: [
      { title: 'View Build', url: textAt(run, 'url') || pageAt(payload, 'pipelines', id) },
      { title: 'View Logs', url: isFailed ? pageAt(payload, 'jobs', textAt(failed[0], 'id')) : '' },
      { title: `View MR !${iid}`, url: textAt(request, 'url') },
      commitLink(payload, sha),
      ...(isTag || ref === '' ? [] : [branchLink(payload, ref)]),
    ],
  };
}

/** A job is a `build` in GitLab's payloads. */
function job(payload: unknown, repository: string): About | string {
  const status = textAt(payload, 'build_status');
  if (!isEnding(status)) return 'the job has neither failed nor passed';
  const isFailed = status === 'failed';
  if (isFailed && valueAt(payload, 'build_allow_failure') === true) return 'the job is allowed to fail';
  const [id, ref, sha] = [textAt(payload, 'build_id'), textAt(payload, 'ref'), textAt(payload, 'sha')];
  const name = textAt(payload, 'build_name') || 'A job';
  const isTag = valueAt(payload, 'tag') === true;
  const author = textAt(payload, 'commit', 'author_name');
  const message = firstLine(textAt(payload, 'commit', 'message'));
  return {
    id: ['job', projectIn(payload), id, status],
    type: isFailed ? 'job_failure' : 'job_success',
    title: `${name} ${isFailed ? 'failed' : 'passed'} on ${ref || 'no ref'} of ${repository}`,
    severity: isFailed ? 'error' : 'info',
    status: isFailed ? 'firing' : 'resolved',
    key: ['job', projectIn(payload), ref, name],
    isSuccess: !isFailed,
    body: [
      isFailed ? textAt(payload, 'build_failure_reason') : '',
      message && author ? `${message} (${author})` : message,
    ]
      .filter((text) => text !== '')
      .join('\n'),
    occurred_at: textAt(payload, 'build_finished_at') || textAt(payload, 'build_created_at'),
    as_of: textAt(payload, 'build_created_at'),
    labels: {
      branch: isTag ? '' : ref,
      tag: isTag ? ref : '',
      sha,
      job: name,
      stage: textAt(payload, 'build_stage'),
      environment: textAt(payload, 'environment', 'name'),
      committer: author,
      duration: inSeconds(textAt(payload, 'build_duration')),
    },
    links: [
      { title: isFailed ? 'View Logs' : 'View Job', url: pageAt(payload, 'jobs', id) },
      { title: 'View Build', url: pageAt(payload, 'pipelines', textAt(payload, 'pipeline_id')) },
      commitLink(payload, sha),
      ...(isTag || ref === '' ? [] : [branchLink(payload, ref)]),
    ],
  };
}

function deployment(payload: unknown, repository: string): About | string {
  const status = textAt(payload, 'status');
  const isRunning = status === 'running';
  if (!isRunning && !isEnding(status)) return 'the deployment has neither started, failed nor succeeded';
  const isFailed = status === 'failed';
  const environment = textAt(payload, 'environment');
  const [, sha = ''] = /\/commit\/([0-9a-f]{7,64})$/.exec(textAt(payload, 'commit_url')) ?? [];
  const at = textAt(payload, 'status_changed_at');
  const word = isRunning ? 'started' : isFailed ? 'failed' : 'succeeded';
  const about: About = {
    id: [
      'deployment',
      projectIn(payload),
      textAt(payload, 'deployment_id') || textAt(payload, 'deployable_id'),
      status,
      at || '0',
    ],
    type: isRunning ? 'deployment_started' : isFailed ? 'deployment_failure' : 'deployment_success',
    title: `Deployment to ${environment || 'an environment without a name'} ${word}, of ${repository}`,
    severity: isFailed ? 'error' : 'info',
    status: isRunning || isFailed ? 'firing' : 'resolved',
    isSuccess: status === 'success',
    body: textAt(payload, 'commit_title'),
    occurred_at: at,
    labels: {
      environment,
      tier: textAt(payload, 'environment_tier'),
      environment_url: textAt(payload, 'environment_external_url'),
      branch: textAt(payload, 'ref'),
      version: versionIn(textAt(payload, 'ref')),
      sha: sha || textAt(payload, 'short_sha'),
      deployer: textAt(payload, 'user', 'username'),
    },
    links: [
      { title: 'View Logs', url: textAt(payload, 'deployable_url') },
      { title: 'Environment', url: textAt(payload, 'environment_external_url') },
      { title: `Commit ${textAt(payload, 'short_sha')}`, url: textAt(payload, 'commit_url') },
    ],
  };
  if (!isRunning) about.key = ['deployment', projectIn(payload), environment];
  return about;
}

const reasonOf = (payload: unknown, name: string): string => {
  const reason = textAt(payload, name);
  return reason === '' ? '' : ` (${reason})`;
};

const READERS: Readonly<Record<string, (payload: unknown, repository: string) => About | string>> = {
  pipeline,
  build: job,
  deployment,
};
