/** Firing alerts that may keep others quiet. */
import type { FiringAlert } from '../core/route.ts';
import type { Queryable } from './db.ts';

/** More firing inhibitors than this are not looked at: each is compared with every event. */
const INHIBITORS_MAX = 1_000;

/** The alerts that match an inhibition's source and fire now. */
export async function firingInhibitors(db: Queryable): Promise<FiringAlert[]> {
  const rows = await db.query<{ labels: { identity: string; labels: Record<string, string> } }>(
    `select labels from alerts where inhibits and current and status = 'firing' order by id desc limit ${INHIBITORS_MAX}`,
  );
  return rows.map(({ labels }) => ({ fingerprint_source: labels.identity, labels: labels.labels }));
}
