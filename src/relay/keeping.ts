/** Keeping the books behind everybody's back: seals the audit, writes its heads, and lets go what is kept no longer. */
import { headText } from '../ledger/chain/link.ts';
import { sealAudit, writeHead } from '../ledger/chain/seal.ts';
import type { AuditKey } from '../ledger/chain/signing.ts';
import type { Ledger } from '../ledger/db.ts';
import { type Retention, sweepRetention } from '../ledger/retention.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';

export interface Keeping {
  /** Seals what is left and writes a last head. */
  stop(): Promise<void>;
}

/** An audit row waits about this long for its seal; looking is one question to an index that is nearly always empty. */
const SEAL_MS = 1_000;
/** Where nothing was sealed, a head can only be due by the hour. */
const HEAD_LOOK_MS = 60_000;
/** Between two sweeps: what is kept for days may stay an hour longer. */
const SWEEP_MS = 3_600_000;
/** A sweep that did not come to its end goes on after this. */
const SWEEP_ON_MS = 60_000;

/** Begins at once, and goes on until it is stopped; a failure is a line in the log and the next try. */
export function startKeeping(deps: {
  ledger: Ledger;
  retention: Retention;
  auditKey: AuditKey | undefined;
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
