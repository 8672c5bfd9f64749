/** What nobody foresaw in an activity: logged whole, and told to Temporal without a secret, a body or a stack. */
import { ApplicationFailure, CancelledFailure } from '@temporalio/activity';
import { createRedactor } from '../src/observe/redact.ts';
import type { Deps } from './deps.ts';

/** Histories are kept for weeks and read by many: a message is cut to what says what happened. */
const MESSAGE_MAX = 300;

type Work = (...input: never[]) => Promise<unknown>;

/** The same activities; an error that is none of ours becomes a retryable failure of type `unforeseen`. */
export function guarded<Activities extends Record<string, Work>>(
  activities: Activities,
  { log, config }: Deps,
): Activities {
  const redactor = createRedactor(config.secrets);
  const wrap =
    (name: string, work: Work): Work =>
    async (...input) => {
      try {
        return await work(...input);
      } catch (error) {
        if (error instanceof ApplicationFailure || error instanceof CancelledFailure) throw error;
        log.error({ err: error, activity: name }, 'an activity met something unforeseen; it will be tried again');
        const message = redactor.text(error instanceof Error ? error.message : String(error)).slice(0, MESSAGE_MAX);
        const failure = ApplicationFailure.create({ message: `${name}: ${message}`, type: 'unforeseen' });
        failure.stack = `${failure.name}: ${failure.message}`;
        throw failure;
      }
    };
  return Object.fromEntries(Object.entries(activities).map(([name, work]) => [name, wrap(name, work)])) as Activities;
}
