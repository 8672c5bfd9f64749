import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Event } from '../../src/core/event.ts';
import { type Matcher, parseMatcher } from '../../src/core/match.ts';
import type { Routing } from '../../src/core/route.ts';
import { claim, sweepExpired } from '../../src/ledger/claim.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { waitingInboxes } from '../../src/ledger/inbox.ts';
import { closeIncident } from '../../src/ledger/state.ts';
import { again, event, openTestLedger, route, routing } from '../support/ledger.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const matcher = (text: string): Matcher =>
  parseMatcher(text, (pattern) => (value) => new RegExp(`^(?:${pattern})$`).test(value));
const accept = (events: Event[], by: Routing = routing()) => createDoor(ledger, { routing: by }).accept(events);
const inbox = () =>
  ledger.query<{ kind: string; severity: string; key: string }>('select kind, severity, key from inbox order by seq');
const kinds = async (): Promise<string[]> => (await inbox()).map(({ kind }) => kind);
const alerts = () =>
  ledger.query<{ status: string; count: number; expires_at: Date | null; severity: string; title: string }>(
    'select status, count::int as count, expires_at, severity, title from alerts order by id',
  );
const effects = async (): Promise<string[]> => {
  const rows = await ledger.query<{ decision: { effects?: { effect: string }[] } }>(
    'select d.decision from events e join decisions d on d.id = e.decision order by e.seq',
  );
  return rows.map(({ decision }) => (decision.effects ?? []).map(({ effect }) => effect).join(' '));
};
/** Claims what waits and closes the incident, as its workflow would. */
const closeAll = async (): Promise<void> => {
  for (const { key } of await waitingInboxes(ledger)) {
    const claimed = await claim(ledger, key);
    if (claimed) await closeIncident(ledger, claimed.batch.incident, claimed.batch.number, 'resolved');
  }
};

describe('an accepted event', () => {
  it('is kept with its decision, its alert and one row in the inbox of its group', async () => {
    const one = event();
    expect(await accept([one])).toEqual([{ id: one.id, duplicate: false }]);
    const [stored] = await ledger.query<{ event: Event; decision: { routes: object[] } }>(
      'select e.event, d.decision from events e join decisions d on d.id = e.decision',
    );
    expect(stored?.event).toEqual(one);
    expect(stored?.decision).toMatchObject({
      routes: [{ outcome: 'join', route: 'default' }],
      effects: [{ effect: 'fired' }],
    });
    expect(await kinds()).toEqual(['fired']);
    expect(await alerts()).toMatchObject([{ status: 'firing', count: 1 }]);
  });

  it('of the same source and id again is a duplicate and changes nothing, whatever it says', async () => {
    const one = event();
    await accept([one]);
    expect(await accept([{ ...one, title: 'Something else', status: 'resolved' }])).toEqual([
      { id: one.id, duplicate: true },
    ]);
    expect(await kinds()).toEqual(['fired']);
    expect(await alerts()).toMatchObject([{ status: 'firing', count: 1, title: one.title }]);
  });

  it('of the same id from another source is another event', async () => {
    const one = event();
    expect(await accept([one, { ...one, source: 'till' }])).toMatchObject([{ duplicate: false }, { duplicate: false }]);
  });

  it.each([
    ['one source', ['shop']],
    ['several sources', ['shop', 'till']],
  ])('of %s in one request is known where it was kept, whatever others are called the same', async (_, sources) => {
    const one = event();
    await accept([...sources.map((source) => ({ ...one, source })), { ...one, source: 'bank' }]);
    const given = sources.flatMap((source) => [
      { ...one, source },
      { ...one, source, id: 'new' },
    ]);
    expect((await accept(given)).map(({ duplicate }) => duplicate)).toEqual(sources.flatMap(() => [true, false]));
    expect(await ledger.query('select 1 from events')).toHaveLength(2 * sources.length + 1);
  });

  it('that stands twice in one request is taken once', async () => {
    const one = event();
    expect(await accept([one, one])).toEqual([
      { id: one.id, duplicate: false },
      { id: one.id, duplicate: true },
    ]);
    expect(await kinds()).toEqual(['fired']);
  });

  it('said again without a dedup_key is an occurrence of its own, and counts', async () => {
    const one = event();
    await accept([one, again(one)]);
    await accept([again(one)]);
    expect(await kinds()).toEqual(['fired', 'fired', 'fired']);
    expect(await alerts()).toMatchObject([{ count: 3 }]);
  });

  it('said again unchanged with its dedup_key makes no row, and lives longer', async () => {
    const one = event({ dedup_key: 'disk', expires_at: '2030-01-01T00:00:00.000Z' });
    await accept([one]);
    await accept([again(one, { expires_at: '2031-01-01T00:00:00.000Z' })]);
    expect(await kinds()).toEqual(['fired']);
    expect(await effects()).toEqual(['fired', 'unchanged']);
    const [alert] = await alerts();
    expect(alert?.count).toBe(1);
    expect(alert?.expires_at?.toISOString()).toBe('2031-01-01T00:00:00.000Z');
  });

  it('said again with its dedup_key and a new severity or title is news', async () => {
    const one = event({ dedup_key: 'disk', severity: 'warning' });
    await accept([
      one,
      again(one, { severity: 'critical' }),
      again(one, { severity: 'critical', title: 'Disk is full' }),
    ]);
    expect(await kinds()).toEqual(['fired', 'fired', 'fired']);
    expect(await alerts()).toMatchObject([{ severity: 'critical', title: 'Disk is full' }]);
  });

  it('that matches two routes joins two incidents', async () => {
    const both = routing([route({ name: 'first', continue: true }), route({ name: 'second' })]);
    await accept([event()], both);
    const rows = await inbox();
    expect(rows).toHaveLength(2);
    expect(new Set(rows.map(({ key }) => key)).size).toBe(2);
  });

  it('takes a 64 KB text with every character there is', async () => {
    const body = `${'ㅋ🚨"\\\'$1{}'.repeat(4_000)}`;
    await accept([event({ body })]);
    const [stored] = await ledger.query<{ event: Event }>('select event from events');
    expect(stored?.event.body).toBe(body);
  });
});

describe('a resolve', () => {
  it('ends the alert it names, which keeps the words and the severity it fired with', async () => {
    const one = event({ severity: 'critical' });
    await accept([one]);
    await accept([again(one, { status: 'resolved', severity: 'info' })]);
    expect(await inbox()).toMatchObject([{ kind: 'fired' }, { kind: 'resolved', severity: 'critical' }]);
    expect(await alerts()).toMatchObject([{ status: 'resolved', severity: 'critical', title: one.title }]);
  });

  it('with none open is kept with the event and makes no row', async () => {
    await accept([event({ status: 'resolved' })]);
    expect(await kinds()).toEqual([]);
    expect(await effects()).toEqual(['none_open']);
  });

  it('repeated, as Prometheus does for 15 minutes, makes no second row', async () => {
    const one = event({ dedup_key: 'disk' });
    await accept([one, again(one, { status: 'resolved' }), again(one, { status: 'resolved' })]);
    expect(await effects()).toEqual(['fired', 'resolved', 'none_open']);
  });

  it('goes where its alert fires although its own route is another', async () => {
    const split = routing([route({ name: 'critical', matchers: [matcher('severity="critical"')] })]);
    const one = event({ severity: 'critical', dedup_key: 'disk' });
    await accept([one], split);
    await accept([again(one, { status: 'resolved', severity: 'info' })], split);
    const [fired, resolved] = await inbox();
    expect(resolved).toMatchObject({ kind: 'resolved', key: fired?.key });
  });

  it('goes where its alert fires also when both are committed together', async () => {
    const split = routing([route({ name: 'critical', matchers: [matcher('severity="critical"')] })]);
    const one = event({ severity: 'critical', dedup_key: 'disk' });
    await accept([one, again(one, { status: 'resolved', severity: 'info' })], split);
    const [fired, resolved] = await inbox();
    expect(resolved).toMatchObject({ kind: 'resolved', key: fired?.key });
    expect(await alerts()).toMatchObject([{ status: 'resolved' }]);
  });

  it('and a new firing in one request leave it firing', async () => {
    const one = event({ dedup_key: 'disk' });
    await accept([one, again(one, { status: 'resolved' }), again(one)]);
    expect(await kinds()).toEqual(['fired', 'resolved', 'fired']);
    expect(await alerts()).toMatchObject([{ status: 'firing', count: 2 }]);
  });
});

describe('a late end', () => {
  const failed = event({ dedup_key: 'ci', type: 'build_failure', occurred_at: '2026-01-15T10:10:00.000Z' });
  const passed = (more: object) => again(failed, { type: 'build_success', status: 'resolved', ...more });

  it('of what was before the last firing ends nothing', async () => {
    await accept([failed]);
    await accept([passed({ occurred_at: '2026-01-15T10:09:57.000Z' })]);
    expect(await effects()).toEqual(['fired', 'late']);
    expect(await alerts()).toMatchObject([{ status: 'firing' }]);
    await accept([passed({ occurred_at: '2026-01-15T10:11:00.000Z' })]);
    expect(await kinds()).toEqual(['fired', 'resolved']);
  });

  it('is known as late also in the very commit of the firing', async () => {
    await accept([failed, passed({ occurred_at: '2026-01-15T10:00:00.000Z' })]);
    expect(await effects()).toEqual(['fired', 'late']);
  });

  it('is compared with the last firing, although that changed nothing else', async () => {
    await accept([failed]);
    await accept([again(failed, { occurred_at: '2026-01-15T10:20:00.000Z' })]);
    await accept([passed({ occurred_at: '2026-01-15T10:15:00.000Z' })]);
    expect(await effects()).toEqual(['fired', 'unchanged', 'late']);
  });

  it('is late by what it is as of, however late it ended itself', async () => {
    const older = { as_of: '2026-01-15T09:55:00Z', occurred_at: '2026-01-15T10:30:00Z' };
    await accept([again(failed, { as_of: '2026-01-15T10:00:00Z' })]);
    await accept([passed(older)]);
    await accept([passed({ as_of: '2026-01-15T10:05:00Z', occurred_at: '2026-01-15T10:09:00Z' })]);
    expect(await effects()).toEqual(['fired', 'late', 'resolved']);
  });

  it('is told by when it happened among those that are as of the same', async () => {
    const as_of = '2026-01-15T10:00:00Z';
    await accept([again(failed, { as_of })]);
    await accept([passed({ as_of, occurred_at: '2026-01-15T10:05:00Z' })]);
    await accept([passed({ as_of, occurred_at: '2026-01-15T10:20:00Z' })]);
    expect(await effects()).toEqual(['fired', 'late', 'resolved']);
  });

  it.each([
    ['is of the same moment', { occurred_at: failed.occurred_at }],
    ['is older by what clocks differ', { occurred_at: '2026-01-15T10:09:58.000Z' }],
    ['gives no time', { occurred_at: undefined }],
    ['gives only the day', { occurred_at: '2026-01-15' }],
  ])('is none where it %s', async (_, more) => {
    await accept([failed]);
    await accept([passed(more)]);
    expect(await effects()).toEqual(['fired', 'resolved']);
  });

  it('is none where the firing gave no time', async () => {
    const { occurred_at: _, ...timeless } = failed;
    await accept([timeless]);
    await accept([passed({ occurred_at: '2026-01-15T09:00:00.000Z' })]);
    expect(await effects()).toEqual(['fired', 'resolved']);
  });
});

it('a firing that names no service has that of its alert, also when that has ended', async () => {
  const all = routing([route({ group_by: [] })]);
  const unnamed = (dedup_key: string): Event => {
    const { service: _, ...rest } = event({ dedup_key });
    return rest;
  };
  await accept([event({ dedup_key: 'disk', service: 'till' })], all);
  await closeAll();
  await accept([unnamed('disk'), unnamed('other')], all);
  expect(await ledger.query('select service, current from alerts order by event')).toEqual([
    { service: 'till', current: false },
    { service: 'till', current: true },
    { service: null, current: true },
  ]);
});

describe('a late firing', () => {
  it('that happened before the end already known makes no row', async () => {
    const one = event({ dedup_key: 'disk', occurred_at: '2026-01-15T10:00:00.000Z' });
    await accept([one]);
    await accept([again(one, { status: 'resolved', occurred_at: '2026-01-15T11:00:00.000Z' })]);
    await accept([again(one, { occurred_at: '2026-01-15T10:30:00.000Z' })]);
    expect(await effects()).toEqual(['fired', 'resolved', 'late']);
    expect(await kinds()).toEqual(['fired', 'resolved']);
  });

  it('is known as late also after the incident was closed', async () => {
    const one = event({ dedup_key: 'disk', occurred_at: '2026-01-15T10:00:00.000Z' });
    await accept([one, again(one, { status: 'resolved', occurred_at: '2026-01-15T11:00:00.000Z' })]);
    await closeAll();
    await accept([again(one, { occurred_at: '2026-01-15T10:30:00.000Z' })]);
    expect((await effects()).at(-1)).toBe('late');
  });

  it('is none when it happened after that end', async () => {
    const one = event({ dedup_key: 'disk', occurred_at: '2026-01-15T10:00:00.000Z' });
    await accept([
      one,
      again(one, { status: 'resolved', occurred_at: '2026-01-15T11:00:00.000Z' }),
      again(one, { occurred_at: '2026-01-15T11:00:01.000Z' }),
    ]);
    expect(await effects()).toEqual(['fired', 'resolved', 'fired']);
  });

  it('is none when the end was only our guess: an expired alert that its sender still reports fires again', async () => {
    const one = event({
      dedup_key: 'disk',
      occurred_at: '2026-01-15T10:00:00.000Z',
      expires_at: '2026-01-15T10:05:00.000Z',
    });
    await accept([one]);
    expect(await sweepExpired(ledger)).toBe(1);
    await accept([again(one, { expires_at: '2099-01-01T00:00:00.000Z' })]);
    expect(await kinds()).toEqual(['fired', 'expired', 'fired']);
  });

  it('is none when an operator ended the incident and the alert is said again', async () => {
    const one = event({ dedup_key: 'disk', occurred_at: '2026-01-15T10:00:00.000Z' });
    await accept([one]);
    await closeAll();
    await accept([again(one)]);
    expect(await effects()).toEqual(['fired', 'fired']);
  });
});

describe('the failure of an older build', () => {
  const build = (hour: number, more: object = {}) =>
    event({
      dedup_key: 'ci',
      type: 'build_failure',
      as_of: `2026-01-15T${hour}:00:00Z`,
      occurred_at: `2026-01-15T${hour}:59:00Z`,
      ...more,
    });
  const passed = (hour: number, more: object = {}) =>
    build(hour, { type: 'build_success', status: 'resolved', ...more });

  it('that comes after a newer one passed is late, although that had nothing to end', async () => {
    await accept([passed(12)]);
    await accept([build(11, { occurred_at: '2026-01-15T13:00:00Z' })]);
    expect(await effects()).toEqual(['none_open', 'late']);
    expect(await kinds()).toEqual([]);
    await accept([build(13)]);
    expect(await kinds()).toEqual(['fired']);
  });

  it('is late also in the same commit, and by the newest of all that passed', async () => {
    await accept([passed(14), passed(12), build(13)]);
    expect((await effects()).at(-1)).toBe('late');
    await accept([build(10), passed(11), build(13)]);
    expect((await effects()).at(-1)).toBe('late');
  });

  it('ends nothing of a newer one: that fires although the older one passed after it', async () => {
    await accept([build(10)]);
    await accept([passed(11, { occurred_at: '2026-01-15T15:00:00Z' })]);
    await accept([build(12)]);
    expect(await effects()).toEqual(['fired', 'resolved', 'fired']);
  });

  it('is none when the same build was run again, or another key passed', async () => {
    await accept([passed(12), passed(14, { dedup_key: 'other' })]);
    await accept([build(12, { occurred_at: '2026-01-15T12:59:30Z' })]);
    expect((await effects()).at(-1)).toBe('fired');
  });
});

describe('a lifecycle', () => {
  const jobs = routing([route({ name: 'jobs', policy: { lifecycle: 'job' }, group_by: [] })]);
  const chapter = (type: string, more: Partial<Event> = {}): Event =>
    event({ type, labels: { job: '7' }, severity: 'info', ...more });

  it('tells every event as a chapter of one story, which ends with its last word', async () => {
    await accept([chapter('job_started'), chapter('job_progress')], jobs);
    expect(await alerts()).toMatchObject([{ status: 'firing', count: 2 }]);
    await accept([chapter('job_completed')], jobs);
    expect(await kinds()).toEqual(['chapter', 'chapter', 'chapter']);
    expect(await alerts()).toMatchObject([{ status: 'resolved', count: 3 }]);
  });

  it('that begins with its end is told too', async () => {
    await accept([chapter('job_completed')], jobs);
    const [waiting] = await waitingInboxes(ledger);
    const claimed = await claim(ledger, waiting?.key ?? '');
    expect(claimed?.batch).toMatchObject({ number: 1, status: 'resolved', chapters: [[1, 1]] });
  });

  it('of another name is another story', async () => {
    await accept([chapter('job_started'), chapter('job_started', { labels: { job: '8' } })], jobs);
    expect(await waitingInboxes(ledger)).toHaveLength(2);
  });
});

describe('an inhibitor', () => {
  const quiet = routing([], {
    inhibitions: [
      { name: 'host', source: [matcher('type="host_down"')], target: [matcher('severity="warning"')], equal: ['host'] },
    ],
  });
  const down = (more: Partial<Event> = {}): Event =>
    event({ type: 'host_down', severity: 'critical', dedup_key: 'down', labels: { host: 'a' }, ...more });
  const warning = (): Event => event({ type: 'slow', severity: 'warning', labels: { host: 'a' } });

  it('keeps its targets quiet while it fires, and says so with the event', async () => {
    await accept([down()], quiet);
    await accept([warning()], quiet);
    expect(await kinds()).toEqual(['fired']);
    const [, held] = await ledger.query<{ decision: object }>(
      'select d.decision from events e join decisions d on d.id = e.decision order by e.seq',
    );
    expect(held?.decision).toMatchObject({ routes: [{ outcome: 'inhibited' }] });
  });

  it.each([
    ['before', () => [down(), warning()]],
    ['after', () => [warning(), down()]],
  ])('written %s what it keeps quiet, in one request, keeps it quiet', async (_, events) => {
    await accept(events(), quiet);
    expect((await effects()).sort()).toEqual(['', 'fired']);
    expect(await inbox()).toMatchObject([{ severity: 'critical' }]);
  });

  it('and another that each inhibits the other in one request do not keep everybody quiet: the first is told', async () => {
    const both = routing([], {
      inhibitions: ['host_down', 'slow'].map((type) => ({
        name: type,
        source: [matcher(`type="${type}"`)],
        target: [matcher(`type!="${type}"`)],
        equal: ['host'],
      })),
    });
    await accept([warning(), down()], both);
    expect(await effects()).toEqual(['fired', '']);
  });

  it('is over when it is resolved', async () => {
    const one = down();
    await accept([one], quiet);
    await accept([again(one, { status: 'resolved' })], quiet);
    await accept([warning()], quiet);
    expect(await kinds()).toEqual(['fired', 'resolved', 'fired']);
  });

  it('is over when its incident is closed', async () => {
    await accept([down()], quiet);
    await closeAll();
    await accept([warning()], quiet);
    expect(await kinds()).toContain('fired');
    expect((await effects()).at(-1)).toBe('fired');
  });

  it('of another host keeps nobody quiet', async () => {
    await accept([down({ labels: { host: 'b' } })], quiet);
    await accept([warning()], quiet);
    expect(await effects()).toEqual(['fired', 'fired']);
  });
});

describe('the group commit', () => {
  const counting = () => {
    let transactions = 0;
    const counted: Ledger = {
      ...ledger,
      call: (name, args) => {
        transactions++;
        return ledger.call(name, args);
      },
    };
    return { counted, transactions: () => transactions };
  };

  it('of requests that come together is one transaction, on PGlite two that are alike, and each is answered for its own events', async () => {
    const { counted, transactions } = counting();
    const door = createDoor(counted, { routing: routing() });
    const requests = Array.from({ length: 50 }, () => [event(), event()]);
    const answers = await Promise.all(requests.map((events) => door.accept(events)));
    expect(answers.map((accepted) => accepted.map(({ id }) => id))).toEqual(
      requests.map((events) => events.map(({ id }) => id)),
    );
    expect(transactions()).toBe({ pglite: 2, postgres: 1 }[ledger.kind]);
    expect(door.waiting()).toBe(0);
  });

  it('has at most a thousand events', async () => {
    const { counted, transactions } = counting();
    const door = createDoor(counted, { routing: routing() });
    await Promise.all([
      door.accept([event()]),
      ...Array.from({ length: 3 }, () => door.accept(Array.from({ length: 600 }, () => event()))),
    ]);
    // 601, 600 and 600: two of the large requests would be too many for one.
    expect(transactions()).toBe(3);
  });

  it('with a poisonous event fails that request alone', async () => {
    const door = createDoor(ledger, { routing: routing() });
    const poison = event({ title: 'a nul \u0000 that Postgres takes in no text' });
    const [first, poisoned, last] = await Promise.allSettled([
      door.accept([event()]),
      door.accept([poison]),
      door.accept([event()]),
    ]);
    expect([first?.status, poisoned?.status, last?.status]).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await kinds()).toEqual(['fired', 'fired']);
    expect(door.waiting()).toBe(0);
  });

  it('at one of several doors keeps what no other keeps meanwhile, in whatever order each is given it', async () => {
    // Routes of their own: no two of them lock the same keys.
    const doors = Array.from({ length: 4 }, (_, n) =>
      createDoor(ledger, { routing: routing([route({ name: `door ${n}` })]) }),
    );
    for (let round = 0; round < 5; round++) {
      const events = Array.from({ length: 20 }, () => event());
      const answers = await Promise.all(
        doors.map((door, n) =>
          door.accept(n % 2 === 0 ? events : events.toReversed()).then((all) => (n % 2 === 0 ? all : all.toReversed())),
        ),
      );
      const keptBy = events.map((_, at) => answers.filter((all) => all[at]?.duplicate === false).length);
      expect(keptBy).toEqual(events.map(() => 1));
    }
    expect(await kinds()).toEqual(Array.from({ length: 100 }, () => 'fired'));
  });

  it('that fails keeps nothing of it, and what comes after is taken', async () => {
    let isBroken = true;
    const breaking: Ledger = {
      ...ledger,
      call: (...given) => (isBroken ? Promise.reject(new Error('the ledger is away')) : ledger.call(...given)),
    };
    const door = createDoor(breaking, { routing: routing() });
    const one = event();
    await expect(door.accept([one])).rejects.toThrow('the ledger is away');
    isBroken = false;
    expect(await door.accept([one])).toEqual([{ id: one.id, duplicate: false }]);
  });

  it('wakes the relay when it has committed, not before', async () => {
    const seen: number[] = [];
    const stop = ledger.onWake(() => void seen.push(seen.length));
    await createDoor(ledger, { routing: routing() }).accept([event()]);
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    stop();
  });
});
