/** Deliveries by HTTP: seen with every attempt, found by filters, sent again one or many, redirected, cancelled; integrations taken back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noteFailure } from '../../src/ledger/health.ts';
import { endSend, waitingSends } from '../../src/ledger/sends.ts';
import { type Api, pick, startApi } from './harness.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const get = (path: string) => api.call('GET', path, { key: api.keys.operator });
const post = (path: string, body?: unknown) => api.call('POST', path, { key: api.keys.operator, body });
const idsIn = (answer: { body: unknown }): number[] =>
  (pick(answer.body, 'deliveries') as { id: number }[]).map(({ id }) => id);

/** A delivery of an incident of its own. */
async function made(status: string, more: Record<string, unknown> = {}): Promise<{ id: number; incident: string }> {
  const incident = await api.incident();
  const row = { target: 'terminal', channel: 'stdout', reason: 'group_wait', attempts: 1, ...more };
  const [found] = await api.ledger.query<{ id: number }>(
    `insert into deliveries (key, incident, status, target, channel, reason, attempts, receipt, failure, detail, scheduled_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now()) returning number as id`,
    [
      `${incident}/made`,
      incident,
      status,
      row.target,
      row.channel,
      row.reason,
      row.attempts,
      more.receipt ?? null,
      more.failure ?? null,
      more.detail ?? null,
    ],
  );
  return { id: found?.id ?? 0, incident };
}

describe('a delivery', () => {
  it('is shown with each of its attempts: class, code, latency and words', async () => {
    const { id, incident } = await made('dead', { failure: 'server', detail: 'HTTP 503', attempts: 2 });
    await api.ledger.query(
      `insert into attempts (delivery, round, ended_at, outcome, reason, detail, code, latency_ms)
       values ($1, 0, now(), 'retrying', 'timeout', 'no answer within the timeout', null, 10000), ($1, 0, now(), 'dead', 'server', 'HTTP 503', '503', 41)`,
      [`${incident}/made`],
    );
    const attempts_made = [
      { outcome: 'retrying', reason: 'timeout', latency_ms: 10_000 },
      { outcome: 'dead', reason: 'server', code: '503', latency_ms: 41, detail: 'HTTP 503' },
    ];
    expect((await get(`/v1/deliveries/${id}`)).body).toMatchObject({
      id,
      status: 'dead',
      failure: 'server',
      attempts_made,
    });
    expect((await get(`/v1/incidents/${incident}`)).body).toMatchObject({ deliveries: [{ id, attempts_made }] });
    for (const nobody of ['999999', 'x', '1e3']) expect((await get(`/v1/deliveries/${nobody}`)).status).toBe(404);
  });

  it('of mail says what became of it for each recipient, and no address whole', async () => {
    const { id, incident } = await made('delivered', { channel: 'email', receipt: 'awaited' });
    const ref = {
      message_id: '<1@example.com>',
      accepted: ['ops@example.com', 'lead@example.org'],
      refused: [
        { address: 'gone@example.com', code: 550 },
        { address: 'full@example.com', code: 452 },
        { address: 'mute@example.com', code: 0 },
      ],
    };
    await api.ledger.query('update deliveries set ref = $2::jsonb where key = $1', [
      `${incident}/made`,
      JSON.stringify(ref),
    ]);
    const { body, text } = await get(`/v1/deliveries/${id}`);
    expect(pick(body, 'recipients')).toEqual([
      { address: 'o•••@example.com', outcome: 'accepted' },
      { address: 'l•••@example.org', outcome: 'accepted' },
      { address: 'g•••@example.com', outcome: 'refused', code: '550' },
      { address: 'f•••@example.com', outcome: 'refused', code: '452' },
      { address: 'm•••@example.com', outcome: 'refused' },
    ]);
    expect(text).not.toMatch(/ops@|lead@|gone@|full@|mute@|message_id/);
    const other = await made('delivered');
    expect(pick((await get(`/v1/deliveries/${other.id}`)).body, 'recipients')).toBeUndefined();
  });

  it('has one of nine states, and the API says what they mean', async () => {
    const standing: [string, Record<string, unknown>, string][] = [
      ['retrying', { attempts: 0 }, 'pending'],
      ['sending', {}, 'sending'],
      ['delivered', { receipt: 'awaited' }, 'sent'],
      ['delivered', {}, 'delivered'],
      ['delivered', { receipt: 'read' }, 'read'],
      ['retrying', {}, 'failed'],
      ['dead', {}, 'dead'],
      ['skipped', {}, 'skipped'],
      ['superseded', {}, 'superseded'],
    ];
    const { text } = await get('/openapi.json');
    for (const [status, more, state] of standing) {
      const { id, incident } = await made(status, more);
      expect((await get(`/v1/deliveries/${id}`)).body).toMatchObject({ status: state });
      expect(idsIn(await get(`/v1/deliveries?incident=${incident}&status=${state}`))).toEqual([id]);
      expect(text).toContain(`${state}: `);
    }
  });

  it('is found by several states at once, by reason, failure, channel and time; and by the older word', async () => {
    const failed = await made('retrying', { failure: 'network' });
    const dead = await made('dead', { failure: 'gone', reason: 'resolved', channel: 'webhook', target: 'hook' });
    const both = idsIn(await get('/v1/deliveries?status=failed,dead&limit=200'));
    expect(both).toEqual(expect.arrayContaining([failed.id, dead.id]));
    expect(idsIn(await get('/v1/deliveries?status=retrying&limit=200'))).toContain(failed.id);
    expect(idsIn(await get('/v1/deliveries?reason=resolved&failure=gone&channel=webhook&target=hook'))).toEqual([
      dead.id,
    ]);
    const soon = new Date(Date.now() + 60_000).toISOString();
    expect(idsIn(await get(`/v1/deliveries?since=${soon}`))).toEqual([]);
    expect(idsIn(await get(`/v1/deliveries?until=${soon}&limit=1`))).toHaveLength(1);
    expect(idsIn(await get('/v1/deliveries?since=2026-01-01T00:00:00%2B05:30&limit=1'))).toHaveLength(1);
  });

  it.each([
    ['status=happy', 'status'],
    ['status=dead,', 'status'],
    ['status=dead&status=failed', 'status'],
    ['reason=because', 'reason'],
    ['since=yesterday', 'since'],
    ['until=0000-01-01T00:00:00Z', 'until'],
    ['since=2026-13-01T00:00:00Z', 'since'],
    ['channel=', 'channel'],
    ['colour=red', 'colour'],
  ])('is not asked for by %s', async (query, field) => {
    const { status, body } = await get(`/v1/deliveries?${query}`);
    expect([status, pick(body, 'errors', 0, 'field')]).toEqual([400, field]);
  });

  it('can be asked for by any offset and any year that a time may have', async () => {
    for (const time of ['2026-01-01T00:00:00%2B23:59', '9999-12-31T23:59:59Z', '0001-01-02T00:00:00Z'])
      expect((await get(`/v1/deliveries?since=${time}`)).status).toBe(200);
  });
});

describe('sending again', () => {
  it('one under a new key, or to another integration, answers with the key it goes under', async () => {
    const { id, incident } = await made('dead');
    expect((await post(`/v1/deliveries/${id}/redeliver`, { new_key: true })).body).toMatchObject({
      send: expect.any(Number),
      ended: false,
      delivery: `${incident}/made/again1`,
    });
    const { status, body } = await post(`/v1/deliveries/${id}/redeliver`, { to: 'hook' });
    expect([status, pick(body, 'delivery')]).toEqual([202, `${incident}/made/to/hook`]);
    expect((await get(`/v1/deliveries?incident=${incident}&target=hook`)).body).toMatchObject({
      deliveries: [{ status: 'pending', channel: 'webhook', redirected_from: id }],
    });
    for (const [to, why] of [
      ['nobody', 'no integration of this name is configured or stored'],
      ['off', 'off is switched off, or takes no messages'],
      ['terminal', 'it is a delivery to terminal already'],
    ])
      expect((await post(`/v1/deliveries/${id}/redeliver`, { to })).body).toMatchObject({ status: 409, detail: why });
    expect((await post(`/v1/deliveries/${id}/redeliver`, { new_key: 'yes' })).status).toBe(400);
  });

  it('many answers what was asked for and what was refused, with why', async () => {
    const [one, two] = [await made('dead'), await made('delivered')];
    const sending = await made('sending');
    const woken = api.woken();
    const { status, body } = await post('/v1/deliveries/redeliver', { ids: [one.id, two.id, sending.id, 999_999] });
    expect([status, body]).toMatchObject([
      202,
      {
        asked: [
          { id: one.id, delivery: `${one.incident}/made` },
          { id: two.id, delivery: `${two.incident}/made` },
        ],
        refused: [
          { id: 999_999, why: 'no delivery has this id' },
          { id: sending.id, why: 'the delivery is sending: it is tried again by itself' },
        ],
      },
    ]);
    expect(api.woken()).toBe(woken + 1);
    expect((await post(`/v1/deliveries/${one.id}/redeliver`)).body).toMatchObject({
      status: 409,
      detail: 'it is being sent again already',
    });
  });

  it('all that are dead takes those of a target, so many at a time', async () => {
    for (const { id } of await waitingSends(api.ledger)) await endSend(api.ledger, id, { delivered: false });
    await api.ledger.query(`update deliveries set status = 'delivered'`);
    const made_ = [await made('dead'), await made('dead'), await made('dead', { target: 'hook' })];
    const since = new Date(Date.now() - 60_000).toISOString();
    const asked = async (more: object) =>
      (
        pick((await post('/v1/deliveries/redeliver', { status: 'dead', ...more })).body, 'asked') as { id: number }[]
      ).map(({ id }) => id);
    expect(await asked({ target: 'terminal', since, limit: 1 })).toEqual([made_[0]?.id]);
    expect(await asked({ target: 'terminal', since })).toEqual([made_[1]?.id]);
    expect(await asked({})).toEqual([made_[2]?.id]);
    expect(await asked({})).toEqual([]);
  });

  it.each([
    [{}, 'ids'],
    [{ ids: [] }, 'ids'],
    [{ ids: [1], status: 'dead' }, 'ids'],
    [{ ids: [1], limit: 5 }, 'ids'],
    [{ ids: Array.from({ length: 101 }, (_, at) => at + 1) }, 'ids'],
    [{ ids: [1.5] }, 'ids[0]'],
    [{ status: 'skipped' }, 'status'],
    [{ status: 'dead', limit: 1_001 }, 'limit'],
    [{ status: 'dead', since: 'yesterday' }, 'since'],
    [{ status: 'dead', to: 'hook' }, 'to'],
  ])('many is refused by the name of the field: %j', async (body, field) => {
    const answer = await post('/v1/deliveries/redeliver', body);
    expect([answer.status, pick(answer.body, 'errors', 0, 'field')]).toEqual([400, field]);
  });
});

describe('cancelling', () => {
  it('ends what is not over, says whether an attempt is under way, and refuses what has ended', async () => {
    const waits = await made('retrying');
    expect(await post(`/v1/deliveries/${waits.id}/cancel`)).toMatchObject({
      status: 200,
      body: {
        delivery: { status: 'dead', failure: 'cancelled', detail: 'cancelled by operator key' },
        under_way: false,
      },
    });
    const sending = await made('sending');
    expect((await post(`/v1/deliveries/${sending.id}/cancel`)).body).toMatchObject({ under_way: true });
    expect((await post(`/v1/deliveries/${sending.id}/cancel`)).body).toMatchObject({
      status: 409,
      detail: 'the delivery is dead: there is nothing left to cancel',
    });
    const sent = await made('delivered', { receipt: 'awaited' });
    expect((await post(`/v1/deliveries/${sent.id}/cancel`)).body).toMatchObject({
      detail: 'the delivery is sent: there is nothing left to cancel',
    });
    expect((await post('/v1/deliveries/999999/cancel')).status).toBe(404);
  });
});

describe('the health of an integration', () => {
  it('is shown, and an operator takes it back into use; the audit says who', async () => {
    expect((await get('/v1/integrations/hook')).body).toMatchObject({ health: { state: 'ok' } });
    const gone = { channel: 'webhook', failure: 'gone', code: '410', dead: true };
    await noteFailure(api.ledger, 'hook', gone, 'HTTP 410: the receiver wants no more');
    const health = {
      state: 'disabled',
      since: expect.stringMatching(/Z$/),
      because: 'gone',
      why: expect.stringContaining('HTTP 410: the receiver wants no more'),
    };
    expect((await get('/v1/integrations/hook')).body).toMatchObject({ health });
    expect(pick((await get('/v1/integrations')).body, 'integrations')).toMatchObject([
      { name: 'terminal', health: { state: 'ok' } },
      { name: 'off', health: { state: 'ok' } },
      { name: 'hook', health },
    ]);
    expect((await post('/v1/integrations/hook/enable')).body).toEqual({
      name: 'hook',
      outcome: 'done',
      health: { state: 'ok' },
    });
    expect((await post('/v1/integrations/hook/enable')).body).toMatchObject({ outcome: 'already' });
    expect((await get('/v1/integrations/hook')).body).toMatchObject({ health: { state: 'ok' } });
    expect((await post('/v1/integrations/nobody/enable')).status).toBe(404);
    const { body } = await api.call('GET', '/v1/audit?object=hook', { key: api.keys.admin });
    expect(pick(body, 'audit')).toMatchObject([{ actor: 'operator key', action: 'integration.enable' }]);
  });
});
