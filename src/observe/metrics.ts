/** Every metric Tocsin has, in one table, and the registry made from it. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** The closed sets that other rooms own; observe may not import them. */
export interface LabelSets {
  /** REASONS of core/notice.ts. */
  reasons: readonly string[];
  /** The ids of channels/index.ts. */
  channels: readonly string[];
  /** FAILURES of channels/channel.ts. */
  failures: readonly string[];
  /** The names of sources/index.ts; the label starts empty where it is not given. */
  sources?: readonly string[];
  /** The routes of the configuration; likewise. */
  routes?: readonly string[];
}

/** A label's values: listed here, one of the sets, or made by the HTTP router (patterns, never paths). */
type Values = readonly string[] | keyof LabelSets | 'patterns';

interface Metric {
  kind: 'counter' | 'gauge' | 'histogram';
  name: string;
  help: string;
  labels: Readonly<Record<string, Values>>;
  /** Upper bounds in seconds. */
  buckets?: readonly number[];
}

const FAST = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const SLOW = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

const TABLE = {
  eventsAccepted: {
    kind: 'counter',
    name: 'tocsin_events_accepted_total',
    help: 'Events at the door, by the source they came through and what became of them',
    labels: { source: 'sources', outcome: ['new', 'duplicate', 'rejected'] },
  },
  acceptSeconds: {
    kind: 'histogram',
    name: 'tocsin_accept_seconds',
    help: 'From the whole request read to the ledger committed',
    labels: {},
    buckets: FAST,
  },
  deliveries: {
    kind: 'counter',
    name: 'tocsin_deliveries_total',
    help: 'Deliveries that ended, by channel and how',
    labels: { channel: 'channels', outcome: ['delivered', 'dead', 'superseded', 'skipped'] },
  },
  attempts: {
    kind: 'counter',
    name: 'tocsin_attempts_total',
    help: 'Attempts to deliver; the reason of a delivered one is "none"',
    labels: { channel: 'channels', outcome: ['delivered', 'retry', 'rejected'], reason: 'failures' },
  },
  deliverySeconds: {
    kind: 'histogram',
    name: 'tocsin_delivery_seconds',
    help: 'From the notice decided to the provider having it',
    labels: { channel: 'channels' },
    buckets: SLOW,
  },
  notices: {
    kind: 'counter',
    name: 'tocsin_notices_total',
    help: 'Decisions to tell somebody, by the reason that is also in the log, the ledger and the console',
    labels: { reason: 'reasons' },
  },
  incidentsOpened: {
    kind: 'counter',
    name: 'tocsin_incidents_opened_total',
    help: 'Incidents opened, by route of the configuration',
    labels: { route: 'routes' },
  },
  incidentsOpen: {
    kind: 'gauge',
    name: 'tocsin_incidents_open',
    help: 'Incidents that are not resolved',
    labels: {},
  },
  inboxWaiting: {
    kind: 'gauge',
    name: 'tocsin_inbox_waiting',
    help: 'Inbox rows that no batch has claimed yet',
    labels: {},
  },
  relayBatches: {
    kind: 'counter',
    name: 'tocsin_relay_batches_total',
    help: 'Batches carried to Temporal; a failed one is carried again, the same',
    labels: { outcome: ['sent', 'failed'] },
  },
  relaySignalSeconds: {
    kind: 'histogram',
    name: 'tocsin_relay_signal_seconds',
    help: 'One signal-with-start, as the relay sees it',
    labels: {},
    buckets: FAST,
  },
  deliveriesDead: {
    kind: 'gauge',
    name: 'tocsin_deliveries_dead',
    help: 'Dead deliveries that nobody has sent again',
    labels: {},
  },
  integrationState: {
    kind: 'gauge',
    name: 'tocsin_integration_state',
    help: 'How an integration fares: 0 ok, 1 failing, 2 disabled because it refused or failed too often',
    labels: { integration: [] },
  },
  retentionRows: {
    kind: 'counter',
    name: 'tocsin_retention_rows_total',
    help: 'What was kept long enough and has gone: events, incidents with all of theirs, sends, summaries, audit rows',
    labels: { kind: ['events', 'incidents', 'sends', 'summaries', 'audit'] },
  },
  httpRequests: {
    kind: 'counter',
    name: 'tocsin_http_requests_total',
    help: 'HTTP answers, by route pattern and class of status',
    labels: { route: 'patterns', status: ['1xx', '2xx', '3xx', '4xx', '5xx'] },
  },
  httpSeconds: {
    kind: 'histogram',
    name: 'tocsin_http_seconds',
    help: 'From the request to the end of the answer, by route pattern',
    labels: { route: 'patterns' },
    buckets: FAST,
  },
  buildInfo: {
    kind: 'gauge',
    name: 'tocsin_build_info',
    help: 'Always 1; the versions are the labels',
    labels: { version: [], node: [] },
  },
} as const satisfies Record<string, Metric>;

type Table = typeof TABLE;
type LabelOf<M extends Metric> = Extract<keyof M['labels'], string>;
type Instrument<M extends Metric> = M['kind'] extends 'counter'
  ? Counter<LabelOf<M>>
  : M['kind'] extends 'gauge'
    ? Gauge<LabelOf<M>>
    : Histogram<LabelOf<M>>;

export type Metrics = { [Name in keyof Table]: Instrument<Table[Name]> } & {
  registry: Registry;
  /** Runs before every scrape, to set gauges that are questions to the ledger; a failing one leaves its gauge as it was. */
  beforeScrape(ask: () => Promise<void> | void): void;
  /** The answer to GET /metrics, in Prometheus' text format. */
  text(): Promise<string>;
};

/** The reason of an attempt that has none to give: it was delivered. */
export const NO_REASON = 'none';

/** All metrics, each in a registry of its own making; whatever has a closed set of labels begins at 0. */
export function createMetrics(sets: LabelSets): Metrics {
  const registry = new Registry();
  const made = Object.entries(TABLE as Record<string, Metric>).map(([key, metric]) => [
    key,
    instrument(metric, sets, registry),
  ]);
  const questions: (() => Promise<void> | void)[] = [];
  const own = {
    registry,
    beforeScrape: (ask: () => Promise<void> | void) => void questions.push(ask),
    text: async () => {
      await Promise.allSettled(questions.map(async (ask) => ask()));
      return registry.metrics();
    },
  };
  return { ...Object.fromEntries(made), ...own } as Metrics;
}

/** `2xx` for 204: the label of tocsin_http_requests_total. */
export const statusClass = (status: number): string => `${Math.floor(status / 100)}xx`;

/** The table as Markdown, for the README. */
export function metricsTable(): string {
  const rows = Object.values(TABLE as Record<string, Metric>).map(
    ({ name, kind, labels, help }) => `| \`${name}\` | ${kind} | ${labelsOf(labels)} | ${help} |`,
  );
  return ['| metric | kind | labels | what it counts |', '|---|---|---|---|', ...rows].join('\n');
}

const labelsOf = (labels: Metric['labels']): string =>
  Object.entries(labels)
    .map(([label, values]) =>
      typeof values === 'string' || values.length === 0 ? label : `${label}: ${values.join(', ')}`,
    )
    .join('; ');

function instrument(metric: Metric, sets: LabelSets, registry: Registry): Counter | Gauge | Histogram {
  const { name, help, kind } = metric;
  const labelNames = Object.keys(metric.labels);
  const common = { name, help, labelNames, registers: [registry] };
  switch (kind) {
    case 'counter': {
      const counter = new Counter(common);
      for (const labels of startingLabels(metric, sets)) counter.inc(labels, 0);
      return counter;
    }
    case 'gauge':
      return new Gauge(common);
    case 'histogram': {
      const histogram = new Histogram({ ...common, buckets: [...(metric.buckets ?? FAST)] });
      for (const labels of startingLabels(metric, sets)) if (labelNames.length > 0) histogram.zero(labels);
      return histogram;
    }
  }
}

/** Every combination of labels that can occur, where all their sets are known. */
function startingLabels(metric: Metric, sets: LabelSets): Record<string, string>[] {
  let rows: Record<string, string>[] = [{}];
  for (const [label, values] of Object.entries(metric.labels)) {
    const known = typeof values !== 'string' ? values : values === 'patterns' ? [] : (sets[values] ?? []);
    const all = values === 'failures' ? [NO_REASON, ...known] : known;
    rows = rows.flatMap((row) => all.map((value) => ({ ...row, [label]: value })));
  }
  // What was delivered has no reason, and what was not has one.
  return rows.filter(
    (row) => !('reason' in row && 'outcome' in row) || (row.outcome === 'delivered') === (row.reason === NO_REASON),
  );
}
