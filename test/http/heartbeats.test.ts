/** Heartbeats from the beat to the incident: over HTTP, with the worker's sweep run by hand instead of by its clock. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fromText, REGISTRY } from '../../src/config/load.ts';
import { noteOpen, registerHeartbeats } from '../../src/ledger/heartbeats.ts';
import { openForHeartbeats, tellHeartbeats } from '../../src/relay/heartbeats.ts';
import { claimAll, one } from '../support/ledger.ts';
import { type Api, pick, startApi } from './harness.ts';

const written = (more = '') => `
integrations: { terminal: { type: stdout } }
default: { group_by: [service, type], notify: [terminal] }
heartbeats:
  nightly: { every: 24h, grace: 1h, severity: critical, title: The backup did not run, service: backups, labels: { team: ops } }
  door: { every: 1m, token: a-token-of-the-door }
${more}`;
const config = fromText(written(), 'the tests', {}, REGISTRY);

let api: Api;
beforeAll(async () => {
  api = await startApi({ config });
});
afterAll(() => api.stop());
beforeEach(async () => {
  await api.ledger.query('truncate heartbeats, events, alerts, inbox, incidents, batches');
  await api.ledger.query(`delete from meta where name = 'heartbeats_open_at'`);
  await (await openForHeartbeats(api.ledger, config.heartbeats, api.deps.log)).stop();
});

const beat = (name: string, more: object = {}, method = 'POST') =>
  api.call(method, `/v1/heartbeats/${name}`, { key: api.keys.ingest, ...more });
const tell = () => tellHeartbeats(api.ledger, api.deps.door, config.heartbeats);
const hoursPass = (name: string, hours: number) =>
  api.ledger.query(
    `update heartbeats set due_at = due_at - $2 * interval '1 hour', last_at = last_at - $2 * interval '1 hour' where name = $1`,
    [name, hours],
  );
/** As if no process of ours had listened for so long. */
const closedFor = (hours: number) =>
  api.ledger.query(`update meta set value = (now() - $1 * interval '1 hour')::text where name = 'heartbeats_open_at'`, [
    hours,
  ]);
const stateOf = async (name: string) =>
  (await one<{ state: string }>(api.ledger, 'select state from heartbeats where name = $1', [name])).state;
const told = () =>
  api.ledger.query(`select event->>'status' as status, event->>'dedup_key' as key from events order by seq`);
const dueIn = async (name: string) =>
  (
    await one<{ hours: number }>(
      api.ledger,
      `select (extract(epoch from due_at - now()) / 3600)::float as hours from heartbeats where name = $1`,
      [name],
    )
  ).hours;

describe('a heartbeat', () => {
  it('opens an incident when it is missed, once, and its next beat ends it', async () => {
    expect((await beat('nightly')).status).toBe(202);
    await tell();
    expect(await told()).toEqual([]);
    await hoursPass('nightly', 25.1);
    await Promise.all([tell(), tell()]);
    await tell();
    expect(await told()).toEqual([{ status: 'firing', key: 'nightly' }]);
    const [opened] = await claimAll(api.ledger);
    const shown = await one<Record<string, unknown>>(
      api.ledger,
      'select title, severity, service, source, type from incidents',
    );
    expect(shown).toEqual({
      title: 'The backup did not run',
      severity: 'critical',
      service: 'backups',
      source: 'heartbeats',
      type: 'heartbeat_missed',
    });
    const { event } = await one<{ event: unknown }>(api.ledger, 'select event from events');
    expect(event).toMatchObject({
      labels: { team: 'ops', heartbeat: 'nightly' },
      body: expect.stringMatching(/^It was heard last at .*Z\. It is expected every 1 d, and 1 h late at the most\.$/),
    });
    await beat('nightly');
    await tell();
    expect((await told()).at(-1)).toEqual({ status: 'resolved', key: 'nightly' });
    const [ended] = await claimAll(api.ledger);
    expect([ended?.batch.incident, ended?.batch.status]).toEqual([opened?.batch.incident, 'resolved']);
  });

  it('answers with when the next is missed', async () => {
    const { body } = await beat('nightly');
    expect(body).toMatchObject({
      heartbeat: { name: 'nightly', state: 'ok', every_ms: 86_400_000, grace_ms: 3_600_000 },
    });
    const [last, due] = ['last_at', 'due_at'].map((field) => Date.parse(String(pick(body, 'heartbeat', field))));
    expect((due ?? 0) - (last ?? 0)).toBe(25 * 3_600_000);
  });

  it('that was never heard counts from when it was configured', async () => {
    expect(await stateOf('nightly')).toBe('waiting');
    await hoursPass('nightly', 25.1);
    await tell();
    expect([await stateOf('nightly'), await told()]).toEqual(['missed', [{ status: 'firing', key: 'nightly' }]]);
    const { event } = await one<{ event: { body: string } }>(api.ledger, 'select event from events');
    expect(event.body).toMatch(/^It was never heard\./);
  });

  it('that says it failed is told at once, with its words, until it says that it is well', async () => {
    await beat('nightly', { body: { status: 'fail', message: 'exit code 3' } });
    await tell();
    await beat('nightly', { body: { status: 'fail', message: 'exit code 4' } });
    await beat('nightly', { body: { status: 'start' } });
    await tell();
    expect(await told()).toEqual([{ status: 'firing', key: 'nightly' }]);
    const { event } = await one<{ event: { body: string } }>(api.ledger, 'select event from events');
    expect(event.body).toContain('Its last words: exit code 3');
    await beat('nightly', { body: { status: 'ok' } });
    await tell();
    expect((await told()).at(-1)).toEqual({ status: 'resolved', key: 'nightly' });
  });

  it('that began has to end within its grace', async () => {
    await beat('nightly', { body: { status: 'start' } });
    expect(await dueIn('nightly')).toBeCloseTo(1, 1);
    await beat('nightly', { body: {} });
    expect(await dueIn('nightly')).toBeCloseTo(25, 1);
  });

  it('is heard in every way that senders have: GET, a text, a form, words in the address, Basic', async () => {
    expect((await beat('nightly', {}, 'GET')).status).toBe(202);
    const basic = `Basic ${Buffer.from(`x:${api.keys.ingest}`).toString('base64')}`;
    expect((await beat('nightly', { key: undefined, headers: { authorization: basic } })).status).toBe(202);
    expect(
      pick(
        (await beat('nightly', { raw: 'done\n', headers: { 'content-type': 'text/plain' } })).body,
        'heartbeat',
        'message',
      ),
    ).toBe('done');
    expect((await beat('nightly?status=fail&message=disk%20full', {}, 'GET')).body).toMatchObject({
      heartbeat: { state: 'failed', message: 'disk full' },
    });
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await beat('nightly', { raw: '{"status":"ok"}', headers: form })).body).toMatchObject({
      heartbeat: { state: 'ok' },
    });
    expect((await beat('nightly', { body: { status: 'fine' } })).status).toBe(400);
    expect((await beat('nightly?status=fine', {}, 'GET')).status).toBe(400);
  });

  it('asks for a key, or for the token of its own', async () => {
    expect((await beat('nightly', { key: undefined })).status).toBe(401);
    expect((await beat('nightly', { key: api.keys.operator })).status).toBe(403);
    expect((await beat('door?token=a-token-of-the-door', { key: undefined }, 'GET')).status).toBe(202);
    expect((await beat('door', { key: 'a-token-of-the-door' })).status).toBe(202);
    expect((await beat('door?token=a-token-of-another', { key: undefined })).status).toBe(401);
    expect(config.secrets).toContain('a-token-of-the-door');
  });

  it('that nobody configured is not found, and says how it would be', async () => {
    const { status, body } = await beat('weekly');
    expect([status, pick(body, 'detail')]).toEqual([404, expect.stringContaining('section heartbeats of tocsin.yaml')]);
  });

  it('is listed with its state, when it was heard and when it is due', async () => {
    await beat('nightly');
    const { body } = await api.call('GET', '/v1/heartbeats', { key: api.keys.operator });
    expect(body).toMatchObject({
      heartbeats: [
        { name: 'door', state: 'waiting', due_at: expect.any(String), every_ms: 60_000 },
        { name: 'nightly', state: 'ok', last_at: expect.any(String), due_at: expect.any(String) },
      ],
    });
    expect(JSON.stringify(body)).not.toContain('a-token-of-the-door');
  });
});

describe('a restart', () => {
  it('keeps the deadlines, and takes a new period from the last beat', async () => {
    await beat('nightly');
    await hoursPass('nightly', 5);
    await registerHeartbeats(api.ledger, [{ name: 'nightly', every_ms: 86_400_000, grace_ms: 3_600_000 }]);
    expect(await dueIn('nightly')).toBeCloseTo(20, 1);
    await registerHeartbeats(api.ledger, [{ name: 'nightly', every_ms: 8 * 3_600_000, grace_ms: 3_600_000 }]);
    expect(await dueIn('nightly')).toBeCloseTo(4, 1);
    await registerHeartbeats(api.ledger, [{ name: 'nightly', every_ms: 3_600_000, grace_ms: 60_000 }]);
    expect(await dueIn('nightly')).toBeCloseTo(1 / 60, 2);
  });

  it('makes no alarm of a beat that found nobody there: it has until the next', async () => {
    await beat('nightly');
    await hoursPass('nightly', 26);
    await closedFor(3);
    await tell();
    expect(await told()).toEqual([]);
    expect(await noteOpen(api.ledger)).toBe(1);
    await tell();
    expect([await told(), await stateOf('nightly')]).toEqual([[], 'ok']);
    expect(await dueIn('nightly')).toBeCloseTo(25, 1);
  });

  it('does not spare what was missed before it, nor what is not yet expected', async () => {
    await beat('nightly');
    await hoursPass('nightly', 30);
    await beat('door');
    await closedFor(1);
    expect(await noteOpen(api.ledger)).toBe(0);
    await tell();
    expect(await told()).toEqual([{ status: 'firing', key: 'nightly' }]);
    expect(await dueIn('door')).toBeCloseTo(2 / 60, 2);
  });

  it('ends the alert of what is configured no more, and begins anew with what is again', async () => {
    await hoursPass('nightly', 26);
    await tell();
    await registerHeartbeats(api.ledger, [{ name: 'door', every_ms: 60_000, grace_ms: 60_000 }]);
    await tellHeartbeats(api.ledger, api.deps.door, new Map());
    expect((await told()).map((one) => pick(one, 'status'))).toEqual(['firing', 'resolved']);
    expect((await beat('nightly')).status).toBe(404);
    await registerHeartbeats(api.ledger, [{ name: 'nightly', every_ms: 86_400_000, grace_ms: 3_600_000 }]);
    expect([await stateOf('nightly'), await dueIn('nightly')]).toEqual(['waiting', expect.closeTo(25, 1)]);
  });
});

describe('the section heartbeats', () => {
  it('names what is wrong with it', () => {
    const load = (more: string) => () => fromText(written(more), 'tocsin.yaml', {}, REGISTRY);
    expect(load('  weekly: { every: 7 }')).toThrow(/heartbeats\.weekly\.every: .*duration/);
    expect(load('  weekly: { grace: 1h }')).toThrow('heartbeats.weekly.every');
    expect(load('  weekly: { every: 1s }')).toThrow('10000 ms');
    expect(load('  weekly: { every: 7d, token: short-one }')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('short-one') }),
    );
  });
});
