import { describe, expect, it } from 'vitest';
import { gcpMonitoring } from '../../src/sources/gcp-monitoring.ts';
import closed from '../samples/gcp-monitoring/closed-1.1.json' with { type: 'json' };
import old from '../samples/gcp-monitoring/open-1.1.json' with { type: 'json' };
import open from '../samples/gcp-monitoring/open-1.2.json' with { type: 'json' };
import trial from '../samples/gcp-monitoring/test.json' with { type: 'json' };

const NOW = new Date('2026-11-20T14:05:00Z');
const normalise = (payload: unknown, config: object = {}, now = NOW) =>
  gcpMonitoring.normalise(payload, { name: 'gcp', config: gcpMonitoring.config.parse(config), now });

describe('an incident of Cloud Monitoring', () => {
  it('becomes an event with its service, its severity, its labels and its links', () => {
    const { events, rejected } = normalise(open);
    expect(rejected).toEqual([]);
    expect(events).toEqual([
      {
        id: '0.mabc12de34fg/open',
        source: 'gcp-monitoring',
        type: 'Checkout is slow',
        title: open.incident.summary,
        body: 'See the **runbook**.\n\nObserved: 3.741, threshold: 2',
        severity: 'critical',
        severity_word: 'Critical',
        service: 'checkout',
        components: ['checkout'],
        labels: {
          project: 'shop-prod',
          project_id: 'shop-prod',
          policy: 'Checkout is slow',
          condition: 'p95 over 2 s',
          resource_type: 'cloud_run_revision',
          service_name: 'checkout',
          location: 'europe-west1',
          metric_type: 'run.googleapis.com/request_latencies',
          response_code_class: '2xx',
          team: 'payments',
          environment: 'production',
        },
        assignees: [],
        links: [
          { title: 'Incident', url: open.incident.url },
          { title: 'Runbook', url: 'https://runbooks.example.com/checkout' },
        ],
        status: 'firing',
        dedup_key: '0.mabc12de34fg',
        occurred_at: '2025-11-20T10:00:00.000Z',
      },
    ]);
  });

  it('that is closed ends the one that was open, at the time it ended', () => {
    const [firing] = normalise(old).events;
    const [resolved] = normalise(closed).events;
    expect([firing?.status, resolved?.status]).toEqual(['firing', 'resolved']);
    expect(resolved?.dedup_key).toBe(firing?.dedup_key);
    expect(resolved?.id).not.toBe(firing?.id);
    expect([firing?.occurred_at, resolved?.occurred_at]).toEqual([
      '2017-07-06T19:10:14.000Z',
      '2017-07-06T19:20:36.000Z',
    ]);
  });

  it('has one id for each state, so that what is sent again is a duplicate', () => {
    expect(normalise(old).events[0]?.id).toBe(normalise(structuredClone(old), {}, new Date(0)).events[0]?.id);
  });

  it('without a severity has the one that is configured', () => {
    expect(normalise(old).events[0]?.severity).toBe('error');
    const unnamed = { incident: { ...old.incident, severity: 'No severity' } };
    expect(normalise(unnamed, { severity: 'warning' }).events[0]).toMatchObject({ severity: 'warning' });
    expect(normalise(unnamed, { severity: 'warning' }).events[0]).not.toHaveProperty('severity_word');
  });

  it('of a test is told too, and again a minute later: it is always the same incident', () => {
    const [event] = normalise(trial).events;
    expect(event).toMatchObject({ title: 'Example Incident', status: 'firing' });
    expect(event?.body).toMatch(/^Test documentation/);
    expect(event).not.toHaveProperty('occurred_at');
    expect(normalise(trial, {}, new Date(NOW.getTime() + 60_000)).events[0]?.id).not.toBe(event?.id);
  });

  it('is read whatever is missing or of another type, and refused where nothing would end it', () => {
    const bare = {
      incident: {
        incident_id: 'x',
        state: 'Open',
        started_at: {},
        documentation: 4,
        resource: [],
        url: 'javascript:x',
      },
    };
    expect(normalise(bare).events).toEqual([
      expect.objectContaining({ title: 'incident', type: 'incident', labels: {}, links: [], components: [] }),
    ]);
    for (const payload of [
      null,
      [],
      'x',
      {},
      { incident: 'x' },
      { incident: {} },
      { incident: { incident_id: 'x', state: 'on' } },
    ]) {
      const { events, rejected } = normalise(payload);
      expect([events, rejected.map(({ index }) => index)]).toEqual([[], [0]]);
    }
  });
});

describe('the token of Cloud Monitoring', () => {
  const config = gcpMonitoring.config.parse({ token: 'a-token-of-some-length' });
  const verify = (headers: object, query?: Record<string, unknown>) =>
    gcpMonitoring.verify(Buffer.from(''), { ...headers }, config, NOW, query);

  it('is shown in the address or as a password', () => {
    expect(verify({}, { auth_token: 'a-token-of-some-length' })).toBeUndefined();
    expect(
      verify({ authorization: `Basic ${Buffer.from('u:a-token-of-some-length').toString('base64')}` }),
    ).toBeUndefined();
    for (const query of [{}, { auth_token: 'another' }, { auth_token: ['a-token-of-some-length'] }, undefined])
      expect(verify({}, query)).toBe('the token is missing or wrong');
    expect(verify({ authorization: 'Bearer no' }, { auth_token: 'a-token-of-some-length' })).toBe(
      'the token is missing or wrong',
    );
  });
});
