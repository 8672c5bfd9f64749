/** The journey through the loss of Temporal's whole database: the ledger brings every open incident back. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IncidentView } from '../../src/ledger/views.ts';
import { isRunning } from '../../src/temporal/process.ts';
import { createApiClient } from '../support/api-client.ts';
import { endAll, type StartInput, startTocsin, type TocsinProcess } from '../support/child.ts';
import { startFakes } from '../support/expected.ts';
import { until } from '../support/until.ts';

const LEVEL_WAIT_MS = 5_000;
/** Overdue by 30 s, looked for every 30 s (design.md section 2, rule 11), and a little for the page itself. */
const BROUGHT_BACK_MS = 70_000;

const CONFIG = `
integrations:
  hook: { type: webhook, url: '<HOOK>/hook', secret: '<HOOK_SECRET>' }
  next: { type: webhook, url: '<HOOK>/next', secret: '<HOOK_SECRET>' }
escalations:
  on-call: { levels: [ { notify: [hook], wait: ${LEVEL_WAIT_MS}ms }, { notify: [next], wait: 1h } ] }
routes:
  - { name: climbing, match: [ 'type="climbing"' ], escalate: on-call }
default: { group_by: [service, type], group_now: [critical], notify: [hook] }
egress: { allow: ['127.0.0.0/8'] }
`;

const dir = mkdtempSync(join(tmpdir(), 'tocsin-lost-'));
const start: StartInput = { stateDir: dir, configPath: join(dir, 'tocsin.yaml'), key: 'key-of-the-lost-temporal' };
let vendors: Awaited<ReturnType<typeof startFakes>>;
let tocsin: TocsinProcess;

beforeAll(async () => {
  vendors = await startFakes();
  writeFileSync(start.configPath, vendors.fill(CONFIG));
  tocsin = await startTocsin(start);
});
afterAll(async () => {
  await endAll(tocsin, dir);
  await vendors?.close();
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
});

const api = () => createApiClient(tocsin.url, start.key);
const post = (event: Record<string, unknown>): Promise<unknown> =>
  api().taken('POST', '/v1/events', { source: 'journey', type: 'trouble', severity: 'critical', ...event });
const incidentOf = async (service: string): Promise<IncidentView> => {
  const { incidents } = await api().taken<{ incidents: IncidentView[] }>('GET', `/v1/incidents?service=${service}`);
  if (!incidents[0]) throw new Error(`there is no incident of ${service}`);
  return incidents[0];
};
const told = (target: string, reason: string, service: string, timeoutMs?: number) =>
  vendors.expected.hook.expects(
    new RegExp(`^/${target} .*"type":"incident.${reason}".*"service":"${service}"`),
    timeoutMs,
  );
const closed = (service: string) =>
  until(`the end of ${service}`, async () => ((await incidentOf(service)).closed_at !== undefined ? true : undefined));

describe("with Temporal's database gone", () => {
  it(
    'every open incident comes back: answers are told, ends end it, what was due is done, and nobody is told twice',
    async () => {
      const services = ['answered', 'ending', 'climbing', 'resting'];
      const alarms = services.map((service) => ({
        service,
        title: `Open: ${service}`,
        dedup_key: service,
        ...(service === 'climbing' && { type: 'climbing' }),
      }));
      for (const alarm of alarms) await post(alarm);
      for (const service of services) await told('hook', 'group_now', service);
      await until('every delivery to be recorded', async () => {
        const { deliveries } = await api().taken<{ deliveries: unknown[] }>('GET', '/v1/deliveries?status=delivered');
        return deliveries.length === services.length ? true : undefined;
      });

      await tocsin.end('SIGKILL');
      process.kill(tocsin.temporalPid, 'SIGKILL');
      await until('Temporal to be gone', () => (isRunning(tocsin.temporalPid) ? undefined : true));
      const state = join(dir, 'state');
      const files = readdirSync(state).filter((name) => name.startsWith('temporal.db'));
      expect(files).not.toEqual([]);
      for (const name of files) rmSync(join(state, name));
      tocsin = await startTocsin(start);

      const { id } = await incidentOf('answered');
      await api().taken('POST', `/v1/incidents/${id}/ack`, { by: 'ada' });
      await told('hook', 'acknowledged', 'answered');
      await post({ service: 'ending', title: 'Open: ending', dedup_key: 'ending', status: 'resolved' });
      await told('hook', 'resolved', 'ending');
      await closed('ending');
      await told('next', 'escalated', 'climbing', BROUGHT_BACK_MS);

      for (const service of ['answered', 'climbing', 'resting']) {
        await api().taken('POST', `/v1/incidents/${(await incidentOf(service)).id}/resolve`, { by: 'ada' });
        await told('hook', 'resolved', service);
      }
      await told('next', 'resolved', 'climbing');
      for (const service of services) await closed(service);
      vendors.expected.nothingElse();

      expect(await tocsin.end('SIGINT')).toBe(0);
      expect(isRunning(tocsin.temporalPid), 'Ctrl-C ends its Temporal as well').toBe(false);
    },
    2 * BROUGHT_BACK_MS,
  );
});
