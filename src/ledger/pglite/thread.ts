/** The thread that PGlite lives in: it opens the folder, does what it is told in the order it is told, and answers. */
import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import type { Transaction } from '../db.ts';
import { runProcedure } from '../procedure.ts';
import '../procedures.ts';
import { createHearer } from './args.ts';
import type { Answered, Asked, OwnFolder } from './open.ts';
import { createStatements, StatementError } from './statements.ts';

if (!parentPort) throw new Error('this file is run as a worker thread');
const port = parentPort;

const { folder: dataDir, image } = workerData as OwnFolder;
const db = await PGlite.create({ dataDir, ...(image ? { loadDataDir: new Blob([readFileSync(image)]) } : {}) });
const statements = createStatements(db);
// There is no autovacuum that would tell the planner how large a table has become, and a plan is kept: made while a table
// was empty it would read it from end to end for ever. Every question of ours has an index.
statements.run('set enable_seqscan = off', []);
// A fixed plan is what preparing is for: with five lists as arguments, planning costs more than running (measured).
statements.run('set plan_cache_mode = force_generic_plan', []);

const hear = createHearer();

/** What was begun is committed, or undone when it failed. */
async function call(name: string, args: readonly unknown[]): Promise<unknown> {
  let begun = false;
  const afterwards: (() => void)[] = [];
  const tx: Transaction = {
    kind: 'pglite',
    afterwards: (work) => afterwards.push(work),
    async query<Row>(sql: string, params: readonly unknown[] = []) {
      const first = !begun;
      begun = true;
      return statements.run(sql, params, first) as Row[];
    },
  };
  try {
    const result = await runProcedure(tx, name, args);
    if (begun) statements.run('commit', []);
    for (const work of afterwards) work();
    return result;
  } catch (error) {
    if (begun) statements.run('rollback', []);
    throw error;
  }
}

async function answerTo(ask: Asked): Promise<void> {
  try {
    if ('call' in ask) answer({ result: await call(ask.call, hear(ask.args)) });
    else answer({ result: statements.run(ask.sql, ask.params) });
  } catch (error) {
    const { message } = error as Error;
    answer({ error: error instanceof StatementError ? { ...error, message } : { message } });
  }
}

const answer = (answered: Answered): void => port.postMessage(answered);

let last: Promise<void> = Promise.resolve();
port.on('message', (asked: Asked | 'close') => {
  last = last.then(async () => {
    if (asked !== 'close') return answerTo(asked);
    await db.close();
    port.close();
  });
});
answer({ result: 'open' });
