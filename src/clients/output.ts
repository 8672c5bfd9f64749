/** What a command prints: its lines, its last words, and the lines by which it says how far it is. */
import { StringDecoder } from 'node:string_decoder';
import type { Facts } from './chapters.ts';

/** A line longer than this is cut: a command that never ends its line fills no memory. */
const LINE_MAX = 2_000;

/** Takes chunks of bytes and gives `each` whole lines; `end` gives what stands without a newline at its end. */
export function createLines(each: (line: string) => void): { take(chunk: Buffer): void; end(): void } {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  const take = (text: string): void => {
    const lines = (rest + text).split(/\r?\n/);
    rest = (lines.pop() ?? '').slice(0, LINE_MAX);
    // What a progress bar wrote over itself is gone from the screen, too.
    for (const line of lines) each((line.split('\r').at(-1) ?? '').slice(0, LINE_MAX));
  };
  return {
    take: (chunk) => take(decoder.write(chunk)),
    end() {
      take(decoder.end());
      if (rest !== '') each(rest);
      rest = '';
    },
  };
}

/**
 * What a line says of the job: `tocsin: {"processed": 10, "total": 100}`, or `tocsin: 10/100` for the same. Undefined for
 * every other line.
 */
export function factsInLine(line: string): Facts | undefined {
  const [, said] = /^\s*tocsin:\s*(\S.*)$/.exec(line) ?? [];
  if (said === undefined) return undefined;
  const [, processed, total] = /^(\d{1,15})\s*\/\s*(\d{1,15})\s*$/.exec(said) ?? [];
  if (processed !== undefined) return { processed: Number(processed), total: Number(total) };
  try {
    const facts: unknown = JSON.parse(said);
    return typeof facts === 'object' && facts !== null && !Array.isArray(facts) ? (facts as Facts) : undefined;
  } catch {
    return undefined;
  }
}
