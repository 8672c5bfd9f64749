/** Journeys of an alarm that people answer, or do not: escalation, acknowledgement, snooze, and what comes after. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newSealingKey } from '../../src/ledger/sealing.ts';
import type { WebhookHit } from '../support/fakes/webhook-receiver.ts';
import { type Harness, harness } from '../support/harness.ts';
import { LATE_MS, until } from '../support/until.ts';

const LEVEL_WAIT_MS = 700;
const EDGE_WAIT_MS = 2_000;
const ACK_TIMEOUT_MS = 1_000;
const REPEAT_MS = 1_000;
const SNOOZE_MS = 1_500;
const QUIET_MS = 1_200;

const CONFIG = `
integrations:
  chat: { type: slack, token: '<SLACK_TOKEN>', api_url: '<SLACK_API>', channel: '#ops' }
  first: { type: webhook, url: '<HOOK>/first', secret: '<HOOK_SECRET>' }
  second: { type: webhook, url: '<HOOK>/second', secret: '<HOOK_SECRET>' }
  third: { type: webhook, url: '<HOOK>/third', secret: '<HOOK_SECRET>' }
  slow: { type: webhook, url: '<HOOK>/slow', secret: '<HOOK_SECRET>', timeout: 1s, backoff: 300ms }
escalations:
  ladder: { levels: [ { notify: [first], wait: ${LEVEL_WAIT_MS}ms }, { notify: [second], wait: ${LEVEL_WAIT_MS}ms }, { notify: [third], wait: 1h } ] }
  edge: { levels: [ { notify: [first], wait: ${EDGE_WAIT_MS}ms }, { notify: [second], wait: 1h } ] }
  patient: { levels: [ { notify: [first], wait: 1h }, { notify: [second], wait: 1h }, { notify: [third], wait: 1h } ] }
  forgetful: { levels: [ { notify: [first], wait: 1h } ], ack_timeout: ${ACK_TIMEOUT_MS}ms }
routes:
  - { name: ladder, match: [ 'type="ladder"' ], notify: [chat], escalate: ladder }
  - { name: edge, match: [ 'type="edge"' ], notify: [], escalate: edge, tell_ack: false, tell_resolved: false }
  - { name: patient, match: [ 'type="patient"' ], notify: [chat], escalate: patient }
  - { name: forgetful, match: [ 'type="forgetful"' ], notify: [], escalate: forgetful }
  - { name: repeating, match: [ 'type="repeating"' ], notify: [first], repeat_interval: ${REPEAT_MS}ms }
  - { name: slow, match: [ 'type="slow"' ], notify: [slow] }
  - { name: quiet, match: [ 'type="quiet"' ], notify: [first], quiet: ${QUIET_MS}ms }
default: { group_by: [service, type], group_now: [critical], notify: [chat] }
egress: { allow: ['127.0.0.0/8'] }
public_url: https://alerts.example.com
`;

let h: Harness;
beforeAll(async () => {
  h = await harness({ config: CONFIG, env: { TOCSIN_SECRET_KEYS: newSealingKey() } });
});
afterEach(() => h.done());
afterAll(() => h?.stop());

/** Posts a critical alarm about a service of its own; the id of its incident. */
async function raise(type: string): Promise<string> {
  const service = `${type}-${randomUUID()}`;
  await h.post({ type, title: `${type} is in trouble`, severity: 'critical', service });
  return (await h.incidentOf(service)).id;
}

/** The next message of this reason at `/target` about this incident. */
const told = (id: string, target: string, reason: string): Promise<WebhookHit> =>
  h.hook.expects(new RegExp(`^/${target} .*"type":"incident.${reason}".*"id":"${id}"`));

const all = (id: string, targets: string[], reason: string): Promise<WebhookHit[]> =>
  Promise.all(targets.map((target) => told(id, target, reason)));

/** When each of these targets was first to be told, for one of the reasons. */
async function decidedAt(id: string, targets: string[], reasons = ['group_now', 'escalated']): Promise<number[]> {
  const { deliveries } = await h.incident(id);
  const pages = deliveries.filter(({ reason }) => reasons.includes(reason));
  return targets.map((name) => Date.parse(pages.find(({ target }) => target === name)?.scheduled_at ?? ''));
}

async function resolved(id: string, targets: string[], chat = false): Promise<void> {
  await h.resolve(id, 'ada');
  if (chat) await h.slack.expects(/Resolved by ada/);
  await all(id, targets, 'resolved');
  await h.closed(id);
}

describe('nobody answers', () => {
  it('it climbs to level 3, each level after its wait, until somebody acknowledges: all who heard are told', async () => {
    const id = await raise('ladder');
    const page = await h.slack.expects(/ladder is in trouble/);
    expect(JSON.stringify(page.attachments)).toMatch(/"Acknowledge"[^{}]*\}[^{}]*"https:\/\/alerts\.example\.com\/a\//);
    const first = await told(id, 'first', 'group_now');
    const second = await told(id, 'second', 'escalated');
    const third = await told(id, 'third', 'escalated');
    expect(first.body).toMatchObject({ data: { level: 1 } });
    expect(second.body).toMatchObject({ data: { level: 2 } });
    expect(third.body).toMatchObject({ data: { level: 3 } });
    const [decided1 = 0, decided2 = 0, decided3 = 0] = await decidedAt(id, ['first', 'second', 'third']);
    expect(decided2 - decided1).toBeGreaterThanOrEqual(LEVEL_WAIT_MS);
    expect(decided3 - decided2).toBeGreaterThanOrEqual(LEVEL_WAIT_MS);
    expect(h.hook.at(third) - h.hook.at(first)).toBeLessThan(2 * LEVEL_WAIT_MS + LATE_MS);

    expect(await h.ack(id, 'ada')).toMatchObject({ outcome: 'done', by: 'ada', incident: { status: 'acknowledged' } });
    await h.slack.expects(/Acknowledged by ada/);
    await all(id, ['first', 'second', 'third'], 'acknowledged');
    expect(await h.ack(id, 'bob')).toMatchObject({ outcome: 'already', by: 'ada' });
    await resolved(id, ['first', 'second', 'third'], true);
  });

  it('an operator escalates by hand: the next level at once, or the one named', async () => {
    const id = await raise('patient');
    await h.slack.expects(/patient is in trouble/);
    await told(id, 'first', 'group_now');
    await h.escalate(id);
    expect((await told(id, 'second', 'escalated_by_hand')).body).toMatchObject({ data: { level: 2 } });
    await h.escalate(id, 3);
    expect((await told(id, 'third', 'escalated_by_hand')).body).toMatchObject({ data: { level: 3 } });
    const refused = await h.call('POST', `/v1/incidents/${id}/escalate`, { level: 4 });
    expect(refused).toMatchObject({ status: 409 });
    await resolved(id, ['first', 'second', 'third'], true);
  });

  it('it is told again after every repeat_interval as long as it is open', async () => {
    const id = await raise('repeating');
    await told(id, 'first', 'group_now');
    await told(id, 'first', 'repeat_interval');
    await told(id, 'first', 'repeat_interval');
    const { deliveries } = await h.incident(id);
    const [first = 0, again = 0, later = 0] = deliveries.map(({ scheduled_at }) => Date.parse(scheduled_at));
    expect(again - first).toBeGreaterThanOrEqual(REPEAT_MS);
    expect(later - again).toBeGreaterThanOrEqual(REPEAT_MS);
    await h.resolve(id);
    await told(id, 'first', 'resolved');
    await h.closed(id);
  });

  it('nothing new comes for the time called quiet: it closes itself and says so', async () => {
    const id = await raise('quiet');
    await told(id, 'first', 'group_now');
    expect((await told(id, 'first', 'resolved')).body).toMatchObject({ data: { incident: { status: 'resolved' } } });
    expect(await h.closed(id)).toMatchObject({ status: 'resolved', close_reason: 'quiet', answered_by: 'tocsin' });
  });
});

describe('an acknowledgement', () => {
  it('stops the noise: no page begins after it was accepted, however close to the deadline, and one begun is named', async () => {
    const services = Array.from({ length: 8 }, (_, index) => `edge-${index}`);
    for (const service of services)
      await h.post({ type: 'edge', title: 'Close to the edge', severity: 'critical', service });
    const answers = await Promise.all(
      services.map(async (service, index) => {
        const { id } = await h.incidentOf(service);
        await told(id, 'first', 'group_now');
        const deadline = (await h.state(id)).escalation.since + EDGE_WAIT_MS;
        // From well before the deadline to a little after it.
        const at = deadline - 300 + index * 50;
        await until('the moment to answer', () => (Date.now() >= at ? true : undefined));
        return { id, answer: await h.ack(id, 'ada'), deadline };
      }),
    );
    const last = Math.max(...answers.map(({ deadline }) => deadline));
    await until('every deadline to have passed', () => (Date.now() > last + 500 ? true : undefined));
    const paged: string[] = [];
    for (const { id, answer } of answers) {
      const { deliveries, timeline } = await h.incident(id);
      const acked = Date.parse(timeline.find(({ kind }) => kind === 'ack')?.at ?? '');
      const pages = deliveries
        .filter(({ target }) => target === 'second')
        .flatMap(({ attempts_made }) => attempts_made);
      paged.push(...pages.map(() => id));
      for (const { started_at, ended_at } of pages) {
        expect(Date.parse(started_at), `${id} was paged after the ack`).toBeLessThanOrEqual(acked);
        const wasUnderWay = ended_at === undefined || Date.parse(ended_at) > acked;
        if (wasUnderWay) expect(answer.begun).toContainEqual(expect.objectContaining({ target: 'second' }));
      }
    }
    for (const id of paged) await told(id, 'second', 'escalated');
    expect(paged.length, 'those that answered in time were not paged').toBeLessThan(services.length);
    for (const { id } of answers) await h.resolve(id);
    for (const { id } of answers) await h.closed(id);
  });

  it('names the page that is under way, and that page is not repeated when it fails', async () => {
    h.fakes.hook.script([{ hang: true, path: '/slow' }]);
    const id = await raise('slow');
    await h.fakes.hook.requests.waitFor(({ path, raw }) => path === '/slow' && raw.includes(id));
    const { begun } = await h.ack(id, 'ada');
    expect(begun).toMatchObject([{ target: 'slow', reason: 'group_now' }]);
    await told(id, 'slow', 'acknowledged');
    const { deliveries } = await h.incident(id);
    expect(deliveries[0]).toMatchObject({ reason: 'group_now', status: 'superseded', attempts: 1 });
    await resolved(id, ['slow']);
  });

  it('taken back pages again, and the escalation begins anew', async () => {
    const id = await raise('ladder');
    await h.slack.expects(/ladder is in trouble/);
    await told(id, 'first', 'group_now');
    await h.ack(id, 'ada');
    await h.slack.expects(/Acknowledged by ada/);
    await told(id, 'first', 'acknowledged');
    await h.unack(id, 'bob');
    await h.slack.expects(/bob took the acknowledgement back/);
    const again = await told(id, 'first', 'unacknowledged');
    const second = await told(id, 'second', 'escalated');
    expect(again.body).toMatchObject({ data: { level: 1 } });
    expect(second.body).toMatchObject({ data: { level: 2 } });
    const [decided1 = 0, decided2 = 0] = await decidedAt(id, ['first', 'second'], ['unacknowledged', 'escalated']);
    expect(decided2 - decided1).toBeGreaterThanOrEqual(LEVEL_WAIT_MS);
    await h.ack(id, 'bob');
    await h.slack.expects(/Acknowledged by bob/);
    await all(id, ['first', 'second'], 'acknowledged');
    await resolved(id, ['first', 'second'], true);
  });

  it('that is forgotten for ack_timeout pages again', async () => {
    const id = await raise('forgetful');
    await told(id, 'first', 'group_now');
    const { incident } = await h.ack(id, 'ada');
    await told(id, 'first', 'acknowledged');
    await told(id, 'first', 'ack_timed_out');
    const [paged = 0] = await decidedAt(id, ['first'], ['ack_timed_out']);
    const waited = paged - Date.parse(incident.answered_at ?? '');
    expect(waited).toBeGreaterThanOrEqual(ACK_TIMEOUT_MS);
    expect(waited).toBeLessThan(ACK_TIMEOUT_MS + LATE_MS);
    expect(await h.incident(id)).toMatchObject({ status: 'open', answered_by: 'tocsin' });
    await resolved(id, ['first']);
  });
});

describe('a snooze', () => {
  it('keeps quiet until its end, and pages then', async () => {
    const id = await raise('patient');
    await h.slack.expects(/patient is in trouble/);
    await told(id, 'first', 'group_now');
    await h.snooze(id, SNOOZE_MS);
    const { snoozed_until = '' } = await h.incident(id);
    await h.slack.expects(/Snoozed by ada until/);
    await told(id, 'first', 'snoozed');
    await told(id, 'first', 'snooze_ended');
    const [paged = 0] = await decidedAt(id, ['first'], ['snooze_ended']);
    expect(paged - Date.parse(snoozed_until)).toBeGreaterThanOrEqual(0);
    expect(paged - Date.parse(snoozed_until)).toBeLessThan(LATE_MS);
    await h.slack.expects(/The snooze has ended/);
    await resolved(id, ['first'], true);
  });
});
