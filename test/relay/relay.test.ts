import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Batch, openIncident } from '../../src/core/incident.ts';
import { withRunning } from '../../src/core/rounds.ts';
import { withTelling } from '../../src/core/telling.ts';
import { command } from '../../src/ledger/answers.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { beginAttempt } from '../../src/ledger/deliveries.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { requestSend, waitingSends } from '../../src/ledger/sends.ts';
import { createLog } from '../../src/observe/log.ts';
import { type Carrier, createRelay } from '../../src/relay/relay.ts';
import { event, openTestLedger, routing } from '../support/ledger.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

/** A relay with a clock of its own and a far side that notes what reaches it. */
function relayTo(overrides: Partial<Carrier> = {}, arriving?: () => number, asked: Ledger = ledger) {
  let now = 1_000_000;
  const batches: Batch[] = [];
  const nudges: string[] = [];
  const lines: string[] = [];
  const log = createLog({
    level: 'warn',
    secrets: [],
    destination: { write: (line: string) => void lines.push(line) },
  });
  const carrier: Carrier = {
    batch: async (_, batch) => void batches.push(batch),
    nudge: async ({ id }) => void nudges.push(id),
    send: async () => undefined,
    ...overrides,
  };
  const relay = createRelay({ ledger: asked, carrier, log, now: () => now, ...(arriving ? { arriving } : {}) });
  const passes = (ms: number): void => {
    now += ms;
  };
  return { relay, batches, nudges, lines, passes };
}

const post = (...services: string[]) =>
  createDoor(ledger, { routing: routing() }).accept(services.map((service) => event({ service, severity: 'warning' })));
const numbers = (batches: Batch[]): string[] => batches.map(({ incident, number }) => `${incident}/${number}`);
const signalled = async (): Promise<number> =>
  (await ledger.query('select 1 from batches where signalled_at is not null')).length;

describe('a look of the relay', () => {
  it('carries each waiting inbox as one batch, and marks it', async () => {
    const { relay, batches } = relayTo();
    await post('till', 'shop', 'till');
    await relay.tick();
    expect(batches.map(({ rows }) => rows.length).sort()).toEqual([1, 2]);
    expect(await signalled()).toBe(2);
    await relay.tick();
    expect(batches).toHaveLength(2);
  });

  it('paces further alerts of one incident, and not an answer', async () => {
    const { relay, batches, passes } = relayTo();
    await post('till');
    await relay.tick();
    await post('till');
    await relay.tick();
    expect(batches).toHaveLength(1);
    passes(250);
    await relay.tick();
    expect(batches).toHaveLength(2);
    await command(ledger, batches[0]?.incident ?? '', { kind: 'ack' }, { by: 'ana', key: 'k1' });
    await relay.tick();
    expect(batches[2]).toMatchObject({ number: 3, status: 'acknowledged' });
  });

  it('leaves the machine to a crowd at the door for two seconds at most, but for what is critical and for answers', async () => {
    let crowd = 0;
    const { relay, batches, passes } = relayTo({}, () => crowd);
    await post('till');
    await relay.tick();
    const [{ incident = '' } = {}] = batches;
    crowd = 500;
    await post('shop', 'shelf');
    await relay.tick();
    await command(ledger, incident, { kind: 'ack' }, { by: 'ana', key: 'k1' });
    await relay.tick();
    expect(numbers(batches)).toEqual([`${incident}/1`, `${incident}/2`]);
    const urgent = event({ service: 'fire', severity: 'critical' });
    await createDoor(ledger, { routing: routing() }).accept([urgent]);
    await relay.tick();
    expect(batches).toHaveLength(3);
    passes(1_999);
    await relay.tick();
    expect(batches).toHaveLength(3);
    passes(1);
    await relay.tick();
    expect(batches).toHaveLength(5);
    await post('another');
    await relay.tick();
    expect(batches, 'two seconds again').toHaveLength(5);
    crowd = 0;
    await relay.tick();
    expect(batches).toHaveLength(6);
  });

  it.each([
    ['one at a time while a crowd is at the door', 500, 1],
    ['all at once while there is none', 0, 8],
  ])('claims %s', async (_, crowd, at_once) => {
    let claiming = 0;
    let most = 0;
    const call: Ledger['call'] = async (name, args) => {
      if (name !== 'claim') return ledger.call(name, args);
      most = Math.max(most, ++claiming);
      return ledger.call(name, args).finally(() => {
        claiming--;
      });
    };
    const { relay, batches } = relayTo({}, () => crowd, { ...ledger, call });
    const fires = Array.from({ length: 8 }, (_, at) => event({ service: `fire-${at}`, severity: 'critical' }));
    await createDoor(ledger, { routing: routing() }).accept(fires);
    await relay.tick();
    expect(batches).toHaveLength(8);
    expect(most).toBe(at_once);
  });

  it('sends a batch that the far side did not take again as it was, after it has rested', async () => {
    let isAway = true;
    const taken: Batch[] = [];
    const { relay, passes, lines } = relayTo({
      batch: async (_, batch) => {
        if (isAway) throw new Error('Temporal is away');
        taken.push(batch);
      },
    });
    await post('till');
    await relay.tick();
    expect(lines.join('')).toContain('it will be sent again');
    const [stored] = await ledger.query<{ batch: Batch }>('select batch from batches');
    isAway = false;
    await post('till');
    await relay.tick();
    expect(taken).toEqual([]);
    await ledger.query(`update batches set claimed_at = claimed_at - interval '11 seconds'`);
    passes(30_000);
    await relay.tick();
    expect(taken.find(({ number }) => number === 1)).toEqual(stored?.batch);
    expect(await signalled()).toBe(2);
  });

  it('holds up only the incident whose signal hangs', async () => {
    const reached: string[] = [];
    let letGo = (): void => undefined;
    const hanging = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const { relay, passes } = relayTo({
      batch: (opening) => {
        reached.push(opening.service);
        return opening.service === 'stuck' ? hanging : Promise.resolve();
      },
    });
    await post('stuck');
    const first = relay.tick();
    await expect.poll(() => reached).toEqual(['stuck']);
    await post('till', 'stuck');
    passes(10_000);
    await relay.tick();
    expect(reached).toEqual(['stuck', 'till']);
    letGo();
    await first;
    passes(10_000);
    await relay.tick();
    expect(reached).toEqual(['stuck', 'till', 'stuck']);
  });

  it('nudges what is overdue, at its first look and then every 30 s', async () => {
    const { relay, batches, nudges, passes } = relayTo();
    await post('till');
    await relay.tick();
    await ledger.query(`update incidents set due_at = now() - interval '1 minute'`);
    await relay.tick();
    expect(nudges).toEqual([]);
    passes(30_000);
    await relay.tick();
    expect(nudges).toEqual([batches[0]?.incident]);
    const again = relayTo();
    await again.relay.tick();
    expect(again.nudges).toEqual([batches[0]?.incident]);
  });

  it('carries the ends of alerts whose time has run out', async () => {
    const { relay, batches, passes } = relayTo();
    await createDoor(ledger, { routing: routing() }).accept([
      event({ service: 'till', expires_at: '2020-01-01T00:00:00.000Z' }),
    ]);
    await relay.tick();
    passes(2_000);
    await relay.tick();
    expect(batches.at(-1)).toMatchObject({
      status: 'resolved',
      rows: expect.arrayContaining([expect.objectContaining({ kind: 'expired' })]),
    });
  });

  it('starts what was asked for outside of incidents, once', async () => {
    const started: number[] = [];
    const { relay } = relayTo({ send: async ({ id }) => void started.push(id) });
    const id = await requestSend(ledger, { kind: 'test', target: 'chat' }, { by: 'ana', key: 'k1' });
    await relay.tick();
    await relay.tick();
    expect(started).toEqual([id]);
    expect(await waitingSends(ledger)).toEqual([]);
  });

  it('does not nudge an incident whose delivery is on its way', async () => {
    const { relay, batches, nudges, passes } = relayTo();
    await post('till');
    await relay.tick();
    const [batch] = batches;
    const [row] = await ledger.query<{ policy: Parameters<typeof openIncident>[1] }>('select policy from policies');
    if (!batch || !row) throw new Error('nothing was opened');
    const state = withRunning(
      withTelling(
        openIncident(batch.incident, row.policy, batch.epoch, batch.at),
        { reason: 'group_wait', targets: ['chat'] },
        batch.at,
      ),
      ['chat'],
    );
    await ledger.query(`update incidents set due_at = now() - interval '1 minute'`);
    const out = state.targets.chat?.current;
    if (out)
      await beginAttempt(ledger, { incident: batch.incident, target: 'chat', channel: 'stdout', out, snapshot: state });
    passes(60_000);
    await relay.tick();
    expect(nudges).toEqual([]);
  });
});

describe('a relay that runs', () => {
  it('wakes when rows come, and stops when it is told to', async () => {
    const { relay, batches } = relayTo();
    relay.start();
    await post('till');
    await expect.poll(() => numbers(batches)).toHaveLength(1);
    await relay.stop();
    await post('shop');
    expect(batches).toHaveLength(1);
  });
});
