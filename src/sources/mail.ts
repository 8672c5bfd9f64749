/** Mail as events: what a letter to an address of a source says, by its subject and its thread. */
import { RE2JS } from 're2js';
import { z } from 'zod';
import { type Event, SEVERITIES } from '../core/event.ts';
import { RESOLVE_WORDS, readSubject } from './mail/words.ts';
import { defineSource, digestOf, duration, fitted, LIMITS, timeOf } from './source.ts';

/** A letter as the listener has read it. */
export const Letter = z.object({
  /** With its angle brackets; a digest of the letter where it has none. */
  message_id: z.string(),
  from: z.string(),
  subject: z.string(),
  text: z.string(),
  date: z.string().optional(),
  /** Named, not kept. */
  attachments: z.array(z.object({ name: z.string(), type: z.string(), bytes: z.number() })),
  /** The key of the letter that it answers, where that was kept. */
  thread_key: z.string().optional(),
});
export type Letter = z.output<typeof Letter>;

const ADDRESS = /^[\w.+-]{1,64}(?:@[a-z0-9.-]{1,253})?$/;
/** Who delivers mail for the whole world uses 25, for which a process needs rights that this one should not have. */
const PORT = 2_525;

/** An expression by RE2, which takes linear time whatever a stranger's subject is. */
const pattern = () =>
  z
    .string()
    .min(1)
    .max(500)
    .transform((text, context) => {
      try {
        return RE2JS.compile(text, RE2JS.CASE_INSENSITIVE);
      } catch (error) {
        context.addIssue({
          code: 'custom',
          message: `is no regular expression: ${error instanceof Error ? error.message : error}`,
          input: text,
        });
        return z.NEVER;
      }
    });

const path = (title: string) =>
  z
    .string()
    .min(1)
    .optional()
    .meta({ title, description: 'A PEM file. With both, mail can come over TLS (STARTTLS).' });

const config = z.strictObject({
  address: z
    .string()
    .toLowerCase()
    .regex(ADDRESS, 'must be an address such as alerts@example.com, or the part before the @')
    .meta({
      title: 'Address',
      description: 'Where its mail goes: a whole address, or the part before the @ at any domain.',
    }),
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .meta({ title: 'Host', description: 'What the SMTP listener listens on.' }),
  port: z.int().min(0).max(65_535).default(PORT).meta({ title: 'Port', description: 'Several sources may share one.' }),
  allow_from: z.array(z.string().toLowerCase().min(1)).min(1).optional().meta({
    title: 'Allow from',
    description:
      'Senders of the envelope: addresses, or domains with all below them. Absent: anybody. An envelope proves nothing: use a password where others can reach the port.',
  }),
  username: z
    .string()
    .min(1)
    .optional()
    .meta({ title: 'Username', description: 'With a password: SMTP AUTH is needed to send here.' }),
  password: z.string().min(8).optional().meta({ title: 'Password', description: 'For SMTP AUTH.', writeOnly: true }),
  tls_cert: path('TLS certificate'),
  tls_key: path('TLS key'),
  severity: z
    .enum(SEVERITIES)
    .default('warning')
    .meta({ title: 'Severity', description: 'Where the subject has no word for it, such as [CRITICAL] or P1:.' }),
  severities: z
    .record(z.string().min(1), z.enum(SEVERITIES))
    .default({})
    .meta({ title: 'Severities', description: 'Words of a subject and what they mean: { SEV1: critical }.' }),
  resolve_words: z.array(z.string().min(1)).default(RESOLVE_WORDS).meta({
    title: 'Resolve words',
    description: 'In brackets, before a colon, or in capitals: the letter ends what another began.',
  }),
  dedup: pattern().optional().meta({
    title: 'Dedup',
    description:
      'A regular expression over the subject: its first group, or all that it matches, makes two letters one alert. Absent: the thread, or what is left of the subject without its words for severity and state.',
  }),
  event_type: z.string().min(1).max(LIMITS.name).default('mail').meta({ title: 'Type', description: 'Of its events.' }),
  service: z.string().min(1).max(LIMITS.name).optional().meta({ title: 'Service', description: 'Of its events.' }),
  expire: duration().optional().meta({
    title: 'Expire',
    description: 'A firing alert not heard of again for so long counts as resolved. Absent: never.',
  }),
});
export type MailConfig = z.output<typeof config>;

export const mail = defineSource({
  id: 'mail',
  name: 'Mail',
  setup: 'Send mail to its address by SMTP at its host and port, or let your mail server forward it there.',
  config,
  verify: () => 'mail comes by SMTP, not over HTTP',

  normalise(payload, { name, config, now }) {
    const letter = Letter.safeParse(payload);
    if (!letter.success) return { events: [], rejected: [{ index: 0, problem: 'not a letter: mail comes by SMTP' }] };
    return { events: [eventOf(letter.data, name, config, now)], rejected: [] };
  },
});

function eventOf(letter: Letter, name: string, config: MailConfig, now: Date): Event {
  const subject = letter.subject.trim();
  const { severity, word, isResolved, about } = readSubject(subject, {
    severities: config.severities,
    resolved: config.resolve_words,
  });
  const status = isResolved ? 'resolved' : 'firing';
  const event: Event = {
    id: letter.message_id.length <= LIMITS.id ? letter.message_id : digestOf(letter.message_id),
    source: name,
    type: config.event_type,
    title: subject || '(no subject)',
    severity: severity ?? config.severity,
    status,
    components: [],
    labels: letter.from === '' ? {} : { from: letter.from },
    assignees: [],
    links: [],
    dedup_key: patternKey(subject, config) ?? letter.thread_key ?? about,
  };
  if (word !== undefined) event.severity_word = word;
  if (letter.text.trim() !== '') event.body = letter.text.trim();
  if (config.service !== undefined) event.service = config.service;
  const occurred_at = letter.date === undefined ? undefined : timeOf(letter.date);
  if (occurred_at !== undefined) event.occurred_at = occurred_at;
  if (letter.attachments.length > 0) event.context = { attachments: letter.attachments };
  if (config.expire !== undefined && status === 'firing')
    event.expires_at = new Date(now.getTime() + config.expire).toISOString();
  return fitted(event);
}

function patternKey(subject: string, { dedup }: MailConfig): string | undefined {
  const found = dedup?.matcher(subject);
  if (!found?.find()) return undefined;
  return (found.groupCount() > 0 ? found.group(1) : undefined) ?? found.group() ?? undefined;
}
