/** The HTTP door: every router in one Express application, and the server it listens on. */
import { randomUUID } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import express, { type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import { createWaits } from '../ledger/outcomes.ts';
import { alertmanagerSays } from './alertmanager/dialect.ts';
import { alertmanager } from './alertmanager/index.ts';
import { alerts } from './alerts.ts';
import { audit } from './audit.ts';
import { createAuth } from './auth.ts';
import { channels } from './channels.ts';
import { limitConnections } from './connections.ts';
import { deliveries } from './deliveries.ts';
import type { Deps } from './deps.ts';
import { docsPage } from './docs.ts';
import { type Endpoint, endpoint, ok } from './endpoint.ts';
import { events } from './events.ts';
import { health } from './health.ts';
import { heard } from './heard.ts';
import { heartbeats } from './heartbeats.ts';
import { incidents } from './incidents.ts';
import { integrations } from './integrations.ts';
import { keys } from './keys.ts';
import { links } from './links.ts';
import { notify } from './notify.ts';
import { openApiOf } from './openapi.ts';
import { opsgenie } from './opsgenie.ts';
import { STYLE_SOURCE } from './page.ts';
import { pagerduty } from './pagerduty.ts';
import { Problem } from './problem.ts';
import { recovery } from './recovery.ts';
import { notFound, problems, routerOf } from './router.ts';
import { routes } from './routes.ts';
import { silences } from './silences.ts';
import { sources } from './sources.ts';
import { summaries } from './summaries.ts';
import { trigger } from './trigger.ts';

/**
 * The API. `pages` are asked for whatever no endpoint answers (the console); they set their own content security policy.
 * Nothing is listened on yet, and nothing runs in the background.
 */
export function createApp(deps: Deps, pages?: RequestHandler): Express {
  const { attempts, visits } = deps.limits ?? {};
  const auth = deps.auth ?? createAuth({ db: deps.ledger, now: deps.now, attempts, visits });
  const waits = deps.waits ?? createWaits(deps.ledger);
  const endpoints = [
    ...events({ ...deps, waits }),
    ...alerts({ ...deps, waits }),
    ...trigger({ ...deps, waits }),
    ...sources(deps),
    ...pagerduty(deps),
    ...opsgenie(deps),
    ...heartbeats(deps),
    ...alertmanager(deps),
    ...incidents(deps),
    ...links(deps),
    ...heard(deps),
    ...deliveries(deps),
    ...integrations(deps),
    ...channels(),
    ...notify(deps),
    ...recovery(deps),
    ...routes(deps),
    ...silences(deps),
    ...summaries(deps),
    ...keys({ ...deps, auth }),
    ...audit(deps),
    ...health(deps),
  ];
  const app = express();
  app.disable('x-powered-by').disable('etag').set('trust proxy', false).set('query parser', 'simple');
  app.use(withRequestId, plainRequests, helmet(SECURITY), noStore);
  app.use(routerOf([...endpoints, ...documents(endpoints, deps.version)], deps, auth));
  app.use('/api/v2', notFound(auth, alertmanagerSays));
  if (pages) app.use(pages);
  app.use(notFound(auth), problems(deps.log));
  return app;
}

/** The two documents about the endpoints, which they list too. */
function documents(endpoints: Endpoint[], version: string): Endpoint[] {
  const own: Endpoint[] = [
    endpoint({
      method: 'get',
      path: '/openapi.json',
      access: 'open',
      summary: 'This API as an OpenAPI document',
      answers: { 200: { about: 'OpenAPI 3.1', media: 'application/json' } },
      handle: async () => ok(document),
    }),
    endpoint({
      method: 'get',
      path: '/docs',
      access: 'open',
      summary: 'This API as a page to read',
      answers: { 200: { about: 'The page', media: 'text/html' } },
      handle: async () => ({ status: 200, type: 'text/html; charset=utf-8', body: page }),
    }),
  ];
  const document = openApiOf([...endpoints, ...own], version);
  const page = docsPage(document);
  return own;
}

/** Whose id may be taken over into our log: nothing that could forge a line. */
const REQUEST_ID = /^[\w.-]{1,64}$/;

const withRequestId: RequestHandler = (request, response, next) => {
  const given = request.headers['x-request-id'];
  const id = typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
  response.locals.request_id = id;
  response.set('x-request-id', id);
  next();
};

/** Node lets these three through (measured on 24.21); proxies before us could read them in another way than we do. */
const plainRequests: RequestHandler = (request, _response, next) => {
  const hosts = request.rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host');
  if (hosts.length > 1) throw new Problem('bad-request', 'the request has more than one Host header');
  if (request.httpVersionMajor !== 1) throw new Problem('bad-request', 'the request is not of HTTP/1.1');
  if (!request.url.startsWith('/'))
    throw new Problem('bad-request', 'the request names a whole address instead of a path');
  next();
};

const SECURITY: Parameters<typeof helmet>[0] = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      styleSrc: [STYLE_SOURCE],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
  referrerPolicy: { policy: 'no-referrer' },
};

const noStore: RequestHandler = (_request, response, next) => {
  response.set('cache-control', 'no-store');
  next();
};

/** Reference: reliability-security, section 5. Node's own are made for slower networks and more patience. */
const SERVER = {
  headersTimeout: 10_000,
  requestTimeout: 20_000,
  keepAliveTimeout: 5_000,
  /** Of a connection on which nothing moves: longer than any answer takes, so it ends who asks and does not read. */
  timeout: 60_000,
  maxHeaderSize: 16 * 1024,
  connectionsCheckingInterval: 2_000,
};
const CONNECTIONS_MAX = 1_000;
/** Half of them: more than any sender or proxy needs, and the other half is for the others. */
const CONNECTIONS_OF_ONE_MAX = 500;
/** Requests that are being answered may end; what takes longer is cut off. */
const CLOSE_WAIT_MS = 10_000;

export interface Listening {
  /** `http://127.0.0.1:8080`, without a slash at its end. */
  url: string;
  server: Server;
  /** Takes no more connections; resolves when every request has been answered, or 10 seconds have passed. */
  close(): Promise<void>;
}

/**
 * Serves the application; port 0 lets the system choose. Rejects when the address cannot be listened on.
 * `patience`, and `connections` of one address, over the usual ones are for tests, which have less of them.
 */
export async function listen(
  app: Express,
  {
    host,
    port,
    patience = {},
    connections = CONNECTIONS_OF_ONE_MAX,
  }: { host: string; port: number; patience?: Partial<typeof SERVER>; connections?: number },
): Promise<Listening> {
  const { timeout, ...limits } = { ...SERVER, ...patience };
  const server = createServer(limits, app);
  server.timeout = timeout;
  server.maxConnections = CONNECTIONS_MAX;
  limitConnections(server, connections);
  // By connection, and not a set of responses: V8 keeps each table of a set that lost and won members until its next full
  // collection, with all that was in it (measured: 12 KB of every request).
  const last = new Map<Socket, ServerResponse>();
  let isClosing = false;
  server.on('connection', (socket) => socket.once('close', () => last.delete(socket)));
  server.prependListener('request', ({ socket }, response) => {
    if (isClosing) response.setHeader('connection', 'close');
    last.set(socket, response);
  });
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error): void =>
      reject(new Error(`the API cannot listen where HOST and PORT say: ${error.message}`, { cause: error }));
    server.once('error', fail);
    server.listen(port, host, () => {
      server.removeListener('error', fail);
      resolve();
    });
  });
  const { address, family, port: chosen } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${chosen}`,
    server,
    close: () =>
      new Promise((resolve) => {
        // Else a kept-alive connection whose request ends from now on would be waited for until it has idled out.
        isClosing = true;
        for (const response of last.values()) if (!response.headersSent) response.setHeader('connection', 'close');
        const late = setTimeout(() => server.closeAllConnections(), CLOSE_WAIT_MS);
        server.close(() => {
          clearTimeout(late);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}
