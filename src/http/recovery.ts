/** An integration that was disabled because it failed, taken back into use by an operator. */
import { z } from 'zod';
import { enableIntegration } from '../ledger/health.ts';
import { actorOf, type Deps } from './deps.ts';
import { type Endpoint, endpoint, ok, word } from './endpoint.ts';
import { Problem } from './problem.ts';
import { HealthView } from './views.ts';

export const recovery = ({ ledger, config }: Pick<Deps, 'ledger' | 'config'>): Endpoint[] => [
  endpoint({
    method: 'post',
    path: '/v1/integrations/{name}/enable',
    access: 'operator',
    summary: 'Send to a failing or disabled integration again',
    about:
      'What is known of its failures is forgotten. Deliveries that ended dead meanwhile stay so: send them again with POST /v1/deliveries/redeliver. One that is switched off in the configuration stays so.',
    params: z.object({ name: word(64) }),
    takes: { kind: 'json', schema: z.strictObject({}), required: false },
    answers: {
      200: {
        about: 'It is in use',
        schema: z.object({
          name: z.string(),
          outcome: z.enum(['done', 'already']).meta({ description: 'already: it was well.' }),
          health: HealthView,
        }),
      },
    },
    async handle({ params: { name }, caller, request_id }) {
      if (!config.integrations.has(name))
        throw new Problem('not-found', 'no integration has this name in the configuration');
      const isDone = await enableIntegration(ledger, name, actorOf(caller, request_id));
      return ok({ name, outcome: isDone ? 'done' : 'already', health: { state: 'ok' } });
    },
  }),
];
