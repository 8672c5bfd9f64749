/** How the integrations fare: what failures make of them, which are disabled, and what operators have been told of it. */
import {
  type Failed,
  type Health,
  type HealthReason,
  type HealthState,
  isProbeDue,
  type Unwell,
  wellSince,
  whyInWords,
  withFailure,
} from '../core/health.ts';
import { type Actor, audit } from './audit.ts';
import type { Ledger, Queryable } from './db.ts';
import { procedure } from './procedure.ts';

interface HealthRow {
  name: string;
  state: HealthState;
  since: Date;
  because: HealthReason | null;
  failure: string | null;
  detail: string | null;
  failing_since: Date | null;
  refused: number;
  dead: number;
  told: HealthState;
}

/** Counts a failed attempt; gives the state when it has changed by it. Asked only after a failure. */
export const noteFailure = procedure(
  'noteFailure',
  async (tx, name: string, failed: Failed, detail: string): Promise<HealthState | undefined> => {
    await tx.query('insert into integration_health (name) values ($1) on conflict do nothing', [name]);
    const [row] = await tx.query<HealthRow & { now: Date }>(
      'select *, now() as now from integration_health where name = $1 for update',
      [name],
    );
    if (!row) return undefined;
    const after = withFailure(healthIn(row), failed, row.now.getTime());
    await tx.query(
      `update integration_health set state = $2, since = $3, because = $4, failure = $5, detail = $6, failing_since = $7, refused = $8, dead = $9,
              probe_at = case when $2 = 'disabled' and state <> 'disabled' then now() else probe_at end where name = $1`,
      [
        name,
        after.state,
        new Date(after.since).toISOString(),
        after.because ?? null,
        failed.failure,
        detail,
        after.failing_since === undefined ? null : new Date(after.failing_since).toISOString(),
        after.refused,
        after.dead,
      ],
    );
    return after.state === row.state ? undefined : after.state;
  },
);

const healthIn = ({ state, since, because, failing_since, refused, dead }: HealthRow): Health => ({
  ...wellSince(since.getTime()),
  state,
  refused,
  dead,
  ...(because ? { because } : {}),
  ...(failing_since ? { failing_since: failing_since.getTime() } : {}),
});

/** What a success makes of the row of `name`, a parameter of the statement it is part of; touches none that is well. */
export const recovered = (name: string): string =>
  `update integration_health set state = 'ok', since = case when state = 'ok' then since else now() end, because = null, failure = null, detail = null,
          failing_since = null, refused = 0, dead = 0, probe_at = null where name = ${name} and (failing_since is not null or state <> 'ok')`;

/** A message went through outside of any delivery: a test, say. */
export const noteSuccess = (db: Queryable, name: string): Promise<unknown> => db.query(recovered('$1'), [name]);

/** For the statement that begins an attempt: the columns of a health row `h`. */
export const HEALTH_COLUMNS = `h.state as health, to_json(h.since)#>>'{}' as since, h.because, h.failure as last_failure, h.detail as last_detail`;

/** Lets one delivery through to a disabled integration, unless another was let through a short while ago. */
export async function takeProbe(tx: Queryable, name: string): Promise<boolean> {
  const [row] = await tx.query<{ probe_at: Date | null; now: Date }>(
    `select probe_at, now() as now from integration_health where name = $1 and state = 'disabled' for update`,
    [name],
  );
  // It has recovered in this very moment.
  if (!row) return true;
  if (!isProbeDue(row.probe_at?.getTime(), row.now.getTime())) return false;
  await tx.query('update integration_health set probe_at = now() where name = $1', [name]);
  return true;
}

export interface HealthView {
  state: HealthState;
  since?: string;
  /** In words, with the last failure. */
  why?: string;
  because?: HealthReason;
}

/** The integrations that are not well, by name; one that is not among them is. */
export async function unwell(db: Queryable): Promise<Map<string, HealthView>> {
  const rows = await db.query<HealthRow>(`select * from integration_health where state <> 'ok'`);
  return new Map(
    rows.map((row) => {
      const { since, ...health } = unwellIn(row);
      const because = health.because ? { because: health.because } : {};
      return [row.name, { state: row.state, since, why: whyInWords(health), ...because }];
    }),
  );
}

const unwellIn = ({ state, since, because, failure, detail }: HealthRow): Unwell => ({
  state,
  since: since.toISOString(),
  ...(because ? { because } : {}),
  ...(failure === null ? {} : { failure }),
  ...(detail === null ? {} : { detail }),
});

/** An operator says that it is well; false when it was. Deliveries go to it again from now on. */
export const enableIntegration = (ledger: Ledger, name: string, who: Actor): Promise<boolean> =>
  ledger.transaction(async (tx) => {
    const [before] = await tx.query<HealthRow>(
      `select * from integration_health where name = $1 and state <> 'ok' for update`,
      [name],
    );
    if (!before) return false;
    await tx.query(recovered('$1'), [name]);
    await audit(tx, who, 'integration.enable', name, { state: before.state, because: before.because });
    return true;
  });

/** Integrations whose state is not the one that operators were told last. */
export async function untoldHealth(db: Queryable): Promise<{ name: string; health: Unwell; told: HealthState }[]> {
  const rows = await db.query<HealthRow>('select * from integration_health where state <> told');
  return rows.map((row) => ({ name: row.name, health: unwellIn(row), told: row.told }));
}

export const markHealthTold = (db: Queryable, name: string, told: HealthState): Promise<unknown> =>
  db.query('update integration_health set told = $2, told_at = now() where name = $1', [name, told]);
