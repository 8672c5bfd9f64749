/** A delivery to an integration that the ledger keeps: opened for the send, its secret in no words, its time no longer than its activity's. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createDeliver, type DeliverInput } from '../../activities/deliver.ts';
import { type Channel, defineChannel, delivered, fromError, rejected, secret } from '../../src/channels/channel.ts';
import { createIntegrations } from '../../src/config/stored.ts';
import type { Event } from '../../src/core/event.ts';
import { openIncident, withBatch } from '../../src/core/incident.ts';
import { withRunning } from '../../src/core/rounds.ts';
import { boundTo } from '../../src/core/stored.ts';
import { withTelling } from '../../src/core/telling.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { addIntegration, storedIntegrations } from '../../src/ledger/integrations.ts';
import { createSealer, newSealingKey } from '../../src/ledger/sealing.ts';
import { createRedactor } from '../../src/observe/redact.ts';
import { asActivity, depsFor } from '../support/activity-world.ts';
import { one, opened, openTestLedger, routing } from '../support/ledger.ts';

const SECRET = 'canary-token-of-the-ledger';
const sealer = createSealer(newSealingKey());

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const config = z.strictObject({ token: secret('Token', 'Of the test.'), room: z.string().default('main') });
const channelBy = (send: (call: Parameters<Channel['send']>[0]) => ReturnType<Channel['send']>): Channel => ({
  ...defineChannel({
    id: 'made',
    name: 'Made of values',
    setup: 'Nothing to do.',
    config,
    sample: { token: 'x' },
    can: { thread: false, update: false },
    patience: { timeout_ms: 10_000, max_attempts: 1, backoff_ms: 1 },
    send: async () => delivered(),
  }),
  send,
});

/** Tells the stored integration `chat` of an incident of its own through this channel, with these keys. */
async function told(
  channel: Channel,
  {
    open = sealer.open,
    policy = {},
    settings: own = {},
    event = {},
  }: { open?: typeof sealer.open; policy?: object; settings?: { [name: string]: string }; event?: Partial<Event> } = {},
) {
  const row = { name: 'chat', type: 'made', owner: null, config: {}, settings: own };
  const secrets = sealer.seal(JSON.stringify([[['token'], SECRET]]), boundTo(row));
  await addIntegration(ledger, { ...row, secrets }, { fields: [] }, { by: 'ana', key: 'k1' });
  const redactor = createRedactor();
  const deps = depsFor({ ledger, channels: [channel], integrations: [], redactor });
  const { named } = createIntegrations({
    file: new Map(),
    registry: { channels: [channel], writers: [] },
    rows: () => storedIntegrations(ledger),
    open,
    redactor,
  });
  const { opening, batch } = await opened(ledger, routing(), event);
  const settings = { ...opening.policy, ...policy };
  const folded = withBatch(openIncident(opening.id, settings, opening.epoch, opening.opened_at), batch);
  const snapshot = withRunning(withTelling(folded, { reason: 'group_now', targets: ['chat'] }, Date.now()), ['chat']);
  const out = snapshot.targets.chat?.current as DeliverInput['out'];
  const deliver = createDeliver({ ...deps, integrationNamed: named });
  const ended = await asActivity(() => deliver({ incident: opening.id, target: 'chat', out, snapshot })).catch(
    (error: unknown) => error,
  );
  const delivery = await one<{ status: string; failure: string | null; detail: string | null }>(
    ledger,
    'select status, failure, detail from deliveries',
  );
  return { ended, delivery, lines: deps.lines.join('') };
}

describe('a stored integration', () => {
  it('is told with its secret and the defaults of its channel', async () => {
    const configs: unknown[] = [];
    const { delivery } = await told(
      channelBy(async (call) => {
        configs.push(call.config);
        return delivered();
      }),
    );
    expect(configs).toEqual([{ token: SECRET, room: 'main' }]);
    expect(delivery).toMatchObject({ status: 'delivered' });
  });

  it('has its secret in no detail, attempt or line of the log, though the vendor repeats it', async () => {
    const { delivery, lines } = await told(channelBy(async () => rejected('auth', `no such token: ${SECRET}`)));
    expect(delivery).toMatchObject({
      status: 'dead',
      failure: 'auth',
      detail: expect.stringContaining('no such token'),
    });
    const attempts = await ledger.query('select * from attempts');
    expect(attempts).toHaveLength(1);
    expect(JSON.stringify([delivery, attempts, lines])).not.toContain('canary');
  });

  it('with privacy is given nothing that recognises a person, whatever channel it is of', async () => {
    const notices: unknown[] = [];
    const { delivery } = await told(
      channelBy(async ({ notice }) => {
        notices.push(notice);
        return delivered();
      }),
      { settings: { privacy: 'mask' }, event: { type: 'user_registered', title: 'New user ana.kim@example.com' } },
    );
    expect(delivery).toMatchObject({ status: 'delivered' });
    expect(notices).toMatchObject([{ alerts: [{ title: 'New user a•••@example.com' }] }]);
    expect(JSON.stringify(notices)).not.toContain('ana.kim');
  });

  it('that no key opens is dead at once, with what to do, and nothing is sent', async () => {
    const channel = channelBy(async () => Promise.reject(new Error('sent')));
    const { ended, delivery } = await told(channel, { open: createSealer(newSealingKey()).open });
    expect(ended).toEqual({ outcome: 'failed', dead: true });
    expect(delivery).toMatchObject({
      status: 'dead',
      failure: 'config',
      detail: expect.stringContaining('no key opens its secrets'),
    });
    expect(await ledger.query('select * from attempts')).toEqual([]);
  });

  it('may not take longer than the activity that the incident’s policy made room for', async () => {
    const hanging = channelBy(
      ({ signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve(fromError(signal.reason, signal)));
        }),
    );
    const began = performance.now();
    const { ended } = await told(hanging, { policy: { patience: { chat: { timeout_ms: 50, backoff_ms: 1 } } } });
    expect(ended).toMatchObject({ outcome: 'failed' });
    expect(performance.now() - began).toBeLessThan(8_000);
    expect(await one(ledger, 'select reason from attempts')).toEqual({ reason: 'timeout' });
  });
});
