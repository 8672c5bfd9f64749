/** Notion: not a channel but a writer of pages, one a day, found again and rewritten when the day is run again. */
import type { BlockObjectRequest, Client } from '@notionhq/client';
import { z } from 'zod';
import { oneLine } from '../core/text.ts';
import { type CheckCall, delivered, type Fetch, type Outcome, rejected, secret } from './channel.ts';
import { clientFor, fromNotion, type Schema, type Source, sourceOf } from './notion/api.ts';
import {
  bulleted,
  CHILDREN_MAX,
  LIST_PAGE,
  optionName,
  type Properties,
  RICH_TEXTS_MAX,
  richText,
  URL_MAX,
} from './notion/content.ts';

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
  const notion = clientFor({ config, fetch, signal });
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

/** Whether the token sees the database, and whether a day can be written there; writes nothing. */
async function check({ config, fetch, signal, now }: CheckCall<Config>): Promise<Outcome> {
  try {
    const source = await sourceOf(clientFor({ config, fetch, signal }), config);
    return 'kind' in source ? source : (missingDate(source.schema, config) ?? delivered());
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
  check,
} as const;

const refOf = (page: { id: string; url?: string }) => ({ page_id: page.id, ...(page.url ? { url: page.url } : {}) });

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
      return { select: text === '' ? null : { name: optionName(text) } };
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
