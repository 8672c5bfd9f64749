/** Arguments on their way to the ledger's thread: what lasts is told it once, and called by its number from then on. */
import { Lasting } from '../procedure.ts';

/** A text as it is, anything else as JSON: one text crosses faster than what it says would. Of what lasts, `json` is what is new. */
export type Arg = string | { json: string } | { json: string; numbers: number[] };

/** Both sides remember so many of those that were told last: as many as the routing remembers (accept/judges.ts). */
const REMEMBERED_MAX = 2_000;

/** Makes arguments of values, in the order in which they go to the thread. Throws, and has told nothing, where a value is not JSON. */
export function createTeller(): (values: readonly unknown[]) => Arg[] {
  const numbers = new WeakMap<object, number>();
  let next = 0;

  const lasting = ({ values }: Lasting<object>): Arg => {
    const oldest = next - REMEMBERED_MAX;
    const fresh = new Set(values.filter((one) => (numbers.get(one) ?? Number.NEGATIVE_INFINITY) < oldest));
    const json = JSON.stringify([...fresh]);
    for (const one of fresh) numbers.set(one, next++);
    return { json, numbers: values.map((one) => numbers.get(one) as number) };
  };
  return (values) =>
    values.map((value) => {
      if (typeof value === 'string') return value;
      return value instanceof Lasting ? lasting(value) : { json: JSON.stringify(value ?? null) };
    });
}

/** The other side: makes values of arguments, in the order in which they come. What lasts is the same object each time. */
export function createHearer(): (args: readonly Arg[]) => unknown[] {
  const known: unknown[] = [];
  let oldest = 0;

  const hear = (arg: Arg): unknown => {
    if (typeof arg === 'string') return arg;
    const value: unknown = JSON.parse(arg.json);
    if (!('numbers' in arg)) return value;
    const over = Math.max(0, known.length - REMEMBERED_MAX);
    known.splice(0, over);
    oldest += over;
    known.push(...(value as unknown[]));
    return arg.numbers.map((number) => known[number - oldest]);
  };
  return (args) => args.map(hear);
}
