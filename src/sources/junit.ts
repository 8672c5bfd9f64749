/** JUnit XML reports, uploaded by a build: failed tests fire, and a later green report of the same suite ends it. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Event, Json, Labels, Link } from '../core/event.ts';
import { inWords } from '../core/time.ts';
import { type FailedTest, REPORT_MAX_BYTES, type Report, reportIn } from './junit/report.ts';
import {
  addressTokenField,
  bytesOf,
  defineSource,
  fitted,
  type Headers,
  headerOf,
  LIMITS,
  nameOf,
  type Query,
  refuseWithoutToken,
  timeOf,
} from './source.ts';

const config = z.strictObject({
  source: z.string().min(1).max(128).default('junit').meta({
    title: 'Source',
    description: 'The source of its events.',
  }),
  token: addressTokenField().optional(),
  successes: z.boolean().default(false).meta({
    title: 'Successes',
    description: 'A green report is an event of its own as well. Off: it only ends the failure before it.',
  }),
});

/** What a report does not know of itself, by the name of the parameter. */
const PLACES = ['repository', 'branch', 'commit', 'pull_request', 'environment', 'workflow', 'suite'] as const;
const RUNS = ['run_id', 'run_number', 'committer', 'started_at'] as const;
const LINKS = {
  run_url: 'View Build',
  logs_url: 'View Logs',
  pull_request_url: 'View PR',
  branch_url: 'Branch',
  commit_url: 'Commit',
  test_report_url: 'Test Report',
} as const;
const PARAMETERS = [...PLACES, ...RUNS, ...(Object.keys(LINKS) as (keyof typeof LINKS)[])];
type Parameter = (typeof PARAMETERS)[number];
type About = Record<Parameter, string>;
/** In the address these are the token, which the source has checked. */
const TOKENS = ['token', 'access_token', 'auth_token'];

/** What is never resolved ends by itself, before anybody would be told of it again. */
const NEWS_EXPIRE_MS = 3_600_000;
/** Failed tests in the body, a line each; the context has as many as it holds. */
const BODY_TESTS = 10;
/** Room for the counts beside them. */
const TESTS_BYTES = LIMITS.contextBytes - 2_048;

export const junit = defineSource({
  id: 'junit',
  name: 'JUnit XML',
  setup:
    'Let the build upload its report with curl --data-binary @report.xml, and say in the address whose it is: ?repository=owner/name&branch=…&commit=…&pull_request=…&run_url=…, or in headers such as X-Tocsin-Repository.',
  config,
  max_bytes: REPORT_MAX_BYTES,
  verify: (_raw, headers, { token }, _now, query) => refuseWithoutToken(headers, token, query),

  /** By its beginning: curl calls whatever it sends a form. */
  reads: (raw) => (/^[^\w<]{0,20}</.test(raw.toString('latin1', 0, 40)) ? 'bytes' : 'unknown'),

  normalise(payload, { config, now, headers, query }) {
    const refused = (problem: string) => ({ events: [], rejected: [], refused: problem });
    if (!Buffer.isBuffer(payload)) return refused('a report is sent as it is, not as JSON');
    const about = aboutIn(headers, query);
    if (typeof about === 'string') return refused(about);
    const report = reportIn(payload);
    if (typeof report === 'string') return refused(`not read as a JUnit report: ${report}`);
    const event = eventOf(report, about, { source: config.source, raw: payload, now });
    if (!config.successes || event.status === 'firing') return { events: [event], rejected: [] };
    const told = nameOf(['told', event.id], LIMITS.id);
    const expires_at = new Date(now.getTime() + NEWS_EXPIRE_MS).toISOString();
    return {
      events: [event, { ...event, id: told, dedup_key: told, status: 'firing', expires_at }],
      rejected: [],
    };
  },
});

/** What the address says, else the headers; or what is wrong there. */
function aboutIn(headers: Headers | undefined, query: Query = {}): About | string {
  const known: readonly string[] = [...PARAMETERS, ...TOKENS];
  const unknown = Object.keys(query).find((name) => !known.includes(name));
  if (unknown !== undefined)
    return `the address has a parameter that means nothing here: there are ${PARAMETERS.join(', ')}`;
  const given = (name: Parameter): string => {
    const asked = query[name];
    return (
      (typeof asked === 'string' ? asked.trim() : '') || headerOf(headers, `x-tocsin-${name.replaceAll('_', '-')}`)
    );
  };
  const about = Object.fromEntries(PARAMETERS.map((name) => [name, given(name)])) as About;
  if (about.repository === '') return 'it does not say whose report it is: add ?repository=owner/name to the address';
  if (about.pull_request !== '' && !/^\d{1,15}$/.test(about.pull_request)) return 'pull_request has to be a number';
  if (about.started_at !== '' && timeOf(about.started_at) === undefined)
    return 'started_at has to be a time in ISO 8601, or seconds since 1970';
  return about;
}

interface Uploaded {
  source: string;
  raw: Buffer;
  now: Date;
}

function eventOf(report: Report, about: About, { source, raw, now }: Uploaded): Event {
  const { total, failed, skipped, failures } = report;
  const isGreen = failed === 0;
  const suite = about.suite || report.name || 'Tests';
  const where = `${about.branch ? ` on ${about.branch}` : ''} of ${about.repository}`;
  const counts = isGreen ? `${total - skipped} tests` : `${failed} of ${total} tests`;
  // A report says not which run it is of: the same bytes may be another run's. Without a run every upload is one of its own.
  const run = about.run_id || about.run_url || String(now.getTime());
  const place = [about.repository, about.branch, about.workflow, suite];
  const labels: Labels = {
    repository: about.repository,
    branch: about.branch,
    sha: about.commit,
    pull_request: about.pull_request,
    environment: about.environment,
    workflow: about.workflow,
    suite,
    run_id: about.run_id,
    run_number: about.run_number,
    committer: about.committer,
    tests_passed: String(total - failed - skipped),
    tests_failed: String(failed),
    tests_skipped: String(skipped),
    tests_total: String(total),
    duration: report.duration_ms === undefined ? '' : inWords(report.duration_ms),
    ...lone(failures),
  };
  const event: Event = {
    id: nameOf(['junit', ...place, run, createHash('sha256').update(raw).digest('hex').slice(0, 16)], LIMITS.id),
    source,
    type: isGreen ? 'test_success' : 'test_failure',
    title: `${suite} ${isGreen ? 'passed' : 'failed'}: ${counts}${where}`,
    severity: isGreen ? 'info' : 'error',
    service: about.repository,
    components: [],
    labels: Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== '')),
    assignees: [],
    links: linksOf(about),
    status: isGreen ? 'resolved' : 'firing',
    dedup_key: nameOf(place, LIMITS.key),
  };
  const as_of = timeOf(about.started_at);
  if (as_of) event.as_of = as_of;
  if (!isGreen) {
    event.body = bodyOf(report);
    event.context = { failed_tests: held(failures) } satisfies Json;
  }
  return fitted(event);
}

/** What the build gave, else the pages of the repository that its run leads to. */
function linksOf(about: About): Link[] {
  const pages = pagesOf(about);
  return Object.entries(LINKS).flatMap(([name, title]): Link[] => {
    const url = about[name as keyof typeof LINKS] || pages[name as keyof typeof LINKS];
    return url ? [{ title, url }] : [];
  });
}

/** How GitHub and GitLab call a branch, a commit and a pull request, by how the path of their runs goes on. */
const FORGES = [
  { runs: '/actions/', branch: '/tree/', commit: '/commit/', pull_request: '/pull/' },
  { runs: '/-/', branch: '/-/tree/', commit: '/-/commit/', pull_request: '/-/merge_requests/' },
];

/** Known where the run is one of this very repository on GitHub or GitLab, wherever they are hosted; else nothing is guessed. */
function pagesOf({ repository, run_url, branch, commit, pull_request }: About): Partial<About> {
  const run = URL.parse(run_url);
  const forge = FORGES.find(({ runs }) => run?.pathname.startsWith(`/${repository}${runs}`));
  if (!run || !forge || !/^https?:$/.test(run.protocol)) return {};
  const page = (path: string, name: string): string =>
    name === '' ? '' : `${run.origin}/${repository}${path}${name.split('/').map(encodeURIComponent).join('/')}`;
  return {
    branch_url: page(forge.branch, branch),
    commit_url: page(forge.commit, commit),
    pull_request_url: page(forge.pull_request, pull_request),
  };
}

/** Where a single failed test stands in the code: GitHub shows it there. */
const lone = ([one, other]: FailedTest[]): Labels =>
  one === undefined || other !== undefined ? {} : { file: one.file ?? '', line: one.line ?? '' };

function bodyOf({ failed, failures }: Report): string {
  const shown = failures.slice(0, BODY_TESTS);
  const lines = shown.map(({ name, message }) => {
    const said = gistOf(message);
    return said === '' ? name : `${name}: ${said}`;
  });
  return [...lines, ...(failed > shown.length ? [`and ${failed - shown.length} more`] : [])].join('\n');
}

/** The first line; of a traceback of Python the last, which says what was wrong. */
function gistOf(message: string): string {
  const lines = message.split('\n').filter((line) => line.trim() !== '');
  return (lines[0]?.startsWith('Traceback ') ? lines.at(-1) : lines[0])?.trim() ?? '';
}

/** As many of them as the context keeps. */
function held(failures: FailedTest[]): { name: string; message: string }[] {
  const kept: { name: string; message: string }[] = [];
  let room = TESTS_BYTES;
  for (const { name, message } of failures) {
    room -= bytesOf(JSON.stringify({ name, message })) + 1;
    if (room < 0) break;
    kept.push({ name, message });
  }
  return kept;
}
