/** What is held back and what goes quiet, over a real ledger: why, until when, and what is told when it ends. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Interval, isWithin } from '../../src/core/interval.ts';
import { parseMatcher } from '../../src/core/match.ts';
import type { Routing } from '../../src/core/route.ts';
import { compiled, type Silence } from '../../src/core/silence.ts';
import { compile } from '../../src/expressions/compile.ts';
import { command } from '../../src/ledger/answers.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { eventOf, incidentOf } from '../../src/ledger/reading.ts';
import { endSilence, setSilence, type Wanted } from '../../src/ledger/silences.ts';
import { createQuiet } from '../../src/relay/quiet.ts';
import { again, claimAll, event, one, openTestLedger, route, routing } from '../support/ledger.ts';

const ANA = { by: 'ana', key: 'k1' };
const MINUTE = 60_000;
const START = Date.now();
const at = (minutes: number): Date => new Date(START + minutes * MINUTE);
const match = (text: string) => parseMatcher(text, compile);

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

async function silence(label: [name: string, value: string], more: Partial<Wanted> = {}): Promise<Silence> {
  const [name, value] = label;
  const made = await setSilence(
    ledger,
    {
      kind: 'silence',
      matchers: [{ name, value, is_regex: false, is_equal: true }],
      starts_at: at(0),
      ends_at: at(60),
      created_by: 'ana',
      comment: 'moving the rack',
      ...more,
    },
    ANA,
    at(0),
  );
  if (made.outcome !== 'made') throw new Error(made.outcome);
  return made.silence;
}

const send = (sent: ReturnType<typeof event>[], by: Routing, minutes = 0) =>
  createDoor(ledger, { routing: by, now: () => at(minutes) }).accept(sent);
const look = (by: Routing, minutes = 0) => createQuiet({ ledger, routing: by, now: () => at(minutes) }).look();
const decisionOf = async (id: string) => (await eventOf(ledger, id))[0]?.decision.routes[0];
const held = () => ledger.query<{ outcome: string; by: string[] }>('select outcome, by from held order by id');

const db = (more: Parameters<typeof event>[0] = {}) => event({ service: 'db', dedup_key: 'db-down', ...more });

describe('an alert that is silenced', () => {
  it('is told of nobody, and its event says by whose silence, until when and why', async () => {
    const { id } = await silence(['service', 'db']);
    const sent = db();
    await send([sent], routing(), 1);
    expect(await claimAll(ledger)).toEqual([]);
    expect(await decisionOf(sent.id)).toEqual({
      route: 'default',
      outcome: 'silenced',
      reason: 'silenced',
      why: `silence ${id} by ana until ${at(60).toISOString()}: moving the rack`,
    });
    expect(await held()).toEqual([{ outcome: 'silenced', by: [id] }]);
  });

  it('is told when the silence has ended, once, and its event says that it was held back', async () => {
    const { id } = await silence(['service', 'db']);
    const sent = db();
    await send([sent], routing(), 1);
    await look(routing(), 2);
    expect(await claimAll(ledger)).toEqual([]);

    await endSilence(ledger, id, ANA, at(3));
    await Promise.all([look(routing(), 3), look(routing(), 3)]);
    const claims = await claimAll(ledger);
    expect(claims.map(({ batch }) => batch.rows.map(({ kind }) => kind))).toEqual([['fired']]);
    expect(await held()).toEqual([]);
    const [kept] = await eventOf(ledger, sent.id);
    expect(kept?.decision.routes[0]).toMatchObject({
      outcome: 'join',
      why: expect.stringMatching(new RegExp(`^held back from .* \\(silence ${id} .*\\); told then: `)),
      held: { outcome: 'silenced', until: at(3).toISOString() },
    });
    expect(kept?.joins).toEqual([{ incident: claims[0]?.batch.incident, key: expect.any(String), effect: 'fired' }]);
    await look(routing(), 4);
    expect(await claimAll(ledger)).toEqual([]);
  });

  it('is told at the end that the silence was given', async () => {
    await silence(['service', 'db'], { ends_at: at(10) });
    await send([db()], routing(), 1);
    await look(routing(), 9);
    expect(await held()).toHaveLength(1);
    await look(routing(), 10);
    expect(await claimAll(ledger)).toHaveLength(1);
  });

  it('is told of nobody when it has been resolved before', async () => {
    await silence(['service', 'db'], { ends_at: at(10) });
    const sent = db();
    await send([sent], routing(), 1);
    await send([again(sent, { status: 'resolved' })], routing(), 2);
    await look(routing(), 11);
    expect(await claimAll(ledger)).toEqual([]);
    expect(await held()).toEqual([]);
  });

  it('is told of nobody when it fired and was resolved in one commit', async () => {
    await silence(['service', 'db'], { ends_at: at(10) });
    const sent = db();
    await send([sent, again(sent, { status: 'resolved' })], routing(), 1);
    expect(await held()).toEqual([]);
  });

  it('is not ended by a resolve that its sender repeats from an earlier time', async () => {
    const sent = db();
    const over = again(sent, { status: 'resolved' });
    await send([sent, over], routing(), 0);
    await silence(['service', 'db'], { ends_at: at(10) });
    await send([again(sent)], routing(), 1);
    await send([over], routing(), 2);
    expect(await held()).toHaveLength(1);
  });

  it('is told of nobody when its time has run out before', async () => {
    await silence(['service', 'db'], { ends_at: at(10) });
    await send([db({ expires_at: at(-1).toISOString() })], routing(), 1);
    await look(routing(), 2);
    expect(await held()).toEqual([]);
    await look(routing(), 11);
    expect(await claimAll(ledger)).toEqual([]);
  });

  it('is told once when its sender is first to say that it still fires', async () => {
    const { id } = await silence(['service', 'db']);
    const sent = db();
    await send([sent], routing(), 1);
    await endSilence(ledger, id, ANA, at(3));
    await send([again(sent, { title: 'Down for long' })], routing(), 3);
    await look(routing(), 3);
    const claims = await claimAll(ledger);
    expect(claims.map(({ batch }) => batch.alerts)).toEqual([1]);
    expect(await held()).toEqual([]);
    expect(await one(ledger, 'select title from alerts')).toEqual({ title: 'Down for long' });
  });

  it('is held on by another silence that has begun meanwhile', async () => {
    const first = await silence(['service', 'db'], { ends_at: at(10) });
    const sent = db();
    await send([sent], routing(), 1);
    const second = await silence(['type', sent.type], { starts_at: at(5), ends_at: at(20) });
    await look(routing(), 11);
    expect(await held()).toEqual([{ outcome: 'silenced', by: [second.id] }]);
    expect(first.id).not.toBe(second.id);
    await look(routing(), 21);
    expect(await claimAll(ledger)).toHaveLength(1);
  });

  it('goes on firing in the incident that knows it, and says what has become worse when the silence ends', async () => {
    const sent = db({ expires_at: at(4).toISOString() });
    await send([sent], routing());
    await claimAll(ledger);
    const { id } = await silence(['service', 'db']);
    await send([again(sent, { expires_at: at(9).toISOString() })], routing(), 2);
    expect(await held()).toEqual([]);
    expect(await one(ledger, 'select status, expires_at from alerts')).toEqual({ status: 'firing', expires_at: at(9) });

    await send([again(sent, { title: 'Much worse', expires_at: at(9).toISOString() })], routing(), 3);
    expect(await claimAll(ledger)).toEqual([]);
    await endSilence(ledger, id, ANA, at(4));
    await look(routing(), 4);
    expect((await claimAll(ledger)).map(({ batch }) => batch.rows.map(({ kind }) => kind))).toEqual([['fired']]);
    expect(await one(ledger, 'select title from alerts')).toEqual({ title: 'Much worse' });
  });

  it('is told on the other routes that take it', async () => {
    const window: Interval = { name: 'always', timezone: 'UTC' };
    const two = routing([route({ name: 'muted', continue: true, mute: [window] }), route({ name: 'open' })]);
    const sent = db();
    await send([sent], two);
    expect(await claimAll(ledger)).toHaveLength(1);
    expect((await eventOf(ledger, sent.id))[0]?.decision.routes.map(({ outcome }) => outcome)).toEqual([
      'muted',
      'join',
    ]);
    await look(routing([route({ name: 'muted', continue: true }), route({ name: 'open' })]), 1);
    expect(await claimAll(ledger)).toHaveLength(1);
    const [kept] = await eventOf(ledger, sent.id);
    expect(kept?.joins.map(({ effect }) => effect)).toEqual(['fired', 'fired']);
  });
});

describe('what holds an alert back besides silences', () => {
  const hosts: Routing = routing([route({ name: 'all', group_by: ['type', 'host'] })], {
    inhibitions: [
      { name: 'host', source: [match('type="host_down"')], target: [match('type="slow"')], equal: ['host'] },
    ],
  });
  const host = event({ type: 'host_down', dedup_key: 'h1', labels: { host: 'web-1' } });
  const slow = event({ type: 'slow', dedup_key: 's1', labels: { host: 'web-1' } });

  it('is told when the alert that inhibited it is resolved', async () => {
    await send([again(host)], hosts);
    await claimAll(ledger);
    await send([again(slow)], hosts, 1);
    expect(await claimAll(ledger)).toEqual([]);
    await look(hosts, 1);
    expect(await held()).toEqual([{ outcome: 'inhibited', by: [expect.any(String)] }]);
    await send([again(host, { status: 'resolved' })], hosts, 2);
    await claimAll(ledger);
    await look(hosts, 3);
    expect((await claimAll(ledger)).map(({ batch }) => batch.firing)).toEqual([1]);
  });

  it('a silenced alert still inhibits: who is silent about a host is silent about what runs on it', async () => {
    await silence(['type', 'host_down'], { ends_at: at(10) });
    await send([again(host)], hosts, 1);
    await send([again(slow)], hosts, 2);
    expect((await held()).map(({ outcome }) => outcome)).toEqual(['silenced', 'inhibited']);
    await look(hosts, 11);
    // The host is told of, and goes on inhibiting.
    expect(await claimAll(ledger)).toHaveLength(1);
    expect((await held()).map(({ outcome }) => outcome)).toEqual(['inhibited']);
  });

  it('a route that is muted tells what still fires when its time has come', async () => {
    const hour = at(0).getUTCHours();
    const interval: Interval = {
      name: 'now',
      timezone: 'UTC',
      times: [{ from: hour * 60, to: (hour * 60 + 60) % 1440 }],
    };
    const muted = routing([route({ name: 'all', mute: [interval] })]);
    expect(isWithin(interval, at(0))).toBe(true);
    await send([db()], muted);
    await look(muted, 0);
    expect(await held()).toEqual([{ outcome: 'muted', by: [] }]);
    await look(muted, 61);
    expect(await claimAll(ledger)).toHaveLength(1);
  });

  it('a maintenance window of the configuration holds back while it is on', async () => {
    const hour = at(0).getUTCHours();
    const during: Interval[] = [
      { name: 'now', timezone: 'UTC', times: [{ from: hour * 60, to: (hour * 60 + 60) % 1440 }] },
    ];
    const window: Silence = {
      id: 'patching',
      kind: 'maintenance',
      matchers: compiled([{ name: 'service', value: 'db', is_regex: false, is_equal: true }], compile),
      starts_at: new Date(0),
      during,
      created_by: 'ops',
      comment: 'patch day',
      updated_at: new Date(0),
    };
    const windowed = routing([], { maintenance: [window] });
    const sent = db();
    await send([sent], windowed);
    expect(await decisionOf(sent.id)).toMatchObject({
      outcome: 'silenced',
      why: 'maintenance patching by ops during now (UTC): patch day',
    });
    await look(windowed, 61);
    expect(await claimAll(ledger)).toHaveLength(1);
  });

  it('what a configuration no longer holds back is told after a start with it', async () => {
    await silence(['service', 'other']);
    const always: Interval = { name: 'always', timezone: 'UTC' };
    await send([db()], routing([route({ name: 'old', mute: [always] })]));
    await look(routing([route({ name: 'new' })]), 1);
    expect(await claimAll(ledger)).toHaveLength(1);
    expect(await held()).toEqual([]);
  });
});

describe('an incident that is open when a silence begins', () => {
  const opened = async (by: Routing = routing()): Promise<string> => {
    await send([db()], by);
    const [first] = await claimAll(ledger);
    if (!first) throw new Error('nothing opened');
    return first.batch.incident;
  };
  const standing = (id: string) =>
    one<{ status: string; answered_by: string | null; answer_rev: number }>(
      ledger,
      'select status, answered_by, answer_rev from incidents where id = $1',
      [id],
    );

  it('goes quiet until the end of the silence, and its timeline says why', async () => {
    const id = await opened();
    const made = await silence(['service', 'db']);
    await look(routing(), 1);
    expect(await standing(id)).toMatchObject({ status: 'snoozed', answered_by: `silence ${made.id}` });
    expect((await incidentOf(ledger, id))?.timeline.at(-1)).toMatchObject({
      kind: 'snooze',
      by: `silence ${made.id}`,
      detail: { for_ms: 59 * MINUTE, because: expect.stringContaining('moving the rack') },
    });
    const [{ batch } = { batch: undefined }] = await claimAll(ledger);
    expect(batch).toMatchObject({ status: 'snoozed', answer: 'snoozed' });
  });

  it('is paged again when the silence is ended early', async () => {
    const id = await opened();
    const made = await silence(['service', 'db']);
    const quiet = createQuiet({ ledger, routing: routing(), now: () => at(1) });
    await quiet.look();
    await claimAll(ledger);
    await endSilence(ledger, made.id, ANA, at(1));
    await quiet.look();
    expect(await standing(id)).toMatchObject({ status: 'open', answer_rev: 2 });
    expect((await claimAll(ledger))[0]?.batch).toMatchObject({ status: 'open', answer: 'snooze_ended' });
  });

  it('goes on when something else fires in it, now or later', async () => {
    const id = await opened();
    const made = await silence(['dedup', 'none']);
    await look(routing(), 1);
    expect(await standing(id)).toMatchObject({ status: 'open', answer_rev: 0 });
    await endSilence(ledger, made.id, ANA, at(1));

    await silence(['type', db().type]);
    const quiet = createQuiet({ ledger, routing: routing(), now: () => at(2) });
    await quiet.look();
    expect(await standing(id)).toMatchObject({ status: 'snoozed' });
    await send([db({ type: 'other_trouble', dedup_key: 'other' })], routing(), 2);
    await claimAll(ledger);
    await quiet.look();
    expect(await standing(id)).toMatchObject({ status: 'open' });
  });

  it('stays quiet for longer when the silence is made longer', async () => {
    const id = await opened();
    const made = await silence(['service', 'db'], { ends_at: at(10) });
    const quiet = createQuiet({ ledger, routing: routing(), now: () => at(1) });
    await quiet.look();
    await setSilence(ledger, { ...made, matchers: [...made.matchers], id: made.id, ends_at: at(30) }, ANA, at(1));
    await quiet.look();
    const row = await one<{ left: number }>(
      ledger,
      'select extract(epoch from snoozed_until - now())::float8 / 60 as left from incidents where id = $1',
      [id],
    );
    expect(row.left).toBeGreaterThan(20);
  });

  it('stays out of it once a person has taken it out', async () => {
    const id = await opened();
    await silence(['service', 'db'], { starts_at: at(-1) });
    const quiet = createQuiet({ ledger, routing: routing(), now: () => at(1) });
    await quiet.look();
    await command(ledger, id, { kind: 'unack' }, ANA);
    // The silence began at START, the answer came after it.
    await quiet.look();
    expect(await standing(id)).toMatchObject({ status: 'open', answered_by: 'ana' });
  });

  it('is left alone when somebody has acknowledged it', async () => {
    const id = await opened();
    await command(ledger, id, { kind: 'ack' }, ANA);
    await silence(['service', 'db']);
    await look(routing(), 1);
    expect(await standing(id)).toMatchObject({ status: 'acknowledged', answered_by: 'ana' });
  });
});
