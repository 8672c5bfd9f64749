/** What a notice is made of: the incident, its first alerts, the events of a chapter. */

import type { AlertFact, Facts } from '../core/compose.ts';
import type { Event } from '../core/event.ts';
import type { Outgoing } from '../core/incident.ts';
import type { Reason } from '../core/notice.ts';
import type { Queryable } from './db.ts';
import { procedure } from './procedure.ts';
import { tidy } from './views.ts';
import { workingOf } from './working.ts';

/** Alerts that a notice shows; the rest is a number. */
const ALERTS_SHOWN = 20;
/** Events of one chapter that a notice shows. */
const CHAPTER_SHOWN = 20;

export interface Told {
  incident: string;
  reason: Reason;
  level?: number;
  through: number;
  /** For a chapter: the first inbox seq it tells. */
  from?: number;
  delivery: { key: string; attempt: number };
}

/** `number`: the delivery's, once it is in the ledger. */
export type LedgerFacts = Omit<Facts, 'links' | 'public_url'> & { number?: number };

/** What a notice that goes out at this attempt is made from. */
export const toldBy = (incident: string, out: Outgoing, attempt: number): Told => ({
  incident,
  reason: out.reason,
  through: out.through,
  ...(out.level === undefined ? {} : { level: out.level }),
  ...(out.from === undefined ? {} : { from: out.from }),
  delivery: { key: out.key, attempt },
});

/** Everything of the ledger's that a notice needs. Throws when the incident does not exist. */
export const factsOf = procedure('factsOf', (tx, told: Told) => factsIn(tx, told));

/** The same, within a transaction. */
export async function factsIn(db: Queryable, told: Told): Promise<LedgerFacts> {
  const [row] = await db.query(
    `select i.id, i.status, severity, title, service, route, lifecycle, alerts as alert_count, opened_at, first_at, last_at, answered_at, snoozed_until, close_reason, working_state,
            case when answer = 'resolved' and not exists (select 1 from inbox where incident = i.id and kind = 'resolve') then null else answered_by end as answered_by,
            a.firing_count, a.total, coalesce((select min(started_at) from attempts where delivery = $2), now()) as at, (select number from deliveries where key = $2) as number
       from incidents i cross join (
              select count(*) filter (where current and status = 'firing')::int as firing_count, count(*)::int as total from alerts where incident = $1) a
      where id = $1`,
    [told.incident, told.delivery.key],
  );
  if (!row) throw new Error(`the ledger has no incident ${told.incident}`);
  const { total, at, number, ...incident } = tidy<Facts['incident'] & { total: number; at: string; number?: number }>(
    row,
  );
  const [, , , insteadOf] = /^([^/]*)\/failover\/([^/]*)-for-([^/]*)\//.exec(told.delivery.key) ?? [];
  const working_state = workingOf(told.delivery.key);
  return {
    incident: working_state === undefined ? incident : { ...incident, working_state },
    reason: told.reason,
    ...(told.level === undefined ? {} : { level: told.level }),
    alerts: told.from === undefined ? await alertsOf(db, told.incident) : [],
    total,
    ...(told.from === undefined ? {} : { chapter: await chapterOf(db, told.incident, told.from, told.through) }),
    ...(insteadOf === undefined ? {} : { instead_of: insteadOf }),
    delivery: told.delivery,
    ...(number === undefined ? {} : { number }),
    at,
  };
}

/** The first alerts of an incident, what fires before what ended, the worst before the milder. */
export async function alertsOf(db: Queryable, incident: string, limit = ALERTS_SHOWN): Promise<AlertFact[]> {
  const rows = await db.query(
    `select a.status, a.severity, a.title, a.count::int as count, a.first_at, a.last_at, e.event
       from (select *, array_position(array['critical','error','warning','info'], severity) as rank from alerts
              where incident = $1 and event is not null order by (status = 'firing') desc, rank, id limit $2) a
       join events e on e.seq = a.event
      order by (a.status = 'firing') desc, a.rank, a.id`,
    [incident, limit],
  );
  return rows.map((row) => tidy<AlertFact>(row));
}

/** The types of what a notice is about, each once: of the incident's alerts, or of the chapters from `from` to `through`. */
export async function typesOf(db: Queryable, incident: string, through: number, from?: number): Promise<string[]> {
  const rows = await db.query<{ type: string }>(
    from === undefined
      ? `select distinct e.event->>'type' as type from alerts a join events e on e.seq = a.event where a.incident = $1`
      : `select distinct e.event->>'type' as type from inbox i join events e on e.seq = i.event
          where i.incident = $1 and i.kind = 'chapter' and i.seq between $2 and $3`,
    from === undefined ? [incident] : [incident, from, through],
  );
  return rows.map(({ type }) => type);
}

async function chapterOf(
  db: Queryable,
  incident: string,
  from: number,
  through: number,
): Promise<NonNullable<Facts['chapter']>> {
  const rows = await db.query<{ event: Event }>(
    `select e.event from inbox i join events e on e.seq = i.event
      where i.incident = $1 and i.kind = 'chapter' and i.seq between $2 and $3 order by i.seq desc limit ${CHAPTER_SHOWN}`,
    [incident, from, through],
  );
  const [counted] = await db.query<{ before: number; so_far: number }>(
    `select count(*) filter (where seq < $2)::int as before, count(*)::int as so_far from inbox where incident = $1 and kind = 'chapter' and seq <= $3`,
    [incident, from, through],
  );
  return {
    events: rows.map(({ event }) => event).reverse(),
    isFirst: counted?.before === 0,
    so_far: counted?.so_far ?? 0,
  };
}
