/** CloudEvents 1.0 over HTTP, in its three modes: https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/http-protocol-binding.md */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type Event, type Json, type Labels, type Link, type Severity, severityOf } from '../core/event.ts';
import {
  addressTokenField,
  bytesOf,
  defineSource,
  fitted,
  type Headers,
  LIMITS,
  lengthOf,
  refuseWithoutToken,
  textsIn,
  timeOf,
} from './source.ts';

const config = z.strictObject({
  source: z.string().min(1).max(128).optional().meta({
    title: 'Source',
    description: "The source of its events; each CloudEvent's own unless given, which is then the label ce_source.",
  }),
  token: addressTokenField().optional(),
});
type Config = z.output<typeof config>;

/** One CloudEvent, whichever way it came: its attributes as texts, its data where that is JSON, else as a text. */
interface Found {
  attributes: Map<string, string>;
  data: unknown;
  text: string;
}

export const cloudevents = defineSource({
  id: 'cloudevents',
  name: 'CloudEvents',
  setup:
    'Give the sender the address of this source, and an API key as its bearer token or a token of the source in the address (?access_token=…).',
  config,
  verify: (_raw, headers, { token }, _now, query) => refuseWithoutToken(headers, token, query),
  handshake: true,

  reads(raw, headers) {
    const type = headerOf(headers, 'content-type').toLowerCase();
    if (type.startsWith('application/cloudevents'))
      return /^application\/cloudevents(?:-batch)?(?:\+json)? *(?:;|$)/.test(type) ? 'json' : 'unknown';
    if (isBinary(headers)) return isJson(type) && raw.length > 0 ? 'json' : 'bytes';
    return type === '' || isJson(type) ? 'json' : 'unknown';
  },

  normalise(payload, { config, headers = {} }) {
    const entries = isBinary(headers)
      ? [fromBinary(payload, headers)]
      : (Array.isArray(payload) ? payload : [payload]).map(fromStructured);
    const events: Event[] = [];
    const rejected: { index: number; problem: string }[] = [];
    entries.forEach((entry, index) => {
      const event = typeof entry === 'string' ? entry : eventOf(entry, config);
      if (typeof event === 'string') rejected.push({ index, problem: event });
      else events.push(event);
    });
    return { events, rejected };
  },
});

const headerOf = (headers: Headers, name: string): string => {
  const value = headers[name];
  return typeof value === 'string' ? value : '';
};

const isJson = (type: string): boolean => /^[\w.-]+\/(?:[\w.-]+\+)?json *(?:;|$)/i.test(type);
const isText = (type: string): boolean => /^text\/|[/+]xml *(?:;|$)|^application\/x-www-form-urlencoded/i.test(type);

/** A structured event says so in its content type, and then no header counts (section 3.2). */
const isBinary = (headers: Headers): boolean =>
  !/^application\/cloudevents/i.test(headerOf(headers, 'content-type')) &&
  Object.keys(headers).some((name) => name.startsWith('ce-'));

const PREFIX = 'ce-';

/** A header for each attribute, and the body is the data. */
function fromBinary(payload: unknown, headers: Headers): Found | string {
  const attributes = new Map<string, string>();
  for (const name of Object.keys(headers)) {
    if (!name.startsWith(PREFIX)) continue;
    const value = decoded(headerOf(headers, name));
    if (value === undefined) return `the header ${name.slice(0, 64)} is not UTF-8`;
    setAttribute(attributes, name.slice(PREFIX.length), value);
  }
  const type = headerOf(headers, 'content-type');
  setAttribute(attributes, 'datacontenttype', type);
  return Buffer.isBuffer(payload) ? { attributes, ...dataIn(payload, type) } : { attributes, data: payload, text: '' };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The value of a header (section 3.1.3.2): without quotes, and percent-decoded once. Undefined where that is no UTF-8. */
function decoded(header: string): string | undefined {
  const bare = /^"(.*)"$/.exec(header.trim())?.[1]?.replace(/\\(.)/g, '$1') ?? header.trim();
  const bytes = bare.replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  try {
    return utf8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return undefined;
  }
}

/** Everything in one object; the data under `data`, or under `data_base64` where it is bytes. */
function fromStructured(entry: unknown): Found | string {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return 'a CloudEvent has to be an object';
  const { data, data_base64, ...rest } = entry as Record<string, unknown>;
  const attributes = new Map<string, string>();
  for (const [name, value] of Object.entries(textsIn(rest))) setAttribute(attributes, name, value);
  // Only texts name an event: 25 and "25" would be one.
  for (const name of REQUIRED) if (typeof rest[name] !== 'string') attributes.delete(name);
  const type = attributes.get('datacontenttype') ?? '';
  if (typeof data_base64 === 'string') return { attributes, ...dataIn(Buffer.from(data_base64, 'base64'), type) };
  return typeof data === 'string' ? { attributes, data: undefined, text: data } : { attributes, data, text: '' };
}

function setAttribute(attributes: Map<string, string>, name: string, value: string): void {
  if (/^[a-z0-9]+$/.test(name) && value.trim() !== '') attributes.set(name, value);
}

/** Larger data is no alert's: it would be read only to be left out. */
const DATA_MAX_BYTES = 256 * 1024;

/** Bytes as what their type says they are; data of another type is only counted. */
function dataIn(bytes: Buffer, type: string): { data: unknown; text: string } {
  if (bytes.length === 0) return { data: undefined, text: '' };
  if (isText(type)) return { data: undefined, text: bytes.toString('utf8') };
  if ((type === '' || isJson(type)) && bytes.length <= DATA_MAX_BYTES) {
    try {
      const data: unknown = JSON.parse(utf8.decode(bytes));
      return { data, text: '' };
    } catch {
      // Said to be JSON, or nothing said: then it is bytes.
    }
  }
  return { data: undefined, text: `${bytes.length} bytes of ${type || 'an unknown type'}` };
}

const REQUIRED = ['id', 'source', 'type'] as const;

/** What data of our own words says: the fields of the event door. */
const word = z.string().trim().catch('');
const Said = z.object({
  title: word,
  message: word,
  summary: word,
  body: word,
  description: word,
  severity: word,
  status: word,
  service: word,
  dedup_key: word,
  url: word,
  labels: z.unknown().optional(),
  links: z.array(z.unknown()).catch([]),
});
type Said = z.output<typeof Said>;
const SaidLink = z.object({ title: word, url: z.string() });

/** Attributes that are no labels: told elsewhere, or of the way the event took. */
const NO_LABELS = new Set([
  ...['id', 'source', 'type', 'specversion', 'datacontenttype', 'dataschema', 'subject', 'time'],
  ...['severitytext', 'severitynumber', 'expirytime', 'status', 'dedupkey', 'service'],
  ...['traceparent', 'tracestate', 'sequence', 'sequencetype', 'sampledrate', 'partitionkey', 'recordedtime'],
]);

/** The event, or why this is none. */
function eventOf({ attributes, data, text }: Found, config: Config): Event | string {
  const at = (name: string): string => attributes.get(name) ?? '';
  if (at('specversion') !== '1.0') return 'not a CloudEvent with the specversion 1.0';
  for (const name of REQUIRED) if (at(name) === '') return `the CloudEvent has no ${name}`;
  const said = Said.safeParse(data).data;
  const [type, subject] = [at('type'), at('subject')];
  const { severity, severity_word } = severityIn(at('severitytext'), at('severitynumber'), said?.severity ?? '');
  const event: Event = {
    id: idOf(at('source'), at('id'), config),
    source: config.source ?? at('source'),
    type,
    title: said?.title || said?.message || said?.summary || [type, subject].filter(Boolean).join(': '),
    severity,
    components: subject ? [subject] : [],
    labels: labelsOf(attributes, said, config),
    assignees: [],
    links: linksOf(said),
    status: (at('status') || said?.status || '').toLowerCase() === 'resolved' ? 'resolved' : 'firing',
  };
  if (severity_word !== '' && severity_word !== severity) event.severity_word = severity_word;
  const body = said?.body || said?.description || (said?.title ? said.message : '') || text;
  if (body) event.body = body;
  const service = at('service') || said?.service;
  if (service) event.service = service;
  // The same subject in the same trouble is one alert; without a subject the event's own words tell it from others.
  const dedup_key = at('dedupkey') || said?.dedup_key || (subject && `${type}/${subject}`);
  if (dedup_key) event.dedup_key = dedup_key;
  if (data !== undefined && data !== null) event.context = data as Json;
  // https://www.w3.org/TR/trace-context/#traceparent-header: the trace is the second of four parts.
  const trace_id = /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(at('traceparent'))?.[1];
  if (trace_id) event.trace_id = trace_id;
  const occurred_at = timeOf(at('time'));
  if (occurred_at) event.occurred_at = occurred_at;
  const expires_at = timeOf(Date.parse(timeOf(at('expirytime')) ?? ''));
  if (expires_at && event.status === 'firing') event.expires_at = expires_at;
  return fitted(event);
}

/** An event is named by its source and its id together (section 3.1.1): where we cannot keep both, by a hash of them. */
function idOf(source: string, id: string, config: Config): string {
  const isWhole = config.source === undefined && lengthOf(source) <= LIMITS.name && bytesOf(id) <= LIMITS.id;
  return isWhole
    ? id
    : createHash('sha256')
        .update(JSON.stringify([source, id]))
        .digest('hex');
}

/** OpenTelemetry's numbers in fours, from trace to fatal (opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber). */
const severityByNumber = (number: number): Severity =>
  number >= 21 ? 'critical' : number >= 17 ? 'error' : number >= 13 ? 'warning' : 'info';

function severityIn(text: string, number: string, said: string): { severity: Severity; severity_word: string } {
  const named = severityOf(text);
  if (named) return { severity: named, severity_word: text };
  if (/^\d{1,2}$/.test(number)) return { severity: severityByNumber(Number(number)), severity_word: text };
  return { severity: severityOf(said) ?? 'info', severity_word: text || said };
}

function labelsOf(attributes: Map<string, string>, said: Said | undefined, config: Config): Labels {
  const labels = textsIn(said?.labels);
  for (const [name, value] of attributes) if (!NO_LABELS.has(name)) labels[name] = value;
  const subject = attributes.get('subject');
  if (subject) labels.subject = subject;
  if (config.source !== undefined) labels.ce_source = attributes.get('source') ?? '';
  return labels;
}

function linksOf(said: Said | undefined): Link[] {
  const links: Link[] = said?.url ? [{ title: 'Event', url: said.url }] : [];
  for (const entry of said?.links ?? []) {
    const link = SaidLink.safeParse(entry);
    if (link.success) links.push({ title: link.data.title || 'Link', url: link.data.url });
  }
  return links;
}
