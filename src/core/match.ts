/** Matchers (`severity="critical"`, `type=~"job_.*"`) and globs (`deploy:*`): how routes and inhibitions recognise an event. */
import type { Labels } from './event.ts';

type Operator = '=' | '!=' | '=~' | '!~';

export interface Matcher {
  name: string;
  op: Operator;
  value: string;
  /** Whether a label's value satisfies the matcher; a label that is absent counts as the empty string. */
  test(value: string): boolean;
}

/** Turns a user's regular expression into a test of a whole value. Core has no packages, so config brings RE2. */
export type Compile = (pattern: string) => (value: string) => boolean;

/** What may stand without quotes, by Alertmanager's UTF-8 matchers (docs/configuration.md, "UTF-8 support"). */
const RESERVED = new Set([...'{}!=~,\\"\'`']);
const CLASSIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

/**
 * Reads one matcher: `name op value`, where op is `=`, `!=`, `=~` or `!~`. Name and value may be in double quotes with
 * the escapes `\\`, `\"` and `\n` (any other backslash stands for itself, which suits regular expressions). After a
 * classic name ([a-zA-Z_:][a-zA-Z0-9_:]*) an unquoted value reaches to the end of the text; after any other name it
 * must be free of `{}!=~,\"'` and backticks and spaces. The grammar is Alertmanager's; where its two parsers disagree,
 * the classic one wins, as there.
 * Throws an Error that names the text, the character (from 1) and what was expected.
 */
export function parseMatcher(text: string, compile: Compile): Matcher {
  const fail = (at: number, what: string): never => {
    throw new Error(`matcher ${JSON.stringify(text)}: ${what}, at character ${at + 1}`);
  };
  const space = (from: number): number => {
    let at = from;
    while (at < text.length && isSpace(text.charAt(at))) at++;
    return at;
  };

  let at = space(0);
  if (text.charAt(at) === '{') fail(at, 'braces are not wanted here: write each matcher as one entry of the list');
  const quotedName = text.charAt(at) === '"';
  let name: string;
  if (quotedName) {
    const end = closingQuote(text, at);
    if (end < 0) fail(at, 'the quote before the label name is never closed');
    name = unescaped(text.slice(at + 1, end));
    at = end + 1;
  } else {
    const from = at;
    while (at < text.length && !RESERVED.has(text.charAt(at)) && !isSpace(text.charAt(at))) at++;
    name = text.slice(from, at);
  }
  if (name === '') fail(at, 'a label name is expected first');

  at = space(at);
  const op = (['=~', '!~', '!=', '='] as const).find((candidate) => text.startsWith(candidate, at));
  if (op === undefined) return fail(at, 'one of =, !=, =~ or !~ is expected after the label name');
  at = space(at + op.length);

  const rest = text.slice(at).trimEnd();
  let value: string;
  if (rest.startsWith('"')) {
    const end = closingQuote(rest, 0);
    if (end < 0) fail(at, 'the quote before the value is never closed');
    if (end !== rest.length - 1)
      fail(at + end + 1, 'nothing may follow the closing quote (a quote inside is written \\")');
    value = unescaped(rest.slice(1, end));
  } else {
    const loose = !quotedName && CLASSIC_NAME.test(name);
    const bad = firstUnquotable(rest, loose);
    if (bad >= 0) fail(at + bad, 'this value needs double quotes around it');
    value = unescaped(rest);
  }

  try {
    return matcherOf({ name, op, value }, compile);
  } catch (error) {
    return fail(at, `not a regular expression (${error instanceof Error ? error.message : String(error)})`);
  }
}

/** A matcher from its parts. Throws what `compile` throws. */
export function matcherOf({ name, op, value }: Omit<Matcher, 'test'>, compile: Compile): Matcher {
  if (op === '=') return { name, op, value, test: (actual) => actual === value };
  if (op === '!=') return { name, op, value, test: (actual) => actual !== value };
  const matches = compile(value);
  return { name, op, value, test: op === '=~' ? matches : (actual) => !matches(actual) };
}

/** Of each matcher once: those of the routes are asked for with every event. */
const texts = new WeakMap<object, string>();

/** `severity="critical"`: a matcher as it is written. */
export function matcherText(matcher: Readonly<Pick<Matcher, 'name' | 'op' | 'value'>>): string {
  const known = texts.get(matcher);
  if (known !== undefined) return known;
  const { name, op, value } = matcher;
  const text = `${CLASSIC_NAME.test(name) ? name : JSON.stringify(name)}${op}${JSON.stringify(value)}`;
  texts.set(matcher, text);
  return text;
}

/** The value a matcher looks at: labels that nobody set, and names like `constructor`, are the empty string. */
export const labelValue = (labels: Labels, name: string): string =>
  Object.hasOwn(labels, name) ? (labels[name] ?? '') : '';

/** True when every matcher holds; an empty list holds for everything. */
export const matchesAll = (matchers: readonly Matcher[], labels: Labels): boolean =>
  matchers.every((matcher) => matcher.test(labelValue(labels, matcher.name)));

/**
 * A test of whole texts against a glob in which `*` stands for any text, also none; everything else is itself. The words
 * of a type may be joined by `_`, `.` or `:` (`job_failed`, `deploy:done`): joints are plain characters. It walks both
 * texts at once and only ever goes back to the last star, so no pattern takes more than length × length steps.
 */
export function globTest(pattern: string): (text: string) => boolean {
  return (text) => {
    let p = 0;
    let t = 0;
    let star = -1;
    let resume = 0;
    while (t < text.length) {
      if (pattern[p] === '*') {
        star = p++;
        resume = t;
      } else if (p < pattern.length && pattern[p] === text[t]) {
        p++;
        t++;
      } else if (star >= 0) {
        p = star + 1;
        t = ++resume;
      } else return false;
    }
    while (pattern[p] === '*') p++;
    return p === pattern.length;
  };
}

const isSpace = (character: string): boolean => /^\s$/.test(character);

/** Index of the first character that may not stand in a value without quotes; -1 where all may. */
function firstUnquotable(value: string, loose: boolean): number {
  for (let at = 0; at < value.length; at++) {
    const character = value.charAt(at);
    if (loose ? character === '"' : RESERVED.has(character) || isSpace(character)) return at;
    if (loose && character === '\\') at++;
  }
  return -1;
}

/** Index of the quote that closes the one at `from`; -1 where there is none. */
function closingQuote(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at;
  }
  return -1;
}

const unescaped = (text: string): string =>
  text.replace(/\\([\\"n])/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
