/** The types of the client, written from the OpenAPI document: `paths` as openapi-fetch takes it. */

/** The parts of JSON Schema that our documents use; whatever else only narrows a value and is left to the server. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  description?: string;
}

interface Operation {
  summary: string;
  parameters?: { name: string; in: 'path' | 'query'; required: boolean; description?: string; schema: Schema }[];
  requestBody?: { required: boolean; content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
}

export interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

const PROBLEM = 'application/problem+json';

const HEAD = `/**
 * The API as types, for openapi-fetch. Written from the OpenAPI document by a test (CLIENT=write vitest run
 * test/clients/api.test.ts), which also says when it is out of date: not to be edited.
 */

type Json<T> = { content: { 'application/json': T } };
type Refused = { content: { '${PROBLEM}': Problem } };
`;

/** The whole file. The same document gives the same text. */
export function clientTypes({ paths, components }: Document): string {
  const shapes = Object.entries(components.schemas).map(
    ([name, schema]) => `export type ${name} = ${typeOf(schema, '')};`,
  );
  const offered = Object.entries(paths).map(([path, methods]) => {
    const operations = Object.entries(methods).map(([method, operation]) => operationOf(method, operation));
    return `  '${path}': {\n${operations.join('\n')}\n  };`;
  });
  return `${HEAD}\n${shapes.join('\n\n')}\n\nexport interface paths {\n${offered.join('\n')}\n}\n`;
}

function operationOf(method: string, { summary, parameters = [], requestBody, responses }: Operation): string {
  const told = Object.entries(responses).flatMap(([status, { content }]) => {
    const own = Object.entries(content ?? {}).filter(([media]) => media !== PROBLEM);
    // A status that is only ever a problem is among the default; 204 has nothing to say.
    if (own.length === 0) return content ? [] : [`${status}: { content?: never }`];
    return own.map(([media, { schema }]) => `${status}: ${contentOf(media, schema, '        ')}`);
  });
  const [body] = Object.entries(requestBody?.content ?? {});
  const mark = requestBody?.required ? '' : '?';
  return [
    `    /** ${summary} */`,
    `    ${method}: {`,
    ...(parameters.length > 0 ? [`      parameters: ${parametersOf(parameters)};`] : []),
    ...(body ? [`      requestBody${mark}: ${contentOf(body[0], body[1].schema, '      ')};`] : []),
    `      responses: ${braced([...told, 'default: Refused'], '      ')};`,
    '    };',
  ].join('\n');
}

function parametersOf(parameters: NonNullable<Operation['parameters']>): string {
  const places = (['path', 'query'] as const).flatMap((where) => {
    const own = parameters.filter((one) => one.in === where);
    if (own.length === 0) return [];
    const fields = own.map(
      ({ name, required, schema }) => `${keyOf(name)}${required ? '' : '?'}: ${typeOf(schema, '        ')}`,
    );
    const isOptional = own.every(({ required }) => !required);
    return [`${where}${isOptional ? '?' : ''}: ${braced(fields, '        ')}`];
  });
  return braced(places, '      ');
}

const contentOf = (media: string, schema: Schema, indent: string): string =>
  media === 'application/json'
    ? `Json<${typeOf(schema, indent)}>`
    : `{ content: { '${media}': ${typeOf(schema, indent)} } }`;

/** The type of a schema, its further lines indented. */
export function typeOf(schema: Schema, indent: string): string {
  const { $ref, enum: words, type, properties, additionalProperties } = schema;
  const either = schema.anyOf ?? schema.oneOf;
  if ($ref !== undefined) return $ref.slice($ref.lastIndexOf('/') + 1);
  if (words !== undefined) return words.map(literal).join(' | ');
  if (schema.const !== undefined) return literal(schema.const);
  // Beside properties, anyOf only says which of them must be there.
  if (either !== undefined && properties === undefined)
    return [...new Set(either.map((one) => typeOf(one, indent)))].join(' | ');
  if (Array.isArray(type)) return type.map((one) => typeOf({ ...schema, type: one }, indent)).join(' | ');
  switch (type) {
    case 'string':
    case 'boolean':
    case 'null':
      return type;
    case 'integer':
    case 'number':
      return 'number';
    case 'array': {
      const item = typeOf(schema.items ?? {}, indent);
      return /[|{ ]/.test(item) ? `Array<${item}>` : `${item}[]`;
    }
    case 'object':
      return properties
        ? objectOf(schema, properties, indent)
        : `Record<string, ${typeof additionalProperties === 'object' ? typeOf(additionalProperties, indent) : 'unknown'}>`;
    default:
      return 'unknown';
  }
}

function objectOf({ required = [] }: Schema, properties: Record<string, Schema>, indent: string): string {
  const fields = Object.entries(properties).map(([name, schema]) => {
    const about = schema.description ? `/** ${schema.description.replaceAll('*/', '* /')} */\n${indent}  ` : '';
    return `${about}${keyOf(name)}${required.includes(name) ? '' : '?'}: ${typeOf(schema, `${indent}  `)}`;
  });
  return fields.length === 0 ? 'Record<string, never>' : braced(fields, indent);
}

/** Longer than that, or of several lines, every field has a line of its own. */
const SHORT = 80;

function braced(fields: string[], indent: string): string {
  const short = `{ ${fields.join('; ')} }`;
  if (short.length <= SHORT && !short.includes('\n')) return short;
  return `{\n${fields.map((field) => `${indent}  ${field};`).join('\n')}\n${indent}}`;
}

const literal = (value: unknown): string =>
  typeof value === 'string' ? `'${value.replace(/['\\]/g, '\\$&')}'` : JSON.stringify(value);
const keyOf = (name: string): string => (/^[A-Za-z_]\w*$/.test(name) ? name : literal(name));
