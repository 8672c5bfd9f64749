/** The one way out: HTTP and name look-ups that cannot be led to a private address, whatever a configuration says. */
import { lookup as systemLookup } from 'node:dns/promises';
import { isIP, type LookupFunction, type Socket } from 'node:net';
import { Agent, buildConnector, FormData, Response, fetch as undiciFetch } from 'undici';
import { plainHost } from './addresses.ts';
import { createRules, type Trust } from './rules.ts';

export interface Egress {
  /** The standard `fetch`; it follows no redirect, and reads at most 1 MB. Give it a signal: that is the total deadline. */
  fetch: typeof globalThis.fetch;
  /**
   * The address to connect to, for protocols other than HTTP (SMTP).
   * @throws EgressBlocked where the rules forbid the host or the port; the look-up's own error where there is no such name.
   */
  resolve(host: string, port: number): Promise<string>;
  /** For the moment a configuration is saved: why this URL would be refused, in words; undefined where it would not. */
  check(url: string): string | undefined;
  close(): Promise<void>;
}

/** All addresses of a name; rejects (ENOTFOUND) where there are none. */
export type ResolveHost = (host: string) => Promise<string[]>;

/**
 * Refused by the rules. The message is the same whatever the reason, and names no address: otherwise whoever may
 * configure a webhook could map the network with it. Only what is blocked is alike: of a host that may be called, the
 * connection's own error is told (refused, no such name, no answer in time). Who may test an integration is an operator,
 * trusted to see why it fails; of what is inside they learn at most that a name of it is known to our resolver.
 */
export class EgressBlocked extends Error {
  override readonly name = 'EgressBlocked';
  readonly code = 'EGRESS_BLOCKED';
  constructor(host: string) {
    super(`${host.slice(0, 255)} is not allowed by the egress rules (egress.allow in the configuration)`);
  }
}

/** The answer is longer than any provider's; nothing beyond the limit was read. */
class AnswerTooLong extends Error {
  override readonly name = 'AnswerTooLong';
  readonly code = 'ANSWER_TOO_LONG';
  constructor() {
    super(`the answer is longer than ${ANSWER_LIMIT_BYTES / 1_000_000} MB`);
  }
}

/** Providers answer with a few KB; what is more is a mistake or an attack. */
const ANSWER_LIMIT_BYTES = 1_000_000;
const CONNECT_LIMIT_MS = 10_000;
/** Idle limits behind the caller's deadline, for a caller that forgot it: one byte a second would outlive these. */
const IDLE_LIMIT_MS = 30_000;

/** Set by the connection itself; from a template they would smuggle a request or borrow another host's or caller's name. */
const OWN_HEADERS =
  /^(host|connection|content-length|transfer-encoding|keep-alive|upgrade|te|trailer|expect|via|forwarded|x-forwarded-.*|x-real-ip|proxy-.*)$/;

/**
 * @param input.allow CIDRs, addresses and host names that may be called although they are private, over plain HTTP and
 *   on any port.
 * @param input.ports further ports of public hosts.
 * @throws Error naming an entry of `allow` that cannot be read.
 */
export function createEgress(input: { allow: string[]; ports?: number[]; resolveHost?: ResolveHost }): Egress {
  const { allow, ports, resolveHost = systemAddresses } = input;
  const rules = createRules({ allow, ports });

  /** The addresses of a host, all of them good. One bad answer refuses the name: the next look-up may give that one. */
  const addressesOf = async (host: string, trust: Trust): Promise<string[]> => {
    const plain = plainHost(host);
    const addresses = isIP(plain) ? [plain] : await resolveHost(plain);
    if (!addresses.every((address) => rules.mayCall(address, trust))) throw new EgressBlocked(plain);
    return addresses;
  };

  const connectorOf = (trust: Trust): buildConnector.connector => {
    const lookup: LookupFunction = (host, options, done) => {
      addressesOf(host, trust).then(
        (found) => {
          const all = found.map((address) => ({ address, family: isIP(address) }));
          const [first] = all;
          if (options.all) done(null, all);
          else done(null, first?.address ?? '', first?.family ?? 0);
        },
        (error: NodeJS.ErrnoException) => done(error, '', 0),
      );
    };
    const connect = buildConnector({ lookup, timeout: CONNECT_LIMIT_MS, allowH2: false });
    return (options, done) => {
      const host = plainHost(options.hostname);
      // A look-up is not made for an address in the URL, so it is looked at here.
      if (isIP(host) && !rules.mayCall(host, trust)) return done(new EgressBlocked(host), null);
      return connect({ ...options, hostname: host }, (...[error, socket]) => {
        if (error) return done(error, null);
        if (rules.mayCall(peerOf(socket), trust)) return done(null, socket);
        socket.destroy();
        return done(new EgressBlocked(host), null);
      });
    };
  };
  const connectors = { any: connectorOf('any'), allowed: connectorOf('allowed'), public: connectorOf('public') };
  const agent = new Agent({
    // Pools are kept per origin, and so is trust: a pooled socket was checked by the same rule.
    connect: (options, done) => connectors[rules.trustOfUrl(options)](options, done),
    maxResponseSize: ANSWER_LIMIT_BYTES,
    headersTimeout: IDLE_LIMIT_MS,
    bodyTimeout: IDLE_LIMIT_MS,
  });

  const guarded = async (target: string | URL | Request, init: RequestInit = {}): Promise<unknown> => {
    const request = typeof target === 'string' || target instanceof URL ? undefined : target;
    const url = String(request ? request.url : target);
    if (rules.check(url) !== undefined) throw new EgressBlocked(hostOf(url));
    const given = request ? { ...partsOf(request), ...init } : init;
    const options = {
      ...given,
      headers: headersOf(given.headers),
      body: bodyOf(given.body),
      redirect: 'manual',
      dispatcher: agent,
    };
    try {
      return limited(await undiciFetch(url, options as NonNullable<Parameters<typeof undiciFetch>[1]>));
    } catch (error) {
      throw blockedWithin(error) ?? error;
    }
  };

  return {
    fetch: guarded as unknown as typeof globalThis.fetch,
    check: rules.check,
    resolve: async (host, port) => {
      const [first] = await addressesOf(host, rules.trustOfServer(host, port));
      if (first === undefined) throw new EgressBlocked(host);
      return first;
    },
    close: () => agent.destroy(),
  };
}

const systemAddresses: ResolveHost = async (host) =>
  (await systemLookup(host, { all: true })).map(({ address }) => address);

/** Where the socket really ended up; a peer that is gone already is nowhere good. */
const peerOf = (socket: Socket): string => socket.remoteAddress ?? '';

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).hostname || 'this URL' : 'this URL');

/** undici wraps what the connector says in "fetch failed". */
function blockedWithin(error: unknown): EgressBlocked | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (at instanceof EgressBlocked) return at;
  }
  return undefined;
}

/** A Request of Node's own fetch is another class than the package's: only its parts can be handed over. */
function partsOf({ method, headers, body, signal }: Request): RequestInit {
  return body ? { method, headers, body, signal, duplex: 'half' } : { method, headers, signal };
}

function headersOf(given: RequestInit['headers']): [string, string][] {
  const headers = new Headers(given ?? {});
  for (const name of [...headers.keys()]) if (OWN_HEADERS.test(name)) headers.delete(name);
  if (!headers.has('user-agent')) headers.set('user-agent', 'Tocsin');
  headers.set('accept-encoding', 'identity'); // A small answer must not unfold into a large one.
  return [...headers];
}

/** A form of Node's own fetch is another class than the package's, which would send it as `[object FormData]`. */
function bodyOf(body: RequestInit['body']): unknown {
  if (!(body instanceof globalThis.FormData)) return body;
  const form = new FormData();
  for (const [name, value] of body) {
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, value, value.name);
  }
  return form;
}

/**
 * The answer with its body cut off by an error after 1 MB. The agent counts the bytes of the line; this counts what
 * they unfold to where a server compresses although it was asked not to.
 */
function limited(answer: Response): Response {
  if (answer.body === null) return answer;
  let size = 0;
  const body = answer.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        size += chunk.byteLength;
        if (size > ANSWER_LIMIT_BYTES) controller.error(new AnswerTooLong());
        else controller.enqueue(chunk);
      },
    }),
  );
  const { status, statusText, headers, url } = answer;
  const copy = new Response(body, { status, statusText, headers });
  Object.defineProperty(copy, 'url', { value: url });
  return copy;
}
