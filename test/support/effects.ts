/** For every channel a vendor of its own and what people see of a message there: what a test of lost answers counts. */
import { startFakeApprise } from './fakes/apprise.ts';
import { startFakeDiscord } from './fakes/discord.ts';
import { startFakeGitHub } from './fakes/github.ts';
import { startFakeJira } from './fakes/jira.ts';
import { startFakeLinear } from './fakes/linear.ts';
import { startFakeNotion } from './fakes/notion.ts';
import { startFakePagerDuty } from './fakes/pagerduty.ts';
import { startFakeSlack } from './fakes/slack.ts';
import { startFakeSmtp } from './fakes/smtp.ts';
import { startFakeTeams } from './fakes/teams.ts';
import { startFakeTelegram } from './fakes/telegram.ts';
import { startFakeTwilio } from './fakes/twilio.ts';
import { startWebhookReceiver } from './fakes/webhook-receiver.ts';
import { type Gate, type Spoilt, startGate } from './gate.ts';

/** One thing that somebody sees: a message, a ticket, a comment. */
export interface Effect {
  id: string;
  /** As it is now. */
  says: string;
  /** The delivery's key, where the provider keeps it with the message. */
  key?: string;
}

export interface World {
  config: Record<string, unknown>;
  effects(): Effect[];
  /** The next message is taken, and its answer gets lost; absent where there is nobody to answer. `lost` is told of it. */
  lose?(how: 'reset' | 'silence', lost?: () => void): void;
  /** Over HTTP alone: the next message is taken, and its answer is spoilt, however that may be. */
  spoil?(how: Spoilt, lost?: () => void): void;
  /** Where a message is printed. */
  print?: (text: string) => void;
  close(): Promise<void>;
}

interface Vendor {
  url: string;
  config(url: string): Record<string, unknown>;
  effects(): Effect[];
  close(): Promise<void>;
}

/** A vendor over HTTP, with a gate before it. */
async function gated({ url, config, effects, close }: Vendor): Promise<World> {
  const gate: Gate = await startGate(new URL(url).origin);
  return {
    config: config(url.replace(new URL(url).origin, gate.url)),
    effects,
    lose: (how, lost) => gate.lose(how, effects, lost),
    spoil: (how, lost) => gate.lose(how, effects, lost),
    close: async () => {
      await gate.close();
      await close();
    },
  };
}

async function slackBy(more: Record<string, unknown>, scopes = ['chat:write']): Promise<World> {
  const fake = await startFakeSlack({ now: new Date(), scopes });
  return gated({
    url: fake.apiUrl,
    config: (api_url) => ({ token: fake.token, channel: 'C0123ABCD', api_url, ...more }),
    effects: () =>
      fake.messages.map(({ ts, all, metadata }) => ({
        id: ts,
        says: all,
        ...(metadata ? { key: String(metadata.event_payload.delivery_id) } : {}),
      })),
    close: fake.close,
  });
}

const repository = 'acme/shop';

/** By the channel's id, with a word behind it where one channel has several ways. */
export const worlds: Record<string, () => Promise<World>> = {
  stdout: async () => {
    const printed: string[] = [];
    return {
      config: { color: false },
      effects: () => printed.map((says, at) => ({ id: String(at), says })),
      print: (text) => void printed.push(text),
      close: async () => undefined,
    };
  },
  slack: () => slackBy({}),
  'slack lookup': () => slackBy({ lookup: true }, ['chat:write', 'channels:history', 'metadata.message:read']),
  'slack lookup without its scopes': () => slackBy({ lookup: true }),
  'slack-webhook': async () => {
    const fake = await startFakeSlack();
    return gated({
      url: fake.webhookUrl(),
      config: (url) => ({ url }),
      effects: () => fake.messages.map(({ ts, all }) => ({ id: ts, says: all })),
      close: fake.close,
    });
  },
  discord: async () => {
    const fake = await startFakeDiscord();
    return gated({
      url: fake.webhookUrl,
      config: (url) => ({ url }),
      effects: () => fake.posts.map(({ id, all }) => ({ id, says: all })),
      close: fake.close,
    });
  },
  teams: async () => {
    const fake = await startFakeTeams();
    return gated({
      url: fake.workflowUrl,
      config: (url) => ({ url }),
      effects: () => fake.runs.map(({ all }, at) => ({ id: String(at), says: all })),
      close: fake.close,
    });
  },
  email: async () => {
    const fake = await startFakeSmtp();
    return {
      config: { host: fake.host, port: fake.port, tls: 'none', from: 'alerts@example.com', to: ['ops@example.com'] },
      effects: () =>
        fake.mails.map(({ messageId, subject, text }, at) => ({
          id: String(at),
          says: `${messageId}\n${subject}\n${text}`,
          key: messageId,
        })),
      lose: (how, lost) => {
        const before = fake.mails.length;
        fake.script([how === 'reset' ? { reset: true, accept: true } : { hang: true, accept: true }]);
        if (lost) void fake.waitFor((_mail, all) => all.length > before).then(lost);
      },
      close: fake.close,
    };
  },
  webhook: async () => {
    const fake = await startWebhookReceiver({ secret: 'whsec_c2FtcGxlLXNpZ25pbmctc2VjcmV0LW5vdC1yZWFs' });
    return gated({
      url: fake.url,
      config: (url) => ({ url, secret: fake.secret }),
      // A receiver that does as the standard says.
      effects: () =>
        fake.hits.filter(({ repeated }) => !repeated).map(({ id, raw }) => ({ id, says: raw.toString(), key: id })),
      close: fake.close,
    });
  },
  telegram: async () => {
    const fake = await startFakeTelegram();
    return gated({
      url: fake.apiUrl,
      config: (api_url) => ({ token: fake.token, chat_id: '-1001234567890', api_url }),
      effects: () => fake.messages.map(({ message_id, text }) => ({ id: String(message_id), says: text })),
      close: fake.close,
    });
  },
  ...Object.fromEntries(
    [false, true].map((isLagging): [string, () => Promise<World>] => [
      isLagging ? 'sms lagging' : 'sms',
      async () => {
        const fake = await startFakeTwilio();
        fake.isLagging = isLagging;
        return gated({
          url: fake.apiUrl,
          config: (api_url) => ({
            account_sid: fake.account,
            auth_token: fake.authToken,
            from: fake.number,
            to: ['+15551234567'],
            api_url,
          }),
          // What is found by its code is seen by people as well.
          effects: () =>
            fake.messages.map(({ sid, body }) => ({ id: sid, says: body, key: /#\w{4}/.exec(body)?.[0] ?? '' })),
          close: fake.close,
        });
      },
    ]),
  ),
  jira: async () => {
    const fake = await startFakeJira();
    return gated({
      url: fake.url,
      config: (base_url) => ({ base_url, email: fake.email, api_token: fake.token, project_key: 'OPS' }),
      effects: () =>
        fake.issues.flatMap(({ key, status, text, comments }) => [
          { id: key, says: `${status}\n${text}` },
          ...comments.map((comment) => ({ id: comment.id, says: comment.text })),
        ]),
      close: fake.close,
    });
  },
  linear: async () => {
    const fake = await startFakeLinear();
    return gated({
      url: fake.url,
      config: (api_url) => ({ api_key: fake.apiKey, team_id: fake.teamId, api_url }),
      effects: () =>
        fake.issues.flatMap(({ id, state, priority, input, comments }) => [
          { id, says: `${state.name} ${priority}\n${String(input.description)}` },
          ...comments.map(({ id, body }) => ({ id, says: body })),
        ]),
      close: fake.close,
    });
  },
  github: async () => {
    const fake = await startFakeGitHub({ repository });
    return gated({
      url: fake.url,
      config: (api_url) => ({ token: fake.token, repository, pull_request: 7, api_url }),
      effects: () => fake.comments.map(({ id, body }) => ({ id: String(id), says: body })),
      close: fake.close,
    });
  },
  pagerduty: async () => {
    const fake = await startFakePagerDuty();
    return gated({
      url: fake.url,
      config: (api_url) => ({ routing_key: fake.key, api_url }),
      effects: () =>
        fake.incidents.map(({ dedup_key, state }) => ({
          id: dedup_key,
          says: `${dedup_key} ${state}`,
          key: dedup_key,
        })),
      close: fake.close,
    });
  },
  apprise: async () => {
    const fake = await startFakeApprise();
    return gated({
      url: fake.url,
      config: (api_url) => ({ api_url, key: fake.key, tag: 'ops' }),
      effects: () => fake.messages.map(({ title, body }, at) => ({ id: String(at), says: `${title}\n${body}` })),
      close: fake.close,
    });
  },
  'notion-database': async () => {
    const fake = await startFakeNotion({
      schema: { Name: 'title', Date: 'date', Severity: 'select', Status: 'select', Tocsin: 'rich_text' },
    });
    return gated({
      url: fake.url,
      config: (base_url) => ({ token: fake.token, database_id: fake.databaseId, base_url }),
      effects: () =>
        fake.pages.flatMap(({ id, title, properties, blocks }) => [
          { id, says: `${title} ${JSON.stringify(properties)}` },
          ...blocks.map((block) => ({ id: block.id, says: block.text })),
        ]),
      close: fake.close,
    });
  },
};
