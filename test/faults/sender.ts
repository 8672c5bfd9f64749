/** The sender, a process of its own: asks again until it is answered, and journals every 202 before it goes on. */
import { setTimeout as pause } from 'node:timers/promises';
import { createApiClient } from '../support/api-client.ts';
import { openJournal } from './journal.ts';
import type { Plan, Request, Sent } from './plan.ts';

export type Said =
  | ({ kind: 'accepted' } & Pick<Sent, 'id' | 'dedup_key' | 'severity' | 'status'>)
  | {
      kind: 'acked';
      incident: string;
      by: string;
      /** When the answer was there, in epoch milliseconds. */
      at: number;
      /** The keys of the pages that the answer names as begun; absent where an earlier answer was lost, and may have named others. */
      begun?: string[];
    };

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
      for (const { id, dedup_key, severity, status } of request.events)
        journal.write({ kind: 'accepted', id, dedup_key, severity, status });
      return;
    }
    const incident = await until(async () => {
      const { body } = await call('GET', `/v1/incidents?service=${request.service}`);
      return (body as { incidents: { id: string }[] }).incidents[0]?.id;
    });
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
      for (const request of lane) await send(request);
    }),
  );
  journal.close();
  process.exit(0);
});
