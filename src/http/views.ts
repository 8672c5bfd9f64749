/** The shapes of the answers, for the OpenAPI document: what the ledger shows to people. */
import { z } from 'zod';
import { FAILURES } from '../channels/index.ts';
import { DEATHS, DELIVERY_STATES, type DeliveryState } from '../core/delivery.ts';
import { ON_AMBIGUOUS } from '../core/doubt.ts';
import { SEVERITIES } from '../core/event.ts';
import { HEALTH_REASONS, HEALTH_STATES } from '../core/health.ts';
import { INCIDENT_STATUSES, REASONS, type Reason } from '../core/notice.ts';
import { PRIVACIES } from '../core/privacy.ts';
import { WORKING_STATES } from '../ledger/answers.ts';
import { SCOPES } from '../ledger/keys.ts';
import { OutcomeView } from './outcomes.ts';

const time = z.iso.datetime().meta({ description: 'UTC, by the clock of the ledger.' });
const words = Object.keys(REASONS) as [Reason, ...Reason[]];
const states = Object.keys(DELIVERY_STATES) as [DeliveryState, ...DeliveryState[]];
const any = z.unknown();

export const IncidentView = z.looseObject({
  id: z.string().meta({ examples: ['INC-1042'] }),
  status: z.enum(INCIDENT_STATUSES),
  severity: z.enum(SEVERITIES),
  title: z.string(),
  service: z.string().optional(),
  source: z.string(),
  type: z.string(),
  route: z.string(),
  lifecycle: z.string().optional(),
  working_state: z.enum(WORKING_STATES).optional(),
  alert_count: z.int(),
  opened_at: time,
  first_at: time,
  last_at: time,
  acked_at: time.optional(),
  answered_by: z.string().optional(),
  answered_at: time.optional(),
  snoozed_until: time.optional(),
  resolved_at: time.optional(),
  closed_at: time.optional(),
  close_reason: z.string().optional(),
  url: z.string().optional(),
});

export const DeliveryView = z.looseObject({
  id: z.int(),
  key: z.string().meta({ description: 'Constant over the attempts: what a receiver recognises a repeat by.' }),
  incident: z.string().optional(),
  target: z.string(),
  channel: z.string().optional(),
  reason: z.enum(words),
  level: z.int().optional(),
  status: z.enum(states).meta({
    description: `How it stands. ${Object.entries(DELIVERY_STATES)
      .map(([state, words]) => `${state}: ${words}`)
      .join('. ')}.`,
  }),
  attempts: z.int(),
  failure: z
    .string()
    .optional()
    .meta({
      description: `Why it failed: a failure of an attempt (${FAILURES.join(', ')}), or, without one, ${Object.entries(
        DEATHS,
      )
        .map(([death, words]) => `${death}: ${words}`)
        .join('; ')}.`,
    }),
  detail: z.string().optional(),
  scheduled_at: time,
  created_at: time,
  next_at: time.optional().meta({ description: 'When the next round of attempts begins, where one waits.' }),
  ended_at: time.optional(),
  receipt_at: time.optional().meta({ description: 'When the provider last said what became of it.' }),
  superseded_by: z.string().optional().meta({ description: 'The key of the delivery that carries its news.' }),
  redirected_from: z.int().optional().meta({
    description:
      'The id of the delivery that this one repeats under a key of its own, or that it follows with a working state.',
  }),
});

export const AttemptView = z.looseObject({
  started_at: time,
  ended_at: time.optional(),
  outcome: z
    .enum(['delivered', 'retrying', 'dead', 'lost'])
    .optional()
    .meta({ description: 'Absent while it is under way; lost: nobody recorded how it ended.' }),
  reason: z
    .string()
    .optional()
    .meta({
      description: `The class of its failure: ${FAILURES.join(', ')}; answer_lost where it was not made at all.`,
    }),
  code: z.string().optional().meta({ description: "The provider's answer: an HTTP or SMTP status, or its own word." }),
  latency_ms: z.int().optional().meta({ description: 'How long it took.' }),
  detail: z.string().optional().meta({ description: 'What the provider said, in short and without secrets.' }),
});
export const DeliveryDetail = DeliveryView.extend({
  attempts_made: z.array(AttemptView),
  recipients: z
    .array(
      z.looseObject({
        address: z.string().meta({ description: 'Masked: o•••@example.com.' }),
        outcome: z.enum(['accepted', 'refused']),
        code: z.string().optional().meta({ description: 'What the server answered: an SMTP status.' }),
      }),
    )
    .optional()
    .meta({ description: 'Of mail: what became of it for each recipient. Where one delivery is asked for.' }),
});

export const RedeliveryAnswer = z.object({
  asked: z
    .array(z.object({ id: z.int(), send: z.int(), delivery: z.string() }))
    .meta({ description: 'What will be sent: the id, the order to send it, and the delivery key it goes under.' }),
  refused: z.array(z.object({ id: z.int(), why: z.string() })).meta({ description: 'What will not, and why.' }),
});

export const HealthView = z.object({
  state: z.enum(HEALTH_STATES).meta({
    description:
      'failing: everything is still tried; disabled: deliveries end dead with the reason `disabled`, but for a probe now and then.',
  }),
  since: time.optional(),
  why: z.string().optional(),
  because: z.enum(Object.keys(HEALTH_REASONS) as [keyof typeof HEALTH_REASONS]).optional(),
});

export const IncidentDetail = IncidentView.extend({
  timeline: z.array(any),
  alerts: z.array(any),
  deliveries: z.array(DeliveryDetail),
  workflow_url: z.string().optional().meta({ description: "The incident's run in Temporal's own pages." }),
});

export const CommandAnswer = z.object({
  incident: IncidentView,
  outcome: z.enum(['done', 'already']).meta({ description: 'already: somebody was first, see `by`.' }),
  by: z.string().optional(),
  begun: z
    .array(z.object({ delivery: z.string(), target: z.string(), reason: z.enum(words) }))
    .meta({ description: 'Pages that had begun before this was accepted and cannot be taken back.' }),
});

const ids = z.array(z.object({ id: z.string() }));
export const EventsAnswer = z.object({
  accepted: ids.meta({ description: 'Kept now.' }),
  duplicates: ids.meta({ description: 'Kept before: the same id of the same source.' }),
  rejected: z.array(z.object({ index: z.int(), field: z.string(), problem: z.string() })),
  results: z.array(OutcomeView).optional().meta({ description: 'Where a wait was asked for.' }),
});

export const StoredEventView = z.looseObject({
  id: z.string(),
  source: z.string(),
  accepted_at: time,
  event: any,
  decision: any,
  joins: z.array(any),
  deliveries: z.array(any),
});

export const IntegrationView = z.object({
  name: z.string(),
  type: z.string(),
  origin: z.enum(['file', 'api']).meta({ description: 'Where it is kept; what is in the file is changed there.' }),
  owner: z.string().optional(),
  enabled: z.boolean(),
  problem: z.string().optional().meta({ description: 'Why it cannot be used; absent where it can.' }),
  threshold: z.enum(SEVERITIES).optional(),
  on_ambiguous: z.enum(ON_AMBIGUOUS).optional().meta({ description: 'Absent: by the severity.' }),
  privacy: z.enum(PRIVACIES).optional(),
  patience: z.object({ timeout_ms: z.number(), max_attempts: z.int(), backoff_ms: z.number() }).optional(),
  rate: z.object({ count: z.number(), per_ms: z.number() }).optional(),
  health: HealthView,
  events: z
    .record(z.string(), z.boolean())
    .meta({ description: 'The switches by type of event: whether such an event is told here.' }),
  config: z.record(z.string(), any).meta({ description: 'The fields of its channel that are no secrets.' }),
  secrets: z
    .record(z.string(), z.object({ set: z.boolean(), last4: z.string().optional() }))
    .meta({ description: 'By field: whether the secret is set, and its end where it is long enough. Never more.' }),
  settings: z
    .record(z.string(), any)
    .optional()
    .meta({ description: 'Of one that is kept here: the settings as they were written, for a change.' }),
  revision: z.int().optional().meta({ description: 'Also its ETag, for If-Match.' }),
  made_at: time.optional(),
  made_by: z.string().optional(),
  changed_at: time.optional(),
  changed_by: z.string().optional(),
  cleared: z
    .array(z.string())
    .optional()
    .meta({ description: 'Of a change: secrets that were cleared because an address now leads somewhere else.' }),
});

const form = z.record(z.string(), any).meta({ description: 'JSON Schema, with titles and help.' });
export const ChannelsAnswer = z.object({
  channels: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      kind: z.enum(['channel', 'writer']).meta({ description: 'A writer keeps daily pages and is told nothing.' }),
      setup: z.string().meta({ description: 'What to do at the vendor before it works.' }),
      can: z
        .object({ thread: z.boolean(), update: z.boolean(), answer: z.boolean(), check: z.boolean() })
        .meta({ description: 'check: its credentials can be asked about without sending anything.' }),
      form: form,
      secrets: z
        .array(z.string())
        .meta({ description: 'Fields that are never shown again; `*` stands for any name: `headers.*`.' }),
      sample: z.record(z.string(), any).meta({ description: 'A complete configuration with invented values.' }),
    }),
  ),
  settings: form.meta({ description: 'JSON Schema of what every integration may have besides.' }),
});

export const KeyView = z.looseObject({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  expires_at: time.optional(),
});
export const MadeKey = KeyView.extend({ secret: z.string().meta({ description: 'The key itself, shown only now.' }) });

export const AuditRow = z.looseObject({
  seq: z.int(),
  at: time,
  actor: z.string(),
  action: z.string(),
  object: z.string(),
  detail: any,
  request_id: z.string().optional(),
  number: z.int().optional().meta({ description: 'Its place in the chain, without a gap; within seconds.' }),
  hash: z.string().optional().meta({ description: 'SHA-256 over the row and the hash before it, in hex.' }),
});

export const Explained = z.object({
  lines: z.array(z.string()).meta({ description: 'The whole decision in sentences.' }),
  decision: any.meta({
    description: 'Routes tried, the ones taken, the grouping keys, who would be told when, and why.',
  }),
  event: any.meta({ description: 'The event as it would be kept.' }),
});

export const SendAnswer = z.object({
  send: z.int(),
  ended: z.boolean().meta({ description: 'false: it is under way, and its outcome is not known yet.' }),
  outcome: any.optional(),
  delivery: z.string().optional().meta({ description: 'The key of the delivery that is sent.' }),
});

export const TestAnswer = SendAnswer.extend({
  success: z.boolean().meta({ description: 'Whether it went well; false also while it is under way.' }),
  integrationType: z.string(),
  integrationId: z.string().meta({ description: 'Its name.' }),
  error: z.string().optional().meta({ description: 'What went wrong, and what to do about it.' }),
  checked: z
    .enum(['credentials', 'message'])
    .meta({ description: 'credentials: nothing was sent. message: a test message was.' }),
});

export const ProblemView = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  errors: z.array(z.object({ field: z.string(), problem: z.string() })).optional(),
  request_id: z.string(),
});

/** A page of a list: `{ <noun>: […], next? }`. */
export const pageOf = (noun: string, item: z.ZodType) =>
  z.object({
    [noun]: z.array(item),
    next: z.string().optional().meta({ description: 'The cursor of the next page.' }),
  });

export const SilenceView = z.object({
  id: z.string(),
  state: z.enum(['pending', 'active', 'expired']),
  quiet: z
    .boolean()
    .meta({ description: 'Whether it keeps anything quiet now; a maintenance window is not always on.' }),
  match: z.array(z.string()),
  starts_at: time,
  ends_at: time.optional(),
  during: z.array(any).optional().meta({ description: 'Its time intervals: minutes of the day, days from Sunday, 0.' }),
  reason: z.string(),
  by: z.string(),
  updated_at: time,
});

export const MaintenanceView = SilenceView.extend({
  origin: z.enum(['file', 'api']).meta({ description: 'Where it is kept; what is in the file is changed there.' }),
});

/** The shapes that the document describes once, by the names that clients know them by. */
const NAMED = {
  Incident: IncidentView,
  IncidentDetail,
  Delivery: DeliveryView,
  DeliveryDetail,
  Attempt: AttemptView,
  Outcome: OutcomeView,
  Health: HealthView,
  Integration: IntegrationView,
  Key: KeyView,
  MadeKey,
  AuditRow,
  Silence: SilenceView,
  StoredEvent: StoredEventView,
  EventsAnswer,
  CommandAnswer,
  RedeliveryAnswer,
  SendAnswer,
  TestAnswer,
  ChannelsAnswer,
  Explained,
};
for (const [id, view] of Object.entries(NAMED)) z.globalRegistry.add(view, { id });
