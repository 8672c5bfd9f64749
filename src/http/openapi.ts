/** The API as an OpenAPI 3.1 document, from the same endpoints and schemas that answer. */
import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import type { Endpoint } from './endpoint.ts';
import { PROBLEM_MEDIA_TYPE } from './problem.ts';
import { ProblemView } from './views.ts';

type Schema = Record<string, unknown>;

export interface Operation {
  operationId: string;
  summary: string;
  description?: string;
  tags: string[];
  security: Record<string, string[]>[];
  parameters?: { name: string; in: 'path' | 'query'; required: boolean; description?: string; schema: Schema }[];
  requestBody?: { required: boolean; content: Record<string, { schema: Schema }> };
  responses: Record<string, Response>;
}

interface Response {
  description: string;
  headers: Record<string, { description: string; required: true; schema: Schema }>;
  content?: Record<string, { schema: Schema }>;
}

export interface OpenApi {
  openapi: '3.1.0';
  info: { title: string; version: string; description: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, Schema> };
}

const PROBLEM_REF: Schema = { $ref: '#/components/schemas/Problem' };

/** The document of those endpoints that are our own API; `version` is the product's. */
export function openApiOf(endpoints: readonly Endpoint[], version: string): OpenApi {
  const schemas: Record<string, Schema> = {};
  const json = (schema: z.ZodType, io: 'input' | 'output'): Schema => hoisted(schema, io, schemas);
  schemas.Problem = json(ProblemView, 'output');
  const paths: OpenApi['paths'] = {};
  for (const endpoint of endpoints.filter(({ says }) => says === undefined)) {
    const methods = paths[endpoint.path] ?? {};
    methods[endpoint.method] = operationOf(endpoint, json);
    paths[endpoint.path] = methods;
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tocsin',
      version,
      description: `A durable alert and notification pipeline. Errors are problem documents (RFC 9457, ${PROBLEM_MEDIA_TYPE}) that name the field.`,
    },
    paths,
    components: {
      schemas,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API key with the scope that the operation names.' },
        adminToken: {
          type: 'apiKey',
          in: 'header',
          name: 'X-Admin-Token',
          description: 'The same key by another header.',
        },
        basic: {
          type: 'http',
          scheme: 'basic',
          description: 'The same key as the password, for senders that know no bearer token.',
        },
      },
    },
  };
}

function operationOf(endpoint: Endpoint, json: (schema: z.ZodType, io: 'input' | 'output') => Schema): Operation {
  const { method, path, access, summary, about, takes, basic } = endpoint;
  const schemes = ['bearer', 'adminToken', ...(basic ? ['basic'] : [])];
  const parameters = [...parametersOf(endpoint.params, 'path', json), ...parametersOf(endpoint.query, 'query', json)];
  return {
    operationId: `${method}${path.replace('/v1', '').replace(/[^a-z]+([a-z]?)/gi, (_, letter: string) => letter.toUpperCase())}`,
    summary,
    description: [about, access === 'open' ? 'Needs no key.' : `Needs the scope ${access}.`].filter(Boolean).join(' '),
    tags: [path.split('/')[path.startsWith('/v1/') ? 2 : 1] ?? ''],
    security: access === 'open' ? [] : schemes.map((scheme) => ({ [scheme]: [] })),
    ...(parameters.length > 0 && { parameters }),
    ...(takes && {
      requestBody: {
        required: takes.kind === 'raw' || takes.required,
        content: {
          [takes.kind === 'raw' && takes.media === 'any' ? '*/*' : 'application/json']: {
            schema: json(takes.schema, 'input'),
          },
        },
      },
    }),
    responses: together(answersOf(endpoint, json), problemsOf(endpoint)),
  };
}

function parametersOf(
  schema: z.ZodObject | undefined,
  where: 'path' | 'query',
  json: (schema: z.ZodType, io: 'input' | 'output') => Schema,
): NonNullable<Operation['parameters']> {
  if (!schema) return [];
  const { properties = {}, required = [] } = json(schema, 'input') as {
    properties?: Record<string, Schema>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: where,
    required: required.includes(name),
    ...(typeof description === 'string' && { description }),
    schema: rest,
  }));
}

/** A status may be an answer and a problem: a page that says that there is nothing, and the document where not even the name is one. */
function together(answers: Operation['responses'], problems: Operation['responses']): Operation['responses'] {
  const both = Object.entries(problems).map(([status, problem]) => {
    const answer = answers[status];
    return [status, answer ? { ...answer, content: { ...answer.content, ...problem.content } } : problem] as const;
  });
  return { ...answers, ...Object.fromEntries(both) };
}

const answersOf = (
  { answers }: Endpoint,
  json: (schema: z.ZodType, io: 'input' | 'output') => Schema,
): Operation['responses'] =>
  Object.fromEntries(
    Object.entries(answers).map(([status, { about, schema, media }]) => [
      status,
      {
        description: about,
        headers: headersOf(Number(status)),
        ...(schema && { content: { 'application/json': { schema: json(schema, 'output') } } }),
        ...(media && { content: { [media]: { schema: { type: 'string' } } } }),
      },
    ]),
  );

/** The problems an endpoint can answer with, by what it asks for. */
function problemsOf({ access, params, query, takes, method, path, also = [] }: Endpoint): Operation['responses'] {
  const isCommand = method === 'post' && path.includes('{id}/');
  const statuses = [
    ...(query || takes ? [400] : []),
    ...(access === 'open' ? [] : [401, 403, 429]),
    ...(params ? [404] : []),
    ...(isCommand || path.endsWith('/test') || path.endsWith('/run') ? [409] : []),
    ...(takes ? [413, 415] : []),
    ...also,
    500,
    503,
  ];
  const described = (status: number) => ({
    description: STATUS_CODES[status] ?? '',
    headers: headersOf(status),
    content: { [PROBLEM_MEDIA_TYPE]: { schema: PROBLEM_REF } },
  });
  return Object.fromEntries(statuses.map((status) => [status, described(status)]));
}

/** What an answer of this status always carries besides its body. */
const headersOf = (status: number): Response['headers'] => ({
  'x-request-id': header('What this request is called in the log; the one that was sent where it was a plain word.'),
  ...(status === 401 && { 'www-authenticate': header('How a key is shown (RFC 9110).') }),
  ...((status === 429 || status === 503) && {
    'retry-after': header('Seconds to wait.', { type: 'string', pattern: '^[0-9]+$' }),
  }),
});

const header = (description: string, schema: Schema = { type: 'string' }): Response['headers'][string] => ({
  description,
  required: true,
  schema,
});

/** One zod schema as JSON Schema; what it defines by name moves to the document's components. */
function hoisted(schema: z.ZodType, io: 'input' | 'output', schemas: Record<string, Schema>): Schema {
  const { $schema: _, $defs, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Schema;
  for (const [name, defined] of Object.entries(($defs ?? {}) as Record<string, Schema>))
    schemas[name] = relinked(defined) as Schema;
  return relinked(rest) as Schema;
}

/** The same value with its references pointing into the components, and without zod's own ids. */
function relinked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(relinked);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, inner]) => [
    name,
    name === '$ref' && typeof inner === 'string' ? inner.replace('#/$defs/', '#/components/schemas/') : relinked(inner),
  ]);
  return Object.fromEntries(entries);
}
