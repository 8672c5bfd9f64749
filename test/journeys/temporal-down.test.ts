/** Journeys while Temporal or the worker is away: what comes is kept and answered, and told once they are back. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { MadeKey } from '../../src/clients/client.ts';
import type { IncidentView } from '../../src/ledger/views.ts';
import { type DevServer, startDevServer } from '../../src/temporal/dev-server.ts';
import { type Doors, heartbeatsYaml, listenersYaml, openDoors } from '../support/doors.ts';
import type { WebhookHit } from '../support/fakes/webhook-receiver.ts';
import { type Harness, harness } from '../support/harness.ts';
import { freePort } from '../support/ports.ts';
import { hasRedis, type Redis, startRedis } from '../support/redis.ts';
import { egress, POSTING, sourcesYaml } from '../support/senders.ts';
import { LATE_MS, until } from '../support/until.ts';

/** Of each sender and each door. */
const TROUBLES_EACH = 10;
/** The first troubles are the heartbeats': the configuration names them. */
const BEATS = Array.from({ length: TROUBLES_EACH }, (_, trouble) => trouble);

const configWith = (at: { mail: number; redis: string | undefined }): string => `
integrations:
  chat: { type: slack, token: '<SLACK_TOKEN>', api_url: '<SLACK_API>', channel: '#ops' }
  pager: { type: webhook, url: '<HOOK>/pager', secret: '<HOOK_SECRET>' }
  all: { type: webhook, url: '<HOOK>/all', secret: '<HOOK_SECRET>' }
escalations:
  on-call: { levels: [ { notify: [chat], wait: 8s }, { notify: [pager], wait: 1h } ] }
routes:
  - { name: mixed, match: [ 'service=~"shop-.*"' ], group_by: [source], group_wait: 0s, group_interval: 1s, group_now: [], notify: [all] }
default: { group_by: [service], group_now: [critical], notify: [chat], escalate: on-call }
egress: { allow: ['127.0.0.0/8'] }
${heartbeatsYaml(BEATS)}
${sourcesYaml(listenersYaml(at))}
`;

/** The worker and the relay come back by themselves; their waits between tries add up to this at most. */
const BACK_MS = 30_000;

const dir = mkdtempSync(join(tmpdir(), 'tocsin-temporal-'));
const begin = (port: number): Promise<DevServer> =>
  startDevServer({
    binary: inject('temporal').binary,
    stateDir: dir,
    port,
    uiPort: 0,
    env: process.env,
    say: () => undefined,
  });

let server: DevServer;
let h: Harness;
let redis: Redis | undefined;
let doors: Doors;
let key: string;
beforeAll(async () => {
  server = await begin(0);
  if (hasRedis()) redis = await startRedis();
  const mail = await freePort();
  const config = configWith({ mail, redis: redis?.url });
  h = await harness({
    ...{ config, address: server.address, env: { GRPC_PORT: '0' } },
    egress: { ...egress, check: () => undefined, close: async () => undefined },
  });
  const { body } = await h.call('POST', '/v1/keys', { name: 'senders', scopes: ['ingest'] });
  key = (body as MadeKey).secret;
  doors = await openDoors({ url: h.url, key, mail, grpc: h.grpc ?? 'nowhere', redis: redis?.url });
});
afterAll(async () => {
  await doors?.close();
  await h?.stop();
  await redis?.close();
  await server?.stop();
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
});

describe('with Temporal away', () => {
  it('events are kept and acknowledgements are taken; back again, all is told and who was answered is not paged', async () => {
    await h.post({ title: 'Before it went', severity: 'critical', service: 'answered' });
    await h.slack.expects(/Before it went/);
    const { id } = await h.incidentOf('answered');
    await server.stop();

    const started = performance.now();
    await h.post({ title: 'While it was away', severity: 'critical', service: 'kept' });
    const answer = await h.ack(id, 'ada');
    expect(answer).toMatchObject({ outcome: 'done', by: 'ada', begun: [], incident: { status: 'acknowledged' } });
    expect(performance.now() - started, 'nobody at the door waits for Temporal').toBeLessThan(LATE_MS);
    expect(await h.ack(id, 'bob')).toMatchObject({ outcome: 'already', by: 'ada' });
    expect((await h.call('GET', '/healthz')).status).toBe(200);

    server = await begin(Number(server.address.split(':')[1]));
    await h.slack.expects(/While it was away/, BACK_MS);
    await h.slack.expects(/Acknowledged by ada/, BACK_MS);
    const { id: kept } = await h.incidentOf('kept');
    await h.ack(kept, 'ada');
    await h.slack.expects(/While it was away.*Acknowledged by ada/s);
    await h.done();

    for (const open of [id, kept]) await h.resolve(open, 'ada');
    await h.slack.expects(/Before it went.*Resolved by ada/s);
    await h.slack.expects(/While it was away.*Resolved by ada/s);
    await h.closed(id);
    await h.closed(kept);
    await h.done();
  });
});

describe('with relay and worker away', { timeout: 6 * BACK_MS }, () => {
  const alertsIn = ({ incident }: Told): number => incident.alert_count;
  interface Told {
    incident: { id: string; alert_count: number };
    alerts: { source: string }[];
  }

  it('what comes by every source and every door is kept, and told by the worker that comes next', async () => {
    const sent = new Map<string, number>();
    let trouble = 0;
    /** The next troubles, told by this sender: one message for each, or one for all. */
    const tell = async (
      id: string,
      telling: (troubles: number[]) => Promise<unknown>,
      batch: number,
    ): Promise<void> => {
      const troubles = Array.from({ length: TROUBLES_EACH }, () => trouble++);
      sent.set(id, troubles.length);
      for (let at = 0; at < troubles.length; at += batch) await telling(troubles.slice(at, at + batch));
    };
    const byHeartbeats = ([id]: [string, unknown]): number => (id === 'heartbeats' ? 0 : 1);
    await h.redeploy(undefined, async () => {
      for (const [id, door] of doors.all.toSorted((a, b) => byHeartbeats(a) - byHeartbeats(b)))
        await tell(id, ([one = 0]) => door.tell(one), 1);
      for (const [id, { message, prove, secret = key, batch = 1 }] of POSTING) {
        const post = async (troubles: number[]): Promise<void> => {
          const now = new Date();
          const { path, raw, headers } = prove(message(troubles, now), secret, now);
          const { status } = await fetch(h.url + path, { method: 'POST', body: new Uint8Array(raw), headers });
          expect([id, status]).toEqual([id, expect.toSatisfy((is: number) => is >= 200 && is < 300)]);
        };
        await tell(id, post, batch);
      }
      expect(h.fakes.hook.hits.filter(({ path }) => path === '/all')).toEqual([]);
    });

    /** By source, how many alerts the last message about each of its incidents says that there are. */
    const told = (): Map<string, number> => {
      const last = new Map(
        h.fakes.hook.hits.flatMap(({ path, body }: WebhookHit) => {
          const { data } = body as { data: Told };
          return path === '/all' ? [[data.incident.id, data]] : [];
        }),
      );
      const bySource = Map.groupBy(last.values(), ({ alerts: [first] }) => first?.source ?? '');
      return new Map([...bySource].map(([source, all]) => [source, all.reduce((sum, one) => sum + alertsIn(one), 0)]));
    };
    const isTold = () => [...sent].every(([source, count]) => told().get(source) === count);
    await until('all to be told', () => isTold() || undefined, 3 * BACK_MS).catch(() => expect(told()).toEqual(sent));
    expect(h.grpc).toMatch(/^grpc:/);
    expect(sent.size).toBe(POSTING.length + (redis ? 7 : 6));
    const { incidents } = (await h.call('GET', '/v1/incidents?limit=200')).body as { incidents: IncidentView[] };
    expect(incidents.filter(({ route }) => route === 'mixed')).toHaveLength(sent.size - 1 + TROUBLES_EACH);
  });
});
