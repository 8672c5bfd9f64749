/** The sender, a process of its own: asks again until it is answered, and journals every 202 before it goes on. */
import { setTimeout as pause } from 'node:timers/promises';
import { createApiClient } from '../support/api-client.ts';
import { openJournal } from './journal.ts';
import type { Plan, Request, Sent } from './plan.ts';

export type Said =
  | ({ kind: 'accepted' } & Pick<Sent, 'id' | 'type' | 'dedup_key' | 'severity' | 'status'>)
  | {
      kind: 'acked';
      incident: string;
      by: string;
      /** When the answer was there, in epoch milliseconds. */
      at: number;
      /** The keys of the pages that the answer names as begun; absent where an earlier answer was lost, and may have named others. */
      begun?: string[];
    }
  /** It will be sent again, under this key. */
  | { kind: 'redelivered'; delivery: string; send: number };

export interface SenderInput {
  urls: string[];
  key: string;
  plan: Plan;
  journal: string;
}

/** Between two tries of one request. */
const AGAIN_MS = 100;
/** An answer that takes longer is nobody's. */
const ANSWER_MS = 5_000;

process.once('message', async (input: SenderInput) => {
  const journal = openJournal<Said>(input.journal);
  const begun = performance.now();
  let turn = 0;
  /** Every try may go to another API, and none is waited for longer than ANSWER_MS. */
  const call = (method: string, path: string, body?: unknown) => {
    const url = input.urls[turn++ % input.urls.length] as string;
    const late = pause(ANSWER_MS, undefined, { ref: false }).then(() => Promise.reject(new Error('no answer')));
    return Promise.race([createApiClient(url, input.key).call(method, path, body), late]);
  };
  const until = async <T>(attempt: () => Promise<T | undefined>): Promise<T> => {
    for (;;) {
      const done = await attempt().catch(() => undefined);
      if (done !== undefined) return done;
      await pause(AGAIN_MS);
    }
  };

  const send = async (request: Request): Promise<void> => {
    await pause(Math.max(0, request.at_ms - (performance.now() - begun)));
    if (request.kind === 'post') {
      await until(async () => ((await call('POST', '/v1/events', request.events)).status === 202 ? true : undefined));
      for (const { id, type, dedup_key, severity, status } of request.events)
        journal.write({ kind: 'accepted', id, type, dedup_key, severity, status });
      return;
    }
    const incident = await until(async () => {
      const { body } = await call('GET', `/v1/incidents?service=${request.service}`);
      return (body as { incidents: { id: string }[] }).incidents[0]?.id;
    });
    if (request.kind === 'forget') {
      await until(async () => {
        const { status, body } = await call('GET', `/v1/incidents/${incident}`);
        return status === 200 && (body as { status: string }).status !== 'acknowledged' ? true : undefined;
      });
      return;
    }
    if (request.kind === 'redeliver') {
      const again = await until(async () => {
        const { body } = await call('GET', `/v1/deliveries?incident=${incident}&status=delivered`);
        const [arrived] = (body as { deliveries: { id: number }[] }).deliveries;
        if (!arrived) return undefined;
        const asked = await call('POST', `/v1/deliveries/${arrived.id}/redeliver`, { new_key: true });
        return asked.status === 202 ? (asked.body as { delivery: string; send: number }) : undefined;
      });
      journal.write({ kind: 'redelivered', delivery: again.delivery, send: again.send });
      return;
    }
    const by = `sender of ${request.service}`;
    const answer = await until(async () => {
      const { status, body } = await call('POST', `/v1/incidents/${incident}/ack`, { by });
      return status === 200 || status === 409 ? { status, body } : undefined;
    });
    if (answer.status !== 200) return;
    const { outcome, begun: pages } = answer.body as { outcome: string; begun: { delivery: string }[] };
    const named = outcome === 'done' ? { begun: pages.map(({ delivery }) => delivery) } : {};
    journal.write({ kind: 'acked', incident, by, at: Date.now(), ...named });
  };

  await Promise.all(
    input.plan.lanes.map(async (lane) => {
      for (const request of lane) {
        process.send?.(request);
        await send(request);
      }
    }),
  );
  journal.close();
  process.exit(0);
});
