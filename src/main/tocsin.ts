#!/usr/bin/env node
/** The command `tocsin`: begins as itself with an allocator that gives memory back, and loads the server only for the server. */
import { enableCompileCache, flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { cacheFolder } from '../temporal/binary.ts';

const { argv, env } = process;
/** These stay. */
const SERVERS: readonly (string | undefined)[] = ['start', 'api', 'worker'];
/**
 * glibc's own threshold, said aloud: otherwise it grows with each large block that is freed (mallopt(3), M_TRIM_THRESHOLD), and
 * what V8 took to compile PGlite is never given back. Measured: 200 MB of an embedded Tocsin's 850. Read when a process begins.
 */
const TRIM = { name: 'MALLOC_TRIM_THRESHOLD_', bytes: '131072' };

/**
 * MiB of V8's young generation in each of some six heaps (the main one, the ledger's, Temporal's two and those of mappings); 16 by
 * itself. Measured under load: 1,144 MB of an embedded Tocsin become SAID, at the same pace. A number given to node goes before.
 */
const SEMI_SPACE = '--max-semi-space-size=8';

if (argv[2] === 'run') {
  const { runCommand } = await import('../clients/run.ts');
  process.exit(await runCommand(argv.slice(3)));
}
if (process.platform === 'linux' && SERVERS.includes(argv[2]) && env[TRIM.name] === undefined) {
  // The same process, with the same pid; it does not come back.
  process.execve?.(process.execPath, [process.execPath, SEMI_SPACE, ...process.execArgv, ...argv.slice(1)], {
    ...(env as Record<string, string>),
    [TRIM.name]: TRIM.bytes,
  });
}
// Some two thousand files: what V8 has made of them once is kept for the next start.
enableCompileCache(join(cacheFolder(env), 'compiled'));
await import('./cli.ts');
flushCompileCache();
