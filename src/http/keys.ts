/** API keys: made, listed and revoked by admins; the key itself is shown once. */
import { z } from 'zod';
import { listKeys, makeKey, revokeKey, SCOPES } from '../ledger/keys.ts';
import type { Auth } from './auth.ts';
import { actorOf, type Deps } from './deps.ts';
import { type Endpoint, endpoint, ok, text } from './endpoint.ts';
import { invalid, Problem } from './problem.ts';
import { KeyView, MadeKey } from './views.ts';

const NAME_MAX = 100;
/** Later times need a fifth digit for their year, which not everybody reads. */
const EXPIRES_MAX_MS = Date.parse('9999-12-31T00:00:00Z');

export const keys = ({ ledger, auth }: Pick<Deps, 'ledger'> & { auth: Auth }): Endpoint[] => [
  endpoint({
    method: 'post',
    path: '/v1/keys',
    access: 'admin',
    summary: 'Make a key',
    about:
      'ingest sends events; operator reads everything and answers incidents; admin may do all of it and make keys.',
    takes: {
      kind: 'json',
      required: true,
      schema: z.strictObject({
        name: text(NAME_MAX),
        scopes: z
          .array(z.enum(SCOPES))
          .min(1, 'must name at least one scope')
          .max(SCOPES.length, 'must name each scope once'),
        expires_at: z.iso
          .datetime({ offset: true, error: 'must be a time such as 2027-01-31T00:00:00Z' })
          .exactOptional(),
      }),
    },
    answers: { 201: { about: 'The key, shown this once', schema: MadeKey } },
    async handle({ body: { name, scopes, expires_at }, caller, request_id, now }) {
      const expires_ms = expires_at === undefined ? undefined : Date.parse(expires_at);
      if (expires_ms !== undefined && !(expires_ms > now.getTime() && expires_ms < EXPIRES_MAX_MS)) {
        throw invalid(
          [{ field: 'expires_at', problem: 'must be in the future, and before the year 9999 ends' }],
          'body',
        );
      }
      const wanted = {
        name,
        scopes: [...new Set(scopes)],
        // As UTC: zones that are allowed in text may be further from it than a ledger takes (+23:59).
        ...(expires_ms !== undefined && { expires_at: new Date(expires_ms).toISOString() }),
      };
      const made = await makeKey(ledger, wanted, actorOf(caller, request_id));
      return { status: 201, body: made };
    },
  }),
  endpoint({
    method: 'get',
    path: '/v1/keys',
    access: 'admin',
    summary: 'List the keys, without their secrets',
    answers: { 200: { about: 'All of them', schema: z.object({ keys: z.array(KeyView) }) } },
    handle: async () => ok({ keys: await listKeys(ledger) }),
  }),
  endpoint({
    method: 'delete',
    path: '/v1/keys/{id}',
    access: 'admin',
    summary: 'Revoke a key',
    about: 'It stops working within 5 seconds in every process.',
    params: z.object({ id: z.string().regex(/^[\w-]{1,64}$/) }),
    answers: { 204: { about: 'Revoked' } },
    async handle({ params: { id }, caller, request_id }) {
      const isRevoked = await revokeKey(ledger, id, actorOf(caller, request_id));
      auth.forget();
      if (!isRevoked) throw new Problem('not-found', 'no key in force has this id');
      return { status: 204 };
    },
  }),
];
