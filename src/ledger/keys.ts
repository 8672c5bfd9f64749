/** API keys: the secret is shown once, the ledger keeps its SHA-256. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Actor, audit } from './audit.ts';
import type { Ledger, Queryable } from './db.ts';
import { tidy } from './views.ts';

export const SCOPES = ['ingest', 'operator', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export interface KeyView {
  id: string;
  name: string;
  scopes: Scope[];
  created_at: string;
  created_by: string;
  expires_at?: string;
  revoked_at?: string;
  last_used_at?: string;
}

/** 256 bits from the system's generator: enough entropy that a plain SHA-256 cannot be searched. */
const SECRET_BYTES = 32;
const ID_BYTES = 5;
const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/** What a presented key looks like: `tocsin_<id>_<secret>`, or any text that an operator chose as the first key. */
const SHAPE = /^tocsin_([0-9a-f]{10})_([A-Za-z0-9_-]{20,})$/;
const FIRST = 'first';

export async function makeKey(
  ledger: Ledger,
  { name, scopes, expires_at }: { name: string; scopes: Scope[]; expires_at?: string },
  who: Actor,
): Promise<{ id: string; secret: string; name: string; scopes: Scope[]; expires_at?: string }> {
  const id = randomBytes(ID_BYTES).toString('hex');
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  await ledger.transaction(async (tx) => {
    await tx.query(
      'insert into keys (id, name, hash, scopes, created_by, expires_at) values ($1, $2, $3, $4::text[], $5, $6::timestamptz)',
      [id, name, hashOf(secret), scopes, who.by, expires_at ?? null],
    );
    await audit(tx, who, 'key.make', id, { name, scopes });
  });
  return { id, secret: `tocsin_${id}_${secret}`, name, scopes, ...(expires_at === undefined ? {} : { expires_at }) };
}

/** The first admin key, as who starts the first process is shown it. */
export const keyLine = (key: string): string => `admin key (shown this once; keep it): ${key}`;

/** The first admin key: the one the environment gives (kept in step with it), or one made when the ledger has none at all. */
export async function firstKey(ledger: Ledger, given: string | undefined): Promise<string | undefined> {
  const who: Actor = { by: 'tocsin', key: 'system' };
  if (given !== undefined) {
    await ledger.query(
      `insert into keys (id, name, hash, scopes, created_by) values ($1, 'first admin key', $2, '{admin}', 'environment')
       on conflict (id) do update set hash = excluded.hash, revoked_at = null`,
      [FIRST, hashOf(given)],
    );
    return undefined;
  }
  const [known] = await ledger.query('select 1 from keys limit 1');
  return known ? undefined : (await makeKey(ledger, { name: 'first admin key', scopes: ['admin'] }, who)).secret;
}

interface KeyRow {
  id: string;
  name: string;
  hash: string;
  scopes: Scope[];
  expires_at: Date | null;
  revoked_at: Date | null;
}

/** The key that is presented, if it is one of ours and still good. Unknown ids cost the same comparison as known ones. */
export async function keyOf(
  db: Queryable,
  presented: string,
  now: Date,
): Promise<{ id: string; name: string; scopes: Scope[] } | undefined> {
  const [, id = FIRST, secret = presented] = SHAPE.exec(presented) ?? [];
  const [row] = await db.query<KeyRow>(
    'select id, name, hash, scopes, expires_at, revoked_at from keys where id = $1',
    [id],
  );
  const isSame = timingSafeEqual(Buffer.from(hashOf(secret)), Buffer.from(row?.hash ?? hashOf('')));
  if (!row || !isSame || row.revoked_at !== null || (row.expires_at !== null && row.expires_at <= now))
    return undefined;
  return { id: row.id, name: row.name, scopes: row.scopes };
}

/** When a key was last used, at most once a minute. */
export const noteKeyUse = (db: Queryable, id: string): Promise<unknown> =>
  db.query(
    `update keys set last_used_at = now() where id = $1 and (last_used_at is null or last_used_at < now() - interval '1 minute')`,
    [id],
  );

export async function listKeys(db: Queryable): Promise<KeyView[]> {
  const rows = await db.query(
    'select id, name, scopes, created_at, created_by, expires_at, revoked_at, last_used_at from keys order by created_at',
  );
  return rows.map((row) => tidy<KeyView>(row));
}

/** False when there is no such key, or it was revoked before. */
export const revokeKey = (ledger: Ledger, id: string, who: Actor): Promise<boolean> =>
  ledger.transaction(async (tx) => {
    const [row] = await tx.query<{ name: string }>(
      'update keys set revoked_at = now() where id = $1 and revoked_at is null returning name',
      [id],
    );
    if (row) await audit(tx, who, 'key.revoke', id, { name: row.name });
    return row !== undefined;
  });
