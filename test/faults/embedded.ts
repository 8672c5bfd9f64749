/** A Tocsin in one process, as `npm start` has it, with its own Temporal beside it. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { openLedger } from '../../src/ledger/db.ts';
import { findTemporal } from '../../src/temporal/binary.ts';
import { isRunning } from '../../src/temporal/process.ts';
import { pidFileIn, startTocsin, type TocsinProcess, temporalPidIn } from '../support/child.ts';
import { freePort } from '../support/ports.ts';
import type { Failpoint } from './plan.ts';
import { configFor, type Kind, type System } from './system.ts';

export const FAILPOINTS = fileURLToPath(new URL('./failpoints.ts', import.meta.url));
const LOOK_MS = 20;

export const embedded: Kind = {
  blows: [
    { kind: 'kill', parts: ['temporal', 'tocsin'] },
    { kind: 'lose-temporal' },
    { kind: 'pause', part: 'temporal' },
    { kind: 'kill', parts: ['tocsin'] },
    { kind: 'kill', parts: ['temporal'] },
    { kind: 'pause', part: 'tocsin' },
    { kind: 'terminate', part: 'tocsin' },
  ],
  victims: ['itself', 'temporal'],
  start,
};

/** As the variable FAILPOINT takes it (failpoints.ts). */
export const listOf = (failpoints: Failpoint[]): string =>
  failpoints.map(({ step, nth, victim }) => `${step}:${nth}:kill${victim === 'itself' ? '' : `-${victim}`}`).join(',');

async function start({ receiver, events_max }: Parameters<Kind['start']>[0]): Promise<System> {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-faults-'));
  const configPath = join(dir, 'tocsin.yaml');
  writeFileSync(configPath, configFor(receiver));
  const [port, temporalPort] = [await freePort(), await freePort()];
  const key = 'key-of-the-fault-rounds';
  const env = {
    PORT: String(port),
    TEMPORAL_PORT: String(temporalPort),
    LOG_LEVEL: 'warn',
    FAILPOINT_PIDS: `temporal=${pidFileIn(dir)}`,
    ...(events_max === undefined ? {} : await withShortHistories(dir, events_max)),
  };
  const connection = Connection.lazy({ address: `127.0.0.1:${temporalPort}` });
  const outputs: (() => string)[] = [];
  let running: TocsinProcess | undefined;
  let losesTemporal = false;

  const temporalPid = (): number | undefined => {
    try {
      return temporalPidIn(dir);
    } catch {
      return undefined; // None was ever started.
    }
  };
  const pidOf = (part: string): number | undefined => {
    const pid = part === 'temporal' ? temporalPid() : running?.pid;
    return pid !== undefined && isRunning(pid) ? pid : undefined;
  };
  const signal: System['signal'] = (part, name) => {
    const pid = pidOf(part);
    if (pid !== undefined) process.kill(pid, name);
  };
  const killAll = (): void => {
    signal('temporal', 'SIGKILL');
    signal('tocsin', 'SIGKILL');
  };

  return {
    urls: [`http://127.0.0.1:${port}`],
    key,
    temporal: new Client({ connection }),
    async begin(failpoints) {
      if (losesTemporal) {
        losesTemporal = false;
        const state = join(dir, 'state');
        for (const name of readdirSync(state)) if (name.startsWith('temporal.db')) rmSync(join(state, name));
      }
      try {
        const nodeArgs = ['--import', FAILPOINTS];
        const failing = { ...env, FAILPOINT: listOf(failpoints) };
        running = await startTocsin({ stateDir: dir, configPath, key, env: failing, nodeArgs });
        outputs.push(running.output);
      } catch (error) {
        running = undefined;
        const said = String(error);
        outputs.push(() => said);
        // Killed while it was starting: whoever watches starts it again. Anything else is a fault of its own.
        if (!said.includes('failpoint')) throw error;
      }
    },
    async ended() {
      while (pidOf('tocsin') !== undefined) await pause(LOOK_MS);
    },
    signal,
    line(name) {
      throw new Error(`all is one process: there is no line ${name}`);
    },
    loseTemporal() {
      losesTemporal = true;
      killAll();
    },
    output: () => outputs.map((said) => said()).join('\n'),
    async autopsy() {
      killAll();
      while (pidOf('tocsin') !== undefined) await pause(LOOK_MS);
      return openLedger({ folder: join(dir, 'state', 'ledger') });
    },
    async remove() {
      await connection.close();
      killAll();
      while (pidOf('tocsin') !== undefined || pidOf('temporal') !== undefined) await pause(LOOK_MS);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/**
 * A PATH on which `temporal` is a server that suggests after so many events that a history has become long. (Its own
 * setting is 4,096: https://docs.temporal.io/workflow-execution/limits; a round's histories have some 50.)
 */
export async function withShortHistories(dir: string, events_max: number): Promise<{ PATH: string }> {
  const { path } = await findTemporal({ env: process.env, say: () => undefined });
  const bin = join(dir, 'bin');
  mkdirSync(bin);
  const limit = `--dynamic-config-value limit.historyCount.suggestContinueAsNew=${events_max}`;
  writeFileSync(
    join(bin, 'temporal'),
    `#!/bin/sh\ncase "$1" in server) exec '${path}' "$@" ${limit} ;; *) exec '${path}' "$@" ;; esac\n`,
    { mode: 0o755 },
  );
  return { PATH: `${bin}:${process.env.PATH}` };
}
