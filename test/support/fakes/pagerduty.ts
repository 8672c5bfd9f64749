/** A PagerDuty of some services: events of alerts and changes, merged by their key, and the REST API's list of services. */
import { type Answer, createRecorder, type Hit, type Recorder, type Reply, startHttpFake } from './recorder.ts';

// https://developer.pagerduty.com/docs/send-alert-event. Alertmanager knows the size exactly: 512,000 bytes.
const SIZE_MAX = 512_000;
const KEY_LENGTH = 32;
const SUMMARY_MAX = 1_024;
const DEDUP_KEY_MAX = 255;
const SEVERITIES = ['critical', 'error', 'warning', 'info'];
const ACTIONS = ['trigger', 'acknowledge', 'resolve'];
const EVENT_FIELDS = ['routing_key', 'event_action', 'dedup_key', 'payload', 'client', 'client_url', 'links', 'images'];
const CHANGE_FIELDS = ['routing_key', 'payload', 'links', 'images'];
const PAYLOAD_FIELDS = ['summary', 'source', 'severity', 'timestamp', 'component', 'group', 'class', 'custom_details'];

type Part = Record<string, unknown>;

export interface PagerDutyIncident {
  dedup_key: string;
  service: string;
  state: 'triggered' | 'acknowledged' | 'resolved';
  /** The event it was opened by. */
  event: Part;
  /** What was applied to it, in order: `trigger`, `trigger`, `acknowledge`, `resolve`. */
  log: string[];
}

export interface PagerDutyService {
  name: string;
  key: string;
  status: 'active' | 'warning' | 'critical' | 'maintenance' | 'disabled';
}

export interface FakePagerDuty {
  /** For `api_url` and `rest_url`. */
  url: string;
  /** The key of the first service, and of a ruleset. */
  key: string;
  ruleset: string;
  token: string;
  services: PagerDutyService[];
  incidents: PagerDutyIncident[];
  /** Bodies of change events, each as often as it came. */
  changes: Part[];
  /** How often somebody on call was notified: when an incident opened. */
  pages: number;
  /** Events that were taken and led to nothing. */
  dropped: string[];
  requests: Recorder<Hit>;
  script(answers: Answer[]): void;
  waitFor: Recorder<PagerDutyIncident>['waitFor'];
  close(): Promise<void>;
}

export async function startFakePagerDuty(): Promise<FakePagerDuty> {
  const key = 'fake0integration0key0of0platform';
  const ruleset = 'R0fake0integration0key0of0rules0';
  const token = 'fake-rest-token';
  const services: PagerDutyService[] = [{ name: 'Platform', key, status: 'active' }];
  const incidents = createRecorder<PagerDutyIncident>('PagerDuty incidents');
  const changes: Part[] = [];
  const dropped: string[] = [];
  let pages = 0;

  const alert = (body: Part): Reply => {
    const errors = [...keyFaults(body, [key, ruleset, ...services.map((one) => one.key)]), ...alertFaults(body)];
    if (errors.length > 0) return invalid(errors);
    const action = String(body.event_action);
    const dedup_key = body.dedup_key === undefined ? `made-${incidents.items.length}` : String(body.dedup_key);
    const service = services.find((one) => one.key === body.routing_key);
    const open = incidents.items.find(
      (one) => one.dedup_key === dedup_key && one.service === service?.name && one.state !== 'resolved',
    );
    if (service?.status === 'disabled' || service?.status === 'maintenance') dropped.push(action);
    else if (open) {
      open.log.push(action);
      if (action !== 'trigger') open.state = action === 'resolve' ? 'resolved' : 'acknowledged';
      incidents.changed();
    } else if (action === 'trigger') {
      pages += 1;
      incidents.add({ dedup_key, service: service?.name ?? '', state: 'triggered', event: body, log: [action] });
    } else dropped.push(action);
    return { status: 202, json: { status: 'success', message: 'Event processed', dedup_key } };
  };

  const change = (body: Part): Reply => {
    const errors = [
      ...keyFaults(
        body,
        services.map((one) => one.key),
      ),
      ...unknown(body, CHANGE_FIELDS),
      ...payloadFaults(body, ['summary']),
      ...linkFaults(body),
    ];
    if (errors.length > 0) return invalid(errors);
    changes.push(body);
    return { status: 202, json: { status: 'success', message: 'Change event processed' } };
  };

  const list = ({ headers, query }: Hit): Reply => {
    if (headers.authorization !== `Token token=${token}`) {
      return { status: 401, json: { error: { code: 2006, message: 'You are not authorized' } } };
    }
    if (!/^application\/vnd\.pagerduty\+json;\s?version=2$/.test(headers.accept ?? '')) {
      return { status: 406, json: { error: { message: 'Not Acceptable' } } };
    }
    const limit = Number(query.get('limit') ?? 25);
    const offset = Number(query.get('offset') ?? 0);
    if (limit > 100) return { status: 400, json: { error: { code: 2001, message: 'Invalid Input Provided' } } };
    const shown = services.slice(offset, offset + limit).map(({ name, key: integration_key, status }) => ({
      name,
      status,
      integrations: query.getAll('include[]').includes('integrations')
        ? [{ integration_key: null }, { integration_key }]
        : [{ type: 'events_api_v2_inbound_integration_reference' }],
    }));
    return { status: 200, json: { services: shown, limit, offset, more: offset + limit < services.length } };
  };

  const fake = await startHttpFake('PagerDuty', (hit) => {
    if (hit.method === 'GET' && hit.path === '/services') return list(hit);
    const post = { '/v2/enqueue': alert, '/v2/change/enqueue': change }[hit.path];
    if (hit.method !== 'POST' || !post) return { status: 404, text: 'Not Found' };
    if (hit.raw.byteLength > SIZE_MAX) return { status: 413, text: 'Payload Too Large' };
    const body = jsonOf(hit.raw.toString());
    if (body !== undefined && /^application\/json\b/.test(hit.headers['content-type'] ?? '')) return post(body);
    const json = {
      status: 'Unrecognized object',
      message: 'Event object format is unrecognized',
      errors: ['JSON parse error'],
    };
    return { status: 400, json };
  });

  return {
    url: fake.url,
    key,
    ruleset,
    token,
    services,
    incidents: incidents.items,
    changes,
    get pages() {
      return pages;
    },
    dropped,
    requests: fake.requests,
    script: fake.script,
    waitFor: incidents.waitFor,
    close: fake.close,
  };
}

const invalid = (errors: string[]): Reply => ({
  status: 400,
  json: { status: 'invalid event', message: 'Event object is invalid', errors },
});

function keyFaults({ routing_key }: Part, known: string[]): string[] {
  if (typeof routing_key !== 'string' || routing_key === '') return ["'routing_key' is missing or blank"];
  const faults = [
    ...(routing_key.length === KEY_LENGTH ? [] : ["Length of 'routing_key' is incorrect (should be 32 characters)"]),
    ...(/^[A-Za-z0-9]*$/.test(routing_key) ? [] : ["'routing_key' cannot contain non-alphanumeric characters."]),
  ];
  return faults.length > 0 || known.includes(routing_key) ? faults : ['Invalid routing key'];
}

function alertFaults(body: Part): string[] {
  const action = String(body.event_action);
  return [
    ...unknown(body, EVENT_FIELDS),
    ...(ACTIONS.includes(action) ? [] : ["'event_action' is missing or blank"]),
    ...(action !== 'trigger' && body.dedup_key === undefined ? ["'dedup_key' is missing or blank"] : []),
    ...(String(body.dedup_key ?? '').length > DEDUP_KEY_MAX ? ["'dedup_key' is too long"] : []),
    ...(action === 'trigger' ? payloadFaults(body, ['summary', 'source', 'severity']) : []),
    ...(body.client_url === undefined || isWeb(body.client_url) ? [] : ["'client_url' is invalid"]),
    ...linkFaults(body),
  ];
}

function payloadFaults({ payload }: Part, required: string[]): string[] {
  if (typeof payload !== 'object' || payload === null) return ["'payload' is missing or blank"];
  const fields = payload as Part;
  return [
    ...unknown(fields, PAYLOAD_FIELDS),
    ...required.flatMap((name) =>
      String(fields[name] ?? '').trim() === '' ? [`'payload.${name}' is missing or blank`] : [],
    ),
    ...(String(fields.summary ?? '').length > SUMMARY_MAX ? ["'payload.summary' is too long"] : []),
    ...(fields.severity === undefined || SEVERITIES.includes(String(fields.severity))
      ? []
      : ["'payload.severity' is invalid"]),
    ...(fields.timestamp === undefined || !Number.isNaN(Date.parse(String(fields.timestamp)))
      ? []
      : ["'payload.timestamp' is invalid"]),
    ...(fields.custom_details === undefined || typeof fields.custom_details === 'object'
      ? []
      : ["'payload.custom_details' is invalid"]),
    ...(JSON.stringify(payload).isWellFormed() ? [] : ["'payload' is no Unicode"]),
  ];
}

function linkFaults({ links = [], images = [] }: Part): string[] {
  const wrongLink = (links as Part[]).some(({ href }) => !isWeb(href));
  const wrongImage = (images as Part[]).some(({ src }) => !isWeb(src) || !String(src).startsWith('https:'));
  return [...(wrongLink ? ["'links' is invalid"] : []), ...(wrongImage ? ["'images' is invalid"] : [])];
}

const unknown = (fields: Part, known: string[]): string[] =>
  Object.keys(fields).flatMap((name) => (known.includes(name) ? [] : [`'${name}' is unknown`]));

const isWeb = (url: unknown): boolean => typeof url === 'string' && /^https?:$/.test(URL.parse(url)?.protocol ?? '');

function jsonOf(text: string): Part | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Part) : undefined;
  } catch {
    return undefined;
  }
}
