/** The audit's chain: sealed without a gap, and whatever is done to it behind its back is found, with the place. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { audit, listAudit } from '../../src/ledger/audit.ts';
import { forgetAudit } from '../../src/ledger/chain/forget.ts';
import { type Head, headsIn, headText } from '../../src/ledger/chain/link.ts';
import { exportLedger, verifyLedger, verifyLines } from '../../src/ledger/chain/read.ts';
import { sealAudit, writeHead } from '../../src/ledger/chain/seal.ts';
import { type AuditKey, auditKey, newAuditKey } from '../../src/ledger/chain/signing.ts';
import type { Known, Report } from '../../src/ledger/chain/verify.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { aroundTheGuards, openTestLedger } from '../support/ledger.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const ana = { by: 'ana', key: 'k1', request_id: 'r-1' };
const now = new Date('2026-11-21T12:00:00.000Z');
const key = auditKey(newAuditKey());
const nobody: Known = { heads: [], keys: [] };
const ours: Known = { heads: [], keys: [key.publicKey] };

/** Rows of these objects, sealed. */
async function written(...objects: string[]): Promise<void> {
  for (const object of objects) await audit(ledger, ana, 'key.make', object, { nested: { b: 1, a: ['ü', null] } });
  await sealAudit(ledger);
}

async function headNow(by: AuditKey | 'nobody' = key): Promise<Head> {
  const head = await writeHead(ledger, { key: by === 'nobody' ? undefined : by, now, ends: true });
  if (!head) throw new Error('there was nothing new to write a head of');
  return head;
}

/** Done to the tables by somebody whom no trigger stops. */
const tampered = (...statements: string[]): Promise<void> =>
  aroundTheGuards(ledger, async (tx) => {
    for (const sql of statements) await tx.query(sql);
  });

const problemsOf = ({ problems }: Report): string[] => problems;

describe('the sealer', () => {
  it('numbers what is committed without a gap, and the API shows number and hash', async () => {
    await audit(ledger, ana, 'key.make', 'a');
    expect((await listAudit(ledger, { limit: 1 })).audit[0]).not.toHaveProperty('number');
    await ledger.query(`select nextval('audit_seq_seq')`); // As a transaction that was rolled back leaves it.
    await audit(ledger, ana, 'key.make', 'b');
    expect(await sealAudit(ledger)).toBe(2);
    const { audit: rows } = await listAudit(ledger, { limit: 9 });
    expect(rows.map(({ seq, number }) => [seq, number])).toEqual([
      [3, 2],
      [1, 1],
    ]);
    for (const { hash } of rows) expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(await sealAudit(ledger)).toBe(0);
  });

  it('seals a row that is committed after later ones, behind them', async () => {
    await ledger.query(`select setval('audit_seq_seq', 10)`);
    await written('later');
    await aroundTheGuards(ledger, (tx) => tx.query(`select setval('audit_seq_seq', 4)`));
    await written('earlier');
    const { audit: rows } = await listAudit(ledger, { limit: 9 });
    expect(rows.map(({ object, seq, number }) => [object, seq, number])).toEqual([
      ['later', 11, 1],
      ['earlier', 5, 2],
    ]);
    expect(await verifyLedger(ledger, nobody)).toMatchObject({ problems: [], rows: 2, last: 2 });
  });

  it('seals more than one transaction takes', async () => {
    await ledger.query(
      `insert into audit (actor, action, object, detail) select 'ana', 'key.make', 'k' || n, '{}' from generate_series(1, 1203) n`,
    );
    expect(await sealAudit(ledger)).toBe(1_203);
    expect(await verifyLedger(ledger, nobody)).toMatchObject({ problems: [], rows: 1_203, last: 1_203 });
  });

  it('run twice at once makes one chain', async () => {
    await ledger.query(
      `insert into audit (actor, action, object, detail) select 'ana', 'key.make', 'k' || n, '{}' from generate_series(1, 50) n`,
    );
    await Promise.all([sealAudit(ledger), sealAudit(ledger)]);
    await sealAudit(ledger);
    expect(await verifyLedger(ledger, nobody)).toMatchObject({ problems: [], rows: 50, last: 50 });
  });
});

describe('a head', () => {
  it('is due after an hour with something new, after a thousand rows, and at the end', async () => {
    const hour = (n: number): Date => new Date(now.getTime() + n * 3_600_000);
    expect(await writeHead(ledger, { key, now })).toBeUndefined(); // Nothing was ever written.
    await written('a');
    expect(await writeHead(ledger, { key, now })).toMatchObject({ number: 1 });
    await written('b');
    expect(await writeHead(ledger, { key, now: new Date(now.getTime() + 3_599_000) })).toBeUndefined();
    expect(await writeHead(ledger, { key, now: hour(1) })).toMatchObject({ number: 2 });
    expect(await writeHead(ledger, { key, now: hour(9) })).toBeUndefined(); // Nothing new.
    await written('c');
    expect(await writeHead(ledger, { key, now: hour(9), ends: true })).toMatchObject({ number: 3 });
    await ledger.query(
      `insert into audit (actor, action, object, detail) select 'ana', 'key.make', 'k' || n, '{}' from generate_series(1, 1000) n`,
    );
    await sealAudit(ledger);
    expect(await writeHead(ledger, { key, now: hour(9) })).toMatchObject({ number: 1_003 });
  });

  it('is one word that is found again in a log, signed or not', async () => {
    await written('a');
    const signed = await headNow();
    await written('b');
    const plain = await headNow('nobody');
    const log = `{"level":"info","head":"${headText(signed)}"}\n{"level":"info","head":"${headText(plain)}"}\n`;
    expect(headsIn(log)).toEqual([signed, plain]);
    expect(headsIn(headText(signed))).toEqual([signed]);
  });

  it('without a signature is followed by a signed one as soon as there is a key', async () => {
    await written('a');
    expect((await headNow('nobody')).signature).toBeUndefined();
    const later = new Date(now.getTime() + 1_000);
    expect(await writeHead(ledger, { key, now: later })).toMatchObject({ number: 1, key: key.publicKey });
    expect(await writeHead(ledger, { key, now: later })).toBeUndefined();
  });
});

describe('the verification', () => {
  it('of what nobody touched finds nothing, and names the newest head', async () => {
    await written('a', 'b');
    const head = await headNow();
    await written('c');
    expect(await verifyLedger(ledger, { ...ours, heads: [head] })).toEqual({
      problems: [],
      notes: [],
      rows: 3,
      last: 3,
      head,
    });
  });

  it('of an empty ledger finds nothing, and says that nothing is signed', async () => {
    expect(await verifyLedger(ledger, ours)).toMatchObject({
      problems: [],
      rows: 0,
      last: 0,
      notes: [expect.stringMatching(/nothing here is signed/)],
    });
  });

  it.each([
    ['an edited actor', `update audit set actor = 'eve' where seq = 3`],
    ['an edited detail', `update audit set detail = jsonb_set(detail, '{nested,b}', '2') where seq = 3`],
    ['a moved time', `update audit set at = at + interval '1 microsecond' where seq = 3`],
    ['a request id taken away', `update audit set request_id = null where seq = 3`],
  ])('finds %s', async (_, sql) => {
    await written('a', 'b', 'c', 'd', 'e');
    await tampered(sql);
    expect(problemsOf(await verifyLedger(ledger, nobody))).toEqual([
      'number 3: its row (seq 3) is not what was sealed: it or the order was changed',
    ]);
  });

  it('finds a deleted row, with its seal and without', async () => {
    await written('a', 'b', 'c', 'd', 'e');
    await tampered('delete from audit where seq = 2');
    expect(problemsOf(await verifyLedger(ledger, nobody))).toEqual(['number 2: its row (seq 2) was deleted']);
    await tampered('delete from audit_seals where seq = 2');
    expect(problemsOf(await verifyLedger(ledger, nobody))).toEqual(['number 2 is missing']);
  });

  it('finds two rows that changed places, whether the rows or their seals were moved', async () => {
    await written('a', 'b', 'c', 'd');
    await tampered(
      'update audit set seq = 99 where seq = 2',
      'update audit set seq = 2 where seq = 3',
      'update audit set seq = 3 where seq = 99',
    );
    const both = [2, 3].map(
      (n) => `number ${n}: its row (seq ${n}) is not what was sealed: it or the order was changed`,
    );
    expect(problemsOf(await verifyLedger(ledger, nobody))).toEqual(both);
    await tampered(
      'update audit set seq = 99 where seq = 2',
      'update audit set seq = 2 where seq = 3',
      'update audit set seq = 3 where seq = 99',
    );
    expect(problemsOf(await verifyLedger(ledger, nobody))).toEqual([]);
    await tampered(
      'update audit_seals set number = 99 where number = 2',
      'update audit_seals set number = 2 where number = 3',
      'update audit_seals set number = 3 where number = 99',
    );
    expect(problemsOf(await verifyLedger(ledger, nobody))[0]).toBe(
      'number 2: its row (seq 3) is not what was sealed: it or the order was changed',
    );
  });

  it('finds an end that was cut off, by the ledger’s own head, or by one that was kept', async () => {
    await written('a', 'b', 'c');
    const head = await headNow();
    await tampered('delete from audit where seq > 1', 'delete from audit_seals where seq > 1');
    expect(problemsOf(await verifyLedger(ledger, nobody))).toEqual([
      `number 2: the chain ends at 1, but a head of ${head.at} has seen number 3: the end was cut off`,
    ]);
    await tampered('delete from audit_heads');
    expect(problemsOf(await verifyLedger(ledger, ours))).toEqual([]); // That is what a head is kept elsewhere for.
    expect(problemsOf(await verifyLedger(ledger, { ...ours, heads: headsIn(headText(head)) }))).toEqual([
      `number 2: the chain ends at 1, but a kept head of ${head.at} has seen number 3: the end was cut off`,
    ]);
  });

  it('finds a chain that was written anew as a whole, by a kept head', async () => {
    await written('a', 'b', 'c');
    const head = await headNow();
    await tampered(
      `update audit set actor = 'eve' where seq = 2`,
      'delete from audit_seals',
      'delete from audit_heads',
      'insert into audit_unsealed select seq from audit',
    );
    await sealAudit(ledger);
    await headNow(auditKey(newAuditKey()));
    expect(problemsOf(await verifyLedger(ledger, nobody))).toEqual([]);
    const known = { ...ours, heads: [head] };
    expect(problemsOf(await verifyLedger(ledger, known))).toEqual([
      expect.stringMatching(/^the head of number 3, .* signed by [0-9a-f]{64}, which is not a key that was given$/),
      `number 3: the chain says another hash than the kept head of ${head.at}: rows up to it were written anew`,
    ]);
  });

  it('finds a head that was made up', async () => {
    await written('a', 'b');
    const head = await headNow();
    const forged = { ...head, number: 1 };
    expect(problemsOf(await verifyLedger(ledger, { ...ours, heads: [forged] }))).toEqual([
      `the kept head ${headText(forged)}: the signature does not fit`,
    ]);
    await tampered(`update audit_heads set hash = repeat('0', 64)`);
    expect(problemsOf(await verifyLedger(ledger, ours))).toEqual([
      `the head of number 2, ${head.at}: the signature does not fit`,
    ]);
  });

  it('finds a row that was put in beside the sealer, and one that was taken out before it', async () => {
    await written('a');
    await tampered(`insert into audit (actor, action, object) values ('eve', 'key.make', 'x')`);
    expect(problemsOf(await verifyLedger(ledger, nobody))).toEqual([
      'seq 2: no seal speaks for this row: its seal was removed, or it was put in beside the sealer',
    ]);
    await tampered('delete from audit where seq = 2');
    await audit(ledger, ana, 'key.make', 'b');
    expect(await verifyLedger(ledger, nobody)).toMatchObject({
      problems: [],
      notes: [expect.stringMatching(/^1 rows wait/), expect.stringMatching(/nothing/)],
    });
    await tampered('delete from audit where seq = 3');
    expect(problemsOf(await verifyLedger(ledger, nobody))).toEqual(['seq 3: its row was deleted before it was sealed']);
  });
});

describe('audit rows whose time is over', () => {
  const years = (n: number): Date => new Date(now.getTime() + n * 365 * 24 * 3_600_000);

  async function aged(): Promise<Head> {
    await written('a', 'b', 'c');
    const head = await headNow();
    await tampered(
      `update audit set at = '2019-01-01' where seq <= 2`,
      'delete from audit_seals',
      'insert into audit_unsealed select seq from audit',
    );
    await tampered('delete from audit_heads');
    await sealAudit(ledger);
    return head;
  }

  it('leave a signed tombstone that the chain goes on from', async () => {
    await aged();
    const kept = await headNow();
    expect(await forgetAudit(ledger, { before: new Date('2020-01-01'), now, limit: 10, key })).toBe(2);
    expect(await forgetAudit(ledger, { before: new Date('2020-01-01'), now, limit: 10, key })).toBe(0);
    await written('d');
    expect(await verifyLedger(ledger, { ...ours, heads: [kept] })).toMatchObject({
      problems: [],
      notes: [],
      rows: 2,
      last: 4,
    });
    expect((await listAudit(ledger, { limit: 9 })).audit.map(({ object, number }) => [object, number])).toEqual([
      ['d', 4],
      ['c', 3],
    ]);
  });

  it('may all go, and the chain goes on with the next number', async () => {
    await written('a', 'b');
    const kept = await headNow();
    expect(await forgetAudit(ledger, { before: years(9), now, limit: 1, key })).toBe(1);
    expect(await forgetAudit(ledger, { before: years(9), now, limit: 10, key })).toBe(1);
    expect(await verifyLedger(ledger, { ...ours, heads: [kept] })).toMatchObject({ problems: [], rows: 0, last: 2 });
    await written('c');
    expect((await listAudit(ledger, { limit: 1 })).audit[0]).toMatchObject({ object: 'c', number: 3 });
    expect(problemsOf(await verifyLedger(ledger, ours))).toEqual([]);
  });

  it('stay while an older one behind them waits: only the beginning of the chain may go', async () => {
    await written('a', 'b');
    await tampered(`update audit set at = '2019-01-01' where seq = 2`);
    expect(await forgetAudit(ledger, { before: new Date('2020-01-01'), now, limit: 10, key })).toBe(0);
  });

  it('do not hide one that was deleted before: it stops, and says where to look', async () => {
    await written('a', 'b', 'c');
    await tampered('delete from audit where seq = 2');
    await expect(forgetAudit(ledger, { before: years(9), now, limit: 10, key })).rejects.toThrow(
      'is not whole before number 3',
    );
    expect(problemsOf(await verifyLedger(ledger, nobody))).toEqual(['number 2: its row (seq 2) was deleted']);
  });

  it('go by no other way: not without a tombstone, and not by one that nobody signed', async () => {
    await written('a', 'b');
    await headNow();
    for (const sql of [
      'delete from audit',
      'delete from audit_seals',
      'delete from audit_heads',
      'truncate audit',
      'truncate audit_seals',
    ])
      await expect(ledger.query(sql)).rejects.toThrow('audit rows are never changed or deleted');
    await expect(ledger.query('select audit_forget(1, 2)')).rejects.toThrow('only with their tombstone');
    await ledger.query(
      'insert into audit_tombstones (first_number, last_number, hash, at) select 1, number, hash, now() from audit_seals where number = 1',
    );
    await expect(ledger.query('delete from audit_tombstones')).rejects.toThrow('never changed');
    await ledger.query('select audit_forget(1, 1)');
    expect(problemsOf(await verifyLedger(ledger, ours))).toEqual(['number 1: the tombstone of 1 to 1 is not signed']);
  });
});

describe('an export', () => {
  async function exported(): Promise<string[]> {
    const lines: string[] = [];
    await exportLedger(ledger, { key, now, line: (text) => void lines.push(text) });
    return lines;
  }
  async function* each(lines: readonly string[]): AsyncIterable<string> {
    yield* lines;
  }
  const verified = (lines: readonly string[], known = ours): Promise<Report> => verifyLines(each(lines), known);

  it('is verified without the ledger, tombstones and heads included', async () => {
    await written('a', 'b', 'c');
    await forgetAudit(ledger, { before: new Date('2099-01-01'), now, limit: 1, key });
    const head = await headNow();
    const lines = await exported();
    expect(lines.map((line) => (JSON.parse(line) as { kind: string }).kind)).toEqual([
      'tombstone',
      'head',
      'row',
      'row',
      'manifest',
    ]);
    expect(await verified(lines, { ...ours, heads: [head] })).toEqual({
      problems: [],
      notes: [],
      rows: 2,
      last: 3,
      head,
    });
  });

  it('of nothing is verified as well', async () => {
    expect(problemsOf(await verified(await exported()))).toEqual([]);
  });

  it.each<[string, (lines: string[]) => string[], RegExp]>([
    [
      'an edited row',
      (lines) => lines.map((line) => line.replace('"object":"b"', '"object":"x"')),
      /^number 2: .* not what was sealed/,
    ],
    [
      'half a surrogate pair',
      (lines) => lines.map((line) => line.replace('"object":"b"', '"object":"\\ud83d"')),
      /^number 2: .* not what was sealed/,
    ],
    ['a deleted row', (lines) => lines.filter((line) => !line.includes('"object":"b"')), /^number 2 is missing/],
    [
      'a row that comes twice',
      (lines) => lines.flatMap((line) => (line.includes('"object":"b"') ? [line, line] : [line])),
      /^number 2 comes twice/,
    ],
    ['rows in another order', ([a = '', b = '', ...rest]) => [b, a, ...rest], /^number 1 is missing/],
    ['an end without its manifest', (lines) => lines.slice(0, -1), /no manifest at its end/],
    [
      'a row cut off before the manifest',
      (lines) => [...lines.slice(0, 2), ...lines.slice(3)],
      /^number 2: the file ends at 2, its manifest speaks of 1 to 3/,
    ],
    [
      'a manifest that was changed',
      (lines) => lines.map((line) => line.replace(/("kind":"manifest","first":1,"last":)3/, '$12')),
      /^the manifest: the signature does not fit/,
    ],
    ['something else in it', ([a = '', ...rest]) => [a, 'hello', ...rest], /^line 2: this is no line/],
  ])('with %s is found out', async (_, change, problem) => {
    await written('a', 'b', 'c');
    expect(problemsOf(await verified(change(await exported())))[0]).toMatch(problem);
  });
});
