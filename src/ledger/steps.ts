/** Steps of the one way through, announced to whoever listens in this process: a test build, and otherwise nobody. */
import { channel } from 'node:diagnostics_channel';

/** In the order in which an event, an answer and an end go through them. */
export const STEPS = [
  'accept.begun',
  'accept.written',
  'accept.committed',
  'claim.written',
  'claim.committed',
  'signal.sent',
  'signal.marked',
  'attempt.begun',
  'attempt.sent',
  'attempt.recorded',
  'answer.written',
  'answer.committed',
  'close.written',
  'close.committed',
] as const;

export type Step = (typeof STEPS)[number];

/** What a listener subscribes to (https://nodejs.org/api/diagnostics_channel.html); the message is the step. */
export const STEP_CHANNEL = 'tocsin:step';
const steps = channel(STEP_CHANNEL);

/** Costs one comparison where nobody listens. */
export function announce(step: Step): void {
  if (steps.hasSubscribers) steps.publish(step);
}
