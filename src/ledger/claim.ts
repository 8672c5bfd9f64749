/** What the relay asks of the ledger: the rows of an inbox as a batch, and which batches nobody has signalled. */
import { isWorse, type Severity, worseOf } from '../core/event.ts';
import { type Batch, type Opening, type Row, withChapters } from '../core/incident.ts';
import type { IncidentStatus, Reason } from '../core/notice.ts';
import type { Policy } from '../core/policy.ts';
import type { Queryable, Transaction } from './db.ts';
import { lockKeys } from './identity.ts';
import { ALERT_KINDS, type InboxRow, unclaimed, type Waiting, waitingInboxes } from './inbox.ts';
import { procedure } from './procedure.ts';
import { announce } from './steps.ts';

export interface Claim {
  opening: Opening;
  batch: Batch;
}

/** The rows of a batch that a history shows (design.md section 2, rule 10). */
const ROWS_SHOWN = 50;
/** What an incident's id begins with; installations that share one Temporal namespace have one each. */
const INCIDENT_PREFIX = 'INC';
interface IncidentRow {
  id: string;
  policy: Policy;
  status: IncidentStatus;
  answer: Reason | null;
  answer_rev: number;
  answered_at: Date | null;
  snoozed_until: Date | null;
  opened_at: Date;
  first_at: Date;
  last_batch: number;
  epoch: string;
  severity: Severity;
  service: string | null;
  source: string;
}

/** An incident with its policy and the ledger's present epoch, which rides in every batch. */
const OPENING = `i.*, p.policy, m.value as epoch from incidents i join policies p on p.id = i.policy join meta m on m.name = 'epoch'`;

/**
 * Takes every unclaimed row of a key as the next batch of its open incident, opening one if there is none. Rows, totals and
 * status are of one moment. Undefined when there is nothing to claim.
 */
export const claim = procedure('claim', (tx, key: string, prefix?: string | null) => claimIn(tx, key, prefix));

/**
 * A look at the inboxes, and the claim of one that waits alone and must not: what comes while nothing else happens is spared
 * a transaction and a way to the ledger and back.
 */
export const lookAndClaim = procedure(
  'lookAndClaim',
  async (tx, prefix?: string | null): Promise<{ waiting: Waiting[]; claimed?: Claim }> => {
    const waiting = await waitingInboxes(tx);
    const [only, ...others] = waiting;
    const claimed = only?.urgent && others.length === 0 ? await claimIn(tx, only.key, prefix) : undefined;
    return { waiting, ...(claimed ? { claimed } : {}) };
  },
);

async function claimIn(tx: Transaction, key: string, prefix?: string | null): Promise<Claim | undefined> {
  await lockKeys(tx, [key]);
  const [open] = await tx.query<IncidentRow>(
    `select ${OPENING} where i.key = $1 and i.closed_at is null for update of i`,
    [key],
  );
  const rows = await unclaimed(tx, key);
  const last = rows.at(-1);
  if (!last) return undefined;
  const incident = open ?? (await openFor(tx, key, rows, prefix ?? undefined));
  if (!incident) {
    await tx.query('update inbox set batch = 0 where key = $1 and batch is null and seq <= $2', [key, last.seq]);
    return undefined;
  }
  if (!open) await adopt(tx, key, incident.id);
  const totals = await totalsOf(tx, incident.id);
  const batch = batchOf(incident, rows, totals);
  await store(tx, key, incident, batch, dueAfter(incident, batch, rows, !open));
  announce('claim.written');
  return {
    opening: {
      id: incident.id,
      policy: incident.policy,
      epoch: incident.epoch,
      opened_at: incident.opened_at.getTime(),
      severity: batch.worst ?? incident.severity,
      service: incident.service ?? '',
      source: incident.source,
    },
    batch,
  };
}

/** Opens an incident with the first row that may: a firing, or a chapter of a story. */
export async function openFor(
  tx: Queryable,
  key: string,
  rows: InboxRow[],
  prefix = INCIDENT_PREFIX,
): Promise<IncidentRow | undefined> {
  const first = rows.find(({ kind, policy }) => (kind === 'fired' || kind === 'chapter') && policy !== null);
  if (!first) return undefined;
  const [opened] = await tx.query<IncidentRow>(
    `with n as (select nextval('incident_numbers') as number),
          e as (select event from events where seq = $2),
          p as (select id, policy from policies where id = $3),
          i as (insert into incidents (id, number, key, key_words, route, policy, lifecycle, title, service, source, type, severity, opened_at, first_at, last_at)
                select $6 || '-' || n.number, n.number, $1, '', p.policy->>'route', p.id, p.policy->>'lifecycle', e.event->>'title', e.event->>'service',
                       e.event->>'source', e.event->>'type', $4, $5::timestamptz, $5::timestamptz, $5::timestamptz
                  from n, e, p returning *)
     select i.id, i.status, i.answer, i.answer_rev, i.answered_at, i.snoozed_until, i.opened_at, i.first_at, i.last_batch, m.value as epoch, i.severity,
            i.service, i.source, p.policy from i, p, meta m where m.name = 'epoch'`,
    [key, first.event, first.policy, first.severity ?? 'info', first.at.toISOString(), prefix],
  );
  return opened;
}

interface Totals {
  firing: number;
  alerts: number;
  worst: Severity | null;
  /** The worst of all, firing or not: what a story or an ended alarm was about. */
  worst_ever: Severity | null;
}

/** The alerts that came before their incident; those that come later are given theirs at the door. */
export const adopt = (tx: Queryable, key: string, incident: string): Promise<unknown> =>
  tx.query('update alerts set incident = $2 where key = $1 and current and incident is null', [key, incident]);

async function totalsOf(tx: Queryable, incident: string): Promise<Totals> {
  const rows = await tx.query<{ status: string; severity: Severity; alerts: number; occurrences: number }>(
    'select status, severity, count(*)::int as alerts, sum(count)::int as occurrences from alerts where incident = $1 and current group by status, severity',
    [incident],
  );
  const worst = (of: typeof rows): Severity | null =>
    of.reduce<Severity | null>((soFar, { severity }) => worseOf(soFar, severity), null);
  const firing = rows.filter(({ status }) => status === 'firing');
  return {
    firing: firing.reduce((sum, { alerts }) => sum + alerts, 0),
    alerts: rows.reduce((sum, { occurrences }) => sum + occurrences, 0),
    worst: worst(firing),
    worst_ever: worst(rows),
  };
}

function batchOf(incident: IncidentRow, rows: InboxRow[], totals: Totals): Batch {
  const last = rows.at(-1) as InboxRow;
  const alertRows = rows.filter(({ kind }) => ALERT_KINDS.includes(kind));
  const answer = answerOf(incident, rows, totals);
  const escalate = rows.findLast(({ kind }) => kind === 'escalate');
  const answered_worst = worstAcknowledged(incident, rows);
  const chapters = rows.filter(({ kind }) => kind === 'chapter').map(({ seq }): [number, number] => [seq, seq]);
  const lastAlert = alertRows.at(-1);
  return {
    incident: incident.id,
    number: incident.last_batch + 1,
    epoch: incident.epoch,
    at: last.at.getTime(),
    through: last.seq,
    ...answer,
    ...(answered_worst ? { answered_worst } : {}),
    firing: totals.firing,
    alerts: totals.alerts,
    worst: totals.worst,
    first_at: incident.first_at.getTime(),
    last_at: (lastAlert ?? last).at.getTime(),
    ...(escalate ? { escalate: escalate.detail?.level ?? 0 } : {}),
    ...(chapters.length > 0 ? { chapters: withChapters([], chapters) } : {}),
    rows: rows.slice(0, ROWS_SHOWN).map(shown),
    more: Math.max(0, rows.length - ROWS_SHOWN),
  };
}

const shown = ({ seq, kind, severity, at }: InboxRow): Row => ({
  seq,
  kind,
  at: at.getTime(),
  ...(severity ? { severity } : {}),
});

/** What an acknowledgement was given to, where something fired after it in the same rows: a rise above it outgrows it. */
function worstAcknowledged({ severity }: IncidentRow, rows: InboxRow[]): Severity | undefined {
  const at = rows.findLastIndex(({ kind }) => kind === 'ack');
  if (at < 0 || !rows.slice(at).some(({ kind }) => kind === 'fired')) return undefined;
  const before = rows.slice(0, at).flatMap((row) => (row.kind === 'fired' && row.severity ? [row.severity] : []));
  return before.reduce((worst, one) => (isWorse(one, worst) ? one : worst), severity);
}

type Answered = Pick<Batch, 'status' | 'answer_rev' | 'answer' | 'answered_at' | 'snoozed_until'>;

/** The incident's status after these rows: commands have set it already, alerts end it or open it again here. */
function answerOf(incident: IncidentRow, rows: InboxRow[], totals: Totals): Answered {
  const at = (rows.at(-1) as InboxRow).at.getTime();
  const lastSeq = (...kinds: string[]): number => rows.findLast(({ kind }) => kinds.includes(kind))?.seq ?? 0;
  const alertsCame = lastSeq(...ALERT_KINDS) > 0;
  const firedSince = lastSeq('fired', 'chapter') > lastSeq('resolve');
  // What fired and ended again after the end was told is told as another end.
  if (totals.firing === 0 && alertsCame && (incident.status !== 'resolved' || firedSince)) {
    return { status: 'resolved', answer_rev: incident.answer_rev + 1, answer: 'resolved', answered_at: at };
  }
  if (incident.status === 'resolved' && totals.firing > 0 && firedSince) {
    return { status: 'open', answer_rev: incident.answer_rev + 1, answer: 'fired_again', answered_at: at };
  }
  return {
    status: incident.status,
    answer_rev: incident.answer_rev,
    ...(incident.answer ? { answer: incident.answer } : {}),
    ...(incident.answered_at ? { answered_at: incident.answered_at.getTime() } : {}),
    ...(incident.snoozed_until ? { snoozed_until: incident.snoozed_until.getTime() } : {}),
  };
}

/** By when the workflow surely acts on this batch, at the latest: what is later than that was lost with its workflow. */
function dueAfter(
  { policy, severity, answer_rev }: IncidentRow,
  batch: Batch,
  rows: InboxRow[],
  isNew: boolean,
): number {
  const isCommanded = rows.some(({ kind }) => !ALERT_KINDS.includes(kind));
  const isUrgent =
    batch.worst !== null && (isNew ? policy.group_now.includes(batch.worst) : isWorse(batch.worst, severity));
  if (isCommanded || isUrgent || batch.answer_rev > answer_rev) return batch.at;
  return batch.at + (isNew ? policy.group_wait_ms : policy.group_interval_ms);
}

async function store(tx: Queryable, key: string, incident: IncidentRow, batch: Batch, due: number): Promise<void> {
  await tx.query(
    `with r as (update inbox set batch = $3, incident = $2 where key = $1 and batch is null and seq <= $4),
          b as (insert into batches (incident, number, batch) values ($2, $3, $5::jsonb))
     update incidents set last_batch = $3, status = $6, answer_rev = $7, answer = coalesce($8, answer), answered_at = coalesce($9::timestamptz, answered_at),
            severity = coalesce($10, severity), alerts = $11, last_at = greatest(last_at, $12::timestamptz),
            resolved_at = case when $6 <> 'resolved' then null else coalesce(resolved_at, $9::timestamptz) end,
            due_at = least(due_at, $13::timestamptz)
      where id = $2`,
    [
      key,
      incident.id,
      batch.number,
      batch.through,
      JSON.stringify(batch),
      batch.status,
      batch.answer_rev,
      batch.answer ?? null,
      batch.answered_at === undefined ? null : new Date(batch.answered_at).toISOString(),
      batch.worst,
      batch.alerts,
      new Date(batch.last_at).toISOString(),
      new Date(due).toISOString(),
    ],
  );
}

/** A batch claimed this long ago that no signal has confirmed is sent again; sooner, its own relay is still at it. */
const UNSENT_AFTER = '10 seconds';

/** Batches that a relay claimed and nobody is known to have signalled, to be sent again as they are. */
export async function unsentBatches(db: Queryable, limit = 100): Promise<Claim[]> {
  const rows = await db.query<IncidentRow & { batch: Batch }>(
    `select b.batch, ${OPENING} join batches b on b.incident = i.id
      where b.signalled_at is null and b.claimed_at < now() - interval '${UNSENT_AFTER}' order by b.claimed_at limit ${limit}`,
  );
  return rows.map((row) => ({ opening: openingOf(row), batch: row.batch }));
}

const openingOf = (row: IncidentRow): Opening => ({
  id: row.id,
  policy: row.policy,
  epoch: row.epoch,
  opened_at: row.opened_at.getTime(),
  severity: row.severity,
  service: row.service ?? '',
  source: row.source,
});

/** One statement for all: each takes PGlite as long as several of its rows. */
export async function markSignalled(
  db: Queryable,
  batches: readonly Pick<Batch, 'incident' | 'number'>[],
): Promise<void> {
  await db.query(
    `update batches set signalled_at = now() from unnest($1::text[], $2::int[]) s(incident, number)
      where batches.incident = s.incident and batches.number = s.number`,
    [batches.map(({ incident }) => incident), batches.map(({ number }) => number)],
  );
}

/** Overdue by this much: the workflow that should have acted is gone (design.md section 2, rule 11). */
const OVERDUE = '30 seconds';

/** Open incidents whose time has passed and nothing happened. */
export async function overdueIncidents(db: Queryable, limit = 100): Promise<Opening[]> {
  const rows = await db.query<IncidentRow>(
    `select ${OPENING}
      where i.closed_at is null and i.due_at < now() - interval '${OVERDUE}' order by i.due_at limit ${limit}`,
  );
  return rows.map(openingOf);
}

/**
 * Alerts whose time has run out become rows, as a resolve would; returns how many. That they ended is our guess: no end is
 * kept, so that a sender who was away and goes on reporting the same firing is not taken for a late one.
 */
export const sweepExpired = procedure('sweepExpired', async (tx, limit: number = 500): Promise<number> => {
  const gone = await tx.query<{ id: number; key: string }>(
    `select id, key from alerts where current and status = 'firing' and expires_at <= now() order by expires_at limit ${limit}`,
  );
  if (gone.length === 0) return 0;
  await lockKeys(tx, [...new Set(gone.map(({ key }) => key))]);
  const rows = await tx.query(
    `with ended as (
         update alerts set status = 'resolved', resolved_at = null, expires_at = null
          where id = any($1::bigint[]) and current and status = 'firing' and expires_at <= now() returning key, fingerprint, event, severity
       )
       insert into inbox (key, kind, event, fingerprint, severity) select key, 'expired', event, fingerprint, severity from ended returning seq`,
    [gone.map(({ id }) => id)],
  );
  return rows.length;
});
