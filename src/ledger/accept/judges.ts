/** What the routing says of events, remembered for as long as it says the same of all that are alike. */
import type { Event } from '../../core/event.ts';
import type { Owned } from '../../core/owner.ts';
import type { FiringAlert, Routing } from '../../core/route.ts';
import type { Silence } from '../../core/silence.ts';
import { type Arrival, type createPolicyNames, type Judged, judge } from './arrival.ts';

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
  const saidBefore = ({ silences, owned, now }: Moment): Map<string, Said> => {
    if (silences.length > 0 || owned !== undefined || (routing.maintenance ?? []).length > 0) return new Map();
    const present = Math.floor(now.getTime() / MINUTE_MS);
    if (present !== minute || lasting.size >= REMEMBERED_MAX) lasting = new Map();
    minute = present;
    return lasting;
  };

  return (moment: Moment): ((event: Event) => Said) => {
    const { firing, silences, owned, now } = moment;
    // An inhibition compares all of an event: then what is alike is known only afterwards.
    const isAlone = firing.length > 0;
    const said = isAlone ? new Map<string, Said>() : saidBefore(moment);
    return (event) => {
      const known = isAlone ? undefined : said.get(askedOf(event));
      if (known) return known;
      const judged = judge(event, routing, firing, now, policyOf, { owned, silences });
      const fresh: Said = { ...judged, decision: JSON.stringify(judged.decision) };
      const name = isAlone ? wordsOf(judged, fresh.decision) : askedOf(event);
      const same = said.get(name) ?? fresh;
      said.set(name, same);
      return same;
    };
  };
}

/** All of an event that the routing looks at where no alert inhibits others (core/route.ts, `decide`). */
const askedOf = ({ type, source, severity, status, service, user, incident, labels }: Event): string =>
  JSON.stringify([type, source, severity, status, service, user, incident, labels]);

/** All that is said, but for the policies' texts, which their ids stand for. */
const wordsOf = ({ joins, quiet }: Judged, decision: string): string =>
  JSON.stringify([decision, quiet, joins.map(({ key, policy }) => [key, policy?.id])]);
