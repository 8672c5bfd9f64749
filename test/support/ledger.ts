/** A ledger in memory for tests: PGlite with the real schema; one for each file, emptied between its tests. */
import type { Event } from '../../src/core/event.ts';
import type { Policy } from '../../src/core/policy.ts';
import type { Route, Routing } from '../../src/core/route.ts';
import { type Claim, claim } from '../../src/ledger/claim.ts';
import { type Ledger, openLedger, type Queryable } from '../../src/ledger/db.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { waitingInboxes } from '../../src/ledger/inbox.ts';
import { migrate } from '../../src/ledger/migrate.ts';
import { forgetSilences } from '../../src/ledger/silences.ts';
import { inMemory } from './image.ts';
import { policy } from './policies.ts';
import { createDatabase } from './postgres.ts';

const TABLES =
  'events, incidents, alerts, inbox, batches, deliveries, attempts, threads, sends, answer_uses, summaries, keys, audit, audit_unsealed, audit_seals, audit_heads, audit_tombstones, policies, decisions, rates, integrations, integration_health, heartbeats, posted_alerts, silences, held, ended';

/** About a second to open and half a gigabyte: one for each test file. `empty` leaves the schema and the epoch. */
export async function openTestLedger(): Promise<{ ledger: Ledger; empty(): Promise<void> }> {
  const ledger = await openLedger(await emptyPlace());
  await migrate(ledger);
  return { ledger, empty: () => emptied(ledger) };
}

/** Removes every row, of the audit too. */
export const emptied = (ledger: Ledger): Promise<void> =>
  aroundTheGuards(ledger, (tx) => tx.query(`truncate ${TABLES} restart identity`)).then(() => forgetSilences(ledger));

/** As somebody who owns the database: no trigger is asked (https://www.postgresql.org/docs/15/runtime-config-client.html, session_replication_role). */
export async function aroundTheGuards(ledger: Ledger, act: (tx: Queryable) => Promise<unknown>): Promise<void> {
  await ledger.transaction(async (tx) => {
    await tx.query('set local session_replication_role = replica');
    await act(tx);
  });
}

/** In memory; with `TOCSIN_TEST_POSTGRES` (an address that may create databases) a new database there. */
export async function emptyPlace(): Promise<Parameters<typeof openLedger>[0]> {
  const server = process.env.TOCSIN_TEST_POSTGRES;
  if (!server) return inMemory();
  return { url: await createDatabase(server) };
}

/** A route that takes everything, groups by service and tells `chat`. */
export function route(overrides: Partial<Omit<Route, 'policy'>> & { policy?: Partial<Policy> } = {}): Route {
  const { policy: settings, ...rest } = overrides;
  const name = rest.name ?? 'checkout';
  return {
    name,
    matchers: [],
    continue: false,
    active: [],
    mute: [],
    severity_during: [],
    group_by: ['service'],
    children: [],
    ...rest,
    policy: policy({ route: name, ...settings }),
  };
}

/** Routing with these routes; what they do not take, the route `default` takes. */
export const routing = (routes: Route[] = [], more: Partial<Routing> = {}): Routing => ({
  routes,
  fallback: route({ name: 'default' }),
  inhibitions: [],
  ...more,
});

/** So much time goes by for every rate: rates go by the ledger's clock. */
export const laterForRates = (ledger: Ledger, ms: number): Promise<unknown> =>
  ledger.query(
    `update rates set turns = array(select turn - $1::float8 * interval '1 ms' from unnest(turns) turn order by turn)`,
    [ms],
  );

let events = 0;

/** A firing event of its own, unless it says otherwise. */
export function event(overrides: Partial<Event> = {}): Event {
  const id = `event-${++events}`;
  return {
    id,
    source: 'shop',
    type: 'checkout_failed',
    title: 'Checkout fails',
    severity: 'error',
    service: 'checkout',
    components: [],
    labels: {},
    assignees: [],
    links: [],
    status: 'firing',
    ...overrides,
  };
}

/** The same trouble as `alert`, said again under an id of its own. */
export const again = (alert: Event, overrides: Partial<Event> = {}): Event =>
  event({ ...alert, id: `event-${++events}`, ...overrides });

/** Accepts these events under this routing and claims what waits: the batches a relay would carry, in order. */
export async function arrive(ledger: Ledger, given: Event[], by: Routing = routing()): Promise<Claim[]> {
  await createDoor(ledger, { routing: by }).accept(given);
  return claimAll(ledger);
}

/** One batch of each inbox that waits. */
export async function claimAll(ledger: Ledger): Promise<Claim[]> {
  const claims: Claim[] = [];
  for (const { key } of await waitingInboxes(ledger)) {
    const claimed = await claim(ledger, key);
    if (claimed) claims.push(claimed);
  }
  return claims;
}

/** An incident opened by one event of its own. */
export async function opened(ledger: Ledger, by: Routing = routing(), more: Partial<Event> = {}): Promise<Claim> {
  const [first] = await arrive(ledger, [event({ service: `service-${++events}`, ...more })], by);
  if (!first) throw new Error('the event opened no incident');
  return first;
}

/** The only row of a question that has exactly one. */
export async function one<Row>(ledger: Ledger, sql: string, params: readonly unknown[] = []): Promise<Row> {
  const [row, ...more] = await ledger.query<Row>(sql, params);
  if (row === undefined || more.length > 0) throw new Error(`${row === undefined ? 'no row' : 'several rows'}: ${sql}`);
  return row;
}

/** Throws, naming the table, where any row of any table holds one of these texts. */
export async function holdsNowhere(ledger: Ledger, texts: readonly string[]): Promise<void> {
  const tables = await ledger.query<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`,
  );
  for (const { name } of tables) {
    const rows = await ledger.query<{ row: string }>(`select t::text as row from "${name}" t`);
    if (rows.some(({ row }) => texts.some((text) => row.includes(text)))) throw new Error(`${name} holds it`);
  }
  if (tables.length === 0) throw new Error('there is no table to look into');
}
