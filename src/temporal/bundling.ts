/**
 * A process of its own (forked): bundles the workflows and sends the code to its parent. webpack takes some 200 MB that a
 * process does not get back, and three seconds of the event loop on which events are taken.
 */
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const silent = (): void => undefined;

const { code } = await bundleWorkflowCode({
  workflowsPath: fileURLToPath(new URL('../../workflows/index.ts', import.meta.url)),
  logger: { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent },
});
process.send?.(code, () => process.exit(0));
