/** The list of channels: ids, types, forms, docs and the conformance tests are all computed from it. */

import { apprise } from './apprise.ts';
import type { Channel } from './channel.ts';
import { discord } from './discord.ts';
import { email } from './email.ts';
import { github } from './github.ts';
import { jira } from './jira.ts';
import { linear } from './linear.ts';
import { notion } from './notion.ts';
import { notionDatabase } from './notion-database.ts';
import { pagerduty } from './pagerduty.ts';
import { slack } from './slack.ts';
import { slackWebhook } from './slack-webhook.ts';
import { sms } from './sms.ts';
import { stdout } from './stdout.ts';
import { teams } from './teams.ts';
import { telegram } from './telegram.ts';
import { webhook } from './webhook.ts';

export type { Channel, CheckCall, Ears, Heard, Person, Ref } from './channel.ts';
export { FAILURES, secretPaths } from './channel.ts';

export const channels = [
  stdout,
  slack,
  slackWebhook,
  discord,
  teams,
  email,
  webhook,
  telegram,
  sms,
  jira,
  linear,
  github,
  pagerduty,
  apprise,
  notionDatabase,
] as const;

/** The channel of that id, undefined for an id that is none. Its `send` takes what its own `config` has parsed. */
export const channelOf = (id: string): Channel | undefined =>
  (channels as readonly Channel[]).find((channel) => channel.id === id);

/** Writers of daily pages: not told about incidents, so no channels. */
export const writers = [notion] as const;
