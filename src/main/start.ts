/** Everything in one process: Temporal's dev server as a child, PGlite, API, relay, worker. */
import { join } from 'node:path';
import { firstKey, keyLine } from '../ledger/keys.ts';
import { renewEpoch } from '../ledger/migrate.ts';
import { findTemporal } from '../temporal/binary.ts';
import { namesServer } from '../temporal/connect.ts';
import { type DevServer, startDevServer } from '../temporal/dev-server.ts';
import { startApi } from './api.ts';
import { type Env, type Foundation, layFoundation, setting } from './foundation.ts';
import { type RunningHands, startHands } from './hands.ts';
import { type StateDir, takeStateDir } from './state-dir.ts';

export interface Running {
  url: string;
  /** Of the gRPC door; absent where there is none. */
  grpc?: string;
  /** Of Temporal's own pages; absent for a server that is not ours. */
  temporalUi?: string;
  /** Where Temporal's dev server answers and counts. */
  temporal?: { address: string; metricsPort: number; pid: number };
  /** The first admin key, once. */
  key?: string;
  /** Resolves with why, where it cannot go on without a new start. */
  failed?: Promise<string>;
  stop(): Promise<void>;
}

export interface StartInput {
  env: Env;
  configPath?: string | undefined;
  /** Lines for the person who started it. */
  say: (line: string) => void;
  /** Where the stdout channel prints. */
  print: (text: string) => void;
  /** Workflows bundled before, for tests. */
  bundlePath?: string;
}

export const STATE_DIR = '.tocsin';

/** Starts it all, or throws with what is wrong and leaves nothing running. */
export async function start({ env, configPath, say, print, bundlePath }: StartInput): Promise<Running> {
  const undo: (() => Promise<void> | void)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const state =
      setting(env, 'DATABASE_URL') && namesServer(env) ? undefined : takeStateDir(env.TOCSIN_STATE_DIR || STATE_DIR);
    let isClean = true;
    if (state) undo.push(() => state.release(isClean));
    const foundation = await layFoundation({
      env,
      configPath,
      ledger: ledgerAt(env, state),
      level: 'warn',
      // A ledger on Postgres may have other processes, which cannot know a key that is only here.
      ...(setting(env, 'DATABASE_URL') ? {} : { stateDir: state?.dir }),
    });
    undo.push(() => foundation.close());
    const { failed } = foundation.ledger;
    void failed?.then(() => {
      isClean = false;
    });
    if (state && !state.cleanStart && foundation.ledger.kind === 'pglite') await renewEpoch(foundation.ledger);
    const key = await firstKey(foundation.ledger, setting(env, 'TOCSIN_API_KEY'));
    // At once: what comes next may fail, and nobody could show it again.
    if (key !== undefined) say(keyLine(key));
    // The door is open before Temporal is up: what comes meanwhile is kept, and carried when it is.
    const ui = { temporal: '' };
    const api = await startApi(foundation, ui);
    undo.push(() => api.stop());
    const temporal = state && !namesServer(env) ? await ownTemporal(env, state, foundation, say) : undefined;
    if (temporal) {
      undo.push(() => temporal.stop());
      ui.temporal = `${temporal.server().uiUrl}/namespaces/default/workflows/{id}`;
    }
    const hands: RunningHands = await startHands(foundation, {
      ...(temporal ? { address: temporal.server().address } : {}),
      isOurs: temporal !== undefined,
      print,
      arriving: api.arriving,
      ...(state ? { stateDir: state.dir } : {}),
      ...(bundlePath ? { bundlePath } : {}),
    });
    undo.push(() => hands.stop());
    const server = temporal?.server();
    return {
      url: api.url,
      ...(api.grpc !== undefined && { grpc: api.grpc }),
      ...(server
        ? {
            temporalUi: server.uiUrl,
            temporal: { address: server.address, metricsPort: server.metricsPort, pid: server.pid },
          }
        : {}),
      ...(key === undefined ? {} : { key }),
      ...(failed === undefined ? {} : { failed }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Postgres where DATABASE_URL says so, else in the state folder. */
export function ledgerAt(env: Env, state: StateDir | undefined): { url: string } | { folder: string } {
  const url = setting(env, 'DATABASE_URL');
  return url ? { url } : { folder: join(state?.dir ?? STATE_DIR, 'ledger') };
}

/** Our dev server, started again on the same ports whenever it ends without being asked to. */
async function ownTemporal(
  env: Env,
  state: StateDir,
  { log }: Foundation,
  say: (line: string) => void,
): Promise<{ server(): DevServer; stop(): Promise<void> }> {
  const { path } = await findTemporal({ env: { ...env }, say });
  const begin = (ports: { port?: number; uiPort?: number }): Promise<DevServer> =>
    startDevServer({ binary: path, stateDir: state.dir, env: { ...env }, say, ...ports });
  let server = await begin({ ...portsOf(env) });
  const ports = { port: portIn(server.address), uiPort: portIn(server.uiUrl) };
  let stopping = false;
  const watch = async (): Promise<void> => {
    while (!stopping) {
      const code = await server.exited;
      if (stopping) return;
      log.error({ code }, 'Temporal ended; it is started again');
      server = await begin(ports).catch(async (error: unknown) => {
        log.error({ err: error }, 'Temporal could not be started again; the next try follows');
        await new Promise((resolve) => setTimeout(resolve, RESTART_WAIT_MS));
        return server;
      });
    }
  };
  const watching = watch();
  return {
    server: () => server,
    async stop() {
      stopping = true;
      await server.stop();
      await watching;
      await server.stop(); // Another by now, where one was being started again.
    },
  };
}

/** Between two tries to start a Temporal server that will not start. */
const RESTART_WAIT_MS = 2_000;

const portIn = (address: string): number => Number(/:(\d+)\/?$/.exec(address)?.[1]);

function portsOf(env: Env): { port?: number; uiPort?: number } {
  const read = (name: string): number | undefined => {
    const given = env[name];
    if (given === undefined || given === '') return undefined;
    const port = Number(given);
    if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
    throw new Error(`${name} is ${JSON.stringify(given)}: it must be a number from 0 to 65535`);
  };
  const port = read('TEMPORAL_PORT');
  const uiPort = read('TEMPORAL_UI_PORT');
  return { ...(port === undefined ? {} : { port }), ...(uiPort === undefined ? {} : { uiPort }) };
}
