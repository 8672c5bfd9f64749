/** `notify: [owner]` by values: whom the word stands for, whose incident it is, and what is said where it is nobody's. */
import { describe, expect, it } from 'vitest';
import { identityOf, labelsOf } from '../../src/core/event.ts';
import { type Owned, usersAsked } from '../../src/core/owner.ts';
import { decide, explain, storedDecision } from '../../src/core/route.ts';
import { event, route, routing } from '../support/ledger.ts';

const NOW = new Date('2026-01-15T12:00:00Z');
const OWNED: Owned = new Map([
  [
    'ana',
    [
      { name: 'ana-chat', enabled: true },
      { name: 'ana-mail', enabled: true, patience: { timeout_ms: 20_000, backoff_ms: 15_000 } },
      { name: 'ana-old', enabled: false },
    ],
  ],
  ['bo', [{ name: 'bo-mail', enabled: false }]],
]);
const tree = (notify: string[] = ['owner'], more: Partial<Parameters<typeof route>[0]> = {}) =>
  routing([route({ name: 'jobs', group_by: ['service'], ...more, policy: { ...more?.policy, notify } })]);
const joined = (given: Parameters<typeof event>[0], by = tree()) => {
  const [first] = decide(event(given), by, [], NOW, { owned: OWNED }).routes;
  if (first?.outcome !== 'join') throw new Error(`expected to join, not ${JSON.stringify(first)}`);
  return first;
};

describe('the owner in notify', () => {
  it('is what the user of the event has and has switched on, told as each of them is patient', () => {
    const { policy, owner, told } = joined({ user: 'ana', severity: 'critical' });
    expect(policy).toMatchObject({
      notify: ['ana-chat', 'ana-mail'],
      patience: { 'ana-mail': { timeout_ms: 20_000, backoff_ms: 15_000 } },
    });
    expect(owner).toBe('told');
    expect(told).toMatch(/^ana-chat, ana-mail at once/);
  });

  it('stands beside names, each of which is told once', () => {
    expect(joined({ user: 'ana' }, tree(['ops', 'owner', 'ana-mail'])).policy.notify).toEqual([
      'ops',
      'ana-chat',
      'ana-mail',
    ]);
  });

  it('is known by the label user where the event has no such field', () => {
    expect(joined({ labels: { user: 'ana' } }).policy.notify).toEqual(['ana-chat', 'ana-mail']);
    expect(joined({ user: 'bo', labels: { user: 'ana' } }).policy.notify).toEqual([]);
  });

  it.each([
    [{}, 'no_user', 'owner is nobody, because the event names no user'],
    [{ user: 'eve' }, 'no_integration', 'owner is nobody, because "eve" has no integration'],
    [{ user: 'bo' }, 'switched_off', 'owner is nobody, because what "bo" has is switched off: bo-mail'],
  ])('is nobody for %j, which is named %s', (given, outcome, why) => {
    const taken = joined(given);
    expect(taken).toMatchObject({ owner: outcome, policy: { notify: [] }, told: `nobody: ${why}` });
    expect(taken.why).toContain(why);
    expect(joined(given, tree(['ops', 'owner']))).toMatchObject({ owner: outcome, policy: { notify: ['ops'] } });
    const kept = storedDecision(decide(event(given), tree(), [], NOW, { owned: OWNED }));
    expect(kept.routes).toMatchObject([{ owner: outcome }]);
    expect(explain(kept).join('\n')).toContain(why);
  });

  it('gives every user an incident of their own, in a story too, and in no policy the name of one', () => {
    const ana = joined({ user: 'ana' });
    expect(ana.key).toBe('["jobs",["service","checkout"],["user","ana"]]');
    expect(joined({ user: 'bo' }).key).not.toBe(ana.key);
    const story = tree(['owner'], { group_by: [], policy: { lifecycle: 'job' } });
    expect(joined({ user: 'ana', labels: { job: '7' } }, story).group).toEqual({ job: '7', user: 'ana' });
    expect(joined({ user: 'ana', labels: {} }, tree(['owner'], { group_by: 'all' })).group).toMatchObject({
      user: 'ana',
    });
    expect(JSON.stringify({ ...ana.policy, notify: [], patience: {} })).not.toContain('ana');
  });

  it('changes nothing for a route that does not have it, not even the policy object', () => {
    const by = tree(['ops']);
    const { key, policy } = joined({ user: 'ana' }, by);
    expect(key).toBe('["jobs",["service","checkout"]]');
    expect(policy).toBe(by.routes[0]?.policy);
    expect(joined({ user: 'ana' }, by)).not.toHaveProperty('owner');
  });
});

describe('the user of an event', () => {
  it('is seen by matchers, and tells two alerts apart that are alike in all else', () => {
    expect(labelsOf(event({ user: 'ana' }))).toMatchObject({ user: 'ana' });
    const same = { id: 'x' };
    expect(identityOf(event({ ...same, user: 'ana' }))).not.toBe(identityOf(event({ ...same, user: 'bo' })));
    expect(identityOf(event({ dedup_key: 'k', user: 'ana' }))).toBe(identityOf(event({ dedup_key: 'k', user: 'bo' })));
  });

  it('is asked about only where a route somewhere in the tree tells the owner', () => {
    const events = [event({ user: 'ana' }), event({ user: 'bo' }), event({ user: 'ana' }), event()];
    expect(usersAsked(events, tree())).toEqual(['ana', 'bo']);
    expect(usersAsked(events, tree(['ops']))).toEqual([]);
    const child = route({ name: 'child', policy: { notify: ['owner'] } });
    expect(usersAsked(events, routing([route({ children: [child] })]))).toEqual(['ana', 'bo']);
    expect(usersAsked(events, routing([], { fallback: child }))).toEqual(['ana', 'bo']);
  });
});
