/** One transaction of the door: which events are new, what each does to an incident, and the rows that say so. */
import { type Event, identityOf, labelsOf } from '../core/event.ts';
import type { Policy } from '../core/policy.ts';
import { decide, inhibits, type Routing, type StoredDecision, storedDecision } from '../core/route.ts';
import { isEnd } from '../core/story.ts';
import type { Ledger, Queryable } from './db.ts';
import { digest, lockKeys } from './identity.ts';
import { firingInhibitors } from './inhibitors.ts';
import { procedure } from './procedure.ts';
import { announce } from './steps.ts';

export interface Accepted {
  id: string;
  duplicate: boolean;
}

/** What an event does to an incident: a row in its inbox, or none and why. */
type Effect = 'fired' | 'resolved' | 'chapter' | 'unchanged' | 'late' | 'none_open';

/** What is known of an alert: (key, fingerprint). */
interface Known {
  key: string;
  fingerprint: string;
  current: boolean;
  firing: boolean;
  severity: string;
  title: string;
  service: string | null;
  count: number;
  first_at: Date | string | null;
  resolved_at: Date | string | null;
  expires_at: string | null;
  inhibitor: { identity: string; labels: Record<string, string> } | null;
  /** Source and id of the last event that changed it in this commit. */
  by?: [string, string];
}

interface InboxRow {
  by: [string, string];
  key: string;
  kind: 'fired' | 'resolved' | 'chapter';
  fingerprint: string;
  severity: string;
  policy: string | null;
}

interface Join {
  key: string;
  words: string;
  severity: string;
  policy: NamedPolicy | null;
  lifecycle: boolean;
}

interface Arrival {
  event: Event;
  fingerprint: string;
  decision: StoredDecision & { effects?: { route: string; key: string; effect: Effect }[] };
  joins: Join[];
  /** Where it could keep others quiet: what they are compared with. */
  inhibitor: Known['inhibitor'];
}

/** Stands between two events in one argument: a control character, which JSON never holds as it is. */
const BETWEEN = '\x1e';

/** Accepts all of the events or none; answers are in the order given. Throws what the ledger throws. */
export type AcceptAll = (events: Event[], now: Date) => Promise<Accepted[]>;

/** What needs the routing happens here, the rest on the ledger's side. */
export function createAccept(ledger: Ledger, routing: Routing): AcceptAll {
  const policyOf = createPolicyNames();
  return async (events, now) => {
    const firing = routing.inhibitions.length > 0 ? await firingInhibitors(ledger) : [];
    return accept(
      ledger,
      events.map((event) => arrive(event, routing, firing, now, policyOf)),
      now.getTime(),
    );
  };
}

const accept = procedure('accept', async (tx, all: Arrival[], at: number): Promise<Accepted[]> => {
  const now = new Date(at);
  await joinResolves(tx, all);
  // On Postgres another door may hold these keys; PGlite has one connection, which is the lock.
  await lockKeys(tx, [...new Set(all.flatMap(({ joins }) => joins.map(({ key }) => key)))]);
  const { events, alerts } = await lookUp(tx, all);
  const { answers, arrivals } = newAmong(all, events);
  if (arrivals.length === 0) return answers;
  const rows = arrivals.flatMap((arrival) => take(arrival, alerts, now));
  await write(
    tx,
    arrivals,
    namedIn(arrivals, now),
    rows,
    [...alerts.values()].filter(({ by }) => by),
  );
  announce('accept.written');
  return answers;
});

function newAmong(all: Arrival[], known: Set<string>): { answers: Accepted[]; arrivals: Arrival[] } {
  const answers: Accepted[] = [];
  const arrivals: Arrival[] = [];
  for (const arrival of all) {
    const { source, id } = arrival.event;
    const name = eventName(source, id);
    answers.push({ id, duplicate: known.has(name) });
    if (!known.has(name)) arrivals.push(arrival);
    known.add(name);
  }
  return { answers, arrivals };
}

/** A policy as a row names it: by the digest of its text. A route's own is the same object for every event. */
interface NamedPolicy {
  id: string;
  text: string;
}

function createPolicyNames(): (policy: Policy) => NamedPolicy {
  const names = new WeakMap<Policy, NamedPolicy>();
  return (policy) => {
    const known = names.get(policy);
    if (known) return known;
    const text = JSON.stringify(policy);
    const named = { id: digest(text), text };
    names.set(policy, named);
    return named;
  };
}

function arrive(
  event: Event,
  routing: Routing,
  firing: Parameters<typeof decide>[2],
  now: Date,
  policyOf: (policy: Policy) => NamedPolicy,
): Arrival {
  const decision = decide(event, routing, firing, now);
  const joins = decision.routes.flatMap((taken): Join[] => {
    if (taken.outcome !== 'join') return [];
    const lifecycle = taken.policy.lifecycle !== undefined;
    return [
      { key: digest(taken.key), words: taken.key, severity: taken.severity, policy: policyOf(taken.policy), lifecycle },
    ];
  });
  const identity = identityOf(event);
  const inhibitor =
    event.status === 'firing' && inhibits(event, routing) ? { identity, labels: labelsOf(event) } : null;
  return { event, fingerprint: digest(identity), decision: storedDecision(decision), joins, inhibitor };
}

/**
 * A resolve goes where its alert fires, whatever route the resolve itself would take: senders seldom repeat the severity
 * and the labels. The stories of lifecycle routes are found by their key.
 */
async function joinResolves(tx: Queryable, arrivals: Arrival[]): Promise<void> {
  const resolves = arrivals.filter(({ event }) => event.status === 'resolved');
  if (resolves.length === 0) return;
  const rows = await tx.query<{ key: string; fingerprint: string; severity: string }>(
    `select key, fingerprint, severity from alerts where current and status = 'firing' and fingerprint = any($1::text[])`,
    [resolves.map(({ fingerprint }) => fingerprint)],
  );
  for (const arrival of arrivals) {
    if (arrival.event.status === 'firing') {
      // A resolve finds also what fired before it in this very commit.
      const fired = arrival.joins.filter(({ lifecycle }) => !lifecycle);
      rows.push(...fired.map(({ key, severity }) => ({ key, fingerprint: arrival.fingerprint, severity })));
      continue;
    }
    for (const { key, fingerprint, severity } of rows) {
      if (fingerprint !== arrival.fingerprint || arrival.joins.some((join) => join.key === key)) continue;
      arrival.joins.push({ key, words: '', severity, policy: null, lifecycle: false });
    }
  }
}

/** No text of ours holds a NUL. */
const eventName = (source: string, id: string): string => `${source}\0${id}`;
const alertName = (key: string, fingerprint: string): string => `${key}/${fingerprint}`;
/** A story is one alert: it fires from its first chapter to its last. */
const fingerprintIn = (join: Join, fingerprint: string): string => (join.lifecycle ? 'story' : fingerprint);

/** Which of the events are kept already, and what is known of their alerts. */
async function lookUp(tx: Queryable, all: Arrival[]): Promise<{ events: Set<string>; alerts: Map<string, Known> }> {
  const pairs = new Map(
    all.flatMap(({ joins, fingerprint }) =>
      joins.map((join) => [
        alertName(join.key, fingerprintIn(join, fingerprint)),
        [join.key, fingerprintIn(join, fingerprint)] as const,
      ]),
    ),
  );
  const wanted = [...pairs.values()];
  // One text instead of rows: read in a fifth of the time (measured on PGlite: 20 µs a row became 4).
  const [found] = await tx.query<{ events: string; alerts: string }>(
    `select (select coalesce(json_agg(json_build_array(e.source, e.id)), '[]')::text from unnest($1::text[], $2::text[]) s(source, id)
               join events e on e.source = s.source and e.id = s.id) as events,
            (select coalesce(json_agg(a), '[]')::text from unnest($3::text[], $4::text[]) w(key, fingerprint) cross join lateral (
               select key, fingerprint, current, current and status = 'firing' as firing, severity, title, service, count::int as count, first_at,
                      resolved_at, expires_at, case when inhibits then labels end as inhibitor
                 from alerts where alerts.key = w.key and alerts.fingerprint = w.fingerprint order by id desc limit 1) a) as alerts`,
    [
      all.map(({ event }) => event.source),
      all.map(({ event }) => event.id),
      wanted.map(([key]) => key),
      wanted.map(([, fingerprint]) => fingerprint),
    ],
  );
  const events = JSON.parse(found?.events ?? '[]') as [source: string, id: string][];
  const alerts = JSON.parse(found?.alerts ?? '[]') as Known[];
  return {
    events: new Set(events.map(([source, id]) => eventName(source, id))),
    alerts: new Map(alerts.map((alert) => [alertName(alert.key, alert.fingerprint), alert])),
  };
}

/** Decides, event by event and join by join, what changes; the rows it makes are in the order of arrival. */
function take(arrival: Arrival, alerts: Map<string, Known>, now: Date): InboxRow[] {
  const { event } = arrival;
  const by: [string, string] = [event.source, event.id];
  const rows: InboxRow[] = [];
  const effects: { route: string; key: string; effect: Effect }[] = [];
  for (const join of arrival.joins) {
    const fingerprint = fingerprintIn(join, arrival.fingerprint);
    const name = alertName(join.key, fingerprint);
    const alert = alerts.get(name);
    const effect = effectOf(event, join, alert);
    effects.push({ route: join.words, key: join.key, effect });
    if (effect === 'late' || effect === 'none_open') continue;
    const inhibitor = join.lifecycle ? null : arrival.inhibitor;
    alerts.set(name, after(effect, event, join, fingerprint, alert, inhibitor, now, by));
    if (effect === 'unchanged') continue;
    rows.push({
      by,
      key: join.key,
      kind: effect,
      fingerprint,
      severity: effect === 'resolved' && alert ? alert.severity : join.severity,
      policy: join.policy?.id ?? null,
    });
  }
  arrival.decision = { ...arrival.decision, effects };
  return rows;
}

function effectOf(event: Event, join: Join, alert: Known | undefined): Effect {
  if (join.lifecycle) return 'chapter';
  if (event.status === 'resolved') return alert?.firing ? 'resolved' : 'none_open';
  if (isLate(event, alert)) return 'late';
  const isSame = alert?.firing === true && alert.severity === join.severity && alert.title === event.title;
  // Without a dedup_key every event is an occurrence of its own, and counts.
  return isSame && event.dedup_key !== undefined ? 'unchanged' : 'fired';
}

/** A firing that happened before the end we already know of, and only now arrives. */
function isLate(event: Event, alert: Known | undefined): boolean {
  if (!alert || alert.firing || alert.resolved_at === null) return false;
  if (event.dedup_key === undefined || event.occurred_at === undefined) return false;
  return Date.parse(event.occurred_at) < new Date(alert.resolved_at).getTime();
}

function after(
  effect: 'fired' | 'resolved' | 'chapter' | 'unchanged',
  event: Event,
  join: Join,
  fingerprint: string,
  alert: Known | undefined,
  inhibitor: Known['inhibitor'],
  now: Date,
  by: [string, string],
): Known {
  const ends = effect === 'resolved' || (effect === 'chapter' && isEnd(event));
  const goesOn = alert?.current === true;
  const occurredAt = event.occurred_at ? new Date(event.occurred_at) : now;
  return {
    key: join.key,
    fingerprint,
    current: true,
    firing: !ends,
    // A resolve says that it is over, not what it was: the alert keeps the words it fired with.
    severity: effect === 'resolved' && alert ? alert.severity : join.severity,
    title: effect === 'resolved' && alert ? alert.title : event.title,
    service: event.service ?? alert?.service ?? null,
    count: (goesOn ? alert.count : 0) + (effect === 'fired' || effect === 'chapter' ? 1 : 0),
    first_at: goesOn ? alert.first_at : now,
    // The sender's clock where it tells: a firing is late by the same clock.
    resolved_at: ends ? occurredAt : null,
    expires_at: ends ? null : (event.expires_at ?? null),
    inhibitor: ends ? (alert?.inhibitor ?? null) : inhibitor,
    by,
  };
}

/** What many rows name and the ledger keeps once: the names of each, and the texts that are named. */
interface Named {
  policies: Map<string, string>;
  decisions: Map<string, string>;
  /** The names of the decisions, in the order of the arrivals; the day in them lets them go with their events. */
  decided: string[];
  day: string;
}

function namedIn(arrivals: Arrival[], now: Date): Named {
  const day = now.toISOString().slice(0, 'YYYY-MM-DD'.length);
  const policies = new Map<string, string>();
  const decisions = new Map<string, string>();
  for (const { joins } of arrivals) for (const { policy } of joins) if (policy) policies.set(policy.id, policy.text);
  const decided = arrivals.map(({ decision }) => {
    const text = JSON.stringify(decision);
    const id = digest(`${day} ${text}`);
    decisions.set(id, text);
    return id;
  });
  return { policies, decisions, decided, day };
}

async function write(
  tx: Queryable,
  arrivals: Arrival[],
  { policies, decisions, decided, day }: Named,
  rows: InboxRow[],
  alerts: Known[],
): Promise<void> {
  await tx.query(
    `with p as (
       insert into policies (id, policy) select id, policy::jsonb from unnest($25::text[], string_to_array($26, '${BETWEEN}')) n(id, policy)
        where not exists (select 1 from policies where policies.id = n.id) on conflict (id) do nothing
     ), d as (
       insert into decisions (id, day, decision) select id, $27::date, decision::jsonb from unnest($28::text[], string_to_array($29, '${BETWEEN}')) n(id, decision)
        where not exists (select 1 from decisions where decisions.id = n.id) on conflict (id) do nothing
     ), e as (
       insert into events (source, id, event, decision)
       select source, id, event::jsonb, decision
         from unnest($1::text[], $2::text[], string_to_array($3, '${BETWEEN}'), $4::text[]) t(source, id, event, decision)
       on conflict (source, id) do nothing returning seq, source, id
     ), i as (
       insert into inbox (key, kind, event, fingerprint, severity, policy)
       select r.key, r.kind, e.seq, r.fingerprint, r.severity, r.policy
         from unnest($5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[])
              with ordinality r(source, id, key, kind, fingerprint, severity, policy, ord)
         join e on e.source = r.source and e.id = r.id order by r.ord
     )
     insert into alerts (key, fingerprint, status, severity, title, service, count, first_at, last_at, resolved_at, expires_at, event, inhibits, labels)
     select a.key, a.fingerprint, case when a.firing then 'firing' else 'resolved' end, a.severity, a.title, a.service, a.count, coalesce(a.first_at, now()),
            now(), a.resolved_at, a.expires_at, e.seq, a.labels is not null, coalesce(a.labels::jsonb, '{}')
       from unnest($12::text[], $13::text[], $14::text[], $15::text[], $16::bool[], $17::text[], $18::text[], $19::text[], $20::int[], $21::timestamptz[],
                   $22::timestamptz[], $23::timestamptz[], $24::text[])
            a(source, id, key, fingerprint, firing, severity, title, service, count, first_at, resolved_at, expires_at, labels)
       join e on e.source = a.source and e.id = a.id
     on conflict (key, fingerprint) where current do update set status = excluded.status, severity = excluded.severity, title = excluded.title,
       service = excluded.service, count = excluded.count, last_at = excluded.last_at, resolved_at = excluded.resolved_at,
       expires_at = excluded.expires_at, inhibits = excluded.inhibits, labels = excluded.labels,
       event = case when excluded.status = 'firing' then excluded.event else alerts.event end`,
    [
      arrivals.map(({ event }) => event.source),
      arrivals.map(({ event }) => event.id),
      arrivals.map(({ event }) => JSON.stringify(event)).join(BETWEEN),
      decided,
      rows.map(({ by }) => by[0]),
      rows.map(({ by }) => by[1]),
      rows.map(({ key }) => key),
      rows.map(({ kind }) => kind),
      rows.map(({ fingerprint }) => fingerprint),
      rows.map(({ severity }) => severity),
      rows.map(({ policy }) => policy),
      alerts.map(({ by }) => by?.[0]),
      alerts.map(({ by }) => by?.[1]),
      alerts.map(({ key }) => key),
      alerts.map(({ fingerprint }) => fingerprint),
      alerts.map(({ firing }) => firing),
      alerts.map(({ severity }) => severity),
      alerts.map(({ title }) => title),
      alerts.map(({ service }) => service),
      alerts.map(({ count }) => count),
      alerts.map(({ first_at }) => iso(first_at)),
      alerts.map(({ resolved_at }) => iso(resolved_at)),
      alerts.map(({ expires_at }) => iso(expires_at)),
      alerts.map(({ inhibitor }) => (inhibitor ? JSON.stringify(inhibitor) : null)),
      [...policies.keys()],
      [...policies.values()].join(BETWEEN),
      day,
      [...decisions.keys()],
      [...decisions.values()].join(BETWEEN),
    ],
  );
}

const iso = (time: Date | string | null): string | null => (time instanceof Date ? time.toISOString() : time);
