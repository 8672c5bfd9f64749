/** Input made to cost more than it is worth: patterns that backtrack, texts that repeat, payloads that point at themselves. */
import { describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problems.ts';
import { parseDuration } from '../../src/core/time.ts';
import { alertmanager } from '../../src/sources/alertmanager.ts';
import { parseEvents } from '../../src/sources/events.ts';
import { sources } from '../../src/sources/index.ts';
import { mapping } from '../../src/sources/mapping.ts';
import { LIMITS } from '../../src/sources/source.ts';

const NOW = new Date('2026-11-20T12:00:00Z');

/** Milliseconds of processor time that this took: what else the machine does makes no difference. */
function costOf(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** A backtracker would need longer than the world has been there; what is linear, a hundredth of this. */
const MUCH_MS = 3_000;

/** As a route would test it: read from a configuration. */
function matcherOf(pattern: string): (value: string) => boolean {
  const text = `
integrations: { terminal: { type: stdout } }
routes: [{ match: [${JSON.stringify(`title=~${JSON.stringify(pattern)}`)}], notify: [terminal] }]
default: { notify: [terminal] }`;
  const matcher = fromText(text, 'the tests', {}, { channels, writers, sources }).routing.routes[0]?.matchers[0];
  if (!matcher) throw new Error('no matcher was read');
  return (value) => matcher.test(value);
}

describe('a regular expression of a configuration', () => {
  const long = (text: string, end = '!'): string => `${text.repeat(LIMITS.labelValue / text.length)}${end}`;

  it.each([
    ['(a+)+', long('a')],
    ['([a-zA-Z]+)*', long('a')],
    ['(a|aa)+', long('a')],
    ['(a|a?)+', long('a')],
    ['(.*a){20}', long('a')],
    ['(.*)*(.*)*(.*)*b', long('a')],
    ['(x+x+)+y', long('x')],
    ['((a*)*)*', long('a')],
    ['(?:a?){500}a{500}', long('a')],
    ['(\\w+\\s?)*', long('word ')],
    ['([^@]+@)+[^@]+\\.com', long('a@')],
    ['^(([a-z])+.)+[A-Z]([a-z])+$', long('a')],
    ['(0|[1-9][0-9]*)(\\.(0|[1-9]\\d*))*', long('1.')],
    ['.*.*.*.*.*.*.*.*=.*', long('a')],
    ['(\\d+)*(\\d+)*(\\d+)*x', long('1')],
    ['(?i)(?:é|É)+', long('é')],
  ])('%s takes time that grows with the text and no faster', (pattern, text) => {
    const test = matcherOf(pattern);
    let matched = true;
    expect(costOf(() => (matched = test(text)))).toBeLessThan(MUCH_MS);
    expect(matched).toBe(false);
  });

  it.each([
    '(a{1000}){1000}',
    '((((x{10}){10}){10}){10}){10}',
    `${'('.repeat(5_000)}${')'.repeat(5_000)}`,
    '(a)\\1',
    '(?<=a)b',
    '(?!a)b',
    '(?>a)',
    'a**',
    '[z-a]',
    '\\',
  ])('%s is refused when it is read, with its line', (pattern) => {
    let problem = '';
    const read = (): void => {
      try {
        matcherOf(pattern);
      } catch (error) {
        if (error instanceof ConfigError) problem = error.message;
        else throw error;
      }
    };
    expect(costOf(read)).toBeLessThan(MUCH_MS);
    expect(problem).toMatch(/line 3, routes\[0\].*not a regular expression/s);
  });
});

describe('an event', () => {
  const LENGTH = 60_000;
  const filled = (unit: string): string => unit.repeat(LENGTH / unit.length);
  const UNITS = [
    'a',
    ' ',
    '\n',
    '\t',
    '-',
    '.',
    '/',
    ':',
    '0',
    '9',
    '%',
    '<',
    '&',
    '"',
    '\\',
    '(',
    '[',
    '{',
    'é',
    '🔥',
    'a ',
    '0.',
    'h1',
    'T0',
    '2026-01-15T',
    '1h',
    'http://',
    'a@',
  ];
  const FIELDS = [
    'id',
    'source',
    'type',
    'title',
    'severity',
    'body',
    'service',
    'dedup_key',
    'trace_id',
    'status',
    'occurred_at',
    'ts',
  ];

  it('of one text without end is looked at in time that grows with it', () => {
    const spent = costOf(() => {
      for (const unit of UNITS) {
        for (const field of FIELDS)
          parseEvents({ source: 's', type: 't', title: 'x', [field]: filled(unit) }, { now: NOW, max: 1 });
        parseEvents(
          {
            source: 's',
            type: 't',
            title: 'x',
            labels: { [filled(unit)]: filled(unit) },
            links: [{ title: 'x', url: filled(unit) }],
          },
          { now: NOW, max: 1 },
        );
        parseDuration(filled(unit));
      }
    });
    expect(spent).toBeLessThan(MUCH_MS * 3);
  });
});

describe('a message of megabytes', () => {
  const MEGABYTES = 4_000_000;
  const ENTRIES = 8_000;
  const config = mapping.config.parse({
    each: 'runs',
    event_type: { text: 'build' },
    title: '{name} of {$.repo}',
    body: '{$.repo} {$.repo.name}',
    service: '$.repo.name',
    labels: { all: '$', repo: '$.repo', name: '$.repo.name' },
    components: ['$.repo.name', '$.repo'],
    dedup_key: '{$}{$.repo.name}',
    when: [{ path: '$.repo', is_not: ['nothing'] }],
    context: '$.repo',
  });

  it('is not read again for every event that is made of it', () => {
    const runs = Array.from({ length: ENTRIES }, (_, at) => ({ name: `run ${at}` }));
    for (const repo of [
      { name: 'x'.repeat(MEGABYTES) },
      { name: 'x', more: Array.from({ length: 200_000 }, () => 'é"\n') },
    ]) {
      let made: { title: string; context?: unknown }[] = [];
      const spent = costOf(() => {
        made = mapping.normalise({ repo, runs }, { name: 'builds', config, now: NOW }).events;
      });
      expect(spent).toBeLessThan(MUCH_MS * 5);
      expect(made).toHaveLength(ENTRIES);
      expect(made[7]?.title).toMatch(/^run 7 of \{"name":"x/);
      expect(made[7]?.context).toEqual({ omitted: expect.stringMatching(/bytes are more than/) });
    }
  });

  it('may be one alert whose every text is that long', () => {
    const text = 'é'.repeat(MEGABYTES / 4);
    const alerts = [
      {
        status: 'firing',
        labels: { alertname: text, severity: text, service: text, [text]: text },
        annotations: { summary: text, description: text },
        generatorURL: `https://x/${text}`,
        startsAt: text,
        fingerprint: text,
      },
    ];
    const spent = costOf(() => {
      const { events } = alertmanager.normalise(
        { alerts },
        { name: 'a', config: alertmanager.config.parse({}), now: NOW },
      );
      expect(JSON.stringify(events).length).toBeLessThan(200_000);
    });
    expect(spent).toBeLessThan(MUCH_MS);
  });
});
