/** Values that break careless programs, in every field of every request: refused by name or kept safely, never a 5xx. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { sources } from '../../src/sources/index.ts';
import { type Api, pick, startApi } from '../http/harness.ts';
import { claimAll } from '../support/ledger.ts';

const CONFIG = `
integrations: { terminal: { type: stdout } }
default: { notify: [terminal] }
summaries: [{ name: daily, at: '18:00', notify: [terminal] }]
sources:
  builds: { type: mapping, event_type: kind, title: name, occurred_at: at, service: where, labels: { all: $ }, context: $ }
  topics: { type: sns, verify: false }
`;

let api: Api;
beforeAll(async () => {
  api = await startApi({ config: fromText(CONFIG, 'the tests', {}, { channels, writers, sources }) });
  // As the relay would: a door that opens an incident waits a moment for it.
  api.ledger.onWake(() => void claimAll(api.ledger));
  const kept = { name: 'kept', type: 'webhook', config: { url: 'https://example.com/x' } };
  await api.call('POST', '/v1/integrations', { key: api.keys.admin, body: kept });
});
afterAll(async () => {
  await claimAll(api.ledger);
  await api.stop();
});

const NUL = 'a\u0000b';
const SURROGATE = 'a\ud800b';
const EVENT = { source: 'tests', type: 'broken', title: 'it broke' };
const keyOf = (path: string): string =>
  /events|sources|alerts|^\/v1\/incidents$|^\/v1\/keys|^\/v1\/integrations/.test(path)
    ? api.keys.admin
    : api.keys.operator;

const fieldsOf = (answer: unknown): unknown[] =>
  ((pick(answer, 'errors') ?? []) as { field: string }[]).map(({ field }) => field);

interface Schema {
  type?: string | string[];
  enum?: unknown;
  properties?: Record<string, Schema>;
  anyOf?: Schema[];
  items?: Schema;
  additionalProperties?: Schema;
  $ref?: string;
}

/** Where free texts may stand in a value of this schema, as a path: `links[0].title`, `labels.a`. */
function textsIn(schema: Schema, document: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (schema.$ref) return textsIn(pick(document, ...schema.$ref.slice(2).split('/')) as Schema, document, path);
  // An object may have both: its fields, and that one of two must be there.
  if (schema.anyOf && !schema.properties) return schema.anyOf.flatMap((one) => textsIn(one, document, path));
  const isA = (type: string): boolean => [schema.type].flat().includes(type);
  if (isA('string')) return schema.enum ? [] : [path];
  if (isA('array') && schema.items) return textsIn(schema.items, document, [...path, 0]);
  return [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => textsIn(inner, document, [...path, name])),
    ...(typeof schema.additionalProperties === 'object'
      ? textsIn(schema.additionalProperties, document, [...path, 'a'])
      : []),
  ];
}

const fieldOf = (path: (string | number)[]): string =>
  path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : text ? `${text}.${step}` : step),
    '',
  );

/** `base` with `value` at the path; what is missing on the way is made. */
function withText(base: unknown, [step, ...rest]: (string | number)[], value: string): unknown {
  if (step === undefined) return value;
  if (typeof step === 'number') return [withText(undefined, rest, value)];
  const inner = (base as Record<string, unknown> | undefined)?.[step];
  return { ...(base as object), [step]: withText(inner, rest, value) };
}

/** Deliveries are numbered; nobody has to have the number for a body to be refused. */
const idFor = (path: string, incident: string): string => (path.startsWith('/v1/deliveries/') ? '1' : incident);

/** Every operation that takes a JSON body, and a valid one to start from. */
async function bodies(): Promise<{ path: string; method: string; texts: (string | number)[][]; base: object }[]> {
  const { body: document } = await api.call('GET', '/openapi.json');
  const bases: Record<string, object> = {
    '/v1/events': EVENT,
    '/v1/routes/explain': EVENT,
    '/v1/alerts': EVENT,
    '/v1/incidents': EVENT,
    '/api/alerts/trigger': EVENT,
    '/v1/keys': { name: 'x', scopes: ['ingest'] },
    '/v1/integrations': { name: 'made-here', type: 'stdout' },
    '/v1/incidents/{id}/comment': { text: 'x' },
    '/v1/incidents/{id}/snooze': { for: '1h' },
    '/v1/incidents/{id}/state': { state: null },
  };
  /** What a type has of its own is in no document: a few places that a text may stand in. */
  const own = [
    ['config', 'url'],
    ['config', 'headers', 'x'],
  ];
  return Object.entries(pick(document, 'paths') as object).flatMap(([path, methods]) =>
    ['post', 'patch'].flatMap((method) => {
      const body = pick(methods, method, 'requestBody', 'content', 'application/json', 'schema') as Schema | undefined;
      if (!body || path.startsWith('/v1/sources')) return [];
      const texts = textsIn(body, document).filter((one) => one[0] !== 0);
      const more = body.properties?.config ? own : [];
      return [{ path, method: method.toUpperCase(), texts: [...texts, ...more], base: bases[path] ?? {} }];
    }),
  );
}

const filled = (path: string, incident: string): string =>
  path
    .replace('{id}', idFor(path, incident))
    .replace('{date}', '2026-01-15')
    .replace('{name}', 'kept')
    .replace('{type}', 'stdout')
    // Nobody tells anybody here: there is nothing to wait for.
    .replace(/^\/api\/alerts\/trigger$/, '$&?wait=0s');

describe('a text', () => {
  it('with a NUL is refused by the name of its field, wherever a request has a text', async () => {
    const incident = await api.incident();
    let asked = 0;
    for (const { path, method, texts, base } of await bodies()) {
      for (const text of texts) {
        asked++;
        const answer = await api.call(method, filled(path, incident), {
          key: keyOf(path),
          body: withText(base, text, NUL),
        });
        expect([path, fieldOf(text), answer.status, fieldsOf(answer.body)]).toEqual([
          path,
          fieldOf(text),
          400,
          expect.arrayContaining([fieldOf(text)]),
        ]);
        expect(answer.text).not.toContain('\\u0000');
      }
    }
    expect(asked).toBeGreaterThan(40);
  });

  it('with half a surrogate pair is refused, or kept as Unicode', async () => {
    const incident = await api.incident();
    for (const { path, method, texts, base } of await bodies()) {
      for (const text of texts) {
        const answer = await api.call(method, filled(path, incident), {
          key: keyOf(path),
          body: withText(base, text, SURROGATE),
        });
        expect(answer.status, `${path} ${fieldOf(text)} ${answer.text}`).toBeLessThan(500);
        expect(
          answer.text.isWellFormed() && !/\\ud[89ab]/i.test(answer.text),
          `${path} ${fieldOf(text)} ${answer.text}`,
        ).toBe(true);
      }
    }
    const { text } = await api.call('GET', `/v1/incidents/${incident}`, { key: api.keys.operator });
    expect(text).toContain('a\ufffdb');
  });

  it('of a query or a path that nobody can have is refused or not found, and SQL in it is only a text', async () => {
    const { body: document } = await api.call('GET', '/openapi.json');
    const HOSTILE = [
      '%00',
      'a%00b',
      '%0d%0aset-cookie:x',
      "'%20or%20'1'='1",
      "';drop%20table%20keys;--",
      '%25',
      '%5C',
      '%F0%9F%94%A5',
      '%ED%A0%80',
    ];
    const MALFORMED = ['%', '%C3%28'];
    for (const [path, methods] of Object.entries(pick(document, 'paths') as object)) {
      const parameters = (pick(methods, 'get', 'parameters') ?? []) as { name: string; in: string }[];
      for (const { name, in: place } of parameters) {
        for (const value of [...HOSTILE, ...MALFORMED]) {
          const target = place === 'path' ? path.replace(`{${name}}`, value) : `${path}?${name}=${value}`;
          const { status, headers } = await api.call('GET', target, { key: api.keys.admin });
          expect([200, 400, 404], `${target} ${status}`).toContain(status);
          expect(headers.get('set-cookie')).toBe(null);
        }
      }
    }
    expect((await api.call('GET', '/v1/keys', { key: api.keys.admin })).status).toBe(200);
  });
});

describe('a source that is read tolerantly', () => {
  it('keeps what its sender wrote, whatever characters and times are in it', async () => {
    const alerts = [
      {
        status: 'firing',
        labels: { alertname: NUL, [SURROGATE]: SURROGATE, [NUL]: NUL },
        annotations: { summary: SURROGATE },
        startsAt: NUL,
        fingerprint: NUL,
      },
      {
        status: 'resolved',
        labels: { alertname: 'x' },
        endsAt: '0000-01-01T00:00:00Z',
        generatorURL: 'https://x/\u0000\ud800',
      },
      { status: 'firing', labels: { alertname: 'y', severity: SURROGATE }, startsAt: '2026-01-15 (so they say)' },
    ];
    const told = await api.call('POST', '/v1/sources/alertmanager', { key: api.keys.ingest, body: { alerts } });
    expect([told.status, (pick(told.body, 'accepted') as unknown[]).length]).toEqual([202, 3]);
    // The first that it can read says besides that the mapping works.
    await api.call('POST', '/v1/sources/builds', { key: api.keys.ingest, body: { kind: 'k', name: 'n' } });
    for (const at of [
      NUL,
      '0000-01-01',
      '8640000000000000',
      8.64e15,
      1e300,
      -1,
      '999999999999999999999',
      '2026-13-45',
      '2026-01-15T25:61:61Z',
    ]) {
      const sent = await api.call('POST', '/v1/sources/builds', {
        key: api.keys.ingest,
        body: { kind: NUL, name: SURROGATE, at, where: NUL, deep: { [NUL]: [SURROGATE], constructor: 'x' } },
      });
      expect([at, sent.status, (pick(sent.body, 'accepted') as unknown[]).length]).toEqual([at, 202, 1]);
    }
  });

  it('keeps what clouds write, whatever characters and times are in it', async () => {
    const odd = `${NUL}${SURROGATE}`;
    const event = { specversion: '1.0', id: odd, source: odd, type: odd, subject: odd, time: '0000-01-01T00:00:00Z' };
    const expiring = { ...event, id: 'expires', expirytime: '9999-12-31T23:59:59-14:00', severitytext: odd };
    const incident = {
      incident_id: odd,
      state: 'open',
      started_at: -1,
      summary: odd,
      resource: { labels: { [odd]: odd } },
    };
    const alarm = { AlarmName: odd, NewStateValue: 'ALARM', StateChangeTime: '2026-13-45', NewStateReason: odd };
    const message = {
      Type: 'Notification',
      MessageId: odd,
      TopicArn: `arn:aws:sns:${odd}:1:${odd}`,
      Message: JSON.stringify(alarm),
      Timestamp: new Date().toISOString(),
    };
    for (const [name, body, count] of [
      [
        'cloudevents',
        [
          event,
          expiring,
          { ...event, id: 'data', data: { labels: { [odd]: odd }, links: [{ url: odd }], title: odd } },
        ],
        3,
      ],
      ['gcp-monitoring', { incident }, 1],
      ['topics', message, 1],
    ] as const) {
      const { status, body: answer } = await api.call('POST', `/v1/sources/${name}`, { key: api.keys.ingest, body });
      expect([name, status, (pick(answer, 'accepted') as unknown[]).length]).toEqual([name, 202, count]);
    }
  });

  it('takes names like __proto__ for nobody’s', async () => {
    const raw =
      '{"kind":"t","name":"n","__proto__":{"kind":"p"},"constructor":{"prototype":{"polluted":1}},"alerts":[{"labels":{"__proto__":"x","a":"b"}}]}';
    for (const name of ['builds', 'alertmanager'])
      expect((await api.call('POST', `/v1/sources/${name}`, { key: api.keys.ingest, raw })).status).toBe(202);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

describe('a time', () => {
  it.each([
    '0000-01-01',
    '2026-01-15 (so they say)',
    '2026-01-15T14:32:00+25:00',
    '2026-13-45',
    -1,
    0,
    1e300,
    253_402_300_800_000,
    ' ',
    'now',
  ])('%j is refused by the event door', async (occurred_at) => {
    const body = { ...EVENT, occurred_at, dedup_key: 'time', status: 'resolved' };
    const answer = await api.call('POST', '/v1/events', { key: api.keys.ingest, body });
    expect([answer.status, fieldsOf(answer.body)]).toEqual([400, ['occurred_at']]);
  });

  it.each([
    '0001-01-01',
    '2026-01-15',
    '2026-01-15 14:32',
    '2026-01-15T14:32:00.123456789Z',
    '2026-01-15T14:32:00+05:30',
    '2026-01-15 14:32:00 UTC',
    1,
    1_768_487_520,
  ])('%j is taken, also as the end of an alert', async (occurred_at) => {
    for (const status of ['firing', 'resolved', 'firing', 'resolved']) {
      const body = { ...EVENT, occurred_at, dedup_key: `time ${occurred_at}`, status };
      expect((await api.call('POST', '/v1/events', { key: api.keys.ingest, body })).status).toBe(202);
    }
  });

  it('at which a key expires is kept in UTC, and lies in a year of four digits', async () => {
    const made = (expires_at: string) =>
      api.call('POST', '/v1/keys', { key: api.keys.admin, body: { name: 'x', scopes: ['ingest'], expires_at } });
    expect(pick((await made('2099-12-31T23:59:59+23:59')).body, 'expires_at')).toBe('2099-12-31T00:00:59.000Z');
    for (const late of ['9999-12-31T23:59:59-14:00', '9999-12-31T23:59:59Z', '2020-01-01T00:00:00Z'])
      expect([late, (await made(late)).status]).toEqual([late, 400]);
  });

  it('of a summary is a day that there is', async () => {
    for (const [date, status] of [
      ['0000-01-01', 404],
      ['2026-02-29', 404],
      ['+02026-01-01', 404],
      ['0001-01-01', 200],
      ['9999-12-31', 200],
    ] as const)
      expect([
        date,
        (await api.call('GET', `/v1/summaries/${encodeURIComponent(date)}`, { key: api.keys.operator })).status,
      ]).toEqual([date, status]);
  });
});

describe('a number', () => {
  it('that is none of JSON is refused, and one that is too large for us is kept as what it means to us', async () => {
    for (const word of ['NaN', 'Infinity', '-Infinity', '+1', '0x10', '1.', '.5', '01'])
      expect(
        (
          await api.call('POST', '/v1/events', {
            key: api.keys.ingest,
            raw: `{"source":"s","type":"t","title":"x","context":${word}}`,
          })
        ).status,
      ).toBe(400);
    const raw = `{"source":"s","type":"t","title":"x","context":{"huge":1e400,"long":${'9'.repeat(5_000)},"small":1e-400}}`;
    expect((await api.call('POST', '/v1/events', { key: api.keys.ingest, raw })).status).toBe(202);
    const incident = await api.incident();
    for (const level of ['1e300', '1.5', '-1', '99999999999999999999', '"1"', '0'])
      expect(
        (
          await api.call('POST', `/v1/incidents/${incident}/escalate`, {
            key: api.keys.operator,
            raw: `{"level":${level}}`,
          })
        ).status,
      ).toBe(400);
    for (const cursor of ['99999999999999999999', '-1', '1e3', '0x1', ''])
      expect((await api.call('GET', `/v1/incidents?cursor=${cursor}`, { key: api.keys.operator })).status).toBe(400);
  });
});

it('none of it was a fault of ours', () => {
  expect(api.logged.filter((line) => line.includes('"level":"error"'))).toEqual([]);
});
