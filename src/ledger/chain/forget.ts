/** How audit rows leave when their time is over: the oldest first, and each time with a tombstone that the chain goes on from. */
import type { Ledger } from '../db.ts';
import { type Tombstone, tombstoneMessage } from './link.ts';
import { CHAIN_LOCK } from './seal.ts';
import type { AuditKey } from './signing.ts';

/**
 * Removes at most `limit` sealed rows that were written before `before`, as far as they are the beginning of the chain.
 * The tombstone is signed where there is a key. Returns how many rows went.
 */
export const forgetAudit = (
  ledger: Ledger,
  { before, now, limit, key }: { before: Date; now: Date; limit: number; key: AuditKey | undefined },
): Promise<number> =>
  ledger.transaction(async (tx) => {
    const [lock] = await tx.query<{ ours: boolean }>('select pg_try_advisory_xact_lock($1) as ours', [CHAIN_LOCK]);
    if (!lock?.ours) return 0;
    const oldest = await tx.query<{ number: number; hash: string; over: boolean }>(
      `select s.number, s.hash, a.at < $1::timestamptz as over from audit_seals s join audit a on a.seq = s.seq order by s.number limit ${limit}`,
      [before.toISOString()],
    );
    const stays = oldest.findIndex(({ over }) => !over);
    const going = stays < 0 ? oldest : oldest.slice(0, stays);
    const [first, last] = [going[0], going.at(-1)];
    if (!first || !last) return 0;
    // Numbers that are missing here were taken by somebody else: a tombstone must not speak for them.
    const [border] = await tx.query<{ last: number }>(
      'select coalesce(max(last_number), 0) as last from audit_tombstones',
    );
    const isWhole = first.number === (border?.last ?? 0) + 1 && last.number - first.number + 1 === going.length;
    if (!isWhole)
      throw new Error(`the audit's chain is not whole before number ${last.number}: tocsin audit verify says where`);
    const bare: Tombstone = { first: first.number, last: last.number, at: now.toISOString(), hash: last.hash };
    const tombstone = key?.signed(bare, tombstoneMessage) ?? bare;
    await tx.query(
      'insert into audit_tombstones (first_number, last_number, hash, at, key, signature) values ($1, $2, $3, $4::timestamptz, $5, $6)',
      [
        tombstone.first,
        tombstone.last,
        tombstone.hash,
        tombstone.at,
        tombstone.key ?? null,
        tombstone.signature ?? null,
      ],
    );
    await tx.query('select audit_forget($1, $2)', [tombstone.first, tombstone.last]);
    return going.length;
  });
