/** Notes which batches Temporal has: those that come while some are written go together with the next statement. */
import { markSignalled } from '../ledger/claim.ts';
import type { Ledger } from '../ledger/db.ts';

type Signalled = { incident: string; number: number };

/** Resolves once it is written; rejects, for all that went together, where the ledger did not take it. */
export function createMarks(ledger: Ledger): (batch: Signalled) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  let next: { batches: Signalled[]; written: Promise<void> } | undefined;
  return ({ incident, number }) => {
    if (!next) {
      const batches: Signalled[] = [];
      const written = last.then(() => {
        next = undefined;
        return markSignalled(ledger, batches);
      });
      next = { batches, written };
      last = written.catch(() => undefined); // Told to whoever waits for it.
    }
    next.batches.push({ incident, number });
    return next.written;
  };
}
