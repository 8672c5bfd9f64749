/** Every way in by HTTP as its senders use it: what they post, how they prove it, and what they have to be answered. */
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { sources } from '../../src/sources/index.ts';
import alertmanager from '../samples/alertmanager/recorded-firing.json' with { type: 'json' };
import cloudevent from '../samples/cloudevents/ptp-sync-state.json' with { type: 'json' };
import datadog from '../samples/datadog/recorded-triggered.json' with { type: 'json' };
import gcp from '../samples/gcp-monitoring/open-1.2.json' with { type: 'json' };
import workflowRun from '../samples/github/workflow_run.completed.json' with { type: 'json' };
import pipeline from '../samples/gitlab/pipeline.json' with { type: 'json' };
import grafana from '../samples/grafana/v11-firing.json' with { type: 'json' };
import build from '../samples/mapping/appveyor-failure.json' with { type: 'json' };
import opsgenie from '../samples/opsgenie/alertmanager-create.json' with { type: 'json' };
import ownEvent from '../samples/own/event.json' with { type: 'json' };
import pagerduty from '../samples/pagerduty/alertmanager-trigger.json' with { type: 'json' };
import prometheus from '../samples/prometheus/firing.json' with { type: 'json' };
import sentry from '../samples/sentry/event-alert.json' with { type: 'json' };
import sns from '../samples/sns/cloudwatch-alarm.json' with { type: 'json' };

import { createSnsSigner } from './sns-signer.ts';

/** Whoever takes the messages of SNS has to reach its certificate: this is the way out to it. */
const snsSigner = await createSnsSigner();
export const egress = {
  fetch: snsSigner.fetch,
  resolve: (host: string) => Promise.reject(new Error(`nothing is at ${host}`)),
};

const pytest = readFileSync(new URL('../samples/junit/pytest.xml', import.meta.url));

export interface Message {
  path: string;
  headers: Record<string, string>;
  raw: Buffer;
}

export interface Sender {
  /** Its entry in tocsin.yaml, under its own id; absent where the door is open without one. */
  entry?: string;
  /** What it proves itself by; absent: an API key. */
  secret?: string;
  /** Alerts in one message, where its protocol has room for several. */
  batch?: number;
  /** The message about these troubles, not proven yet. */
  message(troubles: readonly number[], now: Date): Message;
  prove(message: Message, secret: string, now: Date): Message;
  /** Authentic, and no trouble; absent where there is no such message. */
  nothing?(now: Date): Message;
  /** What a wrong proof is answered; 401 unless its API knows another word. */
  forged?: 400;
  /** Its proof is of the bytes it sends. */
  signs?: true;
  /** Its message with a proof of so many minutes ago is a copy that somebody kept; absent: no time is proven. */
  stale_min?: number;
  /** Sent again it is the same event, or, where its events have no ids, another of the same alert. */
  again: 'same event' | 'same alert';
  /** What it gets whose message is called text/plain: 2xx where it is read whatever it is called. */
  plain: 202 | 200 | 415;
  /** Bytes of the largest message. */
  most: number;
  /** How it is told to come back: after too many of its own, and where more has arrived than can be kept. */
  busy: { own: 429 | 503; all: 429 | 503 };
  /** In whose words problems are told. */
  says: 'problem' | 'pagerduty' | 'opsgenie' | 'alertmanager';
}

/** A way in that nobody posts to: why, and its least configuration. */
export interface Listener {
  listens: string;
  entry: string;
}

/** The troubles of one service share an incident. */
export const SERVICES = 7;
export const serviceOf = (trouble: number): string => `shop-${trouble % SERVICES}`;
/** Ten digits, which may be an id, a branch or a fingerprint anywhere, and which nothing else in a message looks like. */
export const nameOf = (trouble: number): string => String(7_000_000_000 + trouble);

/** The trouble that an event is about, read back from whatever its source has made of it; undefined where it is none of ours. */
export function troubleIn(event: unknown): number | undefined {
  const [name, ...others] = new Set(JSON.stringify(event).match(/(?<!\d)70000\d{5}(?!\d)/g));
  if (others.length > 0) throw new Error(`an event is about ${others.length + 1} troubles`);
  return name === undefined ? undefined : Number(name) - 7_000_000_000;
}

const JSON_TYPE = 'application/json';
const MB = 1024 * 1024;
const MANY = 5 * MB;

const json = (path: string, body: unknown, headers: Record<string, string> = {}): Message => ({
  path,
  headers: { 'content-type': JSON_TYPE, ...headers },
  raw: Buffer.from(JSON.stringify(body)),
});
const withHeaders = (message: Message, headers: Record<string, string>): Message => ({
  ...message,
  headers: { ...message.headers, ...headers },
});
const bearer: Sender['prove'] = (message, secret) => withHeaders(message, { authorization: `Bearer ${secret}` });
const basic: Sender['prove'] = (message, secret) =>
  withHeaders(message, { authorization: `Basic ${Buffer.from(`sender:${secret}`).toString('base64')}` });
const inAddress =
  (name: string): Sender['prove'] =>
  (message, secret) => ({
    ...message,
    path: `${message.path}${message.path.includes('?') ? '&' : '?'}${name}=${secret}`,
  });
const seconds = (now: Date): string => String(Math.floor(now.getTime() / 1_000));
const hexMac = (secret: string, ...parts: (string | Buffer)[]): string => {
  const mac = createHmac('sha256', secret);
  for (const part of parts) mac.update(part);
  return mac.digest('hex');
};
const first = <T>(list: readonly T[]): T => {
  const [one] = list;
  if (one === undefined) throw new Error('the sample is empty');
  return one;
};

const TOKEN = (id: string): string => `the-token-of-${id}`;
const posted = { again: 'same event', plain: 202, most: MANY, says: 'problem' } as const;
/** They give a message up at 429, and send it again after 503. */
const givesUpAt429 = { own: 503, all: 503 } as const;
const usual = { own: 429, all: 503 } as const;
/** Clients of these APIs repeat after 429 by their own patience, or by Retry-After. */
const repeatsAt429 = { own: 429, all: 429 } as const;

const alertmanagerAlert = (trouble: number) => {
  const alert = first(alertmanager.alerts);
  return { ...alert, labels: { ...alert.labels, service: serviceOf(trouble) }, fingerprint: nameOf(trouble) };
};
const mapped = (path: string) => (troubles: readonly number[]) => {
  const job = (trouble: number) => ({
    ...first(build.eventData.jobs),
    id: nameOf(trouble),
    name: nameOf(trouble),
    service: serviceOf(trouble),
  });
  return withJobs(path, troubles.map(job));
};
const withJobs = (path: string, jobs: readonly object[]): Message =>
  json(path, { ...build, eventData: { ...build.eventData, jobs } });
const minutesFrom = (now: Date, minutes: number) => new Date(now.getTime() + minutes * 60_000).toISOString();

export const SENDERS: Record<(typeof sources)[number]['id'] | 'events' | 'prometheus', Sender | Listener> = {
  /** The event door. */
  events: {
    ...posted,
    batch: 50,
    message: (troubles) =>
      json(
        '/v1/events',
        troubles.map((trouble) => ({
          ...ownEvent,
          id: nameOf(trouble),
          dedup_key: nameOf(trouble),
          source: 'events',
          severity: trouble % 5 === 0 ? 'critical' : 'error',
          service: serviceOf(trouble),
        })),
      ),
    prove: bearer,
    plain: 415,
    busy: usual,
  },
  /** Alertmanager's API v2, where Prometheus posts. */
  prometheus: {
    ...posted,
    batch: 50,
    message: (troubles, now) =>
      json(
        '/api/v2/alerts',
        troubles.map((trouble) => ({
          ...first(prometheus),
          labels: { ...first(prometheus).labels, service: serviceOf(trouble), instance: nameOf(trouble) },
          startsAt: minutesFrom(now, -1),
          endsAt: minutesFrom(now, 4),
        })),
      ),
    prove: basic,
    nothing: () => json('/api/v2/alerts', []),
    plain: 415,
    busy: givesUpAt429,
    says: 'alertmanager',
  },
  alertmanager: {
    ...posted,
    entry: `token: ${TOKEN('alertmanager')}`,
    secret: TOKEN('alertmanager'),
    batch: 50,
    message: (troubles) =>
      json('/v1/sources/alertmanager', { ...alertmanager, alerts: troubles.map(alertmanagerAlert) }),
    prove: basic,
    nothing: () => json('/v1/sources/alertmanager', { ...alertmanager, alerts: [] }),
    busy: givesUpAt429,
  },
  cloudevents: {
    ...posted,
    entry: `source: cloudevents, token: ${TOKEN('cloudevents')}`,
    secret: TOKEN('cloudevents'),
    batch: 50,
    message: (troubles) =>
      json(
        '/v1/sources/cloudevents',
        troubles.map((trouble) => ({
          ...cloudevent,
          id: nameOf(trouble),
          subject: nameOf(trouble),
          service: serviceOf(trouble),
        })),
        { 'content-type': 'application/cloudevents-batch+json' },
      ),
    prove: inAddress('access_token'),
    nothing: () => json('/v1/sources/cloudevents', { ...cloudevent, specversion: '0.3' }),
    plain: 415,
    busy: repeatsAt429,
  },
  datadog: {
    ...posted,
    entry: `token: ${TOKEN('datadog')}`,
    secret: TOKEN('datadog'),
    message: ([trouble = 0]) =>
      json('/v1/sources/datadog', {
        ...datadog,
        id: nameOf(trouble),
        alert_cycle_key: nameOf(trouble),
        tags: `env:production,service:${serviceOf(trouble)}`,
      }),
    prove: bearer,
    nothing: () => json('/v1/sources/datadog', { id: '1' }),
    busy: givesUpAt429,
  },
  'gcp-monitoring': {
    ...posted,
    entry: `token: ${TOKEN('gcp')}`,
    secret: TOKEN('gcp'),
    message: ([trouble = 0]) =>
      json('/v1/sources/gcp-monitoring', {
        ...gcp,
        incident: {
          ...gcp.incident,
          incident_id: nameOf(trouble),
          metadata: { user_labels: { service: serviceOf(trouble) } },
        },
      }),
    prove: inAddress('auth_token'),
    nothing: () => json('/v1/sources/gcp-monitoring', { incident: { ...gcp.incident, state: 'unheard of' } }),
    busy: usual,
  },
  github: {
    ...posted,
    signs: true,
    entry: `secret: ${TOKEN('github')}`,
    secret: TOKEN('github'),
    message: ([trouble = 0]) =>
      json(
        '/v1/sources/github',
        {
          ...workflowRun,
          repository: { ...workflowRun.repository, full_name: serviceOf(trouble) },
          workflow_run: {
            ...workflowRun.workflow_run,
            conclusion: 'failure',
            id: Number(nameOf(trouble)),
            html_url: '',
            head_branch: nameOf(trouble),
          },
        },
        { 'x-github-event': 'workflow_run', 'x-github-delivery': crypto.randomUUID() },
      ),
    prove: (message, secret) =>
      withHeaders(message, { 'x-hub-signature-256': `sha256=${hexMac(secret, message.raw)}` }),
    nothing: () => json('/v1/sources/github', { zen: 'Design for failure.' }, { 'x-github-event': 'ping' }),
    most: 25 * MB,
    busy: usual,
  },
  gitlab: {
    ...posted,
    signs: true,
    entry: `signing_token: whsec_${Buffer.from(TOKEN('gitlabs')).toString('base64')}`,
    secret: TOKEN('gitlabs'),
    message: ([trouble = 0]) =>
      json('/v1/sources/gitlab', {
        ...pipeline,
        object_attributes: {
          ...pipeline.object_attributes,
          status: 'failed',
          id: Number(nameOf(trouble)),
          ref: nameOf(trouble),
        },
        project: { ...pipeline.project, path_with_namespace: serviceOf(trouble) },
      }),
    prove(message, secret, now) {
      const [id, at] = ['msg-1', seconds(now)];
      const mac = createHmac('sha256', secret).update(`${id}.${at}.`).update(message.raw).digest('base64');
      return withHeaders(message, { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': `v1,${mac}` });
    },
    nothing: () => json('/v1/sources/gitlab', { object_kind: 'note' }),
    stale_min: 6,
    busy: usual,
  },
  grafana: {
    ...posted,
    signs: true,
    entry: `secret: ${TOKEN('grafana')}, timestamp_header: X-Sent-At`,
    secret: TOKEN('grafana'),
    batch: 50,
    message(troubles) {
      const alert = first(grafana.alerts);
      const made = (trouble: number) => ({
        ...alert,
        labels: { ...alert.labels, service: serviceOf(trouble) },
        fingerprint: nameOf(trouble),
      });
      return json('/v1/sources/grafana', { ...grafana, alerts: troubles.map(made) });
    },
    prove: (message, secret, now) =>
      withHeaders(message, {
        'x-sent-at': seconds(now),
        'x-grafana-alerting-signature': hexMac(secret, `${seconds(now)}:`, message.raw),
      }),
    nothing: () => json('/v1/sources/grafana', { ...grafana, alerts: [] }),
    stale_min: 6,
    busy: givesUpAt429,
  },
  jsonata: {
    ...posted,
    entry: `token: ${TOKEN('jsonata')}, items: eventData.jobs, when: service, each: { id: id, dedup_key: id, type: '"build_" & status', title: name, service: service }`,
    secret: TOKEN('jsonata'),
    batch: 20,
    message: mapped('/v1/sources/jsonata'),
    prove: inAddress('token'),
    nothing: () => withJobs('/v1/sources/jsonata', [{}]),
    busy: usual,
  },
  junit: {
    ...posted,
    entry: `token: ${TOKEN('junit')}`,
    secret: TOKEN('junit'),
    most: 2.5 * MB,
    message: ([trouble = 0]) => ({
      path: `/v1/sources/junit?repository=${serviceOf(trouble)}&branch=${nameOf(trouble)}&run_id=${nameOf(trouble)}`,
      headers: { 'content-type': 'application/xml' },
      raw: pytest,
    }),
    prove: bearer,
    nothing: () => ({
      path: '/v1/sources/junit?repository=green',
      headers: { 'content-type': 'application/xml' },
      raw: Buffer.from('<testsuite name="unit"><testcase name="adds"/></testsuite>'),
    }),
    busy: usual,
  },
  mail: { listens: 'letters come by SMTP', entry: 'address: alerts@example.com, password: the-password-of-mail' },
  mapping: {
    ...posted,
    entry: `token: ${TOKEN('mapping')}, each: eventData.jobs, when: [{ path: service }], id: id, dedup_key: id, event_type: 'build_{status}', title: name, service: service`,
    secret: TOKEN('mapping'),
    batch: 50,
    message: mapped('/v1/sources/mapping'),
    prove: bearer,
    nothing: () => withJobs('/v1/sources/mapping', [{}]),
    busy: usual,
  },
  'redis-stream': {
    listens: 'Tocsin reads the entries itself',
    entry: "url: 'redis://:the-password-of-redis@127.0.0.1:6379'",
  },
  opsgenie: {
    ...posted,
    entry: `api_key: ${TOKEN('opsgenie')}`,
    secret: TOKEN('opsgenie'),
    message: ([trouble = 0]) =>
      json('/v2/alerts', {
        ...opsgenie,
        alias: nameOf(trouble),
        details: { ...opsgenie.details, service: serviceOf(trouble) },
      }),
    prove: (message, secret) => withHeaders(message, { authorization: `GenieKey ${secret}` }),
    nothing: () => json('/v2/alerts/nobody/close?identifierType=alias', {}),
    again: 'same alert',
    most: 512_000,
    busy: repeatsAt429,
    says: 'opsgenie',
  },
  pagerduty: {
    ...posted,
    entry: 'routing_key: 5e7c2d1f9a8b4c3e6d0f7a1b2c9e8d4f',
    secret: '5e7c2d1f9a8b4c3e6d0f7a1b2c9e8d4f',
    message: ([trouble = 0]) =>
      json('/v2/enqueue', {
        ...pagerduty,
        dedup_key: nameOf(trouble),
        payload: { ...pagerduty.payload, component: serviceOf(trouble) },
      }),
    /** The key is in the body. */
    prove: (message, secret) => ({
      ...message,
      raw: Buffer.from(message.raw.toString('latin1').replace(pagerduty.routing_key, secret), 'latin1'),
    }),
    nothing: () => json('/v2/enqueue', { ...pagerduty, event_action: 'acknowledge', dedup_key: 'nobody' }),
    forged: 400,
    again: 'same alert',
    most: 512_000,
    busy: repeatsAt429,
    says: 'pagerduty',
  },
  sentry: {
    ...posted,
    signs: true,
    entry: `secret: ${TOKEN('sentry')}`,
    secret: TOKEN('sentry'),
    message: ([trouble = 0]) =>
      json('/v1/sources/sentry', {
        ...sentry,
        data: {
          ...sentry.data,
          event: {
            ...sentry.data.event,
            issue_id: nameOf(trouble),
            url: `https://sentry.io/api/0/projects/acme/${serviceOf(trouble)}/events/1/`,
          },
        },
      }),
    prove: (message, secret, now) =>
      withHeaders(message, {
        'sentry-hook-timestamp': seconds(now),
        'sentry-hook-signature': hexMac(secret, message.raw),
      }),
    nothing: () => json('/v1/sources/sentry', { action: 'created', data: { installation: {} } }),
    stale_min: 6,
    busy: usual,
  },
  sns: {
    ...posted,
    entry: `token: ${TOKEN('topics')}`,
    secret: TOKEN('topics'),
    message: ([trouble = 0], now) =>
      json('/v1/sources/sns', snsMessage(trouble, now), { 'content-type': 'text/plain; charset=UTF-8' }),
    prove: inAddress('token'),
    nothing: (now) => json('/v1/sources/sns', snsMessage(0, now, 'UnsubscribeConfirmation')),
    stale_min: 66,
    busy: usual,
  },
};

function snsMessage(trouble: number, now: Date, Type = sns.Type): object {
  const alarm = JSON.parse(sns.Message) as { Trigger: object };
  const Trigger = { ...alarm.Trigger, Namespace: serviceOf(trouble) };
  return snsSigner.sign({
    ...sns,
    Type,
    MessageId: nameOf(trouble),
    Timestamp: now.toISOString(),
    Message: JSON.stringify({ ...alarm, AlarmName: nameOf(trouble), Trigger }),
  });
}

/** Those who post, by the source of their events. */
export const POSTING: [id: string, sender: Sender][] = Object.entries(SENDERS).flatMap(([id, sender]) =>
  'message' in sender ? [[id, sender]] : [],
);
/** Those whom Tocsin hears by itself. */
export const LISTENED: [id: string, listener: Listener][] = Object.entries(SENDERS).flatMap(([id, sender]) =>
  'listens' in sender ? [[id, sender]] : [],
);

/** The section `sources` of tocsin.yaml, with each of them under its own id; `other` entries stand in place of the usual. */
export const sourcesYaml = (other: Readonly<Record<string, string>> = {}): string =>
  [
    'sources:',
    ...Object.entries(SENDERS).flatMap(([id, { entry }]) =>
      entry === undefined ? [] : [`  ${id}: { type: ${id}, ${other[id] ?? entry} }`],
    ),
  ].join('\n');

/** A proof as good as nobody's: a secret of the same length and letters. */
export const otherThan = (secret: string): string => [...secret].reverse().join('');
