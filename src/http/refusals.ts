/** What a key was refused that only an admin may do: a row of the audit, since somebody may be trying. */
import { audit } from '../ledger/audit.ts';
import type { Caller } from './auth.ts';
import { createBuckets } from './bucket.ts';
import { actorOf, type Deps } from './deps.ts';
import type { Endpoint } from './endpoint.ts';

/** One row a minute for a key and an action: a key in a loop must not fill the audit. */
const RATE = { per_second: 1 / 60, burst: 1 };

export type NoteRefusal = (caller: Caller, endpoint: Endpoint, request_id: string) => Promise<void>;

/** Resolves when the row is kept, or when it cannot be: the refusal stands either way. */
export function createRefusals({ ledger, now, log }: Pick<Deps, 'ledger' | 'now' | 'log'>): NoteRefusal {
  const noted = createBuckets(RATE);
  return async (caller, { access, method, path }, request_id) => {
    if (access !== 'admin') return;
    const action = `${method.toUpperCase()} ${path}`;
    if (noted.take(`${caller.id} ${action}`, now().getTime()) > 0) return;
    const detail = { needs: access, has: [...caller.scopes] };
    await audit(ledger, actorOf(caller, request_id), 'access.refused', action, detail).catch((error: unknown) =>
      log.error({ err: error, request_id }, 'a refused admin action could not be written into the audit'),
    );
  };
}
