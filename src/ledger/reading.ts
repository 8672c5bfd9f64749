/** What people ask of the ledger: where an event went, incidents, deliveries. Lists are pages, the newest first. */

import type { AlertFact } from '../core/compose.ts';
import type { Event, Json } from '../core/event.ts';
import type { IncidentStatus } from '../core/notice.ts';
import type { StoredDecision } from '../core/route.ts';
import type { Queryable } from './db.ts';
import { alertsOf } from './facts.ts';
import {
  DELIVERY_COLUMNS,
  type DeliveryStatus,
  type DeliveryView,
  INCIDENT_COLUMNS,
  type IncidentView,
  tidy,
} from './views.ts';

export interface StoredEvent {
  id: string;
  source: string;
  accepted_at: string;
  event: Event;
  decision: StoredDecision;
  /** What it did to each incident it was routed to. */
  joins: { incident?: string; key: string; effect: string }[];
  deliveries: DeliveryView[];
}

/** The events of this id, one for each source that used it. */
export async function eventOf(db: Queryable, id: string): Promise<StoredEvent[]> {
  const rows = await db.query<{
    seq: number;
    id: string;
    source: string;
    accepted_at: Date;
    event: Event;
    decision: StoredDecision & { effects?: { key: string; effect: string }[] };
  }>(
    'select e.seq, e.id, e.source, e.accepted_at, e.event, d.decision from events e join decisions d on d.id = e.decision where e.id = $1 order by e.seq limit 20',
    [id],
  );
  return Promise.all(
    rows.map(async ({ seq, accepted_at, decision, ...row }) => {
      const { effects = [], ...stored } = decision;
      const joins = await Promise.all(
        effects.map(async ({ key, effect }) => ({ ...(await incidentOfKey(db, key, seq, accepted_at)), key, effect })),
      );
      const incidents = joins.flatMap(({ incident }) => (incident === undefined ? [] : [incident]));
      const deliveries = incidents.length === 0 ? [] : await deliveriesOf(db, incidents);
      return { ...row, accepted_at: accepted_at.toISOString(), decision: stored, joins, deliveries };
    }),
  );
}

/** The incident whose inbox has this event's row; for an event without a row, the one that was open then. */
async function incidentOfKey(db: Queryable, key: string, seq: number, at: Date): Promise<{ incident?: string }> {
  const [row] = await db.query<{ id: string }>(
    `select coalesce((select incident from inbox where event = $2 and key = $1 limit 1),
                     (select id from incidents where key = $1 and opened_at <= $3 and (closed_at is null or closed_at >= $3) order by number desc limit 1)) as id`,
    [key, seq, at.toISOString()],
  );
  return row?.id ? { incident: row.id } : {};
}

async function deliveriesOf(db: Queryable, incidents: string[]): Promise<DeliveryView[]> {
  const rows = await db.query(
    `select ${DELIVERY_COLUMNS} from deliveries where incident = any($1::text[]) order by number limit 200`,
    [incidents],
  );
  return rows.map((row) => tidy<DeliveryView>(row));
}

export interface IncidentFilter {
  status?: IncidentStatus;
  severity?: string;
  service?: string;
  /** Words in the title, or an id. */
  q?: string;
  cursor?: string;
  limit: number;
  /** Only those that are not closed. */
  open?: boolean;
}

export async function listIncidents(
  db: Queryable,
  { status, severity, service, q, cursor, limit, open = false }: IncidentFilter,
): Promise<{ incidents: IncidentView[]; next?: string }> {
  const rows = await db.query<{ number: number }>(
    `select number, ${INCIDENT_COLUMNS} from incidents
      where ($1::text is null or status = $1) and ($2::text is null or severity = $2) and ($3::text is null or service = $3)
        and ($4::text is null or position(lower($4) in lower(title)) > 0 or id = upper($4)) and ($5::bigint is null or number < $5)
        and (not $7 or closed_at is null)
      order by number desc limit $6`,
    [status ?? null, severity ?? null, service ?? null, q ?? null, cursor ?? null, limit, open],
  );
  const last = rows.at(-1);
  return {
    incidents: rows.map(({ number: _, ...row }) => tidy<IncidentView>(row)),
    ...(rows.length === limit && last ? { next: String(last.number) } : {}),
  };
}

export interface TimelineRow {
  seq: number;
  at: string;
  kind: string;
  severity?: string;
  title?: string;
  by?: string;
  detail?: Json;
}

export interface IncidentDetail extends IncidentView {
  timeline: TimelineRow[];
  alerts: AlertFact[];
  deliveries: (DeliveryView & {
    attempts_made: { started_at: string; ended_at?: string; outcome?: string; reason?: string; detail?: string }[];
  })[];
}

/** Rows of the timeline and deliveries that one answer shows. */
const SHOWN = 500;

/** The id of the incident of this id or number. */
export async function incidentNamed(db: Queryable, name: string): Promise<string | undefined> {
  const number = /^\d{1,15}$/.test(name) ? Number(name) : null;
  const [row] = await db.query<{ id: string }>(
    'select id from incidents where id = upper($1) or id = $1 or number = $2 order by number desc limit 1',
    [name, number],
  );
  return row?.id;
}

export async function incidentOf(db: Queryable, id: string): Promise<IncidentDetail | undefined> {
  const [row] = await db.query(`select ${INCIDENT_COLUMNS} from incidents where id = $1`, [id]);
  if (!row) return undefined;
  const timeline = await db.query(
    `select * from (select i.seq, i.at, i.kind, i.severity, e.event->>'title' as title, i.by, i.detail from inbox i left join events e on e.seq = i.event
      where i.incident = $1 order by i.seq desc limit ${SHOWN}) t order by seq`,
    [id],
  );
  const deliveries = await db.query(
    `select ${DELIVERY_COLUMNS}, coalesce((select jsonb_agg(jsonb_strip_nulls(jsonb_build_object('started_at', a.started_at, 'ended_at', a.ended_at, 'outcome', a.outcome,
            'reason', a.reason, 'detail', a.detail)) order by a.id) from attempts a where a.delivery = d.key), '[]') as attempts_made
       from deliveries d where incident = $1 order by number limit ${SHOWN}`,
    [id],
  );
  return {
    ...tidy<IncidentView>(row),
    timeline: timeline.map((one) => tidy<TimelineRow>(one)),
    alerts: await alertsOf(db, id, SHOWN),
    deliveries: deliveries.map((one) => tidy<IncidentDetail['deliveries'][number]>(one)),
  };
}

export interface DeliveryFilter {
  status?: DeliveryStatus;
  incident?: string;
  target?: string;
  cursor?: string;
  limit: number;
}

export async function listDeliveries(
  db: Queryable,
  { status, incident, target, cursor, limit }: DeliveryFilter,
): Promise<{ deliveries: DeliveryView[]; next?: string }> {
  const rows = await db.query(
    `select ${DELIVERY_COLUMNS} from deliveries
      where ($1::text is null or status = $1) and ($2::text is null or incident = $2) and ($3::text is null or target = $3) and ($4::bigint is null or number < $4)
      order by number desc limit $5`,
    [status ?? null, incident ?? null, target ?? null, cursor ?? null, limit],
  );
  const deliveries = rows.map((row) => tidy<DeliveryView>(row));
  const last = deliveries.at(-1);
  return { deliveries, ...(rows.length === limit && last ? { next: String(last.id) } : {}) };
}

/** How much waits, is open, is on its way and is dead. */
export async function stats(db: Queryable): Promise<{ waiting: number; open: number; dead: number; sending: number }> {
  const [row] = await db.query<{ waiting: number; open: number; dead: number; sending: number }>(
    `select (select count(*)::int from inbox where batch is null) as waiting, (select count(*)::int from incidents where closed_at is null) as open,
            (select count(*)::int from deliveries where status = 'dead') as dead,
            (select count(*)::int from deliveries where status in ('sending', 'retrying')) as sending`,
  );
  return row ?? { waiting: 0, open: 0, dead: 0, sending: 0 };
}
