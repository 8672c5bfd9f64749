/** How requests reach Jira: jira.js builds them, ours is the wire; and what each refusal of Jira's means. */
import type { Client, SendRequestOptions } from 'jira.js/core';
import { type Call, fromError, fromStatus, type Outcome, rejected, retry } from '../channel.ts';

/** What Jira refused, as the outcome of the attempt; `fields` where it names those it does not take. */
export class Refused extends Error {
  readonly status: number;
  readonly outcome: Outcome;
  readonly fields: string[];
  constructor(status: number, outcome: Outcome, fields: string[] = []) {
    super(outcome.kind === 'delivered' ? 'refused' : outcome.detail);
    this.status = status;
    this.outcome = outcome;
    this.fields = fields;
  }
}

/** The outcome of whatever was thrown on the way: a refusal's own, or that of a broken connection. */
export const outcomeOf = (error: unknown, signal: AbortSignal): Outcome =>
  error instanceof Refused ? error.outcome : fromError(error, signal);

interface Access {
  base_url: string;
  email: string;
  api_token: string;
}

/**
 * The client that jira.js 6 is given. Its own asks the global `fetch`, knows no signal and puts whole answers into its
 * errors; but any object with `sendRequest` is a client to it. Its schemas are not asked: a tenant's answers differ from
 * them without harm, and what is read of an answer is checked where it is read.
 */
export function clientFor({
  config: { base_url, email, api_token },
  fetch,
  signal,
  now,
}: Pick<Call<Access>, 'config' | 'fetch' | 'signal' | 'now'>): Client {
  const authorization = `Basic ${Buffer.from(`${email}:${api_token}`).toString('base64')}`;
  return {
    async sendRequest<T>({ url, method = 'GET', body, searchParams }: SendRequestOptions<T>): Promise<T> {
      const response = await fetch(`${base_url.replace(/\/+$/, '')}${url}${queryOf(searchParams)}`, {
        method,
        headers: {
          authorization,
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: 'manual',
        signal,
      });
      const text = await response.text();
      const json = parsed(text);
      if (response.status === 204) return undefined as T;
      // A page that says 200 comes from something in between; whether Jira heard the request is not known.
      if (response.ok && json === undefined) throw new Refused(response.status, oddAnswer(response.status));
      if (response.ok) return json as T;
      throw refusal(response.status, response.headers, json, now);
    },
  };
}

/** Answered, but not by Jira, or not as Jira does. */
export const oddAnswer = (status: number): Outcome =>
  retry('server', `answered ${status}, but not in the way Jira does`, { ambiguous: true });

function queryOf(params: SendRequestOptions['searchParams'] = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null) query.append(name, String(one));
    }
  }
  return query.size === 0 ? '' : `?${query}`;
}

type Fields = Record<string, unknown>;

function parsed(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}

/** What to do about the fields that are refused most; Jira's own sentences quote values, so they are not repeated. */
const ADVICE: Record<string, string> = {
  project: 'no such project, or the account may not create issues in it; check project_key',
  issuetype: 'the project has no such issue type; check issue_type',
  summary: 'the summary is not taken',
  description: 'the text is not taken: too long, or not on the create screen',
  priority: 'the project has no such priority, or not on its create screen; check priorities',
  labels: 'labels are not on the project’s create screen',
  reporter: 'the project wants a reporter, which the account may not set',
};

/** https://developer.atlassian.com/cloud/jira/platform/rest/v3/intro/#status-codes */
function refusal(status: number, headers: Headers, json: Fields | undefined, now: Date): Refused {
  const login = loginFailure(status, headers);
  if (login) return new Refused(status, login);
  const said = `Jira: HTTP ${status}`;
  switch (status) {
    case 400: {
      const named = Object.keys((json?.errors ?? {}) as Fields).filter((name) => /^[\w.-]{1,60}$/.test(name));
      const fields = named.length === 0 && isOfDocument(json) ? ['description'] : named;
      const words = fields.map((name) => `${name} (${Object.hasOwn(ADVICE, name) ? ADVICE[name] : adviceFor(name)})`);
      const reason = fields.some((name) => name === 'project' || name === 'issuetype') ? 'config' : 'payload';
      return new Refused(status, rejected(reason, words.length ? `${said}: ${words.join('; ')}` : said), fields);
    }
    case 401:
      return new Refused(status, rejected('auth', `${said}: the e-mail or the API token is wrong, or it has expired`));
    case 403:
      return new Refused(
        status,
        rejected('auth', `${said}: the account may not do this in the project; check its permissions`),
      );
    case 404:
      return new Refused(
        status,
        rejected('config', `${said}: no Jira at base_url, or the account cannot see the project or issue`),
      );
    case 410:
      return new Refused(status, rejected('gone', `${said}: Jira has removed this request; a newer Tocsin is needed`));
    case 413:
      return new Refused(status, rejected('payload', `${said}: the issue is too large`));
    case 429:
      return new Refused(status, limited(headers, now));
    default:
      if (status >= 300 && status < 400)
        return new Refused(status, rejected('config', `${said}: base_url redirects; configure where it leads`));
      return new Refused(status, fromStatus(status, headers, now, said));
  }
}

/** Of a document that it does not take, or that is too long (JRACLOUD-78553), Jira says only so, and no field. */
const isOfDocument = (json: Fields | undefined): boolean =>
  Array.isArray(json?.errorMessages) &&
  json.errorMessages.some((word) => word === 'INVALID_INPUT' || word === 'CONTENT_LIMIT_EXCEEDED');

const adviceFor = (name: string): string =>
  name.startsWith('customfield_')
    ? 'required, not on the create screen, or of another type; check fields'
    : 'the project wants something there; give it by fields, or make it optional';

/**
 * Jira takes a wrong token for nobody at all and then says that there is no such project, so the header is asked first.
 * https://developer.atlassian.com/cloud/jira/platform/basic-auth-for-rest-apis/#captcha
 */
function loginFailure(status: number, headers: Headers): Outcome | undefined {
  if (status < 400 || status > 404) return undefined;
  const reason = `${headers.get('x-seraph-loginreason') ?? ''} ${headers.get('x-authentication-denied-reason') ?? ''}`;
  if (/AUTHENTICATION_DENIED|CAPTCHA/i.test(reason)) {
    return rejected(
      'auth',
      `Jira: HTTP ${status}: after several failed logins Jira asks for a CAPTCHA; log in once in a browser as this account, then check the token`,
    );
  }
  if (/AUTHENTICATED_FAILED/i.test(reason)) {
    return rejected('auth', `Jira: HTTP ${status}: the e-mail or the API token is wrong, or it has expired`);
  }
  return undefined;
}

/** https://developer.atlassian.com/cloud/jira/platform/rate-limiting/: Retry-After in seconds, or when it resets in ISO 8601. */
function limited(headers: Headers, now: Date): Outcome {
  const why = /^[a-z-]{1,60}$/.exec(headers.get('ratelimit-reason') ?? '')?.[0];
  const detail = `Jira: HTTP 429: too many requests${why ? ` (${why})` : ''}`;
  const outcome = fromStatus(429, headers, now, detail);
  const reset = Date.parse(headers.get('x-ratelimit-reset') ?? '');
  if (outcome.kind !== 'retry' || outcome.after_ms !== undefined || Number.isNaN(reset)) return outcome;
  return fromStatus(429, new Headers({ 'retry-after': new Date(reset).toUTCString() }), now, detail);
}
