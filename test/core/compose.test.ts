import { describe, expect, it } from 'vitest';
import { type AlertFact, composeNotice, type Facts } from '../../src/core/compose.ts';
import type { Event } from '../../src/core/event.ts';
import { REASONS, type Reason } from '../../src/core/notice.ts';

const event = (given: Partial<Event> = {}): Event => ({
  id: 'e1',
  source: 'shop',
  type: 'checkout_failed',
  title: 'Checkout fails on node-1',
  severity: 'error',
  service: 'checkout',
  components: [],
  labels: {},
  assignees: [],
  links: [],
  status: 'firing',
  ...given,
});

const alert = (given: Partial<Event> = {}): AlertFact => {
  const said = event(given);
  const at = '2026-01-15T09:00:00.000Z';
  return {
    event: said,
    status: said.status,
    severity: said.severity,
    title: said.title,
    count: 1,
    first_at: at,
    last_at: at,
  };
};

const facts = ({
  incident,
  ...given
}: Partial<Omit<Facts, 'incident'>> & { incident?: Partial<Facts['incident']> } = {}): Facts => ({
  incident: {
    id: 'INC-1001',
    status: 'open',
    severity: 'error',
    title: 'Checkout fails on node-1',
    service: 'checkout',
    route: 'shop',
    alert_count: 1,
    firing_count: 1,
    opened_at: '2026-01-15T09:00:00.000Z',
    first_at: '2026-01-15T09:00:00.000Z',
    last_at: '2026-01-15T09:00:00.000Z',
    ...incident,
  },
  reason: 'group_wait',
  alerts: [alert()],
  total: 1,
  delivery: { key: 'INC-1001/group_wait/a0-b1-0/chat', attempt: 1 },
  links: [],
  at: '2026-01-15T09:42:10.000Z',
  ...given,
});

describe('the headline', () => {
  it('of one alert is its title', () => {
    expect(composeNotice(facts()).headline).toBe('Checkout fails on node-1');
  });

  it('of several is their number and where, and the route where no service is known', () => {
    expect(composeNotice(facts({ incident: { alert_count: 3 } })).headline).toBe('3 similar alerts in checkout');
    const { service: _, ...incident } = facts().incident;
    expect(composeNotice({ ...facts(), incident: { ...incident, alert_count: 2 } }).headline).toBe(
      '2 similar alerts in shop',
    );
  });
});

describe('the lines', () => {
  const lines = (reason: Reason, incident: Partial<Facts['incident']> = {}, more: Partial<Facts> = {}) =>
    composeNotice(facts({ reason, incident, ...more })).lines;

  it.each<[Reason, Partial<Facts['incident']>, Partial<Facts>, string]>([
    ['acknowledged', { answered_by: 'ana' }, {}, 'Acknowledged by ana.'],
    ['unacknowledged', { answered_by: 'ana' }, {}, 'ana took the acknowledgement back.'],
    [
      'snoozed',
      { answered_by: 'ana', snoozed_until: '2026-01-15T10:00:00.000Z' },
      {},
      'Snoozed by ana until 2026-01-15T10:00:00.000Z.',
    ],
    ['resolved', { answered_by: 'ana' }, {}, 'Resolved by ana. It took 42 min 10 s.'],
    ['resolved', {}, {}, 'Nothing fires any more. It took 42 min 10 s.'],
    ['resolved', { close_reason: 'quiet' }, {}, 'Closed: nothing new has come. It took 42 min 10 s.'],
    ['escalated', {}, { level: 2 }, 'Nobody has answered: escalation level 2.'],
    ['escalated_by_hand', {}, { level: 3 }, 'Escalated by hand to level 3.'],
    ['failover', {}, { instead_of: 'chat' }, 'Told here because chat did not deliver in time.'],
    ['repeat_interval', {}, {}, 'Still open after 42 min 10 s.'],
    ['severity_rose', { severity: 'critical' }, {}, 'The severity rose to critical.'],
    ['working', { working_state: 'investigating' }, {}, 'It is investigating now.'],
  ])('of %s', (reason, incident, more, line) => {
    expect(lines(reason, incident, more)).toEqual([line]);
  });

  it('of a first telling say nothing that the headline does not', () => {
    expect([lines('group_now'), lines('group_wait'), lines('group_count'), lines('group_interval')]).toEqual([
      [],
      [],
      [],
      [],
    ]);
  });

  it('exist for every reason there is, and name nobody as undefined', () => {
    for (const reason of Object.keys(REASONS) as Reason[])
      expect(lines(reason).join(' ')).not.toMatch(/undefined|NaN|null/);
  });

  it('say what the alerts have in common', () => {
    const notice = composeNotice(facts({ alerts: [alert(), alert({ title: 'Checkout fails on node-2' })], total: 2 }));
    expect(notice.pattern).toBeDefined();
    expect(notice.lines).toContain(notice.pattern);
  });
});

describe('what is told', () => {
  it.each(['acknowledged', 'snoozed', 'resolved'] as const)(
    '%s says so, although the incident has moved on',
    (reason) => {
      expect(composeNotice(facts({ reason, incident: { status: 'open' } })).incident.status).toBe(reason);
    },
  );

  it('of a page is the incident as it is now', () => {
    expect(composeNotice(facts({ reason: 'group_now', incident: { status: 'acknowledged' } })).incident.status).toBe(
      'acknowledged',
    );
  });

  it('carries what operators have set beside the status, and why it closed itself', () => {
    const { working, close_reason } = composeNotice(
      facts({ reason: 'resolved', incident: { working_state: 'remediating', close_reason: 'quiet' } }),
    ).incident;
    expect([working, close_reason]).toEqual(['remediating', 'quiet']);
    expect(composeNotice(facts()).incident).not.toHaveProperty('working');
  });

  it('names who answered only where somebody did', () => {
    expect(composeNotice(facts({ reason: 'acknowledged', incident: { answered_by: 'ana' } })).by).toBe('ana');
    expect(composeNotice(facts({ reason: 'group_interval', incident: { answered_by: 'ana' } })).by).toBeUndefined();
  });

  it('shows the alerts it was given and counts the rest', () => {
    const notice = composeNotice(facts({ alerts: Array.from({ length: 20 }, () => alert()), total: 57 }));
    expect([notice.alerts.length, notice.more]).toEqual([20, 37]);
  });

  it('names components once, and services where none are given', () => {
    expect(
      composeNotice(facts({ alerts: [alert({ components: ['edge', 'db'] }), alert({ components: ['db'] })] }))
        .components,
    ).toEqual(['edge', 'db']);
    expect(composeNotice(facts({ alerts: [alert(), alert({ service: 'till' })] })).components).toEqual([
      'checkout',
      'till',
    ]);
  });

  it('has each link once, at most ten', () => {
    const link = (url: string) => ({ title: url, url });
    const alerts = Array.from({ length: 12 }, (_, at) =>
      alert({ links: [link(`https://example.com/${at}`), link('https://example.com/0')] }),
    );
    const { links } = composeNotice(facts({ alerts, links: [link('https://example.com/0')] }));
    expect(links).toHaveLength(10);
    expect(new Set(links.map(({ url }) => url)).size).toBe(10);
  });

  it('has the address of the incident where one is configured, with or without a last slash', () => {
    for (const public_url of ['https://tocsin.example.com', 'https://tocsin.example.com/']) {
      expect(composeNotice(facts({ public_url })).incident.url).toBe(
        'https://tocsin.example.com/v1/incidents/INC-1001',
      );
    }
    expect(composeNotice(facts()).incident.url).toBeUndefined();
  });
});

describe('a chapter', () => {
  const story = (events: Event[], more: Partial<NonNullable<Facts['chapter']>> = {}) =>
    composeNotice(
      facts({
        reason: 'story',
        incident: { lifecycle: 'job' },
        alerts: [],
        chapter: { events, isFirst: false, so_far: 4, ...more },
      }),
    );
  const job = { job: 'nightly-7' };

  it('that begins says so, with the name of its story', () => {
    const notice = story([event({ type: 'job_started', title: 'Nightly started', severity: 'info', labels: job })], {
      isFirst: true,
    });
    expect(notice).toMatchObject({
      headline: 'Nightly started',
      lines: [],
      more: 0,
      story: { name: 'nightly-7', phase: 'start', ok: true },
    });
    expect(notice.story?.duration_ms).toBeUndefined();
  });

  it('that goes on is progress', () => {
    expect(story([event({ type: 'job_progress', severity: 'info', labels: job })]).story).toMatchObject({
      phase: 'progress',
    });
  });

  it('that ends has how long it took by the sender, and its counts', () => {
    const end = event({
      type: 'job_completed',
      severity: 'info',
      labels: { ...job, success: '100', failed: '5' },
      occurred_at: '2026-01-15T09:30:00.000Z',
    });
    expect(story([end]).story).toEqual({
      name: 'nightly-7',
      phase: 'end',
      ok: true,
      duration_ms: 1_800_000,
      counts: { events: '4', success: '100', failed: '5' },
    });
  });

  it('has what its sender knows better: how long it took, though it was heard of late, and what it was begun with', () => {
    const context = { duration_s: 12, counts: { success: 3 }, metadata: { batch: 32 } };
    const { story: told } = story([event({ type: 'job_completed', labels: { ...job, environment: 'prod' }, context })]);
    expect(told).toMatchObject({
      duration_ms: 12_000,
      counts: { events: '4', success: '3' },
      details: { environment: 'prod', batch: '32' },
    });
    const begun = story([event({ type: 'job_started', labels: job, context })], { isFirst: true }).story;
    expect(begun).toMatchObject({ phase: 'start', details: { batch: '32' } });
    expect(begun?.counts).toBeUndefined();
  });

  it('that ends before it began by the sender took no time', () => {
    expect(story([event({ type: 'job_completed', occurred_at: '2020-01-01T00:00:00.000Z' })]).story?.duration_ms).toBe(
      0,
    );
  });

  it('of several events has the worst severity and the last title, and is as good as its worst', () => {
    const notice = story([
      event({ type: 'job_step', severity: 'critical', title: 'Step fails' }),
      event({ type: 'job_completed', severity: 'info', title: 'Done' }),
    ]);
    expect(notice).toMatchObject({
      headline: 'Done',
      incident: { severity: 'critical' },
      story: { phase: 'end', ok: false },
    });
    expect(notice.alerts).toHaveLength(2);
  });
});
