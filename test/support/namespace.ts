/** A namespace of one's own on the shared Temporal server, and the billable actions that the server counted in it. */
import { randomBytes } from 'node:crypto';
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { inject } from 'vitest';
import { ensureSearchAttributes } from '../../src/temporal/connect.ts';
import { countedActions } from './actions.ts';
import { until } from './until.ts';

const DAY_MS = 86_400_000;
/** The server looks for new namespaces every few seconds. */
const KNOWN_MS = 30_000;

/** Registers a namespace with our search attributes on the shared server, and waits until it is served. */
export async function ownNamespace(): Promise<string> {
  const { address } = inject('temporal');
  const namespace = await bareNamespace(address);
  const connection = await Connection.connect({ address });
  await ensureSearchAttributes(connection, namespace).finally(() => connection.close());
  return namespace;
}

/** Registers a namespace with nothing in it on any server, and waits until it is served. */
export async function bareNamespace(address: string): Promise<string> {
  const namespace = `tocsin-${randomBytes(4).toString('hex')}`;
  const connection = await Connection.connect({ address });
  try {
    await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: msToTs(DAY_MS) });
    await until(
      'the namespace to be served',
      async () => {
        await connection.workflowService.listWorkflowExecutions({ namespace, pageSize: 1 });
        return true;
      },
      KNOWN_MS,
    );
  } finally {
    await connection.close();
  }
  return namespace;
}

/** Only tests ask workflows for their state; that is no cost of the product. */
const OURS = 'grpc_QueryWorkflow';

/** Billable actions so far in a namespace, by the server's own counter `action` (docs.temporal.io/cloud/actions). */
export interface Actions {
  total: number;
  byType: Record<string, number>;
}

/**
 * The actions of everything that has happened until now. The server brings its counters up to date about once a second;
 * `ask` is a query to one of the namespace's workflows: once it is counted, all before it is.
 */
export async function actionsIn(namespace: string, ask: () => Promise<unknown>): Promise<Actions> {
  const { [OURS]: asked = 0 } = await countedIn(namespace);
  await ask();
  const { [OURS]: _, ...byType } = await until('the server to count', async () => {
    const counted = await countedIn(namespace);
    return (counted[OURS] ?? 0) > asked ? counted : undefined;
  });
  return { total: Object.values(byType).reduce((sum, count) => sum + count, 0), byType };
}

const countedIn = (namespace: string): Promise<Record<string, number>> =>
  countedActions(inject('temporal').metricsUrl, namespace);
