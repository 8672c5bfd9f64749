/** A real Alertmanager that believes to talk to PagerDuty and to Opsgenie: what it sends opens, is answered, and ends. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Harness, harness } from '../support/harness.ts';
import { createPrograms, havePrograms } from '../support/programs.ts';

const ROUTING_KEY = '0123456789abcdef0123456789abcdef';
const API_KEY = '70413a06-38d6-4c85-92b8-5ebc900d42e2';
const TOCSIN = `
integrations:
  chat: { type: slack, token: '<SLACK_TOKEN>', api_url: '<SLACK_API>', channel: '#ops' }
routes:
  - { name: patient, match: [ 'type="EarlyAnswer"' ], group_wait: 1h, group_now: [], notify: [chat] }
default: { group_by: [type], group_wait: 0s, notify: [chat] }
sources:
  primary: { type: pagerduty, routing_key: ${ROUTING_KEY} }
  second: { type: opsgenie, api_key: ${API_KEY} }
egress: { allow: ['127.0.0.0/8'] }
`;

/** A flush of Alertmanager and the telling, on a busy machine. */
const HEARD_MS = 60_000;

let h: Harness;
const undo: (() => Promise<void> | void)[] = [];
beforeAll(async () => {
  h = await harness({ config: TOCSIN });
  undo.push(() => h.stop());
});
afterEach(() => h.done());
afterAll(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Alertmanager that sends by these settings of one receiver; says that an alert fires, or that it is over. */
async function startAlertmanager(receiver: object) {
  const { start, file, folder, end } = createPrograms();
  undo.push(end);
  const route = { receiver: 'them', group_by: ['alertname'], group_wait: '0s', group_interval: '1s' };
  const address = await start('alertmanager', [
    `--config.file=${file('alertmanager.yml', { route, receivers: [{ name: 'them', ...receiver }] })}`,
    `--storage.path=${folder('data')}`,
    '--web.listen-address=127.0.0.1:0',
    '--cluster.listen-address=',
  ]);
  const startsAt = new Date().toISOString();
  return async (alertname: string, isOver = false): Promise<void> => {
    const { status } = await fetch(`http://${address}/api/v2/alerts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify([
        {
          labels: { alertname, severity: 'critical', service: 'checkout' },
          startsAt,
          ...(isOver ? { endsAt: new Date().toISOString() } : {}),
        },
      ]),
    });
    expect(status).toBe(200);
  };
}

const incidentOf = (type: string) => h.waitForIncident((incident) => incident.type === type, HEARD_MS);

describe.runIf(havePrograms('alertmanager'))('Alertmanager', () => {
  it(
    "with pagerduty_configs at Tocsin's address opens an incident, and ends it",
    async () => {
      const say = await startAlertmanager({
        pagerduty_configs: [
          { routing_key: ROUTING_KEY, url: `${h.url}/v2/enqueue`, class: '{{ .GroupLabels.alertname }}' },
        ],
      });
      await say('PagedByKey');
      await h.slack.expects(/FIRING:1.*PagedByKey/, HEARD_MS);
      const { id, source } = await incidentOf('PagedByKey');
      expect(source).toBe('pagerduty');
      await say('PagedByKey', true);
      await h.slack.expects(/Nothing fires any more/, HEARD_MS);
      expect(await h.closed(id)).toMatchObject({ alert_count: 1 });
    },
    3 * HEARD_MS,
  );

  it(
    "with opsgenie_configs at Tocsin's address creates, updates and closes an alert, which is acknowledged by its alias between",
    async () => {
      const say = await startAlertmanager({
        opsgenie_configs: [{ api_key: API_KEY, api_url: `${h.url}/`, update_alerts: true, priority: 'P1' }],
      });
      await say('CreatedByAlias');
      await h.slack.expects(/FIRING:1.*CreatedByAlias/, HEARD_MS);
      const { id, source, severity } = await incidentOf('CreatedByAlias');
      expect([source, severity]).toEqual(['opsgenie', 'critical']);
      const headers = { authorization: `GenieKey ${API_KEY}` };
      const listed = await fetch(`${h.url}/v2/alerts`, { headers });
      const { data } = (await listed.json()) as { data: { alias: string }[] };
      const answered = await fetch(`${h.url}/v2/alerts/${data[0]?.alias}/acknowledge?identifierType=alias`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: '{"user":"ada"}',
      });
      expect(answered.status).toBe(202);
      await h.slack.expects(/Acknowledged by ada/);
      await say('CreatedByAlias', true);
      await h.slack.expects(/Nothing fires any more/, HEARD_MS);
      await h.closed(id);
    },
    3 * HEARD_MS,
  );
});

it('an alert that is acknowledged in the moment it is triggered pages nobody', async () => {
  const send = (event_action: string) =>
    fetch(`${h.url}/v2/enqueue`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        routing_key: ROUTING_KEY,
        event_action,
        dedup_key: 'early',
        payload: { summary: 'Seen already', source: 'web-1', severity: 'critical', class: 'EarlyAnswer' },
      }),
    }).then(({ status }) => status);
  expect([await send('trigger'), await send('acknowledge')]).toEqual([202, 202]);
  const { id } = await incidentOf('EarlyAnswer');
  await expect
    .poll(() => h.state(id), { timeout: HEARD_MS })
    .toMatchObject({ seen: expect.any(Number), status: 'acknowledged' });
  await send('resolve');
  await h.slack.expects(/Nothing fires any more/); // The end is told, and was never preceded by a page.
  await h.closed(id);
});
