/** A Notion of one workspace, API version 2025-09-03: databases, data sources, pages and blocks, with its limits. */
import { randomUUID } from 'node:crypto';
import { type Answer, createRecorder, type Hit, type Recorder, type Reply, startHttpFake } from './recorder.ts';

const VERSION = '2025-09-03';
// https://developers.notion.com/reference/request-limits
const CONTENT_MAX = 2_000;
const ITEMS_MAX = 100;
const CHILDREN_MAX = 100;
const PAYLOAD_MAX = 500 * 1_024;
const SELECT_NAME_MAX = 100;

type Part = Record<string, unknown>;

export interface NotionBlock {
  id: string;
  type: string;
  /** Its text, all items joined. */
  text: string;
  /** How many rich text items it holds. */
  items: number;
}

export interface NotionPage {
  id: string;
  url: string;
  data_source_id: string;
  /** As sent. */
  properties: Record<string, Part>;
  title: string;
  blocks: NotionBlock[];
  /** How often pages.update changed it. */
  updates: number;
  in_trash: boolean;
}

export interface FakeNotion {
  /** For `base_url`. */
  url: string;
  token: string;
  databaseId: string;
  /** Pages as they are now. */
  pages: NotionPage[];
  requests: Recorder<Hit>;
  script(answers: Answer[]): void;
  /** Somebody gives a property another name; its id stays. */
  rename(from: string, to: string): void;
  /** What the data source calls the property. */
  idOf(name: string): string;
  waitFor: Recorder<NotionPage>['waitFor'];
  close(): Promise<void>;
}

export interface FakeNotionOptions {
  token?: string;
  databaseId?: string;
  /** Names of the database's data sources; one unless given. */
  sources?: string[];
  /** Property name → type; a title property is among them. */
  schema?: Record<string, string>;
  /** Property name → its options, for selects and states. */
  choices?: Record<string, string[]>;
}

const DEFAULT = { Name: 'title', Date: 'date', Severity: 'select', 'Tocsin key': 'rich_text' };

/** A refusal as Notion words it. */
class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}
const invalid = (message: string) => new Refusal(400, 'validation_error', message);
const missing = (what: string) =>
  new Refusal(404, 'object_not_found', `Could not find ${what}. Make sure it is shared with your integration.`);

export async function startFakeNotion(options: FakeNotionOptions = {}): Promise<FakeNotion> {
  const token = options.token ?? 'ntn_fake_token';
  const databaseId = options.databaseId ?? '0123456789abcdef0123456789abcdef';
  const schema: Record<string, string> = { ...(options.schema ?? DEFAULT) };
  const ids = new Map<string, string>();
  const idOf = (name: string): string => ids.get(name) ?? propertyId(name, schema[name] ?? '');
  const sources = (options.sources ?? ['Daily']).map((name) => ({ id: randomUUID(), name }));
  const pages = createRecorder<NotionPage>('Notion pages');

  const sourceOf = (id: unknown) => {
    const source = sources.find((one) => one.id === id);
    if (!source) throw missing('data source');
    return source;
  };
  const pageOf = (id: string) => {
    const page = pages.items.find((one) => one.id === id);
    if (!page) throw missing('page');
    return page;
  };
  const editable = (id: string) => {
    const page = pageOf(id);
    if (page.in_trash) {
      throw invalid("Can't edit block that is archived. You must unarchive the block before editing.");
    }
    return page;
  };
  const optionsOf = (name: string) => options.choices?.[name]?.map((choice) => ({ name: choice }));
  const answered = (page: NotionPage): Part => ({
    object: 'page',
    id: page.id,
    url: page.url,
    in_trash: page.in_trash,
    properties: page.properties,
    parent: { type: 'data_source_id', data_source_id: page.data_source_id },
  });

  const routes: [method: string, path: RegExp, (id: string, body: Part, hit: Hit) => Part][] = [
    [
      'GET',
      /^\/v1\/databases\/([^/]+)$/,
      (id) => {
        if (id.replaceAll('-', '') !== databaseId.replaceAll('-', '')) throw missing('database');
        return { object: 'database', id, title: [], data_sources: sources };
      },
    ],
    [
      'GET',
      /^\/v1\/data_sources\/([^/]+)$/,
      (id) => ({
        object: 'data_source',
        id: sourceOf(id).id,
        properties: Object.fromEntries(
          Object.entries(schema).map(([name, type]) => {
            const options = optionsOf(name);
            return [name, { id: idOf(name), name, type, [type]: options ? { options } : {} }];
          }),
        ),
      }),
    ],
    [
      'POST',
      /^\/v1\/data_sources\/([^/]+)\/query$/,
      (id, body) => {
        const { id: source } = sourceOf(id);
        const filter = body.filter as Part | undefined;
        const results = pages.items.filter(
          (page) => page.data_source_id === source && !page.in_trash && (!filter || matches(page, filter, schema)),
        );
        const size = Number(body.page_size ?? 100);
        if (size < 1 || size > 100) throw invalid('body.page_size should be ≤ `100`');
        return {
          object: 'list',
          results: results.slice(0, size).map(answered),
          has_more: results.length > size,
          next_cursor: null,
          type: 'page_or_data_source',
          page_or_data_source: {},
        };
      },
    ],
    [
      'POST',
      /^\/v1\/pages()$/,
      (_, body) => {
        const parent = (body.parent ?? {}) as Part;
        if (parent.type !== 'data_source_id') throw invalid('body.parent.data_source_id should be defined');
        const { id: source } = sourceOf(parent.data_source_id);
        const properties = checkedProperties(body.properties, schema, options.choices);
        const blocks = checkedBlocks(body.children ?? []);
        const id = randomUUID();
        const page: NotionPage = {
          id,
          url: `https://www.notion.so/${id.replaceAll('-', '')}`,
          data_source_id: source,
          properties,
          title: titleOf(properties),
          blocks,
          updates: 0,
          in_trash: false,
        };
        pages.add(page);
        return answered(page);
      },
    ],
    [
      'PATCH',
      /^\/v1\/pages\/([^/]+)$/,
      (id, body) => {
        const page = editable(id);
        const properties = { ...page.properties, ...checkedProperties(body.properties ?? {}, schema, options.choices) };
        Object.assign(page, { properties, title: titleOf(properties), updates: page.updates + 1 });
        if (typeof body.in_trash === 'boolean') page.in_trash = body.in_trash;
        pages.changed();
        return answered(page);
      },
    ],
    [
      'GET',
      /^\/v1\/blocks\/([^/]+)\/children$/,
      (id, _, { query }) => {
        const { blocks } = pageOf(id);
        const start = Number(query.get('start_cursor') ?? 0);
        const size = Number(query.get('page_size') ?? 100);
        if (size < 1 || size > 100) throw invalid('page_size should be ≤ `100`');
        const end = start + size;
        return {
          object: 'list',
          results: blocks.slice(start, end).map(({ id, type, text }) => ({
            object: 'block',
            id,
            type,
            [type]: { rich_text: text === '' ? [] : [{ type: 'text', plain_text: text }] },
          })),
          has_more: end < blocks.length,
          next_cursor: end < blocks.length ? String(end) : null,
        };
      },
    ],
    [
      'PATCH',
      /^\/v1\/blocks\/([^/]+)\/children$/,
      (id, body) => {
        const page = editable(id);
        const blocks = checkedBlocks(body.children);
        page.blocks.push(...blocks);
        pages.changed();
        return { object: 'list', results: blocks.map((block) => ({ object: 'block', id: block.id })) };
      },
    ],
    [
      'DELETE',
      /^\/v1\/blocks\/([^/]+)$/,
      (id) => {
        const page = pages.items.find(({ blocks }) => blocks.some((block) => block.id === id));
        if (!page) throw missing('block');
        page.blocks = page.blocks.filter((block) => block.id !== id);
        pages.changed();
        return { object: 'block', id, in_trash: true };
      },
    ],
  ];

  const fake = await startHttpFake('Notion', (hit): Reply => {
    try {
      if (hit.headers.authorization !== `Bearer ${token}`) {
        throw new Refusal(401, 'unauthorized', 'API token is invalid.');
      }
      if (hit.headers['notion-version'] !== VERSION)
        throw new Refusal(400, 'missing_version', `Notion-Version ${VERSION}`);
      if (hit.raw.byteLength > PAYLOAD_MAX) throw invalid('body is too large');
      const body = (hit.raw.byteLength === 0 ? {} : JSON.parse(hit.raw.toString())) as Part;
      for (const [method, path, answer] of routes) {
        const found = path.exec(hit.path);
        if (method === hit.method && found) return { status: 200, json: answer(found[1] ?? '', body, hit) };
      }
      throw new Refusal(400, 'invalid_request_url', `${hit.method} ${hit.path}`);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { status, code, message } = error;
      return { status, json: { object: 'error', status, code, message, request_id: randomUUID() } };
    }
  });

  return {
    url: fake.url,
    token,
    databaseId,
    pages: pages.items,
    requests: fake.requests,
    script: fake.script,
    idOf,
    rename(from, to) {
      ids.set(to, idOf(from));
      schema[to] = schema[from] ?? '';
      delete schema[from];
      for (const page of pages.items) {
        const { [from]: value, ...others } = page.properties;
        page.properties = value === undefined ? others : { ...others, [to]: value };
      }
    },
    waitFor: pages.waitFor,
    close: fake.close,
  };
}

const textOf = (items: unknown): string =>
  ((items ?? []) as { text: { content: string } }[]).map(({ text }) => text.content).join('');

const titleOf = (properties: Record<string, Part>): string =>
  textOf(Object.values(properties).find((property) => 'title' in property)?.title);

function checkedText(items: unknown, where: string): void {
  if (!Array.isArray(items)) throw invalid(`${where} should be an array`);
  if (items.length > ITEMS_MAX) throw invalid(`${where}.length should be ≤ \`${ITEMS_MAX}\``);
  for (const [index, item] of items.entries()) {
    const content = (item as { text?: { content?: unknown } }).text?.content;
    if (typeof content !== 'string') throw invalid(`${where}[${index}].text.content should be a string`);
    if (content.length > CONTENT_MAX) {
      throw invalid(
        `${where}[${index}].text.content.length should be ≤ \`${CONTENT_MAX}\`, instead was \`${content.length}\``,
      );
    }
    if (!content.isWellFormed()) throw invalid(`${where}[${index}].text.content is no Unicode`);
  }
}

/** Short and random-looking, but for the title's. */
const propertyId = (name: string, type: string): string =>
  type === 'title' ? 'title' : `%3A${Buffer.from(name).toString('hex')}`;

function checkedProperties(
  given: unknown,
  schema: Record<string, string>,
  choices: Record<string, string[]> = {},
): Record<string, Part> {
  const properties = (given ?? {}) as Record<string, Part>;
  for (const [name, value] of Object.entries(properties)) {
    const type = schema[name];
    const where = `body.properties.${name}`;
    if (type === undefined) throw invalid(`${name} is not a property that exists.`);
    if (!(type in value)) throw invalid(`${name} is expected to be ${type}.`);
    if (type === 'title' || type === 'rich_text') checkedText(value[type], `${where}.${type}`);
    if (type === 'date' && !/^\d{4}-\d{2}-\d{2}/.test(String((value.date as Part | null)?.start))) {
      throw invalid(`${where}.date.start should be a valid ISO 8601 date`);
    }
    if (type === 'number' && typeof value.number !== 'number') throw invalid(`${where}.number should be a number`);
    if (type === 'select' && value.select !== null) checkedOption(value.select, `${where}.select`);
    if (type === 'multi_select') {
      const chosen = value.multi_select as unknown[];
      if (chosen.length > ITEMS_MAX) throw invalid(`${where}.multi_select.length should be ≤ \`${ITEMS_MAX}\``);
      for (const one of chosen) checkedOption(one, `${where}.multi_select`);
    }
    if (type === 'status' && !choices[name]?.includes(String((value.status as Part).name))) {
      throw invalid(`Invalid status option. Status option "${(value.status as Part).name}" does not exist.`);
    }
    if (type === 'checkbox' && typeof value.checkbox !== 'boolean') throw invalid(`${where}.checkbox`);
    if (type === 'url' && (typeof value.url !== 'string' || value.url.length > CONTENT_MAX))
      throw invalid(`${where}.url`);
  }
  return properties;
}

function checkedOption(given: unknown, where: string): void {
  const option = String((given as Part).name);
  if (option === '' || option.length > SELECT_NAME_MAX || option.includes(',')) throw invalid(`${where}.name`);
}

function checkedBlocks(given: unknown): NotionBlock[] {
  if (!Array.isArray(given)) throw invalid('body.children should be an array');
  if (given.length > CHILDREN_MAX) throw invalid(`body.children.length should be ≤ \`${CHILDREN_MAX}\``);
  return (given as Part[]).map((block, index) => {
    const type = String(block.type);
    const inner = block[type] as Part | undefined;
    if (!inner) throw invalid(`body.children[${index}].${type} should be defined`);
    checkedText(inner.rich_text, `body.children[${index}].${type}.rich_text`);
    return { id: randomUUID(), type, text: textOf(inner.rich_text), items: (inner.rich_text as unknown[]).length };
  });
}

/** `and`, `or`, `equals` and `starts_with`, of the types a page is looked for by. */
function matches(page: NotionPage, filter: Part, schema: Record<string, string>): boolean {
  if (Array.isArray(filter.and)) return filter.and.every((one) => matches(page, one as Part, schema));
  if (Array.isArray(filter.or)) return filter.or.some((one) => matches(page, one as Part, schema));
  const name = String(filter.property);
  const type = schema[name];
  if (type === undefined) throw invalid(`Could not find property with name or id: ${name}`);
  if (!(type in filter)) throw invalid(`filter of property ${name} should be of type ${type}`);
  const { equals, starts_with } = filter[type] as Part;
  if (typeof starts_with === 'string') return textOf(page.properties[name]?.[type]).startsWith(starts_with);
  if (typeof equals !== 'string') throw invalid('body.filter: only equals is known here');
  const value = page.properties[name];
  switch (type) {
    case 'date':
      return (value?.date as Part | undefined)?.start === equals;
    case 'select':
      return (value?.select as Part | undefined)?.name === equals;
    default:
      return textOf(value?.[type]) === equals;
  }
}
