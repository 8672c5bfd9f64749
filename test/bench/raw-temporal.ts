/** What Temporal alone takes: a workflow with one activity, or with two at once, on the same server with the same settings. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { findTemporal } from '../../src/temporal/binary.ts';
import { startDevServer } from '../../src/temporal/dev-server.ts';
import { installRuntime } from '../../src/temporal/worker.ts';

export interface RawTemporal {
  /** Starts one workflow; resolves when its activities have been called, with the milliseconds that took. */
  run(name: 'one' | 'two'): Promise<number>;
  end(): Promise<void>;
}

export async function startRawTemporal(): Promise<RawTemporal> {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-bench-temporal-'));
  const binary = await findTemporal({ env: process.env, say: () => undefined });
  const quiet = { env: process.env, say: () => undefined };
  const server = await startDevServer({ binary: binary.path, stateDir: dir, port: 0, uiPort: 0, ...quiet });
  installRuntime();
  const connection = await Connection.connect({ address: server.address });
  const native = await NativeConnection.connect({ address: server.address });
  const client = new Client({ connection });
  const waiting = new Map<string, { left: number; done: () => void }>();
  const worker = await Worker.create({
    connection: native,
    taskQueue: 'raw',
    workflowsPath: fileURLToPath(new URL('./raw-workflows.ts', import.meta.url)),
    activities: {
      async tell(id: string) {
        const one = waiting.get(id);
        if (one && --one.left === 0) one.done();
      },
    },
  });
  const running = worker.run();
  let started = 0;
  return {
    async run(name) {
      const id = `raw-${++started}`;
      const from = performance.now();
      const told = new Promise<void>((done) => waiting.set(id, { left: name === 'one' ? 1 : 2, done }));
      await client.workflow.start(name, { taskQueue: 'raw', workflowId: id, args: [id] });
      await told;
      waiting.delete(id);
      return performance.now() - from;
    },
    async end() {
      worker.shutdown();
      await running;
      await native.close();
      await connection.close();
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
