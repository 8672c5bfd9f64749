/** Open incidents that a silence keeps quiet: which may be, and the answers that begin and end it, under the incident's row lock. */
import type { Event } from '../core/event.ts';
import type { IncidentStatus } from '../core/notice.ts';
import { type Command, decide } from './answers.ts';
import type { Ledger, Queryable } from './db.ts';
import { procedure } from './procedure.ts';
import { tidy } from './views.ts';

/** Nobody has answered it, or a silence has. */
export interface Quietable {
  id: string;
  status: IncidentStatus;
  answer_rev: number;
  answered_by?: string;
  answered_at?: string;
  /** How long its snooze still lasts, by the ledger's clock. */
  snoozed_ms?: number;
  alerts: number;
  last_at: string;
}

/** Who answers where a silence does; a person's name does not begin so. */
export const QUIETED_BY = /^(silence|maintenance) /;

/** Incidents that one look lists. */
const LISTED_MAX = 2_000;
/** An incident of more firing alerts than this goes on: whether all of them are silenced is not looked at. */
const ALERTS_MAX = 1_000;

/** Open ones, the newest first; with `only_snoozed` those that a silence has snoozed. Stories are none of them. */
export async function quietable(db: Queryable, only_snoozed: boolean): Promise<Quietable[]> {
  const rows = await db.query(
    `select id, status, answer_rev, answered_by, answered_at, alerts::int as alerts, last_at,
            extract(epoch from snoozed_until - now())::float8 * 1000 as snoozed_ms
       from incidents where closed_at is null and lifecycle is null
        and ((status = 'open' and not $1) or (status = 'snoozed' and answered_by ~ '^(silence|maintenance) '))
      order by number desc limit ${LISTED_MAX}`,
    [only_snoozed],
  );
  return rows.map((row) => tidy<Quietable>(row));
}

/** What fires in an incident, as its senders said it last; undefined where that are too many to look at. */
export async function firingIn(db: Queryable, incident: string): Promise<Event[] | undefined> {
  const rows = await db.query<{ event: Event }>(
    `select e.event from alerts a join events e on e.seq = a.event
      where a.incident = $1 and a.current and a.status = 'firing' limit ${ALERTS_MAX + 1}`,
    [incident],
  );
  return rows.length > ALERTS_MAX ? undefined : rows.map(({ event }) => event);
}

/** Gives the answer if nobody has given another since `answer_rev`; true where it was given. */
export async function answerQuietly(
  ledger: Ledger,
  { id, answer_rev }: Pick<Quietable, 'id' | 'answer_rev'>,
  given: Extract<Command, { kind: 'snooze' | 'snooze_ended' }>,
  by: string,
): Promise<boolean> {
  const given_now = await answer(ledger, id, answer_rev, given, by);
  if (given_now) ledger.wake();
  return given_now;
}

const answer = procedure(
  'answerQuietly',
  async (tx, id: string, answer_rev: number, given: Command, by: string): Promise<boolean> => {
    const [row] = await tx.query<{ answer_rev: number; closed_at: Date | null }>(
      'select answer_rev, closed_at from incidents where id = $1 for update',
      [id],
    );
    if (!row || row.closed_at || row.answer_rev !== answer_rev) return false;
    return (await decide(tx, id, given, { by, key: 'system' })).outcome === 'done';
  },
);
