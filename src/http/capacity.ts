/** How much one process takes on at once; what comes beyond it is answered 503 with Retry-After, and nothing of it is held. */
import type { Request, Response } from 'express';
import { Problem } from './problem.ts';

export interface Capacity {
  /**
   * Counts the body of this request until it has been answered. Throws Problem (unavailable) where there is no room for
   * it; of a body that does not say how long it is, `full` hears when there is none left.
   */
  hold(request: Request, response: Response, full: (problem: Problem) => void): void;
}

/** Bodies of requests that are being answered: one event of the largest kind (64 KB) for each of 1,000 connections. */
const HELD_MAX_BYTES = 64_000 * 1024;
/** Long enough for the ledger to take what is held. */
const RETRY_AFTER_S = '2';

const FULL = 'more has arrived than can be kept at once; nothing of this was kept, send it again';

/** Come back when less waits. */
export const overloaded = (): Problem =>
  new Problem('unavailable', FULL, { headers: { 'retry-after': RETRY_AFTER_S } });

/** Whether it is that: some senders are better told 429 than 503. */
export const isOverload = ({ kind, message }: Problem): boolean => kind === 'unavailable' && message === FULL;

/** The same, for senders that are told so by 429. */
export const askedLater = ({ message, headers }: Problem): Problem =>
  new Problem('too-many-requests', message, { headers });

export function createCapacity(max = HELD_MAX_BYTES): Capacity {
  let held = 0;
  return {
    hold(request, response, full) {
      if (response.closed) return; // Gone while its key was looked up: nobody would give the room back.
      let own = 0;
      const add = (bytes: number): void => {
        own += bytes;
        held += bytes;
      };
      response.once('close', () => {
        held -= own;
        own = 0;
      });
      const declared = request.headers['content-length'];
      if (declared !== undefined) {
        if (held + Number(declared) > max) throw overloaded();
        return add(Number(declared));
      }
      if (request.headers['transfer-encoding'] === undefined) return;
      // How long it will be is not said: it is counted as it comes.
      request.on('data', (chunk: Buffer) => {
        if (held + chunk.length <= max) return add(chunk.length);
        // Whatever else comes on this connection is not read.
        request.pause();
        if (!response.headersSent) response.set('connection', 'close');
        full(overloaded());
      });
    },
  };
}
