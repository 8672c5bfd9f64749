/** Whether the credential is good and may write what is configured, asked without writing anything. */
import { delivered, type Outcome, rejected } from '../channel.ts';
import { type GitHub, idIn, record } from './client.ts';
import type { Config } from './config.ts';
import { inside } from './send.ts';

/** A permission of an App for each kind: https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps */
const NEEDED = {
  comment: ['issues', 'pull_requests'],
  status: ['statuses'],
  check: ['checks'],
  deployment: ['deployments'],
} as const;

/** Whether what is configured can be written, as far as GitHub tells without writing. Throws a Refusal. */
export async function checked({ ask, permissions }: GitHub, config: Config): Promise<Outcome> {
  const kinds = config.kind === 'auto' ? [] : [config.kind];
  const lacking = permissions && kinds.find((kind) => !NEEDED[kind].some((name) => permissions[name] === 'write'));
  if (lacking) {
    const names = NEEDED[lacking].join(' or ');
    return rejected(
      'auth',
      `the App lacks the permission ${names} (read and write): add it, and accept it at the installation`,
    );
  }
  if (config.repository === undefined) {
    if (!permissions) idIn((await ask('GET /user')).data);
    return delivered(undefined, 'the credential is good; no repository is configured that could be looked at');
  }
  const path = inside(config.repository);
  const { data, headers } = await ask('GET /repos/{owner}/{repo}', path);
  idIn(data);
  const { archived, private: isPrivate, permissions: role } = record(data);
  if (archived === true) return rejected('config', `${config.repository} is archived: nothing can be written there`);
  const scopes = headers.get('x-oauth-scopes');
  if (!permissions && scopes !== null && !hasScope(scopes, config.kind, isPrivate === true)) {
    return rejected('auth', 'the token lacks the scope repo (public_repo is enough for a public repository)');
  }
  const isWriter = record(role).push === true || record(role).maintain === true || record(role).admin === true;
  if (!permissions && (config.kind === 'status' || config.kind === 'deployment') && !isWriter) {
    return rejected('auth', `the token’s account may not write to ${config.repository}: give it the role Write`);
  }
  if (config.pull_request !== undefined) {
    const number = Number(config.pull_request);
    const issue = await ask(
      'GET /repos/{owner}/{repo}/issues/{issue_number}',
      { ...path, issue_number: number },
      `${config.repository} has no pull request or issue ${number}`,
    );
    if (record(issue.data).locked === true && !isWriter && !permissions) {
      return rejected('config', `the conversation of ${number} is locked: unlock it`);
    }
  }
  return delivered();
}

/** The scopes of a classic token, which alone has any: https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps */
function hasScope(scopes: string, kind: Config['kind'], isPrivate: boolean): boolean {
  const has = scopes.split(',').map((scope) => scope.trim());
  return (
    has.includes('repo') ||
    (!isPrivate && has.includes('public_repo')) ||
    (kind === 'status' && has.includes('repo:status')) ||
    (kind === 'deployment' && has.includes('repo_deployment'))
  );
}
