/** When an integration counts as failing or disabled, when a disabled one is tried, and what operators are told of it. */
import type { Event } from './event.ts';

export const HEALTH_STATES = ['ok', 'failing', 'disabled'] as const;
export type HealthState = (typeof HEALTH_STATES)[number];

/** Why an integration is not well. The first two disable it; with the others everything is still tried. */
export const HEALTH_REASONS = {
  gone: 'its receiver answered that it wants no more (HTTP 410)',
  refused: 'it refused us several times in a row: the destination is gone, or the credentials are no longer good',
  dead_in_a_row: 'ten deliveries in a row were dead',
  only_failures: 'nothing but failures for five days',
} as const;
export type HealthReason = keyof typeof HEALTH_REASONS;

/** Refusals without a success between them: one may be about a single message or thread. */
export const REFUSED_MAX = 3;
export const DEAD_MAX = 10;
/** As long as Svix waits before it disables an endpoint: https://docs.svix.com/retries */
export const ONLY_FAILURES_MS = 5 * 24 * 3_600_000;
/** A disabled integration is given one real delivery this often; its success enables it. */
export const PROBE_EVERY_MS = 15 * 60_000;

/** What is remembered of an integration since its last success; times in epoch milliseconds. */
export interface Health {
  state: HealthState;
  /** Since when it is in this state. */
  since: number;
  because?: HealthReason;
  /** The first failure after the last success. */
  failing_since?: number;
  /** Refusals (`gone`, `auth`) and dead deliveries in a row. */
  refused: number;
  dead: number;
}

export const wellSince = (since: number): Health => ({ state: 'ok', since, refused: 0, dead: 0 });

/** A failed attempt. */
export interface Failed {
  channel: string;
  failure: string;
  code?: string;
  /** The delivery will not be tried again. */
  dead: boolean;
}

/** The health after one more failed attempt. What is disabled stays so: only a success or an operator enables it. */
export function withFailure(before: Health, failed: Failed, now: number): Health {
  const isRefusal = failed.failure === 'gone' || failed.failure === 'auth';
  const { because: _, ...rest } = before;
  const counted: Health = {
    ...rest,
    failing_since: before.failing_since ?? now,
    refused: before.refused + (isRefusal ? 1 : 0),
    dead: before.dead + (failed.dead ? 1 : 0),
  };
  if (before.state === 'disabled') return { ...counted, ...(before.because ? { because: before.because } : {}) };
  const verdict = verdictOf(counted, failed, now);
  if (!verdict) return { ...counted, ...(before.because ? { because: before.because } : {}) };
  const changed = verdict.state !== before.state;
  return { ...counted, ...verdict, since: changed ? now : before.since };
}

function verdictOf(
  { refused, dead, failing_since = 0 }: Health,
  { channel, failure, code }: Failed,
  now: number,
): { state: HealthState; because: HealthReason } | undefined {
  // "410 Gone: the sender should disable the endpoint and stop sending messages to it."
  // https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
  if (channel === 'webhook' && failure === 'gone' && code === '410') return { state: 'disabled', because: 'gone' };
  if (refused >= REFUSED_MAX) return { state: 'disabled', because: 'refused' };
  if (dead >= DEAD_MAX) return { state: 'failing', because: 'dead_in_a_row' };
  if (now - failing_since >= ONLY_FAILURES_MS) return { state: 'failing', because: 'only_failures' };
  return undefined;
}

/** Whether a disabled integration may be given a delivery now; `probe_at`: when the last one was let through. */
export const isProbeDue = (probe_at: number | undefined, now: number): boolean =>
  probe_at === undefined || now - probe_at >= PROBE_EVERY_MS;

/** What stands in the ledger about an integration that is not well. */
export interface Unwell {
  state: HealthState;
  since: string;
  because?: HealthReason;
  /** The last failure and what was said of it, free of secrets. */
  failure?: string;
  detail?: string;
}

/** Why, in one line: `it refused us … (auth: HTTP 401)`. */
export function whyInWords({ because, failure, detail }: Omit<Unwell, 'state' | 'since'>): string {
  const words = because ? HEALTH_REASONS[because] : 'it fails';
  return failure === undefined ? words : `${words} (${[failure, detail].filter(Boolean).join(': ')})`;
}

/** Why a delivery to a disabled integration ends at once, and what can be done. */
export const disabledInWords = (name: string, health: Unwell): string =>
  `${name} is disabled since ${health.since}: ${whyInWords(health)}. One delivery every ${PROBE_EVERY_MS / 60_000} minutes is let through to see whether it works again; when you have mended it, enable it and send this one again`;

/** The source of the events that the pipeline sends about itself. */
export const OWN_SOURCE = 'tocsin';

/** What operators are told when the state of an integration has changed from what they were `told` last. */
export function healthEvent(name: string, health: Unwell, told: HealthState): Event {
  const { state, since, because } = health;
  const [type, severity] =
    (state === 'ok' ? told : state) === 'failing'
      ? (['integration_failing', 'warning'] as const)
      : (['integration_disabled', 'error'] as const);
  return {
    id: `integration/${name}/${state}/${since}`,
    source: OWN_SOURCE,
    type,
    title: state === 'ok' ? `Integration ${name} works again` : `Integration ${name} is ${state}`,
    severity,
    ...(state === 'ok' ? {} : { body: whyInWords(health) }),
    service: OWN_SOURCE,
    components: [name],
    labels: { integration: name, ...(because ? { because } : {}) },
    assignees: [],
    links: [],
    status: state === 'ok' ? 'resolved' : 'firing',
    dedup_key: `integration/${name}`,
  };
}
