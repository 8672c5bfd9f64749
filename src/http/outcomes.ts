/** The wait for what becomes of events, as endpoints ask for it and answer with it. */
import { z } from 'zod';
import { DELIVERY_STATES, type DeliveryState } from '../core/delivery.ts';
import { parseDuration } from '../core/time.ts';
import type { Outcome } from '../ledger/outcomes.ts';
import type { Deps } from './deps.ts';

/** Shorter than proxies wait for an answer (60 s: https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_read_timeout), and than our own server does. */
export const WAIT_MAX_MS = 30_000;

/** `10s`, `500ms`, `0`: at most WAIT_MAX_MS. Written so that the document of the API says it whole. */
const WAIT = /^(?:0|[12]?\d{1,4}ms|30000ms|[12]?\ds|30s)$/;
/** `?wait=10s`: milliseconds. */
export const waitField = z
  .string()
  .regex(WAIT, 'must be a duration of at most 30s, such as 10s or 500ms')
  .transform((written) => Math.min(parseDuration(written) ?? 0, WAIT_MAX_MS))
  .exactOptional()
  .meta({
    description: 'Waits so long, at most 30s, until everyone has been told, and answers with the results so far.',
    examples: ['10s'],
  });

const states = Object.keys(DELIVERY_STATES) as [DeliveryState, ...DeliveryState[]];
export const OutcomeView = z.object({
  incident: z.string(),
  integration: z.string(),
  type: z.string().optional().meta({ description: 'The id of its channel.' }),
  state: z.enum(states).meta({ description: 'pending, sending and failed are not the end of it: see the incident.' }),
  delivery: z.string().optional().meta({ description: 'The delivery key, once one has begun.' }),
  error: z.string().optional().meta({ description: 'Why it failed, or why it was not sent.' }),
});

/** With the type of each integration, also of those that nothing was begun for. */
export async function typed(
  outcomes: readonly Outcome[],
  { config, integrations }: Pick<Deps, 'config' | 'integrations'>,
): Promise<Outcome[]> {
  const isKnown = ({ type, integration }: Outcome): boolean =>
    type !== undefined || config.integrations.has(integration);
  const listed = outcomes.every(isKnown) ? [] : await integrations.list();
  const stored = new Map(
    listed.flatMap((one) => (one.origin === 'api' ? [[one.row.name, one.row.type] as const] : [])),
  );
  return outcomes.map(({ incident, integration, type: told, ...rest }) => {
    const type = told ?? config.integrations.get(integration)?.type ?? stored.get(integration);
    return { incident, integration, ...(type !== undefined && { type }), ...rest };
  });
}
