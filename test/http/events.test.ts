import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, pick, type Sent, startApi } from './harness.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const event = (more: Record<string, unknown> = {}) => ({ source: 'tests', type: 'broken', title: 'it broke', ...more });
const send = (body: unknown, more: Sent = {}) =>
  api.call('POST', '/v1/events', { key: api.keys.ingest, body, ...more });
const kept = async (id: string): Promise<number> =>
  (await api.ledger.query('select 1 from events where id = $1', [id])).length;

describe('POST /v1/events', () => {
  it('answers 202 with the id once the event is in the ledger, and shows afterwards where it went', async () => {
    const { status, body } = await send(event({ id: 'a/1', severity: 'P0' }));
    expect([status, body]).toEqual([202, { accepted: [{ id: 'a/1' }], duplicates: [], rejected: [] }]);
    expect(await kept('a/1')).toBe(1);
    const seen = await api.call('GET', `/v1/events/${encodeURIComponent('a/1')}`, { key: api.keys.operator });
    expect(seen.body).toMatchObject({
      events: [
        {
          id: 'a/1',
          source: 'tests',
          event: { severity: 'critical', severity_word: 'P0' },
          decision: { routes: [{ route: 'default' }] },
        },
      ],
    });
  });

  it('commits requests that come together in far fewer transactions than there are requests', async () => {
    const burst = (name: string) =>
      Promise.all(Array.from({ length: 100 }, (_, at) => send(event({ id: `${name}/${at}` }))));
    await burst('warm'); // Connections are opened one by one; what follows finds them open.
    expect((await burst('together')).map(({ status }) => status)).toEqual(Array(100).fill(202));
    // accepted_at is the transaction's own time.
    const [row] = await api.ledger.query<{ transactions: number }>(
      `select count(distinct accepted_at)::int as transactions from events where id like 'together/%'`,
    );
    expect(row?.transactions).toBeLessThan(50);
  });

  it('makes an id where none is given', async () => {
    const { body } = await send(event());
    expect(await kept(String(pick(body, 'accepted', 0, 'id')))).toBe(1);
  });

  it('keeps an event once, however often it is sent, also within one array', async () => {
    await send(event({ id: 'twice' }));
    expect((await send(event({ id: 'twice', title: 'another title' }))).body).toEqual({
      accepted: [],
      duplicates: [{ id: 'twice' }],
      rejected: [],
    });
    expect((await send([event({ id: 'pair' }), event({ id: 'pair' })])).body).toEqual({
      accepted: [{ id: 'pair' }],
      duplicates: [{ id: 'pair' }],
      rejected: [],
    });
    expect((await send(event({ id: 'twice', source: 'others' }))).body).toMatchObject({ accepted: [{ id: 'twice' }] });
  });

  it('names the field of an event that is wrong, and keeps nothing', async () => {
    const { status, headers, body } = await send(
      event({ id: 'wrong', severity: 'purple', titel: 'x', labels: { host: 5 } }),
    );
    expect(status).toBe(400);
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(body).toMatchObject({
      type: 'urn:tocsin:problem:invalid',
      status: 400,
      request_id: headers.get('x-request-id'),
    });
    expect((pick(body, 'errors') as { field: string }[]).map(({ field }) => field).sort()).toEqual([
      'labels.host',
      'severity',
      'titel',
    ]);
    expect(JSON.stringify(body)).not.toContain('purple');
    expect(await kept('wrong')).toBe(0);
  });

  it('takes the valid events of an array and lists the others by their place', async () => {
    const { status, body } = await send([
      event({ id: 'b1' }),
      event({ id: 'b2', title: '' }),
      'nonsense',
      event({ id: 'b4' }),
    ]);
    expect(status).toBe(202);
    expect(body).toMatchObject({ accepted: [{ id: 'b1' }, { id: 'b4' }], duplicates: [] });
    expect(
      (pick(body, 'rejected') as { index: number; field: string }[]).map(({ index, field }) => [index, field]),
    ).toEqual([
      [1, 'title'],
      [2, ''],
    ]);
  });

  it('refuses an array without a single valid event, naming place and field', async () => {
    const { status, body } = await send([event({ title: '' }), event({ extra: 1 })]);
    expect([status, pick(body, 'errors', 0, 'field'), pick(body, 'errors', 1, 'field')]).toEqual([
      400,
      '[0].title',
      '[1].extra',
    ]);
    expect((await send([])).status).toBe(400);
  });

  it('takes 1,000 events at once, and not one more', async () => {
    const many = (count: number) => Array.from({ length: count }, (_, at) => event({ id: `many-${count}-${at}` }));
    expect(((await send(many(1_000))).body as { accepted: unknown[] }).accepted).toHaveLength(1_000);
    const { status, body } = await send(many(1_001));
    expect([status, pick(body, 'detail')]).toEqual([413, 'an array has at most 1000 events, this one has 1001']);
    expect(await kept('many-1001-0')).toBe(0);
  });

  it('refuses an event over 64 KB, alone with 413 and among others by its place', async () => {
    const large = event({ id: 'large', extra: 'x'.repeat(70_000) });
    const alone = await send(large);
    expect([alone.status, pick(alone.body, 'detail')]).toEqual([413, 'an event has at most 65536 bytes']);
    const among = await send([
      event({ id: 'l0', title: '' }),
      large,
      event({ id: 'l2' }),
      event({ id: 'l3', title: '' }),
    ]);
    expect(among.body).toMatchObject({
      accepted: [{ id: 'l2' }],
      rejected: [{ index: 0 }, { index: 1, field: '', problem: 'is larger than 65536 bytes' }, { index: 3 }],
    });
  });

  it('refuses a body over 5 MB with 413, naming the limit', async () => {
    const { status, body } = await send(undefined, { raw: `["${'x'.repeat(5 * 1024 * 1024)}"]` });
    expect([status, pick(body, 'detail')]).toEqual([413, 'a body here has at most 5242880 bytes']);
  });

  it('reads JSON in UTF-8 as it is, and nothing else', async () => {
    const refused = async (headers: Record<string, string>, raw: string | Uint8Array = JSON.stringify(event())) =>
      (await send(undefined, { raw, headers })).status;
    expect(await refused({ 'content-type': 'text/plain' })).toBe(415);
    expect(await refused({ 'content-type': 'application/x-www-form-urlencoded' })).toBe(415);
    expect(await refused({ 'content-type': 'application/json; charset=latin1' })).toBe(415);
    expect(await refused({ 'content-encoding': 'gzip' }, Uint8Array.from([0x1f, 0x8b, 8]))).toBe(415);
    expect(await refused({ 'content-type': 'application/cloudevents+json; charset=UTF-8' })).toBe(202);
  });

  it('says where broken JSON is broken, without repeating it', async () => {
    const { status, body, text } = await send(undefined, { raw: '{"source":"hunter2",}' });
    expect([status, pick(body, 'type')]).toEqual([400, 'urn:tocsin:problem:bad-request']);
    expect(pick(body, 'detail')).toMatch(/^the body is not JSON/);
    expect(text).not.toContain('hunter2');
    expect((await send(undefined, { raw: '' })).status).toBe(400);
  });

  it('answers 400, never 500, to texts and names that a ledger cannot keep', async () => {
    for (const raw of [
      '{"source":"tests","type":"t","title":"a\\u0000b"}',
      '{"source":"tests","type":"t","title":"t","labels":{"__proto__":"x"}}',
      '{"source":"tests","type":"t","title":"t","context":{"a\\u0000":1}}',
      'null',
      '5',
      '"text"',
      '[[]]',
      '[null]',
      '{}',
      `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
    ]) {
      expect([raw.slice(0, 80), (await send(undefined, { raw })).status]).toEqual([raw.slice(0, 80), 400]);
    }
    const lone = await send(undefined, { raw: '{"id":"lone","source":"tests","type":"t","title":"a\\ud800b"}' });
    expect(lone.status).toBe(202);
    expect(await kept('lone')).toBe(1);
  });

  it('answers 503 with Retry-After, and never 202, while the ledger is down', async () => {
    const down = await startApi();
    expect((await down.call('POST', '/v1/events', { key: down.keys.ingest, body: event() })).status).toBe(202);
    await down.ledger.close();
    const { status, headers, body, text } = await down.call('POST', '/v1/events', {
      key: down.keys.ingest,
      body: event(),
    });
    expect([status, headers.get('retry-after'), pick(body, 'type')]).toEqual([
      503,
      '2',
      'urn:tocsin:problem:unavailable',
    ]);
    expect(text).not.toMatch(/PGlite|at .*\.ts/);
    expect((await down.call('GET', '/readyz')).status).toBe(503);
    expect((await down.call('GET', '/healthz')).status).toBe(200);
    down.clock.now = new Date(down.clock.now.getTime() + 10_000);
    expect((await down.call('POST', '/v1/events', { key: down.keys.ingest, body: event() })).status).toBe(503);
    await down.stop();
  });

  it('tells of what nobody foresaw only where to look for it', async () => {
    const broken = await startApi({
      door: { accept: () => Promise.reject(new Error('hunter2 at row 5')), waiting: () => 0 },
    });
    const { status, headers, text } = await broken.call('POST', '/v1/events', {
      key: broken.keys.ingest,
      body: event(),
    });
    expect(status).toBe(500);
    expect(text).not.toContain('hunter2');
    const line = broken.logged.find((written) => written.includes('a request failed'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({ request_id: headers.get('x-request-id'), route: '/v1/events' });
    await broken.stop();
  });
});

describe('GET /v1/events/{id}', () => {
  it('is 404 for an id nobody has, also for one that no ledger could hold', async () => {
    for (const id of ['nobody', 'a%00b', `${'x'.repeat(300)}`]) {
      expect((await api.call('GET', `/v1/events/${id}`, { key: api.keys.operator })).status).toBe(404);
    }
    expect((await api.call('GET', '/v1/events/%ff', { key: api.keys.operator })).status).toBe(400);
  });
});
