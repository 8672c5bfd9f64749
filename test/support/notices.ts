/** Notices for tests of channels: a plain one to vary, and the cases of the golden files. */
import type { Notice, NoticeAlert } from '../../src/core/notice.ts';

/** Everything in an override is merged one level deep into `incident` and `delivery`; the rest is replaced. */
export type NoticeOverrides = Partial<Omit<Notice, 'incident' | 'delivery'>> & {
  incident?: Partial<Notice['incident']>;
  delivery?: Partial<Notice['delivery']>;
};

export function sampleAlert(overrides: Partial<NoticeAlert> = {}): NoticeAlert {
  return {
    title: 'API gateway answers 503',
    status: 'firing',
    severity: 'critical',
    severity_word: 'P0',
    type: 'availability',
    source: 'sentinel',
    service: 'gateway',
    components: ['edge-1'],
    body: 'Every request of the last minute was answered 503.',
    labels: { region: 'ap-northeast-2' },
    links: [],
    trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
    request_id: 'req-7',
    context: { pool: 'blue', healthy: 0 },
    assignees: ['ana'],
    count: 1,
    first_at: '2026-01-15T14:32:00.000Z',
    last_at: '2026-01-15T14:32:00.000Z',
    ...overrides,
  };
}

/** One critical alert, told at once. */
export function sampleNotice({ incident, delivery, ...rest }: NoticeOverrides = {}): Notice {
  return {
    reason: 'group_now',
    headline: 'API gateway answers 503',
    lines: ['New in gateway'],
    components: ['edge-1'],
    alerts: [sampleAlert()],
    more: 0,
    links: [
      { title: 'Grafana', url: 'https://grafana.example.com/d/gateway' },
      { title: 'Prometheus', url: 'https://prometheus.example.com/graph' },
    ],
    at: '2026-01-15T14:32:01.000Z',
    ...rest,
    incident: {
      id: 'INC-1',
      status: 'open',
      severity: 'critical',
      title: 'API gateway answers 503',
      service: 'gateway',
      route: 'critical',
      url: 'https://tocsin.example.com/incidents/INC-1',
      alert_count: 1,
      firing_count: 1,
      opened_at: '2026-01-15T14:32:00.000Z',
      first_at: '2026-01-15T14:32:00.000Z',
      last_at: '2026-01-15T14:32:00.000Z',
      ...incident,
    },
    delivery: { key: 'INC-1/group_now/b1/target', attempt: 1, ...delivery },
  };
}

/** The longest thing a sender may get past the door, and then some. */
const MEGABYTE = 1_000_000;

/** What one would write into an alert to misuse whoever shows it. */
export const HOSTILE =
  '<!channel> <@U1> @here *bold* <https://evil.example|click> <script>alert(1)</script> "\'&\r\nBcc: victim@example.com\r\n\r\n\u001b[2J\u202eevil\u0000\ud800';

const manyDisks = (count: number): NoticeAlert[] =>
  Array.from({ length: count }, (_, index) =>
    sampleAlert({
      title: `Disk full on web-${index + 1}`,
      severity: 'warning',
      severity_word: 'warning',
      type: 'disk',
      components: [`web-${index + 1}`],
      count: index + 1,
      trace_id: `trace-${index + 1}`,
      request_id: `req-${index + 1}`,
    }),
  );

const CASES = {
  firing: () =>
    sampleNotice({
      reason: 'group_wait',
      headline: '3 similar alerts in storage',
      lines: ['Disk full on *'],
      pattern: 'Disk full on *',
      components: ['web-1', 'web-2', 'web-3'],
      alerts: manyDisks(3),
      incident: {
        severity: 'warning',
        title: 'Disk full on web-1',
        service: 'storage',
        alert_count: 3,
        firing_count: 3,
      },
      delivery: { key: 'INC-1/group_wait/b1/target' },
    }),
  one: () => sampleNotice(),
  many: () =>
    sampleNotice({
      reason: 'group_interval',
      headline: '500 similar alerts in storage',
      lines: ['Disk full on *'],
      pattern: 'Disk full on *',
      components: manyDisks(20).flatMap(({ components }) => components),
      alerts: manyDisks(20),
      more: 480,
      incident: { severity: 'warning', title: 'Disk full on web-1', alert_count: 500, firing_count: 498 },
      delivery: { key: 'INC-1/group_interval/b9/target' },
    }),
  acknowledged: () =>
    sampleNotice({
      reason: 'acknowledged',
      headline: 'Acknowledged by ana',
      lines: ['ana has it, 2 min after it began'],
      by: 'ana',
      incident: { status: 'acknowledged' },
      delivery: { key: 'INC-1/acknowledged/a1/target' },
    }),
  snoozed: () =>
    sampleNotice({
      reason: 'snoozed',
      headline: 'Snoozed by ana for 1 h',
      lines: [],
      by: 'ana',
      incident: { status: 'snoozed' },
      delivery: { key: 'INC-1/snoozed/a2/target' },
    }),
  escalated: () =>
    sampleNotice({
      reason: 'escalated',
      headline: 'Nobody answered: level 2',
      lines: ['Waited 5 min for an answer'],
      level: 2,
      delivery: { key: 'INC-1/escalated/2-0-0/target' },
    }),
  resolved: () =>
    sampleNotice({
      reason: 'resolved',
      headline: 'Resolved after 12 min',
      lines: ['Every alert has ended'],
      alerts: [sampleAlert({ status: 'resolved' })],
      incident: { status: 'resolved', firing_count: 0 },
      delivery: { key: 'INC-1/resolved/b3/target' },
    }),
  'story-end': () =>
    sampleNotice({
      reason: 'story',
      headline: 'nightly-export finished',
      lines: [],
      alerts: [
        sampleAlert({ title: 'nightly-export finished', severity: 'info', severity_word: 'info', type: 'job_end' }),
      ],
      incident: { severity: 'info', title: 'nightly-export', status: 'resolved', firing_count: 0 },
      story: {
        name: 'nightly-export',
        phase: 'end',
        ok: true,
        duration_ms: 754_000,
        counts: { rows: '12000', failed: '0' },
        details: { environment: 'production', batch: '32' },
      },
      delivery: { key: 'INC-1/story/b2/target' },
    }),
  hostile: () =>
    sampleNotice({
      headline: HOSTILE,
      lines: [HOSTILE, 'a'.repeat(5_000)],
      by: HOSTILE,
      pattern: HOSTILE,
      components: [HOSTILE],
      alerts: [
        sampleAlert({
          title: HOSTILE,
          severity_word: HOSTILE,
          type: HOSTILE,
          source: HOSTILE,
          service: HOSTILE,
          components: [HOSTILE],
          body: `${HOSTILE}${'🔥<'.repeat(MEGABYTE / 3)}`,
          labels: { [HOSTILE]: HOSTILE },
          links: [{ title: HOSTILE, url: 'javascript:alert(1)' }],
          trace_id: HOSTILE,
          request_id: HOSTILE,
          context: { text: 'x'.repeat(16_000) },
          assignees: [HOSTILE],
        }),
      ],
      links: [
        { title: HOSTILE, url: 'javascript:alert(1)' },
        { title: HOSTILE, url: `https://example.com/"><script>alert(1)</script>|${'x'.repeat(4_000)}` },
        { title: HOSTILE, url: 'https://example.com/"><script>alert(1)</script>|x' },
      ],
      incident: { title: HOSTILE, service: HOSTILE, route: HOSTILE, url: 'data:text/html,<script>alert(1)</script>' },
    }),
} satisfies Record<string, () => Notice>;

export type NoticeCase = keyof typeof CASES;
export const noticeCases = Object.keys(CASES) as NoticeCase[];

/** A fresh notice of the named case. */
export const noticeOf = (name: NoticeCase): Notice => CASES[name]();
