/** What the ledger knows before a commit: which of the events it has kept, the alerts they are about, and how those have ended. */
import { asOf, type Times } from '../../core/event.ts';
import type { Queryable, Transaction } from '../db.ts';
import type { Arrival } from './arrival.ts';
import { alertName, type Ended, fingerprintIn, type Known } from './effect.ts';

interface Looked {
  /** The names of those that are kept. */
  events: Set<string>;
  alerts: Map<string, Known>;
  ended: Ended;
  /** Numbers for rows that are to come. */
  seqs: number[];
}

/** No text of ours holds a NUL. */
export const eventName = (source: string, id: string): string => `${source}\0${id}`;

/** The alerts about which an event says what it is as of. */
export const datedIn = (all: Arrival[]): string[] => [
  ...new Set(all.filter(({ event }) => asOf(event) !== undefined).map(({ fingerprint }) => fingerprint)),
];

/** Looks up all that the arrivals are about, and takes the numbers of so many rows. */
export async function lookUp(tx: Transaction, all: Arrival[], rows: number): Promise<Looked> {
  const wanted = [...namesIn(all).values()];
  // Read here, under the keys' locks: before them another door could have let it fire again.
  const fired = all.some(({ event }) => event.status === 'resolved') ? `, coalesce(${FIRED}::text, 'null')` : '';
  const dated = datedIn(all);
  const [found] = await tx.query<{ events: string; alerts: string; seqs: string; ended?: string }>(
    `select (select coalesce(json_agg(json_build_array(source, id)), '[]')::text from ${keptOf(all)}) as events,
            ${knownOf('$3', '$4', 'current', fired)} as alerts, ${NUMBERS[tx.kind]} as seqs${dated.length > 0 ? ENDED : ''}`,
    [
      all.map(({ event }) => event.source),
      all.map(({ event }) => event.id),
      ...listsOf(wanted),
      rows,
      ...(dated.length > 0 ? [dated] : []),
    ],
  );
  const alerts = new Map<string, Known>();
  const note = (those: Known[]): void => {
    for (const one of those) alerts.set(alertName(one.key, one.fingerprint), one);
  };
  note(readKnown(found?.alerts, wanted, true));
  const others = [...namesIn(all.filter(asksForLast)).values()].filter((names) => !alerts.has(alertName(...names)));
  note(await lastOf(tx, others));
  const events = JSON.parse(found?.events ?? '[]') as [source: string, id: string][];
  const ended: Ended = new Map(JSON.parse(found?.ended ?? '[]') as [string, number][]);
  const seqs = JSON.parse(found?.seqs ?? '[]') as number[];
  return { events: new Set(events.map(([source, id]) => eventName(source, id))), alerts, ended, seqs };
}

/**
 * Those that are kept already. Of one source all are found in one walk through the index, in a fifth of the time. Not by their ids
 * alone: as many sources as like may have one that is called the same.
 */
const keptOf = (all: Arrival[]): string =>
  all.every(({ event }) => event.source === all[0]?.event.source)
    ? `events where id = any($2::text[]) and source = ($1::text[])[1]`
    : `unnest($1::text[], $2::text[]) s(source, id)
         cross join lateral (select 1 from events where events.id = s.id and events.source = s.source limit 1) e`;

/** So many numbers as one text. Where there is but one connection they are taken at once, in a fifth of the time. */
const NUMBERS = {
  pglite: `(select concat('[', string_agg(n::text, ','), ']') from (select setval('events_seq_seq', nextval('events_seq_seq') + greatest($5::int, 1) - 1) as last offset 0) s,
              generate_series(s.last - $5::int + 1, s.last) n)`,
  postgres: `(select concat('[', string_agg(nextval('events_seq_seq')::text, ','), ']') from generate_series(1, $5::int))`,
} as const;

type Names = readonly [key: string, fingerprint: string];

/** The alerts that are joined or would be, by their names. */
function namesIn(all: Arrival[]): Map<string, Names> {
  const names = new Map<string, Names>();
  const note = (key: string, fingerprint: string): void =>
    void names.set(alertName(key, fingerprint), [key, fingerprint]);
  for (const { joins, quiet, fingerprint } of all) {
    for (const join of joins) note(join.key, fingerprintIn(join, fingerprint));
    for (const { join } of quiet) note(join.key, fingerprint);
  }
  return names;
}

const listsOf = (wanted: readonly Names[]): [keys: string[], fingerprints: string[]] => [
  wanted.map(([key]) => key),
  wanted.map(([, fingerprint]) => fingerprint),
];

/**
 * Whether the last end of its alert has a say in what an event does: it may be older than that, and where it names no service it has that
 * of its alert. Of the others nobody looks for it (2 µs of a new alert's 43).
 */
const asksForLast = ({ event }: Arrival): boolean => event.occurred_at !== undefined || event.service === undefined;

/** The last end of each alert that is none now. */
async function lastOf(tx: Queryable, others: readonly Names[]): Promise<Known[]> {
  if (others.length === 0) return [];
  const [found] = await tx.query<{ alerts: string }>(
    `select ${knownOf('$1', '$2', 'past')} as alerts`,
    listsOf(others),
  );
  return readKnown(found?.alerts, others, false);
}

const WHICH = { current: ['current', ''], past: ['not current', 'order by id desc'] } as const;

/**
 * What is known of the alerts of these names, as one text: read in a fifth of the time that rows take (measured on PGlite: 20 µs a row
 * became 4), and put together by hand, as json_agg asks the catalog about each column of each row (3.8 µs became 1.9). Each is
 * looked up by its index: `limit` keeps the planner, who may know only an empty table, from joining the whole of it.
 */
function knownOf(keys: string, fingerprints: string, of: keyof typeof WHICH, more = ''): string {
  const [which, order] = WHICH[of];
  return `(select concat('[', string_agg(a, ','), ']') from unnest(${keys}::text[], ${fingerprints}::text[]) with ordinality w(key, fingerprint, at)
     cross join lateral (
       select concat('[', concat_ws(',', w.at - 1, (current and status = 'firing')::text, to_json(severity), to_json(title), ${orNull('to_json(service)')},
                count, ${orNull('to_json(resolved_at)')}, ${orNull('to_json(expires_at)')}, case when inhibits then labels::text else 'null' end${more}), ']') as a
         from alerts where ${which} and alerts.key = w.key and alerts.fingerprint = w.fingerprint ${order} limit 1) a)`;
}
const orNull = (json: string): string => `coalesce(${json}::text, 'null')`;

/** As `knownOf` writes it. */
type Row = [
  at: number,
  firing: boolean,
  severity: string,
  title: string,
  service: string | null,
  count: number,
  resolved_at: string | null,
  expires_at: string | null,
  inhibitor: Known['inhibitor'],
  fired?: Times | null,
];

function readKnown(text: string | undefined, wanted: readonly Names[], current: boolean): Known[] {
  return (JSON.parse(text ?? '[]') as Row[]).map(
    ([at, firing, severity, title, service, count, resolved_at, expires_at, inhibitor, fired]): Known => {
      const [key, fingerprint] = wanted[at] as Names;
      const known = {
        key,
        fingerprint,
        current,
        kept: current,
        firing,
        severity,
        title,
        service,
        count,
        resolved_at,
        expires_at,
        inhibitor,
      };
      return fired === undefined ? known : { ...known, fired };
    },
  );
}

/** The ends of those of which an event says what it is as of. */
const ENDED = `, (select coalesce(json_agg(json_build_array(n.fingerprint, round(extract(epoch from n.as_of) * 1000)::bigint)), '[]')::text
   from ended n where n.fingerprint = any($6::text[])) as ended`;
/** The times of the last firing. */
const FIRED = `(select json_strip_nulls(json_build_object('as_of', event -> 'as_of', 'occurred_at', event -> 'occurred_at'))
  from events where events.seq = alerts.event)`;
