/** Notices of which no attempt begins: one that waits for its turn, one that need not be sent, one that cannot be sent any more. */
import { type Begin, deliveryOf, endDelivery, type NotBegun, supersede, unsure } from './deliveries.ts';
import { procedure } from './procedure.ts';

/** A notice that waits for its turn under a rate is seen to wait: in its round, or for `wait_ms` until another begins. */
export const awaitTurn = procedure(
  'awaitTurn',
  async (tx, { incident, target, channel, out }: Omit<Begin, 'snapshot'>, wait_ms?: number | null): Promise<void> => {
    const [open] = await tx.query('select 1 from incidents where id = $1 and closed_at is null', [incident]);
    if (!open) return;
    await deliveryOf(tx, incident, target, channel, out, 'retrying');
    await tx.query(
      `update deliveries set next_at = now() + $2::float8 * interval '1 ms' where key = $1 and status = 'retrying'`,
      [out.key, wait_ms ?? null],
    );
  },
);

/** A notice that was decided and need not be sent: the integration is switched off, or its threshold is higher. */
export const skipDelivery = procedure(
  'skipDelivery',
  async (tx, { incident, target, channel, out }: Omit<Begin, 'snapshot'>, detail: string): Promise<void> => {
    const delivery = await deliveryOf(tx, incident, target, channel, out);
    if (delivery.status !== 'sending' && delivery.status !== 'retrying') return;
    await supersede(tx, incident, target, out);
    await endDelivery(tx, out.key, 'skipped', detail);
  },
);

/** Ends a notice that cannot or shall not be sent any more as dead, unless it has ended otherwise; gives how it ended. */
export const buryDelivery = procedure(
  'buryDelivery',
  async (
    tx,
    { incident, target, channel, out }: Omit<Begin, 'snapshot'>,
    failure: 'config' | 'timeout',
    detail: string,
  ): Promise<NotBegun> => {
    const { status } = await deliveryOf(tx, incident, target, channel, out);
    if (status === 'superseded') return { outcome: status, ...(await unsure(tx, out.key)) };
    if (status !== 'sending' && status !== 'retrying') return { outcome: status as 'delivered' };
    await supersede(tx, incident, target, out);
    await endDelivery(tx, out.key, 'dead', detail, failure);
    return { outcome: 'dead' };
  },
);
