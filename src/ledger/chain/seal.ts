/** The sealer: gives committed audit rows their place in the chain, and signs the chain's head now and then. */
import type { Ledger, Queryable } from '../db.ts';
import { procedure } from '../procedure.ts';
import { GENESIS, type Head, hashOf, headMessage, type Written } from './link.ts';
import type { AuditKey } from './signing.ts';

/** Any constant of our own: who holds this advisory lock extends or shortens the chain. */
export const CHAIN_LOCK = 7_462_002;
/** Rows sealed in one transaction. */
const SEAL_MAX = 500;
/** A head is written after so many rows, or after so long. */
const HEAD_ROWS = 1_000;
const HEAD_MS = 3_600_000;

/** The columns of an audit row as they are hashed. */
export const WRITTEN = `a.seq, to_char(a.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at, a.actor, a.action, a.object, a.detail, a.request_id`;

/** The end of the chain: of its rows, or of those that have gone. */
export async function endOf(tx: Queryable): Promise<{ number: number; hash: string }> {
  const [last] = await tx.query<{ number: number; hash: string }>(
    `select number, hash from (select number, hash from audit_seals order by number desc limit 1) s
      union all select last_number, hash from (select last_number, hash from audit_tombstones order by last_number desc limit 1) t
      order by number desc limit 1`,
  );
  return last ?? { number: 0, hash: GENESIS };
}

const isOurs = async (tx: Queryable): Promise<boolean> =>
  (await tx.query<{ ours: boolean }>('select pg_try_advisory_xact_lock($1) as ours', [CHAIN_LOCK]))[0]?.ours === true;

/**
 * Seals what is committed and waits, the oldest first; of several processes one does it, the others find nothing to do.
 * Returns how many rows it sealed; where that is SEAL_MAX there may be more.
 */
const sealSome = procedure('sealAudit', async (tx): Promise<number> => {
  if (!(await isOurs(tx))) return 0;
  const rows = await tx.query<Written>(
    `select ${WRITTEN} from audit_unsealed u join audit a on a.seq = u.seq order by u.seq limit ${SEAL_MAX}`,
  );
  if (rows.length === 0) return 0;
  let { number, hash } = await endOf(tx);
  const seals = rows.map((row) => {
    number++;
    hash = hashOf(row, number, hash);
    return { number, hash, seq: row.seq };
  });
  const seqs = seals.map(({ seq }) => seq);
  await tx.query(
    `with s as (insert into audit_seals (number, seq, hash) select * from unnest($1::bigint[], $2::bigint[], $3::text[]))
     delete from audit_unsealed where seq = any($2::bigint[])`,
    [seals.map((seal) => seal.number), seqs, seals.map((seal) => seal.hash)],
  );
  return seals.length;
});

/** Seals everything that is committed and waits. Returns how many rows. */
export async function sealAudit(ledger: Ledger): Promise<number> {
  const [waits] = await ledger.query('select 1 from audit_unsealed limit 1');
  if (!waits) return 0;
  let sealed = 0;
  for (;;) {
    const some = await sealSome(ledger);
    sealed += some;
    if (some < SEAL_MAX) return sealed;
  }
}

/**
 * Writes a head where one is due: after HEAD_ROWS rows or HEAD_MS with any new row; with `ends`, whenever there is a new row.
 * Signed where there is a key. Returns it; undefined where none was due.
 */
export const writeHead = (
  ledger: Ledger,
  { key, now, ends = false }: { key: AuditKey | undefined; now: Date; ends?: boolean },
): Promise<Head | undefined> =>
  ledger.transaction(async (tx) => {
    if (!(await isOurs(tx))) return undefined;
    const end = await endOf(tx);
    const [last] = await tx.query<{ number: number; at: Date; key: string | null }>(
      'select number, at, key from audit_heads order by number desc, at desc limit 1',
    );
    const rows = end.number - (last?.number ?? 0);
    const isUnsigned = last !== undefined && last.key === null && key !== undefined;
    const isDue = ends || rows >= HEAD_ROWS || now.getTime() - (last?.at.getTime() ?? 0) >= HEAD_MS || isUnsigned;
    if (end.number === 0 || !isDue || (rows <= 0 && !isUnsigned)) return undefined;
    const bare: Head = { number: end.number, at: now.toISOString(), hash: end.hash };
    const head = key?.signed(bare, headMessage) ?? bare;
    await tx.query(
      'insert into audit_heads (number, at, hash, key, signature) values ($1, $2::timestamptz, $3, $4, $5) on conflict do nothing',
      [head.number, head.at, head.hash, head.key ?? null, head.signature ?? null],
    );
    return head;
  });
