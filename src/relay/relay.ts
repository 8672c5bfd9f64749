/** The relay: carries inbox rows to workflows as batches, paced; sweeps what has expired; nudges what is overdue. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Batch, Opening } from '../core/incident.ts';
import { type Claim, claim, markSignalled, overdueIncidents, sweepExpired, unsentBatches } from '../ledger/claim.ts';
import type { Ledger } from '../ledger/db.ts';
import type { Waiting } from '../ledger/inbox.ts';
import { markSendStarted, type Send, waitingSends } from '../ledger/sends.ts';
import { announce } from '../ledger/steps.ts';
import { together } from '../ledger/together.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { createInboxes } from './inboxes.ts';
import { createPacing, restAfter } from './pacing.ts';
import type { Quiet } from './quiet.ts';

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
/** What was held back is told, and what is open goes quiet, within about this long after a silence began or ended. */
const QUIET_MS = 1_000;
/** design.md section 2, rule 11: at start, then every 30 s. */
const RECONCILE_MS = 30_000;
/** Batches that were claimed and not signalled are sent again. */
const RESEND_MS = 5_000;
/** Signals on their way at once: beyond this the server only queues. */
const AT_ONCE = 32;
/** Batches that are noted with one statement: those of all slots. */
const MARKED_MAX = AT_ONCE;
/** Inboxes that one look takes up: twice what can be carried at once, so that no slot waits for the next look. */
const QUEUED = 2 * AT_ONCE;
/** More events than this at the door of the same process are a crowd: those who wait there have the processors first. */
const CROWD = 200;
/** What is neither critical nor an answer waits so long for a crowd, then has one look. */
const CROWD_WAIT_MS = 2_000;
/** After the far side has failed, the wait before the next try; doubling to the most. */
const FAR_SIDE_WAIT_MS = 500;
const FAR_SIDE_WAIT_MAX_MS = 10_000;

/** Milliseconds of a clock that nobody sets: by the wall's, an hour set back was an hour in which no key was ripe. */
const monotonic = (): number => performance.now();

export function createRelay(deps: {
  ledger: Ledger;
  carrier: Carrier;
  log: Log;
  metrics?: Metrics;
  prefix?: string;
  /** Tells later what was held back; absent: nobody does. */
  quiet?: Quiet;
  /** Events that wait at the door of this process for their commit; absent: it has no door. */
  arriving?: () => number;
  now?: () => number;
}): Relay & { start(): void } {
  const { ledger, carrier, log, metrics, prefix, quiet, arriving = () => 0, now = monotonic } = deps;
  const pacing = createPacing();
  const inboxes = createInboxes(ledger, now);
  const slots = createSlots(AT_ONCE);
  const claiming = createSlots(1);
  /** Keys and incidents that a call is on its way for: what happens to one happens one after the other. */
  const inFlight = new Set<string>();
  const due = { sweep: 0, quiet: 0, resend: 0, reconcile: 0 };
  let failures = 0;
  let restUntil = 0;
  /** The inboxes were not looked at, because the slots had more than enough to do. */
  let passedOver = false;
  /** The present look has claimed as well: how long it took does not say how much there was to look at. */
  let hasClaimed = false;
  let crowdedSince: number | undefined;
  let wakeUp: () => void = () => undefined;

  const mark = together((batches: Batch[]) => markSignalled(ledger, batches), MARKED_MAX);

  const carry = async ({ opening, batch }: Claim): Promise<boolean> => {
    const started = now();
    try {
      await carrier.batch(opening, batch);
      announce('signal.sent');
      await mark([batch]);
      announce('signal.marked');
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

  /** Begins work of this name unless it is on its way already; the promise is for those who want to wait for its end. */
  const begin = (name: string, work: () => Promise<unknown>): Promise<void> => {
    if (inFlight.has(name)) return Promise.resolve();
    inFlight.add(name);
    return (
      slots
        .use(work)
        // One inbox that cannot be carried must not stop the others.
        .catch((error: unknown) =>
          log.error({ err: error, name }, 'the relay could not carry this; it will be tried again'),
        )
        .then(() => {
          inFlight.delete(name);
          if (!passedOver || slots.queued() > 0) return;
          passedOver = false;
          wakeUp();
        })
    );
  };

  /** While a crowd is at the door one at a time: eight at once, of 20 ms each, kept it waiting for all of them. */
  const claimInTurn = (key: string): Promise<Claim | undefined> =>
    arriving() < CROWD ? claim(ledger, key, prefix) : claiming.use(() => claim(ledger, key, prefix));

  const relayInbox = async ({ key, rows }: Waiting): Promise<void> => {
    const claimed = await claimInTurn(key).catch((error: unknown) => {
      inboxes.taken(key);
      throw error;
    });
    inboxes.taken(key, claimed?.batch.through);
    if (claimed) await carryFirst({ key, rows }, claimed);
  };

  const carryFirst = async ({ key, rows }: Pick<Waiting, 'key' | 'rows'>, claimed: Claim): Promise<void> => {
    announce('claim.committed');
    if (claimed.batch.number === 1) metrics?.incidentsOpened.inc({ route: claimed.opening.policy.route });
    pacing.sent(key, rows, now());
    const { incident } = claimed.batch;
    // A batch that is being sent again goes first; this one is claimed and follows with the next resend.
    if (inFlight.has(incident)) return;
    inFlight.add(incident);
    await carry(claimed).finally(() => inFlight.delete(incident));
  };

  /** Whether all that is not urgent waits for a crowd at the door. */
  const leavesRoom = (): boolean => {
    if (arriving() < CROWD) crowdedSince = undefined;
    else crowdedSince ??= now();
    if (crowdedSince === undefined) return false;
    if (now() - crowdedSince < CROWD_WAIT_MS) return true;
    crowdedSince = undefined;
    return false;
  };

  /** An inbox that cannot be claimed fails by itself, in its turn. */
  const lookAtInboxes: typeof inboxes.lookAndClaim = async () => {
    const isIdle = inFlight.size === 0 && arriving() < CROWD;
    const looked = isIdle ? await inboxes.lookAndClaim(prefix).catch(() => undefined) : undefined;
    return looked ?? { waiting: await inboxes.look() };
  };

  const relayInboxes = async (): Promise<Promise<void>[]> => {
    // Whatever a look found now would only queue up behind what has been found already.
    if (slots.queued() > 0) {
      passedOver = true;
      return [];
    }
    const { waiting, claimed } = await lookAtInboxes();
    pacing.forget(now());
    const [only] = waiting;
    hasClaimed = claimed !== undefined;
    if (only && claimed) return [begin(only.key, () => carryFirst(only, claimed))];
    const isCrowded = leavesRoom();
    const ripe = waiting.filter(
      ({ key, urgent, pressing }) =>
        !inFlight.has(key) &&
        pacing.isRipe(key, urgent, now()) &&
        (pressing || !isCrowded) &&
        (urgent || pacing.turn(now())),
    );
    // A short queue: what is found later and matters more does not wait behind a long one.
    passedOver = ripe.length > QUEUED;
    return ripe.slice(0, QUEUED).map((inbox) => begin(inbox.key, () => relayInbox(inbox)));
  };

  const resend = async (): Promise<Promise<void>[]> => {
    const byIncident = Map.groupBy(await unsentBatches(ledger), ({ batch }) => batch.incident);
    return [...byIncident].map(([incident, claims]) =>
      begin(incident, async () => {
        for (const one of claims.sort((a, b) => a.batch.number - b.batch.number)) if (!(await carry(one))) return;
      }),
    );
  };

  const reconcile = async (): Promise<Promise<void>[]> =>
    (await overdueIncidents(ledger)).map((opening) =>
      begin(opening.id, () =>
        carrier.nudge(opening).then(
          () => {
            failures = 0;
          },
          (error: unknown) => farSideFailed(error, { incident: opening.id }),
        ),
      ),
    );

  const startSends = async (): Promise<Promise<void>[]> =>
    (await waitingSends(ledger)).map((send) =>
      begin(`send ${send.id}`, () =>
        carrier.send(send).then(
          () => {
            announce('send.started');
            return markSendStarted(ledger, send.id);
          },
          (error: unknown) => farSideFailed(error, { send: send.id }),
        ),
      ),
    );

  const isDue = (what: keyof typeof due, interval: number): boolean => {
    if (now() < due[what]) return false;
    due[what] = now() + interval;
    return true;
  };

  /** A silence that cannot be read must not stop what is to be carried. */
  const lookAtQuiet = async (over: Quiet): Promise<void> => {
    const more = await over.look().catch((error: unknown) => {
      log.error({ err: error }, 'what is held back could not be looked at; it will be looked at again');
      return false;
    });
    if (more) due.quiet = 0;
  };

  /** Looks at everything that waits and begins to carry it: a signal that hangs holds up its own incident only. */
  const look = async (): Promise<Promise<void>[]> => {
    if (isDue('sweep', SWEEP_MS)) await sweepExpired(ledger);
    if (quiet && isDue('quiet', QUIET_MS)) await lookAtQuiet(quiet);
    if (now() < restUntil) return [];
    return [
      ...(await relayInboxes()),
      ...(await startSends()),
      ...(isDue('resend', RESEND_MS) ? await resend() : []),
      ...(isDue('reconcile', RECONCILE_MS) ? await reconcile() : []),
    ];
  };
  const tick = async (): Promise<void> => void (await Promise.all(await look()));

  let stopped = true;
  let looping: Promise<void> = Promise.resolve();
  let unsubscribe = (): void => undefined;

  const loop = async (): Promise<void> => {
    while (!stopped) {
      const woken = new Promise<void>((resolve) => {
        wakeUp = resolve;
      });
      const from = now();
      hasClaimed = false;
      await look().catch((error: unknown) =>
        log.error({ err: error }, 'the relay could not look at the ledger; it will look again'),
      );
      if (!hasClaimed) await pause(restAfter(now() - from, inboxes.areFew()));
      const timer = setTimeout(() => wakeUp(), Math.min(POLL_MS, pacing.nextIn(now())));
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
      await slots.idle();
    },
  };
}

/** At most so many pieces of work at once; the rest waits its turn. */
function createSlots(size: number) {
  const turns: (() => void)[] = [];
  const working = new Set<Promise<unknown>>();
  let free = size;
  const run = async <T>(work: () => Promise<T>): Promise<T> => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => turns.push(resolve));
    try {
      return await work();
    } finally {
      const next = turns.shift();
      if (next) next();
      else free++;
    }
  };
  return {
    use<T>(work: () => Promise<T>): Promise<T> {
      const running = run(work).finally(() => working.delete(running));
      working.add(running);
      return running;
    },
    /** Pieces of work that wait for their turn. */
    queued: (): number => turns.length,
    idle: async (): Promise<void> => void (await Promise.allSettled([...working])),
  };
}
