/** Receipts: what a provider says of a message after it took it changes how its delivery stands, and never backwards. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Ledger } from '../../src/ledger/db.ts';
import { listDeliveries } from '../../src/ledger/reading.ts';
import { type ReceiptSaid, recordReceipt } from '../../src/ledger/receipts.ts';
import { attempted, attemptedByHand, deliveryOf, notice } from '../support/deliveries.ts';
import { openTestLedger } from '../support/ledger.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

/** A delivery that a provider took, in two messages. */
const sent = () => attempted(ledger, { ref: { sids: ['SM1', { id: 'SM2' }] }, arrives_later: true });
const hear = async (state: ReceiptSaid['state'], more: Partial<ReceiptSaid> = {}) =>
  (await recordReceipt(ledger, { target: 'chat', message: 'SM1', state, ...more })).outcome;
const shown = async () => (await listDeliveries(ledger, { limit: 9 })).deliveries[0];

describe('a receipt', () => {
  it('makes of what was sent a delivery that arrived, and of that one that was read', async () => {
    const key = await sent();
    expect(await shown()).toMatchObject({ status: 'sent' });
    expect(await recordReceipt(ledger, { target: 'chat', message: 'SM1', state: 'delivered' })).toEqual({
      outcome: 'recorded',
      delivery: key,
    });
    expect(await shown()).toMatchObject({ status: 'delivered', receipt_at: expect.any(String) });
    expect(await hear('read')).toBe('recorded');
    expect(await shown()).toMatchObject({ status: 'read' });
  });

  it('finds the delivery by any of the messages in its ref, and only at its own integration', async () => {
    await sent();
    expect(await hear('delivered', { target: 'mail' })).toBe('unknown');
    expect(await hear('delivered', { message: 'SM3' })).toBe('unknown');
    expect(await hear('delivered', { message: 'SM2' })).toBe('recorded');
  });

  it('never leads backwards, however late or often it comes', async () => {
    await sent();
    expect([await hear('read'), await hear('read'), await hear('delivered'), await hear('failed')]).toEqual([
      'recorded',
      'known',
      'known',
      'known',
    ]);
    expect(await shown()).toMatchObject({ status: 'read' });
  });

  it('of a failure makes it dead with the reason; what arrives after all has arrived', async () => {
    await sent();
    expect(await hear('failed', { detail: '30003: unreachable handset' })).toBe('recorded');
    expect(await shown()).toMatchObject({
      status: 'dead',
      failure: 'not_arrived',
      detail: '30003: unreachable handset',
    });
    expect(await hear('failed')).toBe('known');
    expect(await hear('delivered')).toBe('recorded');
    const after = await shown();
    expect(after).toMatchObject({ status: 'delivered' });
    expect(after).not.toHaveProperty('failure');
    expect(after).not.toHaveProperty('detail');
  });

  it('is waited for anew once the delivery has been sent again', async () => {
    const { incident, out } = await notice(ledger);
    const sentOnce = { key: out.key, incident, target: 'chat' };
    await attempted(ledger, { ref: { id: 'one' }, arrives_later: true }, { ...(await notice(ledger)) });
    await ledger.query(
      `insert into deliveries (key, incident, target, reason, status, scheduled_at) values ($1, $2, 'chat', 'group_now', 'dead', now())`,
      [out.key, incident],
    );
    await attemptedByHand(ledger, sentOnce, { status: 'delivered', ref: { id: 'two' }, arrives_later: true });
    expect(await deliveryOf(ledger, out.key)).toMatchObject({ status: 'delivered', receipt: 'awaited' });
    expect(await hear('delivered', { message: 'two' })).toBe('recorded');
  });

  it('is found by its index', async () => {
    const plan = await ledger.transaction(async (tx) => {
      await tx.query('set local enable_seqscan = off');
      return tx.query(
        `explain select key from deliveries where receipt is not null and jsonb_path_query_array(ref, 'strict $.** ? (@.type() == "string")') ? 'SM1'`,
      );
    });
    expect(JSON.stringify(plan)).toContain('deliveries_receipts');
  });
});
