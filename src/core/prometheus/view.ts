/** What Alertmanager's API shows of posted alerts: their state, their receivers, and their groups. */
import { type Event, identityOf, type Labels, labelsOf } from '../event.ts';
import { inhibitorOf } from '../holds.ts';
import { isWithin } from '../interval.ts';
import type { Matcher } from '../match.ts';
import type { Policy } from '../policy.ts';
import { decide, type FiringAlert, type Route, type Routing } from '../route.ts';
import { passes } from './filter.ts';
import { compareInGroup, compareLabels, fingerprintOf, inByteOrder } from './labels.ts';
import type { Posted } from './posted.ts';

/** A posted alert that has not ended, and the event that the pipeline makes of it. */
export interface Standing {
  posted: Posted;
  fingerprint: string;
  event: Event;
}

/** What the pipeline goes by. */
export interface Pipeline {
  routing: Routing;
  /** The firing alerts that may inhibit others. */
  firing: readonly FiringAlert[];
  /** The ids of all silences that are active and match these labels, which are an event's labelsOf. */
  silencedBy(labels: Labels): string[];
  receiverOf(policy: Policy): string;
  now: Date;
}

/** False hides what is in that state; the default shows all. */
export interface Shown {
  active: boolean;
  silenced: boolean;
  inhibited: boolean;
  muted: boolean;
  filter: readonly Matcher[];
  /** Of a receiver's name. */
  receiver?: (name: string) => boolean;
}

/** An alert as prometheus/alertmanager, api/v2/openapi.yaml describes it: gettableAlert. */
interface AlertView {
  annotations: Labels;
  endsAt: string;
  fingerprint: string;
  receivers: { name: string }[];
  startsAt: string;
  status: { inhibitedBy: string[]; mutedBy: string[]; silencedBy: string[]; state: 'active' | 'suppressed' };
  updatedAt: string;
  generatorURL?: string;
  labels: Labels;
}

interface GroupView {
  alerts: AlertView[];
  labels: Labels;
  receiver: { name: string };
}

interface Place {
  key: string;
  route: Route;
  labels: Labels;
  receiver: string;
}

/** The alerts that are asked for, by fingerprint; the receivers of each in the order of the routes. */
export function alertsOf(standing: readonly Standing[], pipeline: Pipeline, shown: Shown): AlertView[] {
  const see = viewer(standing, pipeline);
  return standing
    .map((alert) => see(alert))
    .filter(
      ({ view, places }) => isShown(view, shown) && places.some(({ receiver }) => shown.receiver?.(receiver) ?? true),
    )
    .map(({ view }) => view)
    .sort((a, b) => inByteOrder(a.fingerprint, b.fingerprint));
}

/**
 * The groups that have alerts that are asked for; an alert of several routes is in several of them, and names the receivers
 * of all that are asked for.
 */
export function groupsOf(standing: readonly Standing[], pipeline: Pipeline, shown: Shown): GroupView[] {
  const see = viewer(standing, pipeline);
  const groups = new Map<string, GroupView>();
  for (const alert of standing) {
    const { view, places } = see(alert);
    if (!isShown(view, shown)) continue;
    const wanted = places.filter(({ receiver }) => shown.receiver?.(receiver) ?? true);
    const receivers = namesOf(wanted.map(({ receiver }) => receiver).sort(inByteOrder));
    for (const { key, route, labels, receiver } of wanted) {
      const mutedBy = mutingOf(route, pipeline.now);
      if (mutedBy.length > 0 && !shown.muted) continue;
      const group = groups.get(key) ?? { alerts: [], labels, receiver: { name: receiver } };
      groups.set(key, group);
      const state = mutedBy.length > 0 ? 'suppressed' : view.status.state;
      group.alerts.push({ ...view, receivers, status: { ...view.status, mutedBy, state } });
    }
  }
  for (const { alerts } of groups.values()) alerts.sort((a, b) => compareInGroup(a.labels, b.labels));
  return [...groups.values()].sort(
    (a, b) => compareLabels(a.labels, b.labels) || inByteOrder(a.receiver.name, b.receiver.name),
  );
}

/** The receivers of a routing, each once, in the order in which they are written. */
export function receiversOf({ routes, fallback }: Routing, receiverOf: Pipeline['receiverOf']): { name: string }[] {
  return namesOf([fallback, ...routes.flatMap(withChildren)].map(({ policy }) => receiverOf(policy)));
}

/** Each once. */
const namesOf = (names: readonly string[]): { name: string }[] => [...new Set(names)].map((name) => ({ name }));

const isShown = ({ status, labels }: AlertView, { active, silenced, inhibited, filter }: Shown): boolean =>
  (active || status.state !== 'active') &&
  (silenced || status.silencedBy.length === 0) &&
  (inhibited || status.inhibitedBy.length === 0) &&
  passes(filter, labels);

function viewer(standing: readonly Standing[], { routing, firing, silencedBy, receiverOf, now }: Pipeline) {
  const fingerprints = new Map(standing.map(({ event, fingerprint }) => [identityOf(event), fingerprint]));
  const routes = new Map([routing.fallback, ...routing.routes.flatMap(withChildren)].map((one) => [one.name, one]));
  const always = unheld(routing);
  return ({ posted, fingerprint, event }: Standing): { view: AlertView; places: Place[] } => {
    const labels = labelsOf(event);
    const places = decide(event, always, [], now).routes.flatMap((taken): Place[] => {
      const route = routes.get(taken.route);
      if (!route || taken.outcome !== 'join') return [];
      const group = route.group_by === 'all' ? posted.labels : withoutEmpty(taken.group);
      return [{ key: taken.key, route, labels: group, receiver: receiverOf(taken.policy) }];
    });
    const found = inhibitorOf(event, labels, routing.inhibitions, firing);
    const inhibitedBy = found ? [fingerprints.get(found.by.fingerprint_source) ?? fingerprintOf(found.by.labels)] : [];
    const silences = silencedBy(labels);
    const view: AlertView = {
      annotations: posted.annotations,
      endsAt: iso(posted.ends_at),
      fingerprint,
      receivers: namesOf(places.map(({ receiver }) => receiver)),
      startsAt: iso(posted.starts_at),
      status: {
        inhibitedBy,
        mutedBy: [],
        silencedBy: silences,
        state: inhibitedBy.length + silences.length > 0 ? 'suppressed' : 'active',
      },
      updatedAt: iso(posted.updated_at),
      ...(posted.generatorURL === '' ? {} : { generatorURL: posted.generatorURL }),
      labels: posted.labels,
    };
    return { view, places };
  };
}

const iso = (time: number): string => new Date(time).toISOString();
const withChildren = (route: Route): Route[] => [route, ...route.children.flatMap(withChildren)];
const withoutEmpty = (labels: Labels): Labels =>
  Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''));

/** The same routes at all times: where an alert belongs does not depend on whether it is told now. */
function unheld(routing: Routing): Routing {
  const always = (route: Route): Route => ({ ...route, active: [], mute: [], children: route.children.map(always) });
  return { ...routing, routes: routing.routes.map(always), fallback: always(routing.fallback) };
}

/** The names of the intervals for which a route tells nobody now: of `active` all, since now is in none of them. */
function mutingOf({ active, mute }: Route, now: Date): string[] {
  if (active.length > 0 && !active.some((interval) => isWithin(interval, now))) return active.map(({ name }) => name);
  return mute.filter((interval) => isWithin(interval, now)).map(({ name }) => name);
}
