/** What can be configured of mail: the one object that is type, form and documentation. */
import { z } from 'zod';
import { plain } from '../../core/kinds.ts';
import { REASONS } from '../../core/notice.ts';
import { placeholderProblem } from '../../core/placeholders.ts';
import { secret } from '../channel.ts';

const RECIPIENTS_MAX = 50;
const TEMPLATES_MAX = 100;

const address = z.email('expected an address such as ops@example.com').max(254);

const template = z.strictObject({
  subject: z
    .string()
    .min(1)
    .max(500)
    .superRefine((subject, context) => {
      const problem = placeholderProblem(subject);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    })
    .optional()
    .meta({ title: 'Subject', description: 'May hold placeholders: [CRITICAL] ${title} in ${labels.environment}.' }),
  priority: z.enum(['urgent', 'high', 'normal']).optional().meta({
    title: 'Priority',
    description: 'What mail programs show beside the subject. Without it, critical and error are high.',
  }),
  to: z
    .array(address)
    .min(1)
    .max(RECIPIENTS_MAX)
    .optional()
    .meta({ title: 'To', description: 'Instead of the usual recipients.' }),
  cc: z
    .array(address)
    .max(RECIPIENTS_MAX)
    .optional()
    .meta({ title: 'Cc', description: 'Instead of the usual copies.' }),
  sms: z
    .union([z.string().min(1).max(64), z.boolean()], { error: 'must be the name of an integration of type sms' })
    .optional()
    .meta({
      title: 'SMS',
      description:
        'An integration of type sms that is told of this kind of event wherever this mail is, with deliveries of its own; true is the only one there is. Of a mail that is stored and not in the file, from the next start on.',
    }),
});
export type Template = z.output<typeof template>;

export const config = z.strictObject({
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
  templates: z
    .record(z.string().min(1).max(128), template)
    .refine(
      (templates) => Object.keys(templates).length <= TEMPLATES_MAX,
      `expected at most ${TEMPLATES_MAX} templates`,
    )
    .superRefine((templates, context) => {
      for (const [kind, { sms }] of Object.entries(templates)) {
        const reason = Object.keys(REASONS).find((one) => plain(one) === plain(kind));
        if (reason === undefined || sms === undefined || sms === false) continue;
        context.addIssue({
          code: 'custom',
          path: [kind, 'sms'],
          message: `goes by type of event, and ${reason} is a reason: name the integration of type sms in notify of the route or the level`,
        });
      }
    })
    .default({})
    .meta({
      title: 'Templates',
      description:
        'By type of event (production_outage, * for any part of it) or by reason (escalated): another subject, priority or other recipients. What a template leaves out is as above.',
    }),
});
export type Config = z.output<typeof config>;
