/** Journeys of a delivery that does not go well: failover, limits of rate, attempts and their gaps, death and resurrection. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { watch } from '../support/expected.ts';
import { type Harness, harness } from '../support/harness.ts';
import { LATE_MS } from '../support/until.ts';

const FAILOVER_AFTER_MS = 600;
const PRIMARY_TIMEOUT_MS = FAILOVER_AFTER_MS + LATE_MS;
/** So long that what comes at once has not waited for it. */
const FAILOVER_LATE_MS = 2 * LATE_MS;
const BACKOFF_MS = 200;

const CONFIG = `
integrations:
  primary: { type: webhook, url: '<HOOK>/primary', secret: '<HOOK_SECRET>', timeout: ${PRIMARY_TIMEOUT_MS}ms, backoff: ${BACKOFF_MS}ms }
  backup: { type: webhook, url: '<HOOK>/backup', secret: '<HOOK_SECRET>' }
  chat: { type: slack, token: '<SLACK_TOKEN>', api_url: '<SLACK_API>', channel: '#ops', max_attempts: 1 }
  plain-chat: { type: slack-webhook, url: '<SLACK_WEBHOOK>', rate: 1/s }
  flaky: { type: webhook, url: '<HOOK>/flaky', secret: '<HOOK_SECRET>', backoff: ${BACKOFF_MS}ms }
  ordinary: { type: webhook, url: '<HOOK>/ordinary', secret: '<HOOK_SECRET>' }
routes:
  - { name: failover, match: [ 'type="failover"' ], notify: [primary], failover: { primary: backup, after: ${FAILOVER_AFTER_MS}ms, only: [critical] } }
  - { name: refused, match: [ 'type="refused"' ], notify: [primary], failover: { primary: backup, after: ${FAILOVER_LATE_MS}ms } }
  - { name: limited, match: [ 'type="limited"' ], notify: [chat] }
  - { name: paced, match: [ 'type="paced"' ], notify: [plain-chat], tell_resolved: false }
  - { name: poison, match: [ 'type="poison"' ], notify: [flaky], group_wait: 1s }
  - { name: flaky, match: [ 'type="flaky"' ], notify: [flaky], group_wait: 0s }
default: { group_by: [service, type], notify: [] }
egress: { allow: ['127.0.0.0/8'] }
`;

let h: Harness;
beforeAll(async () => {
  h = await harness({ config: CONFIG });
});
afterEach(() => h.done());
afterAll(() => h?.stop());

const told = (target: string, reason: string) =>
  h.hook.expects(new RegExp(`^/${target} .*"type":"incident.${reason}"`));

describe('failover', () => {
  it('tells the backup in time when the primary hangs; the primary goes on trying, and both outcomes are kept', async () => {
    h.fakes.hook.script([{ hang: true, path: '/primary' }]);
    const started = performance.now();
    await h.post({ type: 'failover', title: 'The primary hangs', severity: 'critical', service: 'hangs' });
    const backup = await told('backup', 'failover');
    const waited = h.hook.at(backup) - started;
    expect(waited).toBeGreaterThan(FAILOVER_AFTER_MS - 100);
    expect(waited, 'before the primary gave up').toBeLessThan(PRIMARY_TIMEOUT_MS);
    await told('primary', 'group_now');
    const { id } = await h.incidentOf('hangs');
    await h.delivery(
      ({ incident, target, status }) => incident === id && target === 'primary' && status === 'delivered',
    );
    const { deliveries } = await h.incident(id);
    const primary = deliveries.find(({ target }) => target === 'primary');
    expect(primary?.attempts_made).toMatchObject([
      { outcome: 'retrying', reason: 'timeout' },
      { outcome: 'delivered' },
    ]);
    expect(deliveries.find(({ target }) => target === 'backup')).toMatchObject({
      status: 'delivered',
      reason: 'failover',
    });
    await h.resolve(id);
    await Promise.all([told('primary', 'resolved'), told('backup', 'resolved')]);
    await h.closed(id);
  });

  it('tells the backup at once when the primary refuses, and its delivery is dead with the reason', async () => {
    h.fakes.hook.script([{ status: 410, path: '/primary' }]);
    const started = performance.now();
    await h.post({ type: 'refused', title: 'The primary is gone', severity: 'critical', service: 'gone' });
    const backup = await told('backup', 'failover');
    expect(h.hook.at(backup) - started).toBeLessThan(LATE_MS);
    const { id } = await h.incidentOf('gone');
    expect(await h.delivery(({ incident, target }) => incident === id && target === 'primary')).toMatchObject({
      status: 'dead',
      failure: 'gone',
      attempts: 1,
    });
    // Whoever answers 410 wants no more: nothing goes there until an operator says so, and operators are told.
    expect((await h.call('GET', '/v1/integrations/primary')).body).toMatchObject({
      health: { state: 'disabled', because: 'gone' },
    });
    expect((await h.call('GET', '/metrics')).text).toContain('tocsin_integration_state{integration="primary"} 2');
    await h.resolve(id);
    await told('backup', 'resolved');
    await h.closed(id);
    const { deliveries } = await h.incident(id);
    expect(deliveries.find(({ target, reason }) => target === 'primary' && reason === 'resolved')).toMatchObject({
      status: 'dead',
      failure: 'disabled',
      attempts: 0,
      detail: expect.stringContaining('primary is disabled since'),
    });
    const own = await h.waitForIncident(({ source }) => source === 'tocsin');
    expect(own).toMatchObject({ title: 'Integration primary is disabled', severity: 'error' });
    expect((await h.call('POST', '/v1/integrations/primary/enable')).body).toMatchObject({ outcome: 'done' });
    await h.closed(own.id);
  });

  it('leaves the backup alone below the severities it is for', async () => {
    h.fakes.hook.script([{ status: 410, path: '/primary' }]);
    await h.post({ type: 'failover', title: 'Only an error', severity: 'warning', service: 'mild' });
    const { id } = await h.incidentOf('mild');
    await h.resolve(id);
    await h.closed(id);
    expect((await h.incident(id)).deliveries.map(({ target }) => target)).toEqual(['primary']);
  });
});

describe('limits of rate', () => {
  it("a provider's 429 with Retry-After is waited for, and is no attempt", async () => {
    const arrivedAt = watch(h.fakes.slack.requests.waitFor);
    const before = h.fakes.slack.requests.items.length;
    h.fakes.slack.script([{ status: 429, headers: { 'retry-after': '1' }, path: 'chat.postMessage' }]);
    await h.post({ type: 'limited', title: 'Too much', severity: 'critical', service: 'limited' });
    const message = await h.slack.expects(/Too much/);
    const refused = h.fakes.slack.requests.items[before];
    expect(refused && h.slack.at(message) - arrivedAt(refused)).toBeGreaterThan(950);
    const { id } = await h.incidentOf('limited');
    const delivered = await h.delivery(({ incident, status }) => incident === id && status === 'delivered');
    expect(delivered, 'with max_attempts: 1 an attempt that counted would have been the last').toBeDefined();
    await h.resolve(id);
    await h.slack.expects(/Resolved by/);
    await h.closed(id);
  });

  it("an integration's own rate makes what is over it wait, and loses nothing", async () => {
    const services = ['paced-1', 'paced-2', 'paced-3'];
    for (const service of services)
      await h.post({ type: 'paced', title: `Pace of ${service}`, severity: 'critical', service });
    await Promise.all(services.map((service) => h.slack.expects(new RegExp(`Pace of ${service}`))));
    const incidents = await Promise.all(services.map(async (service) => h.incident((await h.incidentOf(service)).id)));
    const begun = incidents
      .flatMap(({ deliveries }) => deliveries.flatMap(({ attempts_made }) => attempts_made))
      .map(({ started_at }) => Date.parse(started_at))
      .sort((a, b) => a - b);
    expect(begun).toHaveLength(services.length);
    for (const [index, time] of begun.slice(1).entries()) expect(time - (begun[index] ?? 0)).toBeGreaterThan(900);
    for (const service of services) {
      const { id } = await h.incidentOf(service);
      await h.resolve(id);
      await h.closed(id);
    }
  });
});

describe('attempts', () => {
  it('of a round have gaps that double, then the delivery is dead, is listed, and can be sent again with the same key', async () => {
    const arrivedAt = watch(h.fakes.hook.requests.waitFor);
    h.fakes.hook.script(Array.from({ length: 4 }, () => ({ status: 503, path: '/flaky' })));
    await h.post({ type: 'flaky', title: 'Nobody takes this', severity: 'warning', service: 'flaky' });
    const { id } = await h.incidentOf('flaky');
    const dead = await h.delivery(({ incident, status }) => incident === id && status === 'dead');
    expect(dead).toMatchObject({ attempts: 4, failure: 'server', reason: 'group_wait', target: 'flaky' });
    const tries = h.fakes.hook.requests.items.filter(({ path }) => path === '/flaky');
    expect(tries).toHaveLength(4);
    const times = tries.map(arrivedAt);
    for (const [index, expected] of [BACKOFF_MS, 2 * BACKOFF_MS, 4 * BACKOFF_MS].entries()) {
      const gap = (times[index + 1] ?? 0) - (times[index] ?? 0);
      expect(gap).toBeGreaterThan(expected - 20);
      expect(gap).toBeLessThan(expected + LATE_MS);
    }

    const listed = await h.call('GET', '/v1/deliveries?status=dead&target=flaky');
    expect(listed.body).toMatchObject({ deliveries: [{ id: dead.id, detail: expect.stringContaining('503') }] });
    const asked = await h.call('POST', `/v1/deliveries/${dead.id}/redeliver`);
    expect(asked.status).toBe(202);
    const again = await told('flaky', 'group_wait');
    expect(
      new Set([again.id, ...tries.map(({ headers }) => headers['webhook-id'])]).size,
      'one key for all attempts',
    ).toBe(1);
    await h.delivery(({ key, status, attempts }) => key === dead.key && status === 'delivered' && attempts === 5);
    expect((await h.call('GET', '/v1/deliveries?status=dead&target=flaky')).body).toEqual({ deliveries: [] });
    const twice = await h.call('POST', '/v1/deliveries/999999/redeliver');
    expect(twice.status).toBe(404);
    await h.resolve(id);
    await told('flaky', 'resolved');
    await h.closed(id);
  });

  it('are four with 5, 10 and 20 seconds between them where nothing else is configured', async () => {
    const { body } = await h.call('GET', '/v1/integrations/ordinary');
    expect(body).toMatchObject({ patience: { max_attempts: 4, backoff_ms: 5_000 } });
  });

  it('whose answer was lost are repeated once, with the same key: the receiver can tell', async () => {
    h.fakes.hook.script([{ reset: true, accept: true, path: '/flaky' }]);
    await h.post({ type: 'flaky', title: 'The answer was lost', severity: 'critical', service: 'lost' });
    const first = await told('flaky', 'group_now');
    const second = await told('flaky', 'group_now');
    expect(second).toMatchObject({ id: first.id, repeated: true });
    const { id } = await h.incidentOf('lost');
    await h.resolve(id);
    await told('flaky', 'resolved');
    await h.closed(id);
  });
});

describe('an event that cannot be said', () => {
  it('is followed to a dead delivery that says so, its incident closes, and everything else goes on meanwhile', async () => {
    const poison = await h.post({ type: 'poison', title: 'Cannot be said', severity: 'warning', service: 'poison' });
    // Kept, and of no shape that this version can render: as another version, or a mistake of ours, may leave one.
    await h.ledger.query(`update events set event = (event::jsonb - 'links')::json where id = $1`, [poison]);
    const { id } = await h.incidentOf('poison');
    await h.post({ type: 'flaky', title: 'Can be said', severity: 'critical', service: 'sound' });
    await told('flaky', 'group_now');
    const dead = await h.delivery(({ incident, status }) => incident === id && status === 'dead');
    expect(dead).toMatchObject({ target: 'flaky', reason: 'group_wait', failure: 'unforeseen', attempts: 4 });
    expect((await h.call('GET', `/v1/deliveries/${dead.id}`)).body).toMatchObject({
      status: 'dead',
      detail: expect.stringContaining('could not be composed (TypeError)'),
    });
    expect((await h.call('GET', '/metrics')).text).toMatch(/reason="unforeseen"\} 4\n/);

    const sound = await h.incidentOf('sound');
    await h.resolve(sound.id);
    await told('flaky', 'resolved');
    await h.closed(sound.id);
    await h.resolve(id);
    await h.closed(id);
    const { deliveries } = await h.incident(id);
    expect(deliveries.map(({ reason, status, failure }) => ({ reason, status, failure }))).toEqual([
      { reason: 'group_wait', status: 'dead', failure: 'unforeseen' },
      { reason: 'resolved', status: 'dead', failure: 'unforeseen' },
    ]);
  });
});

describe('an operator', () => {
  it('sends a dead notice to another integration, which hears it as its own', async () => {
    h.fakes.hook.script([{ status: 404, path: '/flaky' }]);
    await h.post({ type: 'flaky', title: 'Not here', severity: 'critical', service: 'elsewhere' });
    const { id } = await h.incidentOf('elsewhere');
    const dead = await h.delivery(({ incident, status }) => incident === id && status === 'dead');
    const asked = await h.call('POST', `/v1/deliveries/${dead.id}/redeliver`, { to: 'ordinary' });
    expect(asked.status).toBe(202);
    await told('ordinary', 'group_now');
    expect(await h.delivery(({ target, status }) => target === 'ordinary' && status === 'delivered')).toMatchObject({
      incident: id,
      redirected_from: dead.id,
      attempts: 1,
    });
    await h.resolve(id);
    await told('flaky', 'resolved');
    await h.closed(id);
  });

  it('ends a delivery between its attempts: no further attempt begins, and the incident closes', async () => {
    h.fakes.hook.script([{ status: 503, headers: { 'retry-after': '2' }, path: '/flaky' }]);
    await h.post({ type: 'flaky', title: 'Not worth it', severity: 'critical', service: 'cancelled' });
    const { id } = await h.incidentOf('cancelled');
    const failed = await h.delivery(({ incident, status }) => incident === id && status === 'failed');
    expect((await h.call('POST', `/v1/deliveries/${failed.id}/cancel`)).body).toMatchObject({ under_way: false });
    await h.resolve(id);
    await told('flaky', 'resolved');
    await h.closed(id);
    expect((await h.call('GET', `/v1/deliveries/${failed.id}`)).body).toMatchObject({
      status: 'dead',
      failure: 'cancelled',
      attempts_made: [{ outcome: 'retrying', code: '503', reason: 'server' }],
    });
  });
});

describe('a ledger that fails', () => {
  afterEach(() => vi.restoreAllMocks());

  it('after a message was sent is told of it later: the message is sent once', async () => {
    const { query } = h.ledger;
    let refused = 0;
    // Three times within the delivery, and once when the workflow itself asks for the record.
    vi.spyOn(h.ledger, 'query').mockImplementation(async (sql, params) => {
      if (sql.includes('update attempts set ended_at') && refused < 4) {
        refused++;
        throw new Error('the disk is full');
      }
      return query(sql, params) as never;
    });
    await h.post({ type: 'flaky', title: 'Sent and not recorded', severity: 'critical', service: 'unrecorded' });
    await told('flaky', 'group_now');
    const { id } = await h.incidentOf('unrecorded');
    const recorded = await h.delivery(({ incident, status }) => incident === id && status === 'delivered');
    expect(refused).toBe(4);
    expect(recorded).toMatchObject({ attempts: 1 });
    await h.resolve(id);
    await told('flaky', 'resolved');
    await h.closed(id);
  });

  it('while an event is posted answers 503, not 202, and takes it when it is asked again', async () => {
    // https://www.postgresql.org/docs/current/errcodes-appendix.html: disk_full
    const down = vi.spyOn(h.ledger, 'call').mockImplementation(async () => {
      throw Object.assign(new Error('could not extend file "base/16384/2619"'), { code: '53100' });
    });
    const event = {
      source: 'journey',
      type: 'flaky',
      id: 'again-1',
      title: 'Kept at last',
      severity: 'critical',
      service: 'kept',
    };
    const refused = await h.call('POST', '/v1/events', event);
    expect(refused.status).toBe(503);
    expect(refused.text).not.toContain('extend file');
    down.mockRestore();
    expect((await h.call('POST', '/v1/events', event)).body).toMatchObject({
      accepted: [{ id: 'again-1' }],
      duplicates: [],
    });
    await told('flaky', 'group_now');
    const { id } = await h.incidentOf('kept');
    await h.resolve(id);
    await told('flaky', 'resolved');
    await h.closed(id);
  });
});
