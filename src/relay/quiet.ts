/** Silences over time: what was held back is told when nothing holds it any more, and open incidents go quiet and speak again. */
import { type Event, labelsOf } from '../core/event.ts';
import { heldByTime } from '../core/holds.ts';
import type { OwnedBy } from '../core/owner.ts';
import type { Route, Routing } from '../core/route.ts';
import { isQuietAt, quietUntil, type Silence, silenceText, silencing } from '../core/silence.ts';
import { createPolicyNames } from '../ledger/accept/arrival.ts';
import type { Ledger } from '../ledger/db.ts';
import {
  type Cause,
  type HeldAlert,
  heldAfter,
  heldBy,
  heldCauses,
  releaseHeld,
  stillInhibiting,
  sweepExpiredHeld,
} from '../ledger/held.ts';
import { firingInhibitors } from '../ledger/inhibitors.ts';
import { answerQuietly, firingIn, QUIETED_BY, type Quietable, quietable } from '../ledger/quieted.ts';
import { activeSilences } from '../ledger/silences.ts';

export interface Quiet {
  /** One look at what is held back and at what is open; true where more is left to do at once. */
  look(): Promise<boolean>;
}

/** Rows that one look decides again: some ten milliseconds of work. */
const ROWS_MAX = 200;
/** Incidents that one look reads the alerts of. */
const INCIDENTS_MAX = 50;
/** A snooze that ends so soon is left to its workflow; a silence that was made longer by less is not told of. */
const SOON_MS = 5_000;

export function createQuiet({
  ledger,
  routing,
  ownedBy,
  now = () => new Date(),
}: {
  ledger: Ledger;
  routing: Routing;
  /** The integrations of users, for routes that tell the owner. */
  ownedBy?: OwnedBy | undefined;
  now?: (() => Date) | undefined;
}): Quiet {
  const policyOf = createPolicyNames();
  const routes = new Map([...allOf(routing.routes), routing.fallback].map((route) => [route.name, route]));
  /** After a start every row is decided once: the configuration may be another. Undefined once that is done. */
  let after: number | undefined = 0;
  /** How each open incident stood when it was looked at. */
  let looked = new Map<string, string>();

  /** What no longer holds the alerts that it held. What is taken for over wrongly is only decided once more. */
  const isOver = (at: Date, quiet: ReadonlySet<string>, inhibiting: ReadonlySet<string>) => (cause: Cause) => {
    switch (cause.outcome) {
      case 'silenced':
        return !cause.by.some((id) => quiet.has(id));
      case 'inhibited':
        return !cause.by.some((fingerprint) => inhibiting.has(fingerprint));
      case 'muted': {
        const route = routes.get(cause.route);
        return !route || !heldByTime(route, at);
      }
      default:
        return cause.outcome satisfies never;
    }
  };

  const dueRows = async (at: Date, quiet: ReadonlySet<string>): Promise<HeldAlert[]> => {
    if (after !== undefined) {
      const rows = await heldAfter(ledger, after, ROWS_MAX);
      after = rows.length < ROWS_MAX ? undefined : rows.at(-1)?.id;
      return rows;
    }
    const causes = await heldCauses(ledger);
    if (causes.length === 0) return [];
    const inhibitors = causes.flatMap(({ outcome, by }) => (outcome === 'inhibited' ? by : []));
    const over = causes.filter(isOver(at, quiet, await stillInhibiting(ledger, [...new Set(inhibitors)])));
    return over.length === 0 ? [] : heldBy(ledger, over, ROWS_MAX);
  };

  const release = async (at: Date, silences: readonly Silence[]): Promise<boolean> => {
    await sweepExpiredHeld(ledger);
    const quiet = new Set(
      [...(routing.maintenance ?? []), ...silences].filter((one) => isQuietAt(one, at)).map(({ id }) => id),
    );
    const rows = await dueRows(at, quiet);
    if (rows.length === 0) return after !== undefined;
    const firing = routing.inhibitions.length > 0 ? await firingInhibitors(ledger) : [];
    const told = await releaseHeld(ledger, rows, { routing, firing, silences, policyOf, ownedBy, now: at });
    return after !== undefined || (told > 0 && rows.length === ROWS_MAX);
  };

  const answer = async (incident: Quietable, all: readonly Silence[], at: Date): Promise<void> => {
    const firing = await firingIn(ledger, incident.id);
    const kept = firing && quietOver(firing, all, at);
    const by = kept && `${kept.silence.kind} ${kept.silence.id}`;
    const left_ms = incident.snoozed_ms ?? 0;
    if (incident.status === 'snoozed') {
      if (!kept && firing?.length !== 0 && left_ms > SOON_MS)
        await answerQuietly(
          ledger,
          incident,
          { kind: 'snooze_ended', because: 'not all that fires is silenced any more' },
          incident.answered_by ?? 'silence',
        );
      if (kept && by && kept.for_ms > left_ms + SOON_MS) await answerQuietly(ledger, incident, snoozeOf(kept), by);
      return;
    }
    if (kept && by && !isTakenOut(incident, kept.silence)) await answerQuietly(ledger, incident, snoozeOf(kept), by);
  };

  const quieten = async (at: Date, silences: readonly Silence[]): Promise<boolean> => {
    const all = [...(routing.maintenance ?? []), ...silences].filter((one) => isQuietAt(one, at));
    const listed = await quietable(ledger, all.length === 0);
    const set = all.map(({ id, updated_at }) => `${id} ${updated_at.getTime()}`).join();
    const stampOf = ({ status, answer_rev, alerts, last_at }: Quietable): string =>
      [status, answer_rev, alerts, last_at, set].join();
    const fresh = listed.filter((incident) => looked.get(incident.id) !== stampOf(incident));
    const seen = new Map(listed.map(({ id }) => [id, looked.get(id) ?? '']));
    for (const incident of fresh.slice(0, INCIDENTS_MAX)) {
      await answer(incident, all, at);
      seen.set(incident.id, stampOf(incident));
    }
    looked = seen;
    return fresh.length > INCIDENTS_MAX;
  };

  return {
    async look() {
      const at = now();
      const silences = await activeSilences(ledger, at);
      const more = await release(at, silences);
      return (await quieten(at, silences)) || more;
    },
  };
}

const allOf = (routes: readonly Route[]): Route[] => routes.flatMap((route) => [route, ...allOf(route.children)]);

interface Kept {
  /** The one that decides until when. */
  silence: Silence;
  for_ms: number;
}

const snoozeOf = ({ silence, for_ms }: Kept): { kind: 'snooze'; for_ms: number; because: string } => ({
  kind: 'snooze',
  for_ms,
  because: silenceText(silence),
});

/** Until when all that fires is silenced, and by which; undefined where something is not, or nothing fires. */
function quietOver(firing: readonly Event[], all: readonly Silence[], at: Date): Kept | undefined {
  const until = new Map(all.map((silence) => [silence, quietUntil(silence, at).getTime() - at.getTime()]));
  let kept: Kept | undefined;
  for (const event of firing) {
    let longest: Kept | undefined;
    for (const silence of silencing(labelsOf(event), all, at)) {
      const for_ms = until.get(silence) ?? 0;
      if (!longest || for_ms > longest.for_ms) longest = { silence, for_ms };
    }
    if (!longest) return undefined;
    if (!kept || longest.for_ms < kept.for_ms) kept = longest;
  }
  return kept;
}

/** A person has taken it out of this silence since it began: it stays out. */
function isTakenOut({ answered_by, answered_at }: Quietable, { starts_at, updated_at }: Silence): boolean {
  if (answered_by === undefined || answered_at === undefined || answered_by === 'tocsin') return false;
  if (QUIETED_BY.test(answered_by)) return false;
  return Date.parse(answered_at) > Math.max(starts_at.getTime(), updated_at.getTime());
}
