/** Deliveries: what was sent to whom and how it ended; sending again, elsewhere, or not at all. */
import { z } from 'zod';
import { DELIVERY_STATES, type DeliveryWord, OLDER_WORDS } from '../core/delivery.ts';
import { REASONS, type Reason } from '../core/notice.ts';
import { deliveryOfId, listDeliveries } from '../ledger/reading.ts';
import { cancelDelivery, NOBODY, type Redelivery, requestRedeliveries, type Selection } from '../ledger/redelivery.ts';
import { actorOf, type Deps } from './deps.ts';
import { type Endpoint, endpoint, ok, paging, word } from './endpoint.ts';
import { Problem } from './problem.ts';
import { DeliveryDetail, DeliveryView, pageOf, RedeliveryAnswer, SendAnswer } from './views.ts';

/** Deliveries that one request may name, or find. */
const IDS_MAX = 100;
const FOUND_MAX = 1_000;
const FOUND_USUALLY = 100;

/** Without the name: a problem never repeats what was sent. */
const NO_INTEGRATION = 'no integration of this name is configured or stored';

const STATUS_WORDS = [...Object.keys(DELIVERY_STATES), ...Object.keys(OLDER_WORDS)];
const anyWord = STATUS_WORDS.join('|');

/** `dead`, or several with commas between them: `dead,failed`. */
const status = z
  .string()
  .regex(new RegExp(`^(${anyWord})(,(${anyWord})){0,9}$`), `must be of ${STATUS_WORDS.join(', ')}; several with commas`)
  .transform((words) => words.split(',') as DeliveryWord[])
  .exactOptional()
  .meta({
    description: `In one of these states, with commas between them: ${Object.keys(DELIVERY_STATES).join(', ')}. \`retrying\`, an older word, finds pending and failed.`,
  });
/** In UTC: Postgres knows neither the year 0 as ISO 8601 writes it nor every offset that it allows. */
const time = (about: string) =>
  z.iso
    .datetime({ offset: true, error: 'must be a time such as 2026-11-20T12:00:00Z' })
    .refine((text) => new Date(text).getUTCFullYear() > 0, 'must be after the year 0')
    .transform((text) => new Date(text).toISOString())
    .exactOptional()
    .meta({ description: about });
const number = z.int().min(1).max(Number.MAX_SAFE_INTEGER);
const id = z.object({
  id: z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
});
const newKey = z.boolean().default(false).meta({
  description:
    'Under a key of its own, so that the receiver takes it for another message; else under the same, so that it can tell that it may have it already.',
});

/** One object and not a union of two, so that what is wrong is told by the name of its field. */
const Many = z
  .strictObject({
    ids: z.array(number).min(1).max(IDS_MAX).exactOptional(),
    status: z.literal('dead').exactOptional(),
    target: word(64).exactOptional(),
    since: time('Made at this time or later.'),
    limit: z.int().min(1).max(FOUND_MAX).exactOptional(),
    new_key: newKey,
  })
  .refine(({ ids, status }) => (ids === undefined) !== (status === undefined), {
    error: 'is needed, or status: dead instead of it',
    path: ['ids'],
  })
  .refine(({ ids, target, since, limit }) => ids === undefined || (target ?? since ?? limit) === undefined, {
    error: 'cannot be narrowed by target, since or limit',
    path: ['ids'],
  })
  .meta({
    oneOf: [
      {
        required: ['ids'],
        not: { anyOf: ['status', 'target', 'since', 'limit'].map((name) => ({ required: [name] })) },
      },
      { required: ['status'], not: { required: ['ids'] } },
    ],
  });

const selectionOf = ({ ids, target, since, limit = FOUND_USUALLY }: z.output<typeof Many>): Selection =>
  ids
    ? { ids }
    : { status: 'dead', limit, ...(target === undefined ? {} : { target }), ...(since === undefined ? {} : { since }) };

export const deliveries = ({
  ledger,
  integrations,
  wake,
}: Pick<Deps, 'ledger' | 'integrations' | 'wake'>): Endpoint[] => {
  /** The integrations that can be told. */
  const targets = async (): Promise<string[]> =>
    (await integrations.list()).flatMap(({ integration: one }) =>
      'missing' in one || one.kind !== 'channel' || !one.enabled ? [] : [one.name],
    );
  const elsewhere = async (to: string): Promise<NonNullable<Redelivery['to']>> => {
    const found = await integrations.named(to);
    if ('missing' in found) throw new Problem('conflict', NO_INTEGRATION);
    if (!(await targets()).includes(to)) throw new Problem('conflict', `${to} is switched off, or takes no messages`);
    return { name: to, channel: found.type };
  };

  return [
    endpoint({
      method: 'get',
      path: '/v1/deliveries',
      access: 'operator',
      summary: 'List deliveries, the newest first',
      about: 'Filters that are given together must all hold.',
      query: z.strictObject({
        status,
        incident: word(64).exactOptional(),
        target: word(64).exactOptional(),
        channel: word(64).exactOptional(),
        reason: z
          .enum(Object.keys(REASONS) as [Reason])
          .exactOptional()
          .meta({ description: 'Why it was told.' }),
        failure: word(64).exactOptional().meta({ description: 'Why it failed.' }),
        since: time('Made at this time or later.'),
        until: time('Made before this time.'),
        ...paging,
      }),
      answers: { 200: { about: 'A page of deliveries', schema: pageOf('deliveries', DeliveryView) } },
      handle: async ({ query }) => ok(await listDeliveries(ledger, query)),
    }),
    endpoint({
      method: 'get',
      path: '/v1/deliveries/{id}',
      access: 'operator',
      summary: 'See a delivery and each of its attempts',
      params: id,
      answers: { 200: { about: 'The delivery', schema: DeliveryDetail } },
      async handle({ params }) {
        const found = await deliveryOfId(ledger, params.id);
        if (!found) throw new Problem('not-found', NOBODY);
        return ok(found);
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/deliveries/redeliver',
      access: 'operator',
      summary: 'Send many deliveries again',
      about: `Either these \`ids\` (at most ${IDS_MAX}), or with \`status: dead\` the oldest dead ones that nobody is sending again yet: at most \`limit\` (${FOUND_USUALLY} unless given, ${FOUND_MAX} at most), of a \`target\` and made \`since\` a time where these are given. Whatever can be sent will be, the oldest first; of the others it is said why not.`,
      takes: { kind: 'json', schema: Many, required: true },
      answers: { 202: { about: 'What will be sent, and what not', schema: RedeliveryAnswer } },
      async handle({ body, caller, request_id }) {
        const who = actorOf(caller, request_id);
        const { new_key } = body;
        const requested = await requestRedeliveries(ledger, selectionOf(body), { new_key }, await targets(), who);
        wake();
        return { status: 202, body: requested };
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/deliveries/{id}/redeliver',
      access: 'operator',
      summary: 'Send a delivery again, or to another integration',
      about:
        'With the same delivery key, so that a receiver can tell that it is the same, unless `new_key` is asked for. `to` makes the same notice a delivery of its own at another integration. One that is still under way is refused.',
      params: id,
      takes: {
        kind: 'json',
        schema: z.strictObject({
          new_key: newKey,
          to: word(64).exactOptional().meta({ description: 'The integration to send it to instead.' }),
        }),
        required: false,
      },
      answers: { 202: { about: 'It will be sent', schema: SendAnswer } },
      async handle({ params, body: { to, new_key }, caller, request_id }) {
        const how = { new_key, ...(to === undefined ? {} : { to: await elsewhere(to) }) };
        const who = actorOf(caller, request_id);
        const { asked, refused } = await requestRedeliveries(ledger, { ids: [params.id] }, how, await targets(), who);
        const [one] = asked;
        if (!one) {
          const why = refused[0]?.why ?? 'it cannot be sent again';
          throw new Problem(why === NOBODY ? 'not-found' : 'conflict', why);
        }
        wake();
        return { status: 202, body: { send: one.send, ended: false, delivery: one.delivery } };
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/deliveries/{id}/cancel',
      access: 'operator',
      summary: 'Send a delivery no more',
      about:
        'It ends as dead, with the reason `cancelled`, and no further attempt begins; a failover follows as for any dead page. An attempt that is under way cannot be called back: `under_way` says that there is one, and should it arrive, the delivery is shown as such.',
      params: id,
      takes: { kind: 'json', schema: z.strictObject({}), required: false },
      answers: {
        200: {
          about: 'It is cancelled',
          schema: z.object({
            delivery: DeliveryView,
            under_way: z.boolean().meta({ description: 'An attempt had begun, and may still arrive.' }),
          }),
        },
      },
      async handle({ params, caller, request_id }) {
        const cancelled = await cancelDelivery(ledger, params.id, actorOf(caller, request_id));
        const delivery = await deliveryOfId(ledger, params.id);
        if (cancelled.outcome === 'unknown' || !delivery) throw new Problem('not-found', NOBODY);
        if (cancelled.outcome === 'ended')
          throw new Problem('conflict', `the delivery is ${delivery.status}: there is nothing left to cancel`);
        const { attempts_made: _, ...shown } = delivery;
        return ok({ delivery: shown, under_way: cancelled.under_way });
      },
    }),
  ];
};
