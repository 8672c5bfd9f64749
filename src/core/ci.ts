/** CI events in one vocabulary: the types there are, and what each says by which name, whoever sends it. */
import type { Json, Labels, Link, Severity } from './event.ts';
import { isEnd, isGood } from './story.ts';
import { inWords } from './time.ts';

/** What a CI event is about. */
export const CI_STAGES = ['build', 'test', 'coverage', 'performance', 'security', 'lint', 'deployment'] as const;
export type CiStage = (typeof CI_STAGES)[number];

/** First words of a type that name a stage: `build_failure`, `deploy:started`, `vulnerability.found`, `perf:regression`. */
const STAGE_WORDS: Readonly<Record<string, CiStage>> = {
  build: 'build',
  test: 'test',
  tests: 'test',
  coverage: 'coverage',
  performance: 'performance',
  perf: 'performance',
  security: 'security',
  vulnerability: 'security',
  lint: 'lint',
  deployment: 'deployment',
  deploy: 'deployment',
};

/** Words are joined by `_`, `.`, `:`, `-`, `/` or a capital. */
const wordsOf = (type: string): string[] =>
  type
    .replace(/([a-z])(?=[A-Z])/g, '$1_')
    .toLowerCase()
    .split(/[_.:\-/]/);

export function stageOf(type: string): CiStage | undefined {
  const [first = ''] = wordsOf(type);
  return Object.hasOwn(STAGE_WORDS, first) ? STAGE_WORDS[first] : undefined;
}

/** From the worst to the best. */
export const CI_STATES = ['failed', 'warning', 'running', 'passed'] as const;
export type CiState = (typeof CI_STATES)[number];

/** Last words of a type that say it is still going on, or waits for somebody. */
const RUNNING = new Set([
  'started',
  'start',
  'running',
  'pending',
  'queued',
  'progress',
  'begun',
  'begin',
  'waiting',
  'requested',
  'approval',
]);

interface Told {
  type: string;
  status: 'firing' | 'resolved';
  severity: Severity;
}

/** By the type's last word where that says how it ended; by the severity where it does not. */
export function stateOf({ type, status, severity }: Told): CiState {
  if (status === 'resolved') return 'passed';
  if (RUNNING.has(wordsOf(type).at(-1) ?? '')) return 'running';
  if (!isGood({ type, severity })) return 'failed';
  if (severity === 'warning') return 'warning';
  return isEnd({ type, status }) || severity === 'info' ? 'passed' : 'failed';
}

/**
 * How a CI event looks (seed 003's signs): by the words of its type alone, so that a plain `test` is nothing special.
 * Undefined for what is no CI event, or says not how it went.
 */
export function signOf(alert: Told): 'passed' | 'failed' | 'running' | 'deployment' | 'security' | undefined {
  const stage = stageOf(alert.type);
  const words = wordsOf(alert.type);
  if (stage === undefined || words.length < 2) return undefined;
  const state = stateOf(alert);
  if (stage === 'security' && state !== 'passed') return 'security';
  if (!isGood({ type: alert.type, severity: 'info' })) return 'failed';
  if (state === 'passed' && isEnd(alert)) return 'passed';
  if (stage === 'deployment') return 'deployment';
  return state === 'running' && alert.severity === 'info' ? 'running' : undefined;
}

/** What of an alert the vocabulary reads. */
interface Spoken {
  type: string;
  labels: Labels;
  context?: Json;
}

/** `tests_passed`, `testsPassed` and `Tests passed` are one name. */
const plainName = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '');

/** What an alert gives for the first of these names: its labels, then the fields of its context; empty for none. */
type Given = (...names: readonly string[]) => string;

/** Of a list only so many are named. */
const LISTED_MAX = 20;

/** A text, a number, or a list of either; of objects in a list (failed tests) their names. */
function textOf(value: Json | undefined): string {
  if (typeof value === 'string') return value.trim();
  if (typeof value === 'number') return String(value);
  if (!Array.isArray(value)) return '';
  const texts = value.map((one) =>
    typeof one === 'object' && one !== null && !Array.isArray(one) ? textOf(one.name) : textOf(one),
  );
  const named = texts.filter((text) => text !== '');
  const left = named.length - LISTED_MAX;
  return `${named.slice(0, LISTED_MAX).join(', ')}${left > 0 ? ` and ${left} more` : ''}`;
}

/** The fields of an event by any spelling of their names. */
export function givenBy({ labels, context }: Spoken): Given {
  const values = new Map<string, string>();
  const within = typeof context === 'object' && context !== null && !Array.isArray(context) ? context : {};
  for (const [name, value] of [...Object.entries(within), ...Object.entries(labels)]) {
    const text = textOf(value);
    if (text !== '') values.set(plainName(name), text);
  }
  return (...names) => {
    for (const name of names) {
      const value = values.get(plainName(name));
      if (value !== undefined) return value;
    }
    return '';
  };
}

interface Field {
  /** As people read it. */
  title: string;
  /** As senders write it, the name of the vocabulary first. */
  names: readonly string[];
  /** Where the value is not shown as it was given. */
  shown?(given: Given): string;
  /** Takes a line of its own, where fields stand side by side. */
  isWide?: true;
}

const field = (title: string, ...names: string[]): Field => ({ title, names });
const wide = (title: string, ...names: string[]): Field => ({ title, names, isWide: true });
const bare = (text: string): string => text.replace(/\s*%$/, '');
const before = (sign: string, text: string): string => (text === '' ? '' : /^\d/.test(text) ? `${sign}${text}` : text);
const change = (text: string): string => (text === '' ? '' : ` (${text})`);

const PROJECT = field('Project', 'project', 'repository');
const BRANCH = field('Branch', 'branch', 'tag');
const COMMIT: Field = {
  ...field('Commit', 'commit', 'sha'),
  // An abbreviation is what people know a commit by; anything that is no hash stays whole.
  shown: (given) => given('commit', 'sha').replace(/^([0-9a-f]{7})[0-9a-f]{1,57}$/i, '$1'),
};
const COMMITTER = field('Committer', 'committer', 'author', 'committer_id', 'committer_name');
const PULL_REQUEST: Field = {
  ...field('Pull Request', 'pull_request', 'pr', 'merge_request'),
  shown: (given) => before('#', given('pull_request', 'pr')) || before('!', given('merge_request')),
};
const WORKFLOW = field('Workflow', 'workflow', 'pipeline', 'job', 'check');
const RUN: Field = { ...field('Run', 'run_number'), shown: (given) => before('#', given('run_number')) };
const ENVIRONMENT = field('Environment', 'environment');
const VERSION = field('Version', 'version');
const DURATION: Field = {
  ...field('Duration', 'duration', 'duration_ms', 'duration_seconds'),
  shown(given) {
    const [ms, seconds] = [given('duration_ms'), given('duration_seconds')];
    const length = ms === '' ? Number(seconds || Number.NaN) * 1_000 : Number(ms);
    return given('duration') || (Number.isFinite(length) && length >= 0 ? inWords(length) : '');
  },
};
const TESTS: Field = {
  ...field('Tests', 'tests_passed', 'tests_total', 'tests', 'tests_skipped'),
  shown(given) {
    const [passed, total, skipped] = [given('tests_passed'), given('tests_total'), given('tests_skipped')];
    const counted = passed !== '' && total !== '' ? `${passed}/${total}` : given('tests');
    return counted !== '' && skipped !== '' && skipped !== '0' ? `${counted} (${skipped} skipped)` : counted;
  },
};
const FAILED_TESTS: Field = {
  ...wide('Failed Tests', 'failed_tests', 'tests_failed'),
  shown: (given) => given('failed_tests') || given('tests_failed').replace(/^0$/, ''),
};
const COVERAGE: Field = {
  ...field('Coverage', 'coverage', 'coverage_diff', 'coverage_delta'),
  shown(given) {
    const coverage = given('coverage');
    return coverage && `${bare(coverage)}%${change(given('coverage_diff', 'coverage_delta'))}`;
  },
};
const FAILED_STEP = wide('Failed Step', 'failed_step', 'failed_steps');
const ERROR = wide('Error', 'error', 'error_message');
const THRESHOLD = field('Threshold', 'threshold', 'coverage_threshold');
const PLACE = [WORKFLOW, RUN, PULL_REQUEST];

/** The fields of each stage in the order in which seed 003 shows them; what an event does not give is left out. */
const FIELDS: Readonly<Record<CiStage, readonly Field[]>> = {
  build: [
    ...[PROJECT, BRANCH, FAILED_STEP, ERROR, FAILED_TESTS, COMMITTER, COMMIT, DURATION, TESTS, COVERAGE],
    ...[...PLACE, ENVIRONMENT, VERSION],
  ],
  test: [
    ...[PROJECT, BRANCH, field('Suite', 'suite'), TESTS, FAILED_TESTS, ERROR, COMMIT, DURATION, COVERAGE],
    ...[COMMITTER, ...PLACE, ENVIRONMENT],
  ],
  coverage: [PROJECT, BRANCH, COVERAGE, THRESHOLD, COMMIT, DURATION, COMMITTER, ...PLACE],
  performance: [
    PROJECT,
    BRANCH,
    field('Metric', 'metric'),
    field('Baseline', 'baseline'),
    field('Current', 'current'),
    field('Change', 'change', 'regression', 'change_percent'),
    ...[THRESHOLD, COMMIT, ENVIRONMENT, COMMITTER, ...PLACE],
  ],
  security: [
    field('Package', 'package'),
    field('CVE', 'cve', 'cve_id'),
    field('CVSS Score', 'cvss', 'cvss_score'),
    wide('Description', 'description'),
    wide('Remediation', 'remediation'),
    field('Vulnerabilities', 'vulnerabilities'),
    field('Tool', 'tool', 'scanner'),
    field('Rule', 'rule'),
    ...[PROJECT, BRANCH, COMMIT, ENVIRONMENT, ...PLACE],
  ],
  lint: [PROJECT, BRANCH, field('Warnings', 'lint_issues', 'warnings'), COMMIT, DURATION, COMMITTER, ...PLACE],
  deployment: [
    VERSION,
    ENVIRONMENT,
    field('Deployer', 'deployer', 'deployer_id'),
    {
      ...field('Risk Score', 'risk_score', 'risk'),
      shown: (given) => given('risk_score', 'risk').replace(/^\d+(\.\d+)?$/, '$&/10'),
    },
    wide('Changes', 'changes', 'changes_summary'),
    wide('Rollback Plan', 'rollback_plan', 'rollback'),
    field('Approvers', 'approvers', 'reviewers'),
    ...[ERROR, PROJECT, BRANCH, COMMIT, DURATION, ...PLACE],
  ],
};

/** Names of fields that are too long to stand beside others. */
export const WIDE_FACTS: ReadonlySet<string> = new Set(
  Object.values(FIELDS).flatMap((fields) => fields.flatMap(({ title, isWide }) => (isWide ? [title] : []))),
);

/** Jobs also run elsewhere than in CI: those of a repository run there. */
const stageIn = ({ type, labels }: Pick<Spoken, 'type' | 'labels'>): CiStage | undefined =>
  stageOf(type) ?? (wordsOf(type)[0] === 'job' && labels.repository !== undefined ? 'build' : undefined);

/** What a CI event says, as name and value in the order of its kind; empty for other events. As long as it was sent. */
export function ciFactsOf(alert: Spoken): [name: string, value: string][] {
  const stage = stageIn(alert);
  if (stage === undefined) return [];
  const given = givenBy(alert);
  return FIELDS[stage]
    .map(({ title, names, shown }): [string, string] => [title, shown ? shown(given) : given(...names)])
    .filter(([, value]) => value !== '');
}

/** Whether the facts of this CI event say a label already. */
export function isInCiFacts({ type, labels }: Pick<Spoken, 'type' | 'labels'>, label: string): boolean {
  const stage = stageIn({ type, labels });
  const name = plainName(label);
  return stage !== undefined && FIELDS[stage].some(({ names }) => names.some((one) => plainName(one) === name));
}

/** Addresses that a CI event may give as labels or in its context, and what their buttons say. */
const LINKS: readonly [title: string, ...names: string[]][] = [
  ['View Build', 'build_url', 'run_url'],
  ['View Logs', 'logs_url', 'log_url'],
  ['View Changes', 'changes_url', 'compare_url'],
  ['View Details', 'details_url', 'cve_url', 'advisory_url'],
  ['View PR', 'pull_request_url', 'pr_url', 'merge_request_url'],
  ['Branch', 'branch_url'],
  ['Commit', 'commit_url'],
  ['Dashboard', 'dashboard_url'],
  ['Environment', 'environment_url'],
  ['Test Report', 'test_report_url'],
  ['Coverage Report', 'coverage_report_url'],
  ['Security Report', 'security_report_url'],
  ['Performance Report', 'performance_report_url', 'perf_report_url'],
];

/** The version that a tag names (`v2.3.1`, `refs/tags/2026.1`); empty for what is none. */
export const versionIn = (ref: string): string => /^(?:refs\/tags\/)?(v?\d+(?:\.\d+)+\S*)$/.exec(ref)?.[1] ?? '';

/** The links in a CI event's own fields, for buttons; its addresses are not looked at. */
export function ciLinksOf(alert: Spoken): Link[] {
  if (stageIn(alert) === undefined) return [];
  const given = givenBy(alert);
  return LINKS.flatMap(([title, ...names]) => {
    const url = given(...names);
    return url === '' ? [] : [{ title, url }];
  });
}
