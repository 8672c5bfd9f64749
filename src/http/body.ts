/** Bodies: raw bytes up to a limit, and JSON that is bounded before anybody builds on it. */
import express, { type Request, type RequestHandler, type Response } from 'express';
import type { Capacity } from './capacity.ts';
import { Problem } from './problem.ts';

/** One event, or one command (design.md, section 8). */
export const ONE_MAX_BYTES = 64 * 1024;
/** An array of events, or what a source posts (design.md, section 8). */
export const MANY_MAX_BYTES = 5 * 1024 * 1024;
/** No sender known to us nests deeper than a dozen. */
const DEPTH_MAX = 32;
/** Names and entries together: 1,000 events of 300 each, in as much as an array of them may hold. */
const VALUES_MAX = 300_000;

export type ReadBody = (request: Request, response: Response, limit: number) => Promise<Buffer>;

/** Reads the whole body, as it came: nothing is inflated, so signatures hold and a bomb stays small. */
export function bodyReader(capacity: Capacity): ReadBody {
  const readers = new Map<number, RequestHandler>();
  return async (request, response, limit) => {
    const read = readers.get(limit) ?? express.raw({ type: () => true, limit, inflate: false });
    readers.set(limit, read);
    await new Promise<void>((resolve, reject) => {
      // What says itself that it is too long is refused below: it is read to its end, and none of it is held.
      if (!(Number(request.headers['content-length']) > limit)) capacity.hold(request, response, reject);
      read(request, response, (error?: unknown) => (error === undefined ? resolve() : reject(error)));
    });
    const body: unknown = request.body;
    return Buffer.isBuffer(body) ? body : Buffer.alloc(0);
  };
}

/** Throws 415 unless the body says it is JSON. A form or a plain text could be posted by any web page without asking. */
export function requireJson(request: Request): void {
  const [type = '', ...parameters] = (request.headers['content-type'] ?? '').toLowerCase().split(';');
  if (!/^application\/(?:[\w.-]+\+)?json$/.test(type.trim())) {
    throw new Problem('media-type', 'send JSON, with content-type: application/json');
  }
  const charset = parameters.map((part) => part.trim().split('=')).find(([name]) => name === 'charset')?.[1];
  if (charset !== undefined && charset.replaceAll('"', '') !== 'utf-8')
    throw new Problem('media-type', 'send JSON as UTF-8');
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The JSON in these bytes. Refused with 400, without repeating any of it: broken UTF-8 or JSON, more than 32 levels, more
 * than 300,000 values for each 5 MB. Unless `tolerant`, also a name given twice in one object (readers disagree on which one counts) and
 * the name `__proto__`; tolerant readers take the last, and have to look at own properties only.
 */
export function parseJson(raw: Buffer, { tolerant = false }: { tolerant?: boolean } = {}): unknown {
  const { depth, names, values } = measure(raw);
  if (depth > DEPTH_MAX) throw new Problem('bad-request', `the JSON is nested deeper than ${DEPTH_MAX}`);
  const most = Math.floor(VALUES_MAX * Math.max(1, raw.length / MANY_MAX_BYTES));
  if (values > most) throw new Problem('bad-request', `the JSON has more than ${most} values`);
  let text: string;
  try {
    text = utf8.decode(raw);
  } catch {
    throw new Problem('bad-request', 'the body is not UTF-8');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Problem('bad-request', `the body is not JSON${whereIn(error)}`);
  }
  if (tolerant) return value;
  if (countNames(value) !== names) throw new Problem('bad-request', 'the JSON gives a name twice in one object');
  return value;
}

/** V8 says where, and beside it what stands there: only the place is passed on. */
function whereIn(error: unknown): string {
  const at = /at position (\d+)/.exec(error instanceof Error ? error.message : '');
  return at ? `: see character ${at[1]}` : '';
}

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Depth, and how many names and values, by its punctuation alone: one pass, before anything is built. */
function measure(raw: Buffer): { depth: number; names: number; values: number } {
  let [level, depth, names, commas] = [0, 0, 0, 0];
  let isInText = false;
  for (let at = 0; at < raw.length; at++) {
    const byte = raw[at];
    if (isInText) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) isInText = false;
    } else if (byte === QUOTE) isInText = true;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth = Math.max(depth, ++level);
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) level--;
    else if (byte === COLON) names++;
    else if (byte === COMMA) commas++;
  }
  return { depth, names, values: names + commas };
}

/** How many names the objects within have; a name given twice has been lost in parsing. */
function countNames(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (Array.isArray(value)) return value.reduce<number>((sum, inner) => sum + countNames(inner), 0);
  let sum = 0;
  for (const [name, inner] of Object.entries(value)) {
    if (name === '__proto__') throw new Problem('bad-request', 'the JSON has a field called __proto__');
    sum += 1 + (typeof inner === 'object' ? countNames(inner) : 0);
  }
  return sum;
}
