/** Each promise of a round is seen when it is broken: evidence in which all are kept, and one thing wrong at a time. */
import { describe, expect, it } from 'vitest';
import { fromText, REGISTRY } from '../../src/config/load.ts';
import type { Event } from '../../src/core/event.ts';
import { decide } from '../../src/core/route.ts';
import type { Evidence } from './evidence.ts';
import { violations } from './invariants.ts';
import type { Said } from './sender.ts';
import { configFor, ESCALATED, FORGOTTEN, TOLD } from './system.ts';

type Ledger = Evidence['ledger'];
type Delivery = Ledger['deliveries'][number];
type Attempt = Ledger['attempts'][number];
type Accepted = Extract<Said, { kind: 'accepted' }>;

const delivery = (key: string, through: number, more: Partial<Delivery> = {}): Delivery => ({
  key,
  incident: 'INC-1',
  target: 'good',
  reason: 'group_now',
  page: false,
  answer_rev: 0,
  through,
  scheduled_at: 8,
  status: 'delivered',
  why: null,
  superseded_by: null,
  by_hand: false,
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

const accepted = (id: string, more: Partial<Accepted> = {}): Accepted => ({
  kind: 'accepted',
  id,
  type: 'trouble',
  dedup_key: 'a0',
  severity: 'critical',
  status: 'firing',
  ...more,
});
const attempt = (of: string, started_at: number, more: Partial<Attempt> = {}): Attempt => ({
  delivery: of,
  started_at,
  ended_at: started_at + 2,
  outcome: 'delivered',
  doubt: null,
  ...more,
});

/** One incident: it fired, was paged, acknowledged, resolved; and every promise is kept. */
const kept = (): Evidence => ({
  said: [
    accepted('event-1'),
    accepted('event-2', { status: 'resolved' }),
    { kind: 'acked', incident: 'INC-1', by: 'ana', at: 30, begun: [] },
  ],
  hits: [hit('first', 10), hit('page', 20, { path: '/rough' }), hit('last', 40), hit('over', 40, { path: '/rough' })],
  ledger: {
    events: [
      { seq: 1, id: 'event-1' },
      { seq: 2, id: 'event-2' },
    ],
    inbox: [
      { seq: 1, incident: 'INC-1', batch: 1, kind: 'fired', event: 1, by: null, answer_rev: null, at: 8 },
      { seq: 2, incident: 'INC-1', batch: 2, kind: 'ack', event: null, by: 'ana', answer_rev: 1, at: 28 },
      { seq: 3, incident: 'INC-1', batch: 3, kind: 'resolved', event: 2, by: null, answer_rev: null, at: 38 },
    ],
    batches: [1, 2, 3].map((number) => ({ incident: 'INC-1', number, signalled: true })),
    sends: [],
    incidents: [{ id: 'INC-1', closed: true }],
    deliveries: [
      delivery('first', 1, { page: true }),
      delivery('page', 1, { page: true, target: 'rough', reason: 'escalated', scheduled_at: 18 }),
      delivery('last', 3, { reason: 'resolved', answer_rev: 2 }),
      delivery('over', 3, { reason: 'resolved', answer_rev: 2, target: 'rough' }),
    ],
    attempts: [attempt('first', 9), attempt('page', 19), attempt('last', 39), attempt('over', 39)],
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
      'event event-2 was accepted, and is of no incident',
    ]);
    expect(spoiled(({ ledger }) => void ledger.events.push({ seq: 9, id: 'event-1' }))).toEqual([
      'event event-1 was accepted and is there 2 times',
    ]);
  });

  it('break when an accepted event is of no incident, though one that says the same again needs no row of its own', () => {
    expect(spoiled(({ ledger }) => void ledger.inbox.shift())).toEqual([
      'event event-1 was accepted, and is of no incident',
    ]);
    expect(spoiled(({ ledger }) => void Object.assign(first(ledger.inbox), { incident: null }))).toEqual([
      'event event-1 was accepted, and is of no incident',
    ]);
    const again = (more: Partial<Accepted>, seq: number) => (evidence: Evidence) => {
      evidence.said.push(accepted('again', more));
      evidence.ledger.events.push({ seq, id: 'again' });
    };
    expect(spoiled(again({}, 3))).toEqual([]);
    expect(spoiled(again({}, 0))).toEqual(['event again was accepted, and is of no incident']);
    expect(spoiled(again({ dedup_key: 'a1' }, 3))).toEqual(['event again was accepted, and is of no incident']);
  });

  it('break when a target never hears of an event, though a dead delivery with a reason is as good as heard', () => {
    const lost = (evidence: Evidence): void => {
      evidence.hits = evidence.hits.filter(({ key }) => key !== 'last');
      evidence.ledger.deliveries = evidence.ledger.deliveries.filter(({ key }) => key !== 'last');
    };
    const unheard = 'good never heard of event-2 (resolved), row 3 of INC-1';
    expect(spoiled(lost)).toEqual([unheard]);
    const ended = (more: Partial<Delivery>) => (evidence: Evidence) => {
      lost(evidence);
      evidence.ledger.deliveries.push(delivery('last', 3, more));
    };
    expect(spoiled(ended({ status: 'dead', why: 'http_500' }))).toEqual([]);
    expect(spoiled(ended({ status: 'dead', why: null }))).toEqual([unheard, 'last is dead, and nobody can say why']);
    expect(spoiled(ended({ status: 'skipped', why: 'switched off' }))).toEqual([unheard]);
    expect(
      spoiled(({ hits }) => void Object.assign(hits.find(({ key }) => key === 'last') as object, { answered: false })),
    ).toEqual([unheard]);
  });

  it('break when a target that the configuration names is told nothing, whatever the ledger keeps of whom to tell', () => {
    const mild = ({ said }: Evidence): void => {
      for (const one of said) if (one.kind === 'accepted') one.severity = 'warning';
    };
    expect(spoiled(mild)).toEqual([]);
    expect(
      spoiled((evidence) => {
        mild(evidence);
        evidence.hits = evidence.hits.filter(({ path }) => path !== '/rough');
        evidence.ledger.deliveries = evidence.ledger.deliveries.filter(({ target }) => target !== 'rough');
      }),
    ).toEqual([
      'rough never heard of event-1 (firing), row 1 of INC-1',
      'rough never heard of event-2 (resolved), row 3 of INC-1',
    ]);
  });

  it('break when one who was escalated to never hears that it is over', () => {
    const over = (evidence: Evidence): void => {
      evidence.hits = evidence.hits.filter(({ key }) => key !== 'over');
      evidence.ledger.deliveries = evidence.ledger.deliveries.filter(({ key }) => key !== 'over');
    };
    expect(spoiled(over)).toEqual(['rough never heard of event-2 (resolved), row 3 of INC-1']);
    expect(
      spoiled((evidence) => {
        over(evidence);
        evidence.hits = evidence.hits.filter(({ key }) => key !== 'page');
        evidence.ledger.deliveries = evidence.ledger.deliveries.filter(({ key }) => key !== 'page');
      }),
      'who was never paged need not hear it',
    ).toEqual([]);
  });

  it('break when more is told of what nobody has answered, while the level that is due is not', () => {
    const more =
      (scheduled_at: number, target = 'rough') =>
      (evidence: Evidence) => {
        Object.assign(evidence.ledger.deliveries[1] as Delivery, { target });
        evidence.ledger.deliveries.push(delivery('more', 3, { page: true, reason: 'group_interval', scheduled_at }));
        evidence.ledger.attempts.push(attempt('more', 25));
        evidence.hits.splice(2, 0, hit('more', 26));
      };
    expect(spoiled(more(8 + 1_001))).toEqual([]);
    expect(spoiled(more(8 + 1_000, 'good'))).toEqual([]);
    expect(spoiled(more(8 + 1_001, 'good'))).toEqual([
      'INC-1 was never escalated to rough, though nobody had answered when more was decided',
    ]);
  });

  it('expect of the configuration what the routing makes of it', () => {
    const { routing } = fromText(configFor('http://127.0.0.1:1'), 'tocsin.yaml', {}, REGISTRY);
    for (const severity of ['critical', 'warning'] as const) {
      const event = {
        id: 'e',
        source: 's',
        type: 't',
        title: 'T',
        severity,
        status: 'firing',
        service: 'shop',
        labels: {},
      } as unknown as Event;
      const told = decide(event, routing, [], new Date(0)).routes.map((taken) => 'policy' in taken && taken.policy);
      expect(told).toMatchObject([{ notify: TOLD[severity] }]);
      if (severity === ESCALATED.severity)
        expect(told).toMatchObject([
          { levels: [{ notify: TOLD[severity], wait_ms: ESCALATED.after_ms }, { notify: ESCALATED.to }] },
        ]);
      const forgotten = decide({ ...event, type: FORGOTTEN.type }, routing, [], new Date(0)).routes;
      if (severity === 'warning')
        expect(forgotten.map((taken) => 'policy' in taken && taken.policy)).toMatchObject([
          { notify: TOLD.warning, ack_timeout_ms: FORGOTTEN.after_ms },
        ]);
    }
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
    const twice = ({ hits, ledger }: Evidence): void => {
      hits.splice(1, 0, hit('first', 11));
      ledger.attempts.push(attempt('first', 10, { outcome: 'failed' }));
    };
    expect(spoiled(twice)).toEqual(['first came 1 times more after it was answered, with 0 lost attempts']);
    const unanswered = (more: Partial<Attempt>) => (evidence: Evidence) => {
      twice(evidence);
      Object.assign(evidence.ledger.attempts.at(-1) as Attempt, more);
    };
    expect(spoiled(unanswered({ outcome: 'lost' })), 'nobody was there to hear the answer').toEqual([]);
    expect(spoiled(unanswered({ doubt: 'lost' })), 'it came too late').toEqual([]);
    expect(spoiled(unanswered({ doubt: 'unsure' })), 'a 500 is an answer').toHaveLength(1);
    expect(spoiled(({ hits }) => void hits.push(hit('stranger', 50)))).toEqual([
      'stranger came, and the ledger does not know it',
    ]);
  });

  it('break when a message comes more often than it was attempted, answered or not', () => {
    const refused = ({ hits }: Evidence): void => void hits.unshift(hit('first', 9, { answered: false }));
    expect(spoiled(refused)).toEqual(['first came 2 times, with 1 attempts']);
    expect(
      spoiled((evidence) => {
        refused(evidence);
        evidence.ledger.attempts.unshift(attempt('first', 8, { outcome: 'retrying' }));
      }),
    ).toEqual([]);
  });

  it('break when the same is told under another key, lost answer or not', () => {
    const told = (more: Partial<Delivery>) => (evidence: Evidence) => {
      evidence.ledger.deliveries.push(delivery('other', 1, { page: true, ...more }));
      evidence.ledger.attempts.push(attempt('other', 11));
      Object.assign(first(evidence.ledger.attempts), { outcome: 'lost' });
      evidence.hits.splice(1, 0, hit('other', 12));
    };
    const again = ['other says to good again what first has said'];
    expect(spoiled(told({}))).toEqual(again);
    expect(spoiled(told({ reason: 'group_wait' })), 'a group is told first once').toEqual(again);
    expect(spoiled(told({ reason: 'group_interval' })), 'more of a group is other news').toEqual([]);
    expect(spoiled(told({ target: 'rough', reason: 'escalated' }))).toContain(
      'page says to rough again what other has said',
    );
    expect(spoiled(told({ target: 'rough' })), 'another target is told for itself').toEqual([]);
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

  it('break when a row is of a batch that is not there, or a batch of an open incident was never signalled', () => {
    expect(spoiled(({ ledger }) => void ledger.batches.pop())).toEqual([
      'row 3 is in batch 3 of INC-1, which does not exist',
    ]);
    const unsignalled = ({ ledger }: Evidence): void => void Object.assign(first(ledger.batches), { signalled: false });
    expect(spoiled(unsignalled), 'its workflow had it from the ledger').toEqual([]);
    expect(
      spoiled((evidence) => {
        unsignalled(evidence);
        Object.assign(first(evidence.ledger.incidents), { closed: false });
      }),
    ).toEqual(['INC-1 is still open', 'batch 1 of INC-1 was never signalled']);
  });

  it('break when what was to be sent again by hand is not there, never came, came too often, or has not ended', () => {
    const byHand =
      (more: Partial<Delivery> = {}, came = 1) =>
      (evidence: Evidence) => {
        evidence.said.push({ kind: 'redelivered', delivery: 'first/again1', send: 1 });
        evidence.ledger.sends.push({ id: 1, ended: true });
        evidence.ledger.audit.push({ actor: 'key', action: 'send.redeliver', object: 'first' });
        evidence.ledger.deliveries.push(delivery('first/again1', 1, { page: true, by_hand: true, ...more }));
        for (let at = 0; at < came; at++) {
          evidence.ledger.attempts.push(attempt('first/again1', 35 + at));
          evidence.hits.push(hit('first/again1', 36 + at));
        }
      };
    expect(spoiled(byHand()), 'an old page, after its acknowledgement, in no order: as it was asked for').toEqual([]);
    expect(spoiled(byHand({ status: 'dead', why: 'http_500' }, 0))).toEqual([]);
    expect(spoiled(byHand({ status: 'retrying' }, 0))).toEqual([
      'first/again1 is still retrying',
      'first/again1 was to be sent again, and never came',
    ]);
    expect(spoiled(byHand({}, 2))).toEqual([
      'first/again1 came 1 times more after it was answered, with 0 lost attempts',
    ]);
    expect(
      spoiled((evidence) => {
        byHand()(evidence);
        evidence.ledger.deliveries.pop();
      }),
    ).toContain('first/again1 was to be sent again, and is not there');
    expect(
      spoiled((evidence) => {
        byHand()(evidence);
        Object.assign(first(evidence.ledger.sends), { ended: false });
      }),
    ).toEqual(['what was asked for by hand (1) has not ended']);
    expect(
      spoiled((evidence) => {
        byHand()(evidence);
        evidence.ledger.audit.pop();
      }),
    ).toEqual(['that first/again1 was to be sent again has no row in the audit']);
    const gone = (evidence: Evidence): void => {
      byHand({ through: 3, reason: 'resolved', answer_rev: 2 })(evidence);
      evidence.hits = evidence.hits.filter(({ key }) => key !== 'last');
    };
    expect(spoiled(gone), 'a copy does not stand for what the pipeline promised itself').toContain(
      'good never heard of event-2 (resolved), row 3 of INC-1',
    );
  });

  it('break when an acknowledgement is taken back unasked, too soon, or unheard of', () => {
    const AT = 28 + FORGOTTEN.after_ms;
    const takenBack =
      (at: number, type: Accepted['type'] = FORGOTTEN.type) =>
      (evidence: Evidence) => {
        for (const one of evidence.said) if (one.kind === 'accepted') one.type = type;
        const row = { incident: 'INC-1', batch: 0, event: null, by: 'tocsin', answer_rev: 2 };
        evidence.ledger.inbox.push({ seq: 4, kind: 'ack_timed_out', at, ...row });
        evidence.ledger.audit.push({ actor: 'tocsin', action: 'incident.ack_timed_out', object: 'INC-1' });
        const back = { page: true, reason: 'ack_timed_out', answer_rev: 2 };
        evidence.ledger.deliveries.splice(2, 0, delivery('back', 2, back));
        evidence.ledger.attempts.push(attempt('back', 36));
        evidence.hits.splice(2, 0, hit('back', 37));
      };
    expect(spoiled(takenBack(AT)), 'a page after the acknowledgement that was decided when it held no more').toEqual(
      [],
    );
    expect(spoiled(takenBack(AT - 1))).toEqual([
      `the acknowledgement of INC-1 was taken back after ${FORGOTTEN.after_ms - 1} ms`,
    ]);
    expect(spoiled(takenBack(AT, 'trouble'))).toEqual([
      'the acknowledgement of INC-1 was taken back, and nobody wanted it',
    ]);
    expect(
      spoiled((evidence) => {
        takenBack(AT)(evidence);
        Object.assign(evidence.ledger.inbox.at(-1) as object, { answer_rev: 7 });
      }),
    ).toContain('row 4 takes an acknowledgement of INC-1 back that was not there');
    expect(
      spoiled((evidence) => {
        takenBack(AT)(evidence);
        for (const one of evidence.ledger.deliveries) if (one.reason === 'resolved') one.reason = 'group_interval';
        evidence.hits = evidence.hits.filter(({ key }) => key !== 'back');
        Object.assign(evidence.ledger.deliveries[2] as Delivery, { status: 'dead', why: 'http_500' });
      }),
    ).toContain('the acknowledgement of INC-1 was taken back, and nobody heard of it');
    expect(
      spoiled((evidence) => {
        takenBack(AT)(evidence);
        evidence.ledger.audit.pop();
      }),
    ).toEqual(['that INC-1 waits again has no row in the audit']);
  });

  it('break when an accepted acknowledgement is gone, or a page that is older than it begins after it', () => {
    expect(spoiled(({ ledger }) => void ledger.inbox.splice(1, 1))).toContain(
      'the acknowledgement of INC-1 by ana was accepted and is not there',
    );
    expect(spoiled(({ ledger }) => void ledger.attempts.push(attempt('page', 31)))).toEqual([
      'a page of INC-1 began after its acknowledgement (row 2)',
    ]);
  });

  it('break when anybody is escalated to by a decision that came after the acknowledgement, however soon', () => {
    const decided = (answer_rev: number) => (evidence: Evidence) => {
      Object.assign(evidence.ledger.deliveries[1] as Delivery, { answer_rev });
    };
    expect(spoiled(decided(1))).toEqual(['page was decided after the acknowledgement (row 2), and sent']);
    expect(spoiled(decided(2))).toEqual(['page was decided after the acknowledgement (row 2), and sent']);
    expect(
      spoiled((evidence) => {
        decided(1)(evidence);
        evidence.ledger.attempts.splice(1, 1);
        evidence.hits.splice(1, 1);
        Object.assign(evidence.ledger.deliveries[1] as Delivery, { status: 'superseded' });
      }),
      'what was never sent harms nobody',
    ).toEqual([]);
  });

  it('break when a page is under way as the acknowledgement is answered, and the answer does not name it', () => {
    const underWay = (begun: string[] | undefined) => (evidence: Evidence) => {
      Object.assign(evidence.ledger.attempts[1] as Attempt, { started_at: 29, ended_at: 35 });
      const acked = evidence.said.at(-1) as Extract<Said, { kind: 'acked' }>;
      delete acked.begun;
      if (begun) acked.begun = begun;
    };
    expect(spoiled(underWay([]))).toEqual([
      'page was under way when INC-1 was acknowledged, and the answer does not name it',
    ]);
    expect(spoiled(underWay(['page']))).toEqual([]);
    expect(spoiled(underWay(undefined)), 'an earlier answer may have named it').toEqual([]);
  });

  it('break when what comes later speaks for less', () => {
    expect(spoiled(({ hits }) => void hits.reverse())).toEqual([
      'INC-1 at /rough: page (through 1) came after over (through 3)',
      'INC-1 at /good: first (through 1) came after last (through 3)',
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
