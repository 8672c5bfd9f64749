/** Validation of one part of a configuration, with the problems collected beside it. */
import type { z } from 'zod';
import type { Document } from './document.ts';
import { inOurWords, kindOf, type Problem, pathText, problemsOf } from './problems.ts';
import type { Path } from './secrets.ts';

/** The parsed value; undefined where it is wrong, which has been noted. */
type Check = <Schema extends z.ZodType>(schema: Schema, value: unknown, path: Path) => z.output<Schema> | undefined;

export interface Findings {
  check: Check;
  note(path: Path, problem: string): void;
  /** Where this stands: `line 7, routes[0].notify[1]`. */
  placeOf(path: Path): string;
  /** Every problem as one line, in the order of the file. */
  lines(): string[];
}

/** `isHidden` says where a value must not be repeated in a problem. */
export function createFindings(document: Document, isHidden: (path: Path) => boolean): Findings {
  const problems: Problem[] = [...document.problems];
  const placeOf = (path: Path): string => [document.whereIs(path), pathText(path)].filter(Boolean).join(', ');
  return {
    placeOf,
    check: (schema, value, path) => {
      const filled = withKinds(schema, value, path, document);
      const result = schema.safeParse(filled, { error: inOurWords });
      if (result.success) return result.data;
      // A variable that is missing has been noted already, and leaves an empty text that fits nowhere.
      const missing = new Set(document.problems.map((problem) => pathText(problem.path)));
      const found = problemsOf(result.error, schema, path).filter((problem) => !missing.has(pathText(problem.path)));
      problems.push(...found);
      return undefined;
    },
    note: (path, problem) => problems.push({ path, problem }),
    lines: () => {
      const placed = problems.map(({ path, problem, shown }) => {
        const where = document.whereIs(path);
        const place = placeOf(path);
        const value = valueAt(document.value, path);
        const hidden = isHidden(path) || document.isFilledIn(path);
        const found = hidden ? withoutValue(problem, value) : `${problem}${shown ? foundText(value, problem) : ''}`;
        return {
          line: Number(/^line (\d+)/.exec(where ?? '')?.[1] ?? 0),
          text: `${place}${place ? ': ' : ''}${found}`,
        };
      });
      return [...new Set(placed.sort((a, b) => a.line - b.line).map(({ text }) => text))];
    },
  };
}

const FOUND_MAX = 60;

/** What was found, unless the problem says it already. */
function foundText(value: unknown, problem: string): string {
  if (typeof value === 'number' || typeof value === 'boolean') return ` (found ${value})`;
  if (typeof value !== 'string' || problem.includes(JSON.stringify(value))) return '';
  return ` (found ${JSON.stringify(value.length > FOUND_MAX ? `${value.slice(0, FOUND_MAX)}…` : value)})`;
}

/** Parsers like to quote what they could not read. */
const withoutValue = (problem: string, value: unknown): string =>
  typeof value === 'string' && value !== ''
    ? problem.replaceAll(JSON.stringify(value), 'what was given').replaceAll(value, '…')
    : problem;

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

/** Variables are always texts: where a number or a switch is wanted and the text is one, it is made one. */
function withKinds(schema: z.ZodType, value: unknown, path: Path, document: Document): unknown {
  const result = schema.safeParse(value);
  if (result.success) return value;
  let copy = value;
  for (const issue of result.error.issues) {
    const inner = issue.path.filter((step) => typeof step !== 'symbol');
    if (issue.code !== 'invalid_type' || !document.isFilledIn([...path, ...inner])) continue;
    const text = valueAt(value, inner);
    if (typeof text !== 'string') continue;
    if (issue.expected === 'number' && text.trim() !== '' && Number.isFinite(Number(text)))
      copy = replaced(copy, inner, Number(text));
    if (issue.expected === 'boolean' && (text === 'true' || text === 'false'))
      copy = replaced(copy, inner, text === 'true');
  }
  return copy;
}

function replaced(value: unknown, [step, ...rest]: Path, by: unknown): unknown {
  if (step === undefined) return by;
  if (Array.isArray(value)) return value.map((inner, at) => (at === step ? replaced(inner, rest, by) : inner));
  return { ...(value as object), [step]: replaced(valueAt(value, [step]), rest, by) };
}

/** The entries of a section that has to be a mapping; none where it is absent, and a problem where it is something else. */
export function entriesOf(section: string, value: unknown, findings: Findings): [string, unknown][] {
  if (value === undefined || value === null) return [];
  if (typeof value === 'object' && !Array.isArray(value)) return Object.entries(value);
  findings.note([section], `must be a mapping of names, not ${kindOf(value)}`);
  return [];
}

/** The same for a section that has to be a list. */
export function listOf(section: string, value: unknown, findings: Findings): unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  findings.note([section], `must be a list, not ${kindOf(value)}`);
  return [];
}
