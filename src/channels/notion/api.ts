/** The vendor's client with nothing of its own in the way, the data source of a database, and what refusals mean. */
import { Client, isHTTPResponseError } from '@notionhq/client';
import { oneLine } from '../../core/text.ts';
import { type Fetch, fromError, fromStatus, type Outcome, rejected, retry } from '../channel.ts';

export interface Access {
  config: { token: string; base_url: string };
  fetch: Fetch;
  signal: AbortSignal;
}

/** The vendor's timeout stops waiting without ending the request, so the signal goes into every fetch instead. */
export const clientFor = ({ config, fetch, signal }: Access): Client =>
  new Client({
    auth: config.token,
    baseUrl: config.base_url.replace(/\/+$/, ''),
    retry: false,
    logger: () => undefined,
    fetch: async (url, init) => {
      const { agent: _, ...request } = init ?? {};
      const response = await fetch(url, { ...request, redirect: 'manual', signal });
      if (!response.ok) return response;
      // The client takes any JSON for what was asked for, and a page without an id for one that was made.
      const text = await response.text();
      if (!isNotions(text)) throw new NotNotion();
      return new Response(text, { status: response.status });
    },
  });

const NOT_NOTION = 'answered 200, but not in the way Notion does';

/** A 2xx with something else than what Notion says: a page of somebody in between, an error inside. */
class NotNotion extends Error {}

/** Each of its objects says what it is: https://developers.notion.com/reference/intro#conventions */
function isNotions(text: string): boolean {
  try {
    const { object } = JSON.parse(text) as { object?: unknown };
    return typeof object === 'string' && object !== 'error';
  } catch {
    return false;
  }
}

export type Schema = Record<string, { type: string; id?: string }>;
export interface Source {
  id: string;
  schema: Schema;
}

/** The one data source of the database (API 2025-09-03: a database is a container of them) and its properties. */
export async function sourceOf(notion: Client, { database_id }: { database_id: string }): Promise<Source | Outcome> {
  const database = await notion.databases.retrieve({ database_id });
  // A proxy's page is JSON as well, now and then.
  if (typeof database !== 'object' || database === null) return retry('server', NOT_NOTION);
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
  if (typeof properties !== 'object' || properties === null) return retry('server', NOT_NOTION);
  return { id: only.id, schema: properties };
}

/** Notion's errors (https://developers.notion.com/reference/status-codes). Its messages quote content: not repeated. */
export function fromNotion(error: unknown, signal: AbortSignal, now: Date): Outcome {
  if (error instanceof NotNotion) return retry('server', NOT_NOTION, { ambiguous: true });
  if (!isHTTPResponseError(error)) return fromError(error, signal);
  const { status, code } = error;
  const said = `Notion: ${status} ${code}`;
  const limited = fromStatus(status === 529 ? 429 : status, headersIn(error), now, said);
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

/** Those of the guarded fetch are of another class than the global one. */
const headersIn = ({ headers }: { headers: unknown }): Pick<Headers, 'get'> =>
  typeof headers === 'object' && headers !== null && 'get' in headers ? (headers as Headers) : new Headers();
