/** An endpoint as a value: what the router mounts, what the OpenAPI document describes, and what the tests walk. */
import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import type { Scope } from '../ledger/keys.ts';
import type { Caller } from './auth.ts';
import { ONE_MAX_BYTES, parseJson } from './body.ts';
import { fieldProblems, invalid, Problem, type ProblemDocument } from './problem.ts';

/** `open`: no key is asked for. */
type Access = Scope | 'open';

export interface Answer {
  status: number;
  /** Sent as JSON, or as it is where `type` says what it is. */
  body?: unknown;
  type?: string;
  headers?: Record<string, string>;
}

/** What came in, before anything of it was looked at. */
export interface Arrived {
  params: Record<string, string>;
  query: Record<string, unknown>;
  raw: Buffer;
  headers: IncomingHttpHeaders;
  caller: Caller;
  request_id: string;
  now: Date;
  /** Aborts when the caller has hung up. */
  signal: AbortSignal;
}

export interface Call<Params, Query, Body> extends Omit<Arrived, 'params' | 'query'> {
  params: Params;
  query: Query;
  body: Body;
}

/** `json` is parsed and checked against the schema; `raw` is handed over as bytes, the schema only tells readers. */
type Takes<Body extends z.ZodType> =
  | { kind: 'json'; schema: Body; required: boolean }
  | {
      kind: 'raw';
      schema: z.ZodType;
      limit: number | ((params: Record<string, string>) => number);
      media: 'json' | 'any';
    };

/** Why a request is not from who it should be; undefined where it is. */
type Check = (
  arrived: Pick<Arrived, 'raw' | 'headers' | 'query' | 'now'>,
) => string | undefined | Promise<string | undefined>;

interface Described {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete' | 'options';
  /** As OpenAPI writes it: `/v1/events/{id}`. */
  path: string;
  access: Access;
  /** One line, in the imperative. */
  summary: string;
  about?: string;
  /** By status; the problems every endpoint can answer with are not repeated here. */
  answers: Record<number, { about: string; schema?: z.ZodType; media?: string }>;
  /** Statuses of problems besides those that every endpoint of its kind can answer with. */
  also?: readonly number[];
  /** The key may also be the password of Basic authentication. */
  basic?: boolean;
  /** Where a request proves itself by something other than a key: the check to run on it, or undefined where a key is needed. */
  proof?: (params: Record<string, string>) => Check | undefined | Promise<Check | undefined>;
  /** How senders of this endpoint are told to come back later; 429 unless it says otherwise. */
  overload?: (params: Record<string, string>) => 429 | 503;
  /** The same where more has arrived, from all together, than can be kept; 503 unless it says otherwise. */
  full?: (params: Record<string, string>) => 429 | 503;
  /**
   * How problems are told where the endpoint is of somebody else's API, whose clients read their own. Its path is described
   * by them: our OpenAPI document leaves it out.
   */
  says?: Dialect;
}

/** A problem in the words of another API; the problem's own headers are kept beside the answer's. `path` is without a query. */
export type Dialect = (problem: Problem, document: ProblemDocument, asked: { method: string; path: string }) => Answer;

export interface Endpoint extends Described {
  params?: z.ZodObject;
  query?: z.ZodObject;
  takes?: Takes<z.ZodType>;
  /** Bytes of a body, by the parameters of the path; 0 where none is read. */
  limit(params: Record<string, string>): number;
  run(arrived: Arrived): Promise<Answer>;
}

type None = z.ZodObject<Record<never, never>>;

/** An endpoint from its parts: the handler is given parameters, query and body as their schemas have parsed them. */
export function endpoint<
  Params extends z.ZodObject = None,
  Query extends z.ZodObject = None,
  Body extends z.ZodType = z.ZodUndefined,
>({
  handle,
  ...spec
}: Described & {
  params?: Params;
  query?: Query;
  takes?: Takes<Body>;
  handle(call: Call<z.output<Params>, z.output<Query>, z.output<Body>>): Promise<Answer>;
}): Endpoint {
  const { params, query, takes } = spec;
  return {
    ...spec,
    limit: (params) => {
      if (takes === undefined) return 0;
      if (takes.kind === 'json') return ONE_MAX_BYTES;
      return typeof takes.limit === 'number' ? takes.limit : takes.limit(params);
    },
    run: (arrived) =>
      handle({
        ...arrived,
        params: paramsOf(params, arrived.params),
        query: (query ? parsed(query, arrived.query, 'query') : {}) as z.output<Query>,
        body: (takes?.kind === 'json' ? bodyOf(takes, arrived.raw) : undefined) as z.output<Body>,
      }),
  };
}

/** A parameter that cannot be anybody's is not found, rather than wrong. */
function paramsOf<Params extends z.ZodObject>(
  schema: Params | undefined,
  params: Record<string, string>,
): z.output<Params> {
  if (!schema) return {} as z.output<Params>;
  const result = schema.safeParse(params);
  if (!result.success) throw new Problem('not-found', 'nothing here has such a name');
  return result.data as z.output<Params>;
}

function bodyOf({ schema, required }: { schema: z.ZodType; required: boolean }, raw: Buffer): unknown {
  if (raw.length === 0 && required) throw new Problem('bad-request', 'a JSON body is needed');
  return parsed(schema, raw.length === 0 ? {} : parseJson(raw), 'body');
}

function parsed(schema: z.ZodType, value: unknown, what: 'query' | 'body'): unknown {
  const result = schema.safeParse(value, { error: inOurWords });
  if (!result.success) throw invalid(fieldProblems(result.error), what);
  return result.data;
}

/** Zod's sentences, made to read after a field's name. */
const inOurWords: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is required' : `must be ${issue.expected}`;
    case 'invalid_value':
      return `must be one of ${issue.values.join(', ')}`;
    case 'too_small':
      return issue.origin === 'string' ? 'must not be empty' : `must be at least ${issue.minimum}`;
    case 'too_big':
      return issue.origin === 'string'
        ? `must not be longer than ${issue.maximum} characters`
        : `must be at most ${issue.maximum}`;
    default:
      return undefined;
  }
};

export const ok = (body: unknown): Answer => ({ status: 200, body });

/** A text of people: well-formed, without NUL, which no ledger can keep. */
export const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((value) => !value.includes('\0'), 'must not hold a NUL character')
    .meta({ pattern: '^[^\\u0000]*$' })
    .transform((value) => value.toWellFormed());

/** A name in a path or a query. */
export const word = (max = 200) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((value) => !/\p{Cc}/u.test(value), 'must not hold control characters')
    .meta({ pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$' });

/** How lists are paged: `next` of one answer is the `cursor` of the following request. */
export const paging = {
  cursor: z
    .string()
    .regex(/^\d{1,18}$/, 'must be the `next` of the answer before')
    .exactOptional()
    .meta({ description: 'The `next` of the answer before.' }),
  limit: z.coerce.number().int().min(1).max(200).default(50).meta({ description: 'At most so many.' }),
};
