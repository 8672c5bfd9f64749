/** Who is calling: an API key in a header, looked up in the ledger and remembered for moments. */
import { hash } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Queryable } from '../ledger/db.ts';
import { keyOf, noteKeyUse, type Scope } from '../ledger/keys.ts';
import { createBuckets, type Rate } from './bucket.ts';
import { addressOf } from './connections.ts';
import { Problem } from './problem.ts';

/** Who called; `id` is the key's, never the key. */
export interface Caller {
  id: string;
  name: string;
  scopes: readonly Scope[];
}

/** A request, of whatever protocol: where its key may be, and where it comes from. */
export interface Asking {
  headers: { authorization?: string | undefined; 'x-admin-token'?: string | string[] | undefined };
  socket: Pick<Socket, 'remoteAddress'>;
}

export interface Auth {
  /** The caller by the key in the request's headers. Throws Problem: unauthenticated, too-many-requests. */
  caller(request: Asking, options: { basic: boolean }): Promise<Caller>;
  /** Another kind of proof, whose failures are throttled alike; rejects as `caller` does where it returns a refusal. */
  prove(request: Asking, check: () => string | undefined | Promise<string | undefined>): Promise<void>;
  /** Counts a request of nobody we know against its address; throws Problem (too-many-requests) where there were too many. */
  visit(request: Asking): void;
  /** Nothing is remembered any more: a key was made or revoked. */
  forget(): void;
}

/** A revoked key stops working within 5 seconds (reference: reliability-security, section 5): this, and one look-up. */
const FRESH_MS = 3_000;
/** How long a key that was good may skip the throttle: others behind the same address must not lock it out. */
const KNOWN_MS = 24 * 3_600_000;
const KNOWN_MAX = 10_000;
/** Longer than any key of ours; nothing longer is looked at. */
const KEY_LENGTH_MAX = 256;
/** Failed attempts of one address: 20 at once, then one in 3 seconds. Guessing 256 bits needs more. */
const FAILED_ATTEMPTS: Rate = { per_second: 1 / 3, burst: 20 };

/**
 * Requests without a key from one address: probes and readers of /docs, who ask once a second. A load balancer's hundred
 * probes fit, and a flood ends in answers that cost nothing.
 */
const VISITS: Rate = { per_second: 100, burst: 1_000 };

export const scopeAllows = (held: readonly Scope[], needed: Scope): boolean =>
  held.includes('admin') || held.includes(needed);

/** What a key is told that may not do something. */
export const forbidden = ({ scopes }: Caller, needed: Scope): Problem =>
  new Problem('forbidden', `this needs a key with the scope ${needed}; this one has ${scopes.join(', ')}`);

export function createAuth({
  db,
  now,
  attempts = FAILED_ATTEMPTS,
  visits = VISITS,
}: {
  db: Queryable;
  now: () => Date;
  attempts?: Rate | undefined;
  visits?: Rate | undefined;
}): Auth {
  const failed = createBuckets(attempts);
  const visited = createBuckets(visits);
  const known = new Map<string, { caller: Caller; at: number }>();
  const asking = new Map<string, Promise<Caller | undefined>>();

  const attempt = (address: string): void => {
    const wait_ms = failed.take(address, now().getTime());
    if (wait_ms === 0) return;
    throw new Problem(
      'too-many-requests',
      'too many failed attempts from this address; wait as long as Retry-After says',
      {
        headers: { 'retry-after': String(Math.ceil(wait_ms / 1_000)) },
      },
    );
  };

  const visit = (request: Asking): void => {
    const wait_ms = visited.take(addressOf(request.socket), now().getTime());
    if (wait_ms === 0) return;
    throw new Problem(
      'too-many-requests',
      'more requests without a key than one address may make; wait as long as Retry-After says',
      { headers: { 'retry-after': String(Math.ceil(wait_ms / 1_000)) } },
    );
  };

  /** One look-up for all who show the same key at the same time. */
  const lookUp = (digest: string, key: string): Promise<Caller | undefined> => {
    const running = asking.get(digest);
    if (running) return running;
    const at = now();
    const asked = keyOf(db, key, at)
      .then((found) => {
        known.delete(digest);
        if (!found) return undefined;
        // When it was used is good to know, and no reason to refuse anybody.
        noteKeyUse(db, found.id).catch(() => undefined);
        const caller: Caller = { id: found.id, name: found.name, scopes: found.scopes };
        // Counted from before the question: the answer is at least that old.
        if (asking.get(digest) === asked) known.set(digest, { caller, at: at.getTime() });
        if (known.size > KNOWN_MAX) known.delete(known.keys().next().value as string);
        return caller;
      })
      .finally(() => {
        if (asking.get(digest) === asked) asking.delete(digest);
      });
    asking.set(digest, asked);
    return asked;
  };

  return {
    async caller(request, { basic }) {
      const key = keyIn(request, basic);
      if (key === undefined) {
        visit(request);
        throw unauthenticated(basic);
      }
      const digest = hash('sha256', key, 'base64');
      const age = ageOf(known.get(digest), now());
      const remembered = known.get(digest);
      if (remembered && age < FRESH_MS) return remembered.caller;

      const address = addressOf(request.socket);
      // Who shows the same key as somebody that is just being looked up tries nothing new: after a restart all senders do.
      const counts = age >= KNOWN_MS && !asking.has(digest);
      if (counts) attempt(address);
      const caller = await lookUp(digest, key).catch((error: unknown) => {
        if (counts) failed.refund(address); // The ledger failed, not the caller.
        throw error;
      });
      if (!caller) throw unauthenticated(basic);
      if (counts) failed.refund(address);
      return caller;
    },
    async prove(request, check) {
      if ((await check()) === undefined) return;
      // Only failures count: a neighbour with a wrong token must not keep out who has the right one.
      attempt(addressOf(request.socket));
      throw unauthenticated(true);
    },
    visit,
    forget() {
      known.clear();
      asking.clear();
    },
  };
}

/** Never fresh when the clock was set back. */
const ageOf = (entry: { at: number } | undefined, now: Date): number =>
  entry && entry.at <= now.getTime() ? now.getTime() - entry.at : Number.POSITIVE_INFINITY;

/** The same words whatever was wrong with the key. */
const unauthenticated = (basic: boolean): Problem =>
  new Problem('unauthenticated', 'send a valid key as `authorization: Bearer <key>`', {
    headers: { 'www-authenticate': basic ? 'Bearer, Basic realm="tocsin"' : 'Bearer' },
  });

/** The key in `authorization` or `x-admin-token`; undefined where there is none, or what is there cannot be one. */
function keyIn({ headers }: Asking, basic: boolean): string | undefined {
  const { authorization, 'x-admin-token': token } = headers;
  const key = authorization === undefined ? token : credentialsIn(authorization, basic);
  return typeof key === 'string' && key.length <= KEY_LENGTH_MAX && /^[\x21-\x7e]+$/.test(key) ? key : undefined;
}

function credentialsIn(authorization: string, basic: boolean): string | undefined {
  const [scheme = '', credentials = '', ...more] = authorization.split(' ');
  if (more.length > 0 || authorization.length > 2 * KEY_LENGTH_MAX) return undefined;
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return credentials;
    case 'basic': {
      // The user name means nothing here (RFC 7617): senders that know no bearer token show the key as the password.
      const pair = Buffer.from(credentials, 'base64').toString('utf8');
      return basic && pair.includes(':') ? pair.slice(pair.indexOf(':') + 1) : undefined;
    }
    default:
      return undefined;
  }
}
