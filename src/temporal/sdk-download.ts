/**
 * A process of its own (`node sdk-download.ts <folder>`): lets the Temporal SDK fetch its dev server into the folder
 * and prints `program <path>`. It is separate because the SDK's native code can be neither timed out nor stopped.
 */
import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** The little of @temporalio/core-bridge that is used here; it is a dependency of @temporalio/worker, not of ours. */
interface CoreBridge {
  newRuntime(options: object): object;
  newEphemeralServer(runtime: object, config: object): Promise<object>;
  ephemeralServerShutdown(server: object): Promise<void>;
}

const [dir] = process.argv.slice(2);
if (dir === undefined) throw new Error('sdk-download: the folder to download to is missing');

const fromWorker = createRequire(createRequire(import.meta.url).resolve('@temporalio/worker'));
const { native } = fromWorker('@temporalio/core-bridge') as { native: CoreBridge };
const { version } = fromWorker('@temporalio/worker/package.json') as { version: string };

const runtime = native.newRuntime({
  logExporter: { type: 'console', filter: 'ERROR', format: 'compact' },
  telemetry: { attachServiceName: false, metricPrefix: 'temporal_' },
  metricsExporter: null,
  workerHeartbeatIntervalMillis: null,
});
try {
  // The bridge knows no download alone: it fetches the program and starts it, on ports the system chooses.
  const server = await native.newEphemeralServer(runtime, {
    type: 'dev-server',
    exe: {
      type: 'cached-download',
      downloadDir: dir,
      version: 'default',
      ttl: 0,
      sdkName: 'sdk-typescript',
      sdkVersion: version,
    },
    namespace: 'default',
    ip: '127.0.0.1',
    port: null,
    uiPort: null,
    dbFilename: null,
    ui: false,
    log: { format: 'json', level: 'never' },
    extraArgs: [],
  });
  await native.ephemeralServerShutdown(server);
  const program = (await readdir(dir)).find((name) => name.startsWith('temporal') && !name.endsWith('.downloading'));
  if (program === undefined) throw new Error('the download left no program behind');
  process.stdout.write(`program ${join(dir, program)}\n`, () => process.exit(0));
} catch (error) {
  // The native error tells every layer it went through; the last ones say what happened.
  const layers = (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ').split(': ');
  const line = layers.slice(-2).join(': ');
  process.stderr.write(`${line}\n`, () => process.exit(1));
}
