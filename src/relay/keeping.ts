/** Keeping the books behind everybody's back: seals the audit, tells of integrations that fail, lets go what is kept no longer. */
import { healthEvent } from '../core/health.ts';
import type { Heartbeat } from '../core/heartbeat.ts';
import type { Routing } from '../core/route.ts';
import { headText } from '../ledger/chain/link.ts';
import { sealAudit, writeHead } from '../ledger/chain/seal.ts';
import type { AuditKey } from '../ledger/chain/signing.ts';
import type { Ledger } from '../ledger/db.ts';
import { createDoor } from '../ledger/door.ts';
import { markHealthTold, untoldHealth } from '../ledger/health.ts';
import { forgetPosted } from '../ledger/posted.ts';
import { endLostSends } from '../ledger/redelivery.ts';
import { type Retention, sweepRetention } from '../ledger/retention.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { tellHeartbeats } from './heartbeats.ts';

export interface Keeping {
  /** Seals what is left and writes a last head. */
  stop(): Promise<void>;
}

/** An audit row waits about this long for its seal; looking is one question to an index that is nearly always empty. */
const SEAL_MS = 1_000;
/** Sends that were lost are looked for this often: a send may take minutes anyway. */
const LOST_SENDS_MS = 60_000;
/** Where nothing was sealed, a head can only be due by the hour. */
const HEAD_LOOK_MS = 60_000;
/** Operators hear of an integration that fails within about this long; looking is one question to a table of a few rows. */
const HEALTH_MS = 5_000;
/** A missed beat is told about this long after its time; looking is one question to an index. */
const HEARTBEATS_MS = 2_000;
/** Posted alerts that ended long ago are in nobody's way: as often as Alertmanager lets its own go (--alerts.gc-interval). */
const FORGET_POSTED_MS = 30 * 60_000;
/** While there are some, the next thousand. */
const FORGET_POSTED_ON_MS = 5_000;
/** Between two sweeps: what is kept for days may stay an hour longer. */
const SWEEP_MS = 3_600_000;
/** A sweep that did not come to its end goes on after this. */
const SWEEP_ON_MS = 60_000;

/** Begins at once, and goes on until it is stopped; a failure is a line in the log and the next try. */
export function startKeeping(deps: {
  ledger: Ledger;
  retention: Retention;
  auditKey: AuditKey | undefined;
  /** Where what the pipeline tells of itself goes; absent: nobody is told. */
  routing?: Routing;
  /** What is expected to be heard of; absent: nothing. */
  heartbeats?: ReadonlyMap<string, Heartbeat>;
  log: Log;
  metrics?: Metrics;
  /** A clock of its own, for tests. */
  now?: () => Date;
}): Keeping {
  const { ledger, retention, auditKey: key, log, metrics } = deps;
  // The ledger's clock: a worker whose own runs ahead must not let anything go too soon.
  const now = async (): Promise<Date> => {
    const [row] = deps.now ? [{ now: deps.now() }] : await ledger.query<{ now: Date }>('select now() as now');
    if (!row) throw new Error('the ledger does not say what time it is');
    return row.now;
  };
  const stopping = new AbortController();
  const { signal } = stopping;

  let lookAt = 0;
  const seal = async (ends: boolean): Promise<number> => {
    const sealed = await sealAudit(ledger);
    const isQuiet = sealed === 0 && performance.now() < lookAt;
    if (isQuiet && !ends) return SEAL_MS;
    lookAt = performance.now() + HEAD_LOOK_MS;
    const head = await writeHead(ledger, { key, now: await now(), ends });
    // The log is another place than the ledger: who keeps it can show where the chain once stood.
    if (head) log.info({ head: headText(head) }, 'the audit stands here; tocsin audit verify --head takes this line');
    return SEAL_MS;
  };

  const sweep = async (): Promise<number> => {
    const { gone, more } = await sweepRetention(ledger, { retention, key, now: await now(), signal });
    const counted = Object.entries(gone).filter(([, rows]) => rows > 0);
    for (const [kind, rows] of counted) metrics?.retentionRows.inc({ kind }, rows);
    if (counted.length > 0) log.info({ gone: Object.fromEntries(counted) }, 'what was kept long enough has gone');
    return more ? SWEEP_ON_MS : SWEEP_MS;
  };

  // An event like any other: its id makes of a second try a duplicate, and of what was told a thing that was told once.
  const door = deps.routing ? createDoor(ledger, { routing: deps.routing }) : undefined;
  const tellHealth = async (): Promise<number> => {
    for (const { name, health, told } of door ? await untoldHealth(ledger) : []) {
      await door?.accept([healthEvent(name, health, told)]);
      await markHealthTold(ledger, name, health.state);
    }
    return HEALTH_MS;
  };

  const heartbeats = deps.heartbeats ?? new Map<string, Heartbeat>();
  const tellMissed = async (): Promise<number> => {
    if (door) await tellHeartbeats(ledger, door, heartbeats);
    return HEARTBEATS_MS;
  };

  const endSends = async (): Promise<number> => {
    const lost = await endLostSends(ledger);
    if (lost > 0) log.warn({ lost }, 'sends that nobody ended are ended; their deliveries are dead');
    return LOST_SENDS_MS;
  };

  const forget = async (): Promise<number> => {
    const forgotten = await forgetPosted(ledger, await now());
    return forgotten > 0 ? FORGET_POSTED_ON_MS : FORGET_POSTED_MS;
  };

  const again = async (what: string, failed_ms: number, work: () => Promise<number>): Promise<void> => {
    while (!signal.aborted) {
      const wait_ms = await work().catch((error: unknown) => {
        log.error({ err: error }, `${what} failed; the next try follows`);
        return failed_ms;
      });
      await rest(wait_ms, signal);
    }
  };
  const loops = [
    again('sealing the audit', SWEEP_ON_MS, () => seal(false)),
    again('letting go what is kept no longer', SWEEP_ON_MS, sweep),
    again('telling of integrations', HEALTH_MS, tellHealth),
    again('telling of heartbeats', HEARTBEATS_MS, tellMissed),
    again('forgetting posted alerts', SWEEP_ON_MS, forget),
    again('ending lost sends', LOST_SENDS_MS, endSends),
  ];
  return {
    async stop() {
      stopping.abort();
      await Promise.all(loops);
      await seal(true).catch((error: unknown) => log.error({ err: error }, 'the audit could not be sealed at the end'));
    },
  };
}

/** Ends early when `signal` aborts. */
const rest = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
