/** Notion: not a channel but a writer of pages, one a day, found again and rewritten when the day is run again. */
import { type BlockObjectRequest, Client, type CreatePageParameters, isHTTPResponseError } from '@notionhq/client';
import { z } from 'zod';
import { oneLine, tidy } from '../core/text.ts';
import { delivered, type Fetch, fromError, fromStatus, type Outcome, rejected, retry, secret } from './channel.ts';

// https://developers.notion.com/reference/request-limits
const RICH_TEXT_MAX = 2_000; // UTF-16 units of one text item
const RICH_TEXTS_MAX = 100; // items of one block or property
const CHILDREN_MAX = 100; // blocks of one request
const LIST_PAGE = 100;
const OPTION_MAX = 100; // name of a select option
const URL_MAX = 2_000;

/** A text property of this name makes a page findable whatever people do to its title. */
const KEY_PROPERTY = 'Tocsin key';
const SEVERITY_PROPERTY = 'Severity';
const NAME_PROPERTY = 'Summary';

const config = z.strictObject({
  token: secret('Integration token', 'Starts with ntn_ or secret_. The database must be shared with the integration.'),
  database_id: z
    .string()
    .regex(/^[0-9a-fA-F-]{32,36}$/, 'expected the 32 hexadecimal digits from the database’s address')
    .meta({ title: 'Database', description: 'Its id: the 32 digits in its address.' }),
  base_url: z
    .url({ protocol: /^https?$/ })
    .default('https://api.notion.com')
    .meta({ title: 'API address', description: 'Only changed for tests and proxies.' }),
  date_property: z
    .string()
    .min(1)
    .default('Date')
    .meta({ title: 'Date property', description: 'The property of type date that tells the day.' }),
});
type Config = z.output<typeof config>;

export interface DailyPage {
  /** `YYYY-MM-DD`. */
  date: string;
  /** The summary's name, as in the configuration; shown where the database has a property `Summary`. */
  name: string;
  title: string;
  severity?: string;
  sections: { heading: string; lines: string[] }[];
  /** Shown at the top, and in the property of the same name where the database has one. */
  facts: Record<string, string>;
  /** What this page is found again by: the same for every run of the same day and summary. */
  key: string;
}

export interface WriteCall {
  config: Config;
  fetch: Fetch;
  /** Aborts at the deadline; every request listens to it. */
  signal: AbortSignal;
  page: DailyPage;
  /** What a Retry-After that is a date is counted from. */
  now?: Date;
}

/**
 * Writes the page of a day, creating it the first time and replacing properties and content afterwards. Safe to
 * repeat: a run that died half way is finished by the next. Delivered with ref `{ page_id, url }`.
 */
async function writePage({ config, fetch, signal, page, now = new Date() }: WriteCall): Promise<Outcome> {
  // The vendor's timeout stops waiting without ending the request, so the signal goes into every fetch instead.
  const notion = new Client({
    auth: config.token,
    baseUrl: config.base_url.replace(/\/+$/, ''),
    retry: false,
    logger: () => undefined,
    fetch: (url, init) => {
      const { agent: _, ...request } = init ?? {};
      return fetch(url, { ...request, redirect: 'manual', signal });
    },
  });
  try {
    const source = await sourceOf(notion, config);
    if ('kind' in source) return source;
    const missing = missingDate(source.schema, config);
    if (missing) return missing;
    const properties = propertiesOf(page, source.schema, config);
    const blocks = blocksOf(page);
    const found = await findPage(notion, source, page, config);
    if (found === undefined) {
      const created = await notion.pages.create({
        parent: { type: 'data_source_id', data_source_id: source.id },
        properties,
        children: blocks.slice(0, CHILDREN_MAX),
      });
      await append(notion, created.id, blocks.slice(CHILDREN_MAX));
      return delivered(refOf(created));
    }
    const updated = await notion.pages.update({ page_id: found, properties });
    // Deleting first makes every attempt come nearer to the end, however often it is cut off.
    await clear(notion, found);
    await append(notion, found, blocks);
    return delivered(refOf(updated));
  } catch (error) {
    return fromNotion(error, signal, now);
  }
}

export const notion = {
  id: 'notion',
  name: 'Notion',
  setup:
    'Create an internal integration, share the database with it (••• → Connections), and give the database a date property. A text property named "Tocsin key" makes pages findable after somebody has renamed them.',
  config,
  sample: { token: 'ntn_sample_not_a_real_one', database_id: '0123456789abcdef0123456789abcdef' },
  writePage,
} as const;

const refOf = (page: { id: string; url?: string }) => ({ page_id: page.id, ...(page.url ? { url: page.url } : {}) });

type Properties = NonNullable<CreatePageParameters['properties']>;
type Schema = Record<string, { type: string }>;
interface Source {
  id: string;
  schema: Schema;
}

/** The one data source of the database (API 2025-09-03: a database is a container of them) and its properties. */
async function sourceOf(notion: Client, { database_id }: Config): Promise<Source | Outcome> {
  const database = await notion.databases.retrieve({ database_id });
  const sources = 'data_sources' in database ? database.data_sources : [];
  const [only, ...others] = sources;
  if (only === undefined) return rejected('config', 'Notion: the database has no data source the integration may see');
  if (others.length > 0) {
    const names = sources.map(({ name }) => oneLine(name).slice(0, 40)).join(', ');
    return rejected(
      'config',
      `Notion: the database has ${sources.length} data sources (${names}); one with a single source is needed`,
    );
  }
  const { properties } = await notion.dataSources.retrieve({ data_source_id: only.id });
  return { id: only.id, schema: properties };
}

function missingDate(schema: Schema, { date_property }: Config): Outcome | undefined {
  if (schema[date_property]?.type === 'date') return undefined;
  const dates = Object.keys(schema).filter((name) => schema[name]?.type === 'date');
  const advice = dates.length ? `set date_property to one of: ${dates.join(', ')}` : 'add one to the database';
  return rejected('config', `Notion: no property "${date_property}" of type date; ${oneLine(advice)}`);
}

/** Title and date always; everything else only where the database has a property of that name and a fitting type. */
function propertiesOf(page: DailyPage, schema: Schema, { date_property }: Config): Properties {
  const properties: Properties = { [date_property]: { date: { start: page.date } } };
  const optional: Record<string, string> = {
    ...page.facts,
    ...(page.severity === undefined ? {} : { [SEVERITY_PROPERTY]: page.severity.toUpperCase() }),
    [KEY_PROPERTY]: page.key,
    [NAME_PROPERTY]: page.name,
  };
  for (const [name, { type }] of Object.entries(schema)) {
    if (type === 'title') properties[name] = { title: richText(oneLine(page.title)).slice(0, RICH_TEXTS_MAX) };
    const text = Object.hasOwn(optional, name) && name !== date_property ? optional[name] : undefined;
    const value = text === undefined ? undefined : propertyOf(type, oneLine(text));
    if (value !== undefined) properties[name] = value;
  }
  return properties;
}

function propertyOf(type: string, text: string): Properties[string] | undefined {
  switch (type) {
    case 'rich_text':
      return { rich_text: richText(text).slice(0, RICH_TEXTS_MAX) };
    case 'select':
      // An option's name may hold no comma.
      return { select: text === '' ? null : { name: text.replaceAll(',', ' ').slice(0, OPTION_MAX).toWellFormed() } };
    case 'number':
      return Number.isFinite(Number(text)) && text !== '' ? { number: Number(text) } : undefined;
    case 'checkbox':
      return { checkbox: /^(true|yes|1)$/i.test(text) };
    case 'url':
      return URL.canParse(text) && text.length <= URL_MAX ? { url: text } : undefined;
    default:
      return undefined;
  }
}

/** The page of an earlier run: by the key where the database has room for it, else by day and title. Oldest first. */
async function findPage(notion: Client, source: Source, page: DailyPage, config: Config): Promise<string | undefined> {
  const title = Object.keys(source.schema).find((name) => source.schema[name]?.type === 'title') ?? 'title';
  const byKey = source.schema[KEY_PROPERTY]?.type === 'rich_text';
  const { results } = await notion.dataSources.query({
    data_source_id: source.id,
    filter: byKey
      ? { property: KEY_PROPERTY, rich_text: { equals: page.key } }
      : {
          and: [
            { property: config.date_property, date: { equals: page.date } },
            { property: title, title: { equals: oneLine(page.title) } },
          ],
        },
    sorts: [{ timestamp: 'created_time', direction: 'ascending' }],
    result_type: 'page',
    page_size: 1,
  });
  return results[0]?.id;
}

async function clear(notion: Client, page_id: string): Promise<void> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const list = await notion.blocks.children.list({
      block_id: page_id,
      page_size: LIST_PAGE,
      ...(cursor ? { start_cursor: cursor } : {}),
    });
    ids.push(...list.results.map(({ id }) => id));
    cursor = list.next_cursor ?? undefined;
  } while (cursor !== undefined);
  for (const block_id of ids) await notion.blocks.delete({ block_id });
}

async function append(notion: Client, block_id: string, blocks: BlockObjectRequest[]): Promise<void> {
  for (let start = 0; start < blocks.length; start += CHILDREN_MAX) {
    await notion.blocks.children.append({ block_id, children: blocks.slice(start, start + CHILDREN_MAX) });
  }
}

/** The content: the facts, then each section as a heading and its lines. */
function blocksOf(page: DailyPage): BlockObjectRequest[] {
  const facts = Object.entries(page.facts).map(([name, value]) => `${oneLine(name)}: ${oneLine(value)}`);
  return [
    ...facts.flatMap(bulleted),
    ...page.sections.flatMap(({ heading, lines }): BlockObjectRequest[] => [
      { type: 'heading_2', heading_2: { rich_text: richText(oneLine(heading)).slice(0, RICH_TEXTS_MAX) } },
      ...lines.flatMap(bulleted),
    ]),
  ];
}

/** One line as one bullet; as several where it is longer than a block may be. */
function bulleted(line: string): BlockObjectRequest[] {
  const items = richText(tidy(line));
  const blocks: BlockObjectRequest[] = [];
  for (let start = 0; start < items.length; start += RICH_TEXTS_MAX) {
    blocks.push({
      type: 'bulleted_list_item',
      bulleted_list_item: { rich_text: items.slice(start, start + RICH_TEXTS_MAX) },
    });
  }
  return blocks;
}

/** The text in items of at most 2,000 UTF-16 units, no surrogate pair cut in two; none for an empty text. */
function richText(text: string): { type: 'text'; text: { content: string } }[] {
  const items: { type: 'text'; text: { content: string } }[] = [];
  for (let start = 0; start < text.length; ) {
    let end = Math.min(text.length, start + RICH_TEXT_MAX);
    // A high surrogate at the end has its other half in the next item: leave both to that one.
    if (end < text.length && /[\ud800-\udbff]/.test(text.charAt(end - 1))) end--;
    items.push({ type: 'text', text: { content: text.slice(start, end) } });
    start = end;
  }
  return items;
}

/** Notion's errors (https://developers.notion.com/reference/status-codes). Its messages quote content: not repeated. */
function fromNotion(error: unknown, signal: AbortSignal, now: Date): Outcome {
  if (!isHTTPResponseError(error)) return fromError(error, signal);
  const { status, code } = error;
  const headers = error.headers instanceof Headers ? error.headers : new Headers();
  const said = `Notion: ${status} ${code}`;
  const limited = fromStatus(status === 529 ? 429 : status, headers, now, said);
  switch (status) {
    case 400: {
      const where = /body\.[\w.[\]]{1,80}/.exec(error.message)?.[0];
      return rejected('payload', where === undefined ? said : `${said} at ${where}`);
    }
    case 401:
      return rejected('auth', `${said}: the token is wrong or was revoked`);
    case 403:
      return rejected('auth', `${said}: the integration needs the capabilities to read, insert and update content`);
    case 404:
      return rejected('config', `${said}: share the database with the integration, and check database_id`);
    case 409:
      return retry('server', `${said}: another change came between`);
    default:
      return limited.kind === 'delivered' ? retry('unforeseen', said) : limited;
  }
}
