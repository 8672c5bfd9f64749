/** What became of events, for those who wait for it: who is waited for, and who is not. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { command } from '../../src/ledger/answers.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { createWaits, outcomesOf } from '../../src/ledger/outcomes.ts';
import { attempted, begin, notice } from '../support/deliveries.ts';
import { again, claimAll, event, openTestLedger, route, routing } from '../support/ledger.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const ana = { by: 'ana', key: 'k1' };
const accept = (given: Parameters<typeof again>[0][], by = routing()) =>
  createDoor(ledger, { routing: by }).accept(given);
/** Accepted and claimed, and `chat` told. */
async function told(given: Parameters<typeof again>[0], by = routing()) {
  await accept([given], by);
  const [claim] = await claimAll(ledger);
  if (!claim) throw new Error('nothing was claimed');
  await attempted(ledger, {}, await notice(ledger, 'group_now', claim));
  return claim.batch.incident;
}
const never = new AbortController().signal;

describe('what became of events', () => {
  it('is open once they have joined, and told once everyone of the route was told of their news', async () => {
    const first = event();
    await accept([first]);
    expect(await outcomesOf(ledger, [first])).toEqual({ incidents: [], isOpen: false, isTold: false, outcomes: [] });
    const [claim] = await claimAll(ledger);
    const incident = claim?.batch.incident;
    expect(await outcomesOf(ledger, [first])).toMatchObject({
      incidents: [incident],
      isOpen: true,
      isTold: false,
      outcomes: [{ incident, integration: 'chat', state: 'pending' }],
    });
    const sent = await notice(ledger, 'group_now', claim);
    await begin(ledger, sent);
    expect(await outcomesOf(ledger, [first])).toMatchObject({ isTold: false, outcomes: [{ state: 'sending' }] });
    await attempted(ledger, {}, sent);
    expect(await outcomesOf(ledger, [first])).toMatchObject({
      isTold: true,
      outcomes: [{ state: 'delivered', type: 'stdout', delivery: sent.out.key }],
    });
  });

  it('of a later alert is not what was told before it came', async () => {
    const first = event();
    await told(first);
    const second = again(first);
    await accept([second]);
    await claimAll(ledger);
    expect(await outcomesOf(ledger, [second])).toMatchObject({ isTold: false, outcomes: [{ state: 'pending' }] });
    // A repeat that changes nothing has no news of its own.
    const known = event({ dedup_key: 'disk', service: 'disk' });
    await told(known);
    const repeat = again(known);
    await accept([repeat]);
    expect(await outcomesOf(ledger, [repeat])).toMatchObject({ isTold: true, outcomes: [{ state: 'delivered' }] });
  });

  it('is nobody’s to be told where the incident is acknowledged, where it tells no end, and where nothing fires', async () => {
    const first = event();
    const incident = await told(first);
    await command(ledger, incident, { kind: 'ack' }, ana);
    await claimAll(ledger);
    const second = again(first);
    await accept([second]);
    await claimAll(ledger);
    expect(await outcomesOf(ledger, [second])).toMatchObject({ isTold: true, outcomes: [] });
    const silent = routing([route({ policy: { tell_resolved: false } })]);
    const alert = event({ service: 'silent', dedup_key: 'a' });
    await told(alert, silent);
    const end = again(alert, { status: 'resolved' });
    await accept([end], silent);
    await claimAll(ledger);
    expect(await outcomesOf(ledger, [end])).toMatchObject({ isOpen: true, isTold: true, outcomes: [] });
    const nothing = event({ status: 'resolved', dedup_key: 'never-fired' });
    await accept([nothing]);
    expect(await outcomesOf(ledger, [nothing])).toEqual({ incidents: [], isOpen: true, isTold: true, outcomes: [] });
  });

  it('of an end is waited for at everyone who heard of the beginning', async () => {
    const alert = event({ dedup_key: 'a' });
    await told(alert);
    const end = again(alert, { status: 'resolved' });
    await accept([end]);
    await claimAll(ledger);
    expect(await outcomesOf(ledger, [end])).toMatchObject({ isTold: false, outcomes: [{ integration: 'chat' }] });
  });
});

describe('a wait', () => {
  it('ends with the process, with who asked, and at once where too many wait', async () => {
    const ending = new AbortController();
    let looks = 0;
    const counted: Ledger = {
      ...ledger,
      query(...asked) {
        looks++;
        return ledger.query(...asked);
      },
    };
    const waits = createWaits(counted, ending.signal);
    const first = event();
    await accept([first]);
    const gone = new AbortController();
    const left = waits.told([first], 600_000, gone.signal);
    // Who looks for the second time waits.
    await expect.poll(() => looks, { timeout: 20_000 }).toBeGreaterThan(1);
    let answered = 0;
    const others = Array.from({ length: 60 }, () =>
      waits.open([first], 600_000, never).finally(() => {
        answered++;
      }),
    );
    // Fifty wait; the others do not.
    await expect.poll(() => answered, { timeout: 20_000 }).toBe(11);
    gone.abort();
    expect(await left).toMatchObject({ isTold: false });
    ending.abort();
    expect(await Promise.all(others)).toHaveLength(60);
  });
});
