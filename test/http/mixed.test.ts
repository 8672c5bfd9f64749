/** Ten thousand troubles into every way in by HTTP while nothing carries them on: each is kept once, and is on its incident. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { type Event, identityOf } from '../../src/core/event.ts';
import { decide } from '../../src/core/route.ts';
import { digest } from '../../src/ledger/identity.ts';
import { sources } from '../../src/sources/index.ts';
import { chance } from '../support/chance.ts';
import { claimAll } from '../support/ledger.ts';
import { type Message, POSTING, type Sender, serviceOf, sourcesYaml, troubleIn } from '../support/senders.ts';
import { type Api, startApi } from './harness.ts';

const TROUBLES = 10_000;
/** Of each sender whose messages are about one; the rest comes in messages about many, or the test would be all HTTP. */
const TROUBLES_SENT_ALONE = 100;
/** One in so many messages comes a second time: its sender has not heard our answer. */
const REDELIVERED = 20;
const CONNECTIONS = 8;
const SEED = 20_261_121;
/** Two routes take what is critical: such a trouble is on two incidents. */
const config = fromText(
  `
integrations: { terminal: { type: stdout } }
routes:
  - { name: loud, match: [ 'severity="critical"' ], continue: true, group_by: [source], notify: [terminal] }
  - { name: shops, match: [ 'service=~"shop-.*"' ], group_by: [source, service], notify: [terminal] }
default: { group_by: [source], notify: [terminal] }
${sourcesYaml()}
`,
  'the tests',
  {},
  { channels, writers, sources },
);

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
let events: { source: string; event: Event }[];
let alerts: Alert[];
/** By sender: the troubles it told of, and those it told twice. */
const told = new Map<string, Set<number>>();
const toldTwice = new Map<string, Set<number>>();
const answers = new Map<number, number>();

beforeAll(async () => {
  api = await startApi({ config });
  const now = api.clock.now;
  const random = chance(SEED);
  const messages: Message[] = [];
  const later: Message[] = [];
  let trouble = 0;
  const make = (id: string, sender: Sender, share: number): void => {
    const [all, twice] = [new Set<number>(), new Set<number>()];
    told.set(id, all);
    toldTwice.set(id, twice);
    const end = trouble + share;
    while (trouble < end) {
      const size = Math.min(sender.batch ?? 1, end - trouble);
      const troubles = Array.from({ length: size }, () => trouble++);
      const message = sender.prove(sender.message(troubles, now), sender.secret ?? api.keys.ingest, now);
      messages.push(message);
      for (const one of troubles) all.add(one);
      if (random.number(0, REDELIVERED) > 0) continue;
      later.push(message);
      for (const one of troubles) twice.add(one);
    }
  };
  const [many, alone] = [true, false].map((isMany) =>
    POSTING.filter(([, { batch }]) => (batch !== undefined) === isMany),
  );
  for (const [id, sender] of alone ?? []) make(id, sender, TROUBLES_SENT_ALONE);
  const share = Math.ceil((TROUBLES - trouble) / (many?.length ?? 1));
  for (const [id, sender] of many ?? []) make(id, sender, Math.min(share, TROUBLES - trouble));
  // What is sent again comes among the others of all senders, and may come before its first.
  const queue = [...messages, ...later]
    .map((message) => ({ message, at: random.number(0, 1_000_000) }))
    .sort((a, b) => a.at - b.at)
    .map(({ message }) => message);
  const work = async (): Promise<void> => {
    for (let message = queue.pop(); message; message = queue.pop()) {
      const { status } = await api.call('POST', message.path, { raw: message.raw, headers: message.headers });
      answers.set(status, (answers.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work));
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
afterAll(() => api.stop());

describe(`${TROUBLES} troubles, told by every sender while no worker runs`, () => {
  it('are all answered 2xx', () => {
    expect([...answers.keys()].filter((status) => status < 200 || status > 299)).toEqual([]);
  });

  it('are all kept, each once, and once more only where its sender gives its events no ids', () => {
    const counts = new Map(POSTING.map(([id]) => [id, new Map<number, number>()]));
    for (const { source, event } of events) {
      const trouble = troubleIn(event);
      const own = counts.get(source);
      if (trouble === undefined || !own) throw new Error(`an event of ${source} that nobody sent: ${event.id}`);
      own.set(trouble, (own.get(trouble) ?? 0) + 1);
    }
    let all = 0;
    for (const [id, sender] of POSTING) {
      const own = counts.get(id) ?? new Map<number, number>();
      const sent = [...(told.get(id) ?? [])];
      all += sent.length;
      const isAnother = (trouble: number) => sender.again === 'same alert' && toldTwice.get(id)?.has(trouble);
      const wrong = sent.filter((trouble) => own.get(trouble) !== (isAnother(trouble) ? 2 : 1));
      expect([id, own.size, wrong]).toEqual([id, sent.length, []]);
    }
    expect(all).toBe(TROUBLES);
    expect([...toldTwice.values()].flatMap((twice) => [...twice]).length).toBeGreaterThan(TROUBLES / 50);
  });

  it('are each on the incident of its source and service, and what is critical on that of its source too', () => {
    const byName = Map.groupBy(alerts, ({ fingerprint }) => fingerprint);
    const wrong = events.filter(({ source, event }) => {
      const on = byName.get(digest(identityOf(event))) ?? [];
      const [shop, loud] = ['shops', 'loud'].map((name) => on.filter(({ route }) => route === name));
      const service = serviceOf(troubleIn(event) ?? -1);
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
