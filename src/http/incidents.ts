/** Incidents: the list, one with all that happened to it, and the answers operators give. */
import { z } from 'zod';
import { channelOf } from '../channels/index.ts';
import { incidentUrl } from '../core/compose.ts';
import { SEVERITIES } from '../core/event.ts';
import { INCIDENT_STATUSES } from '../core/notice.ts';
import { parseDuration } from '../core/time.ts';
import { type Command, type CommandResult, WORKING_STATES } from '../ledger/answers.ts';
import { commandNamed, incidentCreatedAs } from '../ledger/created.ts';
import { incidentOf, listIncidents } from '../ledger/reading.ts';
import type { IncidentView as View } from '../ledger/views.ts';
import { actorOf, type Deps } from './deps.ts';
import { type Answer, type Endpoint, endpoint, ok, paging, text, word } from './endpoint.ts';
import { Problem } from './problem.ts';
import { CommandAnswer, IncidentDetail, IncidentView, pageOf } from './views.ts';

export const SNOOZE_MIN_MS = 60_000;
export const SNOOZE_MAX_MS = 30 * 86_400_000;
/** A comment is a remark: what is longer has a place of its own, and a link. */
export const COMMENT_MAX = 4_000;
/** Policies have a few levels; what the highest is, the ledger knows. */
const LEVEL_MAX = 100;

const by = text(200).exactOptional().meta({ description: "Who answers; the key's name unless given." });
const answered = z.strictObject({ by });
const note = text(COMMENT_MAX).exactOptional();
const resolved = z.strictObject({
  by,
  resolved_by: text(200).exactOptional().meta({ description: 'Another spelling of by.' }),
  text: note.meta({ description: 'How it was resolved, for the timeline.' }),
  notes: note.meta({ description: 'Another spelling of text.' }),
  root_cause: note.meta({ description: 'Added to the text.' }),
  method: text(100).exactOptional().meta({ description: 'Such as Manual; added to the text.' }),
});
const snoozed = z.strictObject({
  by,
  for: z
    .string()
    .transform((written, context) => {
      const ms = parseDuration(written);
      if (ms !== undefined && ms >= SNOOZE_MIN_MS && ms <= SNOOZE_MAX_MS) return ms;
      context.addIssue({ code: 'custom', message: 'must be a duration from 1m to 30d, such as 1h or 1h30m' });
      return z.NEVER;
    })
    .meta({ examples: ['1h'] }),
});
const commented = z.strictObject({ by, text: text(COMMENT_MAX) });
const escalated = z.strictObject({
  by,
  level: z.int().min(1).max(LEVEL_MAX).exactOptional().meta({ description: 'The next one unless given.' }),
});
const stated = z.strictObject({ by, state: z.enum(WORKING_STATES).nullable() });

const params = z.object({ id: z.string().regex(/^[\w.-]{1,64}$/) });

export const incidents = (
  deps: Pick<Deps, 'ledger' | 'config' | 'integrations' | 'wake' | 'ui' | 'prefix'>,
): Endpoint[] => {
  const { ledger, config, wake, ui } = deps;
  const { publicUrl } = config;
  const withUrl = <Shown extends View>(incident: Shown): Shown =>
    publicUrl === undefined ? incident : { ...incident, url: incidentUrl(publicUrl, incident.id) };

  const answers = { 200: { about: 'Taken, or taken before by somebody else', schema: CommandAnswer } };
  /** One command, `POST /v1/incidents/{id}/<name>`: what the body asks for, decided by the ledger. */
  const commandOf = <Body extends z.ZodType<{ by?: string; resolved_by?: string }>>(
    name: string,
    summary: string,
    schema: Body,
    asked: (body: z.output<Body>) => Command | Promise<Command>,
    required = false,
  ): Endpoint =>
    endpoint({
      method: 'post',
      path: `/v1/incidents/{id}/${name}`,
      access: 'operator',
      summary,
      params,
      takes: { kind: 'json', schema, required },
      answers,
      async handle({ params: { id }, body, caller, request_id }) {
        const who = actorOf(caller, request_id, body.by ?? body.resolved_by);
        const result = await commandNamed(ledger, id, await asked(body), who, deps.prefix);
        if (result.outcome === 'done') wake();
        return answerOf(result, withUrl);
      },
    });

  /** Integrations that have a word for a working state. */
  const wanting = async (): Promise<string[]> =>
    (await deps.integrations.list()).flatMap(({ integration: one }) => {
      if ('missing' in one || !one.enabled) return [];
      return channelOf(one.type)?.wants?.(one.config).includes('working') ? [one.name] : [];
    });

  return [
    endpoint({
      method: 'get',
      path: '/v1/incidents',
      access: 'operator',
      summary: 'List incidents, the newest first',
      query: z.strictObject({
        status: z.enum(INCIDENT_STATUSES).exactOptional(),
        severity: z.enum(SEVERITIES).exactOptional(),
        service: word().exactOptional(),
        q: word().exactOptional().meta({ description: 'Words in the title, or an id.' }),
        ...paging,
      }),
      answers: { 200: { about: 'A page of incidents', schema: pageOf('incidents', IncidentView) } },
      async handle({ query }) {
        const { incidents, next } = await listIncidents(ledger, query);
        return ok({ incidents: incidents.map(withUrl), ...(next !== undefined && { next }) });
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/incidents/{id}',
      access: 'operator',
      summary: 'See one incident: its timeline, alerts and deliveries',
      params,
      answers: { 200: { about: 'The incident', schema: IncidentDetail } },
      async handle({ params: { id } }) {
        const created = async () => {
          const named = await incidentCreatedAs(ledger, id);
          return named === undefined ? undefined : incidentOf(ledger, named);
        };
        const incident = (await incidentOf(ledger, id)) ?? (await created());
        if (!incident) throw unknown();
        return ok({
          ...withUrl(incident),
          ...(ui?.temporal && { workflow_url: ui.temporal.replace('{id}', encodeURIComponent(incident.id)) }),
        });
      },
    }),
    commandOf('ack', 'Acknowledge: no further page begins', answered, () => ({ kind: 'ack' })),
    commandOf('unack', 'Take the acknowledgement back: level 1 is paged again', answered, () => ({ kind: 'unack' })),
    commandOf('resolve', 'Resolve by hand', resolved, (body) => {
      const text = resolutionOf(body);
      return { kind: 'resolve', ...(text !== undefined && { text }) };
    }),
    commandOf('snooze', 'Put off for a while', snoozed, (body) => ({ kind: 'snooze', for_ms: body.for }), true),
    commandOf(
      'comment',
      'Write something into the timeline; nobody is paged',
      commented,
      (body) => ({ kind: 'comment', text: body.text }),
      true,
    ),
    commandOf('escalate', 'Tell a level now', escalated, ({ level }) => ({
      kind: 'escalate',
      ...(level !== undefined && { level }),
    })),
    commandOf(
      'state',
      'Set or clear the working state; webhooks of format incident-v1 that have heard of the incident are told',
      stated,
      async ({ state }) => ({ kind: 'state', state, ...(state === null ? {} : { tell: await wanting() }) }),
      true,
    ),
  ];
};

/** What was said of how it was resolved, a line each; undefined where nothing was. */
function resolutionOf({ text: said, notes, root_cause, method }: z.output<typeof resolved>): string | undefined {
  const lines = [said ?? notes, root_cause && `Root cause: ${root_cause}`, method && `Method: ${method}`].filter(
    Boolean,
  );
  return lines.length === 0 ? undefined : lines.join('\n');
}

const unknown = (): Problem => new Problem('not-found', 'no incident has this id');

function answerOf(result: CommandResult, withUrl: (incident: View) => View): Answer {
  switch (result.outcome) {
    case 'done':
    case 'already': {
      const { incident, outcome, by, begun } = result;
      return ok({ incident: withUrl(incident), outcome, ...(by !== undefined && { by }), begun });
    }
    case 'unknown':
      throw unknown();
    case 'closed':
      throw new Problem(
        'closed',
        `${result.incident.id} was closed${result.incident.closed_at ? ` at ${result.incident.closed_at}` : ''}: it takes no more commands`,
      );
    case 'refused':
      throw new Problem('conflict', result.why);
    default:
      return result satisfies never;
  }
}
