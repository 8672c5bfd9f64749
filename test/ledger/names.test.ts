/** The names of decisions: given once a day, and written until the ledger has them. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Arrival, DecisionText } from '../../src/ledger/accept/arrival.ts';
import { namedIn } from '../../src/ledger/accept/write.ts';
import type { Ledger, Transaction } from '../../src/ledger/db.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { event, openTestLedger, routing } from '../support/ledger.ts';

const now = new Date('2026-01-15T09:00:00Z');
const decisionOf = (route: string): DecisionText => ({ text: JSON.stringify({ routes: [route] }) });
const arrivalWith = (decision: DecisionText, effects: Arrival['effects'] = []): Arrival => ({
  event: { source: 'shop', id: 'e1', type: 'trouble', status: 'firing', title: 'CPU is hot' },
  seq: 1,
  fingerprint: 'f1',
  decision,
  effects,
  joins: [],
  quiet: [],
  inhibitor: null,
});
/** A transaction that nothing is asked of, and its end. */
function transaction(kind: Ledger['kind'] = 'pglite'): { tx: Transaction; commit(): void } {
  const last: (() => void)[] = [];
  const tx: Transaction = { kind, query: async () => [], afterwards: (work) => last.push(work) };
  return { tx, commit: () => last.forEach((work) => void work()) };
}

describe('the name of a decision', () => {
  it('is one for all that are alike and did the same, and goes with a text once', () => {
    const decision = decisionOf('all');
    const done = [{ route: 'all', key: 'k1', effect: 'fired' as const }];
    const all = [
      arrivalWith(decision),
      arrivalWith(decision, done),
      arrivalWith(decision),
      arrivalWith(decision, done),
    ];
    const { decided, decisions } = namedIn(transaction().tx, all, now);
    expect(decided).toEqual([decided[0], decided[1], decided[0], decided[1]]);
    expect([...decisions]).toEqual([
      [decided[0], '{"routes":["all"],"effects":[]}'],
      [decided[1], '{"routes":["all"],"effects":[{"route":"all","key":"k1","effect":"fired"}]}'],
    ]);
  });

  it('is the same for the same text of another object, and another on another day', () => {
    const nameOn = (at: Date, decision = decisionOf('all')) =>
      namedIn(transaction().tx, [arrivalWith(decision)], at).decided;
    const same = decisionOf('all');
    expect(nameOn(now)).toEqual(nameOn(now, same));
    expect(nameOn(new Date('2026-01-16T00:00:00Z'), same)).not.toEqual(nameOn(now, same));
  });

  it('goes with its text until that is committed, and on another day again', () => {
    const decision = decisionOf('all');
    const writtenBy = ({ tx }: ReturnType<typeof transaction>, at = now): number =>
      namedIn(tx, [arrivalWith(decision)], at).decisions.size;
    const [undone, committed, next] = [transaction(), transaction(), transaction()];
    expect([writtenBy(undone), writtenBy(committed)]).toEqual([1, 1]);
    committed.commit();
    expect([writtenBy(next), writtenBy(next, new Date('2026-01-16T00:00:00Z')), writtenBy(next)]).toEqual([0, 1, 1]);
  });

  it('and that of a policy: it goes with its text until that is committed', () => {
    const join = {
      route: 'all',
      key: 'k1',
      words: 'all',
      severity: 'info',
      policy: { id: 'p1', text: '{}' },
      lifecycle: false,
    };
    const arrival = { ...arrivalWith(decisionOf('all')), joins: [join] };
    const writtenBy = ({ tx }: ReturnType<typeof transaction>) => [...namedIn(tx, [arrival, arrival], now).policies];
    const [undone, committed, next] = [transaction(), transaction(), transaction()];
    expect([writtenBy(undone), writtenBy(committed)]).toEqual([[['p1', '{}']], [['p1', '{}']]]);
    committed.commit();
    expect(writtenBy(next)).toEqual([]);
  });

  it('goes with it every time on Postgres, which others write to as well', () => {
    const decision = decisionOf('all');
    const first = transaction('postgres');
    namedIn(first.tx, [arrivalWith(decision)], now);
    first.commit();
    expect(namedIn(transaction('postgres').tx, [arrivalWith(decision)], now).decisions.size).toBe(1);
  });
});

describe('in the ledger', () => {
  let ledger: Ledger;
  let empty: () => Promise<void>;
  beforeAll(async () => {
    ({ ledger, empty } = await openTestLedger());
  });
  beforeEach(() => empty());
  afterAll(() => ledger.close());

  it('each event has its decision, also where the commit that would have kept it first has failed', async () => {
    const door = createDoor(ledger, { routing: routing() });
    const alike = () => event({ service: 'till', dedup_key: 'd1' });
    await ledger.query('alter table alerts rename to hidden');
    await expect(door.accept([alike()])).rejects.toThrow('alerts');
    await ledger.query('alter table hidden rename to alerts');
    await door.accept([alike()]);
    await door.accept([alike()]);
    await door.accept([alike()]);
    const rows = await ledger.query<{ effect: string }>(
      `select d.decision #>> '{effects,0,effect}' as effect from events e join decisions d on d.id = e.decision order by e.seq`,
    );
    expect(rows.map(({ effect }) => effect)).toEqual(['fired', 'unchanged', 'unchanged']);
  });

  it('what is to be done afterwards is done when all is committed, and not when it is undone', async () => {
    const done: string[] = [];
    await ledger.transaction(async (tx) => {
      tx.afterwards(() => done.push('committed'));
      await tx.query('select 1');
      expect(done).toEqual([]);
    });
    const failing = ledger.transaction(async (tx) => {
      tx.afterwards(() => done.push('undone'));
      throw new Error('not now');
    });
    await expect(failing).rejects.toThrow('not now');
    expect(done).toEqual(['committed']);
  });
});
