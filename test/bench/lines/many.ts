/** What 100,000 open incidents do to a start, to a page of the list, and to memory. */
import { join } from 'node:path';
import { openLedger } from '../../../src/ledger/db.ts';
import { migrate } from '../../../src/ledger/migrate.ts';
import { count, type Line, ms, quantile } from '../line.ts';
import { mb, residentBytes, startWorld, type World } from '../world.ts';

const INCIDENTS = 100_000;
const PAGES = 100;

/** Open incidents with an alert each, as the door would have left them, without their workflows. */
async function seed(dir: string): Promise<void> {
  const ledger = await openLedger({ folder: join(dir, 'state', 'ledger') });
  await migrate(ledger);
  await ledger.query(`insert into policies (id, policy) values ('seeded', '{"notify":["one"]}')`);
  await ledger.query(
    `insert into incidents (id, number, key, key_words, route, policy, title, service, source, type, severity, opened_at, first_at, last_at, alerts)
     select 'SEED-' || n, n, 'seed-' || n, 'service=seed-' || n, 'default', 'seeded', 'Seeded trouble', 'seed-' || n, 'bench', 'trouble',
            (array['critical','error','warning','info'])[1 + n % 4], now() - n * interval '1 second', now(), now(), 1
     from generate_series(1, $1::int) as n`,
    [INCIDENTS],
  );
  await ledger.query(
    `insert into alerts (key, fingerprint, incident, status, severity, title, service, first_at, last_at)
     select 'seed-' || n, 'f' || n, 'SEED-' || n, 'firing', 'error', 'Seeded trouble', 'seed-' || n, now(), now() from generate_series(1, $1::int) as n`,
    [INCIDENTS],
  );
  await ledger.close();
}

/** A start after kill -9, and what the pages of the list take then. */
async function measured(world: World): Promise<{ words: string; met: boolean }> {
  const start_ms = await world.restart();
  const took: Record<string, number[]> = {};
  const paths = {
    'newest page': '/v1/incidents?limit=50',
    'by status and severity': '/v1/incidents?status=open&severity=critical&limit=50',
    'one service': '/v1/incidents?service=seed-77777',
  };
  for (const [name, path] of Object.entries(paths)) {
    took[name] = [];
    for (let n = 0; n < PAGES; n++) {
      const from = performance.now();
      await world.api.taken('GET', path);
      took[name].push(performance.now() - from);
    }
  }
  const pages = Object.entries(took).map(([name, all]) => `${name} ${ms(quantile(all, 0.95))}`);
  const met = Object.values(took).every((all) => quantile(all, 0.95) < 100) && start_ms < 10_000;
  const words = `list p95: ${pages.join(', ')}; start ${(start_ms / 1_000).toFixed(1)} s after kill -9; ${mb(residentBytes(world.tocsin().pid))} resident`;
  return { words, met };
}

export async function manyLines(): Promise<Line[]> {
  const in_each: Awaited<ReturnType<typeof measured>>[] = [];
  for (const prepare of [undefined, seed]) {
    const world = await startWorld(prepare);
    try {
      in_each.push(await measured(world));
    } finally {
      await world.remove();
    }
  }
  const [none, many] = in_each;
  return [
    {
      what: `${count(INCIDENTS)} open incidents`,
      measured: many?.words ?? '',
      against: `with none: ${none?.words}`,
      aim: 'list p95 < 100 ms, start < 10 s',
      met: many?.met ?? false,
    },
  ];
}
