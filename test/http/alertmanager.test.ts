/** Alertmanager's API v2 at our door: what is answered, what is kept, and what the pipeline hears of it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { StatementError } from '../../src/ledger/pglite/statements.ts';
import { forgetPosted } from '../../src/ledger/posted.ts';
import { sources } from '../../src/sources/index.ts';
import { COLLIDING } from '../support/api-v2-requests.ts';
import { type Api, pick, startApi } from './harness.ts';

const CONFIG = `
integrations: { chat: { type: stdout }, pager: { type: stdout } }
escalations: { on-call: { levels: [ { notify: [pager], wait: 5m } ] } }
routes:
  - { match: [ 'severity="critical"' ], continue: true, group_by: [alertname], escalate: on-call, notify: [chat] }
  - { match: [ 'alertname="HostDown"' ], notify: [chat] }
  - { name: hushed, match: [ 'team="night"' ], mute: [always], notify: [pager] }
  - { name: apart, match: [ 'team="apart"' ], group_by: all, active: [never], notify: [pager] }
default: { group_by: [alertname], notify: [chat] }
inhibitions: [ { source: [ 'alertname="HostDown"' ], target: [ 'severity="warning"' ], equal: [instance] } ]
time_intervals: { always: { timezone: UTC }, never: { dates: ['1999-12-31'] } }
`;
const config = fromText(CONFIG, 'the tests', {}, { channels, writers, sources });
const MIN = 60_000;

let api: Api;
let keys: Api['keys'];
beforeAll(async () => {
  api = await startApi({ config });
  keys = api.keys;
});
afterAll(() => api.stop());
beforeEach(() =>
  api.ledger.query('truncate events, alerts, inbox, incidents, batches, posted_alerts restart identity'),
);

const at = (minutes: number) => new Date(api.clock.now.getTime() + minutes * MIN).toISOString();
const wait = (minutes: number) => {
  api.clock.now = new Date(api.clock.now.getTime() + minutes * MIN);
};
const post = (body: unknown, more: Parameters<Api['call']>[2] = {}) =>
  api.call('POST', '/api/v2/alerts', { key: keys.ingest, body, ...more });
const raw = (text: string, headers: Record<string, string> = {}) => post(undefined, { raw: text, headers });
const get = (path: string) => api.call('GET', `/api/v2/${path}`, { key: keys.operator });
type Shown = { labels: Record<string, string>; startsAt: string; endsAt: string } & Record<string, unknown>;
const shown = async (query = '') => (await get(`alerts${query}`)).body as Shown[];
const namesOf = async (query: string) => (await shown(query)).map(({ labels }) => labels.alertname);
const inbox = () =>
  api.ledger.query<{ kind: string; severity: string }>('select kind, severity from inbox order by seq');
const kinds = async () => (await inbox()).map(({ kind }) => kind);
const alert = (name: string, more: object = {}) => ({ labels: { alertname: name }, ...more });

describe('posting alerts', () => {
  it('is answered 200 and nothing else, when they are kept and on their way', async () => {
    const reply = await post([
      {
        labels: { alertname: 'HighCPU', severity: 'warning', instance: 'a:9100', service: 'shop', empty: '' },
        annotations: { summary: 'CPU is high', description: 'very', runbook_url: 'https://runbooks/cpu', note: '' },
        generatorURL: 'http://prom/graph',
        startsAt: at(-1),
        endsAt: at(3),
      },
    ]);
    expect([reply.status, reply.text, reply.headers.get('content-type')]).toEqual([200, '', null]);
    const [event] = await api.ledger.query<{ event: object }>('select event from events');
    expect(event?.event).toMatchObject({
      source: 'prometheus',
      type: 'HighCPU',
      title: 'CPU is high',
      body: 'very',
      severity: 'warning',
      service: 'shop',
      components: ['a:9100'],
      labels: { alertname: 'HighCPU', severity: 'warning', instance: 'a:9100', service: 'shop' },
      links: [
        { title: 'Source of the alert', url: 'http://prom/graph' },
        { title: 'Runbook', url: 'https://runbooks/cpu' },
      ],
      status: 'firing',
      occurred_at: at(-1),
      expires_at: at(3),
    });
    expect(await kinds()).toEqual(['fired']);
    expect(await shown()).toEqual([
      {
        annotations: { summary: 'CPU is high', description: 'very', runbook_url: 'https://runbooks/cpu', note: '' },
        endsAt: at(3),
        fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
        receivers: [{ name: 'chat' }],
        startsAt: at(-1),
        status: { inhibitedBy: [], mutedBy: [], silencedBy: [], state: 'active' },
        updatedAt: at(0),
        generatorURL: 'http://prom/graph',
        labels: { alertname: 'HighCPU', severity: 'warning', instance: 'a:9100', service: 'shop' },
      },
    ]);
  });

  it('takes the good ones of a batch and says of the others what is wrong with them', async () => {
    const reply = await post([
      { labels: {} },
      alert('Good'),
      { labels: { '': 'x' } },
      { ...alert('Backwards'), startsAt: at(0), endsAt: at(-1) },
      { labels: { empty: '', none: null } },
    ]);
    expect([reply.status, reply.body]).toEqual([
      400,
      'at least one label pair required; invalid label set: invalid name ""; start time must be before end time; at least one label pair required',
    ]);
    expect(await namesOf('')).toEqual(['Good']);
    expect(await kinds()).toEqual(['fired']);
  });

  it.each([
    ['', 422, { code: 602, message: 'alerts in body is required' }],
    ['[', 400, { code: 400, message: expect.stringMatching(/^parsing alerts body from "" failed, because /) }],
    ['{}', 400, { code: 400, message: expect.stringMatching(/^parsing alerts body from "" failed, because /) }],
    ['[null]', 400, { code: 400, message: expect.stringMatching(/^parsing alerts body/) }],
    ['[{"labels":{"a":1}}]', 400, { code: 400, message: expect.stringMatching(/^parsing alerts body/) }],
    [
      '[{"labels":{"a":"b"},"startsAt":"soon"}]',
      400,
      { code: 400, message: expect.stringMatching(/parsing time "soon"/) },
    ],
    ['[{}]', 422, { code: 602, message: '0.labels in body is required' }],
    [
      '[{"labels":{"a":"b"}},{"labels":{"a":"b"},"generatorURL":"not a url"}]',
      422,
      { code: 601, message: '1.generatorURL in body must be of type uri: "not a url"' },
    ],
  ])('that are written as %j is refused whole', async (text, status, body) => {
    const reply = await raw(text);
    expect([reply.status, reply.body]).toEqual([status, body]);
    expect(await shown()).toEqual([]);
  });

  it('wants a body that is called JSON', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
      const reply = await raw('[]', { 'content-type': type });
      const message = `unsupported media type "${type}", only [application/json] are allowed`;
      expect([reply.status, reply.body]).toEqual([415, { code: 415, message }]);
    }
    expect((await raw('[]', { 'content-type': 'Application/JSON; charset=utf-8' })).status).toBe(200);
    expect((await raw('null')).status).toBe(200);
  });

  it('is answered 503 while the ledger is away, and nothing of it is kept', async () => {
    const { call } = api.ledger;
    api.ledger.call = () => Promise.reject(new StatementError('gone', { code: '57P01' }));
    const reply = await post([alert('Lost')]).finally(() => {
      api.ledger.call = call;
    });
    expect([reply.status, pick(reply.body, 'code')]).toEqual([503, 503]);
    expect(await shown()).toEqual([]);
    expect((await post([alert('Lost')])).status).toBe(200);
    expect(await kinds()).toEqual(['fired']);
  });

  it('heals at the next repetition where the process died between the event and the rest', async () => {
    const one = alert('Half', { startsAt: at(0), endsAt: at(4) });
    await post([one]);
    await api.ledger.query('delete from posted_alerts');
    wait(1);
    await post([{ ...one, endsAt: at(4) }]);
    expect(await kinds()).toEqual(['fired']);
    expect(await shown()).toMatchObject([{ endsAt: at(4) }]);
  });

  it('are two where their labels differ and their fingerprints do not: neither hides or ends the other', async () => {
    const [one, other] = COLLIDING;
    expect((await post([{ labels: one }, { labels: other, endsAt: at(30) }])).status).toBe(200);
    expect(await kinds()).toEqual(['fired', 'fired']);
    const both = await shown();
    expect(new Set(both.map(({ fingerprint }) => fingerprint)).size).toBe(1);
    expect(new Set(both.flatMap(({ labels }) => Object.keys(labels)))).toEqual(
      new Set([one, other].flatMap((labels) => Object.keys(labels))),
    );
    wait(1);
    await post([{ labels: one, endsAt: at(-0.5) }]);
    expect((await shown()).map(({ labels }) => labels)).toEqual([other]);
    expect(await kinds()).toEqual(['fired', 'fired', 'resolved']);
  });

  it('takes labels that only look like something else, and long ones', async () => {
    const long = 'x'.repeat(5_000);
    const labels = { __proto__x: 'a', 'k8s.pod': 'b', constructor: 'c', long, nul: 'a\u0000b' };
    expect((await post([{ labels }, { labels: { long: `${long}y` } }])).status).toBe(200);
    expect((await shown()).map((one) => Object.keys(one.labels).length).sort()).toEqual([1, 5]);
    expect(await kinds()).toEqual(['fired', 'fired']);
  });
});

describe('what Prometheus repeats', () => {
  it('moves the end of a firing and nothing else; an end that is repeated does nothing', async () => {
    const startsAt = at(0);
    const expiry = async () => {
      const [row] = await api.ledger.query<{ expires_at: Date }>('select expires_at from alerts where current');
      return row?.expires_at?.toISOString();
    };
    await post([alert('Down', { startsAt, endsAt: at(4) })]);
    expect(await expiry()).toBe(at(4));
    for (let minute = 1; minute <= 5; minute++) {
      wait(1);
      await post([alert('Down', { startsAt, endsAt: at(4) })]);
      expect(await expiry()).toBe(at(4));
    }
    const rows = (await api.ledger.query('select from events')).length;
    expect(rows).toBeLessThanOrEqual(2); // one more where an hour begins meanwhile
    const endsAt = at(0);
    for (let minute = 0; minute < 15; minute++) {
      await post([alert('Down', { startsAt, endsAt })]);
      wait(1);
    }
    expect(await kinds()).toEqual(['fired', 'resolved']);
    expect((await api.ledger.query('select from events')).length).toBe(rows + 1);
    expect(await shown()).toEqual([]);
  });

  it('is a new firing after an end also with a start that another server once gave', async () => {
    const began = (startsAt: string) => alert('Pair', { startsAt, endsAt: at(4) });
    const [early, late] = [at(-9), at(-1)];
    await post([began(late)]);
    await post([began(early)]);
    wait(1);
    await post([alert('Pair', { startsAt: early, endsAt: at(-3) })]);
    expect(await kinds()).toEqual(['fired', 'resolved']);
    wait(1);
    await post([began(late)]);
    await post([began(late)]);
    expect(await kinds()).toEqual(['fired', 'resolved', 'fired']);
  });

  it('is a new firing when it begins again', async () => {
    await post([alert('Flaps', { startsAt: at(0), endsAt: at(4) })]);
    wait(1);
    await post([alert('Flaps', { startsAt: at(-1), endsAt: at(0) })]);
    wait(1);
    await post([alert('Flaps', { startsAt: at(0), endsAt: at(4) })]);
    expect(await kinds()).toEqual(['fired', 'resolved', 'fired']);
  });

  it('is forgotten when it ended long ago, and nothing that fires is', async () => {
    await post([alert('Old', { startsAt: at(-10), endsAt: at(0) }), alert('New', { endsAt: at(500) })]);
    expect(await forgetPosted(api.ledger, new Date(at(60)))).toBe(0);
    expect(await forgetPosted(api.ledger, new Date(at(121)))).toBe(1);
    expect(await namesOf('')).toEqual(['New']);
  });
});

describe('listing alerts', () => {
  const three = () =>
    post([
      alert('HostDown', { labels: { alertname: 'HostDown', instance: 'a', severity: 'critical' } }),
      { labels: { alertname: 'Slow', instance: 'a', severity: 'warning' } },
      { labels: { alertname: 'Slow', instance: 'b', severity: 'warning', team: 'night' } },
      { labels: { alertname: 'Apart', team: 'apart' } },
    ]);

  it('says who would be told, by the fingerprints, and whose alert keeps it quiet', async () => {
    await three();
    const all = await shown();
    const fingerprints = all.map(({ fingerprint }) => String(fingerprint));
    expect(fingerprints).toEqual([...fingerprints].sort());
    const of = (name: string, instance?: string) =>
      all.find(({ labels }) => labels.alertname === name && labels.instance === instance);
    expect(of('HostDown', 'a')?.receivers).toEqual([{ name: 'chat/pager' }, { name: 'chat' }]);
    expect(of('Slow', 'b')?.receivers).toEqual([{ name: 'pager' }]);
    expect(of('HostDown', 'a')).toMatchObject({ status: { state: 'active', inhibitedBy: [] } });
    expect(of('Slow', 'a')).toMatchObject({
      status: { state: 'suppressed', inhibitedBy: [of('HostDown', 'a')?.fingerprint] },
    });
    expect(of('Slow', 'b')).toMatchObject({ status: { state: 'active', inhibitedBy: [] } });
  });

  it.each([
    ['?filter=alertname=Slow', ['Slow', 'Slow']],
    ['?filter=alertname=Slow&filter=instance=~"b|c"', ['Slow']],
    ['?filter=team=""&filter=severity!=critical', ['Slow']],
    ['?inhibited=false', ['Apart', 'HostDown', 'Slow']],
    ['?active=false', ['Slow']],
    ['?active=maybe', ['Slow']],
    ['?active=TRUE&inhibited=0', ['Apart', 'HostDown', 'Slow']],
    ['?receiver=pag.*', ['Apart', 'Slow']],
    ['?receiver=pag', []],
    ['?unknown=1&filter=alertname=~H.*', ['HostDown']],
  ])('with %s gives %j', async (query, names) => {
    await three();
    expect((await namesOf(query)).sort()).toEqual(names);
  });

  it.each([
    ['?filter=foo', 'bad matcher format: foo'],
    ['?filter=a=~(', 'error parsing regexp: missing closing ): `^(?:()$`'],
    ['?receiver=(', 'failed to parse receiver param: error parsing regexp: missing closing ): `^(?:()$`'],
  ])('with %s is refused in a text', async (query, words) => {
    for (const path of ['alerts', 'alerts/groups']) {
      const reply = await get(path + query);
      expect([reply.status, reply.body]).toEqual([400, words]);
    }
  });

  it('in groups says by what they are grouped, for whom, and which time keeps them quiet', async () => {
    await three();
    const groups = (await get('alerts/groups')).body as (Record<string, unknown> & { alerts: Shown[] })[];
    expect(
      groups.map(({ labels, receiver, alerts }) => [
        labels,
        pick(receiver, 'name'),
        alerts.map(({ labels: { instance }, status }) => [instance, pick(status, 'state'), pick(status, 'mutedBy')]),
      ]),
    ).toEqual([
      [{ alertname: 'HostDown' }, 'chat', [['a', 'active', []]]],
      [{ alertname: 'HostDown' }, 'chat/pager', [['a', 'active', []]]],
      [{ alertname: 'Slow' }, 'chat', [['a', 'suppressed', []]]],
      [{ alertname: 'Slow' }, 'pager', [['b', 'suppressed', ['always']]]],
      [{ alertname: 'Apart', team: 'apart' }, 'pager', [[undefined, 'suppressed', ['never']]]],
    ]);
    const names = async (query: string) =>
      ((await get(`alerts/groups${query}`)).body as object[]).map((group) => pick(group, 'receiver', 'name'));
    expect(await names('?muted=false')).toEqual(['chat', 'chat/pager', 'chat']);
    expect(await names('?receiver=chat&active=false')).toEqual(['chat']);
    expect(await names('?filter=alertname=Nothing')).toEqual([]);
  });
});

describe('what clients look at first', () => {
  it('is a status with a configuration that is YAML, receivers, and two probes that need no key', async () => {
    const status = await get('status');
    expect(status.body).toEqual({
      cluster: { peers: [], status: 'disabled' },
      config: { original: expect.stringContaining('receiver') },
      uptime: expect.stringMatching(/^\d{4}-.*Z$/),
      versionInfo: {
        branch: expect.any(String),
        buildDate: expect.any(String),
        buildUser: expect.any(String),
        goVersion: expect.any(String),
        revision: '0.0.0-test',
        version: '0.25.0',
      },
    });
    expect((await get('receivers')).body).toEqual([{ name: 'chat' }, { name: 'chat/pager' }, { name: 'pager' }]);
    for (const path of ['/-/healthy', '/-/ready']) {
      const reply = await api.call('GET', path);
      expect([reply.status, reply.text]).toEqual([200, 'OK']);
    }
    expect((await api.call('POST', '/-/reload', { key: keys.operator })).status).toBe(200);
    expect((await api.call('GET', '/metrics', { key: keys.operator })).text).toContain(
      'alertmanager_build_info{version="0.25.0"} 1\n',
    );
  });

  it('is ready only while the ledger answers; it is alive all the same', async () => {
    const { query } = api.ledger;
    const probes = async () => {
      const [ready, healthy] = [await api.call('GET', '/-/ready'), await api.call('GET', '/-/healthy')];
      return { ready: [ready.status, ready.body ?? ready.text], healthy: [healthy.status, healthy.text] };
    };
    const away = { code: 503, message: expect.stringContaining('the ledger does not answer') };
    for (const failing of [() => Promise.reject(new Error('gone')), () => new Promise<never>(() => undefined)]) {
      api.ledger.query = failing;
      const asked = await probes().finally(() => {
        api.ledger.query = query;
      });
      expect(asked).toEqual({ ready: [503, away], healthy: [200, 'OK'] });
    }
    expect((await probes()).ready).toEqual([200, 'OK']);
  });

  it('are no paths by which Grafana would take us for Mimir', async () => {
    for (const path of ['/alertmanager/api/v2/status', '/alertmanager/', '/api/v1/status/buildinfo'])
      expect([path, (await api.call('GET', path, { key: keys.admin })).status]).toEqual([path, 404]);
  });

  it('are told of unknown paths and wrong methods in words of that API', async () => {
    const nowhere = await get('nope?a=b');
    expect([nowhere.status, nowhere.body]).toEqual([404, { code: 404, message: 'path /api/v2/nope was not found' }]);
    const put = await api.call('PUT', '/api/v2/alerts', { key: keys.operator });
    const message = 'method PUT is not allowed, but [GET,POST] are';
    expect([put.status, put.body]).toEqual([405, { code: 405, message }]);
  });
});

describe('who may', () => {
  const basic = (key: string) => ({ authorization: `Basic ${Buffer.from(`prometheus:${key}`).toString('base64')}` });

  it('post are keys of senders, and read are keys of operators; both as bearer or as a password', async () => {
    const paths = ['alerts', 'alerts/groups', 'status', 'receivers'];
    for (const path of paths) {
      const by = async (headers: Record<string, string>) =>
        (await api.call('GET', `/api/v2/${path}`, { headers })).status;
      expect([path, await by(basic(keys.operator)), await by(basic(keys.ingest)), await by({})]).toEqual([
        path,
        200,
        403,
        401,
      ]);
    }
    const body = [alert('Mine')];
    const posted = async (headers: Record<string, string>) =>
      (await api.call('POST', '/api/v2/alerts', { body, headers })).status;
    expect([await posted(basic(keys.ingest)), await posted(basic(keys.operator)), await posted({})]).toEqual([
      200, 403, 401,
    ]);
    const refused = await api.call('POST', '/api/v2/alerts', { body });
    expect(refused.body).toEqual({ code: 401, message: expect.stringContaining('key') });
  });

  it('is not said in our own description of the API', async () => {
    const paths = Object.keys(pick((await api.call('GET', '/openapi.json')).body, 'paths') as object);
    expect(paths.filter((path) => path.startsWith('/api/v2') || path.startsWith('/-/'))).toEqual([]);
  });
});
