import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Severity } from '../../src/core/event.ts';
import { command } from '../../src/ledger/answers.ts';
import { claim } from '../../src/ledger/claim.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { waitingInboxes } from '../../src/ledger/inbox.ts';
import { createInboxes } from '../../src/relay/inboxes.ts';
import { chance } from '../support/chance.ts';
import { event, openTestLedger, routing } from '../support/ledger.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const MANY = 1_500;
const post = (services: string[], severity: Severity = 'info') =>
  createDoor(ledger, { routing: routing() }).accept(services.map((service) => event({ service, severity })));
/** So many rows in twenty inboxes, whose incidents are open. */
async function crowd(): Promise<void> {
  const services = Array.from({ length: 20 }, (_, at) => `service-${at}`);
  await post(services);
  for (const { key } of await waitingInboxes(ledger)) await claim(ledger, key);
  await post(Array.from({ length: MANY }, (_, at) => services[at % services.length] as string));
}
/** What is known of the inboxes, with what it asked the ledger: the seq after which it read, or that it read everything. */
function watched(now = () => 0, asks: () => void = () => undefined) {
  const asked: unknown[] = [];
  const query: Ledger['query'] = (sql, params = []) => {
    asked.push(params.length > 1 ? `after ${params[1]}` : 'everything');
    asks();
    return ledger.query(sql, params);
  };
  return { inboxes: createInboxes({ ...ledger, query }, now), asked };
}
const newest = async (): Promise<number> => Math.max(...(await waitingInboxes(ledger)).map((one) => one.newest));

describe('a look at the inboxes', () => {
  it('reads everything while little waits', async () => {
    const { inboxes, asked } = watched();
    await post(['till', 'shop']);
    await inboxes.look();
    await post(['bank']);
    expect(await inboxes.look()).toHaveLength(3);
    expect(asked).toEqual(['everything', 'everything']);
  });

  it('reads what is new while much waits, and everything when two seconds have passed', async () => {
    let at = 0;
    const { inboxes, asked } = watched(() => at);
    await crowd();
    const before = await newest();
    await inboxes.look();
    await post(['till']);
    await inboxes.look();
    at = 2_000;
    await inboxes.look();
    expect(asked).toEqual(['everything', ledger.kind === 'pglite' ? `after ${before}` : 'everything', 'everything']);
  });

  it('reads everything for a fiftieth of the time at most', async () => {
    let at = 0;
    const looks = watched(
      () => at,
      () => {
        at += 100;
      },
    );
    await crowd();
    await looks.inboxes.look();
    at = 100 + 4_999;
    await looks.inboxes.look();
    at = 100 + 5_000;
    await looks.inboxes.look();
    const between = ledger.kind === 'pglite' ? `after ${await newest()}` : 'everything';
    expect(looks.asked).toEqual(['everything', between, 'everything']);
  });

  it('knows at each moment what reading everything would find, whatever comes, is answered and is claimed', async () => {
    const { one, number } = chance(7);
    const { inboxes, asked } = watched();
    await crowd();
    for (let round = 0; round < 40; round++) {
      const services = Array.from({ length: 5 }, () => `service-${number(0, 25)}`);
      await post(services, one(['info', 'info', 'info', 'critical']));
      const [listed] = await ledger.query<{ id: string }>('select id from incidents order by number limit 1');
      if (number(0, 10) === 0)
        await command(ledger, listed?.id ?? '', { kind: 'comment', text: 'seen' }, { by: 'ana', key: 'k1' });
      const found = await inboxes.look();
      expect(found).toEqual(await waitingInboxes(ledger));
      const { key } = one(found);
      if (number(0, 3) === 0) inboxes.taken(key, (await claim(ledger, key))?.batch.through);
    }
    if (ledger.kind === 'pglite') expect(asked.filter((one) => one === 'everything').length).toBeLessThan(5);
  });

  it('keeps what came after a claim that it hears of late', async () => {
    const { inboxes } = watched();
    await crowd();
    const [one] = await inboxes.look();
    const claimed = await claim(ledger, one?.key ?? '');
    await post(['service-0']);
    await inboxes.look();
    inboxes.taken(one?.key ?? '', claimed?.batch.through);
    expect((await inboxes.look()).map(({ key }) => key)).toContain(one?.key);
  });
});

describe('a look that claims', () => {
  it('takes what waits alone and must not, and knows that it waits no more', async () => {
    const { inboxes } = watched();
    await post(['till', 'till']);
    const { waiting, claimed } = await inboxes.lookAndClaim();
    expect(waiting).toMatchObject([{ rows: 2, urgent: true }]);
    expect(claimed?.batch).toMatchObject({ number: 1, alerts: 2 });
    expect(await inboxes.lookAndClaim()).toEqual({ waiting: [] });
  });

  it('leaves what is not alone, and what may wait', async () => {
    const { inboxes } = watched();
    await post(['till', 'shop']);
    expect(await inboxes.lookAndClaim()).toEqual({ waiting: [expect.anything(), expect.anything()] });
    for (const { key } of await waitingInboxes(ledger)) await claim(ledger, key);
    await post(['till']);
    expect(await inboxes.lookAndClaim()).toEqual({ waiting: [expect.objectContaining({ urgent: false })] });
  });

  it('claims nothing while much waits', async () => {
    const { inboxes } = watched();
    await crowd();
    await inboxes.look();
    expect(await inboxes.lookAndClaim()).toEqual({ waiting: await waitingInboxes(ledger) });
  });
});
