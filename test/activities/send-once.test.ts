/** A send outside any incident: a check that sends nothing, a test message, and words that a person can act on. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createSendOnce } from '../../activities/send-once.ts';
import {
  type Channel,
  defineChannel,
  delivered,
  FAILURES,
  type Outcome,
  rejected,
} from '../../src/channels/channel.ts';
import { webhook } from '../../src/channels/webhook.ts';
import { createEgress, type ResolveHost } from '../../src/egress/guard.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { requestSend, type SendKind, sendResult } from '../../src/ledger/sends.ts';
import { createRedactor } from '../../src/observe/redact.ts';
import { asActivity, depsFor, integrationOf } from '../support/activity-world.ts';
import { openTestLedger } from '../support/ledger.ts';

const SECRET = 'canary-secret-of-the-ledger';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

/** Asks the channel `chat`, whose check and whose send end so. */
async function ask(
  kind: SendKind,
  {
    check = delivered(),
    send = delivered(),
    target = 'chat',
  }: { check?: Outcome | Error; send?: Outcome; target?: string },
) {
  const calls: string[] = [];
  const chat: Channel = defineChannel({
    id: 'chat',
    name: 'Made of values',
    setup: 'Nothing to do.',
    config: z.object({}),
    sample: {},
    can: { thread: false, update: false },
    patience: { timeout_ms: 1_000, max_attempts: 1, backoff_ms: 1 },
    async check({ signal }) {
      calls.push(`check ${signal.aborted}`);
      if (check instanceof Error) throw check;
      return check;
    },
    async send({ notice }) {
      calls.push(`send ${notice.reason}`);
      return send;
    },
  });
  const redactor = createRedactor();
  // As a stored integration is: its secret became known after the start.
  redactor.add(SECRET);
  const deps = depsFor({ ledger, channels: [chat], integrations: [integrationOf(chat)], redactor });
  const id = await requestSend(ledger, { kind, target }, { by: 'ana', key: 'k1' });
  const { outcome: ended } = await asActivity(() => createSendOnce(deps)({ send: id }));
  const { outcome } = await sendResult(ledger, id);
  return { ended, outcome, calls, lines: deps.lines };
}

describe('a check', () => {
  it('asks the channel and sends nothing', async () => {
    expect(await ask('check', {})).toMatchObject({
      ended: 'delivered',
      outcome: { delivered: true },
      calls: ['check false'],
    });
  });

  it('that fails says what the channel says, and what to do', async () => {
    const check = rejected('auth', 'the bot is not in the channel; invite it');
    expect((await ask('check', { check })).outcome).toEqual({
      delivered: false,
      reason: 'auth',
      detail: 'the bot is not in the channel; invite it',
      error: 'the bot is not in the channel; invite it. What to do: check the credentials and what they may do',
    });
  });

  it('keeps a note of the channel', async () => {
    const check = delivered(undefined, 'the token ends tomorrow');
    expect((await ask('check', { check })).outcome).toEqual({ delivered: true, note: 'the token ends tomorrow' });
  });

  it('that throws has failed, and the log has it', async () => {
    const { outcome, lines } = await ask('check', { check: new Error(`no route with ${SECRET}`) });
    expect(outcome).toMatchObject({ delivered: false, reason: 'network' });
    expect(lines.join('')).toContain('the check of a channel threw');
    expect(lines.join('') + JSON.stringify(outcome)).not.toContain(SECRET);
  });

  it('shows no secret that a vendor repeats', async () => {
    const check = rejected('auth', `token ${SECRET} is wrong`);
    expect(JSON.stringify((await ask('check', { check })).outcome)).not.toContain(SECRET);
  });
});

describe('a test', () => {
  it('sends a message that says of itself that it is a test', async () => {
    expect(await ask('test', {})).toMatchObject({ ended: 'delivered', calls: ['send test'] });
  });

  it.each(FAILURES)('that ends with %s says what to do about it', async (reason) => {
    const { outcome } = await ask('test', { send: rejected(reason, 'the words of the channel') });
    expect(outcome).toMatchObject({
      delivered: false,
      reason,
      error: expect.stringMatching(/^the words of the channel\. What to do: \w.{10,}/),
    });
  });

  it('of an integration that is missing says why', async () => {
    expect((await ask('test', { target: 'nobody' })).outcome).toMatchObject({
      delivered: false,
      reason: 'config',
      detail: 'no integration named nobody is configured',
    });
  });
});

describe('a test of a webhook', () => {
  /** Something listens at `open`; at `closed` nothing does. */
  let server: Server;
  let open: number;
  let closed: number;
  beforeAll(async () => {
    const portOf = async (one: Server): Promise<number> => {
      await once(one.listen(0, '127.0.0.1'), 'listening');
      return (one.address() as AddressInfo).port;
    };
    server = createServer((_, response) => response.writeHead(204).end());
    open = await portOf(server);
    const other = createServer();
    closed = await portOf(other);
    await new Promise((resolve) => other.close(resolve));
  });
  afterAll(() => void server.close());

  /** What an operator is answered, where the name is resolved so. */
  async function answerOf(
    url: string,
    resolveHost: ResolveHost,
    { allow = [] as string[], ports = [] as number[] } = {},
  ) {
    const egress = createEgress({ allow, ports, resolveHost });
    const integration = integrationOf(webhook, { config: webhook.config.parse({ url }) });
    const deps = { ...depsFor({ ledger, channels: [webhook], integrations: [integration] }), egress };
    const id = await requestSend(ledger, { kind: 'test', target: 'webhook' }, { by: 'ana', key: 'k1' });
    await asActivity(() => createSendOnce(deps)({ send: id }));
    await egress.close();
    return (await sendResult(ledger, id)).outcome;
  }

  it('is answered alike for everything inside, whatever it is and whether anything is there', async () => {
    const insides = ['127.0.0.1', '::1', '10.1.2.3', '169.254.169.254', '::ffff:127.0.0.1'];
    const answers = new Set<string>();
    for (const port of [open, closed])
      for (const inside of insides) {
        const url = `https://inside.test:${port}/`;
        answers.add(JSON.stringify(await answerOf(url, async () => [inside], { ports: [open, closed] })));
        answers.add(JSON.stringify(await answerOf(url, async () => [inside])));
      }
    answers.add(JSON.stringify(await answerOf(`http://inside.test:${open}/`, async () => ['127.0.0.1'])));
    expect([...answers].map((answer) => JSON.parse(answer))).toEqual([
      {
        delivered: false,
        reason: 'blocked',
        detail: 'inside.test is not allowed by the egress rules (egress.allow in the configuration)',
        error: expect.stringContaining('What to do: '),
      },
    ]);
  });

  it('says of what may be called how the connection went: who may test is trusted to see it', async () => {
    const allow = ['127.0.0.0/8', 'here.test'];
    const here: ResolveHost = async () => ['127.0.0.1'];
    const nowhere: ResolveHost = async () => Promise.reject(Object.assign(new Error('no name'), { code: 'ENOTFOUND' }));
    expect(await answerOf(`http://here.test:${open}/`, here, { allow })).toEqual({ delivered: true });
    expect(await answerOf(`http://here.test:${closed}/`, here, { allow })).toMatchObject({
      reason: 'network',
      detail: 'could not connect (ECONNREFUSED)',
    });
    expect(await answerOf('https://nowhere.test/', nowhere)).toMatchObject({
      reason: 'network',
      detail: 'could not connect (ENOTFOUND)',
    });
  });
});
