/** What an incident costs at Temporal, in billable actions by the server's own count (budgets: design.md section 2). */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Harness, harness } from '../support/harness.ts';
import { actionsIn, ownNamespace } from '../support/namespace.ts';
import { until } from '../support/until.ts';

const CONFIG = `
integrations:
  chat: { type: slack, token: '<SLACK_TOKEN>', api_url: '<SLACK_API>', channel: '#ops' }
  hook: { type: webhook, url: '<HOOK>/all', secret: '<HOOK_SECRET>' }
escalations:
  on-call: { levels: [ { notify: [chat], wait: 1h } ] }
routes:
  - { name: silent, match: [ 'type="silent"' ], tell_ack: false, tell_resolved: false }
default: { group_by: [service], notify: [chat, hook], escalate: on-call }
egress: { allow: ['127.0.0.0/8'] }
`;

const TOLD_OF_ALL = 14;
const TOLD_ONCE = 8;
const STORM = 250;
const STORM_EVENTS = 10_000;
const PER_POST = 1_000;
const STORM_MS = 60_000;

let h: Harness;
let namespace: string;
/** An incident that has ended before anything is counted: its workflow can still be asked. */
let known: string;
beforeAll(async () => {
  namespace = await ownNamespace();
  h = await harness({ config: CONFIG, namespace });
  await h.post({ type: 'silent', title: 'The first', severity: 'critical', service: 'first' });
  await Promise.all([h.slack.expects(/The first/), h.hook.expects(/The first/)]);
  known = (await h.incidentOf('first')).id;
  await h.resolve(known);
  await h.closed(known);
});
afterEach(() => h.done());
afterAll(() => h?.stop());

/** The actions of what happens, which must have come to its end: how many, and in words which. */
async function costOf(happening: () => Promise<void>): Promise<{ cost: number; words: string }> {
  const actions = () => actionsIn(namespace, () => h.state(known));
  const before = await actions();
  await happening();
  const after = await actions();
  const types = Object.entries(after.byType).map(([type, count]) => `${type} ${count - (before.byType[type] ?? 0)}`);
  return { cost: after.total - before.total, words: types.join(', ') };
}

/** Posts this many different alerts about one service, in requests of a thousand; `pause` comes between them. */
async function storm(service: string, pause: (sent: number) => Promise<void>): Promise<void> {
  for (let sent = 0; sent < STORM_EVENTS; sent += PER_POST) {
    const events = Array.from({ length: PER_POST }, (_, index) => ({
      source: 'storm',
      type: 'trouble',
      severity: 'error',
      service,
      title: `Probe ${sent + index} fails`,
    }));
    const reply = await h.call('POST', '/v1/events', events);
    expect(reply.status).toBe(202);
    await pause(sent + PER_POST);
  }
  const { id } = await h.incidentOf(service);
  await until(
    'the storm to be folded',
    async () => ((await h.incident(id)).alert_count === STORM_EVENTS ? true : undefined),
    STORM_MS,
  );
  await h.slack.expects(new RegExp(`similar alerts in ${service}`));
  await h.hook.expects(new RegExp(`"service":"${service}"`));
  await until(
    'the workflow to have heard it all',
    async () => ((await h.state(id)).alerts === STORM_EVENTS ? true : undefined),
    STORM_MS,
  );
  await h.resolve(id);
  await h.slack.expects(new RegExp(`similar alerts in ${service}.*Resolved by`, 's'));
  await h.hook.expects(new RegExp(`incident.resolved.*"service":"${service}"`, 's'));
  await h.closed(id);
}

describe('an incident costs', () => {
  it(`at most ${TOLD_OF_ALL} actions: it fires, two channels are told, it is acknowledged and resolved, both are told of each`, async () => {
    const { cost, words } = await costOf(async () => {
      await h.post({ title: 'Costly', severity: 'critical', service: 'costly' });
      await Promise.all([h.slack.expects(/Costly/), h.hook.expects(/group_now/)]);
      const { id } = await h.incidentOf('costly');
      await h.done();
      await h.ack(id);
      await Promise.all([h.slack.expects(/Acknowledged/), h.hook.expects(/incident.acknowledged/)]);
      await h.done();
      await h.resolve(id);
      await Promise.all([h.slack.expects(/Resolved/), h.hook.expects(/incident.resolved/)]);
      await h.closed(id);
    });
    expect(cost).toBeGreaterThan(0);
    expect(cost, words).toBeLessThanOrEqual(TOLD_OF_ALL);
  });

  it(`at most ${TOLD_ONCE} where acknowledgement and end are told to nobody`, async () => {
    const { cost, words } = await costOf(async () => {
      await h.post({ type: 'silent', title: 'Cheap', severity: 'critical', service: 'cheap' });
      await Promise.all([h.slack.expects(/Cheap/), h.hook.expects(/group_now/)]);
      const { id } = await h.incidentOf('cheap');
      await h.ack(id);
      await until('the ack to be folded', async () =>
        (await h.state(id)).status === 'acknowledged' ? true : undefined,
      );
      await h.resolve(id);
      await h.closed(id);
    });
    expect(cost, words).toBeLessThanOrEqual(TOLD_ONCE);
  });
});

describe(`${STORM_EVENTS} alerts on one incident cost`, () => {
  it(`at most ${STORM} actions when they come at once`, async () => {
    const { cost, words } = await costOf(() => storm('at-once', async () => undefined));
    expect(cost, words).toBeLessThanOrEqual(STORM);
  });

  it(`at most ${STORM} when they come in waves, each after the one before was folded`, async () => {
    const { cost, words } = await costOf(() =>
      storm('in-waves', async (sent) => {
        const { id } = await h.incidentOf('in-waves');
        await until(
          'the wave to be folded',
          async () => ((await h.state(id)).alerts >= sent ? true : undefined),
          STORM_MS,
        );
      }),
    );
    expect(cost, words).toBeLessThanOrEqual(STORM);
  });
});
