/**
 * Grafana and Karma before the API v2: what they ask, in the order in which their screens ask it, beside Debian's Alertmanager.
 * Grafana: the requests are those of its data source and its alerting pages (grafana/grafana, AGPL-3.0, read and not copied:
 * public/app/plugins/datasource/alertmanager/DataSource.ts, public/app/features/alerting/unified/api/{alertmanagerApi,alertSilencesApi}.ts,
 * pkg/services/ngalert/api/lotex_am.go, which sends them on as they are). It can be installed from no package registry, so it is
 * not run here. Karma: prymitive/karma, Apache-2.0, internal/{verprobe,mapper/v017}; itself run where TOCSIN_KARMA names it.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { sources } from '../../src/sources/index.ts';
import { freePort } from '../support/ports.ts';
import { createPrograms, havePrograms, type Programs } from '../support/programs.ts';
import { until } from '../support/until.ts';
import { type Api, startApi } from './harness.ts';

const OURS = `
integrations: { chat: { type: stdout }, pager: { type: stdout } }
routes: [ { match: [ 'severity="critical"' ], notify: [pager] } ]
default: { group_by: [alertname], notify: [chat] }
inhibitions: [ { source: [ 'alertname="HostDown"' ], target: [ 'severity="warning"' ], equal: [instance] } ]
`;
const THEIRS = {
  route: {
    receiver: 'chat',
    group_by: ['alertname'],
    // It puts an alert into its group at once, but tells of it after this.
    group_wait: '1s',
    routes: [{ receiver: 'pager', matchers: ['severity="critical"'] }],
  },
  receivers: [{ name: 'chat' }, { name: 'pager' }],
  inhibit_rules: [
    { source_matchers: ['alertname="HostDown"'], target_matchers: ['severity="warning"'], equal: ['instance'] },
  ],
};

const NOW = Date.now();
const at = (minutes: number): string => new Date(NOW + minutes * 60_000).toISOString();
/** The last is one of Grafana's own, as it forwards them (handleGrafanaManagedAlerts). */
const ALERTS = [
  {
    labels: { alertname: 'HostDown', instance: 'a', severity: 'critical' },
    annotations: { summary: 'a is down', runbook_url: 'https://wiki.example.com/down' },
    generatorURL: 'http://prometheus.example.com/graph',
    startsAt: at(-10),
    endsAt: at(30),
  },
  { labels: { alertname: 'Slow', instance: 'a', severity: 'warning' }, startsAt: at(-9), endsAt: at(30) },
  { labels: { alertname: 'Slow', instance: 'b', severity: 'warning' }, startsAt: at(-8), endsAt: at(30) },
  {
    labels: { alertname: 'Lag', grafana_folder: 'Trading', __alert_rule_uid__: 'fdk2', ref_id: 'A' },
    annotations: { __orgId__: '1', __value_string__: '[ var=A value=3 ]', summary: 'orders lag' },
    generatorURL: 'http://grafana.example.com/alerting/grafana/fdk2/view?orgId=1',
    startsAt: at(-7),
    endsAt: at(30),
  },
];

interface Side {
  url: string;
  key: string;
}
interface Reply {
  status: number;
  body: unknown;
}

async function ask({ url, key }: Side, method: string, path: string, body?: unknown, headers = {}): Promise<Reply> {
  const answer = await fetch(`${url}${path}`, {
    method,
    // The data source's basic auth: any name, and the key as its password.
    headers: { authorization: `Basic ${Buffer.from(`grafana:${key}`).toString('base64')}`, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    body: /json/.test(answer.headers.get('content-type') ?? '') ? JSON.parse(text) : text,
  };
}

/** Without the servers' own ids and times (a silence begins when it is made, and ends when it is ended), and without what is newer than 0.25. */
function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (typeof value === 'string') return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value) ? 'an id' : value;
  if (typeof value !== 'object' || value === null) return value;
  const own = 'createdBy' in value ? ['updatedAt', 'startsAt', 'endsAt'] : ['updatedAt', 'mutedBy'];
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !own.includes(name))
      .map(([name, inner]): [string, unknown] => [name, masked(inner)])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

describe.runIf(havePrograms('alertmanager'))('beside Alertmanager', () => {
  let api: Api;
  let programs: Programs;
  let ours: Side;
  let theirs: Side;
  beforeAll(async () => {
    const config = fromText(OURS, 'the tests', {}, { channels, writers, sources });
    api = await startApi({ config, now: () => new Date() });
    ours = { url: api.url, key: api.keys.admin };
    programs = createPrograms();
    const address = await programs.start('alertmanager', [
      `--config.file=${programs.file('alertmanager.yml', THEIRS)}`,
      `--storage.path=${programs.folder('alertmanager')}`,
      '--web.listen-address=127.0.0.1:0',
      '--cluster.listen-address=',
    ]);
    theirs = { url: `http://${address}`, key: 'none' };
    for (const side of [ours, theirs])
      expect(await ask(side, 'POST', '/api/v2/alerts', ALERTS, JSON_SENT)).toMatchObject({ status: 200 });
    // It hears of what inhibits a moment after it has answered.
    await until('their groups, and what is inhibited', async () => {
      const groups = JSON.stringify((await ask(theirs, 'GET', '/api/v2/alerts/groups')).body);
      return (groups.includes('suppressed') && groups.includes('Lag')) || undefined;
    });
  }, 60_000);
  afterAll(async () => {
    await programs?.end();
    await api?.stop();
  });

  /** The answers of both, masked; they are alike unless the test says otherwise. */
  const both = async (method: string, path: string, body?: unknown, headers = {}) => {
    const [one, other] = [await ask(theirs, method, path, body, headers), await ask(ours, method, path, body, headers)];
    return { theirs: masked(one), ours: masked(other) };
  };
  const alike = async (method: string, path: string, body?: unknown, headers = {}) => {
    const answers = await both(method, path, body, headers);
    expect([method, path, answers.ours]).toEqual([method, path, answers.theirs]);
    return answers.ours as Reply;
  };

  describe('the data source of Grafana, implementation Prometheus', () => {
    it('passes its test: no Mimir, no build information, and a status', async () => {
      for (const side of [ours, theirs]) {
        expect((await ask(side, 'GET', '/api/v1/status/buildinfo')).status).toBe(404);
        expect((await ask(side, 'GET', '/alertmanager/api/v2/status')).status).toBe(404);
        expect((await ask(side, 'GET', '/api/v2/status')).status).toBe(200);
      }
    });

    it('shows contact points and policies out of the status, which has every field that its reader asks for', async () => {
      const { body } = await ask(ours, 'GET', '/api/v2/status');
      const shape = (value: unknown): unknown =>
        typeof value === 'object' && value !== null && !Array.isArray(value)
          ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shape(inner)]))
          : typeof value;
      expect(shape(body)).toEqual(shape((await ask(theirs, 'GET', '/api/v2/status')).body));
      const { config, uptime } = body as { config: { original: string }; uptime: string };
      expect(Date.parse(uptime)).toBeLessThanOrEqual(Date.now());
      expect(parse(config.original)).toMatchObject({
        route: { receiver: 'chat', group_by: ['alertname'], routes: [{ receiver: 'pager' }] },
        receivers: [{ name: 'chat' }, { name: 'pager' }],
        inhibit_rules: [{ equal: ['instance'] }],
      });
    });

    it.each([
      ['as it opens', ''],
      [
        'by labels',
        `?${new URLSearchParams([
          ['filter', 'alertname="Slow"'],
          ['filter', 'instance=~"a|b"'],
        ])}`,
      ],
      ['by a contact point', '?receiver=pager'],
      ['by states', '?active=true&silenced=false&inhibited=false'],
      ['by all of them', `?${new URLSearchParams({ filter: 'severity!~"crit.*"', receiver: 'chat', active: 'true' })}`],
      ['by a value with quotes and a backslash', `?${new URLSearchParams({ filter: 'instance="\\"a\\\\"' })}`],
    ])('shows groups %s', async (_, query) => {
      await alike('GET', `/api/v2/alerts/groups${query}`);
      await alike('GET', `/api/v2/alerts${query}`);
    });

    it('filters by a label whose name needs quotes, which 0.25 cannot', async () => {
      const filter = new URLSearchParams({ filter: '"my label"="x"' });
      const { theirs: one, ours: other } = await both('GET', `/api/v2/alerts/groups?${filter}`);
      expect([(one as Reply).status, other]).toEqual([400, { status: 200, body: [] }]);
    });

    it('makes a silence, previews and lists it, changes it, and ends it', async () => {
      const form = {
        comment: 'created 2026-11-21 12:00',
        createdBy: 'ana',
        startsAt: at(-1),
        endsAt: at(119),
        matchers: [
          { name: 'alertname', value: 'Slow', isRegex: false, isEqual: true },
          { name: 'instance', value: 'b', isRegex: true, isEqual: true },
        ],
      };
      const preview = `?${new URLSearchParams([
        ['filter', 'alertname="Slow"'],
        ['filter', 'instance=~"b"'],
        ['silenced', 'true'],
      ])}`;
      expect((await alike('GET', `/api/v2/alerts${preview}`)).body).toMatchObject([{ status: { state: 'active' } }]);
      const ids: string[] = [];
      for (const side of [theirs, ours]) {
        const { status, body } = await ask(side, 'POST', '/api/v2/silences', form, JSON_SENT);
        expect([status, body]).toEqual([200, { silenceID: expect.any(String) }]);
        ids.push((body as { silenceID: string }).silenceID);
      }
      const each = async (method: string, path: (id: string) => string, body?: (id: string) => unknown) => {
        const answers: unknown[] = [];
        for (const [index, side] of [theirs, ours].entries()) {
          const id = ids[index] ?? '';
          answers.push(masked(await ask(side, method, path(id), body?.(id), body ? JSON_SENT : {})));
        }
        expect([method, answers[1]]).toEqual([method, answers[0]]);
        return answers[1] as Reply;
      };
      // Flags of Grafana's own backend, passed on.
      const listed = await alike('GET', '/api/v2/silences?ruleMetadata=true&accesscontrol=true');
      expect(listed.body).toMatchObject([{ comment: form.comment, status: { state: 'active' } }]);
      expect((await ask(ours, 'GET', '/api/v2/silences')).body).toMatchObject([{ endsAt: form.endsAt }]);
      await each('GET', (id) => `/api/v2/silence/${id}?ruleMetadata=true&accesscontrol=true`);
      const isSilenced = async (side: Side) =>
        JSON.stringify((await ask(side, 'GET', `/api/v2/alerts${preview}`)).body).includes('"suppressed"');
      for (const side of [theirs, ours]) await expect.poll(() => isSilenced(side), { timeout: 10_000 }).toBe(true);
      await alike('GET', '/api/v2/alerts/groups?silenced=false');
      await each(
        'POST',
        () => '/api/v2/silences',
        (id) => ({ ...form, id, endsAt: at(179) }),
      );
      expect((await each('DELETE', (id) => `/api/v2/silence/${id}`)).status).toBe(200);
      const states = async (side: Side) =>
        ((await ask(side, 'GET', '/api/v2/silences')).body as { status: { state: string } }[]).map(
          ({ status }) => status.state,
        );
      expect(await states(ours)).toEqual(await states(theirs));
    });
  });

  describe('Karma', () => {
    it('takes us for an Alertmanager by our metrics, the whole of which it has to be able to read', async () => {
      const { body } = await ask(ours, 'GET', '/metrics');
      const lines = String(body).split('\n');
      expect(lines).toContain('alertmanager_build_info{version="0.25.0"} 1');
      // https://prometheus.io/docs/instrumenting/exposition_formats/
      const sample = /^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*="(\\[\\"n]|[^\\"\n])*",?)*\})? (\S+)$/;
      const unreadable = lines.filter((line) => line !== '' && !line.startsWith('#') && !sample.test(line));
      expect(unreadable).toEqual([]);
    });

    it('collects groups and silences', async () => {
      const groups = (await alike('GET', '/api/v2/alerts/groups')).body as Group[];
      for (const { labels, receiver, alerts } of groups) {
        expect([typeof labels, typeof receiver.name]).toEqual(['object', 'string']);
        for (const one of alerts) {
          expect(one.startsAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
          expect(one.status).toMatchObject({ inhibitedBy: expect.any(Array), silencedBy: expect.any(Array) });
        }
      }
      expect(groups.length).toBeGreaterThan(0);
      await alike('GET', '/api/v2/silences');
    });

    it("sends its form's silence on as the browser gave it, and ends it", async () => {
      const browser = { ...JSON_SENT, origin: 'http://karma.example.com', referer: 'http://karma.example.com/' };
      const form = {
        matchers: [{ name: 'my.label', value: 'x', isRegex: false, isEqual: true }],
        startsAt: at(0).replace(/\.\d+/, '.000'),
        endsAt: at(60).replace(/\.\d+/, '.000'),
        createdBy: 'me@example.com',
        comment: 'ACK! This alert was acknowledged using karma',
      };
      const { status, body } = await ask(ours, 'POST', '/api/v2/silences', form, browser);
      expect([status, body]).toEqual([200, { silenceID: expect.any(String) }]);
      const { silenceID } = body as { silenceID: string };
      expect((await ask(ours, 'DELETE', `/api/v2/silence/${silenceID}`, undefined, browser)).status).toBe(200);
    });

    const program = process.env.TOCSIN_KARMA;
    let ended: (() => Promise<void>) | undefined;
    afterEach(() => ended?.());
    it.runIf(program)(
      'itself shows our alerts, makes a silence through its proxy, and shows what it holds back',
      async () => {
        const port = await freePort();
        const file = programs.file('karma.yaml', {
          alertmanager: {
            interval: '1s',
            servers: [{ name: 'tocsin', uri: ours.url.replace('://', `://karma:${ours.key}@`), proxy: true }],
          },
          listen: { address: '127.0.0.1', port },
          history: { enabled: false },
        });
        const child = spawn(program as string, ['--config.file', file], { stdio: ['ignore', 'pipe', 'pipe'] });
        const said: string[] = [];
        for (const stream of [child.stdout, child.stderr])
          createInterface({ input: stream }).on('line', (line) => said.push(line));
        const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
        ended = async () => {
          child.kill('SIGTERM');
          await gone;
        };
        const karma = { url: `http://127.0.0.1:${port}`, key: 'none' };
        const shown = async () => {
          const list = await ask(karma, 'GET', '/alertList.json?q=alertname=Lag').catch(() => undefined);
          return JSON.stringify(list?.body ?? said.at(-1));
        };
        await expect.poll(shown, { timeout: 30_000, interval: 100 }).toContain('Lag');
        const form = {
          matchers: [{ name: 'alertname', value: 'Lag', isRegex: false, isEqual: true }],
          startsAt: at(0),
          endsAt: at(60),
          createdBy: 'me@example.com',
          comment: 'through Karma',
        };
        const made = await ask(karma, 'POST', '/proxy/alertmanager/tocsin/api/v2/silences', form, JSON_SENT);
        expect(made).toEqual({ status: 200, body: { silenceID: expect.any(String) } });
        const { silenceID } = made.body as { silenceID: string };
        const silences = async () => JSON.stringify((await ask(karma, 'GET', '/silences.json')).body);
        await expect.poll(silences, { timeout: 10_000, interval: 100 }).toContain('through Karma');
        const suppressed = async () =>
          JSON.stringify((await ask(karma, 'GET', '/alertList.json?q=alertname=Lag&q=@state=suppressed')).body);
        await expect.poll(suppressed, { timeout: 10_000, interval: 100 }).toContain('Lag');
        const over = await ask(karma, 'DELETE', `/proxy/alertmanager/tocsin/api/v2/silence/${silenceID}`);
        expect(over.status).toBe(200);
        await expect.poll(suppressed, { timeout: 10_000, interval: 100 }).not.toContain('Lag');
        expect(said.filter((line) => /level=(error|ERROR)/.test(line))).toEqual([]);
      },
      60_000,
    );
  });
});

const JSON_SENT = { 'content-type': 'application/json' };

interface Group {
  labels: object;
  receiver: { name: string };
  alerts: { startsAt: string; status: object }[];
}
