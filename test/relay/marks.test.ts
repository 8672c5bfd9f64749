/** Batches that Temporal has are noted: at once where nothing is written, and together where something is. */
import { expect, it } from 'vitest';
import type { Ledger } from '../../src/ledger/db.ts';
import { createMarks } from '../../src/relay/marks.ts';

/** A ledger that takes the batches of each statement when it is told to. */
function slowLedger() {
  const asked: { incidents: string[]; take(): void; refuse(): void }[] = [];
  const query = (_sql: string, [incidents]: [string[]]) =>
    new Promise((resolve, reject) => {
      asked.push({ incidents, take: () => resolve([]), refuse: () => reject(new Error('no room')) });
    });
  return { ledger: { query } as unknown as Ledger, asked };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));
const batch = (incident: string) => ({ incident, number: 1 });

it('those that come while one is written go together, and each waits for its own', async () => {
  const { ledger, asked } = slowLedger();
  const mark = createMarks(ledger);
  const noted: string[] = [];
  for (const incident of ['a', 'b', 'c']) {
    void mark(batch(incident)).then(() => noted.push(incident));
    await turn();
  }
  expect(asked.map(({ incidents }) => incidents)).toEqual([['a']]);
  asked[0]?.take();
  await turn();
  expect(noted).toEqual(['a']);
  expect(asked.map(({ incidents }) => incidents)).toEqual([['a'], ['b', 'c']]);
  asked[1]?.take();
  await turn();
  expect(noted).toEqual(['a', 'b', 'c']);
});

it('a ledger that does not take them is told to all that went together, and the next ones are written all the same', async () => {
  const { ledger, asked } = slowLedger();
  const mark = createMarks(ledger);
  const failed = Promise.allSettled([mark(batch('a')), mark(batch('b'))]);
  await turn();
  asked[0]?.refuse();
  expect((await failed).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  const later = mark(batch('c'));
  await turn();
  expect(asked.map(({ incidents }) => incidents)).toEqual([['a', 'b'], ['c']]);
  asked[1]?.take();
  await later;
});
