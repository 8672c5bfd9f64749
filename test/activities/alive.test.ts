/** An activity that works gives signs of life, and none when it has ended. */
import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { alive } from '../../activities/alive.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Lets it work for this long; how many signs came by its end, and by ten seconds after that. */
async function signs(lasts_ms: number, ending: 'well' | 'badly'): Promise<[while_working: number, afterwards: number]> {
  let count = 0;
  const context = { heartbeat: () => ++count } as unknown as Context;
  const { promise: done, resolve: end } = Promise.withResolvers<void>();
  const work = alive(async (said: string) => {
    await done;
    if (ending === 'badly') throw new Error('it failed');
    return said;
  });
  const running = asyncLocalStorage.run(context, () => work('as it was given'));
  await vi.advanceTimersByTimeAsync(lasts_ms);
  end();
  if (ending === 'well') await expect(running).resolves.toBe('as it was given');
  else await expect(running).rejects.toThrow('it failed');
  const whileWorking = count;
  await vi.advanceTimersByTimeAsync(10_000);
  return [whileWorking, count];
}

describe('an activity', () => {
  it.each(['well', 'badly'] as const)(
    'that ends %s gave a sign every three seconds, and none afterwards',
    async (end) => {
      expect(await signs(10_000, end)).toEqual([3, 3]);
    },
  );

  it('that ends at once gives none', async () => {
    expect(await signs(0, 'well')).toEqual([0, 0]);
  });
});
