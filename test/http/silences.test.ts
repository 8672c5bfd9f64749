/** Silences and maintenance windows at our door, in Alertmanager's words and in ours. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MaintenanceView, SilenceView } from '../../src/http/views.ts';
import { createQuiet } from '../../src/relay/quiet.ts';
import { emptied, one } from '../support/ledger.ts';
import { type Api, pick, startApi } from './harness.ts';

const MINUTE = 60_000;

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());
beforeEach(async () => {
  const keys = await api.ledger.query<{ id: string }>('select * from keys');
  await emptied(api.ledger);
  await api.ledger.query('insert into keys select * from jsonb_populate_recordset(null::keys, $1::jsonb)', [
    JSON.stringify(keys),
  ]);
});

const at = (minutes: number): string => new Date(api.clock.now.getTime() + minutes * MINUTE).toISOString();
const send = (method: string, path: string, body?: unknown, more: Parameters<Api['call']>[2] = {}) =>
  api.call(method, path, { key: api.keys.operator, ...(body === undefined ? {} : { body }), ...more });

const DB = { name: 'service', value: 'db', isRegex: false, isEqual: true };
const wanted = (more: object = {}) => ({
  matchers: [DB],
  startsAt: at(0),
  endsAt: at(60),
  createdBy: 'ana',
  comment: 'moving the rack',
  ...more,
});
const make = async (more: object = {}): Promise<string> => {
  const { status, body } = await send('POST', '/api/v2/silences', wanted(more));
  if (status !== 200) throw new Error(JSON.stringify(body));
  return String(pick(body, 'silenceID'));
};
const listed = async (query = '') => (await send('GET', `/api/v2/silences${query}`)).body as { id: string }[];

describe("Alertmanager's POST /api/v2/silences", () => {
  it('makes a silence that is shown as it would be there', async () => {
    const id = await make({ matchers: [{ name: 'service', value: 'd.*', isRegex: true }] });
    expect((await send('GET', `/api/v2/silence/${id}`)).text).toBe(
      JSON.stringify({
        id,
        status: { state: 'active' },
        updatedAt: at(0),
        comment: 'moving the rack',
        createdBy: 'ana',
        endsAt: at(60),
        matchers: [{ isEqual: true, isRegex: true, name: 'service', value: 'd.*' }],
        startsAt: at(0),
      }),
    );
    expect((await send('GET', `/v1/audit?object=${id}`)).body).toMatchObject({
      audit: [{ actor: 'ana', action: 'silence.set' }],
    });
  });

  const without = (name: string) => () => {
    const { [name]: _, ...rest } = wanted() as Record<string, unknown>;
    return rest;
  };
  const matching = (matcher: object) => () => wanted({ matchers: [matcher] });
  // What Alertmanager 0.25 answered to the same requests.
  it.each<[string, () => unknown, number, unknown]>([
    ['nothing in it', () => ({}), 422, { code: 602, message: 'comment in body is required' }],
    ['null', () => null, 422, { code: 602, message: 'comment in body is required' }],
    ['no comment', without('comment'), 422, { code: 602, message: 'comment in body is required' }],
    ['no creator', without('createdBy'), 422, { code: 602, message: 'createdBy in body is required' }],
    ['no end', without('endsAt'), 422, { code: 602, message: 'endsAt in body is required' }],
    ['no matchers', without('matchers'), 422, { code: 602, message: 'matchers in body is required' }],
    ['no start', without('startsAt'), 422, { code: 602, message: 'startsAt in body is required' }],
    [
      'an empty list of matchers',
      () => wanted({ matchers: [] }),
      422,
      { code: 612, message: 'matchers in body should have at least 1 items' },
    ],
    [
      'a matcher that does not say whether it is an expression',
      matching({ name: 'a', value: 'b' }),
      422,
      { code: 602, message: 'matchers.0.isRegex in body is required' },
    ],
    [
      'a matcher without a name',
      matching({ value: 'b', isRegex: false }),
      422,
      { code: 602, message: 'matchers.0.name in body is required' },
    ],
    [
      'a broken expression',
      matching({ name: 'a', value: '(', isRegex: true }),
      400,
      'silence invalid: invalid label matcher 0: invalid regular expression "(": error parsing regexp: missing closing ): `(`',
    ],
    [
      'matchers that hold for nothing at all',
      matching({ name: 'a', value: '.*', isRegex: true }),
      400,
      'silence invalid: at least one matcher must not match the empty string',
    ],
    [
      'a name that is none',
      matching({ name: '', value: 'x', isRegex: false }),
      400,
      'silence invalid: invalid label matcher 0: invalid label name ""',
    ],
    [
      'an end that is its start',
      () => wanted({ endsAt: at(0) }),
      400,
      'Failed to create silence: start time must be before end time',
    ],
    [
      'an end that lies behind',
      () => wanted({ startsAt: at(-20), endsAt: at(-10) }),
      400,
      "Failed to create silence: end time can't be in the past",
    ],
    ['an id that nobody knows', () => wanted({ id: crypto.randomUUID() }), 404, 'silence not found'],
    ['an id that is none', () => wanted({ id: 'nope' }), 404, 'silence not found'],
  ])('with %s is answered in its words', async (_, body, status, answer) => {
    const answered = await send('POST', '/api/v2/silences', body());
    expect([answered.status, answered.body]).toEqual([status, answer]);
    expect(await listed()).toEqual([]);
  });

  it.each([
    ['an array', '[]'],
    ['half of a body', '{"a"'],
    ['a time that is none', '{"startsAt":"x"}'],
    ['a number for a name', '{"createdBy":5}'],
    ['matchers that are a text', '{"matchers":"x"}'],
  ])('cannot read %s', async (_, raw) => {
    const { status, body } = await send('POST', '/api/v2/silences', undefined, { raw });
    expect([status, pick(body, 'code')]).toEqual([400, 400]);
    expect(pick(body, 'message')).toMatch(/^parsing silence body from "" failed, because /);
  });

  it('asks for JSON, for a body, and for a key that may', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const plain = await send('POST', '/api/v2/silences', undefined, { raw: 'a=b', headers: form });
    expect([plain.status, plain.body]).toEqual([
      415,
      {
        code: 415,
        message: 'unsupported media type "application/x-www-form-urlencoded", only [application/json] are allowed',
      },
    ]);
    const empty = await send('POST', '/api/v2/silences', undefined, { raw: '' });
    expect(empty.body).toEqual({ code: 602, message: 'silence in body is required' });
    expect((await send('POST', '/api/v2/silences', wanted(), { key: api.keys.ingest })).status).toBe(403);
    expect((await send('POST', '/api/v2/silences', wanted(), { key: undefined })).status).toBe(401);
    const basic = `Basic ${Buffer.from(`amtool:${api.keys.operator}`).toString('base64')}`;
    const headers = { authorization: basic };
    expect((await send('POST', '/api/v2/silences', wanted(), { key: undefined, headers })).status).toBe(200);
  });

  it('moves a start that lies behind to now', async () => {
    const id = await make({ startsAt: at(-30) });
    expect(pick((await send('GET', `/api/v2/silence/${id}`)).body, 'startsAt')).toBe(at(0));
  });

  it('with the id of one keeps the id where end or comment change, and gives another where matchers or start do', async () => {
    const id = await make();
    expect(await make({ id, endsAt: at(90), comment: 'longer' })).toBe(id);
    const moved = await make({ id, startsAt: at(5) });
    expect(moved).not.toBe(id);
    const states = new Map((await listed()).map((one) => [one.id, pick(one, 'status', 'state')]));
    expect(states).toEqual(
      new Map([
        [moved, 'pending'],
        [id, 'expired'],
      ]),
    );
    expect(await make({ id: moved, startsAt: at(7) })).toBe(moved);
    const other = await make({ id: moved, startsAt: at(7), matchers: [{ ...DB, isEqual: false }, DB] });
    expect(other).not.toBe(moved);
    expect(await make({ id, startsAt: at(0) })).not.toBe(id);
  });
});

describe("Alertmanager's other doors to silences", () => {
  it('lists what is active by its end, what is to come by its start, what is over by its end, the last first', async () => {
    const [late, soon] = [await make({ endsAt: at(50) }), await make({ endsAt: at(40) })];
    const [later, next] = [
      await make({ startsAt: at(20), endsAt: at(30) }),
      await make({ startsAt: at(10), endsAt: at(100) }),
    ];
    const over = await make();
    await send('DELETE', `/api/v2/silence/${over}`);
    expect((await listed()).map(({ id }) => id)).toEqual([soon, late, next, later, over]);
  });

  it('filters by what the matchers are, not by what they mean', async () => {
    const equal = await make();
    const pattern = await make({
      matchers: [
        { name: 'service', value: 'db', isRegex: true },
        { ...DB, name: 'env' },
      ],
    });
    const found = async (...filters: string[]) =>
      (await listed(`?${filters.map((one) => `filter=${encodeURIComponent(one)}`).join('&')}`)).map(({ id }) => id);
    expect(await found('service="db"')).toEqual([equal]);
    expect(await found('service=~"db"')).toEqual([pattern]);
    expect(await found('service=~"db"', 'env="db"')).toEqual([pattern]);
    expect(await found('service=~".*"')).toEqual([]);
    const wrong = await send('GET', '/api/v2/silences?filter=foo');
    expect([wrong.status, wrong.body]).toEqual([400, 'bad matcher format: foo']);
  });

  it('ends one, again without harm, and says nothing of one that nobody knows', async () => {
    const id = await make();
    for (const _ of [1, 2]) {
      const { status, text } = await send('DELETE', `/api/v2/silence/${id}`);
      expect([status, text]).toEqual([200, '']);
    }
    expect(pick((await send('GET', `/api/v2/silence/${id}`)).body, 'status', 'state')).toBe('expired');
    const unknown = crypto.randomUUID();
    for (const method of ['GET', 'DELETE']) {
      const { status, text } = await send(method, `/api/v2/silence/${unknown}`);
      expect([status, text]).toEqual([404, '']);
      const wrong = await send(method, '/api/v2/silence/foo');
      expect([wrong.status, wrong.body]).toEqual([
        422,
        { code: 601, message: 'silenceID in path must be of type uuid: "foo"' },
      ]);
    }
  });

  it('shows the alerts that it silences as suppressed by it', async () => {
    const id = await make();
    const alerts = [
      { labels: { alertname: 'Down', service: 'db' } },
      { labels: { alertname: 'Down', service: 'web' } },
    ];
    await send('POST', '/api/v2/alerts', alerts, { key: api.keys.admin });
    const { body } = await send('GET', '/api/v2/alerts');
    const states = (body as object[]).map((alert) => [pick(alert, 'labels', 'service'), pick(alert, 'status')]);
    expect(states.sort()).toEqual([
      ['db', { state: 'suppressed', silencedBy: [id], inhibitedBy: [], mutedBy: [] }],
      ['web', { state: 'active', silencedBy: [], inhibitedBy: [], mutedBy: [] }],
    ]);
  });

  it('names all silences that hold an alert, until the last of them is ended', async () => {
    const [one, other] = [await make(), await make({ matchers: [{ ...DB, value: 'd.*', isRegex: true }] })];
    await make({ matchers: [DB, { ...DB, name: 'alertname', value: 'Else' }] });
    await send('POST', '/api/v2/alerts', [{ labels: { alertname: 'Down', service: 'db' } }], { key: api.keys.admin });
    const status = async () => {
      const { state, silencedBy } = pick((await send('GET', '/api/v2/alerts')).body, 0, 'status') as {
        state: string;
        silencedBy: string[];
      };
      return [state, ...silencedBy.sort()];
    };
    expect(await status()).toEqual(['suppressed', ...[one, other].sort()]);
    await send('DELETE', `/api/v2/silence/${one}`);
    expect(await status()).toEqual(['suppressed', other]);
    await send('DELETE', `/api/v2/silence/${other}`);
    expect(await status()).toEqual(['active']);
  });
});

it('an alert that Prometheus repeats while it is silenced does not end, nor when it is told', async () => {
  const silence = await make();
  const sent = { labels: { alertname: 'Down', service: 'db' }, startsAt: at(-1) };
  const post = (endsAt: string) => send('POST', '/api/v2/alerts', [{ ...sent, endsAt }], { key: api.keys.admin });
  await post(at(4));
  await post(at(9));
  const ends = new Date(at(9));
  expect(await one(api.ledger, 'select outcome, expires_at from held')).toEqual({
    outcome: 'silenced',
    expires_at: ends,
  });
  await send('DELETE', `/api/v2/silence/${silence}`);
  await createQuiet({ ledger: api.ledger, routing: api.deps.config.routing, now: () => api.clock.now }).look();
  expect(await one(api.ledger, 'select status, expires_at from alerts')).toEqual({
    status: 'firing',
    expires_at: ends,
  });
});

describe('our own /v1/silences', () => {
  const body = (more: object = {}) => ({ match: ['service="db"'], for: '2h', reason: 'moving the rack', ...more });

  it('holds back what matches from the next event on, and an event says by which silence', async () => {
    const { status, body: made } = await send('POST', '/v1/silences', body({ by: 'ana' }));
    expect([status, SilenceView.parse(made)]).toMatchObject([
      201,
      { state: 'active', quiet: true, match: ['service="db"'], ends_at: at(120), by: 'ana', reason: 'moving the rack' },
    ]);
    const id = crypto.randomUUID();
    const event = { id, source: 'tests', type: 'down', title: 'Down', service: 'db' };
    await send('POST', '/v1/events', event, { key: api.keys.ingest });
    expect((await send('GET', `/v1/events/${id}`)).body).toMatchObject({
      events: [
        {
          decision: {
            routes: [
              {
                outcome: 'silenced',
                why: `silence ${pick(made, 'id')} by ana until ${at(120)}: moving the rack`,
              },
            ],
          },
        },
      ],
    });
    expect((await send('POST', '/v1/routes/explain', event)).body).toMatchObject({
      lines: expect.arrayContaining([expect.stringContaining('(silenced): silence')]),
    });
  });

  it('lists, shows and ends what either door has made', async () => {
    const id = await make();
    expect((await send('GET', '/v1/silences')).body).toMatchObject({ silences: [{ id, state: 'active' }] });
    expect((await send('DELETE', `/v1/silences/${id}`)).body).toMatchObject({ id, state: 'expired', quiet: false });
    expect((await send('GET', `/v1/silences/${id}`)).body).toMatchObject({ state: 'expired' });
    expect((await send('GET', `/v1/audit?object=${id}`)).body).toMatchObject({
      audit: [{ action: 'silence.end', actor: 'operator key' }, { action: 'silence.set' }],
    });
    expect((await send('GET', `/v1/silences/${crypto.randomUUID()}`)).status).toBe(404);
    expect((await send('DELETE', `/v1/maintenance/${id}`)).status).toBe(404);
  });

  it.each([
    ['no matcher', { match: [] }, 'match'],
    ['a matcher that is none', { match: ['service'] }, 'match[0]'],
    ['matchers that hold for everything', { match: ['service=~".*"'] }, 'match'],
    ['no end', { for: undefined }, 'ends_at'],
    ['two ends', { ends_at: '2099-01-01T00:00:00Z' }, 'ends_at'],
    ['an end that lies behind', { for: undefined, ends_at: '2020-01-01T00:00:00Z' }, 'ends_at'],
    ['an end in a hundred years', { for: '876000h' }, 'for'],
    ['a duration that is none', { for: 'soon' }, 'for'],
    ['no reason', { reason: undefined }, 'reason'],
  ])('with %s names the field', async (_, wrong, field) => {
    const { status, body: problem } = await send('POST', '/v1/silences', body(wrong));
    expect([status, pick(problem, 'errors', 0, 'field')]).toEqual([400, field]);
  });

  it('takes no more than a thousand that have not ended', async () => {
    await api.ledger.query(
      `insert into silences (id, kind, matchers, starts_at, ends_at, created_by, comment, updated_at)
       select gen_random_uuid(), 'silence', '[]', now(), now() + interval '1 day', '', '', now() from generate_series(1, 1000)`,
    );
    expect((await send('POST', '/v1/silences', body())).status).toBe(409);
  });
});

describe('our own /v1/maintenance', () => {
  it('holds back while its interval is on, and comes back until it is ended', async () => {
    const minute = api.clock.now.getUTCHours() * 60 + api.clock.now.getUTCMinutes();
    const clock = (minutes: number): string => {
      const of = (minutes + 1440) % 1440;
      return `${String(Math.floor(of / 60)).padStart(2, '0')}:${String(of % 60).padStart(2, '0')}`;
    };
    const during = [{ timezone: 'UTC', times: [`${clock(minute - 5)}-${clock(minute + 30)}`] }];
    const { status, body: made } = await send('POST', '/v1/maintenance', {
      match: ['service="db"'],
      during,
      reason: 'backup',
    });
    expect([status, MaintenanceView.parse(made)]).toMatchObject([201, { state: 'active', quiet: true, origin: 'api' }]);
    const event = { source: 'tests', type: 'down', title: 'Down', service: 'db' };
    const decide = async () => pick((await send('POST', '/v1/routes/explain', event)).body, 'decision', 'routes', 0);
    expect(await decide()).toMatchObject({ outcome: 'silenced', why: expect.stringContaining('interval 1 (UTC)') });
    const id = String(pick(made, 'id'));
    expect(await listed()).toEqual([]);
    expect((await send('GET', '/v1/maintenance')).body).toMatchObject({ maintenance: [{ id }] });
    await send('DELETE', `/v1/maintenance/${id}`);
    expect(await decide()).toMatchObject({ outcome: 'join' });
  });

  it('refuses an interval that is none', async () => {
    const wrong = { match: ['service="db"'], during: [{ times: ['25:00-26:00'] }], reason: 'backup' };
    const { status, body } = await send('POST', '/v1/maintenance', wrong);
    expect([status, pick(body, 'errors', 0, 'field')]).toEqual([400, 'during[0].times[0]']);
  });
});
