/** A GitHub with its own refusals: tokens and Apps, comments, statuses, check runs and deployments of a few repositories. */
import { createVerify, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Ajv, type AnySchemaObject, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';
import { type Answer, type Hit, type Recorder, type Reply, startHttpFake } from './recorder.ts';

/** "Body is too long (maximum is 65536 characters)". */
const BODY_MAX = 65_536;
const DESCRIPTION_MAX = 140;
const CONTEXT_MAX = 255;
/** A JSON Web Token may last this long: https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app */
const JWT_MAX_S = 600;
const PAGE_MAX = 100;

type Part = Record<string, unknown>;

export interface GitHubComment {
  id: number;
  issue: number;
  body: string;
  user: { id: number; login: string; type: 'User' | 'Bot' };
  /** How often it was changed. */
  edits: number;
}
export interface GitHubStatus {
  id: number;
  sha: string;
  state: string;
  context: string;
  description: string | null;
  target_url?: string;
  created_at: string;
}
export interface GitHubCheck extends Part {
  id: number;
  head_sha: string;
  name: string;
  status: string;
  conclusion?: string;
  external_id?: string;
  output: { title: string; summary: string; text?: string; annotations: Part[] };
  /** How often it was changed. */
  edits: number;
}
export interface GitHubDeployment {
  id: number;
  sha: string;
  environment: string;
  statuses: (Part & { id: number; state: string; description: string; created_at: string })[];
}

export interface FakeGitHub {
  /** For `api_url`. */
  url: string;
  token: string;
  /** For `app_id`, `installation_id` and `private_key`. */
  app: { app_id: number; installation_id: number; private_key: string };
  comments: GitHubComment[];
  statuses: GitHubStatus[];
  checks: GitHubCheck[];
  deployments: GitHubDeployment[];
  /** Puts a comment there that somebody else wrote, or an earlier one of ours. */
  comment(issue: number, body: string, by?: 'us' | 'somebody'): GitHubComment;
  requests: Recorder<Hit>;
  script(answers: Answer[]): void;
  close(): Promise<void>;
}

export interface FakeGitHubOptions {
  /** `owner/name`; there are no others. */
  repository?: string;
  /** Pull requests and issues that exist. */
  issues?: number[];
  locked?: number[];
  shas?: string[];
  archived?: boolean;
  /** Of the installation; a token has all of them but checks. */
  permissions?: Record<string, 'read' | 'write'>;
  /** The header of classic tokens. */
  scopes?: string;
  /** The role of the token's account. */
  role?: 'read' | 'write';
  private?: boolean;
}

export const SHA = 'a1b2c3d4e5f60718293a4b5c6d7e8f9012345678';
const OURS = { id: 41_898_282, login: 'tocsin-app[bot]', type: 'Bot' } as const;
const OWNER = { id: 1_001, login: 'tocsin-user', type: 'User' } as const;
const SOMEBODY = { id: 1_002, login: 'mallory', type: 'User' } as const;

/** One key for all tests of a file: making one takes a while. */
let pair: { publicKey: string; privateKey: string } | undefined;
const keys = () => {
  pair ??= generateKeyPairSync('rsa', {
    modulusLength: 2_048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  return pair;
};

const SCHEMAS = JSON.parse(
  readFileSync(new URL('../../samples/schemas/github/requests.json', import.meta.url), 'utf8'),
) as Record<string, AnySchemaObject>;
const ajv = new Ajv({ strict: false });
formats.default(ajv);
const validators = new Map<string, ValidateFunction>();
const validatorOf = (route: string): ValidateFunction => {
  const known = validators.get(route) ?? ajv.compile(SCHEMAS[route] ?? {});
  validators.set(route, known);
  return known;
};

class Refusal extends Error {
  readonly reply: Reply;
  constructor(status: number, message: string, more: { errors?: Part[]; headers?: Record<string, string> } = {}) {
    super(message);
    const { errors, headers } = more;
    this.reply = {
      status,
      ...(headers ? { headers } : {}),
      json: {
        message,
        ...(errors ? { errors } : {}),
        documentation_url: 'https://docs.github.com/rest',
        status: String(status),
      },
    };
  }
}
const unprocessable = (resource: string, field: string, code: string, message?: string) =>
  new Refusal(422, 'Validation Failed', { errors: [{ resource, field, code, ...(message ? { message } : {}) }] });

export async function startFakeGitHub(options: FakeGitHubOptions = {}): Promise<FakeGitHub> {
  const repository = options.repository ?? 'acme/shop';
  const issues = options.issues ?? [7];
  const shas = options.shas ?? [SHA];
  const permissions = options.permissions ?? {
    issues: 'write',
    pull_requests: 'write',
    statuses: 'write',
    checks: 'write',
    deployments: 'write',
    metadata: 'read',
  };
  const token = 'github_pat_fake_token_of_a_user';
  const installationToken = 'ghs_fake_token_of_an_installation';
  const app = { app_id: 12_345, installation_id: 678, private_key: keys().privateKey };
  const comments: GitHubComment[] = [];
  const statuses: GitHubStatus[] = [];
  const checks: GitHubCheck[] = [];
  const deployments: GitHubDeployment[] = [];
  let next = 1_000;
  const id = () => ++next;
  const now = () => '2026-01-15T14:32:05Z';

  const caller = (hit: Hit): 'user' | 'installation' | 'app' => {
    const { authorization = '', 'user-agent': agent = '' } = hit.headers;
    if (agent === '') throw new Refusal(403, 'Request forbidden by administrative rules.');
    if (authorization === '') throw new Refusal(401, 'Requires authentication');
    const [, value = ''] = authorization.split(' ');
    if (value === token) return 'user';
    if (value === installationToken) return 'installation';
    if (value.split('.').length === 3) {
      checkSignature(value);
      return 'app';
    }
    throw new Refusal(401, 'Bad credentials');
  };

  const checkSignature = (jwt: string) => {
    const [head = '', body = '', signature = ''] = jwt.split('.');
    const good = createVerify('RSA-SHA256').update(`${head}.${body}`).verify(keys().publicKey, signature, 'base64url');
    if (!good) throw new Refusal(401, 'A JSON web token could not be decoded');
    const { iat, exp, iss } = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, number | string>;
    const seconds = Math.floor(Date.now() / 1_000);
    if (Number(exp) > seconds + JWT_MAX_S) {
      throw new Refusal(401, "'Expiration time' claim ('exp') is too far in the future");
    }
    if (Number(iat) > seconds) throw new Refusal(401, "'Issued at' claim ('iat') must be an Integer in the past");
    if (String(iss) !== String(app.app_id)) throw new Refusal(404, 'Integration not found');
  };

  /** 403 with the header that names what is missing. */
  const needs = (who: string, names: string[]) => {
    const can = who === 'user' ? options.role !== 'read' : names.some((name) => permissions[name] === 'write');
    if (can) return;
    const kind = who === 'user' ? 'personal access token' : 'integration';
    throw new Refusal(403, `Resource not accessible by ${kind}`, {
      headers: { 'x-accepted-github-permissions': names.map((name) => `${name}=write`).join('; ') },
    });
  };

  const text = (resource: string, body: Part, field: string, max: number): string => {
    const value = String(body[field] ?? '');
    if ([...value].some((point) => (point.codePointAt(0) ?? 0) > 0xffff)) {
      throw unprocessable(resource, field, 'custom', `${field} doesn't accept 4-byte Unicode`);
    }
    if (value.length > max) {
      throw unprocessable(resource, field, 'custom', `${field} is too long (maximum is ${max} characters)`);
    }
    return value;
  };
  const commentBody = (body: Part): string => {
    const value = String(body.body);
    if (value.trim() === '') throw unprocessable('IssueComment', 'body', 'missing_field');
    if (value.length > BODY_MAX) {
      throw unprocessable('IssueComment', 'data', 'unprocessable', 'Body is too long (maximum is 65536 characters)');
    }
    return value;
  };
  const commit = (sha: unknown): string => {
    if (!shas.includes(String(sha))) throw new Refusal(422, `No commit found for SHA: ${String(sha)}`);
    return String(sha);
  };
  const one = <Item extends { id: number }>(items: Item[], which: unknown): Item => {
    const found = items.find((item) => item.id === Number(which));
    if (!found) throw new Refusal(404, 'Not Found');
    return found;
  };
  const issueOf = (which: unknown): number => {
    if (!issues.includes(Number(which))) throw new Refusal(404, 'Not Found');
    return Number(which);
  };
  const paged = <Item>(hit: Hit, items: Item[]): Item[] => {
    const size = Math.min(PAGE_MAX, Number(hit.query.get('per_page') ?? 30));
    const page = Number(hit.query.get('page') ?? 1);
    return items.slice((page - 1) * size, page * size);
  };

  type Handler = (
    given: Record<string, string>,
    body: Part,
    who: 'user' | 'installation' | 'app',
    hit: Hit,
  ) => Part | unknown[] | { reply: Reply };
  const created = (json: Part) => ({ reply: { status: 201, json } });

  const routes: Record<string, Handler> = {
    'GET /user': (_, __, who) => {
      if (who !== 'user') throw new Refusal(403, 'Resource not accessible by integration');
      return { ...OWNER };
    },
    'GET /app': (_, __, who) => {
      if (who !== 'app') throw new Refusal(401, 'A JSON web token could not be decoded');
      return { id: app.app_id, slug: 'tocsin-app' };
    },
    'POST /app/installations/{installation_id}/access_tokens': ({ installation_id }, _, who) => {
      if (who !== 'app') throw new Refusal(401, 'A JSON web token could not be decoded');
      if (Number(installation_id) !== app.installation_id) throw new Refusal(404, 'Not Found');
      return created({ token: installationToken, expires_at: '2026-01-15T15:32:05Z', permissions });
    },
    'GET /repos/{owner}/{repo}': (_, __, who) => ({
      id: 1,
      full_name: repository,
      archived: options.archived === true,
      private: options.private === true,
      ...(who === 'user' ? { permissions: { pull: true, push: options.role !== 'read', admin: false } } : {}),
    }),
    'GET /repos/{owner}/{repo}/issues/{issue_number}': ({ issue_number }) => ({
      id: 9_000 + issueOf(issue_number),
      number: Number(issue_number),
      locked: (options.locked ?? []).includes(Number(issue_number)),
    }),
    'GET /repos/{owner}/{repo}/issues/{issue_number}/comments': ({ issue_number }, _, __, hit) => {
      const issue = issueOf(issue_number);
      return paged(
        hit,
        comments.filter((comment) => comment.issue === issue),
      );
    },
    'GET /repos/{owner}/{repo}/issues/comments/{comment_id}': ({ comment_id }) => ({ ...one(comments, comment_id) }),
    'POST /repos/{owner}/{repo}/issues/{issue_number}/comments': ({ issue_number }, body, who) => {
      needs(who, ['issues', 'pull_requests']);
      const issue = issueOf(issue_number);
      if ((options.locked ?? []).includes(issue)) {
        throw new Refusal(403, 'Unable to create comment because issue is locked.');
      }
      const comment = { id: id(), issue, body: commentBody(body), user: who === 'user' ? OWNER : OURS, edits: 0 };
      comments.push(comment);
      return created({ ...comment });
    },
    'PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}': ({ comment_id }, body, who) => {
      needs(who, ['issues', 'pull_requests']);
      const comment = one(comments, comment_id);
      comment.body = commentBody(body);
      comment.edits++;
      return { ...comment };
    },
    'POST /repos/{owner}/{repo}/statuses/{sha}': ({ sha }, body, who) => {
      needs(who, ['statuses']);
      const status: GitHubStatus = {
        id: id(),
        sha: commit(sha),
        state: String(body.state),
        context: text('Status', { context: 'default', ...body }, 'context', CONTEXT_MAX),
        description: body.description === undefined ? null : text('Status', body, 'description', DESCRIPTION_MAX),
        ...(typeof body.target_url === 'string' ? { target_url: webUrl('Status', body.target_url) } : {}),
        created_at: now(),
      };
      statuses.unshift(status);
      return created({ ...status });
    },
    'GET /repos/{owner}/{repo}/commits/{ref}/statuses': ({ ref }, _, __, hit) =>
      paged(
        hit,
        statuses.filter(({ sha }) => sha === ref),
      ),
    'POST /repos/{owner}/{repo}/check-runs': (_, body, who) => {
      if (who === 'user') throw new Refusal(403, 'You must authenticate via a GitHub App.');
      needs(who, ['checks']);
      const { annotations = [], ...output } = body.output as Part & { annotations?: Part[] };
      const check = {
        status: 'queued',
        ...body,
        output: { ...output, annotations },
        id: id(),
        head_sha: commit(body.head_sha),
        edits: 0,
      } as unknown as GitHubCheck;
      if (check.conclusion !== undefined) check.status = 'completed';
      checks.push(check);
      return created({ ...check });
    },
    'PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}': ({ check_run_id }, body, who) => {
      needs(who, ['checks']);
      const check = one(checks, check_run_id);
      const { annotations = [], ...output } = (body.output ?? {}) as Part & { annotations?: Part[] };
      const before = check.output.annotations;
      Object.assign(check, body, { output: { ...output, annotations: [...before, ...annotations] } });
      if (body.conclusion === undefined) delete check.conclusion;
      check.edits++;
      return { ...check };
    },
    'GET /repos/{owner}/{repo}/commits/{ref}/check-runs': ({ ref }, _, __, hit) => {
      const found = checks.filter(({ head_sha, name }) => head_sha === ref && name === hit.query.get('check_name'));
      return { total_count: found.length, check_runs: paged(hit, found) };
    },
    'GET /repos/{owner}/{repo}/deployments': (_, __, ___, hit) =>
      paged(
        hit,
        deployments.filter(
          ({ sha, environment }) => sha === hit.query.get('sha') && environment === hit.query.get('environment'),
        ),
      ),
    'POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses': ({ deployment_id }, body, who) => {
      needs(who, ['deployments']);
      const status = {
        ...body,
        id: id(),
        state: String(body.state),
        description: text('DeploymentStatus', body, 'description', DESCRIPTION_MAX),
        created_at: now(),
      };
      one(deployments, deployment_id).statuses.unshift(status);
      return created({ ...status });
    },
    'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses': ({ deployment_id }, _, __, hit) =>
      paged(hit, one(deployments, deployment_id).statuses),
  };

  const handle = (hit: Hit): Reply => {
    const who = caller(hit);
    const found = Object.entries(routes).flatMap(([route, handler]) => {
      const given = matched(route, hit);
      return given ? [{ route, handler, given }] : [];
    })[0];
    if (!found) throw new Refusal(404, 'Not Found');
    const { owner, repo } = found.given;
    if (owner !== undefined && (who === 'app' || `${owner}/${repo}`.toLowerCase() !== repository)) {
      throw new Refusal(404, 'Not Found');
    }
    if (options.archived && hit.method !== 'GET' && owner !== undefined) {
      throw new Refusal(403, 'Repository was archived so is read-only.');
    }
    const body = bodyOf(hit, found.route);
    const answer = found.handler(found.given, body, who, hit);
    const scopes: Record<string, string> = options.scopes === undefined ? {} : { 'x-oauth-scopes': options.scopes };
    const limits = { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': '4999', ...scopes };
    if ('reply' in answer) {
      const { reply } = answer as { reply: Reply };
      return { ...reply, headers: { ...reply.headers, ...limits } };
    }
    return { status: 200, json: answer, headers: limits };
  };

  const fake = await startHttpFake('GitHub', (hit) => {
    try {
      return handle(hit);
    } catch (error) {
      if (error instanceof Refusal) return error.reply;
      throw error;
    }
  });

  return {
    url: fake.url,
    token,
    app,
    comments,
    statuses,
    checks,
    deployments,
    comment(issue, body, by = 'somebody') {
      const comment = { id: id(), issue, body, user: by === 'us' ? OWNER : SOMEBODY, edits: 0 };
      comments.push(comment);
      return comment;
    },
    requests: fake.requests,
    script: fake.script,
    close: fake.close,
  };
}

/** The path parameters of a request that is of this route; undefined where it is of another. */
function matched(route: string, { method, path }: Hit): Record<string, string> | undefined {
  const [wanted, template = ''] = route.split(' ');
  if (method !== wanted) return undefined;
  const names = template.split('/');
  const parts = path.split('/');
  if (names.length !== parts.length) return undefined;
  const given: Record<string, string> = {};
  for (const [at, name] of names.entries()) {
    const part = parts[at] ?? '';
    if (name.startsWith('{')) given[name.slice(1, -1)] = decodeURIComponent(part);
    else if (name !== part) return undefined;
  }
  return given;
}

/** As GitHub's own description of its API wants it; what that does not name is a mistake of ours. */
function bodyOf(hit: Hit, route: string): Part {
  if (hit.method === 'GET' || !Object.hasOwn(SCHEMAS, route)) return {};
  if (!/^application\/json\b/.test(hit.headers['content-type'] ?? '')) {
    throw new Refusal(415, 'Unsupported Media Type');
  }
  let body: Part;
  try {
    body = JSON.parse(hit.raw.toString()) as Part;
  } catch {
    throw new Refusal(400, 'Problems parsing JSON');
  }
  const validate = validatorOf(route);
  if (!validate(body)) {
    throw new Refusal(422, `Invalid request.\n\n${ajv.errorsText(validate.errors)}`);
  }
  const known = Object.keys((SCHEMAS[route]?.properties ?? {}) as Part);
  const unknown = Object.keys(body).filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Refusal(422, `Invalid request.\n\n${unknown.join(', ')} are not permitted keys.`);
  return body;
}

function webUrl(resource: string, url: string): string {
  if (!/^https?:\/\//.test(url))
    throw unprocessable(resource, 'target_url', 'custom', 'target_url must use http(s) scheme');
  return url;
}
