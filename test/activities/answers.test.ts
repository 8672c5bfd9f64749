/** A page as the activity sends it, answered from inside the message: what stands there is followed, and the ledger asked. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDeliver, type DeliverInput } from '../../activities/deliver.ts';
import type { Deps } from '../../activities/deps.ts';
import type { Channel } from '../../src/channels/channel.ts';
import { email } from '../../src/channels/email.ts';
import { slack } from '../../src/channels/slack.ts';
import { telegram } from '../../src/channels/telegram.ts';
import { openIncident, withBatch } from '../../src/core/incident.ts';
import type { Reason } from '../../src/core/notice.ts';
import { withRunning } from '../../src/core/rounds.ts';
import { withTelling } from '../../src/core/telling.ts';
import { newSealingKey } from '../../src/ledger/sealing.ts';
import { secretKeysFor } from '../../src/main/secret-keys.ts';
import { type Api, startApi } from '../http/harness.ts';
import { asActivity, depsFor, integrationOf } from '../support/activity-world.ts';
import { type FakeSlack, startFakeSlack } from '../support/fakes/slack.ts';
import { type FakeSmtp, startFakeSmtp } from '../support/fakes/smtp.ts';
import { type FakeTelegram, startFakeTelegram } from '../support/fakes/telegram.ts';
import { one, opened, routing } from '../support/ledger.ts';

const CHAT = -1001234567890;
const CHANNELS = [slack, telegram, email] as unknown as Channel[];
const tokens = secretKeysFor({ TOCSIN_SECRET_KEYS: newSealingKey() }, undefined)?.tokens;

let api: Api;
let chat: FakeSlack;
let bot: FakeTelegram;
let mail: FakeSmtp;
beforeAll(async () => {
  api = await startApi(tokens ? { tokens } : {});
});
beforeEach(async () => {
  [chat, bot, mail] = await Promise.all([startFakeSlack(), startFakeTelegram([{ id: CHAT }]), startFakeSmtp()]);
});
afterEach(() => Promise.all([chat.close(), bot.close(), mail.close()]));
afterAll(() => api.stop());

/** As they are configured: Slack without a signing secret hears no buttons, so that its buttons are links; Telegram hears. */
const configs = (): Record<string, Record<string, unknown>> => ({
  slack: { token: chat.token, channel: '#ops', api_url: chat.apiUrl },
  telegram: { token: bot.token, chat_id: CHAT, api_url: bot.apiUrl, secret_token: 'webhook-secret-not-a-real-one' },
  email: { host: mail.host, port: mail.port, tls: 'none', from: 'alerts@example.com', to: ['ops@example.com'] },
});

function activityOf(more: Partial<Deps> = { tokens }) {
  const integrations = CHANNELS.map((channel) =>
    integrationOf(channel, { config: channel.config.parse(configs()[channel.id]) }),
  );
  const deps = depsFor({ ledger: api.ledger, channels: CHANNELS, integrations });
  return createDeliver({ ...deps, config: { ...deps.config, publicUrl: api.url }, ...more });
}

/** Tells the first page, or another notice, of an incident of its own; the incident's id. */
async function tell(target: string, deliver = activityOf(), reason: Reason = 'group_now'): Promise<string> {
  const { opening, batch } = await opened(api.ledger, routing(), { severity: 'critical' });
  const folded = withBatch(openIncident(opening.id, opening.policy, opening.epoch, opening.opened_at), batch);
  const snapshot = withRunning(withTelling(folded, { reason, targets: [target] }, Date.now()), [target]);
  const out = snapshot.targets[target]?.current;
  if (!out) throw new Error('nothing to send');
  const input: DeliverInput = { incident: opening.id, target, out, snapshot };
  expect(await asActivity(() => deliver(input))).toEqual({ outcome: 'delivered' });
  return opening.id;
}

interface Pressable {
  text: string;
  url?: string;
  callback_data?: string;
}

/** What stands below the last message at each vendor. */
const SEEN: Record<string, () => Pressable[]> = {
  slack: () =>
    (chat.messages.at(-1)?.attachments ?? [])
      .flatMap(({ blocks }) => blocks as { elements?: { text: { text: string }; url?: string }[] }[])
      .flatMap(({ elements = [] }) => elements.filter(({ url }) => url !== undefined))
      .map(({ text, url = '' }) => ({ text: text.text, url })),
  telegram: () => bot.messages.at(-1)?.buttons ?? [],
  email: () =>
    [...(mail.mails.at(-1)?.html ?? '').matchAll(/<a style="[^"]*" href="([^"]*)">([^<]*)<\/a>/g)].map(
      ([, url = '', text = '']) => ({ text, url }),
    ),
};
const named = (target: string, label: string): Pressable => {
  const found = SEEN[target]?.().find(({ text }) => text === label);
  if (!found) throw new Error(`${target} shows no ${label}`);
  return found;
};
/** A token that a button gives back is the end of the address of the page. */
const pathOf = ({ url, callback_data }: Pressable): string =>
  url === undefined ? `/a/${callback_data}` : url.replace(api.url, '');
const stateOf = (id: string) =>
  one<{ status: string; answered_by: string | null }>(
    api.ledger,
    'select status, answered_by from incidents where id = $1',
    [id],
  );

describe.each(['slack', 'telegram', 'email'])('a page by %s', (target) => {
  it('has Acknowledge, Snooze and Resolve, and what stands there does what it says', async () => {
    const id = await tell(target);
    for (const label of ['Acknowledge', 'Snooze 1 h', 'Resolve'])
      expect(pathOf(named(target, label))).toMatch(/^\/a\/./);
    const path = pathOf(named(target, 'Acknowledge'));
    expect((await api.call('GET', path)).text).toContain('Acknowledge?');
    expect(await stateOf(id)).toEqual({ status: 'open', answered_by: null });
    await api.call('POST', path, {
      raw: 'name=ana',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(await stateOf(id)).toEqual({ status: 'acknowledged', answered_by: `ana (link, ${target})` });
  });

  it('has none where there is no key to sign them with', async () => {
    await tell(target, activityOf({}));
    const labels = SEEN[target]?.().map(({ text }) => text) ?? [];
    expect(labels).toContain('Open incident');
    for (const label of ['Acknowledge', 'Snooze 1 h', 'Resolve']) expect(labels).not.toContain(label);
  });
});
