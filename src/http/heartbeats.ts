/** Heartbeats: the beats that are sent, and how each stands. */
import { z } from 'zod';
import { BEATS, type Beat, HEARTBEAT_STATES, type Heartbeat } from '../core/heartbeat.ts';
import { type HeartbeatView as Kept, keepBeat, listHeartbeats } from '../ledger/heartbeats.ts';
import { refuseWithoutToken } from '../sources/source.ts';
import { parseJson } from './body.ts';
import type { Deps } from './deps.ts';
import { type Answer, type Call, type Endpoint, endpoint, ok, text, word } from './endpoint.ts';
import { fieldProblems, invalid, Problem } from './problem.ts';
import { pageOf } from './views.ts';

/** A word with a beat is one line; what is longer has a log of its own. */
const MESSAGE_MAX = 2_000;
/** As a script's output may be posted: of what is longer than a message the beginning is kept. */
const BODY_MAX_BYTES = 64 * 1024;

const time = z.iso.datetime();
const HeartbeatView = z.looseObject({
  name: z.string(),
  state: z.enum(HEARTBEAT_STATES).meta({
    description: 'waiting: never heard yet. missed: not heard in time. failed: it said itself that it failed.',
  }),
  since: time,
  last_at: time.optional(),
  started_at: time.optional(),
  due_at: time.meta({ description: 'When it counts as missed, its grace included.' }),
  message: z.string().optional(),
  every_ms: z.int(),
  grace_ms: z.int(),
});

const Said = z.strictObject({
  status: z.enum(BEATS).default('ok').meta({
    description: 'ok: all is well. start: a run begins, and has to end within the grace. fail: it failed.',
  }),
  message: text(MESSAGE_MAX).exactOptional(),
});

const params = z.object({ name: word(64) });
const query = z.object({ status: z.enum(BEATS).exactOptional(), message: text(MESSAGE_MAX).exactOptional() });

export const heartbeats = ({ ledger, config }: Pick<Deps, 'ledger' | 'config'>): Endpoint[] => {
  const beat = async (
    name: string,
    { status, message }: { status: Beat; message?: string | undefined },
  ): Promise<Answer> => {
    const heartbeat = config.heartbeats.get(name);
    const kept = heartbeat && (await keepBeat(ledger, name, status, message));
    if (!kept)
      throw new Problem(
        'not-found',
        `no heartbeat has this name: add it to the section heartbeats of tocsin.yaml, such as { every: 24h, grace: 1h }, and start Tocsin again`,
      );
    return { status: 202, body: { heartbeat: shown(heartbeat, kept) } };
  };
  const described = {
    path: '/v1/heartbeats/{name}',
    access: 'ingest',
    basic: true,
    params,
    query,
    answers: {
      202: { about: 'Kept; due_at says when the next is missed', schema: z.object({ heartbeat: HeartbeatView }) },
    },
    proof: ({ name = '' }: Record<string, string>) => {
      const token = config.heartbeats.get(name)?.token;
      return token === undefined
        ? undefined
        : ({ headers, query }: Pick<Call<unknown, unknown, unknown>, 'headers'> & { query: Record<string, unknown> }) =>
            refuseWithoutToken(headers, token, query);
    },
  } as const;
  return [
    endpoint({
      ...described,
      method: 'post',
      summary: 'Say that something is alive',
      about:
        'The body may be nothing, JSON with status and message, or a text, which is the message. A missed beat opens an incident, and the next that is ok ends it.',
      takes: { kind: 'raw', media: 'any', limit: BODY_MAX_BYTES, schema: Said },
      handle: async ({ params: { name }, query, raw, headers }) =>
        beat(name, { ...said(raw, headers['content-type'] ?? ''), ...query }),
    }),
    endpoint({
      ...described,
      method: 'get',
      summary: 'Say that something is alive, for senders that can only ask for an address',
      handle: async ({ params: { name }, query }) => beat(name, { status: 'ok', ...query }),
    }),
    endpoint({
      method: 'get',
      path: '/v1/heartbeats',
      access: 'operator',
      summary: 'List what is expected to be heard of, and how it stands',
      answers: { 200: { about: 'Every heartbeat', schema: pageOf('heartbeats', HeartbeatView) } },
      async handle() {
        const kept = await listHeartbeats(ledger);
        return ok({
          heartbeats: kept.flatMap((one) => {
            const heartbeat = config.heartbeats.get(one.name);
            return heartbeat ? [shown(heartbeat, one)] : [];
          }),
        });
      },
    }),
  ];
};

const shown = ({ every_ms, grace_ms }: Heartbeat, kept: Kept): object => ({ ...kept, every_ms, grace_ms });

/** What the body says: JSON where it says that it is, a text otherwise. Forms are what curl calls a body it knows nothing of. */
function said(raw: Buffer, type: string): z.output<typeof Said> {
  if (raw.length === 0) return { status: 'ok' };
  const words = raw.toString('utf8').trim();
  if (!/^application\/([\w.-]+\+)?json/i.test(type) && !(words.startsWith('{') && words.endsWith('}'))) {
    const message = words.replaceAll('\0', '\u{fffd}').slice(0, MESSAGE_MAX).toWellFormed();
    return message === '' ? { status: 'ok' } : { status: 'ok', message };
  }
  const parsed = Said.safeParse(parseJson(raw));
  if (!parsed.success) throw invalid(fieldProblems(parsed.error), 'body');
  return parsed.data;
}
