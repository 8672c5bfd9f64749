/** What all fake vendors share: a server on a port of its own, a record one can wait on, and scripted answers. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const WAIT_MS = 10_000;
const SEEN_MAX = 2_000;

export interface Recorder<Item> {
  /** Everything recorded so far, oldest first. Live: the same array all the time. */
  items: Item[];
  add(item: Item): void;
  /** To be called after an item was changed in place. */
  changed(): void;
  /**
   * The first item, recorded already or still to come, for which `predicate(item, all)` holds.
   * Rejects after `timeoutMs` with what was seen instead.
   */
  waitFor(predicate: (item: Item, all: readonly Item[]) => boolean, timeoutMs?: number): Promise<Item>;
}

export function createRecorder<Item>(what: string): Recorder<Item> {
  const items: Item[] = [];
  const waiting = new Set<() => void>();
  const changed = () => {
    for (const look of [...waiting]) look();
  };
  return {
    items,
    changed,
    add(item) {
      items.push(item);
      changed();
    },
    waitFor(predicate, timeoutMs = WAIT_MS) {
      return new Promise((resolve, reject) => {
        const look = () => {
          const found = items.find((item) => predicate(item, items));
          if (found === undefined) return;
          done();
          resolve(found);
        };
        const timer = setTimeout(() => {
          done();
          const seen = JSON.stringify(items.map(brief)).slice(0, SEEN_MAX);
          reject(new Error(`${what}: none as awaited within ${timeoutMs} ms; seen ${items.length}: ${seen}`));
        }, timeoutMs);
        const done = () => {
          clearTimeout(timer);
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      });
    },
  };
}

/** An item without what is too long to read in an error, and without what may hold a secret. */
function brief(item: unknown): unknown {
  return JSON.parse(
    JSON.stringify(item, (name, value: unknown) => {
      if (name === 'raw' || name === 'headers' || name === 'blocks' || name === 'attachments') return undefined;
      return typeof value === 'string' && value.length > 200 ? `${value.slice(0, 200)}…` : value;
    }) ?? 'null',
  );
}

/** One scripted answer; without one the fake answers as the vendor does. */
export interface Answer {
  /** Default 200. */
  status?: number;
  headers?: Record<string, string>;
  json?: unknown;
  text?: string;
  /** Never answer. */
  hang?: true;
  /** Cut the connection instead of answering. */
  reset?: true;
  /** Do what was asked all the same: `{ reset: true, accept: true }` is the answer that gets lost on its way. */
  accept?: true;
  /** Keep this answer for a request whose path ends so: `chat.update`. */
  path?: string;
}

export interface Hit {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  raw: Buffer;
}

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  json?: unknown;
  text?: string;
}

export interface HttpFake {
  url: string;
  /** Every request, whatever was answered. */
  requests: Recorder<Hit>;
  script(answers: Answer[]): void;
  close(): Promise<void>;
}

/** An HTTP server on 127.0.0.1; `handle` answers what no scripted answer is left for. */
export async function startHttpFake(what: string, handle: (hit: Hit) => Reply): Promise<HttpFake> {
  const requests = createRecorder<Hit>(`${what}: requests`);
  const script: Answer[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('error', () => undefined); // the client went away; nothing to answer
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://fake');
      const hit: Hit = {
        method: request.method ?? 'GET',
        path: pathname,
        query: searchParams,
        headers: request.headers,
        raw: Buffer.concat(chunks),
      };
      const at = script.findIndex(({ path }) => path === undefined || pathname.endsWith(path));
      const [scripted] = at < 0 ? [] : script.splice(at, 1);
      const reply = scripted === undefined || scripted.accept ? guarded(() => handle(hit)) : undefined;
      requests.add(hit);
      if (scripted?.hang) return;
      if (scripted?.reset) {
        request.socket.destroy();
        return;
      }
      const answersItself = scripted && ['status', 'json', 'text'].some((name) => name in scripted);
      write(response, answersItself || !reply ? { status: 200, ...scripted } : reply);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    script: (answers) => void script.push(...answers),
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}

/** A fault of the fake is seen by the test as what it is, not as a hanging request. */
function guarded(handle: () => Reply): Reply {
  try {
    return handle();
  } catch (error) {
    return { status: 500, text: `the fake failed: ${error instanceof Error ? error.stack : String(error)}` };
  }
}

function write(response: ServerResponse, { status, headers = {}, json, text }: Reply): void {
  const body = json === undefined ? (text ?? '') : JSON.stringify(json);
  const type = json === undefined ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8';
  response.writeHead(status, { 'content-type': type, ...headers });
  response.end(body);
}
