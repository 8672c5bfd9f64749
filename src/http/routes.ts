/** What would become of an event, without keeping it. */
import { usersAsked } from '../core/owner.ts';
import { decide, explain, storedDecision } from '../core/route.ts';
import { firingInhibitors } from '../ledger/inhibitors.ts';
import { activeSilences } from '../ledger/silences.ts';
import { EventBody } from '../sources/events.ts';
import { ONE_MAX_BYTES, parseJson } from './body.ts';
import type { Deps } from './deps.ts';
import { type Endpoint, endpoint, ok } from './endpoint.ts';
import { oneEvent } from './events.ts';
import { Problem } from './problem.ts';
import { Explained } from './views.ts';

export const routes = ({
  ledger,
  config,
  integrations,
}: Pick<Deps, 'ledger' | 'config' | 'integrations'>): Endpoint[] => [
  endpoint({
    method: 'post',
    path: '/v1/routes/explain',
    access: 'operator',
    summary: 'Explain where an event would go',
    about:
      'Nothing is kept and nobody is told: the routes tried, the one taken, the grouping key, who would be told when, and why.',
    takes: { kind: 'raw', media: 'json', limit: ONE_MAX_BYTES, schema: EventBody },
    answers: { 200: { about: 'The decision, in words and as data', schema: Explained } },
    async handle({ raw, now }) {
      if (raw.length === 0) throw new Problem('bad-request', 'a JSON body is needed: one event');
      const event = oneEvent(parseJson(raw), raw.length, now);
      const { routing } = config;
      const firing = routing.inhibitions.length > 0 ? await firingInhibitors(ledger) : [];
      const users = usersAsked([event], routing);
      const owned = users.length > 0 ? await integrations.ownedBy(users) : undefined;
      const silences = await activeSilences(ledger, now);
      const decision = decide(event, routing, firing, now, { owned, silences });
      return ok({ lines: explain(decision), decision: storedDecision(decision), event });
    },
  }),
];
