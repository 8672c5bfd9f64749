/** The one statement that keeps a commit: events, inbox rows, alerts, and the policies and decisions they name. */
import type { Queryable, Transaction } from '../db.ts';
import { digest } from '../identity.ts';
import type { Arrival, DecisionText } from './arrival.ts';
import type { Ended, InboxRow, Known } from './effect.ts';

/** Stands between two texts in one argument: a control character, which JSON never holds as it is. */
export const BETWEEN = '\x1e';

/** What many rows name and the ledger keeps once: the names of each, and the texts that are named. */
export interface Named {
  /** Those that the ledger may not have yet. */
  policies: Map<string, string>;
  decisions: Map<string, string>;
  /** The names of the decisions, in the order of the arrivals; the day in them lets them go with their events. */
  decided: string[];
  day: string;
}

interface Name {
  id: string;
}
/** A decision's names on a day, by what it did. */
interface Names {
  day: string;
  ids: Map<string, Name>;
}
/** To name decisions anew for each commit, and to ask whether they are kept, was a seventh of what an event cost the ledger (measured). */
const names = new WeakMap<DecisionText, Names>();
/** The names of what the ledger has. On PGlite alone: another may set a Postgres back to what it was. */
const kept = new WeakSet<Name>();

/** The names of what was decided of the arrivals, with the texts that this transaction has to write. */
export function namedIn(tx: Transaction, arrivals: Arrival[], now: Date): Named {
  const day = now.toISOString().slice(0, 'YYYY-MM-DD'.length);
  const policies = new Map<string, string>();
  const decisions = new Map<string, string>();
  const written = (name: Name, text: string, into: Map<string, string>): void => {
    if (tx.kind === 'pglite') tx.afterwards(() => kept.add(name));
    into.set(name.id, text);
  };
  const decided = arrivals.map(({ decision, effects, joins }) => {
    for (const { policy } of joins) if (policy && !kept.has(policy)) written(policy, policy.text, policies);
    const ids = namesOn(day, decision);
    const done = effects.map(({ key, effect }) => effect + key).join();
    const known = ids.get(done);
    if (known && (kept.has(known) || decisions.has(known.id))) return known.id;
    const text = `${decision.text.slice(0, -1)},"effects":${JSON.stringify(effects)}}`;
    const name = known ?? { id: digest(`${day} ${text}`) };
    ids.set(done, name);
    written(name, text, decisions);
    return name.id;
  });
  return { policies, decisions, decided, day };
}

function namesOn(day: string, decision: DecisionText): Names['ids'] {
  const known = names.get(decision);
  if (known?.day === day) return known.ids;
  const ids: Names['ids'] = new Map();
  names.set(decision, { day, ids });
  return ids;
}

/**
 * Writes what is said of the events. `texts` are those that are new, as JSON, in the order of the arrivals; null where they are kept
 * already and get another decision. One statement of the parts that have something to write: each part costs some 50 µs
 * even where it writes nothing, and no part asks another for the rows of the events, which have their numbers: that
 * took a quarter of a commit of 25 (measured on PGlite). Throws where another door has kept one of the events meanwhile.
 */
export async function write(
  tx: Queryable,
  arrivals: Arrival[],
  texts: string | null,
  { policies, decisions, decided, day }: Named,
  rows: InboxRow[],
  known: Known[],
  ended: Ended,
): Promise<void> {
  const touched = known.filter(({ by }) => by);
  const heard = touched.filter((alert) => alert.heard);
  const begun = touched.filter((alert) => !alert.heard && !alert.kept);
  const others = touched.filter((alert) => !alert.heard && alert.kept);
  const args: unknown[] = [];
  const text = (value: string): string => `$${args.push(value)}`;
  const list = <Row>(of: readonly Row[], value: (row: Row) => unknown, type = 'text'): string =>
    `$${args.push(of.map(value))}::${type}[]`;
  const texted = (values: Iterable<string>): string =>
    `string_to_array(${text([...values].join(BETWEEN))}, '${BETWEEN}')`;
  const ids = [...decisions.keys()];

  const parts = [
    texts === null
      ? `e as (
       update events set decision = t.decision
         from unnest(${list(arrivals, ({ seq }) => seq, 'bigint')}, ${list(decided, (id) => id)}) t(seq, decision) where events.seq = t.seq
     )`
      : `e as (
       insert into events (seq, source, id, event, decision) select seq, source, id, event::json, decision
         from unnest(${list(arrivals, ({ seq }) => seq, 'bigint')}, ${list(arrivals, ({ event }) => event.source)}, ${list(arrivals, ({ event }) => event.id)},
                     string_to_array(${text(texts)}, '${BETWEEN}'), ${list(decided, (id) => id)}) t(seq, source, id, event, decision)
     )`,
  ];
  if (decisions.size > 0)
    parts.push(`d as (
       insert into decisions (id, day, decision) select id, ${text(day)}::date, decision::jsonb
         from unnest(${list(ids, (id) => id)}, ${texted(decisions.values())}) n(id, decision)
        where not exists (select 1 from decisions where decisions.id = n.id) on conflict (id) do nothing
     )`);
  if (policies.size > 0)
    parts.push(`p as (
       insert into policies (id, policy) select id, policy::jsonb
         from unnest(${list([...policies.keys()], (id) => id)}, ${texted(policies.values())}) n(id, policy)
        where not exists (select 1 from policies where policies.id = n.id) on conflict (id) do nothing
     )`);
  if (rows.length > 0)
    parts.push(`i as (
       insert into inbox (key, kind, event, fingerprint, severity, policy)
       select key, kind, event, fingerprint, severity, policy
         from unnest(${list(rows, ({ key }) => key)}, ${list(rows, ({ kind }) => kind)}, ${list(rows, ({ by }) => by, 'bigint')},
                     ${list(rows, ({ fingerprint }) => fingerprint)}, ${list(rows, ({ severity }) => severity)}, ${list(rows, ({ policy }) => policy)})
              with ordinality r(key, kind, event, fingerprint, severity, policy, ord) order by ord
     )`);
  if (heard.length > 0)
    parts.push(`h as (
       update alerts set last_at = now(), event = h.event, expires_at = h.expires_at
         from unnest(${list(heard, ({ by }) => by, 'bigint')}, ${list(heard, ({ key }) => key)}, ${list(heard, ({ fingerprint }) => fingerprint)},
                     ${list(heard, ({ expires_at }) => iso(expires_at), 'timestamptz')}) h(event, key, fingerprint, expires_at)
        where alerts.key = h.key and alerts.fingerprint = h.fingerprint and alerts.current
     )`);
  // The door holds the locks of these fingerprints.
  if (ended.size > 0)
    parts.push(`n as (
       insert into ended (fingerprint, as_of) select fingerprint, as_of
         from unnest(${list([...ended.keys()], (fingerprint) => fingerprint)}, ${list([...ended.values()], (end) => new Date(end).toISOString(), 'timestamptz')}) t(fingerprint, as_of)
       on conflict (fingerprint) do update set as_of = greatest(ended.as_of, excluded.as_of), at = now()
     )`);
  const changed = (of: readonly Known[]): string =>
    `unnest(${list(of, ({ by }) => by, 'bigint')}, ${list(of, ({ key }) => key)},
                     ${list(of, ({ fingerprint }) => fingerprint)}, ${list(of, ({ firing }) => (firing ? 'firing' : 'resolved'))}, ${list(of, ({ severity }) => severity)},
                     ${list(of, ({ title }) => title)}, ${list(of, ({ service }) => service)}, ${list(of, ({ count }) => count, 'int')},
                     ${list(of, ({ resolved_at }) => iso(resolved_at), 'timestamptz')},
                     ${list(of, ({ expires_at }) => iso(expires_at), 'timestamptz')},
                     ${list(of, ({ inhibitor }) => (inhibitor ? JSON.stringify(inhibitor) : null))})
              a(event, key, fingerprint, status, severity, title, service, count, resolved_at, expires_at, labels)`;
  // The door has looked under the locks of these keys: what was none then is none now.
  if (begun.length > 0)
    parts.push(`a as (
       insert into alerts (key, fingerprint, incident, status, severity, title, service, count, first_at, last_at, resolved_at, expires_at, event, inhibits, labels)
       select a.key, a.fingerprint, o.id, a.status, a.severity, a.title, a.service, a.count, now(), now(), a.resolved_at, a.expires_at, a.event,
              a.labels is not null, coalesce(a.labels::jsonb, '{}')
         from ${changed(begun)} left join incidents o on o.key = a.key and o.closed_at is null
     )`);
  if (others.length > 0)
    parts.push(`u as (
       update alerts set status = a.status, severity = a.severity, title = a.title, service = a.service, count = a.count, last_at = now(),
              resolved_at = a.resolved_at, expires_at = a.expires_at, inhibits = a.labels is not null, labels = coalesce(a.labels::jsonb, '{}'),
              event = case when a.status = 'firing' then a.event else alerts.event end
         from ${changed(others)} where alerts.key = a.key and alerts.fingerprint = a.fingerprint and alerts.current
     )`);
  await tx.query(`with ${parts.join(', ')} select 1`, args);
}

const iso = (time: Date | string | null): string | null => (time instanceof Date ? time.toISOString() : time);
