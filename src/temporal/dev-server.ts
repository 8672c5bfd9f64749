/** Temporal's dev server as our child process: started on our file, found again after a crash, ended after the worker. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { DEFAULT_NAMESPACE, SEARCH_ATTRIBUTES } from './connect.ts';
import { commandOf, endProcess, isRunning, startOf } from './process.ts';

export interface DevServer {
  /** `127.0.0.1:7233`, for clients and workers. */
  address: string;
  uiUrl: string;
  /** Prometheus metrics of the server at `http://127.0.0.1:<metricsPort>/metrics`. */
  metricsPort: number;
  pid: number;
  /** SIGTERM, SIGKILL after 10 s; resolves when it is gone. */
  stop(): Promise<void>;
  /** Its exit code when it ends, for whatever reason; null where a signal ended it. */
  exited: Promise<number | null>;
}

/** Temporal's own defaults, which its CLI and its documentation assume. */
const DEFAULT_PORT = 7233;
const DEFAULT_UI_PORT = 8233;
const HOST = '127.0.0.1';

/**
 * Measured (design, section 5): as shipped, the one shard's queues are polled 20 times a second and a step takes
 * 90 ms; so it takes 18 ms, and 50 workflows at once are done up to twice as fast. As shipped, a timer or a retry
 * that is due within a second is put off to its end (for clocks of several hosts that differ): 200 ms took 980, so 230. As
 * shipped, 8,096 workflows stay in its memory, ended ones too, each with 20 to 25 KB, and GOGC allows five times that: 960 MB
 * after 4,500 incidents and still growing; with two thousand, as many as one machine has at work, it stands at 600. As shipped,
 * an activity goes to a queue that the very worker polls which has just asked for it: with the answer it costs a sixth less.
 */
export const DYNAMIC_CONFIG = [
  'history.transferProcessorMaxPollRPS=2000',
  'history.timerProcessorMaxPollRPS=2000',
  'history.timerProcessorMaxTimeShift="10ms"',
  'matching.useNewMatcher=true',
  'history.hostLevelCacheMaxSize=2000',
  'system.enableActivityEagerExecution=true',
];
/** Collect garbage less often: a fifth more throughput for some 100 MB (design, section 5). */
const GOGC = '400';

/** Measured 1-3 s on 2 idle cores; a file of some days and a busy machine take longer. */
const START_LIMIT_MS = 60_000;
const POLL_MS = 100;
const STOP_LIMIT_MS = 10_000;
/** How long a server left behind by a crash gets to end by itself. */
const LEFTOVER_LIMIT_MS = 5_000;
/** Between choosing a free port and the server's taking it somebody else may: then others are chosen. */
const PORT_TRIES = 3;
/** The log is kept over restarts until it has this size; then one older part is kept beside it. */
const LOG_LIMIT_BYTES = 5_000_000;

const DAY_S = 86_400;
/** What the dev server gives a new namespace (temporal, schema/sqlite/setup.go), and what we want to look back on. */
const SHIPPED_RETENTION_S = DAY_S;
const RETENTION_S = 30 * DAY_S;

/**
 * Starts the dev server on `<stateDir>/temporal.db` and waits until it answers. Whoever calls this holds the state
 * folder's lock: a server that an earlier, killed process left on the same file is ended first.
 * @param input.port 7233, or one the system chooses where that is taken; 0: the system chooses; else exactly that one.
 * @param input.uiPort likewise, 8233.
 * @throws Error when it does not start, with the last lines of `<stateDir>/temporal.log`.
 */
export async function startDevServer(input: {
  binary: string;
  stateDir: string;
  port?: number;
  uiPort?: number;
  env: Record<string, string | undefined>;
  say: (line: string) => void;
}): Promise<DevServer> {
  const { stateDir, say } = input;
  await endLeftover(stateDir, say);
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(input);
    } catch (error) {
      const again = error instanceof PortTaken && attempt < PORT_TRIES;
      if (!again) throw error;
      say('a port was taken between choosing and using it: trying others');
    }
  }
}

class PortTaken extends Error {}

async function startOnce(input: Parameters<typeof startDevServer>[0]): Promise<DevServer> {
  const { binary, stateDir, env } = input;
  const [port, uiPort, metricsPort, httpPort] = await choosePorts([
    { given: input.port, usual: DEFAULT_PORT, setting: 'TEMPORAL_PORT' },
    { given: input.uiPort, usual: DEFAULT_UI_PORT, setting: 'TEMPORAL_UI_PORT' },
    { given: 0 },
    { given: 0 },
  ]);
  const database = databaseOf(stateDir);
  const logFile = join(stateDir, 'temporal.log');
  const args = [
    ...['server', 'start-dev', '--ip', HOST, '--log-level', 'error', '--log-format', 'text', '--color', 'never'],
    ...[
      '--port',
      `${port}`,
      '--ui-port',
      `${uiPort}`,
      '--metrics-port',
      `${metricsPort}`,
      '--http-port',
      `${httpPort}`,
    ],
    ...['--db-filename', database],
    ...['--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=normal'],
    ...DYNAMIC_CONFIG.flatMap((pair) => ['--dynamic-config-value', pair]),
    ...SEARCH_ATTRIBUTES.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
  ];

  const log = openLog(logFile);
  // A process group of its own: Ctrl-C in the terminal reaches only us, and we end it after the worker.
  const child = spawn(binary, args, { detached: true, stdio: ['ignore', log, log], env: environmentOf(env) });
  closeSync(log);
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => resolve(code));
    child.once('error', () => resolve(null));
  });
  const failed = once(child, 'error').then(([error]) => {
    throw new Error(`${binary} cannot be started: ${error instanceof Error ? error.message : error}`);
  });
  failed.catch(() => {}); // Observed below only while the start is awaited.
  if (child.pid === undefined) await failed;
  const pid = child.pid as number;

  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    await exited;
    clearTimeout(timer);
    rmSync(recordOf(stateDir), { force: true });
  };
  const address = `${HOST}:${port}`;
  try {
    // Where that cannot be written (a full disk) the server must not stay: nobody would know it, and it holds the port.
    remember(stateDir, pid);
    const ended = exited.then(async (code) => {
      const lines = await lastLines(logFile);
      const message = `the Temporal dev server ended while starting (exit ${code}); ${logFile} says:\n${lines}`;
      throw /address already in use/.test(lines) ? new PortTaken(message) : new Error(message);
    });
    ended.catch(() => {}); // Likewise.
    const over = new AbortController();
    try {
      await Promise.race([failed, ended, untilItAnswers(address, over.signal)]);
    } finally {
      over.abort();
    }
  } catch (error) {
    await stop();
    throw error;
  }
  child.unref(); // It must not keep our process alive once everything else has ended.
  return { address, uiUrl: `http://${HOST}:${uiPort}`, metricsPort: metricsPort as number, pid, stop, exited };
}

/** The caller's environment without TEMPORAL_*, which would steer the CLI elsewhere. */
function environmentOf(env: Record<string, string | undefined>): Record<string, string | undefined> {
  const kept = Object.entries(env).filter(([name]) => !name.startsWith('TEMPORAL_'));
  return { ...Object.fromEntries(kept), GOGC: env.GOGC ?? GOGC };
}

/** Waits until the server serves its namespace, and sets the namespace's retention if it is still as shipped. */
async function untilItAnswers(address: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + START_LIMIT_MS;
  const connection = Connection.lazy({ address });
  try {
    for (;;) {
      signal.throwIfAborted();
      try {
        await connection.withDeadline(Date.now() + 2_000, () => keepHistories(connection));
        return;
      } catch (error) {
        if (performance.now() > deadline) {
          const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
          throw new Error(
            `the Temporal dev server at ${address} did not answer within ${START_LIMIT_MS / 1000} s: ${why}`,
          );
        }
      }
      await wait(POLL_MS, undefined, { signal });
    }
  } finally {
    await connection.close();
  }
}

/** Retention of the namespace: 30 days, once; what an operator has set since then stays. */
async function keepHistories(connection: Connection): Promise<void> {
  const { config } = await connection.workflowService.describeNamespace({ namespace: DEFAULT_NAMESPACE });
  const seconds = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0);
  if (seconds !== SHIPPED_RETENTION_S) return;
  await connection.workflowService.updateNamespace({
    namespace: DEFAULT_NAMESPACE,
    config: { workflowExecutionRetentionTtl: msToTs(RETENTION_S * 1000) },
  });
}

const databaseOf = (stateDir: string): string => join(stateDir, 'temporal.db');
const recordOf = (stateDir: string): string => join(stateDir, 'temporal.pid');

function remember(stateDir: string, pid: number): void {
  const path = recordOf(stateDir);
  writeFileSync(`${path}.new`, JSON.stringify({ pid, started: startOf(pid) }), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Ends the server that an earlier process left running on our file: it is ours if start time and command line agree. */
async function endLeftover(stateDir: string, say: (line: string) => void): Promise<void> {
  let record: { pid?: unknown; started?: unknown };
  try {
    record = JSON.parse(await readFile(recordOf(stateDir), 'utf8')) as typeof record;
  } catch {
    return; // None recorded, or the record was cut off: then nothing can be said about any process.
  }
  const { pid, started } = record;
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 1 || !isRunning(pid)) return;
  const sameStart = startOf(pid) === started;
  if (!sameStart || !commandOf(pid).includes(databaseOf(stateDir))) return;
  say(`ending the Temporal dev server that an earlier process left behind (pid ${pid})`);
  await endProcess(pid, LEFTOVER_LIMIT_MS);
}

function openLog(path: string): number {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_LIMIT_BYTES) renameSync(path, `${path}.old`);
  return openSync(path, 'a', 0o600);
}

async function lastLines(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-5).join('\n') || '(nothing)';
}

/** Free ports on the loopback address, no two alike: all are held until the last is chosen. */
async function choosePorts(
  wishes: { given?: number | undefined; usual?: number; setting?: string }[],
): Promise<number[]> {
  const held: Server[] = [];
  try {
    for (const { given, usual = 0, setting } of wishes) {
      const server = await hold(given ?? usual).catch((error: NodeJS.ErrnoException) => {
        if (given === undefined) return hold(0);
        throw new Error(
          `port ${given} (${setting}) cannot be used for Temporal: ${error.code}. Choose another, or 0 for any.`,
        );
      });
      held.push(server);
    }
    return held.map((server) => (server.address() as { port: number }).port);
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

async function hold(port: number): Promise<Server> {
  const server = createServer();
  server.listen({ port, host: HOST, exclusive: true });
  await once(server, 'listening');
  return server;
}
