import { describe, expect, it } from 'vitest';
import {
  type Batch,
  batchFits,
  type Incident,
  type Outgoing,
  openIncident,
  withBatch,
  withChapters,
  withOwnAnswer,
} from '../../src/core/incident.ts';
import { asLoaded, isLastRound, keepingRunning, roundWait, withEnded, withRunning } from '../../src/core/rounds.ts';
import { withTelling } from '../../src/core/telling.ts';
import { HOUR, MINUTE, policy } from '../support/policies.ts';
import { DEAD, DELIVERED, FAILED, START, walk } from './walk.ts';

const opened = (overrides: Parameters<typeof policy>[0] = {}): Incident =>
  openIncident('INC-1', policy(overrides), 'epoch-1', START);

const batch = (number: number, more: Partial<Batch> = {}): Batch => ({
  incident: 'INC-1',
  number,
  epoch: 'epoch-1',
  at: START,
  through: number,
  status: 'open',
  answer_rev: 0,
  firing: number,
  alerts: number,
  worst: 'error',
  first_at: START,
  last_at: START,
  rows: [],
  more: 0,
  ...more,
});

const told = (incident: Incident, reason: 'group_now' | 'resolved', now = START): Incident =>
  withTelling(incident, { reason, targets: ['chat'] }, now);
const current = (incident: Incident, target = 'chat'): Outgoing => {
  const out = incident.targets[target]?.current;
  if (!out) throw new Error(`${target} has no notice`);
  return out;
};

describe('a batch', () => {
  const seenOne = withBatch(opened(), batch(1));

  it('is folded when it is the next, dropped when it is known, and loaded for when one is missing', () => {
    expect(batchFits(seenOne, batch(2))).toBe('fold');
    expect(batchFits(seenOne, batch(1))).toBe('drop');
    expect(batchFits(seenOne, batch(3))).toBe('load');
  });

  it('of another epoch of the ledger makes the incident load, whatever its number', () => {
    expect(batchFits(seenOne, batch(1, { epoch: 'epoch-2' }))).toBe('load');
    expect(batchFits(seenOne, batch(2, { epoch: 'epoch-2' }))).toBe('load');
  });

  it('raises the revision', () => {
    expect(seenOne.revision).toBeGreaterThan(opened().revision);
  });

  it('with an older answer than the one known changes the totals and not the answer', () => {
    const acked = withOwnAnswer(seenOne, { status: 'open', answer: 'ack_timed_out', answer_rev: 5 }, START);
    const after = withBatch(acked, batch(2, { status: 'acknowledged', answer_rev: 4, answer: 'acknowledged' }));
    expect(after).toMatchObject({ status: 'open', answer: 'ack_timed_out', answer_rev: 5, alerts: 2 });
  });

  it('never moves the last time back', () => {
    expect(
      withBatch(withBatch(opened(), batch(1, { last_at: START + 9 })), batch(2, { last_at: START + 4 })).last_at,
    ).toBe(START + 9);
  });
});

describe('an answer of its own', () => {
  it('that is known already changes nothing', () => {
    const once = withOwnAnswer(opened(), { status: 'open', answer: 'snooze_ended', answer_rev: 1 }, START);
    expect(withOwnAnswer(once, { status: 'open', answer: 'snooze_ended', answer_rev: 1 }, START + 5)).toBe(once);
  });
});

describe('a target', () => {
  it('has one delivery at a time: what is newer waits for the one on its way', () => {
    const running = withRunning(told(opened(), 'group_now'), ['chat']);
    const waiting = told(running, 'resolved');
    expect(current(waiting).reason).toBe('group_now');
    expect(waiting.targets.chat?.next?.reason).toBe('resolved');
    const ended = withEnded(waiting, 'chat', current(waiting).key, DELIVERED, START);
    expect(current(ended).reason).toBe('resolved');
  });

  it('keeps of the waiting notices only the newest, which records what it overtook', () => {
    const incident = walk({ group_count: 1, repeat_interval_ms: MINUTE }, () => 'hangs')
      .fires('warning')
      .passes(MINUTE);
    const overtaken = incident.state.targets.chat?.next?.key;
    incident.passes(MINUTE);
    expect(incident.state.targets.chat?.next?.overtook).toEqual([overtaken]);
    expect(incident.told).toEqual(['group_count chat']);
  });

  it('whose round failed while a newer notice waited goes on with the newer, which records the older', () => {
    const incident = walk({ repeat_interval_ms: MINUTE }, (_, { reason }) =>
      reason === 'group_now' ? 'hangs' : DELIVERED,
    )
      .fires('critical')
      .passes(MINUTE);
    incident.ended('chat', FAILED);
    expect(incident.told).toEqual(['group_now chat', 'repeat_interval chat']);
    expect(incident.sent[1]?.out.overtook).toEqual([incident.sent[0]?.key]);
  });

  it('is told nothing twice when the same decision is taken twice', () => {
    const once = told(opened(), 'resolved');
    expect(told(once, 'resolved').targets.chat?.current?.overtook).toBeUndefined();
  });

  it('ignores the end of a delivery that is not its present one', () => {
    const running = withRunning(told(opened(), 'group_now'), ['chat']);
    expect(withEnded(running, 'chat', 'another', DELIVERED, START)).toBe(running);
    expect(withEnded(running, 'nobody', current(running).key, DELIVERED, START)).toBe(running);
  });

  it('has heard nothing of a page that was stale', () => {
    const running = withRunning(told(opened(), 'group_now'), ['chat']);
    expect(withEnded(running, 'chat', current(running).key, { outcome: 'stale' }, START).targets.chat).toEqual({});
  });

  it('has heard of a page that was stale, where an attempt of it may have arrived', () => {
    const running = withRunning(told(opened(), 'group_now'), ['chat']);
    const stale = { outcome: 'stale', unsure: true } as const;
    const { chat } = withEnded(running, 'chat', current(running).key, stale, START).targets;
    expect(chat).toMatchObject({ told: { reason: 'group_now', status: 'open' } });
    const loaded = asLoaded(
      running,
      { [current(running).key]: { status: 'superseded', round: 0, unsure: true } },
      START,
    );
    expect(loaded.targets.chat).toEqual(chat);
  });
});

describe('rounds', () => {
  it('come 1, 5, 15 and 30 minutes after a failed one, then hourly', () => {
    const incident = walk({ repeat_interval_ms: 100 * HOUR, quiet_ms: 200 * HOUR }, () => FAILED)
      .fires('critical')
      .passes(4 * HOUR);
    expect(incident.sent.map(({ at }) => (at - START) / MINUTE)).toEqual([0, 1, 6, 21, 51, 111, 171, 231]);
    expect(new Set(incident.sent.map(({ key }) => key)).size).toBe(1);
    expect([1, 2, 3, 4, 5, 6].map((round) => roundWait(round) / MINUTE)).toEqual([1, 5, 15, 30, 60, 60]);
  });

  it('wait longer when the provider asks for it', () => {
    const incident = walk({}, () => ({ outcome: 'failed', dead: false, after_ms: 10 * MINUTE }))
      .fires('critical')
      .passes(15 * MINUTE);
    expect(incident.sent.map(({ at }) => (at - START) / MINUTE)).toEqual([0, 10]);
  });

  it.each([
    ['24 h', 24],
    ['75 h', 75],
  ] as const)('are given up after %s', (_, hours) => {
    const incident = withBatch(opened(), batch(1, { worst: 'critical' }));
    const out: Outgoing = {
      key: 'k',
      reason: 'group_now',
      answer_rev: 0,
      through: 1,
      since: START,
      due: START,
      round: 0,
      running: true,
    };
    const wait_ms = roundWait(9);
    const lastFitting = START + hours * HOUR - wait_ms;
    expect(isLastRound(incident, { ...out, round: 8, due: lastFitting }, hours * HOUR)).toBe(false);
    expect(isLastRound(incident, { ...out, round: 8, due: lastFitting + 1 }, hours * HOUR)).toBe(true);
  });

  it.each([
    ['critical', false],
    ['error', false],
    ['warning', true],
    ['info', true],
  ] as const)('after the first of a %s: none is %s', (worst, isLast) => {
    const incident = told(withBatch(opened(), batch(1, { worst })), 'group_now');
    expect(isLastRound(incident, current(incident), 24 * HOUR)).toBe(isLast);
  });

  it('of an end that fails go by what the incident was when it was answered', () => {
    const resolved = withBatch(
      withBatch(opened(), batch(1, { worst: 'critical' })),
      batch(2, { worst: null, status: 'resolved', answer_rev: 1, answer: 'resolved' }),
    );
    const incident = told(resolved, 'resolved');
    expect(isLastRound(incident, current(incident), 24 * HOUR)).toBe(false);
  });
});

describe('delivery keys', () => {
  it('are the same for the same cause, whoever computes them and whenever', () => {
    const state = withBatch(opened(), batch(1));
    expect(current(told(state, 'group_now', START)).key).toBe(
      current(told(structuredClone(state), 'group_now', START + HOUR)).key,
    );
  });

  it('differ for every cause and target of a long night', () => {
    const policies = {
      notify: ['chat', 'mail'],
      levels: [
        { notify: ['phone'], wait_ms: 5 * MINUTE },
        { notify: ['boss', 'chat'], wait_ms: 10 * MINUTE },
      ],
      repeat: 3,
      ack_timeout_ms: HOUR,
      failover: { chat: { to: 'spare', after_ms: 15_000, only: [] } },
    };
    const incident = walk(policies, (target) => (target === 'chat' ? DEAD : DELIVERED));
    incident
      .fires('warning')
      .passes(30 * MINUTE)
      .fires('error')
      .passes(HOUR)
      .acks()
      .passes(2 * HOUR)
      .escalates(1)
      .passes(10 * MINUTE)
      .escalates(1);
    incident
      .passes(HOUR)
      .answers('snoozed', 'snoozed', { snoozed_until: incident.now + HOUR })
      .passes(5 * HOUR)
      .fires('critical')
      .passes(HOUR)
      .ends();
    const keys = incident.sent.map(({ key }) => key);
    expect(keys.length).toBeGreaterThan(40);
    expect(new Set(keys).size).toBe(keys.length);
    for (const { key, target, reason } of incident.sent)
      expect(key).toMatch(new RegExp(`^INC-1/${reason}/[^/]+/${target}$`));
  });
});

describe('the state stays small', () => {
  const BOUND = 12_000;
  const size = (incident: Incident): number => JSON.stringify(incident).length;

  it('in a storm of ten thousand batches', () => {
    const incident = walk({ notify: ['chat', 'mail', 'hook'] });
    for (let number = 0; number < 10_000; number++) incident.fires('warning');
    expect(size(incident.state)).toBeLessThan(BOUND);
  });

  it('in a story of ten thousand chapters nobody can be told of', () => {
    const incident = walk({ lifecycle: 'job' }, () => 'hangs');
    for (let chapter = 0; chapter < 10_000; chapter++) incident.tells();
    expect(incident.state.chapters).toHaveLength(20);
    expect(incident.state.chapters.at(-1)?.[1]).toBe(10_000);
    expect(size(incident.state)).toBeLessThan(BOUND);
  });

  it('with a target that is away for three days', () => {
    const incident = walk(
      { notify: ['chat', 'mail', 'hook'], repeat_interval_ms: 5 * MINUTE, quiet_ms: 100 * HOUR },
      () => FAILED,
    );
    incident.fires('critical').passes(72 * HOUR);
    expect(incident.sent.length).toBeGreaterThan(800);
    expect(size(incident.state)).toBeLessThan(BOUND);
  });

  it('however many chapters two batches bring: the first nineteen alone, the rest as one', () => {
    const some = (from: number, count: number) =>
      Array.from({ length: count }, (_, at): [number, number] => [from + at, from + at]);
    const chapters = withChapters(some(1, 15), some(16, 30));
    expect(chapters).toHaveLength(20);
    expect(chapters.at(-1)).toEqual([20, 45]);
  });
});

describe('an incident built again from the ledger', () => {
  const sending = withRunning(told(withBatch(opened(), batch(1)), 'group_now'), ['chat']);
  const { key } = current(sending);

  it('sends again, under the same key, what nobody knows the end of', () => {
    const loaded = asLoaded(sending, { [key]: { status: 'sending', round: 0 } }, START);
    expect(current(loaded)).toMatchObject({ key, running: false, due: START });
  });

  it.each(['delivered', 'skipped', 'dead'] as const)('knows that a delivery is %s', (status) => {
    const { chat } = asLoaded(sending, { [key]: { status, round: 0 } }, START).targets;
    expect(chat?.current).toBeUndefined();
    expect(chat?.told).toMatchObject({ reason: 'group_now', ...(status === 'dead' ? { dead: true } : {}) });
  });

  it('waits for the round that the ledger has planned', () => {
    const loaded = asLoaded(sending, { [key]: { status: 'retrying', round: 2, next_at: START + HOUR } }, START);
    expect(current(loaded)).toMatchObject({ round: 2, due: START + HOUR, running: false });
  });

  it('drops what was superseded', () => {
    expect(
      asLoaded(sending, { [key]: { status: 'superseded', round: 0 } }, START).targets.chat?.current,
    ).toBeUndefined();
  });

  it('keeps what this run has on its way, and what the ledger holds for that target waits', () => {
    const loaded = told(asLoaded(withBatch(opened(), batch(1)), {}, START), 'resolved');
    const kept = keepingRunning(loaded, sending);
    expect(current(kept)).toMatchObject({ key, running: true });
    expect(kept.targets.chat?.next?.reason).toBe('resolved');
    expect(kept.revision).toBeGreaterThan(Math.max(loaded.revision, sending.revision));
  });

  it('does not let a delivery on its way wait for itself', () => {
    const kept = keepingRunning(asLoaded(sending, {}, START), sending);
    expect(kept.targets.chat?.next).toBeUndefined();
  });
});
