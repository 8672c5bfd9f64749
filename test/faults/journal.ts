/** A journal that outlives every crash: one JSON line each, on the disk before anybody goes on. */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';

export interface Journal<Line> {
  write(line: Line): void;
  close(): void;
}

export function openJournal<Line>(path: string): Journal<Line> {
  const file = openSync(path, 'a');
  return {
    write(line) {
      writeSync(file, `${JSON.stringify(line)}\n`);
      fsyncSync(file);
    },
    close: () => closeSync(file),
  };
}

/** Every whole line; the last one may have been cut off by a crash. */
export function readJournal<Line>(path: string): Line[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Line);
}
