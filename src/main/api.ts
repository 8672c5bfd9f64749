/** The API: the door, the HTTP server and the listeners. It needs the ledger and nothing else. */
import { createApp, listen } from '../http/app.ts';
import { keep } from '../http/events.ts';
import { createDoor } from '../ledger/door.ts';
import { requestSend } from '../ledger/sends.ts';
import { startListeners } from '../listeners/index.ts';
import { openForHeartbeats } from '../relay/heartbeats.ts';
import type { Env, Foundation } from './foundation.ts';

export interface RunningApi {
  url: string;
  stop(): Promise<void>;
}

const PORT = 8080;
const HOST = '127.0.0.1';

export async function startApi(
  { env, config, ledger, integrations, sealer, tokens, egress, log, metrics, version }: Foundation,
  ui?: { temporal: string },
): Promise<RunningApi> {
  const door = createDoor(ledger, { routing: config.routing, ownedBy: integrations.ownedBy });
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
    now: () => new Date(),
    version,
    wake: () => ledger.wake(),
    runSummary: async (date, names, who) => {
      for (const name of names) await requestSend(ledger, { kind: 'summary', target: name, payload: { date } }, who);
    },
    ...(ui ? { ui } : {}),
    ...(env.TOCSIN_INCIDENT_PREFIX ? { prefix: env.TOCSIN_INCIDENT_PREFIX } : {}),
  });
  const heard = await openForHeartbeats(ledger, config.heartbeats, log);
  const { url, close } = await listen(app, { host: env.HOST || HOST, port: portOf(env) }).catch(
    async (error: unknown) => {
      await heard.stop();
      throw error;
    },
  );
  const listening = await startListeners({
    config,
    ledger,
    log,
    metrics,
    now: () => new Date(),
    keep: (events, source) => keep(events, source, { door, metrics, limits: undefined }),
  }).catch(async (error: unknown) => {
    await Promise.all([close(), heard.stop()]);
    throw error;
  });
  return {
    url,
    async stop() {
      await Promise.all([close(), listening.stop(), heard.stop()]);
    },
  };
}

/** PORT, or the usual one; 0 lets the system choose. */
function portOf({ PORT: given }: Env): number {
  if (given === undefined || given === '') return PORT;
  const port = Number(given);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new Error(`PORT is ${JSON.stringify(given)}: it must be a number from 0 to 65535`);
}
