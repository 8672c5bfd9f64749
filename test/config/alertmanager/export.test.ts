import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { alertmanagerYamlOf, receiverOf } from '../../../src/config/alertmanager/export.ts';
import { fromText, REGISTRY } from '../../../src/config/load.ts';
import { decide, type Routing } from '../../../src/core/route.ts';
import { alertEvent } from '../../support/alert-event.ts';
import { amtoolOn, hasAmtool } from '../../support/amtool.ts';

const INTEGRATIONS = { a: { type: 'stdout' }, b: { type: 'stdout' }, c: { type: 'stdout' } };
const routingOf = (written: object): Routing =>
  // JSON is YAML.
  fromText(JSON.stringify({ integrations: INTEGRATIONS, ...written }), 'tocsin.yaml', {}, REGISTRY).routing;
const receiversOf = (labels: Record<string, string>, routing: Routing): string[] =>
  decide(alertEvent(labels), routing, [], new Date('2026-11-20T12:00:00Z')).routes.map((taken) => {
    if (taken.outcome !== 'join') throw new Error(taken.why);
    return receiverOf(taken.policy);
  });

describe('a receiver', () => {
  it('is named after the integrations that hear, whatever their order, each once', () => {
    const levels = [
      { notify: ['ops'], wait_ms: 1 },
      { notify: ['boss'], wait_ms: 1 },
    ];
    expect(receiverOf({ notify: ['ops'], levels: [] })).toBe('ops');
    expect(receiverOf({ notify: ['ops', 'hook'], levels })).toBe('boss/hook/ops');
    expect(receiverOf({ notify: [], levels: [] })).toBe('@nobody');
  });
});

const FULL = {
  integrations: {
    ...INTEGRATIONS,
    hook: { type: 'webhook', url: 'https://x.example/secret-path', secret: 's3cret'.repeat(8) },
  },
  escalations: { call: { levels: [{ notify: ['c'] }] } },
  default: { group_by: ['service', 'type'], notify: ['a'] },
  routes: [
    {
      name: 'bad',
      match: ['severity="critical"', 'k8s.pod!=""'],
      notify: ['a', 'hook'],
      escalate: 'call',
      group_by: 'all',
    },
    { type: ['job_*', 'cron.*'], lifecycle: 'job', notify: [], active: ['night'] },
    {
      match: ['labels.severity=~"page|a\\"b"', 'status="firing"'],
      mute: ['xmas', 'late'],
      group_wait: '90s',
      repeat_interval: '90071992547409ms',
    },
    { match: ['severity!="nothing"', 'team=~"a.b|\\\\d+"'], notify: 'b', routes: [{ match: ['severity="bogus"'] }] },
  ],
  inhibitions: [
    { source: ['type="HostDown"'], target: ['severity=~"warning|info"'], equal: ['host', 'type', 'alertname'] },
  ],
  time_intervals: {
    night: { timezone: 'Asia/Seoul', weekdays: ['fri-sun'], times: ['22:00-06:00', '12:00-13:00', '20:00-24:00'] },
    xmas: { dates: ['2026-12-25', '2026-12-26'], weekdays: ['fri'], months: ['nov-feb'] },
    late: { months: ['nov-feb', '6'], days_of_month: ['-3--1', '1-7', '15'] },
  },
};

describe('our routing as an alertmanager.yml', () => {
  it('has the whole tree, every setting written out', () => {
    const { route, receivers, inhibit_rules } = parse(alertmanagerYamlOf(routingOf(FULL)));
    expect(route).toMatchObject({
      receiver: 'a',
      group_by: ['service', 'alertname'],
      group_wait: '5m',
      repeat_interval: '4h',
    });
    expect(route.routes).toMatchObject([
      { receiver: 'a/c/hook', group_by: ['...'], matchers: [expect.stringContaining('page'), 'k8s_pod!=""'] },
      { receiver: '@nobody', group_by: ['job'], matchers: ['alertname=~"job_(?s:.*)|cron\\\\.(?s:.*)"'] },
      { receiver: 'a', matchers: ['severity=~"page|a\\"b"'], group_wait: '90s', repeat_interval: '36500d' },
      { receiver: 'b', matchers: ['team=~"a.b|\\\\d+"'], routes: [{ receiver: 'b', continue: false }] },
    ]);
    expect(receivers).toEqual([{ name: 'a' }, { name: 'a/c/hook' }, { name: '@nobody' }, { name: 'b' }]);
    expect(inhibit_rules).toMatchObject([{ source_matchers: ['alertname="HostDown"'], equal: ['host', 'alertname'] }]);
  });

  it('splits what goes round: times at midnight, months at new year, dates one by one', () => {
    const { time_intervals } = parse(alertmanagerYamlOf(routingOf(FULL)));
    expect(time_intervals).toEqual([
      {
        name: 'night',
        time_intervals: [
          {
            location: 'Asia/Seoul',
            weekdays: ['friday:saturday', 'sunday'],
            times: [
              { start_time: '12:00', end_time: '13:00' },
              { start_time: '20:00', end_time: '24:00' },
              { start_time: '22:00', end_time: '24:00' },
            ],
          },
          {
            location: 'Asia/Seoul',
            weekdays: ['saturday', 'sunday:monday'],
            times: [{ start_time: '00:00', end_time: '06:00' }],
          },
        ],
      },
      {
        name: 'xmas',
        time_intervals: [{ location: 'UTC', days_of_month: ['25'], months: ['12'], years: ['2026'] }],
      },
      {
        name: 'late',
        time_intervals: [{ location: 'UTC', months: ['11:12', '1:2', '6'], days_of_month: ['-3:-1', '1:7', '15'] }],
      },
    ]);
  });

  it('holds no address and no secret', () => {
    const yaml = alertmanagerYamlOf(routingOf(FULL));
    expect(yaml).not.toMatch(/secret-path|s3cret|x\.example/);
  });

  it.runIf(hasAmtool)('is read by amtool, which shows the tree', () => {
    for (const written of [FULL, {}]) {
      const tool = amtoolOn(alertmanagerYamlOf(routingOf(written)));
      try {
        expect(tool.check()).toContain('SUCCESS');
        expect(tool.show()).toContain('receiver: ');
      } finally {
        tool.end();
      }
    }
  });
});

const WORDS = ['critical', 'page', 'P1', 'Warning', 'info', 'sev-1', ''];
const labels = fc.record(
  {
    team: fc.constantFrom('x', 'y', 'x.y'),
    alertname: fc.constantFrom('job_done', 'HostDown', 'job'),
    severity: fc.constantFrom(...WORDS),
  },
  { requiredKeys: ['alertname'] },
);
const matcher = fc.oneof(
  fc.constantFrom('team="x"', 'team!="x"', 'team=~"x|y"', 'team!~"x.*"', 'team=""', 'team=~".+"'),
  fc.constantFrom('type="HostDown"', 'type=~"job.*"', 'alertname!="job"'),
  fc.constantFrom(
    'severity="critical"',
    'severity!="info"',
    'severity=~"warning|info"',
    'severity="sev-1"',
    'labels.severity="page"',
  ),
);
const { tree } = fc.letrec<{ tree: object }>((tie) => ({
  tree: fc.record(
    {
      match: fc.array(matcher, { maxLength: 2 }),
      type: fc.constantFrom('job_*', '*o*', 'job'),
      continue: fc.boolean(),
      notify: fc.subarray(['a', 'b', 'c']),
      routes: fc.array(tie('tree'), { maxLength: 2, depthIdentifier: 'routes' }),
    },
    { requiredKeys: ['match'] },
  ),
}));

/** Each question is a process; so many cost a few seconds. */
const RUNS = 15;

describe('for the labels of an alert', () => {
  it.runIf(hasAmtool)('amtool names the receivers that our decision would tell', () => {
    fc.assert(
      fc.property(
        fc.array(tree, { maxLength: 4 }),
        fc.array(labels, { minLength: 4, maxLength: 4 }),
        (routes, alerts) => {
          const routing = routingOf({ default: { notify: ['a'] }, routes });
          const tool = amtoolOn(alertmanagerYamlOf(routing));
          try {
            for (const alert of alerts) expect(tool.receiversOf(alert)).toEqual(receiversOf(alert, routing));
          } finally {
            tool.end();
          }
        },
      ),
      { numRuns: RUNS },
    );
  });
});
