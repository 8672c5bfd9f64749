/** An embedded Tocsin whose clock jumps while Temporal's does not: nothing is told twice, nothing is lost, nobody waits for the hour. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IncidentView } from '../../src/ledger/views.ts';
import { createApiClient } from '../support/api-client.ts';
import { endAll, type StartInput, startTocsin, type TocsinProcess } from '../support/child.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { startWebhookReceiver, type WebhookHit, type WebhookReceiver } from '../support/fakes/webhook-receiver.ts';
import { until } from '../support/until.ts';

const HOUR_S = 3_600;
const ESCALATES_MS = 6_000;
/** Far less than the hour, and more than a busy machine needs. */
const SOON_MS = 45_000;
/** How far the clocks of two readings may be apart. */
const APART_MS = 30_000;

const dir = mkdtempSync(join(tmpdir(), 'tocsin-clock-'));
const start: StartInput = { stateDir: dir, configPath: join(dir, 'tocsin.yaml'), key: 'key-of-the-clock' };
const clock = createFakeClock(dir);

it.runIf(process.env.TOCSIN_REQUIRE_FAKETIME === '1')('a clock can be moved here', () => {
  expect(clock, 'libfaketime is not installed: apt-get install faketime').toBeDefined();
});

describe.runIf(clock)('an embedded Tocsin whose clock jumps', { timeout: 6 * SOON_MS }, () => {
  let receiver: WebhookReceiver;
  let tocsin: TocsinProcess;

  beforeAll(async () => {
    receiver = await startWebhookReceiver();
    writeFileSync(
      start.configPath,
      `
integrations:
  hook: { type: webhook, url: '${receiver.url}/hook', backoff: 200ms }
  paced: { type: webhook, url: '${receiver.url}/paced', rate: 60/m }
escalations:
  on-call: { levels: [ { notify: [hook, paced], wait: ${ESCALATES_MS}ms }, { notify: [hook], wait: 1h } ] }
default: { group_by: [service], notify: [], escalate: on-call }
egress: { allow: ['127.0.0.0/8'] }
`,
    );
    tocsin = await startTocsin({ ...start, ...(clock && { env: clock.env }) });
  });
  afterAll(async () => {
    await endAll(tocsin, dir);
    await receiver?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const api = () => createApiClient(tocsin.url, start.key);
  const post = (service: string, more: Record<string, unknown> = {}) =>
    api().taken('POST', '/v1/events', {
      ...{ source: 'clock', type: 'trouble', title: `Trouble of ${service}`, severity: 'critical', service },
      ...{ dedup_key: service, ...more },
    });
  const incidentOf = (service: string, holds: (incident: IncidentView) => boolean = () => true) =>
    until(
      `the incident of ${service}`,
      async () => {
        const { incidents } = await api().taken<{ incidents: IncidentView[] }>(
          'GET',
          `/v1/incidents?service=${service}`,
        );
        return incidents.find(holds);
      },
      SOON_MS,
    );
  const isOf =
    (service: string, reason: string, path: string) =>
    (hit: WebhookHit): boolean => {
      const { type, data } = hit.body as { type: string; data: { incident: { service?: string } } };
      return hit.path === path && type === `incident.${reason}` && data.incident.service === service;
    };
  const told = (service: string, reason: string, path: '/hook' | '/paced' = '/hook') =>
    receiver.waitFor(isOf(service, reason, path), SOON_MS);

  it.each([
    ['an hour ahead', HOUR_S],
    ['an hour behind', -HOUR_S],
    ['back to the true time', 0],
  ])('%s escalates once what waits, tells what comes, takes answers, and closes what ends', async (_, seconds) => {
    const name = (what: string): string => `${what}-${seconds}`;
    for (const what of ['waits', 'answered']) {
      await post(name(what));
      await told(name(what), 'group_now');
      await told(name(what), 'group_now', '/paced');
    }
    const { id } = await incidentOf(name('answered'));
    await api().taken('POST', `/v1/incidents/${id}/ack`, { by: 'ada' });
    await told(name('answered'), 'acknowledged');

    clock?.moveTo({ seconds });
    const isMoved = (time: string): boolean => Math.abs(Date.parse(time) - Date.now() - seconds * 1_000) < APART_MS;
    let turn = 0;
    const after = await until(
      'an incident by the moved clock',
      async () => {
        const service = name(`after-${++turn}`);
        await post(service);
        const { opened_at } = await incidentOf(service);
        return isMoved(opened_at) ? service : undefined;
      },
      SOON_MS,
    );
    await told(after, 'group_now');
    await told(after, 'group_now', '/paced');
    await told(name('waits'), 'escalated');
    await told(after, 'escalated');
    expect(receiver.hits.filter(isOf(name('waits'), 'escalated', '/hook'))).toHaveLength(1);
    expect(receiver.hits.filter(isOf(name('answered'), 'escalated', '/hook'))).toEqual([]);

    const all = [name('waits'), name('answered'), ...Array.from({ length: turn }, (_, at) => name(`after-${at + 1}`))];
    for (const service of all) {
      await post(service, { status: 'resolved' });
      await told(service, 'resolved');
      await incidentOf(service, ({ closed_at }) => closed_at !== undefined);
    }
    expect(receiver.hits.filter(({ repeated }) => repeated)).toEqual([]);
  });
});
