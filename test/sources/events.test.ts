import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventBody, parseEvents } from '../../src/sources/events.ts';

const NOW = new Date('2026-11-20T12:00:00Z');
const parse = (body: unknown, max = 1_000) => parseEvents(body, { now: NOW, max });
const least = { source: 'ci', type: 'build_failed', title: 'Build failed' };
const one = (more: object = {}) => {
  const { events, rejected } = parse({ ...least, ...more });
  expect(rejected).toEqual([]);
  return events[0];
};
const refusal = (more: object) => parse({ ...least, ...more }).rejected;

describe('the event door', () => {
  it('fills in what was left out', () => {
    expect(one({ id: 'b-17' })).toEqual({
      id: 'b-17',
      ...least,
      severity: 'info',
      components: [],
      labels: {},
      assignees: [],
      links: [],
      status: 'firing',
    });
    expect(one()?.id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('keeps the user it is about, and none where that is empty', () => {
    expect(one({ user: 'ana' })).toMatchObject({ user: 'ana' });
    for (const user of ['', null, undefined]) expect(one({ user })).not.toHaveProperty('user');
  });

  it('takes the spellings of the earlier notifier', () => {
    const event = one({
      title: undefined,
      message: 'Daily target reached',
      traceId: 't-1',
      requestId: '',
      ts: 1_795_176_000_000,
      context: { pnl: 12 },
    });
    expect(event).toMatchObject({
      title: 'Daily target reached',
      trace_id: 't-1',
      occurred_at: '2026-11-20T12:00:00.000Z',
      context: { pnl: 12 },
    });
    expect(event).not.toHaveProperty('request_id');
    expect(one({ message: 'more of it' })).toMatchObject({ title: 'Build failed', body: 'more of it' });
  });

  it("keeps the sender's own word for the severity", () => {
    expect(one({ severity: 'P0' })).toMatchObject({ severity: 'critical', severity_word: 'P0' });
    expect(one({ severity: 'critical' })).not.toHaveProperty('severity_word');
    expect(refusal({ severity: 'dreadful' })).toEqual([
      { index: 0, field: 'severity', problem: expect.stringContaining('one of critical') },
    ]);
  });

  it.each([
    ['an unknown field', { tilte: 'x' }, 'tilte', 'is not a field of an event'],
    ['a title that is no text', { title: 7 }, 'title', 'must be string, not number'],
    [
      'a severity that is a property of objects',
      { severity: 'constructor' },
      'severity',
      expect.stringContaining('not a severity'),
    ],
    ['no title at all', { title: '  ' }, 'title', 'is required (or message)'],
    ['a title too long', { title: '🔥'.repeat(1_001) }, 'title', 'longer than 1000 characters'],
    ['a body too long', { body: 'é'.repeat(16_385) }, 'body', 'longer than 32768 bytes'],
    ['an empty type', { type: '' }, 'type', 'must not be empty'],
    ['a user too long', { user: 'é'.repeat(101) }, 'user', 'longer than 100 characters'],
    ['an id too long', { id: 'x'.repeat(201) }, 'id', 'longer than 200 characters'],
    ['a label that is no text', { labels: { attempt: 3 } }, 'labels.attempt', 'must be string, not number'],
    ['a label too long', { labels: { a: 'x'.repeat(1_025) } }, 'labels.a', 'longer than 1024 characters'],
    [
      'a label name too long',
      { labels: { ['x'.repeat(129)]: '' } },
      `labels.${'x'.repeat(129)}`,
      'label names have 1 to 128 characters',
    ],
    [
      'too many labels',
      { labels: Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`l${at}`, ''])) },
      'labels',
      'more than 64 labels',
    ],
    ['too many components', { components: Array(65).fill('a') }, 'components', 'more than 64 entries'],
    [
      'a link that runs',
      { links: [{ title: 'x', url: 'javascript:alert(1)' }] },
      'links[0].url',
      expect.stringContaining('http or https'),
    ],
    [
      'a link with more to it',
      { links: [{ title: 'x', url: 'https://x.example', icon: 'y' }] },
      'links[0].icon',
      'is not a field of an event',
    ],
    ['a context too large', { context: { a: 'x'.repeat(17_000) } }, 'context', 'larger than 16384 bytes of JSON'],
    ['a context too deep', { context: [[[[[[[[[]]]]]]]]] }, 'context', 'nested deeper than 8'],
    ['a NUL character', { labels: { host: 'a\0b' } }, 'labels.host', expect.stringContaining('NUL')],
    ['a NUL in the context', { context: [{ a: '\0' }] }, 'context[0].a', expect.stringContaining('NUL')],
    ['a status nobody knows', { status: 'open' }, 'status', 'must be one of firing, resolved'],
    ['a time that is none', { occurred_at: 'yesterday' }, 'occurred_at', expect.stringContaining('not a time')],
    ['a time far ahead', { ts: '2027-01-01T00:00:00Z' }, 'ts', 'is more than a day ahead of now'],
  ])('refuses %s by the name of the field', (_, more, field, problem) => {
    expect(refusal(more)).toEqual([{ index: 0, field, problem }]);
  });

  it('refuses names that reach for a prototype', () => {
    const body: unknown = JSON.parse('{"source":"a","type":"b","title":"c","labels":{"__proto__":"x"}}');
    expect(parse(body).rejected).toEqual([
      { index: 0, field: 'labels.__proto__', problem: 'is not a name that can be kept' },
    ]);
  });

  it('survives JSON nested twenty thousand deep', () => {
    const deep: unknown = JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`);
    expect(parse({ ...least, context: deep }).rejected).toEqual([
      { index: 0, field: 'context', problem: 'nested deeper than 8' },
    ]);
    expect(parse(deep).events).toEqual([]);
  });

  it('keeps a context exactly as deep and as large as allowed', () => {
    const context = { a: [[[[[[{ b: 'x'.repeat(16_000) }]]]]]] };
    expect(one({ context })?.context).toEqual(context);
  });

  it('makes lone surrogates well-formed', () => {
    expect(one({ title: 'half \ud83d', context: ['\udd25'] })).toMatchObject({
      title: 'half \ufffd',
      context: ['\ufffd'],
    });
  });

  it('takes each valid entry of an array, whatever its neighbours are', () => {
    const { events, rejected } = parse([least, 'no', { ...least, nope: 1 }, { ...least, id: 'last' }]);
    expect(events.map(({ id }) => id)).toEqual([expect.any(String), 'last']);
    expect(rejected).toEqual([
      { index: 1, field: '', problem: 'must be object, not string' },
      { index: 2, field: 'nope', problem: 'is not a field of an event' },
    ]);
    expect(parse([least, least], 1)).toEqual({
      events: [],
      rejected: [{ index: 0, field: '', problem: '2 events are more than the 1 taken at once' }],
    });
  });

  it('answers any JSON with events within the limits or a named problem, and keeps what it took', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.jsonValue(),
          fc.record({
            source: fc.string(),
            type: fc.string(),
            title: fc.string({ unit: 'binary' }),
            context: fc.jsonValue(),
            labels: fc.dictionary(fc.string(), fc.string()),
          }),
        ),
        (body) => {
          const { events, rejected } = parse(body);
          expect(events.length + new Set(rejected.map(({ index }) => index)).size).toBe(
            Array.isArray(body) ? body.length : 1,
          );
          for (const event of events) {
            expect(JSON.stringify(event)).not.toMatch(/\\u0000|\\ud[89a-f]/);
            expect(parse(event).events).toEqual([event]);
          }
        },
      ),
    );
  });

  it('is described by the schema it is checked with', () => {
    expect(EventBody.safeParse(least).success).toBe(true);
    expect(EventBody.safeParse({ ...least, title: undefined }).success).toBe(false);
  });
});
