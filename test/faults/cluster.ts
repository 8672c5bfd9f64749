/** A Tocsin of many processes: two APIs, two workers, PostgreSQL, Temporal. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openLedger } from '../../src/ledger/db.ts';
import { LINES, type LineName, PARTS, type PartName, startCluster } from '../support/cluster.ts';
import { FAILPOINTS } from './embedded.ts';
import type { Blow } from './plan.ts';
import { configFor, type System } from './system.ts';

const BLOWS: readonly Blow[] = [
  { kind: 'kill', parts: ['postgres'] },
  { kind: 'silence', line: 'ledger-worker' },
  { kind: 'kill', parts: ['worker-1', 'worker-2', 'api-1'] },
  { kind: 'pause', part: 'postgres' },
  { kind: 'cut', line: 'ledger-api' },
  { kind: 'cut', line: 'ledger-worker' },
  { kind: 'silence', line: 'ledger-api' },
  { kind: 'cut', line: 'temporal-worker' },
  { kind: 'silence', line: 'temporal-worker' },
  { kind: 'kill', parts: ['temporal'] },
  { kind: 'pause', part: 'worker-1' },
  { kind: 'terminate', part: 'worker-1' },
  { kind: 'terminate', part: 'api-1' },
  { kind: 'kill', parts: [...PARTS] },
  { kind: 'lose-temporal' },
];
const LOOK_MS = 20;

export async function cluster(receiver: string): Promise<System> {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-faults-'));
  const configPath = join(dir, 'tocsin.yaml');
  writeFileSync(configPath, configFor(receiver));
  const running = await startCluster({ configPath, nodeArgs: ['--import', FAILPOINTS] });
  const everyPart = (): boolean => PARTS.every((part) => running.pidOf(part) !== undefined);

  return {
    urls: running.urls,
    key: running.key,
    blows: BLOWS,
    async begin(failpoints) {
      // The steps of the door and of an answer happen in an API, the others in a worker: both of a kind fail at one of them, and
      // what is left has its turn when these have ended.
      const env: NonNullable<Parameters<typeof running.begin>[0]> = {};
      const left: string[] = [];
      for (const failpoint of failpoints.splice(0)) {
        const kind = /^(accept|answer)\./.test(failpoint) ? 'api' : 'worker';
        if (env[`${kind}-1`]) {
          left.push(failpoint);
          continue;
        }
        for (const part of [`${kind}-1`, `${kind}-2`] as const) {
          env[part] = { FAILPOINT: failpoint };
          running.signal(part, 'SIGKILL');
          while (running.pidOf(part) !== undefined) await pause(LOOK_MS);
        }
      }
      failpoints.push(...left);
      try {
        await running.begin(env);
      } catch (error) {
        if (!String(error).includes('failpoint')) throw error;
      }
    },
    async ended() {
      while (everyPart()) await pause(LOOK_MS);
    },
    signal: (part, signal) => running.signal(part as PartName, signal),
    line(name) {
      if (!LINES.includes(name as LineName)) throw new Error(`there is no line ${name}`);
      return running.lines[name as LineName];
    },
    loseTemporal: () => running.loseTemporal(),
    output: () => running.output(),
    async autopsy() {
      for (const part of PARTS) if (part !== 'postgres') running.signal(part, 'SIGKILL');
      return openLedger({ url: running.databaseUrl });
    },
    async remove() {
      await running.remove();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
