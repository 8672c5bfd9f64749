/** One transaction of the door: which events are new, what each does to an incident, and the rows that say so. */
import { asOf, type Event } from '../../core/event.ts';
import { inhibitorOf } from '../../core/holds.ts';
import { type OwnedBy, usersAsked } from '../../core/owner.ts';
import type { FiringAlert, Routing } from '../../core/route.ts';
import type { Ledger, Queryable } from '../db.ts';
import { lockKeys } from '../identity.ts';
import { firingInhibitors } from '../inhibitors.ts';
import { Lasting, procedure } from '../procedure.ts';
import { activeSilences } from '../silences.ts';
import { announce } from '../steps.ts';
import { type Arrival, arrive, createPolicyNames, type Facts, factsOf } from './arrival.ts';
import { type Ended, type HeldRow, holdBack, take } from './effect.ts';
import { forgetEnded, keepHeld } from './held.ts';
import { createJudges, type Said } from './judges.ts';
import { datedIn, eventName, lookUp } from './known.ts';
import { BETWEEN, namedIn, write } from './write.ts';

export interface Accepted {
  id: string;
  duplicate: boolean;
}

/** Accepts all of the events or none; answers are in the order given. Throws what the ledger throws. */
export type AcceptAll = (events: Event[], now: Date) => Promise<Accepted[]>;

/** What needs the routing and the owners happens here, the rest on the ledger's side. */
export function createAccept(ledger: Ledger, routing: Routing, ownedBy?: OwnedBy): AcceptAll {
  const judges = createJudges(routing, createPolicyNames());
  return async (events, now) => {
    const silences = await activeSilences(ledger, now);
    const firing = routing.inhibitions.length > 0 ? await firingInhibitors(ledger) : [];
    const users = usersAsked(events, routing);
    const owned = users.length > 0 ? await ownedBy?.(users) : undefined;
    const arrivals = events.map((event): Arrived => ({ event, ...arrive(event, routing) }));
    const inhibitors = withThese(firing, arrivals, routing);
    const judged = packed(arrivals, judges({ firing: inhibitors, silences, owned, now }));
    for (let tries = 1; ; tries++) {
      try {
        const known = new Set(await accept(ledger, ...judged, now.getTime()));
        return events.map(({ id }, at) => ({ id, duplicate: known.has(at) }));
      } catch (error) {
        if (tries === TRIES || !isKeptMeanwhile(error)) throw error;
      }
    }
  };
}

/** Another door kept one of the events between our look and our write. The next look sees it; others may come meanwhile. */
const TRIES = 5;
/** Of https://www.postgresql.org/docs/current/errcodes-appendix.html; two that keep the same events in different orders wait for each other. */
const UNIQUE_VIOLATION = '23505';
const DEADLOCK_DETECTED = '40P01';
const isKeptMeanwhile = (error: unknown): boolean => {
  const { code, constraint } = error as { code?: unknown; constraint?: unknown };
  return code === DEADLOCK_DETECTED || (code === UNIQUE_VIOLATION && constraint === 'events_id');
};

type Arrived = Pick<Arrival, 'fingerprint' | 'inhibitor'> & { event: Event };
/** An arrival on its way: what is said of it is a place in the list of all that is said. */
type Sent = Omit<Arrived, 'event'> & { event: Facts; said: number };

/** What is alike goes once, and events as the texts they are kept as: half of what it cost to take them apart there and write them again. */
function packed(all: Arrived[], judge: (event: Event) => Said): [sent: Sent[], said: Lasting<Said>, texts: string] {
  const places = new Map<Said, number>();
  const sent = all.map(({ event, ...arrived }): Sent => {
    const said = judge(event);
    const place = places.get(said) ?? places.size;
    places.set(said, place);
    return { ...arrived, event: factsOf(event), said: place };
  });
  return [sent, new Lasting([...places.keys()]), all.map(({ event }) => textOf(event)).join(BETWEEN)];
}

/** What no text of Postgres holds: NUL, and half a surrogate pair, which JSON.stringify writes as escapes. */
const NO_TEXT = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/;

/** Throws for what could be written but never read: the column keeps the text as it is, and looks into it only then. */
function textOf(event: Event): string {
  const text = JSON.stringify(event);
  if (text.includes('\\u') && NO_TEXT.test(text))
    throw new Error('an event holds what no text can: NUL or a lone surrogate');
  return text;
}

/**
 * The firing inhibitors with those among the arrivals: they keep quiet whatever comes together with them, in whatever order
 * it was written. Of two that inhibit each other the first counts. One that turns out to be a repetition of what is over
 * lets go of the others with the next look at what is held back.
 */
function withThese(
  firing: readonly FiringAlert[],
  arrivals: readonly Arrived[],
  { inhibitions }: Routing,
): readonly FiringAlert[] {
  const all = [...firing];
  const known = new Set(firing.map(({ fingerprint_source }) => fingerprint_source));
  for (const { event, inhibitor } of arrivals) {
    if (inhibitor === null || known.has(inhibitor.identity)) continue;
    if (inhibitorOf(event, inhibitor.labels, inhibitions, all)) continue;
    known.add(inhibitor.identity);
    all.push({ fingerprint_source: inhibitor.identity, labels: inhibitor.labels });
  }
  return all.length === firing.length ? firing : all;
}

type Accept = [sent: Sent[], said: Said[], texts: string, at: number];
/** Returns the places of those that were kept already. */
const accept = procedure('accept', async (tx, ...[sent, everything, texts, at]: Accept): Promise<number[]> => {
  const now = new Date(at);
  const all = sent.map(({ said, ...one }): Arrival => {
    const { joins, ...rest } = everything[said] as Said;
    return { ...one, ...rest, joins: [...joins], effects: [], seq: 0 };
  });
  // Before the alerts are read and the keys are locked: whoever releases a held alert has its row first, and then the alert.
  await forgetEnded(tx, all);
  await joinResolves(tx, all);
  // On Postgres another door may hold these keys; PGlite has one connection, which is the lock.
  await lockKeys(tx, [...keysOf(all), ...datedIn(all)]);
  const { events, alerts, ended, seqs } = await lookUp(tx, all, all.length);
  for (const [at, arrival] of all.entries()) arrival.seq = seqs[at] as number;
  const { known, arrivals } = newAmong(all, events);
  if (arrivals.length === 0) return known;
  const held = new Map<string, HeldRow>();
  const rows = arrivals.flatMap((arrival) => {
    holdBack(arrival, alerts, held, ended);
    return take(arrival, alerts, now, ended);
  });
  const own = arrivals.length === all.length ? texts : textsOf(arrivals, all, texts);
  await write(tx, arrivals, own, namedIn(tx, arrivals, now), rows, [...alerts.values()], endsIn(arrivals, ended));
  await keepHeld(tx, [...held.values()]);
  announce('accept.written');
  return known;
});

/** The texts of those that are new. */
function textsOf(arrivals: readonly Arrival[], all: readonly Arrival[], texts: string): string {
  const isNew = new Set(arrivals);
  const each = texts.split(BETWEEN);
  return each.filter((_, at) => isNew.has(all[at] as Arrival)).join(BETWEEN);
}

/** What is known of their ends after this commit, of those that it tells an end of. */
const endsIn = (arrivals: Arrival[], ended: Ended): Ended =>
  new Map(
    arrivals.flatMap(({ event, fingerprint }) => {
      const end = event.status === 'resolved' && asOf(event) !== undefined ? ended.get(fingerprint) : undefined;
      return end === undefined ? [] : [[fingerprint, end] as const];
    }),
  );

export const keysOf = (all: Arrival[]): string[] => [
  ...new Set(all.flatMap(({ joins, quiet }) => [...joins, ...quiet.map(({ join }) => join)].map(({ key }) => key))),
];

function newAmong(all: Arrival[], kept: Set<string>): { known: number[]; arrivals: Arrival[] } {
  const known: number[] = [];
  const arrivals: Arrival[] = [];
  for (const [at, arrival] of all.entries()) {
    const name = eventName(arrival.event.source, arrival.event.id);
    if (kept.has(name)) known.push(at);
    else arrivals.push(arrival);
    kept.add(name);
  }
  return { known, arrivals };
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
      arrival.joins.push({ route: '', key, words: '', severity, policy: null, lifecycle: false });
    }
  }
}
