/** Which addresses may be called: what is public, and what the operator has allowed beside that. */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Cidr = [Address, number];

export interface AllowList {
  /** Host names in lower case, without a final dot. */
  names: ReadonlySet<string>;
  cidrs: readonly Cidr[];
}

/** Azure's metadata and DNS host: an ordinary public address by its range, and a way into the machine all the same. */
const AZURE_WIRE_SERVER = '168.63.129.16';

/** IPv4-compatible IPv6 (RFC 4291 section 2.5.5.1, deprecated), which ipaddr.js counts as unicast. */
const IPV4_COMPATIBLE: Cidr = ipaddr.parseCIDR('::/96');

/**
 * Reads `egress.allow`: CIDRs (`10.0.0.0/8`), single addresses, and host names (`grafana.internal`), each exact.
 * @throws Error naming the entry that is none of these.
 */
export function parseAllowList(entries: readonly string[]): AllowList {
  const names = new Set<string>();
  const cidrs: Cidr[] = [];
  for (const entry of entries) {
    const text = entry.trim();
    if (ipaddr.isValidCIDR(text)) cidrs.push(unmapped(ipaddr.parseCIDR(text)));
    else if (isIP(bare(text))) cidrs.push(singleAddress(bare(text)));
    else if (/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?$/i.test(text) && !text.includes('..')) names.add(plainHost(text));
    else throw new Error(`egress.allow: "${entry}" is neither a CIDR (10.0.0.0/8), an address nor a host name`);
  }
  return { names, cidrs };
}

/** True where the address lies in one of the allowed CIDRs; false for what is no address. */
export function isAllowed(ip: string, list: AllowList): boolean {
  const address = parse(ip);
  return address !== undefined && list.cidrs.some((cidr) => within(address, cidr));
}

/**
 * True for an address of the public internet: not loopback, private, link-local, carrier-grade, multicast, reserved,
 * documentation, nor any form of IPv6 that carries an IPv4 address inside.
 */
export function isPublic(ip: string): boolean {
  const address = parse(ip);
  if (address === undefined || address.range() !== 'unicast') return false;
  return address.toString() !== AZURE_WIRE_SERVER && !within(address, IPV4_COMPATIBLE);
}

/** A URL's host as it is compared: lower case, without the brackets of IPv6 and without a final dot. */
export const plainHost = (host: string): string => bare(host.toLowerCase()).replace(/\.$/, '');

const bare = (host: string): string => (host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host);

/** IPv4 inside IPv6 (`::ffff:127.0.0.1`) becomes IPv4. */
function parse(ip: string): Address | undefined {
  return ipaddr.isValid(ip) ? ipaddr.process(ip) : undefined;
}

function within(address: Address, [net, bits]: Cidr): boolean {
  return address.kind() === net.kind() && address.match(net as never, bits);
}

function singleAddress(ip: string): Cidr {
  const address = ipaddr.process(ip);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}

/** `::ffff:10.0.0.0/104` is written as `10.0.0.0/8`, since addresses are compared so. */
function unmapped([net, bits]: Cidr): Cidr {
  return net instanceof ipaddr.IPv6 && net.isIPv4MappedAddress() && bits >= 96
    ? [net.toIPv4Address(), bits - 96]
    : [net, bits];
}
