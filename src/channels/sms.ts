/**
 * Short messages by Twilio: one for each number, at most two segments long, answered by a reply such as ACK INC-7.
 * https://www.twilio.com/docs/messaging/api/message-resource
 */
import { z } from 'zod';
import type { Notice } from '../core/notice.ts';
import {
  type Call,
  type CheckCall,
  defineChannel,
  delivered,
  type Outcome,
  type Ref,
  rejected,
  retry,
  secret,
} from './channel.ts';
import { masked, read, refuse } from './sms/ears.ts';
import { codeOf, type ShortMessage, shortMessage, shortWords } from './sms/message.ts';
import { ask, below, failedAtOnce, serviceOf } from './sms/twilio.ts';

/** One request for each, all at once: more would meet Twilio's limit of concurrent requests (error 20429). */
const RECIPIENTS_MAX = 10;
/** How many of the latest messages to a number are looked through. https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources */
const LOOKUP_PAGE = 50;

const NUMBER = /^\+[1-9]\d{6,14}$/; // E.164
const number = z.string().regex(NUMBER, 'expected a number such as +15551234567');

const config = z
  .strictObject({
    account_sid: z
      .string()
      .regex(/^AC[0-9a-fA-F]{32}$/, 'expected AC and 32 hexadecimal digits')
      .meta({ title: 'Account SID', description: 'Starts with AC; on the first page of Twilio’s console.' }),
    auth_token: secret(
      'Auth token',
      'The primary one. Needed to hear replies and receipts, which Twilio signs with it; sends too where there is no API key.',
    ).optional(),
    api_key_sid: z
      .string()
      .regex(/^SK[0-9a-fA-F]{32}$/, 'expected SK and 32 hexadecimal digits')
      .optional()
      .meta({ title: 'API key', description: 'Starts with SK. Better than the auth token: it can be revoked alone.' }),
    api_key_secret: secret('API key secret', 'Shown once, when the key is made.').optional(),
    from: z
      .string()
      .regex(
        /^(\+[1-9]\d{6,14}|\d{3,8}|(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9 +_&-]{1,11})$/,
        'expected a number such as +15551234567, a short code, or a name of at most 11 characters',
      )
      .optional()
      .meta({
        title: 'From',
        description: 'A number of the account. A name works in some countries and hears no replies.',
      }),
    messaging_service_sid: z
      .string()
      .regex(/^MG[0-9a-fA-F]{32}$/, 'expected MG and 32 hexadecimal digits')
      .optional()
      .meta({ title: 'Messaging service', description: 'Starts with MG; it chooses the sender. Instead of From.' }),
    to: z
      .array(number)
      .min(1)
      .max(RECIPIENTS_MAX)
      .refine((numbers) => new Set(numbers).size === numbers.length, 'the same number twice')
      .meta({ title: 'To', description: 'Each gets a message of its own, which is paid for. Only these may reply.' }),
    status_callback: z
      .url({ protocol: /^https?$/ })
      .optional()
      .meta({ title: 'Status callback', description: 'Where Twilio tells what became of each message.' }),
    send_resolved: z
      .boolean()
      .default(true)
      .meta({ title: 'Tell when resolved', description: 'Whether the end of an incident is worth a message.' }),
    api_url: z
      .url({ protocol: /^https?$/ })
      .default('https://api.twilio.com')
      .meta({ title: 'API address', description: 'Changed for a region, such as https://api.dublin.ie1.twilio.com.' }),
  })
  .refine(({ from, messaging_service_sid }) => (from === undefined) !== (messaging_service_sid === undefined), {
    path: ['from'],
    error: 'give either from or messaging_service_sid',
  })
  .refine((key) => (key.api_key_sid === undefined) === (key.api_key_secret === undefined), {
    path: ['api_key_sid'],
    error: 'api_key_sid and api_key_secret belong together',
  })
  .refine(({ auth_token, api_key_sid }) => auth_token !== undefined || api_key_sid !== undefined, {
    path: ['auth_token'],
    error: 'give auth_token, or api_key_sid and api_key_secret',
  });
type Config = z.output<typeof config>;

/** The message and what it costs. Pure; golden files in test/golden/sms. */
export const render = (notice: Notice, { from, auth_token }: Config): ShortMessage =>
  shortMessage(notice, auth_token !== undefined && (from === undefined || /^\+?\d+$/.test(from)));

export const sms = defineChannel({
  id: 'sms',
  name: 'SMS (Twilio)',
  setup:
    'Rent a number at Twilio (in the USA register it, A2P 10DLC), and give the account, a token or key, and the numbers to tell.',
  config,
  sample: {
    account_sid: 'AC00000000000000000000000000000000',
    auth_token: 'sample-token-not-a-real-one',
    api_key_sid: 'SK00000000000000000000000000000000',
    api_key_secret: 'sample-secret-not-a-real-one',
    from: '+15005550006',
    to: ['+15551234567'],
    status_callback: 'https://tocsin.example.com/twilio',
  },
  can: { thread: false, update: false, answer: true },
  arrives: 'later',
  patience: { timeout_ms: 15_000, max_attempts: 4, backoff_ms: 10_000 },
  // What a long code sends in the USA and Canada; Twilio queues the rest: https://www.twilio.com/docs/messaging/guides/rate-limits-and-message-queues
  rate: { count: 1, per_ms: 1_000 },
  ears: {
    // A body would be sent to the person: https://www.twilio.com/docs/messaging/twiml
    thanks: 204,
    refuse,
    read,
    async tell(reply, words, call) {
      if (typeof reply.to !== 'string') return rejected('config', 'SMS: nobody to reply to');
      const result = await submit(reply.to, shortWords(words), call);
      return result.sid === undefined ? result.outcome : delivered({ messages: [{ to: reply.to, sid: result.sid }] });
    },
  },

  async send(call) {
    const { config, notice } = call;
    const notes: string[] = [];
    let had = new Map<string, string>();
    // Several numbers are several messages: those of the attempt before that were taken must not be sent again.
    if (notice.delivery.attempt > 1 && config.to.length > 1) {
      const looked = await lookUp(call);
      if (looked.outcome?.kind === 'retry') return looked.outcome;
      if (looked.outcome) notes.push('Twilio does not let us look who had it already');
      had = looked.had;
    }
    const { body } = render(notice, config);
    const results = await Promise.all(
      config.to.map(async (to): Promise<Result> => {
        const sid = had.get(to);
        return sid === undefined ? submit(to, body, call) : { to, sid };
      }),
    );
    return together(results, notes);
  },

  async find(call) {
    const { had, outcome } = await lookUp(call);
    if (outcome) throw new Error('Twilio could not be asked whether it has the message');
    if (call.config.to.every((to) => had.has(to))) return refOf([...had].map(([to, sid]) => ({ to, sid })));
    // A message that is there proves something; one that is not does not (twilio-java#442, twilio-node#647).
    throw new Error('Twilio’s list does not show the message, but it may lag behind');
  },

  async check(call) {
    const { config } = call;
    // A standard API key may not read the account, but the messages.
    const account = await ask(
      below(config, config.api_key_sid === undefined ? '.json' : '/Messages.json?PageSize=1'),
      undefined,
      call,
    );
    if (!account.ok) return account.outcome;
    const { status } = account.result as { status?: unknown };
    if (typeof status === 'string' && status !== 'active')
      return rejected('auth', 'Twilio: the account is suspended or closed');
    if (config.messaging_service_sid !== undefined) {
      const service = await ask(serviceOf(config, config.messaging_service_sid), undefined, call);
      return service.ok ? delivered() : service.outcome;
    }
    if (config.from === undefined || !NUMBER.test(config.from)) return delivered();
    const owned = await ask(
      below(config, `/IncomingPhoneNumbers.json?${new URLSearchParams({ PhoneNumber: config.from })}`),
      undefined,
      call,
    );
    return owned.ok ? ofNumber(owned.result) : owned.outcome;
  },
});

function ofNumber(result: unknown): Outcome {
  const { incoming_phone_numbers: numbers } = result as {
    incoming_phone_numbers?: { capabilities?: { sms?: unknown } }[];
  };
  const [first] = Array.isArray(numbers) ? numbers : [];
  if (!first) return rejected('config', 'Twilio: from is no number of this account; rent one, or correct it');
  return first.capabilities?.sms === false
    ? rejected('config', 'Twilio: the number of from cannot send messages')
    : delivered();
}

/** What became of one number: the message's id, or why there is none. */
type Result = { to: string; sid: string } | { to: string; sid?: undefined; outcome: Outcome };

/** One message to one number. */
async function submit(to: string, body: string, call: CheckCall<Config>): Promise<Result> {
  const { config } = call;
  const sender =
    config.messaging_service_sid === undefined
      ? { From: config.from ?? '' }
      : { MessagingServiceSid: config.messaging_service_sid };
  const callback = config.status_callback === undefined ? {} : { StatusCallback: config.status_callback };
  const answer = await ask(below(config, '/Messages.json'), { To: to, ...sender, Body: body, ...callback }, call);
  if (!answer.ok) return { to, outcome: answer.outcome };
  const { sid, status, error_code } = answer.result as { sid?: unknown; status?: unknown; error_code?: unknown };
  if (status === 'failed') return { to, outcome: failedAtOnce(Number(error_code ?? 0)) };
  if (typeof sid !== 'string')
    return { to, outcome: retry('server', 'Twilio answered without the message', { ambiguous: true }) };
  return { to, sid };
}

/** One outcome of several: what may still be sent decides, then whoever has it, then why nobody has. */
function together(results: Result[], notes: string[]): Outcome {
  const taken = results.flatMap((one) => (one.sid === undefined ? [] : [{ to: one.to, sid: one.sid }]));
  const failed = results.flatMap((one) => (one.sid === undefined ? [{ to: one.to, outcome: one.outcome }] : []));
  const words = wordsOn(failed);
  const told = results.length === 1 ? words : `${taken.length} of ${results.length} numbers told; ${words}`;
  const open = failed.flatMap(({ outcome }) => (outcome.kind === 'retry' ? [outcome] : []));
  const [first] = open;
  if (first) {
    const wait = Math.max(...open.map(({ after_ms }) => after_ms ?? -1));
    const ambiguous = open.some((outcome) => outcome.ambiguous === true);
    return retry(first.reason, told, { ...(wait < 0 ? {} : { after_ms: wait }), ...(ambiguous ? { ambiguous } : {}) });
  }
  const [refused] = failed;
  if (taken.length === 0 && refused?.outcome.kind === 'rejected') return rejected(refused.outcome.reason, told);
  const note = [...(failed.length > 0 ? [told] : []), ...notes].join('; ');
  return delivered(refOf(taken), note === '' ? undefined : note);
}

/** Why each was not told; numbers with the same reason stand together, and none is written out. */
function wordsOn(failed: { to: string; outcome: Outcome }[]): string {
  const by = new Map<string, string[]>();
  for (const { to, outcome } of failed) {
    const why = outcome.kind === 'delivered' ? '' : outcome.detail;
    by.set(why, [...(by.get(why) ?? []), masked(to)]);
  }
  return [...by].map(([why, numbers]) => `${numbers.join(', ')}: ${why}`).join('; ');
}

/** `messages`: who has it, and the id by which a receipt names it. */
const refOf = (messages: { to: string; sid: string }[]): Ref => ({ messages });

/** Ended before anybody could read it. */
const NOT_SENT: ReadonlySet<unknown> = new Set(['failed', 'undelivered', 'canceled']);

/** Which numbers Twilio has this notice for, by the code at its end. `outcome`: why that could not be found out. */
async function lookUp(call: Call<Config>): Promise<{ had: Map<string, string>; outcome?: Outcome }> {
  const { config, notice } = call;
  const code = codeOf(notice);
  const had = new Map<string, string>();
  // No filter by DateSent: a message that waits in Twilio's queue has none yet.
  const answers = await Promise.all(
    config.to.map(async (to) => {
      const query = new URLSearchParams({ To: to, PageSize: String(LOOKUP_PAGE) });
      return { to, answer: await ask(below(config, `/Messages.json?${query}`), undefined, call) };
    }),
  );
  for (const { to, answer } of answers) {
    if (!answer.ok) return { had: new Map(), outcome: answer.outcome };
    const { messages } = answer.result as { messages?: unknown };
    const found = (
      Array.isArray(messages) ? (messages as { sid?: unknown; body?: unknown; status?: unknown }[]) : []
    ).find(
      ({ sid, body, status }) =>
        typeof sid === 'string' && typeof body === 'string' && body.includes(code) && !NOT_SENT.has(status),
    );
    if (typeof found?.sid === 'string') had.set(to, found.sid);
  }
  return { had };
}
