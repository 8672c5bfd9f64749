/**
 * The PagerDuty service behind an integration key, read with a REST token: events to a disabled service are accepted and
 * lead to nothing, and only the REST API tells. https://developer.pagerduty.com/api-reference/e960cca205c0f-list-services
 */
import { z } from 'zod';
import { oneLine } from '../../core/text.ts';
import { type CheckCall, delivered, fromStatus, type Outcome, rejected, retry } from '../channel.ts';

/** PagerDuty gives 100 at most; with their integrations half of that stays below the 1 MB that the egress guard reads. */
const PAGE = 50;
/** More services than that are not looked through: a check is no crawl. */
const PAGES_MAX = 20;

const Answer = z.object({
  services: z.array(
    z.object({
      name: z.string().nullish(),
      status: z.string().nullish(),
      integrations: z.array(z.object({ integration_key: z.string().nullish() })).nullish(),
    }),
  ),
  more: z.boolean().nullish(),
});

interface Keys {
  routing_key: string;
  api_token: string;
}

/** Whether incidents can open there; undefined where no service that the token sees has the key. */
export async function checkService(
  rest_url: string,
  { routing_key, api_token }: Keys,
  { fetch, signal, now }: Pick<CheckCall<never>, 'fetch' | 'signal' | 'now'>,
): Promise<Outcome | undefined> {
  for (let page = 0; page < PAGES_MAX; page++) {
    const url = `${rest_url}/services?include%5B%5D=integrations&limit=${PAGE}&offset=${page * PAGE}`;
    const response = await fetch(url, {
      headers: { accept: 'application/vnd.pagerduty+json;version=2', authorization: `Token token=${api_token}` },
      redirect: 'manual',
      signal,
    });
    const text = await response.text();
    if (response.status === 401 || response.status === 403) {
      return rejected(
        'auth',
        `PagerDuty answered HTTP ${response.status}: the REST token is wrong or may not read services`,
      );
    }
    if (response.status !== 200) {
      const outcome = fromStatus(response.status, response.headers, now, `PagerDuty answered HTTP ${response.status}`);
      return outcome.kind === 'delivered' ? strange() : outcome;
    }
    const answer = Answer.safeParse(jsonOf(text));
    if (!answer.success) return strange();
    const found = answer.data.services.find(({ integrations }) =>
      integrations?.some(({ integration_key }) => integration_key === routing_key),
    );
    if (found) return stateOf(oneLine(found.name ?? ''), found.status ?? '');
    if (answer.data.more !== true) break;
  }
  return undefined;
}

const strange = (): Outcome => retry('server', 'answered 200, but not in the way PagerDuty does');

/** https://developer.pagerduty.com/api-reference/e960cca205c0f-list-services: the values of `status`. */
function stateOf(name: string, status: string): Outcome {
  if (status === 'disabled') {
    return rejected('config', `PagerDuty: the service "${name}" is disabled and opens no incidents; enable it there`);
  }
  if (status === 'maintenance') {
    return delivered(undefined, `the service "${name}" is in maintenance: it opens no incidents until that ends`);
  }
  return delivered(undefined, `the key belongs to the service "${name}"`);
}

/** What the text says as JSON; undefined where it is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
