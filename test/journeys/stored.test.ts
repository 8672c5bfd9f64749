/** Journey of an integration that is kept in the ledger: made, tested, named by a route, told, changed while it runs, and gone. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeliveryView } from '../../src/ledger/views.ts';
import { createApiClient } from '../support/api-client.ts';
import { endAll, type StartInput, startInVain, startTocsin, type TocsinProcess } from '../support/child.ts';
import { startFakes } from '../support/expected.ts';
import { until } from '../support/until.ts';

const FILE = `
integrations: { terminal: { type: stdout } }
egress: { allow: ['127.0.0.0/8'] }
`;
const ROUTED = `${FILE}default: { group_by: [service], group_wait: 0s, notify: [kept] }\n`;
const TOLD_MS = 30_000;

const dir = mkdtempSync(join(tmpdir(), 'tocsin-stored-'));
const start: StartInput = { stateDir: dir, configPath: join(dir, 'tocsin.yaml'), key: 'key-of-the-stored-journey' };
let vendors: Awaited<ReturnType<typeof startFakes>>;
let tocsin: TocsinProcess;

beforeAll(async () => {
  vendors = await startFakes();
  writeFileSync(start.configPath, FILE);
  tocsin = await startTocsin(start);
});
afterAll(async () => {
  await endAll(tocsin, dir);
  await vendors?.close();
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
});

const api = () => createApiClient(tocsin.url, start.key);
const post = (service: string, type = 'outage') =>
  api().taken('POST', '/v1/events', { source: 'journey', type, title: 'It broke', severity: 'critical', service });
const heard = (path: string, service: string) =>
  vendors.expected.hook.expects(new RegExp(`^/${path} .*"service":"${service}"`), TOLD_MS);
const deliveryOf = (predicate: (delivery: DeliveryView) => boolean): Promise<DeliveryView> =>
  until('a delivery as awaited', async () => {
    const { deliveries } = await api().taken<{ deliveries: DeliveryView[] }>('GET', '/v1/deliveries');
    return deliveries.find(predicate);
  });

describe('an integration of the ledger', () => {
  it('is made and tested without a restart', async () => {
    const secret = vendors.fill('<HOOK_SECRET>');
    const config = { url: vendors.fill('<HOOK>/first'), secret };
    expect((await api().call('POST', '/v1/integrations', { name: 'kept', type: 'webhook', config })).status).toBe(201);
    const { body } = await api().call('POST', '/v1/integrations/kept/test');
    expect(body).toMatchObject({
      success: true,
      integrationType: 'webhook',
      integrationId: 'kept',
      checked: 'message',
    });
    await vendors.expected.hook.expects(/^\/first .*"type":"incident.test"/);
  });

  it('is told by a route that names it from the next start on; a name that nobody has stops the start', async () => {
    await tocsin.end('SIGINT');
    writeFileSync(start.configPath, ROUTED.replace('notify: [kept]', 'notify: [kepp]'));
    const { code, output } = await startInVain(start);
    expect([code, output]).toEqual([
      1,
      expect.stringContaining('kepp is neither in the file nor stored: did you mean kept?'),
    ]);
    writeFileSync(start.configPath, ROUTED);
    tocsin = await startTocsin(start);
    await post('routed');
    await heard('first', 'routed');
  });

  it('is what a change makes of it, at once where one process does it all', async () => {
    const change = (body: object) => api().taken('PATCH', '/v1/integrations/kept', body);
    await change({ config: { url: vendors.fill('<HOOK>/second') }, events: { log_gpu_oom: false } });
    await post('changed');
    await heard('second', 'changed');
    await post('quiet', 'gpu_oom');
    expect(await deliveryOf(({ status }) => status === 'skipped')).toMatchObject({
      target: 'kept',
      detail: 'the integration has log_gpu_oom off',
    });
  });

  it('stays while a route names it', async () => {
    expect(await api().call('DELETE', '/v1/integrations/kept')).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('default.notify[0]') },
    });
  });
});
