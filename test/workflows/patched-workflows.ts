/**
 * Workflows as a release has them that changes what an incident does, the way it is done: behind `patched`, so that the ones that
 * run go on as they began (https://docs.temporal.io/develop/typescript/versioning).
 */
import { patched, sleep } from '@temporalio/workflow';
import type { IncidentInput } from '../../workflows/contract.ts';
import { incident as asItIs } from '../../workflows/incident.ts';

export { dailySummary, sendOne } from '../../workflows/index.ts';

export async function incident(input: IncidentInput): Promise<{ closed: string }> {
  if (patched('a-moment-first')) await sleep(1);
  return asItIs(input);
}
