/** Steps of the one way through, announced to whoever listens in this process: a test build, and otherwise nobody. */
import { channel } from 'node:diagnostics_channel';

/**
 * In the order in which an event, an answer, a message sent again by hand and an end go through them. `load`: the ledger is
 * asked what the incident is; `own`: an answer that the workflow gives itself; `continue`: it begins a new history.
 */
export const STEPS = [
  'accept.begun',
  'accept.written',
  'accept.committed',
  'claim.written',
  'claim.committed',
  'signal.sent',
  'signal.marked',
  'load.written',
  'load.committed',
  'attempt.begun',
  'attempt.sent',
  'attempt.recorded',
  'answer.written',
  'answer.committed',
  'own.written',
  'own.committed',
  'continue.decided',
  'send.asked',
  'send.started',
  'send.begun',
  'send.sent',
  'send.recorded',
  'close.written',
  'close.committed',
] as const;

/** Of the page of a day, which no event goes through. */
export const SUMMARY_STEPS = ['summary.collected', 'summary.written', 'summary.kept'] as const;

export type Step = (typeof STEPS)[number] | (typeof SUMMARY_STEPS)[number];

/** What a listener subscribes to (https://nodejs.org/api/diagnostics_channel.html); the message is the step. */
export const STEP_CHANNEL = 'tocsin:step';
const steps = channel(STEP_CHANNEL);

/** Costs one comparison where nobody listens. */
export function announce(step: Step): void {
  if (steps.hasSubscribers) steps.publish(step);
}
