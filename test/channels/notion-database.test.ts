/** Entries of a Notion database: made, kept up to date, found again, fitted to what the database has. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Call, Channel, Ref } from '../../src/channels/channel.ts';
import { notionDatabase } from '../../src/channels/notion-database.ts';
import type { Notice } from '../../src/core/notice.ts';
import { callOf } from '../support/calls.ts';
import { type FakeNotion, type FakeNotionOptions, startFakeNotion } from '../support/fakes/notion.ts';
import { noticeCases, noticeOf, sampleAlert, sampleNotice } from '../support/notices.ts';

const channel = notionDatabase as unknown as Channel;
const SCHEMA = {
  Name: 'title',
  Date: 'date',
  Severity: 'select',
  Status: 'select',
  TraceId: 'rich_text',
  RequestId: 'rich_text',
  Context: 'rich_text',
  Tocsin: 'rich_text',
};

const fakes: FakeNotion[] = [];
const start = async (options: FakeNotionOptions = {}) => {
  const fake = await startFakeNotion({ schema: SCHEMA, ...options });
  fakes.push(fake);
  return fake;
};
afterEach(async () => {
  await Promise.all(fakes.splice(0).map((fake) => fake.close()));
});

type Overrides = Partial<Omit<Call<Record<string, unknown>>, 'config'>>;
const callTo = (fake: FakeNotion, notice: Notice, more: Record<string, unknown> = {}, overrides: Overrides = {}) =>
  callOf(
    channel,
    { token: fake.token, database_id: fake.databaseId, base_url: fake.url, ...more },
    { notice, ...overrides },
  );
const tell = (
  fake: FakeNotion,
  notice: Notice,
  more: Record<string, unknown> = {},
  root?: Ref,
  overrides: Overrides = {},
) => channel.send(callTo(fake, notice, more, { ...overrides, ...(root ? { root } : {}) }));
const find = (fake: FakeNotion, notice: Notice, root?: Ref) =>
  channel.find?.(callTo(fake, notice, {}, root ? { root } : {}));
const check = (fake: FakeNotion, more: Record<string, unknown> = {}) =>
  channel.check?.(callTo(fake, noticeOf('one'), more));
const problemOf = (more: Record<string, unknown>) =>
  channel.config.safeParse({ token: 't', database_id: '0'.repeat(32), ...more }).error?.issues[0];

async function begin(fake: FakeNotion, notice = noticeOf('one'), more: Record<string, unknown> = {}): Promise<Ref> {
  const outcome = await tell(fake, notice, more);
  if (outcome.kind !== 'delivered' || !outcome.ref) throw new Error(`not delivered: ${JSON.stringify(outcome)}`);
  return outcome.ref;
}
/** The first page's properties as a person reads them. */
const shown = (fake: FakeNotion, at = 0): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fake.pages[at]?.properties ?? {}).map(([name, property]) => {
      const [value] = Object.values(property);
      if (!Array.isArray(value))
        return [
          name,
          (value as { name?: unknown; start?: unknown } | null)?.name ??
            (value as { start?: unknown } | null)?.start ??
            value,
        ];
      return [
        name,
        value.map((item: { name?: string; text?: { content: string } }) => item.name ?? item.text?.content).join('|'),
      ];
    }),
  );
const timeline = (fake: FakeNotion) => {
  const texts = fake.pages[0]?.blocks.map(({ text }) => text) ?? [];
  return texts.slice(texts.indexOf('Timeline') + 1);
};
const requests = (fake: FakeNotion) => fake.requests.items.map(({ method, path }) => `${method} ${path.split('/')[2]}`);

describe('an entry', () => {
  it('is made with what the database has room for, and found by its ref', async () => {
    const fake = await start();
    const ref = await begin(fake);
    expect(ref).toEqual({ page_id: fake.pages[0]?.id, url: fake.pages[0]?.url });
    expect(shown(fake)).toEqual({
      Name: 'API gateway answers 503',
      Date: '2026-01-15T14:32:00.000Z',
      Severity: 'CRITICAL',
      Status: 'open',
      TraceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      RequestId: 'req-7',
      Context: '{"pool":"blue","healthy":0}',
      Tocsin: 'INC-1 2026-01-15T14:32:00.000Z INC-1/group_now/b1/target',
    });
    expect(fake.pages[0]?.blocks.map(({ type }) => type)).toContain('code');
    expect(timeline(fake)).toEqual([
      '2026-01-15 14:32:01 UTC: New in gateway (INC-1, told at once: an alert of a severity in group_now)',
    ]);
  });

  it('is kept up to date from the acknowledgement to the end, a line each, and stays one', async () => {
    const fake = await start();
    const root = await begin(fake);
    for (const name of ['acknowledged', 'snoozed', 'escalated', 'resolved'] as const) {
      expect(await tell(fake, noticeOf(name), {}, root)).toEqual({ kind: 'delivered', ref: root });
    }
    expect(fake.pages).toHaveLength(1);
    expect(shown(fake)).toMatchObject({
      Status: 'resolved',
      Tocsin: expect.stringMatching(/ INC-1\/resolved\/b3\/target$/),
    });
    expect(timeline(fake).map((line) => /UTC: (.*) \(INC-1/.exec(line)?.[1])).toEqual([
      'New in gateway',
      'ana has it, 2 min after it began',
      'Snoozed by ana for 1 h',
      'Waited 5 min for an answer',
      'Every alert has ended',
    ]);
  });

  it('leaves alone what people have written: another title, an owner of their own', async () => {
    const fake = await start({ schema: { ...SCHEMA, Owner: 'rich_text' } });
    const more = { properties: { Owner: '${by}' } };
    const root = await begin(fake, noticeOf('one'), more);
    const page = fake.pages[0] as FakeNotion['pages'][number];
    const text = (content: string) => [{ text: { content } }];
    Object.assign(page.properties, { Name: { title: text('Gateway, again') }, Owner: { rich_text: text('bo') } });
    await tell(fake, noticeOf('escalated'), more, root);
    expect(shown(fake)).toMatchObject({ Name: 'Gateway, again', Owner: 'bo' });
    await tell(fake, noticeOf('acknowledged'), more, root);
    expect(shown(fake)).toMatchObject({ Owner: 'ana' });
  });

  it('holds every case, whatever senders write', async () => {
    for (const name of noticeCases) {
      const fake = await start();
      expect([name, await tell(fake, noticeOf(name))]).toMatchObject([name, { kind: 'delivered' }]);
      // A summary has a page of its own: the writer of Notion makes that.
      expect([name, fake.pages.length]).toEqual([name, name === 'summary' ? 0 : 1]);
    }
  });

  it('is made for a job too, and ends with it', async () => {
    const fake = await start();
    const started = sampleNotice({
      reason: 'story',
      headline: 'nightly-export started',
      story: { name: 'nightly-export', phase: 'start', ok: true },
      incident: { severity: 'info', title: 'nightly-export' },
    });
    const root = await begin(fake, started, { title: 'Event: ${type}' });
    await tell(fake, noticeOf('story-end'), { title: 'Event: ${type}' }, root);
    expect(shown(fake)).toMatchObject({ Name: 'Event: availability', Status: 'resolved', Severity: 'INFO' });
  });

  it('is none for the daily summary, which has a page of its own', async () => {
    const fake = await start();
    expect(await tell(fake, sampleNotice({ reason: 'summary' }))).toMatchObject({
      kind: 'delivered',
      note: expect.stringContaining('type notion'),
    });
    expect(fake.requests.items).toEqual([]);
  });
});

describe('properties of the operator’s own', () => {
  const schema = {
    ...SCHEMA,
    Owner: 'multi_select',
    Count: 'number',
    Critical: 'checkbox',
    Link: 'url',
    State: 'status',
    Priority: 'select',
    People: 'people',
    Day: 'date',
  };
  const choices = { State: ['Open', 'Acknowledged', 'Done'], Severity: ['Critical', 'Info'] };
  const properties = {
    Owner: '${assignees}',
    Count: '${alert_count}',
    Critical: '${severity}',
    Link: '${url}',
    State: '${status}',
    Priority: '${priority}',
    Day: '${last_at}',
  };

  it('are written as their type wants it, in options that are there already', async () => {
    const fake = await start({ schema, choices });
    const alerts = [sampleAlert({ assignees: ['ana', 'bo, the second', 'ana'] })];
    expect(await tell(fake, sampleNotice({ alerts }), { properties })).not.toHaveProperty('note');
    expect(shown(fake)).toMatchObject({
      Owner: 'ana|bo  the second',
      Count: 1,
      Critical: false,
      Link: 'https://tocsin.example.com/incidents/INC-1',
      State: 'Open',
      Priority: 'P0',
      Severity: 'Critical',
      Day: '2026-01-15T14:32:00.000Z',
    });
  });

  it('may be named by their id: renamed, they are written all the same, and the entry is found again', async () => {
    const fake = await start({ schema });
    const more = {
      properties: { [fake.idOf('Count')]: '${alert_count}', [fake.idOf('Status')]: '${status}' },
      key_property: fake.idOf('Tocsin'),
    };
    expect(await check(fake, more)).toMatchObject({ kind: 'delivered' });
    await begin(fake, noticeOf('one'), more);
    expect(shown(fake)).toMatchObject({ Count: 1, Status: 'open', Tocsin: expect.stringMatching(/^INC-1 /) });

    for (const name of ['Count', 'Status', 'Tocsin', 'Name']) fake.rename(name, `${name} of ours`);
    expect(await check(fake, more)).toMatchObject({ kind: 'delivered' });
    const resolved = noticeOf('resolved');
    // Not by its ref: looked for by the key.
    const outcome = await tell(fake, { ...resolved, incident: { ...resolved.incident, alert_count: 3 } }, more);
    expect(outcome).toEqual({ kind: 'delivered', ref: { page_id: fake.pages[0]?.id, url: fake.pages[0]?.url } });
    expect(fake.pages).toHaveLength(1);
    expect(shown(fake)).toMatchObject({
      'Name of ours': 'API gateway answers 503',
      'Count of ours': 3,
      'Status of ours': 'resolved',
      'Tocsin of ours': expect.stringMatching(/ INC-1\/resolved\/b3\/target$/),
    });
    expect(await channel.find?.(callTo(fake, resolved, more))).toMatchObject({ page_id: fake.pages[0]?.id });
    await begin(fake, sampleNotice({ incident: { id: 'INC-2' } }), more);
    expect(shown(fake, 1)).toMatchObject({ 'Name of ours': 'API gateway answers 503', 'Count of ours': 1 });
  });

  it('that are named by their name are missed once they are renamed: the note and the check say so', async () => {
    const fake = await start({ schema });
    const more = { properties: { Count: '${alert_count}' } };
    expect(await check(fake, more)).toEqual({
      kind: 'delivered',
      note: `mapped by name, which a renaming undoes; by id it would not: "Count" is ${fake.idOf('Count')}`,
    });
    fake.rename('Count', 'How many');
    expect(await check(fake, more)).toMatchObject({
      kind: 'rejected',
      detail: 'Notion: in the database "Count" is missing',
    });
    expect(await tell(fake, noticeOf('one'), more)).toMatchObject({
      kind: 'delivered',
      note: 'written without "Count": the database does not take it; run the check',
    });
  });

  it('that the database does not take are named in a note, and the entry is made without them', async () => {
    const fake = await start({ schema, choices });
    const wrong = { People: '${assignees}', Nowhere: '${title}', State: '${reason}', Count: '${title}' };
    expect(await tell(fake, noticeOf('one'), { properties: wrong })).toMatchObject({
      kind: 'delivered',
      note: 'written without "People", "Nowhere", "State", "Count": the database does not take it; run the check',
    });
    expect(shown(fake)).toMatchObject({ Name: 'API gateway answers 503' });
  });

  it('are checked at configuration', () => {
    expect(problemOf({ properties: { Owner: '${asignees}' } })).toMatchObject({
      path: ['properties', 'Owner'],
      message: expect.stringContaining('${asignees} names nothing'),
    });
    expect(problemOf({ title: '${' })?.path).toEqual(['title']);
  });
});

describe('an attempt whose answer was lost', () => {
  it('is looked up by the notice that was written last', async () => {
    const fake = await start();
    fake.script([{ path: '/v1/pages', reset: true, accept: true }]);
    expect(await tell(fake, noticeOf('one'))).toMatchObject({ kind: 'retry', reason: 'network', ambiguous: true });
    const root = await find(fake, noticeOf('one'));
    expect(root).toEqual({ page_id: fake.pages[0]?.id, url: fake.pages[0]?.url });
    expect(await find(fake, noticeOf('resolved'), root)).toBeUndefined();
    await tell(fake, noticeOf('resolved'), {}, root);
    expect(await find(fake, noticeOf('resolved'), root)).toEqual(root);
  });

  it('makes no second entry and no second line', async () => {
    const fake = await start();
    fake.script([{ path: '/v1/pages', reset: true, accept: true }]);
    await tell(fake, noticeOf('one'));
    const again = (notice: Notice) => sampleNotice({ ...notice, delivery: { ...notice.delivery, attempt: 2 } });
    const outcome = await tell(fake, again(noticeOf('one')));
    expect(outcome).toMatchObject({ kind: 'delivered' });
    expect(fake.pages).toHaveLength(1);
    expect(timeline(fake)).toHaveLength(1);

    const root = outcome.kind === 'delivered' ? outcome.ref : undefined;
    fake.script([{ path: '/children', reset: true, accept: true }]);
    expect(await tell(fake, noticeOf('acknowledged'), {}, root)).toMatchObject({ kind: 'retry', ambiguous: true });
    await tell(fake, again(noticeOf('acknowledged')), {}, root);
    expect(timeline(fake)).toHaveLength(2);
    expect(shown(fake)).toMatchObject({ Status: 'acknowledged' });
  });

  it('is found by title and date where the database has no key, and then find cannot tell', async () => {
    const { Tocsin: _, ...schema } = SCHEMA;
    const fake = await start({ schema });
    fake.script([{ path: '/v1/pages', reset: true, accept: true }]);
    await tell(fake, noticeOf('one'));
    await expect(find(fake, noticeOf('one'))).rejects.toThrow('no text property Tocsin');
    await tell(fake, sampleNotice({ delivery: { attempt: 2 } }));
    expect(fake.pages).toHaveLength(1);
    await tell(fake, sampleNotice({ incident: { opened_at: '2026-01-16T00:00:00.000Z' }, delivery: { attempt: 2 } }));
    expect(fake.pages).toHaveLength(2);
  });

  it('does not ask where it is sure', async () => {
    const fake = await start();
    await tell(fake, noticeOf('one'));
    expect(requests(fake)).toEqual(['GET databases', 'GET data_sources', 'POST pages']);
    await tell(fake, sampleNotice({ ...noticeOf('escalated'), incident: { id: 'INC-9' } }));
    expect(requests(fake).slice(3)).toEqual(['GET databases', 'GET data_sources', 'POST data_sources', 'POST pages']);
  });
});

describe('an entry that somebody has deleted', () => {
  it('is made again for a page, and not for news of it', async () => {
    const fake = await start();
    const root = await begin(fake);
    Object.assign(fake.pages[0] as object, { in_trash: true });
    expect(await tell(fake, noticeOf('acknowledged'), {}, root)).toEqual({
      kind: 'delivered',
      note: 'not written: somebody has deleted the entry',
    });
    const again = await tell(fake, noticeOf('escalated'), {}, root);
    expect(again).toMatchObject({ kind: 'delivered', ref: { page_id: fake.pages[1]?.id } });
    expect(await tell(fake, noticeOf('resolved'), {}, { page_id: 'f'.repeat(32) })).toMatchObject({
      note: 'not written: somebody has deleted the entry',
    });
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
    const json = { object: 'error', status, code, message: 'about ntn_fake_token' };
    fake.script([{ path: '/v1/pages', status, json, headers: { 'retry-after': '7' } }]);
    const outcome = await tell(fake, noticeOf('one'));
    expect(outcome).toMatchObject({ kind, reason, ...(kind === 'retry' && status !== 409 ? { after_ms: 7_000 } : {}) });
    expect(JSON.stringify(outcome)).not.toContain('ntn_');
    expect(fake.requests.items).toHaveLength(3);
  });

  it.each([
    ['a page of a proxy', { status: 200, text: '<html>' }],
    ['half an answer', { status: 200, text: '{"object":"data' }],
    ['null', { status: 200, text: 'null' }],
  ])('and %s instead of an answer is tried again', async (_, answer) => {
    for (const path of ['databases/0123456789abcdef0123456789abcdef', '/v1/pages']) {
      const fake = await start();
      fake.script([{ path, ...answer }]);
      expect(await tell(fake, noticeOf('one'))).toMatchObject({ kind: 'retry' });
    }
  });

  it('is left at the deadline when it does not answer', async () => {
    const fake = await start();
    fake.script([{ path: '/v1/pages', hang: true }]);
    const outcome = await tell(fake, noticeOf('one'), {}, undefined, { signal: AbortSignal.timeout(300) });
    expect(outcome).toMatchObject({ kind: 'retry', reason: 'timeout', ambiguous: true });
  });

  it('is not followed elsewhere', async () => {
    const fake = await start();
    fake.script([{ status: 308, headers: { location: 'https://elsewhere.example' } }]);
    expect(await tell(fake, noticeOf('one'))).toMatchObject({ kind: 'rejected', reason: 'config' });
  });
});

describe('the check', () => {
  it('is good when the database has everything, and writes nothing', async () => {
    const fake = await start();
    expect(await check(fake)).toEqual({ kind: 'delivered' });
    expect(fake.pages).toEqual([]);
  });

  it('names what is missing or of a type that cannot be written', async () => {
    const fake = await start({ schema: { ...SCHEMA, People: 'people', Tocsin: 'number' } });
    expect(await check(fake, { properties: { Owner: '${assignees}', People: '${assignees}' } })).toEqual({
      kind: 'rejected',
      reason: 'config',
      detail:
        'Notion: in the database "Owner" is missing, "People" is of type people, which cannot be written, "Tocsin" is of type number; text is needed',
    });
  });

  it('takes properties by their id, and names by it what is missing or cannot be written', async () => {
    const fake = await start({ schema: { ...SCHEMA, People: 'people', Count: 'number' } });
    const by = (id: string) => ({ properties: { [id]: '${alert_count}' } });
    expect(await check(fake, by(fake.idOf('Count')))).toEqual({ kind: 'delivered' });
    expect(await check(fake, by(fake.idOf('People')))).toMatchObject({
      kind: 'rejected',
      detail: `Notion: in the database "${fake.idOf('People')}" is of type people, which cannot be written`,
    });
    expect(await check(fake, by('%3Anobody'))).toMatchObject({
      kind: 'rejected',
      detail: 'Notion: in the database "%3Anobody" is missing',
    });
    expect(await check(fake, { key_property: fake.idOf('Count') })).toMatchObject({
      kind: 'rejected',
      detail: `Notion: in the database "${fake.idOf('Count')}" is of type number; text is needed`,
    });
  });

  it('tells which of the usual properties entries go without', async () => {
    const fake = await start({ schema: { Name: 'title', Date: 'date', Severity: 'select' } });
    expect(await check(fake)).toEqual({
      kind: 'delivered',
      note: 'the database is there; entries go without Status, TraceId, RequestId, Context, Tocsin: it has no such properties, and without Tocsin an entry is found again by its title and date only',
    });
  });

  it('names a wrong token, a database that is not shared, and one with several sources', async () => {
    const fake = await start();
    expect(await check(fake, { token: 'ntn_wrong' })).toMatchObject({ kind: 'rejected', reason: 'auth' });
    expect(await check(fake, { database_id: 'f'.repeat(32) })).toMatchObject({
      kind: 'rejected',
      reason: 'config',
      detail: expect.stringContaining('share the database'),
    });
    const several = await start({ sources: ['A', 'B'] });
    expect(await check(several)).toMatchObject({ kind: 'rejected', detail: expect.stringContaining('2 data sources') });
  });
});
