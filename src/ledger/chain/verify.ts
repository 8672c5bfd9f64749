/** Goes along a chain, from whatever source, and says where it does not hold: an edit, a deletion, a reorder, a truncation. */
import {
  GENESIS,
  type Head,
  hashOf,
  headMessage,
  headText,
  type Manifest,
  manifestMessage,
  type Sealed,
  type Signed,
  type Tombstone,
  tombstoneMessage,
} from './link.ts';
import { isSignedByItsKey } from './signing.ts';

/** A seal of the ledger, and the row it was made for where that is still there. */
export type Link = Sealed | { number: number; seq: number; hash: string; gone: true };

/** What a verification is held against, from outside. */
export interface Known {
  /** Heads that somebody kept. */
  heads: readonly Head[];
  /** Public keys in hex; where there is none, any signature that fits its own key is taken, and the report says so. */
  keys: readonly string[];
}

export interface Report {
  /** In the order of the chain; the first is the first wrong place. At most PROBLEMS_MAX. */
  problems: string[];
  /** What limits the answer: no key, no signed head, rows that wait. */
  notes: string[];
  rows: number;
  /** The newest row's number, 0 of none. */
  last: number;
  /** The newest head that the chain agrees with. */
  head?: Head;
}

const PROBLEMS_MAX = 20;

export interface Verifier {
  /** First of all: every tombstone and every head. */
  tombstones(all: readonly Tombstone[]): void;
  heads(all: readonly Head[]): void;
  /** Then the links, in order. */
  link(link: Link): void;
  manifest(manifest: Manifest): void;
  note(words: string): void;
  problem(words: string): void;
  end(): Report;
}

export function createVerifier(known: Known): Verifier {
  const problems: string[] = [];
  const notes: string[] = [];
  const expected = new Map<number, { head: Head; kept: boolean }[]>();
  let rows = 0;
  let last = 0;
  let prev = GENESIS;
  let first = 1;
  let agreed: Head | undefined;
  let signatures = 0;

  const problem = (words: string): void => void (problems.length < PROBLEMS_MAX && problems.push(words));

  /** Whether its signature is good; says what is wrong with it. */
  const isGood = <Value extends Signed>(value: Value, message: (value: Value) => string, what: string): boolean => {
    if (!value.key) return false;
    if (!isSignedByItsKey(value, message)) {
      problem(`${what}: the signature does not fit`);
      return false;
    }
    if (known.keys.length > 0 && !known.keys.includes(value.key)) {
      problem(`${what}: signed by ${value.key}, which is not a key that was given`);
      return false;
    }
    signatures++;
    return true;
  };

  const expect = (head: Head, kept: boolean): void =>
    void expected.set(head.number, [...(expected.get(head.number) ?? []), { head, kept }]);

  const compare = (number: number, hash: string): void => {
    for (const { head, kept } of expected.get(number) ?? []) {
      if (head.hash === hash) agreed = !agreed || head.key || !agreed.key ? head : agreed;
      else
        problem(
          `number ${number}: the chain says another hash than the ${kept ? 'kept ' : ''}head of ${head.at}: rows up to it were written anew`,
        );
    }
    expected.delete(number);
  };

  return {
    tombstones(all) {
      for (const tombstone of all) {
        const what = `the tombstone of ${tombstone.first} to ${tombstone.last}`;
        if (tombstone.first !== first) problem(`number ${first}: ${what} does not follow what was before it`);
        if (!isGood(tombstone, tombstoneMessage, what) && !tombstone.key) {
          if (known.keys.length > 0) problem(`number ${tombstone.first}: ${what} is not signed`);
          else notes.push(`${what} is not signed: nobody can say that these rows went when their time was over`);
        }
        first = tombstone.last + 1;
        last = tombstone.last;
        prev = tombstone.hash;
      }
    },
    heads(all) {
      for (const head of all) {
        if (isGood(head, headMessage, `the head of number ${head.number}, ${head.at}`) || !head.key)
          expect(head, false);
      }
      for (const head of known.heads) {
        if (head.number < last) notes.push(`the head of number ${head.number} is older than what is still kept`);
        else if (isGood(head, headMessage, `the kept head ${headText(head)}`) || !head.key) expect(head, true);
      }
      compare(last, prev);
    },
    link(link) {
      if (link.number !== last + 1) {
        const missing =
          link.number === last + 2 ? `number ${last + 1} is` : `numbers ${last + 1} to ${link.number - 1} are`;
        problem(link.number > last ? `${missing} missing` : `number ${link.number} comes twice`);
      }
      if ('gone' in link) problem(`number ${link.number}: its row (seq ${link.seq}) was deleted`);
      else if (link.number === last + 1 && !isChained(link, prev))
        problem(`number ${link.number}: its row (seq ${link.seq}) is not what was sealed: it or the order was changed`);
      rows++;
      last = Math.max(last, link.number);
      prev = link.hash;
      compare(link.number, link.hash);
    },
    manifest(manifest) {
      if (!isGood(manifest, manifestMessage, 'the manifest') && !manifest.key)
        notes.push('the manifest is not signed: the file may have been made by anybody');
      if (manifest.first !== first || manifest.last !== last || manifest.hash !== prev)
        problem(
          `number ${Math.min(manifest.last, last)}: the file ends at ${last}, its manifest speaks of ${manifest.first} to ${manifest.last}: it was cut off or added to`,
        );
    },
    note: (words) => void notes.push(words),
    problem,
    end() {
      for (const [number, heads] of [...expected].sort(([a], [b]) => a - b)) {
        if (number > last && heads[0])
          problem(
            `number ${last + 1}: the chain ends at ${last}, but ${heads.some(({ kept }) => kept) ? 'a kept head' : 'a head'} of ${heads[0].head.at} has seen number ${number}: the end was cut off`,
          );
      }
      if (signatures === 0)
        notes.push('nothing here is signed: who can write into the ledger could have written all of it anew');
      else if (known.keys.length === 0)
        notes.push('no public key was given: the signatures fit the keys beside them, whoever these belong to');
      return { problems, notes, rows, last, ...(agreed ? { head: agreed } : {}) };
    },
  };
}

function isChained(row: Sealed, prev: string): boolean {
  try {
    return hashOf(row, row.number, prev) === row.hash;
  } catch {
    return false; // Nothing that was ever sealed: what cannot be written as canonical JSON has no hash.
  }
}
