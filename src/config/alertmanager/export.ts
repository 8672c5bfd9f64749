/** Our routing as an alertmanager.yml: what Alertmanager's API says its configuration is, and what amtool reads. */
import { Document } from 'yaml';
import { SEVERITIES, type Severity, severityOf, severityWords } from '../../core/event.ts';
import type { Interval } from '../../core/interval.ts';
import { type Matcher, matcherText } from '../../core/match.ts';
import type { Policy } from '../../core/policy.ts';
import type { Route, Routing } from '../../core/route.ts';
import { type Span, spansOf } from './spans.ts';

/** Neither character stands in a name of ours or means anything in a regular expression: amtool and Karma filter by one. */
const BETWEEN = '/';
const NOBODY = '@nobody';

/**
 * The receiver that a route with this policy has in Alertmanager's API: the integrations it tells, in notify and at any
 * level of its escalation, each once and in the order of the alphabet: `ops-slack`, `hook/ops-slack`; `@nobody` for none.
 * Two routes that tell the same ones have the same receiver.
 */
export function receiverOf({ notify, levels }: Pick<Policy, 'notify' | 'levels'>): string {
  const told = [...new Set([...notify, ...levels.flatMap((level) => level.notify)])].sort();
  return told.length === 0 ? NOBODY : told.join(BETWEEN);
}

const ABOUT = ` What Tocsin's routing is in Alertmanager's words: what amtool and other tools show and try out. It is made from
 tocsin.yaml, so changes belong there. Receivers are named after the integrations that they tell. Escalations, failover,
 lifecycles and shifted severities have no words here and are left out.`;

/**
 * A routing as the text of an alertmanager.yml that Alertmanager 0.25 and later load: the route tree with every setting
 * written out, receivers (names alone: no address and no secret), inhibitions and time intervals. For the labels of an
 * alert, `amtool config routes test` names the receivers that `decide` would tell. For that, `type` is written as
 * `alertname` and `severity` as all the words that count as one. Label names that Alertmanager 0.25 cannot have
 * (`k8s.pod`) are written with `_`.
 */
export function alertmanagerYamlOf({ routes, fallback, inhibitions }: Routing): string {
  const all = [fallback, ...routes.flatMap(withChildren)];
  const intervals = new Map(all.flatMap(({ active, mute }) => [...active, ...mute]).map((one) => [one.name, one]));
  const document = new Document({
    route: { ...settingsOf(fallback), routes: routes.map(routeOf) },
    receivers: [...new Set(all.map(({ policy }) => receiverOf(policy)))].map((name) => ({ name })),
    inhibit_rules: inhibitions.map(({ source, target, equal }) => ({
      source_matchers: source.flatMap(matcherOf),
      target_matchers: target.flatMap(matcherOf),
      equal: namesOf(equal),
    })),
    time_intervals: [...intervals.values()].map(intervalOf),
  });
  document.commentBefore = ABOUT;
  return document.toString({ lineWidth: 0 });
}

const withChildren = (route: Route): Route[] => [route, ...route.children.flatMap(withChildren)];

/** Alertmanager does not inherit time intervals, and everything else is written out: nothing is left to be inherited. */
function routeOf(route: Route): object {
  const { matchers, type, active, mute, children } = route;
  return {
    ...settingsOf(route),
    matchers: [...(type ? [typeMatcherOf(type.map(({ pattern }) => pattern))] : []), ...matchers.flatMap(matcherOf)],
    continue: route.continue,
    ...(active.length > 0 ? { active_time_intervals: active.map(({ name }) => name) } : {}),
    ...(mute.length > 0 ? { mute_time_intervals: mute.map(({ name }) => name) } : {}),
    ...(children.length > 0 ? { routes: children.map(routeOf) } : {}),
  };
}

function settingsOf({ policy, group_by }: Route): object {
  const story = policy.lifecycle === undefined ? [] : [policy.lifecycle];
  return {
    receiver: receiverOf(policy),
    group_by: group_by === 'all' ? ['...'] : namesOf([...group_by, ...story]),
    group_wait: durationOf(policy.group_wait_ms),
    group_interval: durationOf(policy.group_interval_ms),
    repeat_interval: durationOf(policy.repeat_interval_ms),
  };
}

const intervalOf = (interval: Interval): { name: string; time_intervals: Span[] } => ({
  name: interval.name,
  time_intervals: spansOf(interval),
});

/** What Alertmanager 0.25 takes for the name of a label: https://prometheus.io/docs/concepts/data_model */
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
function nameOf(name: string): string {
  const sent = name === 'type' ? 'alertname' : name.replace(/^labels\./, '');
  return LABEL_NAME.test(sent) ? sent : sent.replace(/[^a-zA-Z0-9_]/g, '_').replace(/^(?=\d|$)/, '_');
}
const namesOf = (names: readonly string[]): string[] => [...new Set(names.map(nameOf))];

/** Go keeps a duration in 64 bits of nanoseconds, 292 years: what is longer than one hundred is as good as never. */
const DURATION_MAX_MS = 36_500 * 86_400_000;
const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

function durationOf(ms: number): string {
  const whole = Math.min(ms, DURATION_MAX_MS);
  if (whole === 0) return '0s';
  const [unit, size] = UNITS.find(([, each]) => whole % each === 0) ?? ['ms', 1];
  return `${whole / size}${unit}`;
}

/** Escaped for RE2: https://github.com/google/re2/wiki/Syntax */
const literal = (text: string): string => text.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&');
const NEVER = '[^\\x00-\\x{10FFFF}]';

const typeMatcherOf = (globs: string[]): string =>
  matcherText({
    name: 'alertname',
    op: '=~',
    // An alert's name may hold any character, a line's end too.
    value: globs.map((glob) => glob.split('*').map(literal).join('(?s:.*)')).join('|'),
  });

function matcherOf(matcher: Matcher): string[] {
  const { name, op, value } = matcher;
  if (name === 'severity') return severityMatcherOf(matcher);
  // Routes are asked about what fires, and no sender of Prometheus has such a label.
  if (name === 'status' && matcher.test('firing')) return [];
  return [matcherText({ name: nameOf(name), op, value })];
}

/** Senders write `page` or `P0`: which of our four each word is has to be said. What is no word of ours counts as info. */
function severityMatcherOf({ test }: Matcher): string[] {
  const wordsOf = (severities: readonly Severity[]): string => {
    const words = severityWords().filter((word) => severities.some((one) => one === severityOf(word)));
    return `(?i:${words.join('|')})`;
  };
  const meant = SEVERITIES.filter((severity) => test(severity));
  const others = SEVERITIES.filter((severity) => !test(severity));
  if (others.length === 0) return [];
  if (meant.length === 0) return [matcherText({ name: 'severity', op: '=~', value: NEVER })];
  return [
    meant.includes('info')
      ? matcherText({ name: 'severity', op: '!~', value: wordsOf(others) })
      : matcherText({ name: 'severity', op: '=~', value: wordsOf(meant) }),
  ];
}
