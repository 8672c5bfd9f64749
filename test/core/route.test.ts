import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Event, identityOf, labelsOf } from '../../src/core/event.ts';
import { type Interval, parseTimes } from '../../src/core/interval.ts';
import { globTest, parseMatcher } from '../../src/core/match.ts';
import type { Policy } from '../../src/core/policy.ts';
import { decide, explain, inhibits, type Route, type Routing, storedDecision } from '../../src/core/route.ts';

const NOW = new Date('2026-11-20T05:00:00Z'); // 14:00 in Seoul
const HOURS: Interval = { name: 'krx-hours', timezone: 'Asia/Seoul', times: [parseTimes('08:30-17:00')] };
const NIGHT: Interval = { name: 'night', timezone: 'Asia/Seoul', times: [parseTimes('22:00-06:00')] };

const matcher = (text: string) =>
  parseMatcher(text, (pattern) => {
    const expression = new RegExp(`^(?:${pattern})$`);
    return (value) => expression.test(value);
  });

const event = (given: Partial<Event> = {}): Event => ({
  id: 'e1',
  source: 'trader',
  type: 'order_failed',
  title: 'Order failed',
  severity: 'error',
  components: [],
  labels: {},
  assignees: [],
  links: [],
  status: 'firing',
  ...given,
});

const policy = (route: string, given: Partial<Policy> = {}): Policy => ({
  route,
  notify: ['ops'],
  group_wait_ms: 300_000,
  group_count: 3,
  group_now: ['critical'],
  group_interval_ms: 300_000,
  repeat_interval_ms: 14_400_000,
  failover: {},
  levels: [],
  repeat: 0,
  quiet_ms: 86_400_000,
  tell_ack: true,
  tell_resolved: true,
  ...given,
});

type Given = Partial<Omit<Route, 'matchers' | 'policy'>> & { match?: string[]; policy?: Partial<Policy> };
const route = (name: string, { match = [], policy: settings = {}, ...given }: Given = {}): Route => ({
  name,
  matchers: match.map(matcher),
  continue: false,
  active: [],
  mute: [],
  severity_during: [],
  group_by: ['service', 'type'],
  policy: policy(name, settings),
  children: [],
  ...given,
});
const routing = (routes: Route[], more: Partial<Routing> = {}): Routing => ({
  routes,
  fallback: route('default'),
  inhibitions: [],
  ...more,
});
const taken = (sent: Event, tree: Routing, now = NOW) => decide(sent, tree, [], now).routes;
const joined = (sent: Event, tree: Routing, now = NOW) => {
  const [first] = taken(sent, tree, now);
  if (first?.outcome !== 'join') throw new Error(`expected to join, not ${JSON.stringify(first)}`);
  return first;
};

describe('the tree', () => {
  it('gives an event to the first sibling that matches', () => {
    const tree = routing([route('a', { match: ['severity="critical"'] }), route('b'), route('c')]);
    expect(taken(event(), tree).map((one) => one.route)).toEqual(['b']);
  });

  it('gives what no route takes to the default', () => {
    expect(taken(event(), routing([route('a', { match: ['source="other"'] })])).map((one) => one.route)).toEqual([
      'default',
    ]);
  });

  it('prefers the deepest match, and the parent where no child matches', () => {
    const parent = route('a', { children: [route('a.0', { match: ['severity="critical"'] })] });
    expect(taken(event({ severity: 'critical' }), routing([parent])).map((one) => one.route)).toEqual(['a.0']);
    expect(taken(event(), routing([parent])).map((one) => one.route)).toEqual(['a']);
  });

  it('goes on where a route says continue', () => {
    expect(
      taken(event(), routing([route('a', { continue: true }), route('b'), route('c')])).map((one) => one.route),
    ).toEqual(['a', 'b']);
  });

  it('matches types by glob', () => {
    const glob = (pattern: string) => ({ pattern, test: globTest(pattern) });
    const tree = routing([route('users', { type: [glob('user_*'), glob('user:*')] })]);
    expect(taken(event({ type: 'user:registered' }), tree)[0]?.route).toBe('users');
    expect(taken(event({ type: 'users' }), tree)[0]?.route).toBe('default');
  });

  it('agrees with the plain definition on any tree', () => {
    // A node is reached when its parent is reached and matches, and no earlier sibling matched without continue.
    // It takes the event when it is reached and matches, and none of its children match.
    interface Node {
      matches: boolean;
      goesOn: boolean;
      children: Node[];
    }
    const { node } = fc.letrec<{ node: Node }>((tie) => ({
      node: fc.record({
        matches: fc.boolean(),
        goesOn: fc.boolean(),
        children: fc.oneof({ maxDepth: 3 }, fc.constant<Node[]>([]), fc.array(tie('node'), { maxLength: 3 })),
      }),
    }));
    const build = (at: Node, name: string): Route =>
      route(name, {
        match: [at.matches ? 'source="trader"' : 'source="other"'],
        continue: at.goesOn,
        children: at.children.map((child, index) => build(child, `${name}.${index}`)),
      });
    const expected = (siblings: Node[], prefix: string): string[] =>
      siblings.flatMap((at, index) => {
        const isReached = !siblings.slice(0, index).some((earlier) => earlier.matches && !earlier.goesOn);
        if (!isReached || !at.matches) return [];
        const name = `${prefix}${index}`;
        return at.children.some((child) => child.matches) ? expected(at.children, `${name}.`) : [name];
      });
    fc.assert(
      fc.property(fc.array(node, { maxLength: 4 }), (nodes) => {
        const tree = routing(nodes.map((at, index) => build(at, String(index))));
        const names = expected(nodes, '');
        expect(taken(event(), tree).map((one) => one.route)).toEqual(names.length > 0 ? names : ['default']);
      }),
    );
  });
});

describe('the grouping key', () => {
  it('is the route and the sorted values of group_by', () => {
    const one = joined(
      event({ service: 'checkout' }),
      routing([route('a', { group_by: ['type', 'host', 'service'] })]),
    );
    expect(one.key).toBe('["a",["host",""],["service","checkout"],["type","order_failed"]]');
    expect(one.group).toEqual({ host: '', service: 'checkout', type: 'order_failed' });
  });

  it('takes every label but the status for group_by all, so that a resolve finds its firing', () => {
    const tree = routing([route('a', { group_by: 'all' })]);
    const firing = joined(event({ labels: { host: 'web-1' } }), tree);
    expect(Object.keys(firing.group)).toEqual(['host', 'severity', 'source', 'type']);
    expect(joined(event({ labels: { host: 'web-1' }, status: 'resolved' }), tree).key).toBe(firing.key);
  });

  it('takes a label that hides another once for group_by all, and the sender’s own word where it is asked for', () => {
    const paged = event({ severity: 'critical', labels: { severity: 'page' } });
    const all = joined(paged, routing([route('a', { group_by: 'all' })]));
    expect(Object.keys(all.group)).toEqual(['severity', 'source', 'type']);
    const own = route('a', { group_by: ['labels.severity'], match: ['labels.severity="page"'] });
    expect(joined(paged, routing([own])).group).toEqual({ 'labels.severity': 'page' });
  });

  it('sees the severity after severity_during', () => {
    const tree = routing([route('a', { group_by: ['severity'], severity_during: [{ interval: HOURS, steps: 1 }] })]);
    expect(joined(event(), tree)).toMatchObject({ severity: 'critical', group: { severity: 'critical' } });
    expect(joined(event(), tree, new Date('2026-11-20T12:00:00Z'))).toMatchObject({
      severity: 'error',
      group: { severity: 'error' },
    });
    expect(decide(event(), tree, [], NOW).severity).toBe('critical');
    expect(joined(event(), tree).why).toContain('error counts as critical during krx-hours');
  });

  it('of a lifecycle is the label that names the story, or the type where it is missing', () => {
    const tree = routing([route('jobs', { group_by: [], policy: { lifecycle: 'job' } })]);
    expect(joined(event({ labels: { job: 'prices' } }), tree).key).toBe('["jobs",["job","prices"]]');
    const missing = joined(event(), tree);
    expect(missing.key).toBe('["jobs",["type","order_failed"]]');
    expect(missing.why).toContain('no label job');
  });

  it('of what creates an incident has its name, so that no two share one, and nothing is waited for', () => {
    const here = { routes: [], fallback: route('default', { group_by: ['service'] }), inhibitions: [] };
    const taken = (given: Partial<Event>) => decide(event({ service: 'shop', ...given }), here, [], NOW).routes[0];
    const created = taken({ incident: 'sentinel/a' });
    expect(created).toMatchObject({
      key: '["default",["incident","sentinel/a"],["service","shop"]]',
      policy: { group_wait_ms: 0 },
      told: expect.stringContaining('at once'),
    });
    expect(created).not.toMatchObject({ key: (taken({ incident: 'sentinel/b' }) as { key: string }).key });
    expect(taken({ labels: { incident: 'sentinel/a' } })).toMatchObject({
      key: '["default",["service","shop"]]',
      policy: { group_wait_ms: 300_000 },
    });
  });
});

describe('what holds an event back', () => {
  it('is being outside of every active interval', () => {
    const tree = routing([route('a', { active: [NIGHT] })]);
    expect(taken(event(), tree)).toEqual([
      { route: 'a', outcome: 'muted', reason: 'outside_active', why: 'now is outside of night (Asia/Seoul)' },
    ]);
    expect(taken(event(), routing([route('a', { active: [NIGHT, HOURS] })]))[0]?.outcome).toBe('join');
  });

  it('is being within a mute interval', () => {
    expect(taken(event(), routing([route('a', { mute: [HOURS] })]))[0]).toMatchObject({
      outcome: 'muted',
      reason: 'muted',
    });
  });

  it('is never a mute for a resolve: what was told is seen to end', () => {
    expect(
      taken(event({ status: 'resolved' }), routing([route('a', { mute: [HOURS], active: [NIGHT] })]))[0]?.outcome,
    ).toBe('join');
  });

  const down = {
    name: 'down',
    source: [matcher('type="host_down"')],
    target: [matcher('severity=~"warning|error"')],
    equal: ['host'],
  };
  const tree = routing([], { inhibitions: [down] });
  const firing = (sent: Event) => ({ fingerprint_source: identityOf(sent), labels: labelsOf(sent) });
  const host = event({ type: 'host_down', title: 'Host unreachable', severity: 'critical', labels: { host: 'web-1' } });

  it('is a firing alert that inhibits it, with equal labels', () => {
    const sent = event({ labels: { host: 'web-1' } });
    expect(decide(sent, tree, [firing(host)], NOW).routes).toEqual([
      {
        route: 'default',
        outcome: 'inhibited',
        reason: 'inhibited',
        why: 'inhibition down: "host_down" is firing with the same host "web-1"',
      },
    ]);
    expect(decide(event({ labels: { host: 'web-2' } }), tree, [firing(host)], NOW).routes[0]?.outcome).toBe('join');
    expect(decide(sent, tree, [], NOW).routes[0]?.outcome).toBe('join');
  });

  it('is neither itself nor another alert that matches both sides', () => {
    const both = event({ type: 'host_down', severity: 'error', labels: { host: 'web-1' } });
    const other = event({ type: 'host_down', severity: 'error', title: 'Host down too', labels: { host: 'web-1' } });
    expect(decide(both, tree, [firing(both)], NOW).routes[0]?.outcome).toBe('join');
    expect(decide(both, tree, [firing(other)], NOW).routes[0]?.outcome).toBe('join');
    expect(decide(both, tree, [firing(host)], NOW).routes[0]?.outcome).toBe('inhibited');
  });

  it('is known beforehand: an event inhibits when it matches a source', () => {
    expect(inhibits(host, tree)).toBe(true);
    expect(inhibits(event(), tree)).toBe(false);
  });
});

describe('the words', () => {
  const levels = [
    { notify: ['ops'], wait_ms: 300_000 },
    { notify: ['boss'], wait_ms: 600_000 },
  ];
  const failover = { ops: { to: 'mail', after_ms: 15_000, only: ['critical' as const] } };
  const tree = routing([route('a', { match: ['source="trader"'], policy: { levels, failover, repeat: 2 } })]);

  it('say who is told when', () => {
    expect(joined(event(), tree).told).toBe(
      'ops after 5 min, or when 3 alerts have come, or at once when one is critical; unanswered 5 min later: level 2, boss; then up to 2 more rounds through the levels; again every 4 h while it stays open',
    );
    expect(joined(event({ severity: 'critical' }), tree).told).toContain(
      'ops at once, because critical is in group_now; mail if ops has not delivered within 15 s',
    );
    expect(joined(event(), routing([route('a', { policy: { notify: [] } })])).told).toMatch(/^nobody/);
  });

  it('explain each route tried, the one taken, the key and who is told', () => {
    const lines = explain(
      decide(event(), routing([route('a', { match: ['severity="critical"'] }), route('b')]), [], NOW),
    );
    expect(lines).toEqual([
      'route a: does not match, severity="critical" does not hold: severity is "error"',
      'route b: matches, it has no conditions',
      'route b takes it as error: it has no conditions',
      'it joins the incident with the key ["b",["service",""],["type","order_failed"]]',
      expect.stringMatching(/^told: ops after 5 min/),
    ]);
  });

  it('are kept with the event without the settings, and stay few in a large tree', () => {
    const many = routing(Array.from({ length: 500 }, (_, at) => route(String(at), { match: ['source="other"'] })));
    const decision = decide(event(), many, [], NOW);
    const kept = storedDecision(decision);
    expect(kept.tried).toHaveLength(50);
    expect(kept.routes[0]).toMatchObject({ route: 'default', outcome: 'join' });
    expect(kept.routes[0]).not.toHaveProperty('policy');
    expect(JSON.parse(JSON.stringify(kept))).toEqual(kept);
    expect(explain(kept)).toEqual(explain(decision));
  });
});
