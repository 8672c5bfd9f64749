/** Where a notice belongs on GitHub, and what its alerts say of a build: read from labels, types and links. */
import { CI_STATES, type CiStage, type CiState, ciFactsOf, givenBy, stageOf, stateOf } from '../../core/ci.ts';
import type { Notice, NoticeAlert } from '../../core/notice.ts';
import { oneLine } from '../../core/text.ts';
import { inWords } from '../../core/time.ts';
import { type Config, type Kind, REPOSITORY } from './config.ts';

/** Where an event says it belongs; what it does not say, or says wrongly, is left out. */
export interface Place {
  repository?: string;
  pull_request?: number;
  sha?: string;
  branch?: string;
  environment?: string;
  environment_url?: string;
  deployment_id?: number;
}

const SHA = /^[0-9a-f]{7,64}$/i;
/** All digits of a SHA-1 or a SHA-256: GitHub takes no abbreviation where something is written. */
const WHOLE_SHA = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i;
const NUMBER = /^[1-9]\d{0,14}$/;

/** An alert's place, by its labels; by its links to GitHub where a label is missing. */
export function placeOf({ labels, links }: Pick<NoticeAlert, 'labels' | 'links'>, webHost: string): Place {
  const given = (name: string, shape: RegExp): string | undefined => {
    const value = labels[name]?.trim();
    return value !== undefined && shape.test(value) ? value : undefined;
  };
  const linked = links.map(({ url }) => placeInLink(url, webHost)).find(({ repository }) => repository) ?? {};
  const repository = given('repository', REPOSITORY) ?? linked.repository;
  // A link leads to another repository than the label names: its numbers are not this one's.
  const near = same(repository, linked.repository) ? linked : {};
  const pull_request = given('pull_request', NUMBER);
  const deployment_id = given('deployment_id', NUMBER);
  const place: { [name in keyof Place]: Place[name] | undefined } = {
    repository,
    pull_request: pull_request === undefined ? near.pull_request : Number(pull_request),
    sha: (given('sha', SHA) ?? given('commit', SHA) ?? near.sha)?.toLowerCase(),
    branch: given('branch', /^\S{1,255}$/),
    environment: given('environment', /^.{1,255}$/),
    environment_url: given('environment_url', /^https?:\/\/\S{1,1000}$/i),
    deployment_id: deployment_id === undefined ? undefined : Number(deployment_id),
  };
  return Object.fromEntries(Object.entries(place).filter(([, value]) => value !== undefined)) as Place;
}

function placeInLink(url: string, webHost: string): Place {
  const parsed = URL.parse(url);
  if (parsed?.host !== webHost) return {};
  const [owner = '', name = '', what = '', which = ''] = parsed.pathname.split('/').slice(1);
  const repository = `${owner}/${name}`;
  if (!REPOSITORY.test(repository) || what === '') return {};
  if (what === 'pull' && NUMBER.test(which)) return { repository, pull_request: Number(which) };
  if (what === 'commit' && SHA.test(which)) return { repository, sha: which };
  return { repository };
}

const same = (a: string | undefined, b: string | undefined): boolean => a?.toLowerCase() === b?.toLowerCase();

/** The host of the web pages that belong to an API: github.com, or the Enterprise server's own. */
export function webHostOf(api_url: string): string {
  const { host } = new URL(api_url);
  return host.startsWith('api.') ? host.slice('api.'.length) : host;
}

/** What is to be written, and where. */
export type Plan = { repository: string; place: Place } & (
  | { kind: 'comment'; number: number }
  | { kind: 'status'; sha: string }
  | { kind: 'check'; sha: string }
  | { kind: 'deployment' }
);

/** The plan for a notice, or in words why there is none. */
export function planOf(notice: Notice, config: Config): Plan | { problem: string } {
  const host = webHostOf(config.api_url);
  const places = newestFirst(notice.alerts).map((alert) => placeOf(alert, host));
  const repositories = different(places.map((place) => (place.repository ?? config.repository)?.toLowerCase()));
  if (repositories.length > 1) return severally('repositories', repositories, 'repository');
  const repository = places.find((place) => place.repository)?.repository ?? config.repository;
  if (repository === undefined) {
    return { problem: 'the event names no repository: give it the label repository (owner/name), or set repository' };
  }
  if (!isAllowed(repository, config)) {
    return { problem: `the event names ${repository}, which is not among the repositories allowed` };
  }
  const numbers = different(places.map(({ pull_request }) => pull_request));
  if (numbers.length > 1) return severally('pull requests', numbers, 'pull_request');
  const branches = different(places.map(({ branch }) => branch));
  const number = numbers[0] ?? (same(repository, config.repository) ? Number(config.pull_request ?? 0) : 0);
  // The newest that says so: a branch moves on while its incident is open.
  const place: Place = Object.assign({}, ...places.toReversed());
  const { sha, deployment_id, environment } = place;
  switch (kindFor(config, { ...place, ...(number ? { pull_request: number } : {}) })) {
    case 'comment':
      if (number === 0) {
        return {
          problem: 'the event names no pull request: give it the label pull_request (its number), or set pull_request',
        };
      }
      return { kind: 'comment', repository, place, number };
    case 'deployment':
      if (deployment_id === undefined && (sha === undefined || environment === undefined)) {
        return { problem: 'the event names no deployment: give it the label deployment_id, or sha and environment' };
      }
      return { kind: 'deployment', repository, place };
    case 'status':
      return branches.length > 1 ? severally('branches', branches, 'branch') : onCommit('status', repository, place);
    case 'check':
      return branches.length > 1 ? severally('branches', branches, 'branch') : onCommit('check', repository, place);
  }
}

function onCommit(kind: 'status' | 'check', repository: string, place: Place): Plan | { problem: string } {
  if (place.sha === undefined) return { problem: 'the event names no commit: give it the label sha' };
  if (!WHOLE_SHA.test(place.sha)) return { problem: 'the label sha is an abbreviation: GitHub wants all 40 digits' };
  return { kind, repository, place, sha: place.sha };
}

function kindFor({ kind, token }: Config, { pull_request, sha, deployment_id }: Place): Kind {
  if (kind !== 'auto') return kind;
  if (deployment_id !== undefined) return 'deployment';
  if (pull_request !== undefined || sha === undefined) return 'comment';
  return token === undefined ? 'check' : 'status';
}

const severally = (what: string, which: (string | number)[], label: string) => ({
  problem: `the alerts of this notice name ${which.length} ${what}: group the route by ${label} as well`,
});

const isAllowed = (repository: string, { repositories }: Config): boolean =>
  repositories === undefined ||
  repositories.some((one) => same(one, repository) || same(one, `${repository.split('/')[0]}/*`));

const different = <Value extends string | number>(values: (Value | undefined)[]): Value[] => [
  ...new Set(values.filter((value) => value !== undefined)),
];

/** The notice with only what it says of this commit: an earlier one of the same branch may have ended otherwise. */
export function about(notice: Notice, sha: string, webHost: string): Notice {
  const alerts = notice.alerts.filter((alert) => {
    const { sha: named } = placeOf(alert, webHost);
    return named === undefined || named === sha;
  });
  return { ...notice, alerts };
}

const newestFirst = (alerts: NoticeAlert[]): NoticeAlert[] =>
  alerts.toSorted((a, b) => Date.parse(b.last_at) - Date.parse(a.last_at));

export const worstOf = (states: readonly CiState[]): CiState =>
  CI_STATES.find((state) => states.includes(state)) ?? 'passed';

/** What one alert says of its stage. */
export interface Said {
  stage: CiStage;
  /** Several parts of one repository may be built for the same commit. */
  service: string;
  state: CiState;
  at: string;
  sha?: string;
  duration?: string;
  details: string;
  url?: string;
}

/** What the alerts say, the oldest first; nothing of those whose type is no stage's. */
export function saidOf(notice: Notice, webHost: string): Said[] {
  const [newest] = newestFirst(notice.alerts);
  return newestFirst(notice.alerts)
    .toReversed()
    .flatMap((alert) => {
      const stage = stageOf(alert.type);
      if (!stage) return [];
      const { sha } = placeOf(alert, webHost);
      const facts = new Map(ciFactsOf(alert));
      // A story took so long until its last event.
      const duration = oneLine(facts.get('Duration') ?? '') || (alert === newest ? tookOf(notice) : undefined);
      const url = givenBy(alert)('url', 'build_url', 'run_url', 'logs_url', 'details_url') || alert.links[0]?.url;
      return {
        stage,
        service: oneLine(alert.service ?? ''),
        state: stateOf(alert),
        at: alert.last_at,
        ...(sha === undefined ? {} : { sha }),
        ...(duration === undefined ? {} : { duration }),
        details: detailsOf(stage, alert, facts),
        ...(url === undefined ? {} : { url }),
      };
    });
}

const tookOf = ({ story }: Notice): string | undefined =>
  story?.phase === 'end' && story.duration_ms !== undefined ? inWords(story.duration_ms) : undefined;

/** `118/120 passed`, `87.5% (+0.3)`, `2 issues`; the alert's title where its fields say nothing of the stage. */
function detailsOf(stage: CiStage, alert: NoticeAlert, facts: ReadonlyMap<string, string>): string {
  const title = alert.status === 'resolved' ? '' : oneLine(alert.title);
  const given = givenBy(alert);
  const fact = (name: string): string => oneLine(facts.get(name) ?? '');
  switch (stage) {
    case 'test': {
      const failed = alert.status === 'resolved' ? '' : given('failed_tests');
      const names = failed === '' ? '' : `failed: ${oneLine(failed)}`;
      const passed = fact('Tests') && `${fact('Tests').replace(/^\d+\/\d+/, '$& passed')}`;
      const counted = passed || (given('tests_failed') && `${given('tests_failed')} failed`);
      return [counted, names].filter((text) => text !== '').join('; ') || title;
    }
    case 'coverage': {
      const threshold = fact('Threshold');
      return fact('Coverage') ? `${fact('Coverage')}${threshold && `, threshold ${threshold}`}` : title;
    }
    case 'performance': {
      const [metric, before, now, change] = ['Metric', 'Baseline', 'Current', 'Change'].map(fact);
      const values = before && now ? `${before} → ${now}` : now;
      return metric && values ? `${metric}: ${values}${change && ` (${change})`}` : title;
    }
    case 'security':
      return fact('Vulnerabilities') ? `${fact('Vulnerabilities')} issues` : title;
    case 'lint':
      return fact('Warnings') ? `${fact('Warnings')} warnings` : title;
    case 'deployment':
      return fact('Environment') ? `${fact('Version') && `${fact('Version')} `}to ${fact('Environment')}` : title;
    case 'build':
      return title !== '' && fact('Failed Step') ? `failed at ${fact('Failed Step')}` : title;
  }
}
