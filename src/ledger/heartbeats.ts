/** Heartbeats in the ledger: when each was heard and is due, which were missed, and what operators have been told of it. */
import { type Beat, type HeartbeatState, type Standing, troubleIn } from '../core/heartbeat.ts';
import type { Ledger, Queryable } from './db.ts';
import { procedure } from './procedure.ts';

interface Row {
  name: string;
  state: HeartbeatState;
  since: Date;
  last_at: Date | null;
  started_at: Date | null;
  message: string | null;
  due_at: Date;
}

/** A heartbeat as the API shows it: `due_at` is when it counts as missed, with the grace. */
export interface HeartbeatView extends Standing {
  name: string;
  due_at: string;
  /** When the run began that has not ended yet. */
  started_at?: string;
}

/** While nobody could have been heard for so long, beats may have been lost; the door says every 5 s that it is open. */
const AWAY = '15 seconds';
export const OPEN_EVERY_MS = 5_000;
/** The row of `meta` that says when somebody could be heard last. */
const OPEN_AT = 'heartbeats_open_at';

const PERIOD = `(every_ms + grace_ms) * interval '1 millisecond'`;
const GRACE = `grace_ms * interval '1 millisecond'`;

/**
 * Makes the rows of what is configured: a new one is due one period and its grace from now. With another period it is due by
 * that, and not before its grace is over. What is configured no more is no longer watched, and its alert ends.
 */
export const registerHeartbeats = procedure(
  'registerHeartbeats',
  async (tx, heartbeats: { name: string; every_ms: number; grace_ms: number }[]): Promise<void> => {
    const names = heartbeats.map(({ name }) => name);
    await tx.query(
      `insert into heartbeats (name, every_ms, grace_ms, due_at)
         select name, every_ms, grace_ms, now() + ${PERIOD}
           from unnest($1::text[], $2::bigint[], $3::bigint[]) as w(name, every_ms, grace_ms) order by name
       on conflict (name) do update set every_ms = excluded.every_ms, grace_ms = excluded.grace_ms, watched = true,
         state = case when heartbeats.watched then heartbeats.state else 'waiting' end,
         due_at = case when not heartbeats.watched then excluded.due_at
           else greatest(coalesce(heartbeats.last_at, heartbeats.first_at) + (excluded.every_ms + excluded.grace_ms) * interval '1 millisecond',
                         now() + excluded.grace_ms * interval '1 millisecond') end
       where not heartbeats.watched or heartbeats.every_ms <> excluded.every_ms or heartbeats.grace_ms <> excluded.grace_ms`,
      [names, heartbeats.map(({ every_ms }) => every_ms), heartbeats.map(({ grace_ms }) => grace_ms)],
    );
    await tx.query(
      `update heartbeats set watched = false, state = 'ok', since = now() where watched and name <> all($1::text[])`,
      [names],
    );
  },
);

/**
 * Says that beats can be heard now. Where nobody could for a while, each that was expected meanwhile, and was not yet missed
 * when it began, is given until its next beat: the one that is missing may have found the door closed. Returns how many.
 */
export const noteOpen = procedure('noteOpen', async (tx): Promise<number> => {
  await tx.query(`insert into meta (name, value) values ($1, now()::text) on conflict do nothing`, [OPEN_AT]);
  const [before] = await tx.query<{ value: string; away: boolean }>(
    `select value, value::timestamptz < now() - interval '${AWAY}' as away from meta where name = $1 for update`,
    [OPEN_AT],
  );
  await tx.query('update meta set value = now()::text where name = $1', [OPEN_AT]);
  if (!before?.away) return 0;
  const spared = await tx.query(
    `update heartbeats set due_at = now() + ${PERIOD}
      where watched and state in ('waiting', 'ok') and due_at > $1::timestamptz and due_at - ${GRACE} <= now() returning name`,
    [before.value],
  );
  return spared.length;
});

/** Keeps a beat; undefined where no such heartbeat is watched. `fail` says why in its message. */
export const keepBeat = procedure(
  'keepBeat',
  async (tx, name: string, beat: Beat, message?: string | null): Promise<HeartbeatView | undefined> => {
    // A beginning is no sign of health: what was missed or failed stays so until the run has ended well.
    const [row] = await tx.query<Row>(
      beat === 'start'
        ? `update heartbeats set started_at = now(), message = coalesce($2, message), due_at = now() + ${GRACE}
            where name = $1 and watched returning *`
        : `update heartbeats set last_at = now(), started_at = null, message = $2, due_at = now() + ${PERIOD},
             since = case when state = $3 then since else now() end, state = $3 where name = $1 and watched returning *`,
      beat === 'start' ? [name, message ?? null] : [name, message ?? null, beat === 'fail' ? 'failed' : 'ok'],
    );
    return row && viewOf(row);
  },
);

/** All that are watched, by name. */
export async function listHeartbeats(db: Queryable): Promise<HeartbeatView[]> {
  return (await db.query<Row>('select * from heartbeats where watched order by name')).map(viewOf);
}

const viewOf = ({ name, state, since, last_at, started_at, message, due_at }: Row): HeartbeatView => ({
  name,
  state,
  since: since.toISOString(),
  due_at: due_at.toISOString(),
  ...(last_at ? { last_at: last_at.toISOString() } : {}),
  ...(started_at ? { started_at: started_at.toISOString() } : {}),
  ...(message === null ? {} : { message }),
});

/** Those whose time is over are missed; returns how many. While nobody can be heard, nobody is missed. */
export async function sweepMissed(ledger: Ledger): Promise<number> {
  const missed = await ledger.query(
    `update heartbeats set state = 'missed', since = now(), started_at = null
      where watched and state in ('waiting', 'ok') and due_at <= now()
        and exists (select 1 from meta where name = $1 and value::timestamptz > now() - interval '${AWAY}') returning name`,
    [OPEN_AT],
  );
  return missed.length;
}

/** Heartbeats whose trouble, or the end of it, operators have not been told. */
export async function untoldHeartbeats(db: Queryable): Promise<HeartbeatView[]> {
  const rows = await db.query<Row>(
    `select * from heartbeats where told <> case when state in ('missed', 'failed') then state else 'ok' end order by name`,
  );
  return rows.map(viewOf);
}

export const markHeartbeatTold = (db: Queryable, name: string, state: HeartbeatState): Promise<unknown> =>
  db.query('update heartbeats set told = $2 where name = $1', [name, troubleIn(state) ?? 'ok']);
