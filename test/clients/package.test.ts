/** The clients as somebody has them who installed them: a copy in node_modules, without the rest of Tocsin. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const project = mkdtempSync(join(tmpdir(), 'tocsin-package-'));
const installed = join(project, 'node_modules', 'tocsin');
const env = { PATH: process.env.PATH, TOCSIN_SPOOL: join(project, 'spool') };

beforeAll(() => {
  mkdirSync(join(project, 'node_modules'));
  execFileSync(process.execPath, [join(ROOT, 'deploy', 'clients.mjs'), installed], { stdio: 'pipe' });
  symlinkSync(join(ROOT, 'node_modules', 'openapi-fetch'), join(project, 'node_modules', 'openapi-fetch'));
});
afterAll(() => rmSync(project, { recursive: true, force: true }));

describe('the package of the clients', () => {
  it('gives runJob and the typed client to who imports them', () => {
    writeFileSync(
      join(project, 'app.mjs'),
      `import { runJob } from 'tocsin/job';
import { createTocsin } from 'tocsin/client';
const counts = await runJob('nightly', async (job) => { job.progress({ processed: 1 }); return { success: 2 }; }, { batch: 1 });
console.log(JSON.stringify({ counts, client: typeof createTocsin({ url: 'http://127.0.0.1:9', key: 'k' }).POST }));`,
    );
    const { status, stdout } = spawnSync(process.execPath, ['app.mjs'], { cwd: project, env, encoding: 'utf8' });
    expect([status, JSON.parse(stdout)]).toEqual([0, { counts: { success: 2 }, client: 'function' }]);
  });

  it('runs a command with its exit code, and says where the server is when it is asked for it', () => {
    const bin = (...args: string[]) =>
      spawnSync(process.execPath, [join(installed, 'bin.js'), ...args], { cwd: project, env, encoding: 'utf8' });
    expect(bin('run', '--name', 'nightly', '--', process.execPath, '-e', 'process.exit(7)').status).toBe(7);
    const { status, stderr } = bin('start');
    expect([status, stderr]).toEqual([2, expect.stringContaining('npm start')]);
  });
});
