/** The fields of one mapping in an alertmanager.yml, and which of them nobody asked for. */
import { objectIn, textIn, textsIn } from '../../core/unchecked.ts';

export interface Fields {
  /** A text; undefined where there is none or an empty one. */
  text(name: string): string | undefined;
  flag(name: string): boolean | undefined;
  /** The entries of a list, or the one thing that stands in its place. */
  list(name: string): unknown[];
  texts(name: string): Record<string, string>;
  within(name: string): Fields;
  has(name: string): boolean;
  /** Names of fields that say something and were not asked for, `http_config.proxy_url` within another. */
  rest(): string[];
}

/** Words for true in YAML 1.1, which Alertmanager reads: https://yaml.org/type/bool.html */
const TRUE = /^(true|yes|on|y)$/i;

/** Reads `value`, whose scalars are texts all of them; one that is no mapping has no fields. */
export function fieldsOf(value: unknown): Fields {
  const given = objectIn(value);
  const asked = new Set<string>();
  const inner = new Map<string, Fields>();
  const at = (name: string): unknown => {
    asked.add(name);
    return Object.hasOwn(given, name) ? given[name] : undefined;
  };
  const saysNothing = (one: unknown): boolean =>
    one === '' || (Array.isArray(one) && one.length === 0) || (isMapping(one) && Object.keys(one).length === 0);
  return {
    text: (name) => textIn(at(name)) || undefined,
    flag: (name) => {
      const text = textIn(at(name));
      return text === '' ? undefined : TRUE.test(text);
    },
    list: (name) => {
      const list = at(name);
      return Array.isArray(list) ? list : list === undefined || list === '' ? [] : [list];
    },
    texts: (name) => textsIn(at(name)),
    within: (name) => {
      const fields = inner.get(name) ?? fieldsOf(at(name));
      inner.set(name, fields);
      return fields;
    },
    has: (name) => Object.hasOwn(given, name),
    rest: () => [
      ...Object.keys(given).filter((name) => !asked.has(name) && !saysNothing(given[name])),
      ...[...inner].flatMap(([name, fields]) => fields.rest().map((one) => `${name}.${one}`)),
    ],
  };
}

const isMapping = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
