/** A wall clock that can be moved under one process, by libfaketime (Debian: apt-get install faketime). */
import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface FakeClock {
  /** For the process whose clock it is; what it starts and is linked statically, as Temporal is, keeps the real one. */
  env: Record<string, string>;
  /** From now on, within a second, its wall clock is off by so much. Its timers go on by the true time. */
  moveTo(offset: { seconds: number }): void;
}

const LIBRARIES = '/usr/lib';
const LIBRARY = 'faketime/libfaketimeMT.so.1';

const library = (): string | undefined =>
  existsSync(LIBRARIES)
    ? ['', ...readdirSync(LIBRARIES)].map((name) => join(LIBRARIES, name, LIBRARY)).find((path) => existsSync(path))
    : undefined;

/** Its file lies in `dir`; undefined where libfaketime is not installed. It begins at the true time. */
export function createFakeClock(dir: string): FakeClock | undefined {
  const path = library();
  if (path === undefined) return undefined;
  const file = join(dir, 'clock');
  const moveTo: FakeClock['moveTo'] = ({ seconds }) => {
    writeFileSync(`${file}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`);
    renameSync(`${file}.new`, file);
  };
  moveTo({ seconds: 0 });
  const env = {
    LD_PRELOAD: path,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_CACHE_DURATION: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
  return { env, moveTo };
}
