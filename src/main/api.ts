/** The API: the door, the HTTP server and the listeners. It needs the ledger and nothing else. */
import { createApp, listen } from '../http/app.ts';
import { createAuth } from '../http/auth.ts';
import { createBuckets } from '../http/bucket.ts';
import { keep } from '../http/events.ts';
import { KEY_RATE } from '../http/router.ts';
import { createDoor } from '../ledger/door.ts';
import { createWaits } from '../ledger/outcomes.ts';
import { requestSend } from '../ledger/sends.ts';
import { startListeners } from '../listeners/index.ts';
import type { ListenerDeps } from '../listeners/listener.ts';
import { openForHeartbeats } from '../relay/heartbeats.ts';
import type { Env, Foundation } from './foundation.ts';
import { grpcSettings } from './grpc.ts';

export interface RunningApi {
  url: string;
  /** Where the gRPC door is, `grpc://127.0.0.1:9090`; absent where there is none. */
  grpc?: string;
  /** Events that wait at its door for their commit. */
  arriving(): number;
  stop(): Promise<void>;
}

const PORT = 8080;
const HOST = '127.0.0.1';

export async function startApi(
  { env, config, ledger, integrations, sealer, tokens, egress, log, metrics, version }: Foundation,
  ui?: { temporal: string },
): Promise<RunningApi> {
  const door = createDoor(ledger, { routing: config.routing, ownedBy: integrations.ownedBy });
  const grpc = grpcSettings(env);
  const now = () => new Date();
  const prefix = env.TOCSIN_INCIDENT_PREFIX || undefined;
  const keepEvents: ListenerDeps['keep'] = (events, source) =>
    keep(events, source, { door, metrics, limits: undefined });
  const ending = new AbortController();
  // Every door of this process has the same: a key may not do by two of them what it may not by one.
  const shared = {
    auth: createAuth({ db: ledger, now }),
    rate: createBuckets(KEY_RATE),
    waits: createWaits(ledger, ending.signal),
  };
  const app = createApp({
    ledger,
    door,
    config,
    integrations,
    ...(sealer ? { sealer } : {}),
    tokens,
    egress,
    log,
    metrics,
    now,
    version,
    wake: () => ledger.wake(),
    runSummary: async (date, names, who) => {
      for (const name of names) await requestSend(ledger, { kind: 'summary', target: name, payload: { date } }, who);
    },
    ...(ui ? { ui } : {}),
    prefix,
    ...shared,
  });
  const heard = await openForHeartbeats(ledger, config.heartbeats, log);
  const { url, close } = await listen(app, { host: env.HOST || HOST, port: portOf(env) }).catch(
    async (error: unknown) => {
      await heard.stop();
      throw error;
    },
  );
  const running: { stop(): Promise<unknown> }[] = [heard, { stop: close }];
  const stop = async (): Promise<void> => {
    ending.abort();
    await Promise.all(running.map((one) => one.stop()));
  };
  try {
    running.push(await startListeners({ config, ledger, log, metrics, now, keep: keepEvents }));
    if (!grpc) return { url, arriving: door.waiting, stop };
    // Loaded where it is wanted: its libraries take 15 MB.
    const { startGrpc } = await import('../listeners/grpc.ts');
    const called = await startGrpc(grpc, { ledger, log, now, keep: keepEvents, prefix, ...shared });
    running.push(called);
    return { url, grpc: called.where, arriving: door.waiting, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** PORT, or the usual one; 0 lets the system choose. */
function portOf({ PORT: given }: Env): number {
  if (given === undefined || given === '') return PORT;
  const port = Number(given);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new Error(`PORT is ${JSON.stringify(given)}: it must be a number from 0 to 65535`);
}
