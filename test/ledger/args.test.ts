/** What lasts crosses to the ledger's thread once, and both sides forget it together. */
import { expect, it } from 'vitest';
import { createHearer, createTeller } from '../../src/ledger/pglite/args.ts';
import { Lasting } from '../../src/ledger/procedure.ts';

interface One {
  what: string;
}
const some = (count: number, name = 'one'): One[] =>
  Array.from({ length: count }, (_, at) => ({ what: `${name} ${at}` }));
/** Both sides, and how much was said on the way. */
function crossing() {
  const [tell, hear] = [createTeller(), createHearer()];
  return (...values: unknown[]) => {
    const args = tell(values);
    return { heard: hear(args), said: JSON.stringify(args).length };
  };
}

it('texts, numbers, lists and what is not there arrive', () => {
  const cross = crossing();
  expect(cross('text', 1, [{ a: null }], null, undefined).heard).toEqual(['text', 1, [{ a: null }], null, null]);
});

it('what was told before arrives as the same object, by its number alone', () => {
  const cross = crossing();
  const [first, second] = some(2) as [One, One];
  const { heard } = cross(new Lasting([first, second, first]));
  expect(heard).toEqual([[first, second, first]]);
  const again = cross('more', new Lasting([second, { what: 'new' }]));
  expect(again.heard).toEqual(['more', [second, { what: 'new' }]]);
  const [[a, b]] = heard as [One[]];
  expect([a, b]).not.toContain(undefined);
  expect((again.heard[1] as One[])[0]).toBe(b);
  expect(cross(new Lasting([first, second])).said).toBeLessThan(JSON.stringify(first).length * 2);
});

it('whatever is told, in whatever order, each list arrives whole: also what is told again after 2,000 others', () => {
  const cross = crossing();
  const early = some(3, 'early');
  cross(new Lasting(early));
  for (let round = 0; round < 5; round++) {
    const others = some(900, `round ${round}`);
    expect(cross(new Lasting([...others, ...early])).heard).toEqual([[...others, ...early]]);
    expect(cross(new Lasting(others.toReversed())).heard).toEqual([others.toReversed()]);
  }
  const crowd = some(5_000, 'crowd');
  expect(cross(new Lasting([...early, ...crowd])).heard).toEqual([[...early, ...crowd]]);
  expect(cross(new Lasting([...crowd, ...early])).heard).toEqual([[...crowd, ...early]]);
});

it('what cannot be said has told nothing: the next is understood', () => {
  const [tell, hear] = [createTeller(), createHearer()];
  const good = { what: 'good' };
  const huge = { what: 1n };
  expect(() => tell([new Lasting<object>([good, huge])])).toThrow('BigInt');
  expect(hear(tell([new Lasting([good])]))).toEqual([[good]]);
});
