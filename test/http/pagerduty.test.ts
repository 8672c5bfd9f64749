import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { claim } from '../../src/ledger/claim.ts';
import { waitingInboxes } from '../../src/ledger/inbox.ts';
import { sources } from '../../src/sources/index.ts';
import resolve from '../samples/pagerduty/alertmanager-resolve.json' with { type: 'json' };
import trigger from '../samples/pagerduty/alertmanager-trigger.json' with { type: 'json' };
import { holdsNowhere } from '../support/ledger.ts';
import { type Api, pick, startApi } from './harness.ts';

const KEY = '0123456789abcdef0123456789abcdef';
const OTHER = 'ffffeeeeddddccccbbbbaaaa99998888';
const config = fromText(
  `
integrations: { terminal: { type: stdout } }
default: { group_by: [type], notify: [terminal] }
sources:
  primary: { type: pagerduty, routing_key: ${KEY} }
  second: { type: pagerduty, routing_key: ${OTHER}, source: second }
`,
  'the tests',
  {},
  { channels, writers, sources },
);

let api: Api;
beforeAll(async () => {
  api = await startApi({ config });
});
afterAll(() => api.stop());

const post = (body: unknown, path = '/v2/enqueue') => api.call('POST', path, { body });
const alert = (dedup_key: string, more: object = {}) => ({
  routing_key: KEY,
  event_action: 'trigger',
  dedup_key,
  payload: { summary: 'It broke', source: 'web-1', severity: 'critical', class: dedup_key },
  ...more,
});
const eventsOf = (dedup_key: string) =>
  api.ledger.query<{ source: string; status: string; effect: string | null }>(
    `select e.source, e.event->>'status' as status, jsonb_path_query_first(d.decision, '$.effects[*].effect ? (@ != "none_open")') #>> '{}' as effect
       from events e join decisions d on d.id = e.decision where e.event->>'dedup_key' = $1 order by e.seq`,
    [dedup_key],
  );
const incidentsOf = (type: string) =>
  api.ledger.query<{ id: string; status: string; answered_by: string | null }>(
    'select id, status, answered_by from incidents where type = $1 order by number',
    [type],
  );
/** As the relay does. */
const claimAll = async (): Promise<void> => {
  for (const { key } of await waitingInboxes(api.ledger)) await claim(api.ledger, key);
};

describe('POST /v2/enqueue', () => {
  it('keeps what Alertmanager triggers and resolves, and answers as PagerDuty does', async () => {
    const answer = { status: 202, text: answered({ dedup_key: trigger.dedup_key }) };
    expect(await post(trigger)).toMatchObject(answer);
    expect(await post(resolve)).toMatchObject(answer);
    expect(await eventsOf(trigger.dedup_key)).toEqual([
      { source: 'pagerduty', status: 'firing', effect: 'fired' },
      { source: 'pagerduty', status: 'resolved', effect: 'resolved' },
    ]);
  });

  it('knows a trigger that is sent again, and opens the next alert after the end', async () => {
    for (const event_action of ['trigger', 'trigger', 'resolve', 'trigger'])
      expect((await post(alert('again', { event_action }))).status).toBe(202);
    expect((await eventsOf('again')).map(({ effect }) => effect)).toEqual(['fired', 'unchanged', 'resolved', 'fired']);
  });

  it('makes up a dedup_key where there is none, and tells it', async () => {
    const { dedup_key: _, ...nameless } = alert('nameless');
    const { status, body } = await post(nameless);
    expect(status).toBe(202);
    const made = String(pick(body, 'dedup_key'));
    expect(made).toMatch(/^[\da-f]{32}$/);
    expect((await post({ routing_key: KEY, event_action: 'resolve', dedup_key: made })).status).toBe(202);
    expect((await eventsOf(made)).map(({ effect }) => effect)).toEqual(['fired', 'resolved']);
  });

  it('acknowledges the incident of the alert, also one that no relay has opened yet', async () => {
    const ack = { routing_key: KEY, event_action: 'acknowledge', dedup_key: 'early' };
    await post(alert('early'));
    expect(await incidentsOf('early')).toEqual([]);
    expect(await post(ack)).toMatchObject({ status: 202, text: answered({ dedup_key: 'early' }) });
    const acknowledged = [{ status: 'acknowledged', answered_by: 'pagerduty primary' }];
    expect(await incidentsOf('early')).toMatchObject(acknowledged);
    await claimAll();
    expect(await incidentsOf('early')).toMatchObject(acknowledged);

    await post(alert('usual'));
    await claimAll();
    await post({ ...ack, dedup_key: 'usual' });
    expect(await incidentsOf('usual')).toMatchObject(acknowledged);
  });

  it('knows an alert whose key no ledger can keep as it is written', async () => {
    const dedup_key = 'half\ud800 and \0';
    await post(alert(dedup_key, { payload: { summary: 's', source: 's', severity: 'info', class: 'strange key' } }));
    await post({ routing_key: KEY, event_action: 'acknowledge', dedup_key });
    expect(await incidentsOf('strange key')).toMatchObject([{ status: 'acknowledged' }]);
  });

  it('takes the acknowledgement of what nobody knows, and changes nothing', async () => {
    const before = await api.ledger.query('select count(*) from audit');
    const body = { routing_key: KEY, event_action: 'acknowledge', dedup_key: 'never heard of' };
    expect(await post(body)).toMatchObject({ status: 202, text: answered({ dedup_key: 'never heard of' }) });
    expect(await api.ledger.query('select count(*) from audit')).toEqual(before);
    expect(await eventsOf('never heard of')).toEqual([]);
  });

  it('keeps the alerts of two keys apart, whatever their senders call them', async () => {
    await post(alert('shared'));
    await post(alert('shared', { routing_key: OTHER, event_action: 'resolve' }));
    expect(await eventsOf('shared')).toEqual([
      { source: 'pagerduty', status: 'firing', effect: 'fired' },
      { source: 'second', status: 'resolved', effect: null },
    ]);
  });

  it.each([
    ['no key', { event_action: 'trigger' }, [`Length of 'routing_key' is incorrect (should be 32 characters)`]],
    [
      'a key of another kind',
      alert('x', { routing_key: 'e+23rschqsESqk9Q6_-g' }),
      [
        `Length of 'routing_key' is incorrect (should be 32 characters)`,
        `'routing_key' cannot contain non-alphanumeric characters.`,
      ],
    ],
    [
      "nobody's key",
      alert('x', { routing_key: KEY.replaceAll('0', '1') }),
      ['Invalid routing key', 'No source of the type pagerduty has this routing key'],
    ],
    ['no payload', { routing_key: KEY, event_action: 'resolve' }, [`'dedup_key' is missing or blank`]],
  ])('refuses an event with %s as PagerDuty does', async (_, body, errors) => {
    const refused = await post(body);
    expect(refused.status).toBe(400);
    expect(refused.body).toMatchObject({ status: 'invalid event', message: 'Event object is invalid', errors });
    expect(refused.text).not.toContain(KEY);
  });

  it('says so where it cannot read an event at all', async () => {
    const broken = await api.call('POST', '/v2/enqueue', { raw: `{"routing_key":"${KEY}",` });
    expect(broken).toMatchObject({
      status: 400,
      body: { status: 'Unrecognized object', message: 'Event object format is unrecognized' },
    });
    expect(pick(broken.body, 'errors', 0)).toBe('JSON parse error');
    expect((await post({ ...alert('large'), padding: 'x'.repeat(512_001) })).status).toBe(413);
    expect((await api.call('GET', '/v2/enqueue')).status).toBe(405);
  });

  it.each([
    [{ payload: null }],
    [{ payload: [], dedup_key: {}, links: 'x', images: [null, 7] }],
    [{ payload: { summary: 'a\0b\ud800', source: { a: 1 }, severity: 'error', custom_details: ['x', { y: '\0' }] } }],
    [{ payload: { summary: 's', source: 's', severity: 'constructor', timestamp: {} } }],
    [{ payload: { summary: 's', source: 's', severity: 'info', custom_details: { constructor: { prototype: 1 } } } }],
  ])('takes or refuses whatever stands in an event, and fails at nothing: %j', async (more) => {
    for (const event_action of ['trigger', 'acknowledge', 'resolve', ['trigger'], null])
      for (const path of ['/v2/enqueue', '/v2/change/enqueue', '/generic/2010-04-15/create_event.json']) {
        const { status } = await post({ ...alert('strange'), event_action, ...more }, path);
        expect([path, [200, 202, 400].includes(status)]).toEqual([path, true]);
      }
    for (const body of [null, [], 'text', 7]) expect((await post(body)).status).toBe(400);
  });

  it('asks to come back later with 429, as its senders expect', async () => {
    const guessing = await api.beside({ limits: { attempts: { per_second: 0.001, burst: 1 } } });
    const wrong = { body: alert('x', { routing_key: KEY.replaceAll('0', '1') }) };
    expect((await guessing.call('POST', '/v2/enqueue', wrong)).status).toBe(400);
    const limited = await guessing.call('POST', '/v2/enqueue', wrong);
    expect([limited.status, pick(limited.body, 'status')]).toEqual([429, 'throttle exceeded']);
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await guessing.call('POST', '/v2/enqueue', { body: alert('right') })).status).toBe(202);
    await guessing.stop();

    const full = await api.beside({ limits: { waiting: 0 } });
    const shed = await full.call('POST', '/v2/enqueue', { body: alert('shed') });
    expect([shed.status, shed.headers.get('retry-after')]).toEqual([429, '2']);
    expect(await eventsOf('shed')).toEqual([]);
    await full.stop();
  });
});

describe('POST /v2/change/enqueue', () => {
  it('keeps a change, which nobody is paged for', async () => {
    const payload = { summary: 'Build 42 is out', source: 'ci', timestamp: '2026-11-20T14:00:00Z' };
    expect(await post({ routing_key: KEY, payload }, '/v2/change/enqueue')).toMatchObject({
      status: 202,
      body: { status: 'success', message: 'Change event processed' },
    });
    expect(
      await api.ledger.query(
        `select event->>'title' as title, event->>'severity' as severity from events where event->>'type' = 'change' and event->'components'->>0 = 'ci'`,
      ),
    ).toEqual([{ title: 'Build 42 is out', severity: 'info' }]);
    expect((await post({ routing_key: KEY, payload: {} }, '/v2/change/enqueue')).body).toMatchObject({
      errors: [`'payload.summary' is missing or blank`],
    });
  });
});

describe('the generic API, version 1', () => {
  it('answers as version 1 does', async () => {
    const path = '/generic/2010-04-15/create_event.json';
    const old = { service_key: KEY, event_type: 'trigger', incident_key: 'old', description: 'It broke' };
    expect(await post(old, path)).toMatchObject({
      status: 200,
      body: { status: 'success', message: 'Event processed', incident_key: 'old' },
    });
    expect((await post({ ...old, event_type: 'resolve' }, path)).status).toBe(200);
    expect((await eventsOf('old')).map(({ effect }) => effect)).toEqual(['fired', 'resolved']);
    expect((await post({ ...old, service_key: OTHER.replaceAll('9', '0') }, path)).status).toBe(400);
  });
});

it('no key is kept or logged anywhere', async () => {
  await post(alert('secret'));
  await holdsNowhere(api.ledger, [KEY, OTHER]);
  expect(api.logged.join('\n')).not.toMatch(new RegExp(`${KEY}|${OTHER}`));
});

const answered = (more: object): string => JSON.stringify({ status: 'success', message: 'Event processed', ...more });
