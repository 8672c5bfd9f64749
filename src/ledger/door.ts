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
/**
 * Transactions at a time. PGlite has one connection: while one is under way the next is made up here, and both are to be alike in size.
 * Measured with 50 senders of single events: one group of whatever had arrived beside another 4,080/s, two alike 4,780/s, three 4,630/s.
 * On Postgres one may wait for a lock, and whoever comes meanwhile must not wait for it too.
 */
const COMMITS = { pglite: { at_once: 2, alike: true }, postgres: { at_once: 4, alike: false } } as const;

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
  const { at_once, alike } = COMMITS[ledger.kind];
  let looking = false;
  let queued = 0;
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
      // First: whoever carries it on can ask the ledger while the answers are written.
      onCommit();
      let from = 0;
      for (const one of group) {
        one.resolve(accepted.slice(from, from + one.events.length));
        from += one.events.length;
      }
    } catch (error) {
      const [only] = group;
      if (group.length === 1 && only) only.reject(error);
      // One poisonous row must not fail its neighbours: each request is tried alone.
      else for (const one of group) await commit([one]);
    }
  };

  /** Whether what is queued makes a group; of groups that are alike, when it is its share of all that waits. */
  const isGroup = (): boolean =>
    queue.length > 0 && (committing === 0 || (committing < at_once && (!alike || queued * at_once >= waiting)));

  const pump = (): void => {
    if (looking || !isGroup()) return;
    looking = true;
    // PGlite answers in microtasks: without a turn of the event loop a whole commit would run before the next request,
    // which has arrived already, is read, and every event would go alone (measured: 390/s instead of thousands).
    setImmediate(() => {
      looking = false;
      while (isGroup()) {
        const most = alike ? Math.min(COMMIT_MAX, Math.ceil(waiting / at_once)) : COMMIT_MAX;
        const group: Waiting[] = [];
        let size = 0;
        while (queue[0] && (size === 0 || size + queue[0].events.length <= most)) {
          const one = queue.shift() as Waiting;
          size += one.events.length;
          group.push(one);
        }
        queued -= size;
        committing++;
        void commit(group).finally(() => {
          waiting -= size;
          committing--;
          pump();
        });
      }
    });
  };

  return {
    accept: (events) =>
      new Promise((resolve, reject) => {
        queue.push({ events, resolve, reject });
        waiting += events.length;
        queued += events.length;
        pump();
      }),
    waiting: () => waiting,
  };
}
