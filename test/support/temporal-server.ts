/** A full Temporal server for tests: its services on a PostgreSQL that is there, as beyond one machine, not the dev server. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Connection } from '@temporalio/client';
import { stringify } from 'yaml';
import { cacheFolder } from '../../src/temporal/binary.ts';
import { DYNAMIC_CONFIG } from '../../src/temporal/dev-server.ts';
import { bareNamespace } from './namespace.ts';
import { freePort } from './ports.ts';
import { until } from './until.ts';

export interface TemporalServer {
  address: string;
  /** Registered at its first start, without any search attribute. */
  namespace: string;
  /** As long as it runs. */
  pid(): number | undefined;
  /** Starts it again on the same ports after it was ended. Resolves when it serves its namespace. */
  begin(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Ends it and leaves nothing but the databases. */
  remove(): Promise<void>;
}

const HOST = '127.0.0.1';
const SERVICES = ['frontend', 'history', 'matching', 'worker'] as const;
const DATABASES = { temporal: 'temporal', visibility: 'temporal_visibility' } as const;
/** As many as Temporal's own development configuration has; each costs a start some queries. */
const SHARDS = 4;
/** A server that was killed is still in the ring until its last heartbeat is 20 s old (temporal, common/membership). */
const START_MS = 90_000;
const LOG_LINES = 20;

/** The folder with the newest server, SQL tool and schema that `.ci/build-temporal-server` has made; undefined where none is. */
export function temporalServerPrograms(): string | undefined {
  const cache = cacheFolder(process.env);
  if (!existsSync(cache)) return undefined;
  const made = readdirSync(cache).filter((name) => name.startsWith('temporal-server-'));
  const [newest] = made.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  return newest === undefined ? undefined : join(cache, newest);
}

/**
 * Makes the databases of a Temporal on this PostgreSQL, and starts a server on them with a namespace of its own.
 * Throws with the server's last words where it does not get up within START_MS.
 */
export async function startTemporalServer({ port }: { port: number }): Promise<TemporalServer> {
  const programs = temporalServerPrograms();
  if (!programs) throw new Error('there is no Temporal server: .ci/build-temporal-server builds one');
  await makeDatabases(programs, port);
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-temporal-server-'));
  const log = join(dir, 'log');
  const address = await configure(dir, port);
  let running: { pid: number; ended: Promise<unknown> } | undefined;
  let namespace: string | undefined;

  const kill = async (): Promise<void> => {
    if (!running) return;
    process.kill(running.pid, 'SIGKILL');
    await running.ended;
  };
  const begin = async (): Promise<void> => {
    await running?.ended;
    const output = openSync(log, 'a');
    const server = spawn(
      join(programs, 'temporal-server'),
      ['--root', dir, '--env', 'tests', '--allow-no-auth', 'start'],
      { cwd: dir, env: { PATH: process.env.PATH }, stdio: ['ignore', output, output] },
    );
    closeSync(output);
    await once(server, 'spawn');
    const mine = { pid: server.pid as number, ended: once(server, 'exit') };
    running = mine;
    void mine.ended.then(() => {
      if (running === mine) running = undefined;
    });
    try {
      await until(
        'the Temporal server',
        async () => (running !== mine ? 'ended' : await serves(address, namespace)),
        START_MS,
      );
      if (running !== mine) throw new Error('the Temporal server ended');
    } catch (error) {
      const words = lastWords(readFileSync(log, 'utf8'));
      await kill();
      throw new Error(`${error instanceof Error ? error.message : error}; it wrote:\n${words}`, { cause: error });
    }
  };
  const remove = async (): Promise<void> => {
    await kill();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await begin();
    namespace = await bareNamespace(address);
  } catch (error) {
    await remove();
    throw error;
  }
  return { address, namespace, pid: () => running?.pid, begin, kill, remove };
}

/** The end of the log without its stacks. */
const lastWords = (log: string): string =>
  log
    .trimEnd()
    .split('\n')
    .slice(-LOG_LINES)
    .map((line) => line.replace(/,"stacktrace":.*/, '}'))
    .join('\n');

async function makeDatabases(programs: string, port: number): Promise<void> {
  for (const [schema, database] of Object.entries(DATABASES)) {
    const common = ['--plugin', 'postgres12', '--endpoint', HOST, '--port', `${port}`, '--user', 'postgres'];
    const tool = (...args: string[]): Promise<unknown> =>
      promisify(execFile)(join(programs, 'temporal-sql-tool'), [...common, '--database', database, ...args]);
    await tool('create-database');
    await tool('setup-schema', '--version', '0.0');
    await tool('update-schema', '--schema-dir', join(programs, 'schema', schema, 'versioned'));
  }
}

/** Writes what the server reads below `dir`; returns where its frontend will answer. */
async function configure(dir: string, postgres: number): Promise<string> {
  const store = (databaseName: string, maxConns: number) => ({
    sql: {
      pluginName: 'postgres12',
      databaseName,
      connectAddr: `${HOST}:${postgres}`,
      connectProtocol: 'tcp',
      user: 'postgres',
      maxConns,
      maxIdleConns: maxConns,
    },
  });
  const services: Record<string, unknown> = {};
  const ports = new Map<string, number>();
  for (const service of SERVICES) {
    // Temporal keeps the ports of its members in a smallint (schema/postgresql/v12, cluster_membership).
    ports.set(service, await freePort());
    const rpc = { grpcPort: ports.get(service), membershipPort: await freePort(), bindOnIP: HOST };
    services[service] = { rpc };
  }
  const address = `${HOST}:${ports.get('frontend')}`;
  const dynamic = join(dir, 'dynamic.yaml');
  mkdirSync(join(dir, 'config'));
  await writeFile(
    join(dir, 'config', 'tests.yaml'),
    stringify({
      log: { stdout: true, level: 'warn' },
      persistence: {
        defaultStore: 'main',
        visibilityStore: 'visibility',
        numHistoryShards: SHARDS,
        datastores: { main: store(DATABASES.temporal, 20), visibility: store(DATABASES.visibility, 5) },
      },
      global: { membership: { maxJoinDuration: '30s', broadcastAddress: HOST } },
      services,
      clusterMetadata: {
        enableGlobalNamespace: false,
        failoverVersionIncrement: 10,
        masterClusterName: 'active',
        currentClusterName: 'active',
        clusterInformation: {
          active: { enabled: true, initialFailoverVersion: 1, rpcName: 'frontend', rpcAddress: address },
        },
      },
      dcRedirectionPolicy: { policy: 'noop' },
      publicClient: { hostPort: address },
      dynamicConfigClient: { filepath: dynamic, pollInterval: '60s' },
    }),
  );
  const settings = DYNAMIC_CONFIG.map((setting) => setting.split('=') as [string, string]);
  await writeFile(
    dynamic,
    stringify(Object.fromEntries(settings.map(([name, value]) => [name, [{ value: JSON.parse(value) as unknown }]]))),
  );
  return address;
}

/** Whether the frontend answers and, once there is one, its namespace is served. */
async function serves(address: string, namespace = 'temporal-system'): Promise<true | undefined> {
  const connection = Connection.lazy({ address });
  try {
    await connection.withDeadline(Date.now() + 2_000, () =>
      connection.workflowService.listWorkflowExecutions({ namespace, pageSize: 1 }),
    );
    return true;
  } finally {
    await connection.close();
  }
}
