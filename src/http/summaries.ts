/** The daily summaries: what was written for a day, and writing it now. */
import { z } from 'zod';
import { summaryOf } from '../ledger/summaries.ts';
import { actorOf, type Deps } from './deps.ts';
import { type Endpoint, endpoint, ok, word } from './endpoint.ts';
import { invalid, Problem } from './problem.ts';

/** A day of our calendar; the year 0 is none that a ledger could keep. */
const day = z.iso.date().refine((date) => !date.startsWith('0000'), 'must be a day after the year 0');
const params = z.object({ date: day });

export const summaries = ({
  ledger,
  config,
  runSummary,
}: Pick<Deps, 'ledger' | 'config' | 'runSummary'>): Endpoint[] => [
  endpoint({
    method: 'get',
    path: '/v1/summaries/{date}',
    access: 'operator',
    summary: 'See the summaries of a day',
    params,
    answers: {
      200: {
        about: 'Every summary of that day',
        schema: z.object({ date: z.iso.date(), summaries: z.array(z.unknown()) }),
      },
    },
    handle: async ({ params: { date } }) => ok({ date, summaries: await summaryOf(ledger, date) }),
  }),
  endpoint({
    method: 'post',
    path: '/v1/summaries/{date}/run',
    access: 'operator',
    summary: 'Write the summaries of a day now',
    params,
    takes: { kind: 'json', schema: z.strictObject({ name: word(64).exactOptional() }), required: false },
    answers: { 202: { about: 'Started', schema: z.object({ date: z.iso.date(), started: z.array(z.string()) }) } },
    async handle({ params: { date }, body, caller, request_id }) {
      const names = config.summaries
        .map(({ name }) => name)
        .filter((name) => body.name === undefined || name === body.name);
      if (names.length === 0 && body.name !== undefined) {
        throw invalid([{ field: 'name', problem: 'is not the name of a configured summary' }], 'body');
      }
      if (names.length === 0) throw new Problem('conflict', 'no summary is configured: add one under summaries');
      if (!runSummary)
        throw new Problem('unavailable', 'this process cannot start summaries', { headers: { 'retry-after': '60' } });
      await runSummary(date, names, actorOf(caller, request_id));
      return { status: 202, body: { date, started: names } };
    },
  }),
];
