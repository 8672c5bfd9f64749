/** What CI says, sent to the event door under the names of seed 003, as the notices that channels are told. */
import type { Event } from '../../src/core/event.ts';
import type { Notice } from '../../src/core/notice.ts';
import { eventIn, firstNotice } from './event-notices.ts';

const SHA = 'a1b2c3d4e5f60718293a4b5c6d7e8f9012345678';
const NOW = new Date('2026-01-15T14:32:01.000Z');
const PLACE = {
  repository: 'acme/shop',
  branch: 'basket',
  commit: SHA,
  committer: 'ana',
  pull_request: '7',
  workflow: 'CI',
  run_number: '118',
};
const URLS = {
  build_url: 'https://ci.example.com/runs/118',
  branch_url: 'https://github.com/acme/shop/tree/basket',
  pull_request_url: 'https://github.com/acme/shop/pull/7',
  commit_url: `https://github.com/acme/shop/commit/${SHA}`,
};

const DEPLOYMENT = {
  labels: { repository: 'acme/shop', commit: SHA, environment: 'production', version: 'v2.3.1', deployer: 'ana' },
  context: {
    build_url: 'https://ci.example.com/runs/119',
    environment_url: 'https://shop.example.com',
    changes_url: 'https://github.com/acme/shop/compare/v2.3.0...v2.3.1',
  },
};

const EVENTS = {
  build_success: {
    title: 'CI passed on basket of acme/shop',
    labels: { ...PLACE, duration: '4 min 10 s', environment: 'staging' },
    context: { testsPassed: 120, testsTotal: 120, coverage: 87.5, coverageDiff: '+0.3', ...URLS },
  },
  build_failure: {
    title: 'CI failed on basket of acme/shop',
    severity: 'error',
    labels: { ...PLACE, failed_step: 'unit tests', tests_passed: '118', tests_total: '120', duration_ms: '250000' },
    context: {
      errorMessage: 'AssertionError: expected <total> 10 to be 12 & not `11`',
      failed_tests: ['basket adds up', { name: 'basket survives a reload', message: 'timed out' }],
      logs_url: 'https://ci.example.com/runs/118/log',
      ...URLS,
    },
  },
  deployment_approval_requested: {
    title: 'v2.3.1 waits for approval',
    severity: 'warning',
    labels: {
      repository: 'acme/shop',
      commit: SHA,
      environment: 'production',
      version: 'v2.3.1',
      deployer: 'ana',
      riskScore: '3',
    },
    context: {
      changesSummary: '4 commits: basket adds up, faster search, two fixes',
      rollbackPlan: 'deploy v2.3.0 again; no migration to undo',
      changes_url: 'https://github.com/acme/shop/compare/v2.3.0...v2.3.1',
      dashboard_url: 'https://grafana.example.com/d/shop',
    },
  },
  security_alert: {
    title: 'semver vulnerable to Regular Expression Denial of Service in acme/shop',
    severity: 'P0',
    labels: {
      repository: 'acme/shop',
      package: 'semver',
      cveId: 'CVE-2022-25883',
      cvssScore: '7.5',
      tool: 'Dependabot',
    },
    context: {
      description: 'A range given by a stranger can keep the process busy for minutes.',
      remediation: 'Upgrade semver to 7.5.2.',
      cve_url: 'https://nvd.nist.gov/vuln/detail/CVE-2022-25883',
    },
  },
  performance_regression: {
    title: 'checkout is slower on basket of acme/shop',
    severity: 'warning',
    labels: { ...PLACE, metric: 'p95 of checkout', baseline: '120 ms', current: '180 ms', change: '+50 %' },
    context: { threshold: '10 %', dashboard_url: 'https://grafana.example.com/d/shop' },
  },
  test_failed: {
    title: '2 of 120 tests failed on basket of acme/shop',
    severity: 'error',
    labels: { ...PLACE, suite: 'unit', tests_passed: '118', tests_total: '120' },
    context: {
      failed_tests: ['basket adds up', 'basket survives a reload'],
      test_report_url: 'https://ci.example.com/runs/118/tests',
      ...URLS,
    },
  },
  coverage_dropped: {
    title: 'Coverage of acme/shop fell below 85 %',
    severity: 'warning',
    labels: { ...PLACE, coverage: '81.5', coverage_diff: '-6.0', threshold: '85 %' },
    context: { coverage_report_url: 'https://ci.example.com/runs/118/coverage', ...URLS },
  },
  security_scan_passed: {
    title: 'No vulnerabilities in acme/shop',
    labels: { repository: 'acme/shop', branch: 'basket', commit: SHA, tool: 'Trivy', vulnerabilities: '0' },
    context: { security_report_url: 'https://ci.example.com/runs/118/security' },
  },
  deployment_started: { title: 'v2.3.1 goes to production', ...DEPLOYMENT },
  deployment_success: {
    ...DEPLOYMENT,
    title: 'v2.3.1 is in production',
    labels: { ...DEPLOYMENT.labels, duration: '3 min 5 s' },
  },
  deployment_failure: {
    title: 'v2.3.1 did not reach production',
    severity: 'critical',
    labels: DEPLOYMENT.labels,
    context: { ...DEPLOYMENT.context, error: 'health check failed on web-2', rollbackPlan: 'deploy v2.3.0 again' },
  },
} satisfies Record<string, object>;

export type CiCase = keyof typeof EVENTS;
export const ciCases = Object.keys(EVENTS) as CiCase[];

/** Golden files, and the events in each: what a deployment goes through stands together, and so do the small checks. */
export const ciGoldenFiles: [file: string, cases: CiCase[]][] = [
  ...(['build_success', 'build_failure', 'deployment_approval_requested', 'security_alert'] as const).map(
    (name): [string, CiCase[]] => [name, [name]],
  ),
  ['performance_regression', ['performance_regression']],
  ['checks', ['test_failed', 'coverage_dropped', 'security_scan_passed']],
  ['deployments', ['deployment_started', 'deployment_success', 'deployment_failure']],
];

/** The event as the door takes it. */
export const ciEvent = (name: CiCase): Event =>
  eventIn({ id: 'ci-1', source: 'ci', type: name, dedup_key: `acme/shop/${name}`, ...EVENTS[name] }, NOW);

/** The first notice of its incident. */
export const ciNotice = (name: CiCase): Notice => firstNotice(ciEvent(name), 'ci', NOW);
