/** What CI says, sent to the event door under the names of seed 003, as the notices that channels are told. */
import { composeNotice } from '../../src/core/compose.ts';
import type { Event, Json } from '../../src/core/event.ts';
import type { Notice } from '../../src/core/notice.ts';
import { parseEvents } from '../../src/sources/events.ts';

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
  pull_request_url: 'https://github.com/acme/shop/pull/7',
  commit_url: `https://github.com/acme/shop/commit/${SHA}`,
};

const EVENTS: Record<string, object> = {
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
};

export type CiCase = keyof typeof EVENTS;
export const ciCases = Object.keys(EVENTS);

/** The event as the door takes it. */
export function ciEvent(name: CiCase): Event {
  const body = { id: 'ci-1', source: 'ci', type: name, dedup_key: `acme/shop/${name}`, ...EVENTS[name] };
  const { events, rejected } = parseEvents(body as Json, { max: 1, now: NOW });
  const [event] = events;
  if (!event) throw new Error(JSON.stringify(rejected));
  return event;
}

/** The first notice of its incident. */
export function ciNotice(name: CiCase): Notice {
  const event = ciEvent(name);
  const at = NOW.toISOString();
  return composeNotice({
    incident: {
      id: 'INC-1',
      status: 'open',
      severity: event.severity,
      title: event.title,
      route: 'ci',
      alert_count: 1,
      firing_count: 1,
      opened_at: at,
      first_at: at,
      last_at: at,
    },
    reason: 'group_now',
    alerts: [
      {
        event,
        status: event.status,
        severity: event.severity,
        title: event.title,
        count: 1,
        first_at: at,
        last_at: at,
      },
    ],
    total: 1,
    delivery: { key: 'INC-1/group_now/b1/target', attempt: 1 },
    links: [],
    public_url: 'https://tocsin.example.com',
    at,
  });
}
