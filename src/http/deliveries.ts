/** Deliveries: what was sent to whom and how it ended, and sending again what ended badly. */
import { z } from 'zod';
import { listDeliveries } from '../ledger/reading.ts';
import { redeliverable, requestSend } from '../ledger/sends.ts';
import { actorOf, type Deps } from './deps.ts';
import { type Endpoint, endpoint, ok, paging, word } from './endpoint.ts';
import { Problem } from './problem.ts';
import { DELIVERY_STATUSES, DeliveryView, pageOf, SendAnswer } from './views.ts';

export const deliveries = ({
  ledger,
  integrations,
  wake,
}: Pick<Deps, 'ledger' | 'integrations' | 'wake'>): Endpoint[] => [
  endpoint({
    method: 'get',
    path: '/v1/deliveries',
    access: 'operator',
    summary: 'List deliveries, the newest first',
    query: z.strictObject({
      status: z.enum(DELIVERY_STATUSES).exactOptional(),
      incident: word(64).exactOptional(),
      target: word(64).exactOptional(),
      ...paging,
    }),
    answers: { 200: { about: 'A page of deliveries', schema: pageOf('deliveries', DeliveryView) } },
    handle: async ({ query }) => ok(await listDeliveries(ledger, query)),
  }),
  endpoint({
    method: 'post',
    path: '/v1/deliveries/{id}/redeliver',
    access: 'operator',
    summary: 'Send a delivery again',
    about:
      'With the same delivery key, so that a receiver can tell that it is the same. One that is still under way is refused.',
    params: z.object({
      id: z
        .string()
        .regex(/^\d{1,15}$/)
        .transform(Number),
    }),
    takes: { kind: 'json', schema: z.strictObject({}), required: false },
    answers: { 202: { about: 'It will be sent', schema: SendAnswer } },
    async handle({ params: { id }, caller, request_id }) {
      const found = await redeliverable(ledger, id);
      if (!found) throw new Problem('not-found', 'no delivery has this id');
      const { key, target, status } = found;
      if (status === 'sending' || status === 'retrying')
        throw new Problem('conflict', `the delivery is ${status}: it is tried again by itself`);
      const integration = await integrations.named(target);
      if ('missing' in integration) throw new Problem('conflict', integration.missing);
      const send = await requestSend(ledger, { kind: 'redeliver', target, delivery: key }, actorOf(caller, request_id));
      wake();
      return { status: 202, body: { send, ended: false } };
    },
  }),
];
