import { Worker } from 'node:worker_threads';
import { describe, expect, it, vi } from 'vitest';
import { fromText, REGISTRY } from '../../src/config/load.ts';
import type { Event } from '../../src/core/event.ts';
import { jsonata } from '../../src/sources/jsonata.ts';
import { bytesOf, LIMITS } from '../../src/sources/source.ts';
import failed from '../samples/mapping/appveyor-failure.json' with { type: 'json' };
import passed from '../samples/mapping/appveyor-success.json' with { type: 'json' };

const NOW = new Date('2026-11-20T14:05:00Z');
const LEAST = { type: '"build"', title: 'name' };

/** Asks a mapping several times, as a process that was given it once. */
const mapping = (written: object) => {
  const config = jsonata.config.parse(written);
  return async (payload: unknown) => {
    const { events, rejected } = await jsonata.normalise(payload, { name: 'builds', config, now: NOW });
    const own = events.filter(({ source }) => source === 'tocsin');
    return { events: events.filter((event) => !own.includes(event)), own, rejected };
  };
};
const ask = (written: object, payload: unknown) => mapping(written)(payload);
/** What is told where this expression is the title. */
const told = async (title: string, payload: unknown = {}): Promise<Event | undefined> =>
  (await ask({ each: { ...LEAST, title } }, payload)).own.find(({ status }) => status === 'firing');

describe('a mapping in JSONata', () => {
  it('reads what AppVeyor posts: a job that fails, and the one that passes ends it', async () => {
    const appveyor = mapping({
      items: 'eventData.jobs',
      each: {
        id: 'id & "/" & status',
        type: '"build_" & $lowercase(status)',
        title: '$payload.eventData.(projectName & " " & buildVersion & " on " & branch)',
        severity: 'failed ? "error" : "info"',
        status: 'passed ? "resolved" : "firing"',
        service: '$payload.eventData.projectName',
        dedup_key: '$payload.eventData.(repositoryName & "/" & branch)',
        labels: { sha: '$payload.eventData.commitId' },
        links: '{ "title": "Build", "url": $payload.eventData.buildUrl }',
        occurred_at: '$fromMillis($toMillis(finished, "[M]/[D]/[Y] [h]:[m] [P]"))',
      },
    });
    const [{ events, rejected }, over] = [await appveyor(failed), await appveyor(passed)];
    expect(rejected).toEqual([]);
    expect(events).toEqual([
      {
        id: 'flhhi1o73j0tbbt8/Failed',
        source: 'builds',
        type: 'build_failed',
        title: 'Hubot-DSC-Resource 2.0.59 on master',
        severity: 'error',
        service: 'Hubot-DSC-Resource',
        components: [],
        labels: { sha: 'c06e208b47' },
        assignees: [],
        links: [{ title: 'Build', url: failed.eventData.buildUrl }],
        status: 'firing',
        dedup_key: 'joebloggs/Hubot-DSC-Resource/master',
        occurred_at: '2018-09-09T19:06:00.000Z',
      },
    ]);
    expect(over.events).toMatchObject([{ status: 'resolved', dedup_key: events[0]?.dedup_key }]);
  });

  it('makes an event of each entry, with every field that it gives', async () => {
    const { events, rejected } = await ask(
      {
        items: 'runs',
        when: 'state != "running"',
        expire: '1h',
        each: {
          id: '$payload.project & "/" & $string(number)',
          source: '"ci"',
          type: '"build_" & state',
          title: '$uppercase(name) & " of " & $payload.project',
          severity: 'state = "failed" ? "P1" : "info"',
          status: 'state = "failed" ? "firing" : "resolved"',
          body: '$join(log, "\n")',
          service: '$payload.project',
          dedup_key: 'name',
          occurred_at: 'ended',
          components: 'name',
          assignees: ['who', 'nobody'],
          labels: { branch: 'branch', position: '$index' },
          links: 'links.{ "title": rel, "url": href }',
          context: '{ "number": number }',
        },
      },
      {
        project: 'shop',
        runs: [
          { state: 'running' },
          {
            number: 7,
            name: 'unit',
            state: 'failed',
            log: ['one', 'two'],
            ended: 1_763_640_000,
            who: 'ana',
            branch: 'main',
            links: [
              { rel: 'log', href: 'https://ci.example/7' },
              { rel: 'bad', href: 'javascript:alert(1)' },
            ],
          },
          { number: 8, name: 'unit', state: 'passed', branch: 'main' },
        ],
      },
    );
    expect(rejected).toEqual([]);
    expect(events).toEqual([
      {
        id: 'shop/7',
        source: 'ci',
        type: 'build_failed',
        title: 'UNIT of shop',
        severity: 'error',
        severity_word: 'P1',
        status: 'firing',
        body: 'one\ntwo',
        service: 'shop',
        dedup_key: 'unit',
        occurred_at: '2025-11-20T12:00:00.000Z',
        components: ['unit'],
        assignees: ['ana'],
        labels: { branch: 'main', position: '1' },
        links: [{ title: 'log', url: 'https://ci.example/7' }],
        context: { number: 7 },
        expires_at: '2026-11-20T15:05:00.000Z',
      },
      expect.objectContaining({ id: 'shop/8', status: 'resolved', severity: 'info' }),
    ]);
  });

  it('needs no more than a type and a title', async () => {
    const { events } = await ask({ each: LEAST }, { name: 'x' });
    expect(events).toMatchObject([{ source: 'builds', type: 'build', title: 'x', severity: 'info', status: 'firing' }]);
  });

  it('says at start which expression is wrong, and where in it', () => {
    const text = (each: string) => `sources:\n  builds:\n    type: jsonata\n    each: { ${each} }\n`;
    const load = (each: string) => () => fromText(text(each), 'tocsin.yaml', {}, REGISTRY);
    expect(load(`type: '"x"', title: 'name & '`)).toThrow(/line 4, sources\.builds\.each\.title: is no JSONata: .*end/);
    expect(load(`type: '"x"', title: name, labels: { a: 'b)' }`)).toThrow(
      /sources\.builds\.each\.labels\.?.*is no JSONata: .*at character 2/,
    );
    expect(load(`type: '"x"', title: name, titel: name`)).toThrow('titel');
    expect(load(`type: '"x"', title: '${'('.repeat(3_999)}'`)).toThrow('is no JSONata');
  });

  it('leaves alone what its condition does not hold for, and a list with nothing in it', async () => {
    expect(await ask({ when: 'bad', each: LEAST }, { name: 'x', bad: false })).toEqual({
      events: [],
      own: [],
      rejected: [],
    });
    expect(await ask({ items: 'runs', each: LEAST }, { runs: [] })).toEqual({ events: [], own: [], rejected: [] });
  });
});

describe('a mapping that fails', () => {
  it('keeps what was posted in an event of its own, and the events of the other entries', async () => {
    const payload = [{ name: 'good' }, { name: 7, x: 1 }, { x: '\0' }];
    const { events, own, rejected } = await ask({ items: '$', each: { ...LEAST, title: '$uppercase(name)' } }, payload);
    expect(events.map(({ title }) => title)).toEqual(['GOOD']);
    expect(rejected.map(({ index }) => index)).toEqual([1, 2]);
    expect(own).toMatchObject([
      {
        type: 'mapping_failed',
        severity: 'warning',
        status: 'firing',
        title: 'The mapping of source builds fails',
        dedup_key: 'mapping/builds',
        labels: { mapping: 'builds' },
        context: { payload: JSON.stringify(payload) },
      },
    ]);
    expect(own[0]?.body).toMatch(/^each\.title: .*uppercase.*\neach\.title gives nothing$/);
  });

  it('tells of itself under one key, and resolves it when it works again', async () => {
    const post = mapping({ each: LEAST });
    const [first, second] = [(await post({})).own[0], (await post({ nam: 1 })).own[0]];
    expect([first?.dedup_key, second?.dedup_key]).toEqual(['mapping/builds', 'mapping/builds']);
    expect(first?.id).not.toBe(second?.id);
    expect((await post({ name: 'x' })).own).toMatchObject([{ status: 'resolved', dedup_key: 'mapping/builds' }]);
    expect((await post({ name: 'y' })).own).toEqual([]);
    expect((await post({})).own).toMatchObject([{ status: 'firing' }]);
  });

  it.each([
    ['a list that is not there', { items: 'runs', each: LEAST }, {}, 'items finds nothing in what was posted'],
    [
      'a status of its own words',
      { each: { ...LEAST, status: 'name' } },
      { name: 'red' },
      'has to give firing or resolved, not "red"',
    ],
    ['a function for a value', { each: { ...LEAST, title: 'function($x){$x}' } }, {}, 'each.title: gives a function'],
    ['an error of its own', { each: { ...LEAST, title: '$error("no name")' } }, {}, 'each.title: no name'],
  ])('names %s', async (_, written, payload, problem) => {
    expect((await ask(written, payload)).own[0]?.body).toContain(problem);
  });
});

describe('a mapping that would harm', () => {
  it.each([
    ['recursion without an end', '($f := function($x){ $f($x) + 1 }; $f(1))', 'Stack overflow'],
    ['a loop without an end', '($f := function($x){ $f($x) }; $f(1))', 'it takes more than 50 ms'],
    ['a range of millions', '$sum([1..10000000])', 'maximum sequence length'],
    ['an expression that looks for ever', '$contains(text, /^(a+)+$/)', 'it takes more than 50 ms'],
    ['lists that double for ever', '($d := function($l){ $d([$l, $l]) }; $d("x"))', 'maximum sequence length'],
    ['texts that double for ever', '($d := function($s){ $d($s & $s) }; $d("xxxxxxxx"))', 'Invalid string length'],
    ['more than it may keep', '$map([1..90000], function($i){ $uppercase($pad($string($i), 90000)) })', 'it takes'],
    ['padding without measure', '$pad("x", 500000000)', 'at most 100000 characters'],
    ['code made of text', '$eval("1 + 1")', '$eval is not to be had here'],
  ])('is ended: %s', async (_, title, problem) => {
    const event = await told(title, { text: `${'a'.repeat(50)}!` });
    expect(event?.body).toContain(problem);
    const { events } = await ask({ each: LEAST }, { name: 'the next one works' });
    expect(events).toHaveLength(1);
  });

  it('ends nothing but its own thread where that fails while it is being ended', async () => {
    const terminate = vi.spyOn(Worker.prototype, 'terminate');
    await told('($f := function($x){ $f($x) }; $f(1))');
    const [ended] = terminate.mock.contexts as Worker[];
    terminate.mockRestore();
    // As the runtime emits it (seen); it would throw here where nobody listens.
    expect(ended?.emit('error', Object.assign(new Error('out of memory'), { code: 'ERR_WORKER_OUT_OF_MEMORY' }))).toBe(
      true,
    );
  });

  it('does not hold up the thread that asked', async () => {
    let looks = 0;
    const looking = setInterval(() => looks++, 5);
    await told('$contains(text, /^(a+)+$/)', { text: `${'a'.repeat(50)}!` });
    clearInterval(looking);
    expect(looks).toBeGreaterThan(2);
  });

  it('reaches no prototype and nothing of the process', async () => {
    const payload = JSON.parse(
      '{"__proto__":{"polluted":"yes"},"name":"x","labels":{"__proto__":"a","constructor":"b"}}',
    );
    const { events } = await ask(
      { each: { ...LEAST, labels: 'labels', context: '$merge([$, {"__proto__": {"polluted": 1}}])' } },
      payload,
    );
    expect(events[0]?.labels).toEqual({ constructor: 'b' });
    expect(JSON.stringify(events[0]?.context)).not.toContain('polluted');
    expect('polluted' in {}).toBe(false);
    for (const title of [
      'constructor',
      '$lookup($, "constructor")',
      'name.constructor',
      '$constructor',
      '$process',
      '$globalThis',
    ])
      expect((await told(title, { name: 'x' }))?.body).toBe('each.title gives nothing');
    expect((await ask({ each: LEAST }, { name: 'x' })).events[0]).not.toHaveProperty('polluted');
  });

  it('is given no payload over 1 MB, which is kept all the same: whole, in as many events as it needs', async () => {
    const payload = { name: `"\\\u{1f514}${'x'.repeat(1_200_000)}${'\u{1f514}'.repeat(20_000)}` };
    const { own } = await ask({ each: LEAST }, payload);
    const text = JSON.stringify(payload);
    const contexts = own.map(
      ({ context }) => context as { payload: string; part: number; parts: number; bytes: number },
    );
    expect(contexts.map(({ payload }) => payload).join('')).toBe(text);
    expect(contexts.map(({ part }) => part)).toEqual(own.map((_, at) => at + 1));
    expect(new Set(contexts.map(({ parts, bytes }) => `${parts} ${bytes}`))).toEqual(
      new Set([`${own.length} ${bytesOf(text)}`]),
    );
    for (const { context } of own) expect(bytesOf(JSON.stringify(context))).toBeLessThanOrEqual(LIMITS.contextBytes);
    expect(own[0]?.body).toMatch(/a payload of 12\d{5} bytes is more than the 1048576 that are mapped/);
    const [, id] = /is in the events (\S+)\.1 to /.exec(own[0]?.body ?? '') ?? [];
    expect(own.map((event) => event.id)).toEqual(own.map((_, at) => `${id}.${at + 1}`));
    expect(new Set(own.map(({ dedup_key }) => dedup_key))).toEqual(new Set(['mapping/builds']));
  });
});
