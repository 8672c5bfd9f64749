/** Notices for tests of channels: a plain one to vary, and the cases of the golden files. */
import type { Notice, NoticeAlert, Reason } from '../../src/core/notice.ts';
import { LIMITS } from '../../src/sources/source.ts';

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

/** Asks somebody to act, and says so little else that what differs from one reason to the other stands out. */
const page =
  (reason: Reason, line: string, more: NoticeOverrides = {}) =>
  (): Notice => {
    const { title, status, severity, type, source, count, first_at, last_at } = sampleAlert();
    return sampleNotice({
      reason,
      lines: [line],
      components: [],
      alerts: [
        {
          ...{ title, status, severity, type, source, count, first_at, last_at },
          ...{ components: [], labels: {}, links: [], assignees: [] },
        },
      ],
      links: [],
      ...more,
      delivery: { key: `INC-1/${reason}/b4/target` },
    });
  };

/** A chapter of the job whose end is the case `story-end`. */
const chapter =
  (type: string, title: string, severity: 'info' | 'error', story: Partial<NonNullable<Notice['story']>>) =>
  (): Notice => {
    const { status, count, first_at, last_at } = sampleAlert();
    return sampleNotice({
      reason: 'story',
      headline: title,
      lines: [],
      components: ['exports'],
      alerts: [
        {
          ...{ title, status, severity, type, source: 'runner', service: 'exports', count, first_at, last_at },
          ...{ components: [], labels: { environment: 'production' }, links: [], assignees: [] },
        },
      ],
      links: [],
      incident: { severity, title: 'nightly-export has started', service: 'exports', route: 'jobs' },
      story: { name: 'nightly-export', phase: 'progress', ok: true, ...story },
      delivery: { key: 'INC-1/story/b1/target' },
    });
  };

/** Tells of no incident: nobody is to act, and no alert stands behind it. */
function told(reason: 'test' | 'summary', id: string, title: string, more: NoticeOverrides): Notice {
  const { incident, ...notice } = sampleNotice({
    reason,
    headline: title,
    components: [],
    alerts: [],
    links: [],
    ...more,
    incident: { id, severity: 'info', title, route: 'daily', alert_count: 0, firing_count: 0, ...more.incident },
    delivery: { key: `${reason}/${id}` },
  });
  const { service: _, url: __, ...rest } = incident;
  return { ...notice, incident: rest };
}

/**
 * Notices of one incident in which everything is as long as the doors let it in, written in this sign alone: a page of many
 * alerts with its answers, one of a lone alert with all it has, and what follows.
 */
export function longestNotices(sign: string): Notice[] {
  const long = (max: number): string => [...sign.repeat(max)].slice(0, max).join('');
  const many = <One>(count: number, one: (index: number) => One): One[] =>
    Array.from({ length: count }, (_, index) => one(index));
  const numbered = (count: number, name: number, value: number): Record<string, string> =>
    Object.fromEntries(many(count, (index) => [`${index}${long(name - 2)}`, long(value)]));
  const title = long(LIMITS.title);
  const links = many(10, (index) => ({
    title: long(LIMITS.linkTitle),
    url: `https://example.com/${index}/`.padEnd(LIMITS.linkUrl, 'y'),
  }));
  const alert = sampleAlert({
    title,
    severity_word: long(LIMITS.severityWord),
    type: long(LIMITS.name),
    source: long(LIMITS.name),
    service: long(LIMITS.name),
    components: many(LIMITS.components, (index) => `${index}${long(LIMITS.component - 2)}`),
    body: long(LIMITS.bodyBytes / Buffer.byteLength(sign)),
    labels: numbered(LIMITS.labels, LIMITS.labelName, LIMITS.labelValue / 2),
    links,
    trace_id: long(LIMITS.trace),
    request_id: long(LIMITS.trace),
    context: numbered(14, 100, 140),
    assignees: many(LIMITS.assignees, (index) => `${index}${long(LIMITS.assignee - 2)}`),
  });
  const answers = (['ack', 'snooze', 'resolve'] as const).map((action) => ({
    action,
    label: long(LIMITS.linkTitle),
    token: action.padEnd(60, 'x'),
    url: `https://tocsin.example.com/${action}?`.padEnd(LIMITS.linkUrl, 'x'),
  }));
  const told = (reason: Notice['reason'], more: NoticeOverrides = {}): Notice =>
    sampleNotice({
      reason,
      headline: title,
      lines: many(30, () => title),
      components: alert.components,
      alerts: many(20, () => alert),
      more: 9_980,
      pattern: title,
      by: long(LIMITS.name),
      links,
      ...more,
      incident: {
        title,
        service: long(LIMITS.name),
        route: long(LIMITS.name),
        alert_count: 10_000,
        firing_count: 10_000,
        ...more.incident,
      },
      delivery: { key: `INC-1/${reason}/b1/`.padEnd(200, 't') },
    });
  const facts = { counts: numbered(40, 128, 256), details: numbered(40, 128, 256) };
  return [
    told('group_now', { answers }),
    told('group_now', { alerts: [alert], more: 0, incident: { alert_count: 1, firing_count: 1 } }),
    told('escalated', { answers, level: 3 }),
    told('acknowledged', { incident: { status: 'acknowledged' } }),
    told('resolved', { incident: { status: 'resolved', firing_count: 0 } }),
    told('story', { story: { name: title, phase: 'end', ok: false, duration_ms: 754_000, ...facts } }),
  ];
}

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
  answers: () =>
    sampleNotice({
      answers: (['ack', 'snooze', 'resolve'] as const).map((action) => ({
        action,
        label: { ack: 'Acknowledge', snooze: 'Snooze 1 h', resolve: 'Resolve' }[action],
        token: `sample.${action}.token`,
        url: `https://tocsin.example.com/a/sample.${action}.token`,
      })),
    }),
  'story-start': chapter('job_start', 'nightly-export has started', 'info', {
    phase: 'start',
    details: { environment: 'production', batch: '32' },
  }),
  'story-progress': chapter('job_progress', 'nightly-export: 6,000 of 12,000 rows', 'info', {}),
  'story-failed': chapter('job_failed', 'nightly-export failed', 'error', {
    phase: 'end',
    ok: false,
    duration_ms: 61_000,
    counts: { rows: '6000', failed: '1' },
  }),
  'user-registered': () => {
    const title = 'New user ana.kim@example.com: Ana Kim';
    const {
      trace_id: _,
      request_id: __,
      ...alert
    } = sampleAlert({
      title,
      severity: 'info',
      severity_word: 'info',
      type: 'user_registered',
      source: 'accounts',
      service: 'accounts',
      components: [],
      body: 'Ana Kim signed in for the first time.',
      labels: { environment: 'production' },
      context: { email: 'ana.kim@example.com', display_name: 'Ana Kim', user_id: 42, total_users: 1337 },
      assignees: [],
    });
    return sampleNotice({
      headline: title,
      lines: [],
      components: ['accounts'],
      alerts: [alert],
      links: [],
      incident: { severity: 'info', title, service: 'accounts' },
    });
  },
  test: () =>
    told('test', 'TEST-7', 'Test of this integration', {
      lines: ['Asked for by ana. If you can read this, notifications arrive here.'],
    }),
  summary: () =>
    told('summary', 'daily/2026-01-15', 'Summary daily 2026-01-15', {
      lines: [
        'Incidents: 3 opened by 41 events',
        'By severity: critical: 1; warning: 2',
        'Deliveries: 12 delivered, 0 dead',
      ],
      links: [{ title: 'Notion page', url: 'https://www.notion.so/0123456789abcdef0123456789abcdef' }],
      incident: { status: 'resolved' },
    }),
  group_count: page('group_count', 'Third alert in 5 min'),
  failover: page('failover', 'Told here because slack did not deliver in time.'),
  repeat_interval: page('repeat_interval', 'Still open after 4 h.'),
  severity_rose: page('severity_rose', 'The severity rose to critical.'),
  fired_again: page('fired_again', 'It fired again after it had been resolved.'),
  escalated_by_hand: page('escalated_by_hand', 'Escalated by hand to level 2.', { by: 'ana', level: 2 }),
  unacknowledged: page('unacknowledged', 'ana took the acknowledgement back.', { by: 'ana' }),
  ack_timed_out: page('ack_timed_out', 'It was acknowledged, and nothing has happened since: paging again.'),
  snooze_ended: page('snooze_ended', 'The snooze has ended and it is still open.'),
  working: () =>
    sampleNotice({
      reason: 'working',
      headline: 'API gateway answers 503',
      lines: ['It is investigating now.'],
      by: 'ana',
      incident: { status: 'acknowledged', working: 'investigating' },
      delivery: { key: 'INC-1/working/w1/target' },
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

/** Pages that differ by their reason and one line share a golden file, under their names. */
const ALIKE: readonly NoticeCase[] = [
  ...(['group_count', 'failover', 'repeat_interval', 'severity_rose', 'fired_again', 'escalated_by_hand'] as const),
  ...(['unacknowledged', 'ack_timed_out', 'snooze_ended'] as const),
];

/** Golden files, and the cases in each. */
export const goldenFiles: [file: string, cases: readonly NoticeCase[]][] = [
  ...noticeCases.filter((name) => !ALIKE.includes(name)).map((name): [string, [NoticeCase]] => [name, [name]]),
  ['pages', ALIKE],
];

/** A fresh notice of the named case. */
export const noticeOf = (name: NoticeCase): Notice => CASES[name]();
