/** What an attempt's end may not show in a history, kept in memory until the ledger takes it. */
import type { AttemptEnd } from '../src/ledger/deliveries.ts';

/** Ends that wait for a ledger that is away; of more than these only the status is recorded. */
const KEPT_MAX = 10_000;

/**
 * A provider's reference and the words on a failure may hold a title, an address, a vendor's text. The worker that sent
 * keeps them; where another one records the end, the delivery has its status and reason, and the next message no thread.
 */
export function createAside() {
  const kept = new Map<number, Pick<AttemptEnd, 'ref' | 'detail' | 'code'>>();
  return {
    /** The end as a history may show it. */
    put({ ref, detail, code, ...end }: AttemptEnd): AttemptEnd {
      if (kept.size < KEPT_MAX)
        kept.set(end.attempt, {
          ...(ref === undefined ? {} : { ref }),
          ...(detail === undefined ? {} : { detail }),
          ...(code === undefined ? {} : { code }),
        });
      return end;
    },
    /** The end with what was put aside here. */
    whole: (end: AttemptEnd): AttemptEnd => ({ ...end, ...kept.get(end.attempt) }),
    /** Once the ledger has it. */
    drop: ({ attempt }: AttemptEnd): void => void kept.delete(attempt),
  };
}
