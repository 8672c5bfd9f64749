/** What is held back: why, what of it may be told now, and telling of it, once, in a transaction of its own. */
import type { Event } from '../core/event.ts';
import { type OwnedBy, usersAsked } from '../core/owner.ts';
import { type FiringAlert, type HeldBack, type Routing, type StoredDecision, withReleased } from '../core/route.ts';
import type { Silence } from '../core/silence.ts';
import { keysOf } from './accept/accept.ts';
import {
  type Arrival,
  arrivalOf,
  arrive,
  type createPolicyNames,
  type Decided,
  type Done,
  judge,
  type Quiet,
} from './accept/arrival.ts';
import { alertName, take } from './accept/effect.ts';
import { lookUp } from './accept/known.ts';
import { namedIn, write } from './accept/write.ts';
import type { Ledger, Queryable } from './db.ts';
import { lockKeys } from './identity.ts';
import { procedure } from './procedure.ts';

/** What holds some of the rows: many rows share one. */
export interface Cause {
  outcome: HeldBack['held']['outcome'];
  route: string;
  by: string[];
}

/** A row with the event that it is about. */
export interface HeldAlert extends Cause {
  id: number;
  event: number;
  why: string;
  at: Date;
  /** When it ends by itself: later than its event says, where its sender has only moved the end. */
  expires_at: Date | null;
  sent: Event;
  decision: StoredDecision & { effects?: Done[] };
}

export const heldCauses = (db: Queryable): Promise<Cause[]> =>
  db.query<Cause>('select outcome, route, by from held group by outcome, route, by');

/** Of these alerts those that still keep others quiet, by their fingerprints. */
export async function stillInhibiting(db: Queryable, fingerprints: readonly string[]): Promise<Set<string>> {
  if (fingerprints.length === 0) return new Set();
  const rows = await db.query<{ fingerprint: string }>(
    `select fingerprint from alerts where inhibits and current and status = 'firing' and fingerprint = any($1::text[])
     union select fingerprint from held where labels is not null and outcome <> 'inhibited' and fingerprint = any($1::text[])`,
    [fingerprints],
  );
  return new Set(rows.map(({ fingerprint }) => fingerprint));
}

const HELD = `h.id, h.event, h.outcome, h.route, h.by, h.why, h.at, h.expires_at, e.event as sent, d.decision
  from held h join events e on e.seq = h.event join decisions d on d.id = e.decision`;

/** The rows that one of these held, the oldest first. */
export const heldBy = (db: Queryable, causes: readonly Cause[], limit: number): Promise<HeldAlert[]> =>
  db.query<HeldAlert>(
    `select ${HELD} join jsonb_to_recordset($1::jsonb) c(outcome text, route text, by text[])
        on c.outcome = h.outcome and c.route = h.route and c.by = h.by
      order by h.id limit $2`,
    [JSON.stringify(causes), limit],
  );

/** The rows after this one, whatever holds them. */
export const heldAfter = (db: Queryable, after: number, limit: number): Promise<HeldAlert[]> =>
  db.query<HeldAlert>(`select ${HELD} where h.id > $1 order by h.id limit $2`, [after, limit]);

/** Alerts that ended by themselves while nobody was told of them. Returns how many. */
export async function sweepExpiredHeld(db: Queryable, limit = 500): Promise<number> {
  const rows = await db.query(
    `delete from held where id in (select id from held where expires_at <= now() order by id limit ${limit} for update skip locked) returning id`,
  );
  return rows.length;
}

/** A row that is let go: with what its route does now, or nothing (`joins` empty) where nobody has to be told any more. */
interface Released {
  id: number;
  event: number;
  arrival: Arrival;
}

/** Held on, for another reason. */
interface HeldOn extends Cause {
  id: number;
  event: number;
  why: string;
}

/**
 * Decides each row again by the routing, the inhibitors and the silences of now. What nothing holds any more joins as a firing of
 * this moment; the others learn what holds them now. Of rows about one event one is taken, the others wait for the next
 * call. Returns how many were let go. Two workers may call it at the same time: each row is let go once.
 */
export async function releaseHeld(
  ledger: Ledger,
  held: readonly HeldAlert[],
  by: {
    routing: Routing;
    firing: readonly FiringAlert[];
    silences: readonly Silence[];
    policyOf: ReturnType<typeof createPolicyNames>;
    ownedBy?: OwnedBy | undefined;
    now: Date;
  },
): Promise<number> {
  const { routing, firing, silences, policyOf, now } = by;
  const users = usersAsked(
    held.map(({ sent }) => sent),
    routing,
  );
  const owned = users.length > 0 ? await by.ownedBy?.(users) : undefined;
  const released: Released[] = [];
  const on: HeldOn[] = [];
  for (const row of new Map(held.map((one) => [one.event, one])).values()) {
    const sent = row.expires_at ? { ...row.sent, expires_at: row.expires_at.toISOString() } : row.sent;
    const judged = judge(sent, routing, firing, now, policyOf, { owned, silences });
    const arrival = { event: sent, ...arrive(sent, routing), ...judged };
    const quiet = arrival.quiet.find(({ route }) => route === row.route);
    if (quiet) on.push({ ...heldOnBy(quiet), id: row.id, event: row.event });
    else released.push({ id: row.id, event: row.event, arrival: releasedArrival(row, arrival, now) });
  }
  const changed = on.filter(({ id, ...cause }) => {
    const row = held.find((one) => one.id === id);
    return row !== undefined && (row.outcome !== cause.outcome || row.by.join() !== cause.by.join());
  });
  if (released.length + changed.length === 0) return 0;
  const let_go = await release(ledger, released, changed, now.getTime());
  if (let_go > 0) ledger.wake();
  return let_go;
}

const heldOnBy = ({ outcome, route, by, why }: Quiet): Omit<HeldOn, 'id' | 'event'> => ({ outcome, route, by, why });

/** The row's event as if it arrived now, at its own route alone; a route that is no more leaves it to those that take it now. */
function releasedArrival(row: HeldAlert, arrival: Decided, now: Date): Arrival {
  const told = new Set(row.decision.routes.flatMap((taken) => (taken.outcome === 'join' ? [taken.route] : [])));
  const own = arrival.joins.filter(({ route }) => route === row.route);
  const isGone = arrival.decision.routes.every(({ route }) => route !== row.route);
  const joins = (isGone ? arrival.joins.filter(({ route }) => !told.has(route)) : own).filter(
    ({ lifecycle }) => !lifecycle,
  );
  const was = { outcome: row.outcome, why: row.why, from: row.at.toISOString(), until: now.toISOString() };
  const { effects, ...stored } = row.decision;
  const [first] = joins;
  const taken = arrival.decision.routes.find(({ route }) => route === first?.route);
  const decision: StoredDecision = taken?.outcome === 'join' ? withReleased(stored, row.route, taken, was) : stored;
  return arrivalOf({ ...arrival, joins, quiet: [] }, row.event, { text: JSON.stringify(decision) }, effects);
}

const release = procedure('releaseHeld', async (tx, all: Released[], on: HeldOn[], at: number): Promise<number> => {
  const asked = [...all, ...on];
  const mine = await tx.query<{ id: number; event: number; fingerprint: string }>(
    `select h.id, h.event, h.fingerprint from held h join unnest($1::bigint[], $2::bigint[]) r(id, event) on h.id = r.id and h.event = r.event
        order by h.id for update of h skip locked`,
    [asked.map(({ id }) => id), asked.map(({ event }) => event)],
  );
  const ours = new Set(mine.map(({ id }) => id));
  await tx.query(
    `update held set outcome = o.outcome, by = o.by, why = o.why
         from jsonb_to_recordset($1::jsonb) o(id bigint, outcome text, by text[], why text) where held.id = o.id`,
    [JSON.stringify(on.filter(({ id }) => ours.has(id)))],
  );
  const released = all.filter(({ id }) => ours.has(id));
  if (released.length === 0) return 0;
  const arrivals = released.map(({ arrival }) => arrival);
  await lockKeys(tx, keysOf(arrivals));
  const { alerts, ended } = await lookUp(tx, arrivals, 0);
  const overtaken = await told(tx, mine);
  const now = new Date(at);
  const rows = released.flatMap(({ event, arrival }) => {
    // A newer event of the alert has been told of meanwhile: this one is older news.
    const joins = arrival.joins.filter(({ key }) => (overtaken.get(alertName(key, arrival.fingerprint)) ?? 0) <= event);
    arrival.joins = joins;
    return take(arrival, alerts, now, ended);
  });
  await write(tx, arrivals, null, namedIn(tx, arrivals, now), rows, [...alerts.values()], new Map());
  await tx.query('delete from held where id = any($1::bigint[])', [released.map(({ id }) => id)]);
  return released.length;
});

/** The last event of each alert that fires in an incident, of those that are let go. */
async function told(tx: Queryable, held: readonly { fingerprint: string }[]): Promise<Map<string, number>> {
  const rows = await tx.query<{ key: string; fingerprint: string; event: number }>(
    `select key, fingerprint, event from alerts where current and status = 'firing' and event is not null and fingerprint = any($1::text[])`,
    [held.map(({ fingerprint }) => fingerprint)],
  );
  return new Map(rows.map(({ key, fingerprint, event }) => [alertName(key, fingerprint), event]));
}
