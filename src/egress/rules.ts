/** The rules of the way out, before anything is called: which host is trusted how far, and what is refused in advance. */
import { isIP } from 'node:net';
import { type AllowList, isAllowed, isPublic, parseAllowList, plainHost } from './addresses.ts';

/** How far a host is trusted: `any` address (it is named in the list), only `allowed` ones, or also `public` ones. */
export type Trust = 'any' | 'allowed' | 'public';

export interface Rules {
  trustOfUrl(url: { protocol: string; hostname: string; port: string }): Trust;
  /** Of the server of another protocol than HTTP: SMTP. */
  trustOfServer(host: string, port: number): Trust;
  mayCall(address: string, trust: Trust): boolean;
  /** For the moment a configuration is saved: why this URL would be refused, in words; undefined where it would not. */
  check(url: string): string | undefined;
  /** The same of a server of another protocol. */
  checkServer(host: string, port: number): string | undefined;
}

/** Ports that need no permission: HTTPS and its usual stand-ins, and mail submission and relay. */
const HTTP_PORTS = [443, 80, 8443];
const SMTP_PORTS = [25, 465, 587, 2525];

/** Names that mean an inside address wherever they are asked (RFC 6761 section 6.3; Google Cloud's metadata server). */
const INSIDE_NAMES: Record<string, string> = { localhost: '127.0.0.1', 'metadata.google.internal': '169.254.169.254' };

/**
 * @param input.allow CIDRs, addresses and host names that may be called although they are private, over plain HTTP and
 *   on any port.
 * @param input.ports further ports of public hosts.
 * @throws Error naming an entry of `allow` that cannot be read.
 */
export function createRules({ allow, ports = [] }: { allow: string[]; ports?: number[] | undefined }): Rules {
  const list = parseAllowList(allow);
  const httpPorts = new Set([...HTTP_PORTS, ...ports]);
  const serverPorts = new Set([...SMTP_PORTS, ...ports]);

  const trustOf = (host: string, ordinary: boolean): Trust =>
    list.names.has(plainHost(host)) ? 'any' : ordinary ? 'public' : 'allowed';
  const trustOfUrl: Rules['trustOfUrl'] = ({ protocol, hostname, port }) =>
    trustOf(hostname, protocol === 'https:' && httpPorts.has(Number(port || 443)));
  const trustOfServer: Rules['trustOfServer'] = (host, port) => trustOf(host, serverPorts.has(port));

  /** Why this host is refused; `unusual` says what is, where it is not the address. */
  const refusal = (given: string, trust: Trust, unusual: () => string): string | undefined => {
    const host = plainHost(given);
    const address = isIP(host) ? host : insideAddressOf(host);
    if (trust !== 'any' && address !== undefined && !mayCall(address, 'public', list)) {
      return `${host} is a private or reserved address; list it under egress.allow if it is meant`;
    }
    // A name's addresses are known only when it is called: with CIDRs allowed it may turn out to be one of those.
    const hopeless = address === undefined ? list.cidrs.length === 0 : !mayCall(address, 'allowed', list);
    return trust === 'allowed' && hopeless ? unusual() : undefined;
  };
  const unusualPort = (port: string, others: Set<number>): string =>
    `port ${port} is only for hosts listed under egress.allow (others: ${[...others].join(', ')})`;

  return {
    trustOfUrl,
    trustOfServer,
    mayCall: (address, trust) => mayCall(address, trust, list),
    check(text) {
      if (!URL.canParse(text)) return 'this is not a URL';
      const url = new URL(text);
      if (url.protocol !== 'https:' && url.protocol !== 'http:')
        return `the URL must begin with https:// (found ${url.protocol})`;
      if (url.username !== '' || url.password !== '') return 'the URL must not hold a user name or a password';
      return refusal(url.hostname, trustOfUrl(url), () =>
        url.protocol === 'http:'
          ? 'the URL must begin with https://; plain http is only for hosts listed under egress.allow'
          : unusualPort(url.port, httpPorts),
      );
    },
    checkServer: (host, port) =>
      refusal(asNumbered(host), trustOfServer(host, port), () => unusualPort(String(port), serverPorts)),
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

/** The system's look-up takes `127.1` and `0x7f000001` for 127.0.0.1, as a URL does: written as four numbers. */
function asNumbered(host: string): string {
  const plain = plainHost(host);
  return isIP(plain) ? plain : (URL.parse(`https://${plain}/`)?.hostname ?? plain);
}

const insideAddressOf = (host: string): string | undefined =>
  host.endsWith('.localhost')
    ? INSIDE_NAMES.localhost
    : Object.hasOwn(INSIDE_NAMES, host)
      ? INSIDE_NAMES[host]
      : undefined;
