/** One list of requests, and amtool, against Debian's Alertmanager 0.25 and against us: the same answers, but for what is listed. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { sources } from '../../src/sources/index.ts';
import {
  at,
  COLLIDING,
  FIRST_LIST,
  filtered,
  json,
  READ_AS_IT_IS,
  REQUESTS,
  type Request,
  sent,
} from '../support/api-v2-requests.ts';
import { QUOTED_FILTERS } from '../support/filters.ts';
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

const HEARD = { timeout: 30_000, interval: 50 };
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
    headers: { authorization: `Bearer ${key}`, ...(type === '' ? {} : { 'content-type': type ?? 'application/json' }) },
    // Bytes: a text that has no type would be called text/plain by fetch itself.
    ...(raw === undefined ? {} : { body: new TextEncoder().encode(raw) }),
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

  it('every filter is read alike, or refused in the same words', async () => {
    const differ: unknown[] = [];
    for (const request of READ_AS_IT_IS) {
      const { theirs: one, ours: other } = await both(request);
      if (sorted(one) !== sorted(other)) differ.push({ request: name(request), theirs: one, ours: other });
    }
    expect(differ).toEqual([]);
  }, 60_000);

  it.each(QUOTED_FILTERS)('names in quotes and of any letters are read, as since 0.27: %j', async (text) => {
    const { theirs: one, ours: other } = await both(filtered(text));
    expect([one, (other as unknown[])[0]]).toEqual([[400, `bad matcher format: ${text}`], 200]);
  });

  /** It groups alerts, and hears of what inhibits, a moment after it has answered. */
  async function theirsHasHeard(): Promise<void> {
    const answered = async (path: string) => sorted(await ask(theirs, 'none', { method: 'GET', path }));
    await expect.poll(() => answered('alerts?filter=alertname=Slow&filter=instance=a'), HEARD).toContain('suppressed');
    await expect.poll(() => answered('alerts/groups'), HEARD).toContain('Merged');
  }

  it.each(DIFFERENCES)('$name', async ({ request, theirs: one, ours: other }) => {
    expect(await both(request)).toEqual({ theirs: one, ours: other });
  });

  it('alerts of one fingerprint and other labels are two, where there the second takes the place of the first', async () => {
    const posted = COLLIDING.map((labels) => ({ labels, startsAt: at(-1), endsAt: at(30) }));
    expect(await both(json(posted))).toEqual({ theirs: [200, ''], ours: [200, ''] });
    const listed = async (labels: object) => {
      const answers = await both(filtered(`${Object.keys(labels)[0]}="x"`));
      return Object.values(answers).map((answer) => (answer as [number, object[]])[1].length);
    };
    expect(await Promise.all(COLLIDING.map(listed))).toEqual([
      [0, 1],
      [1, 1],
    ]);
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
      for (const [name, ...labels] of [
        ['HighMemory', 'node=baz'],
        ['HostDown', 'instance=q', 'node=bal'],
        ['Slow', 'instance=q', 'node=bas', 'severity=warning'],
      ])
        await asked('alert', 'add', `alertname=${name}`, ...labels, ...times);
      await asked('silence', 'add', 'node=baz', '--comment=why', '--duration=2h', '--author=me');
      const suppressed = (node: string) => ask(theirs, 'none', filtered(`node="${node}"`)).then(sorted);
      for (const node of ['baz', 'bas']) await expect.poll(() => suppressed(node), HEARD).toContain('suppressed');
      const both: [options: string[], nodes: string[]][] = [
        [[], ['bal', 'bar']],
        [['-s'], ['baz']],
        [['-i'], ['bas']],
        [
          ['-s', '-i'],
          ['bas', 'baz'],
        ],
        [['-a'], ['bal', 'bar']],
        [
          ['-a', '-s'],
          ['bal', 'bar', 'baz'],
        ],
        [
          ['-a', '-i'],
          ['bal', 'bar', 'bas'],
        ],
        [['-u'], []],
      ];
      for (const [options, nodes] of both) {
        const { theirs: one, ours: other } = await asked('-o', 'extended', 'alert', 'query', ...options, 'node=~ba.');
        const listed = [...other.matchAll(/node="(\w+)"/g)].map(([, node]) => node);
        expect([options, listed.sort()]).toEqual([options, nodes]);
        expect([options, lines(other)]).toEqual([options, lines(one)]);
      }
      const simple = await asked('-o', 'simple', 'alert', 'query', '-s', '-i', 'node=~ba.');
      expect(lines(simple.ours)).toEqual(lines(simple.theirs));
      const { theirs: one, ours: other } = await asked('-o', 'json', 'alert', 'query', '-r', 'pag.*', 'HighCPU');
      expect(masked(JSON.parse(other))).toEqual(masked(JSON.parse(one)));
      expect(JSON.parse(other)).toMatchObject([{ labels: { alertname: 'HighCPU', node: 'bar' } }]);
    }, 60_000);

    it('reads the status: the cluster and the configuration', async () => {
      const cluster = await asked('cluster', 'show');
      expect(cluster.ours).toMatch(/Cluster Status:\s+disabled/);
      expect(lines(cluster.ours)).toEqual(lines(cluster.theirs));
      const shown = await asked('config', 'show');
      expect(configOf(shown.ours)).toEqual(configOf(shown.theirs));
      expect(configOf(shown.ours)).toMatchObject({ route: { receiver: 'chat', routes: [{}, {}, {}] } });
      const tree = await asked('config', 'routes', 'show');
      expect(inOneWord(tree.ours)).toBe(tree.theirs);
      expect(tree.theirs).toMatch(/severity="critical".*receiver: pager/);
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

/** A severity is recognised here in all of its words (src/core/severity.ts); there by the one that is written. */
const inOneWord = (text: string): string =>
  text.replace(/=~(\\?"|)\(\?i:(critical|warning)\|[\w|]+\)(\\?"|)/g, '=$1$2$3');

interface Shown {
  group_by?: string[] | undefined;
  routes?: Shown[];
}

/** What `config show` says of routing: with what a route has from its parent, and without the times that theirs leaves open. */
function configOf(shown: string): unknown {
  const { route, receivers, inhibit_rules } = parse(inOneWord(shown)) as Record<string, unknown>;
  const whole = (one: Shown, parent: Shown): object => {
    const inherited = { continue: false, group_by: parent.group_by, ...one };
    const untimed = Object.entries(inherited).filter(([name]) => !/_(wait|interval)$/.test(name));
    return { ...Object.fromEntries(untimed), routes: (one.routes ?? []).map((child) => whole(child, inherited)) };
  };
  return { route: whole(route as Shown, {}), receivers, inhibit_rules };
}

/** For what is alike but for the order of names in its objects. */
const sorted = (value: unknown): string =>
  JSON.stringify(value, (_name, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
