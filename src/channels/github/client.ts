/** Requests to GitHub as a token or as an App, and what its refusals mean: https://docs.github.com/en/rest */
import { createAppAuth } from '@octokit/auth-app';
import { request as octokit } from '@octokit/request';
import {
  type CheckCall,
  type Fetch,
  fromError,
  fromStatus,
  type Outcome,
  rejected,
  retry,
  retryAfter,
} from '../channel.ts';
import type { Config } from './config.ts';

/** The version this was written against; servers that know no versions ignore it. */
const API_VERSION = '2022-11-28';
/**
 * "Wait for at least one minute" where GitHub names no time:
 * https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
 */
const UNNAMED_WAIT_MS = 60_000;
/** The longest wait that is believed: the primary limit is reset every hour. */
const WAIT_MAX_MS = 2 * 3_600_000;
const ERRORS_MAX = 5;

/** A request that GitHub did not do, as the outcome of the attempt. Never leaves the channel. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly outcome: Outcome;
  /** 0 where there was none. */
  readonly status: number;
  /** The answer was longer than egress reads: a smaller page may be asked for. */
  readonly tooLong: boolean;
  constructor(outcome: Outcome, status: number, tooLong = false) {
    super('GitHub refused');
    this.outcome = outcome;
    this.status = status;
    this.tooLong = tooLong;
  }
}

export interface Answer {
  data: unknown;
  headers: Headers;
}

/** `route` as `POST /repos/{owner}/{repo}/…`; `missing` says what a 404 means there. Throws a Refusal. */
export type Ask = (route: string, parameters?: Record<string, unknown>, missing?: string) => Promise<Answer>;

export interface GitHub {
  ask: Ask;
  /** Who wrote this comment: we, or somebody else who knows the marker. */
  isOurs: (user: { id?: unknown; login?: unknown }) => Promise<boolean>;
  /** What an App's installation may do, `{ issues: 'write' }`; undefined for a token, which does not say. */
  permissions?: Record<string, unknown>;
}

type Connected = Pick<CheckCall<Config>, 'config' | 'fetch' | 'signal' | 'now'>;

/** Signs in; a token needs no request for that, an App one. Throws a Refusal. */
export async function connect(call: Connected): Promise<GitHub> {
  const { config } = call;
  if (config.token !== undefined) {
    const ask = askAs(call, `token ${config.token}`);
    let me: Promise<unknown> | undefined;
    const isOurs: GitHub['isOurs'] = async ({ id }) => {
      me ??= ask('GET /user').then(({ data }) => idIn(data));
      return id === (await me);
    };
    return { ask, isOurs };
  }
  const app = askAs(call, `bearer ${await signed(config)}`);
  const installation_id = Number(config.installation_id);
  const { data } = await app(
    'POST /app/installations/{installation_id}/access_tokens',
    { installation_id },
    'there is no such installation of this App: check app_id and installation_id',
  );
  const { token, permissions } = record(data);
  if (typeof token !== 'string') throw notGitHub();
  let login: Promise<string> | undefined;
  const isOurs: GitHub['isOurs'] = async (user) => {
    login ??= app('GET /app').then((answer) => {
      const { slug } = record(answer.data);
      if (typeof slug !== 'string') throw notGitHub();
      return `${slug}[bot]`;
    });
    return user.login === (await login);
  };
  return { ask: askAs(call, `token ${token}`), isOurs, permissions: record(permissions) };
}

/**
 * The App's own signature for the next minutes. Only this is left to the vendor's library: its installation tokens are
 * shared between all callers in the process by the installation's number alone, whichever server they are for, and its
 * repeats after a 401 know no signal.
 */
async function signed({ app_id, private_key }: Config): Promise<string> {
  try {
    const auth = createAppAuth({ appId: app_id ?? '', privateKey: private_key ?? '', log: SILENT });
    return (await auth({ type: 'app' })).token;
  } catch {
    throw new Refusal(rejected('config', 'private_key cannot sign: give the whole text of the App’s .pem file'), 0);
  }
}

const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** The vendor's request without its log, its redirects and its reading of bodies, which hides when one breaks off. */
function askAs({ config, fetch, signal, now }: Connected, authorization: string): Ask {
  return async (route, parameters = {}, missing) => {
    let answered: { status: number; headers: Headers; data: unknown } | undefined;
    const through: Fetch = async (url, init) => {
      const response = await fetch(url, { ...init, redirect: 'manual', signal });
      const { status, headers } = response;
      // Of a refusal the status alone says enough.
      const text = await response.text().catch((error: unknown) => (status < 400 ? Promise.reject(error) : ''));
      answered = { status, headers, data: jsonOf(text) };
      return new Response(null, { status: 204 });
    };
    try {
      await octokit(route, {
        ...parameters,
        baseUrl: config.api_url.replace(/\/+$/, ''),
        headers: { authorization, 'user-agent': 'Tocsin', 'x-github-api-version': API_VERSION },
        request: { fetch: through, signal, log: SILENT },
      });
    } catch (error) {
      throw new Refusal(fromError(error, signal), 0, isTooLong(error));
    }
    if (!answered) throw notGitHub();
    const { status, headers, data } = answered;
    if (status >= 200 && status < 300) return { data, headers };
    throw new Refusal(outcomeOf(status, headers, record(data), now, missing), status);
  };
}

/** Egress's own word, and that of the connection under it. */
const TOO_LONG: ReadonlySet<unknown> = new Set(['ANSWER_TOO_LONG', 'UND_ERR_RES_EXCEEDED_MAX_SIZE']);
function isTooLong(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (TOO_LONG.has((at as { code?: unknown }).code)) return true;
  }
  return false;
}

/** An answer of 2xx that GitHub would not give: a proxy's page, or a body that was cut. */
export const notGitHub = (): Refusal =>
  new Refusal(retry('server', 'answered 2xx, but not in the way GitHub does', { ambiguous: true }), 0);

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What GitHub says of a thing, field by field; nothing where it is none. */
export const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};

/** The id in an answer. Throws a Refusal where there is none. */
export function idIn(data: unknown): number {
  const { id } = record(data);
  if (typeof id !== 'number') throw notGitHub();
  return id;
}

function outcomeOf(
  status: number,
  headers: Headers,
  body: Record<string, unknown>,
  now: Date,
  missing = 'the repository is not there, or the token may not see it: check its name, and give the token or the App access to it',
): Outcome {
  const message = typeof body.message === 'string' ? body.message : '';
  const wait = waitOf(status, headers, message, now);
  if (wait !== undefined) return retry('rate_limited', 'GitHub: too many requests', { after_ms: wait });
  if (status >= 300 && status < 400) {
    return rejected('config', `GitHub: ${status}: the repository was renamed or moved: give its new name`);
  }
  switch (status) {
    case 401:
      return rejected('auth', `GitHub: 401: ${unauthorised(message)}`);
    case 403:
      return forbidden(headers, message);
    case 404:
      return rejected('config', `GitHub: 404: ${missing}`);
    case 410:
      return rejected('gone', 'GitHub: 410: it was deleted, or issues are switched off in this repository');
    case 422:
      return invalid(body, message);
    case 451:
      return rejected('gone', 'GitHub: 451: the repository is blocked');
    default:
      return fromStatus(status, headers, now, `GitHub answered HTTP ${status}`);
  }
}

/**
 * How long GitHub wants to be left alone, undefined where it does not say that. In its own order: retry-after, then the
 * reset of a used-up limit, then at least a minute. It uses 403 and 429 for the same thing.
 */
function waitOf(status: number, headers: Headers, message: string, now: Date): number | undefined {
  if (status !== 403 && status !== 429 && status !== 422) return undefined;
  const limited = status === 429 || /rate limit|abuse detection|submitted too quickly/i.test(message);
  const named = status === 422 ? undefined : retryAfter(headers.get('retry-after'), now);
  if (named !== undefined) return named;
  const reset = Number(headers.get('x-ratelimit-reset') ?? Number.NaN) * 1_000 - now.getTime();
  if (status !== 422 && headers.get('x-ratelimit-remaining') === '0' && Number.isFinite(reset)) {
    return Math.min(Math.max(1_000, reset), WAIT_MAX_MS);
  }
  return limited ? UNNAMED_WAIT_MS : undefined;
}

function unauthorised(message: string): string {
  if (/expiration time|issued at|'iat'|'exp'/i.test(message)) {
    return 'the App’s signature is not of this time: set the clock of this machine';
  }
  if (/json web token|integration not found/i.test(message)) {
    return 'the App is not known by this key: check app_id and private_key';
  }
  return 'the token is wrong, has expired or was revoked: make a new one';
}

function forbidden(headers: Headers, message: string): Outcome {
  if (headers.has('x-github-sso')) {
    return rejected('auth', 'GitHub: 403: the organisation wants single sign-on: authorise the token for it');
  }
  if (/authenticate via a GitHub App/i.test(message)) {
    return rejected('auth', 'GitHub: 403: check runs are for Apps only: give app_id, installation_id and private_key');
  }
  if (/suspended/i.test(message)) {
    return rejected('auth', 'GitHub: 403: the App’s installation or the account is suspended');
  }
  if (/is locked/i.test(message)) {
    return rejected('config', 'GitHub: 403: the conversation is locked: unlock it');
  }
  if (/archived|read-only/i.test(message)) {
    return rejected('config', 'GitHub: 403: the repository is archived, nothing can be written there');
  }
  if (/ip allow list/i.test(message)) {
    return rejected('auth', 'GitHub: 403: the organisation’s list of allowed addresses has not ours');
  }
  const wanted = headers.get('x-accepted-github-permissions') ?? headers.get('x-accepted-oauth-scopes') ?? '';
  const named = /^[\w=;:, ]{1,200}$/.test(wanted) ? `: it needs ${wanted.replaceAll(';', ' or')}` : '';
  return rejected('auth', `GitHub: 403: the token or the App lacks a permission${named}`);
}

function invalid(body: Record<string, unknown>, message: string): Outcome {
  if (/no commit found/i.test(message)) {
    return rejected('config', 'GitHub: 422: there is no such commit in the repository');
  }
  const errors = Array.isArray(body.errors) ? body.errors.slice(0, ERRORS_MAX) : [];
  const words = errors.map((error) => {
    const { resource, field, code } = record(error);
    // Only names: a message may quote what was sent.
    return [resource, field, code].filter((word) => typeof word === 'string' && /^\w{1,60}$/.test(word)).join('.');
  });
  const named = words.filter((word) => word !== '').join(', ');
  return rejected('payload', `GitHub: 422: not valid${named === '' ? '' : `: ${named}`}`);
}
