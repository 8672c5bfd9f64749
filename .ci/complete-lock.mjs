/**
 * Completes package-lock.json after `npm install` against a registry that offers only this platform's binaries: npm then
 * leaves the optional packages of the others out, and `npm ci` refuses the lock everywhere. Their versions, systems and
 * processors are in the names; the integrity is not known here, and npm takes it from the registry of whoever installs.
 * Usage: node .ci/complete-lock.mjs
 */
import { readFileSync, writeFileSync } from 'node:fs';

const file = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(file, 'utf8'));
const SYSTEMS = {
  aix: 'aix',
  android: 'android',
  darwin: 'darwin',
  freebsd: 'freebsd',
  linux: 'linux',
  linuxmusl: 'linux',
  netbsd: 'netbsd',
  openbsd: 'openbsd',
  openharmony: 'openharmony',
  sunos: 'sunos',
  win: 'win32',
  win32: 'win32',
  windows: 'win32',
};
const PROCESSORS = [
  'arm',
  'arm64',
  'ia32',
  'loong64',
  'mips64el',
  'ppc64',
  'ppc64le',
  'riscv64',
  's390x',
  'x64',
  'wasm32',
];

const added = [];
for (const [owner, { optionalDependencies = {}, dev }] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    if (lock.packages[`${owner}/node_modules/${name}`] || lock.packages[`node_modules/${name}`]) continue;
    const words = name.toLowerCase().split(/[-/_]/);
    const os = words.map((word) => SYSTEMS[word]).find(Boolean);
    const cpu = PROCESSORS.filter((processor) => words.includes(processor));
    const libc =
      words.includes('musl') || words.includes('linuxmusl') ? ['musl'] : words.includes('gnu') ? ['glibc'] : undefined;
    lock.packages[`node_modules/${name}`] = {
      version: version.replace(/^[\^~]/, ''),
      ...(cpu.length > 0 && { cpu }),
      ...(dev && { dev }),
      ...(libc && { libc }),
      optional: true,
      ...(os && { os: [os] }),
    };
    added.push(name);
  }
}
const head = lock.packages[''];
const sorted = Object.entries(lock.packages)
  .filter(([path]) => path !== '')
  .sort(([a], [b]) => (a < b ? -1 : 1));
lock.packages = { '': head, ...Object.fromEntries(sorted) };
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(added.length === 0 ? 'the lock is complete' : `added ${added.length}: ${added.join(', ')}`);
