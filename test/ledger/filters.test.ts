/** The list of deliveries: each filter finds what it names, in pages, and by an index where there are many. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  DELIVERY_STATES,
  type DeliveryState,
  type LedgerStatus,
  type Receipt,
  stateOf,
} from '../../src/core/delivery.ts';
import type { Ledger, Queryable } from '../../src/ledger/db.ts';
import { type DeliveryFilter, listDeliveries } from '../../src/ledger/reading.ts';
import { openTestLedger } from '../support/ledger.ts';

const STATES = Object.keys(DELIVERY_STATES) as DeliveryState[];
const STATUSES: LedgerStatus[] = ['sending', 'retrying', 'delivered', 'dead', 'superseded', 'skipped'];
const RECEIPTS: (Receipt | null)[] = [null, 'awaited', 'delivered', 'read'];
const MANY = 30_000;

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
afterAll(() => ledger.close());

const keys = async (filter: Partial<DeliveryFilter>): Promise<string[]> =>
  (await listDeliveries(ledger, { limit: 200, ...filter })).deliveries.map(({ key }) => key);

describe('the list of deliveries', () => {
  it('finds by its state what is shown in that state, whatever the ledger holds', async () => {
    await empty();
    const made = STATUSES.flatMap((status) =>
      [0, 1].flatMap((attempts) => RECEIPTS.map((receipt) => ({ status, attempts, receipt }))),
    );
    for (const { status, attempts, receipt } of made)
      await ledger.query(
        `insert into deliveries (key, target, reason, status, attempts, receipt, scheduled_at) values ($1, 'chat', 'group_now', $2, $3, $4, now())`,
        [`${status}/${attempts}/${receipt}`, status, attempts, receipt],
      );
    const expected = (...states: DeliveryState[]): string[] =>
      made
        .filter((standing) => states.includes(stateOf(standing)))
        .map(({ status, attempts, receipt }) => `${status}/${attempts}/${receipt}`)
        .reverse();
    for (const state of STATES) {
      expect(await keys({ status: state }), state).toEqual(expected(state));
      for (const { status } of (await listDeliveries(ledger, { limit: 200, status: state })).deliveries)
        expect(status).toBe(state);
    }
    expect(await keys({ status: ['dead', 'sent'] })).toEqual(expected('dead', 'sent'));
    expect(await keys({ status: 'retrying' })).toEqual(expected('pending', 'failed'));
    expect(await keys({ status: [...STATES] })).toHaveLength(made.length);
  });

  it('finds by incident, target, channel, reason, failure and time, all that are given together', async () => {
    await empty();
    const rows = [
      ['a', 'INC-1', 'chat', 'slack', 'group_now', 'auth', '2026-01-01'],
      ['b', 'INC-1', 'mail', 'email', 'resolved', null, '2026-01-02'],
      ['c', 'INC-2', 'chat', 'slack', 'resolved', 'gone', '2026-01-03'],
    ];
    for (const row of rows)
      await ledger.query(
        `insert into deliveries (key, incident, target, channel, reason, failure, created_at, status, scheduled_at) values ($1, $2, $3, $4, $5, $6, $7, 'dead', now())`,
        row,
      );
    expect(await keys({ incident: 'INC-1' })).toEqual(['b', 'a']);
    expect(await keys({ target: 'chat' })).toEqual(['c', 'a']);
    expect(await keys({ channel: 'email' })).toEqual(['b']);
    expect(await keys({ reason: 'resolved' })).toEqual(['c', 'b']);
    expect(await keys({ failure: 'gone' })).toEqual(['c']);
    expect(await keys({ since: '2026-01-02T00:00:00.000Z' })).toEqual(['c', 'b']);
    expect(await keys({ until: '2026-01-02T00:00:00.000Z' })).toEqual(['a']);
    expect(await keys({ target: 'chat', reason: 'resolved', status: 'dead' })).toEqual(['c']);
    expect(await keys({ target: 'chat', incident: 'INC-1', channel: 'email' })).toEqual([]);
  });

  it('is paged whatever is asked for, without a gap or a double', async () => {
    await empty();
    for (const key of ['a', 'b', 'c', 'd', 'e'])
      await ledger.query(
        `insert into deliveries (key, target, reason, status, scheduled_at) values ($1, 'chat', 'group_now', 'dead', now())`,
        [key],
      );
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listDeliveries(ledger, {
        status: 'dead',
        target: 'chat',
        limit: 2,
        ...(cursor ? { cursor } : {}),
      });
      seen.push(...page.deliveries.map(({ key }) => key));
      cursor = page.next;
    } while (cursor !== undefined);
    expect(seen).toEqual(['e', 'd', 'c', 'b', 'a']);
  });

  it('of many is found by an index, whichever filter is given', async () => {
    await empty();
    // A year of deliveries to a busy target and a quiet one; a few are dead or under way.
    await ledger.query(
      `insert into deliveries (key, incident, target, channel, reason, status, attempts, created_at, scheduled_at)
       select n::text, 'INC-' || n / 3, case when n % 1000 = 7 then 'quiet' else 'busy' end, 'slack', 'group_now',
              case when n % 3000 = 0 then 'dead' when n % 3000 = 1 then 'sending' else 'delivered' end, 1,
              '2026-01-01'::timestamptz + n * interval '15 minutes', now()
         from generate_series(1, ${MANY}) n`,
    );
    await ledger.query('analyze deliveries');
    const planOf = async (filter: Partial<DeliveryFilter>): Promise<string> => {
      const explained: string[] = [];
      const explaining: Queryable = {
        query: async <Row>(sql: string, params?: readonly unknown[]) => {
          for (const row of await ledger.query<Record<string, string>>(`explain ${sql}`, params))
            explained.push(...Object.values(row));
          return [] as Row[];
        },
      };
      await listDeliveries(explaining, { limit: 50, ...filter });
      return explained.join('\n');
    };
    const served: [Partial<DeliveryFilter>, string][] = [
      [{}, 'deliveries_number'],
      [{ status: 'dead' }, 'deliveries_status'],
      [{ status: ['failed', 'pending', 'sending'] }, 'deliveries_status'],
      [{ target: 'quiet' }, 'deliveries_target'],
      [{ incident: 'INC-77' }, 'deliveries_incident'],
      [{ since: '2026-02-01T00:00:00Z', until: '2026-02-01T06:00:00Z' }, 'deliveries_created'],
    ];
    for (const [filter, index] of served) {
      const plan = await planOf(filter);
      expect(plan, JSON.stringify(filter)).toContain(index);
      expect(plan, JSON.stringify(filter)).not.toContain('Seq Scan');
    }
  });
});
