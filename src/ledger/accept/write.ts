/** The one statement that keeps a commit: events, inbox rows, alerts, and the policies and decisions they name. */
import type { Event } from '../../core/event.ts';
import type { Queryable } from '../db.ts';
import { digest } from '../identity.ts';
import type { Arrival } from './arrival.ts';
import type { Ended, InboxRow, Known } from './effect.ts';

/** Stands between two events in one argument: a control character, which JSON never holds as it is. */
const BETWEEN = '\x1e';

/** What many rows name and the ledger keeps once: the names of each, and the texts that are named. */
export interface Named {
  policies: Map<string, string>;
  decisions: Map<string, string>;
  /** The names of the decisions, in the order of the arrivals; the day in them lets them go with their events. */
  decided: string[];
  day: string;
}

export function namedIn(arrivals: Arrival[], now: Date): Named {
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

/** New events, or those that are kept already and get another decision. */
const EVENTS = {
  new: `insert into events (source, id, event, decision)
       select source, id, event::json, decision
         from unnest($1::text[], $2::text[], string_to_array($3, '${BETWEEN}'), $4::text[]) t(source, id, event, decision)
       on conflict (id, source) do nothing returning seq, source, id`,
  kept: `update events set decision = t.decision from unnest($1::text[], $2::text[], $4::text[]) t(source, id, decision)
        where events.id = t.id and events.source = t.source and $3::text is not null returning events.seq, events.source, events.id`,
} as const;

/** The door holds the locks of these fingerprints. */
const ENDS = `, n as (
       insert into ended (fingerprint, as_of) select fingerprint, as_of from unnest($35::text[], $36::timestamptz[]) t(fingerprint, as_of)
       on conflict (fingerprint) do update set as_of = greatest(ended.as_of, excluded.as_of), at = now()
     )`;

export async function write(
  tx: Queryable,
  arrivals: Arrival[],
  { policies, decisions, decided, day }: Named,
  rows: InboxRow[],
  known: Known[],
  ended: Ended,
  events: keyof typeof EVENTS = 'new',
): Promise<void> {
  const alerts = known.filter(({ by, heard }) => by && !heard);
  const heard = known.filter((alert) => alert.by && alert.heard);
  await tx.query(
    `with p as (
       insert into policies (id, policy) select id, policy::jsonb from unnest($25::text[], string_to_array($26, '${BETWEEN}')) n(id, policy)
        where not exists (select 1 from policies where policies.id = n.id) on conflict (id) do nothing
     ), d as (
       insert into decisions (id, day, decision) select id, $27::date, decision::jsonb from unnest($28::text[], string_to_array($29, '${BETWEEN}')) n(id, decision)
        where not exists (select 1 from decisions where decisions.id = n.id) on conflict (id) do nothing
     ), e as (
       ${EVENTS[events]}
     ), i as (
       insert into inbox (key, kind, event, fingerprint, severity, policy)
       select r.key, r.kind, e.seq, r.fingerprint, r.severity, r.policy
         from unnest($5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[])
              with ordinality r(source, id, key, kind, fingerprint, severity, policy, ord)
         join e on e.source = r.source and e.id = r.id order by r.ord
     ), h as (
       update alerts set last_at = now(), event = e.seq, expires_at = h.expires_at
         from unnest($30::text[], $31::text[], $32::text[], $33::text[], $34::timestamptz[]) h(source, id, key, fingerprint, expires_at)
              join e on e.source = h.source and e.id = h.id
        where alerts.key = h.key and alerts.fingerprint = h.fingerprint and alerts.current
     )${ended.size > 0 ? ENDS : ''}
     insert into alerts (key, fingerprint, incident, status, severity, title, service, count, first_at, last_at, resolved_at, expires_at, event, inhibits, labels)
     select a.key, a.fingerprint, o.id, case when a.firing then 'firing' else 'resolved' end, a.severity, a.title, a.service, a.count, coalesce(a.first_at, now()),
            now(), a.resolved_at, a.expires_at, e.seq, a.labels is not null, coalesce(a.labels::jsonb, '{}')
       from unnest($12::text[], $13::text[], $14::text[], $15::text[], $16::bool[], $17::text[], $18::text[], $19::text[], $20::int[], $21::timestamptz[],
                   $22::timestamptz[], $23::timestamptz[], $24::text[])
            a(source, id, key, fingerprint, firing, severity, title, service, count, first_at, resolved_at, expires_at, labels)
       join e on e.source = a.source and e.id = a.id
       left join incidents o on o.key = a.key and o.closed_at is null
     on conflict (key, fingerprint) where current do update set status = excluded.status, severity = excluded.severity, title = excluded.title,
       service = excluded.service, count = excluded.count, last_at = excluded.last_at, resolved_at = excluded.resolved_at,
       expires_at = excluded.expires_at, inhibits = excluded.inhibits, labels = excluded.labels,
       event = case when excluded.status = 'firing' then excluded.event else alerts.event end`,
    [
      arrivals.map(({ event }) => event.source),
      arrivals.map(({ event }) => event.id),
      events === 'new' ? arrivals.map(({ event }) => textOf(event)).join(BETWEEN) : '',
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
      heard.map(({ by }) => by?.[0]),
      heard.map(({ by }) => by?.[1]),
      heard.map(({ key }) => key),
      heard.map(({ fingerprint }) => fingerprint),
      heard.map(({ expires_at }) => iso(expires_at)),
      ...(ended.size > 0 ? [[...ended.keys()], [...ended.values()].map((end) => new Date(end).toISOString())] : []),
    ],
  );
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

const iso = (time: Date | string | null): string | null => (time instanceof Date ? time.toISOString() : time);
