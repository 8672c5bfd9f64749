/** A stream of a real Redis, read as a consumer group: killed, restarted, refused, and counted. */
import { createClient } from '@redis/client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fromText, REGISTRY } from '../../src/config/load.ts';
import { keep } from '../../src/http/events.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { startListeners } from '../../src/listeners/index.ts';
import type { ListenerDeps } from '../../src/listeners/listener.ts';
import { createLog } from '../../src/observe/log.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { openTestLedger, routing } from '../support/ledger.ts';
import { hasRedis, type Redis, startRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

const LIMIT_MS = 30_000;
const GROUP = 'tocsin';

it.runIf(process.env.TOCSIN_REQUIRE_REDIS === '1')('a redis-server is here', () => {
  expect(hasRedis(), 'Debian: apt-get install redis-server').toBe(true);
});

describe.runIf(hasRedis())('a stream of a Redis', { timeout: 2 * LIMIT_MS }, () => {
  let redis: Redis;
  let sender: ReturnType<typeof clientOf>;
  let ledger: Ledger;
  let closeLedger: () => Promise<void>;
  const running: (() => Promise<void>)[] = [];
  const logged: string[] = [];
  let streams = 0;

  const clientOf = () =>
    createClient({ url: redis.url, socket: { reconnectStrategy: () => 50 } }).on('error', () => undefined);

  beforeAll(async () => {
    redis = await startRedis();
    sender = clientOf();
    await sender.connect();
    const opened = await openTestLedger();
    ledger = opened.ledger;
    closeLedger = () => ledger.close();
  });
  afterEach(async () => {
    for (const stop of running.splice(0)) await stop();
  });
  afterAll(async () => {
    sender.destroy();
    await redis.close();
    await closeLedger();
  });

  /** Begins to read a stream; `keeps` stands before the ledger, `more` beside the settings of the source. */
  const listening = async (stream: string, keeps?: (real: ListenerDeps['keep']) => ListenerDeps['keep'], more = '') => {
    const log = createLog({ level: 'warn', secrets: [], destination: { write: (line: string) => logged.push(line) } });
    const metrics = createMetrics({ reasons: [], channels: [], failures: [], routes: [] });
    const door = createDoor(ledger, { routing: routing() });
    const real: ListenerDeps['keep'] = (events, source) => keep(events, source, { door, metrics, limits: undefined });
    const config = fromText(
      `sources:\n  trader: { type: redis-stream, url: '${redis.url}', stream: '${stream}', claim_after: 200ms${more} }\n`,
      'test.yaml',
      {},
      REGISTRY,
    );
    const now = () => new Date();
    const { stop } = await startListeners({ config, ledger, log, metrics, now, keep: keeps?.(real) ?? real });
    running.push(stop);
    return stop;
  };
  const streamOf = (name: string): string => `${name}.${++streams}.${process.pid}`;
  const idsOf = async (stream: string): Promise<string[]> => {
    const rows = await ledger.query<{ id: string }>('select id from events where id like $1 order by seq', [
      `${stream}/%`,
    ]);
    return rows.map(({ id }) => id.slice(stream.length + 1));
  };
  const pendingIn = async (stream: string): Promise<number> => (await sender.xPending(stream, GROUP)).pending;
  const kept = (stream: string, count: number) =>
    until(
      `${count} entries of ${stream} to be kept`,
      async () => ((await idsOf(stream)).length >= count ? true : undefined),
      LIMIT_MS,
    );
  const settled = (stream: string) =>
    until(`nothing of ${stream} to wait`, async () => ((await pendingIn(stream)) === 0 ? true : undefined), LIMIT_MS);

  interface Growth {
    status: string;
    severity: string;
    dedup_key: string;
  }
  /** What was told of these dead letters, in its order. */
  const growthOf = async (queue: string): Promise<Growth[]> => {
    const rows = await ledger.query<{ event: Growth }>('select event from events where id like $1 order by seq', [
      `dead-letters/${queue}/%`,
    ]);
    return rows.map(({ event }) => event);
  };
  const toldOf = (queue: string, { status }: { status: string }) =>
    until(
      `${queue} to be told as ${status}`,
      async () => (await growthOf(queue)).find((growth) => growth.status === status),
      LIMIT_MS,
    );

  it('is read from its first entry, and each entry is acknowledged once it is kept', async () => {
    const stream = streamOf('notify.events');
    const early = await sender.xAdd(stream, '*', {
      type: 'daily_target_reached',
      severity: 'critical',
      traceId: 't-1',
    });
    await listening(stream);
    await kept(stream, 1);
    const late = await sender.xAdd(stream, '*', { type: 'order_rejected', message: 'Order rejected' });
    await kept(stream, 2);
    expect(await idsOf(stream)).toEqual([early, late]);
    await settled(stream);
  });

  it('loses nothing when its Redis is killed half way: every entry that it had answered is kept, each once', async () => {
    const stream = streamOf('killed');
    await listening(stream);
    const answered: string[] = [];
    const send = async (count: number): Promise<void> => {
      for (let at = 0; at < count; at++) answered.push(await sender.xAdd(stream, '*', { type: 'tick', n: String(at) }));
    };
    await send(500);
    // What was on its way when the server died may have been written or not; nobody was told either way.
    const rest = send(1_000).catch(() => undefined);
    await until('some of the rest to be answered', () => (answered.length > 700 ? true : undefined), LIMIT_MS);
    await redis.kill();
    await redis.start();
    await rest;
    await send(200);
    await kept(stream, answered.length);
    await settled(stream);
    const found = await idsOf(stream);
    expect(answered.filter((id) => !found.includes(id))).toEqual([]);
    expect(new Set(found).size).toBe(found.length);
    expect(await sender.xLen(stream)).toBe(found.length);
  });

  it('gives no entry up that was read and not kept: the next to read claims it', async () => {
    const stream = streamOf('claimed');
    let asked = 0;
    const stop = await listening(stream, () => async () => {
      asked++;
      throw Object.assign(new Error('the ledger is away'), { code: 'ECONNREFUSED' });
    });
    const id = await sender.xAdd(stream, '*', { type: 'x' });
    await until('it to be tried', () => (asked > 0 ? true : undefined), LIMIT_MS);
    await stop();
    expect(await pendingIn(stream)).toBe(1);
    await listening(stream);
    await kept(stream, 1);
    expect(await idsOf(stream)).toEqual([id]);
    await settled(stream);
  });

  it('gives no entry up that another consumer of its group read before it died', async () => {
    const stream = streamOf('inherited');
    await sender.xGroupCreate(stream, GROUP, '0', { MKSTREAM: true });
    const id = await sender.xAdd(stream, '*', { type: 'x' });
    await sender.xReadGroup(GROUP, 'who-died', [{ key: stream, id: '>' }]);
    await listening(stream);
    await kept(stream, 1);
    expect(await idsOf(stream)).toEqual([id]);
    await settled(stream);
  });

  it('is read again when it was deleted with its group', async () => {
    const stream = streamOf('deleted');
    await listening(stream);
    await sender.xAdd(stream, '*', { type: 'x' });
    await kept(stream, 1);
    await settled(stream);
    await sender.del(stream);
    await sender.xAdd(stream, '*', { type: 'y' });
    await kept(stream, 2);
  });

  it('puts an entry that alone cannot be kept among its dead letters, keeps its neighbours, and says that dead letters gather', async () => {
    const stream = streamOf('poisoned');
    await listening(stream, (real) => async (events, source) => {
      if (events.some(({ type }) => type === 'poison')) throw new Error('a row that nothing takes');
      return real(events, source);
    });
    const entries = sender.multi();
    for (const type of ['a', 'poison', 'b']) entries.xAdd(stream, '*', { type });
    await entries.exec();
    await kept(stream, 2);
    await settled(stream);
    const dead = await sender.xRange(`${stream}.dead`, '-', '+');
    expect(dead?.[0]?.message).toMatchObject({ type: 'poison' });
    const queue = `${stream}.dead`;
    await toldOf(queue, { status: 'firing' });
    await sender.xTrim(queue, 'MAXLEN', 0);
    await toldOf(queue, { status: 'resolved' });
  });

  it('whose senders have dead letters of their own tells that they gather, in a stream or a list, and go on gathering', async () => {
    const [usual, named] = [streamOf('usual'), streamOf('named')];
    const [queue, list] = [`${usual}.dlq`, `${named}.failed`];
    await listening(usual);
    await listening(named, undefined, `, dead_letters: ['${list}'], persistent_after: 1s`);
    await sender.xAdd(queue, '*', { type: 'order_rejected' });
    await sender.lPush(list, 'a job');
    for (const one of [queue, list]) {
      const first = await toldOf(one, { status: 'firing' });
      expect(first).toMatchObject({
        ...{ type: 'dlq_growth', severity: 'error', title: `Dead letters gather in ${one}`, labels: { queue: one } },
        context: { length: 1 },
      });
    }
    const grown = until(
      'the list to be critical',
      async () => {
        await sender.lPush(list, 'another job');
        return (await growthOf(list)).find(({ severity }) => severity === 'critical');
      },
      LIMIT_MS,
    );
    expect(await grown).toMatchObject({ status: 'firing', dedup_key: `dead-letters/${list}` });
    // The other is no worse than it was: nothing came to it.
    expect(await growthOf(queue)).toHaveLength(1);
    await sender.del(list);
    expect(await toldOf(list, { status: 'resolved' })).toMatchObject({ dedup_key: `dead-letters/${list}` });
  });

  it('is told of in the log without its password', () => {
    expect(logged.join('')).toContain('the ledger takes nothing now');
    expect(logged.join('')).not.toContain(redis.password);
  });
});
