/**
 * What Slack posts to us: buttons that were pressed and the command /tocsin, believed only with its signature.
 * https://docs.slack.dev/authentication/verifying-requests-from-slack
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { ANSWER_ID } from '../../core/blocks.ts';
import { clipEscaped, escapeMrkdwn, oneLine, tidy } from '../../core/text.ts';
import {
  delivered,
  type Ears,
  fromError,
  fromStatus,
  type Heard,
  type Person,
  type Posted,
  type Ref,
  rejected,
  retry,
} from '../channel.ts';
import type { Config } from './config.ts';

/** Older requests are repeats of somebody who listened: the page above, "Verifying requests". */
const AGE_MAX_S = 300;
const VERSION = 'v0';
/** The contract's own limit of a token. */
const TOKEN = /^[\w.-]{1,60}$/;
/** More is none of ours: a message has three buttons. */
const ACTIONS_MAX = 10;
const WORDS_MAX = 500;
const NAME_MAX = 80;
const TOLD_MAX = 2_000;
/** Where Slack takes answers to a click: anything else in that field would make us call an address of somebody's choice. */
const REPLY_ORIGIN = 'https://hooks.slack.com';

type Fields = Record<string, unknown>;

export const ears: Ears<Config> = {
  refuse({ raw, headers, now }, { signing_secret }) {
    if (signing_secret === undefined)
      return 'no signing_secret is configured, so nothing that claims to be Slack is believed';
    const timestamp = headers['x-slack-request-timestamp'] ?? '';
    const signature = headers['x-slack-signature'] ?? '';
    if (!/^\d{1,12}$/.test(timestamp) || signature === '') return 'not signed as Slack signs';
    if (Math.abs(now.getTime() / 1_000 - Number(timestamp)) > AGE_MAX_S) {
      return 'signed more than five minutes ago or ahead: a repeat, or one of the two clocks is wrong';
    }
    const hmac = createHmac('sha256', signing_secret).update(`${VERSION}:${timestamp}:`).update(raw);
    const expected = Buffer.from(`${VERSION}=${hmac.digest('hex')}`);
    const given = Buffer.from(signature);
    if (given.byteLength !== expected.byteLength || !timingSafeEqual(given, expected)) {
      return 'the signature is wrong: is signing_secret that of this Slack app?';
    }
    return undefined;
  },

  read(posted) {
    if (/^application\/json\b/.test(posted.headers['content-type'] ?? '')) return greetingIn(objectOf(textOf(posted)));
    const form = new URLSearchParams(textOf(posted));
    if (form.get('ssl_check') === '1') return [{ kind: 'greeting', body: '' }];
    const payload = form.get('payload');
    if (payload !== null) return answersIn(objectOf(payload));
    return commandIn(form);
  },

  async tell(reply, words, { fetch, signal, now }) {
    const { response_url } = reply;
    const address = typeof response_url === 'string' ? URL.parse(response_url) : null;
    if (address?.origin !== REPLY_ORIGIN || address.username !== '' || address.password !== '') {
      return rejected('config', 'Slack gave no address to answer to');
    }
    try {
      const response = await fetch(address.href, {
        method: 'POST',
        headers: { 'content-type': 'application/json; charset=utf-8' },
        body: JSON.stringify({
          response_type: 'ephemeral',
          replace_original: false,
          text: clipEscaped(tidy(words), TOLD_MAX, escapeMrkdwn),
        }),
        redirect: 'manual',
        signal,
      });
      await response.body?.cancel().catch(() => undefined);
      if (response.status === 200) return delivered();
      // It is good for thirty minutes and five messages.
      if (response.status === 404) return rejected('gone', 'Slack takes no more answers to this click');
      const outcome = fromStatus(response.status, response.headers, now, `Slack answered HTTP ${response.status}`);
      return outcome.kind === 'delivered' ? retry('server', `Slack answered HTTP ${response.status}`) : outcome;
    } catch (error) {
      return fromError(error, signal);
    }
  },
};

const textOf = ({ raw }: Posted): string => raw.toString('utf8');

function objectOf(text: string): Fields {
  try {
    return fieldsOf(JSON.parse(text));
  } catch {
    return {};
  }
}
const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
const wordOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Slack asks once whether the address is ours, and wants its own word back. */
function greetingIn({ type, challenge }: Fields): Heard[] {
  const isGood = type === 'url_verification' && typeof challenge === 'string' && challenge.length <= WORDS_MAX;
  return isGood ? [{ kind: 'greeting', body: challenge }] : [];
}

/** The buttons that were pressed; those that only open a link are reported as well, and are none of ours. */
function answersIn({ type, user, actions, response_url }: Fields): Heard[] {
  if (type !== 'block_actions' || !Array.isArray(actions)) return [];
  const person = personOf(fieldsOf(user).id, fieldsOf(user).username ?? fieldsOf(user).name);
  if (person === undefined) return [];
  return actions.slice(0, ACTIONS_MAX).flatMap((action): Heard[] => {
    const { action_id, value } = fieldsOf(action);
    if (!wordOf(action_id).startsWith(ANSWER_ID) || !TOKEN.test(wordOf(value))) return [];
    return [{ kind: 'answer', token: wordOf(value), person, ...replyOf(response_url) }];
  });
}

/** `/tocsin ack INC-7`, or a command of a second installation, `/tocsin-staging`. */
function commandIn(form: URLSearchParams): Heard[] {
  const person = personOf(form.get('user_id'), form.get('user_name'));
  if (person === undefined || !/^\/tocsin(?![a-z0-9])/i.test(form.get('command') ?? '')) return [];
  const words = oneLine(form.get('text') ?? '').slice(0, WORDS_MAX);
  return [{ kind: 'command', words, person, ...replyOf(form.get('response_url')) }];
}

function personOf(id: unknown, name: unknown): Person | undefined {
  if (!/^[A-Z0-9]{2,40}$/.test(wordOf(id))) return undefined;
  return { id: wordOf(id), name: oneLine(wordOf(name)).slice(0, NAME_MAX) || wordOf(id) };
}

const replyOf = (response_url: unknown): { reply?: Ref } =>
  typeof response_url === 'string' && response_url !== '' ? { reply: { response_url } } : {};
