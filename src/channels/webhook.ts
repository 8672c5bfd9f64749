/**
 * An address of the user's own, told in JSON and signed as Standard Webhooks says.
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';
import type { Notice, NoticeAlert } from '../core/notice.ts';
import { clip } from '../core/text.ts';
import { defineChannel, fromError, fromStatus, rejected } from './channel.ts';

/** Our own limit, so that a receiver with a small buffer is not lost: many take 256 KB (AWS SNS and SQS do). */
const BODY_MAX_BYTES = 256 * 1_024 - 1;
const ALERTS_MAX = 20;
/** What remains of a text where the body would be too long. */
const TEXT_MAX = 500;
const LIST_MAX = 50;

/** Standard Webhooks, "Signature scheme": a secret of 24 to 64 bytes. */
const SECRET_MIN = 24;
const SECRET_MAX = 64;

/** Headers of the connection, of who is in between, or of the signature: not the user's to set. */
const OWN_HEADERS =
  /^(host|content-(?:length|type|encoding)|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect|via|forwarded|x-forwarded-.*|x-real-ip|proxy-.*|accept-encoding|webhook-.*)$/i;
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]{1,100}$/; // RFC 9110 section 5.6.2: token

const config = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).meta({
    title: 'URL',
    description: 'Where notices are posted. Masked, because such addresses often carry a token.',
    writeOnly: true,
  }),
  secret: z
    .string()
    .refine(isSecret, `expected whsec_ and 24 to 64 bytes in base64, or a text of at least ${SECRET_MIN} characters`)
    .optional()
    .meta({
      title: 'Signing secret',
      description: 'Signs every request (headers webhook-id, webhook-timestamp, webhook-signature).',
      writeOnly: true,
    }),
  format: z.enum(['tocsin']).default('tocsin').meta({ title: 'Format', description: 'The shape of the JSON body.' }),
  headers: z
    .record(
      z
        .string()
        .regex(HEADER_NAME, 'expected the name of a header')
        .refine((name) => !OWN_HEADERS.test(name), 'this header is set by Tocsin itself'),
      z
        .string()
        .regex(/^[\t\x20-\x7e]{0,2000}$/, 'expected at most 2,000 printable ASCII characters on one line')
        .meta({ writeOnly: true }),
    )
    .optional()
    .meta({
      title: 'Headers',
      description: 'Sent along with every request, such as authorization. Values are masked.',
    }),
  send_resolved: z
    .boolean()
    .default(true)
    .meta({ title: 'Tell when resolved', description: 'Whether the end of an incident is posted as well.' }),
});
type Config = z.output<typeof config>;

/** The body of format `tocsin`, as design section 8 has it: under 256 KB whatever the senders wrote. */
export function render(notice: Notice, _config: Config) {
  const { incident } = notice;
  const whole = {
    type: `incident.${notice.reason}`,
    timestamp: notice.at,
    data: {
      incident: {
        id: incident.id,
        status: incident.status,
        severity: incident.severity,
        title: incident.title,
        ...(incident.service === undefined ? {} : { service: incident.service }),
        route: incident.route,
        ...(incident.url === undefined ? {} : { url: incident.url }),
        alert_count: incident.alert_count,
        first_at: incident.first_at,
        last_at: incident.last_at,
      },
      reason: notice.reason,
      ...(notice.level === undefined ? {} : { level: notice.level }),
      ...(notice.by === undefined ? {} : { by: notice.by }),
      alerts: notice.alerts.slice(0, ALERTS_MAX),
      delivery: notice.delivery,
    },
  };
  if (fits(whole)) return whole;

  const withAlerts = (alerts: NoticeAlert[]) => ({ ...whole, data: { ...whole.data, alerts } });
  const withoutContext = whole.data.alerts.map(({ context: _, ...alert }) => alert);
  if (fits(withAlerts(withoutContext))) return withAlerts(withoutContext);

  const short = withAlerts(withoutContext.map(shortened));
  short.data.incident = { ...whole.data.incident, title: clip(incident.title, TEXT_MAX) };
  while (!fits(short) && short.data.alerts.length > 0) short.data.alerts = short.data.alerts.slice(0, -1);
  return short;
}

const fits = (body: unknown): boolean => Buffer.byteLength(stringify(body)) <= BODY_MAX_BYTES;

/** JSON whose texts are Unicode: half a surrogate pair breaks strict parsers. */
const stringify = (body: unknown): string =>
  JSON.stringify(body, (_name, value: unknown) => (typeof value === 'string' ? value.toWellFormed() : value));

/** An alert whose long texts and lists are cut; where it was cut, `…` says so. */
function shortened(alert: NoticeAlert): NoticeAlert {
  const { body, ...rest } = alert;
  const cut = (texts: string[]) => texts.slice(0, LIST_MAX).map((text) => clip(text, TEXT_MAX));
  return {
    ...rest,
    title: clip(alert.title, TEXT_MAX),
    ...(body === undefined ? {} : { body: clip(body, TEXT_MAX) }),
    components: cut(alert.components),
    assignees: cut(alert.assignees),
    links: alert.links.slice(0, LIST_MAX),
    labels: Object.fromEntries(
      Object.entries(alert.labels)
        .slice(0, LIST_MAX)
        .map(([name, value]) => [name, clip(value, TEXT_MAX)]),
    ),
  };
}

export const webhook = defineChannel({
  id: 'webhook',
  name: 'Webhook',
  setup:
    'Give the address of a service that answers 2xx within the timeout. With a secret, verify the signature by any Standard Webhooks library.',
  config,
  sample: {
    url: 'https://example.com/hooks/tocsin?token=not-a-real-one',
    secret: 'whsec_c2FtcGxlLXNpZ25pbmctc2VjcmV0LW5vdC1yZWFs',
    headers: { authorization: 'Bearer sample-not-a-real-one' },
  },
  can: { thread: false, update: false },
  patience: { timeout_ms: 10_000, max_attempts: 4, backoff_ms: 5_000 },

  async send({ config, notice, fetch, signal, now }) {
    const body = stringify(render(notice, config));
    try {
      const response = await fetch(config.url, {
        method: 'POST',
        headers: {
          'user-agent': 'Tocsin',
          ...config.headers,
          'content-type': 'application/json; charset=utf-8',
          ...signature(config.secret, notice.delivery.key, body, now),
        },
        body,
        redirect: 'manual',
        signal,
      });
      // The status is the whole answer; a body nobody reads must not hold the connection.
      await response.body?.cancel().catch(() => undefined);
      if (response.status >= 300 && response.status < 400) {
        return rejected('config', `HTTP ${response.status}: the address redirects; configure the one it leads to`);
      }
      if (response.status === 410) {
        return rejected('gone', 'HTTP 410: the receiver wants no more; remove the integration or give a new address');
      }
      return fromStatus(response.status, response.headers, now);
    } catch (error) {
      return fromError(error, signal);
    }
  },
});

/**
 * The id is the delivery key, constant over the attempts; the time is this attempt's. A `.` would end the id in what
 * is signed, and a header carries visible ASCII only.
 */
function signature(secret: string | undefined, key: string, body: string, now: Date): Record<string, string> {
  const id = key.replace(/[^\x21-\x7e]|\./gu, '-');
  const identity = { 'webhook-id': id, 'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)) };
  if (secret === undefined) return identity;
  const signer = secret.startsWith('whsec_')
    ? new Webhook(secret)
    : new Webhook(Buffer.from(secret), { format: 'raw' });
  return { ...identity, 'webhook-signature': signer.sign(id, now, body) };
}

function isSecret(text: string): boolean {
  if (!text.startsWith('whsec_')) return [...text].length >= SECRET_MIN;
  const encoded = text.slice('whsec_'.length);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded) || encoded.length % 4 !== 0) return false;
  const { byteLength } = Buffer.from(encoded, 'base64');
  return byteLength >= SECRET_MIN && byteLength <= SECRET_MAX;
}
