/** How incidents and deliveries look to people: one row each, times in ISO 8601. */

import { type DeliveryState, type LedgerStatus, type Receipt, stateOf } from '../core/delivery.ts';
import type { Severity } from '../core/event.ts';
import type { IncidentStatus, Reason } from '../core/notice.ts';
import type { Queryable } from './db.ts';

export interface IncidentView {
  id: string;
  status: IncidentStatus;
  severity: Severity;
  title: string;
  service?: string;
  source: string;
  type: string;
  route: string;
  lifecycle?: string;
  working_state?: string;
  alert_count: number;
  opened_at: string;
  first_at: string;
  last_at: string;
  acked_at?: string;
  answered_by?: string;
  answered_at?: string;
  snoozed_until?: string;
  resolved_at?: string;
  closed_at?: string;
  close_reason?: string;
}

export interface DeliveryView {
  id: number;
  key: string;
  incident?: string;
  target: string;
  channel?: string;
  reason: Reason;
  level?: number;
  status: DeliveryState;
  attempts: number;
  failure?: string;
  detail?: string;
  scheduled_at: string;
  created_at: string;
  /** When the next round begins, where one waits. */
  next_at?: string;
  ended_at?: string;
  /** When the provider last said something of it. */
  receipt_at?: string;
  superseded_by?: string;
  /** The delivery that this one repeats under a key of its own. */
  redirected_from?: number;
}

export interface AttemptView {
  started_at: string;
  ended_at?: string;
  /** Absent while it is under way; `lost`: nobody recorded how it ended. */
  outcome?: 'delivered' | 'retrying' | 'dead' | 'lost';
  reason?: string;
  code?: string;
  latency_ms?: number;
  detail?: string;
}

/** Nulls left out, dates as ISO text: what JSON for people looks like. */
export function tidy<View>(row: Record<string, unknown>): View {
  const entries = Object.entries(row)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => [name, value instanceof Date ? value.toISOString() : value]);
  return Object.fromEntries(entries) as View;
}

export const INCIDENT_COLUMNS = `id, status, severity, title, service, source, type, route, lifecycle, working_state, alerts as alert_count, opened_at, first_at,
  last_at, acked_at, answered_by, answered_at, snoozed_until, resolved_at, closed_at, close_reason`;

export const DELIVERY_COLUMNS = `number as id, key, incident, target, channel, reason, level, status, attempts, failure, detail, scheduled_at, created_at, ended_at,
  next_at, receipt, receipt_at, superseded_by, redirected_from`;

/** A row of DELIVERY_COLUMNS as people see it. */
export function shownDelivery(row: Record<string, unknown>): DeliveryView {
  const { receipt, ...rest } = row;
  const { status, attempts } = row as { status: LedgerStatus; attempts: number };
  return tidy({ ...rest, status: stateOf({ status, attempts, receipt: receipt as Receipt | null }) });
}

/** The attempts of a delivery `d`, the first first, as JSON. */
export const ATTEMPTS = `coalesce((select jsonb_agg(jsonb_strip_nulls(jsonb_build_object('started_at', a.started_at, 'ended_at', a.ended_at, 'outcome', a.outcome,
  'reason', a.reason, 'code', a.code, 'latency_ms', a.latency_ms, 'detail', a.detail)) order by a.id) from attempts a where a.delivery = d.key), '[]')`;

/** The incident of this id, which must exist. */
export async function incidentView(db: Queryable, id: string): Promise<IncidentView> {
  const [row] = await db.query(`select ${INCIDENT_COLUMNS} from incidents where id = $1`, [id]);
  if (!row) throw new Error(`the ledger has no incident ${id}`);
  return tidy(row);
}
