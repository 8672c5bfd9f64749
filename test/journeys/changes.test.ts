/** Journeys of an alarm that changes under way: worse, back again, expired, overtaken, its workflow gone; and what is not told, and why. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { StoredEvent } from '../../src/ledger/reading.ts';
import { type Harness, harness } from '../support/harness.ts';
import { until } from '../support/until.ts';

const EXPIRE_MS = 1_500;
const BACKOFF_MS = 600;

const CONFIG = `
integrations:
  hook: { type: webhook, url: '<HOOK>/hook', secret: '<HOOK_SECRET>' }
  other: { type: webhook, url: '<HOOK>/other', secret: '<HOOK_SECRET>' }
  choosy: { type: webhook, url: '<HOOK>/choosy', secret: '<HOOK_SECRET>', threshold: error }
  closing: { type: webhook, url: '<HOOK>/closing', secret: '<HOOK_SECRET>', send_resolved: false }
  flaky: { type: webhook, url: '<HOOK>/flaky', secret: '<HOOK_SECRET>', backoff: ${BACKOFF_MS}ms }
time_intervals:
  never: { months: [february], days_of_month: ['30'] }
inhibitions:
  - { name: host, source: [ 'type="host_down"' ], target: [ 'type="disk_slow"' ], equal: [host] }
routes:
  - { name: first, match: [ 'type="both"' ], continue: true, notify: [hook] }
  - { name: second, match: [ 'type="both"' ], notify: [other] }
  - { name: asleep, match: [ 'type="asleep"' ], active: never, notify: [hook] }
  - { name: flaky, match: [ 'type="flaky"' ], notify: [flaky] }
  - { name: choosy, match: [ 'type="choosy"' ], group_wait: 0s, notify: [choosy] }
  - { name: closing, match: [ 'type="closing"' ], notify: [closing] }
default: { group_by: [service, type], group_wait: 0s, notify: [hook] }
sources:
  probes:
    type: mapping
    event_type: { text: probe }
    title: name
    service: name
    dedup_key: name
    severity: critical
    expire: ${EXPIRE_MS}ms
egress: { allow: ['127.0.0.0/8'] }
`;

let h: Harness;
beforeAll(async () => {
  h = await harness({ config: CONFIG });
});
afterEach(() => h.done());
afterAll(() => h?.stop());

const told = (target: string, reason: string, service: string) =>
  h.hook.expects(new RegExp(`^/${target} .*"type":"incident.${reason}".*"service":"${service}"`));

async function end(service: string, ...targets: string[]): Promise<void> {
  const { id } = await h.incidentOf(service);
  await h.resolve(id, 'ada');
  await Promise.all(targets.map((target) => told(target, 'resolved', service)));
  await h.closed(id);
}

describe('an alarm that changes', () => {
  it('for the worse pages at once, and outgrows an acknowledgement that was given for less', async () => {
    const alarm = { service: 'worse', dedup_key: 'worse', title: 'It leaks' };
    await h.post({ ...alarm, severity: 'warning' });
    await told('hook', 'group_wait', 'worse');
    await h.post({ ...alarm, severity: 'error' });
    expect((await told('hook', 'severity_rose', 'worse')).body).toMatchObject({
      data: { incident: { severity: 'error' } },
    });
    const { id } = await h.incidentOf('worse');
    await h.ack(id, 'ada');
    await told('hook', 'acknowledged', 'worse');
    await h.post({ ...alarm, severity: 'critical' });
    await told('hook', 'severity_rose', 'worse');
    expect(await h.incident(id)).toMatchObject({ status: 'open', severity: 'critical' });
    await end('worse', 'hook');
  });

  it('by firing again after its end is the next occurrence, told anew', async () => {
    const alarm = { service: 'again', dedup_key: 'again', title: 'It flaps', severity: 'critical' };
    await h.post(alarm);
    await told('hook', 'group_now', 'again');
    const first = await h.incidentOf('again');
    await h.post({ ...alarm, status: 'resolved' });
    await told('hook', 'resolved', 'again');
    await h.closed(first.id);
    await h.post(alarm);
    await told('hook', 'group_now', 'again');
    const second = await h.waitForIncident(({ service, closed_at }) => service === 'again' && closed_at === undefined);
    expect(second.id).not.toBe(first.id);
    await end('again', 'hook');
  });

  it('by being heard of no more expires, is told as over and closes', async () => {
    const reply = await h.call('POST', '/v1/sources/probes', { name: 'probe-7' });
    expect(reply.body).toMatchObject({ accepted: [{ id: expect.any(String) }] });
    const fired = await told('hook', 'group_now', 'probe-7');
    const over = await told('hook', 'resolved', 'probe-7');
    expect(h.hook.at(over) - h.hook.at(fired)).toBeGreaterThan(EXPIRE_MS - 500);
    const { id } = await h.incidentOf('probe-7');
    await h.closed(id);
    expect((await h.incident(id)).timeline.map(({ kind }) => kind)).toContain('expired');
  });

  it('by ending while its first message cannot be delivered: the end is never overtaken by the firing', async () => {
    h.fakes.hook.script([{ status: 503, path: '/flaky' }]);
    const alarm = {
      type: 'flaky',
      service: 'overtaken',
      dedup_key: 'overtaken',
      title: 'Ends early',
      severity: 'critical',
    };
    await h.post(alarm);
    const { id } = await h.incidentOf('overtaken');
    await h.delivery(({ incident, status }) => incident === id && status === 'failed');
    await h.post({ ...alarm, status: 'resolved' });
    await told('flaky', 'resolved', 'overtaken');
    await h.closed(id);
    const came = h.fakes.hook.hits
      .filter(({ raw }) => raw.includes('"overtaken"'))
      .map(({ body }) => (body as { type: string }).type);
    expect(came.at(-1), came.join(', ')).toBe('incident.resolved');
    const { deliveries } = await h.incident(id);
    const [firing] = deliveries;
    // A page that was answered before it could be sent is not sent; one that was is there, before the end.
    if (came.length > 1) await told('flaky', 'group_now', 'overtaken');
    else expect(firing?.status).toBe('superseded');
  });

  it('while its workflow has been terminated by hand: an answer brings it back, and nobody is told twice', async () => {
    await h.post({ service: 'terminated', title: 'Somebody kills the workflow', severity: 'critical' });
    await told('hook', 'group_now', 'terminated');
    const { id } = await h.incidentOf('terminated');
    await h.done();
    await h.temporal.workflow.getHandle(id).terminate('by a test');
    await h.ack(id, 'ada');
    await told('hook', 'acknowledged', 'terminated');
    expect(await h.state(id)).toMatchObject({ status: 'acknowledged', seen: 2 });
    await end('terminated', 'hook');
  });

  it('that matches two routes is two incidents, each with its own people', async () => {
    await h.post({ type: 'both', service: 'both', title: 'For two teams', severity: 'critical' });
    await Promise.all([told('hook', 'group_now', 'both'), told('other', 'group_now', 'both')]);
    const routes = await until('both incidents', async () => {
      const { body } = await h.call('GET', '/v1/incidents?service=both');
      const { incidents } = body as { incidents: { id: string; route: string }[] };
      return incidents.length === 2 ? incidents : undefined;
    });
    expect(routes.map(({ route }) => route).sort()).toEqual(['first', 'second']);
    for (const { id } of routes) await h.resolve(id);
    await Promise.all([told('hook', 'resolved', 'both'), told('other', 'resolved', 'both')]);
    for (const { id } of routes) await h.closed(id);
  });
});

describe('what is not told', () => {
  const storyOf = async (id: string): Promise<StoredEvent> => {
    const { body } = await h.call('GET', `/v1/events/${id}`);
    const [event] = (body as { events: StoredEvent[] }).events;
    if (!event) throw new Error(`the event ${id} is not known`);
    return event;
  };

  it('outside of a route’s hours nobody hears, and the event says why', async () => {
    const id = await h.post({ type: 'asleep', title: 'At night', severity: 'critical', service: 'asleep' });
    const { decision } = await storyOf(id);
    expect(decision.routes).toMatchObject([{ route: 'asleep', outcome: 'muted', reason: 'outside_active' }]);
  });

  it('what another alarm explains is held back as long as that fires, and says by what', async () => {
    const host = {
      type: 'host_down',
      labels: { host: 'db-1' },
      dedup_key: 'db-1',
      severity: 'critical',
      title: 'db-1 is down',
      service: 'hosts',
    };
    await h.post(host);
    await told('hook', 'group_now', 'hosts');
    const disk = { type: 'disk_slow', title: 'Slow disk', severity: 'warning', service: 'disks' };
    const held = await h.post({ ...disk, labels: { host: 'db-1' } });
    expect((await storyOf(held)).decision.routes).toMatchObject([
      { outcome: 'inhibited', why: expect.stringContaining('host') },
    ]);
    await h.post({ ...disk, labels: { host: 'db-2' } });
    await told('hook', 'group_wait', 'disks');
    await end('disks', 'hook');
    await h.post({ ...host, status: 'resolved' });
    await told('hook', 'resolved', 'hosts');
    await h.closed((await h.incidentOf('hosts')).id);
    // Nothing explains it any more, and it still fires.
    await told('hook', 'group_wait', 'disks');
    await end('disks', 'hook');
  });

  it('an integration is spared what is below its threshold, and ends it does not want: skipped, with the reason', async () => {
    const skippedAt = async (target: string): Promise<string | undefined> =>
      (await h.delivery((delivery) => delivery.target === target && delivery.status === 'skipped')).detail;
    await h.post({ type: 'choosy', title: 'A small thing', severity: 'warning', service: 'choosy' });
    expect(await skippedAt('choosy')).toContain('threshold');
    // Whoever was spared the page is spared its end.
    await h.resolve((await h.incidentOf('choosy')).id);
    await h.closed((await h.incidentOf('choosy')).id);
    await h.post({ type: 'closing', title: 'A large thing', severity: 'critical', service: 'closing' });
    await told('closing', 'group_now', 'closing');
    await end('closing');
    expect(await skippedAt('closing')).toContain('send_resolved');
  });
});
