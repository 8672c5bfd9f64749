/** Email over SMTP: one message to all recipients, the mails of an incident in one conversation. */
import { createHash } from 'node:crypto';
import { isInCiFacts } from '../core/ci.ts';
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
import { type Call, defineChannel, delivered, type Outcome, type Ref, retry } from './channel.ts';
import { type Config, config } from './email/config.ts';
import { besidesIn, priorityFrom, recipientsOf, subjectFrom } from './email/kinds.ts';
import {
  acceptedOf,
  accountProblem,
  check,
  fromSmtp,
  isForNow,
  type Refused,
  refusedIn,
  refusedOf,
  transportOf,
} from './email/smtp.ts';

/** Past this, clients cut it out of sight. */
const SUBJECT_MAX = 150;
/** Gmail clips a message whose HTML is larger than 102 KB; these budgets stay well below it. */
const BODY_MAX = 8_000;
const BODY_AMONG_MAX = 300;
const VALUE_MAX = 500;
const LINE_MAX = 500;
const LINES_MAX = 20;
const LINKS_MAX = 10;
const URL_MAX = 2_000;
const LABELS_MAX = 20;
/** So often recipients are tried who are refused for now while others have the mail: later notices wait meanwhile. */
const PUT_OFF_TRIES = 4;

/** The mail but for its addresses: subject, both alternatives, and the headers that make it part of a conversation. */
export function render(notice: Notice, config: Config, root?: Ref) {
  const { incident } = notice;
  const domain = config.from.slice(config.from.lastIndexOf('@') + 1);
  const parent = typeof root?.message_id === 'string' ? root.message_id : undefined;
  const rootSubject = typeof root?.subject === 'string' ? root.subject : subjectOf(notice, config);
  const rootId = rootIdOf(notice, domain);
  const priority = priorityFrom(notice, config);
  return {
    // Gmail joins a conversation by the subject as well, so replies repeat the first one's.
    subject: parent === undefined ? subjectOf(notice, config) : `Re: ${rootSubject}`,
    ...(parent === undefined && opens(notice)
      ? { messageId: rootId }
      : {
          messageId: `<${digest(notice.delivery.key)}@${domain}>`,
          inReplyTo: parent ?? rootId,
          references: [parent ?? rootId],
        }),
    priority: priority === 'normal' ? ('normal' as const) : ('high' as const),
    headers: {
      'Auto-Submitted': 'auto-generated', // RFC 3834: no out-of-office answers, please
      'X-Auto-Response-Suppress': 'All',
      ...(priority === 'urgent' ? { Priority: 'urgent' } : {}), // RFC 2156 section 5.3.6
      'X-Tocsin-Incident': clip(ascii(incident.id), 100),
      'X-Tocsin-Delivery': clip(ascii(notice.delivery.key), 200),
    },
    text: textOf(notice),
    html: htmlOf(notice),
  };
}

const subjectOf = (notice: Notice, config: Config): string => {
  const subject = subjectFrom(notice, config);
  if (subject !== undefined && subject !== '') return clip(subject, SUBJECT_MAX);
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
        return href === undefined || href.length > URL_MAX ? [] : [{ title: clip(oneLine(title) || href, 100), href }];
      }),
    answer: answerOf(notice),
    answers: (notice.answers ?? []).flatMap(({ label, url }) => {
      const href = url === undefined ? undefined : safeLink(url);
      return href === undefined || href.length > URL_MAX ? [] : [{ label: clip(oneLine(label), 60), href }];
    }),
    why: REASONS[notice.reason],
  };
}

/** Labels as they are; those that CI's facts name already are not said twice. */
const labelFacts = (alert: NoticeAlert): [string, string][] =>
  Object.entries(alert.labels)
    .filter(([name]) => !isInCiFacts(alert, name))
    .slice(0, LABELS_MAX)
    .map(([name, value]) => [oneLine(name), oneLine(value)]);

function textOf(notice: Notice): string {
  const { tone, headline, lines, body, facts, alerts, more, links, answer, answers, why } = contentOf(notice);
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
    answers.map(({ label, href }) => `${label}: ${href}`).join('\n'),
    answer === undefined || answers.length > 0 ? '' : `To acknowledge: ${answer}`,
    `Why: ${why}`,
  ];
  return `${paragraphs.filter((paragraph) => paragraph !== '').join('\n\n')}\n`;
}

const button =
  'display:inline-block;margin:0 4px 4px 0;padding:6px 14px;border:1px solid #9ca3af;border-radius:4px;color:#111827;text-decoration:none';
const cell = 'padding:4px 12px 4px 0;vertical-align:top';

/** Inline styles and tables only: that is what mail programs agree on. */
function htmlOf(notice: Notice): string {
  const { tone, headline, lines, body, facts, alerts, more, links, answer, answers, why } = contentOf(notice);
  const html = (text: string, max = LINE_MAX * 2): string => clipEscaped(text, max, escapeHtml);
  const buttonOf = (title: string, href: string): string =>
    `<a style="${button}" href="${escapeHtml(href)}">${html(title)}</a>`;
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
    links.length === 0 ? '' : `<p>${links.map(({ title, href }) => buttonOf(title, href)).join(' ')}</p>`,
    ...(answers.length === 0 ? [] : [`<p>${answers.map(({ label, href }) => buttonOf(label, href)).join(' ')}</p>`]),
    answer === undefined || answers.length > 0 ? '' : `<p>To acknowledge: <code>${html(answer)}</code></p>`,
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
    // The three kinds of mail that a trading platform asked for (seed 003).
    templates: {
      deploymentApproval: {
        subject: '[ACTION REQUIRED] Deployment Approval: ${labels.version} to ${labels.environment}',
        priority: 'high',
        to: ['tech-lead@example.com', 'compliance@example.com'],
      },
      securityIncident: {
        subject: '[CRITICAL] Security Incident: ${labels.incident_type}',
        priority: 'urgent',
        to: ['security@example.com', 'cto@example.com'],
        cc: ['compliance@example.com'],
      },
      productionOutage: {
        subject: '[CRITICAL] Production Outage Detected',
        priority: 'urgent',
        to: ['oncall@example.com', 'leadership@example.com'],
        sms: 'oncall-sms',
      },
    },
  },
  can: { thread: true, update: false, answer: true },
  arrives: 'later',
  // Greylisting servers refuse the first try on purpose and take the same message minutes later.
  patience: { timeout_ms: 20_000, max_attempts: 4, backoff_ms: 15_000 },
  besides: besidesIn,

  async send(call) {
    const { config, notice, signal } = call;
    const problem = accountProblem(config);
    if (problem) return problem;
    const { root, putOff, ...known } = soFar(call);
    const mail = render(notice, config, root);
    const recipients = recipientsOf(notice, config);
    try {
      const transport = await transportOf(call);
      try {
        const info = await transport.sendMail({
          ...mail,
          from:
            config.from_name === undefined ? config.from : { name: oneLine(config.from_name), address: config.from },
          ...recipients,
          // Who has it already is named in the mail as before, and not sent it again.
          ...(putOff.length > 0 ? { envelope: { from: config.from, to: putOff } } : {}),
          signal,
        });
        return partlyOf(call, root, mail, {
          accepted: [...known.accepted, ...acceptedOf(info)],
          refused: [...known.refused, ...refusedOf(info)],
        });
      } finally {
        transport.close();
      }
    } catch (error) {
      const again = putOff.length > 0 ? refusedIn(error) : [];
      // All of those refused again: the others have it, so that this is no failure of the mail.
      return again.length > 0
        ? partlyOf(call, root, mail, { ...known, refused: [...known.refused, ...again] })
        : fromSmtp(error, signal);
    }
  },

  check,
});

/** What became of each recipient of one delivery. */
interface Results {
  accepted: string[];
  refused: Refused[];
}

/** What an earlier attempt of this delivery has achieved: who has it, who is still to get it, and who was refused for good. */
function soFar({ so_far, root }: Call<Config>): Results & { root?: Ref; putOff: string[] } {
  const known = Array.isArray(so_far?.ref?.refused) ? (so_far.ref.refused as unknown as Refused[]) : [];
  // The mail of that attempt became the root of the conversation: it does not answer itself.
  const isOwn = so_far?.ref !== undefined && root?.message_id === so_far.ref.message_id;
  return {
    ...(root === undefined || isOwn ? {} : { root }),
    putOff: known.filter(isForNow).map(({ address }) => address),
    accepted: Array.isArray(so_far?.ref?.accepted) ? so_far.ref.accepted.map(String) : [],
    refused: known.filter((one) => !isForNow(one)),
  };
}

/** The mail is with somebody. Those who were refused for now get it later, where it is remembered who they are. */
function partlyOf(
  { notice, so_far }: Call<Config>,
  root: Ref | undefined,
  mail: { messageId: string; subject: string },
  { accepted, refused }: Results,
): Outcome {
  const ref: Ref = {
    message_id: mail.messageId,
    subject: typeof root?.subject === 'string' ? root.subject : mail.subject,
    ...(accepted.length > 0 ? { accepted } : {}),
    ...(refused.length > 0 ? { refused: refused.map(({ address, code }) => ({ address, code })) } : {}),
  };
  if (refused.length === 0) return delivered(ref);
  const codes = [...new Set(refused.map(({ code }) => code))].join(', ');
  const putOff = refused.filter(isForNow).length;
  if (putOff > 0 && so_far !== undefined && notice.delivery.attempt < PUT_OFF_TRIES) {
    return retry('server', `SMTP ${codes} at RCPT TO: ${plural(putOff, 'recipient')} put off, the others have it`, {
      ref,
    });
  }
  return delivered(ref, `${plural(refused.length, 'recipient')} refused (SMTP ${codes}); the others have it`);
}
