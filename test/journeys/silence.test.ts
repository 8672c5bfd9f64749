/** Journeys of alarms that nobody is told of for a while: silences, windows and inhibitions, and what is told when they end. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { WebhookHit } from '../support/fakes/webhook-receiver.ts';
import { type Harness, harness } from '../support/harness.ts';
import { until } from '../support/until.ts';

const CONFIG = `
integrations:
  hook: { type: webhook, url: '<HOOK>/hook', secret: '<HOOK_SECRET>' }
default: { group_by: [service, type], group_wait: 0s, notify: [hook] }
inhibitions: [ { name: hosts, source: [ 'type="host_down"' ], target: [ 'type="slow"' ], equal: [host] } ]
egress: { allow: ['127.0.0.0/8'] }
`;
const SILENCE_MS = 3_000;

let h: Harness;
beforeAll(async () => {
  h = await harness({ config: CONFIG });
});
afterEach(() => h.done());
afterAll(() => h?.stop());

const told = (service: string, reason: string): Promise<WebhookHit> =>
  h.hook.expects(new RegExp(`^/hook .*"type":"incident.${reason}".*"service":"${service}"`));

const newService = (): string => `service-${randomUUID()}`;
const alarm = (service: string, more: Record<string, unknown> = {}) => ({
  title: 'It is down',
  severity: 'error',
  dedup_key: service,
  service,
  ...more,
});
const over = async (service: string, more: Record<string, unknown> = {}): Promise<void> => {
  await h.post(alarm(service, { status: 'resolved', ...more }));
  await told(service, 'resolved');
};

async function made(path: string, body: Record<string, unknown>): Promise<string> {
  const reply = await h.call('POST', path, { reason: 'moving the rack', by: 'ana', ...body });
  expect(reply.status).toBe(201);
  return (reply.body as { id: string }).id;
}

/** The first route of the decision about an event. */
async function routeOf(id: string): Promise<{ outcome: string; why: string }> {
  const { body } = await h.call('GET', `/v1/events/${id}`);
  const [route] =
    (body as { events: { decision: { routes: { outcome: string; why: string }[] } }[] }).events[0]?.decision.routes ??
    [];
  if (!route) throw new Error(`no decision about ${id}`);
  return route;
}

describe('an alarm under a silence', () => {
  it('is told when the silence runs out, though everything was restarted meanwhile', async () => {
    const service = newService();
    const silence = await made('/v1/silences', { match: [`service="${service}"`], for: `${SILENCE_MS}ms` });
    const id = await h.post(alarm(service));
    expect(await routeOf(id)).toMatchObject({
      outcome: 'silenced',
      why: expect.stringMatching(new RegExp(`^silence ${silence} by ana until .*: moving the rack$`)),
    });
    await h.redeploy();
    await told(service, 'group_wait');
    expect(await routeOf(id)).toMatchObject({ outcome: 'join', why: expect.stringContaining(`silence ${silence}`) });
    await over(service);
  });

  it('that was open before goes quiet, and pages again when the silence is ended', async () => {
    const service = newService();
    await h.post(alarm(service));
    await told(service, 'group_wait');
    const silence = await made('/v1/silences', { match: [`service="${service}"`], for: '1h' });
    await told(service, 'snoozed');
    await h.call('DELETE', `/v1/silences/${silence}`);
    await told(service, 'snooze_ended');
    const { id } = await h.incidentOf(service);
    const { timeline } = await h.incident(id);
    expect(timeline.filter(({ by }) => by === `silence ${silence}`).map(({ kind }) => kind)).toEqual([
      'snooze',
      'snooze_ended',
    ]);
    await over(service);
  });
});

it('an alarm in a maintenance window is told when the window is ended', async () => {
  const service = newService();
  const window = await made('/v1/maintenance', { match: [`service="${service}"`], during: [{ timezone: 'UTC' }] });
  const id = await h.post(alarm(service));
  expect(await routeOf(id)).toMatchObject({
    outcome: 'silenced',
    why: expect.stringContaining(`maintenance ${window}`),
  });
  await h.call('DELETE', `/v1/maintenance/${window}`);
  await told(service, 'group_wait');
  await over(service);
});

it('an alarm that another inhibits is told when that one is over and it still fires', async () => {
  const [host, service] = [newService(), newService()];
  const labels = { host };
  await h.post(alarm(host, { type: 'host_down', labels }));
  await told(host, 'group_wait');
  const id = await h.post(alarm(service, { type: 'slow', labels }));
  expect(await routeOf(id)).toMatchObject({ outcome: 'inhibited', why: expect.stringContaining('inhibition hosts') });
  await over(host, { type: 'host_down', labels });
  await told(service, 'group_wait');
  await until('its decision', async () => (await routeOf(id)).outcome === 'join' || undefined);
  await over(service, { type: 'slow', labels });
});
