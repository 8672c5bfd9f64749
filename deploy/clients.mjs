/** `npm run clients`: the clients as a package of their own, in JavaScript, for those who install it beside their own code. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = resolve(process.argv[2] ?? join(root, 'dist', 'clients'));
const from = (path) => join(root, 'src', 'clients', path);
const { version, license, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
// Node strips no types within node_modules (https://nodejs.org/api/typescript.html): what is installed has to be JavaScript.
execFileSync(
  process.execPath,
  [
    join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
    ...['--ignoreConfig', '--outDir', folder, '--rootDir', from(''), '--declaration', '--skipLibCheck', '--strict'],
    ...[
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--lib',
      'es2024',
      '--types',
      'node',
      '--rewriteRelativeImportExtensions',
    ],
    ...['job.ts', 'client.ts', 'run.ts'].map(from),
  ],
  { cwd: root, stdio: 'inherit' },
);
copyFileSync(from('tocsin.py'), join(folder, 'tocsin.py'));
copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
writeFileSync(
  join(folder, 'bin.js'),
  `#!/usr/bin/env node
import { runCommand } from './run.js';

const [command, ...given] = process.argv.slice(2);
if (command === 'run') process.exit(await runCommand(given));
console.error('This package runs jobs: tocsin run --name NAME -- COMMAND. The server is started in its own folder: npm start.');
process.exit(2);
`,
);
chmodSync(join(folder, 'bin.js'), 0o755);
const entry = (name) => ({ types: `./${name}.d.ts`, default: `./${name}.js` });
writeFileSync(
  join(folder, 'package.json'),
  `${JSON.stringify(
    {
      name: 'tocsin',
      version,
      description: 'What runs beside a sender: a wrapper for jobs, and the API from TypeScript.',
      license,
      type: 'module',
      engines: { node: '>=20.3' },
      bin: { tocsin: 'bin.js' },
      exports: { './job': entry('job'), './client': entry('client'), './tocsin.py': './tocsin.py' },
      dependencies: { 'openapi-fetch': dependencies['openapi-fetch'] },
    },
    undefined,
    2,
  )}\n`,
);
console.log(`The package is in ${folder}: npm install it from there, or npm pack it.`);
