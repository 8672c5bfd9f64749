/** The workflows as one text: bundled once by a process of its own, and kept in the cache folder for the next start. */
import { fork } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from './binary.ts';

type Env = Record<string, string | undefined>;

/** A bundle that nobody has made for so long belongs to a release that is gone. */
const KEPT_MS = 30 * 86_400_000;
const NAME = /^workflows-[\da-f]{32}\.js$/;

let bundled: Promise<{ code: string }> | undefined;

/** What a worker runs; rejects with what webpack said. */
export const bundle = (env: Env = process.env): Promise<{ code: string }> => {
  bundled ??= bundleIn(cacheFolder(env));
  bundled.catch(() => {
    bundled = undefined; // The next start of a worker tries again.
  });
  return bundled;
};

/** The same, of this cache folder. webpack takes three seconds of two processors; what it makes of the same sources is the same. */
export async function bundleIn(folder: string): Promise<{ code: string }> {
  const path = join(folder, `workflows-${await digestOfSources()}.js`);
  const kept = await readFile(path, 'utf8').catch(() => undefined);
  if (kept) return { code: kept };
  const code = await make();
  // Who cannot keep it bundles again next time.
  await keep(folder, path, code).catch(() => undefined);
  return { code };
}

/** Everything a bundle is made of: the workflows, the rules they import (no other room: test/architecture.test.ts), how they are bundled, the SDK, this Node. */
async function digestOfSources(): Promise<string> {
  const { version } = createRequire(import.meta.url)('@temporalio/workflow/package.json') as { version: string };
  const how = await readFile(new URL('./bundling.ts', import.meta.url));
  const hash = createHash('sha256').update(`${version} ${process.version}`).update(how);
  for (const room of ['../../workflows', '../core']) {
    const folder = fileURLToPath(new URL(room, import.meta.url));
    for (const file of (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.ts')).sort())
      hash.update(`\0${room}/${file}\0`).update(await readFile(join(folder, file)));
  }
  return hash.digest('hex').slice(0, 32);
}

async function keep(folder: string, path: string, code: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, code, { mode: 0o600 });
  await rename(draft, path);
  for (const name of (await readdir(folder)).filter((one) => NAME.test(one))) {
    const { mtimeMs } = await stat(join(folder, name));
    if (Date.now() - mtimeMs > KEPT_MS) await rm(join(folder, name), { force: true });
  }
}

const make = (): Promise<string> =>
  new Promise<string>((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('./bundling.ts', import.meta.url)), {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    child.once('message', (code) => resolve(String(code)));
    child.once('error', reject);
    child.once('close', (code) =>
      reject(
        new Error(
          `the workflows could not be bundled (exit ${code}): ${said.trim().split('\n').slice(-5).join(' / ')}`,
        ),
      ),
    );
  });
