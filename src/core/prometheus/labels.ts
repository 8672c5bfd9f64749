/** Label sets as Prometheus and Alertmanager order and name them. */
import type { Labels } from '../event.ts';

/**
 * By the bytes of UTF-8, as Go compares texts: that is by code points. JavaScript's own order is that of UTF-16 units, in which
 * the surrogates of the code points above U+FFFF stand before U+E000.
 */
export function inByteOrder(one: string, other: string): number {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at++) {
    const [a, b] = [one.charCodeAt(at), other.charCodeAt(at)];
    if (a !== b) return isSurrogate(a) === isSurrogate(b) ? a - b : isSurrogate(a) ? 1 : -1;
  }
  return one.length - other.length;
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;

const namesOf = (labels: Labels): string[] => Object.keys(labels).sort(inByteOrder);

/** One text for one label set: the pairs in order, as JSON. Two sets that differ have two texts, which fingerprints do not promise. */
export const labelsText = (labels: Labels): string =>
  JSON.stringify(namesOf(labels).map((name) => [name, labels[name]]));

/** FNV-1a of 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/#FNV-param */
const OFFSET = 14_695_981_039_346_656_037n;
const PRIME = 1_099_511_628_211n;
/** Stands after each name and each value; no UTF-8 holds it. */
const BETWEEN = 0xff;

/**
 * The fingerprint that Alertmanager's API shows for a label set: 16 hexadecimal digits (prometheus/common,
 * model/signature.go). It is a name for people and tools; 64 bits of FNV can be made to meet, so nothing is kept by it.
 */
export function fingerprintOf(labels: Labels): string {
  const utf8 = new TextEncoder();
  let hash = OFFSET;
  const add = (byte: number): void => {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * PRIME);
  };
  for (const name of namesOf(labels)) {
    for (const text of [name, labels[name] ?? '']) {
      for (const byte of utf8.encode(text)) add(byte);
      add(BETWEEN);
    }
  }
  return hash.toString(16).padStart(16, '0');
}

/**
 * The order of label sets (prometheus/common, model/labelset.go, Before): fewer labels first; else over all their names in
 * order the first that differs decides, absent before present, then by value. Negative where `one` comes first.
 */
export function compareLabels(one: Labels, other: Labels): number {
  const [mine, theirs] = [Object.keys(one), Object.keys(other)];
  if (mine.length !== theirs.length) return mine.length - theirs.length;
  for (const name of [...new Set([...mine, ...theirs])].sort(inByteOrder)) {
    const [has, hasToo] = [Object.hasOwn(one, name), Object.hasOwn(other, name)];
    if (has !== hasToo) return has ? 1 : -1;
    const order = inByteOrder(one[name] ?? '', other[name] ?? '');
    if (order !== 0) return order;
  }
  return 0;
}

/** The order of alerts within a group: by job, then by instance, whoever has one first, then as label sets are ordered. */
export function compareInGroup(one: Labels, other: Labels): number {
  for (const name of ['job', 'instance']) {
    const [has, hasToo] = [Object.hasOwn(one, name), Object.hasOwn(other, name)];
    if (has !== hasToo) return has ? -1 : 1;
    const order = inByteOrder(one[name] ?? '', other[name] ?? '');
    if (order !== 0) return order;
  }
  return compareLabels(one, other);
}
