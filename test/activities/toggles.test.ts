/** The switches by type of event at work: seven types at every channel of the list, on and off; and what else they mean. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDeliver, type DeliverInput } from '../../activities/deliver.ts';
import { type Channel, delivered } from '../../src/channels/channel.ts';
import { channels } from '../../src/channels/index.ts';
import type { Event, Severity } from '../../src/core/event.ts';
import { type Incident, openIncident, withBatch } from '../../src/core/incident.ts';
import type { Reason } from '../../src/core/notice.ts';
import { withRunning } from '../../src/core/rounds.ts';
import { withTelling } from '../../src/core/telling.ts';
import { TOGGLES, type Toggles } from '../../src/core/toggles.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { asActivity, depsFor, integrationOf } from '../support/activity-world.ts';
import { arrive, event, one, openTestLedger, route, routing } from '../support/ledger.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

/** The channel with a `send` that only counts. */
function counting(channel: Channel, sent: string[]): Channel {
  return {
    ...channel,
    async send() {
      sent.push(channel.id);
      return delivered();
    },
  };
}

/** An incident of these events, told to these targets for this reason. */
async function incidentOf(
  events: Partial<Event>[],
  targets: string[],
  reason: Reason = 'group_now',
  lifecycle?: string,
) {
  const by = routing([route({ policy: { notify: targets, ...(lifecycle ? { lifecycle } : {}) } })]);
  const claims = await arrive(
    ledger,
    events.map((one) => event(one)),
    by,
  );
  const [first] = claims;
  if (!first) throw new Error('no incident was opened');
  const { opening, batch } = first;
  const folded = withBatch(openIncident(opening.id, opening.policy, opening.epoch, opening.opened_at), batch);
  const chapter = lifecycle ? batch.chapters?.[0] : undefined;
  const telling = { reason, targets, ...(chapter ? { chapter } : {}) };
  return withRunning(withTelling(folded, telling, Date.now()), targets);
}

function inputFor(snapshot: Incident, target: string): DeliverInput {
  const out = snapshot.targets[target]?.current;
  if (!out) throw new Error('nothing to send');
  return { incident: snapshot.id, target, out, snapshot };
}

/** Tells one integration with these switches of these events: how it ended, and what the ledger says of it. */
async function told(
  events: Partial<Event>[],
  toggles: Toggles,
  more: Parameters<typeof incidentOf>[2] = 'group_now',
  lifecycle?: string,
) {
  const sent: string[] = [];
  const chat = counting({ ...(channels[0] as Channel), id: 'chat' }, sent);
  const deliver = createDeliver(
    depsFor({ ledger, channels: [chat], integrations: [integrationOf(chat, { events: toggles })] }),
  );
  const snapshot = await incidentOf(events, ['chat'], more, lifecycle);
  const { outcome } = await asActivity(() => deliver(inputFor(snapshot, 'chat')));
  const { status, detail, attempts } = await one<{ status: string; detail: string | null; attempts: number }>(
    ledger,
    'select status, detail, attempts from deliveries',
  );
  return { outcome, status, detail, attempts, sent: sent.length };
}

describe.each(Object.entries(TOGGLES))('an event of type %s', (type, toggle) => {
  it.each(channels.map(({ id }) => id))(`is told by %s unless ${toggle} is off`, async (id) => {
    const channel = channels.find((one) => one.id === id) as Channel;
    const sent: string[] = [];
    const counted = counting(channel, sent);
    const others = Object.fromEntries(Object.values(TOGGLES).map((name) => [name, name === toggle]));
    const integrations = [
      integrationOf(counted, { name: 'unset' }),
      integrationOf(counted, { name: 'on', events: others }),
      integrationOf(counted, { name: 'off', events: { [toggle]: false } }),
    ];
    const names = integrations.map(({ name }) => name);
    const deliver = createDeliver(depsFor({ ledger, channels: [counted], integrations }));
    const snapshot = await incidentOf([{ type }], names);
    for (const name of names) await asActivity(() => deliver(inputFor(snapshot, name)));
    expect(
      await ledger.query('select target, status, detail, attempts from deliveries order by target collate "C"'),
    ).toEqual([
      { target: 'off', status: 'skipped', detail: `the integration has ${toggle} off`, attempts: 0 },
      { target: 'on', status: 'delivered', detail: null, attempts: 1 },
      { target: 'unset', status: 'delivered', detail: null, attempts: 1 },
    ]);
    expect(sent).toEqual([id, id]);
  });
});

describe('a switch that is off', () => {
  it('keeps no other type from being told, nor an incident that has one', async () => {
    expect(await told([{ type: 'outage' }], { log_gpu_oom: false })).toMatchObject({ outcome: 'delivered' });
    await empty();
    const both = [
      { type: 'gpu_oom', service: 's' },
      { type: 'job_failed', service: 's' },
    ];
    expect(await told(both, { log_gpu_oom: false })).toMatchObject({ outcome: 'delivered', sent: 1 });
    await empty();
    expect(await told(both, { log_gpu_oom: false, log_job_failed: false })).toMatchObject({
      outcome: 'skipped',
      detail: expect.stringMatching(
        /^the integration has (log_gpu_oom, log_job_failed|log_job_failed, log_gpu_oom) off$/,
      ),
      attempts: 0,
      sent: 0,
    });
  });

  it('leaves out a chapter of a story, and not the others', async () => {
    const chapter = (type: string) => [{ type, service: 's', labels: { job: '7' } }];
    expect(await told(chapter('job_started'), { log_job_started: false }, 'story', 'job')).toMatchObject({
      outcome: 'skipped',
      sent: 0,
    });
    await empty();
    expect(await told(chapter('job_completed'), { log_job_started: false }, 'story', 'job')).toMatchObject({
      outcome: 'delivered',
      sent: 1,
    });
  });

  it('tells nobody the end of what they never heard of, and whoever heard of it its end all the same', async () => {
    expect(await told([{ type: 'gpu_oom' }], { log_gpu_oom: false }, 'resolved')).toMatchObject({ outcome: 'skipped' });
    await empty();
    const sent: string[] = [];
    const chat = counting({ ...(channels[0] as Channel), id: 'chat' }, sent);
    const integration = integrationOf(chat, { events: { log_gpu_oom: false } });
    const deliver = createDeliver(depsFor({ ledger, channels: [chat], integrations: [integration] }));
    const snapshot = await incidentOf([{ type: 'gpu_oom' }], ['chat'], 'resolved');
    const page = { reason: 'group_now', status: 'open', answer_rev: 0, through: 1, at: Date.now() } as const;
    const heard = { ...snapshot, targets: { chat: { ...snapshot.targets.chat, told: page } } };
    expect(await asActivity(() => deliver(inputFor(heard, 'chat')))).toEqual({ outcome: 'delivered' });
  });
});

describe('a channel of Slack with a threshold of its own', () => {
  /** Tells #noise, which is paged from error on, of an event of this severity. */
  async function tellNoise(severity: Severity, reason: Reason = 'group_now', heard = false, lifecycle?: string) {
    const sent: string[] = [];
    const slack = counting(channels.find(({ id }) => id === 'slack') as Channel, sent);
    const config = slack.config.parse({
      token: 'xoxb-none',
      channel: '#ops',
      channels: { error: '#noise', warning: '#noise' },
      thresholds: { '#noise': 'error' },
    });
    const integration = integrationOf(slack, { name: 'chat', config });
    const deliver = createDeliver(depsFor({ ledger, channels: [slack], integrations: [integration] }));
    const snapshot = await incidentOf(
      [{ severity, service: crypto.randomUUID(), labels: { job: '7' } }],
      ['chat'],
      reason,
      lifecycle,
    );
    const page = { reason: 'group_now', status: 'open', answer_rev: 0, through: 1, at: Date.now() } as const;
    const known = heard ? { ...snapshot, targets: { chat: { ...snapshot.targets.chat, told: page } } } : snapshot;
    await asActivity(() => deliver(inputFor(known, 'chat')));
    const rows = await ledger.query('select status, detail, attempts from deliveries order by number desc limit 1');
    return { row: rows[0], sent: sent.length };
  }

  it('is not paged for what is milder, which goes nowhere and says why; another channel has its page', async () => {
    expect(await tellNoise('warning')).toEqual({
      row: { status: 'skipped', detail: 'warning is below the threshold error of the channel #noise', attempts: 0 },
      sent: 0,
    });
    expect(await tellNoise('error')).toMatchObject({ row: { status: 'delivered' }, sent: 1 });
    expect(await tellNoise('info')).toMatchObject({ row: { status: 'delivered' }, sent: 1 });
  });

  it('is told no end of what it never heard of, the end of what it has, and every story', async () => {
    expect(await tellNoise('warning', 'resolved')).toMatchObject({ row: { status: 'skipped' }, sent: 0 });
    expect(await tellNoise('warning', 'resolved', true)).toMatchObject({ sent: 1 });
    expect(await tellNoise('warning', 'story', false, 'job')).toMatchObject({ sent: 1 });
  });
});
