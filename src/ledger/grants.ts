/** What a role needs that works with a ledger and does not own it: it can neither change its tables nor what is audited. */
import type { Ledger } from './db.ts';

/** What is written once, and leaves by `audit_forget` alone (004-audit-chain.sql). */
const APPEND_ONLY = ['audit', 'audit_seals', 'audit_heads', 'audit_tombstones'];

/**
 * Grants it, on PostgreSQL, as the tables' owner; repeatable, and needed again after each migration. Throws what PostgreSQL
 * says where there is no such role, or where the tables are somebody else's.
 */
export async function grantTo(ledger: Ledger, role: string): Promise<void> {
  await ledger.transaction(async (tx) => {
    const [found] = await tx.query<{ name: string; role: string | null }>(
      'select quote_ident($1) as name, (select rolname from pg_roles where rolname = $1) as role',
      [role],
    );
    if (!found?.role) throw new Error(`there is no role ${JSON.stringify(role)}: make it first (create role … login)`);
    const { name } = found;
    await tx.query(`grant usage on schema public to ${name}`);
    await tx.query(`grant select, insert, update, delete on all tables in schema public to ${name}`);
    await tx.query(`revoke update, delete on ${APPEND_ONLY.join(', ')} from ${name}`);
    await tx.query(`grant usage on all sequences in schema public to ${name}`);
    await tx.query(`grant execute on function audit_forget(bigint, bigint) to ${name}`);
  });
}
