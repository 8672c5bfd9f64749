/** Deliveries a second over one webhook with PostgreSQL, two APIs and two workers, and what each of them takes of memory. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createApiClient } from '../../support/api-client.ts';
import { startCluster } from '../../support/cluster.ts';
import { postgresPrograms } from '../../support/postgres.ts';
import { count, type Line, ratio } from '../line.ts';
import { processorTime } from '../processors.ts';
import { configFor, event, mb, peakBytes, residentBytes, startReceiver } from '../world.ts';

const RUN_MS = 60_000;
const BATCH = 50;
/** Incidents that are on their way at most: enough that nobody waits for work. */
const AHEAD = 200;
const API_AIM_BYTES = 200_000_000;
const WORKER_AIM_BYTES = 400_000_000;

export async function clusterLines(): Promise<Line[]> {
  if (!postgresPrograms())
    return [
      { what: 'PostgreSQL and two workers', measured: 'not measured', against: 'none: PostgreSQL is not installed' },
    ];
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-bench-cluster-'));
  const receiver = await startReceiver();
  const configPath = join(dir, 'tocsin.yaml');
  writeFileSync(configPath, configFor(receiver.url));
  const cluster = await startCluster({ configPath });
  try {
    const memory = (part: 'api-2' | 'worker-2'): number => residentBytes(cluster.pidOf(part) as number);
    const idle = { api: memory('api-2'), worker: memory('worker-2') };
    const apis = cluster.urls.map((url) => createApiClient(url, cluster.key));
    let sent = 0;
    const used = processorTime((part) => cluster.pidOf(part));
    const begun = performance.now();
    while (performance.now() - begun < RUN_MS) {
      if (sent - receiver.hits.length > AHEAD) {
        await pause(10);
        continue;
      }
      const events = Array.from({ length: BATCH }, () =>
        event({ type: 'lone', severity: 'critical', service: `cluster-${++sent}` }),
      );
      await apis[(sent / BATCH) % 2]?.taken('POST', '/v1/events', events);
    }
    const busy = used();
    const per_second = (receiver.hits.length * 1_000) / (performance.now() - begun);
    const loaded = { api: memory('api-2'), worker: memory('worker-2') };
    return [
      {
        what: 'deliveries/s over one webhook for 60 s, each of an incident of its own, PostgreSQL and two workers',
        measured: `${per_second.toFixed(1)}/s (${count(receiver.hits.length)} told)`,
        against: `1,000/s, of which its users speak (${ratio(per_second, 1_000)}). What limits it: ${busy}`,
      },
      {
        what: 'resident memory on PostgreSQL, idle and after that minute',
        measured: `api ${mb(idle.api)} and ${mb(loaded.api)}, worker ${mb(idle.worker)} and ${mb(loaded.worker)}`,
        against: `none: each is a process of ours alone; at their peak api ${mb(peakBytes(cluster.pidOf('api-2') as number))}, worker ${mb(peakBytes(cluster.pidOf('worker-2') as number))}`,
        aim: 'api ≤ 200 MB, worker ≤ 400 MB',
        met: loaded.api <= API_AIM_BYTES && loaded.worker <= WORKER_AIM_BYTES,
      },
    ];
  } finally {
    await cluster.remove();
    await receiver.close();
    rmSync(dir, { recursive: true, force: true });
  }
}
