/** What PGlite is told arrives as it was meant, whatever its length and letters. */
import { PGlite } from '@electric-sql/pglite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createStatements, type Statements } from '../../src/ledger/pglite/statements.ts';

let db: PGlite;
let statements: Statements;
beforeAll(async () => {
  db = await PGlite.create();
  statements = createStatements(db);
});
afterAll(() => db.close());

const back = (...values: (string | null)[]): unknown[] => {
  const [row] = statements.run(`select ${values.map((_, at) => `$${at + 1}::text as v${at}`).join(', ')}`, values);
  return values.map((_, at) => row?.[`v${at}`]);
};

describe('a text', () => {
  it.each([
    ['is empty', ''],
    ['is of one byte a letter', 'plain'],
    ['is of two', 'äöüß'],
    ['is of three', '日本語'],
    ['is of four', '🚨🔥'],
    ['is larger than what most messages need', '日'.repeat(1_000_000)],
  ])('that %s', (_, text) => {
    expect(back(text)).toEqual([text]);
  });

  it('that is none stays none, between others', () => {
    expect(back('a', null, '', null, 'b')).toEqual(['a', null, '', null, 'b']);
  });

  it('after a large one is as it was before', () => {
    back('x'.repeat(3_000_000), 'y'.repeat(3_000_000));
    expect(back('small')).toEqual(['small']);
  });
});

it('what could not be said leaves nothing behind: the next is a transaction of its own', () => {
  statements.run('create table kept (what text)', []);
  const unspeakable = {
    toString: () => {
      throw new Error('no text');
    },
  };
  expect(() => statements.run('insert into kept values ($1)', [unspeakable], true)).toThrow();
  statements.run('insert into kept values ($1)', ['one']);
  expect(() => statements.run('rollback', [])).not.toThrow();
  expect(statements.run('select what from kept', [])).toEqual([{ what: 'one' }]);
});
