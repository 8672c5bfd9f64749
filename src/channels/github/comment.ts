/** The one comment on a pull request: a table of what CI says, what it measured, and the incidents. */
import { CI_STATES, type CiStage, type CiState } from '../../core/ci.ts';
import { type Notice, REASONS } from '../../core/notice.ts';
import { alertLine, emojiOf, factsOf, oneLine, plural, toneOf, utc } from '../../core/text.ts';
import { fenced, link, md } from './markdown.ts';
import { hidden, markerOf, type Report, type ReportName, type Row, type ValueName } from './report.ts';
import { worstOf } from './target.ts';

/** GitHub says 65,536 characters and counts in a milder way (dead-claudia/github-limits#13); UTF-16 units are the strictest. */
export const COMMENT_MAX = 65_536;

// Our own budgets, in characters of Markdown; the state takes 16,000 at most.
const CELL_MAX = 200;
const VALUE_MAX = 200;
const LINE_MAX = 300;
const LINES_MAX = 10;
const BODY_MAX = 3_000;
const ALERTS_MAX = 10;
const LINKS_MAX = 5;

const CHECKS: [Exclude<CiStage, 'deployment' | 'performance'>, string][] = [
  ['build', '🏗️ Build'],
  ['test', '🧪 Tests'],
  ['coverage', '📊 Coverage'],
  ['security', `${emojiOf('security')} Security`],
  ['lint', '📝 Lint'],
];
const NOT_REPORTED = '– not reported';

/** The whole body. Pure; the notice is already merged into the report. */
export function commentOf(notice: Notice, report: Report, marker: string): string {
  const body = [
    markerOf(marker),
    Object.keys(report.rows).length > 0 ? '## 📊 CI/CD Status Report' : '## 🔔 Alerts',
    ...checks(report),
    ...section('Code Quality Metrics', quality(report)),
    ...section('Performance Impact', performance(report)),
    ...readiness(report),
    ...incidents(report),
    ...latest(notice),
    ...reports(report, notice),
    '---',
    `*Last updated: ${utc(notice.at)}*`,
    hidden(report, marker),
  ].join('\n\n');
  return body.length <= COMMENT_MAX ? body : shortened(notice, report, marker);
}

/** Where everything at once is as long as it may be; table, incidents and state together always fit. */
const shortened = (notice: Notice, report: Report, marker: string): string =>
  [
    markerOf(marker),
    ...checks(report),
    ...incidents(report),
    `*The rest did not fit. Last updated: ${utc(notice.at)}*`,
    hidden(report, marker),
  ].join('\n\n');

const section = (title: string, lines: string[]): string[] =>
  lines.length === 0 ? [] : [`### ${title}`, lines.join('\n')];

/** Nothing where CI has said nothing at all: an incident on a pull request needs no table of dashes. */
function checks(report: Report): string[] {
  if (CHECKS.every(([stage]) => (report.rows[stage] ?? []).length === 0)) return [];
  const rows = CHECKS.map(([stage, name]) => `| ${name} | ${cells(report.rows[stage] ?? [], report).join(' | ')} |`);
  const commit = report.sha === undefined ? '' : `Commit \`${report.sha.slice(0, 7)}\``;
  const branch = report.branch === undefined ? '' : `${commit ? ' on ' : 'Branch '}${md(report.branch, CELL_MAX)}`;
  return [
    '### Build Status',
    ['| Check | Status | Duration | Details |', '| --- | --- | --- | --- |', ...rows].join('\n'),
    ...(commit || branch ? [`${commit}${branch}`] : []),
  ];
}

function cells(rows: Row[], report: Report): [status: string, duration: string, details: string] {
  const [first] = rows;
  if (!first) return [NOT_REPORTED, '-', ''];
  const state = worstOf(rows.map((row) => row.state));
  const details = rows.toSorted(worstFirst).map((row) => {
    const service = rows.length > 1 && row.service !== '' ? `${emojiOf(row.state)} ${md(row.service, 80)}: ` : '';
    const before = isStale(row, report) ? ` (at \`${row.sha?.slice(0, 7)}\`)` : '';
    return `${service}${link(row.details || (row.url ? 'Logs' : ''), row.url, CELL_MAX)}${before}`;
  });
  const duration = rows.length > 1 ? '-' : first.duration ? md(first.duration, 80) : '-';
  return [`${emojiOf(state)} ${state}`, duration, details.join('; ')];
}

const worstFirst = (a: Row, b: Row): number =>
  CI_STATES.indexOf(a.state) - CI_STATES.indexOf(b.state) || (a.service < b.service ? -1 : 1);

/** Said of an earlier commit: true then, and nothing is known of this one. */
const isStale = (row: Row, { sha }: Report): boolean => row.sha !== undefined && sha !== undefined && row.sha !== sha;

const value = ({ values }: Report, name: ValueName, unit = ''): string | undefined => {
  const given = values[name];
  if (given === undefined) return undefined;
  // A bare number gets the unit; `120 kB` has one already.
  return `${md(given, VALUE_MAX)}${/^[-+]?\d+(\.\d+)?$/.test(given) ? unit : ''}`;
};
const bullet = (name: string, shown: string | undefined, more = ''): string[] =>
  shown === undefined ? [] : [`- **${name}**: ${shown}${more}`];
const change = (shown: string | undefined): string => (shown === undefined ? '' : ` (${shown})`);

const quality = (report: Report): string[] => [
  ...bullet('Complexity', value(report, 'complexity'), ' (threshold: 10)'),
  ...bullet('Duplication', value(report, 'duplication', '%'), ' (threshold: 3%)'),
  ...bullet('Technical Debt', value(report, 'tech_debt', ' hours')),
  ...bullet('Maintainability', value(report, 'maintainability', '/100')),
];
const performance = (report: Report): string[] => [
  ...(report.rows.performance ?? []).map(
    (row) => `- ${emojiOf(row.state)} ${link(row.details || row.state, row.url, CELL_MAX)}`,
  ),
  ...bullet('Bundle Size', value(report, 'bundle_size'), change(value(report, 'bundle_diff'))),
  ...bullet('Load Time', value(report, 'load_time', 'ms'), change(value(report, 'load_time_diff'))),
  ...bullet('Memory Usage', value(report, 'memory_usage', 'MB'), change(value(report, 'memory_diff'))),
];

function readiness(report: Report): string[] {
  const deployments = (report.rows.deployment ?? []).map(
    (row) =>
      `- ${emojiOf('deployment')} Deployment ${emojiOf(row.state)} ${row.state} ${link(row.details, row.url, CELL_MAX)}`,
  );
  const named = CHECKS.map(([stage, name]) => {
    const rows = report.rows[stage] ?? [];
    const fresh = rows.length > 0 && !rows.some((row) => isStale(row, report));
    return { name, state: fresh ? worstOf(rows.map((row) => row.state)) : undefined };
  });
  if (named.every(({ state }) => state === undefined) && deployments.length === 0) return [];
  const those = (wanted: CiState | undefined): string =>
    named.flatMap(({ name, state }) => (state === wanted ? [name] : [])).join(', ');
  const verdict = those('failed')
    ? `${emojiOf('failed')} Not ready: ${those('failed')} failed`
    : those('running')
      ? `${emojiOf('running')} Waiting for ${those('running')}`
      : those(undefined)
        ? `${emojiOf('warning')} Not reported for this commit: ${those(undefined)}`
        : those('warning')
          ? `${emojiOf('warning')} Ready, with warnings: ${those('warning')}`
          : `${emojiOf('deployment')} Ready`;
  return section('Deployment Readiness', [verdict, ...(deployments.length ? ['', ...deployments] : [])]);
}

const incidents = (report: Report): string[] =>
  section(
    'Incidents',
    report.incidents.map(
      ({ emoji, word, title, id, url }) => `- ${emoji} **${word}** ${md(title, LINE_MAX)} (${link(id, url, LINE_MAX)})`,
    ),
  );

/** What this notice has to say. No buttons and no links that answer: whoever may read the pull request could press them. */
function latest(notice: Notice): string[] {
  const { alerts, more, lines, reason, incident } = notice;
  const [lone] = alerts;
  const isLone = alerts.length + more === 1;
  const told = lines.map(oneLine).filter((line) => line !== '');
  const said = [
    ...told.slice(0, LINES_MAX).map((line) => `- ${md(line, LINE_MAX)}`),
    ...(told.length > LINES_MAX ? [`- … and ${plural(told.length - LINES_MAX, 'line')} more`] : []),
    ...ended(notice),
  ];
  const listed = isLone ? [] : alerts.slice(0, ALERTS_MAX).map((alert) => `- ${md(alertLine(alert), LINE_MAX)}`);
  const left = isLone ? 0 : alerts.length - listed.length + more;
  return [
    '### Latest',
    `${toneOf(notice).emoji} **${md(notice.headline, LINE_MAX)}** (${md(incident.id, 100)}, ${REASONS[reason]})`,
    ...(said.length ? [said.join('\n')] : []),
    ...(listed.length
      ? [
          details(plural(alerts.length + more, 'alert'), [
            [...listed, ...(left > 0 ? [`- … and ${left} more`] : [])].join('\n'),
          ]),
        ]
      : []),
    ...(isLone && lone?.body?.trim() ? [details('What the sender says', [fenced(lone.body, BODY_MAX)])] : []),
  ];
}

/** How long a story took, and its counts. */
function ended(notice: Notice): string[] {
  if (notice.story?.phase !== 'end') return [];
  // As facts name them.
  const told = new Set(['Took', ...Object.keys(notice.story.counts ?? {}).map(oneLine)]);
  return factsOf(notice)
    .filter(([name]) => told.has(name))
    .slice(0, LINES_MAX)
    .map(([name, value]) => `- **${md(name, 80)}**: ${md(value, VALUE_MAX)}`);
}

const REPORT_NAMES: Record<ReportName, string> = {
  test_report_url: 'Test Report',
  coverage_report_url: 'Coverage Report',
  security_report_url: 'Security Report',
  performance_report_url: 'Performance Report',
};

function reports(report: Report, { links }: Notice): string[] {
  const own = Object.entries(REPORT_NAMES).map(([name, title]) => ({ title, url: report.reports[name as ReportName] }));
  const urls = new Set(own.map(({ url }) => url));
  const others = links.filter(({ url }) => !urls.has(url)).slice(0, LINKS_MAX);
  const lines = [...own.filter(({ url }) => url !== undefined), ...others]
    .map(({ title, url }) => link(title, url, 200))
    .filter((shown) => shown.startsWith('['));
  return lines.length === 0 ? [] : [details('View Detailed Reports', [lines.map((line) => `- ${line}`).join('\n')])];
}

const details = (summary: string, parts: string[]): string =>
  ['<details>', `<summary>${summary}</summary>`, '', ...parts, '', '</details>'].join('\n');
