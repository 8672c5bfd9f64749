/** What a workflow asks about its incident as a whole: its state from the ledger, and whether it may close. */
import { type Batch, type Incident, openIncident, withBatch, withOwnAnswer } from '../core/incident.ts';
import type { IncidentStatus, Reason } from '../core/notice.ts';
import { nextDeadline } from '../core/plan.ts';
import type { Policy } from '../core/policy.ts';
import { asLoaded, type Known } from '../core/rounds.ts';
import { mayHaveArrived } from './attempts.ts';
import type { Queryable } from './db.ts';
import { SENDING_DUE } from './deliveries.ts';
import { lockKeys } from './identity.ts';
import { procedure } from './procedure.ts';
import { announce } from './steps.ts';

interface StateRow {
  policy: Policy;
  epoch: string;
  status: IncidentStatus;
  answer: Reason | null;
  answer_rev: number;
  answered_at: Date | null;
  snoozed_until: Date | null;
  opened_at: Date;
  closed_at: Date | null;
  last_batch: number;
  snapshot: Incident | null;
}

export type Loaded = { outcome: 'closed' } | { outcome: 'current' } | { outcome: 'loaded'; incident: Incident };

/**
 * The incident as the ledger knows it: the last snapshot, the batches since, the deliveries as they stand, the last answer.
 * `known` is what the workflow has; where the ledger has nothing newer the answer is `current`. Also settles when the
 * incident is next due, which is what ends a nudge.
 */
export const loadIncident = procedure(
  'loadIncident',
  async (
    tx,
    id: string,
    known: Pick<Incident, 'epoch' | 'seen' | 'answer_rev'> & { due?: number },
    now: number,
  ): Promise<Loaded> => {
    const [row] = await tx.query<StateRow>(
      `select i.*, p.policy, m.value as epoch from incidents i join policies p on p.id = i.policy join meta m on m.name = 'epoch' where i.id = $1 for update of i`,
      [id],
    );
    if (!row || row.closed_at) return { outcome: 'closed' as const };
    if (known.epoch === row.epoch && known.seen === row.last_batch && known.answer_rev === row.answer_rev) {
      await setDue(tx, id, known.due);
      announce('load.written');
      return { outcome: 'current' as const };
    }
    const incident = await rebuild(tx, id, row, now);
    await setDue(tx, id, nextDeadline(incident, now));
    announce('load.written');
    return { outcome: 'loaded' as const, incident };
  },
);

async function rebuild(tx: Queryable, id: string, row: StateRow, now: number): Promise<Incident> {
  let incident: Incident = {
    ...(row.snapshot ?? openIncident(id, row.policy, row.epoch, row.opened_at.getTime())),
    epoch: row.epoch,
  };
  const batches = await tx.query<{ batch: Batch }>(
    'select batch from batches where incident = $1 and number > $2 order by number',
    [id, incident.seen],
  );
  for (const { batch } of batches) incident = withBatch(incident, { ...batch, epoch: row.epoch });
  const keys = Object.values(incident.targets).flatMap(({ current }) => (current ? [current.key] : []));
  const rows = await tx.query<{
    key: string;
    status: Known['status'];
    round: number;
    next_at: Date | null;
    unsure: boolean;
  }>(
    `select key, status, round, next_at, ${mayHaveArrived('d.key')} as unsure from deliveries d where key = any($1::text[])`,
    [keys],
  );
  const known = Object.fromEntries(
    rows.map(({ key, status, round, next_at, unsure }): [string, Known] => [
      key,
      { status, round, ...(next_at ? { next_at: next_at.getTime() } : {}), ...(unsure ? { unsure: true } : {}) },
    ]),
  );
  incident = asLoaded(incident, known, now);
  if (row.answer_rev <= incident.answer_rev || !row.answer) return incident;
  const answered = withOwnAnswer(
    incident,
    { status: row.status, answer: row.answer, answer_rev: row.answer_rev },
    row.answered_at?.getTime() ?? now,
  );
  return row.snoozed_until ? { ...answered, snoozed_until: row.snoozed_until.getTime() } : answered;
}

const setDue = (tx: Queryable, id: string, due: number | undefined): Promise<unknown> =>
  // A workflow that names no time has a delivery on its way.
  tx.query(`update incidents set due_at = coalesce($2::timestamptz, now() + interval '${SENDING_DUE}') where id = $1`, [
    id,
    due === undefined ? null : new Date(due).toISOString(),
  ]);

/**
 * Closes the incident if nothing has come that its workflow has not folded: the last batch is `seen` and no unclaimed row of
 * its key waits. Repeatable. Its alerts stop being current, so that the next firing opens the next occurrence.
 */
export const closeIncident = procedure(
  'closeIncident',
  async (tx, id: string, seen: number, because: string): Promise<'closed' | 'more'> => {
    const [known] = await tx.query<{ key: string }>('select key from incidents where id = $1', [id]);
    if (!known) return 'closed';
    await lockKeys(tx, [known.key]);
    const [row] = await tx.query<{ closed_at: Date | null; last_batch: number; waiting: boolean }>(
      `select closed_at, last_batch, exists (select 1 from inbox where key = $2 and batch is null) as waiting from incidents where id = $1 for update`,
      [id, known.key],
    );
    if (!row || row.closed_at) return 'closed';
    if (row.last_batch !== seen || row.waiting) return 'more';
    await tx.query(
      `with a as (update alerts set current = false, status = 'resolved', inhibits = false, expires_at = null where incident = $1 and current),
            b as (insert into inbox (key, incident, batch, kind, by, detail) values ($3, $1, 0, 'closed', 'tocsin', jsonb_build_object('because', coalesce($2::text, ''))))
       update incidents set status = 'resolved', closed_at = now(), resolved_at = coalesce(resolved_at, now()), close_reason = coalesce(close_reason, $2), due_at = null
        where id = $1`,
      [id, because, known.key],
    );
    announce('close.written');
    return 'closed';
  },
);
