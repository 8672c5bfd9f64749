/** Opsgenie's request ids: each says what became of its request, so that none of them has to be kept. */
import { z } from 'zod';
import { hmacOf, isSame } from '../../sources/source.ts';

/**
 * What a request came to. Here that is known before the request is answered, while Opsgenie's clients are used to ask for it
 * later. The id therefore holds it, signed with a key that only this source has: it is readable after any restart and by every
 * process, needs no table and nothing that empties one, and nobody can make one up.
 */
export interface Outcome {
  action: string;
  success: boolean;
  status: string;
  /** Milliseconds since 1970. */
  at: number;
  alertId: string;
  alias: string;
}

const Written = z.strictObject({
  action: z.string(),
  success: z.boolean(),
  status: z.string(),
  at: z.number(),
  alertId: z.string(),
  alias: z.string(),
  /** Two requests of one moment have two ids. */
  nonce: z.string(),
});

/** 128 bits. */
const MAC_CHARS = 32;
/** An alias of 512 characters of four bytes each, in base64. */
export const REQUEST_ID_MAX = 4_096;

const macOf = (body: string, api_key: string): string =>
  hmacOf(hmacOf(api_key, 'tocsin opsgenie requests 1'), body).slice(0, MAC_CHARS);

export function requestIdOf(outcome: Outcome, api_key: string): string {
  const body = Buffer.from(
    JSON.stringify({ ...outcome, nonce: crypto.randomUUID().slice(0, 8) } satisfies z.input<typeof Written>),
  ).toString('base64url');
  return `${body}.${macOf(body, api_key)}`;
}

/** What the request came to; undefined for what this key has not signed. */
export function outcomeIn(id: string, api_key: string): Outcome | undefined {
  const [body = '', mac = '', ...more] = id.split('.');
  if (more.length > 0 || !isSame(mac, macOf(body, api_key))) return undefined;
  const { nonce: _, ...outcome } = Written.parse(JSON.parse(Buffer.from(body, 'base64url').toString('utf8')));
  return outcome;
}
