/** Everything that may stand in tocsin.yaml, section by section, except what channels and sources say of themselves. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { ON_AMBIGUOUS } from '../core/doubt.ts';
import { SEVERITIES } from '../core/event.ts';
import {
  parseDate,
  parseDaysOfMonth,
  parseMonths,
  parseTime,
  parseTimes,
  parseTimezone,
  parseWeekdays,
} from '../core/interval.ts';
import { globTest, parseMatcher } from '../core/match.ts';
import { OWNER, OWNER_MAX } from '../core/owner.ts';
import { PRIVACIES } from '../core/privacy.ts';
import { TOGGLES, type Toggle } from '../core/toggles.ts';
import { compile } from '../expressions/compile.ts';
import { duration, rate } from './duration.ts';

const NAME = /^[\w.-]{1,64}$/;
export const Name = z.string().regex(NAME, 'must be 1 to 64 letters, digits, _ . or -');
export const IntegrationName = Name.refine(
  (name) => name !== OWNER,
  'must not be owner, which in notify stands for the integrations of the user that an event names',
);
const severity = z.enum(SEVERITIES);

/** `parse` of core as a zod type: its Error becomes the problem. */
const parsed = <T>(parse: (text: string) => T) =>
  z.union([z.string(), z.number()], { error: 'must be a text' }).transform((text, context): T => {
    try {
      return parse(String(text));
    } catch (error) {
      context.addIssue({
        code: 'custom',
        message: error instanceof Error ? error.message : String(error),
        input: text,
      });
      return z.NEVER;
    }
  });

/** One of them or a list of them. */
const many = <T extends z.ZodType>(one: T) =>
  z.preprocess((value) => (value === undefined || Array.isArray(value) ? value : [value]), z.array(one));

const matchers = many(parsed((text) => parseMatcher(text, compile)));
const webAddress = z.url({ protocol: /^https?$/, error: 'must be an http or https address' });

/** One switch for each kind of event that has one. */
const events = z.strictObject(
  Object.fromEntries(
    Object.entries(TOGGLES).map(([type, toggle]) => [
      toggle,
      z
        .boolean()
        .optional()
        .meta({ title: type, description: `Off: ${type} is not told here.` }),
    ]),
  ) as Record<Toggle, z.ZodOptional<z.ZodBoolean>>,
);

/** The fields every integration has besides those of its channel. A round of attempts is one activity of ≤ 5 minutes. */
export const SharedFields = z.strictObject({
  type: z.string(),
  timeout: duration({ min: 100, max: 60_000 }).optional().meta({ title: 'Timeout', description: 'For one attempt.' }),
  max_attempts: z
    .int()
    .min(1)
    .max(10)
    .optional()
    .meta({ title: 'Attempts', description: 'Of one round: the first and the repeats.' }),
  backoff: duration({ min: 1, max: 120_000 })
    .optional()
    .meta({ title: 'Backoff', description: 'After the first failed attempt, doubling.' }),
  rate: rate().optional().meta({
    title: 'Rate',
    description:
      'Messages at most in any second, minute or hour, such as 1/s or 30/m; what is over it waits. Unless set, as many as the vendor allows; email, webhook, apprise and stdout, where nobody sets a limit for all, have none.',
  }),
  threshold: severity.optional().meta({ title: 'Threshold', description: 'The mildest severity it is told.' }),
  on_ambiguous: z.enum(ON_AMBIGUOUS).optional().meta({
    title: 'Answer lost',
    description:
      'Whether an attempt whose answer was lost is repeated where nobody can be asked; unless set, resend from warning upwards and drop for info.',
  }),
  enabled: z
    .boolean()
    .default(true)
    .meta({ title: 'Enabled', description: 'Off: nothing is sent, and each delivery says so.' }),
  privacy: z.enum(PRIVACIES).default('full').meta({
    title: 'Privacy',
    description:
      'How e-mail addresses and names of new users (user_registered) are shown: whole, masked (a•••@example.com), or not at all.',
  }),
  events: events.optional().meta({
    title: 'Events',
    description: `Switches by type of event, each on unless it is set: ${Object.values(TOGGLES).join(', ')}.`,
  }),
  owner: z
    .string()
    .min(1)
    .max(OWNER_MAX)
    .refine((owner) => !/\p{Cc}/u.test(owner), 'must not hold control characters')
    .optional()
    .meta({
      title: 'Owner',
      description: 'Whose it is, where it is somebody’s: routes with notify: [owner] tell it of events with this user.',
      pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$',
    }),
});

export const Escalation = z.strictObject({
  levels: z
    .array(z.strictObject({ notify: many(Name), wait: duration({ min: 1 }).default(300_000) }))
    .min(1, 'must have at least one level'),
  repeat: z.int().min(0).max(100).default(0),
  ack_timeout: duration({ min: 1 }).optional(),
});

/** `{ ops-slack: ops-mail, after: 15s, only: [critical] }`: integration names beside two words that are none. */
const failover = z.object({ after: duration({ min: 1 }).optional(), only: many(severity).optional() }).catchall(Name);

const groupLabel = z
  .string()
  .min(1)
  .refine((name) => name !== 'status', 'must not be status: a resolve has to find what fired');

const settings = {
  group_by: z
    .union([z.literal('all'), z.array(groupLabel)], { error: 'must be a list of labels (not status), or all' })
    .optional(),
  group_wait: duration().optional(),
  group_count: z.int().min(1).optional(),
  group_now: many(severity).optional(),
  group_interval: duration({ min: 1 }).optional(),
  repeat_interval: duration({ min: 1 }).optional(),
  notify: many(Name).optional(),
  failover: failover.optional(),
  escalate: Name.optional(),
  quiet: duration({ min: 1 }).optional(),
  tell_ack: z.boolean().optional(),
  tell_resolved: z.boolean().optional(),
};

export const Default = z.strictObject(settings);

const RouteFields = z.strictObject({
  name: Name.refine(
    (name) => name !== 'default',
    'must not be default, which is the name of what no route takes',
  ).optional(),
  match: matchers.optional(),
  type: many(
    z
      .string()
      .min(1)
      .transform((pattern) => ({ pattern, test: globTest(pattern) })),
  ).optional(),
  continue: z.boolean().default(false),
  active: many(Name).optional(),
  mute: many(Name).optional(),
  severity_during: z.record(Name, z.int().min(-3).max(3)).optional(),
  lifecycle: z.string().min(1).optional(),
  ...settings,
});

export type RouteWritten = z.output<typeof RouteFields> & { routes?: RouteWritten[] | undefined };
export const RouteEntry: z.ZodType<RouteWritten> = RouteFields.extend({
  routes: z.array(z.lazy(() => RouteEntry)).optional(),
});

export const SummaryEntry = z.strictObject({
  name: Name,
  at: z.string().refine((text) => (parseTime(text) ?? 1440) < 1440, 'must be a time such as 18:00'),
  timezone: parsed(parseTimezone).default('UTC'),
  notion: Name.optional(),
  notify: many(Name).default([]),
  facts: z.array(z.string().min(1)).default(['pnl', 'halted', 'daily_target']),
  jitter: duration().optional(),
  catch_up: duration().default(172_800_000),
});

export const InhibitionEntry = z.strictObject({
  name: Name.optional(),
  source: matchers,
  target: matchers,
  equal: z.array(z.string().min(1)).default([]),
});

/** Characters of a reason. */
const REASON_MAX = 4_000;

export const MaintenanceEntry = z.strictObject({
  name: Name,
  match: matchers,
  during: many(Name),
  reason: z.string().max(REASON_MAX).default(''),
  by: z.string().max(REASON_MAX).default(''),
});

export const IntervalEntry = z.strictObject({
  timezone: parsed(parseTimezone).default('UTC'),
  weekdays: many(parsed(parseWeekdays)).optional(),
  times: many(parsed(parseTimes)).optional(),
  days_of_month: many(parsed(parseDaysOfMonth)).optional(),
  months: many(parsed(parseMonths)).optional(),
  dates: many(parsed(parseDate)).optional(),
});

export const Egress = z.strictObject({
  allow: z
    .array(z.string().refine(isCidrOrHost, 'must be a range such as 10.0.0.0/8, an address or a host name'))
    .default([]),
  ports: z.array(z.int().min(1).max(65_535)).optional(),
});

function isCidrOrHost(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const version = isIP(address);
  if (version !== 0)
    return (
      more.length === 0 &&
      (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128)))
    );
  return bits === undefined && /^(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*$/i.test(text) && !/^[\d.]+$/.test(text);
}

/** Senders repeat for days (Standard Webhooks: 75 hours): an id that is forgotten sooner could come again as another event. */
const RETENTION_MIN_MS = 7 * 86_400_000;
const kept = (days: number, min = RETENTION_MIN_MS) => duration({ min }).default(days * 86_400_000);

/** How long each is kept after it was over, at least. */
export const RetentionSection = z.strictObject({
  events: kept(90).meta({
    title: 'Events',
    description:
      'From their arrival, and as long as an incident that they joined. So long the same id is the same event.',
  }),
  incidents: kept(90).meta({
    title: 'Incidents',
    description: 'From their end: with timeline, alerts, deliveries and attempts. An open one stays.',
  }),
  sends: kept(90).meta({ title: 'Sends', description: 'Tests, redeliveries and short summaries, from their end.' }),
  summaries: kept(730).meta({ title: 'Summaries', description: 'The days that summaries were written of.' }),
  audit: kept(2_555).meta({ title: 'Audit', description: 'Seven years, from the change; a signed tombstone stays.' }),
});

export const Links = z.strictObject({ grafana: webAddress.optional(), prometheus: webAddress.optional() });
export const PublicUrl = webAddress;

/** Who somebody is in each channel: `ana: { slack: U0123, telegram: '42' }`. */
export const Person = z.record(Name, many(z.string({ error: 'must be a text: put it in quotes' }).min(1).max(200)));

/** The sections of the file; each entry is validated on its own, so that every problem is heard of at once. */
export const SECTIONS = [
  'integrations',
  'escalations',
  'routes',
  'default',
  'summaries',
  'inhibitions',
  'time_intervals',
  'maintenance',
  'egress',
  'sources',
  'links',
  'public_url',
  'retention',
  'people',
  'heartbeats',
] as const;
