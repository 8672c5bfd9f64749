import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
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
});
