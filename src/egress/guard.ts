/** The one way out: HTTP and name look-ups that cannot be led to a private address, whatever a configuration says. */
import { lookup as systemLookup } from 'node:dns/promises';
import { isIP, type LookupFunction, type Socket } from 'node:net';
import { Agent, buildConnector, FormData, Response, fetch as undiciFetch } from 'undici';
import { type AllowList, isAllowed, isPublic, parseAllowList, plainHost } from './addresses.ts';

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
 * configure a webhook could map the network with it.
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

/** Ports that need no permission: HTTPS and its usual stand-ins, and mail submission and relay for `resolve`. */
const HTTP_PORTS = [443, 80, 8443];
const SMTP_PORTS = [25, 465, 587, 2525];
/** Providers answer with a few KB; what is more is a mistake or an attack. */
const ANSWER_LIMIT_BYTES = 1_000_000;
const CONNECT_LIMIT_MS = 10_000;
/** Idle limits behind the caller's deadline, for a caller that forgot it: one byte a second would outlive these. */
const IDLE_LIMIT_MS = 30_000;

/** Names that mean an inside address wherever they are asked (RFC 6761 section 6.3; Google Cloud's metadata server). */
const INSIDE_NAMES: Record<string, string> = { localhost: '127.0.0.1', 'metadata.google.internal': '169.254.169.254' };

/** Set by the connection itself; from a template they would smuggle a request or borrow another host's name. */
const OWN_HEADERS = [
  ...['host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive', 'upgrade', 'te', 'trailer', 'expect'],
  ...[
    'proxy-authorization',
    'proxy-connection',
    'forwarded',
    'x-forwarded-for',
    'x-forwarded-host',
    'x-forwarded-proto',
  ],
];

/** How far a host is trusted: `any` address (it is named in the list), only `allowed` ones, or also `public` ones. */
type Trust = 'any' | 'allowed' | 'public';

/**
 * @param input.allow CIDRs, addresses and host names that may be called although they are private, over plain HTTP and
 *   on any port.
 * @param input.ports further ports of public hosts.
 * @throws Error naming an entry of `allow` that cannot be read.
 */
export function createEgress(input: { allow: string[]; ports?: number[]; resolveHost?: ResolveHost }): Egress {
  const { ports = [], resolveHost = systemAddresses } = input;
  const list = parseAllowList(input.allow);
  const httpPorts = new Set([...HTTP_PORTS, ...ports]);
  const otherPorts = new Set([...SMTP_PORTS, ...ports]);

  const trustOf = (host: string, ordinary: boolean): Trust =>
    list.names.has(plainHost(host)) ? 'any' : ordinary ? 'public' : 'allowed';
  const trustOfUrl = (url: URL | { protocol: string; hostname: string; port: string }): Trust =>
    trustOf(url.hostname, url.protocol === 'https:' && httpPorts.has(Number(url.port || 443)));

  /** The addresses of a host, all of them good. One bad answer refuses the name: the next look-up may give that one. */
  const addressesOf = async (host: string, trust: Trust): Promise<string[]> => {
    const plain = plainHost(host);
    const addresses = isIP(plain) ? [plain] : await resolveHost(plain);
    if (!addresses.every((address) => mayCall(address, trust, list))) throw new EgressBlocked(plain);
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
      if (isIP(host) && !mayCall(host, trust, list)) return done(new EgressBlocked(host), null);
      return connect({ ...options, hostname: host }, (...[error, socket]) => {
        if (error) return done(error, null);
        if (mayCall(peerOf(socket), trust, list)) return done(null, socket);
        socket.destroy();
        return done(new EgressBlocked(host), null);
      });
    };
  };
  const connectors = { any: connectorOf('any'), allowed: connectorOf('allowed'), public: connectorOf('public') };
  const agent = new Agent({
    // Pools are kept per origin, and so is trust: a pooled socket was checked by the same rule.
    connect: (options, done) => connectors[trustOfUrl(options)](options, done),
    maxResponseSize: ANSWER_LIMIT_BYTES,
    headersTimeout: IDLE_LIMIT_MS,
    bodyTimeout: IDLE_LIMIT_MS,
  });

  const check = (text: string): string | undefined => {
    if (!URL.canParse(text)) return 'this is not a URL';
    const url = new URL(text);
    if (url.protocol !== 'https:' && url.protocol !== 'http:')
      return `the URL must begin with https:// (found ${url.protocol})`;
    if (url.username !== '' || url.password !== '') return 'the URL must not hold a user name or a password';
    const host = plainHost(url.hostname);
    const trust = trustOfUrl(url);
    const inside = insideAddressOf(host);
    const address = isIP(host) ? host : inside;
    if (trust !== 'any' && address !== undefined && !mayCall(address, 'public', list)) {
      return `${host} is a private or reserved address; list it under egress.allow if it is meant`;
    }
    // A name's addresses are known only when it is called: with CIDRs allowed it may turn out to be one of those.
    const hopeless = address === undefined ? list.cidrs.length === 0 : !mayCall(address, 'allowed', list);
    if (trust === 'allowed' && hopeless) {
      return url.protocol === 'http:'
        ? 'the URL must begin with https://; plain http is only for hosts listed under egress.allow'
        : `port ${url.port} is only for hosts listed under egress.allow (others: ${[...httpPorts].join(', ')})`;
    }
    return undefined;
  };

  const guarded = async (target: string | URL | Request, init: RequestInit = {}): Promise<unknown> => {
    const request = typeof target === 'string' || target instanceof URL ? undefined : target;
    const url = String(request ? request.url : target);
    if (check(url) !== undefined) throw new EgressBlocked(hostOf(url));
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
    check,
    resolve: async (host, port) => {
      const [first] = await addressesOf(host, trustOf(host, otherPorts.has(port)));
      if (first === undefined) throw new EgressBlocked(host);
      return first;
    },
    close: () => agent.destroy(),
  };
}

function mayCall(address: string, trust: Trust, list: AllowList): boolean {
  switch (trust) {
    case 'any':
      return true;
    case 'allowed':
      return isAllowed(address, list);
    case 'public':
      return isPublic(address) || isAllowed(address, list);
  }
}

const systemAddresses: ResolveHost = async (host) =>
  (await systemLookup(host, { all: true })).map(({ address }) => address);

const insideAddressOf = (host: string): string | undefined =>
  host.endsWith('.localhost')
    ? INSIDE_NAMES.localhost
    : Object.hasOwn(INSIDE_NAMES, host)
      ? INSIDE_NAMES[host]
      : undefined;

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
  for (const name of OWN_HEADERS) headers.delete(name);
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
