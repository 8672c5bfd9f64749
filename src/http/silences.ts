/** Silences and maintenance windows: which alerts nobody is told of for a while; made, listed and ended. */
import { z } from 'zod';
import { IntervalEntry } from '../config/schema.ts';
import type { Interval } from '../core/interval.ts';
import { type Matcher, matcherText, parseMatcher } from '../core/match.ts';
import { inSilenceOrder } from '../core/prometheus/silences.ts';
import { isQuietAt, operatorOf, type Silence, type SilenceMatcher, stateOf } from '../core/silence.ts';
import { parseDuration } from '../core/time.ts';
import { compile } from '../expressions/compile.ts';
import { endSilence, listSilences, type Made, SILENCES_MAX, setSilence, silenceOf } from '../ledger/silences.ts';
import { actorOf, type Deps } from './deps.ts';
import { type Endpoint, endpoint, ok, text } from './endpoint.ts';
import { invalid, Problem } from './problem.ts';
import { MaintenanceView, SilenceView } from './views.ts';

/** A reason is a remark: what is longer has a place of its own, and a link. */
const REASON_MAX = 4_000;
/** More than anybody writes by hand: each is asked of every event. */
const MATCHERS_MAX = 100;
const INTERVALS_MAX = 20;
/** A silence that is longer is a route that should tell nobody. */
const SILENCE_MAX_MS = 366 * 86_400_000;

const shared = {
  match: z
    .array(text(1_000))
    .min(1)
    .max(MATCHERS_MAX)
    .meta({ description: 'Matchers as routes have them; all have to hold.', examples: [['service="db"']] }),
  starts_at: z.iso.datetime({ offset: true }).exactOptional().meta({ description: 'Now, unless given.' }),
  reason: text(REASON_MAX),
  by: text(200).exactOptional().meta({ description: "Who asks for it; the key's name unless given." }),
};

const SilenceBody = z.strictObject({
  ...shared,
  ends_at: z.iso.datetime({ offset: true }).exactOptional(),
  for: text(50).exactOptional().meta({ description: 'Instead of ends_at: 2h, 1h30m.' }),
});

const MaintenanceBody = z.strictObject({
  ...shared,
  ends_at: z.iso
    .datetime({ offset: true })
    .exactOptional()
    .meta({ description: 'It comes back for ever, unless given.' }),
  during: z
    .array(IntervalEntry)
    .min(1)
    .max(INTERVALS_MAX)
    .meta({ description: 'Time intervals, written as in the configuration; it is on within any of them.' }),
});

const params = z.object({ id: z.uuid() });

export const silences = ({ ledger, config }: Pick<Deps, 'ledger' | 'config'>): Endpoint[] => {
  const fromFile = config.routing.maintenance ?? [];
  return [
    endpoint({
      method: 'get',
      path: '/v1/silences',
      access: 'operator',
      summary: 'List silences',
      about: 'Active ones first, then those to come, then what has ended in the last five days.',
      answers: { 200: { about: 'The silences', schema: z.object({ silences: z.array(SilenceView) }) } },
      async handle({ now }) {
        const listed = inSilenceOrder(await listSilences(ledger, 'silence'), now);
        return ok({ silences: listed.map((one) => viewOf(one, now)) });
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/silences',
      access: 'operator',
      summary: 'Tell nobody of some alerts for a while',
      about:
        'What fires meanwhile is kept with the reason why nobody was told; what still fires at its end is told then. Open incidents all of whose alerts match are snoozed until then.',
      takes: { kind: 'json', schema: SilenceBody, required: true },
      answers: { 201: { about: 'Made', schema: SilenceView } },
      async handle({ body, caller, request_id, now }) {
        const starts_at = body.starts_at === undefined ? now : new Date(body.starts_at);
        const ends_at = endOf(body, starts_at, now);
        const who = actorOf(caller, request_id, body.by);
        const made = await setSilence(
          ledger,
          {
            kind: 'silence',
            matchers: matchersOf(body.match),
            starts_at,
            ends_at,
            created_by: who.by,
            comment: body.reason,
          },
          who,
          now,
        );
        return { status: 201, body: viewOf(silenceIn(made), now) };
      },
    }),
    ...oneOf('silence', 'silences', SilenceView),
    endpoint({
      method: 'get',
      path: '/v1/maintenance',
      access: 'operator',
      summary: 'List maintenance windows, those of the configuration first',
      answers: { 200: { about: 'The windows', schema: z.object({ maintenance: z.array(MaintenanceView) }) } },
      async handle({ now }) {
        const made = inSilenceOrder(await listSilences(ledger, 'maintenance'), now);
        return ok({
          maintenance: [
            ...fromFile.map((one) => ({ ...viewOf(one, now), origin: 'file' })),
            ...made.map((one) => ({ ...viewOf(one, now), origin: 'api' })),
          ],
        });
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/maintenance',
      access: 'operator',
      summary: 'Tell nobody of some alerts whenever an interval comes',
      about: 'A silence that comes back: what still fires when the interval ends is told then.',
      takes: { kind: 'json', schema: MaintenanceBody, required: true },
      answers: { 201: { about: 'Made', schema: MaintenanceView } },
      async handle({ body, caller, request_id, now }) {
        const starts_at = body.starts_at === undefined ? now : new Date(body.starts_at);
        const ends_at = body.ends_at === undefined ? undefined : endOf(body, starts_at, now);
        const who = actorOf(caller, request_id, body.by);
        const made = await setSilence(
          ledger,
          {
            kind: 'maintenance',
            matchers: matchersOf(body.match),
            starts_at,
            ...(ends_at ? { ends_at } : {}),
            during: body.during.map(intervalOf),
            created_by: who.by,
            comment: body.reason,
          },
          who,
          now,
        );
        return { status: 201, body: { ...viewOf(silenceIn(made), now), origin: 'api' } };
      },
    }),
    ...oneOf('maintenance', 'maintenance', MaintenanceView),
  ];

  /** One of a kind: seen, and ended. */
  function oneOf(kind: Silence['kind'], noun: string, View: z.ZodType): Endpoint[] {
    const shown = (one: Silence | undefined, now: Date) => {
      if (!one)
        throw new Problem('not-found', `no ${kind === 'silence' ? 'silence' : 'maintenance window'} has this id`);
      return ok({ ...viewOf(one, now), ...(kind === 'maintenance' ? { origin: 'api' } : {}) });
    };
    return [
      endpoint({
        method: 'get',
        path: `/v1/${noun}/{id}`,
        access: 'operator',
        summary: kind === 'silence' ? 'See one silence' : 'See one maintenance window',
        params,
        answers: { 200: { about: 'As it is now', schema: View } },
        handle: async ({ params: { id }, now }) => shown(await silenceOf(ledger, id, kind), now),
      }),
      endpoint({
        method: 'delete',
        path: `/v1/${noun}/{id}`,
        access: 'operator',
        summary: kind === 'silence' ? 'End a silence' : 'End a maintenance window for good',
        about: 'What still fires is told at once. One that has ended stays as it is.',
        params,
        answers: { 200: { about: 'It has ended', schema: View } },
        handle: async ({ params: { id }, caller, request_id, now }) =>
          shown(await endSilence(ledger, id, actorOf(caller, request_id), now, kind), now),
      }),
    ];
  }
};

const viewOf = (silence: Silence, now: Date) => ({
  id: silence.id,
  state: stateOf(silence, now),
  quiet: isQuietAt(silence, now),
  match: silence.matchers.map((matcher) => matcherText({ ...matcher, op: operatorOf(matcher) })),
  starts_at: silence.starts_at.toISOString(),
  ...(silence.ends_at ? { ends_at: silence.ends_at.toISOString() } : {}),
  ...(silence.during ? { during: silence.during } : {}),
  reason: silence.comment,
  by: silence.created_by,
  updated_at: silence.updated_at.toISOString(),
});

/** Throws Problem (invalid): an end that is given twice or not at all, that lies behind, or too far ahead. */
function endOf(body: { ends_at?: string; for?: string }, starts_at: Date, now: Date): Date {
  if ((body.ends_at === undefined) === (body.for === undefined))
    throw invalid([{ field: 'ends_at', problem: 'or for is needed, one of them' }], 'the silence');
  const for_ms = body.for === undefined ? undefined : parseDuration(body.for);
  if (body.for !== undefined && for_ms === undefined)
    throw invalid([{ field: 'for', problem: 'must be a duration such as 2h or 1h30m' }], 'the silence');
  const field = body.ends_at === undefined ? 'for' : 'ends_at';
  const from = Math.max(starts_at.getTime(), now.getTime());
  const end = body.ends_at === undefined ? from + (for_ms ?? 0) : Date.parse(body.ends_at);
  if (end <= from) throw invalid([{ field, problem: 'must lie ahead, after the start' }], 'the silence');
  if (end - from > SILENCE_MAX_MS)
    throw invalid(
      [{ field, problem: 'must be within a year: what is never told needs a route of its own' }],
      'the silence',
    );
  return new Date(end);
}

/** Throws Problem (invalid), naming each matcher that is wrong. */
function matchersOf(texts: readonly string[]): SilenceMatcher[] {
  const matchers: Matcher[] = [];
  const problems = texts.flatMap((written, at) => {
    try {
      matchers.push(parseMatcher(written, compile));
      return [];
    } catch (error) {
      return [{ field: `match[${at}]`, problem: error instanceof Error ? error.message : 'cannot be read' }];
    }
  });
  if (problems.length === 0 && matchers.every(({ op, test }) => op.startsWith('=') && test('')))
    problems.push({ field: 'match', problem: 'must have a matcher that an alert without the label does not meet' });
  if (problems.length > 0) throw invalid(problems, 'the silence');
  return matchers.map(({ name, op, value }) => ({
    name,
    value,
    is_regex: op.endsWith('~'),
    is_equal: op.startsWith('='),
  }));
}

const intervalOf = (entry: z.output<typeof IntervalEntry>, at: number): Interval =>
  ({
    name: `interval ${at + 1}`,
    ...Object.fromEntries(Object.entries(entry).filter(([, part]) => part !== undefined)),
  }) as Interval;

function silenceIn(made: Made): Silence {
  switch (made.outcome) {
    case 'made':
      return made.silence;
    case 'full':
      throw new Problem('conflict', `there are ${SILENCES_MAX} that have not ended: end some of them first`);
    case 'unknown':
      throw new Problem('not-found', 'no silence has this id');
    default:
      return made satisfies never;
  }
}
