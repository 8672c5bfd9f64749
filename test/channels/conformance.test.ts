/** What every channel of the list must do, whoever wrote it: walks the registry. */
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Channel,
  changeEach,
  delivered,
  FAILURES,
  type Outcome,
  type Ref,
  rejected,
  retry,
  secretPaths,
} from '../../src/channels/channel.ts';
import { channelOf, channels, writers } from '../../src/channels/index.ts';
import { SharedFields } from '../../src/config/schema.ts';
import { type Notice, REASONS } from '../../src/core/notice.ts';
import { createEgress } from '../../src/egress/guard.ts';
import { callOf, NOW } from '../support/calls.ts';
import { type World, worlds } from '../support/effects.ts';
import { startFakeSlack } from '../support/fakes/slack.ts';
import { startFakeSmtp } from '../support/fakes/smtp.ts';
import { startWebhookReceiver } from '../support/fakes/webhook-receiver.ts';
import type { Spoilt } from '../support/gate.ts';
import { allOf, expectGolden } from '../support/golden.ts';
import {
  goldenFiles,
  HOSTILE,
  longestNotices,
  type NoticeCase,
  noticeCases,
  noticeOf,
  sampleNotice,
} from '../support/notices.ts';
import { LATE_MS } from '../support/until.ts';
import type { Class, Vendor } from './vendors/vendor.ts';

type Render = (notice: Notice, config: Record<string, unknown>) => unknown;
const renders = new Map<string, Render>();
for (const { id } of channels) {
  const module = (await import(`../../src/channels/${id}.ts`)) as { render: Render };
  renders.set(id, module.render);
}
const renderOf = (channel: Channel): Render => {
  const render = renders.get(channel.id);
  if (!render) throw new Error(`${channel.id} exports no render`);
  return render;
};

const all = channels as unknown as Channel[];

/** What is told only where there is a word for it has no rendering elsewhere. */
const isFor =
  (channel: Channel) =>
  ([, cases]: [string, readonly NoticeCase[]]): boolean =>
    cases.every((name) => noticeOf(name).reason !== 'working') ||
    channel.wants?.(channel.config.parse(channel.sample)).includes('working') === true;
const vendors = new Map<string, Vendor>();
for (const { id } of channels) {
  vendors.set(id, ((await import(`./vendors/${id}.ts`)) as { vendor: Vendor }).vendor);
}
const vendorOf = ({ id }: { id: string }): Vendor => vendors.get(id) as Vendor;
const overHttp = all.filter((channel) => vendorOf(channel).accepts);

const answering =
  (status: number, body = '', headers: Record<string, string> = {}): typeof fetch =>
  async () =>
    new Response([204, 205, 304].includes(status) ? null : body, { status, headers });

/** The values of the sample's secrets, nested ones included. */
function secretsOf(channel: Channel): string[] {
  const valueAt = (value: unknown, path: string[]): string[] => {
    const [name, ...rest] = path;
    if (name === undefined) return typeof value === 'string' ? [value] : [];
    if (typeof value !== 'object' || value === null) return [];
    const inner = value as Record<string, unknown>;
    return name === '*' ? Object.values(inner).flatMap((one) => valueAt(one, rest)) : valueAt(inner[name], rest);
  };
  return secretPaths(channel.config).flatMap((path) => valueAt(channel.sample, path));
}

function expectNoSecret(channel: Channel, outcome: Outcome): void {
  const text = JSON.stringify(outcome);
  for (const secret of secretsOf(channel)) expect(text).not.toContain(secret);
}

/** What the pipeline does next, by the outcome alone. */
function classOf(outcome: Outcome): Class {
  if (outcome.kind === 'delivered') return 'sent';
  if (outcome.kind === 'rejected') return 'dead';
  return outcome.ambiguous === true ? 'doubt' : 'retry';
}

/** The last of a class of status codes that has a name: 431, of RFC 6585. */
const NAMED_MAX = 31;

describe('the list of channels', () => {
  it('has no id twice and finds each by its id', () => {
    const ids = [...channels.map(({ id }) => id), ...writers.map(({ id }) => id)];
    expect(new Set(ids).size).toBe(ids.length);
    for (const { id } of channels) expect(channelOf(id)?.id).toBe(id);
    expect(channelOf('telepathy')).toBeUndefined();
  });

  it('marks every field that looks like a secret as one', () => {
    for (const { id, config } of [...all, ...writers]) {
      const named = Object.keys(config.shape).filter((name) => /^(token|secret|pass|url|urls)$/.test(name));
      const secrets = secretPaths(config).map(([field]) => field);
      for (const name of named) expect(secrets, `${id}.${name}`).toContain(name);
    }
  });

  it('keeps to what each vendor allows and names where that stands, or has no limit until the integration sets one', () => {
    const { description = '' } = SharedFields.shape.rate.meta() ?? {};
    for (const { id, rate, config } of all) {
      expect(Object.keys(config.shape), `${id} has the setting that all have`).not.toContain('rate');
      if (!rate) {
        expect(description, `the form says that ${id} has no limit`).toMatch(new RegExp(`\\b${id}\\b.* have none`));
        continue;
      }
      // One statement per turn looks at all of them (src/ledger/rates.ts).
      expect(rate.count, id).toBeLessThanOrEqual(1_000);
      const source = readFileSync(new URL(`../../src/channels/${id}.ts`, import.meta.url), 'utf8').split('\n');
      const at = source.findIndex((line) => /^const (RATE|WRITES|NOTICES_A_MINUTE) = |^ {2}rate: \{/.test(line));
      const above = source.slice(Math.max(0, at - 4), at).join(' ');
      expect(above, `${id}: the rate and where it is from`).toMatch(/https:\/\/|request-limits|[Ss]een|Ours: /);
    }
    expect(all.filter(({ rate }) => !rate).map(({ id }) => id)).toEqual(['stdout', 'email', 'webhook', 'apprise']);
    expect(SharedFields.parse({ type: 'webhook', rate: '30/m' }).rate).toEqual({ count: 30, per_ms: 60_000 });
  });

  it('gives every field a title and a description', () => {
    for (const { id, config } of [...all, ...writers]) {
      const { properties = {} } = JSON.parse(JSON.stringify(config.toJSONSchema({ io: 'input' }))) as {
        properties?: Record<string, { title?: string; description?: string }>;
      };
      for (const [name, { title, description }] of Object.entries(properties)) {
        expect(title, `${id}.${name}`).toBeTruthy();
        expect(description, `${id}.${name}`).toBeTruthy();
      }
    }
  });
});

describe('the golden notices', () => {
  it('are told for every reason there is', () => {
    const reasons = new Set(goldenFiles.flatMap(([, cases]) => cases.map((name) => noticeOf(name).reason)));
    expect([...reasons].toSorted()).toEqual(Object.keys(REASONS).toSorted());
  });
});

describe.each(all)('the channel $id', (channel) => {
  it('parses its own sample', () => {
    expect(() => channel.config.parse(channel.sample)).not.toThrow();
  });

  it('refuses a field it does not know, and each wrong value, by name', () => {
    const paths = (config: unknown) =>
      channel.config.safeParse(config).error?.issues.flatMap((issue) => ('keys' in issue ? issue.keys : issue.path)) ??
      [];
    expect(paths({ ...channel.sample, colour_of_the_sky: 1 })).toContain('colour_of_the_sky');
    for (const name of Object.keys(channel.sample))
      expect(paths({ ...channel.sample, [name]: Symbol() })).toContain(name);
  });

  it.each(goldenFiles.filter(isFor(channel)))('renders %s as in its golden file', (file, cases) => {
    const config = channel.config.parse(channel.sample);
    expectGolden(
      `${channel.id}/${file}`,
      allOf(cases, (name) => renderOf(channel)(noticeOf(name), config)),
    );
  });

  it('says in every rendering which incident it is about', () => {
    // A summary is of a day.
    for (const notice of noticeCases.map(noticeOf).filter(({ reason }) => reason !== 'summary')) {
      const rendered = JSON.stringify(renderOf(channel)(notice, channel.config.parse(channel.sample)));
      expect(rendered.replaceAll('\\', '')).toContain(notice.incident.id);
    }
  });

  it('renders hostile text without letting it do anything', () => {
    const rendered = renderOf(channel)(noticeOf('hostile'), channel.config.parse(channel.sample));
    const strings: string[] = [];
    JSON.stringify(rendered, (name, value: unknown) => {
      if (typeof value === 'string' && !(channel.id === 'webhook')) strings.push(`${name} ${value}`);
      return value;
    });
    for (const text of strings) {
      expect(text.isWellFormed()).toBe(true);
      expect(text).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
      expect(text).not.toContain('javascript:');
      expect(text).not.toContain('\u0000');
      expect(text).not.toContain('\u001b[2J');
      expect(text.length).toBeLessThan(102 * 1_024);
    }
  });

  it('ends soon after its signal is aborted, whatever the vendor does', async () => {
    const silent = createServer((socket) => void socket.on('error', () => undefined));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    const { at } = vendorOf(channel);
    const begun = performance.now();
    const outcome = await channel.send(
      callOf(channel, { ...channel.sample, ...at?.(url) }, { signal: AbortSignal.timeout(50) }),
    );
    expect(performance.now() - begun).toBeLessThan(LATE_MS);
    if (at) expect(outcome).toMatchObject({ kind: 'retry', reason: 'timeout', ambiguous: true });
    expectNoSecret(channel, outcome);
    silent.close();
  });

  it('says "blocked" when the egress rules forbid the address', async () => {
    const blocked = Object.assign(new Error('10.0.0.1 is a private address'), { name: 'EgressBlocked' });
    const outcome = await channel.send(
      callOf(channel, channel.sample, {
        fetch: () => Promise.reject(new TypeError('fetch failed', { cause: blocked })),
        resolve: () => Promise.reject(blocked),
      }),
    );
    if (channel.id === 'stdout') expect(outcome.kind).toBe('delivered');
    else expect(outcome).toMatchObject({ kind: 'rejected', reason: 'blocked' });
  });
});

describe.each(overHttp)('$id over HTTP', (channel) => {
  const send = (status: number, body?: string, headers?: Record<string, string>) =>
    channel.send(callOf(channel, channel.sample, { fetch: answering(status, body, headers) }));

  it('has an outcome for every status, none with a secret in it', async () => {
    for (let status = 200; status < 600; status++) {
      const echo = secretsOf(channel).join(' ');
      const own = vendorOf(channel).accepts?.body ?? '';
      // Nobody means anything by the numbers beyond these: one body is enough there.
      for (const body of status % 100 > NAMED_MAX ? [own] : [own, echo, '', 'null', '<html>']) {
        const outcome = await send(status, body);
        expectNoSecret(channel, outcome);
        if (outcome.kind !== 'delivered') expect(FAILURES).toContain(outcome.reason);
        const passing = status >= 500 || [408, 425, 429, ...(vendorOf(channel).passing ?? [])].includes(status);
        if (passing) expect(outcome.kind, `${status} ${body}`).toBe('retry');
        // Said before anything was done with the request, or by a server that may have done all of it.
        if (passing && outcome.kind === 'retry' && outcome.reason !== 'rate_limited') {
          const isDone = status >= 500 && status !== 501 && status !== 503;
          expect(classOf(outcome), `${status} ${body}`).toBe(isDone ? 'doubt' : 'retry');
        }
        if (passing) continue;
        if (status < 300 && body === '<html>' && ![204, 205].includes(status))
          expect(classOf(outcome), `${status} ${body}`).toBe(vendorOf(channel).page ?? 'doubt');
        if (status >= 300) expect(outcome.kind, `${status} ${body}`).toBe('rejected');
      }
    }
  }, 180_000);

  it('has delivered when the vendor accepts', async () => {
    const { status = 200, body = '', answer } = vendorOf(channel).accepts ?? {};
    const vendor: typeof fetch = async (url, init) =>
      answering(status, answer?.(init?.method ?? 'GET', new URL(String(url)).pathname) ?? body)(url);
    expect(await channel.send(callOf(channel, channel.sample, { fetch: vendor }))).toMatchObject({
      kind: 'delivered',
    });
  });

  it('refuses to follow a redirect', async () => {
    expect(await send(302, '', { location: 'https://elsewhere.example' })).toMatchObject({
      kind: 'rejected',
      reason: 'config',
    });
  });

  it('passes on how long the vendor wants to be left alone', async () => {
    expect(await send(429, 'rate_limited', { 'retry-after': '7' })).toMatchObject({
      kind: 'retry',
      reason: 'rate_limited',
      after_ms: 7_000,
    });
    expect(await send(429, '')).toMatchObject({ kind: 'retry', reason: 'rate_limited' });
  });

  it('calls a refused connection a failure, and a lost one ambiguous', async () => {
    const failing =
      (code: string): typeof fetch =>
      () =>
        Promise.reject(new TypeError('fetch failed', { cause: Object.assign(new Error('x'), { code }) }));
    const refused = await channel.send(callOf(channel, channel.sample, { fetch: failing('ECONNREFUSED') }));
    expect(refused).toMatchObject({ kind: 'retry', reason: 'network' });
    expect(refused).not.toHaveProperty('ambiguous', true);
    const lost = await channel.send(callOf(channel, channel.sample, { fetch: failing('ECONNRESET') }));
    expect(lost).toMatchObject({ kind: 'retry', reason: 'network', ambiguous: true });
  });
});

describe('messages that are edited one after the other', () => {
  const signal = new AbortController().signal;

  it('are all tried; a short pause that the vendor wants is kept once, and the rest is noted', async () => {
    const tried: string[] = [];
    const edit = async (message: string): Promise<Outcome> => {
      tried.push(message);
      if (message === 'deleted') return rejected('gone', 'it is gone');
      if (message === 'busy' && tried.length < 3) return retry('rate_limited', 'too many', { after_ms: 1 });
      return message === 'late' ? retry('rate_limited', 'much too many', { after_ms: 60_000 }) : delivered();
    };
    expect(await changeEach(['deleted', 'busy', 'late', 'fine'], signal, edit)).toBe(
      '2 earlier messages were not changed (it is gone)',
    );
    expect(tried).toEqual(['deleted', 'busy', 'busy', 'late', 'fine']);
    expect(await changeEach(['fine'], signal, edit)).toBeUndefined();
  });

  it('are not waited for beyond the attempt', async () => {
    const busy = async () => retry('rate_limited', 'too many', { after_ms: 3_000 });
    expect(await changeEach(['busy'], AbortSignal.abort(), busy)).toBe('an earlier message was not changed (too many)');
  });
});

/** What only a deadline ends; it comes so long after the answer has begun. */
const ENDLESS: ReadonlySet<Spoilt> = new Set(['silence', 'stall', 'drip']);
const PATIENCE_MS = 25;

describe.each(overHttp)('$id, where the message was taken and the answer is spoilt,', (channel) => {
  const vendor = vendorOf(channel);
  const egress = createEgress({ allow: ['127.0.0.1/32'] });
  let world: World;
  let told = 0;
  // A webhook's signature is of the true time; no header is finer than a second.
  const now = new Date(Math.floor(Date.now() / 1_000) * 1_000);
  const named = (said: { status: number; headers?: object; body: string }) =>
    [said.status, ...Object.keys(said.headers ?? {}), said.body.slice(0, 70)].join(' ');
  beforeAll(async () => {
    const start = worlds[channel.id];
    if (!start) throw new Error(`${channel.id} has no world in test/support/effects.ts`);
    world = await start();
  });
  afterAll(async () => {
    await egress.close();
    await world.close();
  });

  /** An incident of its own is told; the deadline comes soon after its answer has begun, and what it left is a message. */
  async function spoilt(how: Spoilt): Promise<Outcome> {
    const id = `INC-1${++told}`;
    const deadline = new AbortController();
    let ended = 0;
    const before = world.effects().length;
    world.spoil?.(how, () => {
      if (!ENDLESS.has(how)) return;
      setTimeout(() => {
        ended = performance.now();
        deadline.abort(new DOMException('the deadline', 'TimeoutError'));
      }, PATIENCE_MS);
    });
    const outcome = await channel.send(
      callOf(channel, world.config, {
        notice: sampleNotice({ incident: { id }, delivery: { key: `${id}/group_now/b1/target` } }),
        fetch: egress.fetch,
        resolve: egress.resolve,
        signal: deadline.signal,
        now,
      }),
    );
    if (ended > 0) expect(performance.now() - ended).toBeLessThan(LATE_MS);
    expect(world.effects().length, 'nothing was taken').toBeGreaterThan(channel.id === 'github' ? 0 : before);
    const text = JSON.stringify(outcome);
    for (const path of secretPaths(channel.config)) {
      const [name = ''] = path;
      if (typeof world.config[name] === 'string') expect(text).not.toContain(world.config[name]);
    }
    return outcome;
  }

  it.each([
    ['reset before the headers', 'reset', 'network'],
    ['silence instead of the headers', 'silence', 'timeout'],
    ['headers and no body', 'stall', 'timeout'],
    ['a body that drips without end', 'drip', 'timeout'],
    ['half of the body', 'cut', 'network'],
  ] as const)('ends in time and in doubt: %s', async (_words, how, reason) => {
    const outcome = await spoilt(how);
    const hasStatus = how !== 'reset' && how !== 'silence';
    if (vendor.byStatus && hasStatus) expect(outcome).toEqual({ kind: 'delivered' });
    else expect(outcome).toMatchObject({ kind: 'retry', reason, ambiguous: true });
  });

  it('takes a page of somebody in between for no word of its vendor', async () => {
    const page = { status: 200, headers: { 'content-type': 'text/html' }, body: '<!doctype html><p>Please log in' };
    const outcome = await spoilt(page);
    expect(classOf(outcome)).toBe(vendor.page ?? 'doubt');
    if (outcome.kind !== 'delivered') expect(outcome.reason).toBe('server');
  });

  it.each((vendor.limited?.(now) ?? []).map((said) => [named(said), said] as const))(
    'leaves it alone as long as it asks for: %s',
    async (_words, { after_ms, ...said }) => {
      const outcome = await spoilt(said);
      expect(outcome).toMatchObject({ kind: 'retry', reason: 'rate_limited' });
      expect([classOf(outcome), 'after_ms' in outcome ? outcome.after_ms : undefined]).toEqual(['retry', after_ms]);
    },
  );

  it.each((vendor.inside ?? []).map((said) => [named(said), said] as const))(
    'reads the error inside of what looks well: %s',
    async (_words, { is, ...said }) => {
      expect(classOf(await spoilt(said))).toBe(is);
    },
  );
});

it.each(overHttp.map(({ id }) => id))('%s has its own form of "too many", and says what tells an error', (id) => {
  const { limited, inside = [], byStatus = false } = vendorOf({ id });
  expect(limited?.(NOW).length).toBeGreaterThan(0);
  expect(inside.length > 0).toBe(!byStatus);
});

describe('email, where the message was taken', () => {
  it.each([
    ['reset', 'network'],
    ['silence', 'timeout'],
  ] as const)('is in doubt after %s, and ends in time', async (how, reason) => {
    const world = await (worlds.email as () => Promise<World>)();
    try {
      const deadline = new AbortController();
      world.lose?.(how, () => {
        if (ENDLESS.has(how)) setTimeout(() => deadline.abort(), PATIENCE_MS);
      });
      const channel = channelOf('email') as Channel;
      const outcome = await channel.send(callOf(channel, world.config, { signal: deadline.signal }));
      expect(outcome).toMatchObject({ kind: 'retry', reason, ambiguous: true });
      expect(world.effects()).toHaveLength(1);
    } finally {
      await world.close();
    }
  });
});

describe.each(all.filter(({ id }) => worlds[id]))('$id, told of what is as long as it can be,', (channel) => {
  it.each([
    ['in signs that are escaped', '&"\\*<'],
    ['in letters of two units', '🔥'],
  ])('cuts it by its rule, says so, and is never refused: %s', async (_words, sign) => {
    const world = await (worlds[channel.id] as () => Promise<World>)();
    const notices = longestNotices(sign);
    expect(JSON.stringify(renderOf(channel)(notices[0] as Notice, channel.config.parse(world.config)))).toMatch(
      /…|\.\.\./,
    );
    try {
      let root: Ref | undefined;
      for (const notice of notices) {
        const outcome = await channel.send(
          callOf(channel, world.config, {
            notice,
            now: new Date(),
            ...(root ? { root } : {}),
            ...(world.print ? { print: world.print } : {}),
          }),
        );
        expect([notice.reason, outcome]).toEqual([notice.reason, expect.objectContaining({ kind: 'delivered' })]);
        if (outcome.kind === 'delivered') root ??= outcome.ref;
      }
      expect(world.effects().length).toBeGreaterThan(0);
    } finally {
      await world.close();
    }
  });
});

describe('a hostile notice sent for real', () => {
  it('is accepted by Slack, and mentions nobody', async () => {
    const fake = await startFakeSlack();
    try {
      const notice = noticeOf('hostile');
      for (const [id, config] of [
        ['slack', { token: fake.token, channel: '#ops', api_url: fake.apiUrl }],
        ['slack-webhook', { url: fake.webhookUrl() }],
      ] as const) {
        const channel = channelOf(id) as Channel;
        expect(await channel.send(callOf(channel, config, { notice }))).toMatchObject({ kind: 'delivered' });
      }
      expect(fake.messages).toHaveLength(2);
      for (const { text, blocks, attachments } of fake.messages) {
        // Only mrkdwn can mention; headers and buttons are plain text and show what they are given.
        const parsed = [text];
        JSON.stringify([blocks, attachments], (_name, value: { type?: string; text?: string; verbatim?: boolean }) => {
          if (value?.type !== 'mrkdwn' || value.text === undefined) return value;
          expect(value.verbatim).toBe(true);
          parsed.push(value.text);
          return value;
        });
        expect(parsed.length).toBeGreaterThan(10);
        for (const one of parsed) expect(one).not.toMatch(/<[!@#]|<http|<script/);
        expect(parsed.join()).toContain('&lt;!channel&gt;');
      }
    } finally {
      await fake.close();
    }
  });

  it('is one mail to the configured recipients, with no header and no markup of its own', async () => {
    const fake = await startFakeSmtp();
    try {
      const channel = channelOf('email') as Channel;
      const config = {
        host: fake.host,
        port: fake.port,
        tls: 'none',
        from: 'alerts@example.com',
        to: ['ops@example.com'],
      };
      const outcome = await channel.send(callOf(channel, config, { notice: noticeOf('hostile') }));
      expect(outcome).toMatchObject({ kind: 'delivered' });
      const mail = fake.mails[0];
      expect(mail?.to).toEqual(['ops@example.com']);
      expect(mail?.headers).not.toHaveProperty('bcc');
      expect(mail?.html).not.toContain('<script');
      expect(mail?.html).toContain('&lt;script&gt;');
      expect(mail?.html).not.toMatch(/href="(?!https?:|mailto:)/);
      expect(mail?.subject).not.toMatch(/[\r\n]/);
      expect(Buffer.byteLength(mail?.html ?? '')).toBeLessThan(102 * 1_024);
    } finally {
      await fake.close();
    }
  });

  it('is less than 256 KB of JSON at a webhook', async () => {
    const receiver = await startWebhookReceiver();
    try {
      const channel = channelOf('webhook') as Channel;
      const outcome = await channel.send(callOf(channel, { url: receiver.url }, { notice: noticeOf('hostile') }));
      expect(outcome).toEqual({ kind: 'delivered' });
      expect(receiver.hits[0]?.raw.byteLength).toBeLessThan(256 * 1_024);
      expect(receiver.hits[0]?.raw.toString().isWellFormed()).toBe(true);
    } finally {
      await receiver.close();
    }
  });

  it('cannot drive the terminal', async () => {
    const prints: string[] = [];
    const channel = channelOf('stdout') as Channel;
    const notice = sampleNotice({ headline: HOSTILE, incident: { id: HOSTILE } });
    const print = (text: string) => void prints.push(text);
    await channel.send(callOf(channel, { color: false }, { notice, print }));
    const printed = prints.join('');
    expect(printed).toContain('<!channel>');
    expect(printed).not.toMatch(/(?!\n)\p{Cc}|\u202e/u);
  });

  it('is painted in the colour of its severity only where colour is wanted', async () => {
    const channel = channelOf('stdout') as Channel;
    const prints: string[] = [];
    const print = (text: string) => void prints.push(text);
    for (const color of [true, false]) await channel.send(callOf(channel, { color }, { print }));
    const [title] = prints[0]?.split('\n') ?? [];
    expect(title).toBe('\u001b[1;38;2;215;43;63m🔴 CRITICAL  API gateway answers 503  (INC-1)\u001b[0m');
    expect(prints[1]).toMatch(/^🔴 CRITICAL/);
  });
});
