import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { claim } from '../../src/ledger/claim.ts';
import { waitingInboxes } from '../../src/ledger/inbox.ts';
import type { TimelineRow } from '../../src/ledger/reading.ts';
import { sources } from '../../src/sources/index.ts';
import create from '../samples/opsgenie/alertmanager-create.json' with { type: 'json' };
import description from '../samples/opsgenie/alertmanager-description.json' with { type: 'json' };
import { holdsNowhere } from '../support/ledger.ts';
import { type Api, pick, startApi } from './harness.ts';

const KEY = '70413a06-38d6-4c85-92b8-5ebc900d42e2';
const OTHER = '00000000-38d6-4c85-92b8-5ebc900d42e2';
const config = fromText(
  `
integrations: { terminal: { type: stdout } }
default: { group_by: [type], notify: [terminal] }
sources:
  primary: { type: opsgenie, api_key: ${KEY} }
  second: { type: opsgenie, api_key: ${OTHER}, source: second }
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

const ask = (method: string, path: string, body?: unknown, key = KEY, by: Pick<Api, 'call'> = api) =>
  by.call(method, path, { headers: { authorization: `GenieKey ${key}` }, ...(body === undefined ? {} : { body }) });
const createAlert = (alias: string, more: object = {}) =>
  ask('POST', '/v2/alerts', { message: 'It broke', alias, priority: 'P1', details: { type: alias }, ...more });
const on = (alias: string, what: string, body: object = {}, method = 'POST') =>
  ask(method, `/v2/alerts/${encodeURIComponent(alias)}/${what}?identifierType=alias`, body);
/** What a request came to, as its sender asks for it. */
const outcome = async (reply: { status: number; body: unknown }): Promise<unknown> => {
  expect(reply).toMatchObject({ status: 202, body: { result: 'Request will be processed', took: 0 } });
  return pick((await ask('GET', `/v2/alerts/requests/${pick(reply.body, 'requestId')}`)).body, 'data');
};
const effectsOf = async (alias: string) =>
  (
    await api.ledger.query<{ effect: string | null }>(
      `select jsonb_path_query_first(d.decision, '$.effects[*].effect ? (@ != "none_open")') #>> '{}' as effect from events e join decisions d on d.id = e.decision
        where e.event->>'dedup_key' = $1 order by e.seq`,
      [alias],
    )
  ).map(({ effect }) => effect);
const incidentOf = async (type: string) =>
  (
    await api.ledger.query<{ id: string; status: string; answered_by: string | null; title: string }>(
      'select id, status, answered_by, title from incidents where type = $1 and closed_at is null',
      [type],
    )
  )[0];
const claimAll = async (): Promise<void> => {
  for (const { key } of await waitingInboxes(api.ledger)) await claim(api.ledger, key);
};
const fail = 'Alert does not exist';
/** Between the clock of the API and that of the ledger, by which a snooze ends. */
const APART_MS = 60_000;

describe("Opsgenie's alerts", () => {
  it('are created, updated and closed as Alertmanager does it', async () => {
    const path = `/v2/alerts/${create.alias}`;
    expect(await outcome(await ask('POST', '/v2/alerts', create))).toEqual({
      success: true,
      isSuccess: true,
      action: 'Create',
      status: 'Created alert',
      alertId: expect.stringMatching(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/),
      alias: create.alias,
      processedAt: expect.stringMatching(/Z$/),
      integrationId: 'primary',
    });
    const same = { message: create.message };
    expect((await ask('PUT', `${path}/message?identifierType=alias`, same)).status).toBe(202);
    expect((await ask('PUT', `${path}/description?identifierType=alias`, description)).status).toBe(202);
    expect(await effectsOf(create.alias)).toEqual(['fired']);
    expect(await outcome(await ask('POST', `${path}/close?identifierType=alias`, { source: 'am' }))).toMatchObject({
      success: true,
      action: 'Close',
    });
    expect(await effectsOf(create.alias)).toEqual(['fired', 'resolved']);
  });

  it('that are created again are the same alert while they are open, and the next one after that', async () => {
    for (const again of [createAlert, createAlert, (alias: string) => on(alias, 'close'), createAlert])
      await again('again');
    expect(await effectsOf('again')).toEqual(['fired', 'unchanged', 'resolved', 'fired']);
  });

  it('can be told under any of their three names', async () => {
    await createAlert('a name/with a slash');
    const byAlias = await ask('GET', `/v2/alerts/${encodeURIComponent('a name/with a slash')}?identifierType=alias`);
    expect(byAlias).toMatchObject({
      status: 200,
      body: {
        data: {
          alias: 'a name/with a slash',
          message: 'It broke',
          status: 'open',
          acknowledged: false,
          priority: 'P1',
          count: 1,
          details: { type: 'a name/with a slash' },
        },
      },
    });
    const { id, tinyId } = pick(byAlias.body, 'data') as { id: string; tinyId: string };
    expect((await ask('GET', `/v2/alerts/${id}`)).body).toMatchObject({ data: { id, tinyId } });
    expect((await ask('GET', `/v2/alerts/${tinyId}?identifierType=tiny`)).body).toMatchObject({ data: { id } });
    expect((await ask('GET', `/v2/alerts/${id}`, undefined, OTHER)).status).toBe(404);
    expect(await outcome(await ask('POST', `/v2/alerts/${tinyId}/close?identifierType=tiny`))).toMatchObject({
      success: true,
      alertId: id,
    });
    expect(await effectsOf('a name/with a slash')).toEqual(['fired', 'resolved']);
    expect((await ask('GET', `/v2/alerts/${id}`)).status).toBe(404);
  });

  it('are listed while they fire, all or by alias and status', async () => {
    await createAlert('listed', { message: 'Listed' });
    await createAlert('listed too');
    const aliases = async (query: string) => {
      const { body } = await ask('GET', `/v2/alerts?${new URLSearchParams({ query, limit: '100' })}`);
      return (pick(body, 'data') as { alias: string }[]).map(({ alias }) => alias);
    };
    expect((await aliases('')).slice(0, 2)).toEqual(['listed too', 'listed']);
    expect(await aliases('status: open AND alias: "listed too"')).toEqual(['listed too']);
    expect(await aliases('alias=listed')).toEqual(['listed']);
    expect(await aliases('status=closed')).toEqual([]);
    expect((await ask('GET', '/v2/alerts?query=tag:x')).status).toBe(422);
    expect(pick((await ask('GET', '/v2/alerts?limit=1&offset=1')).body, 'data', 0, 'alias')).toBe('listed');
  });
});

describe('answers to an alert', () => {
  it('reach its incident in the name of who gives them, also before any relay has opened it', async () => {
    await createAlert('answered');
    expect(await incidentOf('answered')).toBeUndefined();
    expect(await outcome(await on('answered', 'acknowledge', { user: 'ada', note: 'mine' }))).toMatchObject({
      success: true,
      action: 'Acknowledge',
      alias: 'answered',
    });
    await claimAll();
    const incident = await incidentOf('answered');
    expect(incident).toMatchObject({ status: 'acknowledged', answered_by: 'ada' });
    const timeline = await api.ledger.query('select kind, by from inbox where incident = $1 order by seq', [
      incident?.id,
    ]);
    expect(timeline).toEqual([
      { kind: 'fired', by: null },
      { kind: 'ack', by: 'ada' },
      { kind: 'comment', by: 'ada' },
    ]);
    const shown = await ask('GET', '/v2/alerts/answered?identifierType=alias');
    expect(shown.body).toMatchObject({ data: { acknowledged: true, owner: 'ada' } });

    await on('answered', 'unacknowledge');
    expect(await incidentOf('answered')).toMatchObject({ status: 'open', answered_by: 'opsgenie primary' });
    api.clock.now = new Date();
    const endTime = new Date(api.clock.now.getTime() + 90 * 60_000).toISOString();
    expect(await outcome(await on('answered', 'snooze', { endTime }))).toMatchObject({ success: true });
    const note = { user: 'bob', note: '  still here\nby noon  ' };
    expect(await outcome(await on('answered', 'notes', note))).toMatchObject({ success: true });
    const { body } = await api.call('GET', `/v1/incidents/${incident?.id}`, { key: api.keys.operator });
    expect(pick(body, 'status')).toBe('snoozed');
    const until = Date.parse(String(pick(body, 'snoozed_until')));
    expect(Math.abs(until - Date.parse(endTime))).toBeLessThan(APART_MS);
    const said = (pick(body, 'timeline') as TimelineRow[]).flatMap(({ kind, by, detail }) =>
      kind === 'comment' ? [[by, pick(detail, 'text')]] : [],
    );
    expect(said).toEqual([
      ['ada', 'mine'],
      ['bob', 'still here\nby noon'],
    ]);
  });

  it('to nothing that fires are taken, and told to whoever asks to have changed nothing', async () => {
    for (const what of ['acknowledge', 'close'])
      expect(await outcome(await on('never heard of', what))).toMatchObject({
        success: false,
        isSuccess: false,
        status: fail,
        alertId: '',
        alias: '',
      });
    expect(await outcome(await on('never heard of', 'message', { message: 'm' }, 'PUT'))).toMatchObject({
      success: false,
    });
    expect(await effectsOf('never heard of')).toEqual([null]);
  });

  it('change what is told of it', async () => {
    await createAlert('changed');
    expect(await outcome(await on('changed', 'message', { message: 'It got worse' }, 'PUT'))).toMatchObject({
      success: true,
      action: 'Update',
    });
    await on('changed', 'priority', { priority: 'P5' }, 'PUT');
    await on('changed', 'description', { description: 'More' }, 'PUT');
    expect(pick((await ask('GET', '/v2/alerts/changed?identifierType=alias')).body, 'data')).toMatchObject({
      message: 'It got worse',
      priority: 'P5',
      description: 'More',
    });
    expect(await effectsOf('changed')).toEqual(['fired', 'fired', 'fired', 'unchanged']);
  });

  it.each([
    ['POST', 'notes', {}, 422],
    ['POST', 'snooze', { endTime: 'tomorrow' }, 422],
    ['POST', 'snooze', { endTime: '2020-01-01T00:00:00Z' }, 422],
    ['PUT', 'priority', { priority: 'P9' }, 422],
    ['POST', 'assign', { owner: {} }, 404],
    ['PUT', 'tags', {}, 404],
    ['DELETE', 'notes', {}, 405],
  ])('%s …/%s %j is refused with %i', async (method, what, body, status) => {
    const refused = await on('any', what, body, method);
    expect([refused.status, Object.keys(refused.body as object)]).toEqual([status, ['message', 'took', 'requestId']]);
  });
});

describe('a request id', () => {
  it('is good in any process and after any restart, and nobody else can read or make one', async () => {
    const made = await createAlert('requested');
    const path = `/v2/alerts/requests/${pick(made.body, 'requestId')}`;
    const other = await api.beside();
    expect((await ask('GET', path, undefined, KEY, other)).body).toMatchObject({ data: { alias: 'requested' } });
    await other.stop();
    expect((await ask('GET', path, undefined, OTHER)).status).toBe(404);
    expect((await ask('GET', `${path}0`)).status).toBe(404);
    expect((await ask('GET', '/v2/alerts/requests/ec7e1d8e-1c75-442e-a271-731070a7fa4d')).status).toBe(404);
  });
});

describe('what is not taken', () => {
  it.each([
    ['no key', {}, 401],
    ["nobody's key", { authorization: `GenieKey ${KEY}0` }, 401],
    ['an empty key', { authorization: 'GenieKey ' }, 401],
  ])('a request with %s', async (_, headers, status) => {
    const refused = await api.call('POST', '/v2/alerts', { body: { message: 'm' }, headers });
    expect(refused).toMatchObject({ status, body: { message: expect.stringMatching(/^Could not authenticate/) } });
  });

  it('a body that is no alert, or no JSON at all', async () => {
    expect(await ask('POST', '/v2/alerts', {})).toMatchObject({
      status: 422,
      body: { message: 'message cannot be empty', took: 0, requestId: expect.any(String) },
    });
    const headers = { authorization: `GenieKey ${KEY}` };
    expect((await api.call('POST', '/v2/alerts', { raw: '{"message":', headers })).status).toBe(400);
  });

  it.each([
    [null],
    [[]],
    ['text'],
    [7],
    [{ message: { toString: 1 }, alias: [], details: [1], tags: { a: 1 }, responders: 'x' }],
    [{ message: 'a\0b\ud800', alias: '\0', details: { constructor: 'x' }, tags: ['\0:', ':', null], note: '\0' }],
    [{ user: '\0', note: '\ud800', endTime: {} }],
  ])('and nothing that is sent fails here: %j', async (body) => {
    const strange = encodeURIComponent('strange \0 / name');
    await createAlert('strange \0 / name');
    const paths: [string, string][] = [
      ['POST', '/v2/alerts'],
      ...['close', 'acknowledge', 'unacknowledge', 'notes', 'snooze', '\u2603'].map((what): [string, string] => [
        'POST',
        `/v2/alerts/${strange}/${encodeURIComponent(what)}?identifierType=alias`,
      ]),
      ['PUT', `/v2/alerts/${strange}/message?identifierType=alias`],
      ['PUT', '/v2/alerts/999999999999999/priority?identifierType=tiny'],
      ['POST', '/v2/alerts/not-an-id/close'],
    ];
    for (const [method, path] of paths) {
      const { status } = await ask(method, path, body);
      expect([method, path, [202, 404, 422].includes(status)]).toEqual([method, path, true]);
    }
    expect((await ask('POST', `/v2/alerts/${strange}/close?identifierType=name`, body)).status).toBe(422);
    expect((await ask('GET', '/v2/alerts?limit=-1&query=%00')).status).toBe(422);
  });

  it('what is too much is told with 429, as its senders expect', async () => {
    const full = await api.beside({ limits: { waiting: 0 } });
    const shed = await ask('POST', '/v2/alerts', { message: 'm', alias: 'shed' }, KEY, full);
    expect([shed.status, shed.headers.get('retry-after')]).toEqual([429, '2']);
    await full.stop();
    expect(await effectsOf('shed')).toEqual([]);
  });

  it('and no key is kept or logged anywhere', async () => {
    await createAlert('secret');
    await holdsNowhere(api.ledger, [KEY, OTHER]);
    expect(api.logged.join('\n')).not.toMatch(new RegExp(`${KEY}|${OTHER}`));
  });
});
