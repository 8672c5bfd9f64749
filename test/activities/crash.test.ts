/** An attempt that is lost between the send and its record, by every channel: what people see of it is counted at the vendor. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createDeliver } from '../../activities/deliver.ts';
import { createSendOnce } from '../../activities/send-once.ts';
import type { Channel } from '../../src/channels/channel.ts';
import { channelOf, channels } from '../../src/channels/index.ts';
import type { OnAmbiguous } from '../../src/core/doubt.ts';
import type { Severity } from '../../src/core/event.ts';
import { command } from '../../src/ledger/answers.ts';
import type { Claim } from '../../src/ledger/claim.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import type { AttemptEnd } from '../../src/ledger/deliveries.ts';
import { requestRedeliveries } from '../../src/ledger/redelivery.ts';
import { requestSend, sendResult } from '../../src/ledger/sends.ts';
import { buryDelivery } from '../../src/ledger/unsent.ts';
import { asActivity, depsFor, integrationOf } from '../support/activity-world.ts';
import { attempted, deliveryOf, notice, type OnItsWay } from '../support/deliveries.ts';
import { type Effect, type World, worlds } from '../support/effects.ts';
import { claimAll, opened, openTestLedger, routing } from '../support/ledger.ts';

/**
 * `asked`: the provider can be asked for the message. `keyed`: it takes our key, and knows a repeat by it. `nobody`: neither,
 * so that what only informs is sent at most once, and everything else at least once.
 */
type Knows = 'asked' | 'keyed' | 'nobody';

interface Expected {
  knows: Knows;
  why: string;
  /** Where the vendor says so. */
  page?: string;
  /** Of how many parts a message is made, where it is of several. */
  parts?: number;
  /** How many things people see an acknowledgement and an end add or change when nothing is lost. */
  acknowledged: number;
  resolved: number;
  /** Both are an edit alone, and an edit that is made twice is one. */
  edits?: true;
}

const EXPECTED: Record<string, Expected> = {
  stdout: { knows: 'nobody', why: 'a terminal cannot be asked what it shows', acknowledged: 1, resolved: 1 },
  slack: {
    knows: 'nobody',
    why: 'chat.postMessage takes no key, and to look needs scopes: off unless lookup is set',
    page: 'https://docs.slack.dev/reference/methods/chat.postMessage',
    acknowledged: 2,
    resolved: 2,
  },
  'slack lookup': {
    knows: 'asked',
    why: 'the key is in the metadata of the message, which the history gives',
    page: 'https://docs.slack.dev/messaging/message-metadata',
    acknowledged: 2,
    resolved: 2,
  },
  'slack lookup without its scopes': {
    knows: 'nobody',
    why: 'Slack refuses to look, so it is as if nobody had asked it to',
    page: 'https://docs.slack.dev/reference/methods/conversations.history#errors',
    acknowledged: 2,
    resolved: 2,
  },
  'slack-webhook': {
    knows: 'nobody',
    why: 'an incoming webhook takes no key and gives nothing back',
    page: 'https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks',
    acknowledged: 1,
    resolved: 1,
  },
  discord: {
    knows: 'nobody',
    why: 'a webhook takes no nonce, and gives a message only to who knows its id',
    page: 'https://docs.discord.com/developers/resources/webhook#execute-webhook',
    acknowledged: 1,
    resolved: 1,
    edits: true,
  },
  teams: {
    knows: 'nobody',
    why: 'each request starts a run of the workflow, and nobody can list them by its address',
    page: 'https://learn.microsoft.com/connectors/teams/#microsoft-teams-webhook',
    acknowledged: 1,
    resolved: 1,
  },
  email: {
    knows: 'nobody',
    why: 'a server may take one Message-ID twice, and is not asked over SMTP; mailboxes see the repeat by it',
    page: 'https://www.rfc-editor.org/rfc/rfc5321#section-4.5.4.1',
    acknowledged: 1,
    resolved: 1,
  },
  webhook: {
    knows: 'keyed',
    why: 'webhook-id is the key, and receivers drop the id they have seen',
    page: 'https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md',
    acknowledged: 1,
    resolved: 1,
  },
  telegram: {
    knows: 'nobody',
    why: 'sendMessage takes no key, and a bot cannot read what it wrote',
    page: 'https://core.telegram.org/bots/api#sendmessage',
    acknowledged: 2,
    resolved: 2,
  },
  sms: {
    knows: 'asked',
    why: 'the list of messages gives the code at the end of each',
    page: 'https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources',
    acknowledged: 1,
    resolved: 1,
  },
  'sms lagging': {
    knows: 'nobody',
    why: 'what the list does not show may be there all the same, and a message takes no key',
    page: 'https://github.com/twilio/twilio-node/issues/647',
    acknowledged: 1,
    resolved: 1,
  },
  jira: {
    knows: 'asked',
    why: 'the issue has a label of the incident, and the comment a mark of the delivery',
    page: 'https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-search/',
    acknowledged: 1,
    resolved: 2,
  },
  linear: {
    knows: 'keyed',
    why: 'issues and comments take an id of our making, once',
    page: 'https://linear.app/developers/graphql',
    acknowledged: 1,
    resolved: 2,
  },
  github: {
    knows: 'asked',
    why: 'the one comment is found by its marker, and keeps which deliveries it holds',
    page: 'https://docs.github.com/en/rest/issues/comments#list-issue-comments',
    acknowledged: 1,
    resolved: 1,
  },
  pagerduty: {
    knows: 'keyed',
    why: 'events of one dedup_key are one incident',
    page: 'https://developer.pagerduty.com/docs/send-alert-event',
    acknowledged: 1,
    resolved: 1,
  },
  apprise: {
    knows: 'nobody',
    why: 'the server passes a message on and keeps nothing of it',
    page: 'https://github.com/caronc/apprise-api#api-details',
    acknowledged: 1,
    resolved: 1,
  },
  'notion-database': {
    knows: 'asked',
    parts: 3,
    why: 'the entry is found by a property that holds the key of the delivery',
    page: 'https://developers.notion.com/reference/query-a-data-source',
    acknowledged: 2,
    resolved: 2,
  },
};
const expectedOf = (name: string): Expected => {
  const expected = EXPECTED[name];
  if (!expected) throw new Error(`what a lost answer of ${name} leads to stands nowhere`);
  return expected;
};

let ledger: Ledger;
let world: World;
beforeAll(async () => {
  ({ ledger } = await openTestLedger());
});
afterEach(() => world?.close());

const ana = { by: 'ana', key: 'k1' };
afterAll(() => ledger.close());

/** The process dies once the provider has the message; the connection ends instead of an answer; no answer comes. */
const FATES = ['crash', 'reset', 'timeout'] as const;
type Fate = (typeof FATES)[number];
const channelIn = (name: string): Channel => {
  const channel = channelOf(name.split(' ')[0] ?? '');
  if (!channel) throw new Error(`no channel ${name}`);
  return channel;
};

/** What a process of its own has. */
function processBy(channel: Channel, on_ambiguous?: OnAmbiguous) {
  const { on_ambiguous: _, ...integration } = integrationOf(channel, {
    name: 'chat',
    config: channel.config.parse(world.config),
  });
  const deps = depsFor({
    ledger,
    channels: [channel],
    integrations: [{ ...integration, ...(on_ambiguous ? { on_ambiguous } : {}) }],
  });
  return { ...deps, print: world.print ?? deps.print };
}

const deliverBy = (channel: Channel, on_ambiguous?: OnAmbiguous) => createDeliver(processBy(channel, on_ambiguous));

/** The channel in a process that dies as soon as the message is out: `send` never returns. */
function dying(channel: Channel): { channel: Channel; dead: Promise<void> } {
  let die = (): void => undefined;
  const dead = new Promise<void>((resolve) => {
    die = resolve;
  });
  const send: Channel['send'] = async (call) => {
    await channel.send(call);
    die();
    return new Promise(() => undefined);
  };
  return { channel: { ...channel, send }, dead };
}

/** Loses the first attempt so, and makes the second as Temporal does: in another process. How it ended. */
async function lost(name: string, fate: Fate, given: OnItsWay, on_ambiguous?: OnAmbiguous) {
  const channel = channelIn(name);
  const input = { ...given, target: 'chat' };
  const attempt = (by: Channel, which?: { signal?: AbortSignal; attempt?: number }) =>
    asActivity(() => deliverBy(by, on_ambiguous)(input), which);
  await losing(channel, fate, attempt);
  await attempt(channel, { attempt: 2 });
  return deliveryOf(ledger, given.out.key);
}

type Attempt = (by: Channel, which?: { signal?: AbortSignal; attempt?: number }) => Promise<unknown>;

/** Loses the first attempt so. */
async function losing(channel: Channel, fate: Fate, attempt: Attempt): Promise<void> {
  if (fate === 'crash') {
    const first = dying(channel);
    void attempt(first.channel);
    await first.dead;
  } else {
    const deadline = new AbortController();
    world.lose?.(fate === 'reset' ? 'reset' : 'silence', () => {
      if (fate === 'timeout') deadline.abort(new DOMException('', 'TimeoutError'));
    });
    await expect(attempt(channel, { signal: deadline.signal })).rejects.toMatchObject({
      type: fate === 'reset' ? 'network' : 'timeout',
    });
  }
}

/** What people see now and did not before, or saw otherwise. */
const changed = (before: readonly Effect[]): Effect[] =>
  world.effects().filter(({ id, says }) => !before.some((one) => one.id === id && one.says === says));

/** An incident of its own, once nothing of the others waits any more. */
async function open(severity: Severity): Promise<Claim> {
  await claimAll(ledger);
  return opened(ledger, routing(), { severity });
}
const names = Object.keys(worlds);
const overTheWire = names.filter((name) => name !== 'stdout');

const begin = async (name: string): Promise<void> => {
  const start = worlds[name];
  if (!start) throw new Error(`${name} has no vendor to count at`);
  world = await start();
};

/** As its vendor shows it, the message that came twice is one message to whoever looks at the key. */
function expectTheSame(effects: readonly Effect[]): void {
  expect(new Set(effects.map(({ says }) => says)).size).toBe(1);
  expect(new Set(effects.map(({ key }) => key)).size).toBe(1);
}

it('stands in the table for every channel', () => {
  for (const { id } of channels) expect(Object.keys(EXPECTED), id).toContain(id);
  expect(Object.keys(worlds).sort()).toEqual(Object.keys(EXPECTED).sort());
});

describe.each(FATES)('a page whose record is lost: %s', (fate) => {
  const among = fate === 'crash' ? names : overTheWire;

  it.each(among)('by %s to somebody who may have to act is there, and twice only where nobody knows', async (name) => {
    await begin(name);
    const { knows, why, parts = 1 } = expectedOf(name);
    const row = await lost(name, fate, await notice(ledger, 'group_now', await open('error')));
    expect(row).toMatchObject({ status: 'delivered', attempts: 2 });
    expect(world.effects(), why).toHaveLength(parts * (knows === 'nobody' ? 2 : 1));
    if (parts === 1) expectTheSame(world.effects());
  });

  it.each(among)('by %s that only informs is there once', async (name) => {
    await begin(name);
    const { knows, why, parts = 1 } = expectedOf(name);
    const row = await lost(name, fate, await notice(ledger, 'group_now', await open('info')));
    expect(world.effects(), why).toHaveLength(parts);
    if (knows === 'nobody') expect(row).toMatchObject({ status: 'dead', failure: 'answer_lost' });
    else expect(row).toMatchObject({ status: 'delivered' });
  });
});

describe('on_ambiguous', () => {
  const unknowing = names.filter((name) => expectedOf(name).knows === 'nobody');

  it.each(unknowing)('set to drop leaves a critical page by %s at one', async (name) => {
    await begin(name);
    const row = await lost(name, 'crash', await notice(ledger, 'group_now', await open('critical')), 'drop');
    expect(row).toMatchObject({ status: 'dead', failure: 'answer_lost' });
    expect(world.effects()).toHaveLength(1);
  });

  it.each(unknowing)('set to resend has what only informs by %s sent again', async (name) => {
    await begin(name);
    const row = await lost(name, 'crash', await notice(ledger, 'group_now', await open('info')), 'resend');
    expect(row).toMatchObject({ status: 'delivered' });
    expect(world.effects()).toHaveLength(2);
  });
});

describe.each(['crash', 'reset'] as const)('what follows a page, and its record is lost: %s', (fate) => {
  const among = fate === 'crash' ? names : overTheWire;

  it.each(among.flatMap((name) => [[name, 'acknowledged', 'ack'] as const, [name, 'resolved', 'resolve'] as const]))(
    'by %s, %s: an edit has one effect',
    async (name, reason, kind) => {
      await begin(name);
      const claim = await open('error');
      const page = await notice(ledger, 'group_now', claim);
      await asActivity(() => deliverBy(channelIn(name))({ ...page, target: 'chat' }));
      const before = world.effects();
      await command(ledger, page.incident, { kind }, ana);
      const row = await lost(name, fate, await notice(ledger, reason, claim));
      expect(row).toMatchObject({ status: 'delivered' });
      const { knows, edits, [reason]: calm } = expectedOf(name);
      expect(changed(before)).toHaveLength(calm + (knows === 'nobody' && !edits ? 1 : 0));
    },
  );
});

describe('a later page, once somebody has answered', () => {
  const editable = names.filter((name) => ['slack', 'discord', 'telegram'].includes(channelIn(name).id));

  it.each(editable.flatMap((name) => (['crash', 'reset'] as const).map((fate) => [name, fate] as const)))(
    'by %s says so as well, and asks nobody any more, although the record is lost: %s',
    async (name, fate) => {
      await begin(name);
      const claim = await open('error');
      const pages = [await notice(ledger, 'group_now', claim), await notice(ledger, 'repeat_interval', claim)];
      for (const page of pages) await asActivity(() => deliverBy(channelIn(name))({ ...page, target: 'chat' }));
      const before = world.effects();
      expect(before).toHaveLength(2);
      const [page] = pages;
      await command(ledger, page?.incident ?? '', { kind: 'ack' }, ana);
      await lost(name, fate, await notice(ledger, 'acknowledged', claim));
      const { knows, edits, acknowledged } = expectedOf(name);
      for (const { id } of before) {
        const now = world.effects().find((one) => one.id === id);
        expect(now?.says, id).toMatch(/acknowledged by ana/i);
      }
      // The later page beside what an acknowledgement changes anyway, however often it was edited.
      expect(changed(before)).toHaveLength(acknowledged + 1 + (knows === 'nobody' && !edits ? 1 : 0));
    },
  );

  it('of another incident is left alone', async () => {
    await begin('slack');
    const [mine, theirs] = [await open('error'), await open('error')];
    const page = await notice(ledger, 'group_now', mine);
    for (const one of [
      page,
      await notice(ledger, 'group_now', theirs),
      await notice(ledger, 'repeat_interval', theirs),
    ])
      await asActivity(() => deliverBy(channelIn('slack'))({ ...one, target: 'chat' }));
    const before = world.effects();
    await command(ledger, page.incident, { kind: 'ack' }, ana);
    const told = await notice(ledger, 'acknowledged', mine);
    await asActivity(() => deliverBy(channelIn('slack'))({ ...told, target: 'chat' }));
    const [first, second, third] = before;
    expect(changed(before).map(({ id }) => id)).toEqual([first?.id, world.effects().at(-1)?.id]);
    expect(world.effects()).toEqual(expect.arrayContaining([second, third]));
  });
});

it('an edit that only informs is made again, for nobody sees that it was made twice', async () => {
  await begin('discord');
  const claim = await open('info');
  const page = await notice(ledger, 'group_now', claim);
  await asActivity(() => deliverBy(channelIn('discord'))({ ...page, target: 'chat' }));
  await command(ledger, page.incident, { kind: 'ack' }, ana);
  const row = await lost('discord', 'crash', await notice(ledger, 'acknowledged', claim));
  expect(row).toMatchObject({ status: 'delivered' });
  expect(world.effects()).toMatchObject([{ says: expect.stringContaining('ACKNOWLEDGED') }]);
});

describe('sent again by hand', () => {
  /** A delivery that is dead, and its send. */
  async function asked(severity: Severity, end: Partial<AttemptEnd>): Promise<{ key: string; send: number }> {
    const given = await notice(ledger, 'group_now', await open(severity));
    const key = await attempted(ledger, { status: 'dead', reason: 'server', ...end }, given);
    return requested(key);
  }
  async function requested(key: string): Promise<{ key: string; send: number }> {
    const { id } = await deliveryOf(ledger, key);
    const { asked } = await requestRedeliveries(ledger, { ids: [id] }, { new_key: false }, ['chat'], ana);
    return { key, send: asked[0]?.send ?? 0 };
  }
  const sendOnce: (send: number) => Attempt = (send) => (by, which) =>
    asActivity(() => createSendOnce(processBy(by))({ send }), which);

  it.each(names)('by %s: what an attempt before may have delivered is looked for first', async (name) => {
    await begin(name);
    const { knows, why, parts = 1 } = expectedOf(name);
    const given = await notice(ledger, 'group_now', await open('info'));
    await losing(channelIn(name), 'crash', (by, which) =>
      asActivity(() => deliverBy(by)({ ...given, target: 'chat' }), which),
    );
    // Nobody was there to repeat it before its time was over.
    await buryDelivery(ledger, { ...given, target: 'chat', channel: name }, 'timeout', 'it has waited for long enough');
    const { key, send } = await requested(given.out.key);
    await sendOnce(send)(channelIn(name));
    // Where nobody knows it goes out again, whatever its severity: somebody wants it to.
    expect(world.effects(), why).toHaveLength(parts * (knows === 'nobody' ? 2 : 1));
    expect(await deliveryOf(ledger, key)).toMatchObject({ status: 'delivered' });
  });

  it.each(names.flatMap((name) => (['error', 'info'] as const).map((severity) => [name, severity] as const)))(
    'by %s, a lost record of a message of severity %s leads to what it does in its round',
    async (name, severity) => {
      await begin(name);
      const { knows, why, parts = 1 } = expectedOf(name);
      const { key, send } = await asked(severity, {});
      await losing(channelIn(name), 'crash', sendOnce(send));
      await sendOnce(send)(channelIn(name), { attempt: 2 });
      const isTwice = knows === 'nobody' && severity === 'error';
      expect(world.effects(), why).toHaveLength(parts * (isTwice ? 2 : 1));
      const isDead = knows === 'nobody' && severity === 'info';
      expect(await deliveryOf(ledger, key)).toMatchObject(
        isDead ? { status: 'dead', failure: 'answer_lost' } : { status: 'delivered' },
      );
    },
  );

  it('is not sent once more when only the end of the send was lost', async () => {
    await begin('slack');
    const { send } = await asked('error', {});
    await sendOnce(send)(channelIn('slack'));
    await ledger.query('update sends set ended_at = null, outcome = null where id = $1', [send]);
    await sendOnce(send)(channelIn('slack'), { attempt: 2 });
    expect(world.effects()).toHaveLength(1);
    expect(await sendResult(ledger, send)).toMatchObject({ ended: true, outcome: { delivered: true } });
  });

  it('although it had arrived, is sent: what is there is no answer to that', async () => {
    await begin('slack lookup');
    const given = await notice(ledger, 'group_now', await open('error'));
    await lost('slack lookup', 'crash', given);
    const { send } = await requested(given.out.key);
    await sendOnce(send)(channelIn('slack lookup'));
    expect(world.effects()).toHaveLength(2);
  });

  it.each([
    ['slack', { delivered: false, reason: 'answer_lost' }],
    ['slack lookup', { delivered: true }],
  ])('as a test by %s is there once, and where nobody knows it says so', async (name, outcome) => {
    await begin(name);
    const send = await requestSend(ledger, { kind: 'test', target: 'chat' }, ana);
    await losing(channelIn(name), 'crash', sendOnce(send));
    await sendOnce(send)(channelIn(name), { attempt: 2 });
    expect(world.effects()).toHaveLength(1);
    expect(await sendResult(ledger, send)).toMatchObject({ ended: true, outcome });
  });
});
