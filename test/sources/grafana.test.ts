import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { grafana } from '../../src/sources/grafana.ts';
import sample from '../samples/grafana/firing-and-resolved.json' with { type: 'json' };
import test from '../samples/grafana/test-button.json' with { type: 'json' };

const NOW = new Date('2026-11-20T14:05:00Z');
const normalise = (payload: unknown, config: object = {}) =>
  grafana.normalise(payload, { name: 'g', config: grafana.config.parse(config), now: NOW });

describe('a Grafana message', () => {
  it('becomes one event per alert, with everything it points to', () => {
    const { events, rejected } = normalise(sample);
    expect(rejected).toEqual([]);
    const [slow, disk, missing] = events;
    expect(slow).toEqual({
      id: `${slow?.dedup_key}/2026-11-20T14:03:20Z/firing/${Math.floor(NOW.getTime() / 3_600_000)}`,
      source: 'grafana',
      type: 'Checkout latency',
      title: 'Checkout is slow on shop-2',
      body: 'The 99th percentile is over 2 s.',
      severity: 'critical',
      service: 'checkout',
      components: ['shop-2'],
      labels: sample.alerts[0]?.labels,
      assignees: [],
      links: [
        { title: 'Source of the alert', url: sample.alerts[0]?.generatorURL },
        { title: 'Runbook', url: 'https://runbooks.example.com/checkout-latency' },
        { title: 'Panel', url: sample.alerts[0]?.panelURL },
        { title: 'Dashboard', url: sample.alerts[0]?.dashboardURL },
        { title: 'Silence in Grafana', url: sample.alerts[0]?.silenceURL },
        { title: 'Image', url: 'https://storage.example.com/grafana/abc.png' },
      ],
      status: 'firing',
      dedup_key: expect.stringMatching(/^[0-9a-f]{16}\/c6eadffa33fcdf37$/),
      occurred_at: '2026-11-20T14:03:20Z',
      context: {
        annotations: { runbook_url: 'https://runbooks.example.com/checkout-latency' },
        values: { A: '2.31', C: '1' },
      },
    });
    expect(disk).toMatchObject({
      status: 'resolved',
      title: 'Disk almost full',
      severity: 'warning',
      occurred_at: '2026-11-20T14:02:50Z',
      context: { annotations: { grafana_state_reason: 'MissingSeries' } },
    });
    expect(missing).toMatchObject({ title: 'Orders per minute: no data', type: 'DatasourceNoData' });
  });

  it('gives a firing and its resolve one key, and each state one id', () => {
    const resolved = {
      ...sample,
      alerts: sample.alerts.map((alert) => ({ ...alert, status: 'resolved', endsAt: '2026-11-20T14:04:00Z' })),
    };
    const [first, last] = [normalise(sample).events, normalise(resolved).events];
    expect(last.map(({ dedup_key }) => dedup_key)).toEqual(first.map(({ dedup_key }) => dedup_key));
    expect(normalise(structuredClone(sample)).events).toEqual(first);
    expect(new Set([...first, ...last].map(({ id }) => id)).size).toBe(5);
  });

  it('is told from that of another Grafana, or of another organisation, with the same rules', () => {
    const keys = [sample, { ...sample, orgId: 2 }, { ...sample, externalURL: 'https://dev.example.com/' }].map(
      (payload) => normalise(payload).events[0]?.dedup_key,
    );
    expect(new Set(keys).size).toBe(3);
  });

  it('that Max Alerts has cut makes its alerts expire, and so does expire in the configuration', () => {
    expect(normalise(sample).events[0]).not.toHaveProperty('expires_at');
    expect(normalise({ ...sample, truncatedAlerts: 2 }).events[0]?.expires_at).toBe('2026-11-21T14:05:00.000Z');
    expect(normalise(sample, { expire: '6h' }).events[0]?.expires_at).toBe('2026-11-20T20:05:00.000Z');
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
