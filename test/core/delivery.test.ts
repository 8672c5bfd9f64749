import { describe, expect, it } from 'vitest';
import { DELIVERY_STATES, type Standing, stateOf, statesOf } from '../../src/core/delivery.ts';

describe('the state of a delivery', () => {
  it.each<[Standing, string]>([
    [{ status: 'retrying', attempts: 0 }, 'pending'],
    [{ status: 'retrying', attempts: 1 }, 'failed'],
    [{ status: 'sending', attempts: 1 }, 'sending'],
    [{ status: 'delivered', attempts: 1 }, 'delivered'],
    [{ status: 'delivered', attempts: 1, receipt: null }, 'delivered'],
    [{ status: 'delivered', attempts: 1, receipt: 'awaited' }, 'sent'],
    [{ status: 'delivered', attempts: 1, receipt: 'delivered' }, 'delivered'],
    [{ status: 'delivered', attempts: 1, receipt: 'read' }, 'read'],
    [{ status: 'dead', attempts: 1, receipt: 'awaited' }, 'dead'],
    [{ status: 'skipped', attempts: 0 }, 'skipped'],
    [{ status: 'superseded', attempts: 1 }, 'superseded'],
  ])('%o is shown as %s', (standing, state) => {
    expect(stateOf(standing)).toBe(state);
  });

  it('has words that a list can be asked with, and an older one that finds what it always found', () => {
    for (const state of Object.keys(DELIVERY_STATES) as (keyof typeof DELIVERY_STATES)[])
      expect(statesOf(state)).toEqual([state]);
    expect(statesOf('retrying')).toEqual(['pending', 'failed']);
  });
});
