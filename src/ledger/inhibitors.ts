/** Firing alerts that may keep others quiet. */
import type { FiringAlert } from '../core/route.ts';
import type { Queryable } from './db.ts';

/** More firing inhibitors than this are not looked at: each is compared with every event. */
const INHIBITORS_MAX = 1_000;

/**
 * The alerts that match an inhibition's source and fire now, also those that are held back: who is silent about a host is
 * silent about what depends on it. But for those that are inhibited themselves: two could keep each other quiet for ever.
 */
export async function firingInhibitors(db: Queryable): Promise<FiringAlert[]> {
  const rows = await db.query<{ labels: { identity: string; labels: Record<string, string> } }>(
    `(select labels from alerts where inhibits and current and status = 'firing' order by id desc limit ${INHIBITORS_MAX})
     union all (select labels from held where labels is not null and outcome <> 'inhibited' order by id desc limit ${INHIBITORS_MAX})`,
  );
  return rows.map(({ labels }) => ({ fingerprint_source: labels.identity, labels: labels.labels }));
}
