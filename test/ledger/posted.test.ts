/** Posted alerts in the ledger: merged under their own lock, shown until they end, and moving the end of what fires. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Posted, postedAt } from '../../src/core/prometheus/posted.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { forgetPosted, keepPosted, knownPosted, standingPosted } from '../../src/ledger/posted.ts';
import { event, one, openTestLedger, routing } from '../support/ledger.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
afterEach(() => empty());
afterAll(() => ledger.close());

const MIN = 60_000;
const NOW = Date.now();
const posted = (at: number, from: number, to: number): Posted =>
  postedAt(
    {
      labels: { alertname: 'Down' },
      annotations: {},
      generatorURL: '',
      starts_at: NOW + from * MIN,
      ends_at: NOW + to * MIN,
    },
    NOW + at * MIN,
  );
const alert = event({ dedup_key: 'down', expires_at: new Date(NOW + 4 * MIN).toISOString() });
const keep = (...all: Posted[]) =>
  keepPosted(
    ledger,
    all.map((sent) => ({ key: 'down', posted: sent, event: alert })),
  );
const expiry = async () =>
  (
    await one<{ expires_at: Date | null }>(ledger, 'select expires_at from alerts where current')
  ).expires_at?.toISOString();

describe('what was posted', () => {
  it('is merged with what is known, several of one alert in their order', async () => {
    await keep(posted(0, -5, 4));
    await keep(posted(1, -1, 3), posted(1, -1, 5));
    const known = await knownPosted(ledger, ['down', 'up']);
    expect([...known.keys()]).toEqual(['down']);
    expect(known.get('down')).toMatchObject({ starts_at: NOW - 5 * MIN, ends_at: NOW + 5 * MIN });
    expect(await knownPosted(ledger, [])).toEqual(new Map());
  });

  it('moves the end of its alert while that fires, and of no other', async () => {
    const door = createDoor(ledger, { routing: routing() });
    await door.accept([alert]);
    await keep(posted(1, 0, 9));
    expect(await expiry()).toBe(new Date(NOW + 9 * MIN).toISOString());
    await keepPosted(ledger, [{ key: 'up', posted: posted(1, 0, 20), event: event({ dedup_key: 'up' }) }]);
    expect(await expiry()).toBe(new Date(NOW + 9 * MIN).toISOString());
    await door.accept([event({ ...alert, id: 'over', status: 'resolved' })]);
    await keep(posted(2, 0, 2));
    expect(await expiry()).toBeUndefined();
  });

  it('is shown until it ends, and forgotten two hours later', async () => {
    await keep(posted(0, -5, 4));
    const at = (minutes: number) => new Date(NOW + minutes * MIN);
    expect(await standingPosted(ledger, at(4))).toMatchObject([{ fingerprint: expect.stringMatching(/^\w{16}$/) }]);
    expect(await standingPosted(ledger, at(4.1))).toEqual([]);
    expect(await forgetPosted(ledger, at(123))).toBe(0);
    expect(await forgetPosted(ledger, at(125))).toBe(1);
    expect(await knownPosted(ledger, ['down'])).toEqual(new Map());
  });

  it('is kept by many at once', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, at) => keep(posted(at, 0, at + 4))));
    expect((await knownPosted(ledger, ['down'])).get('down')).toMatchObject({
      starts_at: NOW,
      ends_at: NOW + 23 * MIN,
    });
  });
});
