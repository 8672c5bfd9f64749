/** Many who post to Alertmanager's API v2 at once: they share what is asked of the ledger, and nothing else. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { type Api, startApi } from './harness.ts';

const SENDERS = 30;

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
beforeEach(() =>
  api.ledger.query('truncate events, alerts, inbox, incidents, batches, posted_alerts restart identity'),
);
afterEach(() => void vi.restoreAllMocks());
afterAll(() => api.stop());

/** Each posts two: one of its own, and one that all of them post. */
const postAll = () =>
  Promise.all(
    Array.from({ length: SENDERS }, (_, at) =>
      api.call('POST', '/api/v2/alerts', {
        key: api.keys.ingest,
        body: [{ labels: { alertname: `own-${at}` } }, { labels: { alertname: 'everybody-s' } }],
      }),
    ),
  );
const names = async (): Promise<string[]> =>
  (await api.ledger.query<{ name: string }>(`select posted->'labels'->>'alertname' as name from posted_alerts`)).map(
    ({ name }) => name,
  );

it('each is answered when all of its own is kept, with a few questions to the ledger for all of them', async () => {
  const call = vi.spyOn(api.ledger, 'call');
  expect(new Set((await postAll()).map(({ status }) => status))).toEqual(new Set([200]));
  expect(await names()).toHaveLength(SENDERS + 1);
  expect(call.mock.calls.filter(([name]) => name === 'keepPosted').length).toBeLessThan(SENDERS / 2);
  const [event] = await api.ledger.query<{ kept: number }>('select count(*)::int as kept from events');
  expect(event?.kept).toBe(SENDERS + 1);
});

it('one whose alerts cannot be kept fails alone', async () => {
  await api.ledger.query(
    `create function poisoned() returns trigger language plpgsql as $$ begin raise exception 'no room for this one'; end $$`,
  );
  await api.ledger.query(
    `create trigger poisoned before insert on posted_alerts for each row when (new.posted->'labels'->>'alertname' = 'own-7') execute function poisoned()`,
  );
  try {
    const failed = (await postAll()).flatMap(({ status }, at) => (status === 200 ? [] : [at]));
    expect(failed).toEqual([7]);
    expect(await names()).toHaveLength(SENDERS);
  } finally {
    await api.ledger.query('drop trigger poisoned on posted_alerts');
  }
});
