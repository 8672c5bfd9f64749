import { describe, expect, it } from 'vitest';
import { createRates } from '../../activities/rates.ts';

describe('the rate of an integration', () => {
  const chat = { name: 'chat', rate: { count: 2, per_ms: 1_000 } };

  it('lets as many go at once as it names, then says how long to wait', () => {
    const rates = createRates();
    expect([rates.wait(chat, 0), rates.wait(chat, 0), rates.wait(chat, 0)]).toEqual([0, 0, 500]);
  });

  it('fills again with time, and never beyond what it names', () => {
    const rates = createRates();
    rates.wait(chat, 0);
    rates.wait(chat, 0);
    expect([rates.wait(chat, 500), rates.wait(chat, 600)]).toEqual([0, 400]);
    expect([1, 2, 3].map(() => rates.wait(chat, 60_000))).toEqual([0, 0, 500]);
  });

  it('of one is not the rate of another, and who has none never waits', () => {
    const rates = createRates();
    rates.wait(chat, 0);
    rates.wait(chat, 0);
    expect(rates.wait({ ...chat, name: 'mail' }, 0)).toBe(0);
    for (let count = 0; count < 100; count++) expect(rates.wait({ name: 'free' }, 0)).toBe(0);
  });
});
