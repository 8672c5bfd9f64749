/** What PGlite takes of memory with nothing around it: a process that opens a ledger as Tocsin does, and writes into it. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openLedger } from '../../src/ledger/db.ts';
import { memoryOf } from './world.ts';

const ROWS = 200_000;
const PER_STATEMENT = 1_000;

/** Its resident memory in words, after as many rows as a minute of load leaves. */
export async function pgliteAlone(): Promise<string> {
  return (await promisify(execFile)(process.execPath, [fileURLToPath(import.meta.url)])).stdout.trim();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-bench-pglite-'));
  const ledger = await openLedger({ folder: join(dir, 'ledger') });
  await ledger.query('create table raw (seq bigserial primary key, id text unique, event jsonb)');
  for (let at = 0; at < ROWS; at += PER_STATEMENT)
    await ledger.query(
      `insert into raw (id, event) select 'e' || n, jsonb_build_object('id', n, 'title', 'CPU is hot', 'labels', jsonb_build_object('host', 'h' || n % 50))
         from generate_series($1::int, $2::int) as n`,
      [at + 1, at + PER_STATEMENT],
    );
  console.log(memoryOf(process.pid));
  await ledger.close();
  rmSync(dir, { recursive: true, force: true });
}
