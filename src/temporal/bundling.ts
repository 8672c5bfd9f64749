/**
 * A process of its own (forked): bundles the workflows and sends the code to its parent. webpack takes some 200 MB that a
 * process does not get back, and three seconds of the event loop on which events are taken.
 */
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const silent = (): void => undefined;

const file = (name: string): string => fileURLToPath(new URL(`../../workflows/${name}.ts`, import.meta.url));

const { code } = await bundleWorkflowCode({
  workflowsPath: file('index'),
  // Evaluated once for all workflows of a thread and frozen, instead of once for each: they keep nothing of their own outside of
  // their functions (test/architecture.test.ts).
  preloadModules: [file('frames'), file('index')],
  logger: { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent },
});
process.send?.(code, () => process.exit(0));
