/** Events that wait at the sender's: a file each in one folder, in the order they were said, kept until they are sent. */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** An event as POST /v1/events takes it. */
export interface Told {
  id: string;
  type: string;
  [field: string]: unknown;
}

export interface Spool {
  /** On the disk when it returns. Events that had to make room for it are named in `dropped`. */
  add(event: Told): { dropped: string[] };
  /** The names of what waits, the oldest first; whatever else lies in the folder is no event of ours. */
  waiting(): string[];
  /** The event of that name, or undefined where another process has sent it or the file is broken. */
  read(name: string): Told | undefined;
  remove(name: string): void;
}

/** What waits at most: days of jobs, and no disk is filled by it. */
const SPOOL_BYTES_MAX = 20 * 1024 * 1024;
const SPOOL_FILES_MAX = 10_000;

/** `<time>-<count>-<process>.json`, of fixed width: its order is that of the events. The Python client writes the same. */
const NAME = /^\d{15}-\d{6}-[\w.-]{1,80}\.json$/;

/** Opens the folder and makes it where it is missing, for its owner only. Throws what the file system says. */
export function openSpool(folder: string, { bytesMax = SPOOL_BYTES_MAX, now = Date.now } = {}): Spool {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  let last = 0;
  let count = 0;
  const waiting = (): string[] =>
    readdirSync(folder)
      .filter((name) => NAME.test(name))
      .sort();
  const remove = (name: string): void => rmSync(join(folder, name), { force: true });
  const read = (name: string): Told | undefined => {
    try {
      const event: unknown = JSON.parse(readFileSync(join(folder, name), 'utf8'));
      return typeof event === 'object' && event !== null && !Array.isArray(event) ? (event as Told) : undefined;
    } catch {
      return undefined;
    }
  };

  /** Progress goes first, the oldest of it; then the oldest of all. Another process may have been quicker. */
  function makeRoom(bytes: number): string[] {
    const names = waiting();
    const sizes = new Map(names.map((name) => [name, sizeOf(join(folder, name))]));
    let total = bytes + [...sizes.values()].reduce((sum, size) => sum + size, 0);
    let files = names.length + 1;
    if (total <= bytesMax && files <= SPOOL_FILES_MAX) return [];
    const isProgress = (name: string): boolean => read(name)?.type === 'job_progress';
    const [progress, others] = [names.filter(isProgress), names.filter((name) => !isProgress(name))];
    const dropped: string[] = [];
    for (const name of [...progress, ...others]) {
      if (total <= bytesMax && files <= SPOOL_FILES_MAX) break;
      dropped.push(read(name)?.id ?? name);
      remove(name);
      total -= sizes.get(name) ?? 0;
      files--;
    }
    return dropped;
  }

  return {
    waiting,
    read,
    remove,
    add(event) {
      const text = JSON.stringify(event);
      const dropped = makeRoom(Buffer.byteLength(text));
      // A clock that is set back must not put the end of a job before its start.
      last = Math.max(now(), last);
      const order = `${String(last).padStart(15, '0')}-${String(count++ % 1_000_000).padStart(6, '0')}`;
      const path = join(folder, `${order}-${process.pid}.json`);
      writeDurably(`${path}.part`, text);
      renameSync(`${path}.part`, path);
      syncFolder(folder);
      return { dropped };
    },
  };
}

/** Where no folder can be written: what waits is lost with the process. */
export function memorySpool(): Spool {
  const events = new Map<string, Told>();
  let count = 0;
  return {
    waiting: () => [...events.keys()],
    read: (name) => events.get(name),
    remove: (name) => void events.delete(name),
    add(event) {
      events.set(String(count++), event);
      const [oldest] = events.keys();
      if (events.size <= SPOOL_FILES_MAX || oldest === undefined) return { dropped: [] };
      events.delete(oldest);
      return { dropped: [oldest] };
    },
  };
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

function writeDurably(path: string, text: string): void {
  const file = openSync(path, 'w', 0o600);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** A rename is on the disk once its folder is (fsync(2)); Windows knows no such thing. */
function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
