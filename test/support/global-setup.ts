/** What all test files share: one Temporal dev server and one bundle of the workflows, for the whole run. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { findTemporal } from '../../src/temporal/binary.ts';
import { bundle } from '../../src/temporal/bundle.ts';
import { startDevServer } from '../../src/temporal/dev-server.ts';
import { writeImage } from './image.ts';

export interface TemporalForTests {
  /** host:port of the shared server; use task queues, workflow ids and namespaces nobody else has. */
  address: string;
  metricsUrl: string;
  /** The bundled workflows for `workflowBundle: { codePath }`. */
  bundlePath: string;
  /** The `temporal` program, for tests that start a server of their own. */
  binary: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    temporal: TemporalForTests;
  }
}

const say = (line: string): void => {
  process.stderr.write(`test setup: ${line}\n`);
};

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const binary = await findTemporal({ env: process.env, say });
  const dir = await mkdtemp(join(tmpdir(), 'tocsin-test-'));
  const remove = (): Promise<void> => rm(dir, { recursive: true, force: true, maxRetries: 3 });
  try {
    const bundlePath = join(dir, 'workflows.cjs');
    await Promise.all([bundle().then(({ code }) => writeFile(bundlePath, code)), writeImage(dir)]);
    // Ports the system chooses: a run beside a running Tocsin, or beside another run, must not collide with it.
    const server = await startDevServer({
      binary: binary.path,
      stateDir: dir,
      port: 0,
      uiPort: 0,
      env: process.env,
      say,
    });
    project.provide('temporal', {
      address: server.address,
      metricsUrl: `http://127.0.0.1:${server.metricsPort}/metrics`,
      bundlePath,
      binary: binary.path,
    });
    const endWithUs = (): void => {
      process.kill(server.pid, 'SIGKILL');
    };
    process.once('exit', endWithUs); // Ctrl-C twice leaves no time for the teardown.
    return async () => {
      process.removeListener('exit', endWithUs);
      await server.stop();
      await remove();
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
