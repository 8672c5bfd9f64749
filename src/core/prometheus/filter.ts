/** The matchers of Alertmanager's `filter=`: one text is one matcher, read first as it always was, then with UTF-8 names. */

import type { Labels } from '../event.ts';
import { type Compile, labelValue, type Matcher, matcherOf } from '../match.ts';

/** Go's `\s` (https://github.com/google/re2/wiki/Syntax) is these alone: any other space is part of the value. */
const SPACE = '\t\n\f\r ';
const CLASSIC = new RegExp(`^[${SPACE}]*([a-zA-Z_:][a-zA-Z0-9_:]*)[${SPACE}]*(=~|!~|!=|=)[${SPACE}]*`);

/**
 * Reads `severity=~"crit.*"`. Where the classic grammar and the one with quoted names disagree the classic one wins, as in
 * Alertmanager. Throws an Error in Alertmanager's words, which its API answers with.
 */
export function parseFilter(text: string, compile: Compile): Matcher {
  const [head, name, written] = CLASSIC.exec(text) ?? [];
  const op = operatorOf(written);
  if (head === undefined || name === undefined || op === undefined) return withQuotes(text, compile);
  return matcherOf({ name, op, value: textOf(text.slice(head.length, endOf(text))) }, (pattern) =>
    compiled(pattern, compile),
  );
}

const operatorOf = (text: string | undefined): Matcher['op'] | undefined =>
  (['=', '!=', '=~', '!~'] as const).find((op) => op === text);

/** Where the spaces at its end begin. A loop: an expression would look at each of them again and again. */
function endOf(text: string): number {
  let end = text.length;
  while (end > 0 && SPACE.includes(text.charAt(end - 1))) end--;
  return end;
}

/** Quoted as Go writes texts, or of characters that need no quotes (prometheus/alertmanager, matcher/parse, since 0.27). */
const TOKEN = String.raw`"(?:[^"\\\n]|\\[^\n])*"|[^\s{}!=~,\\"'\x60]+`;
const QUOTED = new RegExp(String.raw`^\s*(${TOKEN})\s*(=~|!~|!=|=)\s*(${TOKEN})\s*(?:,\s*)?$`);

function withQuotes(text: string, compile: Compile): Matcher {
  const [, name, written, value] = QUOTED.exec(text) ?? [];
  const op = operatorOf(written);
  try {
    if (name !== undefined && op !== undefined && value !== undefined)
      return matcherOf({ name: unquoted(name), op, value: unquoted(value) }, compile);
  } catch {
    // Where neither grammar reads it, the words are those of the classic one.
  }
  throw new Error(`bad matcher format: ${text}`);
}

/** https://go.dev/ref/spec#Rune_literals; of `\x` and octal digits those that are a character alone. */
const ESCAPE = /\\(?:([abfnrtv\\"])|x([0-7][\dA-Fa-f])|([01][0-7]{2})|u([\dA-Fa-f]{4})|U([\dA-Fa-f]{8})|[\s\S])/g;
const NAMED = new Map(Object.entries({ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }));

/** Throws where a backslash stands before something that Go knows nothing of. */
function unquoted(token: string): string {
  if (!token.startsWith('"')) return token;
  const text = token
    .slice(1, -1)
    .replace(ESCAPE, (whole, named?: string, hex?: string, octal?: string, short?: string, long?: string) => {
      if (named !== undefined) return NAMED.get(named) ?? named;
      const digits = hex ?? short ?? long;
      if (digits === undefined && octal === undefined) throw new Error(`${whole} means nothing`);
      return String.fromCodePoint(digits === undefined ? Number.parseInt(octal ?? '', 8) : Number.parseInt(digits, 16));
    });
  if (!text.isWellFormed()) throw new Error('half of a surrogate pair');
  return text;
}

/** Quotes may stand around it; within, `\n`, `\"` and `\\` are escapes, and any other backslash is itself. */
function textOf(written: string): string {
  const isQuoted = written.startsWith('"');
  const inner = isQuoted ? written.slice(1) : written;
  const pieces = [...inner.matchAll(/\\([\\"n])|([\s\S])/g)];
  const closed = pieces.findIndex(([whole]) => whole === '"');
  if (isQuoted ? closed < 0 || closed !== pieces.length - 1 : closed >= 0)
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
