/** The whole of Tocsin in this process, on the shared Temporal server, with fake vendors around it and verbs for journeys. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { inject } from 'vitest';
import type { Incident } from '../../src/core/incident.ts';
import { nextStep } from '../../src/core/plan.ts';
import type { Egress } from '../../src/egress/guard.ts';
import { type Command, command } from '../../src/ledger/answers.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { firstKey } from '../../src/ledger/keys.ts';
import type { IncidentDetail } from '../../src/ledger/reading.ts';
import type { DeliveryView, IncidentView } from '../../src/ledger/views.ts';
import { startApi } from '../../src/main/api.ts';
import { layFoundation } from '../../src/main/foundation.ts';
import { startHands } from '../../src/main/hands.ts';
import { STATE } from '../../workflows/contract.ts';
import { createApiClient, type Reply } from './api-client.ts';
import { type Expected, type Fakes, startFakes } from './expected.ts';
import { inMemory } from './image.ts';
import { until } from './until.ts';

export interface Harness extends Expected {
  fakes: Fakes;
  url: string;
  taskQueue: string;
  ledger: Ledger;
  temporal: Client;
  /** Any call of the API, with the admin key. */
  call(method: string, path: string, body?: unknown): Promise<Reply>;
  /** Posts one event; throws unless it is kept. Returns its id. */
  post(event: Record<string, unknown>): Promise<string>;
  incident(id: string): Promise<IncidentDetail>;
  /** The first incident that satisfies the predicate, found in the list of the API. */
  waitForIncident(predicate: (incident: IncidentView) => boolean, timeoutMs?: number): Promise<IncidentView>;
  /** The incident of this service, once its workflow has been opened. */
  incidentOf(service: string): Promise<IncidentView>;
  closed(id: string): Promise<IncidentView>;
  ack(id: string, by?: string): Promise<CommandReply>;
  unack(id: string, by?: string): Promise<CommandReply>;
  resolve(id: string, by?: string): Promise<CommandReply>;
  escalate(id: string, level?: number): Promise<CommandReply>;
  comment(id: string, text: string): Promise<CommandReply>;
  /** Shorter than the API allows (a minute): decided by the ledger as the API decides it. */
  snooze(id: string, forMs: number): Promise<void>;
  delivery(predicate: (delivery: DeliveryView) => boolean): Promise<DeliveryView>;
  /** The incident as its workflow remembers it. */
  state(id: string): Promise<Incident>;
  /** Where the gRPC door is, `grpc://…`; absent without GRPC_PORT. */
  grpc: string | undefined;
  /** Ends relay and worker and starts others, with these workflows or the usual ones: an upgrade. `meanwhile` is between. */
  redeploy(bundlePath?: string, meanwhile?: () => Promise<unknown>): Promise<void>;
  /** Waits until nothing is on its way any more, then fails on every message that nobody has expected. */
  done(): Promise<void>;
  stop(): Promise<void>;
}

export interface CommandReply {
  outcome: 'done' | 'already';
  by?: string;
  incident: IncidentView;
  begun: { delivery: string; target: string; reason: string }[];
}

export interface HarnessInput {
  /** tocsin.yaml; `<SLACK_API>`, `<SMTP_PORT>` and their like (see expected.ts) become the fakes' addresses. */
  config: string;
  env?: Record<string, string>;
  /** Another Temporal than the shared one. */
  address?: string;
  /** A namespace of its own (namespace.ts). */
  namespace?: string;
  /** What the API calls others by, where it is not to be the guard. */
  egress?: Egress;
}

const SETTLE_MS = 15_000;
const STATUS_CODE_ACCEPTED = 202;

export async function harness({
  config,
  env = {},
  address,
  namespace = 'default',
  egress,
}: HarnessInput): Promise<Harness> {
  const shared = inject('temporal');
  const name = randomBytes(4).toString('hex');
  const key = `key-${randomBytes(12).toString('hex')}`;
  const taskQueue = `journey-${name}`;
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-journey-'));
  const { fakes, expected, fill, close: closeFakes } = await startFakes();
  const configPath = join(dir, 'tocsin.yaml');
  writeFileSync(configPath, fill(config));

  const foundation = await layFoundation({
    env: {
      PORT: '0',
      LOG_LEVEL: process.env.JOURNEY_LOG ?? 'silent',
      TEMPORAL_ADDRESS: address ?? shared.address,
      TEMPORAL_NAMESPACE: namespace,
      TOCSIN_TASK_QUEUE: taskQueue,
      TOCSIN_INCIDENT_PREFIX: `J${name}`,
      TOCSIN_API_KEY: key,
      ...env,
    },
    configPath,
    ledger: inMemory(),
    level: 'silent',
  });
  const { ledger } = foundation;
  await firstKey(ledger, key);
  const api = await startApi(egress ? { ...foundation, egress } : foundation);
  const begin = (bundlePath = shared.bundlePath) =>
    startHands(foundation, { print: () => undefined, isOurs: true, bundlePath });
  let hands = await begin();
  const connection = await Connection.connect({ address: address ?? shared.address });
  const temporal = new Client({ connection, namespace });

  const { call, taken } = createApiClient(api.url, key);
  const listed = async (): Promise<IncidentView[]> =>
    (await taken<{ incidents: IncidentView[] }>('GET', '/v1/incidents?limit=200')).incidents;
  const commanding =
    (verb: string) =>
    (id: string, by?: string): Promise<CommandReply> =>
      taken('POST', `/v1/incidents/${id}/${verb}`, by === undefined ? {} : { by });
  const state = (id: string): Promise<Incident> => temporal.workflow.getHandle(id).query<Incident>(STATE);

  const waitForIncident: Harness['waitForIncident'] = (predicate, timeoutMs) =>
    until('an incident as awaited', async () => (await listed()).find(predicate), timeoutMs);

  /** Every row is folded, nothing is being delivered, and no incident has anything to do now. */
  const isSettled = async (): Promise<boolean> => {
    const [waiting] = await ledger.query<{ rows: number }>(
      `select (select count(*)::int from inbox where batch is null) + (select count(*)::int from batches where signalled_at is null)
            + (select count(*)::int from sends where ended_at is null and kind <> 'summary') as rows`,
    );
    if (waiting?.rows !== 0) return false;
    const open = await ledger.query<{ id: string; last_batch: number }>(
      'select id, last_batch from incidents where closed_at is null',
    );
    for (const { id, last_batch } of open) {
      const known = await state(id);
      if (known.seen !== last_batch || Object.values(known.targets).some(({ current }) => current?.running))
        return false;
      if (nextStep(known, Date.now()).kind !== 'wait') return false;
    }
    return true;
  };

  return {
    ...expected,
    fakes,
    url: api.url,
    grpc: api.grpc,
    taskQueue,
    ledger,
    temporal,
    call,
    async post(event) {
      const reply = await call('POST', '/v1/events', { source: 'journey', type: 'trouble', ...event });
      const { accepted = [], duplicates = [] } = reply.body as Record<string, { id: string }[]>;
      const [kept] = [...accepted, ...duplicates];
      if (reply.status !== STATUS_CODE_ACCEPTED || !kept) throw new Error(`not kept: ${reply.status} ${reply.text}`);
      return kept.id;
    },
    incident: (id) => taken('GET', `/v1/incidents/${id}`),
    waitForIncident,
    incidentOf: (service) => waitForIncident((incident) => incident.service === service),
    closed: (id) => waitForIncident((incident) => incident.id === id && incident.closed_at !== undefined),
    ack: commanding('ack'),
    unack: commanding('unack'),
    resolve: commanding('resolve'),
    escalate: (id, level) => taken('POST', `/v1/incidents/${id}/escalate`, level === undefined ? {} : { level }),
    comment: (id, text) => taken('POST', `/v1/incidents/${id}/comment`, { text }),
    async snooze(id, forMs) {
      const asked: Command = { kind: 'snooze', for_ms: forMs };
      const { outcome } = await command(ledger, id, asked, { by: 'ada', key: 'journey' });
      if (outcome !== 'done') throw new Error(`the snooze of ${id} was answered ${outcome}`);
    },
    delivery: (predicate) =>
      until('a delivery as awaited', async () => {
        const { deliveries } = await taken<{ deliveries: DeliveryView[] }>('GET', '/v1/deliveries?limit=200');
        return deliveries.find(predicate);
      }),
    state,
    async redeploy(bundlePath, meanwhile) {
      await hands.stop();
      try {
        await meanwhile?.();
      } finally {
        hands = await begin(bundlePath);
      }
    },
    async done() {
      await until('quiet', async () => (await isSettled()) || undefined, SETTLE_MS);
      expected.nothingElse();
    },
    async stop() {
      await hands.stop();
      await api.stop();
      await foundation.close();
      await connection.close();
      await closeFakes();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
