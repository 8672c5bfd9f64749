#!/usr/bin/env node
/** The command `tocsin`: begins as itself with an allocator that gives memory back, and loads the server only for the server. */
import { enableCompileCache, flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { cacheFolder } from '../temporal/binary.ts';

const { argv, env } = process;
/**
 * Those that stay, and how V8 keeps house in them. Its young generations are 16 MiB in each of up to six heaps by itself (the main one,
 * the ledger's, Temporal's, those of mappings), and an old one may double before it is cleaned. Measured: where events are accepted,
 * 32 MiB let a fourth more in than 8, and leave no more behind, as less becomes old; an API that waits starts with 192 MB and not 234 with
 * 8; a worker that is cleaned at 1.2 times, with 4 MiB, takes 306 MB and not 546, for a
 * tenth more processor time and as many deliveries a second.
 */
const HEAPS: Readonly<Record<string, readonly string[]>> = {
  start: ['--max-semi-space-size=32'],
  api: ['--max-semi-space-size=8'],
  worker: ['--max-semi-space-size=4', '--heap-growing-percent=20'],
};
/**
 * glibc's own threshold, said aloud: otherwise it grows with each large block that is freed (mallopt(3), M_TRIM_THRESHOLD), and
 * what V8 took to compile PGlite is never given back. Measured: 200 MB of an embedded Tocsin's 850. Read when a process begins.
 */
const TRIM = { name: 'MALLOC_TRIM_THRESHOLD_', bytes: '131072' };

if (argv[2] === 'run') {
  const { runCommand } = await import('../clients/run.ts');
  process.exit(await runCommand(argv.slice(3)));
}
const heap = Object.hasOwn(HEAPS, argv[2] ?? '') ? HEAPS[argv[2] ?? ''] : undefined;
if (process.platform === 'linux' && heap && env[TRIM.name] === undefined) {
  // The same process, with the same pid; it does not come back.
  process.execve?.(process.execPath, [process.execPath, ...heap, ...process.execArgv, ...argv.slice(1)], {
    ...(env as Record<string, string>),
    [TRIM.name]: TRIM.bytes,
  });
}
// Some two thousand files: what V8 has made of them once is kept for the next start.
enableCompileCache(join(cacheFolder(env), 'compiled'));
await import('./cli.ts');
flushCompileCache();
