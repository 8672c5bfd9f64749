/** The working state that operators set: told once to the webhooks that have a word for it, and to nobody else. */
import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createSendOnce } from '../../activities/send-once.ts';
import type { Channel } from '../../src/channels/channel.ts';
import { channels } from '../../src/channels/index.ts';
import { webhook } from '../../src/channels/webhook.ts';
import { command, type WorkingState } from '../../src/ledger/answers.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { waitingSends } from '../../src/ledger/sends.ts';
import { depsFor, integrationOf } from '../support/activity-world.ts';
import { attempted, notice } from '../support/deliveries.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../support/fakes/webhook-receiver.ts';
import { openTestLedger } from '../support/ledger.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
let receiver: WebhookReceiver;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(async () => {
  await empty();
  receiver = await startWebhookReceiver();
});
afterEach(() => receiver.close());
afterAll(() => ledger.close());

const ana = { by: 'ana', key: 'k1' };

/** An incident that `chat` has heard of. */
async function heardOf(status: 'delivered' | 'dead' = 'delivered'): Promise<string> {
  const sent = await notice(ledger);
  await attempted(ledger, { status }, sent);
  return sent.incident;
}
const set = (incident: string, state: WorkingState | null, tell = ['chat']) =>
  command(ledger, incident, { kind: 'state', state, ...(state === null ? {} : { tell }) }, ana);

/** Sends what waits, as the workflow send-one does, each row once. */
const done = new Set<number>();
async function sendAll(): Promise<string[]> {
  const channel = webhook as unknown as Channel;
  const config = webhook.config.parse({ url: receiver.url, format: 'incident-v1' });
  const integrations = [integrationOf(channel, { name: 'chat', config: { ...config } })];
  const sendOnce = createSendOnce(depsFor({ ledger, channels, integrations }));
  const outcomes: string[] = [];
  for (const { id } of await waitingSends(ledger)) {
    if (done.has(id)) continue;
    done.add(id);
    const context = { info: { attempt: 1 }, cancellationSignal: new AbortController().signal };
    const { outcome } = await asyncLocalStorage.run(context as unknown as Context, () => sendOnce({ send: id }));
    outcomes.push(outcome);
  }
  return outcomes;
}
beforeEach(() => done.clear());
const posted = () =>
  receiver.hits.map(({ body }) => {
    const { event_type, incident } = body as { event_type: string; incident: { state: string } };
    return [event_type, incident.state];
  });

describe('a working state', () => {
  it.each<[WorkingState, string]>([
    ['triaged', 'Triaged'],
    ['investigating', 'Investigating'],
    ['remediating', 'Remediating'],
  ])('%s is told once as the event of its name', async (state, word) => {
    const incident = await heardOf();
    await set(incident, state);
    expect(await set(incident, state)).toMatchObject({ outcome: 'already' });
    expect(await sendAll()).toEqual(['delivered']);
    expect(posted()).toEqual([[`incident.${state}`, word]]);
    expect(await ledger.query(`select target, reason, status, page from deliveries where reason = 'working'`)).toEqual([
      { target: 'chat', reason: 'working', status: 'delivered', page: false },
    ]);
  });

  it('is told each time that it changes, also back to one that was told before', async () => {
    const incident = await heardOf();
    for (const state of ['triaged', 'investigating', 'triaged'] as const) {
      await set(incident, state);
      await sendAll();
    }
    expect(posted().map(([type]) => type)).toEqual(['incident.triaged', 'incident.investigating', 'incident.triaged']);
    expect(new Set(receiver.hits.map(({ id }) => id)).size).toBe(3);
  });

  it('that was overtaken before it was sent is not told any more', async () => {
    const incident = await heardOf();
    await set(incident, 'triaged');
    await set(incident, 'investigating');
    expect(await sendAll()).toEqual(['superseded', 'delivered']);
    expect(posted()).toEqual([['incident.investigating', 'Investigating']]);
    await set(incident, 'remediating');
    await command(ledger, incident, { kind: 'resolve' }, ana);
    expect(await sendAll()).toEqual(['superseded']);
    expect(receiver.hits).toHaveLength(1);
    expect(await ledger.query(`select status from deliveries where reason = 'working' order by number`)).toEqual([
      { status: 'superseded' },
      { status: 'delivered' },
      { status: 'superseded' },
    ]);
  });

  it('is not told to who has not heard of the incident or has no word for it, nor when it is cleared', async () => {
    const unheard = await heardOf('dead');
    await set(unheard, 'triaged');
    const heard = await heardOf();
    await set(heard, 'triaged', []);
    await set(heard, null);
    expect(await waitingSends(ledger)).toEqual([]);
  });
});

it('only a webhook of format incident-v1 has a word for it', () => {
  const wants = (config: object) => webhook.wants?.(webhook.config.parse({ url: 'https://example.com', ...config }));
  expect(wants({ format: 'incident-v1' })).toEqual(['working']);
  expect(wants({ format: 'incident-v1', template: { text: 'told' } })).toEqual([]);
  expect(wants({})).toEqual([]);
  expect(channels.filter((channel: Channel) => channel.wants).map(({ id }) => id)).toEqual(['webhook']);
});
