/** One notice to one target outside any incident: a test of an integration, a redelivery, a short summary. */
import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { SendInput } from './contract.ts';

/** Someone waits for the result: attempts are few, and what went wrong is told, not hidden in retries. */
const { sendOnce } = proxyActivities<Activities>({
  startToCloseTimeout: '75 seconds',
  scheduleToCloseTimeout: '5 minutes',
  // A worker that has died is noticed by its silence (activities/alive.ts), not by the end of the time that the slowest integration may take.
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '5 seconds', maximumAttempts: 4 },
});

export const sendOne = ({ send }: SendInput): Promise<{ outcome: string }> => sendOnce({ send });
