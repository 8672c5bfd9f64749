/** Work of many callers: at once where none is under way, and together where some is. */
import { expect, it } from 'vitest';
import { together } from '../../src/ledger/together.ts';

/** Work that ends when it is told to. */
function slowly(most = 10) {
  const asked: { parts: string[]; end(): void; fail(): void }[] = [];
  const work = together(
    (parts: string[]) =>
      new Promise<number>((resolve, reject) => {
        asked.push({ parts, end: () => resolve(parts.length), fail: () => reject(new Error('no room')) });
      }),
    most,
  );
  return { work, asked, parts: () => asked.map(({ parts }) => parts) };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

it('what comes while some is under way goes together, and each waits for its own', async () => {
  const { work, asked, parts } = slowly();
  const ended: [string, number][] = [];
  for (const part of ['a', 'b', 'c']) {
    void work([part]).then((all) => ended.push([part, all]));
    await turn();
  }
  expect(parts()).toEqual([['a']]);
  asked[0]?.end();
  await turn();
  expect(ended).toEqual([['a', 1]]);
  expect(parts()).toEqual([['a'], ['b', 'c']]);
  asked[1]?.end();
  await turn();
  expect(ended.slice(1)).toEqual([
    ['b', 2],
    ['c', 2],
  ]);
});

it('a failure is told to all that went together, and the next go all the same', async () => {
  const { work, asked, parts } = slowly();
  const failed = Promise.allSettled([work(['a']), work(['b'])]);
  await turn();
  asked[0]?.fail();
  expect((await failed).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  const later = work(['c']);
  await turn();
  expect(parts()).toEqual([['a', 'b'], ['c']]);
  asked[1]?.end();
  expect(await later).toBe(1);
});

it('no more than the most go together, in their order, and what one gives is never torn apart', async () => {
  const { work, asked, parts } = slowly(3);
  const all = Promise.all([work(['a', 'b']), work(['c']), work(['d']), work(['e', 'f', 'g', 'h']), work(['i'])]);
  for (let at = 0; at < 4; at++) {
    await turn();
    asked[at]?.end();
  }
  await all;
  expect(parts()).toEqual([['a', 'b', 'c'], ['d'], ['e', 'f', 'g', 'h'], ['i']]);
});
