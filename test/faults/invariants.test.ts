/** Each promise of a round is seen when it is broken: evidence in which all are kept, and one thing wrong at a time. */
import { describe, expect, it } from 'vitest';
import { type Evidence, violations } from './invariants.ts';

type Ledger = Evidence['ledger'];
type Delivery = Ledger['deliveries'][number];

const delivery = (key: string, through: number, more: Partial<Delivery> = {}): Delivery => ({
  key,
  incident: 'INC-1',
  target: 'good',
  reason: 'group_now',
  page: false,
  answer_rev: 0,
  through,
  status: 'delivered',
  why: null,
  superseded_by: null,
  ...more,
});
const hit = (key: string, at: number, more: Partial<Evidence['hits'][number]> = {}): Evidence['hits'][number] => ({
  key,
  path: '/good',
  reason: 'group_now',
  incident: 'INC-1',
  answered: true,
  at,
  ...more,
});

/** One incident: it fired, was paged, acknowledged, resolved; and every promise is kept. */
const kept = (): Evidence => ({
  said: [
    { kind: 'accepted', id: 'event-1', service: 'shop', status: 'firing' },
    { kind: 'accepted', id: 'event-2', service: 'shop', status: 'resolved' },
    { kind: 'acked', incident: 'INC-1', by: 'ana', at: 30 },
  ],
  hits: [hit('first', 10), hit('page', 20), hit('last', 40)],
  ledger: {
    events: [
      { seq: 1, id: 'event-1', service: 'shop' },
      { seq: 2, id: 'event-2', service: 'shop' },
    ],
    inbox: [
      { seq: 1, incident: 'INC-1', batch: 1, kind: 'fired', event: 1, by: null, answer_rev: null },
      { seq: 2, incident: 'INC-1', batch: 2, kind: 'ack', event: null, by: 'ana', answer_rev: 1 },
      { seq: 3, incident: 'INC-1', batch: 3, kind: 'resolved', event: 2, by: null, answer_rev: null },
    ],
    incidents: [{ id: 'INC-1', service: 'shop', closed: true, last_batch: 3, notify: ['good'] }],
    batches: [1, 2, 3].map((number) => ({ incident: 'INC-1', number, signalled: true })),
    deliveries: [delivery('first', 1), delivery('page', 1, { page: true }), delivery('last', 3)],
    attempts: [
      { delivery: 'first', started_at: 9, outcome: 'delivered' },
      { delivery: 'page', started_at: 19, outcome: 'delivered' },
      { delivery: 'last', started_at: 39, outcome: 'delivered' },
    ],
    audit: [{ actor: 'ana', action: 'incident.ack', object: 'INC-1' }],
    chain: [],
  },
});

/** What is wrong once this was done to the evidence. */
const spoiled = (spoil: (evidence: Evidence) => void): string[] => {
  const evidence = kept();
  spoil(evidence);
  return violations(evidence);
};
const first = <Row>(rows: Row[]): Row => rows[0] as Row;

describe('the promises of a round', () => {
  it('are kept in evidence where nothing is wrong', () => {
    expect(violations(kept())).toEqual([]);
  });

  it('break when an accepted event is missing, or there twice', () => {
    expect(spoiled(({ ledger }) => void ledger.events.pop())).toEqual([
      'event event-2 was accepted and is there 0 times',
    ]);
    expect(spoiled(({ ledger }) => void ledger.events.push({ seq: 9, id: 'event-1', service: 'shop' }))).toEqual([
      'event event-1 was accepted and is there 2 times',
    ]);
  });

  it('break when a target never hears of a row, though a dead delivery with a reason is as good as heard', () => {
    const lost = (evidence: Evidence): void => {
      evidence.hits = evidence.hits.filter(({ key }) => key !== 'last');
      evidence.ledger.deliveries = evidence.ledger.deliveries.filter(({ key }) => key !== 'last');
    };
    expect(spoiled(lost)).toEqual(['good never heard of row 3 (resolved) of INC-1']);
    const dead = (why: string | null) => (evidence: Evidence) => {
      lost(evidence);
      evidence.ledger.deliveries.push(delivery('last', 3, { status: 'dead', why }));
    };
    expect(spoiled(dead('http_500'))).toEqual([]);
    expect(spoiled(dead(null))).toEqual(['good never heard of row 3 (resolved) of INC-1']);
  });

  it('break when a delivery counts as delivered that met nobody, or gave way to one that does not exist', () => {
    expect(spoiled(({ ledger }) => void ledger.deliveries.push(delivery('ghost', 3)))).toEqual([
      'ghost is recorded as delivered and met nobody',
    ]);
    const gaveWay = delivery('older', 1, { status: 'superseded', superseded_by: 'nobody' });
    expect(spoiled(({ ledger }) => void ledger.deliveries.push(gaveWay))).toEqual([
      'older was superseded by nobody, which does not exist',
    ]);
    const newer = delivery('newer', 3, { status: 'superseded', superseded_by: 'first' });
    expect(spoiled(({ ledger }) => void ledger.deliveries.push(newer))).toEqual([
      'newer (through 3) was superseded by first, which speaks for less',
    ]);
  });

  it('break when an answered message comes again without an attempt whose answer was lost', () => {
    const twice = (evidence: Evidence): void => void evidence.hits.splice(1, 0, hit('first', 11));
    expect(spoiled(twice)).toEqual(['first came 1 times more after it was answered, with 0 lost attempts']);
    expect(
      spoiled((evidence) => {
        twice(evidence);
        evidence.ledger.attempts.push({ delivery: 'first', started_at: 10, outcome: 'lost' });
      }),
    ).toEqual([]);
    expect(spoiled(({ hits }) => void hits.push(hit('stranger', 50)))).toEqual([
      'stranger came, and the ledger does not know it',
    ]);
  });

  it('break when a row was never claimed, an incident is open, or a delivery is on its way', () => {
    expect(spoiled(({ ledger }) => void Object.assign(first(ledger.inbox), { batch: null }))).toEqual([
      'row 1 was never claimed',
    ]);
    expect(spoiled(({ ledger }) => void Object.assign(first(ledger.incidents), { closed: false }))).toEqual([
      'INC-1 is still open',
    ]);
    expect(spoiled(({ ledger }) => void Object.assign(first(ledger.deliveries), { status: 'retrying' }))).toEqual([
      'first is still retrying',
    ]);
  });

  it('break when an accepted acknowledgement is gone, or a page that is older than it begins after it', () => {
    expect(spoiled(({ ledger }) => void ledger.inbox.splice(1, 1))).toContain(
      'the acknowledgement of INC-1 by ana was accepted and is not there',
    );
    expect(
      spoiled(({ ledger }) => void ledger.attempts.push({ delivery: 'page', started_at: 31, outcome: 'delivered' })),
    ).toEqual(['a page of INC-1 began after its acknowledgement (row 2)']);
  });

  it('break when what comes later speaks for less', () => {
    expect(spoiled(({ hits }) => void hits.reverse())).toEqual([
      'INC-1 at /good: page (through 1) came after last (through 3)',
    ]);
  });

  it('break when the chain of the audit does not hold', () => {
    expect(spoiled(({ ledger }) => void ledger.chain.push('number 2 is missing'))).toEqual([
      'the audit: number 2 is missing',
    ]);
  });

  it('break when an accepted acknowledgement has no row in the audit', () => {
    expect(spoiled(({ ledger }) => void ledger.audit.pop())).toEqual([
      'the acknowledgement of INC-1 by ana has no row in the audit',
    ]);
  });
});
