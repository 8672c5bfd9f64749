/** Procedures: pieces of work on the ledger that ask nobody on the way, so that PGlite's thread runs each of them whole. */
import type { Ledger, Transaction } from './db.ts';

// biome-ignore lint/suspicious/noExplicitAny: whoever made it knows its arguments; here they only pass through.
type Work = (tx: Transaction, ...args: any[]) => Promise<unknown>;

const named = new Map<string, Work>();

/** A list of objects that come again and again and that nobody changes: the ledger's thread is told each of them once. */
export class Lasting<Value extends object> {
  readonly values: readonly Value[];
  constructor(values: readonly Value[]) {
    this.values = values;
  }
}
/** What may be given for a list: the list, or what lasts of it. */
type Given<Arg> = Arg extends readonly (infer Value extends object)[] ? Arg | Lasting<Value> : Arg;

/**
 * One transaction by this name. On Postgres it runs here, on PGlite in the ledger's thread: one message there and one back,
 * where every statement of its own would wait for this thread's turn. Arguments are JSON
 * (what is left out arrives as null), the result what a thread
 * can hand over (https://developer.mozilla.org/docs/Web/API/Web_Workers_API/Structured_clone_algorithm).
 */
export function procedure<Args extends unknown[], Result>(
  name: string,
  work: (tx: Transaction, ...args: Args) => Promise<Result>,
): (ledger: Ledger, ...args: { [At in keyof Args]: Given<Args[At]> }) => Promise<Result> {
  if (named.has(name)) throw new Error(`two procedures are called ${name}`);
  named.set(name, work);
  return (ledger, ...args) => ledger.call(name, args) as Promise<Result>;
}

/** Runs one in a transaction that is open. */
export function runProcedure(tx: Transaction, name: string, args: readonly unknown[]): Promise<unknown> {
  const work = named.get(name);
  if (!work) throw new Error(`no procedure is called ${name}`);
  return work(tx, ...args.map((arg) => (arg instanceof Lasting ? arg.values : arg)));
}
