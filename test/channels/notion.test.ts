import { afterEach, describe, expect, it } from 'vitest';
import { notion } from '../../src/channels/notion.ts';
import { type FakeNotion, type FakeNotionOptions, startFakeNotion } from '../support/fakes/notion.ts';
import { LATE_MS } from '../support/until.ts';

const fakes: FakeNotion[] = [];
const start = async (options?: FakeNotionOptions) => {
  const fake = await startFakeNotion(options);
  fakes.push(fake);
  return fake;
};
afterEach(async () => {
  await Promise.all(fakes.splice(0).map((fake) => fake.close()));
});

type Call = Parameters<typeof notion.writePage>[0];
const page = (overrides: Partial<Call['page']> = {}): Call['page'] => ({
  date: '2026-01-15',
  name: 'daily',
  title: 'Summary of 2026-01-15',
  severity: 'critical',
  facts: { Incidents: '3', 'Mean time to answer': '4 min' },
  sections: [{ heading: 'Incidents', lines: ['INC-1 API gateway answers 503', 'INC-2 Disk full'] }],
  key: 'daily/2026-01-15',
  ...overrides,
});
const write = (
  fake: FakeNotion,
  overrides: Partial<Call['page']> = {},
  more: { config?: object; signal?: AbortSignal } = {},
) =>
  notion.writePage({
    config: notion.config.parse({
      token: fake.token,
      database_id: fake.databaseId,
      base_url: fake.url,
      ...more.config,
    }),
    fetch,
    signal: more.signal ?? AbortSignal.timeout(10_000),
    page: page(overrides),
  });
const textsOf = (fake: FakeNotion) => fake.pages[0]?.blocks.map(({ text }) => text);

describe('the page of a day', () => {
  it('is created once and rewritten by the second run', async () => {
    const fake = await start();
    const first = await write(fake);
    expect(first).toEqual({ kind: 'delivered', ref: { page_id: fake.pages[0]?.id, url: fake.pages[0]?.url } });
    expect(textsOf(fake)).toEqual([
      'Incidents: 3',
      'Mean time to answer: 4 min',
      'Incidents',
      'INC-1 API gateway answers 503',
      'INC-2 Disk full',
    ]);

    const second = await write(fake, {
      title: 'Summary, again',
      facts: {},
      sections: [{ heading: 'Quiet', lines: [] }],
    });
    expect(second).toMatchObject({ kind: 'delivered', ref: { page_id: fake.pages[0]?.id } });
    expect(fake.pages).toHaveLength(1);
    expect(fake.pages[0]).toMatchObject({ title: 'Summary, again', updates: 1 });
    expect(textsOf(fake)).toEqual(['Quiet']);
  });

  it('is another one for another day or another summary', async () => {
    const fake = await start();
    await write(fake);
    await write(fake, { date: '2026-01-16', key: 'daily/2026-01-16' });
    await write(fake, { name: 'weekly', key: 'weekly/2026-01-15' });
    expect(fake.pages).toHaveLength(3);
  });

  it('is found by day and title where the database has no property for the key', async () => {
    const fake = await start({ schema: { Titel: 'title', Tag: 'date' } });
    for (let run = 0; run < 2; run++)
      expect(await write(fake, {}, { config: { date_property: 'Tag' } })).toMatchObject({ kind: 'delivered' });
    expect(fake.pages).toHaveLength(1);
    expect(fake.pages[0]?.properties).toEqual({
      Titel: { title: [{ type: 'text', text: { content: 'Summary of 2026-01-15' } }] },
      Tag: { date: { start: '2026-01-15' } },
    });
  });

  it('fills the properties that are there, by their type', async () => {
    const fake = await start({
      schema: {
        Name: 'title',
        Date: 'date',
        Severity: 'select',
        Incidents: 'number',
        'Mean time to answer': 'rich_text',
        Summary: 'select',
        Owner: 'people',
      },
    });
    expect(
      await write(fake, { facts: { Incidents: '3', 'Mean time to answer': '4 min', Owner: 'ana' } }),
    ).toMatchObject({ kind: 'delivered' });
    expect(fake.pages[0]?.properties).toMatchObject({
      Severity: { select: { name: 'CRITICAL' } },
      Incidents: { number: 3 },
      'Mean time to answer': { rich_text: [{ text: { content: '4 min' } }] },
      Summary: { select: { name: 'daily' } },
    });
    expect(fake.pages[0]?.properties).not.toHaveProperty('Owner');
  });

  it('may be longer than one request and one text may be', async () => {
    const fake = await start();
    const lines = [
      ...Array.from({ length: 250 }, (_, index) => `line ${index}`),
      '🔥'.repeat(3_001),
      'x'.repeat(200_001),
    ];
    const sections = [{ heading: 'Long', lines }];
    for (let run = 0; run < 2; run++)
      expect(await write(fake, { facts: {}, sections })).toMatchObject({ kind: 'delivered' });
    expect(fake.pages).toHaveLength(1);
    const texts = textsOf(fake) ?? [];
    expect(texts).toHaveLength(1 + 250 + 1 + 2);
    expect(texts.slice(1, 251)).toEqual(lines.slice(0, 250));
    expect(texts[251]).toBe('🔥'.repeat(3_001));
    expect(texts.slice(252).join('')).toBe('x'.repeat(200_001));
  });

  it('is finished by the next run where one was cut off', async () => {
    const fake = await start();
    await write(fake);
    fake.script([{ status: 503, path: '/children' }]);
    expect(await write(fake)).toMatchObject({ kind: 'retry', reason: 'server' });
    expect(await write(fake)).toMatchObject({ kind: 'delivered' });
    expect(textsOf(fake)).toHaveLength(5);
  });
});

describe('what Notion refuses', () => {
  it.each([
    [400, 'validation_error', 'rejected', 'payload'],
    [401, 'unauthorized', 'rejected', 'auth'],
    [403, 'restricted_resource', 'rejected', 'auth'],
    [404, 'object_not_found', 'rejected', 'config'],
    [409, 'conflict_error', 'retry', 'server'],
    [429, 'rate_limited', 'retry', 'rate_limited'],
    [500, 'internal_server_error', 'retry', 'server'],
    [503, 'service_unavailable', 'retry', 'server'],
    [529, 'service_overload', 'retry', 'rate_limited'],
  ])('%i %s is %s (%s)', async (status, code, kind, reason) => {
    const fake = await start();
    const headers = { 'retry-after': '9' };
    fake.script([{ status, headers, json: { object: 'error', status, code, message: `no: "${fake.token}"` } }]);
    const outcome = await write(fake);
    expect(outcome).toMatchObject({ kind, reason });
    if (status === 429 || status === 529) expect(outcome).toMatchObject({ after_ms: 9_000 });
    expect(JSON.stringify(outcome)).not.toContain(fake.token);
    expect(fake.requests.items).toHaveLength(1);
  });

  it('is said with what to do about it', async () => {
    const fake = await start();
    const elsewhere = { config: { database_id: 'f'.repeat(32) } };
    expect(await write(fake, {}, elsewhere)).toMatchObject({ detail: expect.stringContaining('share the database') });
    expect(await write(fake, {}, { config: { date_property: 'Day' } })).toMatchObject({
      kind: 'rejected',
      reason: 'config',
      detail: 'Notion: no property "Day" of type date; set date_property to one of: Date',
    });
    const two = await start({ sources: ['A', 'B'] });
    expect(await write(two)).toMatchObject({
      kind: 'rejected',
      reason: 'config',
      detail: expect.stringContaining('2 data sources (A, B)'),
    });
  });

  it('has an outcome for every status', async () => {
    const config = notion.config.parse(notion.sample);
    for (let status = 200; status < 600; status++) {
      const outcome = await notion.writePage({
        config,
        fetch: async () => new Response([204, 205, 304].includes(status) ? null : '{}', { status }),
        signal: AbortSignal.timeout(1_000),
        page: page(),
      });
      const passing = status >= 500 || [408, 409, 425, 429].includes(status);
      if (status >= 300) expect(outcome.kind, String(status)).toBe(passing ? 'retry' : 'rejected');
      expect(JSON.stringify(outcome)).not.toContain(config.token);
    }
  });

  it('ends soon after its signal is aborted', async () => {
    const fake = await start();
    fake.script([{ hang: true }]);
    const begun = performance.now();
    expect(await write(fake, {}, { signal: AbortSignal.timeout(50) })).toMatchObject({
      kind: 'retry',
      reason: 'timeout',
    });
    expect(performance.now() - begun).toBeLessThan(LATE_MS);
  });
});
