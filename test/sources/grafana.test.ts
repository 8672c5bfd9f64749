import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { grafana } from '../../src/sources/grafana.ts';
import sample from '../samples/grafana/firing-and-resolved.json' with { type: 'json' };
import noData from '../samples/grafana/no-data.json' with { type: 'json' };
import test from '../samples/grafana/test-button.json' with { type: 'json' };
import nine from '../samples/grafana/v9-firing.json' with { type: 'json' };
import nineOver from '../samples/grafana/v9-resolved.json' with { type: 'json' };
import eleven from '../samples/grafana/v11-firing.json' with { type: 'json' };

const NOW = new Date('2026-11-20T14:05:00Z');
const normalise = (payload: unknown, config: object = {}) =>
  grafana.normalise(payload, { name: 'g', config: grafana.config.parse(config), now: NOW });

describe('a Grafana message', () => {
  it('becomes an event with everything that its alert points to', () => {
    const { events, rejected } = normalise(eleven);
    const [alert] = eleven.alerts;
    expect(rejected).toEqual([]);
    expect(events).toEqual([
      {
        id: `${events[0]?.dedup_key}/2024-03-01T02:09:00Z/firing/${Math.floor(NOW.getTime() / 3_600_000)}`,
        source: 'grafana',
        type: 'Memory (copy)',
        title: 'High memory usage',
        severity: 'warning',
        components: [],
        labels: alert?.labels,
        assignees: [],
        links: [
          { title: 'Source of the alert', url: alert?.generatorURL },
          { title: 'Panel', url: alert?.panelURL },
          { title: 'Dashboard', url: alert?.dashboardURL },
          { title: 'Silence in Grafana', url: alert?.silenceURL },
          { title: 'Image', url: 'https://grafana.com/assets/img/blog/mixed_styles.png' },
        ],
        status: 'firing',
        dedup_key: expect.stringMatching(/^[0-9a-f]{16}\/e6349a25f5ef0e9e$/),
        occurred_at: '2024-03-01T02:09:00Z',
        context: { values: { A: '2473545728', B: '0', C: '1', minute: '9' } },
      },
    ]);
  });

  it('becomes one event per alert, whether it fires or is over', () => {
    const { events, rejected } = normalise(sample);
    expect(rejected).toEqual([]);
    expect(events).toMatchObject([
      {
        status: 'resolved',
        title: 'This is a summary field, failure on badhost.example.com',
        body: 'This is a description',
        components: ['badhost.example.com'],
        occurred_at: '2022-06-17T01:08:28.652747827Z',
      },
      { status: 'resolved', components: ['otherhost.example.com'] },
      {
        status: 'firing',
        type: 'Second webhook test',
        title: 'Testing **another** failing alert',
        severity: 'warning',
        occurred_at: '2022-06-17T01:03:00.782137894Z',
        links: [
          { title: 'Source of the alert', url: sample.alerts[2]?.generatorURL },
          { title: 'Runbook', url: 'https://example.com/' },
          { title: 'Silence in Grafana', url: sample.alerts[2]?.silenceURL },
        ],
        context: { annotations: { runbook_url: 'https://example.com/' }, values: sample.alerts[2]?.valueString },
      },
    ]);
  });

  it('about an alert that is over ends the one that fired', () => {
    const [[firing], [resolved]] = [normalise(nine).events, normalise(nineOver).events];
    expect([firing?.status, resolved?.status]).toEqual(['firing', 'resolved']);
    expect(firing?.dedup_key).toMatch(/\/d8a21484c9c25a60$/);
    expect(resolved).toMatchObject({ dedup_key: firing?.dedup_key, occurred_at: '2022-06-17T00:51:24.067337833Z' });
  });

  it('has the severity and the service that its labels name', () => {
    const labels = { ...eleven.alerts[0]?.labels, severity: 'critical', service: 'checkout' };
    expect(normalise({ ...eleven, alerts: [{ ...eleven.alerts[0], labels }] }).events).toMatchObject([
      { severity: 'critical', service: 'checkout' },
    ]);
  });

  it('of a rule without data is about the rule', () => {
    expect(normalise(noData).events).toMatchObject([
      {
        type: 'DatasourceNoData',
        title: 'viable/strict is broken: no data',
        status: 'firing',
        occurred_at: '2025-09-16T17:12:20Z',
        context: {
          annotations: { Priority: '1', Team: 'Team is us', runbook_url: 'https://hud.pytorch.org' },
        },
      },
    ]);
    expect(normalise(noData).events[0]?.context).not.toHaveProperty('values');
    expect(normalise(noData).events[0]?.links.map(({ title }) => title)).toEqual([
      'Source of the alert',
      'Runbook',
      'Panel',
      'Dashboard',
      'Silence in Grafana',
    ]);
  });

  it('gives a firing and its resolve one key, and each state one id', () => {
    const resolved = {
      ...sample,
      alerts: sample.alerts.map((alert) => ({ ...alert, status: 'resolved', endsAt: '2022-06-17T01:09:00Z' })),
    };
    const [first, last] = [normalise(sample).events, normalise(resolved).events];
    expect(last.map(({ dedup_key }) => dedup_key)).toEqual(first.map(({ dedup_key }) => dedup_key));
    expect(normalise(structuredClone(sample)).events).toEqual(first);
    expect(new Set([...first, ...last].map(({ id }) => id)).size).toBe(4);
  });

  it('is told from that of another Grafana, or of another organisation, with the same rules', () => {
    const keys = [sample, { ...sample, orgId: 2 }, { ...sample, externalURL: 'https://dev.example.com/' }].map(
      (payload) => normalise(payload).events[0]?.dedup_key,
    );
    expect(new Set(keys).size).toBe(3);
  });

  it('that Max Alerts has cut makes its alerts expire, and so does expire in the configuration', () => {
    expect(normalise(eleven).events[0]).not.toHaveProperty('expires_at');
    expect(normalise({ ...eleven, truncatedAlerts: 2 }).events[0]?.expires_at).toBe('2026-11-21T14:05:00.000Z');
    expect(normalise(eleven, { expire: '6h' }).events[0]?.expires_at).toBe('2026-11-20T20:05:00.000Z');
  });

  it('from the button Test wakes nobody for long', () => {
    expect(normalise(test, { severity: 'critical' }).events).toEqual([
      expect.objectContaining({ title: 'Notification test', severity: 'info', expires_at: '2026-11-20T14:15:00.000Z' }),
    ]);
  });

  it('is read tolerantly: what is missing, unknown or no alert does not keep the rest out', () => {
    const { events, rejected } = normalise({
      alerts: [{ labels: { alertname: 'x' }, values: [1], silenceURL: { a: 1 }, news: true }, null, [], { labels: 4 }],
    });
    expect(events).toEqual([
      expect.objectContaining({ type: 'x', title: 'x', links: [], dedup_key: expect.any(String) }),
    ]);
    expect(rejected.map(({ index }) => index)).toEqual([1, 2, 3]);
    for (const nonsense of [null, 7, 'x', [], {}, { alerts: {} }])
      expect(normalise(nonsense)).toEqual({
        events: [],
        rejected: [{ index: 0, problem: expect.stringContaining('no list called alerts') }],
      });
  });

  it('is cut to the limits of an event, and its addresses are web addresses', () => {
    const long = 'é\0'.repeat(50_000);
    const [event] = normalise({
      alerts: [
        {
          labels: { alertname: long, severity: long },
          annotations: { summary: long, description: long },
          panelURL: 'javascript:alert(1)',
          dashboardURL: `https://x/${long}`,
          values: { [long]: long },
        },
      ],
    }).events;
    expect(JSON.stringify(event).length).toBeLessThan(80_000);
    expect(event?.links).toEqual([]);
    expect(event?.severity).toBe('warning');
  });
});

describe('the signature of a Grafana message', () => {
  const secret = 'a-secret-of-some-length';
  const raw = Buffer.from(JSON.stringify(sample));
  const sign = (...parts: (string | Buffer)[]) => {
    const hmac = createHmac('sha256', secret);
    for (const part of parts) hmac.update(part);
    return hmac.digest('hex');
  };
  const verify = (headers: Record<string, string | string[]>, more: object = {}, body = raw) =>
    grafana.verify(body, headers, grafana.config.parse({ secret, ...more }), NOW);
  const WRONG = 'the signature is missing or wrong';

  it('is over the bytes that came', () => {
    expect(verify({ 'x-grafana-alerting-signature': sign(raw) })).toBeUndefined();
    expect(verify({ 'x-grafana-alerting-signature': sign(raw) }, {}, Buffer.from(`${raw} `))).toBe(WRONG);
    expect(verify({ 'x-grafana-alerting-signature': sign('other') })).toBe(WRONG);
    expect(verify({ 'x-grafana-alerting-signature': [sign(raw)] })).toBe(WRONG);
    expect(verify({})).toBe(WRONG);
    expect(verify({ 'x-sig': sign(raw) }, { signature_header: 'X-Sig' })).toBeUndefined();
  });

  it('covers the time where a header for it is configured, and an old one is refused', () => {
    const at = (seconds: number | string, signature = sign(`${seconds}:`, raw)) =>
      verify({ 'x-grafana-alerting-signature': signature, 'x-at': String(seconds) }, { timestamp_header: 'X-At' });
    const now = NOW.getTime() / 1_000;
    expect(at(now)).toBeUndefined();
    expect([at(now - 299), at(now + 299)]).toEqual([undefined, undefined]);
    expect(at(now, sign(raw))).toBe(WRONG);
    expect(at(now, sign(`${now - 600}:`, raw))).toBe(WRONG);
    for (const stale of [now - 301, now + 301, 'soon', ''])
      expect(at(stale)).toBe('the time it was sent at is missing or too far from now');
  });

  it('is asked for besides a token where both are configured', () => {
    const token = 'a-token-of-some-length';
    const signature = { 'x-grafana-alerting-signature': sign(raw) };
    expect(verify(signature, { token })).toBe('the token is missing or wrong');
    expect(verify({ authorization: `Bearer ${token}` }, { token })).toBe(WRONG);
    expect(verify({ ...signature, authorization: `Bearer ${token}` }, { token })).toBeUndefined();
  });
});
