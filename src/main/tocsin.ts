#!/usr/bin/env node
/** The command `tocsin`. A job's wrapper starts at once: the server's many parts are loaded only for the server. */
const { argv } = process;
if (argv[2] === 'run') {
  const { runCommand } = await import('../clients/run.ts');
  process.exit(await runCommand(argv.slice(3)));
} else {
  await import('./cli.ts');
}
