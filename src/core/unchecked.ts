/** Values of a payload that nobody has checked: what is not of the kind that is asked for is as good as absent. */
import type { Labels } from './event.ts';

/** The object that a value is, to read fixed names of; an empty one where it is none. */
export const objectIn = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};

/** A text, or a number or a boolean as one; empty for whatever else. */
export const textIn = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';

/** The texts of an object by their names; whatever else is in it is left out. */
export function textsIn(value: unknown): Labels {
  const plain = Object.entries(objectIn(value)).filter(
    ([name, inner]) => name !== '__proto__' && ['string', 'number', 'boolean'].includes(typeof inner),
  );
  return Object.fromEntries(plain.map(([name, inner]) => [name, String(inner)]));
}
