/** Attempts whose answer was lost: looked up where the provider can be asked, else by severity told again or rather not. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDeliver, type DeliverInput } from '../../activities/deliver.ts';
import { type Channel, delivered, fromStatus, type Outcome, retry } from '../../src/channels/channel.ts';
import { channels } from '../../src/channels/index.ts';
import type { Integration } from '../../src/config/integrations.ts';
import { afterLost } from '../../src/core/doubt.ts';
import { SEVERITIES, type Severity } from '../../src/core/event.ts';
import { openIncident, withBatch } from '../../src/core/incident.ts';
import { withRunning } from '../../src/core/rounds.ts';
import { withTelling } from '../../src/core/telling.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { beginAttempt } from '../../src/ledger/deliveries.ts';
import { asActivity, depsFor, integrationOf } from '../support/activity-world.ts';
import { one, opened, openTestLedger, routing } from '../support/ledger.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const LOST = retry('timeout', 'no answer within the timeout', { ambiguous: true });

async function page(severity: Severity): Promise<DeliverInput> {
  const { opening, batch } = await opened(ledger, routing(), { severity });
  const folded = withBatch(openIncident(opening.id, opening.policy, opening.epoch, opening.opened_at), batch);
  const snapshot = withRunning(withTelling(folded, { reason: 'group_now', targets: ['chat'] }, Date.now()), ['chat']);
  const out = snapshot.targets.chat?.current;
  if (!out) throw new Error('nothing to send');
  return { incident: opening.id, target: 'chat', out, snapshot };
}

interface Given {
  severity?: Severity;
  on_ambiguous?: 'resend' | 'drop';
  channel?: Partial<Channel>;
  /** The HTTP status of each answer, where one came. */
  statuses?: number[];
}

/** Tells `chat` as often as there are outcomes, one attempt after the other; how often it was sent, and what is known of it. */
async function told(outcomes: Outcome[], { severity = 'error', on_ambiguous, channel, statuses = [] }: Given = {}) {
  let sent = 0;
  const chat: Channel = {
    ...(channels[0] as Channel),
    id: 'chat',
    ...channel,
    async send({ fetch }) {
      if (statuses[sent] !== undefined) await fetch('http://vendor.example/');
      return outcomes[sent++] ?? delivered();
    },
  };
  const more: Partial<Integration> = on_ambiguous === undefined ? {} : { on_ambiguous };
  const { on_ambiguous: _, ...integration } = integrationOf(chat);
  const deps = depsFor({ ledger, channels: [chat], integrations: [{ ...integration, ...more }] });
  const fetch = async () => new Response(null, { status: statuses[sent] ?? 200 });
  const deliver = createDeliver({ ...deps, egress: { ...deps.egress, fetch } });
  const input = await page(severity);
  for (let attempts = 0; attempts <= outcomes.length; attempts++)
    await asActivity(() => deliver(input)).catch(() => undefined);
  const row = await one<{ status: string; failure: string | null; detail: string | null }>(
    ledger,
    'select status, failure, detail from deliveries',
  );
  return { sent, ...row };
}

describe('the answer that is lost', () => {
  it.each(SEVERITIES)('decides by severity unless the integration says it: %s', (severity) => {
    expect(afterLost(undefined, severity)).toBe(severity === 'info' ? 'drop' : 'resend');
    expect(afterLost('resend', severity)).toBe('resend');
    expect(afterLost('drop', severity)).toBe('drop');
  });

  it.each<[Severity, Given['on_ambiguous'], string]>([
    ['critical', undefined, 'delivered'],
    ['error', undefined, 'delivered'],
    ['warning', undefined, 'delivered'],
    ['info', undefined, 'dead'],
    ['info', 'resend', 'delivered'],
    ['critical', 'drop', 'dead'],
  ])('of %s with on_ambiguous %s is %s in the end', async (severity, on_ambiguous, status) => {
    const result = await told([LOST], { severity, ...(on_ambiguous ? { on_ambiguous } : {}) });
    expect(result).toMatchObject({ status, sent: status === 'dead' ? 1 : 2 });
    if (status === 'dead')
      expect(result).toMatchObject({ failure: 'answer_lost', detail: expect.stringMatching(/lost/) });
  });

  it('is asked for where the provider knows, and nothing is sent that is there', async () => {
    const find = async () => ({ ts: '9' });
    expect(await told([LOST], { severity: 'info', channel: { find } })).toMatchObject({ status: 'delivered', sent: 1 });
    expect(await one(ledger, 'select ref from threads')).toEqual({ ref: { ts: '9' } });
  });

  it('is sent again when it surely is not there, whatever on_ambiguous says', async () => {
    const find = async () => undefined;
    expect(await told([LOST], { on_ambiguous: 'drop', channel: { find } })).toMatchObject({
      status: 'delivered',
      sent: 2,
    });
  });

  it('stays in doubt as long as nobody has been asked, whatever failed in between', async () => {
    let asked = 0;
    const find = async () => {
      asked++;
      if (asked === 1) throw new Error('the look-up is away');
      return { ts: '9' };
    };
    const refused = retry('rate_limited', 'later');
    expect(await told([LOST, refused], { channel: { find } })).toMatchObject({ status: 'delivered', sent: 2 });
    expect(asked).toBe(2);
  });

  it('is sent again to a receiver that knows a repeat by its key', async () => {
    expect(await told([LOST], { severity: 'info', channel: { recognises: true } })).toMatchObject({
      status: 'delivered',
      sent: 2,
    });
  });

  it('of an attempt that nobody recorded the end of is lost as well, and says nothing against the integration', async () => {
    const input = await page('info');
    await beginAttempt(ledger, { ...input, channel: 'chat' });
    const chat: Channel = { ...(channels[0] as Channel), id: 'chat', send: () => Promise.reject(new Error('sent')) };
    const { on_ambiguous: _, ...integration } = integrationOf(chat);
    const deliver = createDeliver(depsFor({ ledger, channels: [chat], integrations: [integration] }));
    expect(await asActivity(() => deliver(input))).toEqual({ outcome: 'failed', dead: true });
    expect(await one(ledger, 'select failure from deliveries')).toEqual({ failure: 'answer_lost' });
    expect(await ledger.query('select 1 from integration_health')).toEqual([]);
  });
});

describe('no answer is lost', () => {
  const info = (outcome: Outcome, statuses?: number[]) =>
    told([outcome], { severity: 'info', ...(statuses ? { statuses } : {}) });

  it('where nothing went out: what only informs is tried again', async () => {
    expect(await info(retry('network', 'could not connect'))).toMatchObject({ status: 'delivered', sent: 2 });
  });

  it('where the provider says itself that it failed, but for a gateway that speaks for another', async () => {
    const outcome = (status: number) => fromStatus(status, new Headers(), new Date());
    expect(await info(outcome(500), [500])).toMatchObject({ status: 'delivered', sent: 2 });
    await empty();
    expect(await info(outcome(503), [503])).toMatchObject({ status: 'delivered', sent: 2 });
    await empty();
    expect(await info(outcome(502), [502])).toMatchObject({ status: 'dead', failure: 'answer_lost', sent: 1 });
  });

  it('but a provider that can be asked is asked even then', async () => {
    const find = async () => ({ ts: '9' });
    const outcome = fromStatus(500, new Headers(), new Date());
    expect(await told([outcome], { statuses: [500], channel: { find } })).toMatchObject({
      status: 'delivered',
      sent: 1,
    });
  });
});

it('channels whose receivers know a repeat say so', () => {
  expect(
    channels
      .filter(({ recognises }) => recognises)
      .map(({ id }) => id)
      .sort(),
  ).toEqual(['linear', 'pagerduty', 'webhook']);
});
