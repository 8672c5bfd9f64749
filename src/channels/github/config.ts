/** What an operator sets for GitHub: who we are there, what is written, and where it goes. */
import { createPrivateKey } from 'node:crypto';
import { z } from 'zod';
import { secret } from '../channel.ts';

/** `owner/name`; accounts of an enterprise may have an underscore. */
export const REPOSITORY = /^\w[\w-]{0,99}\/(?!\.{1,2}$)[\w.-]{1,100}$/;
const REPOSITORY_OR_ALL = /^\w[\w-]{0,99}\/(?:\*|(?!\.{1,2}$)[\w.-]{1,100})$/;

/** A number, or its digits: from an environment variable everything is a text. */
const digits = z.union([z.int().positive(), z.string().regex(/^[1-9]\d{0,15}$/)]);

export const KINDS = ['comment', 'status', 'check', 'deployment'] as const;
export type Kind = (typeof KINDS)[number];

export const config = z
  .strictObject({
    token: secret('Token', 'A personal access token, classic or fine-grained. Either this or the three of an App.')
      .regex(/^[\x21-\x7e]+$/, 'expected a token: no spaces, no line breaks')
      .refine(
        (text) => !text.startsWith('ghs_'),
        'this is an installation’s token, which lasts an hour: give app_id, installation_id and private_key instead',
      )
      .optional(),
    app_id: z
      .union([digits, z.string().regex(/^Iv[\w.]{4,60}$/)])
      .optional()
      .meta({ title: 'App ID', description: 'Of a GitHub App: its number or its client id. Check runs need an App.' }),
    installation_id: digits.optional().meta({
      title: 'Installation ID',
      description: 'Where the App is installed: the number at the end of the address of its settings there.',
    }),
    private_key: secret('Private key', 'Of the App: the text of the .pem file, line breaks also as \\n.')
      .refine(isPrivateKey, 'expected the RSA private key of the App: the whole text of its .pem file')
      .optional(),
    kind: z
      .enum(['auto', ...KINDS])
      .default('auto')
      .meta({
        title: 'What is written',
        description:
          'comment (one on the pull request, kept up to date), status or check (on the commit), deployment (a status of it); auto: what the events name.',
      }),
    repository: z
      .string()
      .regex(REPOSITORY, 'expected owner/name')
      .optional()
      .meta({ title: 'Repository', description: 'For events without the label repository.' }),
    pull_request: digits.optional().meta({
      title: 'Pull request or issue',
      description: 'Its number, for events that name no pull request (in the repository above).',
    }),
    repositories: z
      .array(z.string().regex(REPOSITORY_OR_ALL, 'expected owner/name or owner/*'))
      .min(1)
      .max(100)
      .optional()
      .meta({
        title: 'Repositories allowed',
        description:
          'owner/name or owner/*. Without this an event may name any repository that the token can write to.',
      }),
    context: z
      .string()
      .regex(/^[ -~]{1,200}$/, 'expected at most 200 printable ASCII characters')
      .default('tocsin/{stage}')
      .meta({
        title: 'Name of statuses and checks',
        description:
          '{stage} is build, test … or the event’s type; {service} its service. Give both where one commit builds several.',
      }),
    marker: z
      .string()
      .regex(/^[A-Za-z0-9][\w.]{0,39}$/, 'expected at most 40 letters, digits, _ or .')
      .default('tocsin')
      .meta({
        title: 'Marker',
        description:
          'Our comment is found by it: two integrations of one account that should not share a comment have two.',
      }),
    api_url: z
      .url({ protocol: /^https?$/ })
      .default('https://api.github.com')
      .meta({ title: 'API address', description: 'For GitHub Enterprise Server: https://git.example.com/api/v3.' }),
  })
  .refine((given) => (given.token === undefined) !== (partsOfApp(given) === 0), {
    path: ['token'],
    error: 'give either a token, or app_id, installation_id and private_key',
  })
  .refine((given) => [0, 3].includes(partsOfApp(given)), {
    path: ['app_id'],
    error: 'an App needs all three: app_id, installation_id and private_key',
  })
  .refine((given) => given.kind !== 'check' || given.token === undefined, {
    path: ['kind'],
    error: 'check runs are for Apps only: give app_id, installation_id and private_key, or use kind: status',
  })
  .refine((given) => given.pull_request === undefined || given.repository !== undefined, {
    path: ['pull_request'],
    error: 'a number means nothing without its repository: give repository as well',
  });
export type Config = z.output<typeof config>;

function partsOfApp(given: Partial<Record<'app_id' | 'installation_id' | 'private_key', unknown>>): number {
  return [given.app_id, given.installation_id, given.private_key].filter((part) => part !== undefined).length;
}

function isPrivateKey(text: string): boolean {
  try {
    return createPrivateKey(text.replaceAll('\\n', '\n')).asymmetricKeyType === 'rsa';
  } catch {
    return false;
  }
}
