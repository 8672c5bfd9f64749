/** What a round leaves behind to be judged: the journals of sender and receiver, and what the ledger says. */
import { verifyLedger } from '../../src/ledger/chain/read.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import type { HitLine } from './receiver.ts';
import type { Said } from './sender.ts';

export interface Evidence {
  said: Said[];
  hits: HitLine[];
  ledger: LedgerEvidence;
}

export interface LedgerEvidence {
  events: { seq: number; id: string }[];
  /** What the incidents' timelines hold, in the order of their seq. */
  inbox: {
    seq: number;
    incident: string | null;
    batch: number | null;
    kind: string;
    event: number | null;
    by: string | null;
    answer_rev: number | null;
    /** When its transaction began. */
    at: number;
  }[];
  batches: { incident: string; number: number; signalled: boolean }[];
  incidents: { id: string; closed: boolean }[];
  deliveries: {
    key: string;
    incident: string;
    target: string;
    reason: string;
    page: boolean;
    answer_rev: number;
    through: number;
    /** When it was decided. Times in epoch milliseconds. */
    scheduled_at: number;
    status: string;
    why: string | null;
    superseded_by: string | null;
    /** An operator asked for it: a notice told before, as a message of its own. */
    by_hand: boolean;
  }[];
  /** Of operators: what is to be sent again. */
  sends: { id: number; ended: boolean }[];
  attempts: {
    delivery: string;
    started_at: number;
    ended_at: number | null;
    outcome: string | null;
    /** `lost`: it ended without an answer, and may have arrived. */
    doubt: string | null;
  }[];
  audit: { actor: string; action: string; object: string }[];
  /** Where its chain does not hold. */
  chain: string[];
}

export async function readEvidence(ledger: Ledger): Promise<LedgerEvidence> {
  const rows = <Name extends keyof LedgerEvidence>(sql: string) =>
    ledger.query<LedgerEvidence[Name][number]>(sql) as Promise<LedgerEvidence[Name]>;
  const ms = (column: string): string => `(extract(epoch from ${column}) * 1000)::float8`;
  return {
    events: await rows<'events'>('select seq, id from events order by seq'),
    inbox: await rows<'inbox'>(
      `select seq, incident, batch, kind, event, by, (detail->>'answer_rev')::int as answer_rev, ${ms('at')} as at from inbox order by seq`,
    ),
    incidents: await rows<'incidents'>('select id, closed_at is not null as closed from incidents'),
    batches: await rows<'batches'>('select incident, number, signalled_at is not null as signalled from batches'),
    sends: await rows<'sends'>('select id, ended_at is not null as ended from sends'),
    deliveries: await rows<'deliveries'>(
      `select key, incident, target, reason, page, answer_rev, through, ${ms('scheduled_at')} as scheduled_at, status, coalesce(failure, detail) as why, superseded_by, redirected_from is not null as by_hand from deliveries order by number`,
    ),
    attempts: await rows<'attempts'>(
      `select delivery, ${ms('started_at')} as started_at, ${ms('ended_at')} as ended_at, outcome, doubt from attempts order by id`,
    ),
    audit: await rows<'audit'>('select actor, action, object from audit order by seq'),
    chain: (await verifyLedger(ledger, { heads: [], keys: [] })).problems,
  };
}
