/**
 * Notion: an entry of a database for each incident or job, written at its beginning and kept up to date to its end.
 * https://developers.notion.com/reference/post-page
 */
import type { Client } from '@notionhq/client';
import { isHTTPResponseError } from '@notionhq/client';
import { z } from 'zod';
import type { Json } from '../core/event.ts';
import { isPage, type Notice } from '../core/notice.ts';
import { placeholderProblem } from '../core/placeholders.ts';
import { oneLine } from '../core/text.ts';
import { type CheckCall, defineChannel, delivered, type Outcome, type Ref, rejected, secret } from './channel.ts';
import { clientFor, fromNotion, sourceOf } from './notion/api.ts';
import { LIST_PAGE, type Properties, richText } from './notion/content.ts';
import { type Entry, entryKey, entryOf, keyOf, paragraph, USUAL } from './notion/entry.ts';
import { type Described, propertyOf, WRITABLE } from './notion/values.ts';

const PROPERTIES_MAX = 50;
/** Ids that the check names: it is one line. */
const IDS_MAX = 10;
/** Pages of an entry's content that are looked through for a line: the last attempt's is at the end. */
const LISTS_MAX = 10;
/** Ours: a notice is up to five requests, and about three a second are allowed (…/reference/request-limits). */
const NOTICES_A_MINUTE = 36;

const template = z
  .string()
  .max(2_000)
  .superRefine((text, context) => {
    const problem = placeholderProblem(text);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });

const config = z.strictObject({
  token: secret('Integration token', 'Starts with ntn_ or secret_. The database must be shared with the integration.'),
  database_id: z
    .string()
    .regex(/^[0-9a-fA-F-]{32,36}$/, 'expected the 32 hexadecimal digits from the database’s address')
    .meta({ title: 'Database', description: 'Its id: the 32 digits in its address.' }),
  title: template.default('${title}').meta({
    title: 'Title',
    description: 'Of an entry; may hold placeholders: Event: ${type}. In tocsin.yaml $ is doubled.',
  }),
  properties: z
    .record(z.string().min(1).max(200), template)
    .refine((all) => Object.keys(all).length <= PROPERTIES_MAX, `expected at most ${PROPERTIES_MAX} properties`)
    .default({})
    .meta({
      title: 'Properties',
      description: `What is written into which property, by its name or id: { Owner: "\${assignees}" }. By its id it stays whatever it is renamed to; the check names the ids. Besides these, ${Object.keys(USUAL).join(', ')} are filled where the database has them.`,
    }),
  key_property: z.string().min(1).max(200).default('Tocsin').meta({
    title: 'Key property',
    description:
      'A text property, best hidden, by which an entry is found again whatever people do to its title. Its name or id.',
  }),
  base_url: z
    .url({ protocol: /^https?$/ })
    .default('https://api.notion.com')
    .meta({ title: 'API address', description: 'Only changed for tests and proxies.' }),
});
type Config = z.output<typeof config>;

/** The entry before the database is known. Pure; golden files in test/golden/notion-database. */
export const render = (notice: Notice, config: Config): Entry => entryOf(notice, config);

export const notionDatabase = defineChannel({
  id: 'notion-database',
  name: 'Notion (database)',
  setup:
    'Create an internal integration, share the database with it (••• → Connections), and give the database the properties Date (date), Severity and Status (select), TraceId, RequestId, Context and Tocsin (text).',
  config,
  sample: {
    token: 'ntn_sample_not_a_real_one',
    database_id: '0123456789abcdef0123456789abcdef',
    properties: { Owner: '${assignees}', Alerts: '${alert_count}' },
  },
  can: { thread: false, update: true },
  patience: { timeout_ms: 20_000, max_attempts: 4, backoff_ms: 5_000 },
  rate: { count: NOTICES_A_MINUTE, per_ms: 60_000 },

  async send(call) {
    const { config, notice, root, signal, now } = call;
    if (notice.reason === 'summary') {
      return delivered(undefined, 'not written: the page of a day is written by an integration of type notion');
    }
    const notion = clientFor(call);
    try {
      const source = await sourceOf(notion, config);
      if ('kind' in source) return source;
      const entry = render(notice, config);
      const fitted = fittedTo(source.schema as Schema, entry, config);
      // Only a first attempt at a beginning is sure that there is nothing yet.
      const isNew = notice.delivery.attempt === 1 && root === undefined && opens(notice);
      const page_id = pageOf(root) ?? (isNew ? undefined : await entryIn(notion, source, notice, entry, config));
      if (page_id !== undefined) {
        const updated = await update(notion, page_id, entry, fitted, notice);
        if (updated) return delivered(updated, fitted.note);
        if (!isPage(notice.reason)) return delivered(undefined, 'not written: somebody has deleted the entry');
      }
      const title = titleIn(source.schema as Schema) ?? 'title';
      const created = await notion.pages.create({
        parent: { type: 'data_source_id', data_source_id: source.id },
        // Only here: people may give an entry another title later.
        properties: { ...fitted.properties, [title]: { title: richText(entry.title) } },
        children: entry.children,
      });
      return delivered(refOf(created), fitted.note);
    } catch (error) {
      return fromNotion(error, signal, now);
    }
  },

  async find(call) {
    const { config, notice } = call;
    const notion = clientFor(call);
    const source = await sourceOf(notion, config);
    if ('kind' in source) throw new Error('the database could not be asked');
    const schema = source.schema as Schema;
    const key_property = keyIn(schema, config);
    if (key_property === undefined) {
      throw new Error(`Notion cannot be asked: the database has no text property ${config.key_property}`);
    }
    const { results } = await notion.dataSources.query({
      data_source_id: source.id,
      filter: { property: key_property, rich_text: { equals: keyOf(notice) } },
      result_type: 'page',
      page_size: 1,
    });
    return results[0] ? refOf(results[0]) : undefined;
  },

  check,
});

type Schema = Record<string, Described>;

/** A notice by which an incident or a story becomes known. */
const opens = ({ reason, story }: Notice): boolean =>
  reason === 'group_now' ||
  reason === 'group_count' ||
  reason === 'group_wait' ||
  reason === 'test' ||
  story?.phase === 'start';

const pageOf = (root: Ref | undefined): string | undefined =>
  typeof root?.page_id === 'string' ? root.page_id : undefined;
const refOf = (page: { id: string; url?: string }): Ref => ({
  page_id: page.id,
  ...(page.url ? { url: page.url } : {}),
});

/** A property by its name, or by its id for people who rename theirs. */
const nameIn = (schema: Schema, wanted: string): string | undefined =>
  Object.hasOwn(schema, wanted) ? wanted : Object.keys(schema).find((name) => schema[name]?.id === wanted);

/** The name of the property that entries are found by; undefined where there is none, or one that holds no text. */
function keyIn(schema: Schema, { key_property }: Config): string | undefined {
  const name = nameIn(schema, key_property);
  return name !== undefined && schema[name]?.type === 'rich_text' ? name : undefined;
}

const titleIn = (schema: Schema): string | undefined =>
  Object.keys(schema).find((name) => schema[name]?.type === 'title');

interface Fitted {
  properties: Properties;
  /** What was configured and could not be written. */
  note?: string;
}

/** The properties as this database takes them. What it does not take is left out: the entry matters more. */
function fittedTo(schema: Schema, entry: Entry, config: Config): Fitted {
  const properties: Properties = {};
  const left: string[] = [];
  const write = (wanted: string, value: Json): void => {
    // Nothing to say is no reason to wipe out what people have written.
    if (value === null || value === '' || (Array.isArray(value) && value.length === 0)) return;
    const name = nameIn(schema, wanted);
    const property = name === undefined ? undefined : schema[name];
    const fitting = property && propertyOf(property, value);
    if (name !== undefined && fitting !== undefined) properties[name] = fitting;
    else if (Object.hasOwn(config.properties, wanted)) left.push(wanted);
  };
  for (const [wanted, value] of Object.entries(entry.properties)) write(wanted, value);
  const key_property = keyIn(schema, config);
  if (key_property !== undefined) write(key_property, entry.key);
  return left.length === 0
    ? { properties }
    : {
        properties,
        note: `written without ${left.map((name) => `"${oneLine(name)}"`).join(', ')}: the database does not take it; run the check`,
      };
}

/** The entry of this incident: by the key where the database has room for it, else by title and day of its beginning. */
async function entryIn(
  notion: Client,
  source: { id: string; schema: object },
  notice: Notice,
  entry: Entry,
  config: Config,
): Promise<string | undefined> {
  const schema = source.schema as Schema;
  const key_property = keyIn(schema, config);
  const title = titleIn(schema);
  const day = schema.Date?.type === 'date' ? [{ property: 'Date', date: { equals: notice.incident.opened_at } }] : [];
  if (key_property === undefined && (title === undefined || day.length === 0)) return undefined;
  const { results } = await notion.dataSources.query({
    data_source_id: source.id,
    filter:
      key_property !== undefined
        ? { property: key_property, rich_text: { starts_with: `${entryKey(notice)} ` } }
        : { and: [...day, { property: title ?? 'title', title: { equals: entry.title } }] },
    sorts: [{ timestamp: 'created_time', direction: 'ascending' }],
    result_type: 'page',
    page_size: 1,
  });
  return results[0]?.id;
}

/** The line is added before the key says that it was: `find` then never takes half for the whole. Undefined: it is gone. */
async function update(
  notion: Client,
  page_id: string,
  entry: Entry,
  { properties }: Fitted,
  { delivery }: Notice,
): Promise<Ref | undefined> {
  try {
    if (delivery.attempt === 1 || !(await hasLine(notion, page_id, entry.line))) {
      await notion.blocks.children.append({ block_id: page_id, children: [paragraph(entry.line)] });
    }
    return refOf(await notion.pages.update({ page_id, properties }));
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Notion keeps what was deleted for a while, and refuses to change it: "Can't edit block that is archived". */
const isGone = (error: unknown): boolean =>
  isHTTPResponseError(error) &&
  (error.status === 404 || (error.status === 400 && /\b(archived|in trash|in_trash)\b/i.test(error.message)));

async function hasLine(notion: Client, block_id: string, line: string): Promise<boolean> {
  let cursor: string | undefined;
  for (let page = 0; page < LISTS_MAX; page++) {
    const list = await notion.blocks.children.list({
      block_id,
      page_size: LIST_PAGE,
      ...(cursor ? { start_cursor: cursor } : {}),
    });
    const isThere = list.results.some(
      (block) =>
        'paragraph' in block && block.paragraph.rich_text.map(({ plain_text }) => plain_text).join('') === line,
    );
    if (isThere) return true;
    cursor = list.next_cursor ?? undefined;
    if (cursor === undefined) return false;
  }
  return false;
}

/** Whether the token sees the database, and whether the database has what is to be written. */
async function check(call: CheckCall<Config>): Promise<Outcome> {
  const { config, signal, now } = call;
  try {
    const source = await sourceOf(clientFor(call), config);
    if ('kind' in source) return source;
    const schema = source.schema as Schema;
    const problems = Object.keys(config.properties).flatMap((wanted) => {
      const name = nameIn(schema, wanted);
      if (name === undefined) return [`"${oneLine(wanted)}" is missing`];
      const type = schema[name]?.type ?? '';
      return WRITABLE.includes(type) ? [] : [`"${oneLine(wanted)}" is of type ${type}, which cannot be written`];
    });
    const keyName = nameIn(schema, config.key_property);
    const key = keyName === undefined ? undefined : schema[keyName];
    if (key && key.type !== 'rich_text') {
      problems.push(`"${oneLine(config.key_property)}" is of type ${key.type}; text is needed`);
    }
    if (problems.length > 0) return rejected('config', `Notion: in the database ${problems.join(', ')}`);
    const notes = [absentIn(schema, config, key !== undefined), idsIn(schema, config)];
    return delivered(undefined, notes.filter((note) => note !== undefined).join('. ') || undefined);
  } catch (error) {
    return fromNotion(error, signal, now);
  }
}

/** What the database could have and has not, so that entries go without. */
function absentIn(schema: Schema, config: Config, hasKey: boolean): string | undefined {
  const wanted = Object.keys(USUAL).filter((name) => !Object.hasOwn(config.properties, name));
  const absent = [
    ...wanted.filter((name) => !WRITABLE.includes(schema[name]?.type ?? '')),
    ...(hasKey ? [] : [config.key_property]),
  ];
  if (absent.length === 0) return undefined;
  const search = `, and without ${config.key_property} an entry is found again by its title and date only`;
  return `the database is there; entries go without ${absent.join(', ')}: it has no such properties${hasKey ? '' : search}`;
}

/** Notion shows nobody the ids of properties, and a name is lost when people give another. */
function idsIn(schema: Schema, { properties }: Config): string | undefined {
  const named = Object.keys(properties).flatMap((name) => {
    const id = Object.hasOwn(schema, name) ? schema[name]?.id : undefined;
    return id === undefined ? [] : [`"${oneLine(name)}" is ${oneLine(id)}`];
  });
  return named.length === 0
    ? undefined
    : `mapped by name, which a renaming undoes; by id it would not: ${named.slice(0, IDS_MAX).join(', ')}`;
}
