/** The seam for brokers: one source that reads, and one place in a list; here a broker of twenty lines, with acknowledgements. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { fromText, REGISTRY } from '../../src/config/load.ts';
import { keep } from '../../src/http/events.ts';
import { Problem } from '../../src/http/problem.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { startListeners } from '../../src/listeners/index.ts';
import type { ListenerDeps } from '../../src/listeners/listener.ts';
import { createLog } from '../../src/observe/log.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { sources } from '../../src/sources/index.ts';
import type { Consuming } from '../../src/sources/source/consuming.ts';
import { type AnySource, defineSource, fitted, textAt } from '../../src/sources/source.ts';
import { openTestLedger, routing } from '../support/ledger.ts';
import { until } from '../support/until.ts';

/** What waits at it, and what it was told: as much of a broker as a reader sees. */
class Queue {
  waiting: { id: string; text: string }[] = [];
  acknowledged: string[] = [];
  dead: string[] = [];
  told: (() => void) | undefined;
  put(id: string, text: string): void {
    this.waiting.push({ id, text });
    this.told?.();
  }
}

const queue = new Queue();

/** A whole broker's source, as its one file would be. */
const queued = defineSource({
  id: 'queue',
  name: 'A queue',
  setup: 'Put messages into it.',
  config: z.strictObject({ topic: z.string() }),
  verify: () => 'its messages are read, not posted',
  normalise: (message, { name, config }) => ({
    events: [
      fitted({
        id: `${config.topic}/${textAt(message, 'id')}`,
        source: name,
        type: config.topic,
        title: textAt(message, 'text'),
        severity: 'error',
        ...{ components: [], labels: {}, assignees: [], links: [], status: 'firing' },
      }),
    ],
    rejected: [],
  }),
  async consume({ name, config, now, keep, log }: Consuming<{ topic: string }>) {
    if (config.topic === 'forbidden') throw new Error('no right to read forbidden');
    let isStopped = false;
    let working = Promise.resolve();
    const work = async (): Promise<void> => {
      for (let message = queue.waiting[0]; message && !isStopped; message = queue.waiting[0]) {
        const { events } = queued.normalise(message, { name, config, now: now() });
        const outcome = await keep(events).catch((error: unknown) => error as Error);
        if (outcome === 'later') continue;
        queue.waiting.shift();
        if (outcome === 'kept') queue.acknowledged.push(message.id);
        else {
          log.error({ source: name, err: outcome }, 'a message is a dead letter');
          queue.dead.push(message.id);
        }
      }
    };
    queue.told = () => {
      working = working.then(work);
    };
    queue.told();
    return {
      where: `queue://${config.topic}`,
      async stop() {
        isStopped = true;
        queue.told = undefined;
        await working;
      },
    };
  },
});

/** The list, with it. */
const kinds: readonly AnySource[] = [...(sources as readonly unknown[] as AnySource[]), queued];

let ledger: Ledger;
const stops: (() => Promise<void>)[] = [];
beforeAll(async () => {
  ({ ledger } = await openTestLedger());
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
afterAll(() => ledger.close());

async function begin(topic: string, keeps?: (real: ListenerDeps['keep']) => ListenerDeps['keep']) {
  const text = `sources:\n  orders: { type: queue, topic: ${topic} }\n`;
  const config = fromText(text, 'test.yaml', {}, { ...REGISTRY, sources: kinds });
  const metrics = createMetrics({ reasons: [], channels: [], failures: [], routes: [] });
  const door = createDoor(ledger, { routing: routing() });
  const real: ListenerDeps['keep'] = (events, source) => keep(events, source, { door, metrics, limits: undefined });
  const log = createLog({ level: 'silent', secrets: [] });
  const now = () => new Date();
  const deps = { config, ledger, log, metrics, now, keep: keeps?.(real) ?? real };
  const running = await startListeners(deps, (type) => kinds.find(({ id }) => id === type));
  stops.push(running.stop);
  return { ...running, metrics };
}
const titlesOf = async (topic: string): Promise<string[]> => {
  const rows = await ledger.query<{ title: string }>(
    "select event->>'title' as title from events where id like $1 order by seq",
    [`${topic}/%`],
  );
  return rows.map(({ title }) => title);
};
const acknowledged = (...ids: string[]) =>
  until(`${ids} to be acknowledged`, () => ids.every((id) => queue.acknowledged.includes(id)) || undefined);

describe('another broker', () => {
  it('is configured by its own fields, read onto the same path, and told that a message was taken once it is committed', async () => {
    queue.put('1', 'Order lost');
    const { all, metrics } = await begin('orders', (real) => async (events, source) => {
      expect(queue.acknowledged, 'not before').toEqual([]);
      return real(events, source);
    });
    expect(all.map(({ where }) => where)).toEqual(['queue://orders']);
    await acknowledged('1');
    expect(await titlesOf('orders')).toEqual(['Order lost']);
    expect(await metrics.text()).toContain('source="queue"');
  });

  it('keeps what comes while the ledger takes nothing, and what comes twice is one event', async () => {
    let refused = 0;
    await begin('later', (real) => async (events, source) => {
      if (refused++ < 3) throw new Problem('unavailable', 'too many wait');
      return real(events, source);
    });
    queue.put('2', 'Once');
    await acknowledged('2');
    queue.put('2', 'Once');
    queue.put('3', 'Then');
    await acknowledged('3');
    expect(refused).toBeGreaterThan(3);
    expect(await titlesOf('later')).toEqual(['Once', 'Then']);
  });

  it('hears which message can never be kept, and goes on with the next', async () => {
    await begin('poisoned', (real) => async (events, source) => {
      if (events[0]?.title === 'poison') throw new Error('a row that nothing takes');
      return real(events, source);
    });
    queue.put('4', 'poison');
    queue.put('5', 'good');
    await acknowledged('5');
    expect(queue.dead).toEqual(['4']);
    expect(await titlesOf('poisoned')).toEqual(['good']);
  });

  it('that can never be read ends the start, in its own words; what is wrong in its fields is named with its line', async () => {
    await expect(begin('forbidden')).rejects.toThrow('no right to read forbidden');
    await expect(begin('{ a: 1 }')).rejects.toThrow(/line 2.*topic/s);
  });
});
