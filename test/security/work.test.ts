/** Input made to cost more than it is worth: patterns that backtrack, texts that repeat, payloads that point at themselves. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problems.ts';
import { parseDuration } from '../../src/core/time.ts';
import { alertmanager } from '../../src/sources/alertmanager.ts';
import { parseEvents } from '../../src/sources/events.ts';
import { sources } from '../../src/sources/index.ts';
import { mail } from '../../src/sources/mail.ts';
import { mapping } from '../../src/sources/mapping.ts';
import { LIMITS } from '../../src/sources/source.ts';
import { type Api, pick, startApi } from '../http/harness.ts';

const NOW = new Date('2026-11-20T12:00:00Z');

/** Milliseconds of processor time that this took: what else the machine does makes no difference. */
function costOf(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** The same of work that is awaited: the ledger's thread counts too. */
async function costOfAwaited(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** A backtracker would need longer than the world has been there; what is linear, a hundredth of this. */
const MUCH_MS = 3_000;

const long = (text: string, end = '!'): string => `${text.repeat(LIMITS.labelValue / text.length - 1)}${end}`;
/** Patterns that a backtracker does not come to the end of, each with a text that it does not match. */
const HOSTILE: [pattern: string, text: string][] = [
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
];
/** Patterns that would be too large, and what RE2 does not know. */
const BROKEN = [
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
];

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
  it.each(HOSTILE)('%s takes time that grows with the text and no faster', (pattern, text) => {
    const test = matcherOf(pattern);
    let matched = true;
    expect(costOf(() => (matched = test(text)))).toBeLessThan(MUCH_MS);
    expect(matched).toBe(false);
  });

  it.each(BROKEN)('%s is refused when it is read, with its line', (pattern) => {
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

describe('a regular expression that a request brings', () => {
  let api: Api;
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(() => api.stop());
  const admin = () => ({ key: api.keys.admin });
  const ends = () => new Date(api.clock.now.getTime() + 3_600_000).toISOString();
  const matching = (name: string, pattern: string) => `${name}=~${JSON.stringify(pattern)}`;
  const always = [{ times: ['00:00-24:00'] }];

  /** The doors by which one comes to stay: what is asked of each for this label and this pattern. */
  const STAYING: Record<string, (name: string, pattern: string) => [path: string, body: object]> = {
    'a silence of our own': (name, pattern) => [
      '/v1/silences',
      { match: [matching(name, pattern), 'type="try"'], for: '1h', reason: 'try' },
    ],
    'a maintenance window': (name, pattern) => [
      '/v1/maintenance',
      { match: [matching(name, pattern), 'type="try"'], during: always, reason: 'try' },
    ],
    "a silence of Alertmanager's API": (name, pattern) => [
      '/api/v2/silences',
      {
        matchers: [
          { name, value: pattern, isRegex: true },
          { name: 'type', value: 'try', isRegex: false },
        ],
        startsAt: api.clock.now.toISOString(),
        endsAt: ends(),
        createdBy: 'x',
        comment: 'x',
      },
    ],
  };
  /** Those by which one is asked once. */
  const asking = (name: string, pattern: string): string[] => [
    ...['alerts', 'alerts/groups', 'silences'].map(
      (list) => `/api/v2/${list}?filter=${encodeURIComponent(matching(name, pattern))}`,
    ),
    ...['alerts', 'alerts/groups'].map((list) => `/api/v2/${list}?receiver=${encodeURIComponent(pattern)}`),
  ];
  const labels = Object.fromEntries(HOSTILE.map(([, text], at) => [`p${at}`, text]));

  it('and leaves there is asked of every event, and takes time that grows with the text', async () => {
    for (const [at, [pattern]] of HOSTILE.entries())
      for (const [door, asked] of Object.entries(STAYING)) {
        const [path, body] = asked(`p${at}`, pattern);
        const { status } = await api.call('POST', path, { ...admin(), body });
        expect([door, pattern, status]).toEqual([door, pattern, path.startsWith('/v1') ? 201 : 200]);
      }
    const event = { source: 'tests', type: 'try', title: 'Try', labels };
    let explained: unknown;
    const spent = await costOfAwaited(async () => {
      explained = (await api.call('POST', '/v1/routes/explain', { ...admin(), body: event })).body;
    });
    expect(spent).toBeLessThan(MUCH_MS * 3);
    // None of them matched: each was tried.
    expect(pick(explained, 'decision', 'routes', 0, 'outcome')).toBe('join');
    expect((await api.call('GET', '/v1/silences', admin())).text).toContain(
      JSON.stringify(HOSTILE[0]?.[0]).slice(1, -1),
    );
  }, 60_000);

  it('and asks for once takes time that grows with the text', async () => {
    const posted = [{ labels: { alertname: 'Try', ...labels }, endsAt: ends() }];
    expect((await api.call('POST', '/api/v2/alerts', { ...admin(), body: posted })).status).toBe(200);
    for (const [at, [pattern]] of HOSTILE.entries())
      for (const path of asking(`p${at}`, pattern)) {
        const spent = await costOfAwaited(async () => {
          const { status, body } = await api.call('GET', path, admin());
          // Neither alert nor group has what is asked for; names of receivers and silences may.
          const isOfAlerts = path.includes('/alerts') && path.includes('filter');
          expect([path, status, body]).toEqual([path, 200, isOfAlerts ? [] : expect.any(Array)]);
        });
        expect(spent, path).toBeLessThan(MUCH_MS);
      }
  }, 60_000);

  it.each(BROKEN)('is refused at every door where it is %s', async (pattern) => {
    for (const [door, asked] of Object.entries(STAYING)) {
      const [path, body] = asked('a', pattern);
      const spent = await costOfAwaited(async () => {
        expect([door, (await api.call('POST', path, { ...admin(), body })).status]).toEqual([door, 400]);
      });
      expect(spent).toBeLessThan(MUCH_MS);
    }
    for (const path of asking('a', pattern)) {
      const spent = await costOfAwaited(async () => {
        expect([path, (await api.call('GET', path, admin())).status]).toEqual([path, 400]);
      });
      expect(spent).toBeLessThan(MUCH_MS);
    }
  });
});

describe('a regular expression over the subjects of mail', () => {
  const letter = (subject: string) => ({ message_id: '<1@x>', from: 'a@x', subject, text: '', attachments: [] });

  it.each(HOSTILE)('%s takes time that grows with the subject', (pattern, text) => {
    const config = mail.config.parse({ address: 'alerts', dedup: `^(?:${pattern})$` });
    let key: string | undefined;
    const spent = costOf(() => {
      key = mail.normalise(letter(text), { name: 'mail', config, now: NOW }).events[0]?.dedup_key;
    });
    expect(spent).toBeLessThan(MUCH_MS);
    // It was tried, and did not match: the whole text would be the key.
    expect(key).not.toBe(text);
  });

  it.each(BROKEN)('is refused where it is %s', (pattern) => {
    expect(
      costOf(() => expect(mail.config.safeParse({ address: 'a', dedup: pattern }).success).toBe(false)),
    ).toBeLessThan(MUCH_MS);
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
      // The first time with one of ours: that the mapping works.
      expect(made.filter(({ title }) => title.startsWith('run '))).toHaveLength(ENTRIES);
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
