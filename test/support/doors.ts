/** Every way in beside the sources that are posted to (senders.ts): users' own doors, heartbeats, gRPC, mail and a stream. */
import { fileURLToPath } from 'node:url';
import { credentials, loadPackageDefinition, Metadata, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { createClient } from '@redis/client';
import { createTransport } from 'nodemailer';
import { nameOf, serviceOf } from './senders.ts';

export interface Doorway {
  /** Tells of one trouble. Rejects unless it was taken. */
  tell(trouble: number): Promise<unknown>;
  /** Of the events that these troubles become. */
  service(trouble: number): string;
}

export interface Doors {
  /** By the source of their events. */
  all: [source: string, door: Doorway][];
  close(): Promise<void>;
}

/** Mail and streams, as sources of tocsin.yaml; a letter says nothing of a service, so that its source does. */
export const listenersYaml = ({
  mail,
  redis,
}: {
  mail: number;
  redis: string | undefined;
}): Record<string, string> => ({
  mail: `address: alerts, port: ${mail}, service: ${serviceOf(0)}`,
  ...(redis !== undefined && { 'redis-stream': `url: '${redis}'` }),
});

const heartbeatOf = (trouble: number): string => `beat-${nameOf(trouble)}`;
/** The section `heartbeats` with one for each of these troubles. */
export const heartbeatsYaml = (troubles: readonly number[]): string =>
  ['heartbeats:', ...troubles.map((one) => `  ${heartbeatOf(one)}: { every: 1d, service: ${serviceOf(one)} }`)].join(
    '\n',
  );

const PROTO = fileURLToPath(new URL('../../src/listeners/grpc/tocsin.proto', import.meta.url));
const { tocsin } = loadPackageDefinition(loadSync(PROTO, { keepCase: true })) as unknown as {
  tocsin: { v1: { IncidentService: ServiceClientConstructor } };
};
interface IncidentService {
  SubmitAlert(
    alert: object,
    metadata: Metadata,
    options: { deadline: number },
    done: (error: Error | null, answer: unknown) => void,
  ): void;
  close(): void;
}
const DEADLINE_MS = 30_000;

/** `mail`: the port of its listener; `redis` and `grpc`: addresses, `grpc://…` as Tocsin says it. */
export async function openDoors(at: {
  url: string;
  key: string;
  mail: number;
  grpc: string;
  redis: string | undefined;
}): Promise<Doors> {
  const post = async (path: string, body: object): Promise<void> => {
    const headers = { authorization: `Bearer ${at.key}`, 'content-type': 'application/json' };
    const answer = await fetch(at.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path} was answered ${answer.status}: ${await answer.text()}`);
    await answer.body?.cancel();
  };
  const said = (source: string, trouble: number) => ({
    ...{ id: nameOf(trouble), source, title: `Trouble ${nameOf(trouble)}`, service: serviceOf(trouble) },
    severity: trouble % 5 === 0 ? 'P0' : 'P1',
  });
  const smtp = createTransport({ host: '127.0.0.1', port: at.mail, ignoreTLS: true, pool: true, maxConnections: 2 });
  const redis = at.redis === undefined ? undefined : await createClient({ url: at.redis }).connect();
  const address = at.grpc.replace(/^\w+:\/\//, '');
  const grpc = new tocsin.v1.IncidentService(address, credentials.createInsecure()) as unknown as IncidentService;
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${at.key}`);

  const all: Record<string, Doorway> = {
    alerts: { tell: (trouble) => post('/v1/alerts', said('alerts', trouble)), service: serviceOf },
    // Nobody opens it while nobody works: its answer would wait for that.
    incidents: { tell: (trouble) => post('/v1/incidents?wait=1ms', said('incidents', trouble)), service: serviceOf },
    jobs: {
      tell: (trouble) =>
        post('/api/alerts/trigger?wait=1ms', {
          ...{ id: nameOf(trouble), type: 'gpu_oom', service: serviceOf(trouble), data: { jobId: nameOf(trouble) } },
        }),
      service: serviceOf,
    },
    heartbeats: {
      tell: (trouble) => post(`/v1/heartbeats/${heartbeatOf(trouble)}`, { status: 'fail' }),
      service: serviceOf,
    },
    grpc: {
      tell: (trouble) =>
        new Promise((resolve, reject) => {
          const answered = (error: unknown, answer: unknown) => (error ? reject(error) : resolve(answer));
          const deadline = Date.now() + DEADLINE_MS;
          grpc.SubmitAlert(said('grpc', trouble), metadata, { deadline }, answered);
        }),
      service: serviceOf,
    },
    mail: {
      tell: (trouble) =>
        smtp.sendMail({
          ...{
            from: 'monitor@example.com',
            to: 'alerts@tocsin.example',
            messageId: `<${nameOf(trouble)}@example.com>`,
          },
          ...{ subject: `[CRITICAL] Trouble ${nameOf(trouble)}`, text: 'the disk is full' },
        }),
      service: () => serviceOf(0),
    },
    ...(redis && {
      'redis-stream': {
        tell: (trouble: number) => {
          const { id, title, service, severity } = said('', trouble);
          return redis.xAdd('notify.events', '*', { id, title, service, severity, type: 'order_rejected' });
        },
        service: serviceOf,
      },
    }),
  };
  return {
    all: Object.entries(all),
    async close() {
      smtp.close();
      grpc.close();
      await redis?.close();
    },
  };
}
