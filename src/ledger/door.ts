/** The door: events that arrive together share one transaction, and each is answered when that has committed. */
import type { Event } from '../core/event.ts';
import type { OwnedBy } from '../core/owner.ts';
import type { Routing } from '../core/route.ts';
import { type Accepted, createAccept } from './accept/accept.ts';
import type { Ledger } from './db.ts';
import { announce } from './steps.ts';

export type { Accepted } from './accept/accept.ts';

export interface Door {
  /** Resolves once every event is committed, in the order given; rejects when the ledger did not take them. */
  accept(events: Event[]): Promise<Accepted[]>;
  /** Events that wait for a commit. */
  waiting(): number;
}

/** The most events of one transaction: large enough for a storm, small enough that nobody waits long for its commit. */
const COMMIT_MAX = 1_000;
/** Transactions at a time; PGlite has one connection. */
const COMMITS_AT_ONCE = { pglite: 2, postgres: 4 } as const;

interface Waiting {
  events: Event[];
  resolve(accepted: Accepted[]): void;
  reject(error: unknown): void;
}

export function createDoor(
  ledger: Ledger,
  options: {
    routing: Routing;
    /** For routes that tell the owner; absent: nobody owns anything. */
    ownedBy?: OwnedBy;
    now?: () => Date;
    onCommit?: () => void;
  },
): Door {
  const { routing, now = () => new Date(), onCommit = () => ledger.wake() } = options;
  const acceptAll = createAccept(ledger, routing, options.ownedBy);
  const queue: Waiting[] = [];
  let waiting = 0;
  let committing = 0;

  const commit = async (group: Waiting[]): Promise<void> => {
    try {
      announce('accept.begun');
      const accepted = await acceptAll(
        group.flatMap(({ events }) => events),
        now(),
      );
      announce('accept.committed');
      let from = 0;
      for (const one of group) {
        one.resolve(accepted.slice(from, from + one.events.length));
        from += one.events.length;
      }
      onCommit();
    } catch (error) {
      const [only] = group;
      if (group.length === 1 && only) only.reject(error);
      // One poisonous row must not fail its neighbours: each request is tried alone.
      else for (const one of group) await commit([one]);
    }
  };

  const pump = async (): Promise<void> => {
    if (committing >= COMMITS_AT_ONCE[ledger.kind]) return;
    committing++;
    while (queue.length > 0) {
      // PGlite answers in microtasks: without a turn of the event loop a whole commit would run before the next request,
      // which has arrived already, is read, and every event would go alone (measured: 390/s instead of thousands).
      await new Promise(setImmediate);
      const group: Waiting[] = [];
      let size = 0;
      while (queue[0] && (size === 0 || size + queue[0].events.length <= COMMIT_MAX)) {
        const one = queue.shift() as Waiting;
        size += one.events.length;
        group.push(one);
      }
      if (group.length === 0) break; // Another commit has taken what was there.
      await commit(group);
      waiting -= size;
    }
    committing--;
  };

  return {
    accept: (events) =>
      new Promise((resolve, reject) => {
        queue.push({ events, resolve, reject });
        waiting += events.length;
        void pump();
      }),
    waiting: () => waiting,
  };
}
