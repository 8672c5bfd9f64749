/** The relay: carries inbox rows to workflows as batches, paced; sweeps what has expired; nudges what is overdue. */
import type { Batch, Opening } from '../core/incident.ts';
import { claim, type Claim, markSignalled, overdueIncidents, sweepExpired, unsentBatches, waitingInboxes } from '../ledger/claim.ts';
import type { Ledger } from '../ledger/db.ts';
import { markSendStarted, type Send, waitingSends } from '../ledger/sends.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { createPacing } from './pacing.ts';

/** The far side, given by whoever wires the relay: a failing call is repeated with the same arguments. */
export interface Carrier {
  /** signal-with-start of the incident's workflow. */
  batch(opening: Opening, batch: Batch): Promise<void>;
  /** The same, with a nudge: look into the ledger. */
  nudge(opening: Opening): Promise<void>;
  /** Starts what a row of `sends` asks for; a second start of the same is no error. */
  send(send: Send): Promise<void>;
}

export interface Relay {
  /** One look at everything that waits; resolves when each signal of this look has been answered. */
  tick(): Promise<void>;
  stop(): Promise<void>;
}

/** Rows wake the relay; this is for the wakes that are lost. */
const POLL_MS = 250;
/** Expiry and sends that failed to start are looked for at this interval. */
const SWEEP_MS = 1_000;
/** design.md section 2, rule 11: at start, then every 30 s. */
const RECONCILE_MS = 30_000;
/** Batches that were claimed and not signalled are sent again. */
const RESEND_MS = 5_000;
/** Signals on their way at once: beyond this the server only queues. */
const AT_ONCE = 32;
/** After the far side has failed, the wait before the next try; doubling to the most. */
const FAR_SIDE_WAIT_MS = 500;
const FAR_SIDE_WAIT_MAX_MS = 10_000;

export function createRelay(deps: { ledger: Ledger; carrier: Carrier; log: Log; metrics?: Metrics; prefix?: string; now?: () => number }): Relay & { start(): void } {
  const { ledger, carrier, log, metrics, prefix, now = Date.now } = deps;
  const pacing = createPacing();
  /** Keys and incidents that a call is on its way for: what happens to one happens one after the other. */
  const inFlight = new Set<string>();
  const due = { sweep: 0, resend: 0, reconcile: 0 };
  let failures = 0;
  let restUntil = 0;

  const carry = async ({ opening, batch }: Claim): Promise<boolean> => {
    const started = now();
    try {
      await carrier.batch(opening, batch);
      await markSignalled(ledger, batch.incident, batch.number);
      failures = 0;
      metrics?.relayBatches.inc({ outcome: 'sent' });
      metrics?.relaySignalSeconds.observe((now() - started) / 1_000);
      return true;
    } catch (error) {
      farSideFailed(error, { incident: batch.incident, batch: batch.number });
      metrics?.relayBatches.inc({ outcome: 'failed' });
      return false;
    }
  };

  /** The batch stays claimed; resend brings it again as it is. New claims rest, so that a backlog waits in the inbox. */
  const farSideFailed = (error: unknown, what: object): void => {
    failures++;
    restUntil = now() + Math.min(FAR_SIDE_WAIT_MAX_MS, FAR_SIDE_WAIT_MS * 2 ** (failures - 1));
    log.warn({ err: error, ...what, failures }, 'Temporal did not take it; it will be sent again');
  };

  const exclusively = async (name: string, work: () => Promise<void>): Promise<void> => {
    if (inFlight.has(name)) return;
    inFlight.add(name);
    try {
      await work();
    } catch (error) {
      // One inbox that cannot be carried must not stop the others.
      log.error({ err: error, name }, 'the relay could not carry this; it will be tried again');
    } finally {
      inFlight.delete(name);
    }
  };

  const relayInboxes = async (): Promise<void> => {
    const waiting = await waitingInboxes(ledger);
    pacing.forget(now());
    const ripe = waiting.filter(({ key, urgent }) => pacing.isRipe(key, urgent, now()));
    await inParallel(ripe, AT_ONCE, ({ key, rows }) =>
      exclusively(key, async () => {
        const claimed = await claim(ledger, key, prefix);
        if (!claimed) return;
        if (claimed.batch.number === 1) metrics?.incidentsOpened.inc({ route: claimed.opening.policy.route });
        pacing.sent(key, rows, now());
        await exclusively(claimed.batch.incident, async () => void (await carry(claimed)));
      }),
    );
  };

  const resend = async (): Promise<void> => {
    const unsent = await unsentBatches(ledger);
    const byIncident = Map.groupBy(unsent, ({ batch }) => batch.incident);
    await inParallel([...byIncident], AT_ONCE, ([incident, claims]) =>
      exclusively(incident, async () => {
        for (const one of claims.sort((a, b) => a.batch.number - b.batch.number)) if (!(await carry(one))) return;
      }),
    );
  };

  const reconcile = async (): Promise<void> => {
    const overdue = await overdueIncidents(ledger);
    await inParallel(overdue, AT_ONCE, (opening) =>
      exclusively(opening.id, async () => {
        try {
          await carrier.nudge(opening);
          failures = 0;
        } catch (error) {
          farSideFailed(error, { incident: opening.id });
        }
      }),
    );
  };

  const startSends = async (): Promise<void> => {
    for (const send of await waitingSends(ledger)) {
      await exclusively(`send ${send.id}`, async () => {
        try {
          await carrier.send(send);
          await markSendStarted(ledger, send.id);
        } catch (error) {
          farSideFailed(error, { send: send.id });
        }
      });
    }
  };

  const every = async (what: keyof typeof due, interval: number, work: () => Promise<unknown>): Promise<void> => {
    if (now() < due[what]) return;
    due[what] = now() + interval;
    await work();
  };

  const tick = async (): Promise<void> => {
    await every('sweep', SWEEP_MS, () => sweepExpired(ledger));
    if (now() < restUntil) return;
    await relayInboxes();
    await startSends();
    await every('resend', RESEND_MS, resend);
    await every('reconcile', RECONCILE_MS, reconcile);
  };

  let stopped = true;
  let wakeUp: () => void = () => undefined;
  let looping: Promise<void> = Promise.resolve();
  let unsubscribe = (): void => undefined;

  const loop = async (): Promise<void> => {
    while (!stopped) {
      const woken = new Promise<void>((resolve) => {
        wakeUp = resolve;
      });
      await tick().catch((error: unknown) => log.error({ err: error }, 'the relay could not look at the ledger; it will look again'));
      const pause = pacing.nextIn(now());
      const timer = setTimeout(() => wakeUp(), Math.min(POLL_MS, pause));
      await woken;
      clearTimeout(timer);
    }
  };

  return {
    tick,
    start() {
      if (!stopped) return;
      stopped = false;
      unsubscribe = ledger.onWake(() => wakeUp());
      looping = loop();
    },
    async stop() {
      stopped = true;
      unsubscribe();
      wakeUp();
      await looping;
    },
  };
}

async function inParallel<Item>(items: Item[], atOnce: number, work: (item: Item) => Promise<void>): Promise<void> {
  const waiting = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const item of waiting) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}
