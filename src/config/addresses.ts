/** Addresses in the configuration that nobody will ever be let to call: said at start, not at the first alarm. */
import { z } from 'zod';
import type { Integration, Kind } from './integrations.ts';

/** The rules of the way out, as far as they can tell in advance: why an address is refused, in words. */
export interface Reach {
  check(url: string): string | undefined;
  checkServer(host: string, port: number): string | undefined;
}

export interface Address {
  path: string[];
  format: 'uri' | 'hostname';
  text: string;
  /** Of a server, where a port stands beside its host. */
  port: number;
}

/** Every address among the fields of an integration, which its schema marks as `uri` or `hostname`. */
export function addressesIn(config: unknown, kind: Pick<Kind, 'config'>): Address[] {
  const walk = (node: unknown, value: unknown, path: string[], around: unknown): Address[] => {
    if (typeof node !== 'object' || node === null || value === undefined) return [];
    const { format, properties, additionalProperties, items, anyOf } = node as Record<string, unknown>;
    if (typeof value === 'string' && (format === 'uri' || format === 'hostname'))
      return [{ path, format, text: value, port: Number((around as { port?: unknown } | undefined)?.port) }];
    const within = (inner: unknown): [string, unknown][] =>
      typeof inner === 'object' && inner !== null ? Object.entries(inner) : [];
    return [
      ...within(properties).flatMap(([name, field]) =>
        walk(field, within(value).find(([key]) => key === name)?.[1], [...path, name], value),
      ),
      ...within(value).flatMap(([name, field]) => [
        ...walk(additionalProperties, field, [...path, name], value),
        ...walk(items, field, [...path, name], value),
      ]),
      ...(Array.isArray(anyOf) ? anyOf.flatMap((inner) => walk(inner, value, path, around)) : []),
    ];
  };
  return walk(z.toJSONSchema(kind.config, { io: 'input', unrepresentable: 'any' }), config, [], undefined);
}

/** Every address that is refused among the fields of an integration. */
export const refusedAddresses = (
  { config }: Pick<Integration, 'config'>,
  kind: Pick<Kind, 'config'>,
  reach: Reach,
): { path: string[]; problem: string }[] =>
  addressesIn(config, kind).flatMap(({ path, format, text, port }) => {
    const problem = format === 'uri' ? reach.check(text) : reach.checkServer(text, port);
    return problem === undefined ? [] : [{ path, problem }];
  });

/** Whom an address leads to: what is given to one must not be sent to another. */
export const originOf = ({ format, text }: Pick<Address, 'format' | 'text'>): string =>
  format === 'uri' ? (URL.parse(text)?.origin ?? text) : text.toLowerCase();
