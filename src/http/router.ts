/** Endpoints mounted in Express: who may call, how often, the body, the answer; the same steps for all of them. */
import express, {
  type ErrorRequestHandler,
  type Request,
  type RequestHandler,
  type Response,
  type Router,
} from 'express';
import { statusClass } from '../observe/metrics.ts';
import { type Auth, type Caller, forbidden, scopeAllows } from './auth.ts';
import { bodyReader, requireJson } from './body.ts';
import { type Buckets, createBuckets, type Rate } from './bucket.ts';
import { askedLater, type Capacity, createCapacity, isOverload } from './capacity.ts';
import type { Deps } from './deps.ts';
import type { Answer, Arrived, Dialect, Endpoint } from './endpoint.ts';
import { documentOf, PROBLEM_MEDIA_TYPE, Problem, problemOf, tooMany } from './problem.ts';
import { createRefusals, type NoteRefusal } from './refusals.ts';

/** Generous: a key that asks more often than this is in a loop. */
export const KEY_RATE: Rate = { per_second: 20_000, burst: 40_000 };

/** The caller of endpoints that ask for no key. */
const NOBODY: Caller = { id: 'none', name: 'nobody', scopes: [] };

const requestIdOf = (response: Response): string => String(response.locals.request_id);

/** One router of these endpoints; other methods on their paths are answered 405. */
export function routerOf(
  endpoints: readonly Endpoint[],
  deps: Pick<Deps, 'ledger' | 'now' | 'metrics' | 'log' | 'limits' | 'rate'>,
  auth: Auth,
): Router {
  const router = express.Router({ caseSensitive: true, strict: true });
  const rate = deps.rate ?? createBuckets(deps.limits?.key ?? KEY_RATE);
  const capacity = createCapacity(deps.limits?.held_bytes);
  const refused = createRefusals(deps);
  // A path that is written out comes before one with a parameter that would take it for a name.
  const paths = Map.groupBy(endpoints, ({ path }) => expressPath(path));
  for (const [path, own] of [...paths].sort(([a], [b]) => Number(a.includes(':')) - Number(b.includes(':')))) {
    for (const endpoint of own)
      router[endpoint.method](path, handlerOf(endpoint, deps, { auth, rate, capacity, refused }));
    const allowed = own.map(({ method }) => method.toUpperCase());
    router.all(path, (request, response) => {
      response.locals.says = own[0]?.says;
      auth.visit(request);
      throw new Problem('method-not-allowed', `here ${allowed.join(' and ')} can be used`, {
        headers: { allow: allowed.join(', ') },
      });
    });
  }
  return router;
}

const expressPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1');

function handlerOf(
  endpoint: Endpoint,
  { now, metrics }: Pick<Deps, 'now' | 'metrics'>,
  { auth, rate, capacity, refused }: { auth: Auth; rate: Buckets; capacity: Capacity; refused: NoteRefusal },
): RequestHandler {
  const readBody = bodyReader(capacity);
  return async (request, response) => {
    const started = performance.now();
    response.locals.endpoint = endpoint.path;
    response.locals.says = endpoint.says;
    response.once('close', () => {
      metrics.httpRequests.inc({ route: endpoint.path, status: statusClass(response.statusCode) });
      metrics.httpSeconds.observe({ route: endpoint.path }, (performance.now() - started) / 1_000);
    });
    const hungUp = new AbortController();
    // Aborting costs as much as reading a small event (measured): only who has left before the end is worth it.
    response.once('close', () => {
      if (!response.writableFinished) hungUp.abort();
    });

    const params = paramsOf(request);
    response.locals.full = endpoint.full?.(params);
    const check = await endpoint.proof?.(params);
    const caller = check
      ? { ...NOBODY, id: `proof:${request.path}` }
      : await callerOf(endpoint, request, auth, (who) => refused(who, endpoint, requestIdOf(response)));
    const count = (): void => {
      const wait_ms = endpoint.access === 'open' ? 0 : rate.take(caller.id, now().getTime());
      if (wait_ms > 0) throw tooMany(wait_ms, endpoint.overload?.(params));
    };
    if (!check) count();
    const raw = endpoint.takes ? await readBody(request, response, endpoint.limit(params)) : Buffer.alloc(0);
    if (endpoint.takes && raw.length > 0 && (endpoint.takes.kind === 'json' || endpoint.takes.media === 'json'))
      requireJson(request);
    const at = now();
    const query = request.query as Record<string, unknown>;
    if (check) {
      await auth.prove(request, () => check({ raw, headers: request.headers, query, now: at }));
      count(); // Not before: else anybody could use up what its true sender may send.
    }

    const arrived: Arrived = {
      params,
      query,
      raw,
      headers: request.headers,
      caller,
      request_id: requestIdOf(response),
      now: at,
      signal: hungUp.signal,
    };
    send(response, await endpoint.run(arrived));
  };
}

async function callerOf(
  endpoint: Endpoint,
  request: Request,
  auth: Auth,
  refused: (caller: Caller) => Promise<void>,
): Promise<Caller> {
  if (endpoint.access === 'open') {
    auth.visit(request);
    return NOBODY;
  }
  const caller = await auth.caller(request, { basic: endpoint.basic ?? false });
  if (scopeAllows(caller.scopes, endpoint.access)) return caller;
  await refused(caller);
  throw forbidden(caller, endpoint.access);
}

const paramsOf = ({ params }: Request): Record<string, string> =>
  Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)]));

function send(response: Response, { status, body, type, headers = {} }: Answer): void {
  response.status(status).set(headers);
  if (body === undefined) response.end();
  else if (type === undefined) response.json(body);
  else response.type(type).send(body);
}

/** What nobody has answered; said as the others are in the API that it would be of. */
export const notFound =
  (auth: Auth, says?: Dialect): RequestHandler =>
  (request, response) => {
    response.locals.says = says;
    auth.visit(request);
    throw new Problem('not-found', 'there is nothing at this path; GET /openapi.json lists what there is');
  };

/** Every failure as a problem document; the ones nobody foresaw also as a line of the log. */
export const problems =
  (log: Deps['log']): ErrorRequestHandler =>
  (error: unknown, request, response, _next) => {
    const found = problemOf(error);
    const problem = response.locals.full === 429 && isOverload(found) ? askedLater(found) : found;
    const document = documentOf(problem, requestIdOf(response));
    const where = {
      request_id: document.request_id,
      method: request.method,
      route: response.locals.endpoint,
      status: document.status,
    };
    if (problem.kind === 'internal') log.error({ ...where, err: error }, 'a request failed');
    else if (!(error instanceof Problem) && problem.kind === 'unavailable')
      log.warn({ ...where, err: error }, 'the ledger does not answer');
    else log.debug({ ...where, problem: problem.kind }, 'a request was refused');
    // Nothing can be said any more to who has hung up or has half of an answer.
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    const says: Dialect | undefined = response.locals.says;
    if (says)
      send(response.set(problem.headers), says(problem, document, { method: request.method, path: request.path }));
    else response.status(document.status).set(problem.headers).type(PROBLEM_MEDIA_TYPE).send(JSON.stringify(document));
  };
