/** What rounds are run on: a Tocsin that can be started, struck and examined; here all in one process, as `npm start` has it. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Ledger, openLedger } from '../../src/ledger/db.ts';
import { isRunning } from '../../src/temporal/process.ts';
import { startTocsin, type TocsinProcess, temporalPidIn } from '../support/child.ts';
import type { Fault } from './plan.ts';

export interface System {
  urls: string[];
  key: string;
  /** Starts whatever does not run, its first process with this FAILPOINT. Resolves when it takes events, or has ended again. */
  begin(failpoint?: string): Promise<void>;
  /** Resolves when a process of it has ended, by a failpoint or a fault. */
  ended(): Promise<void>;
  strike(fault: Exclude<Fault, { kind: 'failpoint' }>): Promise<void>;
  /** Everything its processes have written. */
  output(): string;
  /** Ends all of it by kill -9 and opens the ledger as the crash left it. */
  autopsy(): Promise<Ledger>;
  /** Leaves nothing behind. */
  remove(): Promise<void>;
}

/** One webhook that takes everything, one that misbehaves; critical alerts page at once, warnings a little later. */
export const configFor = (receiver: string): string => `
integrations:
  good: { type: webhook, url: '${receiver}/good', timeout: 1s, backoff: 200ms }
  rough: { type: webhook, url: '${receiver}/rough', timeout: 1s, backoff: 200ms }
escalations:
  on-call: { levels: [ { notify: [good], wait: 1s }, { notify: [rough], wait: 1h } ] }
routes:
  - { name: critical, match: [ 'severity="critical"' ], group_wait: 0s, notify: [good], escalate: on-call }
default: { group_by: [service], group_wait: 300ms, group_interval: 500ms, notify: [good, rough] }
egress: { allow: ['127.0.0.0/8'] }
`;

const FAILPOINTS = fileURLToPath(new URL('./failpoints.ts', import.meta.url));

export async function embedded(receiver: string): Promise<System> {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-faults-'));
  const configPath = join(dir, 'tocsin.yaml');
  writeFileSync(configPath, configFor(receiver));
  const port = await freePort();
  const key = 'key-of-the-fault-rounds';
  const input = { stateDir: dir, configPath, key };
  const outputs: (() => string)[] = [];
  let running: TocsinProcess | undefined;
  let losesTemporal = false;

  const temporalPid = (): number | undefined => {
    try {
      const pid = temporalPidIn(dir);
      return isRunning(pid) ? pid : undefined;
    } catch {
      return undefined; // None was ever started.
    }
  };
  const killTemporal = (): void => {
    const pid = temporalPid();
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  };
  const signal = (name: NodeJS.Signals): void => {
    if (running && isRunning(running.pid)) process.kill(running.pid, name);
  };

  return {
    urls: [`http://127.0.0.1:${port}`],
    key,
    async begin(failpoint) {
      if (losesTemporal) {
        losesTemporal = false;
        const state = join(dir, 'state');
        for (const name of readdirSync(state)) if (name.startsWith('temporal.db')) rmSync(join(state, name));
      }
      const env = { PORT: String(port), LOG_LEVEL: 'warn', ...(failpoint ? { FAILPOINT: failpoint } : {}) };
      try {
        running = await startTocsin({ ...input, env, nodeArgs: ['--import', FAILPOINTS] });
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
      while (running && isRunning(running.pid)) await pause(20);
    },
    async strike(fault) {
      await pause(fault.at_ms);
      switch (fault.kind) {
        case 'kill-tocsin':
          return signal('SIGKILL');
        case 'kill-temporal':
          return killTemporal();
        case 'lose-temporal':
        case 'kill-both':
          losesTemporal = fault.kind === 'lose-temporal';
          killTemporal();
          return signal('SIGKILL');
        case 'terminate':
          return signal('SIGTERM');
        case 'pause-tocsin': {
          signal('SIGSTOP');
          await pause(fault.for_ms);
          return signal('SIGCONT');
        }
        case 'pause-temporal': {
          const pid = temporalPid();
          if (pid === undefined) return;
          process.kill(pid, 'SIGSTOP');
          await pause(fault.for_ms);
          if (isRunning(pid)) process.kill(pid, 'SIGCONT');
          return;
        }
        default:
          fault satisfies never;
      }
    },
    output: () => outputs.map((said) => said()).join('\n'),
    async autopsy() {
      signal('SIGKILL');
      killTemporal();
      while (running && isRunning(running.pid)) await pause(20);
      return openLedger({ folder: join(dir, 'state', 'ledger') });
    },
    async remove() {
      signal('SIGKILL');
      killTemporal();
      while ((running && isRunning(running.pid)) || temporalPid() !== undefined) await pause(20);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The sender keeps one address over all restarts. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
