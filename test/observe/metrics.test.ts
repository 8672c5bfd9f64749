import { describe, expect, it } from 'vitest';
import { createMetrics, metricsTable, NO_REASON, statusClass } from '../../src/observe/metrics.ts';

const sets = { reasons: ['group_wait', 'escalated'], channels: ['slack', 'email'], failures: ['timeout', 'auth'] };

describe('metrics', () => {
  it('begin at 0 wherever the labels are a closed set, so that a dashboard has no holes', async () => {
    const text = await createMetrics({ ...sets, sources: ['grafana'] }).text();
    for (const line of [
      'tocsin_notices_total{reason="escalated"} 0',
      'tocsin_deliveries_total{channel="email",outcome="dead"} 0',
      'tocsin_attempts_total{channel="slack",outcome="retry",reason="timeout"} 0',
      `tocsin_attempts_total{channel="slack",outcome="delivered",reason="${NO_REASON}"} 0`,
      'tocsin_events_accepted_total{source="grafana",outcome="rejected"} 0',
      'tocsin_delivery_seconds_count{channel="email"} 0',
      'tocsin_accept_seconds_count 0',
      'tocsin_incidents_open 0',
    ]) {
      expect(text).toContain(line);
    }
    expect(text).not.toContain('outcome="delivered",reason="timeout"');
    expect(text).not.toContain(`outcome="retry",reason="${NO_REASON}"`);
  });

  it('are counted apart in two registries of one process', async () => {
    const [one, two] = [createMetrics(sets), createMetrics(sets)];
    one.notices.inc({ reason: 'escalated' });
    one.httpRequests.inc({ route: '/v1/events', status: statusClass(202) });
    expect(await one.text()).toContain('tocsin_notices_total{reason="escalated"} 1');
    expect(await one.text()).toContain('tocsin_http_requests_total{route="/v1/events",status="2xx"} 1');
    expect(await two.text()).toContain('tocsin_notices_total{reason="escalated"} 0');
  });

  it('ask what must be asked before each scrape, and answer although a question fails', async () => {
    const metrics = createMetrics(sets);
    metrics.beforeScrape(() => metrics.inboxWaiting.set(7));
    metrics.beforeScrape(() => Promise.reject(new Error('the ledger is away')));
    expect(await metrics.text()).toContain('tocsin_inbox_waiting 7');
  });

  it('stand in the table exactly as they are served', async () => {
    const served = [...(await createMetrics(sets).text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(
      ([, name, kind]) => `${name} ${kind}`,
    );
    const listed = [...metricsTable().matchAll(/^\| `(\S+)` \| (\S+) \|/gm)].map(([, name, kind]) => `${name} ${kind}`);
    expect(listed).toEqual(served);
    expect(listed.every((line) => line.startsWith('tocsin_'))).toBe(true);
  });
});
