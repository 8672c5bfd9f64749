/** The matchers of Alertmanager's `filter=`: one text is one matcher, read first as it always was, then with UTF-8 names. */

import type { Labels } from '../event.ts';
import { type Compile, labelValue, type Matcher, parseMatcher } from '../match.ts';

const CLASSIC = /^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|!~|!=|=)\s*([\s\S]*?)\s*$/;

/**
 * Reads `severity=~"crit.*"`. Where the classic grammar and the one with quoted names disagree the classic one wins, as in
 * Alertmanager. Throws an Error in Alertmanager's words, which its API answers with.
 */
export function parseFilter(text: string, compile: Compile): Matcher {
  const [, name, op, written] = CLASSIC.exec(text) ?? [];
  if (name === undefined || op === undefined || written === undefined) return withQuotedName(text, compile);
  const value = textOf(written);
  switch (op) {
    case '=':
      return { name, op, value, test: (actual) => actual === value };
    case '!=':
      return { name, op, value, test: (actual) => actual !== value };
    default: {
      const matches = compiled(value, compile);
      return op === '=~'
        ? { name, op, value, test: matches }
        : { name, op: '!~', value, test: (actual) => !matches(actual) };
    }
  }
}

function withQuotedName(text: string, compile: Compile): Matcher {
  try {
    return parseMatcher(text, compile);
  } catch {
    throw new Error(`bad matcher format: ${text}`);
  }
}

/** Quotes may stand around it; within, `\n`, `\"` and `\\` are escapes, and any other backslash is itself. */
function textOf(written: string): string {
  const isQuoted = written.startsWith('"');
  const inner = isQuoted ? written.slice(1) : written;
  const pieces = [...inner.matchAll(/\\([\\"n])|([\s\S])/g)];
  const closed = pieces.findIndex(([whole]) => whole === '"');
  if (closed !== (isQuoted ? pieces.length - 1 : -1))
    throw new Error(`matcher value contains unescaped double quote: ${written}`);
  const kept = isQuoted ? pieces.slice(0, -1) : pieces;
  return kept.map(([, escaped, plain]) => (escaped === undefined ? plain : escaped === 'n' ? '\n' : escaped)).join('');
}

/** Whether all of them hold for these labels; one that is absent is the empty text. */
export const passes = (filter: readonly Matcher[], labels: Labels): boolean =>
  filter.every(({ name, test }) => test(labelValue(labels, name)));

/** A regular expression over a whole value. Throws an Error in Go's words, without the flag that we compile with. */
export function compiled(pattern: string, compile: Compile): (value: string) => boolean {
  try {
    return compile(pattern);
  } catch (error) {
    throw new Error(error instanceof Error ? error.message.replace('`(?s)', '`') : 'not a regular expression');
  }
}
