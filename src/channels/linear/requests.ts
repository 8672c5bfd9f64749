/** What Linear is asked, in GraphQL; how a request reaches it; and what each of its refusals means. */
import { z } from 'zod';
import { type Call, fromError, fromStatus, type Outcome, rejected, retry } from '../channel.ts';

/** A document, the variables it takes, and what is read of the answer. Checked against Linear's schema in the tests. */
interface Request<Variables, Answer> {
  document: string;
  answer: z.ZodType<Answer>;
  /** Only a type: what is sent with the document. */
  variables?: Variables;
}
const request =
  <Variables>() =>
  <Answer>(document: string, answer: z.ZodType<Answer>): Request<Variables, Answer> => ({ document, answer });

interface IssueInput {
  id: string;
  teamId: string;
  title: string;
  description: string;
  priority: number;
  projectId?: string;
  labelIds?: string[];
}
interface AttachmentInput {
  issueId: string;
  title: string;
  url: string;
}

const issue = z.object({ id: z.string(), identifier: z.string(), url: z.string() });
const state = z.object({ id: z.string(), name: z.string(), type: z.string(), position: z.number() });
const done = z.object({ success: z.literal(true) });

export const requests = {
  openIssue: request<{ input: IssueInput }>()(
    'mutation Open($input: IssueCreateInput!) { issueCreate(input: $input) { success issue { id identifier url } } }',
    z.object({ issueCreate: z.object({ success: z.literal(true), issue }) }),
  ),
  changeIssue: request<{ id: string; input: { stateId?: string; priority?: number } }>()(
    'mutation Change($id: String!, $input: IssueUpdateInput!) { issueUpdate(id: $id, input: $input) { success } }',
    z.object({ issueUpdate: done }),
  ),
  comment: request<{ input: { id: string; issueId: string; body: string } }>()(
    'mutation Say($input: CommentCreateInput!) { commentCreate(input: $input) { success comment { id } } }',
    z.object({ commentCreate: done }),
  ),
  findIssue: request<{ id: string }>()(
    'query Find($id: String!) { issue(id: $id) { id identifier url } }',
    z.object({ issue }),
  ),
  findComment: request<{ id: string }>()(
    'query FindComment($id: String!) { comment(id: $id) { id } }',
    z.object({ comment: z.object({ id: z.string() }) }),
  ),
  /** Where the issue is, and where it can go: it may have been moved to another team since. */
  states: request<{ id: string; types: string[] }>()(
    `query States($id: String!, $types: [String!]) {
      issue(id: $id) {
        state { id name type position }
        team { states(first: 100, filter: { type: { in: $types } }) { nodes { id name type position } } }
      }
    }`,
    z.object({ issue: z.object({ state, team: z.object({ states: z.object({ nodes: z.array(state) }) }) }) }),
  ),
  check: request<{ team: string; project: string; hasProject: boolean }>()(
    `query Check($team: String!, $project: String!, $hasProject: Boolean!) {
      viewer { id }
      team(id: $team) { id key }
      project(id: $project) @include(if: $hasProject) { id }
    }`,
    z.object({ viewer: z.object({ id: z.string() }), team: z.object({ id: z.string(), key: z.string() }) }),
  ),
};

/** Several addresses beside one issue in one request. An address that is there already is updated, not doubled. */
export function attachRequest(count: number): Request<Record<string, AttachmentInput>, unknown> {
  const names = Array.from({ length: count }, (_, at) => `a${at}`);
  const variables = names.map((name) => `$${name}: AttachmentCreateInput!`).join(', ');
  const attached = names.map((name) => `${name}: attachmentCreate(input: $${name}) { success }`).join(' ');
  return { document: `mutation Attach(${variables}) { ${attached} }`, answer: z.unknown() };
}

/** What Linear refused, as the outcome of the attempt. */
export class Refused extends Error {
  readonly outcome: Outcome;
  /** The kind of thing that is not there, in Linear's word: Issue, Team. */
  readonly missing: string | undefined;
  /** There is one of this id already: an attempt before this one has made it. */
  readonly duplicate: boolean;
  constructor(outcome: Outcome, { missing, duplicate = false }: { missing?: string; duplicate?: boolean } = {}) {
    super(outcome.kind === 'delivered' ? 'refused' : outcome.detail);
    this.outcome = outcome;
    this.missing = missing;
    this.duplicate = duplicate;
  }
}

/** The outcome of whatever was thrown on the way: a refusal's own, or that of a broken connection. */
export const outcomeOf = (error: unknown, signal: AbortSignal): Outcome =>
  error instanceof Refused ? error.outcome : fromError(error, signal);

type Wire = Pick<Call<{ api_key: string; api_url: string }>, 'config' | 'fetch' | 'signal' | 'now'>;

/**
 * One request over the guarded fetch. The vendor's SDK is of no use here: it calls the global `fetch` and cannot be
 * given another, and it tells a rate limit by one of the two words that Linear uses for it.
 */
export async function ask<Variables, Answer>(
  { config: { api_key, api_url }, fetch, signal, now }: Wire,
  { document, answer }: Request<Variables, Answer>,
  variables: Variables,
): Promise<Answer> {
  const response = await fetch(api_url, {
    method: 'POST',
    headers: {
      // A personal key stands alone, an OAuth token is a bearer's: https://linear.app/developers/graphql#authentication
      authorization: api_key.startsWith('lin_oauth_') ? `Bearer ${api_key}` : api_key,
      accept: 'application/json',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ query: document, variables }),
    redirect: 'manual',
    signal,
  });
  const text = await response.text();
  const { data, errors = [] } = parsed(text);
  if (!response.ok || errors.length > 0) throw refusal(response.status, response.headers, errors, now);
  const read = answer.safeParse(data);
  if (!read.success) throw new Refused(oddAnswer(response.status));
  return read.data;
}

const oddAnswer = (status: number): Outcome =>
  retry('server', `answered ${status}, but not in the way Linear does`, { ambiguous: true });

const said = z.object({
  message: z.string().default(''),
  extensions: z
    .object({
      type: z.string().optional(),
      code: z.string().optional(),
      userPresentableMessage: z.string().default(''),
    })
    .default({ userPresentableMessage: '' }),
});
type Said = z.output<typeof said>;
const answered = z.object({ data: z.unknown().optional(), errors: z.array(said).optional() });

function parsed(text: string): { data?: unknown; errors?: Said[] | undefined } {
  try {
    return answered.safeParse(JSON.parse(text)).data ?? {};
  } catch {
    return {};
  }
}

/** Linear's words for an error come as a type (`invalid input`) and as a code (`INPUT_ERROR`), not always both. */
const wordsOf = ({ extensions: { type, code } }: Said): string[] =>
  [type, code].map((word) => (word ?? '').toLowerCase().replaceAll('_', ' '));

const LIMITED = new Set(['ratelimited', 'rate limited']);
const PASSING = new Set([
  'internal error',
  'internal server error',
  'network error',
  'lock timeout',
  'bootstrap error',
]);
const INVALID = new Set([
  'invalid input',
  'input error',
  'user error',
  'graphql error',
  'graphql validation failed',
  'bad user input',
]);

/** What to do about the things that are not found most. */
const ADVICE: Record<string, string> = {
  Team: 'check team_id, and that the key’s owner is in the team',
  Project: 'check project_id, and that the project belongs to the team',
  IssueLabel: 'check label_ids, and that the labels belong to the team',
  Issue: 'it was deleted, or the key’s owner cannot see it',
};

/** https://linear.app/developers/graphql#handling-errors; Linear's sentences may quote what was sent: not repeated. */
function refusal(status: number, headers: Headers, errors: Said[], now: Date): Refused {
  const detail = `Linear: HTTP ${status}`;
  const words = new Set(errors.flatMap(wordsOf));
  const has = (some: Set<string>) => [...words].some((word) => some.has(word));
  if (status === 429 || (status < 500 && has(LIMITED))) return new Refused(limited(headers, now));
  if (status >= 500 || status === 408 || status === 425) return new Refused(fromStatus(status, headers, now, detail));
  if (status >= 300 && status < 400)
    return new Refused(rejected('config', `${detail}: api_url redirects; configure where it leads`));
  const isOk = status >= 200 && status < 300;
  if (isOk && has(PASSING)) return new Refused(retry('server', 'Linear: a fault of its own', { ambiguous: true }));
  if (status === 401 || words.has('authentication error'))
    return new Refused(rejected('auth', 'Linear: the API key is wrong or was revoked; make a new one'));
  if (status === 403 || words.has('forbidden')) {
    return new Refused(
      rejected('auth', 'Linear: the key may not do this; it needs to read, create issues and comment in the team'),
    );
  }
  if (words.has('feature not accessible'))
    return new Refused(rejected('config', 'Linear: the workspace’s plan does not have this'));
  if (words.has('usage limit exceeded')) {
    return new Refused(
      rejected(
        'config',
        'Linear: the workspace has as many issues as its plan allows; archive some, or change the plan',
      ),
    );
  }
  if (has(INVALID)) return invalid(detail, errors);
  if (isOk)
    return new Refused(
      errors.length > 0 ? rejected('unforeseen', `${detail}: an error it does not name`) : oddAnswer(status),
    );
  return new Refused(fromStatus(status, headers, now, detail));
}

function invalid(detail: string, errors: Said[]): Refused {
  // As Linear answers a second create of the same id, with status 200 or 400: `conflict on insert of Issue`.
  if (errors.some(({ message }) => /^conflict on insert of \w+/i.test(message))) {
    return new Refused(rejected('payload', `${detail}: it is there already`), { duplicate: true });
  }
  const texts = errors.flatMap(({ message, extensions }) => [message, extensions.userPresentableMessage]);
  const missing = texts
    .map((text) => /(?:Entity not found:|Could not find referenced) (\w{1,40})/.exec(text)?.[1])
    .find((name) => name !== undefined);
  if (missing === undefined) return new Refused(rejected('payload', `${detail}: Linear does not take the input`));
  const advice = Object.hasOwn(ADVICE, missing) ? ADVICE[missing] : 'the key’s owner cannot see it';
  return new Refused(rejected('config', `${detail}: no such ${missing}: ${advice}`), { missing });
}

/** The bucket refills all the time (https://linear.app/developers/rate-limiting), so nobody waits until it is full. */
const RESET_WAIT_MAX_MS = 60_000;
const BUDGETS = ['requests', 'complexity', 'endpoint-requests'];

/** Status 400 and the word RATELIMITED, mostly without Retry-After; the headers name each budget's reset in epoch milliseconds. */
function limited(headers: Headers, now: Date): Outcome {
  const outcome = fromStatus(429, headers, now, 'Linear: too many requests');
  if (outcome.kind !== 'retry' || outcome.after_ms !== undefined) return outcome;
  const waits = BUDGETS.filter((budget) => headers.get(`x-ratelimit-${budget}-remaining`) === '0')
    .map((budget) => Number(headers.get(`x-ratelimit-${budget}-reset`) ?? Number.NaN) - now.getTime())
    .filter((wait) => wait > 0);
  if (waits.length === 0) return outcome;
  return { ...outcome, after_ms: Math.min(RESET_WAIT_MAX_MS, Math.max(...waits)) };
}
