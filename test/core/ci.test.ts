import { describe, expect, it } from 'vitest';
import { ciFactsOf, ciLinksOf, givenBy, isInCiFacts, signOf, stageOf } from '../../src/core/ci.ts';
import { factsOf, toneOf } from '../../src/core/text.ts';
import { ciCases, ciNotice } from '../support/ci-notices.ts';
import { HOSTILE, sampleAlert, sampleNotice } from '../support/notices.ts';

const said = (type: string, labels: Record<string, string>, context?: Parameters<typeof ciFactsOf>[0]['context']) =>
  Object.fromEntries(ciFactsOf({ type, labels, ...(context === undefined ? {} : { context }) }));
const sign = (
  type: string,
  severity: 'info' | 'warning' | 'error' = 'info',
  status: 'firing' | 'resolved' = 'firing',
) => signOf({ type, severity, status });

describe('a type of CI', () => {
  it.each([
    ['build_success', 'build'],
    ['deploy:started', 'deployment'],
    ['vulnerability.found', 'security'],
    ['perf:regression', 'performance'],
    ['deploymentApproval', 'deployment'],
    ['testSuite/failed', 'test'],
  ])('%s is of the stage %s', (type, stage) => expect(stageOf(type)).toBe(stage));

  it.each(['builder', 'push', 'constructor', ''])('%j is none', (type) => expect(stageOf(type)).toBeUndefined());

  it('has the sign of how it went, where its words say so', () => {
    expect([sign('build_success'), sign('test_failed', 'error'), sign('build:failure')]).toEqual([
      'passed',
      'failed',
      'failed',
    ]);
    expect([sign('deployment_started'), sign('deploy:approved'), sign('deployment_rolledback')]).toEqual([
      'deployment',
      'passed',
      'failed',
    ]);
    expect([sign('build_started'), sign('build_started', 'error')]).toEqual(['running', undefined]);
    expect([sign('security_alert', 'error'), sign('security_alert', 'error', 'resolved')]).toEqual([
      'security',
      'passed',
    ]);
    // Somebody tries an integration out, or calls any trouble of theirs a build.
    for (const type of ['test', 'build', 'disk_failed']) expect(sign(type)).toBeUndefined();
  });
});

describe('the fields of a CI event', () => {
  it('are found under any spelling, in labels and in the context', () => {
    expect(said('build_failure', { failedStep: 'lint', 'Error Message': 'no semicolon' }, { testsPassed: 1 })).toEqual({
      'Failed Step': 'lint',
      Error: 'no semicolon',
    });
    expect(said('test_failed', { tests_passed: '8', tests_skipped: '1' }, { testsTotal: 10 })).toEqual({
      Tests: '8/10 (1 skipped)',
    });
    expect(givenBy({ type: 'x', labels: { branch: 'label' }, context: { branch: 'context' } })('branch')).toBe('label');
  });

  it('are shown as people write them', () => {
    expect(
      said('coverage_dropped', {
        sha: 'A1B2C3D4E5F60718293A4B5C6D7E8F9012345678',
        coverage: '81.5 %',
        coverage_delta: '-2.1',
        threshold: '85%',
        duration_seconds: '65',
        merge_request: '5',
      }),
    ).toEqual({
      Coverage: '81.5% (-2.1)',
      Threshold: '85%',
      Commit: 'A1B2C3D',
      Duration: '1 min 5 s',
      'Pull Request': '!5',
    });
    expect(said('deployment_started', { commit: 'release-7', risk_score: 'low' })).toEqual({
      Commit: 'release-7',
      'Risk Score': 'low',
    });
    expect(said('build_failure', { tests_failed: '0', duration: '2m' })).toEqual({ Duration: '2m' });
  });

  it('name of many failed tests the first', () => {
    const failed_tests = Array.from({ length: 25 }, (_, index) => ({ name: `t${index}`, message: 'x' }));
    expect(said('test_failure', {}, { failed_tests })['Failed Tests']).toMatch(/^t0, t1, .*, t19 and 5 more$/);
  });

  it('are none of an event that is not of CI, nor of a context that is no object', () => {
    expect(ciFactsOf({ type: 'availability', labels: { branch: 'main' } })).toEqual([]);
    expect(ciLinksOf({ type: 'availability', labels: { build_url: 'https://ci.example.com' } })).toEqual([]);
    for (const context of [null, 7, 'text', [1, { a: 2 }]] as const)
      expect(said('build_failure', {}, context as never)).toEqual({});
  });

  it('of a job are those of a build, where it is a repository’s', () => {
    expect(ciFactsOf({ type: 'job_failure', labels: { repository: 'acme/shop', job: 'unit' } })).toEqual([
      ['Project', 'acme/shop'],
      ['Workflow', 'unit'],
    ]);
    expect(ciFactsOf({ type: 'job_completed', labels: { branch: 'x' } })).toEqual([]);
  });

  it('are known by the labels they say', () => {
    const labels = { testsPassed: '1', region: 'eu' };
    expect(isInCiFacts({ type: 'build_failure', labels }, 'testsPassed')).toBe(true);
    expect(isInCiFacts({ type: 'build_failure', labels }, 'region')).toBe(false);
    expect(isInCiFacts({ type: 'disk', labels }, 'testsPassed')).toBe(false);
  });
});

describe('the facts of a notice', () => {
  it('begin with what CI says, and say nothing twice', () => {
    for (const name of ciCases) {
      const names = factsOf(ciNotice(name)).map(([fact]) => fact);
      expect(new Set(names).size).toBe(names.length);
    }
    const labels = { repository: 'acme/shop' };
    const alerts = [sampleAlert({ type: 'build_failure', service: 'acme/shop', labels })];
    const facts = factsOf(sampleNotice({ alerts, incident: { service: 'acme/shop' } }));
    expect(facts.filter(([, value]) => value === 'acme/shop')).toEqual([['Project', 'acme/shop']]);
  });

  it('say of several CI events what each says, and nothing where one is of no CI', () => {
    const ci = (branch: string) => sampleAlert({ type: 'build_failure', labels: { branch } });
    const branches = (alerts: ReturnType<typeof ci>[]) =>
      factsOf(sampleNotice({ alerts })).find(([name]) => name === 'Branch')?.[1];
    expect(branches([ci('a'), ci('b')])).toBe('a, b');
    expect(branches([ci('a'), sampleAlert()])).toBeUndefined();
  });

  it('stay on one line each, whatever was sent', () => {
    const alerts = [sampleAlert({ type: 'build_failure', labels: { error: HOSTILE, failed_step: 'a\nb' } })];
    for (const [, value] of factsOf(sampleNotice({ alerts }))) expect(value).not.toMatch(/\p{Cc}|[\u202a-\u202e]/u);
  });
});

describe('the tone of a notice', () => {
  it('is CI’s own while the incident is open, and the incident’s afterwards', () => {
    expect(toneOf(ciNotice('build_success'))).toMatchObject({ emoji: '✅', means: 'success', word: 'SUCCESS' });
    expect(toneOf(ciNotice('build_failure'))).toMatchObject({ emoji: '❌', means: 'error', word: 'ERROR' });
    const failure = ciNotice('build_failure');
    const taken = { ...failure, incident: { ...failure.incident, status: 'acknowledged' as const } };
    expect(toneOf(taken).word).toBe('ACKNOWLEDGED');
    const mixed = { ...failure, alerts: [...failure.alerts, ...ciNotice('build_success').alerts] };
    expect(toneOf(mixed)).toMatchObject({ emoji: '🟠', word: 'ERROR' });
  });
});
