/** The two doors that training servers know: an alert of a job, answered with what each integration was told; and a test by type. */
import { z } from 'zod';
import { channelOf } from '../channels/index.ts';
import { DELIVERY_STATES, type DeliveryState } from '../core/delivery.ts';
import type { Outcome, Waits } from '../ledger/outcomes.ts';
import { JobAlertBody } from '../sources/events/alerts.ts';
import { keepOne, ownEvent } from './alerts.ts';
import { ONE_MAX_BYTES } from './body.ts';
import type { Deps } from './deps.ts';
import { type Arrived, type Endpoint, endpoint, ok, word } from './endpoint.ts';
import { integrations } from './integrations.ts';
import { typed, waitField } from './outcomes.ts';
import { Problem } from './problem.ts';

/** Its callers read the results, and their jobs wait meanwhile. */
const WAIT_MS = 5_000;
const TEST = '/v1/integrations/{name}/test';
/** Integrations of one type that are tested at once. */
const TESTS_MAX = 10;

const states = Object.keys(DELIVERY_STATES) as [DeliveryState, ...DeliveryState[]];
const Result = z.object({
  success: z.boolean().meta({ description: 'Whether it was told; false also while that is under way.' }),
  integrationType: z.string(),
  integrationId: z.string().meta({ description: 'Its name.' }),
  error: z.string().optional(),
});
const Triggered = z.object({
  success: z.boolean().meta({ description: 'true: it is kept, and everyone who should hear will.' }),
  id: z.string().meta({ description: 'Of the event that was kept.' }),
  incident: z.string().optional(),
  integrationResults: z
    .array(Result.extend({ state: z.enum(states), delivery: z.string().optional() }))
    .meta({ description: 'One for each integration that is told; none for those that have it switched off.' }),
});
const Tested = Result.extend({
  results: z.array(Result).optional().meta({ description: 'Each of them, where there is more than one.' }),
});
const TestBody = z.object({
  userId: word(100).exactOptional().meta({ description: 'Only those of this owner; also user_id.' }),
  user_id: word(100).exactOptional(),
  integrationId: word(64).exactOptional().meta({ description: 'Only the one of this name; also integration_id.' }),
  integration_id: word(64).exactOptional(),
  message: z.boolean().exactOptional().meta({ description: 'Send a test message in any case.' }),
});

type Given = Parameters<typeof integrations>[0] & Pick<Deps, 'door' | 'metrics' | 'limits'> & { waits: Waits };

export const trigger = (deps: Given): Endpoint[] => [
  endpoint({
    method: 'post',
    path: '/api/alerts/trigger',
    access: 'ingest',
    summary: 'Send an alert of a job',
    about: `Types job_started, job_completed, job_failed, job_cancelled, gpu_oom, timeout_warning, disk_warning, or any other. Whatever it says of the job is kept as context. Waits ${WAIT_MS / 1_000} seconds for the results unless \`wait\` says otherwise; what is not told by then is told later.`,
    query: z.object({ wait: waitField }),
    takes: { kind: 'raw', media: 'json', limit: ONE_MAX_BYTES, schema: JobAlertBody },
    answers: { 200: { about: 'Kept, and the results so far', schema: Triggered } },
    async handle({ raw, query: { wait }, now, signal }) {
      const event = ownEvent('job', raw, now);
      await keepOne(event, 'trigger', deps);
      const { incidents, outcomes } = await deps.waits.told([event], wait ?? WAIT_MS, signal);
      const [incident] = incidents;
      const told = (await typed(outcomes, deps)).filter(({ state }) => state !== 'skipped');
      return ok({
        success: true,
        id: event.id,
        ...(incident !== undefined && { incident }),
        integrationResults: told.map(resultOf),
      });
    },
  }),
  endpoint({
    method: 'post',
    path: '/api/integrations/{type}/test',
    access: 'operator',
    summary: 'Test the integrations of a type',
    about:
      'As POST /v1/integrations/{name}/test, for each of a type: all, those of an owner, or one by its name. `notion` and `slack` are also the types that begin so.',
    params: z.object({ type: word(64) }),
    takes: { kind: 'json', schema: TestBody, required: false },
    answers: { 200: { about: 'How it ended', schema: Tested } },
    also: [409],
    async handle({ params: { type }, body, ...arrived }) {
      const owner = body.userId ?? body.user_id;
      const only = body.integrationId ?? body.integration_id;
      const listed = (await deps.integrations.list()).map((one) => (one.origin === 'api' ? one.row : one.integration));
      const meant = listed.filter(
        (one) =>
          (one.type === type || one.type.startsWith(`${type}-`)) &&
          (only === undefined || one.name === only) &&
          (owner === undefined || one.owner === owner),
      );
      // Pages that a summary is written to take no message; where they are all there is, that is the answer.
      const told = meant.filter((one) => channelOf(one.type) !== undefined);
      const tested = told.length > 0 ? told : meant;
      if (tested.length === 0) throw new Problem('not-found', 'there is no such integration of this type');
      if (tested.length > TESTS_MAX)
        throw new Problem('conflict', `${tested.length} integrations are of this type: name one in integrationId`);
      const settings = body.message === undefined ? {} : { message: body.message };
      const results = await Promise.all(tested.map((one) => testOf(deps, one, settings, arrived)));
      const [first] = results;
      const worst = results.find(({ success }) => !success) ?? first;
      return ok({ ...worst, ...(results.length > 1 && { results }) });
    },
  }),
];

function resultOf({ integration, type = 'unknown', state, delivery, error }: Outcome) {
  const success = state === 'sent' || state === 'delivered' || state === 'read';
  return {
    success,
    integrationType: type,
    integrationId: integration,
    ...(success ? {} : { error: error ?? DELIVERY_STATES[state] }),
    state,
    ...(delivery !== undefined && { delivery }),
  };
}

/** The test of one, as its own endpoint makes it; what that refuses is a result here, beside those of the others. */
async function testOf(
  deps: Given,
  { type: integrationType, name }: { type: string; name: string },
  settings: { message?: boolean },
  arrived: Omit<Arrived, 'params'>,
): Promise<z.output<typeof Result>> {
  const about = { integrationType, integrationId: name };
  const test = integrations(deps).find(({ path }) => path === TEST);
  if (!test) throw new Error(`there is no endpoint ${TEST}`);
  try {
    const raw = Buffer.from(JSON.stringify(settings));
    const { body } = await test.run({ ...arrived, params: { name }, query: {}, raw });
    const { success, error } = body as { success: boolean; error?: string };
    return { success, ...about, ...(error !== undefined && { error }) };
  } catch (error) {
    if (!(error instanceof Problem) || error.kind !== 'conflict') throw error;
    return { success: false, ...about, error: error.message };
  }
}
