/** What the routing says of events, remembered for as long as it says the same of all that are alike. */
import { type Event, identityOf } from '../../core/event.ts';
import type { Owned } from '../../core/owner.ts';
import type { FiringAlert, Routing } from '../../core/route.ts';
import type { Silence } from '../../core/silence.ts';
import { type Arrival, type createPolicyNames, judge } from './arrival.ts';

/** A judgement on its way to the ledger's side; one object for all events of which the same is said. */
export type Said = Pick<Arrival, 'decision' | 'joins' | 'quiet'>;

/** What holds for all events of one commit. */
interface Moment {
  firing: readonly FiringAlert[];
  silences: readonly Silence[];
  owned: Owned | undefined;
  now: Date;
}

/** Times of day are told to the minute (core/interval.ts). */
const MINUTE_MS = 60_000;
/** Kinds of events of one minute, some 3 KB each; where there are more, as with a label that is never the same, all are judged again. */
const REMEMBERED_MAX = 2_000;

/**
 * The judge of each commit. Alerts are said again and again: to decide and to write down where they go was half of what an
 * event cost outside the database (measured: 11 of 21 µs).
 */
export function createJudges(routing: Routing, policyOf: ReturnType<typeof createPolicyNames>) {
  let minute = 0;
  let lasting = new Map<string, Said>();

  /** What was said before in this minute, where nothing but the event and the minute has a say; else what this commit says. */
  const saidBefore = ({ firing, silences, owned, now }: Moment): Map<string, Said> => {
    const isOfCommit = firing.length + silences.length + (routing.maintenance ?? []).length > 0 || owned !== undefined;
    if (isOfCommit) return new Map();
    const present = Math.floor(now.getTime() / MINUTE_MS);
    if (present !== minute || lasting.size >= REMEMBERED_MAX) lasting = new Map();
    minute = present;
    return lasting;
  };

  return (moment: Moment): ((event: Event) => Said) => {
    const { firing, silences, owned, now } = moment;
    const said = saidBefore(moment);
    const inhibitors = new Set(firing.map(({ fingerprint_source }) => fingerprint_source));
    return (event) => {
      const name = askedOf(event, inhibitors);
      const known = said.get(name);
      if (known) return known;
      const judged = judge(event, routing, firing, now, policyOf, { owned, silences });
      const fresh: Said = { ...judged, decision: { text: JSON.stringify(judged.decision) } };
      said.set(name, fresh);
      return fresh;
    };
  };
}

/** All of an event that `decide` looks at (core/route.ts); which alert it is, only where it could be its own inhibitor. */
function askedOf(event: Event, inhibitors: ReadonlySet<string>): string {
  const { type, source, severity, status, service, user, incident, labels } = event;
  const identity = inhibitors.size > 0 ? identityOf(event) : '';
  const own = inhibitors.has(identity) ? identity : '';
  return JSON.stringify([type, source, severity, status, service, user, incident, labels, own]);
}
