/** `/api/v2/silences` and `/api/v2/silence/{id}`: silences as amtool, Grafana and Karma make, change and end them. */
import { z } from 'zod';
import {
  hasMatchers,
  inSilenceOrder,
  readSilence,
  silenceProblem,
  silenceView,
} from '../../core/prometheus/silences.ts';
import { compile } from '../../expressions/compile.ts';
import { endSilence, listSilences, SILENCES_MAX, setSilence, silenceOf } from '../../ledger/silences.ts';
import { ONE_MAX_BYTES, parseJson } from '../body.ts';
import { actorOf, type Deps } from '../deps.ts';
import { type Answer, type Arrived, type Endpoint, endpoint, ok } from '../endpoint.ts';
import { Problem } from '../problem.ts';
import { alertmanagerSays, refused, said } from './dialect.ts';
import { shownIn } from './query.ts';

/** Any query, any id: what is wrong with them is told in Alertmanager's words. */
const Query = z.looseObject({});
const params = z.object({ id: z.string() });

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export const silences = ({ ledger }: Pick<Deps, 'ledger'>): Endpoint[] => {
  const shared = { basic: true, says: alertmanagerSays, access: 'operator' } as const;
  return [
    endpoint({
      ...shared,
      method: 'get',
      path: '/api/v2/silences',
      summary: 'List silences',
      query: Query,
      answers: { 200: { about: 'The silences: active, pending, expired' } },
      async handle({ query, now }) {
        const shown = shownIn(query);
        if ('refusal' in shown) return shown.refusal;
        const listed = (await listSilences(ledger, 'silence')).filter((one) => hasMatchers(one, shown.filter));
        return ok(inSilenceOrder(listed, now).map((one) => silenceView(one, now)));
      },
    }),
    endpoint({
      ...shared,
      method: 'post',
      path: '/api/v2/silences',
      summary: 'Make a silence, or change one',
      takes: { kind: 'raw', media: 'any', limit: ONE_MAX_BYTES, schema: z.unknown() },
      answers: { 200: { about: 'Kept' } },
      async handle({ raw, headers, caller, request_id, now }) {
        const wrong = wrongMedia(raw, headers);
        if (wrong) return wrong;
        const read = readSilence(jsonIn(raw));
        if ('code' in read) return refused(read.code, read.message);
        const problem = silenceProblem(read, compile, now);
        if (problem !== undefined) return said(400, problem);
        if (read.id !== undefined && !UUID.test(read.id)) return said(404, 'silence not found');
        const who = actorOf(caller, request_id, read.created_by || undefined);
        const made = await setSilence(ledger, { ...read, kind: 'silence' }, who, now);
        switch (made.outcome) {
          case 'made':
            return ok({ silenceID: made.silence.id });
          case 'unknown':
            return said(404, 'silence not found');
          case 'full':
            return said(400, `there are ${SILENCES_MAX} silences that have not ended: end some of them first`);
          default:
            return made satisfies never;
        }
      },
    }),
    endpoint({
      ...shared,
      method: 'get',
      path: '/api/v2/silence/{id}',
      summary: 'See one silence',
      params,
      answers: { 200: { about: 'The silence' } },
      async handle({ params: { id }, now }) {
        if (!UUID.test(id)) return notAnId(id);
        const found = await silenceOf(ledger, id, 'silence');
        return found ? ok(silenceView(found, now)) : { status: 404 };
      },
    }),
    endpoint({
      ...shared,
      method: 'delete',
      path: '/api/v2/silence/{id}',
      summary: 'End a silence',
      params,
      answers: { 200: { about: 'It has ended' } },
      async handle({ params: { id }, caller, request_id, now }) {
        if (!UUID.test(id)) return notAnId(id);
        const ended = await endSilence(ledger, id, actorOf(caller, request_id), now, 'silence');
        // As since Alertmanager 0.31; 0.25 answered 500.
        return { status: ended ? 200 : 404 };
      },
    }),
  ];
};

const notAnId = (id: string): Answer =>
  refused(601, `silenceID in path must be of type uuid: ${JSON.stringify(id.slice(0, 100))}`);

/** As go-openapi asks for it: a body has to be called JSON, no body needs no name. */
function wrongMedia(raw: Buffer, headers: Arrived['headers']): Answer | undefined {
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim() || 'application/octet-stream';
  if (raw.length === 0) return refused(602, 'silence in body is required');
  if (type.toLowerCase() === 'application/json') return undefined;
  return refused(415, `unsupported media type ${JSON.stringify(type)}, only [application/json] are allowed`);
}

function jsonIn(raw: Buffer): unknown {
  try {
    return parseJson(raw, { tolerant: true });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new Problem(error.kind, `parsing silence body from "" failed, because ${error.message}`);
  }
}
