/** What can be configured of the Slack bot: the one object that is type, form and documentation. */
import { z } from 'zod';
import { SEVERITIES } from '../../core/event.ts';
import { secret } from '../channel.ts';

const MENTIONS_MAX = 10;
const JOBS_MAX = 200;
const PATTERNS_MAX = 50;

const channelName = z
  .string()
  .regex(
    /^([CGD][A-Z0-9]{5,}|#?[^\s#@<>&,*]{1,80})$/,
    'expected a channel id such as C0123ABCD, or a name such as #ops',
  );
const channelPattern = z
  .string()
  .regex(/^#?[^\s#@<>&,]{1,80}$/, 'expected a channel, with * for any part of its name: #jobs-*');
const channelFor = (severity: string) =>
  channelName
    .optional()
    .meta({ title: `Channel, ${severity}`, description: `Where ${severity} incidents go instead.` });

export const config = z.strictObject({
  token: secret(
    'Bot token',
    'Starts with xoxb-. The scope chat:write is enough; a field that wants another one says so.',
  ),
  channel: channelName.meta({
    title: 'Channel',
    description:
      'Its id (C0123ABCD, works for private ones too) or its name (#ops). Invite the bot to it, or add the scope chat:write.public, with which it writes in every public channel uninvited. With channels:read (groups:read for private ones) the check of the integration says whether it is there.',
  }),
  channels: z
    .strictObject({
      critical: channelFor('critical'),
      error: channelFor('error'),
      warning: channelFor('warning'),
      info: channelFor('info'),
    })
    .optional()
    .meta({ title: 'Channels by severity', description: 'A severity without a channel goes to the default one.' }),
  users_channel: channelName.optional().meta({
    title: 'Channel of users',
    description: 'Where events of type user_registered go instead.',
  }),
  job_channels: z
    .record(z.string().min(1).max(128), channelName)
    .refine((jobs) => Object.keys(jobs).length <= JOBS_MAX, `expected at most ${JOBS_MAX} jobs`)
    .optional()
    .meta({
      title: 'Channels by job',
      description:
        'The channel of a job by its name, * for any part of it: { reddit_*: "#scraping" }. The first that fits.',
    }),
  label_channels: z.array(channelPattern).max(PATTERNS_MAX).default([]).meta({
    title: 'Channels that events may ask for',
    description:
      'An event may name a channel in its label slack_channel; only one that is listed here is used. * stands for any part of a name. For public ones that the bot is not in, add the scope chat:write.public.',
  }),
  thresholds: z
    .record(channelPattern, z.enum(SEVERITIES))
    .refine((channels) => Object.keys(channels).length <= PATTERNS_MAX, `expected at most ${PATTERNS_MAX} channels`)
    .optional()
    .meta({
      title: 'Thresholds by channel',
      description:
        'The mildest severity that a channel is paged for, as it is named here: { "#prices": error, "#jobs-*": warning }. The first that fits; a channel without one has the threshold of the integration alone. What was told there is told to its end, and stories are told whole.',
    }),
  mention: z
    .array(
      z
        .string()
        .regex(
          /^(@(here|channel|everyone)|[UWS][A-Z0-9]{5,})$/,
          'expected @here, @channel, the id of a member (U0123ABCD) or of a user group (S0123ABCD): names cannot be mentioned',
        ),
    )
    .max(MENTIONS_MAX)
    .default([])
    .meta({
      title: 'Mention',
      description:
        'Who is called by a critical page, and by nothing else. Ids, so no scope is needed to look anybody up.',
    }),
  signing_secret: secret(
    'Signing secret',
    'Under Basic Information of the Slack app. With it and an address for interactivity messages have buttons, which need no further scope; without it buttons are links. The command /tocsin needs the scope commands.',
  ).optional(),
  api_url: z
    .url({ protocol: /^https?$/ })
    .default('https://slack.com/api/')
    .meta({ title: 'API address', description: 'Only changed for tests and proxies.' }),
  update_root: z.boolean().default(true).meta({
    title: 'Edit the first message',
    description: 'Show in the incident’s first message what has become of it, besides the reply in its thread.',
  }),
  lookup: z.boolean().default(false).meta({
    title: 'Look before repeating',
    description:
      'After a lost answer, look whether the message is there before sending it again. Needs the scopes channels:history (groups:history for private channels) and metadata.message:read, and a channel id; without them nobody can tell, and on_ambiguous decides, as it does when this is off.',
  }),
});
export type Config = z.output<typeof config>;

/** Slack's own ids; anything else is a name, which only chat.postMessage understands. */
export const isChannelId = (channel: string): boolean => /^[CGD][A-Z0-9]{5,}$/.test(channel);
