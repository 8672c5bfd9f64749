/** Heartbeats while Tocsin runs: the door says that it is open, and missed beats become events like any other. */
import { type Heartbeat, heartbeatEvent } from '../core/heartbeat.ts';
import type { Ledger } from '../ledger/db.ts';
import type { Door } from '../ledger/door.ts';
import {
  markHeartbeatTold,
  noteOpen,
  OPEN_EVERY_MS,
  registerHeartbeats,
  sweepMissed,
  untoldHeartbeats,
} from '../ledger/heartbeats.ts';
import type { Log } from '../observe/log.ts';

/** Makes the rows of what is configured, then says again and again that beats can be heard. For who listens to senders. */
export async function openForHeartbeats(
  ledger: Ledger,
  heartbeats: ReadonlyMap<string, Heartbeat>,
  log: Log,
): Promise<{ stop(): Promise<void> }> {
  await registerHeartbeats(
    ledger,
    [...heartbeats.values()].map(({ name, every_ms, grace_ms }) => ({ name, every_ms, grace_ms })),
  );
  const open = async (): Promise<void> => {
    const spared = await noteOpen(ledger);
    if (spared > 0)
      log.warn(
        { heartbeats: spared },
        'beats may have been lost while nobody could be heard; they have until their next',
      );
  };
  if (heartbeats.size === 0) return { stop: async () => undefined };
  await open();
  let last: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    last = last
      .then(open)
      .catch((error: unknown) => log.error({ err: error }, 'the ledger could not be told that heartbeats are heard'));
  }, OPEN_EVERY_MS);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      await last;
    },
  };
}

/**
 * Finds what was missed and tells every change that was not told yet. The id of an event is that of the state it tells: two
 * workers tell it once, and so does one that fell between telling and noting it.
 */
export async function tellHeartbeats(
  ledger: Ledger,
  door: Pick<Door, 'accept'>,
  heartbeats: ReadonlyMap<string, Heartbeat>,
): Promise<void> {
  await sweepMissed(ledger);
  for (const standing of await untoldHeartbeats(ledger)) {
    const { name, state } = standing;
    await door.accept([heartbeatEvent(heartbeats.get(name) ?? { name }, standing)]);
    await markHeartbeatTold(ledger, name, state);
  }
}
