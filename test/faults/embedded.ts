/** A Tocsin in one process, as `npm start` has it, with its own Temporal beside it. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openLedger } from '../../src/ledger/db.ts';
import { isRunning } from '../../src/temporal/process.ts';
import { startTocsin, type TocsinProcess, temporalPidIn } from '../support/child.ts';
import { freePort } from '../support/ports.ts';
import { configFor, type System } from './system.ts';

export const FAILPOINTS = fileURLToPath(new URL('./failpoints.ts', import.meta.url));
const LOOK_MS = 20;

export async function embedded(receiver: string): Promise<System> {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-faults-'));
  const configPath = join(dir, 'tocsin.yaml');
  writeFileSync(configPath, configFor(receiver));
  const port = await freePort();
  const key = 'key-of-the-fault-rounds';
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
    blows: [
      { kind: 'kill', parts: ['temporal', 'tocsin'] },
      { kind: 'lose-temporal' },
      { kind: 'pause', part: 'temporal' },
      { kind: 'kill', parts: ['tocsin'] },
      { kind: 'kill', parts: ['temporal'] },
      { kind: 'pause', part: 'tocsin' },
      { kind: 'terminate', part: 'tocsin' },
    ],
    async begin(failpoints) {
      const failpoint = failpoints.shift(); // The next one has its turn when this one has ended it.
      if (losesTemporal) {
        losesTemporal = false;
        const state = join(dir, 'state');
        for (const name of readdirSync(state)) if (name.startsWith('temporal.db')) rmSync(join(state, name));
      }
      const env = { PORT: String(port), LOG_LEVEL: 'warn', ...(failpoint ? { FAILPOINT: failpoint } : {}) };
      try {
        running = await startTocsin({ stateDir: dir, configPath, key, env, nodeArgs: ['--import', FAILPOINTS] });
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
      killAll();
      while (pidOf('tocsin') !== undefined || pidOf('temporal') !== undefined) await pause(LOOK_MS);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
