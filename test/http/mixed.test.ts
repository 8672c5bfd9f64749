/** Ten thousand troubles into every way in while nothing carries them on: each is kept once, and is on its incident. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Config, fromText, REGISTRY } from '../../src/config/load.ts';
import { type Event, identityOf } from '../../src/core/event.ts';
import { decide } from '../../src/core/route.ts';
import { createAuth } from '../../src/http/auth.ts';
import { createBuckets } from '../../src/http/bucket.ts';
import { keep } from '../../src/http/events.ts';
import { digest } from '../../src/ledger/identity.ts';
import { createWaits } from '../../src/ledger/outcomes.ts';
import { startGrpc } from '../../src/listeners/grpc.ts';
import { startListeners } from '../../src/listeners/index.ts';
import type { ListenerDeps } from '../../src/listeners/listener.ts';
import { openForHeartbeats, tellHeartbeats } from '../../src/relay/heartbeats.ts';
import { chance } from '../support/chance.ts';
import { type Doors, heartbeatsYaml, listenersYaml, openDoors } from '../support/doors.ts';
import { claimAll } from '../support/ledger.ts';
import { hasRedis, type Redis, startRedis } from '../support/redis.ts';
import { egress, POSTING, type Sender, serviceOf, sourcesYaml, troubleIn } from '../support/senders.ts';
import { until } from '../support/until.ts';
import { type Api, startApi } from './harness.ts';

const TROUBLES = 10_000;
/** Of each sender whose messages are about one; the rest comes in messages about many, or the test would be all HTTP. */
const TROUBLES_SENT_ALONE = 100;
/** Of each door that is no source by HTTP. */
const TROUBLES_AT_A_DOOR = 40;
/** The first of all are the heartbeats': the configuration names them. */
const HEARTBEATS = 20;
/** One in so many messages comes a second time: its sender has not heard our answer. */
const REDELIVERED = 20;
const CONNECTIONS = 8;
/** For the entries of a stream, which are kept some time after they were taken. */
const READ_MS = 30_000;
const SEED = 20_261_121;
/** Two routes take what is critical: such a trouble is on two incidents. */
const configWith = (redis: string | undefined): Config =>
  fromText(
    `
integrations: { terminal: { type: stdout } }
routes:
  - { name: loud, match: [ 'severity="critical"' ], continue: true, group_by: [source], notify: [terminal] }
  - { name: shops, match: [ 'service=~"shop-.*"' ], group_by: [source, service], notify: [terminal] }
default: { group_by: [source], notify: [terminal] }
${heartbeatsYaml(Array.from({ length: HEARTBEATS }, (_, trouble) => trouble))}
${sourcesYaml(listenersYaml({ mail: 0, redis }))}
`,
    'the tests',
    {},
    REGISTRY,
  );

/** One message; resolves with the status of its answer. */
type Sending = () => Promise<number>;

interface Alert {
  fingerprint: string;
  key: string;
  count: number;
  source: string | null;
  service: string | null;
  route: string | null;
  incident_key: string | null;
}

let api: Api;
let config: Config;
let doors: Doors;
/** To be ended, the last first. */
const running: (() => unknown)[] = [];
let events: { source: string; event: Event }[];
let alerts: Alert[];
/** By sender or door: the troubles it told of, and those it told twice. */
const told = new Map<string, Set<number>>();
const toldTwice = new Map<string, Set<number>>();
const answers = new Map<number, number>();

/** What hears by itself, and doors to it and to those of the API. */
async function listen(redis: string | undefined): Promise<Doors> {
  const { ledger, url, keys, deps } = api;
  const { log, metrics, now } = deps;
  const keepThem: ListenerDeps['keep'] = (given, source) => keep(given, source, { ...deps, limits: undefined });
  // Without a Redis its source stands in the configuration like any other, and nobody listens for it.
  const heard = new Map([...config.sources].filter(([id]) => id === 'mail' || redis !== undefined));
  const given = { config: { ...config, sources: heard }, ledger, log, metrics, now, keep: keepThem };
  const listeners = await startListeners(given);
  running.push(listeners.stop);
  const shared = { auth: createAuth({ db: ledger, now }), rate: createBuckets({ per_second: 1_000, burst: 1_000 }) };
  const waits = createWaits(ledger, new AbortController().signal);
  const grpc = await startGrpc({ host: '127.0.0.1', port: 0 }, { ledger, log, now, keep: keepThem, waits, ...shared });
  running.push(grpc.stop);
  const mail = listeners.all.find(({ where }) => where.startsWith('smtp:'));
  return openDoors({
    url,
    key: keys.ingest,
    mail: Number(URL.parse(mail?.where ?? '')?.port),
    grpc: grpc.where,
    redis,
  });
}

beforeAll(async () => {
  let redis: Redis | undefined;
  if (hasRedis()) {
    redis = await startRedis();
    running.push(redis.close);
  }
  config = configWith(redis?.url);
  api = await startApi({ config, egress });
  running.push(api.stop);
  running.push((await openForHeartbeats(api.ledger, config.heartbeats, api.deps.log)).stop);
  doors = await listen(redis?.url);
  running.push(doors.close);
  const now = api.clock.now;
  const random = chance(SEED);
  const [first, again]: [Sending[], Sending[]] = [[], []];
  let trouble = 0;
  /** So many troubles, of which one message tells `batch`. */
  const make = (id: string, share: number, batch: number, sending: (troubles: number[]) => Sending): void => {
    const [all, twice] = [new Set<number>(), new Set<number>()];
    told.set(id, all);
    toldTwice.set(id, twice);
    const end = trouble + share;
    while (trouble < end) {
      const size = Math.min(batch, end - trouble);
      const troubles = Array.from({ length: size }, () => trouble++);
      const send = sending(troubles);
      first.push(send);
      for (const one of troubles) all.add(one);
      if (random.number(0, REDELIVERED) > 0) continue;
      again.push(send);
      for (const one of troubles) twice.add(one);
    }
  };
  const posting = (sender: Sender) => (troubles: number[]) => {
    const message = sender.prove(sender.message(troubles, now), sender.secret ?? api.keys.ingest, now);
    const { path, raw, headers } = message;
    return async () => (await api.call('POST', path, { raw, headers })).status;
  };
  for (const [id, { tell }] of doors.all.toSorted(
    ([a], [b]) => Number(b === 'heartbeats') - Number(a === 'heartbeats'),
  ))
    make(
      id,
      id === 'heartbeats' ? HEARTBEATS : TROUBLES_AT_A_DOOR,
      1,
      ([one = 0]) =>
        () =>
          tell(one).then(() => 200),
    );
  const [many, alone] = [true, false].map((isMany) =>
    POSTING.filter(([, { batch }]) => (batch !== undefined) === isMany),
  );
  for (const [id, sender] of alone ?? []) make(id, TROUBLES_SENT_ALONE, 1, posting(sender));
  const share = Math.ceil((TROUBLES - trouble) / (many?.length ?? 1));
  for (const [id, sender] of many ?? [])
    make(id, Math.min(share, TROUBLES - trouble), sender.batch ?? 1, posting(sender));
  // What is sent again comes among the others of all senders, and may come before its first.
  const queue = [...first, ...again]
    .map((send) => ({ send, at: random.number(0, 1_000_000) }))
    .sort((a, b) => a.at - b.at)
    .map(({ send }) => send);
  const work = async (): Promise<void> => {
    for (let send = queue.pop(); send; send = queue.pop()) {
      const status = await send();
      answers.set(status, (answers.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work));
  const streamed = told.get('redis-stream')?.size ?? 0;
  const keptOf = async (source: string) =>
    (await api.ledger.query('select 1 from events where source = $1', [source])).length;
  await until('the stream to be read', async () => (await keptOf('redis-stream')) >= streamed || undefined, READ_MS);
  // What the worker tells when it is back.
  await tellHeartbeats(api.ledger, api.deps.door, config.heartbeats);
  // What the relay takes when it is back.
  while ((await claimAll(api.ledger)).length > 0);
  events = (await api.ledger.query<{ source: string; event: Event }>('select source, event from events')).filter(
    ({ source }) => source !== 'tocsin',
  );
  alerts = await api.ledger.query<Alert>(
    `select a.fingerprint, a.key, a.count::int as count, i.source, i.service, i.route, i.key as incident_key
       from alerts a left join incidents i on i.id = a.incident where a.status = 'firing' and a.current`,
  );
});
afterAll(async () => {
  for (const stop of running.reverse()) await stop();
});

describe(`${TROUBLES} troubles, told by every sender and through every door while no worker runs`, () => {
  it('are all answered 2xx', () => {
    expect([...answers.keys()].filter((status) => status < 200 || status > 299)).toEqual([]);
  });

  it('are all kept, each once, and once more only where its sender gives its events no ids', () => {
    const counts = new Map([...told.keys()].map((id) => [id, new Map<number, number>()]));
    for (const { source, event } of events) {
      const trouble = troubleIn(event);
      const own = counts.get(source);
      if (trouble === undefined || !own) throw new Error(`an event of ${source} that nobody sent: ${event.id}`);
      own.set(trouble, (own.get(trouble) ?? 0) + 1);
    }
    let all = 0;
    for (const [id, troubles] of told) {
      const own = counts.get(id) ?? new Map<number, number>();
      const sent = [...troubles];
      all += sent.length;
      const sender = POSTING.find(([name]) => name === id)?.[1];
      const isAnother = (trouble: number) => sender?.again === 'same alert' && toldTwice.get(id)?.has(trouble);
      const wrong = sent.filter((trouble) => own.get(trouble) !== (isAnother(trouble) ? 2 : 1));
      expect([id, own.size, wrong]).toEqual([id, sent.length, []]);
    }
    for (const id of ['events', 'prometheus', 'alerts', 'incidents', 'jobs', 'heartbeats', 'grpc', 'mail'])
      expect(counts.get(id)?.size, id).toBeGreaterThanOrEqual(HEARTBEATS);
    expect(all).toBe(TROUBLES);
    expect([...toldTwice.values()].flatMap((twice) => [...twice]).length).toBeGreaterThan(TROUBLES / 50);
  });

  it('are each on the incident of its source and service, and what is critical on that of its source too', () => {
    const doorOf = new Map(doors.all);
    const byName = Map.groupBy(alerts, ({ fingerprint }) => fingerprint);
    const wrong = events.filter(({ source, event }) => {
      const on = byName.get(digest(identityOf(event))) ?? [];
      const [shop, loud] = ['shops', 'loud'].map((name) => on.filter(({ route }) => route === name));
      const service = (doorOf.get(source)?.service ?? serviceOf)(troubleIn(event) ?? -1);
      const isOnShop = shop?.length === 1 && shop[0]?.source === source && shop[0].service === service;
      const isLoud = event.severity === 'critical';
      return !isOnShop || loud?.length !== (isLoud ? 1 : 0) || loud.some((alert) => alert.source !== source);
    });
    expect(wrong.map(({ source, event }) => `${source} ${event.id}`)).toEqual([]);
  });

  it('are on the incidents that their grouping keys say, and nothing waits or is on another', () => {
    const expected = new Set(
      events.flatMap(({ event }) =>
        decide(event, config.routing, [], api.clock.now).routes.map((taken) =>
          taken.outcome === 'join' ? `${digest(identityOf(event))} ${digest(taken.key)}` : `${event.id} joins nothing`,
        ),
      ),
    );
    const found = alerts.map(({ fingerprint, key, incident_key }) => {
      expect(incident_key).toBe(key);
      return `${fingerprint} ${key}`;
    });
    expect(found.length).toBe(expected.size);
    expect(found.filter((one) => !expected.has(one))).toEqual([]);
  });

  it('leave no row without a batch, and one open incident for each key', async () => {
    const [left] = await api.ledger.query<object>(
      `select (select count(*)::int from inbox where batch is null) as waiting,
              (select count(*)::int from (select key from incidents where closed_at is null group by key having count(*) > 1) k) as doubled,
              (select count(*)::int from incidents) as incidents`,
    );
    expect(left).toEqual({ waiting: 0, doubled: 0, incidents: new Set(alerts.map(({ key }) => key)).size });
  });
});
