/** The thread that PGlite lives in: it opens the folder, runs what it is told in the order it is told, and answers. */
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import type { Answered, Asked } from './open.ts';
import { createStatements, StatementError } from './statements.ts';

if (!parentPort) throw new Error('this file is run as a worker thread');
const port = parentPort;

const db = await PGlite.create((workerData as { folder: string }).folder);
const statements = createStatements(db);
// There is no autovacuum that would tell the planner how large a table has become, and a plan is kept: made while a table
// was empty it would read it from end to end for ever. Every question of ours has an index.
statements.run('set enable_seqscan = off', []);
// A fixed plan is what preparing is for: with five lists as arguments, planning costs more than running (measured).
statements.run('set plan_cache_mode = force_generic_plan', []);

port.on('message', async ({ id, sql, params, begins }: Asked) => {
  if (sql === null) {
    await db.close();
    answer({ id, rows: [] });
    port.close();
    return;
  }
  try {
    if (begins) statements.run('begin', []);
    answer({ id, rows: statements.run(sql, params) });
  } catch (error) {
    const { message } = error as Error;
    answer({ id, error: error instanceof StatementError ? { ...error, message } : { message } });
  }
});
answer({ id: 0, rows: [] });

function answer(answered: Answered): void {
  port.postMessage(answered);
}
