/** Whether it lives, whether it can take events, and its figures. */
import { z } from 'zod';
import { isReady } from '../ledger/away.ts';
import { stats } from '../ledger/reading.ts';
import { SPOKEN_VERSION_METRIC } from './alertmanager/dialect.ts';
import type { Deps } from './deps.ts';
import { type Endpoint, endpoint, ok } from './endpoint.ts';
import { Problem } from './problem.ts';

export const health = ({
  ledger,
  door,
  metrics,
  version,
}: Pick<Deps, 'ledger' | 'door' | 'metrics' | 'version'>): Endpoint[] => [
  endpoint({
    method: 'get',
    path: '/healthz',
    access: 'open',
    summary: 'Is the process alive?',
    answers: { 200: { about: 'It is', schema: z.object({ status: z.literal('ok'), version: z.string() }) } },
    handle: async () => ok({ status: 'ok', version }),
  }),
  endpoint({
    method: 'get',
    path: '/readyz',
    access: 'open',
    summary: 'Can it take events?',
    about: 'Ready when the ledger answers and has its schema. Temporal may be down: events are kept meanwhile.',
    answers: { 200: { about: 'It can', schema: z.object({ status: z.literal('ready') }) } },
    async handle() {
      if (await isReady(ledger)) return ok({ status: 'ready' });
      throw new Problem('unavailable', 'the ledger does not answer, or has no schema yet', {
        headers: { 'retry-after': '1' },
      });
    },
  }),
  endpoint({
    method: 'get',
    path: '/v1/stats',
    access: 'operator',
    summary: 'How much waits, is open, is under way, is dead',
    answers: {
      200: {
        about: 'The figures of now',
        schema: z.object({ waiting: z.int(), open: z.int(), dead: z.int(), sending: z.int(), arriving: z.int() }),
      },
    },
    handle: async () => ok({ ...(await stats(ledger)), arriving: door.waiting() }),
  }),
  endpoint({
    method: 'get',
    path: '/metrics',
    access: 'operator',
    basic: true,
    summary: 'The metrics, for Prometheus',
    answers: { 200: { about: "Prometheus' text format", media: 'text/plain' } },
    handle: async () => ({
      status: 200,
      type: metrics.registry.contentType,
      body: (await metrics.text()) + SPOKEN_VERSION_METRIC,
    }),
  }),
];
