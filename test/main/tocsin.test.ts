import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../../src/main/tocsin.ts', import.meta.url));
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tocsin-command-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('the command', () => {
  it('keeps what was compiled, in the cache folder', async () => {
    const env = { ...process.env, XDG_CACHE_HOME: dir, LOG_LEVEL: 'error' };
    const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, 'check'], { env, cwd: dir });
    expect(stdout).toContain('is a good configuration');
    expect(readdirSync(join(dir, 'tocsin', 'compiled'), { recursive: true }).length).toBeGreaterThan(100);
  });

  it('shows the first admin key also where the start fails: the ledger has it then, and nobody could show it again', async () => {
    const taker = createServer().listen(0, '127.0.0.1');
    await once(taker, 'listening');
    const { port } = taker.address() as AddressInfo;
    const { TOCSIN_API_KEY: _, ...others } = process.env;
    const env = { ...others, PORT: String(port), TOCSIN_STATE_DIR: join(dir, 'state'), LOG_LEVEL: 'error' };
    const run = () => promisify(execFile)(process.execPath, ['--liftoff-only', PROGRAM, 'start'], { env, cwd: dir });
    const failed = (await run().catch((error: unknown) => error)) as { code: number; stdout: string; stderr: string };
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('EADDRINUSE') });
    expect(failed.stdout).toMatch(/^admin key \(shown this once; keep it\): tocsin_\w+/m);
    const again = (await run().catch((error: unknown) => error)) as { stdout: string };
    expect(again.stdout).not.toContain('admin key');
    taker.close();
  });
});
