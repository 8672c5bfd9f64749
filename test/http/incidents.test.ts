import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CommandAnswer, DeliveryView, IncidentDetail, IncidentView } from '../../src/http/views.ts';
import { endSend } from '../../src/ledger/sends.ts';
import { type Api, pick, startApi } from './harness.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const get = (path: string) => api.call('GET', path, { key: api.keys.operator });
const post = (path: string, body?: unknown) => api.call('POST', path, { key: api.keys.operator, body });

describe('a command', () => {
  it('answers with the incident as it is now, wakes the relay, and is in the audit trail under its request id', async () => {
    const id = await api.incident();
    const before = api.woken();
    const { status, body, headers } = await post(`/v1/incidents/${id}/ack`, { by: 'Ada' });
    expect([status, pick(body, 'outcome'), pick(body, 'by')]).toEqual([200, 'done', 'Ada']);
    expect(CommandAnswer.parse(body)).toMatchObject({
      incident: {
        id,
        status: 'acknowledged',
        answered_by: 'Ada',
        url: `https://alerts.example.com/v1/incidents/${id}`,
      },
      begun: [],
    });
    expect(api.woken()).toBe(before + 1);
    const audit = await get(`/v1/audit?object=${id}`);
    expect(audit.body).toMatchObject({
      audit: [{ actor: 'Ada', action: 'incident.ack', object: id, request_id: headers.get('x-request-id') }],
    });
  });

  it('that comes second is told who was first', async () => {
    const id = await api.incident();
    await post(`/v1/incidents/${id}/ack`, { by: 'Ada' });
    const { status, body } = await post(`/v1/incidents/${id}/ack`, { by: 'Bob' });
    expect([status, pick(body, 'outcome'), pick(body, 'by')]).toEqual([200, 'already', 'Ada']);
  });

  it('needs no body, and is then given by the name of the key', async () => {
    const { body } = await post(`/v1/incidents/${await api.incident()}/resolve`);
    expect(pick(body, 'incident')).toMatchObject({ status: 'resolved', answered_by: 'operator key' });
  });

  it('is 404 for an incident nobody knows and 409 for one that is closed', async () => {
    expect((await post('/v1/incidents/INC-999999/ack')).status).toBe(404);
    expect((await post('/v1/incidents/a%00b/ack')).status).toBe(404);
    const id = await api.incident();
    await api.ledger.query('update incidents set closed_at = now() where id = $1', [id]);
    const { status, body } = await post(`/v1/incidents/${id}/comment`, { text: 'too late' });
    expect([status, pick(body, 'type')]).toEqual([409, 'urn:tocsin:problem:closed']);
  });

  it('that makes no sense now is 409 and says why', async () => {
    const id = await api.incident();
    await post(`/v1/incidents/${id}/resolve`);
    const { status, body } = await post(`/v1/incidents/${id}/snooze`, { for: '1h' });
    expect([status, pick(body, 'detail')]).toEqual([409, 'the incident is resolved: there is nothing left to snooze']);
  });

  it('to snooze takes 1 minute to 30 days, as durations are written', async () => {
    const id = await api.incident();
    for (const wrong of ['59s', '31d', 'soon', '', '-1h', '1h ago', '9'.repeat(400), 60, null]) {
      const { status, body } = await post(`/v1/incidents/${id}/snooze`, { for: wrong });
      expect([wrong, status, pick(body, 'errors', 0, 'field')]).toEqual([wrong, 400, 'for']);
    }
    expect((await post(`/v1/incidents/${id}/snooze`)).status).toBe(400);
    const { body } = await post(`/v1/incidents/${id}/snooze`, { for: '1h30m' });
    expect(pick(body, 'incident', 'status')).toBe('snoozed');
    const until = Date.parse(String(pick(body, 'incident', 'snoozed_until')));
    expect(Math.abs(until - Date.now() - 5_400_000)).toBeLessThan(60_000);
  });

  it('to comment, to escalate or to set the working state says what it needs', async () => {
    const id = await api.incident();
    expect((await post(`/v1/incidents/${id}/comment`, { text: 'looking' })).status).toBe(200);
    expect(pick((await post(`/v1/incidents/${id}/comment`, {})).body, 'errors')).toEqual([
      { field: 'text', problem: 'is required' },
    ]);
    expect((await post(`/v1/incidents/${id}/comment`, { text: 'a\0b' })).status).toBe(400);
    expect((await post(`/v1/incidents/${id}/comment`, { text: 'x'.repeat(4_001) })).status).toBe(400);
    expect((await post(`/v1/incidents/${id}/escalate`, { level: 1 })).status).toBe(200);
    expect((await post(`/v1/incidents/${id}/escalate`, { level: 2 })).status).toBe(409);
    expect((await post(`/v1/incidents/${id}/escalate`, { level: 0 })).status).toBe(400);
    expect(
      pick((await post(`/v1/incidents/${id}/state`, { state: 'investigating' })).body, 'incident', 'working_state'),
    ).toBe('investigating');
    expect(pick((await post(`/v1/incidents/${id}/state`, { state: null })).body, 'incident', 'working_state')).toBe(
      undefined,
    );
    expect((await post(`/v1/incidents/${id}/state`, { state: 'fine' })).status).toBe(400);
    expect((await post(`/v1/incidents/${id}/ack`, { by: 'x'.repeat(201) })).status).toBe(400);
    expect(pick((await post(`/v1/incidents/${id}/ack`, { who: 'me' })).body, 'errors')).toEqual([
      { field: 'who', problem: 'is not known here' },
    ]);
  });
});

describe('a working state', () => {
  it('is ordered for webhooks of format incident-v1 that have heard of the incident, switched on, and for no others', async () => {
    const hook = (name: string, format: string, enabled = true) =>
      api.call('POST', '/v1/integrations', {
        key: api.keys.admin,
        body: { name, type: 'webhook', enabled, config: { url: `https://example.com/${name}`, format } },
      });
    await hook('manager', 'incident-v1');
    await hook('resting', 'incident-v1', false);
    await hook('plain', 'tocsin');
    const id = await api.incident();
    for (const target of ['manager', 'resting', 'plain'])
      await api.ledger.query(
        `insert into deliveries (key, incident, target, channel, reason, status, scheduled_at) values ($1, $2, $3, 'webhook', 'group_now', 'delivered', now())`,
        [`${id}/group_now/x/${target}`, id, target],
      );
    await post(`/v1/incidents/${id}/state`, { state: 'triaged', by: 'Ada' });
    expect(
      await api.ledger.query('select kind, target, requested_by from sends where starts_with(delivery, $1)', [id]),
    ).toEqual([{ kind: 'redeliver', target: 'manager', requested_by: 'Ada' }]);
    const { body } = await get(`/v1/deliveries?incident=${id}&reason=working`);
    expect(body).toMatchObject({ deliveries: [{ target: 'manager', reason: 'working', status: 'pending' }] });
    for (const name of ['manager', 'resting', 'plain'])
      await api.call('DELETE', `/v1/integrations/${name}`, { key: api.keys.admin });
  });
});

describe('incidents', () => {
  it('are listed in pages, the newest first, and filtered', async () => {
    const ids = [
      await api.incident('first of three'),
      await api.incident('second of three'),
      await api.incident('third of three'),
    ];
    const first = await get('/v1/incidents?q=of%20three&limit=2');
    const shown = (pick(first.body, 'incidents') as unknown[]).map((one) => IncidentView.parse(one).id);
    expect(shown).toEqual([ids[2], ids[1]]);
    const second = await get(`/v1/incidents?q=of%20three&limit=2&cursor=${String(pick(first.body, 'next'))}`);
    expect(second.body).toMatchObject({ incidents: [{ id: ids[0], title: 'first of three' }] });
    await post(`/v1/incidents/${ids[0]}/ack`);
    expect((await get('/v1/incidents?q=of%20three&status=acknowledged')).body).toMatchObject({
      incidents: [{ id: ids[0] }],
    });
    expect(pick((await get('/v1/incidents?q=of%20three&severity=critical')).body, 'incidents')).toEqual([]);
  });

  it('are asked for in a way that is checked, field by field', async () => {
    for (const [query, field] of [
      ['status=happy', 'status'],
      ['severity=P0', 'severity'],
      ['limit=0', 'limit'],
      ['limit=1000', 'limit'],
      ['limit=x', 'limit'],
      ['cursor=1%20or%201', 'cursor'],
      ['q=a%00b', 'q'],
      ['status=open&status=open', 'status'],
      ['order=asc', 'order'],
    ] as const) {
      const { status, body } = await get(`/v1/incidents?${query}`);
      expect([query, status, pick(body, 'errors', 0, 'field')]).toEqual([query, 400, field]);
    }
    expect(pick((await get(`/v1/incidents?service=${encodeURIComponent("' or 1=1 --")}`)).body, 'incidents')).toEqual(
      [],
    );
  });

  it('show their timeline, alerts and deliveries, and where their run is seen', async () => {
    const id = await api.incident();
    await post(`/v1/incidents/${id}/ack`);
    const { body } = await get(`/v1/incidents/${id}`);
    expect(IncidentDetail.parse(body)).toMatchObject({
      id,
      timeline: [
        { kind: 'fired', title: 'it broke' },
        { kind: 'ack', by: 'operator key' },
      ],
      alerts: [{ title: 'it broke' }],
      deliveries: [],
      workflow_url: `http://127.0.0.1:8233/namespaces/default/workflows/${id}`,
    });
    expect((await get('/v1/incidents/INC-999999')).status).toBe(404);
  });
});

describe('deliveries', () => {
  it('are listed by how they stand, and a dead one is sent again, with its own key', async () => {
    const id = await api.incident();
    await api.ledger.query(
      `insert into deliveries (key, incident, target, channel, reason, status, failure, scheduled_at)
       values ($1, $2, 'terminal', 'stdout', 'group_wait', 'dead', 'gone', now()), ($3, $2, 'vanished', 'stdout', 'group_wait', 'dead', 'gone', now()),
              ($4, $2, 'terminal', 'stdout', 'group_wait', 'retrying', 'server', now())`,
      [`${id}/dead`, id, `${id}/vanished`, `${id}/retrying`],
    );
    const list = (await get(`/v1/deliveries?incident=${id}`)).body;
    const [retrying, vanished, dead] = (pick(list, 'deliveries') as unknown[]).map((one) => DeliveryView.parse(one));
    expect(pick((await get(`/v1/deliveries?incident=${id}&status=dead&target=terminal`)).body, 'deliveries')).toEqual([
      dead,
    ]);
    const { status, body } = await post(`/v1/deliveries/${dead?.id}/redeliver`);
    expect([status, pick(body, 'ended')]).toEqual([202, false]);
    expect(
      await api.ledger.query('select kind, target, delivery, requested_by from sends where id = $1', [
        pick(body, 'send'),
      ]),
    ).toEqual([{ kind: 'redeliver', target: 'terminal', delivery: `${id}/dead`, requested_by: 'operator key' }]);
    expect((await post(`/v1/deliveries/${retrying?.id}/redeliver`)).status).toBe(409);
    expect((await post(`/v1/deliveries/${vanished?.id}/redeliver`)).status).toBe(409);
    for (const nobody of ['999999', '0x1', '1e3', '9'.repeat(30)])
      expect((await post(`/v1/deliveries/${nobody}/redeliver`)).status).toBe(404);
  });
});

describe('integrations', () => {
  it('are shown with which of their secrets are set, and never with a value', async () => {
    const { body, text } = await get('/v1/integrations');
    expect(pick(body, 'integrations')).toMatchObject([
      { name: 'terminal', type: 'stdout', enabled: true, origin: 'file', secrets: {} },
      { name: 'off', enabled: false },
      { name: 'hook' },
    ]);
    expect((await get('/v1/integrations/hook')).body).toMatchObject({
      name: 'hook',
      type: 'webhook',
      config: { format: 'tocsin', send_resolved: true },
      secrets: { url: { set: true, last4: 'hook' }, secret: { set: true, last4: 'MjM0' } },
      patience: { max_attempts: 4 },
    });
    expect(text).not.toMatch(/whsec_|example\.com/);
    expect((await get('/v1/integrations/nobody')).status).toBe(404);
    expect((await get('/v1/integrations/__proto__')).status).toBe(404);
  });

  it('are tested by a row that the relay carries, and the answer waits for how it ended', async () => {
    const answer = post('/v1/integrations/terminal/test');
    let send = 0;
    await expect
      .poll(async () => {
        const [row] = await api.ledger.query<{ id: number }>(`select id from sends where kind = 'test'`);
        send = row?.id ?? 0;
        return send;
      })
      .toBeGreaterThan(0);
    await endSend(api.ledger, send, { delivered: true });
    expect(await answer).toMatchObject({
      status: 200,
      body: { send, ended: true, success: true, integrationType: 'stdout', integrationId: 'terminal' },
    });
  });

  it('that are switched off or unknown are not tested', async () => {
    expect(await post('/v1/integrations/off/test')).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('set enabled: true in the configuration') },
    });
    expect((await post('/v1/integrations/nobody/test')).status).toBe(404);
  });
});

describe('summaries', () => {
  it('of a day are shown, and written now when asked', async () => {
    expect((await get('/v1/summaries/2026-11-20')).body).toEqual({ date: '2026-11-20', summaries: [] });
    expect((await get('/v1/summaries/2026-02-30')).status).toBe(404);
    expect((await post('/v1/summaries/2026-11-20/run')).body).toEqual({ date: '2026-11-20', started: ['daily'] });
    expect((await post('/v1/summaries/2026-11-20/run', { name: 'weekly' })).status).toBe(400);
    expect(api.ran).toEqual([{ date: '2026-11-20', names: ['daily'], by: 'operator key' }]);
  });
});

describe('explaining', () => {
  it('says which routes were tried, where an event would go and who would be told, and keeps nothing', async () => {
    const { status, body } = await post('/v1/routes/explain', {
      id: 'what-if',
      source: 'tests',
      type: 'backup_failed',
      title: 'no backup',
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      decision: { tried: [{ route: 'night', matched: true }], routes: [{ route: 'night', outcome: 'join' }] },
      event: { id: 'what-if' },
    });
    expect((pick(body, 'lines') as string[]).join('\n')).toMatch(/told: terminal/);
    expect(await api.ledger.query(`select 1 from events where id = 'what-if'`)).toEqual([]);
    expect((await post('/v1/routes/explain', [{}])).status).toBe(400);
  });
});
