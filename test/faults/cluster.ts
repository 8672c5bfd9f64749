/** A Tocsin of many processes: two APIs, two workers, PostgreSQL, Temporal. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { openLedger } from '../../src/ledger/db.ts';
import { LINES, type LineName, PARTS, type PartName, startCluster } from '../support/cluster.ts';
import { FAILPOINTS, listOf, withShortHistories } from './embedded.ts';
import type { Blow } from './plan.ts';
import { configFor, type Kind, type System } from './system.ts';

const BLOWS: readonly Blow[] = [
  { kind: 'kill', parts: ['postgres'] },
  { kind: 'silence', line: 'ledger-worker' },
  { kind: 'kill', parts: ['worker-1', 'worker-2', 'api-1'] },
  { kind: 'cut', line: 'temporal-worker' },
  { kind: 'silence', line: 'temporal-worker' },
  { kind: 'kill', parts: ['temporal'] },
  { kind: 'pause', part: 'postgres' },
  { kind: 'cut', line: 'ledger-api' },
  { kind: 'cut', line: 'ledger-worker' },
  { kind: 'silence', line: 'ledger-api' },
  { kind: 'pause', part: 'worker-1' },
  { kind: 'terminate', part: 'worker-1' },
  { kind: 'terminate', part: 'api-1' },
  { kind: 'kill', parts: [...PARTS] },
  { kind: 'lose-temporal' },
];
const LOOK_MS = 20;
/** Whoever ends while it is being started, because what it needs was killed, is started again; but not for ever. */
const STARTS_MAX = 20;

export const cluster: Kind = { blows: BLOWS, victims: ['itself', 'temporal', 'postgres'], start };

async function start({ receiver, failpoints: first, events_max }: Parameters<Kind['start']>[0]): Promise<System> {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-faults-'));
  const configPath = join(dir, 'tocsin.yaml');
  writeFileSync(configPath, configFor(receiver));
  let failpoints = first;
  const running = await startCluster({
    configPath,
    nodeArgs: ['--import', FAILPOINTS],
    env: (part, { postgres, temporal }) => ({
      // The steps of the door and of what operators ask for happen in an API, the others in a worker.
      FAILPOINT: listOf(failpoints.filter(({ step }) => part.startsWith(AT_THE_DOOR.test(step) ? 'api' : 'worker'))),
      FAILPOINT_PIDS: `postgres=${postgres},temporal=${temporal}`,
    }),
    ...(events_max === undefined ? {} : { path: (await withShortHistories(dir, events_max)).PATH }),
  });
  const everyPart = (): boolean => PARTS.every((part) => running.pidOf(part) !== undefined);
  const connection = Connection.lazy({ address: running.temporalAddress });
  let startsInVain = 0;

  return {
    urls: running.urls,
    key: running.key,
    temporal: new Client({ connection }),
    async begin(left) {
      failpoints = left;
      try {
        await running.begin();
      } catch (error) {
        // Killed while it was starting, or what it needs was: whoever watches starts it again.
        if (everyPart() || ++startsInVain > STARTS_MAX) throw error;
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
      await connection.close();
      await running.remove();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const AT_THE_DOOR = /^(accept\.|answer\.|send\.asked)/;
