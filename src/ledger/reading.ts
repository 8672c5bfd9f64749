/** What people ask of the ledger: where an event went, incidents, deliveries. Lists are pages, the newest first. */

import type { AlertFact } from '../core/compose.ts';
import { type DeliveryState, type DeliveryWord, type Recipient, recipientsIn, statesOf } from '../core/delivery.ts';
import type { Event, Json } from '../core/event.ts';
import type { IncidentStatus } from '../core/notice.ts';
import type { StoredDecision } from '../core/route.ts';
import type { Queryable } from './db.ts';
import { alertsOf } from './facts.ts';
import {
  ATTEMPTS,
  type AttemptView,
  DELIVERY_COLUMNS,
  type DeliveryView,
  INCIDENT_COLUMNS,
  type IncidentView,
  shownDelivery,
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
    `select coalesce((select incident from inbox where event = $2 and key = $1 and incident is not null limit 1),
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
  return rows.map(shownDelivery);
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
  deliveries: DeliveryDetail[];
}

export interface DeliveryDetail extends DeliveryView {
  attempts_made: AttemptView[];
  /** Absent where the channel keeps none. */
  recipients?: Recipient[];
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
    `select ${DELIVERY_COLUMNS}, ${ATTEMPTS} as attempts_made from deliveries d where incident = $1 order by number limit ${SHOWN}`,
    [id],
  );
  return {
    ...tidy<IncidentView>(row),
    timeline: timeline.map((one) => tidy<TimelineRow>(one)),
    alerts: await alertsOf(db, id, SHOWN),
    deliveries: deliveries.map((one) => shownDelivery(one) as DeliveryDetail),
  };
}

/** One delivery with all its attempts. */
export async function deliveryOfId(db: Queryable, id: number): Promise<DeliveryDetail | undefined> {
  const [row] = await db.query<{ ref: { [key: string]: Json } | null }>(
    `select ${DELIVERY_COLUMNS}, ${ATTEMPTS} as attempts_made, ref from deliveries d where number = $1`,
    [id],
  );
  if (!row) return undefined;
  const { ref, ...rest } = row;
  const recipients = recipientsIn(ref);
  return { ...(shownDelivery(rest) as DeliveryDetail), ...(recipients.length > 0 ? { recipients } : {}) };
}

export interface DeliveryFilter {
  /** In any of these states. */
  status?: DeliveryWord | DeliveryWord[];
  incident?: string;
  target?: string;
  channel?: string;
  /** Why it was told. */
  reason?: string;
  /** Why it failed. */
  failure?: string;
  /** Made at this time or later, and before that. */
  since?: string;
  until?: string;
  cursor?: string;
  limit: number;
}

/** The states as the ledger finds them: `stateOf` of core/delivery.ts, the other way round. */
const IN_STATE: Readonly<Record<DeliveryState, string>> = {
  pending: `(status = 'retrying' and attempts = 0)`,
  failed: `(status = 'retrying' and attempts > 0)`,
  sending: `(status = 'sending')`,
  sent: `(status = 'delivered' and receipt = 'awaited')`,
  delivered: `(status = 'delivered' and receipt is distinct from 'awaited' and receipt is distinct from 'read')`,
  read: `(status = 'delivered' and receipt = 'read')`,
  dead: `(status = 'dead')`,
  skipped: `(status = 'skipped')`,
  superseded: `(status = 'superseded')`,
};

/** How each filter asks; `$` stands for its parameter. */
const FILTERS = {
  incident: 'incident = $',
  target: 'target = $',
  channel: 'channel = $',
  reason: 'reason = $',
  failure: 'failure = $',
  since: 'created_at >= $::timestamptz',
  until: 'created_at < $::timestamptz',
  cursor: 'number < $::bigint',
} as const;

/**
 * A page of the deliveries that pass all the filters. The statement holds only the filters that are asked for, so that the index of
 * each serves it; test/ledger/filters.test.ts explains which.
 */
export async function listDeliveries(
  db: Queryable,
  filter: DeliveryFilter,
): Promise<{ deliveries: DeliveryView[]; next?: string }> {
  const { status, limit } = filter;
  const states = status === undefined ? [] : [...new Set([status].flat().flatMap(statesOf))].sort();
  const params: unknown[] = [limit];
  const where = states.length === 0 ? [] : [`(${states.map((state) => IN_STATE[state]).join(' or ')})`];
  for (const [name, asks] of Object.entries(FILTERS)) {
    const value = filter[name as keyof typeof FILTERS];
    if (value === undefined) continue;
    params.push(value);
    where.push(asks.replace('$', `$${params.length}`));
  }
  const rows = await db.query(
    `select ${DELIVERY_COLUMNS} from deliveries ${where.length > 0 ? `where ${where.join(' and ')}` : ''} order by number desc limit $1`,
    params,
  );
  const deliveries = rows.map(shownDelivery);
  const last = deliveries.at(-1);
  return { deliveries, ...(rows.length === limit && last ? { next: String(last.id) } : {}) };
}

/** How much waits, is open, is on its way (what is sent by hand included, until its outcome is kept) and is dead. */
export async function stats(db: Queryable): Promise<{ waiting: number; open: number; dead: number; sending: number }> {
  const [row] = await db.query<{ waiting: number; open: number; dead: number; sending: number }>(
    `select (select count(*)::int from inbox where batch is null) as waiting, (select count(*)::int from incidents where closed_at is null) as open,
            (select count(*)::int from deliveries where status = 'dead') as dead,
            (select count(*)::int from deliveries where status in ('sending', 'retrying'))
            + (select count(*)::int from sends s where ended_at is null
                  and not exists (select 1 from deliveries where key = s.delivery and status in ('sending', 'retrying'))) as sending`,
  );
  return row ?? { waiting: 0, open: 0, dead: 0, sending: 0 };
}

/** The key of the alert that one of these events of a source is of, the first that was kept; undefined where none was. */
export async function dedupKeyOf(db: Queryable, source: string, ids: readonly string[]): Promise<string | undefined> {
  if (ids.length === 0) return undefined;
  const [row] = await db.query<{ key: string | null }>(
    `select event->>'dedup_key' as key from events where source = $1 and id = any($2::text[]) order by seq limit 1`,
    [source, ids],
  );
  return row?.key ?? undefined;
}
