/** The fake vendors of a journey, and the messages it expects of them: whatever nobody has expected is a failure. */
import { randomBytes } from 'node:crypto';
import { type FakeNotion, startFakeNotion } from './fakes/notion.ts';
import type { Recorder } from './fakes/recorder.ts';
import { type FakeSlack, type SlackPost, startFakeSlack } from './fakes/slack.ts';
import { type FakeSmtp, type Mail, startFakeSmtp } from './fakes/smtp.ts';
import { startWebhookReceiver, type WebhookHit, type WebhookReceiver } from './fakes/webhook-receiver.ts';

export interface Fakes {
  slack: FakeSlack;
  smtp: FakeSmtp;
  hook: WebhookReceiver;
  notion: FakeNotion;
}

/** One vendor's messages, each of which is expected once. */
export interface Expectation<Message> {
  /** The next message nobody has expected yet, there already or still to come, whose words or shape are these. */
  expects(what: RegExp | ((message: Message) => boolean), timeoutMs?: number): Promise<Message>;
  /** When it arrived, by the receiver's clock: `performance.now()`. */
  at(message: Message): number;
}

export interface Expected {
  slack: Expectation<SlackPost>;
  mail: Expectation<Mail>;
  hook: Expectation<WebhookHit>;
}

const SHOWN_MAX = 200;

function expectation<Message extends object>(
  messages: readonly Message[],
  waitFor: Recorder<Message>['waitFor'],
  wordsOf: (message: Message) => string,
) {
  const expected = new Set<Message>();
  const arrivedAt = watch(waitFor);
  const fits = (what: RegExp | ((message: Message) => boolean), message: Message): boolean =>
    typeof what === 'function' ? what(message) : what.test(wordsOf(message));
  return {
    async expects(what: RegExp | ((message: Message) => boolean), timeoutMs?: number): Promise<Message> {
      const found = await waitFor((message) => !expected.has(message) && fits(what, message), timeoutMs).catch(
        (error: unknown) => {
          throw new Error(`no message ${what}: ${error instanceof Error ? error.message : error}`);
        },
      );
      expected.add(found);
      return found;
    },
    at: arrivedAt,
    /** What nobody has expected; named once, so that one journey's surplus does not fail the next. */
    unexpected(): string[] {
      const surplus = messages.filter((message) => !expected.has(message));
      for (const message of surplus) expected.add(message);
      return surplus.map((message) => wordsOf(message).slice(0, SHOWN_MAX));
    },
  };
}

/** Longer than any journey. */
const WATCH_MS = 10 * 60_000;

/** From now on reads the clock whenever something arrives: `performance.now()` of an item's arrival. */
export function watch<Item>(waitFor: Recorder<Item>['waitFor']): (item: Item) => number {
  const arrived = new Map<Item, number>();
  // Its predicate is asked about every item as it comes; it never holds.
  waitFor((item) => {
    if (!arrived.has(item)) arrived.set(item, performance.now());
    return false;
  }, WATCH_MS).catch(() => undefined);
  return (item) => {
    const time = arrived.get(item);
    if (time === undefined) throw new Error('this has not arrived since the watch began');
    return time;
  };
}

/** Starts the fakes. `fill` puts their addresses into a configuration: see the table at its end. */
export async function startFakes() {
  const secret = `hook-secret-${randomBytes(12).toString('hex')}`;
  const [slack, smtp, hook, notion] = await Promise.all([
    startFakeSlack(),
    startFakeSmtp(),
    startWebhookReceiver({ secret }),
    startFakeNotion(),
  ]);
  const fakes: Fakes = { slack, smtp, hook, notion };
  const all = {
    slack: expectation(slack.messages, slack.waitFor, ({ asked, all: words }) => `${asked} ${words}`),
    mail: expectation(smtp.mails, smtp.waitFor, ({ to, subject, text }) => `${to} ${subject}\n${text}`),
    hook: expectation(hook.hits, hook.waitFor, ({ path, raw }) => `${path} ${raw}`),
  };
  const values: Record<string, string> = {
    SLACK_API: slack.apiUrl,
    SLACK_TOKEN: slack.token,
    SLACK_WEBHOOK: slack.webhookUrl(),
    SMTP_PORT: String(smtp.port),
    HOOK: hook.url,
    HOOK_SECRET: secret,
    NOTION: notion.url,
    NOTION_TOKEN: notion.token,
    NOTION_DB: notion.databaseId,
  };
  return {
    fakes,
    expected: {
      ...all,
      nothingElse(): void {
        const surplus = Object.entries(all).flatMap(([vendor, { unexpected }]) =>
          unexpected().map((words) => `${vendor}: ${words}`),
        );
        const refused = [...smtp.refused, ...hook.refused].map((why) => `refused by a fake: ${why}`);
        if (surplus.length + refused.length > 0)
          throw new Error(`messages nobody expected:\n${[...surplus, ...refused].join('\n')}`);
      },
    },
    fill: (text: string): string =>
      text.replace(/<([A-Z_]+)>/g, (whole, name: string) => {
        const value = values[name];
        if (value === undefined) throw new Error(`${whole} names no fake: there are ${Object.keys(values).join(', ')}`);
        return value;
      }),
    close: async (): Promise<void> => {
      await Promise.all([slack.close(), smtp.close(), hook.close(), notion.close()]);
    },
  };
}
