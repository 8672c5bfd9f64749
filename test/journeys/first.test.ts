/** Journeys of an alarm from its first event to the people: at once, grouped, after a wait. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Harness, harness } from '../support/harness.ts';

const CONFIG = `
integrations:
  chat: { type: slack, token: '<SLACK_TOKEN>', api_url: '<SLACK_API>', channel: '#ops' }
  mail: { type: email, host: 127.0.0.1, port: <SMTP_PORT>, tls: none, from: alerts@example.com, to: [ops@example.com] }
  hook: { type: webhook, url: '<HOOK>/all', secret: '<HOOK_SECRET>' }
routes:
  - { name: traced, match: [ 'type="traced"' ], notify: [mail, hook] }
  - { name: warned, match: [ 'severity="warning"' ], group_wait: 1500ms, group_count: 3, notify: [chat] }
default: { group_by: [service], group_wait: 30s, notify: [chat] }
egress: { allow: ['127.0.0.0/8'] }
`;

let h: Harness;
beforeAll(async () => {
  h = await harness({ config: CONFIG });
});
afterEach(() => h.done());
afterAll(() => h?.stop());

describe('an alarm', () => {
  it('that is critical is told at once', async () => {
    const started = performance.now();
    await h.post({ title: 'The ledger is down', severity: 'critical', service: 'at-once' });
    const message = await h.slack.expects(/The ledger is down/);
    expect(h.slack.at(message) - started).toBeLessThan(1_500);
    const { id } = await h.incidentOf('at-once');
    await h.resolve(id, 'ada');
    await h.slack.expects(/Resolved by ada/);
    await h.closed(id);
  });
});
