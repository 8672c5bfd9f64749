/** What work leaves behind in the heap once small collections have run: what outlives two of them waits for the next full one. */
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as (how: { type: 'minor' | 'major' }) => void;

/** Bytes by which the old generation has grown while `once` ran `times`, so many of it at once, with a small collection after every hundredth. */
export async function leftBehind(
  once: () => Promise<unknown>,
  { times, at_once }: Record<'times' | 'at_once', number>,
): Promise<number> {
  let done = 0;
  const run = async (until: number): Promise<void> => {
    while (done < until) {
      if (++done % 100 === 0) gc({ type: 'minor' });
      await once();
    }
  };
  const runAll = (until: number) => Promise.all(Array.from({ length: at_once }, () => run(until)));
  await runAll(times / 10);
  gc({ type: 'major' });
  const before = oldBytes();
  await runAll(times + times / 10);
  return oldBytes() - before;
}

const oldBytes = (): number =>
  getHeapSpaceStatistics()
    .filter(({ space_name }) => space_name === 'old_space' || space_name === 'large_object_space')
    .reduce((sum, { space_used_size }) => sum + space_used_size, 0);
