/** Alert preferences of users, from the API to the mail: whose jobs are told to whom, by whose switches, at which address. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDeliver, type Delivered } from '../../activities/deliver.ts';
import { channelOf, channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { openIncident, withBatch } from '../../src/core/incident.ts';
import { withRunning } from '../../src/core/rounds.ts';
import { withTelling } from '../../src/core/telling.ts';
import { sources } from '../../src/sources/index.ts';
import { asActivity, depsFor } from '../support/activity-world.ts';
import { type FakeSmtp, startFakeSmtp } from '../support/fakes/smtp.ts';
import { claimAll } from '../support/ledger.ts';
import { type Api, pick, startApi } from './harness.ts';

const CONFIG = `
integrations:
  terminal: { type: stdout }
routes:
  - { name: jobs, type: 'job_*', group_by: [], group_wait: 0s, notify: [owner] }
default: { notify: [terminal] }
egress: { allow: ['127.0.0.0/8'] }
`;

let api: Api;
let smtp: FakeSmtp;
beforeAll(async () => {
  smtp = await startFakeSmtp();
  api = await startApi({ config: fromText(CONFIG, 'the tests', {}, { channels, writers, sources }) });
});
afterAll(async () => {
  await api.stop();
  await smtp.close();
});

const as = (key: 'admin' | 'operator' | 'ingest', method: string, path: string, body?: unknown) =>
  api.call(method, path, { key: api.keys[key], ...(body === undefined ? {} : { body }) });
const mailOf = (owner: string, more: object = {}) =>
  as('admin', 'POST', '/v1/integrations', {
    name: `${owner}-mail`,
    type: 'email',
    owner,
    config: {
      host: smtp.host,
      port: smtp.port,
      tls: 'none',
      from: 'alerts@example.com',
      to: [`${owner}@example.com`],
    },
    ...more,
  });
const job = (user: string, type: string, more: object = {}) => ({
  source: 'trainer',
  type,
  title: `${type} of a run`,
  severity: 'error',
  user,
  ...more,
});
const about = async (id: string) => pick((await as('operator', 'GET', `/v1/events/${id}`)).body, 'events', 0);

/** Sends the event; what each target of its incident was told, as the worker would tell it. */
async function told(event: object): Promise<Record<string, Delivered['outcome']>> {
  const sent = await as('ingest', 'POST', '/v1/events', event);
  if (sent.status !== 202) throw new Error(sent.text);
  const deliver = createDeliver({
    ...depsFor({ ledger: api.ledger, channels, integrations: [] }),
    integrationNamed: api.deps.integrations.named,
    channelOf,
  });
  const outcomes: Record<string, Delivered['outcome']> = {};
  for (const { opening, batch } of await claimAll(api.ledger)) {
    const { id, policy, epoch, opened_at } = opening;
    const targets = policy.notify;
    const folded = withBatch(openIncident(id, policy, epoch, opened_at), batch);
    const snapshot = withRunning(withTelling(folded, { reason: 'group_wait', targets }, Date.now()), targets);
    for (const target of targets) {
      const out = snapshot.targets[target]?.current;
      if (!out) throw new Error('nothing to send');
      outcomes[target] = (await asActivity(() => deliver({ incident: id, target, out, snapshot }))).outcome;
    }
    await api.ledger.query(`update incidents set closed_at = now(), status = 'resolved' where id = $1`, [id]);
    await api.ledger.query('update alerts set current = false where incident = $1', [id]);
  }
  return outcomes;
}

describe('a user’s alert preferences', () => {
  it('are an integration with an owner: address, switches, threshold, in force with the next event', async () => {
    expect((await mailOf('ana', { events: { log_job_started: false } })).status).toBe(201);
    expect((await mailOf('bo', { threshold: 'error' })).status).toBe(201);

    expect(await told(job('ana', 'job_failed'))).toEqual({ 'ana-mail': 'delivered' });
    expect(await told(job('ana', 'job_started'))).toEqual({ 'ana-mail': 'skipped' });
    expect(await told(job('bo', 'job_started'))).toEqual({ 'bo-mail': 'delivered' });
    expect(await told(job('bo', 'job_started', { severity: 'warning' }))).toEqual({ 'bo-mail': 'skipped' });
    expect(smtp.mails.map(({ to }) => to)).toEqual([['ana@example.com'], ['bo@example.com']]);

    const changed = await as('admin', 'PATCH', '/v1/integrations/ana-mail', {
      events: { log_job_started: true, log_job_failed: false },
      config: { to: ['ana@elsewhere.example'] },
    });
    expect(changed.status).toBe(200);
    expect(await told(job('ana', 'job_failed'))).toEqual({ 'ana-mail': 'skipped' });
    expect(await told(job('ana', 'job_started'))).toEqual({ 'ana-mail': 'delivered' });
    expect(smtp.mails.at(-1)?.to).toEqual(['ana@elsewhere.example']);
  });

  it('of nobody are no mail, and the event says why; once there are some, the next event is told', async () => {
    expect(await told(job('eve', 'job_failed', { id: 'of-eve' }))).toEqual({});
    expect(await about('of-eve')).toMatchObject({
      decision: {
        routes: [{ route: 'jobs', owner: 'no_integration', why: expect.stringContaining('"eve" has no integration') }],
      },
    });
    await mailOf('eve');
    expect(await told(job('eve', 'job_failed'))).toEqual({ 'eve-mail': 'delivered' });

    await as('admin', 'PATCH', '/v1/integrations/eve-mail', { enabled: false });
    expect(await told(job('eve', 'job_failed', { id: 'of-eve-again' }))).toEqual({});
    expect(await about('of-eve-again')).toMatchObject({ decision: { routes: [{ owner: 'switched_off' }] } });
    await as('admin', 'DELETE', '/v1/integrations/eve-mail');
    expect(await told(job('eve', 'job_failed'))).toEqual({});
  });

  it('are explained before anything is sent', async () => {
    await mailOf('ida');
    const explained = async (event: object) => {
      const { body } = await as('operator', 'POST', '/v1/routes/explain', event);
      return [pick(body, 'decision', 'routes', 0, 'owner'), (pick(body, 'lines') as string[]).at(-1)];
    };
    expect(await explained(job('ida', 'job_failed'))).toEqual([
      'told',
      expect.stringMatching(/^told: ida-mail at once/),
    ]);
    expect(await explained(job('', 'job_failed'))).toEqual(['no_user', expect.stringMatching(/names no user$/)]);
    expect(await explained({ ...job('', 'job_failed'), labels: { user: 'ida' } })).toEqual(['told', expect.anything()]);
  });

  it('of two users who own the same kind of job never share an incident', async () => {
    await as('ingest', 'POST', '/v1/events', [job('ana', 'job_failed'), job('bo', 'job_failed')]);
    const claims = await claimAll(api.ledger);
    expect(claims.map(({ opening }) => opening.policy.notify).sort()).toEqual([['ana-mail'], ['bo-mail']]);
    expect(JSON.stringify(claims.map(({ opening: { policy, ...rest } }) => rest))).not.toMatch(/\bana\b|\bbo\b/);
  });

  it('are not the name owner', async () => {
    const { status, body } = await as('admin', 'POST', '/v1/integrations', { name: 'owner', type: 'stdout' });
    expect([status, pick(body, 'errors', 0, 'field')]).toEqual([400, 'name']);
  });
});
