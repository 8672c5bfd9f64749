/** What nobody foresaw in an activity: logged whole, and told to Temporal by its kind. */
import { ApplicationFailure, CancelledFailure } from '@temporalio/activity';
import type { Deps } from './deps.ts';
import { failureOf } from './failure.ts';

type Work = (...input: never[]) => Promise<unknown>;

/** The same activities; an error that is none of ours becomes a retryable failure of type `unforeseen`. */
export function guarded<Activities extends Record<string, Work>>(activities: Activities, { log }: Deps): Activities {
  const wrap =
    (name: string, work: Work): Work =>
    async (...input) => {
      try {
        return await work(...input);
      } catch (error) {
        if (error instanceof ApplicationFailure || error instanceof CancelledFailure) throw error;
        log.error({ err: error, activity: name }, 'an activity met something unforeseen; it will be tried again');
        throw failureOf('unforeseen', `${name} met something unforeseen (${kindOf(error)}); the log has all of it`);
      }
    };
  return Object.fromEntries(Object.entries(activities).map(([name, work]) => [name, wrap(name, work)])) as Activities;
}

/** The class and code of an error: `error 57P01`, `TypeError`. Its message may quote anything. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const { code } = error as { code?: unknown };
  return [error.name, code].filter((word) => /^[\w.-]{1,64}$/.test(String(word ?? ''))).join(' ');
}
