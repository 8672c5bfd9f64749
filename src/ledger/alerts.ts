/** Alerts by the names their senders gave them: what fires, and the answers that a sender gives to one of its own. */
import { type Event, keyIdentity } from '../core/event.ts';
import type { IncidentStatus } from '../core/notice.ts';
import { type Command, type CommandResult, decide } from './answers.ts';
import type { Actor } from './audit.ts';
import { adopt, openFor } from './claim.ts';
import type { Ledger, Queryable, Transaction } from './db.ts';
import { digest, lockKeys } from './identity.ts';
import { unclaimed } from './inbox.ts';
import { procedure } from './procedure.ts';
import { announce } from './steps.ts';

/** How the ledger names the alert that a source calls by this dedup_key. */
export const fingerprintOf = (source: string, dedup_key: string): string => digest(keyIdentity(source, dedup_key));

/**
 * Decides a command for every incident that the alert fires in, as `command` does for one. An alert whose rows still wait for
 * the relay gets its incident here, so that an answer is never too early: the relay finds it open, with the answer in it,
 * and no page begins. Empty where nothing fires under this name.
 *
 * `prefix` is what the relay gives the ids of incidents; the usual one where it is undefined.
 */
export async function answerAlert(
  ledger: Ledger,
  fingerprint: string,
  given: Command,
  who: Actor,
  prefix?: string,
): Promise<CommandResult[]> {
  const results = await decideForAlert(ledger, fingerprint, given, who, prefix);
  announce('answer.committed');
  if (results.some(({ outcome }) => outcome === 'done')) ledger.wake();
  return results;
}

const decideForAlert = procedure(
  'answerAlert',
  async (tx, fingerprint: string, given: Command, who: Actor, prefix?: string | null): Promise<CommandResult[]> => {
    await lockKeys(tx, await firingKeys(tx, fingerprint));
    const results: CommandResult[] = [];
    // Again, as it is under the locks: it may have ended meanwhile.
    for (const key of await firingKeys(tx, fingerprint)) {
      const incident = await incidentFor(tx, key, prefix ?? undefined);
      if (incident !== undefined) results.push(await decide(tx, incident, given, who));
    }
    return results;
  },
);

async function firingKeys(tx: Queryable, fingerprint: string): Promise<string[]> {
  const rows = await tx.query<{ key: string }>(
    `select key from alerts where fingerprint = $1 and current and status = 'firing' order by key`,
    [fingerprint],
  );
  return rows.map(({ key }) => key);
}

/** The open incident of the key; where its first rows wait, one is opened and they stay for the relay to claim. */
async function incidentFor(tx: Transaction, key: string, prefix?: string): Promise<string | undefined> {
  const [open] = await tx.query<{ id: string }>('select id from incidents where key = $1 and closed_at is null', [key]);
  if (open) return open.id;
  const opened = await openFor(tx, key, await unclaimed(tx, key), prefix);
  if (opened) await adopt(tx, key, opened.id);
  return opened?.id;
}

/** An alert that fires, with the last event that said so and where its incident stands. */
export interface FiringAlert {
  /** A number of its own; of one that fires in several incidents, the newest. */
  number: number;
  fingerprint: string;
  count: number;
  first_at: Date;
  last_at: Date;
  event: Event;
  incident: string | null;
  /** Of the incident; null while it waits for the relay. */
  status: IncidentStatus | null;
  answered_by: string | null;
  snoozed_until: Date | null;
}

const FIRING = `select distinct on (a.fingerprint) a.id::float8 as number, a.fingerprint, a.count::int as count, a.first_at, a.last_at, e.event,
         i.id as incident, i.status, i.answered_by, i.snoozed_until
    from alerts a join events e on e.seq = a.event left join incidents i on i.id = a.incident and i.closed_at is null
   where a.current and a.status = 'firing' and e.source = $1`;

/** The alert of this source that fires under this name: its fingerprint, or its number. */
export async function firingAlert(
  db: Queryable,
  source: string,
  name: { fingerprint: string } | { number: number },
): Promise<FiringAlert | undefined> {
  const [by, value] = 'number' in name ? ['id', name.number] : ['fingerprint', name.fingerprint];
  const [row] = await db.query<FiringAlert>(`${FIRING} and a.${by} = $2 order by a.fingerprint, a.id desc`, [
    source,
    value,
  ]);
  return row;
}

/** A page of what fires of this source, the newest first; of one alert where a fingerprint is given. */
export const listFiring = (
  db: Queryable,
  source: string,
  { fingerprint, offset, limit }: { fingerprint?: string | undefined; offset: number; limit: number },
): Promise<FiringAlert[]> =>
  db.query<FiringAlert>(
    `select * from (${FIRING} and ($2::text is null or a.fingerprint = $2) order by a.fingerprint, a.id desc) f
      order by number desc offset $3 limit $4`,
    [source, fingerprint ?? null, offset, limit],
  );
