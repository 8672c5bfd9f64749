/** What every channel of the list must do, whoever wrote it: walks the registry. */
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  type Channel,
  changeEach,
  delivered,
  FAILURES,
  type Outcome,
  rejected,
  retry,
  secretPaths,
} from '../../src/channels/channel.ts';
import { channelOf, channels, writers } from '../../src/channels/index.ts';
import { SharedFields } from '../../src/config/schema.ts';
import { type Notice, REASONS } from '../../src/core/notice.ts';
import { callOf } from '../support/calls.ts';
import { startFakeSlack } from '../support/fakes/slack.ts';
import { startFakeSmtp } from '../support/fakes/smtp.ts';
import { startWebhookReceiver } from '../support/fakes/webhook-receiver.ts';
import { allOf, expectGolden } from '../support/golden.ts';
import { goldenFiles, HOSTILE, type NoticeCase, noticeCases, noticeOf, sampleNotice } from '../support/notices.ts';
import type { Vendor } from './vendors/vendor.ts';

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
    expect(performance.now() - begun).toBeLessThan(1_000);
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
      for (const body of [vendorOf(channel).accepts?.body ?? '', echo, '', 'null', '<html>']) {
        const outcome = await send(status, body);
        expectNoSecret(channel, outcome);
        if (outcome.kind !== 'delivered') expect(FAILURES).toContain(outcome.reason);
        const passing = status >= 500 || [408, 425, 429, ...(vendorOf(channel).passing ?? [])].includes(status);
        if (passing) expect(outcome.kind, `${status} ${body}`).toBe('retry');
        else if (status >= 300) expect(outcome.kind, `${status} ${body}`).toBe('rejected');
      }
    }
  });

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
