/** Who is told besides an integration, by values: for which events, at which levels, in which incident, and how it is said. */
import { describe, expect, it } from 'vitest';
import { decide, explain } from '../../src/core/route.ts';
import { event, route, routing } from '../support/ledger.ts';

const NOW = new Date('2026-01-15T12:00:00Z');
const BESIDES = new Map([
  [
    'mail',
    [
      { kind: 'productionOutage', to: 'phone', patience: { timeout_ms: 15_000, backoff_ms: 10_000 } },
      { kind: 'deployApproval' },
      { kind: 'deploy*', to: 'phone' },
    ],
  ],
]);
const tree = (more: Parameters<typeof route>[0] = {}) => ({
  ...routing([route({ name: 'ops', ...more, policy: { notify: ['mail', 'chat'], ...more?.policy } })]),
  besides: BESIDES,
});
const joined = (given: Parameters<typeof event>[0], by = tree()) => {
  const decision = decide(event(given), by, [], NOW);
  const [first] = decision.routes;
  if (first?.outcome !== 'join') throw new Error(`expected to join, not ${JSON.stringify(first)}`);
  return { ...first, lines: explain(decision) };
};

describe('who is told besides an integration', () => {
  it.each(['production_outage', 'production.outage', 'deploy.failed'])('is a target of its own for %s', (type) => {
    const { policy, told, why } = joined({ type, severity: 'critical' });
    expect(policy.notify).toEqual(['mail', 'phone', 'chat']);
    expect(told).toMatch(/^mail, phone, chat at once/);
    expect(why).toContain('phone is told too, as mail wants it for ');
  });

  it('is told with the patience that it has', () => {
    expect(joined({ type: 'production_outage' }).policy.patience).toEqual({
      phone: { timeout_ms: 15_000, backoff_ms: 10_000 },
    });
  });

  it.each(['cpu_high', 'deploy_approval'])('is nobody for %s, and the policy stays the one of the route', (type) => {
    const by = tree();
    expect(joined({ type }, by).policy).toBe(by.routes[0]?.policy);
  });

  it('stands at every level that names the integration, and once where it was named already', () => {
    const levels = [
      { notify: ['chat'], wait_ms: 1 },
      { notify: ['mail', 'boss'], wait_ms: 1 },
    ];
    const { policy } = joined({ type: 'production_outage' }, tree({ policy: { notify: ['phone', 'mail'], levels } }));
    expect(policy.notify).toEqual(['phone', 'mail']);
    expect(policy.levels.map(({ notify }) => notify)).toEqual([['chat'], ['mail', 'phone', 'boss']]);
  });

  it('hears of an outage although an incident of which it hears nothing is open in the same group', () => {
    const by = tree({ group_by: ['service'] });
    const mild = joined({ type: 'cpu_high' }, by);
    const outage = joined({ type: 'production_outage' }, by);
    expect(outage.key).not.toBe(mild.key);
    expect(outage.group).toEqual({ service: 'checkout', besides: 'phone' });
    expect(joined({ type: 'production_outage', status: 'resolved' }, by).key).toBe(outage.key);
    expect(joined({ type: 'production_outage' }, tree({ group_by: ['type'] })).group).toEqual({
      type: 'production_outage',
    });
  });

  it('does not tear a story in two: it hears of one that begins with its kind', () => {
    const by = tree({ policy: { lifecycle: 'deployment', notify: ['mail'] }, group_by: [] });
    const labels = { deployment: 'd-7' };
    const begun = joined({ type: 'deploy_started', labels }, by);
    expect(begun.policy.notify).toEqual(['mail', 'phone']);
    expect(joined({ type: 'smoke_test', labels }, by).key).toBe(begun.key);
  });
});
