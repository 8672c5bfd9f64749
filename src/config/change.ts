/** What a change leaves of an integration's fields: what is kept, what is taken away, and which secrets go with their address. */
import { secretPaths } from '../channels/index.ts';
import type { Json } from '../core/event.ts';
import type { SecretField } from '../core/stored.ts';
import { addressesIn, originOf } from './addresses.ts';
import type { Kind } from './integrations.ts';

type Fields = { [field: string]: Json };

/** RFC 7396: what is given replaces what was there, field by field; `null` takes it away. */
export function merged(old: Json | undefined, patch: Json): Json {
  if (!isFields(patch)) return patch;
  const result: Fields = isFields(old) ? { ...old } : {};
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete result[field];
    else result[field] = merged(result[field], value);
  }
  return result;
}

/** The fields without the secret ones, and these by their paths. */
export function withoutSecrets(config: Fields, kind: Pick<Kind, 'config'>): { config: Fields; secrets: SecretField[] } {
  const copy = structuredClone(config);
  const secrets: SecretField[] = [];
  const take = (within: Json | undefined, [step, ...rest]: string[], path: string[]): void => {
    if (step === undefined || typeof within !== 'object' || within === null) return;
    const fields = within as Fields;
    for (const name of step === '*' ? Object.keys(fields) : Object.hasOwn(fields, step) ? [step] : []) {
      const here = [...path, name];
      const value = fields[name];
      if (rest.length > 0) take(value, rest, here);
      else if (value !== undefined && !secrets.some(([known]) => isSame(known, here))) {
        secrets.push([here, value]);
        if (Array.isArray(within)) fields[name] = null;
        else delete fields[name];
      }
    }
  };
  for (const path of secretPaths(kind.config)) take(copy, path, []);
  return { config: copy, secrets };
}

/** The fields with the secret ones where they belong. */
export function withSecrets(config: Fields, secrets: readonly SecretField[]): Fields {
  const copy = structuredClone(config);
  for (const [path, value] of secrets) {
    let within = copy;
    for (const step of path.slice(0, -1)) {
      if (typeof within[step] !== 'object' || within[step] === null) within[step] = {};
      within = within[step] as Fields;
    }
    const last = path.at(-1);
    if (last !== undefined) within[last] = value;
  }
  return copy;
}

/**
 * Paths of secrets that were kept and would now be sent somewhere else: an address leads to where none led before, and the
 * change does not give them anew. A secret that is itself an address is sent to nobody else.
 */
export function strayedSecrets(
  before: { config: unknown; secrets: readonly SecretField[] },
  after: { config: unknown; patch: Json },
  kind: Pick<Kind, 'config'>,
): string[][] {
  const known = new Set(addressesIn(before.config, kind).map(originOf));
  const addresses = addressesIn(after.config, kind);
  if (addresses.every((address) => known.has(originOf(address)))) return [];
  const isAddress = (path: string[]): boolean => addresses.some((address) => isSame(address.path, path));
  return before.secrets.flatMap(([path]) => (isAddress(path) || isGiven(after.patch, path) ? [] : [path]));
}

/** The fields without what stands at these paths. */
export const without = (config: Fields, paths: readonly string[][]): Fields =>
  paths.reduce<Fields>((left, path) => merged(left, nullAt(path)) as Fields, config);

const nullAt = (path: readonly string[]): Json => path.reduceRight<Json>((inner, step) => ({ [step]: inner }), null);

/** Whether the change says anything of what stands at the path, or of what it is in. */
function isGiven(patch: Json | undefined, path: readonly string[]): boolean {
  const [step, ...rest] = path;
  if (step === undefined || !isFields(patch)) return true;
  return Object.hasOwn(patch, step) && isGiven(patch[step], rest);
}

const isFields = (value: Json | undefined): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isSame = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((step, at) => step === other[at]);
