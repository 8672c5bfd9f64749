/** What goes when it was kept long enough: a little at a time, behind everybody's back, and never what somebody still needs. */
import { forgetAudit } from './chain/forget.ts';
import type { AuditKey } from './chain/signing.ts';
import type { Ledger, Queryable } from './db.ts';
import { procedure } from './procedure.ts';
import { SILENCES_KEPT } from './silences.ts';
import { vacuumWhereDue } from './vacuum.ts';

/** How long each kind is kept, in milliseconds: events from their arrival, the others from their end. */
export interface Retention {
  events: number;
  incidents: number;
  sends: number;
  summaries: number;
  audit: number;
}

export type Kind = keyof Retention;

export interface Swept {
  /** How many of each kind went. */
  gone: Record<Kind, number>;
  /** The sweep stopped before its end. */
  more: boolean;
}

/** Any constant of our own: who holds this advisory lock sweeps. */
const SWEEP_LOCK = 7_462_003;
/** Rows of one table that one transaction removes: some milliseconds of work. */
const ROWS_MAX = 500;
/** Incidents that one transaction looks at. */
const INCIDENTS_MAX = 20;
/** Transactions of one kind in one sweep. */
const BATCHES_MAX = 400;
/** After each the database rests this many times as long as it worked: sweeping takes a fifth of one connection at most. */
const REST = 4;
const REST_MIN_MS = 5;

/** What one transaction did: how many of the kind went, and where the next goes on; `undefined` where nothing is left to do. */
interface Done {
  gone: number;
  after?: number | undefined;
}

type Batch = (tx: Queryable, before: string, after: number) => Promise<Done>;

/** At most ROWS_MAX rows of a table; true where that were all. */
async function removed(tx: Queryable, table: string, where: string, params: unknown[]): Promise<boolean> {
  const [row] = await tx.query<{ rows: number }>(
    `with d as (delete from ${table} where ctid in (select ctid from ${table} where ${where} limit ${ROWS_MAX}) returning 1)
     select count(*)::int as rows from d`,
    params,
  );
  return (row?.rows ?? 0) < ROWS_MAX;
}

/** An incident goes with all that is its own, last of all itself: one with a million rows takes many transactions. */
const incidents: Batch = async (tx, before) => {
  const over = await tx.query<{ id: string }>(
    `select id from incidents i where closed_at < $1::timestamptz
        and not exists (select 1 from deliveries d where d.incident = i.id and d.status in ('sending', 'retrying'))
      order by closed_at limit ${INCIDENTS_MAX}`,
    [before],
  );
  if (over.length === 0) return { gone: 0 };
  const ids = [over.map(({ id }) => id)];
  const attempts = 'delivery in (select key from deliveries where incident = any($1::text[]))';
  if (!(await removed(tx, 'attempts', attempts, ids))) return { gone: 0, after: 0 };
  for (const table of ['deliveries', 'threads', 'batches', 'inbox', 'alerts'])
    if (!(await removed(tx, table, 'incident = any($1::text[])', ids))) return { gone: 0, after: 0 };
  await tx.query('delete from incidents where id = any($1::text[])', ids);
  return { gone: over.length, after: 0 };
};

/**
 * Along the primary key, from the oldest. An event stays while a row of an incident's timeline or an alert is about it: these
 * go with their incident. While rows wait for theirs, nothing goes that came after the first of them.
 */
const events: Batch = async (tx, before, after) => {
  if (!(await removed(tx, 'inbox', 'incident is null and batch is not null and at < $1::timestamptz', [before])))
    return { gone: 0, after };
  // What was held back so long is told no more.
  if (!(await removed(tx, 'held', 'last_at < $1::timestamptz', [before]))) return { gone: 0, after };
  if (!(await removed(tx, 'ended', 'at < $1::timestamptz', [before]))) return { gone: 0, after };
  const page = await tx.query<{ seq: number; over: boolean; told: boolean }>(
    `select seq, accepted_at < $1::timestamptz as over,
            seq >= w.waiting or exists (select 1 from inbox where event = e.seq and incident is not null) as told
       from (select coalesce(min(event), 9223372036854775807) as waiting from inbox where batch is null) w
      cross join lateral (select * from events where seq > $2 order by seq limit ${ROWS_MAX}) e order by seq`,
    [before, after],
  );
  const young = page.findIndex(({ over }) => !over);
  const old = young < 0 ? page : page.slice(0, young);
  const [first, last] = [old[0], old.at(-1)];
  if (!first || !last) return { gone: 0 };
  // No index: it would keep repeated firings from being heap-only tuples, as 002-decisions.sql wants them.
  const alerts = await tx.query<{ event: number }>('select distinct event from alerts where event between $1 and $2', [
    first.seq,
    last.seq,
  ]);
  const needed = new Set(alerts.map(({ event }) => event));
  const going = old.filter(({ seq, told }) => !told && !needed.has(seq)).map(({ seq }) => seq);
  await tx.query('delete from events where seq = any($1::bigint[])', [going]);
  return { gone: going.length, after: young < 0 && page.length === ROWS_MAX ? last.seq : undefined };
};

/** Decisions go with the last event of their day; a day more, for clocks that differ. Nobody counts them. */
const decisions: Batch = async (tx, before) => {
  const isLast = await removed(
    tx,
    'decisions',
    `day < (least($1::timestamptz, (select accepted_at from events order by seq limit 1)) at time zone 'UTC')::date - 1`,
    [before],
  );
  return { gone: 0, after: isLast ? undefined : 0 };
};

/** Longer than any answer token is good for: one that is forgotten could be used again. */
const USES_KEPT = '5 days';

const sends: Batch = async (tx, before) => {
  await removed(tx, 'silences', `ends_at < now() - interval '${SILENCES_KEPT}'`, []);
  await removed(tx, 'answer_uses', `at < least($1::timestamptz, now() - interval '${USES_KEPT}')`, [before]);
  const rows = await tx.query(
    `delete from sends where id in (select id from sends where signalled_at is not null and coalesce(ended_at, signalled_at) < $1::timestamptz
      order by id limit ${ROWS_MAX}) returning id`,
    [before],
  );
  return { gone: rows.length, after: rows.length === ROWS_MAX ? 0 : undefined };
};

const summaries: Batch = async (tx, before) => {
  const rows = await tx.query(
    `delete from summaries where date < ($1::timestamptz at time zone 'UTC')::date returning 1`,
    [before],
  );
  return { gone: rows.length };
};

const BATCHES = { incidents, events, decisions, sends, summaries } as const;

const removeSome = procedure(
  'removeSome',
  (tx, what: keyof typeof BATCHES, before: string, after: number): Promise<Done> => BATCHES[what](tx, before, after),
);

/** In this order: an event can go once its incident has. `kind` is what it counts as, and is kept as. */
const STEPS = [
  { what: 'incidents', kind: 'incidents' },
  { what: 'events', kind: 'events' },
  { what: 'decisions', kind: 'events' },
  { what: 'sends', kind: 'sends' },
  { what: 'summaries', kind: 'summaries' },
] as const satisfies { what: keyof typeof BATCHES; kind: Kind }[];

/**
 * Removes what was kept for longer than `retention` says at the moment `now`, in small transactions with rests between them; the
 * audit with a tombstone, signed where there is a key. Of several processes one sweeps. Ends early when `signal` aborts.
 */
export const sweepRetention = (
  ledger: Ledger,
  input: { retention: Retention; key: AuditKey | undefined; now: Date; signal?: AbortSignal },
): Promise<Swept> =>
  alone(ledger, { gone: none(), more: false }, async () => {
    const { retention, key, now, signal } = input;
    const gone = none();
    let more = false;
    const before = (kind: Kind): Date => new Date(now.getTime() - retention[kind]);
    const run = async (kind: Kind, batch: (after: number) => Promise<Done>): Promise<void> => {
      let after: number | undefined = 0;
      for (let batches = 0; after !== undefined; batches++) {
        if (batches === BATCHES_MAX || signal?.aborted) {
          more = true;
          return;
        }
        const started = performance.now();
        const done: Done = await batch(after);
        gone[kind] += done.gone;
        after = done.after;
        await rest(performance.now() - started);
      }
    };
    for (const { what, kind } of STEPS)
      await run(kind, (after) => removeSome(ledger, what, before(kind).toISOString(), after));
    await run('audit', async () => {
      const rows = await forgetAudit(ledger, { before: before('audit'), now, limit: ROWS_MAX, key });
      return { gone: rows, after: rows === ROWS_MAX ? 0 : undefined };
    });
    await vacuumWhereDue(ledger, { rest });
    return { gone, more };
  });

const none = (): Record<Kind, number> => ({ events: 0, incidents: 0, sends: 0, summaries: 0, audit: 0 });

const rest = (worked_ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(REST_MIN_MS, REST * worked_ms)));

/** Whoever has the lock works; the others get `otherwise`. PGlite has one process. The transaction holds no snapshot. */
const alone = <T>(ledger: Ledger, otherwise: T, work: () => Promise<T>): Promise<T> =>
  ledger.kind === 'pglite'
    ? work()
    : ledger.patiently(async (tx) => {
        const [lock] = await tx.query<{ ours: boolean }>('select pg_try_advisory_xact_lock($1) as ours', [SWEEP_LOCK]);
        return lock?.ours ? work() : otherwise;
      });
