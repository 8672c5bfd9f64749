/** Two APIs and two workers on a full Temporal server with PostgreSQL, as a house beyond one machine runs them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IncidentView } from '../../src/ledger/views.ts';
import { SEARCH_ATTRIBUTES } from '../../src/temporal/connect.ts';
import { createApiClient } from '../support/api-client.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { startWebhookReceiver, type WebhookHit, type WebhookReceiver } from '../support/fakes/webhook-receiver.ts';
import { type PostgresServer, postgresPrograms, startPostgres } from '../support/postgres.ts';
import { startTemporalServer, type TemporalServer, temporalServerPrograms } from '../support/temporal-server.ts';
import { until } from '../support/until.ts';

const isHere = postgresPrograms() !== undefined && temporalServerPrograms() !== undefined;
const isRequired = process.env.TOCSIN_REQUIRE_TEMPORAL_SERVER === '1';

/** Between a page and its escalation. */
const ESCALATES_MS = 3_000;
/** A killed server's place in the ring is taken over, its shards are loaded, and the clients come back. */
const BACK_MS = 60_000;
const TEST_MS = 3 * BACK_MS;

const config = (receiver: string): string => `
integrations:
  ops: { type: webhook, url: '${receiver}/ops' }
  pager: { type: webhook, url: '${receiver}/pager' }
escalations:
  on-call: { levels: [ { notify: [ops], wait: ${ESCALATES_MS}ms }, { notify: [pager], wait: 1h } ] }
routes:
  - { name: critical, match: [ 'severity="critical"' ], group_by: [service], escalate: on-call }
default: { group_by: [service], group_wait: 0s, notify: [ops] }
summaries:
  - { name: daily, at: '18:00', timezone: Asia/Seoul, notify: [ops] }
egress: { allow: ['127.0.0.0/8'] }
`;

it.runIf(isRequired)('the full server can be started here', () => {
  expect(isHere, 'PostgreSQL or the Temporal server is missing: .ci/build-temporal-server builds the latter').toBe(
    true,
  );
});

describe.runIf(isHere)('Tocsin on a full Temporal server', { timeout: TEST_MS }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-full-'));
  let receiver: WebhookReceiver;
  let postgres: PostgresServer;
  let server: TemporalServer;
  let cluster: Cluster;
  let connection: Connection;
  let temporal: Client;

  beforeAll(async () => {
    receiver = await startWebhookReceiver();
    const configPath = join(dir, 'tocsin.yaml');
    writeFileSync(configPath, config(receiver.url));
    postgres = await startPostgres();
    server = await startTemporalServer(postgres);
    cluster = await startCluster({ configPath, temporal: server });
    connection = await Connection.connect({ address: server.address });
    temporal = new Client({ connection, namespace: server.namespace });
  });
  afterAll(async () => {
    await connection?.close();
    await cluster?.remove();
    await server?.remove();
    await postgres?.remove();
    await receiver?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const api = (which: 0 | 1 = 0) => createApiClient(cluster.urls[which], cluster.key);
  const post = (service: string, more: Record<string, unknown> = {}) =>
    api().taken('POST', '/v1/events', {
      source: 'cluster',
      type: 'trouble',
      title: `Trouble of ${service}`,
      severity: 'critical',
      service,
      dedup_key: service,
      ...more,
    });
  const incidentOf = (service: string, holds: (incident: IncidentView) => boolean = () => true) =>
    until(`the incident of ${service}`, async () => {
      const { incidents } = await api(1).taken<{ incidents: IncidentView[] }>(
        'GET',
        `/v1/incidents?service=${service}`,
      );
      return incidents.find(holds);
    });
  const isOf =
    (service: string, reason: string, path: string) =>
    (hit: WebhookHit): boolean => {
      const { type, data } = hit.body as { type: string; data: { incident: { service?: string } } };
      return hit.path === path && type === `incident.${reason}` && data.incident.service === service;
    };
  const told = (service: string, reason: string, path: '/ops' | '/pager' = '/ops') =>
    receiver.waitFor(isOf(service, reason, path), BACK_MS);
  const ack = async (service: string): Promise<string> => {
    const { id } = await incidentOf(service);
    await api(1).taken('POST', `/v1/incidents/${id}/ack`, { by: 'ada' });
    await told(service, 'acknowledged');
    return id;
  };
  const isClosed = ({ closed_at }: IncidentView): boolean => closed_at !== undefined;

  it('tells an alert, escalates it no further once it is acknowledged, and closes it when it ends; a worker may be killed', async () => {
    await post('answered');
    await told('answered', 'group_now');
    await until('the page to be recorded: no attempt is lost with the worker', async () => {
      const { deliveries } = await api().taken<{ deliveries: unknown[] }>('GET', '/v1/deliveries?status=delivered');
      return deliveries.length === 1 || undefined;
    });
    cluster.signal('worker-1', 'SIGKILL');
    await until('the worker to end', () => cluster.pidOf('worker-1') === undefined || undefined);
    const id = await ack('answered');
    // Another one that nobody answers: when it has escalated, the first would have.
    await post('unanswered');
    await told('unanswered', 'escalated', '/pager');
    expect(receiver.hits.filter(isOf('answered', 'escalated', '/pager'))).toEqual([]);
    await cluster.begin();
    for (const service of ['answered', 'unanswered']) {
      await post(service, { status: 'resolved' });
      await told(service, 'resolved');
      await incidentOf(service, isClosed);
    }
    expect(await temporal.workflow.getHandle(id).result()).toEqual({ closed: 'resolved' });
    expect(receiver.hits.filter(({ repeated }) => repeated)).toEqual([]);
  });

  it('goes on after the Temporal server was killed: what waited is escalated, what came meanwhile is told', async () => {
    await post('open');
    await told('open', 'group_now');
    await server.kill();
    await post('meanwhile');
    await server.begin();
    await told('meanwhile', 'group_now');
    await told('open', 'escalated', '/pager');
    for (const service of ['open', 'meanwhile']) {
      const id = await ack(service);
      await api().taken('POST', `/v1/incidents/${id}/resolve`, { by: 'ada' });
      await told(service, 'resolved');
      await incidentOf(service, isClosed);
    }
    const begun = receiver.hits.filter(isOf('open', 'group_now', '/ops'));
    expect(begun, 'the page that had been sent is not sent again').toHaveLength(1);
  });

  it('has registered its search attributes by itself, and lists by them', async () => {
    const { namespace } = server;
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    expect(Object.keys(customAttributes ?? {})).toEqual(expect.arrayContaining([...SEARCH_ATTRIBUTES]));
    await post('listed', { severity: 'error' });
    const { id } = await incidentOf('listed');
    const query = 'TocsinService = "listed" and TocsinSeverity = "error" and TocsinStatus = "open"';
    const [found] = await until('the list to know it', async () => {
      const listed: string[] = [];
      for await (const { workflowId } of temporal.workflow.list({ query })) listed.push(workflowId);
      return listed.length > 0 ? listed : undefined;
    });
    expect(found).toBe(id);
  });

  it('has made the schedule of the daily summary, which writes and tells it when it fires', async () => {
    const schedules: string[] = [];
    for await (const { scheduleId } of temporal.schedule.list()) schedules.push(scheduleId);
    expect(schedules).toEqual(['tocsin-summary-daily']);
    const handle = temporal.schedule.getHandle('tocsin-summary-daily');
    const { spec } = await handle.describe();
    expect(spec.timezone).toBe('Asia/Seoul');
    expect(spec.calendars).toMatchObject([{ hour: [{ start: 18 }], minute: [{ start: 0 }] }]);
    await handle.trigger();
    await receiver.waitFor(({ body }) => (body as { type: string }).type === 'incident.summary', BACK_MS);
  });
});
