/** What Temporal hears of a failure: our own words alone. What a vendor or the ledger said stands in the ledger and in the log. */
import { ApplicationFailure } from '@temporalio/activity';
import type { ApplicationFailureCategory } from '@temporalio/common';

/**
 * A failure of type `reason`, to be repeated after `after_ms` (else as the workflow's policy says) unless it is `final`.
 * `words` are for a reader of the history: no text of a sender, a vendor or an error belongs into them. It has no stack.
 */
export function failureOf(
  reason: string,
  words: string,
  more: { after_ms?: number | undefined; final?: boolean; category?: ApplicationFailureCategory } = {},
): ApplicationFailure {
  const failure = ApplicationFailure.create({
    message: words,
    type: reason,
    nonRetryable: more.final ?? false,
    ...(more.after_ms === undefined ? {} : { nextRetryDelay: more.after_ms }),
    ...(more.category === undefined ? {} : { category: more.category }),
  });
  failure.stack = `${failure.name}: ${words}`;
  return failure;
}
