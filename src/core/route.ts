/** The route tree and the decision it makes about an event: which incidents it joins, or why nobody is told. */
import { type AllBesides, withBesides } from './besides.ts';
import type { Event, Labels, Severity } from './event.ts';
import { isSentLabel, isWorse, labelsOf, shiftSeverity, worseOf } from './event.ts';
import { holdsOf, quoted } from './holds.ts';
import { type Interval, isWithin } from './interval.ts';
import { labelValue, type Matcher, matcherText, matchesAll } from './match.ts';
import { type Owned, type OwnerOutcome, tellsOwner, userOf, withOwner } from './owner.ts';
import type { Policy } from './policy.ts';
import type { Silence } from './silence.ts';
import { toldInWords } from './told.ts';

export interface TypeGlob {
  pattern: string;
  test(type: string): boolean;
}

/** One node of the tree, complete: whatever it inherits has been filled in by config. */
export interface Route {
  /** Unique in the tree, ≤ 64 of [\w.-]; equal to `policy.route`. */
  name: string;
  matchers: Matcher[];
  /** Any of them has to match the event's type; absent: any type. */
  type?: TypeGlob[];
  /** Go on to the next sibling after this one has matched. */
  continue: boolean;
  /** Told only within one of these; empty: always. */
  active: Interval[];
  /** Not told within any of these. */
  mute: Interval[];
  /** Within the interval the severity is worse by `steps` (milder when negative). */
  severity_during: { interval: Interval; steps: number }[];
  /** On a lifecycle route these come besides the lifecycle label; where the owner is told, besides `user`. */
  group_by: string[] | 'all';
  policy: Policy;
  children: Route[];
}

/** While an alert matching `source` fires, alerts matching `target` with the same values for `equal` are not told. */
export interface Inhibition {
  name: string;
  source: Matcher[];
  target: Matcher[];
  equal: string[];
}

export interface Routing {
  routes: Route[];
  /** Takes what no route has taken. */
  fallback: Route;
  inhibitions: Inhibition[];
  /** Who is told besides an integration, by kind of event; absent: nobody. */
  besides?: AllBesides;
  /** Maintenance windows of the configuration. */
  maintenance?: readonly Silence[];
}

/** A firing alert that may inhibit others; `fingerprint_source` is its identityOf, `labels` its labelsOf. */
export interface FiringAlert {
  fingerprint_source: string;
  labels: Labels;
}

export type Taken =
  | {
      route: string;
      outcome: 'join';
      /** The grouping key: canonical JSON of the route's name and the group's pairs. One open incident per key. */
      key: string;
      group: Labels;
      /** After severity_during. */
      severity: Severity;
      /** With the owner's integrations in place of the word. */
      policy: Policy;
      /** What became of the word `owner`; absent where the route does not have it. */
      owner?: OwnerOutcome;
      why: string;
      /** Who would be told, and when, in words. */
      told: string;
    }
  | {
      route: string;
      outcome: 'muted' | 'inhibited' | 'silenced';
      reason: 'muted' | 'outside_active' | 'inhibited' | 'silenced';
      why: string;
    };

/** An event that a route takes and nobody is told of now, with what it would have joined. */
export interface HeldBack {
  held: Extract<Taken, { outcome: 'muted' | 'inhibited' | 'silenced' }>;
  /** Ids of silences, or the identity of the alert that inhibits it; none where the route's own times hold it. */
  by: string[];
  join: Extract<Taken, { outcome: 'join' }>;
}

export interface Tried {
  route: string;
  matched: boolean;
  why: string;
}

export interface Decision {
  routes: Taken[];
  /** The routes looked at, in order, the first 50. */
  tried: Tried[];
  /** Those of `routes` that are no join, in their order. */
  held: HeldBack[];
  /** The worst severity over the routes it joins; the sent one where it joins none. */
  severity: Severity;
}

/** How long a route told nobody of an event that it tells of now, and why. Times as ISO 8601. */
export interface WasHeld {
  outcome: HeldBack['held']['outcome'];
  why: string;
  from: string;
  until: string;
}

type Stored<T> = T extends { policy: Policy } ? Omit<T, 'policy'> & { held?: WasHeld } : T;

/** A decision as it is kept with the event: names, words and keys, no settings. */
export interface StoredDecision {
  routes: Stored<Taken>[];
  tried: Tried[];
  severity: Severity;
}

/** A decision is kept with every event: a tree of thousands of routes must not make thousands of lines of each. */
const TRIED_MAX = 50;
/**
 * What becomes of an event. The tree is read as Alertmanager reads its own: of siblings the first that matches wins unless
 * it says `continue`; the deepest matching children win over their parent; a parent none of whose children match takes the
 * event itself; what no route takes, the fallback takes. Matchers see the severity as sent, the group sees it after
 * severity_during. Then inhibitions, `active`, `mute` and silences are asked, in this order (Alertmanager's, notify.go).
 * A resolve is never held back by them: unlike in Alertmanager, what was told before a mute is also seen to end.
 * `owned` has the integrations of the event's user, where a route tells the owner.
 */
export function decide(
  event: Event,
  routing: Routing,
  firing: readonly FiringAlert[],
  now: Date,
  { owned = new Map(), silences = [] }: { owned?: Owned | undefined; silences?: readonly Silence[] } = {},
): Decision {
  const labels = labelsOf(event);
  const tried: Tried[] = [];
  const matching = matchingAmong(routing.routes, event, labels, tried);
  if (matching.length === 0) {
    const why = routing.routes.length === 0 ? 'there are no other routes' : 'no other route matched';
    note(tried, { route: routing.fallback.name, matched: true, why });
    matching.push({ route: routing.fallback, why });
  }
  const holds = event.status === 'firing' ? holdsOf(event, labels, routing, firing, now, silences) : () => undefined;
  const held: HeldBack[] = [];
  const routes = matching.map(({ route, why }): Taken => {
    const join = take(route, why, event, labels, now, { owned, besides: routing.besides });
    const hold = holds(route);
    if (!hold) return join;
    const { by, ...because } = hold;
    held.push({ held: { route: route.name, ...because }, by, join });
    return { route: route.name, ...because };
  });
  const joined = routes.flatMap((taken) => (taken.outcome === 'join' ? [taken.severity] : []));
  const severity = joined.reduce<Severity | undefined>(
    (worst, next) => (isWorse(next, worst) ? next : worst),
    undefined,
  );
  return { routes, tried, held, severity: severity ?? event.severity };
}

/** Whether a firing of this event could inhibit others: the caller keeps its labels as long as it fires. */
export function inhibits(event: Event, routing: Routing): boolean {
  const labels = labelsOf(event);
  return routing.inhibitions.some(({ source }) => matchesAll(source, labels));
}

/** The decision without the policies: small JSON to keep with the event. */
export function storedDecision(decision: Decision): StoredDecision {
  const routes = decision.routes.map((taken): Stored<Taken> => {
    if (taken.outcome !== 'join') return taken;
    const { policy: _, ...kept } = taken;
    return kept;
  });
  return { routes, tried: decision.tried, severity: decision.severity };
}

/** What was decided of an event, after one of its routes has told of it at last: `route` is what that route does now. */
export function withReleased(
  decision: StoredDecision,
  name: string,
  route: Stored<Extract<Taken, { outcome: 'join' }>>,
  held: WasHeld,
): StoredDecision {
  const why = `held back from ${held.from} to ${held.until} (${held.why}); told then: ${route.why}`;
  const routes = decision.routes.map((taken) => (taken.route === name ? { ...route, why, held } : taken));
  return { ...decision, routes, severity: worseOf(severityOf(decision), route.severity) ?? route.severity };
}

/** The worst over the routes that told of it; null where none did. */
const severityOf = ({ routes }: StoredDecision): Severity | null =>
  routes.reduce<Severity | null>(
    (worst, taken) => (taken.outcome === 'join' ? worseOf(worst, taken.severity) : worst),
    null,
  );

/** The decision in sentences: each route tried, then where the event goes, who would be told when, and why. */
export function explain(decision: Decision | StoredDecision): string[] {
  const lines = decision.tried.map(
    ({ route, matched, why }) => `route ${route}: ${matched ? 'matches' : 'does not match'}, ${why}`,
  );
  for (const taken of decision.routes) {
    if (taken.outcome === 'join') {
      lines.push(`route ${taken.route} takes it as ${taken.severity}: ${taken.why}`);
      lines.push(`it joins the incident with the key ${taken.key}`);
      lines.push(`told: ${taken.told}`);
    } else {
      lines.push(`route ${taken.route} tells nobody (${taken.reason}): ${taken.why}`);
    }
  }
  return lines;
}

/** The depth-first walk over siblings; the names of what was looked at go into `tried`. */
function matchingAmong(
  siblings: Route[],
  event: Event,
  labels: Labels,
  tried: Tried[],
): { route: Route; why: string }[] {
  const found: { route: Route; why: string }[] = [];
  for (const route of siblings) {
    const failed = whyNot(route, event, labels);
    const why = failed ?? whyMatched(route);
    note(tried, { route: route.name, matched: failed === undefined, why });
    if (failed !== undefined) continue;
    const deeper = matchingAmong(route.children, event, labels, tried);
    found.push(...(deeper.length > 0 ? deeper : [{ route, why }]));
    if (!route.continue) break;
  }
  return found;
}

function note(tried: Tried[], line: Tried): void {
  if (tried.length < TRIED_MAX) tried.push(line);
}

/** The first condition that does not hold, in words; undefined where all do. */
function whyNot(route: Route, event: Event, labels: Labels): string | undefined {
  if (route.type && !route.type.some(({ test }) => test(event.type))) {
    return `the type is ${quoted(event.type)}, not ${route.type.map(({ pattern }) => pattern).join(' or ')}`;
  }
  const failed = route.matchers.find(({ name, test }) => !test(labelValue(labels, name)));
  return failed && `${matcherText(failed)} does not hold: ${failed.name} is ${quoted(labelValue(labels, failed.name))}`;
}

function whyMatched({ type, matchers }: Route): string {
  const conditions = matchers.map(matcherText);
  if (type) conditions.unshift(`type ${type.map(({ pattern }) => pattern).join(' or ')}`);
  return conditions.length === 0
    ? 'it has no conditions'
    : `${conditions.join(' and ')} ${conditions.length > 1 ? 'hold' : 'holds'}`;
}

function take(
  route: Route,
  why: string,
  event: Event,
  labels: Labels,
  now: Date,
  { owned, besides }: { owned: Owned; besides: AllBesides | undefined },
): Extract<Taken, { outcome: 'join' }> {
  const during = route.severity_during.filter(({ interval }) => isWithin(interval, now));
  const severity = during.reduce((shifted, { steps }) => shiftSeverity(shifted, steps), event.severity);
  const { policy: own, owner, why: unowned } = withOwner(route.policy, userOf(event), owned);
  const wider = withBesides(own, event.type, besides);
  const { group, missing } = groupOf(route, { ...labels, severity }, event.incident, wider.besides);
  const reasons = [why];
  if (severity !== event.severity)
    reasons.push(
      `${event.severity} counts as ${severity} during ${during.map(({ interval }) => interval.name).join(', ')}`,
    );
  if (missing) reasons.push(`it has no label ${missing} to name its story, so its type does`);
  if (unowned !== undefined) reasons.push(unowned);
  if (wider.why !== undefined) reasons.push(wider.why);
  const policy = event.incident === undefined ? wider.policy : alone(wider.policy);
  if (event.incident !== undefined) reasons.push('it creates an incident of its own');
  const told = toldInWords(policy, severity, event.status, unowned);
  return {
    route: route.name,
    outcome: 'join',
    key: keyOf(route, group),
    group,
    severity,
    policy,
    ...(owner === undefined ? {} : { owner }),
    why: reasons.join('; '),
    told,
  };
}

/**
 * The labels an event is grouped by. `all` takes every label that has a value, each once, by our name for it; `status` is
 * never one of them, or a resolve would not find its firing. A lifecycle groups by the label that names the story, and
 * where that is missing by the type. Where the owner is told, no two users share an incident: each would hear of the other's.
 * What creates an incident is grouped by that incident's name as well, in place of a label of that name. An incident keeps
 * who it was opened to tell: news of which more are told does not join one of which they are not. A story stays one.
 */
function groupOf(
  route: Route,
  labels: Labels,
  incident: string | undefined,
  besides: readonly string[],
): { group: Labels; missing?: string } {
  const all = () =>
    Object.keys(labels).filter((name) => name !== 'status' && labels[name] !== '' && !isSentLabel(name));
  const names = route.group_by === 'all' ? all() : [...route.group_by];
  const { lifecycle } = route.policy;
  const missing = lifecycle !== undefined && labelValue(labels, lifecycle) === '' ? lifecycle : undefined;
  if (lifecycle !== undefined) names.push(missing === undefined ? lifecycle : 'type');
  if (tellsOwner(route.policy)) names.push('user');
  const pairs = [...new Set(names)].sort().map((name) => [name, labelValue(labels, name)] as const);
  const isMixed = besides.length > 0 && lifecycle === undefined && !names.includes('type');
  const group: Labels = {
    ...Object.fromEntries(pairs),
    ...(isMixed ? { besides: besides.join(' ') } : {}),
    ...(incident === undefined ? {} : { incident }),
  };
  return missing === undefined ? { group } : { group, missing };
}

/** Nothing else joins an incident that was created, so there is no group to wait for. */
const alone = (policy: Policy): Policy => ({ ...policy, group_wait_ms: 0 });

const keyOf = (route: Route, group: Labels): string =>
  JSON.stringify([route.name, ...Object.entries(group).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))]);
