/** A disk that can be filled: a tmpfs of a given size, and a ballast file that takes what is left of it. */
import { execFileSync } from 'node:child_process';
import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

export interface SmallDisk {
  /** Takes all space that is left but so much; what was freed since is taken too. */
  fill(leave?: { kilobytes: number }): void;
  /** Gives it back. */
  free(): void;
  /** Puts a folder of another disk there, under this name. */
  lend(folder: string, name: string): void;
  unmount(): void;
}

const CHUNK = Buffer.alloc(64 * 1_024, 1);
/** The kernel's page: less than that is no space. */
const PAGE = CHUNK.subarray(0, 4_096);

/** The tests of a small disk, left out where none can be mounted; where TOCSIN_REQUIRE_TMPFS is set that is a failure. `path`: to try it at. */
export function describeOnSmallDisk(path: string, name: string, options: { timeout: number }, tests: () => void): void {
  const mountable = mayMount(path);
  it.runIf(process.env.TOCSIN_REQUIRE_TMPFS === '1')('a small disk can be mounted here', () => {
    expect(mountable, 'mounting a tmpfs needs root, or sudo without a password').toBe(true);
  });
  describe.runIf(mountable)(name, options, tests);
}

/** Whether this user may mount, as root or by sudo without a password. Nothing stays mounted. */
function mayMount(path: string): boolean {
  try {
    mountSmallDisk(path, 1).unmount();
    return true;
  } catch {
    return false;
  }
}

/** Mounts it at `path`. Throws where this user may not. */
export function mountSmallDisk(path: string, megabytes: number): SmallDisk {
  mkdirSync(path, { recursive: true });
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const lent: string[] = [];
  asRoot('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m,mode=700,uid=${uid},gid=${gid}`, 'tocsin-tests', path);
  const ballast = join(path, 'ballast');
  return {
    fill({ kilobytes } = { kilobytes: 0 }) {
      const file = openSync(ballast, 'a');
      for (const chunk of [CHUNK, PAGE]) while (fits(file, chunk));
      if (kilobytes > 0) ftruncateSync(file, Math.max(0, fstatSync(file).size - kilobytes * 1_024));
      closeSync(file);
    },
    free: () => rmSync(ballast, { force: true }),
    lend(folder, name) {
      const at = join(path, name);
      mkdirSync(at);
      asRoot('mount', '--bind', folder, at);
      lent.push(at);
    },
    // Lazily: whoever still has a file open there does not keep it.
    unmount() {
      for (const at of [...lent, path]) asRoot('umount', '--lazy', at);
    },
  };
}

function asRoot(...command: string[]): void {
  const [program = '', ...args] = process.getuid?.() === 0 ? command : ['sudo', '-n', ...command];
  execFileSync(program, args, { stdio: 'pipe' });
}

function fits(file: number, chunk: Buffer): boolean {
  try {
    return writeSync(file, chunk) === chunk.length;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}
