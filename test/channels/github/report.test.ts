import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COMMENT_MAX, commentOf } from '../../../src/channels/github/comment.ts';
import { hidden, holds, merged, NOTHING_KNOWN, type Report, reportIn } from '../../../src/channels/github/report.ts';
import { CI_STAGES } from '../../../src/core/ci.ts';
import type { Notice } from '../../../src/core/notice.ts';
import { SHA } from '../../support/fakes/github.ts';
import { HOSTILE, noticeOf, sampleNotice } from '../../support/notices.ts';
import { ciAlert, ciNotice } from './notices.ts';

const reportOf = (...notices: Notice[]): Report =>
  notices.reduce((report, notice) => merged(report, notice, {}, 'github.com'), NOTHING_KNOWN);
const shown = (report: Report, notice: Notice): string => commentOf(notice, report, 'tocsin');
const at = (time: string) => ({ last_at: `2026-01-15T${time}:00.000Z` });

describe('the table', () => {
  const notices = [
    ciNotice('build_success', { duration_ms: '182000' }),
    ciNotice('test_failed', { tests_passed: '118', tests_total: '120', duration: '1m' }),
    ciNotice('coverage_report', { coverage: '87.5', coverage_diff: '+0.3%', complexity: '8', duplication: '2.1' }),
    ciNotice('security_completed', { vulnerabilities: '0', bundle_size: '120 kB', bundle_diff: '-2 kB' }),
  ];
  const last = notices.at(-1) as Notice;
  const body = shown(merged(reportOf(...notices), last, { sha: SHA, branch: 'basket' }, 'github.com'), last);

  it('shows the state of all five from what several incidents said', () => {
    expect(body).toContain(
      [
        '| Check | Status | Duration | Details |',
        '| --- | --- | --- | --- |',
        '| 🏗️ Build | ✅ passed | 3 min 2 s | [build success](https://ci.example.com/runs/12) |',
        '| 🧪 Tests | ❌ failed | 1m | [118/120 passed](https://ci.example.com/runs/12) |',
        '| 📊 Coverage | ✅ passed | - | [87.5% (+0.3%)](https://ci.example.com/runs/12) |',
        '| 🔒 Security | ✅ passed | - | [0 issues](https://ci.example.com/runs/12) |',
        '| 📝 Lint | – not reported | - |  |',
      ].join('\n'),
    );
    expect(body).toContain('Commit `a1b2c3d` on basket');
  });

  it('is followed by the sections whose values events gave, and by when it was last changed', () => {
    for (const line of [
      '### Code Quality Metrics',
      '- **Complexity**: 8 (threshold: 10)',
      '- **Duplication**: 2.1% (threshold: 3%)',
      '### Performance Impact',
      '- **Bundle Size**: 120 kB (-2 kB)',
      '### Deployment Readiness',
      '❌ Not ready: 🧪 Tests failed',
      '*Last updated: 2026-01-15 14:32:01 UTC*',
    ]) {
      expect(body).toContain(`\n${line}`);
    }
    expect(body).not.toContain('Load Time');
  });

  it('reads the same fields as every other channel, from the context as well and by any spelling', () => {
    const inContext = (type: string, context: Record<string, string | string[]>, labels = {}) => {
      const notice = ciNotice(type, labels);
      return { ...notice, alerts: notice.alerts.map((alert) => ({ ...alert, context })) };
    };
    const told = [
      inContext('build_failed', { failedStep: 'compile', build_url: 'https://ci.example.com/7' }),
      inContext('test_failed', { testsPassed: '8', testsTotal: '10', failed_tests: ['adds', 'removes'] }),
      inContext('coverage_dropped', { coverage: '81.5', coverageDelta: '-2.1', threshold: '85%', techDebt: '3' }),
      inContext('performance_regression', { metric: 'p95', baseline: '120 ms', current: '180 ms', change: '+50%' }),
      inContext(
        'deployment_success',
        { version: 'v2.3.1', perfReportUrl: 'https://ci.example.com/perf' },
        { environment: 'staging' },
      ),
    ];
    const text = shown(reportOf(...told), told.at(-1) as Notice);
    for (const line of [
      '| 🏗️ Build | ❌ failed | - | [failed at compile](https://ci.example.com/7) |',
      '| 🧪 Tests | ❌ failed | - | [8/10 passed; failed: adds, removes](https://ci.example.com/runs/12) |',
      '[81.5% (-2.1), threshold 85%](https://ci.example.com/runs/12) |',
      '- **Technical Debt**: 3 hours',
      '[p95: 120 ms → 180 ms (+50%)](https://ci.example.com/runs/12)',
      '- 🚀 Deployment ✅ passed [v2.3.1 to staging](https://ci.example.com/runs/12)',
      '- [Performance Report](https://ci.example.com/perf)',
    ])
      expect(text).toContain(line);
  });

  it('has every line of quality and performance, whoever spells the fields and how', () => {
    const numbers = {
      complexity: '8',
      duplication: '2.1',
      tech_debt: '3',
      maintainability: '91',
      bundle_size: '120 kB',
      bundle_diff: '-2 kB',
      load_time: '840',
      load_time_diff: '+12ms',
      memory_usage: '212.5',
      memory_diff: '-3MB',
    };
    const camel = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    const spelled = Object.fromEntries(Object.entries(numbers).map(([name, value]) => [camel(name), value]));
    const plain = ciNotice('test_passed');
    const told = [
      ciNotice('test_passed', numbers),
      { ...plain, alerts: plain.alerts.map((alert) => ({ ...alert, context: spelled })) },
    ];
    for (const notice of told) {
      expect(shown(reportOf(notice), notice)).toContain(
        [
          '### Code Quality Metrics',
          '',
          '- **Complexity**: 8 (threshold: 10)',
          '- **Duplication**: 2.1% (threshold: 3%)',
          '- **Technical Debt**: 3 hours',
          '- **Maintainability**: 91/100',
          '',
          '### Performance Impact',
          '',
          '- **Bundle Size**: 120 kB (-2 kB)',
          '- **Load Time**: 840ms (+12ms)',
          '- **Memory Usage**: 212.5MB (-3MB)',
        ].join('\n'),
      );
    }
  });

  it('leaves a unit that is there as it is, and a change away that nobody gave', () => {
    const notice = ciNotice('test_passed', { load_time: '1.2 s', memory_usage: '1 GB', maintainability: 'A' });
    const text = shown(reportOf(notice), notice);
    for (const line of ['- **Maintainability**: A', '- **Load Time**: 1.2 s', '- **Memory Usage**: 1 GB'])
      expect(text.split('\n')).toContain(line);
  });

  it('links the reports', () => {
    const notice = ciNotice('test_failed', {
      test_report_url: 'https://ci.example.com/tests',
      coverage_report_url: 'x',
    });
    expect(shown(reportOf(notice), notice)).toContain('- [Test Report](https://ci.example.com/tests)');
    expect(shown(reportOf(notice), notice)).not.toContain('Coverage Report');
  });

  it('is not there while CI has said nothing', () => {
    expect(shown(reportOf(noticeOf('one')), noticeOf('one'))).not.toContain('| Check |');
  });

  it('shows the worst of several services, and each of them', () => {
    const alerts = [
      ciAlert('test_failed', { tests_failed: '2' }, { service: 'api', links: [] }),
      ciAlert('test_passed', {}, { service: 'web', links: [] }),
    ];
    const notice = sampleNotice({ alerts });
    expect(shown(reportOf(notice), notice)).toContain(
      '| 🧪 Tests | ❌ failed | - | ❌ api: 2 failed; ✅ web: test passed |',
    );
  });

  it('says of which commit a row is where the branch has moved on, and does not call that ready', () => {
    const later = 'f'.repeat(40);
    const old = ciNotice('build_success');
    const notice = ciNotice('lint_completed', { sha: later });
    const report = merged(merged(NOTHING_KNOWN, old, { sha: SHA }, 'github.com'), notice, { sha: later }, 'github.com');
    expect(shown(report, notice)).toContain('[build success](https://ci.example.com/runs/12) (at `a1b2c3d`) |');
    expect(shown(report, notice)).toMatch(/Not reported for this commit: 🏗️ Build/);
  });

  it('says when everything is ready', () => {
    const alerts = ['build', 'test', 'coverage', 'security', 'lint'].map((stage) => ciAlert(`${stage}_passed`));
    const notice = sampleNotice({ alerts });
    expect(shown(reportOf(notice), notice)).toContain('\n🚀 Ready\n');
  });

  it('lists where it was deployed', () => {
    const notice = ciNotice('deployment_completed', { environment: 'production' });
    expect(shown(reportOf(notice), notice)).toContain('- 🚀 Deployment ✅ passed [to production]');
  });
});

describe('merging', () => {
  it('keeps what happened later, in whatever order it comes', () => {
    const early = ciNotice('build_failed', {}, { alerts: [ciAlert('build_failed', {}, at('14:00'))] });
    const late = ciNotice('build_success', {}, { alerts: [ciAlert('build_success', {}, at('14:10'))] });
    for (const order of [
      [early, late],
      [late, early],
    ]) {
      expect(reportOf(...order).rows.build).toMatchObject([{ state: 'passed' }]);
    }
  });

  it('knows the deliveries that are in it', () => {
    const report = reportOf(noticeOf('one'));
    expect(holds(report, noticeOf('one').delivery.key)).toBe(true);
    expect(holds(report, noticeOf('acknowledged').delivery.key)).toBe(false);
  });

  it('keeps ten incidents; those that are over go first', () => {
    const many = Array.from({ length: 14 }, (_, nth) =>
      sampleNotice({ incident: { id: `INC-${nth}`, status: nth % 2 ? 'resolved' : 'open' } }),
    );
    const ids = reportOf(...many).incidents.map(({ id }) => id);
    expect(ids).toHaveLength(10);
    for (const open of [0, 2, 4, 6, 8, 10, 12]) expect(ids).toContain(`INC-${open}`);
  });
});

describe('the hidden state', () => {
  const notice = ciNotice('build_failed', { branch: '-->--<@acme>#1 ü 🔥' }, { incident: { title: HOSTILE } });
  const report = merged(reportOf(notice), notice, { branch: '-->--<@acme>#1 ü 🔥' }, 'github.com');

  it('is read back as it was written', () => {
    expect(reportIn(hidden(report, 'tocsin'), 'tocsin')).toEqual(report);
  });

  it('can neither end its comment nor mention anybody', () => {
    const inside = hidden(report, 'tocsin').slice('<!-- '.length, -' -->'.length);
    expect(inside).not.toMatch(/--|[<>@#`&]|[^ -~]/);
  });

  it('is not read with another marker, from a cut comment, or where it is too long', () => {
    const text = hidden(report, 'tocsin');
    expect(reportIn(text, 'other')).toEqual(NOTHING_KNOWN);
    expect(reportIn(text.slice(0, -20), 'tocsin')).toEqual(NOTHING_KNOWN);
    expect(reportIn(`<!-- tocsin:state {"sha":"${'a'.repeat(20_000)}"} -->`, 'tocsin')).toEqual(NOTHING_KNOWN);
    for (const json of ['', 'null', '[]', '{', '7']) {
      expect(reportIn(`<!-- tocsin:state ${json} -->`, 'tocsin')).toEqual(NOTHING_KNOWN);
    }
  });

  it('that somebody wrote into it is cleaned, and what is wrong is left out', () => {
    const planted = {
      rows: {
        build: [
          {
            service: 'a\n@x',
            state: 'passed',
            at: '2026-01-15T14:00:00Z',
            details: 'x'.repeat(900),
            url: 'javascript:1',
          },
          { service: 'b', state: 'great', at: 'now' },
          7,
        ],
        constructor: [],
        __proto__: [],
      },
      sha: '<script>',
      values: { complexity: 'y'.repeat(500), evil: '1' },
      reports: { test_report_url: 'data:text/html,x' },
      incidents: [{ id: 'INC-1', title: 't', emoji: '<b>', word: 'OPEN', closed: false }],
      deliveries: ['<b>', '0123456789abcdef'],
      more: 1,
    };
    const read = reportIn(`<!-- tocsin:state ${JSON.stringify(planted)} -->`, 'tocsin');
    expect(read.rows).toEqual({
      build: [
        { service: 'a @x', state: 'passed', at: '2026-01-15T14:00:00Z', details: expect.stringMatching(/^x+…$/) },
      ],
    });
    expect(read.values.complexity).toHaveLength(60);
    expect(read).toMatchObject({ reports: {}, incidents: [], deliveries: ['0123456789abcdef'] });
    expect(read.sha).toBeUndefined();
    expect(read).not.toHaveProperty('more');
  });

  it('never makes reading throw', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(reportIn(`<!-- tocsin:state ${JSON.stringify(value)} -->`, 'tocsin').deliveries).toBeInstanceOf(Array);
      }),
    );
  });
});

describe('a comment about everything at once, as long and as hostile as it can be', () => {
  const long = (text: string) => `${HOSTILE}${text.repeat(1_000)}`;
  const url = `https://ci.example.com/${'&('.repeat(120)}`;
  const alerts = CI_STAGES.flatMap((stage) =>
    ['a', 'b', 'c', 'd', 'e'].map((service) =>
      ciAlert(
        `${stage}_failed`,
        { environment: long('@'), duration: long('|') },
        {
          title: long('@x'),
          service: `${service}${long('🔥')}`,
          links: [{ title: 'x', url }],
        },
      ),
    ),
  );
  const values = Object.fromEntries(
    ['complexity', 'duplication', 'tech_debt', 'bundle_size', 'load_time', 'memory_usage'].map((name) => [
      name,
      long('#1'),
    ]),
  );
  const notice = sampleNotice({
    headline: long('@'),
    lines: Array.from({ length: 50 }, () => long('<')),
    alerts: [...alerts, ciAlert('x', { ...values, test_report_url: url })],
    more: 1_000,
    links: Array.from({ length: 10 }, () => ({ title: long('['), url })),
    incident: { title: long('🔥'), url },
  });
  const report = Array.from({ length: 10 }, (_, nth) => nth).reduce(
    (before, nth) =>
      merged(
        before,
        { ...notice, incident: { ...notice.incident, id: `INC-1${nth}` } },
        { branch: 'x'.repeat(255) },
        'github.com',
      ),
    NOTHING_KNOWN,
  );
  const body = shown(report, notice);

  it('fits, and still knows what it knew', () => {
    expect(body.length).toBeLessThanOrEqual(COMMENT_MAX);
    expect(body).toContain('INC-1');
    expect(Object.keys(reportIn(body, 'tocsin').rows)).toEqual([...CI_STAGES]);
    expect(holds(reportIn(body, 'tocsin'), notice.delivery.key)).toBe(true);
  });

  it('has a table of five rows of four cells', () => {
    const rows = body.split('\n').filter((line) => line.startsWith('| '));
    expect(rows).toHaveLength(7);
    for (const row of rows) expect(row.replace(/\\./g, '').split('|')).toHaveLength(6);
  });
});
