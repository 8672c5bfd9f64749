/** Journeys while Temporal is away: what comes is kept and answered, and told once it is back. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type DevServer, startDevServer } from '../../src/temporal/dev-server.ts';
import { type Harness, harness } from '../support/harness.ts';

const CONFIG = `
integrations:
  chat: { type: slack, token: '<SLACK_TOKEN>', api_url: '<SLACK_API>', channel: '#ops' }
  pager: { type: webhook, url: '<HOOK>/pager', secret: '<HOOK_SECRET>' }
escalations:
  on-call: { levels: [ { notify: [chat], wait: 8s }, { notify: [pager], wait: 1h } ] }
default: { group_by: [service], group_now: [critical], notify: [chat], escalate: on-call }
egress: { allow: ['127.0.0.0/8'] }
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
beforeAll(async () => {
  server = await begin(0);
  h = await harness({ config: CONFIG, address: server.address });
});
afterAll(async () => {
  await h?.stop();
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
    expect(performance.now() - started, 'nobody at the door waits for Temporal').toBeLessThan(2_000);
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
