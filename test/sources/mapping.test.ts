import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/core/event.ts';
import { OWN_SOURCE } from '../../src/core/health.ts';
import { mapping } from '../../src/sources/mapping.ts';
import failed from '../samples/mapping/appveyor-failure.json' with { type: 'json' };
import passed from '../samples/mapping/appveyor-success.json' with { type: 'json' };

const NOW = new Date('2026-11-20T12:00:00Z');
const normalise = (payload: unknown, config: object) => {
  const made = mapping.normalise(payload, { name: 'builds', config: mapping.config.parse(config), now: NOW });
  const isOwn = ({ source }: Event) => source === OWN_SOURCE;
  return { ...made, events: made.events.filter((event) => !isOwn(event)), own: made.events.filter(isOwn) };
};
const least = { event_type: { text: 'build' }, title: 'name' };

const payload = {
  repo: { name: 'web', tags: ['a', 'b'] },
  runs: [
    { id: 7, name: 'test', state: 'failure', 'dotted.name': 'x', at: 1_795_176_000, url: 'https://ci.example.com/7' },
    { id: 8, name: 'lint', state: 'success' },
    { id: 9, name: 'docs', state: 'skipped' },
  ],
};

describe('a mapping', () => {
  it('makes an event of each entry by paths and templates', () => {
    const { events, rejected } = normalise(payload, {
      source: 'ci',
      each: 'runs',
      when: [{ path: 'state', is_not: ['skipped'] }],
      event_type: { text: 'build' },
      title: '{name} of {$.repo.name} ended: {{{state}}',
      id: 'run-{id}',
      dedup_key: '{$.repo.name}/{name}',
      occurred_at: 'at',
      components: ['$.repo.tags[1]'],
      labels: { repo: '$.repo.name', dotted: '["dotted.name"]' },
      links: [{ title: { text: 'Run' }, url: 'url' }],
      context: '$.repo',
      severity: { path: 'state', map: { failure: 'error' } },
      status: { path: 'state', resolved: ['success'] },
      expire: '1h',
    });
    expect(rejected).toEqual([]);
    expect(events).toEqual([
      {
        id: 'run-7',
        source: 'ci',
        type: 'build',
        title: 'test of web ended: {failure}',
        severity: 'error',
        severity_word: 'failure',
        components: ['b'],
        labels: { repo: 'web', dotted: 'x' },
        assignees: [],
        links: [{ title: 'Run', url: 'https://ci.example.com/7' }],
        status: 'firing',
        dedup_key: 'web/test',
        occurred_at: '2026-11-20T12:00:00.000Z',
        expires_at: '2026-11-20T13:00:00.000Z',
        context: { name: 'web', tags: ['a', 'b'] },
      },
      expect.objectContaining({
        id: 'run-8',
        status: 'resolved',
        severity: 'info',
        links: [],
        labels: { repo: 'web' },
      }),
    ]);
  });

  it('reads what AppVeyor posts: a job that fails, and the one that passes ends it', () => {
    const config = {
      source: 'appveyor',
      each: 'eventData.jobs',
      event_type: 'build_{status}',
      title: '{$.eventData.projectName} {$.eventData.buildVersion} on {$.eventData.branch}: {status}',
      id: '{id}/{status}',
      dedup_key: '{$.eventData.repositoryName}/{$.eventData.branch}/{name}',
      service: '$.eventData.projectName',
      occurred_at: 'finished',
      labels: { branch: '$.eventData.branch', sha: '$.eventData.commitId', job: 'name' },
      links: [{ title: { text: 'Build' }, url: '$.eventData.buildUrl' }],
      severity: { path: 'status', map: { Failed: 'error' } },
      status: { path: 'status', resolved: ['Success'] },
    };
    const { events, rejected } = normalise(failed, config);
    expect(rejected).toEqual([]);
    expect(events).toEqual([
      {
        id: 'flhhi1o73j0tbbt8/Failed',
        source: 'appveyor',
        type: 'build_Failed',
        title: 'Hubot-DSC-Resource 2.0.59 on master: Failed',
        severity: 'error',
        severity_word: 'Failed',
        service: 'Hubot-DSC-Resource',
        components: [],
        // The only job of a build has no name; and the time is written as in America, without a zone.
        labels: { branch: 'master', sha: 'c06e208b47' },
        assignees: [],
        links: [{ title: 'Build', url: failed.eventData.buildUrl }],
        status: 'firing',
        dedup_key: 'joebloggs/Hubot-DSC-Resource/master/',
      },
    ]);
    expect(normalise(passed, config).events).toMatchObject([
      { id: 'flhhi1o73j0tbbt8/Success', status: 'resolved', dedup_key: events[0]?.dedup_key },
    ]);
  });

  it('calls its events by its own name unless it says otherwise', () => {
    expect(normalise({ name: 'x' }, least).events[0]?.source).toBe('builds');
  });

  it('says what it did not find', () => {
    expect(normalise({}, least).rejected).toEqual([{ index: 0, problem: 'the mapping finds no title' }]);
    expect(normalise({ runs: 1 }, { ...least, each: 'runs' }).rejected).toEqual([
      { index: 0, problem: 'the path in each does not lead to a list' },
    ]);
  });

  it('that fails keeps what was posted in an event of its own, and the events of the other entries', () => {
    const posted = { runs: [{ name: 'good' }, { nam: 'x' }] };
    const { events, own } = normalise(posted, { ...least, each: 'runs' });
    expect(events.map(({ title }) => title)).toEqual(['good']);
    expect(own).toMatchObject([
      {
        type: 'mapping_failed',
        status: 'firing',
        dedup_key: 'mapping/builds',
        body: 'the mapping finds no title',
        context: { payload: JSON.stringify(posted) },
      },
    ]);
    expect(normalise({ name: 'x' }, least).own).toMatchObject([{ status: 'resolved', dedup_key: 'mapping/builds' }]);
  });

  it('reaches no prototype, length or method', () => {
    for (const path of [
      '__proto__',
      'constructor.name',
      'list.length',
      'name.length',
      'list.map',
      '["__proto__"].polluted',
    ]) {
      expect(normalise({ name: 'abc', list: [1] }, { ...least, title: path }).rejected).toHaveLength(1);
    }
    expect(
      normalise({ name: 'x', s: 'constructor' }, { ...least, severity: { path: 's', map: {} } }).events[0]?.severity,
    ).toBe('info');
  });

  it.each([
    [{ ...least, title: '{name' }, /never closed/],
    [{ ...least, title: 'a..b' }, /not a path such as/],
    [{ ...least, title: '{a[x]} failed' }, /not a path such as/],
    [{ ...least, context: '' }, /an empty path/],
    [{ ...least, expire: 'soon' }, /not a duration/],
  ])('with a mistake in it is refused before it runs: %j', (config, problem) => {
    expect(mapping.config.safeParse(config).error?.message).toMatch(problem);
  });

  it('never throws, whatever it is sent', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (sent) => {
        const { events, rejected } = normalise(
          { name: sent, runs: sent },
          { ...least, context: 'runs', labels: { all: 'runs' } },
        );
        expect(events.length + rejected.length).toBe(1);
      }),
    );
  });
});
