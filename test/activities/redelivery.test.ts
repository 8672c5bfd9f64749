/** A delivery sent again by hand: every attempt is kept, a cancelled one is not sent, and a success tells that the integration works. */
import { ApplicationFailure, asyncLocalStorage, type Context } from '@temporalio/activity';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createSendOnce } from '../../activities/send-once.ts';
import { type Channel, defineChannel, delivered, type Outcome, rejected, retry } from '../../src/channels/channel.ts';
import type { Notice } from '../../src/core/notice.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { noteFailure, unwell } from '../../src/ledger/health.ts';
import { deliveryOfId } from '../../src/ledger/reading.ts';
import { cancelDelivery, type Redelivery, requestRedeliveries } from '../../src/ledger/redelivery.ts';
import { requestSend, sendResult } from '../../src/ledger/sends.ts';
import { depsFor, integrationOf } from '../support/activity-world.ts';
import { attempted, deliveryOf } from '../support/deliveries.ts';
import { openTestLedger } from '../support/ledger.ts';
import { SECOND } from '../support/policies.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const ana = { by: 'ana', key: 'k1' };

/** The activity over two integrations of a channel that answers these, one after the other. */
function sendingBy(outcomes: Outcome[]) {
  const told: Notice[] = [];
  const channel: Channel = defineChannel({
    id: 'made',
    name: 'Made of values',
    setup: 'Nothing to do.',
    config: z.object({}),
    sample: {},
    can: { thread: true, update: false },
    patience: { timeout_ms: 10 * SECOND, max_attempts: 4, backoff_ms: 5 * SECOND },
    async send({ notice }) {
      told.push(notice);
      const outcome = outcomes.shift();
      if (!outcome) throw new Error('no outcome is left');
      return outcome;
    },
  });
  const deps = depsFor({
    ledger,
    channels: [channel],
    integrations: ['chat', 'mail'].map((name) => integrationOf(channel, { name })),
  });
  const sendOnce = createSendOnce(deps);
  const run = (send: number, attempt = 1) => {
    const context = { info: { attempt }, cancellationSignal: new AbortController().signal };
    return asyncLocalStorage.run(context as unknown as Context, () => sendOnce({ send }));
  };
  return { run, told };
}

/** A dead delivery, and a request to send it again. */
async function asked(how: Partial<Redelivery> = {}): Promise<{ id: number; key: string; send: number }> {
  const dead = await attempted(ledger, { status: 'dead', reason: 'server' });
  const { id } = await deliveryOf(ledger, dead);
  const { asked } = await requestRedeliveries(ledger, { ids: [id] }, { new_key: false, ...how }, ['chat', 'mail'], ana);
  const { delivery, send } = asked[0] ?? { delivery: '', send: 0 };
  return { id: (await deliveryOf(ledger, delivery)).id, key: delivery, send };
}

describe('a delivery that is sent again', () => {
  it('keeps each attempt, under the one key', async () => {
    const { run, told } = sendingBy([retry('server', 'HTTP 502'), delivered({ ts: '1' })]);
    const { id, key, send } = await asked();
    await expect(run(send)).rejects.toBeInstanceOf(ApplicationFailure);
    expect(await deliveryOfId(ledger, id)).toMatchObject({ status: 'dead', attempts: 2 });
    expect(await run(send, 2)).toEqual({ outcome: 'delivered' });
    expect(await deliveryOfId(ledger, id)).toMatchObject({
      status: 'delivered',
      attempts: 3,
      attempts_made: [
        { outcome: 'dead' },
        { outcome: 'retrying', reason: 'server', detail: 'HTTP 502', code: '502', latency_ms: expect.any(Number) },
        { outcome: 'delivered' },
      ],
    });
    expect(told.map(({ delivery }) => delivery)).toEqual([
      { key, attempt: 2 },
      { key, attempt: 3 },
    ]);
  });

  it('under a new key is told by it, and stands as a delivery of its own', async () => {
    const { run, told } = sendingBy([retry('server', 'HTTP 502'), rejected('auth', 'HTTP 401')]);
    const { id, key, send } = await asked({ new_key: true });
    await expect(run(send)).rejects.toBeInstanceOf(ApplicationFailure);
    expect(await deliveryOfId(ledger, id)).toMatchObject({ status: 'failed', attempts: 1, failure: 'server' });
    expect(await run(send, 2)).toEqual({ outcome: 'auth' });
    expect(await deliveryOfId(ledger, id)).toMatchObject({ status: 'dead', attempts: 2, failure: 'auth' });
    expect(told.map(({ delivery }) => delivery.key)).toEqual([key, key]);
  });

  it('to another integration is told there, and begins a thread there', async () => {
    const { run, told } = sendingBy([delivered({ ts: 'mail-1' })]);
    const { id, key, send } = await asked({ to: { name: 'mail', channel: 'made' } });
    expect(await run(send)).toEqual({ outcome: 'delivered' });
    expect(told).toMatchObject([{ reason: 'group_now', headline: 'Checkout fails', delivery: { key } }]);
    expect(await deliveryOfId(ledger, id)).toMatchObject({ status: 'delivered', target: 'mail' });
    expect(await ledger.query('select target, ref from threads')).toEqual([{ target: 'mail', ref: { ts: 'mail-1' } }]);
  });

  it('and is cancelled before that is not sent; asked for again after that, it is', async () => {
    const { run, told } = sendingBy([delivered()]);
    const { id, send } = await asked({ new_key: true });
    await cancelDelivery(ledger, id, ana);
    expect(await run(send)).toEqual({ outcome: 'cancelled' });
    expect(told).toEqual([]);
    expect(await sendResult(ledger, send)).toMatchObject({ ended: true, outcome: { reason: 'cancelled' } });
    const again = await requestRedeliveries(ledger, { ids: [id] }, { new_key: false }, ['chat'], ana);
    expect(await run(again.asked[0]?.send ?? 0)).toEqual({ outcome: 'delivered' });
    expect(await deliveryOfId(ledger, id)).toMatchObject({ status: 'delivered' });
  });

  it('to an integration that has gone meanwhile is dead, and does not wait for ever', async () => {
    const { run } = sendingBy([]);
    const { id, send } = await asked({ to: { name: 'vanished', channel: 'made' } });
    expect(await run(send)).toEqual({ outcome: 'config' });
    expect(await deliveryOfId(ledger, id)).toMatchObject({ status: 'dead', failure: 'config' });
  });
});

it('a test that arrives enables an integration that was disabled', async () => {
  await noteFailure(ledger, 'chat', { channel: 'webhook', failure: 'gone', code: '410', dead: true }, 'HTTP 410');
  expect((await unwell(ledger)).get('chat')).toMatchObject({ state: 'disabled' });
  const { run } = sendingBy([rejected('gone', 'HTTP 410'), delivered()]);
  await run(await requestSend(ledger, { kind: 'test', target: 'chat' }, ana));
  expect((await unwell(ledger)).size).toBe(1);
  await run(await requestSend(ledger, { kind: 'test', target: 'chat' }, ana));
  expect((await unwell(ledger)).size).toBe(0);
});
