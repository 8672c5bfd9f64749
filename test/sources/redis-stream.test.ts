/** Entries of a Redis stream as events: the flat fields that seed 000's orchestrator XADDs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/core/event.ts';
import { gatheredEvent } from '../../src/sources/redis-stream/entries.ts';
import { redisStream } from '../../src/sources/redis-stream.ts';
import entries from '../samples/redis-stream/xrange.json' with { type: 'json' };

const NOW = new Date('2026-11-20T09:00:00Z');
const config = redisStream.config.parse({ url: 'redis://127.0.0.1:6379' });
const eventsOf = (...entries: unknown[]): Event[] =>
  redisStream.normalise({ entries }, { name: 'trader', config, now: NOW }).events;
const eventOf = (fields: Record<string, string>, id = '1763629200123-0'): Event => {
  const [event] = eventsOf({ id, fields });
  if (!event) throw new Error('no event');
  return event;
};

/** Redis gives the fields of an entry as one list of names and values. */
const asRead = ([id, list]: (string | string[])[]) => {
  const texts = Array.isArray(list) ? list : [];
  const named = texts.flatMap((name, at) => (at % 2 === 0 ? [[name, texts[at + 1] ?? '']] : []));
  return { id, fields: Object.fromEntries(named) as Record<string, string> };
};

describe('an entry of a stream', () => {
  it('that Redis gave back is an event of when it was added', () => {
    const [first, second] = eventsOf(...entries.map(asRead));
    const added = new Date(Number(entries[0]?.[0]?.toString().split('-')[0])).toISOString();
    expect(first).toEqual({
      id: `notify.events/${entries[0]?.[0]}`,
      source: 'trader',
      type: 'daily_target_reached',
      title: 'Critical event',
      severity: 'critical',
      components: [],
      labels: {},
      assignees: [],
      links: [],
      status: 'firing',
      trace_id: 't-1',
      occurred_at: added,
    });
    expect(second).toMatchObject({ title: 'Daily target reached', trace_id: 't-1', context: { pnl: 1250.5 } });
  });

  it('with the fields of the trading system becomes an event with all of them', () => {
    expect(
      eventOf({
        type: 'daily_target_reached',
        severity: 'critical',
        message: 'Daily target reached: trading halted',
        traceId: 'trace-9',
        requestId: 'req-4',
        context: '{"pnl":{"realised":1250.5},"halted":true}',
        ts: '1763629199000',
      }),
    ).toEqual({
      id: 'notify.events/1763629200123-0',
      source: 'trader',
      type: 'daily_target_reached',
      title: 'Daily target reached: trading halted',
      severity: 'critical',
      components: [],
      labels: {},
      assignees: [],
      links: [],
      status: 'firing',
      trace_id: 'trace-9',
      request_id: 'req-4',
      context: { pnl: { realised: 1250.5 }, halted: true },
      occurred_at: '2025-11-20T08:59:59.000Z',
    });
  });

  it('with nothing in it is heard of all the same, with the words that seed 000 has for it', () => {
    expect(eventOf({})).toMatchObject({ type: 'event', title: 'Critical event', severity: 'info' });
  });

  it('happened when it was added, where it does not say when', () => {
    expect(eventOf({ type: 'x' }).occurred_at).toBe('2025-11-20T09:00:00.123Z');
  });

  it('keeps every other field as a label, which routes can match', () => {
    expect(eventOf({ type: 'order', symbol: '005930.KS', desk: 'krx' }).labels).toEqual({
      symbol: '005930.KS',
      desk: 'krx',
    });
  });

  it('keeps a context that is no JSON as the text it is, and a word for a severity that nobody knows', () => {
    const event = eventOf({ context: 'not json', severity: 'catastrophic' });
    expect(event).toMatchObject({ context: 'not json', severity: 'info', severity_word: 'catastrophic' });
  });

  it('is one event however often it is read', () => {
    expect(eventOf({ type: 'x' }, '5-1').id).toBe(eventOf({ type: 'x' }, '5-1').id);
    expect(eventOf({ type: 'x', id: 'own' }, '5-1').id).toBe('own');
  });

  it('never makes it throw, and never more or fewer events than entries', () => {
    const entry = fc.record({
      id: fc.string(),
      fields: fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('context', 'links', 'ts', 'labels')), fc.string()),
    });
    fc.assert(
      fc.property(fc.array(fc.oneof(entry, fc.jsonValue()), { maxLength: 5 }), (entries) => {
        expect(eventsOf(...entries)).toHaveLength(entries.length);
      }),
      { numRuns: 300 },
    );
  });
});

describe('dead letters', () => {
  const since = new Date('2026-11-20T08:50:00Z');

  it('that grow are an error, critical where they go on growing, and over when the queue is empty', () => {
    const grown = { name: 'notify.events.dlq', length: 3, since };
    expect(gatheredEvent('trader', { ...grown, isPersistent: false })).toMatchObject({
      type: 'dlq_growth',
      severity: 'error',
      status: 'firing',
      dedup_key: 'dead-letters/notify.events.dlq',
      context: { queue: 'notify.events.dlq', length: 3 },
    });
    expect(gatheredEvent('trader', { ...grown, isPersistent: true }).severity).toBe('critical');
    expect(gatheredEvent('trader', { ...grown, length: 0, isPersistent: true }).status).toBe('resolved');
  });

  it('of the same growth are one event, whoever looks at them', () => {
    const grown = { name: 'q', length: 3, since, isPersistent: false };
    expect(gatheredEvent('a', grown).id).toBe(gatheredEvent('a', { ...grown, isPersistent: true }).id);
  });
});

describe('the configuration', () => {
  it('refuses what is no address of a Redis, and posts to the source', () => {
    expect(redisStream.config.safeParse({ url: 'http://127.0.0.1' }).success).toBe(false);
    expect(redisStream.verify(Buffer.alloc(0), {}, config, NOW)).toContain('not posted');
  });
});
