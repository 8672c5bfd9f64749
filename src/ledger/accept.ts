/** One transaction of the door: which events are new, what each does to an incident, and the rows that say so. */
import { type Event, identityOf, labelsOf } from '../core/event.ts';
import { decide, inhibits, type Routing, type StoredDecision, storedDecision } from '../core/route.ts';
import { isEnd } from '../core/story.ts';
import type { Ledger, Queryable } from './db.ts';
import { digest, lockKeys } from './identity.ts';
import { firingInhibitors } from './inhibitors.ts';

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
  first_at: Date | null;
  resolved_at: Date | null;
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
  policy: string | null;
  lifecycle: boolean;
}

interface Arrival {
  event: Event;
  fingerprint: string;
  decision: StoredDecision & { effects?: { route: string; key: string; effect: Effect }[] };
  joins: Join[];
}

/** Accepts all of them or none; answers are in the order given. Throws what the ledger throws. */
export async function acceptAll(ledger: Ledger, routing: Routing, events: Event[], now: Date): Promise<Accepted[]> {
  return ledger.transaction(async (tx) => {
    const known = await knownEvents(tx, events);
    const answers: Accepted[] = [];
    const fresh: Event[] = [];
    for (const event of events) {
      const name = JSON.stringify([event.source, event.id]);
      answers.push({ id: event.id, duplicate: known.has(name) });
      if (!known.has(name)) fresh.push(event);
      known.add(name);
    }
    if (fresh.length === 0) return answers;

    const firing = routing.inhibitions.length > 0 ? await firingInhibitors(tx) : [];
    const policies = new Map<string, string>();
    const arrivals = fresh.map((event) => arrive(event, routing, firing, now, policies));
    await joinResolves(tx, arrivals);
    const keys = [...new Set(arrivals.flatMap(({ joins }) => joins.map(({ key }) => key)))];
    await lockKeys(tx, ledger.kind, keys);
    const alerts = await knownAlerts(tx, arrivals);
    const rows = arrivals.flatMap((arrival) => take(arrival, alerts, routing, now));
    await write(
      tx,
      arrivals,
      rows,
      [...alerts.values()].filter(({ by }) => by),
      policies,
    );
    return answers;
  });
}

async function knownEvents(tx: Queryable, events: Event[]): Promise<Set<string>> {
  const rows = await tx.query<{ source: string; id: string }>(
    'select source, id from events where (source, id) in (select * from unnest($1::text[], $2::text[]))',
    [events.map(({ source }) => source), events.map(({ id }) => id)],
  );
  return new Set(rows.map(({ source, id }) => JSON.stringify([source, id])));
}

function arrive(
  event: Event,
  routing: Routing,
  firing: Parameters<typeof decide>[2],
  now: Date,
  policies: Map<string, string>,
): Arrival {
  const decision = decide(event, routing, firing, now);
  const joins = decision.routes.flatMap((taken): Join[] => {
    if (taken.outcome !== 'join') return [];
    const policy = JSON.stringify(taken.policy);
    const id = digest(policy);
    policies.set(id, policy);
    const lifecycle = taken.policy.lifecycle !== undefined;
    return [{ key: digest(taken.key), words: taken.key, severity: taken.severity, policy: id, lifecycle }];
  });
  return { event, fingerprint: digest(identityOf(event)), decision: storedDecision(decision), joins };
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

const alertName = (key: string, fingerprint: string): string => `${key}/${fingerprint}`;
/** A story is one alert: it fires from its first chapter to its last. */
const fingerprintIn = (join: Join, fingerprint: string): string => (join.lifecycle ? 'story' : fingerprint);

async function knownAlerts(tx: Queryable, arrivals: Arrival[]): Promise<Map<string, Known>> {
  const pairs = new Map(
    arrivals.flatMap(({ joins, fingerprint }) =>
      joins.map((join) => [
        alertName(join.key, fingerprintIn(join, fingerprint)),
        [join.key, fingerprintIn(join, fingerprint)] as const,
      ]),
    ),
  );
  if (pairs.size === 0) return new Map();
  const wanted = [...pairs.values()];
  const rows = await tx.query<
    Omit<Known, 'firing' | 'inhibitor' | 'by'> & {
      status: string;
      alive: boolean;
      inhibits: boolean;
      labels: Known['inhibitor'];
    }
  >(
    `select distinct on (key, fingerprint) key, fingerprint, current, status, severity, title, service, count::int as count, first_at,
            resolved_at, expires_at, inhibits, labels, (expires_at is null or expires_at > now()) as alive
       from alerts where (key, fingerprint) in (select * from unnest($1::text[], $2::text[]))
      order by key, fingerprint, id desc`,
    [wanted.map(([key]) => key), wanted.map(([, fingerprint]) => fingerprint)],
  );
  return new Map(
    rows.map(({ status, alive: _, inhibits: isInhibitor, labels, ...row }) => [
      alertName(row.key, row.fingerprint),
      { ...row, firing: row.current && status === 'firing', inhibitor: isInhibitor ? labels : null },
    ]),
  );
}

/** Decides, event by event and join by join, what changes; the rows it makes are in the order of arrival. */
function take(arrival: Arrival, alerts: Map<string, Known>, routing: Routing, now: Date): InboxRow[] {
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
    const inhibitor =
      event.status === 'firing' && !join.lifecycle && inhibits(event, routing)
        ? { identity: identityOf(event), labels: labelsOf(event) }
        : null;
    alerts.set(name, after(effect, event, join, fingerprint, alert, inhibitor, now, by));
    if (effect === 'unchanged') continue;
    rows.push({
      by,
      key: join.key,
      kind: effect,
      fingerprint,
      severity: effect === 'resolved' && alert ? alert.severity : join.severity,
      policy: join.policy,
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

async function write(
  tx: Queryable,
  arrivals: Arrival[],
  rows: InboxRow[],
  alerts: Known[],
  policies: Map<string, string>,
): Promise<void> {
  if (policies.size > 0) {
    await tx.query(
      'insert into policies (id, policy) select id, policy::jsonb from unnest($1::text[], $2::text[]) p(id, policy) on conflict (id) do nothing',
      [[...policies.keys()], [...policies.values()]],
    );
  }
  const text = (value: unknown): string => JSON.stringify(value);
  await tx.query(
    `with e as (
       insert into events (source, id, event, decision)
       select source, id, event::jsonb, decision::jsonb from unnest($1::text[], $2::text[], $3::text[], $4::text[]) t(source, id, event, decision)
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
      arrivals.map(({ event }) => text(event)),
      arrivals.map(({ decision }) => text(decision)),
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
      alerts.map(({ inhibitor }) => (inhibitor ? text(inhibitor) : null)),
    ],
  );
}

const iso = (time: Date | string | null): string | null => (time === null ? null : new Date(time).toISOString());
