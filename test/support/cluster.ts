/**
 * Tocsin beyond one process: PostgreSQL, Temporal, two APIs and two workers, each a process of its own, with lines between them
 * that can be cut. `node test/support/cluster.ts tocsin.yaml` starts one for a person, and ends it with Ctrl-C.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openLedger } from '../../src/ledger/db.ts';
import { grantTo } from '../../src/ledger/grants.ts';
import { migrate } from '../../src/ledger/migrate.ts';
import { findTemporal } from '../../src/temporal/binary.ts';
import { startDevServer } from '../../src/temporal/dev-server.ts';
import { isRunning } from '../../src/temporal/process.ts';
import { begin, type Command, type Part } from './child.ts';
import { freePort } from './ports.ts';
import { createRole, startPostgres } from './postgres.ts';
import { type Line, startLine } from './tcp-proxy.ts';

export const PARTS = ['api-1', 'api-2', 'worker-1', 'worker-2', 'postgres', 'temporal'] as const;
export type PartName = (typeof PARTS)[number];
export type OursName = Exclude<PartName, 'postgres' | 'temporal'>;

/** Where its parts meet it: `ledger-api` is what the first API knows of PostgreSQL; the second one has no line between. */
export const LINES = ['ledger-api', 'ledger-worker', 'temporal-worker'] as const;
export type LineName = (typeof LINES)[number];

export interface Cluster {
  urls: [string, string];
  key: string;
  databaseUrl: string;
  temporalAddress: string;
  lines: Record<LineName, Line>;
  /** Of a part that runs. */
  pidOf(part: PartName): number | undefined;
  signal(part: PartName, signal: NodeJS.Signals): void;
  /** Starts what does not run, and waits until it all says that it works, or until PostgreSQL or Temporal has ended again. */
  begin(): Promise<void>;
  /** Temporal is killed and begins again with an empty database. */
  loseTemporal(): void;
  output(): string;
  remove(): Promise<void>;
}

const OURS: readonly OursName[] = ['api-1', 'api-2', 'worker-1', 'worker-2'];
const commandOf = (part: OursName): Command => (part.startsWith('api') ? 'api' : 'worker');
const LOOK_MS = 20;

export async function startCluster(input: {
  configPath: string;
  nodeArgs?: readonly string[];
  /** Further variables of a part, asked for whenever it is started; of the others the files that hold their pids. */
  env?: (part: OursName, pidFiles: Readonly<Record<'postgres' | 'temporal', string>>) => Record<string, string>;
  /** Its programs are looked for here, and not on our PATH. */
  path?: string;
  /** A Temporal that is there already, with a namespace of its own for us; else a dev server. */
  temporal?: { address: string; namespace: string };
}): Promise<Cluster> {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-cluster-'));
  const key = 'key-of-the-cluster';
  const postgres = await startPostgres();
  const binary = input.temporal
    ? undefined
    : await findTemporal({
        env: { ...process.env, ...(input.path ? { PATH: input.path } : {}) },
        say: () => undefined,
      });
  const ports = { temporal: await freePort(), ui: await freePort() };
  const temporalAddress = input.temporal?.address ?? `127.0.0.1:${ports.temporal}`;
  const lines: Record<LineName, Line> = {
    'ledger-api': await startLine({ port: postgres.port }),
    'ledger-worker': await startLine({ port: postgres.port }),
    'temporal-worker': await startLine({ port: Number(temporalAddress.split(':')[1]) }),
  };
  const portOf = { 'api-1': await freePort(), 'api-2': await freePort() };
  const pidFiles = { postgres: postgres.pidFile, temporal: join(dir, 'temporal.pid') };
  const parts = new Map<OursName, Part>();
  const outputs: { part: string; output(): string }[] = [];
  let temporal: Awaited<ReturnType<typeof startDevServer>> | undefined;

  // As whoever is careful runs it: the processes' role owns nothing of the ledger.
  const url = await createRole(postgres.url, 'tocsin_app');
  const owner = await openLedger({ url: postgres.url });
  await migrate(owner);
  await grantTo(owner, 'tocsin_app');
  await owner.close();
  const ledgerAt = (port: number): string => url.replace(`:${postgres.port}/`, `:${port}/`);
  const envOf = (part: OursName): Record<string, string> => ({
    LOG_LEVEL: 'info',
    TOCSIN_API_KEY: key,
    DATABASE_URL:
      part === 'api-1'
        ? ledgerAt(lines['ledger-api'].port)
        : part === 'worker-1'
          ? ledgerAt(lines['ledger-worker'].port)
          : url,
    ...(part === 'api-1' || part === 'api-2'
      ? { PORT: String(portOf[part]) }
      : {
          TEMPORAL_ADDRESS: part === 'worker-1' ? `127.0.0.1:${lines['temporal-worker'].port}` : temporalAddress,
          TEMPORAL_NAMESPACE: input.temporal?.namespace ?? 'default',
        }),
  });
  const pidOf = (part: PartName): number | undefined => {
    const pid = part === 'postgres' ? postgres.pid() : part === 'temporal' ? temporal?.pid : parts.get(part)?.pid;
    return pid !== undefined && isRunning(pid) ? pid : undefined;
  };
  const signal: Cluster['signal'] = (part, name) => {
    const pid = pidOf(part);
    if (pid !== undefined) process.kill(pid, name);
  };
  const cluster: Cluster = {
    urls: [`http://127.0.0.1:${portOf['api-1']}`, `http://127.0.0.1:${portOf['api-2']}`],
    key,
    databaseUrl: postgres.url,
    temporalAddress,
    lines,
    pidOf,
    signal,
    async begin() {
      if (pidOf('postgres') === undefined) await postgres.begin();
      if (binary && pidOf('temporal') === undefined) {
        temporal = await startDevServer({
          binary: binary.path,
          stateDir: dir,
          port: ports.temporal,
          uiPort: ports.ui,
          env: process.env,
          say: () => undefined,
        });
      }
      const fresh = OURS.filter((part) => pidOf(part) === undefined).map((part) => {
        const process = begin(commandOf(part), {
          configPath: input.configPath,
          cwd: dir,
          env: { ...envOf(part), ...input.env?.(part, pidFiles) },
          ...(input.nodeArgs ? { nodeArgs: input.nodeArgs } : {}),
        });
        parts.set(part, process);
        outputs.push({ part, output: process.output });
        return process;
      });
      let isReady = false;
      const ready = Promise.all(fresh.map((part) => part.ready())).finally(() => {
        isReady = true;
      });
      // What they wait for may end meanwhile: whoever watches begins again, and they find it.
      const serverEnded = async (): Promise<void> => {
        while (!isReady && pidOf('postgres') !== undefined && (!binary || pidOf('temporal') !== undefined))
          await pause(LOOK_MS);
      };
      await Promise.race([ready, serverEnded()]);
    },
    loseTemporal() {
      signal('temporal', 'SIGKILL');
      for (const end of ['', '-wal', '-shm']) rmSync(join(dir, `temporal.db${end}`), { force: true });
    },
    output: () => outputs.map(({ part, output }) => `--- ${part}\n${output()}`).join('\n'),
    async remove() {
      for (const part of OURS) signal(part, 'SIGKILL');
      signal('temporal', 'SIGKILL');
      for (const part of [...OURS, 'temporal'] as const) while (pidOf(part) !== undefined) await pause(LOOK_MS);
      await Promise.all(Object.values(lines).map((line) => line.close()));
      await postgres.remove();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  try {
    await cluster.begin();
    return cluster;
  } catch (error) {
    await cluster.remove();
    throw error;
  }
}

if (import.meta.main) {
  const [, , configPath] = process.argv;
  if (!configPath) throw new Error('which configuration? node test/support/cluster.ts tocsin.yaml');
  const cluster = await startCluster({ configPath });
  console.log(
    [`API       ${cluster.urls.join('  ')}`, `key       ${cluster.key}`, `Temporal  ${cluster.temporalAddress}`]
      .concat(`Postgres  ${cluster.databaseUrl}`)
      .join('\n'),
  );
  process.once('SIGINT', () => void cluster.remove().then(() => process.exit(0)));
}
