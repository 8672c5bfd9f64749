/** From what the operator wrote to what `decide` reads: complete routes, inherited settings, every name looked up. */
import type { z } from 'zod';
import type { Interval } from '../core/interval.ts';
import { OWNER } from '../core/owner.ts';
import type { Failover, Level, Policy } from '../core/policy.ts';
import type { Inhibition, Route, Routing } from '../core/route.ts';
import { entriesOf, type Findings, listOf } from './check.ts';
import { maintenanceOf } from './maintenance.ts';
import { unknownName } from './problems.ts';
import { Default, Escalation, InhibitionEntry, IntervalEntry, Name, RouteEntry, type RouteWritten } from './schema.ts';
import type { Path } from './secrets.ts';

export interface Compiled {
  routing: Routing;
  warnings: string[];
}

/** The sections of the file that make up the routing, as written. */
export interface Written {
  escalations?: unknown;
  routes?: unknown;
  default?: unknown;
  inhibitions?: unknown;
  time_intervals?: unknown;
  maintenance?: unknown;
}

type Settings = Partial<z.output<typeof Default>> &
  Pick<RouteWritten, 'active' | 'mute' | 'severity_during' | 'lifecycle'>;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** K6: the backup has heard before 30 seconds have passed. */
const FAILOVER_AFTER_MS = 15_000;

/** An integration whose attempts are made so is not mentioned in the policy: core/policy.ts. */
const ORDINARY = { timeout_ms: 10_000, backoff_ms: 5_000 };

/** What a policy says of how attempts are made; undefined where they are made in the ordinary way. */
export function unusual({ timeout_ms, backoff_ms }: typeof ORDINARY): typeof ORDINARY | undefined {
  const isOrdinary = timeout_ms === ORDINARY.timeout_ms && backoff_ms === ORDINARY.backoff_ms;
  return isOrdinary ? undefined : { timeout_ms, backoff_ms };
}

/** What the routing has to know of integrations. */
export interface Targets {
  /** The problem with telling this one, which is named at `path`, in words; undefined where there is none. */
  problemWith(name: string, path: Path): string | undefined;
  patienceOf(name: string): { timeout_ms: number; backoff_ms: number } | undefined;
}

/** design.md section 7, `default`. */
const DEFAULTS = {
  group_by: ['service', 'type'],
  group_wait: 5 * MINUTE,
  group_count: 3,
  group_now: ['critical'],
  group_interval: 5 * MINUTE,
  repeat_interval: 4 * HOUR,
  notify: [],
  quiet: 24 * HOUR,
  tell_ack: true,
  tell_resolved: true,
} satisfies Settings;

/**
 * Compiles the routing. Children inherit every setting of their parent, routes at the top those of `default`; a route's own
 * setting replaces the inherited one whole.
 */
export function compileRouting(written: Written, targets: Targets, findings: Findings): Compiled {
  const intervals = intervalsOf(written.time_intervals, findings);
  const escalations = escalationsOf(written.escalations, targets, findings);
  const names = new Set<string>(['default']);
  const warnings: string[] = [];

  const { problemWith } = targets;
  const tellable = (names: string[] | undefined, path: Path): void => {
    names?.forEach((target, at) => {
      if (target === OWNER) return;
      const problem = problemWith(target, [...path, at]);
      if (problem) findings.note([...path, at], problem);
    });
  };

  const checkNames = ({ notify, failover, escalate, active, mute, severity_during }: Settings, path: Path): void => {
    tellable(notify, [...path, 'notify']);
    for (const [from, to] of failoversOf(failover)) {
      const at = [...path, 'failover', from];
      const problem =
        problemWith(from, at) ??
        problemWith(to, at) ??
        (from === to ? `${from} cannot stand in for itself` : undefined);
      if (problem) findings.note(at, problem);
    }
    if (escalate !== undefined && escalate !== 'none' && !escalations.has(escalate)) {
      findings.note([...path, 'escalate'], unknownName('escalation', escalate, escalations.keys()));
    }
    const named = { active, mute, severity_during: severity_during && Object.keys(severity_during) };
    for (const [field, list] of Object.entries(named)) {
      for (const name of list ?? []) {
        if (!intervals.has(name)) findings.note([...path, field], unknownName('time interval', name, intervals.keys()));
      }
    }
  };

  const toRoute = (entry: RouteWritten, place: string, path: Path, inherited: Settings): Route => {
    const { name = place, match = [], type, continue: goesOn, routes = [], ...own } = entry;
    if (names.has(name)) findings.note([...path, 'name'], `there is another route ${name}: names are unique`);
    names.add(name);
    checkNames(own, path);
    const settings = merged(inherited, own);
    const route = built(name, settings, intervals, escalations, targets);
    return {
      ...route,
      matchers: match,
      ...(type ? { type } : {}),
      continue: goesOn,
      children: siblings(
        routes.map((child, at) => toRoute(child, `${place}.${at}`, [...path, 'routes', at], settings)),
      ),
    };
  };

  /** A sibling behind one that takes everything is never reached. */
  const siblings = (routes: Route[]): Route[] => {
    const all = routes.findIndex((route) => route.matchers.length === 0 && !route.type && !route.continue);
    const unreached = all < 0 ? [] : routes.slice(all + 1);
    if (unreached.length > 0) {
      warnings.push(
        `route ${routes[all]?.name} takes everything, so ${unreached.map(({ name }) => name).join(', ')} behind it never will`,
      );
    }
    return routes;
  };

  const own =
    written.default === undefined || written.default === null
      ? {}
      : (findings.check(Default, written.default, ['default']) ?? {});
  checkNames(own, ['default']);
  const base = merged(DEFAULTS, own);
  const fallback = built('default', base, intervals, escalations, targets);

  const entries = listOf('routes', written.routes, findings).map((route, at) =>
    findings.check(RouteEntry, route, ['routes', at]),
  );
  const routes = siblings(
    entries.flatMap((entry, at) => (entry ? [toRoute(entry, String(at), ['routes', at], base)] : [])),
  );
  const inhibitions = inhibitionsOf(written.inhibitions, findings);
  const maintenance = maintenanceOf(written.maintenance, intervals, findings);
  return {
    routing: { routes, fallback, inhibitions, ...(maintenance.length > 0 ? { maintenance } : {}) },
    warnings,
  };
}

/** `own` over `inherited`. A story groups by its label alone unless the route that names the label says more. */
function merged(inherited: Settings, own: Settings): Settings {
  const written = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined)) as Settings;
  const story: Settings = own.lifecycle !== undefined ? { group_by: [] } : {};
  return { ...inherited, ...story, ...written };
}

function built(
  name: string,
  settings: Settings,
  intervals: Map<string, Interval>,
  escalations: Map<string, z.output<typeof Escalation>>,
  targets: Targets,
): Route {
  const { group_by, ...given } = { ...DEFAULTS, ...settings };
  const escalation = given.escalate === undefined ? undefined : escalations.get(given.escalate);
  const { after, only } = given.failover ?? {};
  const failover = failoversOf(given.failover).map(([from, to]): [string, Failover] => [
    from,
    { to, after_ms: after ?? FAILOVER_AFTER_MS, only: only ?? [] },
  ]);
  const policy: Policy = {
    route: name,
    notify: given.notify ?? [],
    group_wait_ms: given.group_wait ?? DEFAULTS.group_wait,
    group_count: given.group_count ?? DEFAULTS.group_count,
    group_now: given.group_now ?? [],
    group_interval_ms: given.group_interval ?? DEFAULTS.group_interval,
    repeat_interval_ms: given.repeat_interval ?? DEFAULTS.repeat_interval,
    failover: Object.fromEntries(failover),
    levels: (escalation?.levels ?? []).map(({ notify, wait }): Level => ({ notify, wait_ms: wait })),
    repeat: escalation?.repeat ?? 0,
    quiet_ms: given.quiet ?? DEFAULTS.quiet,
    tell_ack: given.tell_ack ?? true,
    tell_resolved: given.tell_resolved ?? true,
  };
  if (escalation?.ack_timeout !== undefined) policy.ack_timeout_ms = escalation.ack_timeout;
  if (given.lifecycle !== undefined) policy.lifecycle = given.lifecycle;
  const patience = patienceOf(policy, targets);
  if (Object.keys(patience).length > 0) policy.patience = patience;
  const found = (list: string[] | undefined) => (list ?? []).flatMap((interval) => intervals.get(interval) ?? []);
  return {
    name,
    matchers: [],
    continue: false,
    active: found(given.active),
    mute: found(given.mute),
    severity_during: Object.entries(given.severity_during ?? {}).flatMap(([interval, steps]) =>
      found([interval]).map((within) => ({ interval: within, steps })),
    ),
    group_by: group_by ?? DEFAULTS.group_by,
    policy,
    children: [],
  };
}

/** Everyone the policy may tell whose attempts are not made in the ordinary way: the workflow reads it, so it stays small. */
function patienceOf(
  { notify, levels, failover }: Policy,
  targets: Pick<Targets, 'patienceOf'>,
): NonNullable<Policy['patience']> {
  const names = [...notify, ...levels.flatMap((level) => level.notify), ...Object.values(failover).map(({ to }) => to)];
  const pairs = [...new Set(names)].flatMap((name) => {
    const own = unusual(targets.patienceOf(name) ?? ORDINARY);
    return own ? [[name, own] as const] : [];
  });
  return Object.fromEntries(pairs);
}

/** The routing with the patience of integrations that were not known when it was compiled. */
export function withPatience(routing: Routing, targets: Pick<Targets, 'patienceOf'>): Routing {
  const route = (one: Route): Route => {
    const patience = { ...one.policy.patience, ...patienceOf(one.policy, targets) };
    const policy = Object.keys(patience).length > 0 ? { ...one.policy, patience } : one.policy;
    return { ...one, policy, children: one.children.map(route) };
  };
  return { ...routing, routes: routing.routes.map(route), fallback: route(routing.fallback) };
}

/** The pairs of a failover, without the two words that are no integrations. */
const failoversOf = (failover: Settings['failover']): [string, string][] =>
  Object.entries(failover ?? {}).filter((pair): pair is [string, string] => pair[0] !== 'after' && pair[0] !== 'only');

function intervalsOf(value: unknown, findings: Findings): Map<string, Interval> {
  const intervals = new Map<string, Interval>();
  for (const [name, written] of entriesOf('time_intervals', value, findings)) {
    findings.check(Name, name, ['time_intervals', name]);
    const entry = findings.check(IntervalEntry, written, ['time_intervals', name]);
    // A wrong one is known by name all the same, or every route that uses it would be wrong as well.
    const parts = Object.entries(entry ?? { timezone: 'UTC' }).filter(([, part]) => part !== undefined);
    intervals.set(name, { name, ...Object.fromEntries(parts) } as Interval);
  }
  return intervals;
}

function escalationsOf(
  value: unknown,
  { problemWith }: Targets,
  findings: Findings,
): Map<string, z.output<typeof Escalation>> {
  const escalations = new Map<string, z.output<typeof Escalation>>();
  for (const [name, written] of entriesOf('escalations', value, findings)) {
    const path = ['escalations', name];
    if (name === 'none') findings.note(path, 'must not be called none, which stands for no escalation');
    findings.check(Name, name, path);
    const entry = findings.check(Escalation, written, path);
    escalations.set(name, entry ?? { levels: [], repeat: 0 });
    entry?.levels.forEach(({ notify }, level) => {
      if (notify.length === 0)
        findings.note(
          [...path, 'levels', level, 'notify'],
          'must name an integration: a level that tells nobody only delays the next',
        );
      notify.forEach((target, at) => {
        const problem = problemWith(target, [...path, 'levels', level, 'notify', at]);
        if (problem) findings.note([...path, 'levels', level, 'notify', at], problem);
      });
    });
  }
  return escalations;
}

function inhibitionsOf(value: unknown, findings: Findings): Inhibition[] {
  return listOf('inhibitions', value, findings).flatMap((written, at) => {
    const entry = findings.check(InhibitionEntry, written, ['inhibitions', at]);
    if (!entry) return [];
    for (const side of ['source', 'target'] as const) {
      if (entry[side].length === 0)
        findings.note(['inhibitions', at, side], 'must have at least one matcher: none would match every alert');
    }
    return [{ ...entry, name: entry.name ?? String(at) }];
  });
}
