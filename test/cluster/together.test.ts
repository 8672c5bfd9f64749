/** Two APIs and two workers on one PostgreSQL and one Temporal do each thing once, and each of them may go. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ledger, openLedger } from '../../src/ledger/db.ts';
import { createApiClient } from '../support/api-client.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../support/fakes/webhook-receiver.ts';
import { until } from '../support/until.ts';

let receiver: WebhookReceiver;
let cluster: Cluster;
let ledger: Ledger;
const dir = mkdtempSync(join(tmpdir(), 'tocsin-together-'));

beforeAll(async () => {
  receiver = await startWebhookReceiver();
  const configPath = join(dir, 'tocsin.yaml');
  writeFileSync(
    configPath,
    `
integrations:
  all: { type: webhook, url: '${receiver.url}/all', timeout: 2s, backoff: 200ms }
  slow: { type: webhook, url: '${receiver.url}/slow', rate: 1/s }
routes:
  - { name: slow, match: [ 'type="slow"' ], group_by: [service], group_wait: 0s, notify: [slow] }
default: { group_by: [service], group_wait: 0s, group_interval: 500ms, notify: [all] }
egress: { allow: ['127.0.0.0/8'] }
`,
  );
  cluster = await startCluster({ configPath });
  ledger = await openLedger({ url: cluster.databaseUrl });
});
afterAll(async () => {
  await ledger?.close();
  await cluster?.remove();
  await receiver?.close();
  rmSync(dir, { recursive: true, force: true });
});

const api = (which: 0 | 1, key = cluster.key) => createApiClient(cluster.urls[which], key);
const trouble = (service: string, more: Record<string, unknown> = {}) => ({
  id: `${service}-${JSON.stringify(more)}`,
  source: 'cluster',
  type: 'trouble',
  title: `Trouble of ${service}`,
  severity: 'error',
  service,
  ...more,
});
const hitsOf = (service: string, path = '/all') =>
  receiver.hits.filter(
    (hit) =>
      hit.path === path && (hit.body as { data: { incident: { service: string } } }).data.incident.service === service,
  );
const nothingWaits = () =>
  until('nothing to wait for', async () => {
    const { waiting, sending } = await api(1).taken<Record<string, number>>('GET', '/v1/stats');
    return (waiting === 0 && sending === 0) || undefined;
  });

/** Some ten events a second: what the machine tells at the same time, so that nothing piles up for the tests after it. */
const BETWEEN_MS = 150;
/** Four parts end and start one after the other. */
const ROLLING_MS = 180_000;

/** One event after the other over both APIs, again until it is taken, as a sender does; what was answered in between. */
function keepSending(prefix: string) {
  let on = true;
  const taken: string[] = [];
  const refused: { status: number; text: string }[] = [];
  const lane = async (which: 0 | 1): Promise<void> => {
    for (let at = 0; on; at++) {
      const service = `${prefix}-${which}-${at}`;
      for (let is = false; !is; ) {
        // A connection that is refused or cut: nothing was answered, so it is sent again.
        const reply = await api(which)
          .call('POST', '/v1/events', trouble(service))
          .catch(() => undefined);
        if (reply && reply.status !== 202) refused.push({ status: reply.status, text: reply.text });
        is = reply?.status === 202;
        if (!is) await pause(50);
      }
      taken.push(service);
      await pause(BETWEEN_MS);
    }
  };
  const lanes = Promise.all([lane(0), lane(1)]);
  return {
    taken,
    async stop() {
      on = false;
      await lanes;
      return { taken, refused };
    },
  };
}

const isUp = (part: 'api-1' | 'api-2' | 'worker-1' | 'worker-2') => cluster.pidOf(part) !== undefined;
const gone = (part: Parameters<typeof isUp>[0]) => until(`${part} to end`, () => !isUp(part) || undefined);

describe('two APIs and two workers', () => {
  it('fold every batch once and send every notice once', async () => {
    const services = Array.from({ length: 20 }, (_, at) => `once-${at}`);
    await Promise.all(
      services.flatMap((service) =>
        ([0, 1, 0, 1] as const).map((which, n) =>
          api(which).taken('POST', '/v1/events', trouble(service, { dedup_key: `${n}` })),
        ),
      ),
    );
    for (const service of services)
      await until(`all four alerts of ${service} told`, () => {
        const told = hitsOf(service).at(-1)?.body as { data: { incident: { alert_count: number } } } | undefined;
        return told?.data.incident.alert_count === 4 || undefined;
      });
    await nothingWaits();
    expect(receiver.hits.filter(({ repeated }) => repeated)).toEqual([]);
    const twice = await ledger.query(
      'select event from inbox where event is not null group by event having count(*) > 1',
    );
    expect(twice).toEqual([]);
    const [row] = await ledger.query<{ attempts: number; deliveries: number }>(
      'select (select count(*) from attempts) as attempts, (select count(*) from deliveries) as deliveries',
    );
    expect(row?.attempts).toBe(row?.deliveries);
  });

  it('share the rate of an integration: one a second is one a second', async () => {
    const slow = () => receiver.requests.items.filter(({ path }) => path === '/slow');
    const at: number[] = [];
    void until(
      'seven hits',
      () => {
        while (slow().length > at.length) at.push(performance.now());
        return at.length === 7 || undefined;
      },
      40_000,
    );
    await Promise.all(
      Array.from({ length: 7 }, (_, at) =>
        api((at % 2) as 0 | 1).taken('POST', '/v1/events', trouble(`slow-${at}`, { type: 'slow' })),
      ),
    );
    await until('seven hits', () => at.length === 7 || undefined, 40_000);
    // Each turn is a second after the one before; how long a message is on its way differs a little.
    expect((at[6] ?? 0) - (at[0] ?? 0)).toBeGreaterThan(5_500);
  });

  it('know a key that the other API made, and forget one that it revoked within 5 seconds', async () => {
    const made = await api(0).taken<{ id: string; secret: string }>('POST', '/v1/keys', {
      name: 'ci',
      scopes: ['operator'],
    });
    const asked = () => api(1, made.secret).call('GET', '/v1/incidents');
    expect((await asked()).status).toBe(200);
    await api(0).taken('DELETE', `/v1/keys/${made.id}`);
    const since = performance.now();
    await until('the other API to refuse it', async () => (await asked()).status === 401 || undefined);
    expect(performance.now() - since).toBeLessThan(5_000);
  });

  it('are restarted one after the other under load, and no sender is told of any trouble', {
    timeout: ROLLING_MS,
  }, async () => {
    const sender = keepSending('rolling');
    for (const part of ['api-1', 'api-2', 'worker-1', 'worker-2'] as const) {
      const before = sender.taken.length;
      await until('events between', () => sender.taken.length > before + 5 || undefined);
      cluster.signal(part, 'SIGTERM');
      await gone(part);
      await cluster.begin();
    }
    const { taken, refused } = await sender.stop();
    expect(refused).toEqual([]);
    await until('all to be told', () => taken.every((service) => hitsOf(service).length > 0) || undefined, 60_000);
    expect(taken.filter((service) => hitsOf(service).length !== 1)).toEqual([]);
    const lost = await ledger.query(`select delivery from attempts where outcome = 'lost'`);
    expect(lost).toEqual([]);
  });

  it('lose nothing when one of each is killed under load', { timeout: ROLLING_MS }, async () => {
    const sender = keepSending('killed');
    for (const part of ['api-1', 'worker-1', 'api-2', 'worker-2'] as const) {
      const before = sender.taken.length;
      await until('events between', () => sender.taken.length > before + 5 || undefined);
      cluster.signal(part, 'SIGKILL');
      await gone(part);
      await cluster.begin();
    }
    const { taken, refused } = await sender.stop();
    expect(refused).toEqual([]);
    await until('all to be told', () => taken.every((service) => hitsOf(service).length > 0) || undefined, 60_000);
  });

  it('go on without the one whose line to the ledger has fallen silent, and that one says so and comes back', {
    timeout: ROLLING_MS,
  }, async () => {
    cluster.lines['ledger-api'].set('silent');
    const silent = api(0).call('POST', '/v1/events', trouble('silent-1'));
    expect((await api(1).call('POST', '/v1/events', trouble('silent-2'))).status).toBe(202);
    const { status, headers, text } = await silent;
    expect(status, text).toBe(503);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    cluster.lines['ledger-api'].set('pass');
    await until(
      'the first API to take events again',
      async () => (await api(0).call('POST', '/v1/events', trouble('silent-1'))).status === 202 || undefined,
      30_000,
    );
    await until(
      'both told',
      () => (hitsOf('silent-1').length > 0 && hitsOf('silent-2').length > 0) || undefined,
      30_000,
    );
  });

  it('take nothing while PostgreSQL stands still for 30 seconds, and tell everything that was taken after it', {
    timeout: ROLLING_MS,
  }, async () => {
    await nothingWaits();
    cluster.signal('postgres', 'SIGSTOP');
    const stopped = await ledgerPids(cluster.pidOf('postgres') as number);
    for (const pid of stopped) process.kill(pid, 'SIGSTOP');
    const until30 = pause(30_000);
    const replies = await Promise.all(
      ([0, 1] as const).map((which) => api(which).call('POST', '/v1/events', trouble(`paused-${which}`))),
    );
    expect(replies.map(({ status }) => status)).toEqual([503, 503]);
    await until30;
    for (const pid of stopped) process.kill(pid, 'SIGCONT');
    cluster.signal('postgres', 'SIGCONT');
    for (const which of [0, 1] as const)
      await until(
        'an API to take events again',
        async () =>
          (await api(which).call('POST', '/v1/events', trouble(`paused-${which}`))).status === 202 || undefined,
        30_000,
      );
    await until(
      'both told',
      () => (hitsOf('paused-0').length > 0 && hitsOf('paused-1').length > 0) || undefined,
      30_000,
    );
  });
});

/** The processes of a PostgreSQL server, one for each connection among them. */
async function ledgerPids(postmaster: number): Promise<number[]> {
  const { readFile } = await import('node:fs/promises');
  const children = await readFile(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8');
  return children.trim().split(' ').map(Number);
}
