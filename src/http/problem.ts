/** What went wrong, as people and programs read it: RFC 9457 problem documents, and which one each failure becomes. */
import type { z } from 'zod';
import { isAway } from '../ledger/away.ts';

/** Every kind of problem this API answers with; its name ends the `type` of the document. */
const PROBLEMS = {
  'bad-request': { status: 400, title: 'The request cannot be read' },
  invalid: { status: 400, title: 'The request is not valid' },
  unauthenticated: { status: 401, title: 'A valid API key is needed' },
  forbidden: { status: 403, title: 'This key may not do that' },
  'not-found': { status: 404, title: 'There is no such thing' },
  'method-not-allowed': { status: 405, title: 'Not with this method' },
  conflict: { status: 409, title: 'Not in this state' },
  closed: { status: 409, title: 'The incident is closed' },
  changed: { status: 412, title: 'It has been changed meanwhile' },
  'too-large': { status: 413, title: 'The body is too large' },
  'media-type': { status: 415, title: 'Not a body this API reads' },
  'too-many-requests': { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'Something is wrong here' },
  unavailable: { status: 503, title: 'Not now' },
} as const;
export type ProblemKind = keyof typeof PROBLEMS;

export interface FieldProblem {
  /** `labels.host`, `[3].title`; empty where the whole body is meant. */
  field: string;
  problem: string;
}

/** The prefix of a problem's `type`: a URN, since it names a kind and leads nowhere. */
const PROBLEM_TYPE = 'urn:tocsin:problem:';
export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/** A failure that is told to the caller as it is. `detail` and `errors` never repeat what was sent. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly kind: ProblemKind;
  readonly errors: readonly FieldProblem[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    kind: ProblemKind,
    detail: string,
    more: { errors?: readonly FieldProblem[]; headers?: Record<string, string> } = {},
  ) {
    super(detail);
    this.kind = kind;
    this.errors = more.errors ?? [];
    this.headers = more.headers ?? {};
  }
}

/** Try again after so many milliseconds: 429, or 503 for senders that give up at any 4xx. */
export const tooMany = (ms: number, status: 429 | 503 = 429): Problem =>
  new Problem(
    status === 429 ? 'too-many-requests' : 'unavailable',
    'more requests than this key may make; wait as long as Retry-After says',
    { headers: { 'retry-after': String(Math.max(1, Math.ceil(ms / 1_000))) } },
  );

export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  detail: string;
  errors?: readonly FieldProblem[];
  request_id: string;
}

export const documentOf = (problem: Problem, request_id: string): ProblemDocument => ({
  type: PROBLEM_TYPE + problem.kind,
  ...PROBLEMS[problem.kind],
  detail: problem.message,
  ...(problem.errors.length > 0 && { errors: problem.errors }),
  request_id,
});

/** How long a caller is asked to wait while the ledger does not answer, in seconds. */
const LEDGER_RETRY_AFTER_S = '2';

/**
 * The problem that any thrown value is told as. Only a Problem's own words reach the caller; of everything else they
 * hear which kind it is, and `request_id` leads an operator to the log line.
 */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (isAway(error)) {
    return new Problem('unavailable', 'the ledger does not answer; nothing was kept, send it again', {
      headers: { 'retry-after': LEDGER_RETRY_AFTER_S },
    });
  }
  return fromBodyParser(error) ?? new Problem('internal', 'it is in the log under this request_id');
}

/** The errors of body-parser and of Express's own router, by their documented `type` and `status`. */
function fromBodyParser(error: unknown): Problem | undefined {
  if (!(error instanceof Error)) return undefined;
  const { type, limit, status } = error as { type?: unknown; limit?: unknown; status?: unknown };
  switch (type) {
    case 'entity.too.large':
      return new Problem('too-large', `a body here has at most ${String(limit)} bytes`);
    case 'encoding.unsupported':
      return new Problem('media-type', 'send the body as it is, without content-encoding');
    case 'charset.unsupported':
      return new Problem('media-type', 'send the body as UTF-8');
    case 'request.size.invalid':
      return new Problem('bad-request', 'the body is not as long as content-length says');
    case 'request.aborted':
      return new Problem('bad-request', 'the request ended before its body did');
  }
  if (error instanceof URIError && status === 400) {
    return new Problem('bad-request', 'the path is not valid percent-encoded UTF-8');
  }
  return undefined;
}

/** Names of fields come from the sender: an answer repeats them only so far. */
const NAME_MAX = 100;
export const nameOf = (text: string): string => text.toWellFormed().replace(/\p{C}/gu, '\u{fffd}').slice(0, NAME_MAX);

/** What zod found, by field, without the values it found. */
export function fieldProblems(error: z.ZodError): FieldProblem[] {
  return error.issues.flatMap((issue): FieldProblem[] => {
    const field = fieldOf(issue.path);
    if (issue.code !== 'unrecognized_keys') return [{ field, problem: issue.message.replace(QUOTED, '') }];
    return issue.keys.map((key) => ({
      field: field ? `${field}.${nameOf(key)}` : nameOf(key),
      problem: 'is not known here',
    }));
  });
}

/** What was sent, as the parsers of the configuration repeat it at the beginning of a sentence: an answer does not. */
const QUOTED = /^"(?:[^"\\]|\\.)*" /;

const fieldOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (field, part) =>
      typeof part === 'number'
        ? `${field}[${part}]`
        : field
          ? `${field}.${nameOf(String(part))}`
          : nameOf(String(part)),
    '',
  );

/** The first few are said in the sentence too: many clients show nothing else. */
export function invalid(errors: readonly FieldProblem[], what: string): Problem {
  const [first, ...others] = errors;
  const said = first ? `${first.field || what} ${first.problem}`.trim() : `${what} is not valid`;
  return new Problem('invalid', others.length > 0 ? `${said}, and ${others.length} more in errors` : said, { errors });
}
