import { describe, expect, it } from 'vitest';
import { gcpMonitoring } from '../../src/sources/gcp-monitoring.ts';
import closed from '../samples/gcp-monitoring/closed-1.1.json' with { type: 'json' };
import over from '../samples/gcp-monitoring/closed-1.2.json' with { type: 'json' };
import old from '../samples/gcp-monitoring/open-1.1.json' with { type: 'json' };
import open from '../samples/gcp-monitoring/open-1.2.json' with { type: 'json' };
import trial from '../samples/gcp-monitoring/test.json' with { type: 'json' };

const NOW = new Date('2026-11-20T14:05:00Z');
const normalise = (payload: unknown, config: object = {}, now = NOW) =>
  gcpMonitoring.normalise(payload, { name: 'gcp', config: gcpMonitoring.config.parse(config), now });

describe('an incident of Cloud Monitoring', () => {
  it('becomes an event with its severity, its labels and its link', () => {
    const { events, rejected } = normalise(open);
    expect(rejected).toEqual([]);
    expect(events).toEqual([
      {
        id: '0.nrwotmyokd9n/open',
        source: 'gcp-monitoring',
        type: 'Test-incident-canary',
        title: open.incident.summary,
        body: 'Observed: 7679.000, threshold: 2001',
        severity: 'error',
        severity_word: 'Error',
        components: ['gke-hub-cluster-private-pool-containe-de26c8a2-0se1'],
        labels: {
          project: 'flanksource-sandbox',
          project_id: 'flanksource-sandbox',
          instance_id: '1943820386402233898',
          instance_name: 'gke-hub-cluster-private-pool-containe-de26c8a2-0se1',
          zone: 'europe-west1-b',
          loadbalanced: 'false',
          policy: 'Test-incident-canary',
          condition: 'VM Instance - Sent packets',
          resource_type: 'gce_instance',
          metric_type: 'compute.googleapis.com/instance/network/sent_packets_count',
        },
        assignees: [],
        links: [{ title: 'Incident', url: open.incident.url }],
        status: 'firing',
        dedup_key: '0.nrwotmyokd9n',
        occurred_at: '2025-05-02T09:39:54.000Z',
      },
    ]);
  });

  it('of a policy with a runbook and labels has them, and is of the service that it names', () => {
    const incident = {
      ...open.incident,
      severity: 'Critical',
      documentation: {
        content: 'See the **runbook**.',
        mime_type: 'text/markdown',
        subject: '[ALERT] Checkout is slow',
        links: [{ displayName: 'Runbook', url: 'https://runbooks.example.com/checkout' }],
      },
      metadata: { system_labels: {}, user_labels: { team: 'payments' } },
      policy_user_labels: { environment: 'production' },
      resource: { type: 'cloud_run_revision', labels: { service_name: 'checkout', location: 'europe-west1' } },
    };
    expect(normalise({ ...open, incident }).events).toMatchObject([
      {
        body: 'See the **runbook**.\n\nObserved: 7679.000, threshold: 2001',
        severity: 'critical',
        severity_word: 'Critical',
        service: 'checkout',
        labels: { team: 'payments', environment: 'production', location: 'europe-west1' },
        links: [{ title: 'Incident' }, { title: 'Runbook', url: 'https://runbooks.example.com/checkout' }],
      },
    ]);
    expect(normalise({ ...open, incident: { ...incident, summary: '' } }).events[0]?.title).toBe(
      '[ALERT] Checkout is slow',
    );
  });

  it('whose policy was changed while it was open is over, and says so instead of a value', () => {
    const [event] = normalise(over).events;
    expect(event).toMatchObject({
      id: '0.nrwo9fe1a4wg/closed',
      status: 'resolved',
      title: over.incident.summary,
      body: over.incident.observed_value,
      dedup_key: '0.nrwo9fe1a4wg',
      occurred_at: '2025-05-02T09:39:07.000Z',
    });
    const opened = { ...over, incident: { ...over.incident, state: 'open', ended_at: null } };
    expect(normalise(opened).events[0]).toMatchObject({ status: 'firing', dedup_key: event?.dedup_key });
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
    expect(event).toMatchObject({
      title: 'Test Incident',
      status: 'firing',
      body: 'Test documentation\n\nObserved: 1.0, threshold: 0.5',
      components: ['Example Resource'],
      links: [{ title: 'Incident', url: 'http://www.example.com' }],
    });
    expect(event).not.toHaveProperty('occurred_at');
    expect(normalise(trial, {}, new Date(NOW.getTime() + 60_000)).events[0]?.id).not.toBe(event?.id);
  });

  it('of a test wakes nobody for long: nothing ever closes it', () => {
    expect(normalise(trial, { severity: 'critical' }).events).toEqual([
      expect.objectContaining({ severity: 'info', expires_at: '2026-11-20T14:15:00.000Z' }),
    ]);
    expect(normalise(open).events[0]).not.toHaveProperty('expires_at');
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
