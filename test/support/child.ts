/** Tocsin as its users run it: `tocsin start` as a process of its own, with a state folder and a Temporal of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { isRunning } from '../../src/temporal/process.ts';

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
  end(signal: 'SIGKILL' | 'SIGINT'): Promise<number | null>;
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

const CLI = fileURLToPath(new URL('../../src/main/cli.ts', import.meta.url));
/** A start takes some seconds: a database, a Temporal, a bundle; on a busy machine more. */
const START_MS = 90_000;

const launch = ({
  stateDir,
  configPath,
  key,
  env = {},
  nodeArgs = [],
}: StartInput): { child: ChildProcess; output: () => string } => {
  const kept = Object.entries(process.env).filter(([name]) => !/^(TEMPORAL_|TOCSIN_|VITEST|NODE_OPTIONS)/.test(name));
  const child = spawn(process.execPath, [...nodeArgs, CLI, 'start', '--config', configPath], {
    cwd: stateDir,
    env: {
      ...Object.fromEntries(kept),
      PATH: `${dirname(inject('temporal').binary)}:${process.env.PATH}`,
      TOCSIN_STATE_DIR: join(stateDir, 'state'),
      TOCSIN_API_KEY: key,
      PORT: '0',
      TEMPORAL_PORT: '0',
      TEMPORAL_UI_PORT: '0',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let written = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      written += chunk;
    });
  }
  return { child, output: () => written };
};

const endOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode);
    else child.once('close', resolve);
  });

/** Starts it and waits until it says so. Rejects with what it wrote where it ends instead. */
export async function startTocsin(input: StartInput): Promise<TocsinProcess> {
  const { child, output } = launch(input);
  const url = await new Promise<string>((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(timer);
      reject(new Error(`tocsin start ${why}; it wrote:\n${output()}`));
    };
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail(`did not get up within ${START_MS} ms`);
    }, START_MS);
    child.once('close', (code) => fail(`ended (exit ${code})`));
    child.stdout?.on('data', () => {
      const found = /is running\..*?API +(http:\S+)/s.exec(output())?.[1];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve(found);
    });
  });
  return {
    url,
    pid: child.pid as number,
    temporalPid: temporalPidIn(input.stateDir),
    since: Date.now(),
    output,
    async end(signal) {
      child.kill(signal);
      return endOf(child);
    },
  };
}

/** The pid of the Temporal that it runs now. */
export const temporalPidIn = (stateDir: string): number =>
  (JSON.parse(readFileSync(join(stateDir, 'state', 'temporal.pid'), 'utf8')) as { pid: number }).pid;

/** Starts it where it cannot run: its exit code and what it wrote. */
export async function startInVain(input: StartInput): Promise<{ code: number | null; output: string }> {
  const { child, output } = launch(input);
  return { code: await endOf(child), output: output() };
}

/** Leaves nothing running, also after a journey that failed half way. */
export async function endAll(tocsin: TocsinProcess | undefined, stateDir: string): Promise<void> {
  if (tocsin && isRunning(tocsin.pid)) await tocsin.end('SIGINT');
  if (!existsSync(join(stateDir, 'state', 'temporal.pid'))) return;
  const left = temporalPidIn(stateDir);
  if (isRunning(left)) process.kill(left, 'SIGKILL');
}
