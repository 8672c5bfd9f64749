/**
 * An address of the user's own, told in JSON and signed as Standard Webhooks says.
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';
import type { Notice, Reason } from '../core/notice.ts';
import { filledJson } from '../core/placeholders.ts';
import { defineChannel, delivered, fromError, fromStatus, rejected } from './channel.ts';
import { alertmanagerBody, withoutResolved } from './webhook/alertmanager.ts';
import { fitted, stringify } from './webhook/body.ts';
import { incidentV1Body } from './webhook/incident-v1.ts';
import { templateField } from './webhook/template.ts';
import { tocsinBody } from './webhook/tocsin.ts';

/** Standard Webhooks, "Signature scheme": a secret of 24 to 64 bytes. */
const SECRET_MIN = 24;
const SECRET_MAX = 64;
/** Our own: while a secret is exchanged there are two; every one more makes the header longer. */
const SECRETS_MAX = 5;

/** Headers of the connection, of who is in between, or of the signature: not the user's to set. */
const OWN_HEADERS =
  /^(host|content-(?:length|type|encoding)|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect|via|forwarded|x-forwarded-.*|x-real-ip|proxy-.*|accept-encoding|webhook-.*)$/i;
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]{1,100}$/; // RFC 9110 section 5.6.2: token

const signingSecret = z
  .string()
  .refine(isSecret, `expected whsec_ and 24 to 64 bytes in base64, or a text of at least ${SECRET_MIN} characters`)
  .meta({ writeOnly: true });

const config = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).meta({
    title: 'URL',
    description: 'Where notices are posted. Masked, because such addresses often carry a token.',
    writeOnly: true,
  }),
  secret: signingSecret.optional().meta({
    title: 'Signing secret',
    description: 'Signs every request (headers webhook-id, webhook-timestamp, webhook-signature).',
    writeOnly: true,
  }),
  secrets: z.array(signingSecret).max(SECRETS_MAX).default([]).meta({
    title: 'Further secrets',
    description:
      'While a secret is exchanged: every request is signed with each of them as well, so that the receiver may believe the old one or the new one.',
  }),
  format: z.enum(['tocsin', 'incident-v1', 'alertmanager']).default('tocsin').meta({
    title: 'Format',
    description:
      'The shape of the JSON body: our own, that of the LLM Incident Manager, or Alertmanager’s webhook version 4.',
  }),
  template: templateField.optional().meta({
    title: 'Template',
    description:
      'A body of your own instead: any JSON whose texts may hold ${title}, ${severity}, ${labels.region} …; a text that is one placeholder alone takes its value as it is. In tocsin.yaml $ is doubled: $${title}.',
  }),
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

/** The body in the configured format: under 256 KB whatever the senders wrote. */
export function render(notice: Notice, { format, template, send_resolved }: Config): unknown {
  if (template !== undefined) return fitted(notice, (told) => filledJson(template, told));
  switch (format) {
    case 'tocsin':
      return fitted(notice, tocsinBody);
    case 'incident-v1':
      return fitted(notice, incidentV1Body);
    case 'alertmanager':
      return fitted(send_resolved ? notice : withoutResolved(notice), alertmanagerBody);
    default:
      return format satisfies never;
  }
}

/** Why the format has nothing to say to this notice; undefined where it has. A template is filled for every reason. */
function unsaid({ reason }: Notice, { format, template }: Config): string | undefined {
  if (template !== undefined || format === 'tocsin') return undefined;
  const unknown: readonly Reason[] =
    format === 'incident-v1' ? ['summary'] : ['summary', 'acknowledged', 'snoozed', 'working'];
  return unknown.includes(reason) ? `not posted: format ${format} has no word for ${reason}` : undefined;
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
    secrets: ['whsec_c2FtcGxlLW9sZGVyLXNlY3JldC1ub3QtcmVhbC1lbHNl'],
    headers: { authorization: 'Bearer sample-not-a-real-one' },
  },
  can: { thread: false, update: false },
  // By the header webhook-id (Standard Webhooks, "Verifying").
  recognises: true,
  patience: { timeout_ms: 10_000, max_attempts: 4, backoff_ms: 5_000 },

  wants: ({ format, template }) => (format === 'incident-v1' && template === undefined ? ['working'] : []),

  async send({ config, notice, fetch, signal, now }) {
    const why = unsaid(notice, config);
    if (why !== undefined) return delivered(undefined, why);
    const body = stringify(render(notice, config));
    try {
      const response = await fetch(config.url, {
        method: 'POST',
        headers: {
          'user-agent': 'Tocsin',
          ...config.headers,
          'content-type': 'application/json; charset=utf-8',
          ...signature(
            [...(config.secret === undefined ? [] : [config.secret]), ...config.secrets],
            notice.delivery.key,
            body,
            now,
          ),
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
function signature(secrets: string[], key: string, body: string, now: Date): Record<string, string> {
  const id = key.replace(/[^\x21-\x7e]|\./gu, '-');
  const identity = { 'webhook-id': id, 'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)) };
  if (secrets.length === 0) return identity;
  const signed = secrets.map((secret) =>
    (secret.startsWith('whsec_') ? new Webhook(secret) : new Webhook(Buffer.from(secret), { format: 'raw' })).sign(
      id,
      now,
      body,
    ),
  );
  // Standard Webhooks, "Signature scheme": several are told apart by spaces, and one good one is enough.
  return { ...identity, 'webhook-signature': [...new Set(signed)].join(' ') };
}

function isSecret(text: string): boolean {
  if (!text.startsWith('whsec_')) return [...text].length >= SECRET_MIN;
  const encoded = text.slice('whsec_'.length);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded) || encoded.length % 4 !== 0) return false;
  const { byteLength } = Buffer.from(encoded, 'base64');
  return byteLength >= SECRET_MIN && byteLength <= SECRET_MAX;
}
