/** Addresses in the configuration that nobody will ever be let to call: said at start, not at the first alarm. */
import { z } from 'zod';
import type { Integration, Kind } from './integrations.ts';

/** The rules of the way out, as far as they can tell in advance: why an address is refused, in words. */
export interface Reach {
  check(url: string): string | undefined;
  checkServer(host: string, port: number): string | undefined;
}

/** Every address that is refused among the fields of an integration, which its schema marks as `uri` or `hostname`. */
export function refusedAddresses(
  { config }: Integration,
  kind: Kind,
  reach: Reach,
): { path: string[]; problem: string }[] {
  const walk = (
    node: unknown,
    value: unknown,
    path: string[],
    around: unknown,
  ): { path: string[]; problem: string }[] => {
    if (typeof node !== 'object' || node === null || value === undefined) return [];
    const { format, properties, additionalProperties, items, anyOf } = node as Record<string, unknown>;
    if (typeof value === 'string') {
      const problem =
        format === 'uri'
          ? reach.check(value)
          : format === 'hostname'
            ? reach.checkServer(value, Number((around as { port?: unknown } | undefined)?.port))
            : undefined;
      if (problem !== undefined) return [{ path, problem }];
    }
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
