/** The two doors that users of an incident manager know: an alert, which joins what is alike, and an incident of its own. */
import { z } from 'zod';
import { incidentUrl } from '../core/compose.ts';
import type { Event } from '../core/event.ts';
import type { Outcomes, Waits } from '../ledger/outcomes.ts';
import { AlertBody, IncidentBody } from '../sources/events/alerts.ts';
import { parseOwn } from '../sources/events.ts';
import { ONE_MAX_BYTES, parseJson } from './body.ts';
import type { Deps } from './deps.ts';
import { type Endpoint, endpoint } from './endpoint.ts';
import { keep } from './events.ts';
import { OutcomeView, typed, waitField } from './outcomes.ts';
import { invalid, nameOf, Problem } from './problem.ts';

/** An incident is kept first and opened by the relay a moment later: so long its answer waits for its id. */
export const OPENS_WITHIN_MS = 2_000;

const query = z.object({ wait: waitField });
const results = z.array(OutcomeView).optional().meta({ description: 'Where a wait was asked for.' });
const status = z.enum(['accepted', 'duplicate']).meta({ description: 'duplicate: this id was kept before.' });
const Taken = z.object({
  id: z.string().meta({ description: 'Of the event that was kept: GET /v1/events/{id} says where it went.' }),
  status,
  incident_id: z.string().optional().meta({ description: 'The incident it joined, where that is known by now.' }),
  results,
});
const Created = Taken.extend({
  id: z.string().meta({ description: 'The name it was created under; GET /v1/incidents/{id} finds it by that too.' }),
  url: z.string().optional(),
});

type Given = Pick<Deps, 'door' | 'metrics' | 'limits' | 'config' | 'integrations'> & { waits: Waits };

export const alerts = (deps: Given): Endpoint[] => {
  const { config, waits } = deps;
  return [
    endpoint({
      method: 'post',
      path: '/v1/alerts',
      access: 'ingest',
      summary: 'Send an alert',
      about:
        'As POST /v1/events, in the words of incident managers: id, title or name, description, severity P0 to P4, affected_resources. Alike alerts join one incident by the route that takes them. What is not a field of an alert is kept as its context.',
      query,
      takes: { kind: 'raw', media: 'json', limit: ONE_MAX_BYTES, schema: AlertBody },
      answers: { 202: { about: 'Kept', schema: Taken } },
      async handle({ raw, query: { wait }, now, signal }) {
        const event = ownEvent('alert', raw, now);
        const isNew = await keepOne(event, 'alerts', deps);
        const found = wait === undefined ? undefined : await waits.told([event], wait, signal);
        return { status: 202, body: { ...taken(event, isNew, found), ...(await resultsOf(found, deps)) } };
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/incidents',
      access: 'ingest',
      summary: 'Create an incident',
      about:
        'One event that opens an incident of its own: it goes the way of its route, no other event joins it, and it is told at once. The same id from the same source is one incident. Its commands take that id as well as its own, INC-….',
      query,
      takes: { kind: 'raw', media: 'json', limit: ONE_MAX_BYTES, schema: IncidentBody },
      answers: { 202: { about: 'Kept', schema: Created } },
      async handle({ raw, query: { wait }, now, signal }) {
        const event = ownEvent('incident', raw, now);
        const isNew = await keepOne(event, 'incidents', deps);
        const found =
          wait === undefined
            ? await waits.open([event], OPENS_WITHIN_MS, signal)
            : await waits.told([event], wait, signal);
        const [incident] = found.incidents;
        const { publicUrl } = config;
        return {
          status: 202,
          body: {
            ...taken(event, isNew, found),
            ...(publicUrl !== undefined && incident !== undefined && { url: incidentUrl(publicUrl, incident) }),
            ...(wait === undefined ? {} : await resultsOf(found, deps)),
          },
        };
      },
    }),
  ];
};

/** The event that a body is. Throws 400 naming each field by its sender's word for it. */
export function ownEvent(kind: Parameters<typeof parseOwn>[0], raw: Buffer, now: Date): Event {
  if (raw.length === 0) throw new Problem('bad-request', 'a JSON body is needed');
  const found = parseOwn(kind, parseJson(raw), now);
  if (!Array.isArray(found)) return found;
  throw invalid(
    found.map(({ field, problem }) => ({ field: nameOf(field), problem })),
    'body',
  );
}

/** Whether it was new. */
export async function keepOne(event: Event, door: string, deps: Given): Promise<boolean> {
  const { accepted } = await keep([event], door, deps);
  return accepted.length > 0;
}

function taken({ id }: Event, isNew: boolean, found: Outcomes | undefined) {
  const [incident] = found?.incidents ?? [];
  return {
    id,
    status: isNew ? 'accepted' : 'duplicate',
    ...(incident !== undefined && { incident_id: incident }),
  };
}

const resultsOf = async (found: Outcomes | undefined, deps: Given) =>
  found && { results: await typed(found.outcomes, deps) };
