/** What operators set beside the status: told once, outside the incident's workflow, to whoever has a word for it. */
import type { Actor } from './audit.ts';
import type { Queryable } from './db.ts';
import type { Redeliverable } from './sends.ts';

/** A working state as a delivery key has it after its reason: `INC-1/working/investigating-17/hook`. */
const IN_KEY = /^[^/]*\/working\/([a-z]+)-\d+\//;

/** The working state that a delivery tells; undefined for every other delivery. */
export const workingOf = (key: string): string | undefined => IN_KEY.exec(key)?.[1];

/**
 * Orders a delivery to each of `targets` that has heard of the incident. `seq` is the inbox row of the change. They are sent
 * beside the incident's own, after the one they follow, as a delivery that is sent again by hand is.
 */
export async function tellWorking(
  tx: Queryable,
  { incident, state, seq, rev }: { incident: string; state: string; seq: number; rev: number },
  targets: readonly string[],
  who: Actor,
): Promise<void> {
  await tx.query(
    `with heard as (
       select distinct on (target) target, channel, number, through from deliveries
        where incident = $1 and target = any($2::text[]) and status in ('delivered', 'sending') and redirected_from is null order by target, number desc
     ), d as (
       insert into deliveries (key, incident, target, channel, reason, answer_rev, through, status, scheduled_at, redirected_from)
       select $1 || '/working/' || $3 || '-' || $4 || '/' || target, $1, target, channel, 'working', $5, through, 'retrying', now(), number from heard
       returning key, target
     )
     insert into sends (kind, target, delivery, requested_by) select 'redeliver', target, key, $6 from d`,
    [incident, targets, state, String(seq), rev, who.by],
  );
}

/** Ends a delivery that still waits to tell a working state which is not the incident's any more; whether it did. */
export async function overtakenWorking(db: Queryable, { key, incident }: Redeliverable): Promise<boolean> {
  const state = workingOf(key);
  if (state === undefined) return false;
  const ended = await db.query(
    `update deliveries d set status = 'superseded', detail = 'the incident had moved on before it was sent', ended_at = now()
       from incidents i where d.key = $1 and d.status = 'retrying' and i.id = $2
        and (i.status = 'resolved' or i.closed_at is not null or i.working_state is distinct from $3) returning d.key`,
    [key, incident, state],
  );
  return ended.length > 0;
}
