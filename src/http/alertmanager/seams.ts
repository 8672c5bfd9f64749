/** What Alertmanager's API needs of silences and of the configuration's other form; each has one place to be joined. */
import type { Labels } from '../../core/event.ts';
import type { Policy } from '../../core/policy.ts';
import type { Routing } from '../../core/route.ts';
import { silencedBy } from '../../core/silence.ts';
import type { Queryable } from '../../ledger/db.ts';
import { activeSilences } from '../../ledger/silences.ts';

/** The silences and maintenance windows that are on now, as a question about labels: the ids of all that match them. */
export async function silencesAt(
  ledger: Queryable,
  { maintenance = [] }: Pick<Routing, 'maintenance'>,
  now: Date,
): Promise<(labels: Labels) => string[]> {
  const silences = [...maintenance, ...(await activeSilences(ledger, now))];
  return (labels) => silencedBy(labels, silences, now);
}

/** The receiver that a route with this policy has: whom it tells, in notify and at any level. */
export function receiverOf({ notify, levels }: Pick<Policy, 'notify' | 'levels'>): string {
  const told = [...new Set([...notify, ...levels.flatMap((level) => level.notify)])].sort();
  return told.length === 0 ? '@nobody' : told.join('/');
}

/** The routing as an alertmanager.yml; JSON is YAML. */
export const alertmanagerYamlOf = ({ fallback, routes }: Routing): string =>
  JSON.stringify({
    route: { receiver: receiverOf(fallback.policy) },
    receivers: [...new Set([fallback, ...routes].map(({ policy }) => receiverOf(policy)))].map((name) => ({ name })),
  });
