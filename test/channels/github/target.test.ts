import { describe, expect, it } from 'vitest';
import { config } from '../../../src/channels/github/config.ts';
import { placeOf, planOf, saidOf, webHostOf } from '../../../src/channels/github/target.ts';
import { stageOf, stateOf } from '../../../src/core/ci.ts';
import type { Labels, Link } from '../../../src/core/event.ts';
import { SHA } from '../../support/fakes/github.ts';
import { sampleAlert, sampleNotice } from '../../support/notices.ts';
import { ciAlert, ciNotice } from './notices.ts';

const HOST = 'github.com';
const place = (labels: Labels, ...urls: string[]) =>
  placeOf({ labels, links: urls.map((url): Link => ({ title: 'x', url })) }, HOST);
const configOf = (more: Record<string, unknown> = {}) => config.parse({ token: 'x', ...more });

describe('where an event belongs', () => {
  it('stands in its labels', () => {
    expect(
      place({
        repository: 'acme/shop',
        pull_request: '7',
        sha: SHA.toUpperCase(),
        branch: 'feature/basket',
        environment: 'production',
        environment_url: 'https://shop.example.com',
        deployment_id: '42',
      }),
    ).toEqual({
      repository: 'acme/shop',
      pull_request: 7,
      sha: SHA,
      branch: 'feature/basket',
      environment: 'production',
      environment_url: 'https://shop.example.com',
      deployment_id: 42,
    });
    expect(place({ commit: 'a1b2c3d' })).toEqual({ sha: 'a1b2c3d' });
  });

  it('stands in its links where it is in no label', () => {
    expect(place({}, 'https://ci.example.com/1', 'https://github.com/acme/shop/pull/7/files')).toEqual({
      repository: 'acme/shop',
      pull_request: 7,
    });
    expect(place({ pull_request: '8' }, `https://github.com/acme/shop/commit/${SHA}`)).toEqual({
      repository: 'acme/shop',
      pull_request: 8,
      sha: SHA,
    });
    expect(place({}, 'https://github.com/acme/shop/actions/runs/1')).toEqual({ repository: 'acme/shop' });
  });

  it('is not taken from a link to another repository or another server', () => {
    expect(place({ repository: 'acme/shop' }, 'https://github.com/acme/other/pull/7')).toEqual({
      repository: 'acme/shop',
    });
    expect(place({}, 'https://git.evil.example/acme/shop/pull/7')).toEqual({});
  });

  it.each([
    ['repository', 'acme/shop/../../user'],
    ['repository', 'acme/..'],
    ['repository', 'shop'],
    ['pull_request', '7/../8'],
    ['pull_request', '0'],
    ['sha', 'main'],
    ['deployment_id', '-1'],
    ['environment_url', 'javascript:alert(1)'],
  ])('is not said by %s: %s', (name, value) => {
    expect(place({ [name]: value })).toEqual({});
  });

  it('is on the web host that belongs to the API', () => {
    expect(webHostOf('https://api.github.com')).toBe('github.com');
    expect(webHostOf('https://api.acme.ghe.com')).toBe('acme.ghe.com');
    expect(webHostOf('https://git.acme.example/api/v3')).toBe('git.acme.example');
  });
});

describe('the plan', () => {
  const of = (labels: Labels, more: Record<string, unknown> = {}) =>
    planOf(sampleNotice({ alerts: [sampleAlert({ labels })] }), configOf(more));
  const repository = 'acme/shop';

  it.each([
    ['a pull request', { repository, pull_request: '7', sha: SHA }, { kind: 'comment', number: 7 }],
    ['a commit', { repository, sha: SHA }, { kind: 'status', sha: SHA }],
    ['a deployment', { repository, pull_request: '7', deployment_id: '42' }, { kind: 'deployment' }],
  ])('is what fits %s', (_, labels, plan) => {
    expect(of(labels)).toMatchObject({ repository, ...plan });
  });

  it('is what the configuration says, whatever else the event names', () => {
    expect(of({ repository, pull_request: '7', sha: SHA }, { kind: 'status' })).toMatchObject({ kind: 'status' });
  });

  it('takes repository and number from the configuration where the event has none', () => {
    expect(of({}, { repository, pull_request: 3 })).toMatchObject({ kind: 'comment', repository, number: 3 });
    expect(of({ repository: 'acme/other' }, { repository, pull_request: 3 })).toMatchObject({
      problem: expect.stringContaining('no pull request'),
    });
  });

  it.each([
    ['no repository', {}, {}, 'names no repository'],
    ['no pull request', { repository }, {}, 'names no pull request'],
    ['no commit', { repository, pull_request: '7' }, { kind: 'status' }, 'names no commit'],
    ['half a commit', { repository, sha: 'a1b2c3d' }, {}, 'all 40 digits'],
    ['no deployment', { repository, environment: 'production' }, { kind: 'deployment' }, 'names no deployment'],
    ['a repository of others', { repository, pull_request: '7' }, { repositories: ['acme/web'] }, 'not among'],
  ])('is none for %s, and says why', (_, labels, more, problem) => {
    expect(of(labels as Labels, more)).toEqual({ problem: expect.stringContaining(problem) });
  });

  it('allows every repository of an owner by a star', () => {
    expect(of({ repository: 'Acme/shop', pull_request: '7' }, { repositories: ['acme/*'] })).toMatchObject({
      number: 7,
    });
  });

  it('is none where the alerts belong to several pull requests: half of them would be told the wrong thing', () => {
    const alerts = [ciAlert('build_failed'), ciAlert('build_failed', { pull_request: '8' })];
    expect(planOf(sampleNotice({ alerts }), configOf())).toEqual({
      problem: 'the alerts of this notice name 2 pull requests: group the route by pull_request as well',
    });
  });

  it('is none for a commit where the alerts belong to several branches', () => {
    const alerts = [ciAlert('build_failed'), ciAlert('build_failed', { branch: 'main' })];
    expect(planOf(sampleNotice({ alerts }), configOf({ kind: 'status' }))).toEqual({
      problem: 'the alerts of this notice name 2 branches: group the route by branch as well',
    });
  });

  it('is about the newest commit of the alerts', () => {
    const later = 'f'.repeat(40);
    const alerts = [
      ciAlert('build_failed', { sha: later }, { last_at: '2026-01-15T15:00:00.000Z' }),
      ciAlert('build_failed'),
    ];
    expect(planOf(sampleNotice({ alerts }), configOf({ kind: 'status' }))).toMatchObject({ sha: later });
  });
});

describe('what a type says', () => {
  it.each([
    ['build_failed', 'build'],
    ['tests.passed', 'test'],
    ['vulnerability:found', 'security'],
    ['deploy-started', 'deployment'],
    ['coverage', 'coverage'],
    ['builder_died', undefined],
    ['constructor', undefined],
  ])('%s is of the stage %s', (type, stage) => expect(stageOf(type)).toBe(stage));

  it.each([
    ['build_started', 'firing', 'info', 'running'],
    ['build_success', 'firing', 'info', 'passed'],
    ['build_failed', 'firing', 'info', 'failed'],
    ['build_failed', 'resolved', 'error', 'passed'],
    ['coverage_report', 'firing', 'info', 'passed'],
    ['coverage_report', 'firing', 'warning', 'warning'],
    ['security_scan', 'firing', 'critical', 'failed'],
    ['lint_completed', 'firing', 'warning', 'warning'],
  ] as const)('%s, %s, %s is %s', (type, status, severity, state) => {
    expect(stateOf({ type, status, severity })).toBe(state);
  });

  it.each([
    ['test_failed', { tests_passed: '118', tests_total: '120' }, '118/120 passed'],
    ['test_failed', { tests_failed: '2' }, '2 failed'],
    ['coverage_report', { coverage: '87.5', coverage_diff: '+0.3%' }, '87.5% (+0.3%)'],
    ['security_scan', { vulnerabilities: '2' }, '2 issues'],
    ['lint_completed', { lint_issues: '3' }, '3 warnings'],
    ['build_failed', {}, 'build failed'],
  ])('%s with %o is shown as %s', (type, labels, details) => {
    expect(saidOf(ciNotice(type, labels as Labels), HOST)).toMatchObject([{ details, service: 'shop', sha: SHA }]);
  });

  it('has the duration of its labels, or of the story that ended', () => {
    const said = (labels: Labels, story?: object) =>
      saidOf(ciNotice('build_success', labels, story ? { story: story as never } : {}), HOST)[0]?.duration;
    expect(said({ duration: '3m 2s' })).toBe('3m 2s');
    expect(said({ duration_ms: '182000' })).toBe('3 min 2 s');
    expect(said({ duration_ms: 'soon' })).toBeUndefined();
    expect(said({}, { name: 'x', phase: 'end', ok: true, duration_ms: 61_000 })).toBe('1 min 1 s');
  });
});
