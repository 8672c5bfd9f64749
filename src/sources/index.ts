/** Every source that can be configured by name; the event door (events.ts) is always open and needs no entry. */
import { alertmanager } from './alertmanager.ts';
import { cloudevents } from './cloudevents.ts';
import { datadog } from './datadog.ts';
import { gcpMonitoring } from './gcp-monitoring.ts';
import { github } from './github.ts';
import { gitlab } from './gitlab.ts';
import { grafana } from './grafana.ts';
import { jsonata } from './jsonata.ts';
import { junit } from './junit.ts';
import { mail } from './mail.ts';
import { mapping } from './mapping.ts';
import { opsgenie } from './opsgenie.ts';
import { pagerduty } from './pagerduty.ts';
import { redisStream } from './redis-stream.ts';
import { sentry } from './sentry.ts';
import { sns } from './sns.ts';
import type { AnySource } from './source.ts';

export const sources = [
  alertmanager,
  cloudevents,
  datadog,
  gcpMonitoring,
  github,
  gitlab,
  grafana,
  jsonata,
  junit,
  mail,
  mapping,
  redisStream,
  opsgenie,
  pagerduty,
  sentry,
  sns,
] as const;

/** The source with this id. Its configuration is the one its own schema has parsed. */
export const sourceOf = (id: string): AnySource | undefined =>
  (sources as readonly unknown[] as readonly AnySource[]).find((source) => source.id === id);
