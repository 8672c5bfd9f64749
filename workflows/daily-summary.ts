/** The page of a day: collected from the ledger, written to Notion, told in short to channels. */
import { ApplicationFailure, proxyActivities, sleep, workflowInfo } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { SummaryInput } from './contract.ts';

/** A page may wait for Notion for most of a day: the next one is due only tomorrow. */
const { collectSummary, writeSummary, tellSummary } = proxyActivities<Activities>({
  startToCloseTimeout: '90 seconds',
  scheduleToCloseTimeout: '12 hours',
  // A worker that has died is noticed by its silence (activities/alive.ts).
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '10 seconds', maximumInterval: '30 minutes' },
});

/** How long the short form waits for the page it links to. */
const PAGE_WAIT = '2 minutes';

export async function dailySummary({ name, date }: SummaryInput): Promise<{ date: string }> {
  const scheduled = workflowInfo()
    .typedSearchAttributes.getAll()
    .find(({ key }) => key.name === 'TemporalScheduledStartTime')?.value;
  const at = scheduled instanceof Date ? scheduled.getTime() : Date.now();
  const collected = await collectSummary({ name, at, ...(date === undefined ? {} : { date }) });
  if (collected.outcome === 'unknown')
    throw ApplicationFailure.nonRetryable(`there is no summary named ${name} in the configuration`, 'unknown');
  const { date: day, notify } = collected;
  const writing = writeSummary({ name, date: day });
  // A page that cannot be written keeps nobody from being told.
  await Promise.race([writing.catch(() => undefined), sleep(PAGE_WAIT)]);
  const telling = await Promise.allSettled(notify.map((target) => tellSummary({ name, date: day, target })));
  await writing;
  for (const told of telling) if (told.status === 'rejected') throw told.reason;
  return { date: day };
}
