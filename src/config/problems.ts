/** What is wrong with a configuration, said once for all of it: where, what was found, what would be right. */
import { z } from 'zod';
import type { Path } from './secrets.ts';

export interface Problem {
  path: Path;
  problem: string;
  /** What was found there may be repeated, unless it is a secret. */
  shown?: boolean;
}

/** A configuration nobody can start with; the message lists every problem, one per line, and no secret. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly problems: string[];

  constructor(file: string, problems: string[]) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    super(`${file} has ${count}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/** `routes[0].notify[1]`. */
export const pathText = (path: Path): string =>
  path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : text === '' ? step : `${text}.${step}`),
    '',
  );

/** The problem of a name that is not among `names`, with the nearest one or all of them. */
export function unknownName(kind: string, name: string, names: Iterable<string>): string {
  const known = [...names];
  const near = nearest(name, known);
  if (near !== undefined) return `there is no ${kind} ${name}: did you mean ${near}?`;
  return `there is no ${kind} ${name}: ${known.length === 0 ? 'none is configured' : `there is ${known.join(', ')}`}`;
}

/** The name most like this one; undefined where none is near enough to be a slip of the fingers. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const [best] = names
    .map((known) => ({ known, distance: distanceOf(name.toLowerCase(), known.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  return best && best.distance <= Math.max(1, Math.floor(name.length / 3)) ? best.known : undefined;
}

/** How many letters to insert, drop, change or swap with their neighbour (optimal string alignment). */
function distanceOf(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  const far = Number.MAX_SAFE_INTEGER;
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] ?? far) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwapped ? (before[j - 2] ?? far) + 1 : far;
      next.push(Math.min(changed, swapped, (row[j] ?? far) + 1, (next[j - 1] ?? far) + 1));
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? far;
}

/** Zod's issues as problems below `prefix`; unknown fields are named one by one, with what is allowed there. */
export function problemsOf(error: z.ZodError, schema: z.ZodType, prefix: Path): Problem[] {
  return error.issues.flatMap((issue): Problem[] => {
    const inner = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
    const path = [...prefix, ...inner];
    if (issue.code !== 'unrecognized_keys') {
      const problem = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
      return [{ path, problem, shown: true }];
    }
    // What stands in a misspelt field may be a secret: it is not repeated.
    const allowed = fieldsAt(schema, inner);
    return issue.keys.map((key) => {
      const near = nearest(key, allowed);
      const right = near ? `: did you mean ${near}?` : allowed.length > 0 ? `: allowed are ${allowed.join(', ')}` : '';
      return { path: [...path, key], problem: `is not a field${right}` };
    });
  });
}

/** Zod's own sentences, made to read after a path. */
export const inOurWords: z.core.$ZodErrorMap = (issue) => {
  if (issue.code === 'invalid_type')
    return issue.input === undefined ? 'is required' : `must be ${aKind(issue.expected)}, not ${kindOf(issue.input)}`;
  if (issue.code === 'invalid_value')
    return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`;
  return undefined;
};

const KINDS: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};
const aKind = (expected: string): string => KINDS[expected] ?? expected;
export const kindOf = (value: unknown): string =>
  value === null ? 'nothing' : Array.isArray(value) ? 'a list' : aKind(typeof value);

/** The fields of the object that `path` leads to in a schema. */
function fieldsAt(schema: z.ZodType | z.core.$ZodType, path: Path): string[] {
  const [step, ...rest] = path;
  if (
    schema instanceof z.ZodLazy ||
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodNullable
  )
    return fieldsAt(schema.unwrap(), path);
  if (schema instanceof z.ZodPipe) return fieldsAt(schema.in instanceof z.ZodTransform ? schema.out : schema.in, path);
  if (schema instanceof z.ZodArray) return step === undefined ? [] : fieldsAt(schema.element, rest);
  if (schema instanceof z.ZodRecord) return step === undefined ? [] : fieldsAt(schema.valueType, rest);
  if (!(schema instanceof z.ZodObject)) return [];
  if (step === undefined) return Object.keys(schema.shape);
  const next: z.core.$ZodType | undefined = schema.shape[step];
  return next ? fieldsAt(next, rest) : [];
}
