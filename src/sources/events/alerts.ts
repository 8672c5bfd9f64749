/** Alerts, incidents and job alerts as users' own senders write them, rewritten as bodies of the event door. */
import { z } from 'zod';
import { OWNER_MAX } from '../../core/owner.ts';
import { LIMITS } from '../source.ts';
import { given, KEPT, labels, list, SAID, severity, text } from './fields.ts';

type Fields = Record<string, unknown>;

/** A body of the event door, and by which of the sender's names each of its fields went. */
export interface Rewritten {
  body: Fields;
  names: ReadonlyMap<string, string>;
}

/** Our field, and the names that senders have for it; the first that is given counts. */
type Spellings = Readonly<Record<string, readonly string[]>>;

const COMMON: Spellings = {
  source: ['source'],
  title: ['title', 'name'],
  message: ['message'],
  body: ['description', 'body'],
  severity: ['severity'],
  service: ['service'],
  components: ['affected_resources', 'affected_services', 'components'],
  labels: ['labels'],
  trace_id: ['trace_id', 'traceId'],
  request_id: ['request_id', 'requestId'],
  assignees: ['assignees'],
  user: ['user', 'user_id', 'userId'],
  links: ['links'],
  occurred_at: ['occurred_at', 'fired_at', 'created_at', 'timestamp', 'ts'],
};
const ALERT: Spellings = {
  ...COMMON,
  id: ['id', 'external_id', 'alert_id'],
  type: ['type', 'alert_type', 'incident_type'],
  status: ['status'],
  dedup_key: ['dedup_key', 'fingerprint'],
};
const INCIDENT: Spellings = {
  ...COMMON,
  id: ['id', 'external_id', 'incident_id'],
  type: ['type', 'incident_type', 'alert_type'],
};
const JOB: Spellings = {
  ...COMMON,
  id: ['id', 'alert_id', 'alertId'],
  type: ['type', 'alert_type', 'alertType'],
};

/** An alert of POST /v1/alerts. Its id names the alert: that it fires and that it is over are two events. */
export function rewriteAlert(given: Fields): Rewritten {
  const { body, names } = withRunbook(given, ALERT);
  const isOver = body.status === 'resolved' && typeof body.id === 'string' && body.id !== '';
  return { body: { type: 'alert', ...body, ...(isOver ? { id: `${body.id}/resolved` } : {}) }, names };
}

/** An incident of POST /v1/incidents; `id` stands in where it has none. */
export function rewriteIncident(given: Fields, id: string): Rewritten {
  const { body, names } = withRunbook(given, INCIDENT);
  const own = body.id === undefined || body.id === '' ? id : body.id;
  return { body: { type: 'incident', ...body, id: own, dedup_key: own }, names };
}

/** How each kind of job alert is told where its sender does not say. */
const JOB_ALERTS: Readonly<Record<string, { severity: string; title: string }>> = {
  job_started: { severity: 'info', title: 'Job started' },
  job_completed: { severity: 'info', title: 'Job completed' },
  job_failed: { severity: 'error', title: 'Job failed' },
  job_cancelled: { severity: 'warning', title: 'Job cancelled' },
  gpu_oom: { severity: 'error', title: 'GPU out of memory' },
  timeout_warning: { severity: 'warning', title: 'Job close to its timeout' },
  disk_warning: { severity: 'warning', title: 'Disk almost full' },
};
const JOB_NAMES = ['job', 'job_id', 'jobId'];
/** Where senders put what they know of the job: its fields count as if they stood outside. */
const JOB_DATA = ['data', 'job_data', 'jobData', 'metadata'];
const NAMES_OF_JOBS = ['job_name', 'jobName', 'model_name', 'modelName'];
const ERRORS = ['error', 'error_message', 'errorMessage'];

/** A job alert of POST /api/alerts/trigger: whatever it says of its job beside the fields of an event is its context. */
export function rewriteJobAlert(given: Fields): Rewritten {
  const inner = JOB_DATA.flatMap((name) => (isObject(given[name]) ? [given[name]] : []));
  const outer = Object.fromEntries(
    Object.entries(given).filter(([name, value]) => !(JOB_DATA.includes(name) && isObject(value))),
  );
  const all: Fields = Object.assign({}, ...inner, outer);
  const job = JOB_NAMES.find((name) => textOf(all, [name]) !== undefined);
  const { body, names } = rewritten(all, JOB, job === undefined ? [] : [job]);
  if (job !== undefined) names.set('labels.job', job);
  const kind =
    typeof body.type === 'string' && Object.hasOwn(JOB_ALERTS, body.type) ? JOB_ALERTS[body.type] : undefined;
  const about = textOf(all, NAMES_OF_JOBS) ?? (job && textOf(all, [job]));
  const title = kind && (about === undefined ? kind.title : `${kind.title}: ${about}`);
  const error = textOf(all, ERRORS);
  const labels = job === undefined ? {} : { job: textOf(all, [job]) };
  return {
    names,
    body: {
      source: 'jobs',
      ...(kind && { severity: kind.severity }),
      ...(title !== undefined && { title }),
      ...(error !== undefined && body.message === undefined && { body: error }),
      ...body,
      // Identifiers of databases may be numbers.
      ...(typeof body.user === 'number' && { user: String(body.user) }),
      ...(body.labels === undefined || isObject(body.labels)
        ? { labels: { ...labels, ...(body.labels as Fields) } }
        : {}),
    },
  };
}

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The first of these that is a text or a number, as a text. */
function textOf(given: Fields, names: readonly string[]): string | undefined {
  const value = names
    .map((name) => given[name])
    .find((one) => (typeof one === 'string' && one !== '') || typeof one === 'number');
  return value === undefined ? undefined : String(value);
}

/** Known fields by our names; what is known by none is kept as context, so that nothing that was sent is lost. */
function rewritten(given: Fields, spellings: Spellings, used: readonly string[] = []) {
  const body: Fields = {};
  const names = new Map<string, string>();
  for (const [field, own] of Object.entries(spellings)) {
    const name = own.find((spelling) => Object.hasOwn(given, spelling) && given[spelling] != null);
    if (name === undefined) continue;
    body[field] = given[name];
    names.set(field, name);
  }
  const known = new Set([...names.values(), ...used, 'context']);
  const others = Object.entries(given).filter(([name, value]) => !known.has(name) && value != null);
  for (const [name] of others) names.set(`context.${name}`, name);
  const { context } = given;
  if (others.length === 0) return { body: context == null ? body : { ...body, context }, names };
  const own = context == null ? {} : isObject(context) ? context : { context };
  return { body: { ...body, context: { ...own, ...Object.fromEntries(others) } } as Fields, names };
}

/** The same with the runbook among its links. */
function withRunbook(given: Fields, spellings: Spellings) {
  const { runbook_url: url } = given;
  const { links = [] } = given;
  if (url == null || url === '' || !Array.isArray(links)) return rewritten(given, spellings);
  const { body, names } = rewritten(given, spellings, ['runbook_url']);
  names.set(`links[${links.length}].url`, 'runbook_url');
  return { body: { ...body, links: [...links, { title: 'Runbook', url }] } as Fields, names };
}

const optional = <Field extends z.ZodType>(field: Field, description: string) => field.nullish().meta({ description });
const users = text(OWNER_MAX);
/** Counted in bytes, which JSON Schema cannot say. */
const body = z.string().meta({ pattern: KEPT });
/** Part of what `webLink` takes: what can be said in a pattern. */
const runbook = z
  .string()
  .meta({ pattern: '^https?://[a-z]+\\.[a-z]+(?:/[a-z0-9._-]*)*$|^$', maxLength: LIMITS.linkUrl });
const common = {
  source: given(LIMITS.name).meta({ description: 'Who says it.', examples: ['llm-sentinel'] }),
  title: optional(text(LIMITS.title), 'The line people read.'),
  description: optional(body, 'What is known of it.'),
  severity: optional(severity, 'P0 to P4, or critical, error, warning, info; info unless given.'),
  service: optional(text(LIMITS.name), 'The service it is about.'),
  affected_resources: optional(list(LIMITS.components, LIMITS.component), 'What is affected; also affected_services.'),
  labels: labels.nullish(),
  assignees: optional(list(LIMITS.assignees, LIMITS.assignee), 'Who is on it.'),
  user: optional(users, 'Who it is about; also user_id.'),
  runbook_url: optional(runbook, 'Shown as a link: an http or https address.'),
};
const said = { type: 'string' as const, pattern: SAID, maxLength: LIMITS.title };
/** One of these says something; a name counts where no title is given. */
const NAMED = [
  { required: ['title'], properties: { title: said } },
  { required: ['message'], properties: { message: said } },
  { required: ['name'], properties: { name: said, title: { type: 'null' as const } } },
];

/** What is not named here is kept with the event as its context. */
export const AlertBody = z
  .looseObject({
    id: optional(text(LIMITS.id), 'Also external_id. The same id from the same source is one alert.'),
    type: optional(given(LIMITS.name), 'Also alert_type; `alert` unless given.'),
    ...common,
    status: z.enum(['firing', 'resolved']).nullish(),
    dedup_key: optional(text(LIMITS.key), 'Also fingerprint. Alerts of a source with the same key are one.'),
  })
  .meta({ id: 'Alert', anyOf: NAMED });

export const IncidentBody = z
  .looseObject({
    id: optional(text(LIMITS.id), 'Also external_id: names the incident, here and in its commands. Made if absent.'),
    type: optional(given(LIMITS.name), 'Also incident_type; `incident` unless given.'),
    ...common,
  })
  .meta({ id: 'NewIncident', anyOf: NAMED });

/** A type that says its title, unless another is given. */
const TYPED = { properties: { type: { enum: Object.keys(JOB_ALERTS) }, title: { ...said, type: ['string', 'null'] } } };
export const JobAlertBody = z
  .looseObject({
    type: given(LIMITS.name).meta({
      description: `One of ${Object.keys(JOB_ALERTS).join(', ')}, or any other; also alert_type.`,
    }),
    user_id: optional(z.union([users, z.number()]), 'Whose job it is; also userId.'),
    job_id: z
      .unknown()
      .optional()
      .meta({ description: 'A text or a number; also jobId. Anything else is kept with the rest.' }),
    title: optional(text(LIMITS.title), 'Made of the type and the job unless given.'),
    message: optional(text(LIMITS.title), 'What is known of it.'),
    severity: optional(severity, 'By the type unless given.'),
    data: z.unknown().optional().meta({ description: 'What is known of the job, an object; also metadata.' }),
  })
  .meta({ id: 'JobAlert', anyOf: [TYPED, ...NAMED] });
