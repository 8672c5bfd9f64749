/** What the audit's chain is made of, as plain values: sealed rows, heads, tombstones; their hashes and their texts. */
import { hash } from 'node:crypto';
import { canonicalJson } from '../../core/canonical.ts';
import type { Json } from '../../core/event.ts';

/** An audit row as it is hashed. `at` is UTC with microseconds, as the ledger keeps it. */
export interface Written {
  seq: number;
  at: string;
  actor: string;
  action: string;
  object: string;
  detail: Json;
  request_id: string | null;
}

/** A row with its place in the chain: `number` begins at 1 and has no gap. */
export interface Sealed extends Written {
  number: number;
  hash: string;
}

/** Who signed, as the public key in hex, and the signature in hex; neither where there was no key. */
export interface Signed {
  key?: string;
  signature?: string;
}

/** The chain as it stood: the hash of its row `number`. */
export interface Head extends Signed {
  number: number;
  at: string;
  hash: string;
}

/** Rows `first` to `last` went when their time was over; `hash` is that of the last of them. */
export interface Tombstone extends Signed {
  first: number;
  last: number;
  at: string;
  hash: string;
}

/** What an export ends with: what it holds. Of no rows, `last` is the number before `first`. */
export interface Manifest extends Signed {
  first: number;
  last: number;
  at: string;
  hash: string;
}

/** What the first row is chained to. */
export const GENESIS = '0'.repeat(64);

/** SHA-256, in hex, of the canonical JSON of the row with its number and the hash before it. */
export const hashOf = (row: Written, number: number, prev: string): string => {
  const { seq, at, actor, action, object, detail, request_id } = row;
  return hash('sha256', canonicalJson({ number, prev, seq, at, actor, action, object, detail, request_id }));
};

/** What is signed. The kind is in it, so that one cannot be shown as another. */
export const headMessage = ({ number, at, hash }: Head): string => canonicalJson({ kind: 'head', number, at, hash });
export const tombstoneMessage = ({ first, last, at, hash }: Tombstone): string =>
  canonicalJson({ kind: 'tombstone', first, last, at, hash });
export const manifestMessage = ({ first, last, at, hash }: Manifest): string =>
  canonicalJson({ kind: 'manifest', first, last, at, hash });

const HEAD =
  /(?<![\w/])(\d{1,15})\/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)\/([0-9a-f]{64})(?:\/([0-9a-f]{64})\/([0-9a-f]{128}))?(?![\w/])/g;

/** A head as one word, for a log or a note: number/time/hash, and where it is signed /key/signature. */
export const headText = ({ number, at, hash, key, signature }: Head): string =>
  [number, at, hash, ...(key && signature ? [key, signature] : [])].join('/');

/** Every head that stands in a text: one alone, or the lines of a log. */
export const headsIn = (text: string): Head[] =>
  [...text.matchAll(HEAD)].map(([, number, at = '', hash = '', key, signature]) => ({
    number: Number(number),
    at,
    hash,
    ...(key && signature ? { key, signature } : {}),
  }));
