/** How incidents and deliveries look to people: one row each, times in ISO 8601. */

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

export type DeliveryStatus = 'sending' | 'retrying' | 'delivered' | 'dead' | 'superseded' | 'skipped';

export interface DeliveryView {
  id: number;
  key: string;
  incident?: string;
  target: string;
  channel?: string;
  reason: Reason;
  level?: number;
  status: DeliveryStatus;
  attempts: number;
  failure?: string;
  detail?: string;
  scheduled_at: string;
  created_at: string;
  ended_at?: string;
  superseded_by?: string;
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
  superseded_by`;

/** The incident of this id, which must exist. */
export async function incidentView(db: Queryable, id: string): Promise<IncidentView> {
  const [row] = await db.query(`select ${INCIDENT_COLUMNS} from incidents where id = $1`, [id]);
  if (!row) throw new Error(`the ledger has no incident ${id}`);
  return tidy(row);
}
