/** The audit trail: who changed what, the newest first. */
import { z } from 'zod';
import { listAudit } from '../ledger/audit.ts';
import type { Deps } from './deps.ts';
import { type Endpoint, endpoint, ok, paging, word } from './endpoint.ts';
import { AuditRow, pageOf } from './views.ts';

export const audit = ({ ledger }: Pick<Deps, 'ledger'>): Endpoint[] => [
  endpoint({
    method: 'get',
    path: '/v1/audit',
    access: 'operator',
    summary: 'Read the audit trail',
    query: z.strictObject({
      object: word().exactOptional().meta({ description: 'Only about this: an incident, a key.' }),
      ...paging,
    }),
    answers: { 200: { about: 'A page of it', schema: pageOf('audit', AuditRow) } },
    handle: async ({ query }) => ok(await listAudit(ledger, query)),
  }),
];
