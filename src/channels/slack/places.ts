/** Where a notice goes: to the channel of its job, of users, of its severity, or to the default one. */
import { isWorse } from '../../core/event.ts';
import type { Notice } from '../../core/notice.ts';
import { isOfUsers } from '../../core/privacy.ts';
import type { Config } from './config.ts';

/** The label, or field of the context, in which an event asks for a channel. */
const ASKED_IN = 'slack_channel';
/** Labels that name the job where no story does. */
const JOB_LABELS = ['job', 'job_name'];

export interface Place {
  channel: string;
  /** What an operator should know of the choice. */
  note?: string;
}

/** The channel for this notice. What an event asks for counts only where the configuration allows it. */
export function placeOf(notice: Notice, config: Config): Place {
  const usual = usualPlace(notice, config);
  const wanted = askedFor(notice);
  if (wanted === undefined) return { channel: usual };
  if (config.label_channels.some((pattern) => matches(nameOf(pattern), nameOf(wanted)))) return { channel: wanted };
  return {
    channel: usual,
    note: `told in the usual channel: the event asked for another one in ${ASKED_IN}, which label_channels does not allow`,
  };
}

/** Why the channel of this notice is not paged for it, in words; undefined where it is. */
export function belowThreshold(notice: Notice, config: Config): string | undefined {
  const { channel } = placeOf(notice, config);
  const { severity } = notice.incident;
  const found = Object.entries(config.thresholds ?? {}).find(([pattern]) => matches(nameOf(pattern), nameOf(channel)));
  if (!found || !isWorse(found[1], severity)) return undefined;
  return `${severity} is below the threshold ${found[1]} of the channel ${channel}`;
}

function usualPlace(notice: Notice, { channel, channels, users_channel, job_channels }: Config): string {
  const job = jobOf(notice);
  const ofJob =
    job === undefined ? undefined : Object.entries(job_channels ?? {}).find(([pattern]) => matches(pattern, job))?.[1];
  const ofUsers = isOfUsers(notice) ? users_channel : undefined;
  return ofJob ?? ofUsers ?? channels?.[notice.incident.severity] ?? channel;
}

function jobOf({ story, alerts }: Notice): string | undefined {
  if (story) return story.name;
  const labels = alerts[0]?.labels ?? {};
  const name = JOB_LABELS.find((label) => Object.hasOwn(labels, label));
  return name === undefined ? undefined : labels[name];
}

function askedFor({ alerts }: Notice): string | undefined {
  const [first] = alerts;
  if (!first) return undefined;
  const fromContext =
    typeof first.context === 'object' && first.context !== null && !Array.isArray(first.context)
      ? first.context[ASKED_IN]
      : undefined;
  const wanted = Object.hasOwn(first.labels, ASKED_IN) ? first.labels[ASKED_IN] : fromContext;
  return typeof wanted === 'string' && wanted !== '' ? wanted : undefined;
}

const nameOf = (channel: string): string => channel.replace(/^#/, '');

/** `*` stands for any text, everything else for itself. Linear in both: patterns are the operator's, texts the sender's. */
function matches(pattern: string, text: string): boolean {
  const [start = '', ...parts] = pattern.split('*');
  if (parts.length === 0) return text === start;
  const end = parts.pop() ?? '';
  if (!text.startsWith(start) || !text.endsWith(end) || text.length < start.length + end.length) return false;
  let at = start.length;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= text.length - end.length;
}
