/** Email over SMTP: one message to all recipients, the mails of an incident in one conversation. */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { createTransport } from 'nodemailer';
import { z } from 'zod';
import { type Notice, type NoticeAlert, REASONS } from '../core/notice.ts';
import {
  alertLine,
  answerOf,
  clip,
  clipEscaped,
  escapeHtml,
  factsOf,
  oneLine,
  plural,
  safeLink,
  tidy,
  toneOf,
  utc,
} from '../core/text.ts';
import { defineChannel, delivered, fromError, type Outcome, type Ref, rejected, retry, secret } from './channel.ts';

/** Past this, clients cut it out of sight. */
const SUBJECT_MAX = 150;
/** Gmail clips a message whose HTML is larger than 102 KB; these budgets stay well below it. */
const BODY_MAX = 8_000;
const BODY_AMONG_MAX = 300;
const VALUE_MAX = 500;
const LINE_MAX = 500;
const LINES_MAX = 20;
const LINKS_MAX = 10;
const LABELS_MAX = 20;
const RECIPIENTS_MAX = 50;
/** RFC 8314 section 3.3: TLS from the first byte. Everywhere else STARTTLS is required (decision K2). */
const IMPLICIT_TLS_PORT = 465;
/** Longer than any attempt: the attempt's signal ends it before. nodemailer's own default is up to 10 minutes. */
const SOCKET_TIMEOUT_MS = 60_000;

const address = z.email('expected an address such as ops@example.com').max(254);

const config = z.strictObject({
  host: z
    .string()
    .regex(/^[\w.:-]{1,253}$/, 'expected a host name such as smtp.example.com')
    .meta({ title: 'Host', description: 'The SMTP server.', format: 'hostname' }),
  port: z
    .int()
    .min(1)
    .max(65_535)
    .default(587)
    .meta({ title: 'Port', description: '465 means TLS from the start; any other port means STARTTLS, required.' }),
  secure: z.boolean().optional().meta({
    title: 'TLS from the start',
    description: 'Accepted because other programs ask for it; the port decides.',
  }),
  tls: z.enum(['required', 'none']).default('required').meta({
    title: 'TLS',
    description: 'none sends everything readable, the password too: for a server on this machine only.',
  }),
  user: z.string().min(1).optional().meta({ title: 'User', description: 'With a password, or neither.' }),
  pass: secret('Password', 'At Gmail an app password.').optional(),
  from: address.meta({ title: 'From', description: 'The sender’s address; its domain also names the messages.' }),
  from_name: z
    .string()
    .max(100)
    .optional()
    .meta({ title: 'From, name', description: 'The name shown beside the address.' }),
  to: z.array(address).min(1).max(RECIPIENTS_MAX).meta({ title: 'To', description: 'All get the same message.' }),
  cc: z.array(address).max(RECIPIENTS_MAX).default([]).meta({ title: 'Cc', description: 'Who gets a copy.' }),
});
type Config = z.output<typeof config>;

/** The mail but for its addresses: subject, both alternatives, and the headers that make it part of a conversation. */
export function render(notice: Notice, config: Config, root?: Ref) {
  const { incident } = notice;
  const domain = config.from.slice(config.from.lastIndexOf('@') + 1);
  const parent = typeof root?.message_id === 'string' ? root.message_id : undefined;
  const rootSubject = typeof root?.subject === 'string' ? root.subject : subjectOf(notice);
  const rootId = rootIdOf(notice, domain);
  const urgent = incident.status === 'open' && (incident.severity === 'critical' || incident.severity === 'error');
  return {
    // Gmail joins a conversation by the subject as well, so replies repeat the first one's.
    subject: parent === undefined ? subjectOf(notice) : `Re: ${rootSubject}`,
    ...(parent === undefined && opens(notice)
      ? { messageId: rootId }
      : {
          messageId: `<${digest(notice.delivery.key)}@${domain}>`,
          inReplyTo: parent ?? rootId,
          references: [parent ?? rootId],
        }),
    priority: urgent ? ('high' as const) : ('normal' as const),
    headers: {
      'Auto-Submitted': 'auto-generated', // RFC 3834: no out-of-office answers, please
      'X-Auto-Response-Suppress': 'All',
      'X-Tocsin-Incident': clip(ascii(incident.id), 100),
      'X-Tocsin-Delivery': clip(ascii(notice.delivery.key), 200),
    },
    text: textOf(notice),
    html: htmlOf(notice),
  };
}

const subjectOf = (notice: Notice): string => {
  const id = ` (${clip(ascii(notice.incident.id), 40)})`;
  const start = `[${toneOf(notice).word}] ${oneLine(notice.headline)}`;
  return `${clip(start, SUBJECT_MAX - id.length)}${id}`;
};

/**
 * Whether this is the mail a conversation begins with. A later one without a known first keeps an id of its own: the
 * first may have arrived although its answer was lost, and some servers drop a second mail with the same id.
 */
const opens = ({ reason, story }: Notice): boolean =>
  reason === 'group_now' || reason === 'group_count' || reason === 'group_wait' || story?.phase === 'start';

/** The same for every attempt and every target: the incident and the moment it was opened. */
function rootIdOf({ incident }: Notice, domain: string): string {
  const id = incident.id.replace(/[^\w-]/g, '-');
  return `<${clip(id, 100)}.${Date.parse(incident.opened_at) || 0}@${domain}>`;
}
const digest = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 40);
const ascii = (text: string): string => oneLine(text).replace(/[^\x20-\x7e]/g, '?');

/** What is said, in the order of both alternatives. */
function contentOf(notice: Notice) {
  const { alerts, more, links, incident } = notice;
  const lone = alerts.length + more === 1 ? alerts[0] : undefined;
  return {
    tone: toneOf(notice),
    headline: clip(oneLine(notice.headline), LINE_MAX),
    lines: notice.lines.slice(0, LINES_MAX).map((line) => clip(oneLine(line), LINE_MAX)),
    body: lone?.body === undefined ? undefined : tidy(lone.body),
    facts: [...factsOf(notice), ...(lone ? labelFacts(lone) : [])].map(([name, value]): [string, string] => [
      clip(name, 60),
      clip(value, VALUE_MAX),
    ]),
    alerts: lone ? [] : alerts,
    more,
    links: [...(incident.url ? [{ title: 'Open incident', url: incident.url }] : []), ...links]
      .slice(0, LINKS_MAX)
      .flatMap(({ title, url }) => {
        const href = safeLink(url);
        return href === undefined || href.length > 2_000 ? [] : [{ title: clip(oneLine(title) || href, 100), href }];
      }),
    answer: answerOf(notice),
    why: REASONS[notice.reason],
  };
}

const labelFacts = ({ labels }: NoticeAlert): [string, string][] =>
  Object.entries(labels)
    .slice(0, LABELS_MAX)
    .map(([name, value]) => [oneLine(name), oneLine(value)]);

function textOf(notice: Notice): string {
  const { tone, headline, lines, body, facts, alerts, more, links, answer, why } = contentOf(notice);
  const paragraphs = [
    `${tone.emoji} ${tone.word}: ${headline}`,
    lines.join('\n'),
    body === undefined ? '' : clip(body, BODY_MAX),
    facts.map(([name, value]) => `${name}: ${value}`).join('\n'),
    [
      ...alerts.map(
        (alert) => `- ${alertLine(alert)}${alert.body ? `\n  ${clip(oneLine(alert.body), BODY_AMONG_MAX)}` : ''}`,
      ),
      ...(more > 0 ? [`… and ${plural(more, 'alert')} more`] : []),
    ].join('\n'),
    links.map(({ title, href }) => `${title}: ${href}`).join('\n'),
    answer === undefined ? '' : `To acknowledge: ${answer}`,
    `Why: ${why}`,
  ];
  return `${paragraphs.filter((paragraph) => paragraph !== '').join('\n\n')}\n`;
}

const cell = 'padding:4px 12px 4px 0;vertical-align:top';

/** Inline styles and tables only: that is what mail programs agree on. */
function htmlOf(notice: Notice): string {
  const { tone, headline, lines, body, facts, alerts, more, links, answer, why } = contentOf(notice);
  const html = (text: string, max = LINE_MAX * 2): string => clipEscaped(text, max, escapeHtml);
  const rows = facts.map(
    ([name, value]) =>
      `<tr><td style="${cell};color:#6b7280">${html(name)}</td><td style="${cell}">${html(value)}</td></tr>`,
  );
  const items = alerts.map(
    (alert) =>
      `<li style="margin:4px 0">${html(alertLine(alert))} <span style="color:#6b7280">${html(utc(alert.last_at))}</span>` +
      `${alert.body ? `<br><span style="color:#6b7280">${html(clip(oneLine(alert.body), BODY_AMONG_MAX))}</span>` : ''}</li>`,
  );
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8"></head>',
    '<body style="margin:0;padding:16px;font:14px/1.5 -apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif;color:#111827">',
    `<div style="border-left:4px solid ${tone.colour};padding-left:16px">`,
    `<p style="margin:0 0 8px"><span style="background:${tone.colour};color:#fff;border-radius:4px;padding:2px 8px;font-weight:bold">${html(tone.word)}</span></p>`,
    `<h1 style="font-size:20px;margin:0 0 12px">${html(headline)}</h1>`,
    ...lines.map((line) => `<p style="margin:0 0 4px">${html(line)}</p>`),
    body === undefined
      ? ''
      : `<pre style="white-space:pre-wrap;background:#f3f4f6;padding:8px">${html(body, BODY_MAX)}</pre>`,
    `<table style="border-collapse:collapse;margin:12px 0">${rows.join('')}</table>`,
    items.length === 0 ? '' : `<ul style="padding-left:20px">${items.join('')}</ul>`,
    items.length > 0 && more > 0 ? `<p>… and ${plural(more, 'alert')} more</p>` : '',
    links.length === 0
      ? ''
      : `<p>${links.map(({ title, href }) => `<a href="${escapeHtml(href)}">${html(title)}</a>`).join(' · ')}</p>`,
    answer === undefined ? '' : `<p>To acknowledge: <code>${html(answer)}</code></p>`,
    `<p style="color:#6b7280">Why: ${html(why)}</p>`,
    '</div></body></html>',
  ].join('\n');
}

export const email = defineChannel({
  id: 'email',
  name: 'Email',
  setup:
    'Give an SMTP server, and an account that may send as the From address (Gmail: an app password; SendGrid: the user is always apikey).',
  config,
  sample: {
    host: 'smtp.example.com',
    port: 587,
    user: 'alerts@example.com',
    pass: 'sample-password-not-a-real-one',
    from: 'alerts@example.com',
    from_name: 'Tocsin',
    to: ['ops@example.com', 'oncall@example.com'],
    cc: ['audit@example.com'],
  },
  can: { thread: true, update: false },
  // Greylisting servers refuse the first try on purpose and take the same message minutes later.
  patience: { timeout_ms: 20_000, max_attempts: 4, backoff_ms: 15_000 },

  async send({ config, notice, root, resolve, signal }) {
    if ((config.user === undefined) !== (config.pass === undefined)) {
      return rejected('config', `email: ${config.user === undefined ? 'pass without user' : 'user without pass'}`);
    }
    const mail = render(notice, config, root);
    try {
      const transport = createTransport({
        host: await resolve(config.host, config.port),
        port: config.port,
        secure: config.tls === 'required' && config.port === IMPLICIT_TLS_PORT,
        requireTLS: config.tls === 'required',
        ignoreTLS: config.tls === 'none',
        // The certificate is checked against the name that was configured, not the address it led to. An address
        // is no server name (RFC 6066 section 3); Node then checks the certificate against the address.
        tls: { minVersion: 'TLSv1.2', ...(isIP(config.host) === 0 ? { servername: config.host } : {}) },
        auth: config.user === undefined ? undefined : { user: config.user, pass: config.pass },
        connectionTimeout: SOCKET_TIMEOUT_MS,
        greetingTimeout: SOCKET_TIMEOUT_MS,
        socketTimeout: SOCKET_TIMEOUT_MS,
        socketCloseTimeout: 0,
        disableFileAccess: true,
        disableUrlAccess: true,
      });
      try {
        const info = await transport.sendMail({
          ...mail,
          from:
            config.from_name === undefined ? config.from : { name: oneLine(config.from_name), address: config.from },
          to: config.to,
          cc: config.cc,
          signal,
        });
        const refused = refusedOf(info);
        const subject = typeof root?.subject === 'string' ? root.subject : mail.subject;
        return delivered({ message_id: mail.messageId, subject, ...(refused.length > 0 ? { refused } : {}) });
      } finally {
        transport.close();
      }
    } catch (error) {
      return fromSmtp(error, signal);
    }
  },
});

/** Some recipients refused and others accepted: the mail is sent, and who did not get it is kept. */
function refusedOf(info: { rejected?: unknown; rejectedErrors?: unknown }): { address: string; code: number }[] {
  const errors = Array.isArray(info.rejectedErrors) ? (info.rejectedErrors as SmtpError[]) : [];
  const addresses = Array.isArray(info.rejected) ? info.rejected : [];
  return addresses.map((address) => ({
    address: String(address),
    code: errors.find(({ recipient }) => recipient === address)?.responseCode ?? 0,
  }));
}

interface SmtpError {
  code?: string;
  /** The system's code, where nodemailer put its own in front. */
  originalCode?: string;
  command?: string;
  responseCode?: number;
  recipient?: string;
  rejectedErrors?: SmtpError[];
}

/** Codes of nodemailer that no repeating helps, with what to do. */
const PERMANENT: Record<string, [reason: 'auth' | 'config', advice: string]> = {
  EAUTH: ['auth', 'the server refused user and password'],
  ENOAUTH: ['auth', 'the server offers no way to log in'],
  EOAUTH2: ['auth', 'the server refused the token'],
  ETLS: ['config', 'no trusted TLS connection; check port and certificate (port 465: TLS at once, others: STARTTLS)'],
  ECONFIG: ['config', 'the settings are not complete'],
  EREQUIRETLS: ['config', 'the server does not offer REQUIRETLS'],
};

/**
 * SMTP replies: 4xx is passing, 5xx permanent (RFC 5321 section 4.2.1). Only the code is told: a server's own words
 * may repeat what was sent to it.
 */
function fromSmtp(error: unknown, signal: AbortSignal): Outcome {
  const { code = '', command = '', originalCode = '', responseCode, rejectedErrors } = error as SmtpError;
  if (signal.aborted || code === 'EABORT') return retry('timeout', 'no answer within the timeout', { ambiguous: true });
  const codes = (rejectedErrors ?? []).map((one) => one.responseCode ?? 0);
  const reply = codes.find((one) => one >= 400 && one < 500) ?? responseCode ?? codes[0];
  const at = command === '' ? '' : ` at ${command}`;
  if (reply !== undefined && reply >= 400 && reply < 500) {
    return retry('server', `SMTP ${reply}${at}`);
  }
  const permanent = Object.hasOwn(PERMANENT, code) ? PERMANENT[code] : undefined;
  if (permanent) return rejected(permanent[0], `SMTP ${reply ?? code}${at}: ${permanent[1]}`);
  if (reply !== undefined && reply >= 500) return fromReply(reply, command);
  if (code === 'EENVELOPE' || code === 'EMESSAGE') return rejected('config', `SMTP ${code}${at}`);
  if (code === 'EPROTOCOL')
    return retry('server', `SMTP ${reply ?? code}${at}: not an answer of SMTP`, { ambiguous: true });
  if (/CERT|SELF_SIGNED|ERR_TLS|ERR_SSL/.test(originalCode)) {
    return rejected('config', `no trusted TLS connection (${originalCode}); check host, port and certificate`);
  }
  return fromError(originalCode === '' ? error : Object.assign(new Error(), { code: originalCode }), signal);
}

function fromReply(reply: number, command: string): Outcome {
  const at = command === '' ? '' : ` at ${command}`;
  if (reply === 530 || reply === 534 || reply === 535 || reply === 538) return rejected('auth', `SMTP ${reply}${at}`);
  if (command === 'RCPT TO') return rejected('config', `SMTP ${reply}${at}: every recipient was refused`);
  if (command === 'MAIL FROM') return rejected('config', `SMTP ${reply}${at}: the From address was refused`);
  return rejected('payload', `SMTP ${reply}${at}: the message was refused`);
}
