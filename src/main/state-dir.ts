/** The folder that holds everything an embedded Tocsin remembers, and the lock that lets one process at a time own it. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export interface StateDir {
  /** Absolute. */
  dir: string;
  /**
   * False where the last owner did not get to `release()`: it was killed, or the machine went down. Then what was
   * written last may be missing, and the ledger's epoch has to be renewed.
   */
  cleanStart: boolean;
  /** Marks a clean end, unless it was none, and lets the folder go; a second call does nothing. Call it last, after the ledger is closed. */
  release(isClean?: boolean): void;
}

/** SQLITE_BUSY (sqlite.org/rescode.html): somebody else holds the lock. */
const SQLITE_BUSY = 5;

/**
 * Creates the folder (readable by its owner alone) and takes it for this process. The lock is SQLite's on `lock.db`,
 * so the kernel frees it whichever way the process ends, and no file left behind has to be judged stale.
 * @throws Error naming the owner's pid where another process, or another part of this one, has the folder.
 */
export function takeStateDir(path: string): StateDir {
  const dir = resolve(path);
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Error(
      `the state folder ${dir} cannot be created: ${(error as Error).message}. Set TOCSIN_STATE_DIR to another.`,
    );
  }
  const owner = join(dir, 'owner.json');
  const running = join(dir, 'running');
  const lock = lockOn(dir, owner);

  const cleanStart = !existsSync(running);
  writeFileSync(running, '', { mode: 0o600 });
  writeFileSync(`${owner}.new`, JSON.stringify({ pid: process.pid, since: new Date().toISOString() }), { mode: 0o600 });
  renameSync(`${owner}.new`, owner);

  let held = true;
  const release = (isClean = true): void => {
    if (!held) return;
    held = false;
    if (isClean) rmSync(running, { force: true });
    rmSync(owner, { force: true });
    lock.close(); // Last: from here on the folder belongs to whoever comes.
  };
  return { dir, cleanStart, release };
}

function lockOn(dir: string, owner: string): DatabaseSync {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(dir, 'lock.db'), { timeout: 0 });
    lock.exec('pragma locking_mode = exclusive; begin exclusive');
    return lock;
  } catch (error) {
    lock?.close();
    const { errcode, message } = error as { errcode?: number; message: string };
    if (errcode !== SQLITE_BUSY) throw new Error(`the state folder ${dir} cannot be locked: ${message}`);
    throw new Error(
      `the state folder ${dir} is in use by ${ownerOf(owner)}. Two processes on one folder would lose data: ` +
        'stop that one, or set TOCSIN_STATE_DIR to another folder.',
    );
  }
}

function ownerOf(path: string): string {
  try {
    const { pid } = JSON.parse(readFileSync(path, 'utf8')) as { pid?: unknown };
    return typeof pid === 'number' ? `process ${pid}` : 'another process';
  } catch {
    return 'another process'; // It has just taken the folder and not written its name yet.
  }
}
