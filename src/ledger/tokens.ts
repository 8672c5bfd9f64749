/** Answer tokens: what a button or a link in a message gives back. Signed, for one action and one delivery, expiring, used once. */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { AnswerAction } from '../core/spoken.ts';
import { SNOOZE_MS } from '../core/spoken.ts';
import { type Command, type CommandResult, decide } from './answers.ts';
import type { Actor } from './audit.ts';
import type { Ledger, Queryable } from './db.ts';
import { digest } from './identity.ts';
import { procedure } from './procedure.ts';
import { announce } from './steps.ts';

export interface Tokens {
  /** At most 60 characters of `[\w-]`: Telegram's buttons give back 64 bytes (https://core.telegram.org/bots/api#inlinekeyboardbutton). */
  sign(delivery: number, action: AnswerAction, now: Date): string;
  /** What it stands for; undefined for what no key of ours has signed. */
  read(token: string): { delivery: number; action: AnswerAction; expires_at: Date } | undefined;
}

/** As long as deliveries are tried at all (75 h for webhooks): nobody answers a page of last week. */
const LIFETIME_MIN = 75 * 60;
const ACTIONS: readonly AnswerAction[] = ['ack', 'snooze', 'resolve'];
/** One byte of action, four of minutes since 1970, six of the delivery's number. */
const BODY_BYTES = 11;
/** 120 bits; RFC 2104 section 5 wants half of the hash at least where it is cut: 128 would, these guesses are throttled besides. */
const MAC_BYTES = 16;
const TOKEN = /^[\w-]{36}$/;

/** `keys`: the first signs, all are read. Of each a key of its own is derived (RFC 5869), so that it signs nothing else. */
export function createTokens(keys: readonly Buffer[]): Tokens {
  const own = keys.map((key) => Buffer.from(hkdfSync('sha256', key, '', 'tocsin answer tokens 1', 32)));
  const macOf = (body: Buffer, key: Buffer): Buffer =>
    createHmac('sha256', key).update(body).digest().subarray(0, MAC_BYTES);
  return {
    sign(delivery, action, now) {
      const [key] = own;
      if (!key) throw new Error('there is no key to sign answers with');
      const body = Buffer.alloc(BODY_BYTES);
      body.writeUInt8(ACTIONS.indexOf(action), 0);
      body.writeUInt32BE(Math.floor(now.getTime() / 60_000) + LIFETIME_MIN, 1);
      body.writeUIntBE(delivery, 5, 6);
      return Buffer.concat([body, macOf(body, key)]).toString('base64url');
    },
    read(token) {
      if (!TOKEN.test(token)) return undefined;
      const bytes = Buffer.from(token, 'base64url');
      const [body, mac] = [bytes.subarray(0, BODY_BYTES), bytes.subarray(BODY_BYTES)];
      if (!own.some((key) => timingSafeEqual(macOf(body, key), mac))) return undefined;
      const action = ACTIONS[body.readUInt8(0)];
      if (!action) return undefined;
      return { action, expires_at: new Date(body.readUInt32BE(1) * 60_000), delivery: body.readUIntBE(5, 6) };
    },
  };
}

/** What a good token is about. */
export interface Asked {
  action: AnswerAction;
  incident: string;
  title: string;
  status: string;
  target: string;
  /** Who has used this very token, and when. */
  used?: { by: string; at: string };
}

/** Looks, and changes nothing: a link that a mail scanner opens answers nothing. */
export async function askedBy(
  db: Queryable,
  tokens: Tokens,
  token: string,
  now: Date,
): Promise<Asked | 'unknown' | 'expired'> {
  const read = tokens.read(token);
  if (!read) return 'unknown';
  if (read.expires_at <= now) return 'expired';
  const [row] = await db.query<{
    incident: string;
    target: string;
    title: string;
    status: string;
    by: string | null;
    at: Date | null;
  }>(
    `select d.incident, d.target, i.title, i.status, u.by, u.at from deliveries d join incidents i on i.id = d.incident
       left join answer_uses u on u.token = $2 where d.number = $1`,
    [read.delivery, digest(token)],
  );
  if (!row) return 'unknown';
  const { by, at, ...about } = row;
  return { action: read.action, ...about, ...(by !== null && at ? { used: { by, at: at.toISOString() } } : {}) };
}

export type TokenResult =
  | CommandResult
  | { outcome: 'expired' }
  /** Once is once, also where the answer was taken back since. */
  | { outcome: 'used'; by: string; at: string; incident: string };

/** Gives the answer that the token stands for, once. */
export async function answerByToken(
  ledger: Ledger,
  tokens: Tokens,
  token: string,
  who: (asked: Asked) => Actor,
  now: Date,
): Promise<TokenResult> {
  const asked = await askedBy(ledger, tokens, token, now);
  if (asked === 'unknown' || asked === 'expired') return { outcome: asked };
  const result = await answerOnce(ledger, digest(token), asked.incident, commandOf(asked.action), who(asked));
  announce('answer.committed');
  if (result.outcome === 'done') ledger.wake();
  return result;
}

/** True for the first who brings this text: what a provider posts again has been done already. */
export async function isFirst(db: Queryable, text: string, by: string): Promise<boolean> {
  const rows = await db.query(
    'insert into answer_uses (token, by) values ($1, $2) on conflict (token) do nothing returning token',
    [digest(text), by],
  );
  return rows.length > 0;
}

const commandOf = (action: AnswerAction): Command =>
  action === 'snooze' ? { kind: 'snooze', for_ms: SNOOZE_MS } : { kind: action };

const answerOnce = procedure(
  'answerOnce',
  async (tx, token: string, incident: string, given: Command, who: Actor): Promise<TokenResult> => {
    // Whoever comes second with the same token waits here until the first has ended.
    const [mine] = await tx.query<{ token: string }>(
      'insert into answer_uses (token, by) values ($1, $2) on conflict (token) do nothing returning token',
      [token, who.by],
    );
    if (!mine) {
      const [use] = await tx.query<{ by: string; at: Date }>('select by, at from answer_uses where token = $1', [
        token,
      ]);
      return { outcome: 'used', by: use?.by ?? '', at: use?.at.toISOString() ?? '', incident };
    }
    const result = await decide(tx, incident, given, who);
    // What changed nothing has used nothing.
    if (result.outcome !== 'done') await tx.query('delete from answer_uses where token = $1', [token]);
    return result;
  },
);
