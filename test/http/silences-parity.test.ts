/** Silences beside Debian's Alertmanager 0.25: one list of requests, and amtool, answered alike. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPrograms, havePrograms, type Programs, pathOf } from '../support/programs.ts';
import { type Api, startApi } from './harness.ts';

const NOW = Date.now();
const at = (minutes: number): string => new Date(NOW + minutes * 60_000).toISOString();
/** Each ends at a time of its own: what ends at the same time is listed there in any order. */
let made = 60;
const silence = (more: object = {}) => ({
  matchers: [{ name: 'alertname', value: 'Down', isRegex: false, isEqual: true }],
  startsAt: at(-1),
  endsAt: at(++made),
  createdBy: 'ana',
  comment: 'moving the rack',
  ...more,
});
const without = (name: string) => ({ ...silence(), [name]: undefined });
const matching = (matcher: object, ...more: object[]) => silence({ matchers: [matcher, ...more] });

/** Bodies of POST /api/v2/silences, in the order in which they are sent. */
const POSTED: unknown[] = [
  {},
  null,
  ...['comment', 'createdBy', 'endsAt', 'matchers', 'startsAt'].map(without),
  silence({ matchers: [] }),
  silence({ matchers: null }),
  silence({ comment: null }),
  silence({ comment: '' }),
  silence({ createdBy: '', endsAt: at(29) }),
  silence({ id: '' }),
  silence({ id: null }),
  silence({ id: 'nope' }),
  silence({ id: 'b3b8a0c4-0000-4000-8000-000000000000' }),
  silence({ extra: 1 }),
  silence({ startsAt: at(30), endsAt: at(30) }),
  silence({ startsAt: at(31), endsAt: at(30) }),
  silence({ startsAt: at(-20), endsAt: at(-10) }),
  silence({ startsAt: at(10), endsAt: at(20) }),
  silence({ startsAt: at(5), endsAt: at(90) }),
  silence({ startsAt: '2026-01-15T10:00:00+02:00' }),
  silence({ startsAt: '0001-01-01T00:00:00Z' }),
  matching({}),
  matching({ name: 'a' }),
  matching({ name: 'a', value: 'b' }),
  matching({ value: 'b', isRegex: false }),
  matching({ name: 'a', isRegex: false }),
  matching({ name: 'a', value: 'b', isRegex: false }, { name: 'c', value: 'd' }),
  matching({ name: 'a', value: '', isRegex: false }),
  matching({ name: 'a', value: '', isRegex: false, isEqual: false }),
  matching({ name: 'a', value: 'b', isRegex: false, isEqual: false }),
  matching({ name: 'a', value: '.*', isRegex: true }),
  matching({ name: 'a', value: '.*', isRegex: true }, { name: 'b', value: 'c', isRegex: false }),
  matching({ name: 'a', value: '.+', isRegex: true }),
  matching({ name: 'a', value: '(', isRegex: true }),
  matching({ name: 'a', value: 'x{2', isRegex: true }),
  matching({ name: 'a', value: '(?=x)', isRegex: true }),
  matching({ name: 'a', value: '[z-a]', isRegex: true }),
  matching({ name: '', value: 'x', isRegex: false }),
];
const QUERIES = [
  '',
  '?filter=alertname="Down"',
  '?filter=alertname=Down',
  '?filter=alertname=~"Down"',
  '?filter=a=~".%2B"',
  '?filter=a!=b',
  '?filter=a=~".*"&filter=b=c',
  '?filter=foo',
  '?filter={a="b"}',
  '?filter=a=~(',
  '?nothing=1',
];
const READS: [method: string, path: string][] = [
  ...QUERIES.map((query): [string, string] => ['GET', `silences${query}`]),
  ['GET', 'silence/foo'],
  ['DELETE', 'silence/foo'],
  ['GET', 'silence/b3b8a0c4-0000-4000-8000-000000000000'],
  ['PUT', 'silences'],
  ['POST', 'silence/foo'],
];

/** Without ids and the servers' own times, and Go's and V8's words for what is no JSON. */
function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (typeof value === 'string') {
    if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value)) return 'an id';
    // Go walks its maps in any order.
    const sorted = value.replace(/\[([A-Z,]+)\]/, (_, methods: string) => `[${methods.split(',').sort().join(',')}]`);
    return sorted.replace(/(parsing silence body from "" failed, because ).*/s, '$1…');
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !['updatedAt', 'startsAt'].includes(name))
      .map(([name, inner]) => [name, masked(inner)]),
  );
}

describe.runIf(havePrograms('alertmanager', 'amtool'))('beside Alertmanager', () => {
  let api: Api;
  let programs: Programs;
  let theirs: string;
  beforeAll(async () => {
    api = await startApi({ now: () => new Date() });
    programs = createPrograms();
    const config = { route: { receiver: 'chat' }, receivers: [{ name: 'chat' }] };
    const address = await programs.start('alertmanager', [
      `--config.file=${programs.file('alertmanager.yml', config)}`,
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

  const ask = async (url: string, method: string, path: string, body?: unknown) => {
    const answer = await fetch(`${url}/api/v2/${path}`, {
      method,
      headers: { authorization: `Bearer ${api.keys.admin}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      body: /json/.test(answer.headers.get('content-type') ?? '') ? JSON.parse(text) : text,
    };
  };
  const both = async (method: string, path: string, body?: unknown) => {
    const [one, other] = [await ask(theirs, method, path, body), await ask(api.url, method, path, body)];
    return { theirs: masked(one), ours: masked(other) };
  };

  it('every request is answered alike', async () => {
    const differ: unknown[] = [];
    const compare = async (method: string, path: string, body?: unknown): Promise<void> => {
      const { theirs: one, ours: other } = await both(method, path, body);
      if (JSON.stringify(one) !== JSON.stringify(other)) differ.push({ method, path, body, theirs: one, ours: other });
    };
    for (const body of POSTED) await compare('POST', 'silences', body);
    for (const [method, path] of READS) await compare(method, path);
    expect(differ).toEqual([]);
  }, 60_000);

  it('one is changed, replaced and ended alike', async () => {
    /** What becomes of ids and states; the same on both sides. */
    const story = async (url: string): Promise<unknown[]> => {
      const post = async (body: object): Promise<string> => (await ask(url, 'POST', 'silences', body)).body.silenceID;
      const state = async (id: string) => (await ask(url, 'GET', `silence/${id}`)).body.status.state;
      const starts = async (id: string) => (await ask(url, 'GET', `silence/${id}`)).body.startsAt;
      const id = await post(silence());
      const startsAt = await starts(id);
      const told: unknown[] = [(await post(silence({ id, startsAt, endsAt: at(70), comment: 'longer' }))) === id];
      const other = await post(silence({ id, startsAt, matchers: [{ name: 'b', value: 'c', isRegex: false }] }));
      told.push(other === id, await state(id), await state(other));
      const again = await post(silence({ id, startsAt }));
      told.push(again === id, again === other, await state(again));
      const pending = await post(silence({ startsAt: at(10), endsAt: at(20) }));
      told.push((await post(silence({ id: pending, startsAt: at(11), endsAt: at(20) }))) === pending);
      told.push(
        (await post(silence({ id: pending, startsAt: at(-1), endsAt: at(20) }))) === pending,
        await state(pending),
      );
      for (const _ of [1, 2]) told.push((await ask(url, 'DELETE', `silence/${again}`)).status, await state(again));
      return told;
    };
    expect(await story(api.url)).toEqual(await story(theirs));
  });

  it('an alert that two of them silence names both, and the one that is left when the other is ended', async () => {
    for (const url of [theirs, api.url]) {
      const rack = { name: 'rack', value: '7', isRegex: false };
      const post = async (...matchers: object[]): Promise<string> =>
        (await ask(url, 'POST', 'silences', silence({ matchers }))).body.silenceID;
      const [one, other] = [await post(rack), await post({ ...rack, value: '[0-9]', isRegex: true })];
      const apart = await post(rack, { name: 'alertname', value: 'Else', isRegex: false });
      const labels = { alertname: 'Twice', rack: '7' };
      await ask(url, 'POST', 'alerts', [{ labels, startsAt: at(-1), endsAt: at(30) }]);
      // Some of the list above hold it too.
      const by = async (): Promise<string[]> =>
        (await ask(url, 'GET', 'alerts?filter=alertname=Twice')).body[0].status.silencedBy
          .filter((id: string) => [one, other, apart].includes(id))
          .sort();
      expect(await by()).toEqual([one, other].sort());
      await ask(url, 'DELETE', `silence/${one}`);
      expect(await by()).toEqual([other]);
      await ask(url, 'DELETE', `silence/${other}`);
      expect(await by()).toEqual([]);
    }
  });

  it.each(['a-b', '1a', 'ö'])(
    'label names of UTF-8 are taken, as since 0.27: alerts come with them (%s)',
    async (name) => {
      expect(await both('POST', 'silences', matching({ name, value: 'x', isRegex: false }))).toEqual({
        theirs: {
          status: 400,
          body: `silence invalid: invalid label matcher 0: invalid label name ${JSON.stringify(name)}`,
        },
        ours: { status: 200, body: { silenceID: 'an id' } },
      });
      const filter = encodeURIComponent(`"${name}"="x"`);
      expect((await both('GET', `silences?filter=${filter}`)).ours).toMatchObject({ body: [{ matchers: [{ name }] }] });
    },
  );

  it('one that nobody knows cannot be ended: 404 as since 0.31, where 0.25 failed', async () => {
    expect(await both('DELETE', 'silence/b3b8a0c4-0000-4000-8000-000000000000')).toEqual({
      theirs: { status: 500, body: 'silence not found' },
      ours: { status: 404, body: '' },
    });
  });

  it('amtool adds, lists, changes, ends and imports them', async () => {
    const amtool = async (url: string, ...args: string[]): Promise<string> => {
      const http = programs.file('http.yml', { authorization: { credentials: api.keys.operator } });
      const common = [`--alertmanager.url=${url}`, `--http.config.file=${http}`];
      return (await promisify(execFile)(pathOf('amtool'), [...common, ...args])).stdout;
    };
    /** The same session on one side; ids are replaced by the order in which they came. */
    const session = async (url: string): Promise<string[]> => {
      const ids: string[] = [];
      const said: string[] = [];
      const run = async (...args: string[]): Promise<string> => {
        const out = await amtool(url, ...args);
        for (const [id] of out.matchAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g))
          if (!ids.includes(id)) ids.push(id);
        const named = ids.reduce((text, id, index) => text.replaceAll(id, `<id ${index}>`), out);
        said.push(named.replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)?/g, '<time>').replace(/ +$/gm, ''));
        return out;
      };
      const id = (
        await run('silence', 'add', 'alertname=HighCPU', 'node!~"b.z"', '-c', 'why', '-d', '2h', '-a', 'me')
      ).trim();
      await run('silence', 'query', 'alertname=HighCPU');
      await run('silence', 'query', '-q', 'alertname=HighCPU');
      await run('silence', 'update', id, '-d', '3h', '-c', 'x');
      await run('-o', 'extended', 'silence', 'query', 'alertname=HighCPU');
      const exported = await amtool(url, '-o', 'json', 'silence', 'query', 'alertname=HighCPU');
      await run('silence', 'expire', id);
      await run('silence', 'query', 'alertname=HighCPU');
      await run('silence', 'query', '--expired', '--within=1h', 'alertname=HighCPU');
      const [kept] = JSON.parse(exported) as { id: string }[];
      const file = programs.file('silences.json', [{ ...kept, id: 'b3b8a0c4-0000-4000-8000-000000000001' }]);
      await run('silence', 'import', file);
      await run('silence', 'query', 'alertname=HighCPU');
      return said;
    };
    const ours = await session(api.url);
    expect(ours).toEqual(await session(theirs));
    expect(ours.join('\n')).toContain('node!~"b.z"');
  }, 60_000);
});
