/** Tocsin as its users run it: `tocsin start` as a process of its own, with a state folder and a Temporal of its own. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isRunning } from '../../src/temporal/process.ts';
import { layLedger } from './image.ts';

export interface TocsinProcess {
  url: string;
  pid: number;
  /** Of the Temporal it began with. */
  temporalPid: number;
  /** When it said that it runs: Date.now(). */
  since: number;
  /** Everything it has written. */
  output(): string;
  /** Sends the signal to it alone; resolves with its exit code once it has ended (null: a signal ended it). */
  end: Part['end'];
}

export interface StartInput {
  stateDir: string;
  configPath: string;
  key: string;
  /** Over what it gets from us. */
  env?: Readonly<Record<string, string>>;
  /** Arguments of node itself, before the program: `--import` of a test build. */
  nodeArgs?: readonly string[];
}

/** Most have ended before optimised code of PGlite would pay: a second of processor less for each start (measured). Not where they are measured. */
const IN_TESTS = process.env.VITEST ? ['--liftoff-only'] : [];
const CLI = fileURLToPath(new URL('../../src/main/tocsin.ts', import.meta.url));
/** A start takes some seconds: a database, a Temporal, a bundle; on a busy machine more. */
const START_MS = 90_000;

/** What each command says once it does its work. */
const READY = {
  start: /is running\..*?API +(http:\S+)/s,
  api: /"url":"([^"]+)".*the API listens/,
  worker: /(the worker works)/,
} as const;
export type Command = keyof typeof READY;

/** A command of Tocsin as a process, begun; what it says and when it ends. */
export interface Part {
  pid: number;
  output(): string;
  /** Resolves with its exit code once it has ended (null: a signal ended it). */
  ended: Promise<number | null>;
  /** What READY found; rejects with what it wrote where it ends instead, or takes longer than START_MS. */
  ready(): Promise<string>;
  end(signal: 'SIGKILL' | 'SIGINT' | 'SIGTERM'): Promise<number | null>;
}

/** Begins it with the variables given here and none of TOCSIN_*, TEMPORAL_* that we run with ourselves. */
export function begin(
  command: Command,
  { configPath, env, nodeArgs = [], cwd }: { configPath: string; cwd: string } & Pick<StartInput, 'env' | 'nodeArgs'>,
): Part {
  const kept = Object.entries(process.env).filter(([name]) => !/^(TEMPORAL_|TOCSIN_|VITEST|NODE_OPTIONS)/.test(name));
  const child = spawn(process.execPath, [...IN_TESTS, ...nodeArgs, CLI, command, '--config', configPath], {
    cwd,
    env: { ...Object.fromEntries(kept), PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  let written = '';
  const ready = new Promise<string>((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(timer);
      reject(new Error(`tocsin ${command} ${why}; it wrote:\n${written}`));
    };
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail(`did not get up within ${START_MS} ms`);
    }, START_MS);
    void ended.then((code) => fail(`ended (exit ${code})`));
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        written += chunk;
        const found = READY[command].exec(written)?.[1];
        if (found === undefined) return;
        clearTimeout(timer);
        resolve(found);
      });
    }
  });
  ready.catch(() => undefined); // Whoever does not ask does not care.
  return {
    pid: child.pid as number,
    output: () => written,
    ended,
    ready: () => ready,
    end(signal) {
      child.kill(signal);
      return ended;
    },
  };
}

function launch({ stateDir, configPath, key, env = {}, nodeArgs = [] }: StartInput): Part {
  layLedger(join(stateDir, 'state', 'ledger'));
  return begin('start', {
    configPath,
    cwd: stateDir,
    nodeArgs,
    env: {
      TOCSIN_STATE_DIR: join(stateDir, 'state'),
      TOCSIN_API_KEY: key,
      TEMPORAL_PORT: '0',
      TEMPORAL_UI_PORT: '0',
      ...env,
    },
  });
}

/** Starts it and waits until it says so. Rejects with what it wrote where it ends instead. */
export async function startTocsin(input: StartInput): Promise<TocsinProcess> {
  const part = launch(input);
  const url = await part.ready();
  return {
    url,
    pid: part.pid,
    temporalPid: temporalPidIn(input.stateDir),
    since: Date.now(),
    output: part.output,
    end: part.end,
  };
}

/** Where it keeps the pid of the Temporal that it runs. */
export const pidFileIn = (stateDir: string): string => join(stateDir, 'state', 'temporal.pid');

/** The pid of the Temporal that it runs now. */
export const temporalPidIn = (stateDir: string): number =>
  (JSON.parse(readFileSync(pidFileIn(stateDir), 'utf8')) as { pid: number }).pid;

/** Starts it where it cannot run: its exit code and what it wrote. */
export async function startInVain(input: StartInput): Promise<{ code: number | null; output: string }> {
  const { ended, output } = launch(input);
  return { code: await ended, output: output() };
}

/** Leaves nothing running, also after a journey that failed half way. */
export async function endAll(tocsin: TocsinProcess | undefined, stateDir: string): Promise<void> {
  if (tocsin && isRunning(tocsin.pid)) await tocsin.end('SIGINT');
  if (!existsSync(join(stateDir, 'state', 'temporal.pid'))) return;
  const left = temporalPidIn(stateDir);
  if (isRunning(left)) process.kill(left, 'SIGKILL');
}
