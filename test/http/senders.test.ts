/** The same proofs for every way in by HTTP: what is true is kept once, what is not is refused, and whoever can come back is told to. */
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { type Event, identityOf } from '../../src/core/event.ts';
import { digest } from '../../src/ledger/identity.ts';
import { sources } from '../../src/sources/index.ts';
import { claimAll, holdsNowhere } from '../support/ledger.ts';
import {
  egress,
  LISTENED,
  type Message,
  otherThan,
  POSTING,
  SENDERS,
  type Sender,
  serviceOf,
  sourcesYaml,
  troubleIn,
} from '../support/senders.ts';
import { type Api, startApi } from './harness.ts';

const config = fromText(
  `
integrations: { terminal: { type: stdout } }
default: { group_by: [source, service], notify: [terminal] }
${sourcesYaml()}
`,
  'the tests',
  {},
  { channels, writers, sources },
);
const MINUTE = 60_000;

let api: Api;
/** Without room for another body, and for another event. */
let full: Pick<Api, 'call' | 'stop'>[];
beforeAll(async () => {
  // They all have one address here, and more wrong proofs than it may show.
  api = await startApi({ config, egress, limits: { attempts: { per_second: 1_000, burst: 1_000 } } });
  full = await Promise.all([{ held_bytes: 10 }, { waiting: 0 }].map((limits) => api.beside({ limits })));
});
afterAll(async () => {
  await Promise.all(full.map(({ stop }) => stop()));
  await api.stop();
});

type Place = Pick<Api, 'call'>;
const post = ({ path, headers, raw }: Message, to: Place = api) => to.call('POST', path, { raw, headers });
const now = () => api.clock.now;
const proven = (sender: Sender, message: Message, at = now()): Message =>
  sender.prove(message, sender.secret ?? api.keys.ingest, at);
const forged = (sender: Sender, message: Message): Message =>
  sender.prove(message, otherThan(sender.secret ?? api.keys.ingest), now());
const about = (sender: Sender, ...troubles: number[]) => proven(sender, sender.message(troubles, now()));
const withRaw = (message: Message, raw: Buffer): Message => ({ ...message, raw });

interface Kept {
  /** Events about a trouble, alerts among them, and the incident these are on. */
  events: number;
  alerts: { status: string; source: string | null; service: string | null }[];
}
async function kept(source: string, trouble: number): Promise<Kept> {
  await claimAll(api.ledger);
  const events = await api.ledger.query<{ event: Event }>('select event from events where source = $1', [source]);
  const own = events.filter(({ event }) => troubleIn(event) === trouble);
  const alerts = await api.ledger.query<Kept['alerts'][number]>(
    `select a.status, i.source, i.service from alerts a left join incidents i on i.id = a.incident
      where a.fingerprint = any($1::text[])`,
    [[...new Set(own.map(({ event }) => digest(identityOf(event))))]],
  );
  return { events: own.length, alerts };
}
const firing = async (): Promise<number | undefined> =>
  (await api.ledger.query<{ firing: number }>(`select count(*)::int as firing from alerts where status = 'firing'`))[0]
    ?.firing;

/** What a body has to have where this API tells of a problem. */
const PROBLEM: Record<Sender['says'], object> = {
  problem: { type: expect.stringMatching(/^urn:tocsin:problem:/), detail: expect.any(String) },
  pagerduty: { status: expect.any(String), message: expect.any(String), errors: expect.any(Array) },
  opsgenie: { message: expect.any(String), took: expect.any(Number), requestId: expect.any(String) },
  alertmanager: { code: expect.any(Number), message: expect.any(String) },
};

/** Every reply that refuses says why in the words of its API, and never repeats a secret. */
async function refused(sender: Sender, message: Message, status: number, to: Place = api): Promise<Headers> {
  const reply = await post(message, to);
  expect([reply.status, reply.body]).toEqual([status, expect.objectContaining(PROBLEM[sender.says])]);
  if (sender.secret) expect(reply.text).not.toContain(sender.secret);
  return reply.headers;
}

describe('the table of senders', () => {
  it('has every source there is', () => {
    const posted = ['events', 'prometheus'];
    expect(Object.keys(SENDERS).sort()).toEqual([...sources.map(({ id }) => id), ...posted].sort());
  });

  it.each(LISTENED)('%s is heard by a listener, and what is posted in its name is refused', async (id) => {
    for (const key of [undefined, api.keys.ingest])
      expect((await api.call('POST', `/v1/sources/${id}`, { key, body: {} })).status).toBe(401);
  });
});

describe.each(POSTING)('%s', (id, sender) => {
  it('is kept, lands on its incident, and is one event or one alert however often it is sent', async () => {
    const message = about(sender, 1);
    for (const _ of [1, 2, 3]) expect((await post(message)).status).toBeOneOf([200, 202]);
    expect(await kept(id, 1)).toEqual({
      events: sender.again === 'same event' ? 1 : 3,
      alerts: [{ status: 'firing', source: id, service: serviceOf(1) }],
    });
  });

  it('is refused with a wrong proof and without one, and so is what could not be read', async () => {
    const message = sender.message([2], now());
    await refused(sender, forged(sender, message), sender.forged ?? 401);
    await refused(sender, message, sender.forged ?? 401);
    await refused(sender, forged(sender, withRaw(message, Buffer.from('{"trunc'))), sender.forged ?? 401);
    expect((await kept(id, 2)).events).toBe(0);
  });

  if (sender.signs)
    it('is refused with a byte more than was signed', async () => {
      const { raw, ...message } = about(sender, 2);
      await refused(sender, { ...message, raw: Buffer.concat([raw, Buffer.from(' ')]) }, 401);
      expect((await kept(id, 2)).events).toBe(0);
    });

  const { stale_min, nothing } = sender;
  if (stale_min !== undefined)
    it(`is refused where its proof is of ${stale_min} minutes ago, or as far ahead`, async () => {
      const sentAt = (minutes: number): Message => {
        const then = new Date(now().getTime() - minutes * MINUTE);
        return proven(sender, sender.message([3], then), then);
      };
      await refused(sender, sentAt(stale_min), 401);
      await refused(sender, sentAt(-stale_min), 401);
      expect((await kept(id, 3)).events).toBe(0);
      expect((await post(sentAt(stale_min - 2))).status).toBe(202);
    });

  it('that is called text/plain is read where its senders may call it that, else 415', async () => {
    const message = about(sender, 4);
    const { status } = await post({ ...message, headers: { ...message.headers, 'content-type': 'text/plain' } });
    expect(status).toBe(sender.plain);
    expect((await kept(id, 4)).events).toBe(sender.plain === 415 ? 0 : 1);
  });

  it('gets 400 for what is cut off anywhere, 415 for what is packed, and nothing of either is kept', async () => {
    const message = sender.message([5], now());
    const length = message.raw.length;
    for (const end of [1, Math.floor(length / 2), length - 9])
      await refused(sender, proven(sender, withRaw(message, message.raw.subarray(0, end))), 400);
    const packed = withRaw(message, gzipSync(message.raw));
    await refused(
      sender,
      proven(sender, { ...packed, headers: { ...packed.headers, 'content-encoding': 'gzip' } }),
      415,
    );
    expect((await kept(id, 5)).events).toBe(0);
  });

  it('may be as large as its largest message, and gets 413 for a byte more', async () => {
    const message = sender.message([6], now());
    const padded = Buffer.concat([message.raw], sender.most + 1).fill(' ', message.raw.length);
    expect((await post(proven(sender, withRaw(message, padded.subarray(0, -1))))).status).toBeOneOf([200, 202]);
    await refused(sender, { ...proven(sender, message), raw: padded }, 413);
  });

  if (nothing)
    it('that is authentic and no trouble is thanked for, and opens nothing', async () => {
      const before = await firing();
      expect((await post(proven(sender, nothing(now())))).status).toBeOneOf([200, 202]);
      expect(await firing()).toBe(before);
    });

  it('is told to come back in the way that makes it come back', async () => {
    const busy = await api.beside({ limits: { key: { per_second: 0.5, burst: 1 } } });
    expect((await post(about(sender, 7), busy)).status).toBeOneOf([200, 202]);
    expect((await refused(sender, about(sender, 8), sender.busy.own, busy)).get('retry-after')).toBe('2');
    await busy.stop();
    for (const place of full)
      expect((await refused(sender, about(sender, 8), sender.busy.all, place)).get('retry-after')).toBe('2');
    expect((await kept(id, 8)).events).toBe(0);
    // The same message is taken when it comes back.
    expect((await post(about(sender, 8))).status).toBeOneOf([200, 202]);
    expect((await kept(id, 8)).events).toBe(1);
  });
});

describe('while the ledger is away', () => {
  let down: Api;
  beforeAll(async () => {
    down = await startApi({ config, egress });
    await down.ledger.close();
  });
  afterAll(() => down.stop());

  it.each(POSTING)('%s is answered 503 and when to come back, in its own words', async (_, sender) => {
    const message = sender.prove(sender.message([9], now()), sender.secret ?? down.keys.ingest, down.clock.now);
    const headers = await refused(sender, message, 503, down);
    expect(headers.get('retry-after')).toBe('2');
  });
});

it('what they prove themselves by is nowhere in the ledger or the log', async () => {
  const secrets: string[] = [];
  for (const [, sender] of POSTING) {
    await post(about(sender, 10));
    if (sender.secret) secrets.push(sender.secret);
  }
  await holdsNowhere(api.ledger, secrets);
  expect(secrets.filter((secret) => api.logged.some((line) => line.includes(secret)))).toEqual([]);
});
