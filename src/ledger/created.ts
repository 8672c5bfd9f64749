/** Incidents that a sender created under a name of its own: found and commanded by that name, from the moment it was kept. */
import { answerAlert, fingerprintOf } from './alerts.ts';
import { type Command, type CommandResult, command } from './answers.ts';
import type { Actor } from './audit.ts';
import type { Ledger, Queryable } from './db.ts';

interface Created {
  source: string;
  /** Null while it waits for the relay, and where its route tells nobody. */
  incident: string | null;
}

/** What was created under this name, one for each source that used it. */
const createdAs = (db: Queryable, name: string): Promise<Created[]> =>
  db.query<Created>(
    `select e.source, (select incident from inbox where event = e.seq and incident is not null order by seq limit 1) as incident
       from events e where e.id = $1 and e.event->>'incident' is not null limit 2`,
    [name],
  );

/** The incident that was created under this name by the only source that used it. */
export async function incidentCreatedAs(db: Queryable, name: string): Promise<string | undefined> {
  const [created, ...others] = await createdAs(db, name);
  return others.length === 0 ? (created?.incident ?? undefined) : undefined;
}

/**
 * `command` for an incident by its id, or by the name it was created under; by the name also while it waits for the relay.
 * `prefix` is what the relay gives the ids of incidents.
 */
export async function commandNamed(
  ledger: Ledger,
  name: string,
  given: Command,
  who: Actor,
  prefix?: string,
): Promise<CommandResult> {
  const direct = await command(ledger, name, given, who);
  if (direct.outcome !== 'unknown') return direct;
  const [created, ...others] = await createdAs(ledger, name);
  if (!created) return direct;
  if (others.length > 0)
    return { outcome: 'refused', why: 'several sources have created an incident of this name: use its own id, INC-…' };
  const fingerprint = fingerprintOf(created.source, name);
  const [answered] = await answerAlert(ledger, fingerprint, given, who, prefix);
  if (answered) return answered;
  if (created.incident !== null) return command(ledger, created.incident, given, who);
  return { outcome: 'refused', why: 'it is kept, and its route holds it back, so no incident is open: see its event' };
}
