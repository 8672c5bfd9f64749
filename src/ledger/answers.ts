/** What operators (and the workflow itself) answer: decided here, under the incident's row lock, with the audit row beside it. */
import type { IncidentStatus, Reason } from '../core/notice.ts';
import { type Actor, audit } from './audit.ts';
import type { Ledger, Queryable, Transaction } from './db.ts';
import { procedure } from './procedure.ts';
import { announce } from './steps.ts';
import { type IncidentView, incidentView } from './views.ts';
import { tellWorking } from './working.ts';

export const WORKING_STATES = ['triaged', 'investigating', 'remediating'] as const;
export type WorkingState = (typeof WORKING_STATES)[number];

export type Command =
  | { kind: 'ack' | 'unack' }
  /** `text` says how it was resolved. */
  | { kind: 'resolve'; text?: string }
  | { kind: 'snooze'; for_ms: number; because?: string }
  | { kind: 'snooze_ended'; because: string }
  | { kind: 'comment'; text: string }
  | { kind: 'escalate'; level?: number }
  /** `tell`: integrations that have a word for it; of these are told who have heard of the incident. */
  | { kind: 'state'; state: WorkingState | null; tell?: string[] };

/** A page that has begun already when an answer is accepted: it cannot be taken back, so it is named. */
export interface Begun {
  delivery: string;
  target: string;
  reason: Reason;
}

export type CommandResult =
  | { outcome: 'done' | 'already'; incident: IncidentView; by?: string; begun: Begun[] }
  | { outcome: 'unknown' }
  | { outcome: 'closed'; incident: IncidentView }
  | { outcome: 'refused'; why: string };

interface Standing {
  id: string;
  key: string;
  status: IncidentStatus;
  answer_rev: number;
  answered_by: string | null;
  working_state: string | null;
  closed_at: Date | null;
  levels: number;
}

/** What a command changes, once it is known to change something. */
interface Change {
  status?: IncidentStatus;
  answer?: Reason;
  snooze_ms?: number;
  detail?: { [key: string]: string | number | null };
}

/**
 * Decides a command: who won, what the incident is now, which pages had begun. The row it writes into the inbox tells the
 * workflow; that Temporal is down changes nothing here. A closed incident takes no command.
 */
export async function command(ledger: Ledger, incident: string, given: Command, who: Actor): Promise<CommandResult> {
  const result = await decideCommand(ledger, incident, given, who);
  announce('answer.committed');
  if (result.outcome === 'done') ledger.wake();
  return result;
}

const decideCommand = procedure('command', decide);

/** The same within a transaction that is open. */
export async function decide(tx: Transaction, incident: string, given: Command, who: Actor): Promise<CommandResult> {
  const [found] = await tx.query<Standing>(
    `select i.*, jsonb_array_length(p.policy->'levels') as levels from incidents i join policies p on p.id = i.policy where i.id = $1 for update of i`,
    [incident],
  );
  if (!found) return { outcome: 'unknown' };
  if (found.closed_at) return { outcome: 'closed', incident: await incidentView(tx, incident) };
  const change = changeOf(given, found);
  if ('why' in change) return { outcome: 'refused', why: change.why };
  if ('by' in change) {
    return {
      outcome: 'already',
      incident: await incidentView(tx, incident),
      ...(change.by ? { by: change.by } : {}),
      begun: [],
    };
  }
  await apply(tx, found, given, change, who);
  announce('answer.written');
  const begun = change.status ? await begunPages(tx, incident) : [];
  return { outcome: 'done', incident: await incidentView(tx, incident), by: who.by, begun };
}

/** The change a command asks for; who was first when there is nothing to change; or why it makes no sense now. */
function changeOf(
  given: Command,
  { status, answered_by, working_state, levels }: Standing,
): Change | { by: string | null } | { why: string } {
  switch (given.kind) {
    case 'ack':
      if (status === 'acknowledged' || status === 'resolved') return { by: answered_by };
      return { status: 'acknowledged', answer: 'acknowledged' };
    case 'unack':
      if (status === 'open') return { by: answered_by };
      if (status === 'resolved') return { why: 'the incident is resolved: there is no acknowledgement to take back' };
      return { status: 'open', answer: 'unacknowledged' };
    case 'resolve':
      if (status === 'resolved') return { by: answered_by };
      return {
        status: 'resolved',
        answer: 'resolved',
        ...(given.text === undefined ? {} : { detail: { text: given.text } }),
      };
    case 'snooze':
      if (status === 'resolved') return { why: 'the incident is resolved: there is nothing left to snooze' };
      return { status: 'snoozed', answer: 'snoozed', snooze_ms: given.for_ms, detail: detailOf(given) };
    case 'snooze_ended':
      if (status !== 'snoozed') return { by: answered_by };
      return { status: 'open', answer: 'snooze_ended', detail: { because: given.because } };
    case 'comment':
      return { detail: { text: given.text } };
    case 'escalate':
      if (levels === 0) return { why: 'the incident has no escalation policy: there is no level to escalate to' };
      if (status === 'resolved') return { why: 'the incident is resolved: there is nothing to escalate' };
      if (given.level !== undefined && (given.level < 1 || given.level > levels))
        return { why: `level ${given.level} does not exist: the policy has levels 1 to ${levels}` };
      return { detail: given.level === undefined ? {} : { level: given.level } };
    case 'state':
      return working_state === given.state ? { by: null } : { detail: { state: given.state } };
    default:
      return given satisfies never;
  }
}

const detailOf = ({ for_ms, because }: Extract<Command, { kind: 'snooze' }>): NonNullable<Change['detail']> =>
  because === undefined ? { for_ms } : { for_ms, because };

async function apply(tx: Queryable, found: Standing, given: Command, change: Change, who: Actor): Promise<void> {
  const rev = found.answer_rev + (change.status ? 1 : 0);
  await tx.query(
    `update incidents set status = coalesce($2, status), answer = coalesce($3, answer), answer_rev = $4,
            answered_by = case when $2::text is null then answered_by else $5 end,
            answered_at = case when $2::text is null then answered_at else now() end,
            acked_at = case when $2 = 'acknowledged' then coalesce(acked_at, now()) else acked_at end,
            resolved_at = case when $2 = 'resolved' then now() else resolved_at end,
            snoozed_until = case when $2 = 'snoozed' then now() + make_interval(secs => $6::float8 / 1000) when $2::text is null then snoozed_until end,
            working_state = case when $7 then $8 else working_state end
      where id = $1`,
    [
      found.id,
      change.status ?? null,
      change.answer ?? null,
      rev,
      who.by,
      change.snooze_ms ?? 0,
      given.kind === 'state',
      given.kind === 'state' ? given.state : null,
    ],
  );
  const [row] = await tx.query<{ seq: number }>(
    'insert into inbox (key, incident, kind, by, detail) values ($1, $2, $3, $4, $5::jsonb) returning seq',
    [found.key, found.id, given.kind, who.by, JSON.stringify({ ...change.detail, answer_rev: rev })],
  );
  if (row && given.kind === 'state' && given.state !== null && given.tell && given.tell.length > 0)
    await tellWorking(tx, { incident: found.id, state: given.state, seq: row.seq, rev }, given.tell, who);
  await audit(tx, who, `incident.${given.kind}`, found.id, { ...change.detail, answer_rev: rev });
}

const begunPages = (tx: Queryable, incident: string): Promise<Begun[]> =>
  tx.query<Begun>(
    `select key as delivery, target, reason from deliveries where incident = $1 and page and status = 'sending' order by number`,
    [incident],
  );

export type OwnAnswer = 'ack_timed_out' | 'snooze_ended' | 'severity_rose' | 'resolved';

export type OwnAnswered =
  | { outcome: 'done'; answer_rev: number; status: IncidentStatus }
  | { outcome: 'stale' | 'closed' }
  /** Not quiet at all: its sender still reports what fires. `last_at` in epoch milliseconds. */
  | { outcome: 'heard'; last_at: number };

/**
 * An answer the workflow gives itself, if the incident still stands where the workflow believes it does; `stale` else, and
 * the workflow loads. Repeatable: asked again, it gives the revision it gave before.
 */
export const answerItself = procedure(
  'answerItself',
  async (tx, incident: string, expected_rev: number, answer: OwnAnswer, because: string): Promise<OwnAnswered> => {
    const [found] = await tx.query<Standing & { answer: Reason | null; heard_at: Date | null }>(
      `select i.*, 0 as levels, (select max(a.last_at) from alerts a where a.incident = i.id and a.current
                and a.last_at > now() - make_interval(secs => (p.policy->>'quiet_ms')::float8 / 1000)) as heard_at
         from incidents i join policies p on p.id = i.policy where i.id = $1 for update of i`,
      [incident],
    );
    if (!found || found.closed_at) return { outcome: 'closed' as const };
    const status: IncidentStatus = answer === 'resolved' ? 'resolved' : 'open';
    if (found.answer_rev === expected_rev + 1 && found.answer === answer && found.answered_by === OWN.by) {
      return { outcome: 'done' as const, answer_rev: found.answer_rev, status };
    }
    if (found.answer_rev !== expected_rev) return { outcome: 'stale' as const };
    // Unchanged repeats make no row, so that the workflow has not heard them; the alert has.
    if (answer === 'resolved' && found.heard_at)
      return { outcome: 'heard' as const, last_at: found.heard_at.getTime() };
    const rev = expected_rev + 1;
    await tx.query(
      `update incidents set status = $2, answer = $3, answer_rev = $4, answered_by = $5, answered_at = now(), snoozed_until = null,
              resolved_at = case when $2 = 'resolved' then now() else resolved_at end, close_reason = case when $2 = 'resolved' then $6 else close_reason end
        where id = $1`,
      [incident, status, answer, rev, OWN.by, because],
    );
    // The workflow has decided this row itself: it is the timeline's, no batch will carry it.
    await tx.query('insert into inbox (key, incident, batch, kind, by, detail) values ($1, $2, 0, $3, $4, $5::jsonb)', [
      found.key,
      incident,
      answer === 'resolved' ? 'resolve' : answer,
      OWN.by,
      JSON.stringify({ because, answer_rev: rev }),
    ]);
    await audit(tx, OWN, `incident.${answer}`, incident, { because, answer_rev: rev });
    announce('own.written');
    return { outcome: 'done' as const, answer_rev: rev, status };
  },
);

/** The name under which the pipeline itself answers. */
const OWN: Actor = { by: 'tocsin', key: 'system' };
