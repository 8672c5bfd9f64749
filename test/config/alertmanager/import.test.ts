import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { type Imported, importAlertmanager } from '../../../src/config/alertmanager/import.ts';
import { type Config, fromText, REGISTRY } from '../../../src/config/load.ts';
import type { Labels } from '../../../src/core/event.ts';
import { decide, type FiringAlert } from '../../../src/core/route.ts';
import { createRules } from '../../../src/egress/rules.ts';
import { alertEvent } from '../../support/alert-event.ts';
import { amtoolOn, hasAmtool } from '../../support/amtool.ts';
import { problemsIn } from '../../support/problems.ts';

const SAMPLES = new URL('../../samples/alertmanager-config/', import.meta.url);
const GOLDEN = new URL('../../golden/alertmanager-config/', import.meta.url);
const sample = (name: string): string => readFileSync(new URL(`${name}.yml`, SAMPLES), 'utf8');

const imported = (written: object | string): Imported =>
  importAlertmanager(typeof written === 'string' ? written : stringify(written), 'alertmanager.yml');

/** What stands in for a value that is somewhere else: any kind of field takes it. */
const STAND_INS: [RegExp, string][] = [
  [/ROUTING_KEY$/, 'a'.repeat(32)],
  [/URL$/, 'https://example.com/stand-in'],
  [/_(TO|FROM)$/, 'somebody@example.com'],
  [/CHANNEL$/, '#somewhere'],
  [/TELEGRAM.*TOKEN$/, `12345:${'a'.repeat(35)}`],
];
const standInFor = (name: string): string => STAND_INS.find(([pattern]) => pattern.test(name))?.[1] ?? 'stand-in';

/** As our own loader reads it once every variable is set, by the rules of the way out as well. */
function loaded({ yaml, variables }: Imported): Config {
  const env = Object.fromEntries(variables.map(({ name, value }) => [name, value ?? standInFor(name)]));
  return fromText(yaml, 'tocsin.yaml', env, { ...REGISTRY, reach: createRules });
}

const NOON = new Date('2026-11-20T12:00:00Z'); // a Friday
function taken(labels: Labels, { routing }: Config, { now = NOON, firing = [] as FiringAlert[] } = {}) {
  return decide(alertEvent(labels), routing, firing, now).routes;
}
const told = (labels: Labels, config: Config, now = NOON): string[][] =>
  taken(labels, config, { now }).flatMap((one) => (one.outcome === 'join' ? [one.policy.notify] : []));
const problemsOf = (written: object | string): string[] => problemsIn(() => imported(written));

/** A receiver `a` is the one integration `a`. */
const HOOKS = ['a', 'b', 'c', 'd'].map((name) => ({
  name,
  webhook_configs: [{ url: `https://example.com/${name}` }],
}));
const withRoutes = (routes: object[], more: object = {}) => ({
  route: { receiver: 'a', routes },
  receivers: HOOKS,
  ...more,
});

describe('an alertmanager.yml', () => {
  it.each(['teams', 'words', 'every-kind'])(
    'like %s becomes a tocsin.yaml that is loaded, and the notes beside it',
    (name) => {
      const result = imported(sample(name));
      const text = `${result.yaml}\n# Notes:\n${result.notes.map((note) => `# - ${note}\n`).join('')}`;
      const file = new URL(`${name}.yaml`, GOLDEN);
      if (process.env.GOLDEN === 'write') {
        mkdirSync(GOLDEN, { recursive: true });
        writeFileSync(file, text);
      }
      expect(existsSync(file), `no golden file ${name}.yaml: run with GOLDEN=write and read it`).toBe(true);
      expect(text).toBe(readFileSync(file, 'utf8'));
      expect(loaded(result).integrations.size).toBeGreaterThan(0);
    },
  );

  it.each(['teams', 'words', 'every-kind'])(
    'like %s gives no secret away, neither in the file nor in the notes',
    (name) => {
      expect(sample(name)).toContain('canary');
      const { yaml, notes, variables } = imported(sample(name));
      expect(yaml).not.toContain('canary');
      expect(notes.join('\n')).not.toContain('canary');
      expect(variables.map(({ about }) => about).join('\n')).not.toContain('canary');
      expect(variables.map(({ value }) => value).join('\n')).toContain('canary');
    },
  );

  it('groups, waits and repeats as there: what is not said is Alertmanager’s default, and children inherit', () => {
    const { routing } = loaded(
      imported(
        withRoutes([
          {
            receiver: 'b',
            group_by: ['...'],
            group_wait: '1s',
            routes: [{ match: { x: 'y' }, repeat_interval: '1y' }],
          },
        ]),
      ),
    );
    expect(routing.fallback).toMatchObject({
      group_by: [],
      policy: {
        group_wait_ms: 30_000,
        group_interval_ms: 300_000,
        repeat_interval_ms: 14_400_000,
        levels: [],
        group_now: [],
      },
    });
    expect(routing.fallback.policy.group_count).toBeGreaterThan(100_000);
    expect(routing.routes[0]?.children[0]).toMatchObject({
      group_by: 'all',
      policy: { notify: ['b'], group_wait_ms: 1_000, repeat_interval_ms: 365 * 86_400_000 },
    });
  });

  it('mutes a route and not its children, which inherit no times there', () => {
    const config = loaded(
      imported(
        withRoutes(
          [
            {
              match: { team: 'x' },
              receiver: 'b',
              mute_time_intervals: ['fridays'],
              active_time_intervals: ['fridays', 'late'],
              routes: [{ match: { deep: 'y' }, routes: [{ match: { deeper: 'y' }, mute_time_intervals: ['late'] }] }],
            },
          ],
          {
            time_intervals: [
              { name: 'fridays', time_intervals: [{ weekdays: ['friday'] }] },
              { name: 'late', time_intervals: [{ times: [{ start_time: '20:00', end_time: '24:00' }] }] },
            ],
          },
        ),
      ),
    );
    const late = new Date('2026-11-20T23:59:00Z');
    expect(taken({ team: 'x' }, config)).toMatchObject([{ outcome: 'muted', reason: 'muted' }]);
    expect(taken({ team: 'x' }, config, { now: new Date('2026-11-19T12:00:00Z') })).toMatchObject([
      { outcome: 'muted', reason: 'outside_active' },
    ]);
    expect(told({ team: 'x', deep: 'y' }, config, late)).toEqual([['b']]);
    expect(told({ team: 'x', deep: 'y', deeper: 'y' }, config)).toEqual([['b']]);
    expect(told({ team: 'x', deep: 'y', deeper: 'y' }, config, late)).toEqual([]);
  });

  it('keeps the words of severities apart where it speaks of others than our four, and our fields apart from labels', () => {
    const config = loaded(imported(sample('words')));
    expect(told({ alertname: 'x', severity: 'page' }, config)).toEqual([['pager']]);
    expect(told({ alertname: 'x', severity: 'critical' }, config)).toEqual([['desk']]);
    expect(told({ alertname: 'x', source: 'edge-1' }, config)).toEqual([
      ['desk-and-pager-discord', 'desk-and-pager-telegram'],
    ]);
    expect(told({ alertname: 'x', source: 'edge-1', status: 'test' }, config)).toEqual([['desk']]);
  });

  it('inhibits by the same rules', () => {
    const config = loaded(imported(sample('teams')));
    const down = { alertname: 'ClusterDown', cluster: 'eu' };
    const firing = [{ fingerprint_source: 'other', labels: { ...down, type: 'ClusterDown' } }];
    const node = { alertname: 'NodeGone', cluster: 'eu' };
    expect(taken(node, config, { firing })).toMatchObject([{ outcome: 'inhibited' }]);
    expect(taken({ ...node, cluster: 'us' }, config, { firing })).toMatchObject([{ outcome: 'join' }]);
  });

  it('tells the end only where a receiver wants it', () => {
    const { routing } = loaded(
      imported({
        route: {
          receiver: 'quiet',
          routes: [{ receiver: 'loud', match: { a: 'b' }, routes: [{ match: { c: 'd' }, receiver: 'quiet' }] }],
        },
        receivers: [
          { name: 'quiet', slack_configs: [{ api_url: 'https://hooks.slack.com/services/x' }] },
          { name: 'loud', slack_configs: [{ api_url: 'https://hooks.slack.com/services/x', send_resolved: true }] },
        ],
      }),
    );
    expect(routing.fallback.policy.tell_resolved).toBe(false);
    expect(routing.routes[0]?.policy.tell_resolved).toBe(true);
    expect(routing.routes[0]?.children[0]?.policy.tell_resolved).toBe(false);
  });

  it('takes a text that looks like a variable for what it is', () => {
    const path = `\${HOME}$$`;
    const config = loaded(imported(withRoutes([{ match: { path }, receiver: 'b' }])));
    expect(told({ path }, config)).toEqual([['b']]);
  });

  it('that is wrong is refused with every problem at once', () => {
    expect(problemsOf('')).toEqual([expect.stringMatching(/mapping with route and receivers/)]);
    expect(problemsOf('a: [')).toHaveLength(1);
    expect(problemsOf({ receivers: [] })).toEqual([expect.stringMatching(/^route is missing/)]);
    expect(
      problemsOf({
        route: {
          receiver: 'nobody',
          routes: [{ matchers: ['a==="b'], group_wait: 'soon', mute_time_intervals: ['never'] }],
        },
        inhibit_rules: [{ source_matchers: ['='] }],
        time_intervals: [{ name: 'x', time_intervals: [{ weekdays: ['someday'] }] }],
      }),
    ).toEqual([
      expect.stringMatching(/^time interval "x", entry 0: "someday" is not a weekday/),
      'route.receiver: there is no receiver "nobody"',
      expect.stringMatching(/^route\.routes\[0\]: matcher "a===\\"b"/),
      expect.stringMatching(/^route\.routes\[0\]\.group_wait: "soon" is no duration/),
      'route.routes[0]: there is no time interval "never"',
      expect.stringMatching(/^inhibit_rules\[0\]: matcher "="/),
    ]);
  });

  it('names whom nobody tells any more, and what an address may not hold', () => {
    const { notes } = imported({
      route: { receiver: '__proto__' },
      receivers: [
        { name: '__proto__', victorops_configs: [{ api_key: 'canary' }] },
        { name: 'b', webhook_configs: [{ url: 'https://me:canary@example.com/' }] },
      ],
    });
    expect(notes.join('\n')).not.toContain('canary');
    expect(notes).toEqual([
      expect.stringMatching(/victorops_configs\[0\] is left out: .*Apprise/),
      expect.stringContaining('receiver "__proto__" tells NOBODY now'),
      expect.stringMatching(/webhook_configs\[0\]: its address holds a user and a password/),
    ]);
  });

  it('whose expressions are none is named as what is still to be mended', () => {
    const { notes } = imported(withRoutes([{ match_re: { a: '(' } }]));
    expect(notes).toEqual([
      expect.stringMatching(/^to be mended in tocsin\.yaml, line \d+, routes\[0\]\.match\[0\]: .*regular expression/),
    ]);
  });
});

const VALUES = ['x', 'y', 'x y', 'x,y', 'x"y', '', 'warning', 'page', 'critical'];
const name = fc.constantFrom('team', 'alertname', 'severity', 'type', 'source', 'service');
const label = fc.tuple(name, fc.constantFrom(...VALUES));
const expression = fc.constantFrom('x|y', 'x.*', '.+', '', '(x|page)', 'warning|critical', '.*,.*');
const matcher = fc.oneof(
  fc.record({ match: fc.dictionary(name, fc.constantFrom(...VALUES), { maxKeys: 2 }) }),
  fc.record({ match_re: fc.dictionary(name, expression, { maxKeys: 2 }) }),
  fc.record({
    matchers: fc.array(
      fc
        .oneof(
          fc.tuple(name, fc.constantFrom('=', '!='), fc.constantFrom(...VALUES)),
          fc.tuple(name, fc.constantFrom('=~', '!~'), expression),
        )
        .chain(([one, op, value]) =>
          fc.constantFrom(
            `${one}${op}${JSON.stringify(value)}`,
            ` ${one} ${op} ${JSON.stringify(value)} `,
            `{${one}${op}${JSON.stringify(value)}}`,
          ),
        ),
      { maxLength: 2 },
    ),
  }),
);
const { route } = fc.letrec<{ route: object }>((tie) => ({
  route: fc
    .tuple(
      matcher,
      fc.record(
        {
          receiver: fc.constantFrom('a', 'b', 'c', 'd'),
          continue: fc.boolean(),
          routes: fc.array(tie('route'), { maxLength: 3, depthIdentifier: 'routes' }),
        },
        { requiredKeys: [] },
      ),
    )
    .map(([matching, rest]) => ({ ...matching, ...rest })),
}));

/** Each question is a process; so many cost some seconds. */
const RUNS = 15;

describe('for the labels of an alert', () => {
  it.runIf(hasAmtool)('Alertmanager names the receivers that are told here', () => {
    fc.assert(
      fc.property(
        fc.array(route, { minLength: 1, maxLength: 5 }),
        fc.array(
          fc.array(label, { maxLength: 5 }).map((pairs) => Object.fromEntries(pairs)),
          { minLength: 4, maxLength: 4 },
        ),
        (routes, alerts) => {
          // A matcher on a word of its own keeps severities as they were sent, whatever the others say.
          const text = stringify(withRoutes([...routes, { match: { severity: 'word' } }]));
          const config = loaded(imported(text));
          const tool = amtoolOn(text);
          try {
            for (const alert of alerts) {
              const labels = { probe: '1', ...alert };
              expect(told(labels, config).flat()).toEqual(tool.receiversOf(labels));
            }
          } finally {
            tool.end();
          }
        },
      ),
      { numRuns: RUNS },
    );
  });

  it.runIf(hasAmtool)('Alertmanager agrees about the samples', () => {
    const alerts: Labels[] = [
      { alertname: 'Watchdog', severity: 'info' },
      { alertname: 'NodeGone', team: 'payments', severity: 'critical', environment: 'live' },
      { alertname: 'NodeGone', team: 'payments', severity: 'critical', environment: 'test' },
      { alertname: 'Slow', team: 'payments', severity: 'warning' },
      { alertname: 'DiskFull', team: 'storage', severity: 'error' },
      { alertname: 'DiskFull', team: 'storage', severity: 'warning', device: 'sda' },
      { alertname: 'DiskFull', team: 'storage', severity: 'warning', device: 'nvme0' },
      { alertname: 'Other' },
    ];
    const text = sample('teams');
    const tool = amtoolOn(text);
    const config = loaded(imported(text));
    // Receivers of one integration have its name, and those of several begin theirs with it.
    const receiver = (notify: string[]): string => notify[0]?.replace(/-(pagerduty|telegram)$/, '') ?? 'null';
    try {
      expect(tool.check()).toContain('SUCCESS');
      for (const labels of alerts) expect(told(labels, config).map(receiver)).toEqual(tool.receiversOf(labels));
    } finally {
      tool.end();
    }
  });
});
