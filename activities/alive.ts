/** Signs of life: a worker that has died is noticed by its silence, not by the end of the time that its work may take. */
import { Context } from '@temporalio/activity';

/** A third of what the workflows wait for one (`heartbeatTimeout` in workflows/send-one.ts and workflows/daily-summary.ts). */
const SIGN_MS = 3_000;

/** Gives signs of life to Temporal for as long as this works; takes and gives what that does. */
export const alive =
  <Args extends unknown[], Result>(work: (...args: Args) => Promise<Result>) =>
  async (...args: Args): Promise<Result> => {
    const context = Context.current();
    const signs = setInterval(() => context.heartbeat(), SIGN_MS);
    try {
      return await work(...args);
    } finally {
      clearInterval(signs);
    }
  };
