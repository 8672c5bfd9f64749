/** Silences in the ledger: made, changed, ended, listed; and those that are on, remembered for a moment for the door. */
import { randomUUID } from 'node:crypto';
import type { Interval } from '../core/interval.ts';
import { compiled, type Silence, type SilenceMatcher, stateOf } from '../core/silence.ts';
import { compile } from '../expressions/compile.ts';
import { type Actor, audit } from './audit.ts';
import type { Ledger, Queryable, Transaction } from './db.ts';

/** What somebody asks for; times that lie behind are the caller's to refuse. */
export interface Wanted {
  kind: Silence['kind'];
  /** Change this one. */
  id?: string;
  matchers: readonly SilenceMatcher[];
  starts_at: Date;
  ends_at?: Date;
  during?: readonly Interval[];
  created_by: string;
  comment: string;
}

export type Made = { outcome: 'made'; silence: Silence } | { outcome: 'unknown' } | { outcome: 'full' };

/** Each is compared with every event: more that are not over are refused. */
export const SILENCES_MAX = 1_000;
/** An expired one is shown so long: Alertmanager's `--data.retention` is 120 h unless set. The audit knows of it longer. */
export const SILENCES_KEPT = '120 hours';
/** Another process hears of a new silence within so long, and one question. */
const FRESH_MS = 1_000;

interface Row {
  id: string;
  kind: Silence['kind'];
  matchers: SilenceMatcher[];
  starts_at: Date;
  ends_at: Date | null;
  during: Interval[] | null;
  created_by: string;
  comment: string;
  updated_at: Date;
}

const COLUMNS = 'id, kind, matchers, starts_at, ends_at, during, created_by, comment, updated_at';

const silenceOfRow = ({ ends_at, during, matchers, ...row }: Row): Silence => ({
  ...row,
  matchers: compiled(matchers, compile),
  ...(ends_at ? { ends_at } : {}),
  ...(during ? { during } : {}),
});

interface Remembered {
  at: number;
  silences: Promise<readonly Silence[]>;
}
const remembered = new WeakMap<Queryable, Remembered>();

/** The next look asks the ledger: after a change by this process. */
export const forgetSilences = (db: Queryable): void => void remembered.delete(db);

/**
 * What is active at `now` by the clock (a window also while it is off), the oldest first. What another process has changed is
 * seen a second later; what this one has changed, at once. Throws what the ledger throws.
 */
export async function activeSilences(db: Queryable, now: Date): Promise<Silence[]> {
  const known = remembered.get(db);
  const isFresh = known !== undefined && performance.now() - known.at < FRESH_MS;
  const silences = await (isFresh ? known.silences : load(db, now));
  return silences.filter((silence) => stateOf(silence, now) === 'active');
}

/** Those that are coming are loaded with the active: their time may come while they are remembered. */
function load(db: Queryable, now: Date): Promise<readonly Silence[]> {
  const silences = db
    .query<Row>(
      `select ${COLUMNS} from silences where ends_at is null or ends_at > $1::timestamptz order by starts_at, id limit ${SILENCES_MAX}`,
      [now.toISOString()],
    )
    .then((rows) => rows.map(silenceOfRow));
  const entry = { at: performance.now(), silences };
  remembered.set(db, entry);
  silences.catch(() => remembered.get(db) === entry && remembered.delete(db));
  return silences;
}

/** All of a kind that are kept, also expired ones. */
export async function listSilences(db: Queryable, kind: Silence['kind']): Promise<Silence[]> {
  const rows = await db.query<Row>(`select ${COLUMNS} from silences where kind = $1 order by starts_at, id`, [kind]);
  return rows.map(silenceOfRow);
}

/** `id` is a UUID. */
export async function silenceOf(db: Queryable, id: string, kind?: Silence['kind']): Promise<Silence | undefined> {
  const [row] = await db.query<Row>(
    `select ${COLUMNS} from silences where id = $1::uuid and ($2::text is null or kind = $2)`,
    [id, kind ?? null],
  );
  return row && silenceOfRow(row);
}

/**
 * Makes one or changes one, by Alertmanager's rules (silence/silence.go, Set and canUpdate): one keeps its id where its matchers
 * stay and its past is not touched; else the old one ends and a new one begins. A start that lies behind becomes now.
 */
export async function setSilence(ledger: Ledger, wanted: Wanted, who: Actor, now: Date): Promise<Made> {
  const made = await ledger.transaction(async (tx): Promise<Made> => {
    const before = wanted.id === undefined ? undefined : await locked(tx, wanted.id, wanted.kind);
    if (wanted.id !== undefined && !before) return { outcome: 'unknown' };
    if (before && mayChange(before, wanted, now))
      return { outcome: 'made', silence: await keep(tx, before.id, wanted, who, now) };
    if (before && stateOf(before, now) !== 'expired') await end(tx, before, who, now);
    const [count] = await tx.query<{ full: boolean }>(
      `select count(*) >= ${SILENCES_MAX} as full from silences where ends_at is null or ends_at > $1::timestamptz`,
      [now.toISOString()],
    );
    if (count?.full) return { outcome: 'full' };
    const starts_at = wanted.starts_at < now ? now : wanted.starts_at;
    return { outcome: 'made', silence: await keep(tx, randomUUID(), { ...wanted, starts_at }, who, now) };
  });
  changed(ledger);
  return made;
}

/** Ends one now; one that is over stays as it is. Undefined where none has this id. */
export async function endSilence(
  ledger: Ledger,
  id: string,
  who: Actor,
  now: Date,
  kind?: Silence['kind'],
): Promise<Silence | undefined> {
  const ended = await ledger.transaction(async (tx) => {
    const found = await locked(tx, id, kind);
    if (!found || stateOf(found, now) === 'expired') return found;
    return end(tx, found, who, now);
  });
  changed(ledger);
  return ended;
}

/** The relay looks at once at what it held back. */
function changed(ledger: Ledger): void {
  forgetSilences(ledger);
  ledger.wake();
}

async function locked(tx: Transaction, id: string, kind?: Silence['kind']): Promise<Silence | undefined> {
  const [row] = await tx.query<Row>(
    `select ${COLUMNS} from silences where id = $1::uuid and ($2::text is null or kind = $2) for update`,
    [id, kind ?? null],
  );
  return row && silenceOfRow(row);
}

function mayChange(before: Silence, { matchers, starts_at, ends_at }: Wanted, now: Date): boolean {
  if (!sameMatchers(before.matchers, matchers)) return false;
  switch (stateOf(before, now)) {
    case 'active':
      return seconds(starts_at) === seconds(before.starts_at) && (ends_at === undefined || ends_at >= now);
    case 'pending':
      return starts_at >= now;
    case 'expired':
      return false;
  }
}

const seconds = (time: Date): number => Math.floor(time.getTime() / 1_000);

const textOf = ({ name, value, is_regex, is_equal }: SilenceMatcher): string =>
  JSON.stringify([name, value, is_regex, is_equal]);
const sameMatchers = (a: readonly SilenceMatcher[], b: readonly SilenceMatcher[]): boolean =>
  a.length === b.length && a.every((one, at) => b[at] !== undefined && textOf(one) === textOf(b[at]));

async function keep(tx: Transaction, id: string, wanted: Wanted, who: Actor, now: Date): Promise<Silence> {
  const matchers = wanted.matchers.map(({ name, value, is_regex, is_equal }) => ({ name, value, is_regex, is_equal }));
  const [row] = await tx.query<Row>(
    `insert into silences (${COLUMNS}) values ($1, $2, $3::jsonb, $4, $5, $6::jsonb, $7, $8, $9)
     on conflict (id) do update set starts_at = excluded.starts_at, ends_at = excluded.ends_at, during = excluded.during,
       created_by = excluded.created_by, comment = excluded.comment, updated_at = excluded.updated_at
     returning ${COLUMNS}`,
    [
      id,
      wanted.kind,
      JSON.stringify(matchers),
      wanted.starts_at.toISOString(),
      wanted.ends_at?.toISOString() ?? null,
      wanted.during ? JSON.stringify(wanted.during) : null,
      wanted.created_by,
      wanted.comment,
      now.toISOString(),
    ],
  );
  if (!row) throw new Error('the ledger did not keep the silence');
  await audit(tx, who, `${wanted.kind}.set`, id, {
    matchers,
    starts_at: wanted.starts_at.toISOString(),
    ends_at: wanted.ends_at?.toISOString() ?? null,
    created_by: wanted.created_by,
    comment: wanted.comment,
  });
  return silenceOfRow(row);
}

async function end(tx: Transaction, { id, kind }: Silence, who: Actor, now: Date): Promise<Silence> {
  const [row] = await tx.query<Row>(
    `update silences set starts_at = least(starts_at, $2::timestamptz), ends_at = $2::timestamptz, updated_at = $2::timestamptz
      where id = $1::uuid returning ${COLUMNS}`,
    [id, now.toISOString()],
  );
  if (!row) throw new Error('the silence has gone');
  await audit(tx, who, `${kind}.end`, id);
  return silenceOfRow(row);
}
