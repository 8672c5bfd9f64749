/**
 * The API as types, for openapi-fetch. Written from the OpenAPI document by a test (CLIENT=write vitest run
 * test/clients/api.test.ts), which also says when it is out of date: not to be edited.
 */

type Json<T> = { content: { 'application/json': T } };
type Refused = { content: { 'application/problem+json': Problem } };

export type Problem = {
  type: string;
  title: string;
  status: number;
  detail: string;
  errors?: Array<{ field: string; problem: string }>;
  request_id: string;
};

export type Event = {
  /** The same id from the same source is one event. Made if absent. */
  id?: string | null;
  /** Who says it: the name of the sending system. */
  source: string;
  /** What kind of event; words joined by _ . or : */
  type: string;
  /** The line people read. Required, unless message is given. */
  title?: string | null;
  /** Taken for the title where that is absent, else for the body. */
  message?: string | null;
  /** critical, error, warning or info (the default); P0 to P4 and syslog words are understood. */
  severity?: string | null;
  body?: string | null;
  service?: string | null;
  /** What is affected. */
  components?: string[] | null;
  labels?: Record<string, string> | null;
  /** Any JSON; shown by channels that can show it. */
  context?: unknown;
  trace_id?: string | null;
  /** Another spelling of trace_id. */
  traceId?: string | null;
  request_id?: string | null;
  /** Another spelling of request_id. */
  requestId?: string | null;
  assignees?: string[] | null;
  /** Who it is about: a route with notify: [owner] tells this user's integrations. The label user does too. */
  user?: string | null;
  links?: Array<{ title: string; url: string }> | null;
  status?: 'firing' | 'resolved' | null;
  /** Events of a source with the same key are one alert. */
  dedup_key?: string | null;
  /** ISO 8601, or seconds or milliseconds since 1970. */
  occurred_at?: string | number | null;
  /** Another spelling of occurred_at. */
  ts?: string | number | null;
};

export type EventsAnswer = {
  /** Kept now. */
  accepted: Array<{ id: string }>;
  /** Kept before: the same id of the same source. */
  duplicates: Array<{ id: string }>;
  rejected: Array<{ index: number; field: string; problem: string }>;
  /** Where a wait was asked for. */
  results?: Outcome[];
};

export type Outcome = {
  incident: string;
  integration: string;
  /** The id of its channel. */
  type?: string;
  /** pending, sending and failed are not the end of it: see the incident. */
  state: 'pending' | 'sending' | 'sent' | 'delivered' | 'read' | 'failed' | 'dead' | 'skipped' | 'superseded';
  /** The delivery key, once one has begun. */
  delivery?: string;
  /** Why it failed, or why it was not sent. */
  error?: string;
};

export type StoredEvent = {
  id: string;
  source: string;
  /** UTC, by the clock of the ledger. */
  accepted_at: string;
  event: unknown;
  decision: unknown;
  joins: unknown[];
  deliveries: unknown[];
};

export type Alert = {
  /** Also external_id. The same id from the same source is one alert. */
  id?: string | null;
  /** Also alert_type; `alert` unless given. */
  type?: string | null;
  /** Who says it. */
  source: string;
  /** The line people read. */
  title?: string | null;
  /** What is known of it. */
  description?: string | null;
  /** P0 to P4, or critical, error, warning, info; info unless given. */
  severity?: string | null;
  /** The service it is about. */
  service?: string | null;
  /** What is affected; also affected_services. */
  affected_resources?: string[] | null;
  labels?: Record<string, string> | null;
  /** Who is on it. */
  assignees?: string[] | null;
  /** Who it is about; also user_id. */
  user?: string | null;
  /** Shown as a link: an http or https address. */
  runbook_url?: string | null;
  status?: 'firing' | 'resolved' | null;
  /** Also fingerprint. Alerts of a source with the same key are one. */
  dedup_key?: string | null;
};

export type NewIncident = {
  /** Also external_id: names the incident, here and in its commands. Made if absent. */
  id?: string | null;
  /** Also incident_type; `incident` unless given. */
  type?: string | null;
  /** Who says it. */
  source: string;
  /** The line people read. */
  title?: string | null;
  /** What is known of it. */
  description?: string | null;
  /** P0 to P4, or critical, error, warning, info; info unless given. */
  severity?: string | null;
  /** The service it is about. */
  service?: string | null;
  /** What is affected; also affected_services. */
  affected_resources?: string[] | null;
  labels?: Record<string, string> | null;
  /** Who is on it. */
  assignees?: string[] | null;
  /** Who it is about; also user_id. */
  user?: string | null;
  /** Shown as a link: an http or https address. */
  runbook_url?: string | null;
};

export type JobAlert = {
  /** One of job_started, job_completed, job_failed, job_cancelled, gpu_oom, timeout_warning, disk_warning, or any other; also alert_type. */
  type: string;
  /** Whose job it is; also userId. */
  user_id?: string | number | null;
  /** A text or a number; also jobId. Anything else is kept with the rest. */
  job_id?: unknown;
  /** Made of the type and the job unless given. */
  title?: string | null;
  /** What is known of it. */
  message?: string | null;
  /** By the type unless given. */
  severity?: string | null;
  /** What is known of the job, an object; also metadata. */
  data?: unknown;
};

export type Incident = {
  id: string;
  status: 'open' | 'acknowledged' | 'snoozed' | 'resolved';
  severity: 'critical' | 'error' | 'warning' | 'info';
  title: string;
  service?: string;
  source: string;
  type: string;
  route: string;
  lifecycle?: string;
  working_state?: 'triaged' | 'investigating' | 'remediating';
  alert_count: number;
  /** UTC, by the clock of the ledger. */
  opened_at: string;
  /** UTC, by the clock of the ledger. */
  first_at: string;
  /** UTC, by the clock of the ledger. */
  last_at: string;
  /** UTC, by the clock of the ledger. */
  acked_at?: string;
  answered_by?: string;
  /** UTC, by the clock of the ledger. */
  answered_at?: string;
  /** UTC, by the clock of the ledger. */
  snoozed_until?: string;
  /** UTC, by the clock of the ledger. */
  resolved_at?: string;
  /** UTC, by the clock of the ledger. */
  closed_at?: string;
  close_reason?: string;
  url?: string;
};

export type IncidentDetail = {
  id: string;
  status: 'open' | 'acknowledged' | 'snoozed' | 'resolved';
  severity: 'critical' | 'error' | 'warning' | 'info';
  title: string;
  service?: string;
  source: string;
  type: string;
  route: string;
  lifecycle?: string;
  working_state?: 'triaged' | 'investigating' | 'remediating';
  alert_count: number;
  /** UTC, by the clock of the ledger. */
  opened_at: string;
  /** UTC, by the clock of the ledger. */
  first_at: string;
  /** UTC, by the clock of the ledger. */
  last_at: string;
  /** UTC, by the clock of the ledger. */
  acked_at?: string;
  answered_by?: string;
  /** UTC, by the clock of the ledger. */
  answered_at?: string;
  /** UTC, by the clock of the ledger. */
  snoozed_until?: string;
  /** UTC, by the clock of the ledger. */
  resolved_at?: string;
  /** UTC, by the clock of the ledger. */
  closed_at?: string;
  close_reason?: string;
  url?: string;
  timeline: unknown[];
  alerts: unknown[];
  deliveries: DeliveryDetail[];
  /** The incident's run in Temporal's own pages. */
  workflow_url?: string;
};

export type DeliveryDetail = {
  id: number;
  /** Constant over the attempts: what a receiver recognises a repeat by. */
  key: string;
  incident?: string;
  target: string;
  channel?: string;
  reason: 'group_now' | 'group_count' | 'group_wait' | 'group_interval' | 'severity_rose' | 'fired_again' | 'repeat_interval' | 'escalated' | 'escalated_by_hand' | 'failover' | 'acknowledged' | 'unacknowledged' | 'ack_timed_out' | 'snoozed' | 'snooze_ended' | 'resolved' | 'working' | 'story' | 'test' | 'summary';
  level?: number;
  /** How it stands. pending: decided, and no attempt has begun: it waits for its turn under a rate, or to be sent again by hand. sending: an attempt is under way. sent: the provider took it and passes it on (mail, telephone networks); whether it arrived is not known, or not yet. delivered: it arrived: the receiver itself took it, or the provider said later that it had. read: the provider said that somebody has read it. failed: the last attempt failed, and another follows by itself. dead: it failed for good, with the reason in `failure`; it can be sent again by hand. skipped: it was decided not to send it, with the reason in `detail`. superseded: a newer notice carries its news (`superseded_by`), or an answer came before it was sent. */
  status: 'pending' | 'sending' | 'sent' | 'delivered' | 'read' | 'failed' | 'dead' | 'skipped' | 'superseded';
  attempts: number;
  /** Why it failed: a failure of an attempt (rate_limited, timeout, network, server, auth, config, payload, gone, blocked, unforeseen), or, without one, disabled: its integration is disabled after refusing or failing too often; cancelled: an operator cancelled it; answer_lost: the answer to an attempt was lost, and a repeat could have been a second message (on_ambiguous: drop); not_arrived: the provider took it, and said later that it did not arrive. */
  failure?: string;
  detail?: string;
  /** UTC, by the clock of the ledger. */
  scheduled_at: string;
  /** UTC, by the clock of the ledger. */
  created_at: string;
  /** When the next round of attempts begins, where one waits. */
  next_at?: string;
  /** UTC, by the clock of the ledger. */
  ended_at?: string;
  /** When the provider last said what became of it. */
  receipt_at?: string;
  /** The key of the delivery that carries its news. */
  superseded_by?: string;
  /** The id of the delivery that this one repeats under a key of its own, or that it follows with a working state. */
  redirected_from?: number;
  attempts_made: Attempt[];
  /** Of mail: what became of it for each recipient. Where one delivery is asked for. */
  recipients?: Array<{
    /** Masked: o•••@example.com. */
    address: string;
    outcome: 'accepted' | 'refused';
    /** What the server answered: an SMTP status. */
    code?: string;
  }>;
};

export type Attempt = {
  /** UTC, by the clock of the ledger. */
  started_at: string;
  /** UTC, by the clock of the ledger. */
  ended_at?: string;
  /** Absent while it is under way; lost: nobody recorded how it ended. */
  outcome?: 'delivered' | 'retrying' | 'dead' | 'lost';
  /** The class of its failure: rate_limited, timeout, network, server, auth, config, payload, gone, blocked, unforeseen; answer_lost where it was not made at all. */
  reason?: string;
  /** The provider's answer: an HTTP or SMTP status, or its own word. */
  code?: string;
  /** How long it took. */
  latency_ms?: number;
  /** What the provider said, in short and without secrets. */
  detail?: string;
};

export type CommandAnswer = {
  incident: Incident;
  /** already: somebody was first, see `by`. */
  outcome: 'done' | 'already';
  by?: string;
  /** Pages that had begun before this was accepted and cannot be taken back. */
  begun: Array<{
    delivery: string;
    target: string;
    reason: 'group_now' | 'group_count' | 'group_wait' | 'group_interval' | 'severity_rose' | 'fired_again' | 'repeat_interval' | 'escalated' | 'escalated_by_hand' | 'failover' | 'acknowledged' | 'unacknowledged' | 'ack_timed_out' | 'snoozed' | 'snooze_ended' | 'resolved' | 'working' | 'story' | 'test' | 'summary';
  }>;
};

export type Delivery = {
  id: number;
  /** Constant over the attempts: what a receiver recognises a repeat by. */
  key: string;
  incident?: string;
  target: string;
  channel?: string;
  reason: 'group_now' | 'group_count' | 'group_wait' | 'group_interval' | 'severity_rose' | 'fired_again' | 'repeat_interval' | 'escalated' | 'escalated_by_hand' | 'failover' | 'acknowledged' | 'unacknowledged' | 'ack_timed_out' | 'snoozed' | 'snooze_ended' | 'resolved' | 'working' | 'story' | 'test' | 'summary';
  level?: number;
  /** How it stands. pending: decided, and no attempt has begun: it waits for its turn under a rate, or to be sent again by hand. sending: an attempt is under way. sent: the provider took it and passes it on (mail, telephone networks); whether it arrived is not known, or not yet. delivered: it arrived: the receiver itself took it, or the provider said later that it had. read: the provider said that somebody has read it. failed: the last attempt failed, and another follows by itself. dead: it failed for good, with the reason in `failure`; it can be sent again by hand. skipped: it was decided not to send it, with the reason in `detail`. superseded: a newer notice carries its news (`superseded_by`), or an answer came before it was sent. */
  status: 'pending' | 'sending' | 'sent' | 'delivered' | 'read' | 'failed' | 'dead' | 'skipped' | 'superseded';
  attempts: number;
  /** Why it failed: a failure of an attempt (rate_limited, timeout, network, server, auth, config, payload, gone, blocked, unforeseen), or, without one, disabled: its integration is disabled after refusing or failing too often; cancelled: an operator cancelled it; answer_lost: the answer to an attempt was lost, and a repeat could have been a second message (on_ambiguous: drop); not_arrived: the provider took it, and said later that it did not arrive. */
  failure?: string;
  detail?: string;
  /** UTC, by the clock of the ledger. */
  scheduled_at: string;
  /** UTC, by the clock of the ledger. */
  created_at: string;
  /** When the next round of attempts begins, where one waits. */
  next_at?: string;
  /** UTC, by the clock of the ledger. */
  ended_at?: string;
  /** When the provider last said what became of it. */
  receipt_at?: string;
  /** The key of the delivery that carries its news. */
  superseded_by?: string;
  /** The id of the delivery that this one repeats under a key of its own, or that it follows with a working state. */
  redirected_from?: number;
};

export type RedeliveryAnswer = {
  /** What will be sent: the id, the order to send it, and the delivery key it goes under. */
  asked: Array<{ id: number; send: number; delivery: string }>;
  /** What will not, and why. */
  refused: Array<{ id: number; why: string }>;
};

export type SendAnswer = {
  send: number;
  /** false: it is under way, and its outcome is not known yet. */
  ended: boolean;
  outcome?: unknown;
  /** The key of the delivery that is sent. */
  delivery?: string;
};

export type Integration = {
  name: string;
  type: string;
  /** Where it is kept; what is in the file is changed there. */
  origin: 'file' | 'api';
  owner?: string;
  enabled: boolean;
  /** Why it cannot be used; absent where it can. */
  problem?: string;
  threshold?: 'critical' | 'error' | 'warning' | 'info';
  /** Absent: by the severity. */
  on_ambiguous?: 'resend' | 'drop';
  privacy?: 'full' | 'mask' | 'none';
  patience?: { timeout_ms: number; max_attempts: number; backoff_ms: number };
  rate?: { count: number; per_ms: number };
  health: Health;
  /** The switches by type of event: whether such an event is told here. */
  events: Record<string, boolean>;
  /** The fields of its channel that are no secrets. */
  config: Record<string, unknown>;
  /** By field: whether the secret is set, and its end where it is long enough. Never more. */
  secrets: Record<string, { set: boolean; last4?: string }>;
  /** Of one that is kept here: the settings as they were written, for a change. */
  settings?: Record<string, unknown>;
  /** Also its ETag, for If-Match. */
  revision?: number;
  /** UTC, by the clock of the ledger. */
  made_at?: string;
  made_by?: string;
  /** UTC, by the clock of the ledger. */
  changed_at?: string;
  changed_by?: string;
  /** Of a change: secrets that were cleared because an address now leads somewhere else. */
  cleared?: string[];
};

export type Health = {
  /** failing: everything is still tried; disabled: deliveries end dead with the reason `disabled`, but for a probe now and then. */
  state: 'ok' | 'failing' | 'disabled';
  /** UTC, by the clock of the ledger. */
  since?: string;
  why?: string;
  because?: 'gone' | 'refused' | 'dead_in_a_row' | 'only_failures';
};

export type TestAnswer = {
  send: number;
  /** false: it is under way, and its outcome is not known yet. */
  ended: boolean;
  outcome?: unknown;
  /** The key of the delivery that is sent. */
  delivery?: string;
  /** Whether it went well; false also while it is under way. */
  success: boolean;
  integrationType: string;
  /** Its name. */
  integrationId: string;
  /** What went wrong, and what to do about it. */
  error?: string;
  /** credentials: nothing was sent. message: a test message was. */
  checked: 'credentials' | 'message';
};

export type ChannelsAnswer = {
  channels: Array<{
    id: string;
    name: string;
    /** A writer keeps daily pages and is told nothing. */
    kind: 'channel' | 'writer';
    /** What to do at the vendor before it works. */
    setup: string;
    /** check: its credentials can be asked about without sending anything. */
    can: { thread: boolean; update: boolean; answer: boolean; check: boolean };
    /** JSON Schema, with titles and help. */
    form: Record<string, unknown>;
    /** Fields that are never shown again; `*` stands for any name: `headers.*`. */
    secrets: string[];
    /** A complete configuration with invented values. */
    sample: Record<string, unknown>;
  }>;
  /** JSON Schema of what every integration may have besides. */
  settings: Record<string, unknown>;
};

export type Explained = {
  /** The whole decision in sentences. */
  lines: string[];
  /** Routes tried, the ones taken, the grouping keys, who would be told when, and why. */
  decision: unknown;
  /** The event as it would be kept. */
  event: unknown;
};

export type Silence = {
  id: string;
  state: 'pending' | 'active' | 'expired';
  /** Whether it keeps anything quiet now; a maintenance window is not always on. */
  quiet: boolean;
  match: string[];
  /** UTC, by the clock of the ledger. */
  starts_at: string;
  /** UTC, by the clock of the ledger. */
  ends_at?: string;
  /** Its time intervals: minutes of the day, days from Sunday, 0. */
  during?: unknown[];
  reason: string;
  by: string;
  /** UTC, by the clock of the ledger. */
  updated_at: string;
};

export type MadeKey = {
  id: string;
  name: string;
  scopes: Array<'ingest' | 'operator' | 'admin'>;
  /** UTC, by the clock of the ledger. */
  expires_at?: string;
  /** The key itself, shown only now. */
  secret: string;
};

export type Key = {
  id: string;
  name: string;
  scopes: Array<'ingest' | 'operator' | 'admin'>;
  /** UTC, by the clock of the ledger. */
  expires_at?: string;
};

export type AuditRow = {
  seq: number;
  /** UTC, by the clock of the ledger. */
  at: string;
  actor: string;
  action: string;
  object: string;
  detail: unknown;
  request_id?: string;
  /** Its place in the chain, without a gap; within seconds. */
  number?: number;
  /** SHA-256 over the row and the hash before it, in hex. */
  hash?: string;
};

export interface paths {
  '/v1/events': {
    /** Send events */
    post: {
      parameters: { query?: { wait?: string } };
      requestBody: Json<Event | Event[]>;
      responses: { 202: Json<EventsAnswer>; default: Refused };
    };
  };
  '/v1/events/{id}': {
    /** See where an event went, and why */
    get: {
      parameters: { path: { id: string } };
      responses: {
        200: Json<{
          events: StoredEvent[];
          /** The cursor of the next page. */
          next?: string;
        }>;
        default: Refused;
      };
    };
  };
  '/v1/alerts': {
    /** Send an alert */
    post: {
      parameters: { query?: { wait?: string } };
      requestBody: Json<Alert>;
      responses: {
        202: Json<{
          /** Of the event that was kept: GET /v1/events/{id} says where it went. */
          id: string;
          /** duplicate: this id was kept before. */
          status: 'accepted' | 'duplicate';
          /** The incident it joined, where that is known by now. */
          incident_id?: string;
          /** Where a wait was asked for. */
          results?: Outcome[];
        }>;
        default: Refused;
      };
    };
  };
  '/v1/incidents': {
    /** Create an incident */
    post: {
      parameters: { query?: { wait?: string } };
      requestBody: Json<NewIncident>;
      responses: {
        202: Json<{
          /** The name it was created under; GET /v1/incidents/{id} finds it by that too. */
          id: string;
          /** duplicate: this id was kept before. */
          status: 'accepted' | 'duplicate';
          /** The incident it joined, where that is known by now. */
          incident_id?: string;
          /** Where a wait was asked for. */
          results?: Outcome[];
          url?: string;
        }>;
        default: Refused;
      };
    };
    /** List incidents, the newest first */
    get: {
      parameters: {
        query?: {
          status?: 'open' | 'acknowledged' | 'snoozed' | 'resolved';
          severity?: 'critical' | 'error' | 'warning' | 'info';
          service?: string;
          q?: string;
          cursor?: string;
          limit?: number;
        };
      };
      responses: {
        200: Json<{
          incidents: Incident[];
          /** The cursor of the next page. */
          next?: string;
        }>;
        default: Refused;
      };
    };
  };
  '/api/alerts/trigger': {
    /** Send an alert of a job */
    post: {
      parameters: { query?: { wait?: string } };
      requestBody: Json<JobAlert>;
      responses: {
        200: Json<{
          /** true: it is kept, and everyone who should hear will. */
          success: boolean;
          /** Of the event that was kept. */
          id: string;
          incident?: string;
          /** One for each integration that is told; none for those that have it switched off. */
          integrationResults: Array<{
            /** Whether it was told; false also while that is under way. */
            success: boolean;
            integrationType: string;
            /** Its name. */
            integrationId: string;
            error?: string;
            state: 'pending' | 'sending' | 'sent' | 'delivered' | 'read' | 'failed' | 'dead' | 'skipped' | 'superseded';
            delivery?: string;
          }>;
        }>;
        default: Refused;
      };
    };
  };
  '/api/integrations/{type}/test': {
    /** Test the integrations of a type */
    post: {
      parameters: { path: { type: string } };
      requestBody?: Json<{
        /** Only those of this owner; also user_id. */
        userId?: string;
        user_id?: string;
        /** Only the one of this name; also integration_id. */
        integrationId?: string;
        integration_id?: string;
        /** Send a test message in any case. */
        message?: boolean;
      }>;
      responses: {
        200: Json<{
          /** Whether it was told; false also while that is under way. */
          success: boolean;
          integrationType: string;
          /** Its name. */
          integrationId: string;
          error?: string;
          /** Each of them, where there is more than one. */
          results?: Array<{
            /** Whether it was told; false also while that is under way. */
            success: boolean;
            integrationType: string;
            /** Its name. */
            integrationId: string;
            error?: string;
          }>;
        }>;
        default: Refused;
      };
    };
  };
  '/v1/sources/{name}': {
    /** Ask for leave to send CloudEvents */
    options: {
      parameters: { path: { name: string } };
      responses: { 200: { content?: never }; default: Refused };
    };
    /** Send what another system's webhook says */
    post: {
      parameters: { path: { name: string } };
      requestBody: { content: { '*/*': unknown } };
      responses: { 202: Json<EventsAnswer>; default: Refused };
    };
    /** The same, for senders that are set to PUT */
    put: {
      parameters: { path: { name: string } };
      requestBody: { content: { '*/*': unknown } };
      responses: { 202: Json<EventsAnswer>; default: Refused };
    };
  };
  '/v1/heartbeats/{name}': {
    /** Say that something is alive */
    post: {
      parameters: {
        path: { name: string };
        query?: { status?: 'ok' | 'start' | 'fail'; message?: string };
      };
      requestBody: { content: { '*/*': {
        /** ok: all is well. start: a run begins, and has to end within the grace. fail: it failed. */
        status?: 'ok' | 'start' | 'fail';
        message?: string;
      } } };
      responses: {
        202: Json<{
          heartbeat: {
            name: string;
            /** waiting: never heard yet. missed: not heard in time. failed: it said itself that it failed. */
            state: 'waiting' | 'ok' | 'missed' | 'failed';
            since: string;
            last_at?: string;
            started_at?: string;
            /** When it counts as missed, its grace included. */
            due_at: string;
            message?: string;
            every_ms: number;
            grace_ms: number;
          };
        }>;
        default: Refused;
      };
    };
    /** Say that something is alive, for senders that can only ask for an address */
    get: {
      parameters: {
        path: { name: string };
        query?: { status?: 'ok' | 'start' | 'fail'; message?: string };
      };
      responses: {
        202: Json<{
          heartbeat: {
            name: string;
            /** waiting: never heard yet. missed: not heard in time. failed: it said itself that it failed. */
            state: 'waiting' | 'ok' | 'missed' | 'failed';
            since: string;
            last_at?: string;
            started_at?: string;
            /** When it counts as missed, its grace included. */
            due_at: string;
            message?: string;
            every_ms: number;
            grace_ms: number;
          };
        }>;
        default: Refused;
      };
    };
  };
  '/v1/heartbeats': {
    /** List what is expected to be heard of, and how it stands */
    get: {
      responses: {
        200: Json<{
          heartbeats: Array<{
            name: string;
            /** waiting: never heard yet. missed: not heard in time. failed: it said itself that it failed. */
            state: 'waiting' | 'ok' | 'missed' | 'failed';
            since: string;
            last_at?: string;
            started_at?: string;
            /** When it counts as missed, its grace included. */
            due_at: string;
            message?: string;
            every_ms: number;
            grace_ms: number;
          }>;
          /** The cursor of the next page. */
          next?: string;
        }>;
        default: Refused;
      };
    };
  };
  '/v1/incidents/{id}': {
    /** See one incident: its timeline, alerts and deliveries */
    get: {
      parameters: { path: { id: string } };
      responses: { 200: Json<IncidentDetail>; default: Refused };
    };
  };
  '/v1/incidents/{id}/ack': {
    /** Acknowledge: no further page begins */
    post: {
      parameters: { path: { id: string } };
      requestBody?: Json<{
        /** Who answers; the key's name unless given. */
        by?: string;
      }>;
      responses: { 200: Json<CommandAnswer>; default: Refused };
    };
  };
  '/v1/incidents/{id}/unack': {
    /** Take the acknowledgement back: level 1 is paged again */
    post: {
      parameters: { path: { id: string } };
      requestBody?: Json<{
        /** Who answers; the key's name unless given. */
        by?: string;
      }>;
      responses: { 200: Json<CommandAnswer>; default: Refused };
    };
  };
  '/v1/incidents/{id}/resolve': {
    /** Resolve by hand */
    post: {
      parameters: { path: { id: string } };
      requestBody?: Json<{
        /** Who answers; the key's name unless given. */
        by?: string;
        /** Another spelling of by. */
        resolved_by?: string;
        /** How it was resolved, for the timeline. */
        text?: string;
        /** Another spelling of text. */
        notes?: string;
        /** Added to the text. */
        root_cause?: string;
        /** Such as Manual; added to the text. */
        method?: string;
      }>;
      responses: { 200: Json<CommandAnswer>; default: Refused };
    };
  };
  '/v1/incidents/{id}/snooze': {
    /** Put off for a while */
    post: {
      parameters: { path: { id: string } };
      requestBody: Json<{
        /** Who answers; the key's name unless given. */
        by?: string;
        for: string;
      }>;
      responses: { 200: Json<CommandAnswer>; default: Refused };
    };
  };
  '/v1/incidents/{id}/comment': {
    /** Write something into the timeline; nobody is paged */
    post: {
      parameters: { path: { id: string } };
      requestBody: Json<{
        /** Who answers; the key's name unless given. */
        by?: string;
        text: string;
      }>;
      responses: { 200: Json<CommandAnswer>; default: Refused };
    };
  };
  '/v1/incidents/{id}/escalate': {
    /** Tell a level now */
    post: {
      parameters: { path: { id: string } };
      requestBody?: Json<{
        /** Who answers; the key's name unless given. */
        by?: string;
        /** The next one unless given. */
        level?: number;
      }>;
      responses: { 200: Json<CommandAnswer>; default: Refused };
    };
  };
  '/v1/incidents/{id}/state': {
    /** Set or clear the working state; webhooks of format incident-v1 that have heard of the incident are told */
    post: {
      parameters: { path: { id: string } };
      requestBody: Json<{
        /** Who answers; the key's name unless given. */
        by?: string;
        state: 'triaged' | 'investigating' | 'remediating' | null;
      }>;
      responses: { 200: Json<CommandAnswer>; default: Refused };
    };
  };
  '/a/{token}': {
    /** See what a link of a message would answer */
    get: {
      parameters: { path: { token: string } };
      responses: {
        200: { content: { 'text/html': string } };
        404: { content: { 'text/html': string } };
        default: Refused;
      };
    };
    /** Give the answer of a link */
    post: {
      parameters: { path: { token: string } };
      requestBody: { content: { '*/*': unknown } };
      responses: {
        200: { content: { 'text/html': string } };
        404: { content: { 'text/html': string } };
        default: Refused;
      };
    };
  };
  '/v1/heard/{name}': {
    /** Hear what a channel's provider posts */
    post: {
      parameters: { path: { name: string } };
      requestBody: { content: { '*/*': unknown } };
      responses: {
        200: { content: { 'text/plain': string } };
        204: { content?: never };
        default: Refused;
      };
    };
  };
  '/v1/deliveries': {
    /** List deliveries, the newest first */
    get: {
      parameters: {
        query?: {
          status?: string;
          incident?: string;
          target?: string;
          channel?: string;
          reason?: 'group_now' | 'group_count' | 'group_wait' | 'group_interval' | 'severity_rose' | 'fired_again' | 'repeat_interval' | 'escalated' | 'escalated_by_hand' | 'failover' | 'acknowledged' | 'unacknowledged' | 'ack_timed_out' | 'snoozed' | 'snooze_ended' | 'resolved' | 'working' | 'story' | 'test' | 'summary';
          failure?: string;
          since?: string;
          until?: string;
          cursor?: string;
          limit?: number;
        };
      };
      responses: {
        200: Json<{
          deliveries: Delivery[];
          /** The cursor of the next page. */
          next?: string;
        }>;
        default: Refused;
      };
    };
  };
  '/v1/deliveries/{id}': {
    /** See a delivery and each of its attempts */
    get: {
      parameters: { path: { id: string } };
      responses: { 200: Json<DeliveryDetail>; default: Refused };
    };
  };
  '/v1/deliveries/redeliver': {
    /** Send many deliveries again */
    post: {
      requestBody: Json<{
        ids?: number[];
        status?: 'dead';
        target?: string;
        /** Made at this time or later. */
        since?: string;
        limit?: number;
        /** Under a key of its own, so that the receiver takes it for another message; else under the same, so that it can tell that it may have it already. */
        new_key?: boolean;
      }>;
      responses: { 202: Json<RedeliveryAnswer>; default: Refused };
    };
  };
  '/v1/deliveries/{id}/redeliver': {
    /** Send a delivery again, or to another integration */
    post: {
      parameters: { path: { id: string } };
      requestBody?: Json<{
        /** Under a key of its own, so that the receiver takes it for another message; else under the same, so that it can tell that it may have it already. */
        new_key?: boolean;
        /** The integration to send it to instead. */
        to?: string;
      }>;
      responses: { 202: Json<SendAnswer>; default: Refused };
    };
  };
  '/v1/deliveries/{id}/cancel': {
    /** Send a delivery no more */
    post: {
      parameters: { path: { id: string } };
      requestBody?: Json<Record<string, never>>;
      responses: {
        200: Json<{
          delivery: Delivery;
          /** An attempt had begun, and may still arrive. */
          under_way: boolean;
        }>;
        default: Refused;
      };
    };
  };
  '/v1/integrations': {
    /** List the integrations, those of the file first */
    get: {
      responses: { 200: Json<{ integrations: Integration[] }>; default: Refused };
    };
    /** Make an integration */
    post: {
      requestBody: Json<{
        name: string;
        /** The id of its channel: one of GET /v1/channels. */
        type: string;
        /** Whose it is, where it is somebody’s: routes with notify: [owner] tell it of events with this user. */
        owner?: string;
        /** The fields of its channel: the form in GET /v1/channels. */
        config?: Record<string, unknown>;
        /** For one attempt. */
        timeout?: string | 0;
        /** Of one round: the first and the repeats. */
        max_attempts?: number;
        /** After the first failed attempt, doubling. */
        backoff?: string | 0;
        /** Messages at most in any second, minute or hour, such as 1/s or 30/m; what is over it waits. Unless set, as many as the vendor allows; email, webhook, apprise and stdout, where nobody sets a limit for all, have none. */
        rate?: string;
        /** The mildest severity it is told. */
        threshold?: 'critical' | 'error' | 'warning' | 'info';
        /** Whether an attempt whose answer was lost is repeated where nobody can be asked; unless set, resend from warning upwards and drop for info. */
        on_ambiguous?: 'resend' | 'drop';
        /** Off: nothing is sent, and each delivery says so. */
        enabled?: boolean;
        /** How e-mail addresses and names of new users (user_registered) are shown: whole, masked (a•••@example.com), or not at all. */
        privacy?: 'full' | 'mask' | 'none';
        /** Switches by type of event, each on unless it is set: log_job_started, log_job_completed, log_job_failed, log_job_cancelled, log_gpu_oom, log_timeout_warning, log_disk_warning. */
        events?: {
          /** Off: job_started is not told here. */
          log_job_started?: boolean;
          /** Off: job_completed is not told here. */
          log_job_completed?: boolean;
          /** Off: job_failed is not told here. */
          log_job_failed?: boolean;
          /** Off: job_cancelled is not told here. */
          log_job_cancelled?: boolean;
          /** Off: gpu_oom is not told here. */
          log_gpu_oom?: boolean;
          /** Off: timeout_warning is not told here. */
          log_timeout_warning?: boolean;
          /** Off: disk_warning is not told here. */
          log_disk_warning?: boolean;
        };
      }>;
      responses: { 201: Json<Integration>; default: Refused };
    };
  };
  '/v1/integrations/{name}': {
    /** See one integration */
    get: {
      parameters: { path: { name: string } };
      responses: { 200: Json<Integration>; default: Refused };
    };
    /** Change an integration */
    patch: {
      parameters: { path: { name: string } };
      requestBody: Json<{
        owner?: string | null;
        /** The fields of its channel: the form in GET /v1/channels. */
        config?: Record<string, unknown>;
        /** For one attempt. */
        timeout?: string | 0 | null;
        /** Of one round: the first and the repeats. */
        max_attempts?: number | null;
        /** After the first failed attempt, doubling. */
        backoff?: string | 0 | null;
        /** Messages at most in any second, minute or hour, such as 1/s or 30/m; what is over it waits. Unless set, as many as the vendor allows; email, webhook, apprise and stdout, where nobody sets a limit for all, have none. */
        rate?: string | null;
        /** The mildest severity it is told. */
        threshold?: 'critical' | 'error' | 'warning' | 'info' | null;
        /** Whether an attempt whose answer was lost is repeated where nobody can be asked; unless set, resend from warning upwards and drop for info. */
        on_ambiguous?: 'resend' | 'drop' | null;
        /** Off: nothing is sent, and each delivery says so. */
        enabled?: boolean | null;
        /** How e-mail addresses and names of new users (user_registered) are shown: whole, masked (a•••@example.com), or not at all. */
        privacy?: 'full' | 'mask' | 'none' | null;
        /** Switches by type of event, each on unless it is set: log_job_started, log_job_completed, log_job_failed, log_job_cancelled, log_gpu_oom, log_timeout_warning, log_disk_warning. */
        events?: {
          /** Off: job_started is not told here. */
          log_job_started?: boolean;
          /** Off: job_completed is not told here. */
          log_job_completed?: boolean;
          /** Off: job_failed is not told here. */
          log_job_failed?: boolean;
          /** Off: job_cancelled is not told here. */
          log_job_cancelled?: boolean;
          /** Off: gpu_oom is not told here. */
          log_gpu_oom?: boolean;
          /** Off: timeout_warning is not told here. */
          log_timeout_warning?: boolean;
          /** Off: disk_warning is not told here. */
          log_disk_warning?: boolean;
        } | null;
      }>;
      responses: { 200: Json<Integration>; default: Refused };
    };
    /** Remove an integration */
    delete: {
      parameters: { path: { name: string } };
      responses: { 204: { content?: never }; default: Refused };
    };
  };
  '/v1/integrations/{name}/test': {
    /** Test an integration */
    post: {
      parameters: { path: { name: string } };
      requestBody?: Json<{
        /** Send a test message in any case. */
        message?: boolean;
      }>;
      responses: { 200: Json<TestAnswer>; 202: Json<TestAnswer>; default: Refused };
    };
  };
  '/v1/channels': {
    /** See what integrations can be of */
    get: {
      responses: { 200: Json<ChannelsAnswer>; default: Refused };
    };
  };
  '/admin/notify/ack': {
    /** Acknowledge by event */
    post: {
      requestBody: Json<{
        /** The id of an event, or of an incident. */
        id?: string;
        /** Another spelling of id. */
        eventId?: string;
        /** Another spelling of id. */
        event_id?: string;
        /** Who acknowledges; the key's name unless given. */
        by?: string;
      }>;
      responses: {
        200: Json<{
          id: string;
          /** False where all that it joined was closed before. */
          acked: boolean;
          incidents: Array<{ id: string; outcome: string; by?: string }>;
        }>;
        default: Refused;
      };
    };
  };
  '/notify/recent': {
    /** See the newest events, and whether each has been acknowledged */
    get: {
      parameters: { query?: { limit?: number } };
      responses: {
        200: Json<{
          events: Array<{
            id: string;
            source: string;
            type: string;
            severity: 'critical' | 'error' | 'warning' | 'info';
            message: string;
            ts: string;
            traceId?: string;
            requestId?: string;
            acked: boolean;
            acked_by?: string;
            acked_at?: string;
            incident?: string;
            status?: string;
          }>;
        }>;
        default: Refused;
      };
    };
  };
  '/v1/integrations/{name}/enable': {
    /** Send to a failing or disabled integration again */
    post: {
      parameters: { path: { name: string } };
      requestBody?: Json<Record<string, never>>;
      responses: {
        200: Json<{
          name: string;
          /** already: it was well. */
          outcome: 'done' | 'already';
          health: Health;
        }>;
        default: Refused;
      };
    };
  };
  '/v1/routes/explain': {
    /** Explain where an event would go */
    post: {
      requestBody: Json<Event>;
      responses: { 200: Json<Explained>; default: Refused };
    };
  };
  '/v1/silences': {
    /** List silences */
    get: {
      responses: { 200: Json<{ silences: Silence[] }>; default: Refused };
    };
    /** Tell nobody of some alerts for a while */
    post: {
      requestBody: Json<{
        /** Matchers as routes have them; all have to hold. */
        match: string[];
        /** Now, unless given. */
        starts_at?: string;
        reason: string;
        /** Who asks for it; the key's name unless given. */
        by?: string;
        ends_at?: string;
        /** Instead of ends_at: 2h, 1h30m. */
        for?: string;
      }>;
      responses: { 201: Json<Silence>; default: Refused };
    };
  };
  '/v1/silences/{id}': {
    /** See one silence */
    get: {
      parameters: { path: { id: string } };
      responses: { 200: Json<Silence>; default: Refused };
    };
    /** End a silence */
    delete: {
      parameters: { path: { id: string } };
      responses: { 200: Json<Silence>; default: Refused };
    };
  };
  '/v1/maintenance': {
    /** List maintenance windows, those of the configuration first */
    get: {
      responses: {
        200: Json<{
          maintenance: Array<{
            id: string;
            state: 'pending' | 'active' | 'expired';
            /** Whether it keeps anything quiet now; a maintenance window is not always on. */
            quiet: boolean;
            match: string[];
            /** UTC, by the clock of the ledger. */
            starts_at: string;
            /** UTC, by the clock of the ledger. */
            ends_at?: string;
            /** Its time intervals: minutes of the day, days from Sunday, 0. */
            during?: unknown[];
            reason: string;
            by: string;
            /** UTC, by the clock of the ledger. */
            updated_at: string;
            /** Where it is kept; what is in the file is changed there. */
            origin: 'file' | 'api';
          }>;
        }>;
        default: Refused;
      };
    };
    /** Tell nobody of some alerts whenever an interval comes */
    post: {
      requestBody: Json<{
        /** Matchers as routes have them; all have to hold. */
        match: string[];
        /** Now, unless given. */
        starts_at?: string;
        reason: string;
        /** Who asks for it; the key's name unless given. */
        by?: string;
        /** It comes back for ever, unless given. */
        ends_at?: string;
        /** Time intervals, written as in the configuration; it is on within any of them. */
        during: Array<{
          timezone?: string | number;
          weekdays?: Array<string | number>;
          times?: Array<string | number>;
          days_of_month?: Array<string | number>;
          months?: Array<string | number>;
          dates?: Array<string | number>;
        }>;
      }>;
      responses: {
        201: Json<{
          id: string;
          state: 'pending' | 'active' | 'expired';
          /** Whether it keeps anything quiet now; a maintenance window is not always on. */
          quiet: boolean;
          match: string[];
          /** UTC, by the clock of the ledger. */
          starts_at: string;
          /** UTC, by the clock of the ledger. */
          ends_at?: string;
          /** Its time intervals: minutes of the day, days from Sunday, 0. */
          during?: unknown[];
          reason: string;
          by: string;
          /** UTC, by the clock of the ledger. */
          updated_at: string;
          /** Where it is kept; what is in the file is changed there. */
          origin: 'file' | 'api';
        }>;
        default: Refused;
      };
    };
  };
  '/v1/maintenance/{id}': {
    /** See one maintenance window */
    get: {
      parameters: { path: { id: string } };
      responses: {
        200: Json<{
          id: string;
          state: 'pending' | 'active' | 'expired';
          /** Whether it keeps anything quiet now; a maintenance window is not always on. */
          quiet: boolean;
          match: string[];
          /** UTC, by the clock of the ledger. */
          starts_at: string;
          /** UTC, by the clock of the ledger. */
          ends_at?: string;
          /** Its time intervals: minutes of the day, days from Sunday, 0. */
          during?: unknown[];
          reason: string;
          by: string;
          /** UTC, by the clock of the ledger. */
          updated_at: string;
          /** Where it is kept; what is in the file is changed there. */
          origin: 'file' | 'api';
        }>;
        default: Refused;
      };
    };
    /** End a maintenance window for good */
    delete: {
      parameters: { path: { id: string } };
      responses: {
        200: Json<{
          id: string;
          state: 'pending' | 'active' | 'expired';
          /** Whether it keeps anything quiet now; a maintenance window is not always on. */
          quiet: boolean;
          match: string[];
          /** UTC, by the clock of the ledger. */
          starts_at: string;
          /** UTC, by the clock of the ledger. */
          ends_at?: string;
          /** Its time intervals: minutes of the day, days from Sunday, 0. */
          during?: unknown[];
          reason: string;
          by: string;
          /** UTC, by the clock of the ledger. */
          updated_at: string;
          /** Where it is kept; what is in the file is changed there. */
          origin: 'file' | 'api';
        }>;
        default: Refused;
      };
    };
  };
  '/v1/summaries/{date}': {
    /** See the summaries of a day */
    get: {
      parameters: { path: { date: string } };
      responses: { 200: Json<{ date: string; summaries: unknown[] }>; default: Refused };
    };
  };
  '/v1/summaries/{date}/run': {
    /** Write the summaries of a day now */
    post: {
      parameters: { path: { date: string } };
      requestBody?: Json<{ name?: string }>;
      responses: { 202: Json<{ date: string; started: string[] }>; default: Refused };
    };
  };
  '/v1/keys': {
    /** Make a key */
    post: {
      requestBody: Json<{
        name: string;
        scopes: Array<'ingest' | 'operator' | 'admin'>;
        expires_at?: string;
      }>;
      responses: { 201: Json<MadeKey>; default: Refused };
    };
    /** List the keys, without their secrets */
    get: {
      responses: { 200: Json<{ keys: Key[] }>; default: Refused };
    };
  };
  '/v1/keys/{id}': {
    /** Revoke a key */
    delete: {
      parameters: { path: { id: string } };
      responses: { 204: { content?: never }; default: Refused };
    };
  };
  '/v1/audit': {
    /** Read the audit trail */
    get: {
      parameters: { query?: { object?: string; cursor?: string; limit?: number } };
      responses: {
        200: Json<{
          audit: AuditRow[];
          /** The cursor of the next page. */
          next?: string;
        }>;
        default: Refused;
      };
    };
  };
  '/healthz': {
    /** Is the process alive? */
    get: {
      responses: { 200: Json<{ status: 'ok'; version: string }>; default: Refused };
    };
  };
  '/readyz': {
    /** Can it take events? */
    get: {
      responses: { 200: Json<{ status: 'ready' }>; default: Refused };
    };
  };
  '/v1/stats': {
    /** How much waits, is open, is under way, is dead */
    get: {
      responses: {
        200: Json<{
          waiting: number;
          open: number;
          dead: number;
          sending: number;
          arriving: number;
        }>;
        default: Refused;
      };
    };
  };
  '/metrics': {
    /** The metrics, for Prometheus */
    get: {
      responses: { 200: { content: { 'text/plain': string } }; default: Refused };
    };
  };
  '/openapi.json': {
    /** This API as an OpenAPI document */
    get: {
      responses: { 200: Json<string>; default: Refused };
    };
  };
  '/docs': {
    /** This API as a page to read */
    get: {
      responses: { 200: { content: { 'text/html': string } }; default: Refused };
    };
  };
}
