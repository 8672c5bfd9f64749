/** Alerts, incidents and job alerts of users' own senders as events: their words, and nothing of them lost. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseOwn } from '../../src/sources/events.ts';
import ownAlert from '../samples/own/alert.json' with { type: 'json' };
import ownIncident from '../samples/own/incident.json' with { type: 'json' };
import ownTrigger from '../samples/own/trigger.json' with { type: 'json' };

const NOW = new Date('2026-11-20T12:00:00Z');
const parse = (kind: Parameters<typeof parseOwn>[0], body: unknown) => {
  const found = parseOwn(kind, body, NOW);
  if (Array.isArray(found)) throw new Error(JSON.stringify(found));
  return found;
};
const problems = (kind: Parameters<typeof parseOwn>[0], body: unknown): string[] => {
  const found = parseOwn(kind, body, NOW);
  return Array.isArray(found) ? found.map(({ field }) => field).sort() : [];
};

/** What the incident manager's description says of an incident of its own. */
const OUTAGE = {
  source: 'llm-sentinel',
  type: 'Availability',
  title: 'API Gateway Down',
  body: 'All requests returning 503',
  severity: 'critical',
  severity_word: 'P0',
  components: ['api-gateway'],
  labels: { environment: 'production' },
  status: 'firing',
};

describe('an alert', () => {
  it('as its sender is described is read with every field', () => {
    expect(parse('alert', ownAlert)).toMatchObject(OUTAGE);
    expect(parse('alert', ownAlert)).not.toHaveProperty('context');
  });

  it('that is over is an event of its own, so that its id does not hide it', () => {
    const alert = { id: 'a', source: 's', name: 'Disk full', dedup_key: 'disk' };
    expect(parse('alert', alert)).toMatchObject({ id: 'a', type: 'alert', status: 'firing', dedup_key: 'disk' });
    expect(parse('alert', { ...alert, status: 'resolved' })).toMatchObject({ id: 'a/resolved', status: 'resolved' });
    expect(parse('alert', alert).incident).toBe(undefined);
  });

  it('keeps what is not a field of it as context, beside its own', () => {
    const alert = { source: 's', title: 't', id: 'a', alert_id: 'b', value: 5, context: { seen: true } };
    expect(parse('alert', alert)).toMatchObject({ id: 'a', context: { seen: true, value: 5, alert_id: 'b' } });
    expect(parse('alert', { source: 's', title: 't', context: 'words', value: 1 }).context).toEqual({
      context: 'words',
      value: 1,
    });
  });

  it('has its runbook among its links', () => {
    const own = [{ title: 'Graph', url: 'https://grafana.example.com' }];
    const runbook = 'https://runbooks.example.com';
    expect(parse('alert', { source: 's', title: 't', links: own, runbook_url: runbook }).links).toEqual([
      ...own,
      { title: 'Runbook', url: runbook },
    ]);
  });

  it('that is wrong is told by the names its sender used', () => {
    const wrong = {
      source: 's',
      name: '',
      runbook_url: 'ftp://x',
      affected_services: [''],
      value: 'a\0b',
      severity: 'P7',
    };
    expect(problems('alert', wrong)).toEqual(['value']);
    expect(problems('alert', { ...wrong, value: 1 })).toEqual([
      'affected_services[0]',
      'name',
      'runbook_url',
      'severity',
    ]);
    expect(problems('alert', { source: 's', name: 'n', runbook_url: { url: 'https://x.example.com' } })).toEqual([
      'runbook_url',
    ]);
    expect(problems('alert', { source: 's' })).toEqual(['title']);
    expect(problems('alert', 'x')).toEqual(['']);
  });
});

describe('an incident', () => {
  it('as its sender is described is read with every field, and what is none of ours is kept', () => {
    const id = '550e8400-e29b-41d4-a716-446655440000';
    expect(parse('incident', ownIncident)).toMatchObject({
      ...OUTAGE,
      id,
      dedup_key: id,
      incident: `llm-sentinel/${id}`,
      assignees: [],
      occurred_at: '2024-01-15T14:32:00Z',
      context: { state: 'Detected', updated_at: '2024-01-15T14:32:00Z' },
    });
  });

  it('is one of its own by source and id; without an id one is made', () => {
    const given = { source: 's', title: 't', incident_type: 'Security' };
    expect(parse('incident', { ...given, id: 'a' })).toMatchObject({
      id: 'a',
      type: 'Security',
      dedup_key: 'a',
      incident: 's/a',
      status: 'firing',
    });
    expect(parse('incident', given).incident).not.toBe(parse('incident', given).incident);
    expect(parse('incident', { ...given, id: '' }).incident).toMatch(/^s\/[0-9a-f-]{36}$/);
  });

  it('cannot be over at once, nor be named by anything but its id', () => {
    const given = { source: 's', title: 't', id: 'a', status: 'resolved', dedup_key: 'b', incident: 'c' };
    expect(parse('incident', given)).toMatchObject({
      status: 'firing',
      dedup_key: 'a',
      incident: 's/a',
      context: { status: 'resolved', dedup_key: 'b', incident: 'c' },
    });
  });
});

describe('an alert of a job', () => {
  it('as its sender is described is told with its job, to its owner', () => {
    expect(parse('job', ownTrigger)).toMatchObject({
      source: 'jobs',
      type: 'gpu_oom',
      title: 'GPU out of memory: train-42',
      severity: 'error',
      body: 'The job has run out of GPU memory',
      user: '5',
      labels: { job: 'train-42' },
      status: 'firing',
    });
  });

  it.each([
    ['job_started', 'info', 'Job started: 7'],
    ['job_completed', 'info', 'Job completed: 7'],
    ['job_failed', 'error', 'Job failed: 7'],
    ['job_cancelled', 'warning', 'Job cancelled: 7'],
    ['gpu_oom', 'error', 'GPU out of memory: 7'],
    ['timeout_warning', 'warning', 'Job close to its timeout: 7'],
    ['disk_warning', 'warning', 'Disk almost full: 7'],
  ])('%s is %s', (type, severity, title) => {
    const found = parse('job', { type, user_id: 'ana', job_id: 7 });
    expect(found).toMatchObject({ type, severity, title, user: 'ana', labels: { job: '7' }, source: 'jobs' });
  });

  it('may be of any other type, in either spelling, with its data inside or outside', () => {
    const inside = parse('job', { alertType: 'eval_done', title: 'x', userId: 5, data: { jobId: 'j', loss: 1 } });
    expect(inside).toMatchObject({ type: 'eval_done', user: '5', severity: 'info', labels: { job: 'j' } });
    expect(inside.context).toEqual({ loss: 1 });
    const outside = parse('job', { alert_type: 'job_failed', job_id: 'j', message: 'It broke', severity: 'P0' });
    expect(outside).toMatchObject({ title: 'Job failed: j', body: 'It broke', severity: 'critical' });
    const failed = parse('job', { type: 'job_failed', data: { model_name: 'llama', error: 'CUDA', status: 'failed' } });
    expect(failed).toMatchObject({ title: 'Job failed: llama', body: 'CUDA', status: 'firing' });
    expect(failed.context).toEqual({ model_name: 'llama', error: 'CUDA', status: 'failed' });
  });

  it('that is wrong is told by the names its sender used', () => {
    expect(problems('job', { type: 'job_failed', job_id: 'a\0b' })).toContain('job_id');
    expect(problems('job', { user_id: 'a' })).toEqual(['type']);
    expect(problems('job', { type: 'job_failed', labels: 5 })).toEqual(['labels']);
  });
});

it('whatever is sent, it is an event or a list of problems', () => {
  fc.assert(
    fc.property(fc.constantFrom('alert', 'incident', 'job'), fc.jsonValue(), (kind, body) => {
      const found = parseOwn(kind as 'alert', body, NOW);
      expect(Array.isArray(found) ? found.length > 0 : typeof found.id === 'string').toBe(true);
    }),
  );
  const fields = [
    'id',
    'type',
    'source',
    'title',
    'labels',
    'links',
    'data',
    'context',
    'runbook_url',
    'job_id',
    'status',
  ];
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...fields), fc.jsonValue()), (body) => {
      for (const kind of ['alert', 'incident', 'job'] as const)
        expect(parseOwn(kind, body, NOW)).toEqual(expect.anything());
    }),
  );
});
