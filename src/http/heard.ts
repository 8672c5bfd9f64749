/** What people answer inside a channel, and what its provider tells of a message later: read by the channel, decided by the ledger. */
import { z } from 'zod';
import { type CheckCall, channelOf, type Ears, type Heard, type Person, type Ref } from '../channels/index.ts';
import type { Integration } from '../config/integrations.ts';
import { answerInWords, type Spoken, spoken } from '../core/spoken.ts';
import { type Command, type CommandResult, command } from '../ledger/answers.ts';
import { incidentNamed, incidentOf, listIncidents } from '../ledger/reading.ts';
import { recordReceipt } from '../ledger/receipts.ts';
import { answerByToken, isFirst, type TokenResult } from '../ledger/tokens.ts';
import type { Deps } from './deps.ts';
import { type Endpoint, endpoint, word } from './endpoint.ts';
import { Problem } from './problem.ts';

/** Providers post a message and what surrounds it; Slack's are some 20 KB. */
const POST_MAX_BYTES = 256 * 1_024;
/** Incidents that `status` names. */
const LISTED_MAX = 10;
/** Telling the person is a courtesy: the answer is in the ledger whether it arrives or not. */
const TELL_MS = 10_000;

type Listening = { integration: Integration; ears: Ears<unknown> };

export const heard = (
  deps: Pick<Deps, 'ledger' | 'config' | 'integrations' | 'tokens' | 'wake' | 'log' | 'egress'>,
): Endpoint[] => {
  const { ledger, config, integrations, tokens, wake, log, egress } = deps;
  const listening = async (name: string): Promise<Listening | undefined> => {
    const integration = await integrations.named(name);
    if ('missing' in integration || !integration.enabled) return undefined;
    const ears = channelOf(integration.type)?.ears;
    return ears ? { integration, ears: ears as Ears<unknown> } : undefined;
  };
  const addressOf = (name: string): string => `${config.publicUrl ?? ''}/v1/heard/${name}`;

  const answered = async (
    one: Heard,
    { integration }: Listening,
    at: { now: Date; request_id: string },
  ): Promise<string> => {
    if (one.kind !== 'answer' && one.kind !== 'command') return '';
    const by = config.people.get(`${integration.type} ${one.person.id}`);
    if (by === undefined) return stranger(one.person, integration.type);
    const who = { by, key: `channel:${integration.name}`, request_id: at.request_id };
    if (one.kind === 'answer') {
      if (!tokens) return 'Answers from messages are not set up: there is no key to sign them with.';
      return inWords(await answerByToken(ledger, tokens, one.token, () => who, at.now));
    }
    const again = `heard/${integration.name}/${JSON.stringify(one.reply ?? {})}`;
    if (one.reply && !(await isFirst(ledger, again, by))) return 'Heard already.';
    const said = spoken(one.words);
    if ('problem' in said) return `Not understood: ${said.problem}`;
    if (said.kind === 'status') return statusInWords();
    const incident = await incidentNamed(ledger, said.incident);
    if (incident === undefined) return `There is no incident ${said.incident}.`;
    const given = commandOf(said);
    return given ? inWords(await command(ledger, incident, given, who)) : whoInWords(incident);
  };

  const noted = async (
    { message, state, detail }: Extract<Heard, { kind: 'receipt' }>,
    target: string,
  ): Promise<void> => {
    const said = detail === undefined ? {} : { detail: integrations.masked(detail) };
    const { outcome, delivery } = await recordReceipt(ledger, { target, message, state, ...said });
    log.debug({ target, delivery, state, outcome }, 'a receipt');
  };

  const statusInWords = async (): Promise<string> => {
    const { incidents, next } = await listIncidents(ledger, { limit: LISTED_MAX, open: true });
    if (incidents.length === 0) return 'No incident is open.';
    const lines = incidents.map(({ id, severity, status, title }) => `${id} ${severity}, ${status}: ${title}`);
    return [...lines, ...(next === undefined ? [] : ['… and more'])].join('\n');
  };

  const whoInWords = async (id: string): Promise<string> => {
    const incident = await incidentOf(ledger, id);
    if (!incident) return `There is no incident ${id}.`;
    const told = [...new Set(incident.deliveries.map(({ target }) => target))];
    const stands = incident.answered_by ? `${incident.status} by ${incident.answered_by}` : incident.status;
    return `${id} is ${stands}. Told: ${told.join(', ') || 'nobody yet'}.`;
  };

  const tell = (reply: Ref, words: string, { integration, ears }: Listening): void => {
    if (!egress) return;
    const call: CheckCall<unknown> = {
      config: integration.config,
      ...egress,
      signal: AbortSignal.timeout(TELL_MS),
      now: new Date(),
    };
    void ears.tell(reply, words, call).then(
      (outcome) => {
        if (outcome.kind !== 'delivered')
          log.warn({ target: integration.name, failure: outcome.reason }, 'the person who answered could not be told');
      },
      (error: unknown) =>
        log.warn({ err: error, target: integration.name }, 'the person who answered could not be told'),
    );
  };

  return [
    endpoint({
      method: 'post',
      path: '/v1/heard/{name}',
      access: 'operator',
      summary: "Hear what a channel's provider posts",
      about:
        'The address that Slack, Telegram or Twilio is given for buttons, commands, replies and receipts of the integration of this name. Each proves itself as its provider does; no key is asked for.',
      params: z.object({ name: word(64) }),
      takes: { kind: 'raw', media: 'any', limit: POST_MAX_BYTES, schema: z.unknown() },
      answers: { 200: { about: 'Heard', media: 'text/plain' }, 204: { about: 'Heard' } },
      async proof({ name = '' }) {
        const found = await listening(name);
        if (!found) return undefined;
        const url = addressOf(name);
        return ({ raw, headers, now }) =>
          found.ears.refuse({ raw, headers: flat(headers), url, now }, found.integration.config);
      },
      async handle({ params: { name }, raw, headers, now, request_id }) {
        const found = await listening(name);
        if (!found) throw new Problem('not-found', 'no integration of this name listens');
        const all = found.ears.read(
          { raw, headers: flat(headers), url: addressOf(name), now },
          found.integration.config,
        );
        let body: string | undefined;
        for (const one of all) {
          if (one.kind === 'greeting') body = one.body;
          else if (one.kind === 'receipt') await noted(one, name);
          if (one.kind !== 'answer' && one.kind !== 'command') continue;
          const words = await answered(one, found, { now, request_id });
          if (one.reply) tell(one.reply, words, found);
        }
        wake();
        return body === undefined ? { status: found.ears.thanks ?? 200 } : { status: 200, type: 'text/plain', body };
      },
    }),
  ];
};

function commandOf(said: Exclude<Spoken, { kind: 'status' }>): Command | undefined {
  switch (said.kind) {
    case 'snooze':
      return { kind: 'snooze', for_ms: said.for_ms };
    case 'comment':
      return { kind: 'comment', text: said.text };
    case 'who':
      return undefined;
    default:
      return { kind: said.kind };
  }
}

const stranger = ({ id, name }: Person, type: string): string =>
  `You (${name}) are not linked to an operator, so nothing was changed. Ask for this in tocsin.yaml: people: { <your name>: { ${type}: '${id}' } }`;

function inWords(result: TokenResult | CommandResult): string {
  switch (result.outcome) {
    case 'done':
    case 'already':
      return answerInWords(result, result.incident);
    case 'closed':
      return `${result.incident.id} is closed: it takes no more answers.`;
    case 'refused':
      return `Not possible: ${result.why}.`;
    case 'used':
      return `This button was used by ${result.by}: it is good for once. Answer from a newer message.`;
    case 'expired':
      return 'This button is too old: answer from a newer message.';
    case 'unknown':
      return 'This is no button of ours, or its incident is long gone.';
    default:
      return result satisfies never;
  }
}

const flat = (headers: NodeJS.Dict<string | string[]>): Record<string, string | undefined> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
