/** One text for one JSON value, by RFC 8785 (JSON Canonicalization Scheme): what is hashed and signed. */
import type { Json } from './event.ts';

/**
 * Members are sorted by their UTF-16 code units, numbers and texts are written as ECMAScript writes them
 * (https://www.rfc-editor.org/rfc/rfc8785#section-3.2), nothing stands between them.
 * Throws for what the RFC refuses: numbers that JSON has not, and halves of surrogate pairs.
 */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([name, inner]) => `${canonicalJson(name)}:${canonicalJson(inner)}`).join(',')}}`;
  }
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error(`${value} is no JSON number`);
  if (typeof value === 'string' && /\p{Cs}/u.test(value)) throw new Error('half of a surrogate pair is no text');
  return JSON.stringify(value);
}
