/** One list of requests, and amtool, against Debian's Alertmanager 0.25 and against us: the same answers, but for what is listed. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { sources } from '../../src/sources/index.ts';
import { createPrograms, havePrograms, type Programs, pathOf } from '../support/programs.ts';
import { type Api, startApi } from './harness.ts';

const OURS = `
integrations: { chat: { type: stdout }, pager: { type: stdout } }
routes:
  - { match: [ 'severity="critical"' ], continue: true, notify: [pager] }
  - { match: [ 'team="db"' ], group_by: [team, alertname], notify: [chat] }
  - { match: [ 'team="all"' ], group_by: all, notify: [pager] }
default: { group_by: [alertname], notify: [chat] }
inhibitions: [ { source: [ 'alertname="HostDown"' ], target: [ 'severity="warning"' ], equal: [instance] } ]
`;
const THEIRS = {
  route: {
    receiver: 'chat',
    group_by: ['alertname'],
    routes: [
      { receiver: 'pager', matchers: ['severity="critical"'], continue: true },
      { receiver: 'chat', matchers: ['team="db"'], group_by: ['team', 'alertname'] },
      { receiver: 'pager', matchers: ['team="all"'], group_by: ['...'] },
    ],
  },
  receivers: [{ name: 'chat' }, { name: 'pager' }],
  inhibit_rules: [
    { source_matchers: ['alertname="HostDown"'], target_matchers: ['severity="warning"'], equal: ['instance'] },
  ],
};

/** Every time that is sent: these are compared as they are, all others are the two servers' own. */
const NOW = Date.now();
const sent = new Set<string>();
const at = (minutes: number): string => {
  const time = new Date(NOW + minutes * 60_000).toISOString();
  sent.add(time);
  return time;
};
const json = (value: unknown): Request => ({ raw: JSON.stringify(value) });

interface Request {
  method?: string;
  path?: string;
  raw?: string;
  type?: string;
}

const ALERTS = [
  {
    labels: { alertname: 'HostDown', instance: 'a', job: 'node', severity: 'critical' },
    annotations: { summary: 'a is down', empty: '' },
    generatorURL: 'http://prom/graph',
    startsAt: at(-10),
    endsAt: at(30),
  },
  { labels: { alertname: 'Slow', instance: 'a', severity: 'warning' }, startsAt: at(-9), endsAt: at(30) },
  { labels: { alertname: 'Slow', instance: 'b', severity: 'warning', none: '' }, startsAt: at(-8), endsAt: at(30) },
  { labels: { alertname: 'Slow', job: 'z', severity: 'warning' }, startsAt: at(-8), endsAt: at(30) },
  { labels: { alertname: 'Db', team: 'db', severity: 'critical' }, startsAt: at(-7), endsAt: at(30) },
  { labels: { alertname: 'All', team: 'all', x: '1' }, startsAt: at(-7), endsAt: at(30) },
  { labels: { alertname: 'Ünïcode', summary: '日本' }, startsAt: at(-6), endsAt: at(30) },
  { labels: { noname: 'yes' }, startsAt: at(-6), endsAt: at(30) },
  { labels: { alertname: 'Over' }, startsAt: at(-6), endsAt: at(-5) },
  { labels: { alertname: 'Timeout' } },
];
const merging = (startsAt: string, endsAt: string) => json([{ labels: { alertname: 'Merged' }, startsAt, endsAt }]);
const LISTS = ['alerts', 'alerts/groups'];
const QUERIES = [
  '',
  '?active=false',
  '?inhibited=false',
  '?silenced=false',
  '?active=maybe',
  '?active=0',
  '?active=yes',
  '?active=',
  '?unprocessed=false',
  '?filter=alertname=Slow',
  '?filter=alertname=~"S.*"&filter=instance!=a',
  '?filter=instance=""',
  '?filter=missing=~".*"',
  '?filter=alertname!~"Sl.w"',
  '?filter=job="no\\"de"',
  '?filter=foo',
  '?filter={a="b"}',
  '?filter=a="b',
  '?filter=a=b"c',
  '?filter=a=~(',
  '?filter=a=~*',
  '?filter=',
  '?receiver=chat',
  '?receiver=pag.*',
  '?receiver=pag',
  '?receiver=(',
  '?receiver=',
  '?nothing=1',
];
const FIRST_LIST: Request = { method: 'GET', path: 'alerts?inhibited=true' };
const HEARD = { timeout: 30_000, interval: 50 };
const REQUESTS: Request[] = [
  ...['[]', 'null', '', '[', '{}', '"x"', '[{}]', '[{"labels":null}]', '[{"labels":{"a":1}}]', '[{"labels":[]}]'].map(
    (raw) => ({ raw }),
  ),
  json([{ labels: { a: 'b' }, generatorURL: 'not a url' }, {}]),
  json([{}, { labels: { a: 'b' }, generatorURL: 'not a url' }]),
  json([{ labels: { a: 'b' }, generatorURL: 'http://h/%zz' }]),
  json([{ labels: { a: 'b' }, generatorURL: 5 }]),
  json([{ labels: { a: 'b' }, annotations: { c: 1 } }]),
  json([{ labels: { a: 'b' }, startsAt: 'soon' }]),
  json([{ labels: { a: 'b' }, endsAt: 5 }]),
  json([{ labels: { a: 'b' }, startsAt: '2026-01-15' }]),
  { raw: '[]', type: 'text/plain' },
  { raw: '[]', type: 'application/x-www-form-urlencoded' },
  { raw: '[]', type: 'application/json; charset=utf-8' },
  { raw: '', type: 'text/plain' },
  json([{ labels: {} }]),
  json([{ labels: { a: '' } }]),
  json([{ labels: { a: 'b' }, startsAt: at(0), endsAt: at(-1) }]),
  json([
    { labels: {} },
    { labels: { alertname: 'Partly', unknown: 'field' }, extra: 1, endsAt: at(30) },
    { labels: { '': 'x' } },
  ]),
  json(ALERTS),
  json([{ labels: { url: 'path' }, generatorURL: '/rel', startsAt: at(-1), endsAt: at(30) }]),
  json([{ labels: { url: 'none' }, generatorURL: '', startsAt: at(-1), endsAt: at(30) }]),
  json([{ labels: { alertname: 'Short' }, startsAt: '2026-01-15T10:00', endsAt: '2099-01-01T00:00:00' }]),
  json([{ labels: { alertname: 'Unset' }, startsAt: '0001-01-01T00:00:00Z', endsAt: at(30) }]),
  merging(at(-20), at(10)),
  merging(at(-5), at(8)),
  FIRST_LIST,
  ...LISTS.flatMap((list) => QUERIES.map((query) => ({ method: 'GET', path: `${list}${query}` }))),
  merging(at(-5), at(-3)),
  { method: 'GET', path: 'alerts?filter=alertname=Merged' },
  merging(at(-5), at(40)),
  { method: 'GET', path: 'alerts?filter=alertname=Merged' },
  { method: 'GET', path: 'receivers' },
  { method: 'GET', path: 'nope' },
  { method: 'POST', path: 'nope', raw: '[]' },
  { method: 'PUT', path: 'alerts' },
  { method: 'DELETE', path: 'alerts/groups' },
  { method: 'POST', path: 'status', raw: '' },
];

const NO_PATH = { code: 404, message: 'path /api/v2/receivers/ was not found' };

/**
 * What is answered otherwise, and why, beside what `masked` names: HEAD is answered as GET; no CORS headers, since no browser
 * should send our keys; and without a key nothing but the probes. `theirs` is asserted too, so that the list stays true.
 */
const DIFFERENCES: { name: string; request: Request; theirs: unknown; ours: unknown }[] = [
  {
    name: 'label names of UTF-8 are taken, as since Alertmanager 0.27: Prometheus 3 sends them, once',
    request: json([{ labels: { 'bad-name': 'x' }, startsAt: at(-40), endsAt: at(-30) }]),
    theirs: [400, 'invalid label set: invalid name "bad-name"'],
    ours: [200, ''],
  },
  {
    name: 'names of annotations likewise',
    request: json([{ labels: { a: 'b' }, annotations: { 'b-b': 'x' }, startsAt: at(-40), endsAt: at(-30) }]),
    theirs: [400, 'invalid annotations: invalid name "b-b"'],
    ours: [200, ''],
  },
  {
    name: 'a path is written in one way, without a slash behind it',
    request: { method: 'GET', path: 'receivers/' },
    theirs: [200, THEIRS.receivers],
    ours: [404, NO_PATH],
  },
  {
    name: 'an entry that is null is an answer, not the end of the connection',
    request: { raw: '[null]' },
    theirs: 'no answer',
    ours: [400, { code: 400, message: 'parsing alerts body from "" failed, because …' }],
  },
  {
    name: 'what follows the JSON is not passed over: it may be half of something',
    request: { raw: '[] x' },
    theirs: [200, ''],
    ours: [400, { code: 400, message: 'parsing alerts body from "" failed, because …' }],
  },
  {
    name: 'names of fields are read as they are written, not in any case',
    request: { raw: '[{"Labels":{"a":"b"},"endsAt":"2026-01-01T00:00:00Z"}]' },
    theirs: [200, ''],
    ours: [422, { code: 602, message: '0.labels in body is required' }],
  },
];

/**
 * What a server says, without its own times, without Go's and V8's words for what is no JSON, and without the order of methods,
 * which Go leaves to chance.
 */
function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (typeof value === 'string') {
    if (/^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/.test(value) && !sent.has(value) && !/^(2026-01-15|2099)/.test(value))
      return 'a time';
    return value
      .replace(/(parsing alerts body from "" failed, because ).*/s, '$1…')
      .replace(/\[([A-Z,]+)\] are$/, (_, methods: string) => `[${methods.split(',').sort()}] are`);
  }
  if (typeof value !== 'object' || value === null) return value;
  // Newer than 0.25, where nothing says why a group is quiet; today's description of the API requires it.
  const { mutedBy: _, ...rest } = value as Record<string, unknown>;
  return Object.fromEntries(Object.entries(rest).map(([name, inner]) => [name, masked(inner)]));
}

async function ask(url: string, key: string, { method = 'POST', path = 'alerts', raw, type }: Request) {
  const answer = await fetch(`${url}/api/v2/${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': type ?? 'application/json' },
    ...(raw === undefined ? {} : { body: raw }),
  }).catch(() => undefined);
  if (!answer) return 'no answer';
  const text = await answer.text();
  return [answer.status, masked(/json/.test(answer.headers.get('content-type') ?? '') ? JSON.parse(text) : text)];
}

const name = ({ method = 'POST', path = 'alerts', raw = '', type = '' }: Request): string =>
  [method, path, type, raw.slice(0, 80)].filter(Boolean).join(' ');

describe.runIf(havePrograms('alertmanager', 'amtool'))('beside Alertmanager', () => {
  let api: Api;
  let programs: Programs;
  let theirs: string;
  beforeAll(async () => {
    const config = fromText(OURS, 'the tests', {}, { channels, writers, sources });
    api = await startApi({ config, now: () => new Date() });
    programs = createPrograms();
    const address = await programs.start('alertmanager', [
      `--config.file=${programs.file('alertmanager.yml', THEIRS)}`,
      `--storage.path=${programs.folder('alertmanager')}`,
      '--web.listen-address=127.0.0.1:0',
      '--cluster.listen-address=',
    ]);
    theirs = `http://${address}`;
  }, 60_000);
  afterAll(async () => {
    await programs?.end();
    await api?.stop();
  });
  const both = async (request: Request) => ({
    theirs: await ask(theirs, 'none', request),
    ours: await ask(api.url, api.keys.admin, request),
  });

  it('every request of the list is answered alike', async () => {
    const differ: unknown[] = [];
    for (const request of REQUESTS) {
      if (request === FIRST_LIST) await theirsHasHeard();
      const { theirs: one, ours: other } = await both(request);
      if (sorted(one) !== sorted(other)) differ.push({ request: name(request), theirs: one, ours: other });
    }
    expect(differ).toEqual([]);
  }, 60_000);

  /** It groups alerts, and hears of what inhibits, a moment after it has answered. */
  async function theirsHasHeard(): Promise<void> {
    const answered = async (path: string) => sorted(await ask(theirs, 'none', { method: 'GET', path }));
    await expect.poll(() => answered('alerts?filter=alertname=Slow&filter=instance=a'), HEARD).toContain('suppressed');
    await expect.poll(() => answered('alerts/groups'), HEARD).toContain('Merged');
  }

  it.each(DIFFERENCES)('$name', async ({ request, theirs: one, ours: other }) => {
    expect(await both(request)).toEqual({ theirs: one, ours: other });
  });

  it('times are given in UTC whatever zone they came in', async () => {
    const request = json([{ labels: { alertname: 'Zone' }, startsAt: '2026-01-15T10:00:00+02:00', endsAt: at(30) }]);
    await both(request);
    const starts = ({ theirs: one, ours: other }: Awaited<ReturnType<typeof both>>) =>
      [one, other].map((answer) => (answer as [number, { startsAt: string }[]])[1][0]?.startsAt);
    expect(starts(await both({ method: 'GET', path: 'alerts?filter=alertname=Zone' }))).toEqual([
      '2026-01-15T10:00:00.000+02:00',
      '2026-01-15T08:00:00.000Z',
    ]);
  });

  describe('amtool', () => {
    const amtool = async (url: string, key: string, args: string[]): Promise<string> => {
      const http = programs.file('http.yml', { authorization: { credentials: key } });
      const common = [`--alertmanager.url=${url}`, `--http.config.file=${http}`];
      const { stdout } = await promisify(execFile)(pathOf('amtool'), [...common, ...args]);
      return stdout;
    };
    const asked = async (...args: string[]) => {
      const one = await amtool(theirs, 'none', args);
      return { theirs: one, ours: await amtool(api.url, api.keys.admin, args) };
    };
    const lines = (text: string) => text.split('\n').filter(Boolean).sort();

    it('adds alerts, and lists them with every option as it does there', async () => {
      const times = [`--start=${at(-5)}`, `--end=${at(30)}`];
      const added = ['alert', 'add', 'HighCPU', 'node=bar', 'severity=critical', "--annotation=summary='hi'"];
      await asked(...added, '--generator-url=http://x/y', ...times);
      await asked('alert', 'add', 'alertname=HighMemory', 'node=baz', ...times);
      for (const options of [
        ['node=~ba.'],
        ['-s', 'node=~ba.'],
        ['-i', 'node=bar'],
        ['-a', 'node=bar'],
        ['-u', 'node=bar'],
      ])
        for (const output of ['simple', 'extended']) {
          const { theirs: one, ours: other } = await asked('-o', output, 'alert', 'query', ...options);
          expect([options, lines(other)]).toEqual([options, lines(one)]);
        }
      const { theirs: one, ours: other } = await asked('-o', 'json', 'alert', 'query', '-r', 'pag.*', 'HighCPU');
      expect(masked(JSON.parse(other))).toEqual(masked(JSON.parse(one)));
      expect(JSON.parse(other)).toMatchObject([{ labels: { alertname: 'HighCPU', node: 'bar' } }]);
    });

    it('reads the status: the cluster and the configuration', async () => {
      const cluster = await asked('cluster', 'show');
      expect(cluster.ours).toMatch(/Cluster Status:\s+disabled/);
      expect(lines(cluster.ours)).toEqual(lines(cluster.theirs));
      expect((await asked('config', 'show')).ours).toContain('receiver');
      expect((await asked('config', 'routes', 'show')).ours).toContain('receiver: chat');
      for (const labels of [
        ['severity=critical', 'team=db'],
        ['team=db'],
        ['team=all'],
        ['severity=critical'],
        ['a=b'],
      ]) {
        const { theirs: one, ours: other } = await asked('config', 'routes', 'test', ...labels);
        expect([labels, other]).toEqual([labels, one]);
      }
      const verified = ['--verify.receivers=pager,chat', 'severity=critical', 'team=db'];
      expect((await asked('config', 'routes', 'test', ...verified)).ours).toContain('pager,chat');
    });
  });
});

/** For what is alike but for the order of names in its objects. */
const sorted = (value: unknown): string =>
  JSON.stringify(value, (_name, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
