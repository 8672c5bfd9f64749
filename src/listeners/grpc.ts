/** The gRPC door: a server of this process beside HTTP, with the same keys, scopes and limits. */
import { randomUUID } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { type Auth, type Caller, forbidden, scopeAllows } from '../http/auth.ts';
import type { Buckets } from '../http/bucket.ts';
import { problemOf, tooMany } from '../http/problem.ts';
import { isReady } from '../ledger/away.ts';
import type { Log } from '../observe/log.ts';
import { type Call, type CallDeps, callsOf, type Message } from './grpc/calls.ts';
import { statusOf } from './grpc/status.ts';
import type { Listening } from './listener.ts';

export interface GrpcDeps extends CallDeps {
  auth: Pick<Auth, 'caller'>;
  /** How often each key may call: one bucket with HTTP. */
  rate: Pick<Buckets, 'take'>;
  log: Log;
}

export interface GrpcSettings {
  host: string;
  /** 0: the system chooses. */
  port: number;
  /** Certificate chain and key as PEM; without them nothing is encrypted. */
  tls?: { cert: string; key: string };
  /** Over the usual one, for tests. */
  connections?: number;
  /** The same between two looks at the ledger. */
  look_ms?: number;
}

const SERVICE = 'tocsin.v1.IncidentService';

/** As large as one event over HTTP (design.md, section 8), as it is and inflated. */
const MESSAGE_MAX = 64 * 1024;
const CONNECTIONS_MAX = 500;
/** Calls at once on one connection (RFC 9113, section 6.5.2 recommends no fewer). */
const STREAMS_MAX = 100;
/** Both ends of a connection on which nothing moves are found out in time (https://grpc.io/docs/guides/keepalive/). */
const KEEPALIVE_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;
const IDLE_MS = 5 * 60_000;
/** How old the health may be that is told: Kubernetes asks every 10 s by itself (its documentation of gRPC liveness probes). */
const LOOK_MS = 5_000;
/** A client has so long to show its certificate's questions and its first frame. */
const HANDSHAKE_MS = 10_000;
/** Calls that are being answered may end, as over HTTP; once the answers have left, who only watches is hung up on. */
const CLOSE_WAIT_MS = 10_000;
const CLOSE_LINGER_MS = 200;
/** Whose id may be taken over into our log: nothing that could forge a line. */
const REQUEST_ID = /^[\w.-]{1,64}$/;

/** Begins to listen. Rejects where the address cannot be listened on, or the certificate cannot be used. */
export async function startGrpc(
  { host, port, tls, connections = CONNECTIONS_MAX, look_ms = LOOK_MS }: GrpcSettings,
  deps: GrpcDeps,
): Promise<Listening> {
  const definition = loadSync(fileURLToPath(new URL('./grpc/tocsin.proto', import.meta.url)), {
    keepCase: true,
    longs: Number,
  });
  const server = new Server({
    'grpc.max_receive_message_length': MESSAGE_MAX,
    'grpc.max_concurrent_streams': STREAMS_MAX,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.max_connection_idle_ms': IDLE_MS,
  });
  const open = new Set<Promise<void>>();
  const handlers = Object.entries(callsOf(deps)).map(
    ([name, call]) => [name, handlerOf(name, call, deps, open)] as const,
  );
  server.addService(definition[SERVICE] as ServiceDefinition, Object.fromEntries(handlers));
  const health = new HealthImplementation({ '': 'SERVING', [SERVICE]: 'SERVING' });
  const serves = (status: 'SERVING' | 'NOT_SERVING'): void => {
    for (const service of ['', SERVICE]) health.setStatus(service, status);
  };
  health.addToServer(server);
  new ReflectionService(definition, { services: [SERVICE] }).addToServer(server);

  const credentials = tls
    ? ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }])
    : ServerCredentials.createInsecure();
  // Its own listening knows no limit of connections.
  const { injectConnection } = server.createConnectionInjector(credentials);
  const sockets = createServer({ noDelay: true }, (socket) => {
    limitSilence(socket);
    injectConnection(socket);
  });
  sockets.maxConnections = connections;
  await new Promise<void>((resolve, reject) => {
    sockets.once('error', reject);
    sockets.listen(port, host, () => {
      sockets.removeListener('error', reject);
      resolve();
    });
  });
  const { address, family, port: chosen } = sockets.address() as AddressInfo;
  const where = `${tls ? 'grpcs' : 'grpc'}://${family === 'IPv6' ? `[${address}]` : address}:${chosen}`;
  deps.log.info({ where }, 'listening');
  const ending = new AbortController();
  let told = true;
  void whileItLasts(ending.signal, look_ms, async () => {
    const ready = await isReady(deps.ledger);
    // Who watches is told of changes alone.
    if (!ending.signal.aborted && ready !== told) serves(ready ? 'SERVING' : 'NOT_SERVING');
    told = ready;
  });
  return {
    where,
    async stop() {
      ending.abort();
      serves('NOT_SERVING');
      sockets.close();
      // It says too early that all is over: Node's own server has begun to close its sessions by then.
      server.tryShutdown(() => undefined);
      const late = new AbortController();
      await Promise.race([
        Promise.all(open).then(() => pause(CLOSE_LINGER_MS)),
        pause(CLOSE_WAIT_MS, undefined, { signal: late.signal }).catch(() => undefined),
      ]);
      late.abort();
      server.forceShutdown();
    },
  };
}

/** Does it again and again, `every_ms` after it was done; ends soon after the signal. */
async function whileItLasts(signal: AbortSignal, every_ms: number, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await work();
    await pause(every_ms, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** Who connects and sends nothing does not stay. */
function limitSilence(socket: Socket): void {
  socket.on('error', () => socket.destroy());
  const silent = setTimeout(() => {
    if (socket.bytesRead === 0) socket.destroy();
  }, HANDSHAKE_MS).unref();
  socket.once('close', () => clearTimeout(silent));
}

function handlerOf(
  name: string,
  call: Call,
  deps: GrpcDeps,
  open: Set<Promise<void>>,
): handleUnaryCall<Message, Message> {
  return (asked, callback) => {
    const request_id = requestIdOf(asked);
    const answering = answerTo(asked, request_id, call, deps).then(
      (answer) => callback(null, answer),
      (error: unknown) => {
        const problem = problemOf(error);
        const where = { request_id, call: name };
        if (problem.kind === 'internal') deps.log.error({ ...where, err: error }, 'a call failed');
        else if (error !== problem && problem.kind === 'unavailable')
          deps.log.warn({ ...where, err: error }, 'the ledger does not answer');
        else deps.log.debug({ ...where, problem: problem.kind }, 'a call was refused');
        callback(statusOf(problem, request_id));
      },
    );
    open.add(answering);
    void answering.finally(() => open.delete(answering));
  };
}

async function answerTo(
  asked: ServerUnaryCall<Message, Message>,
  request_id: string,
  { scope, answer }: Call,
  { auth, rate, now }: GrpcDeps,
): Promise<Message> {
  const header = (name: string): string | undefined => asked.metadata.get(name)[0]?.toString();
  const caller: Caller = await auth.caller(
    {
      headers: { authorization: header('authorization'), 'x-admin-token': header('x-admin-token') },
      socket: { remoteAddress: asked.getPeer().replace(/:\d+$/, '') },
    },
    { basic: false },
  );
  if (!scopeAllows(caller.scopes, scope)) throw forbidden(caller, scope);
  const wait_ms = rate.take(caller.id, now().getTime());
  if (wait_ms > 0) throw tooMany(wait_ms);
  const gone = new AbortController();
  asked.once('cancelled', () => gone.abort());
  const deadline = Number(asked.getDeadline());
  return answer(asked.request, {
    who: (by) => ({ by: by ?? caller.name, key: caller.id, request_id }),
    left_ms: () => deadline - Date.now(),
    signal: gone.signal,
  });
}

function requestIdOf({ metadata }: ServerUnaryCall<Message, Message>): string {
  const [given] = metadata.get('x-request-id');
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}
