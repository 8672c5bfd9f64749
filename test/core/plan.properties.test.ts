import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SEVERITIES } from '../../src/core/event.ts';
import { isPage } from '../../src/core/notice.ts';
import { nextStep } from '../../src/core/plan.ts';
import type { Policy } from '../../src/core/policy.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../support/policies.ts';
import { DEAD, DELIVERED, FAILED, type Fate, walk } from './walk.ts';

const severity = fc.constantFrom(...SEVERITIES);
const names = fc.uniqueArray(fc.constantFrom('chat', 'mail', 'phone'), { maxLength: 3 });
const ms = fc.constantFrom(0, SECOND, MINUTE, 10 * MINUTE, HOUR, 5 * HOUR);

const policies = fc.record({
  notify: names,
  group_wait_ms: ms,
  group_count: fc.integer({ min: 1, max: 4 }),
  group_now: fc.uniqueArray(severity, { maxLength: 2 }),
  levels: fc.array(fc.record({ notify: names, wait_ms: fc.constantFrom(MINUTE, 10 * MINUTE) }), { maxLength: 3 }),
  repeat: fc.integer({ min: 0, max: 3 }),
  tell_ack: fc.boolean(),
  tell_resolved: fc.boolean(),
  failover: fc.constantFrom<Policy['failover'][]>({}, { chat: { to: 'spare', after_ms: 15 * SECOND, only: [] } }),
  ack_timeout_ms: fc.constantFrom(HOUR, 3 * HOUR),
});

type Act =
  | { act: 'fires'; severity: (typeof SEVERITIES)[number] }
  | { act: 'ends' | 'acks' | 'unacks' | 'ackedAndThenFired' }
  | { act: 'snoozes' | 'passes'; ms: number }
  | { act: 'escalates'; level: number }
  | { act: 'delivery ends'; target: string; fate: Fate };

const fate = fc.constantFrom<Fate>(DELIVERED, DELIVERED, FAILED, DEAD, { outcome: 'skipped' }, 'hangs');
const acts: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ act: fc.constant('fires' as const), severity }),
  fc.record({
    act: fc.constantFrom('ends' as const, 'acks' as const, 'unacks' as const, 'ackedAndThenFired' as const),
  }),
  fc.record({ act: fc.constantFrom('snoozes' as const, 'passes' as const), ms }),
  fc.record({ act: fc.constant('escalates' as const), level: fc.integer({ min: 0, max: 4 }) }),
  fc.record({
    act: fc.constant('delivery ends' as const),
    target: fc.constantFrom('chat', 'mail', 'phone', 'spare'),
    fate: fate.filter((one) => one !== 'hangs'),
  }),
);

const story = fc.record({
  policy: policies,
  acts: fc.array(acts, { maxLength: 25 }),
  fates: fc.array(fate, { minLength: 1, maxLength: 8 }),
});

/** Plays a story; `after` sees the walk when each act has been followed to the next wait. Walks themselves bound their steps. */
function play(
  { policy, acts: all, fates }: typeof story extends fc.Arbitrary<infer T> ? T : never,
  after: (incident: ReturnType<typeof walk>) => void,
) {
  let deliveries = 0;
  let calm = false;
  const incident = walk(policy, () => (calm ? DELIVERED : (fates[deliveries++ % fates.length] ?? DELIVERED)));
  incident.fires('warning');
  for (const one of all) {
    if (incident.closed !== undefined) break;
    switch (one.act) {
      case 'fires':
        incident.fires(one.severity);
        break;
      case 'ends':
        incident.ends();
        break;
      case 'acks':
        if (incident.state.status !== 'resolved') incident.acks();
        break;
      case 'unacks':
        if (incident.state.status === 'acknowledged') incident.answers('open', 'unacknowledged');
        break;
      case 'ackedAndThenFired':
        if (incident.state.status === 'open') incident.ackedAndThenFired('critical');
        break;
      case 'snoozes':
        if (incident.state.status !== 'resolved')
          incident.answers('snoozed', 'snoozed', { snoozed_until: incident.now + one.ms });
        break;
      case 'passes':
        incident.passes(one.ms);
        break;
      case 'escalates':
        incident.escalates(one.level);
        break;
      case 'delivery ends':
        if (incident.state.targets[one.target]?.current?.running && one.fate !== 'hangs')
          incident.ended(one.target, one.fate);
        break;
      default:
        one satisfies never;
    }
    after(incident);
  }
  return {
    incident,
    /** No more faults: what hangs arrives, and time passes. */
    calmDown(): void {
      calm = true;
      for (const [target, { current }] of Object.entries(incident.state.targets))
        if (current?.running) incident.ended(target, DELIVERED);
      incident.passes(2 * DAY);
    },
  };
}

const RUNS = { numRuns: 400 };

describe('whatever happens to an incident', () => {
  it('the plan reaches a wait, decides the same twice, and its revision only rises', () => {
    fc.assert(
      fc.property(story, (told) => {
        let revision = 0;
        play(told, ({ state, now }) => {
          expect(nextStep(state, now)).toEqual(nextStep(structuredClone(state), now));
          expect(state.revision).toBeGreaterThanOrEqual(revision);
          revision = state.revision;
        });
      }),
      RUNS,
    );
  });

  it('a page is decided only while it is open, and no level is beyond the policy', () => {
    fc.assert(
      fc.property(story, (told) => {
        const { incident, calmDown } = play(told, () => undefined);
        calmDown();
        for (const { reason, status, level } of incident.tellings) {
          // An operator may ask for a level although somebody has it.
          if (isPage(reason) && reason !== 'escalated_by_hand') expect(status).toBe('open');
          expect(level ?? 1).toBeLessThanOrEqual(Math.max(1, told.policy.levels.length));
          if (reason === 'escalated') expect(told.policy.levels.length).toBeGreaterThan(0);
        }
      }),
      RUNS,
    );
  });

  it('every alert is covered by a notice or a dead delivery for each target of the route, and the incident closes', () => {
    fc.assert(
      fc.property(story, (told) => {
        const { incident, calmDown } = play(told, () => undefined);
        calmDown();
        expect(incident.closed).toBeDefined();
        for (const name of told.policy.notify) expect(incident.state.targets[name]?.told).toBeDefined();
        // Where the end is told, whatever came last is covered by it, for everyone who heard anything.
        if (told.policy.tell_resolved) {
          for (const { told: last } of Object.values(incident.state.targets))
            if (!last?.skipped) expect(last?.through).toBeGreaterThanOrEqual(incident.lastFired);
        }
        for (const { current, next } of Object.values(incident.state.targets))
          expect([current, next]).toEqual([undefined, undefined]);
      }),
      RUNS,
    );
  });

  it('no two deliveries of one target are on their way together, and a target hears of the end last', () => {
    fc.assert(
      fc.property(story, (told) => {
        const { incident, calmDown } = play(told, () => undefined);
        calmDown();
        const throughs = new Map<string, number>();
        for (const { target, out } of incident.sent) {
          expect(out.through).toBeGreaterThanOrEqual(throughs.get(target) ?? 0);
          throughs.set(target, out.through);
        }
      }),
      RUNS,
    );
  });
});
