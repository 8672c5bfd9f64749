/** Alerts as Prometheus posts them to Alertmanager: when they fire, how two postings become one, and what of them is news. */
import type { Labels } from '../event.ts';

/** One alert as it is known, by its label set; all times in milliseconds since 1970. */
export interface Posted {
  labels: Labels;
  annotations: Labels;
  generatorURL: string;
  starts_at: number;
  /** When it ends by itself where nobody posts it again; not after `updated_at`: it has ended. */
  ends_at: number;
  /** When it was last posted, by our clock. */
  updated_at: number;
  /** Its sender did not say when it ends: we did. */
  timeout: boolean;
  /** That its sender said it was over, when, and by which generatorURL; null where it has begun anew since. */
  ended: { at: number; by: string } | null;
}

/** Alertmanager's own default of global.resolve_timeout: https://prometheus.io/docs/alerting/latest/configuration/#configuration-file */
const RESOLVE_TIMEOUT_MS = 5 * 60_000;

/** What was written of one alert; a time that is absent was never set. */
export type Written = Pick<Posted, 'labels' | 'annotations' | 'generatorURL'> &
  Partial<Pick<Posted, 'starts_at' | 'ends_at'>>;

/** The alert with its times: it starts when it ends or now, and ends after the timeout, where its sender does not say. */
export function postedAt({ starts_at, ends_at, ...alert }: Written, now: number): Posted {
  const posted = {
    ...alert,
    starts_at: starts_at ?? ends_at ?? now,
    ends_at: ends_at ?? now + RESOLVE_TIMEOUT_MS,
    updated_at: now,
    timeout: ends_at === undefined,
  };
  return { ...posted, ended: hasEnded(posted, now) ? endOf(posted) : null };
}

const hasEnded = ({ ends_at }: Pick<Posted, 'ends_at'>, now: number): boolean => ends_at <= now;

const endOf = ({ ends_at, generatorURL }: Pick<Posted, 'ends_at' | 'generatorURL'>): Posted['ended'] => ({
  at: ends_at,
  by: generatorURL,
});

/**
 * What is known after `sent`, the younger of the two, has come (prometheus/alertmanager, provider/mem and types: Merge).
 * Where their times overlap they are one: it starts with the earlier; of two ends the later counts; a firing one keeps the
 * later end, unless that was only our timeout. Where they do not overlap, the younger stands alone.
 */
export function merged(old: Posted | undefined, sent: Posted): Posted {
  if (!old) return sent;
  const within = (time: number): boolean => time > old.starts_at && time < old.ends_at;
  const next = within(sent.ends_at) || within(sent.starts_at) ? overlapping(old, sent) : sent;
  const { updated_at: now } = sent;
  if (hasEnded(next, now)) return { ...next, ended: endOf(next) };
  return { ...next, ended: old.ended && next.starts_at <= old.ended.at ? old.ended : null };
}

function overlapping(old: Posted, sent: Posted): Posted {
  const starts_at = Math.min(old.starts_at, sent.starts_at);
  const { updated_at: now } = sent;
  const keepsEnd = hasEnded(sent, now) ? hasEnded(old, now) : !old.timeout;
  return { ...sent, starts_at, ends_at: keepsEnd ? Math.max(old.ends_at, sent.ends_at) : sent.ends_at };
}

/** What a posting tells the pipeline; `again`: it goes on, or fires anew, after the end at this time. */
export type News = { status: 'resolved' } | { status: 'firing'; again: number | undefined };

/** A firing that goes on is told to the pipeline this often: it opens the next incident where somebody has closed the last. */
const HEARD_AGAIN_MS = 3_600_000;
/**
 * Of two Prometheus servers with the same rules one may see the end some evaluations before the other, which meanwhile
 * repeats its firing, each minute by default (--rules.alert.resend-delay): only who repeats it for longer is believed.
 */
const SETTLED_MS = 2 * 60_000;

/**
 * What the pipeline has to hear of `next`, which `old` and a posting have become; undefined where it is a repetition that
 * only moves the end. What was lost on its way is news again at the next repetition: `old` is kept after the news.
 */
export function newsOf(old: Posted | undefined, next: Posted): News | undefined {
  const { updated_at: now, ended } = next;
  if (hasEnded(next, now)) return old?.ended?.at === next.ends_at ? undefined : { status: 'resolved' };
  const isDoubted = ended !== null && ended.by !== next.generatorURL;
  if (isDoubted && now - ended.at < SETTLED_MS) return undefined;
  const isKnown =
    old !== undefined &&
    !hasEnded(old, now) &&
    old.starts_at === next.starts_at &&
    hourOf(old.updated_at) === hourOf(now) &&
    !(isDoubted && old.updated_at - ended.at < SETTLED_MS);
  if (isKnown) return undefined;
  const before = old && hasEnded(old, now) ? old.ends_at : undefined;
  return { status: 'firing', again: ended?.at ?? before };
}

export const hourOf = (time: number): number => Math.floor(time / HEARD_AGAIN_MS);
