/** The least that a workflow can do and still tell somebody. */
import { proxyActivities } from '@temporalio/workflow';

const { tell } = proxyActivities<{ tell(id: string): Promise<void> }>({ startToCloseTimeout: '10 seconds' });

export async function one(id: string): Promise<void> {
  await tell(id);
}

export async function two(id: string): Promise<void> {
  await Promise.all([tell(id), tell(id)]);
}
