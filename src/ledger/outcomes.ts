/** What became of events that were accepted: which incidents they joined, and what each integration was told; and the wait for it. */
import { setTimeout as pause } from 'node:timers/promises';
import { DEATHS, type Death, type DeliveryState } from '../core/delivery.ts';
import type { Queryable } from './db.ts';
import { DELIVERY_COLUMNS, type DeliveryView, shownDelivery } from './views.ts';

/** An event by the two names that make it one. */
export interface EventName {
  source: string;
  id: string;
}

/** What an integration was told of the news that events brought into an incident. */
export interface Outcome {
  incident: string;
  integration: string;
  /** The id of its channel; absent while nothing was begun. */
  type?: string;
  /** `pending` where nothing was begun yet. */
  state: DeliveryState;
  /** The delivery key. */
  delivery?: string;
  /** Why it failed, or why it was not sent. */
  error?: string;
}

export interface Outcomes {
  /** That the events have joined so far. */
  incidents: string[];
  /** Whether every event that joins an incident has joined it. */
  isOpen: boolean;
  /** Whether everyone who should hear has been told, or will not be. */
  isTold: boolean;
  outcomes: Outcome[];
}

/** Deliveries that one answer shows. */
const DELIVERIES_MAX = 1_000;
/** Between two looks: often at first, since most is told within a second. */
const LOOK_FIRST_MS = 50;
const LOOK_LAST_MS = 1_000;
/** Who may wait at a time: at the slowest pace they ask the ledger as often in a second. What comes beyond is answered at once. */
const WAITING_MAX = 50;

interface Joined {
  key: string;
  effect: string;
  /** Of the row in the inbox; null for what made none. */
  row: number | null;
  incident: string | null;
}

interface Told {
  id: string;
  status: string;
  notify: string[];
  first: string[] | null;
  lifecycle: string | null;
  tell_resolved: boolean;
}

/**
 * How it stands now. An incident that somebody has acknowledged or snoozed tells nobody of another alert, so nobody is waited
 * for; failovers and higher levels are shown once they have begun, and not waited for.
 */
export async function outcomesOf(db: Queryable, events: readonly EventName[]): Promise<Outcomes> {
  const joined = await joinsOf(db, events);
  const incidents = [...new Set(joined.flatMap(({ incident }) => (incident === null ? [] : [incident])))];
  const isOpen = joined.every(({ incident, effect }) => incident !== null || !makesRow(effect));
  if (incidents.length === 0) return { incidents, isOpen, isTold: isOpen, outcomes: [] };
  const told = await db.query<Told>(
    `select i.id, i.status, p.policy->'notify' as notify, p.policy->'levels'->0->'notify' as first, i.lifecycle,
            (p.policy->>'tell_resolved')::boolean as tell_resolved
       from incidents i join policies p on p.id = i.policy where i.id = any($1::text[]) order by i.number`,
    [incidents],
  );
  const deliveries = await db.query<{ through: number }>(
    `select ${DELIVERY_COLUMNS}, through::float8 as through from deliveries where incident = any($1::text[]) and redirected_from is null
      order by number desc limit ${DELIVERIES_MAX}`,
    [incidents],
  );
  const shown = deliveries.map((row) => ({ through: row.through, ...shownDelivery({ ...row }) }));
  const outcomes = told.flatMap((one) =>
    outcomesIn(
      one,
      joined.filter(({ incident }) => incident === one.id),
      shown.filter(({ incident }) => incident === one.id),
    ),
  );
  return { incidents, isOpen, isTold: isOpen && outcomes.every(({ state }) => !UNDER_WAY.has(state)), outcomes };
}

const makesRow = (effect: string): boolean => effect === 'fired' || effect === 'resolved' || effect === 'chapter';
const UNDER_WAY: ReadonlySet<DeliveryState> = new Set(['pending', 'sending', 'failed']);

/** What the events did, by incident: an event that changed nothing is of the incident that is open for its alert. */
const joinsOf = (db: Queryable, events: readonly EventName[]): Promise<Joined[]> =>
  db.query<Joined>(
    `select f->>'key' as key, f->>'effect' as effect, x.seq::float8 as row,
            coalesce(x.incident, case when f->>'effect' = 'unchanged' then o.id end) as incident
       from unnest($1::text[], $2::text[]) n(source, id)
       join events e on e.id = n.id and e.source = n.source
       join decisions d on d.id = e.decision
      cross join lateral jsonb_array_elements(coalesce(d.decision->'effects', '[]')) f
       left join lateral (select seq, incident from inbox where event = e.seq and key = f->>'key' and incident is not null order by seq limit 1) x on true
       left join lateral (select id from incidents where key = f->>'key' order by number desc limit 1) o on true`,
    [events.map(({ source }) => source), events.map(({ id }) => id)],
  );

function outcomesIn(
  { id, status, notify, first, lifecycle, tell_resolved }: Told,
  joined: Joined[],
  deliveries: (DeliveryView & { through: number })[],
): Outcome[] {
  // The newest of the rows: a notice that carries it carries the ones before it.
  const row = Math.max(0, ...joined.map((one) => one.row ?? 0));
  const carrying = deliveries.filter(({ through }) => through >= row);
  const isEnd = joined.some(({ effect }) => effect === 'resolved');
  const isQuiet = status === 'acknowledged' || status === 'snoozed' || (isEnd && !tell_resolved);
  const heard = isEnd ? deliveries.map(({ target }) => target) : [];
  const wanted = isQuiet ? [] : [...notify, ...(lifecycle === null ? (first ?? []) : []), ...heard];
  const everyone = new Set([...wanted, ...carrying.map(({ target }) => target)]);
  return [...everyone].map((integration): Outcome => {
    const own = carrying.filter(({ target }) => target === integration);
    // The newest first; one that was overtaken says only that another came.
    const delivery = own.find((one) => one.status !== 'superseded') ?? own[0];
    if (!delivery) return { incident: id, integration, state: 'pending' };
    const { channel, status: state, key, failure, detail } = delivery;
    const why = detail ?? (failure !== undefined && failure in DEATHS ? DEATHS[failure as Death] : failure);
    const isWell = state === 'sent' || state === 'delivered' || state === 'read';
    return {
      incident: id,
      integration,
      ...(channel !== undefined && { type: channel }),
      state,
      delivery: key,
      ...(why !== undefined && !isWell && { error: why }),
    };
  });
}

export interface Waits {
  /**
   * How it stands once everyone has been told, after `for_ms`, or when the signal aborts, whichever is first. Asks the ledger
   * now and then and holds no connection of it between; where too many wait already it does not wait.
   */
  told(events: readonly EventName[], for_ms: number, signal: AbortSignal): Promise<Outcomes>;
  /** The same until every event has joined its incident. */
  open(events: readonly EventName[], for_ms: number, signal: AbortSignal): Promise<Outcomes>;
}

/** `ending` ends every wait: the process stops. */
export function createWaits(db: Queryable, ending?: AbortSignal): Waits {
  let waiting = 0;
  const wait = async (
    events: readonly EventName[],
    for_ms: number,
    signal: AbortSignal,
    isEnough: (found: Outcomes) => boolean,
  ): Promise<Outcomes> => {
    const until = performance.now() + for_ms;
    const ended = ending ? AbortSignal.any([signal, ending]) : signal;
    let found = await outcomesOf(db, events);
    if (waiting >= WAITING_MAX) return found;
    waiting++;
    try {
      for (let look_ms = LOOK_FIRST_MS; !isEnough(found); look_ms = Math.min(look_ms * 1.5, LOOK_LAST_MS)) {
        const left = until - performance.now();
        if (left <= 0 || ended.aborted) break;
        await pause(Math.min(look_ms, left), undefined, { signal: ended }).catch(() => undefined);
        found = await outcomesOf(db, events);
      }
    } finally {
      waiting--;
    }
    return found;
  };
  return {
    told: (events, for_ms, signal) => wait(events, for_ms, signal, ({ isTold }) => isTold),
    open: (events, for_ms, signal) => wait(events, for_ms, signal, ({ isOpen }) => isOpen),
  };
}
